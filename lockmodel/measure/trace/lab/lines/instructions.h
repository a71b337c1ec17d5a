/* What a kernel instruction does, as far as the plugin has to know, from its bytes. */
#ifndef LAB_INSTRUCTIONS_H
#define LAB_INSTRUCTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum { PLAIN, CALLS, RETURNS, RESUMES, EXCHANGES, ADDS };

static inline bool is_prefix(uint8_t byte)
{
	return byte == 0x66 || byte == 0xf2 || byte == 0xf3 || byte == 0x2e || byte == 0x3e ||
	       byte == 0x36 || byte == 0x64 || byte == 0x65 || byte == 0xf0 || (byte & 0xf0) == 0x40;
}

/* LOCK is a prefix like the others: it is gone where the kernel runs on one CPU. */
static inline unsigned kind_of(const uint8_t *bytes)
{
	while (is_prefix(*bytes))
		bytes++;
	if (bytes[0] == 0xe8 || (bytes[0] == 0xff && (bytes[1] >> 3 & 7) == 2))
		return CALLS;
	if (bytes[0] == 0xc3 || bytes[0] == 0xc2)
		return RETURNS;
	if (bytes[0] == 0xcf)
		return RESUMES; /* IRET */
	if (bytes[0] == 0x0f && bytes[1] == 0xb1)
		return EXCHANGES; /* CMPXCHG */
	if (bytes[0] == 0x0f && bytes[1] == 0xc1)
		return ADDS; /* XADD */
	return PLAIN;
}

/* REP MOVS, CMPS, STOS, LODS or SCAS: QEMU runs each round as a block that begins with it. */
static inline bool is_repeated(const uint8_t *bytes)
{
	bool repeated = false;
	for (; is_prefix(*bytes); bytes++)
		repeated |= *bytes == 0xf2 || *bytes == 0xf3;
	return repeated && ((*bytes >= 0xa4 && *bytes <= 0xa7) || (*bytes >= 0xaa && *bytes <= 0xaf));
}

#endif
