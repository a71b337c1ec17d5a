"""The plugin that counts lines, run by a host of the tests: counts worked out by hand.

Data lines are A, B ..; each is 64 bytes of memory, and the locks have lines of their own.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from plugins import (
    ELSEWHERE,
    FUNCTIONS,
    IRET,
    ITERATION,
    LOOPED,
    NOTHING,
    PHASE,
    REPEATED,
    USER,
    Stream,
    fed,
)
from plugins import MEMORY as M

LOCK, OTHER = M + 0x100, M + 0x140
A, B, C, D = (M + 0x1000 + 64 * i for i in range(4))

NAMES = (
    *("cpu", "file", "iteration", "operations", "before", "locking", "held", "happened"),
    *("touched", "written", "foreign", "fetched", "taken", "stack", "lock", "lock_moved"),
)


def sections(stream: Stream, tmp_path: Path) -> list[dict[str, int]]:
    """Return the sections that the plugin writes; callers are left out."""
    lines = [line for line in stream.records(tmp_path) if line.startswith("section ")]
    return [dict(zip(NAMES, map(int, line.split()[1:17]), strict=True)) for line in lines]


def lines(section: dict[str, int]) -> tuple[int, ...]:
    """Return touched, written, fetched, taken."""
    return tuple(section[name] for name in ("touched", "written", "fetched", "taken"))


@pytest.fixture
def two() -> Stream:
    """Return two CPUs with their loops, and one file."""
    stream = Stream()
    stream.started(2, (LOCK,))
    return stream


def held(stream: Stream, cpu: int, *accesses: tuple[str, int]) -> None:
    stream.enter(cpu, LOCK)
    for how, address in accesses:
        getattr(stream, how)(cpu, address)
    stream.leave(cpu, LOCK)


def test_a_line_that_migrates(two: Stream, tmp_path: Path) -> None:
    """A is read and written under the lock by each CPU in turn; B is never written."""
    for cpu in (0, 1, 0):
        held(two, cpu, ("load", A), ("store", A), ("load", B))
    first, *others = sections(two, tmp_path)
    assert lines(first) == (2, 1, 0, 0)
    for each in others:  # read first, so fetched; taken besides, but it is one line
        assert lines(each) == (2, 1, 1, 0)
        assert each["foreign"] == 1


def test_false_sharing_and_sharing(two: Stream, tmp_path: Path) -> None:
    """CPU 0 writes the first word of A, CPU 1 the last; B is read by both and written by 0."""
    held(two, 0, ("store", A), ("store", B))
    held(two, 1, ("store", A + 56), ("load", B))
    held(two, 0, ("store", A), ("load", B))
    held(two, 0, ("store", A), ("store", B))
    held(two, 1, ("load", B), ("load", B))
    shown = [lines(each) for each in sections(two, tmp_path)]
    assert shown == [
        (2, 2, 0, 0),
        (2, 1, 1, 1),  # B fetched, A taken
        (2, 1, 0, 1),  # A taken; B is still here
        (2, 2, 0, 1),  # A is its own now; B taken from 1, which reads it
        (1, 0, 1, 0),  # fetched once
    ]


def test_what_is_written_between_two_sections_counts(two: Stream, tmp_path: Path) -> None:
    held(two, 0, ("store", A))
    two.store(1, A)  # without the lock
    held(two, 0, ("load", A), ("store", A))
    assert [lines(each) for each in sections(two, tmp_path)] == [(1, 1, 0, 0), (1, 1, 1, 0)]


def test_the_own_stack_and_memory_without_owners(two: Stream, tmp_path: Path) -> None:
    """The own stack is counted apart; of memory that the directory leaves out nothing moves."""
    for cpu in (0, 1):
        held(two, cpu, ("store", two.slot(cpu, 3)), ("store", ELSEWHERE), ("load", C))
    for each in sections(two, tmp_path):
        assert lines(each) == (2, 1, 0, 0)
        # slot(cpu, 3), and the slot that down_write returned and up_write was called by
        assert each["stack"] == 2


def test_an_access_across_the_end_of_a_line_is_to_both(two: Stream, tmp_path: Path) -> None:
    held(two, 0, ("store", A + 60))
    held(two, 1, ("load", B), ("load", A))
    assert [lines(each) for each in sections(two, tmp_path)] == [(2, 2, 0, 0), (2, 0, 2, 0)]


def test_the_lines_of_the_lock_are_its_own(two: Stream, tmp_path: Path) -> None:
    """Down_write and up_write write the line of the semaphore: it moves to the other CPU."""
    for cpu in (0, 0, 1):
        held(two, cpu)
    shown = [(s["touched"], s["lock"], s["lock_moved"]) for s in sections(two, tmp_path)]
    assert shown == [(0, 1, 0), (0, 1, 0), (0, 1, 1)]


def test_a_lock_inside_another_one(two: Stream, tmp_path: Path) -> None:
    """What is touched under the inner one counts for the outer; nobody has named the inner one."""
    two.enter(0, LOCK)
    two.enter(0, OTHER, depth=2)
    two.store(0, A)
    two.leave(0, OTHER, depth=2)
    two.store(0, B)
    two.leave(0, LOCK)
    (only,) = sections(two, tmp_path)
    assert only["written"] == 3  # A, B and the line of the inner lock


def test_two_locks_let_go_of_in_the_order_of_taking(tmp_path: Path) -> None:
    stream = Stream()
    stream.started(1, (LOCK, OTHER))
    stream.enter(0, LOCK)
    stream.enter(0, OTHER, depth=2)
    stream.leave(0, LOCK)
    stream.store(0, A)
    stream.leave(0, OTHER, depth=2)
    first, second = sections(stream, tmp_path)
    assert (first["file"], first["written"]) == (0, 1)  # the line of the other lock
    assert (second["file"], second["written"]) == (1, 2)  # that of the first lock, and A


@pytest.mark.parametrize("served", [0, 1])
def test_after_a_section_of_the_saturated_lock_a_cpu_waits_for_its_turn(
    tmp_path: Path, served: int
) -> None:
    """Nobody comes while it waits: one CPU after the other runs here. So it waits in vain."""
    stream = Stream()
    stream.started(2, (LOCK, OTHER))
    stream.mark(0, PHASE, 2 + 256 * (1 + served))
    for _ in range(3):  # in the first two the wait is of random length
        for cpu in (0, 1):
            stream.mark(cpu, ITERATION)
    stream.enter(0, LOCK)
    stream.leave(0, LOCK)
    stream.mark(1, LOOPED)
    stream.enter(0, LOCK)
    stream.leave(0, LOCK)  # alone: it waits for nobody
    stream.mark(0, PHASE, 0)
    said = stream.records(tmp_path)
    assert f"phase 2 {1 + served}" in said
    assert said[-1] == ("done 2 1 1" if served == 0 else "done 2 0 0")


def test_operations_and_callers(two: Stream, tmp_path: Path) -> None:
    two.call(0, "__split_vma", 0)
    two.enter(0, LOCK)
    two.operation(0)
    two.operation(0)
    two.leave(0, LOCK)
    (line,) = [line for line in two.records(tmp_path) if line.startswith("section ")]
    assert line.split()[4] == "2"
    callers = [FUNCTIONS[name] + 0x10 for name in ("vma_link", "__split_vma")]
    assert line.split()[17:] == [f"{address:x}" for address in callers]


def test_instructions(two: Stream, tmp_path: Path) -> None:
    """One per block here; down_write has 4 (and the call before it), up_write's are not held."""
    held(two, 0, ("load", A), ("load", A))
    two.run(0, USER + 0x800, NOTHING)
    two.run(0, USER + 0x804, NOTHING)
    for _ in range(100):
        two.run(0, FUNCTIONS["vma_link"] + 0x900, REPEATED)  # rounds of one instruction
    held(two, 0, ("load", A))
    first, second = sections(two, tmp_path)
    assert (first["before"], first["locking"], first["held"]) == (1, 4, 2 + 1)
    # 4 of up_write, 2 of the program, the call of down_write
    assert (second["before"], second["locking"], second["held"]) == (4 + 2 + 1, 4, 1 + 1)


def test_interrupts_are_not_the_loop(two: Stream, tmp_path: Path) -> None:
    """Nor are their instructions counted; a section with one inside is marked."""
    held(two, 0)
    two.run(0, FUNCTIONS["asm_sysvec_apic_timer_interrupt"], NOTHING)
    for _ in range(50):
        two.run(0, FUNCTIONS["vma_link"] + 0x900, NOTHING)
    two.run(0, FUNCTIONS["vma_link"] + 0x910, IRET, ("load", two.slot(0, 5)))
    held(two, 0)
    two.enter(0, LOCK)
    two.run(0, FUNCTIONS["asm_exc_page_fault"], NOTHING)
    two.leave(0, LOCK)
    _, after, faulted = sections(two, tmp_path)
    assert (after["before"], after["happened"]) == (4 + 1, 0)
    assert faulted["happened"] == 1


def test_an_interrupt_between_call_and_entry_loses_nothing(two: Stream, tmp_path: Path) -> None:
    """The entry code calls a function that returns from another slot, so its frame stayed.

    Then down_write was taken to return by that frame, and the acquire was lost.
    """
    two.call(0, "vma_link", 1)
    two.run(0, FUNCTIONS["asm_sysvec_apic_timer_interrupt"], NOTHING)
    two.call(0, "asm_sysvec_apic_timer_interrupt", 2)
    returned = FUNCTIONS["asm_sysvec_apic_timer_interrupt"] + 0x20
    two.run(0, returned, "c3", ("load", two.slot(0, 3)))
    two.run(0, returned + 1, IRET, ("load", two.slot(0, 2) + 8))
    two.lines += (lambda s: s.enter(0, LOCK) or s.lines[1:])(Stream())
    two.leave(0, LOCK)
    assert len(sections(two, tmp_path)) == 1


def test_another_task_on_the_cpu_is_not_the_loop(two: Stream, tmp_path: Path) -> None:
    """A thread of the kernel has run no program: its instructions are nobody's."""
    held(two, 0)
    two.run(0, FUNCTIONS["__switch_to"], NOTHING)
    two.run(0, FUNCTIONS["vma_link"] + 0x20, "e800000000", ("store", two.slot(0, 4, task=7)))
    for _ in range(50):
        two.run(0, FUNCTIONS["vma_link"] + 0x900, NOTHING)
    two.run(0, FUNCTIONS["vma_link"] + 0x30, "c3", ("load", two.slot(0, 4)))
    held(two, 0)
    second = sections(two, tmp_path)[1]
    # 4 of up_write, the one of __switch_to, the call on the other stack, the call of down_write;
    # the return is the thread's: it is seen when it is over
    assert second["before"] == 4 + 1 + 1 + 1


def test_what_is_said_of_phases_and_iterations(two: Stream, tmp_path: Path) -> None:
    held(two, 1)
    two.mark(1, ITERATION)
    two.mark(0, LOOPED)
    held(two, 0)  # its loop is over
    two.mark(1, LOOPED)
    two.mark(0, PHASE, 0)
    said = [line.split()[:3] for line in two.records(tmp_path)]
    assert said == [
        ["file", "0"],
        ["phase", "1", "0"],
        ["iteration", "0", "1"],
        ["iteration", "1", "1"],
        ["section", "1", "0"],
        ["iteration", "1", "2"],
        ["over", "0", "1"],
        ["over", "1", "2"],
        ["done", "1", "0"],
    ]


def test_more_lines_than_there_is_room_for_are_said(two: Stream, tmp_path: Path) -> None:
    held(two, 0, *(("load", A + 64 * i) for i in range(961)))
    held(two, 0, *(("load", A + 64 * i) for i in range(900)))
    first, second = sections(two, tmp_path)
    assert (first["happened"], second["happened"]) == (8, 0)
    assert second["touched"] == 900


def test_without_what_it_needs_it_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "functions").write_text("ffffffff81000000 ffffffff81000100 up_write\n")
    for words in (
        (f"functions={tmp_path}/none", f"out={tmp_path}/out"),
        (f"functions={tmp_path}/functions", f"out={tmp_path}/out"),
        (f"functions={tmp_path}/functions",),
    ):
        with pytest.raises(AssertionError):
            fed("host", "", *words)
