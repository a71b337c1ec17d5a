/*
 * What a cache line takes from one CPU to another, for `lockmodel bench --lines`.
 *
 *   lines TRIPS SAMPLES FILE
 *
 * FILE has a visit per line: two CPUs, and the seconds since the start before which it does not
 * begin, "0 1 0.5".
 *
 * Two threads, each pinned to a CPU of the pair, pass one line to and fro: each waits by
 * compare-and-swap for the other's value and writes its own, so that every try fetches the line to
 * write it, as a lock does. A sample is TRIPS round trips; one before the first is thrown away.
 * Prints a line per visit as soon as it is made, one way, in ns:
 *
 *   CPU CPU SAMPLE_1 .. SAMPLE_n
 *
 * The line is new for every visit and first touched by the first CPU, so its memory is near that one:
 * between two caches of a socket a line passes by its home.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "pinned.h"

#define PAGE 4096
#define MAX_SAMPLES 100000
#define PATIENCE 100000 /* tries: about a millisecond */
#define NAP_S 20e-6

static long trips, samples;

struct side {
	int cpu;
	int *word;
};

static void die(const char *what)
{
	fprintf(stderr, "lines: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Who is let wait that long waits for one that does not run. On a CPU that others want, a waiter that
 * has slept comes first again, and one that has spun comes last: the two would miss each other. The
 * nap is the shorter part, so that two nappers do not miss each other either. */
static inline void change(int *word, int from, int to)
{
	int expected = from;
	for (long tries = 1; !__atomic_compare_exchange_n(word, &expected, to, 0, __ATOMIC_ACQ_REL,
							  __ATOMIC_RELAXED); tries++) {
		expected = from;
		if (tries % PATIENCE == 0)
			sleep_until(now() + NAP_S);
	}
}

static void *answer(void *of)
{
	struct side *side = of;
	pin(side->cpu);
	for (long i = 0; i < (samples + 1) * trips; i++)
		change(side->word, 1, 0);
	return NULL;
}

static void measure(int first, int second)
{
	static double taken[MAX_SAMPLES];
	pthread_t thread;
	pin(first);
	int *word = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (word == MAP_FAILED)
		die("memory");
	*word = 0;
	struct side other = { second, word };
	if ((errno = pthread_create(&thread, NULL, answer, &other)) != 0)
		die("thread");
	for (long sample = -1; sample < samples; sample++) {
		double from = now();
		for (long i = 0; i < trips; i++)
			change(word, 0, 1);
		if (sample >= 0)
			taken[sample] = 1e9 * (now() - from) / (2.0 * trips);
	}
	pthread_join(thread, NULL);
	munmap(word, PAGE);
	printf("%d %d", first, second);
	for (long sample = 0; sample < samples; sample++)
		printf(" %.3f", taken[sample]);
	printf("\n");
	if (fflush(stdout) != 0)
		exit(1);
}

int main(int argc, char **argv)
{
	int first, second;
	double start = now(), after;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_TIMERSLACK, 1UL);
	if (argc != 4) {
		fprintf(stderr, "usage: lines TRIPS SAMPLES FILE\n");
		return 2;
	}
	trips = atol(argv[1]);
	samples = atol(argv[2]);
	FILE *visits = fopen(argv[3], "r");
	if (visits == NULL)
		die(argv[3]);
	if (trips < 1 || samples < 1 || samples > MAX_SAMPLES) {
		errno = EINVAL;
		die("TRIPS, SAMPLES");
	}
	while (fscanf(visits, "%d %d %lf", &first, &second, &after) == 3) {
		sleep_until(start + after);
		measure(first, second);
	}
	return 0;
}
