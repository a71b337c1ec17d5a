/*
 * Turns: a saturated lock serves everybody before the same CPU again. The CPUs of the guest are far too
 * slow to saturate one, so after each section of that lock a CPU waits here until the others have had
 * about one section each.
 */
#ifndef LAB_TURNS_H
#define LAB_TURNS_H

#include <stdint.h>
#include <unistd.h>

#define LOOK_US 300
#define LONGEST_WAIT_US 1000000 /* for others that have nothing to do there just now */
#define MIXED_ITERATIONS 2 /* with waits of random length, so that the loops do not march in step */
#define MIXED_WAIT_US 100000

struct turns {
	int running; /* CPUs whose loop is not over */
	uint64_t served, waits, late;
};

/* Waits after a section; `random` is the state of a generator, one for each CPU. */
static inline void turns_wait(struct turns *turns, unsigned iteration, uint64_t *random)
{
	uint64_t now = __atomic_add_fetch(&turns->served, 1, __ATOMIC_RELAXED), until;
	int others = __atomic_load_n(&turns->running, __ATOMIC_RELAXED) - 1, longest = LONGEST_WAIT_US;
	if (others <= 0)
		return;
	*random = *random * 6364136223846793005ull + 1442695040888963407ull;
	until = now + (uint64_t)others;
	if (iteration <= MIXED_ITERATIONS) { /* 0.2 to 1.8 times as many, rounded */
		until = now + ((uint64_t)others * (200 + (*random >> 33) % 1600) + 500) / 1000;
		longest = MIXED_WAIT_US;
	}
	__atomic_add_fetch(&turns->waits, 1, __ATOMIC_RELAXED);
	for (int waited = 0; waited < longest; waited += LOOK_US) {
		if (__atomic_load_n(&turns->served, __ATOMIC_RELAXED) >= until ||
		    __atomic_load_n(&turns->running, __ATOMIC_RELAXED) <= others) /* one is done */
			return;
		usleep(LOOK_US);
	}
	__atomic_add_fetch(&turns->late, 1, __ATOMIC_RELAXED);
}

#endif
