/*
 * A section: from down_write to up_write of one semaphore, and the lines that were touched in it. Its
 * state goes from CLOSED over ENTERING (in down_write) to HELD; what the lock operations themselves
 * touch is kept apart from what is touched while the lock is held.
 */
#ifndef LAB_SECTION_H
#define LAB_SECTION_H

#include <string.h>
#include "directory.h"

#define LINES_KEPT 1024
#define LINES_MOST 960
#define CALLS_KEPT 32

enum { CLOSED, ENTERING, HELD };
enum { INTERRUPTED = 1, SWITCHED = 2, WAITED = 4, OVERFLOWN = 8 }; /* what happened in it */

/* Of a line: flags of directory.h, in the upper half for the lock operations, and these. */
enum { LOADED = 16, STORED = 32, OWN_STACK = 64, FIRST_FOREIGN = 128, LOCK_SHIFT = 16 };
#define ANY (LOADED | STORED)

struct touched {
	uint64_t line;
	unsigned flags;
};

struct section {
	int state, file;
	uint64_t semaphore, slot; /* slot: what down_write returns by */
	uint64_t entered, acquired; /* instructions of the CPU until then */
	unsigned operations, happened, calls, lines;
	uint64_t call[CALLS_KEPT];
	uint16_t used[LINES_KEPT];
	struct touched touched[LINES_KEPT]; /* a hash table; line 0 is empty */
};

struct counts {
	unsigned touched, written; /* while held, without the own stack */
	unsigned foreign;          /* of these: last written by another CPU, however long ago */
	unsigned fetched, taken;   /* of these: LINE_FETCHED; LINE_TAKEN alone */
	unsigned stack;            /* lines of the own stack */
	unsigned lock, lock_moved; /* touched and moved by the lock operations */
};

static inline void section_touch(struct section *section, uint64_t line, unsigned flags, bool store,
				 bool of_lock)
{
	unsigned at = (line * 0x9e3779b97f4a7c15ull) >> 54; /* the upper 10 bits: 0 .. 1023 */
	unsigned moved = flags & LINE_MOVED, added = (store ? STORED : LOADED) | moved;
	struct touched *touched;
	while (section->touched[at].line != 0 && section->touched[at].line != line)
		at = (at + 1) % LINES_KEPT;
	touched = &section->touched[at];
	if (touched->line == 0) {
		if (section->lines == LINES_MOST) {
			section->happened |= OVERFLOWN;
			return;
		}
		touched->line = line;
		touched->flags = (flags & OWN_STACK) | (flags & LINE_FOREIGN ? FIRST_FOREIGN : 0);
		section->used[section->lines++] = (uint16_t)at;
	}
	touched->flags |= of_lock ? added << LOCK_SHIFT : added;
}

static inline struct counts section_counts(const struct section *section)
{
	struct counts counts = { 0 };
	for (unsigned i = 0; i < section->lines; i++) {
		unsigned flags = section->touched[section->used[i]].flags, lock = flags >> LOCK_SHIFT;
		if (flags & OWN_STACK) {
			counts.stack += (flags & ANY) != 0;
			continue;
		}
		counts.lock += (lock & ANY) != 0;
		counts.lock_moved += (lock & LINE_MOVED) != 0;
		if (!(flags & ANY))
			continue;
		counts.touched++;
		counts.written += (flags & STORED) != 0;
		counts.foreign += (flags & FIRST_FOREIGN) != 0;
		counts.fetched += (flags & LINE_FETCHED) != 0;
		counts.taken += (flags & LINE_MOVED) == LINE_TAKEN;
	}
	return counts;
}

static inline void section_close(struct section *section)
{
	for (unsigned i = 0; i < section->lines; i++)
		section->touched[section->used[i]].line = 0;
	section->lines = 0;
	section->state = CLOSED;
}

#endif
