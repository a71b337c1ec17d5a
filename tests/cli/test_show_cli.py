"""`lockmodel show`: the sentence that answers, against demands worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

HEAD = """
schema = "lockmodel.scenario/1"
name = "two"
title = "Two locks"
iteration = "one request"
think_us = 10
machine = { name = "m", cpus = 8, cores = 8 }
"""

LOCK = """
[[locks]]
name = "{name}"
shards = {shards}
shard_by = "hash"
time_per_instruction_local_ns = 1
time_per_instruction_remote_ns = 1
handoff = {{ family = "constant", time_ns = {handoff} }}
[[sites]]
lock = "{name}"
phase = "p"
name = "s"
acquires = {acquires}
held_instructions = {held}
"""


def lock(name: str, shards: int, handoff: int, acquires: int, held: int) -> str:
    return LOCK.format(name=name, shards=shards, handoff=handoff, acquires=acquires, held=held)


ONE = lock("a", 1, 500, 2, 1000)  # W = 2 us, m c = 1 us: k / D = 333 k/s

TEXTS = {
    HEAD: "Two locks: no lock is busy at 8 processes; ceiling at n 800 k/s, of the CPUs.",
    HEAD + ONE: "Two locks: a has the largest demand at 8 processes, 3.00 us per iteration: "
    "2.00 us held work (67 %), 1.00 us hand-off (33 %); ceiling at n 333 k/s.",
    HEAD + ONE + lock("b", 4, 250, 4, 3000): "Two locks: b has the largest demand at 8 processes, "
    "13.0 us per iteration: 12.0 us held work (92 %), 1.00 us hand-off (8 %); ceiling at n 308 "
    "k/s.",
    HEAD + ONE + lock("b", 4, 250, 4, 1000): "Two locks: b has the largest demand at 8 processes, "
    "5.00 us per iteration: 4.00 us held work (80 %), 1.00 us hand-off (20 %); ceiling at n 333 "
    "k/s, of a.",
}
"""Scenario -> the answer."""


@pytest.mark.parametrize("toml", TEXTS)
def test_the_largest_demand_and_its_parts_come_first(toml, command):
    Path("s.toml").write_text(toml)
    ran = command("show", "./s.toml")
    assert ran.fine
    assert " ".join(ran.stdout.partition("\n\n")[0].split()) == TEXTS[toml]
    assert "0 origins" not in ran.stdout


def test_a_time_per_instruction_is_a_range_only_where_it_varies(command):
    Path("s.toml").write_text(HEAD + ONE)
    assert "\na (fifo): 1 ns per instruction," in command("show", "./s.toml", "--explain").stdout
    varied = ONE.replace("remote_ns = 1", "remote_ns = 3.5")
    Path("s.toml").write_text(HEAD + varied)
    assert (
        "\na (fifo): 1 to 3.5 ns per instruction,"
        in command("show", "./s.toml", "--explain").stdout
    )
    Path("s.toml").write_text(HEAD + varied.replace("remote_ns = 3.5", "remote_ns = 66200"))
    said = command("show", "./s.toml", "--explain").stdout
    assert "\na (fifo): 1.00 ns to 66.2 us per instruction," in said


def test_many_locks_are_cut_to_those_with_the_largest_demand(command):
    Path("s.toml").write_text(HEAD + "".join(lock(f"l{i}", 1, 0, 1, i) for i in range(1, 31)))
    short = command("show", "./s.toml").stdout.splitlines()
    assert len(short) <= 25
    rows = [line.split()[0] for line in short if line.startswith("l") and "fifo" in line]
    assert rows == [f"l{i}" for i in range(30, 22, -1)]
    assert "22 more locks: --explain" in short
    full = command("show", "./s.toml", "--explain").stdout.partition("iteration is")[0]
    assert [line.split()[0] for line in full.splitlines() if "fifo" in line] == [
        f"l{i}" for i in range(1, 31)
    ]
