/*
 * What a task holds: the sections it is in, up to NESTED at once, and what it touches in them.
 *
 * A section begins when down_write returns by the slot that its CALL stored, and ends when up_write is
 * entered; but whose up_write that is, only its exchange-add says. So what is touched before is kept
 * until then.
 */
#ifndef LAB_HOLDER_H
#define LAB_HOLDER_H

#include <stdlib.h>
#include "section.h"
#include "stack.h"

#define NESTED 4
#define EARLY 32 /* accesses in up_write before its exchange-add */

struct access {
	uint64_t address;
	unsigned flags;
	bool store;
};

struct holder {
	struct section *section[NESTED];
	int open;       /* sections that are not closed */
	int interrupts; /* it is in so many */
	bool program;   /* it has run a program, so it is no thread of the kernel */
	bool leaving;   /* it is in up_write, before the exchange-add */
	bool turn;      /* it has to wait for its next turn when it returns by turn_slot */
	uint64_t enter_slot, leave_slot, turn_slot;
	uint64_t left; /* instructions of the CPU when up_write was entered */
	int early;
	struct access first[EARLY];
};

static inline void holder_recount(struct holder *holder)
{
	holder->open = 0;
	for (int i = 0; i < NESTED; i++)
		holder->open += holder->section[i] != NULL && holder->section[i]->state != CLOSED;
}

/* `released` is the section whose up_write the access is in, or NULL. */
static inline void holder_add(struct holder *holder, const struct access *access,
			      const struct section *released)
{
	for (int i = 0; i < NESTED; i++) {
		struct section *s = holder->section[i];
		if (s != NULL && s->state != CLOSED)
			section_touch(s, access->address >> LINE_SHIFT, access->flags, access->store,
				      s == released || s->state == ENTERING);
	}
}

static inline void holder_touch(struct holder *holder, const struct access *access)
{
	if (holder->open == 0)
		return;
	if (holder->leaving && holder->early < EARLY)
		holder->first[holder->early++] = *access;
	else
		holder_add(holder, access, NULL);
}

/* down_write is entered, after so many instructions of the CPU. */
static inline void holder_enter(struct holder *holder, const struct task *task, uint64_t executed)
{
	struct section *s = NULL;
	for (int i = 0; i < NESTED && s == NULL; i++) {
		if (holder->section[i] == NULL &&
		    (holder->section[i] = calloc(1, sizeof(struct section))) == NULL)
			abort();
		if (holder->section[i]->state == CLOSED)
			s = holder->section[i];
	}
	if (s == NULL)
		return;
	s->state = ENTERING;
	s->file = -1;
	s->semaphore = 0;
	s->slot = holder->enter_slot = task_slot(task);
	s->entered = executed;
	s->operations = s->happened = 0;
	s->calls = task_chain(task, s->call, CALLS_KEPT);
	holder_recount(holder);
}

/* The compare-exchange of down_write goes to `semaphore`. */
static inline void holder_takes(struct holder *holder, uint64_t semaphore)
{
	for (int i = 0; holder->enter_slot != 0 && i < NESTED; i++) {
		struct section *s = holder->section[i];
		if (s != NULL && s->state == ENTERING && s->semaphore == 0)
			s->semaphore = semaphore;
	}
}

/* down_write has returned by `slot`, or its caller has. */
static inline void holder_entered(struct holder *holder, uint64_t slot, uint64_t executed,
				  int (*file_of)(uint64_t semaphore))
{
	for (int i = 0; i < NESTED; i++) {
		struct section *s = holder->section[i];
		if (s == NULL || s->state != ENTERING)
			continue;
		if (s->slot != slot || s->semaphore == 0) {
			section_close(s);
			continue;
		}
		s->state = HELD;
		s->acquired = executed;
		s->file = file_of(s->semaphore);
	}
	holder->enter_slot = 0;
	holder_recount(holder);
}

/* up_write is entered. */
static inline void holder_leave(struct holder *holder, const struct task *task, uint64_t executed)
{
	holder->leaving = true;
	holder->leave_slot = task_slot(task);
	holder->left = executed;
	holder->early = 0;
}

/* The exchange-add of up_write is this access: returns the section that is over, or NULL. */
static inline struct section *holder_leaves(struct holder *holder, const struct access *access)
{
	struct section *released = NULL;
	for (int i = 0; i < NESTED; i++) {
		struct section *s = holder->section[i];
		if (s != NULL && s->state == HELD && s->semaphore == access->address)
			released = s;
	}
	holder->leaving = false;
	for (int i = 0; i < holder->early; i++)
		holder_add(holder, &holder->first[i], released);
	holder_add(holder, access, released);
	return released;
}

static inline void holder_happened(struct holder *holder, unsigned what, int state)
{
	for (int i = 0; i < NESTED; i++)
		if (holder->section[i] != NULL && holder->section[i]->state == state)
			holder->section[i]->happened |= what;
}

#endif
