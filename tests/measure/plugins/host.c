/*
 * In QEMU's place: has the plugin translate instructions that standard input says, one to a block, and
 * calls it back as QEMU would.
 *
 *   CPU ADDRESS BYTES [load ADDRESS | store ADDRESS]..      all numbers but CPU in hexadecimal
 */
#include PLUGIN

#define MOST_HOOKS 8
#define MOST_BLOCKS 4096

struct hook {
	on_cpu call;
	void *data;
};

struct qemu_plugin_insn {
	uint64_t address;
	uint8_t bytes[LONGEST_INSTRUCTION];
	size_t size;
	struct hook hook[MOST_HOOKS];
	int hooks;
	on_memory memory;
	void *memory_data;
};

struct qemu_plugin_tb {
	struct qemu_plugin_insn instruction;
	struct hook hook;
};

static struct qemu_plugin_tb blocks[MOST_BLOCKS];
static int known;
static on_translation translate;
static void (*finish)(uint64_t, void *);

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, on_translation call)
{
	(void)id;
	translate = call;
}

void qemu_plugin_register_atexit_cb(uint64_t id, void (*call)(uint64_t, void *), void *data)
{
	(void)id;
	(void)data;
	finish = call;
}

void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, on_cpu call, int flags, void *data)
{
	(void)flags;
	tb->hook = (struct hook){ call, data };
}

void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *in, on_cpu call, int flags,
					    void *data)
{
	(void)flags;
	in->hook[in->hooks++] = (struct hook){ call, data };
}

void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *in, on_memory call, int flags, int rw,
				      void *data)
{
	(void)flags;
	(void)rw;
	in->memory = call;
	in->memory_data = data;
}

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb)
{
	(void)tb;
	return 1;
}

uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb)
{
	return tb->instruction.address;
}

struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t number)
{
	(void)number;
	return (struct qemu_plugin_insn *)&tb->instruction;
}

size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *in)
{
	return in->size;
}

uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *in)
{
	return in->address;
}

const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *in)
{
	return in->bytes;
}

unsigned qemu_plugin_mem_size_shift(uint32_t info)
{
	(void)info;
	return 3;
}

bool qemu_plugin_mem_is_store(uint32_t info)
{
	return info;
}

static struct qemu_plugin_tb *block_at(uint64_t address, const char *code)
{
	struct qemu_plugin_tb *tb;
	for (int i = 0; i < known; i++)
		if (blocks[i].instruction.address == address)
			return &blocks[i];
	if (known == MOST_BLOCKS)
		abort();
	tb = &blocks[known++];
	tb->instruction.address = address;
	for (; sscanf(code, "%2hhx", &tb->instruction.bytes[tb->instruction.size]) == 1; code += 2)
		tb->instruction.size++;
	translate(1, tb);
	return tb;
}

int main(int given, char **words)
{
	static const struct qemu_info info = { .target = "none", .cpus = { 4, 4 } };
	char line[512], code[64], how[8];
	unsigned long address;
	unsigned cpu;
	int at, more;
	if (qemu_plugin_install(1, &info, 0, NULL) != 0 ||
	    qemu_plugin_install(1, &info, given - 1, words + 1) != 0)
		return 1;
	while (fgets(line, sizeof(line), stdin) != NULL) {
		struct qemu_plugin_tb *tb;
		struct qemu_plugin_insn *in;
		if (sscanf(line, "%u %lx %63s%n", &cpu, &address, code, &at) != 3)
			return 2;
		tb = block_at(address, code);
		in = &tb->instruction;
		if (tb->hook.call != NULL)
			tb->hook.call(cpu, tb->hook.data);
		for (int i = 0; i < in->hooks; i++)
			in->hook[i].call(cpu, in->hook[i].data);
		for (; sscanf(line + at, "%7s %lx%n", how, &address, &more) == 2; at += more)
			if (in->memory != NULL)
				in->memory(cpu, how[0] == 's', address, in->memory_data);
	}
	finish(1, NULL);
	return 0;
}
