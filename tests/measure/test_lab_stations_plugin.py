"""The plugin that ranks stations, run by a host of the tests: counts worked out by hand.

Each CPU has one loop; nothing is warm beforehand and one iteration each is counted.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from plugins import FUNCTIONS, IRET, ITERATION, LOAD, LOOPED, PHASE, RET, STORE, Stream, fed
from plugins import MEMORY as M

from lockmodel.measure.trace.lab.stations.experiment import SOURCE
from lockmodel.measure.trace.lab.stations.records import FREE, LineCount, LockCount, Phase, parse

TEXT = 0xFFFFFFFF82000000
ALL = {
    **FUNCTIONS,
    **{
        name: TEXT + 0x1000 * i
        for i, name in enumerate(
            (
                *("_raw_spin_lock", "_raw_spin_unlock", "_raw_spin_lock_irqsave"),
                *("native_queued_spin_lock_slowpath", "mutex_lock", "mutex_unlock"),
                *("__mutex_lock.constprop.0", "down_read", "up_read", "filemap_map_pages"),
                *("folio_unlock", "worker_thread", "pgd_alloc", "schedule"),
            )
        )
    },
}
PAGE = 0xFFFFEA0000000000
DEEP = 5
"""Calls at the top of a stack enter the kernel: what a task held is forgotten there."""
LOCK, FILE_LOCK = M + 0x100, M + 0x140
A, B, C = (M + 0x1000 + 64 * i for i in range(3))
BTS, XOR = "f00fba2f00", "f0803701"


class Loops(Stream):
    """Loops on as many CPUs, each in its counted iteration."""

    def __init__(self, cpus: int) -> None:
        super().__init__(SOURCE, ALL)
        self.cpus = cpus
        self.mark(0, 2, 0)  # arm
        for cpu in range(cpus):
            self.call(cpu, "vma_link", 0)
        self.mark(0, 5, 0)  # file 0
        self.enter(0, FILE_LOCK, DEEP)
        self.operation(0)
        self.leave(0, FILE_LOCK, DEEP)
        self.mark(0, PHASE, FREE)
        for cpu in (*range(cpus), *range(cpus - 1)):  # the last one finds all the others warm
            self.mark(cpu, ITERATION)

    def take(
        self, cpu: int, name: str, word: int, depth: int = DEEP, code: str = "f00fb10f"
    ) -> None:
        """Call a function that exchanges a word, from pgd_alloc."""
        self.call(cpu, "pgd_alloc", depth)
        self.run(cpu, ALL[name] + 4, code, ("store", word))
        self.run(cpu, ALL[name] + 12, RET, ("load", self.slot(cpu, depth)))

    def free(self, cpu: int, name: str, word: int, depth: int = DEEP) -> None:
        self.take(cpu, name, word, depth, STORE)

    def phase(self, tmp_path: Path) -> Phase:
        """End the iteration of each loop; return what was counted."""
        for cpu in range(self.cpus):
            self.mark(cpu, ITERATION)
        for cpu in range(self.cpus):
            self.mark(cpu, LOOPED)
        self.mark(0, PHASE, 0)
        lines = self.records(tmp_path, f"loops={self.cpus}", "warm=0", "iterations=1")
        return parse(lines, "test").phases[0]


def lock(phase: Phase, word: int) -> LockCount:
    return next(each for each in phase.locks if each.word == word)


def line(phase: Phase, address: int) -> LineCount:
    return phase.lines[address]


FUNCTION_NAMES = {
    "_raw_spin_lock_irqsave": "takes spin",
    "_raw_spin_unlock_irqrestore": "frees spin",
    "_raw_write_lock_irq": "takes write",
    "_raw_read_unlock": "frees read",
    "down_write_killable": "takes rwsem_write",
    "down_write_trylock": "takes rwsem_write",
    "down_read": "takes rwsem_read",
    "up_read": "frees rwsem_read",
    "mutex_lock_interruptible": "takes mutex",
    "mutex_unlock": "frees mutex",
    "folio_unlock": "frees folio",
    "native_queued_spin_lock_slowpath": "waits none",
    "rwsem_down_write_slowpath": "waits none",
    "__mutex_lock.constprop.0": "waits none",
    "asm_sysvec_apic_timer_interrupt": "interrupts none",
    "worker_thread": "threads none",
    "mutex_lock_io": "plain none",  # it calls mutex_lock
    "raw_spin_rq_lock_nested": "plain none",
    "vma_link": "plain none",
}
INSTRUCTIONS = {
    "e800000000": "calls",
    "ff10": "calls",  # call *(%rax)
    "ff20": "other",  # jmp *(%rax)
    "c3": "returns",
    "f3c3": "returns",
    "48cf": "returns",
    "f00fb10f": "exchanges locked",
    "0fb10f": "exchanges",  # as patched for one CPU
    "f0480fc107": "exchanges locked",
    "f00fba2f00": "sets_bit locked",  # lock btsl $0,(%rdi)
    "0fba2f00": "other",
    "f00fba3700": "other locked",  # btr
    "f0480fab07": "sets_bit locked",
    "f0803701": "flips_bits locked",  # lock xorb $1,(%rdi)
    "803701": "other",
    "f0800f01": "other locked",  # or
    "4887 07".replace(" ", ""): "other locked",  # xchg
    "65488b0425": "other",
}


@pytest.mark.parametrize(("kind", "table"), [("function", FUNCTION_NAMES), ("bytes", INSTRUCTIONS)])
def test_functions_and_instructions(kind: str, table: dict[str, str]) -> None:
    said = fed("locks", "".join(f"{kind} {text}\n" for text in table), plugin=SOURCE)
    assert dict(zip(table, said, strict=True)) == table


def test_a_spinlock_and_what_moves_under_it(tmp_path: Path) -> None:
    """Each takes the lock once; A moves to the second, B is each one's own, the word moves."""
    loops = Loops(2)
    for cpu in (0, 1):
        loops.take(cpu, "_raw_spin_lock_irqsave", LOCK)
        for address in (A, A + 8, B + 0x1000 * cpu):
            loops.load(cpu, address)
            loops.store(cpu, address)
        loops.free(cpu, "_raw_spin_unlock", LOCK)
    phase = loops.phase(tmp_path)
    assert (phase.cpus, phase.iterations, phase.dropped, phase.alone) == (2, 2, 0, 0)
    taken = lock(phase, LOCK)
    assert (taken.kind, taken.cpus, taken.acquires, taken.moved) == ("spin", 2, 2, 1)
    # store, ret, six accesses, call: what runs between the two stores to the word
    assert taken.instructions == 2 * (1 + 6 + 1 + 1)
    assert taken.callers == {(ALL["pgd_alloc"] + 0x10, ALL["vma_link"] + 0x10, 0, 0): 2}
    assert A not in phase.lines  # moved on one CPU only


def test_lines_are_counted_by_visits(tmp_path: Path) -> None:
    """A counter that both add to in turn: it comes for each visit, once for its load and store."""
    loops = Loops(2)
    for _ in range(3):
        for cpu in (0, 1):
            for _ in range(201):
                loops.load(cpu, C + 0x1000 * cpu)
            loops.load(cpu, A)
            loops.run(cpu, ALL["vma_link"] + 0x820, "f0480fc107", ("store", A))
    counted = line(loops.phase(tmp_path), A)
    # the line is known from its first transfer on, the second load of all
    assert (counted.cpus, counted.moved, counted.atomic, counted.loads) == (2, 5, 5, 5)
    load, add = (ALL["vma_link"] + offset for offset in (0x800, 0x820))
    caller = ALL["vma_link"] + 0x10
    assert counted.touches == {(load, caller, 0, 0): 5, (add, caller, 0, 0): 5}


def test_lines_next_to_each_other_in_time_are_one_visit(tmp_path: Path) -> None:
    loops = Loops(2)
    for cpu in (0, 1, 0, 1):
        loops.store(cpu, A)
    counted = line(loops.phase(tmp_path), A)
    assert (counted.visits, counted.moved) == (2, 2)


def test_waiting_is_no_part_of_the_section(tmp_path: Path) -> None:
    """B moves while CPU 1 waits in the slow path and in what that calls, A once it has the lock."""
    loops = Loops(2)
    loops.store(0, A, B, C)
    loops.call(1, "pgd_alloc", DEEP)
    loops.run(1, ALL["mutex_lock"] + 4, "f0480fb10f", ("store", LOCK))
    loops.call(1, "mutex_lock", DEEP + 1)
    loops.run(1, ALL["__mutex_lock.constprop.0"] + 4, LOAD, ("load", B))
    loops.call(1, "__mutex_lock.constprop.0", DEEP + 2)
    loops.run(1, ALL["schedule"] + 4, LOAD, ("load", C))
    for depth in (DEEP + 2, DEEP + 1, DEEP):
        loops.run(1, ALL["schedule"] + 12, RET, ("load", loops.slot(1, depth)))
    loops.load(1, A)
    loops.free(1, "mutex_unlock", LOCK)
    taken = lock(loops.phase(tmp_path), LOCK)
    assert (taken.acquires, taken.moved) == (1, 1)
    assert taken.instructions == 3 + 1 + 2  # from the last access of those that waited


def test_interrupts_and_threads_are_left_out(tmp_path: Path) -> None:
    loops = Loops(2)
    loops.store(1, A, B)
    loops.take(0, "_raw_spin_lock", LOCK)
    loops.call(0, "asm_sysvec_apic_timer_interrupt", DEEP + 1)
    loops.load(0, A)
    loops.run(0, ALL["asm_sysvec_apic_timer_interrupt"] + 0x40, IRET, ("load", loops.slot(0, DEEP)))
    loops.free(0, "_raw_spin_unlock", LOCK)
    loops.call(0, "worker_thread", DEEP)
    loops.load(0, B)
    loops.take(0, "_raw_spin_lock", LOCK, DEEP + 1)
    loops.free(0, "_raw_spin_unlock", LOCK, DEEP + 1)
    phase = loops.phase(tmp_path)
    assert (phase.moved, phase.interrupted) == (0, 2)
    taken = lock(phase, LOCK)
    assert (taken.acquires, taken.moved) == (1, 0)
    # ret, the first of the interrupt (what it is shows in its CALL), call, store
    assert taken.instructions == 1 + 1 + 1 + 1


def test_an_interrupt_has_a_stack_of_its_own(tmp_path: Path) -> None:
    """Its first calls lie at the top of that, where a program enters the kernel on other ones."""
    loops = Loops(2)
    loops.store(1, A)
    top = loops.slot(0, 0, task=7)
    sysvec = ALL["asm_sysvec_apic_timer_interrupt"]
    loops.run(0, sysvec + 0x20, "ffd0", ("store", top))
    loops.run(0, ALL["schedule"] + 0x20, "e800000000", ("store", top - 0x40))
    loops.load(0, A)
    for slot in (top - 0x40, top):
        loops.run(0, ALL["schedule"] + 12, RET, ("load", slot))
    loops.call(0, "vma_link", 0)
    loops.load(0, B)
    phase = loops.phase(tmp_path)
    assert (phase.moved, phase.interrupted) == (0, 1)


def test_a_folio_lock_is_told_by_its_bit(tmp_path: Path) -> None:
    loops = Loops(2)
    loops.store(0, A)
    for cpu in (0, 1):
        loops.run(cpu, ALL["filemap_map_pages"] + 4, BTS, ("store", PAGE))
        loops.load(cpu, A)
        loops.run(cpu, ALL["filemap_map_pages"] + 9, XOR, ("store", PAGE))
        loops.run(cpu, ALL["filemap_map_pages"] + 20, BTS, ("store", LOCK))  # no page
    phase = loops.phase(tmp_path)
    taken = lock(phase, PAGE)
    assert (taken.kind, taken.acquires, taken.moved) == ("folio", 2, 1)
    assert [each.word for each in phase.locks] == [PAGE]


def test_tries_that_fail_push_no_lock_out(tmp_path: Path) -> None:
    """Twelve folios that are never let go, while an rwsem is held, and its release is seen."""
    loops = Loops(2)
    loops.enter(0, FILE_LOCK, DEEP)
    for i in range(14):
        loops.run(0, ALL["filemap_map_pages"] + 4, BTS, ("store", PAGE + 64 * i))
    loops.leave(0, FILE_LOCK, DEEP)
    taken = lock(loops.phase(tmp_path), FILE_LOCK)
    assert (taken.kind, taken.acquires) == ("rwsem_write", 1)


def test_readers_and_a_lock_inside_another(tmp_path: Path) -> None:
    loops = Loops(2)
    loops.store(1, A, B)
    loops.take(0, "down_read", LOCK, code="f0480fc107")
    loops.load(0, A)
    loops.take(0, "_raw_spin_lock", LOCK + 0x80)
    loops.load(0, B)
    loops.free(0, "_raw_spin_unlock", LOCK + 0x80)
    loops.free(0, "up_read", LOCK)
    phase = loops.phase(tmp_path)
    outer, inner = lock(phase, LOCK), lock(phase, LOCK + 0x80)
    assert (outer.kind, outer.moved) == ("rwsem_read", 2)
    assert (inner.kind, inner.moved) == ("spin", 1)


def test_readers_and_writers_of_a_lock_are_counted_apart(tmp_path: Path) -> None:
    loops = Loops(2)
    loops.store(1, A)
    for name in ("read", "write", "read"):
        loops.take(0, f"down_{name}", LOCK)
        loops.load(0, A)
        loops.free(0, f"up_{name}", LOCK)
    counted = {each.kind: each for each in loops.phase(tmp_path).locks}
    assert [counted[kind].acquires for kind in ("rwsem_read", "rwsem_write")] == [2, 1]
    assert [counted[kind].moved for kind in ("rwsem_read", "rwsem_write")] == [1, 0]
    assert {sum(each.callers.values()) for each in counted.values()} == {1, 2}


def test_the_files_lock_and_only_whole_iterations(tmp_path: Path) -> None:
    """What a CPU does before its counted iteration and behind it is not counted."""
    loops = Loops(2)
    loops.enter(0, FILE_LOCK, DEEP)
    loops.leave(0, FILE_LOCK, DEEP)
    loops.mark(0, ITERATION)  # its iteration is over
    loops.enter(0, FILE_LOCK, DEEP)
    loops.leave(0, FILE_LOCK, DEEP)
    loops.mark(1, ITERATION)
    loops.mark(0, LOOPED)
    loops.mark(1, LOOPED)
    loops.mark(0, PHASE, 0)
    found = parse(loops.records(tmp_path, "loops=2", "warm=0", "iterations=1"), "test")
    assert found.files == {0: FILE_LOCK}
    assert lock(found.phases[0], FILE_LOCK).acquires == 1
    assert found.phases[0].iterations == 2
