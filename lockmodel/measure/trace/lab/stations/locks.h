/*
 * Locks of the kernel, told by the function that runs and the atomic operation on the lock's word.
 *
 *   spinlock, rwlock, mutex, rwsem   the word is what CMPXCHG or XADD goes to inside a function of
 *                                    FUNCTIONS that takes; any store to it inside one that frees
 *   folio lock                       LOCK BTS on a struct page takes, LOCK XOR or folio_unlock frees
 *
 * What waits (slow paths) belongs to no section: its lines are the hand-off. With one CPU the kernel
 * patches LOCK away, so the opcode tells, not the prefix; the folio's bit operations need it,
 * because BTS alone is common.
 */
#ifndef LAB_LOCKS_H
#define LAB_LOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MOST_HELD 12
#define MOST_LINES 96 /* distinct lines of a section that are told apart */
#define CALLERS 4

enum lock_kind { NO_LOCK, SPIN, READ, WRITE, MUTEX, RWSEM_READ, RWSEM_WRITE, FOLIO, LOCK_KINDS };
static const char *const LOCK_NAMES[LOCK_KINDS] = {
	"none", "spin", "read", "write", "mutex", "rwsem_read", "rwsem_write", "folio",
};

/* THREADS: its callees run in a thread of the kernel. */
enum lock_role { PLAIN, TAKES, FREES, WAITS, INTERRUPTS, THREADS };

struct lock_function {
	enum lock_role role;
	enum lock_kind kind;
};

/* A name that ends in * is that of all functions that begin so; the first that fits is taken. */
static const struct {
	const char *name;
	struct lock_function is;
} FUNCTIONS[] = {
	{ "asm_sysvec_*", { INTERRUPTS, NO_LOCK } },
	{ "sysvec_*", { INTERRUPTS, NO_LOCK } },
	{ "__sysvec_*", { INTERRUPTS, NO_LOCK } },
	{ "asm_common_interrupt", { INTERRUPTS, NO_LOCK } },
	{ "common_interrupt", { INTERRUPTS, NO_LOCK } },
	{ "irq_exit_rcu", { INTERRUPTS, NO_LOCK } },
	{ "__irq_exit_rcu", { INTERRUPTS, NO_LOCK } },
	{ "do_softirq*", { INTERRUPTS, NO_LOCK } },
	{ "__do_softirq", { INTERRUPTS, NO_LOCK } },
	{ "handle_softirqs", { INTERRUPTS, NO_LOCK } },
	{ "kthread", { THREADS, NO_LOCK } },
	{ "worker_thread", { THREADS, NO_LOCK } },
	{ "process_one_work", { THREADS, NO_LOCK } },
	{ "smpboot_thread_fn", { THREADS, NO_LOCK } },
	{ "rcu_gp_kthread", { THREADS, NO_LOCK } },
	{ "native_queued_spin_lock_slowpath", { WAITS, NO_LOCK } },
	{ "__pv_queued_spin_lock_slowpath", { WAITS, NO_LOCK } },
	{ "queued_read_lock_slowpath", { WAITS, NO_LOCK } },
	{ "queued_write_lock_slowpath", { WAITS, NO_LOCK } },
	{ "__mutex_lock*", { WAITS, NO_LOCK } },
	{ "__mutex_unlock_slowpath*", { WAITS, NO_LOCK } },
	{ "mutex_spin_on_owner", { WAITS, NO_LOCK } },
	{ "osq_lock", { WAITS, NO_LOCK } },
	{ "osq_unlock", { WAITS, NO_LOCK } },
	{ "rwsem_*", { WAITS, NO_LOCK } },
	{ "__folio_lock*", { WAITS, NO_LOCK } },
	{ "folio_wait_bit*", { WAITS, NO_LOCK } },
	{ "_raw_spin_lock*", { TAKES, SPIN } },
	{ "_raw_spin_trylock*", { TAKES, SPIN } },
	{ "_raw_spin_unlock*", { FREES, SPIN } },
	{ "_raw_read_lock*", { TAKES, READ } },
	{ "_raw_read_unlock*", { FREES, READ } },
	{ "_raw_write_lock*", { TAKES, WRITE } },
	{ "_raw_write_unlock*", { FREES, WRITE } },
	{ "mutex_lock", { TAKES, MUTEX } },
	{ "mutex_lock_killable", { TAKES, MUTEX } },
	{ "mutex_lock_interruptible", { TAKES, MUTEX } },
	{ "mutex_trylock", { TAKES, MUTEX } },
	{ "mutex_unlock", { FREES, MUTEX } },
	{ "down_read", { TAKES, RWSEM_READ } },
	{ "down_read_killable", { TAKES, RWSEM_READ } },
	{ "down_read_interruptible", { TAKES, RWSEM_READ } },
	{ "down_read_trylock", { TAKES, RWSEM_READ } },
	{ "up_read", { FREES, RWSEM_READ } },
	{ "down_write", { TAKES, RWSEM_WRITE } },
	{ "down_write_killable", { TAKES, RWSEM_WRITE } },
	{ "down_write_trylock", { TAKES, RWSEM_WRITE } },
	{ "up_write", { FREES, RWSEM_WRITE } },
	{ "folio_unlock", { FREES, FOLIO } },
};

/* Returns what a function of this name does to locks. */
static inline struct lock_function lock_function(const char *name)
{
	for (size_t i = 0; i < sizeof(FUNCTIONS) / sizeof(FUNCTIONS[0]); i++) {
		const char *known = FUNCTIONS[i].name;
		size_t size = strlen(known);
		if (known[size - 1] == '*' ? !strncmp(name, known, size - 1) : !strcmp(name, known))
			return FUNCTIONS[i].is;
	}
	return (struct lock_function){ PLAIN, NO_LOCK };
}

enum operation { OTHER, CALLS, RETURNS, EXCHANGES, SETS_BIT, FLIPS_BITS };

/* Returns what an instruction is; `locked` gets whether it is atomic. */
static inline enum operation operation(const uint8_t *byte, size_t size, bool *locked)
{
	static const uint8_t prefixes[] = { 0x66, 0xf2, 0xf3, 0x2e, 0x3e, 0x36, 0x64, 0x65, 0xf0 };
	size_t at = 0;
	uint8_t one, two, digit;
	*locked = false;
	for (; at < size && (memchr(prefixes, byte[at], sizeof(prefixes)) || (byte[at] & 0xf0) == 0x40);
	     at++)
		*locked |= byte[at] == 0xf0;
	if (at >= size)
		return OTHER;
	one = at + 1 < size ? byte[at + 1] : 0;
	two = at + 2 < size ? byte[at + 2] : 0;
	digit = one >> 3 & 7;
	switch (byte[at]) {
	case 0xe8:
		return CALLS;
	case 0xff:
		return digit == 2 ? CALLS : OTHER;
	case 0xc2:
	case 0xc3:
	case 0xcf: /* from an interrupt */
		return RETURNS;
	case 0x86: /* XCHG with memory is always atomic */
	case 0x87:
		*locked = true;
		return OTHER;
	case 0x80:
		return *locked && digit == 6 ? FLIPS_BITS : OTHER;
	case 0x0f:
		if (one == 0xb1 || one == 0xc1)
			return EXCHANGES;
		if (*locked && (one == 0xab || (one == 0xba && (two >> 3 & 7) == 5)))
			return SETS_BIT;
	}
	return OTHER;
}

/* From acquired to released. */
struct section {
	uint64_t word, started, caller[CALLERS];
	enum lock_kind kind;
	uint32_t moved; /* distinct lines that came from another CPU, without the lock's own */
	uint32_t lines, line[MOST_LINES];
	bool came[MOST_LINES];
};

/* What a task holds, the latest last. */
struct holder {
	int held, spinning;
	struct section section[MOST_HELD];
};

static inline bool spins(enum lock_kind kind)
{
	return kind == SPIN || kind == READ || kind == WRITE;
}

/* A task that enters the kernel anew holds nothing, whatever was missed. */
static inline void lock_nothing(struct holder *holder)
{
	holder->held = holder->spinning = 0;
}

/* Returns the section that a store to a word ends, or NULL; `lock_dropped` takes it off. */
static inline struct section *lock_freed(struct holder *holder, uint64_t word)
{
	for (int i = holder->held; i-- > 0;)
		if (holder->section[i].word == word)
			return &holder->section[i];
	return NULL;
}

static inline void lock_dropped(struct holder *holder, struct section *section)
{
	holder->spinning -= spins(section->kind);
	holder->held--;
	memmove(section, section + 1,
		(size_t)(&holder->section[holder->held] - section) * sizeof(*section));
}

/*
 * Returns the new section for its callers to be filled in, or NULL if the lock is held already. Where
 * there is no room the oldest folio goes, else the oldest lock: a try that fails looks like one that
 * does not, and that is how folios are locked by the dozen.
 */
static inline struct section *lock_taken(struct holder *holder, uint64_t word, enum lock_kind kind,
					 uint64_t instructions)
{
	struct section *section;
	if (lock_freed(holder, word) != NULL)
		return NULL;
	if (holder->held == MOST_HELD) {
		int oldest = 0;
		while (oldest < MOST_HELD && holder->section[oldest].kind != FOLIO)
			oldest++;
		lock_dropped(holder, &holder->section[oldest % MOST_HELD]);
	}
	section = &holder->section[holder->held++];
	section->word = word;
	section->kind = kind;
	section->started = instructions;
	section->moved = section->lines = 0;
	memset(section->caller, 0, sizeof(section->caller));
	holder->spinning += spins(kind);
	return section;
}

/*
 * An access to a line (`id` stands for it) counts for every lock that is held, but not for one whose
 * word lies in this line, nor for the latest one while it is waited for: that one starts again.
 */
static inline void lock_access(struct holder *holder, uint64_t address, uint32_t id, bool moved,
			       bool waits, uint64_t instructions)
{
	for (int i = 0; i < holder->held; i++) {
		struct section *section = &holder->section[i];
		uint32_t at = 0;
		if (waits && i == holder->held - 1) {
			section->started = instructions;
			continue;
		}
		if (section->word >> 6 == address >> 6)
			continue;
		while (at < section->lines && section->line[at] != id)
			at++;
		if (at == section->lines && at < MOST_LINES) {
			section->line[at] = id;
			section->came[at] = false;
			section->lines++;
		}
		if (moved && (at == MOST_LINES || !section->came[at])) {
			section->moved++;
			if (at < MOST_LINES)
				section->came[at] = true;
		}
	}
}

#endif
