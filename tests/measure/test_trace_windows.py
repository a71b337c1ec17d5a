"""Acquires per iteration, of traces that are made to a count."""

from __future__ import annotations

import random
import time

import pytest
import traces
from hypothesis import given, settings
from hypothesis import strategies as st
from traces import Machine, Take

from lockmodel.errors import NotTrustworthyError, ScenarioError
from lockmodel.measure.trace.reading import parse
from lockmodel.measure.trace.sites import site
from lockmodel.measure.trace.windows import Counted, count

INIT = 1
PARENT = 100


def read(text: str) -> Counted:
    return count(parse(text.splitlines(), "trace"))


ITERATION = (
    Take(0, "fork.dup", ("insa",)),
    Take(1, "fork.dup", ("insa", "insa")),
    Take(0, "exec.teardown", ("rem",) * 5),
    Take(2, "exec.map_link"),
    Take(2, "exec.map_link"),
    Take(1, "exec.map_split", ("rem", "ins", "ins")),
    Take(2, "exec.mprotect_split", ("rem", "ins", "ins")),
    Take(1, "exec.map_expand", ("rem", "ins")),
    Take(1, "exec.map_unlink", ("rem",)),
    Take(2, "exit.teardown", ("rem", "rem")),
    Take(1, "exit.teardown", ("rem",)),
)
INODES = (11, 22, 33)


def machine(distance: int = 0x48) -> Machine:
    made = Machine(distance, INODES, [])
    made.mark("frk", INIT)
    made.mark("exe", PARENT)
    return made


def forks(iterations: int, extra: dict[int, Take] | None = None) -> list[list[str]]:
    """Return the lines of each iteration; `extra` ones have an acquire more."""
    parts = []
    for i in range(iterations):
        made = Machine(0x48, INODES, [], clock=1000 * i)
        more = [(extra or {})[i]] if i in (extra or {}) else []
        made.forking(PARENT, 200 + i, [*ITERATION, *more])
        parts.append(made.lines)
    return parts


def joined(parts: list[list[str]]) -> str:
    made = machine()
    end = Machine(0x48, INODES, [])
    end.mark("ext", PARENT)
    return "\n".join(made.lines + [line for part in parts for line in part] + end.lines)


def test_a_made_trace_gives_what_it_was_made_from() -> None:
    counted = read(joined(forks(3)))
    assert counted.counts == traces.expected(ITERATION, INODES)
    assert counted.counts[22, "exec.map_split"] == (1, 3)
    assert (counted.loop, counted.distance) == ("fork", 0x48)
    assert (counted.windows, counted.agreeing) == (3, 3)


def test_iterations_in_any_order_give_the_same() -> None:
    parts = forks(6)
    random.Random(1).shuffle(parts)
    assert read(joined(parts)).counts == traces.expected(ITERATION, INODES)


def test_one_odd_iteration_is_told_and_does_not_count() -> None:
    counted = read(joined(forks(5, {2: Take(1, "exec.map_link")})))
    assert counted.counts == traces.expected(ITERATION, INODES)
    assert (counted.windows, counted.agreeing) == (5, 4)


def test_iterations_that_differ_half_and_half_are_refused() -> None:
    odd = Take(1, "exec.map_link")
    with pytest.raises(NotTrustworthyError, match="the 4 iterations differ, at most 2 are equal"):
        read(joined(forks(4, {1: odd, 3: odd})))


def test_two_of_three_are_more_than_half() -> None:
    odd = Take(1, "exec.map_link")
    counted = read(joined(forks(3, {0: odd, 2: odd})))
    assert counted.counts == traces.expected([*ITERATION, odd], INODES)
    assert counted.agreeing == 2


def test_an_unrelated_process_does_not_count() -> None:
    """It uses the same files between all the acquires of an iteration."""
    other = 77
    made = machine()
    made.take(other, Take(0, "exec.map_link"))
    for i in range(4):
        inner = Machine(0x48, INODES, [])
        inner.forking(PARENT, 200 + i, ITERATION)
        for line in inner.lines:
            if ": dw:" in line or ": frk:" in line:
                made.take(other, Take(1, "exec.map_split", ("rem", "ins", "ins")))
            made.lines.append(line)
    made.take(other, Take(0, "exec.map_link"))
    counted = read("\n".join(made.lines))
    assert counted.counts == traces.expected(ITERATION, INODES)
    assert (counted.windows, counted.agreeing) == (4, 4)


def test_a_process_that_is_new_in_one_iteration_spoils_at_most_that_one() -> None:
    made = machine()
    for i in range(4):
        inner = Machine(0x48, INODES, [])
        inner.forking(PARENT, 200 + i, ITERATION)
        start, rest = inner.lines[:4], inner.lines[4:]
        made.lines += start
        if i == 1:  # at once after the fork, so it looks like the child
            made.mark("exe", 900)
            made.take(900, Take(0, "exec.map_link"))
            made.mark("ext", 900)
        made.lines += rest
    made.mark("ext", PARENT)
    counted = read("\n".join(made.lines))
    assert counted.counts == traces.expected(ITERATION, INODES)
    assert counted.agreeing == 3


def test_children_of_two_loops_at_once_are_not_mixed_up() -> None:
    """Both fork before either child shows up, and the other one's child executes first."""
    made = machine()
    made.mark("exe", 55)
    for i in range(4):
        own, foreign = 200 + i, 800 + i
        made.mark("frk", PARENT)
        made.mark("frk", 55)
        made.take(own, Take(0, "exec.map_link"))
        made.mark("exe", foreign)
        made.take(foreign, Take(1, "exec.map_split"))
        made.mark("exe", own)
        made.mark("ext", foreign)
        made.mark("ext", own)
    made.mark("ext", PARENT)
    with pytest.raises(ScenarioError, match="no whole iteration"):
        read("\n".join(made.lines))


@pytest.mark.parametrize("child", [5, 50, 5000])
def test_a_child_that_forks_in_turn_counts(child: int) -> None:
    """Whatever the order of process numbers."""
    made = machine()
    inner = [Take(2, "fork.dup", ("insa",)), Take(2, "exec.map_link"), Take(2, "exit.teardown")]
    for i in range(3):
        first, second = child + 2 * i, child + 2 * i + 1
        made.mark("frk", PARENT)
        made.take(PARENT, Take(0, "fork.dup", ("insa",)))
        made.mark("exe", first)
        made.take(first, Take(1, "exec.map_link"))
        made.forking(first, second, inner)
        made.mark("ext", first)
        made.take(first, Take(1, "exit.teardown", ("rem",)))
    made.mark("ext", PARENT)
    counted = read("\n".join(made.lines))
    whole = [
        Take(0, "fork.dup", ("insa",)),
        Take(1, "exec.map_link"),
        Take(1, "exit.teardown", ("rem",)),
        *inner,
    ]
    assert counted.counts == traces.expected(whole, INODES)
    assert (counted.windows, counted.agreeing) == (3, 3)


def test_a_last_iteration_that_may_be_cut_is_left_out() -> None:
    text = joined(forks(4)).splitlines()
    ends = [at for at, line in enumerate(text) if f"-{PARENT} " in line]
    whole = read("\n".join(text))
    cut = read("\n".join(text[: ends[-2]]))  # without the parent's last event
    assert (whole.windows, cut.windows) == (4, 3)
    assert whole.counts == cut.counts


def test_acquires_without_stacks_are_refused() -> None:
    lines = [line for line in joined(forks(3)).splitlines() if "=>" not in line]
    with pytest.raises(ScenarioError, match=r"33 of 33 acquires have no kernel stack.*stacktrace"):
        read("\n".join(lines))


@pytest.mark.parametrize("kind", ["ins", "rem", "insa"])
def test_a_kind_of_operation_that_is_not_traced_changes_operations_only(kind: str) -> None:
    lines = [line for line in joined(forks(3)).splitlines() if f": {kind}:" not in line]
    acquires = {key: a for key, (a, _) in read("\n".join(lines)).counts.items()}
    assert (
        acquires.items()
        <= {k: a for k, (a, _) in traces.expected(ITERATION, INODES).items()}.items()
    )


def test_without_operations_there_is_no_tree() -> None:
    lines = [line for line in joined(forks(3)).splitlines() if "root=" not in line]
    with pytest.raises(ScenarioError, match="0 tree operations"):
        read("\n".join(lines))


def test_operations_that_are_under_no_lock_are_refused() -> None:
    lines = joined(forks(3)).splitlines()
    lines = [line for i, line in enumerate(lines) if "sem=" not in line or i % 3 == 0]
    with pytest.raises(ScenarioError, match="not nearly all; events are missing"):
        read("\n".join(lines))


def test_two_distances_that_explain_as_much_are_refused() -> None:
    text = joined(forks(3))
    made = []
    for line in text.splitlines():
        made.append(line)
        if "sem=0xff1100000" in line:  # a second lock of the same structure, taken each time
            before, _, sem = line.partition("sem=")
            made.append(f"{before}sem=0x{int(sem, 16) + 0x30:x}")
    with pytest.raises(ScenarioError, match="explain as many operations"):
        read("\n".join(made))


def test_no_iteration_is_refused_with_the_remedy() -> None:
    made = machine()
    for take in ITERATION:
        made.take(PARENT, take)
    with pytest.raises(ScenarioError, match=r"no whole iteration.*at least three iterations"):
        read("\n".join(made.lines))


def test_iterations_without_a_file_are_refused() -> None:
    made = machine()
    for i in range(3):
        made.forking(PARENT, 200 + i, [])
    for _ in range(4):
        made.take(77, Take(0, "exec.map_link"))
    with pytest.raises(ScenarioError, match="take no lock of a file"):
        read("\n".join(made.lines))


def test_two_files_with_one_inode_number_are_refused() -> None:
    """Their counts would be added up as those of one file."""
    lines = joined(forks(3)).replace("ino=33", "ino=22")
    with pytest.raises(NotTrustworthyError, match="two files have inode number 22"):
        read(lines)


def test_an_address_that_becomes_another_files_is_told_apart() -> None:
    """The kernel uses the memory of an inode again; the first file's acquires stay its own."""
    made = machine()
    for i in range(4):
        made.forking(PARENT, 200 + i, ITERATION)
    made.mark("ext", PARENT)
    made.inodes = (11, 99, 33)
    made.take(77, Take(1, "exec.map_link"))
    assert read("\n".join(made.lines)).counts == traces.expected(ITERATION, INODES)


def test_the_process_with_most_iterations_is_the_loop() -> None:
    made = machine()
    for i in range(2):
        made.forking(55, 700 + i, [Take(0, "fork.dup"), Take(0, "exit.teardown")])
    for i in range(3):
        made.forking(PARENT, 200 + i, ITERATION)
    made.mark("ext", PARENT)
    assert read("\n".join(made.lines)).counts == traces.expected(ITERATION, INODES)


def test_many_parents_take_no_time() -> None:
    """The windows of each would be looked for in the whole trace."""
    made = machine()
    for i in range(4):
        made.forking(PARENT, 200 + i, ITERATION)
    for i in range(6000):
        made.line(5000 + i, "frk: (copy_process+0x4/0x100)")
    trace = parse(made.lines, "trace")
    start = time.perf_counter()
    assert count(trace).windows == 4
    assert time.perf_counter() - start < 1


SITES = st.sampled_from(sorted(traces.STACKS))
OPERATIONS = st.lists(st.sampled_from(["ins", "rem", "insa"]), min_size=1, max_size=5).map(tuple)


@st.composite
def iterations(
    draw: st.DrawFn, sites: st.SearchStrategy[str]
) -> tuple[tuple[int, ...], list[Take]]:
    inodes = draw(
        st.lists(st.integers(1, 2**63 - 1), min_size=2, max_size=5, unique=True).map(tuple)
    )
    take = st.builds(Take, st.integers(0, len(inodes) - 1), sites, OPERATIONS)
    return inodes, draw(st.lists(take, min_size=3, max_size=12))


GAPS = st.integers(-500, 500).map(lambda words: 8 * words)


@settings(max_examples=60)
@given(iterations(SITES), GAPS, st.integers(2, 5), st.lists(st.integers(0, 10**6), max_size=20))
def test_counts_in_are_counts_out(
    model: tuple[tuple[int, ...], list[Take]], distance: int, times: int, places: list[int]
) -> None:
    """A fork or vfork loop; an unrelated process works on its files in between."""
    inodes, takes = model
    made = Machine(distance, inodes, [])
    other = 3
    made.take(other, Take(0, "exec.map_link"))
    for i in range(times):
        made.forking(PARENT, 400 - i, takes)
    made.mark("ext", PARENT)
    lines = made.lines
    heads = [at for at, line in enumerate(lines) if "prog-" in line and "<stack" not in line]
    for place in sorted({heads[p % len(heads)] for p in places}, reverse=True):
        noise = Machine(distance, inodes, [])
        noise.take(other, Take(place % len(inodes), "exec.map_split", ("rem", "ins")))
        lines[place:place] = noise.lines
    counted = read("\n".join(lines))
    assert counted.counts == traces.expected(takes, inodes)
    assert (counted.windows, counted.agreeing, counted.distance) == (times, times, distance)
    forked = any(take.site == "fork.dup" for take in takes)
    assert counted.loop == ("fork" if forked else "vfork")


OWN_SITES = st.sampled_from(sorted(s for s in traces.STACKS if s.startswith("exec")))


@settings(max_examples=40)
@given(iterations(OWN_SITES), GAPS, st.integers(2, 5), st.lists(OPERATIONS, max_size=4))
def test_counts_in_are_counts_out_of_execl(
    model: tuple[tuple[int, ...], list[Take]],
    distance: int,
    times: int,
    before: list[tuple[str, ...]],
) -> None:
    """What the first begin_new_exec tears down was another program's: it does not count."""
    inodes, takes = model
    made = Machine(distance, inodes, [])
    made.mark("frk", INIT)
    made.again(PARENT, [Take(0, "exec.teardown", each) for each in before])
    for _ in range(times):
        made.again(PARENT, takes)
    made.mark("exe", PARENT)
    made.mark("ext", PARENT)
    counted = read("\n".join(made.lines))
    assert counted.counts == traces.expected(takes, inodes)
    assert (counted.loop, counted.windows, counted.agreeing) == ("execl", times, times)


@pytest.mark.parametrize("where", traces.STACKS)
def test_the_site_is_read_from_the_stack_as_the_recipe_says(where: str) -> None:
    assert site(tuple(traces.STACKS[where].split())) == where


@pytest.mark.parametrize(
    ("stack", "where"),
    [
        ("down_write copy_process kernel_clone", "fork.dup"),
        ("down_write free_pgtables exit_mmap exec_mmap begin_new_exec", "exec.teardown"),
        ("down_write free_pgtables exit_mmap setup_new_exec.isra.0", "exec.teardown"),
        ("down_write free_pgtables exit_mmap do_exit", "exit.teardown"),
        ("down_write unlink_file_vma_batch_final vms_clear_ptes", "exec.map_unlink"),
        ("down_write vma_prepare __split_vma mprotect_fixup", "exec.mprotect_split"),
        ("down_write vma_prepare.part.0 split_vma.constprop.0", "exec.map_split"),
        ("down_write something_new", "exec.map_link"),
    ],
)
def test_sites_of_other_builds(stack: str, where: str) -> None:
    assert site(tuple(stack.split())) == where
