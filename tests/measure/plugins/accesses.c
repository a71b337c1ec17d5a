/* Feeds the directory of lines with accesses: CPU load|store ADDRESS; prints what each means. */
#include <stdio.h>
#include "directory.h"

static struct region regions[] = { { 0x10000, 0x1000, 0 }, { 0x80000, 0x100, 0 }, { 0, 0, 0 } };

int main(void)
{
	unsigned long address;
	unsigned cpu;
	char how[8];
	if (!directory_open(regions))
		return 1;
	while (scanf("%u %7s %lx", &cpu, how, &address) == 3) {
		int64_t line = directory_line(address);
		unsigned flags = line < 0 ? 0 : directory_access(line, cpu, how[0] == 's');
		printf("%ld%s%s%s%s\n", (long)line, flags & LINE_FETCHED ? " fetched" : "",
		       flags & LINE_TAKEN ? " taken" : "", flags & LINE_FOREIGN ? " foreign" : "",
		       flags & LINE_UNWRITTEN ? " unwritten" : "");
	}
	return 0;
}
