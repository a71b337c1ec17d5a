/*
 * What both programs of the bench do: run on one CPU, at a time. The program says how it dies, and
 * defines _GNU_SOURCE before its first header.
 */
#ifndef PINNED_H
#define PINNED_H

#include <errno.h>
#include <sched.h>
#include <time.h>

static void die(const char *what);

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + 1e-9 * t.tv_nsec;
}

static void sleep_until(double when)
{
	struct timespec t;
	t.tv_sec = (time_t)when;
	t.tv_nsec = (long)((when - (double)t.tv_sec) * 1e9);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

static void pin(int cpu)
{
	size_t size = CPU_ALLOC_SIZE(cpu + 1);
	cpu_set_t *set = CPU_ALLOC(cpu + 1);
	if (set == NULL)
		die("cpu set");
	CPU_ZERO_S(size, set);
	CPU_SET_S(cpu, size, set);
	if (sched_setaffinity(0, size, set) != 0)
		die("sched_setaffinity");
	CPU_FREE(set);
}

#endif
