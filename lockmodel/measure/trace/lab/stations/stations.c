/*
 * Which locks and which lines an iteration shares with those on other CPUs, and what they cost it.
 *
 * Every load and store of kernel code goes through the directory. Counted are, while `iterations` of
 * each loop run after `warm` of all of them have:
 *
 *   line    loads, stores and atomic accesses; visits, which are accesses with FAR or more
 *           instructions in between; visits that had to get the line from another CPU
 *   lock    acquires, instructions held, and distinct lines that came while it was held, by callers
 *
 * Interrupts and threads of the kernel are left out: they come by time, and the emulation is slow, so
 * that the guest has dozens of ticks per iteration.
 *
 * A phase (marks.h) says in which order the loops go on: PHASE_FREE, each CPU that holds no spinlock
 * stops for a moment now and then, so that few processors of the host interleave many CPUs as real
 * ones would be; PHASE_TURNS + F, after each section of the lock of file F a CPU waits until the
 * others have had theirs, as a saturated lock makes them.
 *
 * Arguments: functions=FILE out=FILE loops=N warm=N iterations=N. Records, one per line, of the sums
 * over all CPUs; addresses in hexadecimal:
 *
 *   file F WORD
 *   phase P cpus iterations instructions moved interrupted dropped alone
 *   lock WORD KIND cpus acquires moved instructions     by WORD KIND acquires CALLER..
 *   line ADDRESS cpus visits moved atomic stores loads  at ADDRESS moved FROM CALLER..
 *                                                       under ADDRESS WORD sections
 */
#define _GNU_SOURCE
#include <unistd.h>

#include "counts.h"
#include "directory.h"
#include "functions.h"
#include "interface.h"
#include "locks.h"
#include "marks.h"
#include "order.h"
#include "report.h"
#include "stack.h"

#define KERNEL(address) ((address) >> 47 == 0x1ffff)
#define ENTRY 192 /* bytes of a stack above the first call when a program enters the kernel */
#define FAR 200
#define MOST_FILES 16
#define MOST_FUNCTIONS 256

static struct region regions[] = {
	{ 0xffff888000000000, 32ull << 30, 0 }, /* the direct map of memory */
	{ 0xffffffff80000000, 2ull << 30, 0 },  /* the kernel and its modules */
	{ 0xffffea0000000000, 1ull << 30, 0 },  /* struct page */
	{ 0xffffe8ff00000000, 4ull << 30, 0 },  /* memory per CPU that was added later */
	{ 0, 0, 0 },
};
#define PAGES (&regions[2])

/* What a task carries. It waits for a lock while a function that does so calls others. */
struct own {
	struct holder holder;
	uint64_t interrupted, waits, turn; /* slots that these end at, or 0 */
	bool thread;
};

/* What is known of an instruction when it is translated. */
struct known {
	uint64_t from;
	enum operation operation;
	bool locked;
	struct lock_function function;
};

static unsigned iterations = 6;
static volatile int armed, recording;
static unsigned reached, finished;
static FILE *out;
static uint64_t word_of_file[MOST_FILES];
static struct {
	uint64_t start, end;
	struct lock_function is;
	bool tree; /* inserts into the tree of a file's mappings */
} lock_functions[MOST_FUNCTIONS];
static int lock_functions_known;

static struct own *own(struct task *task)
{
	return task->own;
}

/* Whether what a CPU does belongs to no iteration. */
static bool aside(const struct vcpu *c)
{
	return c->task == NULL || own(c->task)->interrupted || own(c->task)->thread;
}

static void access_line(unsigned cpu, uint64_t address, const struct known *in, bool store)
{
	struct vcpu *c = &vcpu[cpu];
	struct line_count *count;
	int64_t line = directory_line(address);
	bool moved;
	uint32_t id;
	if (line < 0)
		return;
	moved = directory_access(line, cpu, store) & LINE_MOVED;
	if (phase == 0)
		return;
	id = id_of(line, address, moved);
	if (!c->counting)
		return;
	if (aside(c)) {
		c->counts->interrupted += moved;
		return;
	}
	if (id == 0) {
		c->counts->dropped += moved;
		return;
	}
	count = &c->counts->line[id];
	if (in->locked)
		count->atomic++;
	else if (store)
		count->stores++;
	else
		count->loads++;
	if (count->last == 0 || c->instructions - count->last > FAR) {
		count->visits++;
		count->came = false;
	}
	count->last = c->instructions;
	if (moved) {
		struct touch what = { .line = address >> LINE_SHIFT << LINE_SHIFT, .from = in->from };
		if (!count->came)
			count->moved++;
		count->came = true;
		c->counts->moved++;
		task_chain(c->task, what.caller, CODE_CALLERS);
		c->counts->dropped += !touched(c->counts->touch, TOUCH_BITS, &what, 1);
	}
	lock_access(&own(c->task)->holder, address, id, moved,
		    in->function.role == WAITS || own(c->task)->waits, c->instructions);
}

static void take(struct vcpu *c, uint64_t word, enum lock_kind kind)
{
	struct section *section;
	section = lock_taken(&own(c->task)->holder, word, kind, c->instructions);
	if (section != NULL)
		task_chain(c->task, section->caller, CALLERS);
}

static void release(struct vcpu *c, uint64_t word)
{
	struct holder *holder = &own(c->task)->holder;
	struct section *section = lock_freed(holder, word);
	if (section == NULL)
		return;
	if (c->counting && !aside(c)) {
		struct lock_count what = { .word = word, .kind = section->kind, .acquires = 1,
					   .moved = section->moved,
					   .instructions = c->instructions - section->started };
		memcpy(what.caller, section->caller, sizeof(what.caller));
		c->counts->dropped += !locked_by(c->counts->lock, LOCK_BITS, &what);
		for (uint32_t i = 0; i < section->lines; i++)
			c->counts->dropped += !found_under(c->counts->under, UNDER_BITS, word, section->line[i], 1);
	}
	lock_dropped(holder, section);
}

/* A store in a function that takes or frees locks, or one of the bit operations of a folio lock. */
static void change_locks(struct vcpu *c, uint64_t address, const struct known *in)
{
	bool page = address - PAGES->base < PAGES->size;
	if (page && in->operation == SETS_BIT) {
		take(c, address, FOLIO);
	} else if (page && in->operation == FLIPS_BITS) {
		release(c, address);
	} else if (in->function.role == TAKES && in->operation == EXCHANGES) {
		take(c, address, in->function.kind);
	} else if (in->function.role == FREES) {
		if (phase >= PHASE_TURNS && in->function.kind == RWSEM_WRITE && c->looping &&
		    word_of_file[phase - PHASE_TURNS] == address)
			own(c->task)->turn = task_slot(c->task);
		release(c, address);
	}
}

static void called(struct vcpu *c, const struct known *in, uint64_t slot)
{
	struct own *mine;
	if (stack_is_entry(slot))
		return;
	c->task = task_at(c->task, slot);
	mine = own(c->task);
	task_call(c->task, slot, in->from);
	if (slot >= c->task->base + KERNEL_STACK - ENTRY) {
		lock_nothing(&mine->holder);
		mine->thread = false;
	}
	if (mine->interrupted && slot >= mine->interrupted)
		mine->interrupted = 0;
	if (mine->waits && slot >= mine->waits)
		mine->waits = 0;
	if (in->function.role == INTERRUPTS && !mine->interrupted)
		mine->interrupted = slot;
	if (in->function.role == WAITS && !mine->waits)
		mine->waits = slot;
	mine->thread |= in->function.role == THREADS;
}

static void returned(struct vcpu *c, uint64_t slot)
{
	struct own *mine;
	if (stack_is_entry(slot))
		return;
	c->task = task_at(c->task, slot);
	mine = own(c->task);
	task_return(c->task, slot);
	if (mine->interrupted && slot >= mine->interrupted)
		mine->interrupted = 0;
	if (mine->waits && slot >= mine->waits)
		mine->waits = 0;
	if (mine->turn && slot >= mine->turn) {
		mine->turn = 0;
		wait_for_turn(c);
	}
}

static void on_access(unsigned cpu, uint32_t info, uint64_t address, void *data)
{
	const struct known *in = data;
	struct vcpu *c = &vcpu[cpu];
	bool store = qemu_plugin_mem_is_store(info);
	uint64_t last = address + (1ull << qemu_plugin_mem_size_shift(info)) - 1;
	if (!armed || address >> 63 == 0)
		return;
	if (in->operation == CALLS && store) {
		called(c, in, address);
		return;
	}
	if (in->operation == RETURNS && !store) {
		returned(c, address);
		return;
	}
	access_line(cpu, address, in, store);
	if ((last ^ address) >> LINE_SHIFT)
		access_line(cpu, last, in, store);
	if (store && c->task != NULL)
		change_locks(c, address, in);
}

static void on_block(unsigned cpu, void *size)
{
	struct vcpu *c = &vcpu[cpu];
	if (aside(c))
		return;
	c->instructions += (uint64_t)size;
	if (phase == PHASE_FREE && c->looping && own(c->task)->holder.spinning == 0)
		pause_now_and_then(c);
}

/* The tree of a file's mappings changes: the semaphore that is held is this file's. */
static void on_tree(unsigned cpu, void *unused)
{
	struct vcpu *c = &vcpu[cpu];
	struct holder *holder;
	(void)unused;
	if (!armed || c->task == NULL || c->expected == 0)
		return;
	holder = &own(c->task)->holder;
	for (int i = holder->held; i-- > 0;)
		if (holder->section[i].kind == RWSEM_WRITE) {
			word_of_file[c->expected - 1] = holder->section[i].word;
			fprintf(out, "file %d %lx\n", c->expected - 1, holder->section[i].word);
			c->expected = 0;
			return;
		}
}

/* Writes what was counted since the phase began, and forgets it. */
static void write_phase(int which)
{
	uint64_t windows = 0, instructions = 0, moved = 0, interrupted = 0, dropped = 0, alone = 0;
	unsigned counted = 0;
	for (int cpu = 0; cpu < cpus; cpu++) {
		struct vcpu *c = &vcpu[cpu];
		windows += c->windows;
		counted += c->windows > 0;
		instructions += c->counted;
		moved += c->counts->moved;
		interrupted += c->counts->interrupted;
		dropped += c->counts->dropped;
		alone += c->alone;
	}
	fprintf(out, "phase %d %u %lu %lu %lu %lu %lu %lu\n", which, counted, windows, instructions,
		moved, interrupted, dropped, alone);
	write_locks(out, windows);
	write_lines(out, windows);
	fprintf(out, "end %d\n", which);
	fflush(out);
	for (int cpu = 0; cpu < cpus; cpu++) {
		vcpu[cpu].windows = vcpu[cpu].alone = 0;
		vcpu[cpu].counted = 0;
		counts_clear(&counts[cpu]);
	}
}

static void begin_phase(int which)
{
	int before = phase;
	recording = 0;
	phase = 0;
	if (before != 0) {
		usleep(1000);
		write_phase(before);
	}
	for (int cpu = 0; cpu < cpus; cpu++) {
		vcpu[cpu].iteration = 0;
		vcpu[cpu].looping = vcpu[cpu].counting = false;
	}
	reached = running = finished = 0;
	phase = which;
}

/* Whole iterations are counted, from one mark of a loop to a later one, as many for each loop. */
static void begin_iteration(struct vcpu *c)
{
	if (phase == 0)
		return;
	if (!c->looping) {
		c->looping = true;
		__atomic_add_fetch(&running, 1, __ATOMIC_RELAXED);
	}
	if (++c->iteration == warm + 1 && __atomic_add_fetch(&reached, 1, __ATOMIC_RELAXED) == loops)
		recording = 1;
	if (c->counting) {
		c->windows++;
		c->alone += __atomic_load_n(&running, __ATOMIC_RELAXED) < loops;
		if (c->windows == iterations) {
			c->counting = false;
			c->counted = c->instructions - c->began;
			if (__atomic_add_fetch(&finished, 1, __ATOMIC_RELAXED) == loops)
				recording = 0;
		}
	} else if (recording && c->windows == 0) {
		c->counting = true;
		c->began = c->instructions;
	}
	wait_for_others(c);
}

static void on_mark(unsigned cpu, void *data)
{
	struct vcpu *c = &vcpu[cpu];
	unsigned code = (unsigned)(uint64_t)data, value = c->value & ((1u << VALUE_BITS) - 1);
	if (code == MARK_ZERO || code == MARK_ONE)
		c->value = c->value << 1 | (code == MARK_ONE);
	else if (code == MARK_ARM)
		armed = 1;
	else if (code == MARK_ITERATION)
		begin_iteration(c);
	else if (code == MARK_LOOPED && c->looping) {
		c->looping = c->counting = false;
		__atomic_sub_fetch(&running, 1, __ATOMIC_RELAXED);
	} else if (code == MARK_FILE && value < MOST_FILES)
		c->expected = (int)value + 1;
	else if (code == MARK_PHASE && value < PHASE_TURNS + MOST_FILES)
		begin_phase((int)value);
}

static void know(const struct function *function)
{
	struct lock_function is = lock_function(function->name);
	bool tree = name_is(function, "vma_interval_tree_insert");
	if ((is.role == PLAIN && !tree) || lock_functions_known == MOST_FUNCTIONS)
		return;
	lock_functions[lock_functions_known].start = function->start;
	lock_functions[lock_functions_known].end = function->end;
	lock_functions[lock_functions_known].is = is;
	lock_functions[lock_functions_known++].tree = tree;
}

static void on_user_block(struct qemu_plugin_tb *block)
{
	uint8_t bytes[LONGEST_INSTRUCTION];
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
		struct qemu_plugin_insn *in = qemu_plugin_tb_get_insn(block, i);
		int code = mark_code(bytes, instruction(in, bytes));
		if (code >= 0)
			qemu_plugin_register_vcpu_insn_exec_cb(in, on_mark, NO_REGISTERS,
							       (void *)(uint64_t)code);
	}
}

static void on_translated(uint64_t id, struct qemu_plugin_tb *block)
{
	size_t size = qemu_plugin_tb_n_insns(block);
	(void)id;
	if (!KERNEL(qemu_plugin_tb_vaddr(block))) {
		on_user_block(block);
		return;
	}
	qemu_plugin_register_vcpu_tb_exec_cb(block, on_block, NO_REGISTERS, (void *)size);
	for (size_t i = 0; i < size; i++) {
		struct qemu_plugin_insn *in = qemu_plugin_tb_get_insn(block, i);
		uint8_t bytes[LONGEST_INSTRUCTION];
		struct known *known = calloc(1, sizeof(*known));
		size_t length = instruction(in, bytes);
		if (known == NULL)
			abort();
		known->from = qemu_plugin_insn_vaddr(in);
		known->operation = operation(bytes, length, &known->locked);
		for (int f = 0; f < lock_functions_known; f++) {
			if (known->from < lock_functions[f].start || known->from >= lock_functions[f].end)
				continue;
			known->function = lock_functions[f].is;
			if (lock_functions[f].tree && lock_functions[f].start == known->from)
				qemu_plugin_register_vcpu_insn_exec_cb(in, on_tree, NO_REGISTERS, NULL);
			break;
		}
		qemu_plugin_register_vcpu_mem_cb(in, on_access, NO_REGISTERS, READ_AND_WRITE, known);
	}
}

static void at_exit(uint64_t id, void *unused)
{
	(void)id;
	(void)unused;
	fclose(out);
}

static const char *value_of(const char *argument, const char *key)
{
	size_t size = strlen(key);
	return !strncmp(argument, key, size) && argument[size] == '=' ? argument + size + 1 : NULL;
}

EXPORTED int qemu_plugin_install(uint64_t id, const struct qemu_info *info, int number, char **given)
{
	const char *names = NULL, *target = NULL, *value;
	if (number == 0) /* only loaded, to see whether it can be */
		return 0;
	for (int i = 0; i < number; i++) {
		if ((value = value_of(given[i], "functions")) != NULL)
			names = value;
		else if ((value = value_of(given[i], "out")) != NULL)
			target = value;
		else if ((value = value_of(given[i], "loops")) != NULL)
			loops = (unsigned)atoi(value);
		else if ((value = value_of(given[i], "warm")) != NULL)
			warm = (unsigned)atoi(value);
		else if ((value = value_of(given[i], "iterations")) != NULL)
			iterations = (unsigned)atoi(value);
	}
	cpus = info->cpus.started;
	for (int cpu = 0; cpu <= MOST_CPUS; cpu++) {
		vcpu[cpu].counts = &counts[cpu];
		vcpu[cpu].random = (uint64_t)cpu + 1;
	}
	task_own_size = sizeof(struct own);
	if (names == NULL || target == NULL || cpus > MOST_CPUS || functions_read(names, know) == 0 ||
	    !directory_open(regions) || !counts_open() || (out = fopen(target, "w")) == NULL) {
		fprintf(stderr, "LAB failed: the plugin lacks memory, functions or its file\n");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translated);
	qemu_plugin_register_atexit_cb(id, at_exit, NULL);
	return 0;
}
