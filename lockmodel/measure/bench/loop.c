/*
 * The loop that `lockmodel bench` measures, on n pinned processes.
 *
 *   loop KIND WARMUP_S WINDOW_S BINARY CPU[,CPU..]      KIND: fork vfork posix_spawn execl
 *
 * One iteration: fork, vfork: + execve(BINARY) + _exit + wait; posix_spawn: + wait; execl: this
 * program execs itself. Every worker counts its finished iterations where the parent can read
 * them; the parent reads all counters at both ends of one window, so that throughput is counted
 * over the same time for all. It prints one line of numbers:
 *
 *   WINDOW_S COUNT_1 .. COUNT_n
 *
 * What the loop must not do is take locks of its own that all workers share. The counters are a
 * shared mapping, which fork would copy (and lock) in every iteration: MADV_DONTFORK keeps it
 * out of the children. execl has a memory file per worker and writes its counter by pwrite.
 *
 * The caller makes it the leader of a session and kills the whole process group afterwards; if
 * the caller dies, so does this program (PR_SET_PDEATHSIG), and takes its group with it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pinned.h"

#define MAX_WORKERS 65536
#define LINE 128 /* bytes between two counters: a pair of cache lines, which are fetched together */

extern char **environ;

static int messages = 2; /* closed on exec: what the binary prints goes to /dev/null */

static void die(const char *what)
{
	dprintf(messages, "loop: %s: %s\n", what, strerror(errno));
	kill(0, SIGKILL);
	_exit(1);
}

static void on_term(int sig)
{
	(void)sig;
	kill(0, SIGKILL);
}

/* Ends everything if the child did not run: a loop that fails fast would look fast. */
static void reap(pid_t child)
{
	int status;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
		errno = ENOEXEC;
		die("the binary cannot be run (exit 127)");
	}
}

static void iterate(const char *kind, char *binary, volatile uint64_t *counter)
{
	char *const argv[] = { binary, NULL };
	for (;;) {
		pid_t child;
		if (kind[0] == 'f') {
			child = fork();
			if (child == 0) {
				execve(binary, argv, environ);
				_exit(127);
			}
		} else if (kind[0] == 'v') {
			child = vfork();
			if (child == 0) {
				execve(binary, argv, environ);
				_exit(127);
			}
		} else {
			int error = posix_spawn(&child, binary, NULL, NULL, argv, environ);
			if (error != 0) {
				errno = error;
				die("posix_spawn");
			}
		}
		if (child < 0)
			die("fork");
		reap(child);
		__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
	}
}

/* The body of execl: `loop @execl FD COUNT`. */
static void again(char **argv)
{
	char fd[16], count[32];
	uint64_t done = strtoull(argv[3], NULL, 10) + 1;
	if (pwrite(atoi(argv[2]), &done, sizeof(done), 0) != sizeof(done))
		_exit(1);
	snprintf(fd, sizeof(fd), "%s", argv[2]);
	snprintf(count, sizeof(count), "%llu", (unsigned long long)done);
	execl(argv[0], argv[0], "@execl", fd, count, (char *)NULL);
	_exit(1);
}

static uint64_t count_of(int execl_fd, volatile uint64_t *counter)
{
	uint64_t value = 0;
	if (execl_fd < 0)
		return __atomic_load_n(counter, __ATOMIC_RELAXED);
	if (pread(execl_fd, &value, sizeof(value), 0) != sizeof(value))
		return 0;
	return value;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "@execl") == 0)
		again(argv);
	if (argc != 6) {
		fprintf(stderr, "usage: loop KIND WARMUP_S WINDOW_S BINARY CPU,CPU..\n");
		return 2;
	}
	const char *kind = argv[1];
	double warmup = atof(argv[2]), window = atof(argv[3]);
	static int cpus[MAX_WORKERS], files[MAX_WORKERS];
	static uint64_t before[MAX_WORKERS], after[MAX_WORKERS];
	int n = 0, is_execl = strcmp(kind, "execl") == 0;
	for (char *at = strtok(argv[5], ","); at != NULL && n < MAX_WORKERS; at = strtok(NULL, ","))
		cpus[n++] = atoi(at);

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	signal(SIGTERM, on_term);
	signal(SIGINT, on_term);
	int out = fcntl(1, F_DUPFD_CLOEXEC, 3), error = fcntl(2, F_DUPFD_CLOEXEC, 3);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (out < 0 || error < 0 || null < 0)
		die("standard output");
	messages = error;
	if (dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
		die("/dev/null");

	char *shared = mmap(NULL, (size_t)n * LINE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int start[2];
	if (shared == MAP_FAILED || pipe2(start, O_CLOEXEC) != 0)
		die("counters");
	pid_t parent = getpid();
	for (int i = 0; i < n; i++) {
		files[i] = is_execl ? memfd_create("counter", 0) : -1;
		if (is_execl && files[i] < 0)
			die("memfd_create");
		pid_t worker = fork();
		if (worker < 0)
			die("fork of a worker");
		if (worker > 0)
			continue;
		char byte;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		signal(SIGTERM, SIG_DFL);
		signal(SIGINT, SIG_DFL);
		pin(cpus[i]);
		close(start[1]);
		for (int j = 0; j < i && is_execl; j++)
			close(files[j]);
		if (madvise(shared, (size_t)n * LINE, MADV_DONTFORK) != 0)
			die("madvise");
		while (read(start[0], &byte, 1) < 0) /* until the parent closes its end */
			if (errno != EINTR)
				die("start");
		close(start[0]);
		if (is_execl) {
			char fd[16];
			snprintf(fd, sizeof(fd), "%d", files[i]);
			execl(argv[0], argv[0], "@execl", fd, "0", (char *)NULL);
			die("execl");
		}
		iterate(kind, argv[4], (volatile uint64_t *)(shared + (size_t)i * LINE));
	}
	close(start[0]);
	close(start[1]);

	sleep_until(now() + warmup);
	double from = now();
	for (int i = 0; i < n; i++)
		before[i] = count_of(files[i], (uint64_t *)(shared + (size_t)i * LINE));
	sleep_until(from + window);
	double to = now();
	for (int i = 0; i < n; i++)
		after[i] = count_of(files[i], (uint64_t *)(shared + (size_t)i * LINE));
	int status;
	if (waitpid(-1, &status, WNOHANG) != 0) { /* workers never end by themselves */
		dprintf(messages, "loop: a worker ended early\n");
		kill(0, SIGKILL);
	}
	FILE *answer = fdopen(out, "w");
	fprintf(answer, "%.9f", to - from);
	for (int i = 0; i < n; i++)
		fprintf(answer, " %llu", (unsigned long long)(after[i] - before[i]));
	fprintf(answer, "\n");
	fclose(answer);
	kill(0, SIGKILL); /* this program as well: the line is out */
	return 0;
}
