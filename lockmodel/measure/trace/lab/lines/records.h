/*
 * What the plugin writes, a line each:
 *
 *   file NUMBER                        its semaphore is known
 *   phase NUMBER TURNS                 begins; TURNS: 1 + number of the file with turns, or 0
 *   iteration CPU NUMBER EXECUTED      begins, after so many instructions
 *   over CPU NUMBER EXECUTED           the loop of a CPU ends
 *   section CPU FILE ITERATION OPERATIONS BEFORE LOCKING HELD HAPPENED TOUCHED WRITTEN FOREIGN
 *           FETCHED TAKEN STACK LOCK LOCK_MOVED CALL..
 *   done NUMBER WAITS LATE             a phase is over
 *
 * BEFORE, LOCKING and HELD are instructions: since the CPU let go of a file's lock, in down_write,
 * and under the lock. The rest is in section.h; CALL.. are the callers, innermost first.
 */
#ifndef LAB_RECORDS_H
#define LAB_RECORDS_H

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include "section.h"

static FILE *records;
static pthread_mutex_t recording = PTHREAD_MUTEX_INITIALIZER;

static inline bool records_open(const char *path)
{
	records = fopen(path, "w");
	return records != NULL && setvbuf(records, NULL, _IOFBF, 1 << 20) == 0;
}

__attribute__((format(printf, 1, 2))) static inline void record(const char *format, ...)
{
	va_list rest;
	va_start(rest, format);
	pthread_mutex_lock(&recording);
	vfprintf(records, format, rest);
	pthread_mutex_unlock(&recording);
	va_end(rest);
}

/* A section of a CPU is over; `released` and `left` are instructions of it, as in BEFORE and HELD. */
static inline void record_section(unsigned cpu, unsigned iteration, uint64_t released, uint64_t left,
				  const struct section *s)
{
	struct counts c = section_counts(s);
	pthread_mutex_lock(&recording);
	fprintf(records, "section %u %d %u %u %lu %lu %lu %u %u %u %u %u %u %u %u %u", cpu, s->file,
		iteration, s->operations, s->entered - released, s->acquired - s->entered,
		left - s->acquired, s->happened, c.touched, c.written, c.foreign, c.fetched, c.taken,
		c.stack, c.lock, c.lock_moved);
	for (unsigned i = 0; i < s->calls; i++)
		fprintf(records, " %lx", s->call[i]);
	fputc('\n', records);
	pthread_mutex_unlock(&recording);
}

#endif
