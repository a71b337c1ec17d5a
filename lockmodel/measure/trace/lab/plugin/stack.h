/*
 * Whose kernel stack it is and what was called on it, from CALL and RET alone: a plugin sees the
 * slot that a CALL stores its return address in and a RET loads it from, and no register.
 *
 * A kernel stack is KERNEL_STACK bytes, aligned, and is that of one task for all of its life, so its
 * base stands for the task. A frame is gone when a CALL or RET uses its slot or one above it.
 */
#ifndef LAB_STACK_H
#define LAB_STACK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define KERNEL_STACK (16ull << 10)
#define DEEPEST 256
#define TASK_BUCKETS 4096
#define ENTRY_AREA 0xfffffe0000000000ull /* where each CPU has its stacks to enter the kernel on */
#define ENTRY_AREA_SIZE (512ull << 30)

struct frame {
	uint64_t slot; /* where the return address lies */
	uint64_t from; /* address of the CALL */
};

struct task {
	uint64_t base;
	struct task *next;
	int depth;
	struct frame frame[DEEPEST];
	void *own; /* zeroed bytes for the plugin, as many as task_own_size says */
};

static size_t task_own_size;
static struct task *task_buckets[TASK_BUCKETS];
static pthread_mutex_t task_lock = PTHREAD_MUTEX_INITIALIZER;

static inline uint64_t stack_base(uint64_t address)
{
	return address & ~(KERNEL_STACK - 1);
}

/* Whether an address is on a stack that a CPU leaves at once for that of the task it interrupted. */
static inline bool stack_is_entry(uint64_t address)
{
	return address - ENTRY_AREA < ENTRY_AREA_SIZE;
}

static inline struct task *task_in(struct task *first, uint64_t base)
{
	while (first != NULL && first->base != base)
		first = first->next;
	return first;
}

/* Returns the task on whose stack an address lies; `last` is a guess, or NULL. */
static inline struct task *task_at(struct task *last, uint64_t address)
{
	uint64_t base = stack_base(address);
	struct task **bucket = &task_buckets[base / KERNEL_STACK % TASK_BUCKETS], *task;
	if (last != NULL && last->base == base)
		return last;
	task = task_in(__atomic_load_n(bucket, __ATOMIC_ACQUIRE), base);
	if (task != NULL)
		return task;
	pthread_mutex_lock(&task_lock);
	task = task_in(*bucket, base);
	if (task == NULL) {
		task = calloc(1, sizeof(*task));
		if (task == NULL || (task->own = calloc(1, task_own_size + 1)) == NULL)
			abort();
		task->base = base;
		task->next = *bucket;
		__atomic_store_n(bucket, task, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&task_lock);
	return task;
}

static inline void task_unwind(struct task *task, uint64_t slot)
{
	while (task->depth > 0 && task->frame[task->depth - 1].slot <= slot)
		task->depth--;
}

/* A CALL at `from` stored its return address in `slot`. */
static inline void task_call(struct task *task, uint64_t slot, uint64_t from)
{
	task_unwind(task, slot);
	if (task->depth < DEEPEST)
		task->frame[task->depth++] = (struct frame){ slot, from };
}

/* A RET loaded its return address from `slot`. */
static inline void task_return(struct task *task, uint64_t slot)
{
	task_unwind(task, slot);
}

/* Returns the slot that the function now running returns by, or 0. */
static inline uint64_t task_slot(const struct task *task)
{
	return task->depth > 0 ? task->frame[task->depth - 1].slot : 0;
}

/* Copies the addresses of the calls, innermost first; returns how many. */
static inline unsigned task_chain(const struct task *task, uint64_t *chain, unsigned most)
{
	unsigned number = 0;
	for (int at = task->depth - 1; at >= 0 && number < most; at--)
		chain[number++] = task->frame[at].from;
	return number;
}

#endif
