/* Feeds shadow stacks: call SLOT FROM | return SLOT | chain; in hexadecimal. Prints each chain. */
#include <stdio.h>
#include "stack.h"

int main(void)
{
	struct task *task = NULL;
	unsigned long slot, from;
	uint64_t chain[4];
	char what[16];
	while (scanf("%15s", what) == 1) {
		if (what[0] == 'c' && what[1] == 'a' && scanf("%lx %lx", &slot, &from) == 2) {
			task = task_at(task, slot);
			task_call(task, slot, from);
		} else if (what[0] == 'r' && scanf("%lx", &slot) == 1) {
			task = task_at(task, slot);
			task_return(task, slot);
		} else {
			unsigned number = task_chain(task, chain, 4);
			printf("%lx %lx:", task->base, task_slot(task));
			for (unsigned i = 0; i < number; i++)
				printf(" %lx", chain[i]);
			printf("\n");
		}
	}
	return 0;
}
