/* The sums of what all CPUs have counted, as records (see stations.c); rare ones are left out. */
#ifndef LAB_REPORT_H
#define LAB_REPORT_H

#include <stdio.h>

#include "counts.h"

#define ALL_BITS 3   /* the sums have tables that much larger */
#define FEW_MOVED 3  /* per 10 iterations: below, a line is not written */
#define FEW_ACQUIRES 2

static void write_locks(FILE *out, uint64_t windows)
{
	const unsigned bits = LOCK_BITS + ALL_BITS;
	struct lock_count *all = calloc(1ull << bits, sizeof(*all));
	struct lock_count *words = calloc(1ull << bits, sizeof(*words));
	if (all == NULL || words == NULL)
		abort();
	for (int cpu = 0; cpu < cpus; cpu++)
		for (size_t i = 0; i < 1ull << LOCK_BITS; i++) {
			struct lock_count *one = &counts[cpu].lock[i], *word;
			if (one->word == 0)
				continue;
			counts[0].dropped += !locked_by(all, bits, one);
			word = entry_of(words, sizeof(*words), bits, &one->word, 2);
			if (word == NULL)
				continue;
			word->acquires += one->acquires;
			word->moved += one->moved;
			word->instructions += one->instructions;
			word->cpus += word->last_cpu != (uint64_t)cpu + 1;
			word->last_cpu = (uint64_t)cpu + 1;
		}
	for (size_t i = 0; i < 1ull << bits; i++)
		if (words[i].word != 0 && words[i].acquires * 10 >= windows * FEW_ACQUIRES)
			fprintf(out, "lock %lx %s %lu %lu %lu %lu\n", words[i].word,
				LOCK_NAMES[words[i].kind], words[i].cpus, words[i].acquires, words[i].moved,
				words[i].instructions);
	for (size_t i = 0; i < 1ull << bits; i++) {
		const struct lock_count *word;
		if (all[i].word == 0)
			continue;
		word = entry_of(words, sizeof(*words), bits, &all[i].word, 2);
		if (word != NULL && word->acquires * 10 >= windows * FEW_ACQUIRES)
			fprintf(out, "by %lx %s %lu %lx %lx %lx %lx\n", all[i].word,
				LOCK_NAMES[all[i].kind], all[i].acquires, all[i].caller[0],
				all[i].caller[1], all[i].caller[2], all[i].caller[3]);
	}
	free(all);
	free(words);
}

static void write_lines(FILE *out, uint64_t windows)
{
	const unsigned touch_bits = TOUCH_BITS + ALL_BITS, under_bits = UNDER_BITS + ALL_BITS;
	uint32_t most = known_ids < MOST_IDS ? known_ids + 1 : MOST_IDS;
	bool *wanted = calloc(MOST_IDS, sizeof(*wanted));
	struct touch *touches = calloc(1ull << touch_bits, sizeof(*touches));
	struct under *unders = calloc(1ull << under_bits, sizeof(*unders));
	if (wanted == NULL || touches == NULL || unders == NULL)
		abort();
	for (uint32_t id = 1; id < most; id++) {
		uint64_t movers = 0, visits = 0, moved = 0, atomic = 0, stores = 0, loads = 0;
		for (int cpu = 0; cpu < cpus; cpu++) {
			const struct line_count *one = &counts[cpu].line[id];
			movers += one->moved > 0;
			visits += one->visits;
			moved += one->moved;
			atomic += one->atomic;
			stores += one->stores;
			loads += one->loads;
		}
		wanted[id] = moved * 10 >= windows * FEW_MOVED && movers > 1;
		if (wanted[id])
			fprintf(out, "line %lx %lu %lu %lu %lu %lu %lu\n", line_of[id], movers, visits,
				moved, atomic, stores, loads);
	}
	for (int cpu = 0; cpu < cpus; cpu++) {
		for (size_t i = 0; i < 1ull << TOUCH_BITS; i++) {
			const struct touch *one = &counts[cpu].touch[i];
			if (one->line != 0 && wanted[ids[directory_line(one->line)]])
				counts[0].dropped += !touched(touches, touch_bits, one, one->moved);
		}
		for (size_t i = 0; i < 1ull << UNDER_BITS; i++) {
			const struct under *one = &counts[cpu].under[i];
			if (one->word != 0 && wanted[one->id])
				counts[0].dropped += !found_under(unders, under_bits, one->word, one->id,
								one->sections);
		}
	}
	for (size_t i = 0; i < 1ull << touch_bits; i++)
		if (touches[i].line != 0 && touches[i].moved * 20 >= windows)
			fprintf(out, "at %lx %lu %lx %lx %lx %lx\n", touches[i].line, touches[i].moved,
				touches[i].from, touches[i].caller[0], touches[i].caller[1],
				touches[i].caller[2]);
	for (size_t i = 0; i < 1ull << under_bits; i++)
		if (unders[i].word != 0 && unders[i].sections * 5 >= windows)
			fprintf(out, "under %lx %lx %lu\n", line_of[unders[i].id], unders[i].word,
				unders[i].sections);
	free(wanted);
	free(touches);
	free(unders);
}

#endif
