/* What locks.h makes of functions ("function NAME") and of instructions ("bytes HEX"). */
#include <stdio.h>
#include "locks.h"

static const char *const ROLES[] = { "plain", "takes", "frees", "waits", "interrupts", "threads" };
static const char *const OPERATIONS[] = { "other",     "calls",    "returns",
					  "exchanges", "sets_bit", "flips_bits" };

int main(void)
{
	char what[16], text[128];
	while (scanf("%15s %127s", what, text) == 2) {
		uint8_t bytes[16] = { 0 };
		size_t size = 0;
		bool locked;
		enum operation is;
		if (what[0] == 'f') {
			struct lock_function function = lock_function(text);
			printf("%s %s\n", ROLES[function.role], LOCK_NAMES[function.kind]);
			continue;
		}
		for (const char *at = text; sscanf(at, "%2hhx", &bytes[size]) == 1; at += 2)
			size++;
		is = operation(bytes, size, &locked);
		printf("%s%s\n", OPERATIONS[is], locked ? " locked" : "");
	}
	return 0;
}
