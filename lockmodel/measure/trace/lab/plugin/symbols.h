/*
 * Where the functions of the kernel begin and end: lines "ADDRESS TYPE NAME" of /proc/kallsyms. A
 * function ends where the next one begins.
 */
#ifndef LAB_SYMBOLS_H
#define LAB_SYMBOLS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_NAME 256

struct function {
	uint64_t start, end;
	char *name;
};

static struct function *functions;
static size_t functions_known;

static int function_order(const void *one, const void *other)
{
	uint64_t a = ((const struct function *)one)->start;
	uint64_t b = ((const struct function *)other)->start;
	return (a > b) - (a < b);
}

/* Reads the functions of a file, in the order of their addresses; returns how many. */
static inline size_t functions_read(const char *path)
{
	char line[2 * LONGEST_NAME], name[LONGEST_NAME], type;
	unsigned long long start;
	size_t space = 0;
	FILE *file = fopen(path, "r");
	if (file == NULL)
		return 0;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "%llx %c %255s", &start, &type, name) != 3 || !strchr("tTwW", type))
			continue;
		if (functions_known == space) {
			space = space ? 2 * space : 1 << 16;
			functions = realloc(functions, space * sizeof(*functions));
			if (functions == NULL)
				abort();
		}
		functions[functions_known++] = (struct function){ start, 0, strdup(name) };
	}
	fclose(file);
	if (functions_known > 0)
		qsort(functions, functions_known, sizeof(*functions), function_order);
	for (size_t i = functions_known; i-- > 0;) {
		size_t next = i + 1; /* some functions have two names */
		if (next < functions_known && functions[next].start == functions[i].start)
			functions[i].end = functions[next].end;
		else
			functions[i].end = next < functions_known ? functions[next].start : -1ull;
	}
	return functions_known;
}

#endif
