/*
 * The functions of QEMU (docs/devel/tcg-plugins) that the lab's plugins call, declared here because
 * no package of Debian 12 has its qemu-plugin.h.
 *
 * PLUGIN_API is 1 for QEMU 4.2 to 8.2, 2 for 9.0; from 3 on qemu_plugin_insn_data copies.
 */
#ifndef LAB_INTERFACE_H
#define LAB_INTERFACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef PLUGIN_API
#define PLUGIN_API 1
#endif
#define EXPORTED __attribute__((visibility("default")))
#define LONGEST_INSTRUCTION 16

EXPORTED int qemu_plugin_version = PLUGIN_API;

struct qemu_plugin_tb;
struct qemu_plugin_insn;

struct qemu_info {
	const char *target;
	struct {
		int lowest, current;
	} version;
	bool system;
	struct {
		int started, most;
	} cpus;
};

enum { NO_REGISTERS = 0, READ_AND_WRITE = 3 };

typedef void (*on_cpu)(unsigned cpu, void *data);
typedef void (*on_memory)(unsigned cpu, uint32_t info, uint64_t address, void *data);
typedef void (*on_translation)(uint64_t id, struct qemu_plugin_tb *block);

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, on_translation call);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, on_cpu, int, void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, on_cpu, int, void *data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *, on_memory, int, int, void *data);
void qemu_plugin_register_atexit_cb(uint64_t id, void (*call)(uint64_t id, void *data), void *data);
void qemu_plugin_register_flush_cb(uint64_t id, void (*call)(uint64_t id));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
unsigned qemu_plugin_mem_size_shift(uint32_t info);
bool qemu_plugin_mem_is_store(uint32_t info);
#if PLUGIN_API < 3
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
#else
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *, void *to, size_t size);
#endif

/* Copies the bytes of an instruction, zeros behind them; returns its size. */
static inline size_t instruction(const struct qemu_plugin_insn *in, uint8_t to[LONGEST_INSTRUCTION])
{
	size_t size = qemu_plugin_insn_size(in);
	__builtin_memset(to, 0, LONGEST_INSTRUCTION);
	size = size < LONGEST_INSTRUCTION ? size : LONGEST_INSTRUCTION;
#if PLUGIN_API < 3
	__builtin_memcpy(to, qemu_plugin_insn_data(in), size);
#else
	qemu_plugin_insn_data(in, to, size);
#endif
	return size;
}

#endif
