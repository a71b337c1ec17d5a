/*
 * The first process of the guest: it carries out /plan, line by line, and restarts the machine.
 *
 *   mount TYPE FOLDER      put FILE TEXT         clear FILE         show FILE
 *   say TEXT               inode FILE            run FILE ARGUMENT..
 *   sleepers COUNT FILE    calibrate COUNT       libraries LD_LIBRARY_PATH=FOLDERS
 *   trigger FILE TEXT      (puts "TEXT if ino >= LOW && ino <= HIGH", of the files of `inode`)
 *   pin CPU                mark CODE VALUE      map FILE             functions [START..]
 *   parallel COUNT FILE ARGUMENT..   (at once, one on each of the CPUs 0 .. COUNT - 1)
 *   module FILE            disk FILE FOLDER     enter FOLDER       folder FOLDER
 *
 * Fields are separated by tabs. What it has to say goes to the console, each line after "LAB ";
 * `show` prints a file as it is. Programs run with /dev/null as input and output.
 *
 * calibrate takes a lock COUNT times with next to nothing under it: prctl(PR_SET_THP_DISABLE)
 * holds mmap_lock while it changes one bit. It says how many ticks of the clock that took.
 *
 * mark tells a plugin of QEMU a code of marks.h and a value; map maps a page of a file and unmaps it.
 * functions says the addresses of the kernel's functions whose names begin with a START, or of all:
 * a console takes half a minute for all of /proc/kallsyms.
 * disk mounts an image of ext4, by a loop device; enter makes a folder the root from there on.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "plugin/marks.h"

#define MOST_FIELDS 64
#define LINE 8192
#define PAGE 4096
#define NAME 256
#define MOST_NAMES 64 /* of one address */
#define GATHER_US 50000 /* for all of `parallel` to come to the gate */

static int null = -1;
static char *libraries; /* LD_LIBRARY_PATH=.. of what is run, or NULL */
static unsigned long low = -1ul, high; /* inode numbers of `inode` */
static int sleeping; /* processes that were started by `sleepers` */

static void fail(const char *what, const char *name)
{
	printf("LAB failed: %s %s: %s\n", what, name, strerror(errno));
	fflush(stdout);
	reboot(RB_AUTOBOOT);
}

static void write_to(const char *path, const char *text, int flags)
{
	int fd = open(path, O_WRONLY | flags);
	if (fd < 0 || (*text != 0 && write(fd, text, strlen(text)) < 0))
		fail(text, path);
	close(fd);
}

static void show(const char *path)
{
	static char block[1 << 16];
	ssize_t size;
	int fd = open(path, O_RDONLY);
	if (fd < 0)
		fail("open", path);
	fflush(stdout);
	while ((size = read(fd, block, sizeof(block))) > 0)
		for (ssize_t done = 0, part; done < size; done += part)
			if ((part = write(1, block + done, (size_t)(size - done))) < 0)
				fail("write", path);
	close(fd);
}

static void become(char **argv, int output)
{
	char *environment[] = { "PATH=/usr/bin:/bin", "LC_ALL=C", libraries, NULL };
	dup2(null, 0);
	dup2(output, 1);
	dup2(null, 2);
	execve(argv[0], argv, environment);
	_exit(127);
}

static pid_t start(char **argv, int output)
{
	pid_t child = fork();
	if (child == 0)
		become(argv, output);
	return child;
}

/* Waits for one child; says how it ended unless that is well. */
static pid_t ended(const char *name)
{
	int status;
	pid_t child = wait(&status);
	if (child > 0 && status != 0)
		printf("LAB ended: %s %s %d\n", name, WIFSIGNALED(status) ? "signal" : "exit",
		       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return child;
}

static void run(char **argv)
{
	pid_t child = start(argv, null);
	if (child < 0)
		fail("fork", argv[0]);
	while (ended(argv[0]) != child)
		;
}

static void pin(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		fail("pin", "");
}

/* Each waits at the gate until all are there. */
static void parallel(int count, char **argv)
{
	int gate[2];
	if (pipe(gate) != 0)
		fail("pipe", argv[0]);
	for (int cpu = 0; cpu < count; cpu++) {
		pid_t child = fork();
		if (child < 0)
			fail("fork", argv[0]);
		if (child == 0) {
			char byte;
			pin(cpu);
			close(gate[1]);
			if (read(gate[0], &byte, 1) != 0)
				_exit(126);
			close(gate[0]);
			become(argv, null);
		}
	}
	close(gate[0]);
	usleep(GATHER_US);
	close(gate[1]);
	for (int left = count; left > 0; left--)
		ended(argv[0]);
}

static void mark(int code, int value)
{
	mark_value((unsigned)value);
	switch (code) {
	case MARK_ARM:
		MARK(MARK_ARM);
		break;
	case MARK_FILE:
		MARK(MARK_FILE);
		break;
	case MARK_PHASE:
		MARK(MARK_PHASE);
		break;
	default:
		errno = EINVAL;
		fail("mark", "");
	}
}

static void map(const char *path)
{
	int fd = open(path, O_RDONLY);
	void *page = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	if (fd < 0 || page == MAP_FAILED)
		fail("map", path);
	munmap(page, PAGE);
	close(fd);
}

/* Each writes one byte when it has started, then sleeps for good. */
static void sleepers(int count, char *path)
{
	int ready[2];
	char byte;
	char *argv[] = { path, "sleep", NULL };
	if (pipe(ready) != 0)
		fail("pipe", path);
	for (; sleeping < count; sleeping++) {
		if (start(argv, ready[1]) < 0 || read(ready[0], &byte, 1) != 1)
			fail("start", path);
	}
	close(ready[0]);
	close(ready[1]);
}

static void module(const char *path)
{
	int fd = open(path, O_RDONLY);
	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) != 0)
		fail("module", path);
	close(fd);
}

static void disk(const char *image, const char *folder)
{
	int device = open("/dev/loop0", O_RDWR), content = open(image, O_RDWR);
	mkdir(folder, 0755);
	if (device < 0 || content < 0 || ioctl(device, LOOP_SET_FD, content) != 0)
		fail("disk", image);
	if (mount("/dev/loop0", folder, "ext4", MS_RELATIME, NULL) != 0)
		fail("mount", image);
	close(content); /* the open device keeps it */
}

static void enter(const char *folder)
{
	if (chdir(folder) != 0 || chroot(".") != 0)
		fail("enter", folder);
}

static uint64_t ticks(void)
{
	uint32_t low, high;
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static void calibrate(int count)
{
	uint64_t before = ticks();
	for (int i = 0; i < count; i++)
		prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
	printf("LAB calibrated: %d %llu\n", count, (unsigned long long)(ticks() - before));
}

static int wanted(const char *name, char **starts)
{
	if (*starts == NULL)
		return strncmp(name, "__pfx_", 6) != 0; /* the padding before a function */
	for (; *starts != NULL; starts++)
		if (!strncmp(name, *starts, strlen(*starts)))
			return 1;
	return 0;
}

/* Each line: first address, address of what comes next, name; a few names share both. */
static void functions(char **starts)
{
	static char line[LINE];
	static struct { unsigned long start; char name[NAME]; } open[MOST_NAMES];
	int opened = 0;
	FILE *file = fopen("/proc/kallsyms", "r");
	if (file == NULL)
		fail("open", "/proc/kallsyms");
	while (fgets(line, sizeof(line), file) != NULL) {
		char *rest, *name;
		unsigned long start = strtoul(line, &rest, 16);
		if (rest[0] != ' ' || rest[1] == 0 || rest[2] != ' ')
			continue;
		if (opened > 0 && start > open[0].start) {
			for (int i = 0; i < opened; i++)
				printf("%lx %lx %s\n", open[i].start, start, open[i].name);
			opened = 0;
		}
		name = rest + 3;
		name[strcspn(name, "\n\t ")] = 0;
		if (strchr("tTwW", rest[1]) && opened < MOST_NAMES && wanted(name, starts)) {
			open[opened].start = start;
			snprintf(open[opened++].name, NAME, "%s", name);
		}
	}
	fclose(file);
}

static void step(char **field, int fields)
{
	struct stat status;
	const char *what = field[0];
	if (!strcmp(what, "mount") && fields == 3) {
		mkdir(field[2], 0755);
		if (mount(field[1], field[2], field[1], 0, NULL) != 0)
			fail("mount", field[1]);
	} else if (!strcmp(what, "put") && fields == 3) {
		write_to(field[1], field[2], O_APPEND);
	} else if (!strcmp(what, "clear") && fields == 2) {
		write_to(field[1], "", O_TRUNC);
	} else if (!strcmp(what, "show") && fields == 2) {
		show(field[1]);
	} else if (!strcmp(what, "say") && fields == 2) {
		printf("LAB %s\n", field[1]);
	} else if (!strcmp(what, "inode") && fields == 2) {
		if (stat(field[1], &status) != 0)
			fail("stat", field[1]);
		if (status.st_ino < low)
			low = status.st_ino;
		if (status.st_ino > high)
			high = status.st_ino;
		printf("LAB inode %lu %s\n", (unsigned long)status.st_ino, field[1]);
	} else if (!strcmp(what, "trigger") && fields == 3) {
		char text[LINE];
		snprintf(text, sizeof(text), "%s if ino >= %lu && ino <= %lu", field[2], low, high);
		write_to(field[1], text, O_APPEND);
	} else if (!strcmp(what, "run") && fields > 1) {
		run(field + 1);
	} else if (!strcmp(what, "sleepers") && fields == 3) {
		sleepers(atoi(field[1]), field[2]);
	} else if (!strcmp(what, "libraries") && fields == 2) {
		libraries = strdup(field[1]);
	} else if (!strcmp(what, "pin") && fields == 2) {
		pin(atoi(field[1]));
	} else if (!strcmp(what, "mark") && fields == 3) {
		mark(atoi(field[1]), atoi(field[2]));
	} else if (!strcmp(what, "functions")) {
		functions(field + 1);
	} else if (!strcmp(what, "map") && fields == 2) {
		map(field[1]);
	} else if (!strcmp(what, "parallel") && fields > 2) {
		parallel(atoi(field[1]), field + 2);
	} else if (!strcmp(what, "module") && fields == 2) {
		module(field[1]);
	} else if (!strcmp(what, "disk") && fields == 3) {
		disk(field[1], field[2]);
	} else if (!strcmp(what, "enter") && fields == 2) {
		enter(field[1]);
	} else if (!strcmp(what, "folder") && fields == 2) {
		mkdir(field[1], 0755);
	} else if (!strcmp(what, "calibrate") && fields == 2) {
		calibrate(atoi(field[1]));
	} else {
		errno = EINVAL;
		fail("plan:", what);
	}
	fflush(stdout);
}

int main(void)
{
	static char line[LINE];
	static char buffer[1 << 16];
	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	mkdir("/dev", 0755);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	null = open("/dev/null", O_RDWR);
	FILE *plan = fopen("/plan", "r");
	if (null < 0 || plan == NULL)
		fail("open", "/dev/null or /plan");
	printf("\nLAB started\n");
	while (fgets(line, sizeof(line), plan) != NULL) {
		char *field[MOST_FIELDS + 1] = { NULL };
		int fields = 0;
		line[strcspn(line, "\n")] = 0;
		for (char *at = line; at != NULL && fields < MOST_FIELDS;)
			field[fields++] = strsep(&at, "\t");
		step(field, fields);
	}
	printf("LAB done\n");
	fflush(stdout);
	reboot(RB_AUTOBOOT);
	return 0;
}
