/*
 * What each CPU counts in a phase: its own tables, without locks, that are summed when it is over.
 *
 * A table has open addresses: an entry lies within PROBES places of where its key belongs, or is
 * dropped and counted as such.
 */
#ifndef LAB_COUNTS_H
#define LAB_COUNTS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "directory.h"
#include "locks.h"

#define CODE_CALLERS 3
#define MOST_IDS (1u << 18) /* lines that move */
#define TOUCH_BITS 17
#define LOCK_BITS 13
#define UNDER_BITS 16
#define PROBES 64

struct line_count {
	uint64_t last;
	uint32_t atomic, stores, loads, visits, moved;
	bool came; /* during this visit */
};
/* Where a line is when it comes. */
struct touch {
	uint64_t line, from, caller[CODE_CALLERS];
	uint64_t moved;
};
struct lock_count {
	uint64_t word, kind, caller[CALLERS]; /* readers and writers of a lock apart */
	uint64_t acquires, moved, instructions, cpus, last_cpu;
};
/* A line, by its id, and a lock that is held when it is used. */
struct under {
	uint64_t word, id;
	uint64_t sections;
};

struct counts {
	uint64_t moved, interrupted, dropped;
	struct line_count *line; /* by id */
	struct touch *touch;
	struct lock_count *lock;
	struct under *under;
} __attribute__((aligned(128)));

static struct counts counts[MOST_CPUS + 1];
static int cpus;
static uint32_t *ids; /* by line of the directory; 0 has not moved yet */
static uint64_t line_of[MOST_IDS];
static uint32_t known_ids;

static uint64_t mixed(uint64_t value)
{
	return value * 0x9e3779b97f4a7c15;
}

static uint64_t mixed_all(const uint64_t *key, size_t number)
{
	uint64_t hash = 0;
	while (number-- > 0)
		hash = mixed(hash ^ key[number]);
	return hash;
}

/*
 * The entry of a table whose first `number` words are these; empty ones begin with 0. NULL if there
 * is no room near its place.
 */
static void *entry_of(void *table, size_t size, unsigned bits, const uint64_t *key, size_t number)
{
	uint64_t at = mixed_all(key, number) >> (64 - bits);
	for (int probe = 0; probe < PROBES; probe++, at = (at + 1) & ((1ull << bits) - 1)) {
		uint64_t *entry = (uint64_t *)((char *)table + at * size);
		if (entry[0] == 0)
			memcpy(entry, key, number * sizeof(*key));
		if (!memcmp(entry, key, number * sizeof(*key)))
			return entry;
	}
	return NULL;
}

static bool touched(struct touch *table, unsigned bits, const struct touch *what, uint64_t moved)
{
	struct touch *entry = entry_of(table, sizeof(*table), bits, &what->line, 2 + CODE_CALLERS);
	if (entry != NULL)
		entry->moved += moved;
	return entry != NULL;
}

static bool locked_by(struct lock_count *table, unsigned bits, const struct lock_count *what)
{
	struct lock_count *entry = entry_of(table, sizeof(*table), bits, &what->word, 2 + CALLERS);
	if (entry == NULL)
		return false;
	entry->acquires += what->acquires;
	entry->moved += what->moved;
	entry->instructions += what->instructions;
	return true;
}

static bool found_under(struct under *table, unsigned bits, uint64_t word, uint64_t id, uint64_t n)
{
	const uint64_t key[] = { word, id };
	struct under *entry = entry_of(table, sizeof(*table), bits, key, 2);
	if (entry != NULL)
		entry->sections += n;
	return entry != NULL;
}

/* Returns the number of a line that has moved, or moves now; 0 if it has none. */
static uint32_t id_of(int64_t line, uint64_t address, bool moved)
{
	uint32_t id = ids[line], none = 0;
	if (id != 0 || !moved)
		return id;
	id = __atomic_add_fetch(&known_ids, 1, __ATOMIC_RELAXED);
	if (id >= MOST_IDS)
		return 0;
	line_of[id] = address >> LINE_SHIFT << LINE_SHIFT;
	if (!__atomic_compare_exchange_n(&ids[line], &none, id, false, __ATOMIC_RELAXED,
					 __ATOMIC_RELAXED)) {
		line_of[id] = 0;
		id = none;
	}
	return id;
}

static bool counts_open(void)
{
	ids = mmap(NULL, directory_lines * sizeof(*ids), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ids == MAP_FAILED)
		return false;
	for (int cpu = 0; cpu < cpus; cpu++) {
		struct counts *c = &counts[cpu];
		c->line = calloc(MOST_IDS, sizeof(*c->line));
		c->touch = calloc(1ull << TOUCH_BITS, sizeof(*c->touch));
		c->lock = calloc(1ull << LOCK_BITS, sizeof(*c->lock));
		c->under = calloc(1ull << UNDER_BITS, sizeof(*c->under));
		if (!c->line || !c->touch || !c->lock || !c->under)
			return false;
	}
	return true;
}

static void counts_clear(struct counts *c)
{
	c->moved = c->interrupted = c->dropped = 0;
	memset(c->line, 0, MOST_IDS * sizeof(*c->line));
	memset(c->touch, 0, (1ull << TOUCH_BITS) * sizeof(*c->touch));
	memset(c->lock, 0, (1ull << LOCK_BITS) * sizeof(*c->lock));
	memset(c->under, 0, (1ull << UNDER_BITS) * sizeof(*c->under));
}

#endif
