/*
 * In which order the loops go on: freely, with pauses in which the others catch up, or by turns on
 * one lock. And nobody is left behind, so that all loops run while any of them is counted.
 */
#ifndef LAB_ORDER_H
#define LAB_ORDER_H

#include <unistd.h>

#include "counts.h"
#include "stack.h"

#define PHASE_FREE 1
#define PHASE_TURNS 2

#define PAUSE_US 20
#define PAUSE_AFTER 1000 /* instructions, at least; on average twice that */
#define STEP_US 300
#define LONGEST_TURN_US 300000
#define LONGEST_WAIT_US 2000000 /* a CPU that waits answers no other one that needs it */
#define AHEAD 1

struct vcpu {
	struct task *task;
	uint64_t instructions, began, counted, pause_at, random;
	unsigned value, iteration, windows, alone;
	int expected; /* number of the file whose tree comes next, + 1 */
	bool looping, counting;
	struct counts *counts;
} __attribute__((aligned(128)));

static struct vcpu vcpu[MOST_CPUS + 1];
static unsigned loops = 1, warm = 3;
static volatile int phase;
static unsigned running;
static uint64_t served;

static uint64_t drawn(struct vcpu *c)
{
	c->random = c->random * 6364136223846793005 + 1442695040888963407;
	return c->random >> 33;
}

/* Few processors of the host interleave many CPUs as real ones would be. */
static void pause_now_and_then(struct vcpu *c)
{
	if (c->instructions < c->pause_at)
		return;
	c->pause_at = c->instructions + PAUSE_AFTER + drawn(c) % (2 * PAUSE_AFTER);
	usleep(PAUSE_US);
}

/* Waits until the other loops have had about one section each. */
static void wait_for_turn(struct vcpu *c)
{
	uint64_t mine = __atomic_add_fetch(&served, 1, __ATOMIC_RELAXED), wanted, others;
	unsigned active = __atomic_load_n(&running, __ATOMIC_RELAXED);
	if (active < 2)
		return;
	others = active - 1;
	if (c->iteration <= warm) /* not all in step from the first iteration on */
		others = (others * (200 + drawn(c) % 1600) + 500) / 1000;
	wanted = mine + others;
	for (int us = 0; us < LONGEST_TURN_US && phase != 0; us += STEP_US) {
		if (__atomic_load_n(&served, __ATOMIC_RELAXED) >= wanted)
			return;
		usleep(STEP_US);
	}
}

/* Waits while another loop is more than AHEAD iterations behind, so that all run to the end. */
static void wait_for_others(const struct vcpu *c)
{
	for (int us = 0; us < LONGEST_WAIT_US && phase != 0; us += STEP_US) {
		unsigned slowest = c->iteration;
		for (int cpu = 0; cpu < cpus; cpu++) {
			const volatile struct vcpu *other = &vcpu[cpu];
			if (other->looping && other->iteration < slowest)
				slowest = other->iteration;
		}
		if (c->iteration <= slowest + AHEAD)
			return;
		usleep(STEP_US);
	}
}

#endif
