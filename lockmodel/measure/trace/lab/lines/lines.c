/*
 * A plugin of QEMU: what a CPU touches while it holds a file's i_mmap_rwsem, and what has to come
 * from another CPU.
 *
 * Arguments: functions=FILE (functions.h), out=FILE. Without arguments it does nothing.
 *
 * No probe is set in the guest. A section (holder.h) lasts from down_write to up_write; its semaphore
 * is a file's if init has named it: MARK_FILE, then a mapping of that file, whose tree operation
 * happens under it. Sections may be nested; what is touched counts for all that are held.
 *
 * Instructions are those of the programs and of the kernel for them, without interrupts and kernel
 * threads. They are counted by blocks, so a fault in the middle of one counts its start twice. The
 * rounds of a repeated string instruction are blocks of their own that begin with it; they count as
 * one instruction.
 *
 * A phase (MARK_PHASE) is a number + 256 x (1 + file whose lock is served by turns, see turns.h), or 0
 * for nothing. What is written is in records.h.
 */
#include "interface.h"
#include "directory.h"
#include "functions.h"
#include "marks.h"
#include "holder.h"
#include "instructions.h"
#include "records.h"
#include "turns.h"

#define MOST_FILES 64
#define MOST_TRAPS 256
#define KIND_SHIFT 60 /* of a kernel address, whose upper bits are all set */

struct cpu {
	struct task *task;
	uint64_t executed, released, random;
	unsigned iteration, value, expected; /* expected: file that MARK_FILE named, + 1 */
	bool loops;
} __attribute__((aligned(128)));

struct trap {
	uint64_t address;
	on_cpu call;
};

static struct region regions[] = {
	{ 0xffff888000000000ull, 32ull << 30, 0 }, /* all memory, page tables of 4 levels */
	{ 0xffffffff80000000ull, 2ull << 30, 0 },  /* the kernel's image */
	{ 0xffffea0000000000ull, 1ull << 30, 0 },  /* struct page */
	{ 0, 0, 0 },
};

static struct cpu cpus[MOST_CPUS];
static struct turns turns;
static volatile bool armed;
static volatile unsigned phase, served_by_turns;
static uint64_t semaphores[MOST_FILES];
static struct trap traps[MOST_TRAPS];
static unsigned trapped;
static struct function down_write, up_write;

static struct holder *holder_of(const struct cpu *cpu)
{
	return cpu->task != NULL ? cpu->task->own : NULL;
}

static int file_of(uint64_t semaphore)
{
	for (int file = 0; semaphore != 0 && file < MOST_FILES; file++)
		if (semaphores[file] == semaphore)
			return file;
	return -1;
}

/* ---- accesses ---- */

static unsigned looked_up(const struct task *task, unsigned cpu, uint64_t address, bool store)
{
	int64_t line = directory_line(address);
	if (line >= 0)
		return directory_access(line, cpu, store);
	return task != NULL && stack_base(address) == task->base ? OWN_STACK : 0;
}

static void touch(unsigned number, uint64_t address, bool store)
{
	struct holder *holder = holder_of(&cpus[number]);
	unsigned flags = looked_up(cpus[number].task, number, address, store);
	if (holder != NULL)
		holder_touch(holder, &(struct access){ address, flags, store });
}

/* The exchange-add of up_write: a section is over, unless another semaphore is meant. */
static void leaves(unsigned number, struct holder *holder, uint64_t semaphore)
{
	struct cpu *cpu = &cpus[number];
	unsigned flags = looked_up(cpu->task, number, semaphore, true);
	struct section *s = holder_leaves(holder, &(struct access){ semaphore, flags, true });
	if (s == NULL)
		return;
	if (s->file >= 0 && phase != 0 && cpu->loops) {
		record_section(number, cpu->iteration, cpu->released, holder->left, s);
		cpu->released = holder->left;
		if (served_by_turns == (unsigned)s->file + 1) {
			holder->turn = true;
			holder->turn_slot = holder->leave_slot;
		}
	}
	section_close(s);
	holder_recount(holder);
}

static void returns(struct cpu *cpu, struct holder *holder, uint64_t slot)
{
	task_return(cpu->task, slot);
	if (holder->turn && slot >= holder->turn_slot) { /* up_write is over: nobody sleeps */
		holder->turn = false;
		turns_wait(&turns, cpu->iteration, &cpu->random);
	}
	if (holder->enter_slot != 0 && slot >= holder->enter_slot)
		holder_entered(holder, slot, cpu->executed, file_of);
}

static void on_access(unsigned number, uint32_t info, uint64_t address, void *data)
{
	struct cpu *cpu = &cpus[number];
	unsigned kind = (uint64_t)data >> KIND_SHIFT;
	uint64_t last = address + (1u << qemu_plugin_mem_size_shift(info)) - 1;
	bool store = qemu_plugin_mem_is_store(info);
	bool calls = kind == CALLS && store, back = (kind == RETURNS || kind == RESUMES) && !store;
	struct holder *holder;
	if (!armed || address >> 63 == 0)
		return;
	if ((calls || back) && !stack_is_entry(address)) {
		cpu->task = task_at(cpu->task, address);
		if (calls)
			task_call(cpu->task, address, (uint64_t)data | 0xfull << KIND_SHIFT);
		else if (kind == RESUMES) /* a frame of the entry code has no RET */
			task_return(cpu->task, address);
		else
			returns(cpu, cpu->task->own, address);
	}
	holder = holder_of(cpu);
	if (kind == EXCHANGES && holder != NULL) {
		holder_takes(holder, address);
	} else if (kind == ADDS && holder != NULL && holder->leaving) {
		leaves(number, holder, address);
		return;
	}
	touch(number, address, store);
	if ((last ^ address) >> LINE_SHIFT)
		touch(number, last, store);
}

/* ---- functions of the kernel: called at their first instruction ---- */

static void on_down_write(unsigned number, void *block)
{
	struct cpu *cpu = &cpus[number];
	struct holder *holder = holder_of(cpu);
	if (armed && (cpu->loops || cpu->expected) && holder != NULL && cpu->task->depth > 0)
		holder_enter(holder, cpu->task, cpu->executed - (uint64_t)block);
}

static void on_up_write(unsigned number, void *block)
{
	struct cpu *cpu = &cpus[number];
	struct holder *holder = holder_of(cpu);
	if (armed && holder != NULL && holder->open > 0)
		holder_leave(holder, cpu->task, cpu->executed - (uint64_t)block);
}

static void happened(unsigned number, unsigned what, int state)
{
	struct holder *holder = holder_of(&cpus[number]);
	if (armed && holder != NULL)
		holder_happened(holder, what, state);
}

static void on_fault(unsigned number, void *block)
{
	(void)block;
	happened(number, INTERRUPTED, HELD);
}

static void on_interrupt(unsigned number, void *block)
{
	struct holder *holder = holder_of(&cpus[number]);
	on_fault(number, block);
	if (!armed || holder == NULL)
		return;
	if (holder->program && holder->interrupts == 0) /* its first block has been counted */
		cpus[number].executed -= (uint64_t)block;
	holder->interrupts++;
}

static void on_interrupt_return(unsigned number, void *block)
{
	struct holder *holder = holder_of(&cpus[number]);
	(void)block;
	if (holder != NULL && holder->interrupts > 0)
		holder->interrupts--;
}

static void on_switch(unsigned number, void *block)
{
	(void)block;
	happened(number, SWITCHED, HELD);
}

static void on_slow_path(unsigned number, void *block)
{
	(void)block;
	happened(number, WAITED, ENTERING);
}

static void on_tree_operation(unsigned number, void *block)
{
	struct cpu *cpu = &cpus[number];
	struct holder *holder = holder_of(cpu);
	(void)block;
	if (!armed || holder == NULL || holder->open == 0)
		return;
	for (int i = 0; i < NESTED; i++) {
		struct section *s = holder->section[i];
		if (s == NULL || s->state != HELD)
			continue;
		s->operations++;
		if (cpu->expected != 0 && holder->open == 1) {
			semaphores[cpu->expected - 1] = s->semaphore;
			record("file %u\n", cpu->expected - 1);
			cpu->expected = 0;
		}
	}
}

/* ---- what the guest says ---- */

static void begin_phase(unsigned value)
{
	if (phase != 0) {
		record("done %u %lu %lu\n", phase, turns.waits, turns.late);
		fflush(records);
	}
	for (unsigned i = 0; i < MOST_CPUS; i++) {
		cpus[i].iteration = 0;
		cpus[i].loops = false;
	}
	turns = (struct turns){ 0 };
	phase = value & 0xff;
	served_by_turns = value >> 8;
	if (phase != 0)
		record("phase %u %u\n", phase, served_by_turns);
}

static void on_mark(unsigned number, void *data)
{
	struct cpu *cpu = &cpus[number];
	unsigned value = cpu->value & ((1u << VALUE_BITS) - 1);
	switch ((uint64_t)data) {
	case MARK_ZERO:
	case MARK_ONE:
		cpu->value = cpu->value << 1 | ((uint64_t)data == MARK_ONE);
		break;
	case MARK_ARM:
		armed = true;
		break;
	case MARK_ITERATION:
		if (phase == 0)
			break;
		if (!cpu->loops) {
			cpu->loops = true;
			cpu->released = cpu->executed;
			cpu->random = number + 1;
			__atomic_add_fetch(&turns.running, 1, __ATOMIC_RELAXED);
		}
		record("iteration %u %u %lu\n", number, ++cpu->iteration, cpu->executed);
		break;
	case MARK_LOOPED:
		if (!cpu->loops)
			break;
		record("over %u %u %lu\n", number, cpu->iteration, cpu->executed);
		__atomic_sub_fetch(&turns.running, 1, __ATOMIC_RELAXED);
		cpu->loops = false;
		break;
	case MARK_FILE:
		cpu->expected = value < MOST_FILES ? value + 1 : 0;
		break;
	case MARK_PHASE:
		begin_phase(value);
		break;
	}
}

static void on_program_block(unsigned number, void *instructions)
{
	struct holder *holder = holder_of(&cpus[number]);
	if (holder != NULL)
		holder->program = true;
	cpus[number].executed += (uint64_t)instructions;
}

static void on_kernel_block(unsigned number, void *instructions)
{
	const struct holder *holder = holder_of(&cpus[number]);
	if (holder != NULL && holder->program && holder->interrupts == 0)
		cpus[number].executed += (uint64_t)instructions;
}

/* ---- translation ---- */

static bool inside(const struct function *function, uint64_t address)
{
	return address >= function->start && address < function->end;
}

/* Only those in the two functions are of a semaphore. */
static uint64_t kind_at(const uint8_t *bytes, uint64_t address)
{
	unsigned kind = kind_of(bytes);
	if ((kind == EXCHANGES && !inside(&down_write, address)) ||
	    (kind == ADDS && !inside(&up_write, address)))
		return PLAIN;
	return kind;
}

static void on_program_translation(struct qemu_plugin_tb *block, size_t number)
{
	uint8_t bytes[LONGEST_INSTRUCTION];
	for (size_t i = 0; i < number; i++) {
		struct qemu_plugin_insn *in = qemu_plugin_tb_get_insn(block, i);
		int code = mark_code(bytes, instruction(in, bytes));
		if (code >= 0)
			qemu_plugin_register_vcpu_insn_exec_cb(in, on_mark, NO_REGISTERS,
							       (void *)(uint64_t)code);
	}
}

static void on_block(uint64_t id, struct qemu_plugin_tb *block)
{
	size_t number = qemu_plugin_tb_n_insns(block);
	bool kernel = qemu_plugin_tb_vaddr(block) >> 63;
	uint8_t bytes[LONGEST_INSTRUCTION];
	(void)id;
	instruction(qemu_plugin_tb_get_insn(block, 0), bytes);
	qemu_plugin_register_vcpu_tb_exec_cb(block, kernel ? on_kernel_block : on_program_block,
					     NO_REGISTERS, (void *)(number - is_repeated(bytes)));
	if (!kernel) {
		on_program_translation(block, number);
		return;
	}
	for (size_t i = 0; i < number; i++) {
		struct qemu_plugin_insn *in = qemu_plugin_tb_get_insn(block, i);
		uint64_t address = qemu_plugin_insn_vaddr(in), kind;
		instruction(in, bytes);
		kind = kind_at(bytes, address);
		for (unsigned t = 0; t < trapped; t++)
			if (traps[t].address == address)
				qemu_plugin_register_vcpu_insn_exec_cb(
					in, traps[t].call, NO_REGISTERS, (void *)(number - i));
		if (kind == RESUMES)
			qemu_plugin_register_vcpu_insn_exec_cb(in, on_interrupt_return,
							       NO_REGISTERS, NULL);
		qemu_plugin_register_vcpu_mem_cb(
			in, on_access, NO_REGISTERS, READ_AND_WRITE,
			(void *)((address & ((1ull << KIND_SHIFT) - 1)) | kind << KIND_SHIFT));
	}
}

static void trap(uint64_t address, on_cpu call)
{
	if (trapped < MOST_TRAPS)
		traps[trapped++] = (struct trap){ address, call };
}

static void found(const struct function *f)
{
	if (name_is(f, "down_write")) {
		down_write = *f;
		trap(f->start, on_down_write);
	} else if (name_is(f, "up_write")) {
		up_write = *f;
		trap(f->start, on_up_write);
	} else if (name_starts(f, "rwsem_down_write_slowpath")) {
		trap(f->start, on_slow_path);
	} else if (name_is(f, "vma_interval_tree_insert") || name_is(f, "vma_interval_tree_remove") ||
		   name_is(f, "vma_interval_tree_insert_after")) {
		trap(f->start, on_tree_operation);
	} else if (name_is(f, "__switch_to")) {
		trap(f->start, on_switch);
	} else if (name_is(f, "asm_exc_page_fault")) {
		trap(f->start, on_fault);
	} else if (name_starts(f, "asm_sysvec_") || name_is(f, "asm_common_interrupt")) {
		trap(f->start, on_interrupt);
	}
}

static void on_end(uint64_t id, void *data)
{
	(void)id;
	(void)data;
	fflush(records);
}

EXPORTED int qemu_plugin_install(uint64_t id, const struct qemu_info *info, int given, char **words)
{
	const char *names = NULL, *path = NULL;
	if (given == 0)
		return 0;
	for (int i = 0; i < given; i++) {
		if (!strncmp(words[i], "functions=", 10))
			names = words[i] + 10;
		else if (!strncmp(words[i], "out=", 4))
			path = words[i] + 4;
	}
	if (names == NULL || path == NULL || info->cpus.started > MOST_CPUS)
		return -1;
	task_own_size = sizeof(struct holder);
	if (!records_open(path) || functions_read(names, found) == 0 || down_write.start == 0 ||
	    up_write.start == 0 || !directory_open(regions))
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_block);
	qemu_plugin_register_atexit_cb(id, on_end, NULL);
	return 0;
}
