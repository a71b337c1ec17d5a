/*
 * What the guest tells the plugin: long NOPs in user code, nopl IMM32(%rax), with IMM32 = MARK_BASE +
 * code. They do nothing on a machine without the plugin.
 *
 * A code may carry a value of VALUE_BITS bits, which a NOP per bit announces, the highest first.
 */
#ifndef LAB_MARKS_H
#define LAB_MARKS_H

#define MARK_BASE 0x4c4d0000
#define MARK_SIZE 7
#define VALUE_BITS 16

enum {
	MARK_ZERO,
	MARK_ONE,
	MARK_ARM,       /* follow accesses from now on */
	MARK_ITERATION, /* an iteration begins on this CPU */
	MARK_LOOPED,    /* the loop of this CPU is over */
	MARK_FILE,      /* the next tree operation of this CPU is on the file with this number */
	MARK_PHASE,     /* what is measured from now on; 0 is nothing. The plugin gives it a meaning */
};

#define MARK(code) __asm__ volatile(".byte 0x0f, 0x1f, 0x80; .long %c0" ::"i"(MARK_BASE + (code)))

static inline void mark_value(unsigned value)
{
	for (int bit = VALUE_BITS - 1; bit >= 0; bit--)
		if (value >> bit & 1)
			MARK(MARK_ONE);
		else
			MARK(MARK_ZERO);
}

/* Returns the code of an instruction in user code, or -1 if it is no mark. */
static inline int mark_code(const unsigned char *bytes, unsigned long size)
{
	if (size != MARK_SIZE || bytes[0] != 0x0f || bytes[1] != 0x1f || bytes[2] != 0x80 ||
	    bytes[5] != (MARK_BASE >> 16 & 0xff) || bytes[6] != MARK_BASE >> 24)
		return -1;
	return bytes[3] | bytes[4] << 8;
}

#endif
