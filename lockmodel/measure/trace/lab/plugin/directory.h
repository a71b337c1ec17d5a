/*
 * Who has a cache line: MESI with infinite caches, so a line is lost to another CPU's store only.
 *
 * For each line of 64 bytes in the given regions the directory keeps the last writer and the set of
 * CPUs that have had the line since. An access has to fetch or to take a line from another CPU if
 *
 *   LINE_FETCHED   it loads a line that another CPU has written since this CPU had it
 *   LINE_TAKEN     it stores to a line that another CPU has
 *
 * and the directory says besides, of the time before the access:
 *
 *   LINE_FOREIGN   the last writer is another CPU, however long ago
 *   LINE_UNWRITTEN nobody has written the line yet
 */
#ifndef LAB_DIRECTORY_H
#define LAB_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#define LINE_SHIFT 6
#define MOST_CPUS 55 /* bits of the set; the byte above holds the last writer + 1 */
#define WRITER_SHIFT 56

enum { LINE_FETCHED = 1, LINE_TAKEN = 2, LINE_FOREIGN = 4, LINE_UNWRITTEN = 8 };
#define LINE_MOVED (LINE_FETCHED | LINE_TAKEN)

struct region {
	uint64_t base, size; /* addresses */
	size_t first;        /* number of its first line, set by directory_open */
};

static struct region *directory_regions;
static size_t directory_lines;
static uint64_t *directory; /* per line: (last writer + 1) << 56 | set of CPUs */

/* Reserve the directory of some regions, which end with one of size 0; false without memory. */
static inline bool directory_open(struct region *regions)
{
	void *made;
	directory_regions = regions;
	directory_lines = 0;
	for (struct region *r = regions; r->size != 0; r++) {
		r->first = directory_lines;
		directory_lines += r->size >> LINE_SHIFT;
	}
	made = mmap(NULL, directory_lines * sizeof(*directory), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	directory = made == MAP_FAILED ? NULL : made;
	return directory != NULL;
}

/* Returns the number of a line, 0 .. directory_lines - 1, or -1 outside the regions. */
static inline int64_t directory_line(uint64_t address)
{
	for (const struct region *r = directory_regions; r->size != 0; r++)
		if (address - r->base < r->size)
			return (int64_t)(r->first + ((address - r->base) >> LINE_SHIFT));
	return -1;
}

/* One access of a CPU to a line: returns its flags and records it. */
static inline unsigned directory_access(int64_t line, unsigned cpu, bool store)
{
	uint64_t *entry = &directory[line], me = 1ull << cpu, now;
	uint64_t old = __atomic_load_n(entry, __ATOMIC_RELAXED);
	unsigned flags;
	do {
		uint64_t writer = old >> WRITER_SHIFT, others;
		others = old & ((1ull << WRITER_SHIFT) - 1) & ~me;
		flags = writer == 0 ? LINE_UNWRITTEN : writer != cpu + 1 ? LINE_FOREIGN : 0;
		if (store) {
			flags |= others != 0 ? LINE_TAKEN : 0;
			now = (uint64_t)(cpu + 1) << WRITER_SHIFT | me;
		} else {
			flags |= !(old & me) && (flags & LINE_FOREIGN) ? LINE_FETCHED : 0;
			now = old | me;
		}
	} while (now != old && !__atomic_compare_exchange_n(entry, &old, now, true, __ATOMIC_RELAXED,
							     __ATOMIC_RELAXED));
	return flags;
}

#endif
