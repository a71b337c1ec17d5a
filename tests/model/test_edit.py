"""KEY=VALUE on top of a scenario: the same as its file edited by hand."""

from __future__ import annotations

import re

import pytest

from lockmodel.errors import ArgumentError
from lockmodel.fitting.draws import drawn
from lockmodel.model.edit import edited
from lockmodel.model.fit_table import Fit, FittedParameter
from lockmodel.model.scenario import Walkers
from lockmodel.model.shipped import find_scenario
from lockmodel.model.toml import loads

TEXT = """\
name = "mine"
think_us = 5

[machine]
name = "m"
cpus = 8
cores = 4
smt_speedup = 1.2

[machine.line_ns]
smt = 20
cache = 60

[[locks]]
name = "libc.so.6"
time_per_instruction_local_ns = 0.5
time_per_instruction_remote_ns = 1

[locks.handoff]
family = "linear"
time_ns = 300
per_waiter_ns = 20

[[locks]]
name = "other"

[[sites]]
lock = "libc.so.6"
phase = "exec"
name = "map_split"
acquires = 2
held_instructions = 100
lines = 3

[[sites]]
lock = "other"
name = "take"
acquires = 1
hold_us = 1
"""
SCENARIO = loads(TEXT)


@pytest.mark.parametrize(
    ("pair", "old", "new"),
    [
        ("think=4us", "think_us = 5", "think_us = 4"),
        ("think=4500 ns", "think_us = 5", "think_us = 4.5"),
        ("think_remote=2us", "think_us = 5", "think_us = 5\nthink_remote_us = 2"),
        ("title=a = b", "think_us", 'title = "a = b"\nthink_us'),
        ("machine.smt_speedup=1.3", "smt_speedup = 1.2", "smt_speedup = 1.3"),
        ("machine.caches=1", "cores = 4", "cores = 4\ncaches = 1"),
        ("machine.placement=spread", "cores = 4", 'cores = 4\nplacement = "spread"'),
        ("machine.line.cache=0.07us", "cache = 60", "cache = 70"),
        ("libc.so.6.shards=8", 'name = "libc.so.6"', 'name = "libc.so.6"\nshards = 8'),
        ("libc.so.6.handoff.time=250ns", "time_ns = 300", "time_ns = 250"),
        ("libc.so.6/exec.map_split.acquires=1", "acquires = 2", "acquires = 1"),
        ("libc.so.6/exec.map_split.lines=0.5", "lines = 3", "lines = 0.5"),
        ("other/run.take.hold=2us", "hold_us = 1", "hold_us = 2"),
        ("other/run.take.hold_remote=2us", "hold_us = 1", "hold_us = 1\nhold_remote_us = 2"),
        (
            "libc.so.6/exec.map_split.hold=2us",
            "held_instructions = 100\nlines = 3",
            "hold_us = 2",
        ),
        ("other/run.take.held_instructions=0", "hold_us = 1", None),
        (
            "other.hold_distribution.family=constant",
            'name = "other"',
            'name = "other"\nhold_distribution = {family = "constant"}',
        ),
    ],
)
def test_an_edit_is_the_file_edited(pair: str, old: str, new: str | None) -> None:
    assert TEXT.count(old) == 1
    if new is None:  # the lock of a counted site has times per instruction
        with pytest.raises(ArgumentError, match=r"locks\[1\]: time_per_instruction_local_ns"):
            edited(SCENARIO, [pair])
        return
    made = edited(SCENARIO, [pair])
    assert made == loads(TEXT.replace(old, new))
    assert made != SCENARIO


def test_edits_apply_in_order_and_are_checked_together() -> None:
    made = edited(
        SCENARIO,
        [
            "libc.so.6.handoff.family=constant",
            "libc.so.6.handoff.time=1us",
            "libc.so.6.handoff.time=250ns",
            "other.walkers.read=64us",
            "other.walkers.walks_per_s=100",
            "machine.cpus=64",
            "machine.cores=32",
        ],
    )
    assert made.lock("libc.so.6").handoff.family == "constant"
    assert made.lock("libc.so.6").handoff.time == 250e-9  # type: ignore[union-attr]
    assert made.lock("other").walkers == Walkers(walks_per_s=100.0, read=64e-6)
    assert (made.machine.cpus, made.machine.cores) == (64, 32)
    assert edited(SCENARIO, []) is SCENARIO


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ("think", "--set think: write KEY=VALUE, e.g. think=4us"),
        ("think=", "--set think=: write KEY=VALUE"),
        ("think=5", "think = 5 must be a number and its unit: s, ms, us or ns, e.g. 5us"),
        ("think_us=5", "unknown key 'think_us'; did you mean 'think'?"),
        ("think=-5us", "--set think=-5us: think_us = -5 must be >= 0"),
        ("think=xus", "think = xus must be a number and its unit: s, ms, us or ns, e.g. 4us"),
        ("think=nanus", "think_us = NaN must be a finite number"),
        ("shards=8", "unknown key 'shards'; did you mean 'libc.so.6.shards'?"),
        ("libc.so.6.shard=8", "unknown key 'shard'; did you mean 'shards'?"),
        ("libc.so.shards=8", "the scenario has no 'libc.so'; did you mean 'libc.so.6.shards'?"),
        (
            "libc.so.6/exec.mapsplit.acquires=1",
            "no 'libc.so.6/exec.mapsplit'; did you mean 'libc.so.6/exec.map_split.acquires'?",
        ),
        ("libc.so.6.handoff=none", "libc.so.6.handoff is a table; set libc.so.6.handoff.KEY"),
        ("libc.so.6.handoff.family=fast", "family = 'fast' is not a hand-off family; choose one"),
        ("libc.so.6.shards=0", "locks[0]: lock 'libc.so.6': shards = 0 must be a whole number"),
        ("libc.so.6.shards=two", "locks[0].shards = 'two' must be a whole number"),
        ("libc.so.6.kind=fast", "locks[0].kind = 'fast' must be one of fifo, ticket"),
        ("machine.cores=3", "machine: cpus = 8 is not a multiple of cores = 3"),
        ("fit.level=0.9", "the scenario has no 'fit'"),
        ("think=4e9s", "above what is plausible"),
    ],
)
def test_what_is_refused(pair: str, words: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(words)):
        edited(SCENARIO, [pair])


def test_all_that_an_edit_breaks_is_said() -> None:
    with pytest.raises(ArgumentError, match=r"(?s)2 errors\n.*shards = 0.*\n.*acquires = -1"):
        edited(SCENARIO, ["libc.so.6.shards=0", "other/run.take.acquires=-1"])


def test_an_edited_fit_spreads_around_the_present_value() -> None:
    think = FittedParameter(
        name="think",
        unit="s",
        value=5e-6,
        low=4e-6,
        high=6e-6,
        determined=True,
        covariance=(0.01,),
    )
    fitted = edited(SCENARIO, ["other.shards=1"])
    fitted = type(fitted)(
        **{key: getattr(fitted, key) for key in fitted.__struct_fields__ if key != "fit"},
        fit=Fit(version="0", parameters=(think,)),
    )
    moved = edited(fitted, ["think=50us"])
    assert moved.fit == fitted.fit
    drawn_times = sorted(one.think for one in drawn(moved, 64).scenarios)
    assert drawn_times[31] * drawn_times[32] == pytest.approx(50e-6**2, rel=1e-6)  # symmetric in ln


@pytest.mark.parametrize("name", ["execl-xeon8369b", "doexec-20"])
def test_a_shipped_scenario_with_a_value_it_has_is_itself(name: str) -> None:
    scenario = find_scenario(name)
    assert edited(scenario, [f"machine.cpus={scenario.machine.cpus}"]) == scenario
