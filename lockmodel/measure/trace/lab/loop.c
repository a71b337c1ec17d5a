/*
 * What the guest traces.
 *
 *   loop fork COUNT BINARY     fork, execve, exit and wait, COUNT times
 *   loop vfork COUNT BINARY    the same with vfork
 *   loop execl XXX            execs itself, once for each X
 *   loop sleep                 writes a byte to its output, then sleeps for good
 *
 * It must be dynamic and need only libc; it allocates nothing. A plugin of QEMU is told of each
 * iteration (marks.h).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "plugin/marks.h"

extern char **environ;

/* Returns what the program ended with: 0, its exit code, or 128 + signal; at once if it did not run. */
static int iterate(int shares, int count, char *binary)
{
	char *const argv[] = { binary, NULL };
	int ended = 0;
	while (count-- > 0) {
		int status;
		MARK(MARK_ITERATION);
		pid_t child = shares ? vfork() : fork();
		if (child == 0) {
			execve(binary, argv, environ);
			_exit(127);
		}
		if (child < 0)
			return 126;
		while (waitpid(child, &status, 0) != child)
			;
		if (status != 0)
			ended = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		if (ended > 125)
			break;
	}
	MARK(MARK_LOOPED);
	return ended;
}

int main(int argc, char **argv)
{
	if (argc == 2 && write(1, "", 1) == 1)
		for (;;)
			pause();
	if (argc == 4)
		return iterate(argv[1][0] == 'v', atoi(argv[2]), argv[3]);
	if (argc != 3)
		return 125;
	if (argv[2][0] != 0) {
		MARK(MARK_ITERATION);
		execl(argv[0], argv[0], "execl", argv[2] + 1, (char *)NULL);
	}
	MARK(MARK_LOOPED);
	return 0;
}
