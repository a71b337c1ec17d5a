"""Every recorded trace against the table, whole, cut anywhere and without an event."""

from __future__ import annotations

import random

import pytest
import traces
from traces import Rows

from lockmodel.errors import LockmodelError
from lockmodel.measure.trace.files import names
from lockmodel.measure.trace.reading import parse
from lockmodel.measure.trace.windows import Counted, count

LD, LIBC = "ld-linux-x86-64.so.2", "libc.so.6"

RECORDED = {
    "trace_fork_6.1": ("6.1.187", "fork", "dyntrue"),
    "trace_vfork_6.12": ("6.12.107", "vfork", "dyntrue"),
    "trace_execl_6.12": ("6.12.107", "execl", "dynloop"),
}
"""Sample of the lab -> kernel, loop and binary of the table."""

DISTANCES = {"trace_fork_6.1": 0x10, "trace_vfork_6.12": 0x48, "trace_execl_6.12": 0x48}
"""Bytes from the tree to the lock, as measured for data/traced."""

BASH = {13: "bash", 14: LD, 15: "libtinfo.so.6", 16: LIBC, 17: "true"}
"""Inode numbers in the guest where bash was the parent."""


def read(text: str) -> Counted:
    return count(parse(text.splitlines(), "trace"))


def rows(counted: Counted, named: dict[int, str]) -> Rows:
    short = names(counted, named)
    return {(short[inode], where): both for (inode, where), both in counted.counts.items()}


def bash_rows() -> Rows:
    """Return the table's rows with bash and libtinfo for the loop: all have five mappings."""
    table = traces.table("6.12.107", "fork", "dyntrue")
    for name in ("bash", "libtinfo.so.6"):
        table |= {(name, where): both for (file, where), both in table.items() if file == "loop"}
    return {key: both for key, both in table.items() if key[0] != "loop"}


@pytest.mark.parametrize("name", RECORDED)
def test_every_recorded_trace_of_the_lab_agrees_with_the_table(name: str) -> None:
    kernel, loop, binary = RECORDED[name]
    trace = parse(traces.sample(name).splitlines(), name)
    counted = count(trace)
    assert rows(counted, trace.names) == traces.table(kernel, loop, binary)
    assert (counted.loop, counted.windows, counted.agreeing) == (loop, 3, 3)
    assert counted.distance == DISTANCES[name]
    assert trace.kernel is not None
    assert trace.kernel.startswith(kernel.removesuffix("187").removesuffix("107"))


@pytest.mark.parametrize(
    ("name", "windows"), [("trace_script_6.12", 4), ("trace_bpftrace_6.12", 6)]
)
def test_what_the_script_and_bpftrace_print_agrees_with_the_table(name: str, windows: int) -> None:
    counted = read(traces.sample(name))
    assert rows(counted, BASH) == bash_rows()
    assert (counted.loop, counted.windows, counted.agreeing) == ("fork", windows, windows)
    assert counted.distance == 0x48


def test_totals_of_libc_are_those_of_the_recipe() -> None:
    totals = {}
    for name in RECORDED:
        trace = parse(traces.sample(name).splitlines(), name)
        both = [b for (file, _), b in rows(count(trace), trace.names).items() if file == LIBC]
        totals[name] = tuple(map(sum, zip(*both, strict=True)))
    assert totals["trace_fork_6.1"] == (29, 42)
    assert totals["trace_execl_6.12"] == (15, 32)


@pytest.mark.parametrize("name", [*RECORDED, "trace_script_6.12", "trace_bpftrace_6.12"])
@pytest.mark.parametrize("end", ["start", "end"])
def test_a_recorded_trace_cut_anywhere_gives_the_same_counts_or_none(name: str, end: str) -> None:
    lines = traces.sample(name).splitlines()
    right = read("\n".join(lines)).counts
    answered = 0
    for at in range(0, len(lines), len(lines) // 24):
        part = lines[at:] if end == "start" else [*lines[:at], lines[at][:40]]
        try:
            counted = count(parse(part, name))
        except LockmodelError:
            continue
        if "bpftrace" in name and (49, "exec.map_link") in counted.counts:
            continue  # the shell that started bash ran busybox before: a loop as well
        answered += 1
        assert counted.counts == right, at
    assert answered >= 4


@pytest.mark.parametrize("seed", range(6))
def test_a_recorded_trace_without_one_event_gives_the_same_counts_or_none(seed: int) -> None:
    lines = traces.sample("trace_vfork_6.12").splitlines()
    right = read("\n".join(lines)).counts
    at = random.Random(seed).choice([i for i, line in enumerate(lines) if ": dw:" in line])
    assert read("\n".join(lines[:at] + lines[at + 1 :])).counts == right
