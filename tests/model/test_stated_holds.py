"""Sites that state the time of a hold, and files that say little or much that is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from lockmodel.changes.levers import has_distances, set_acquires, shorten_hold
from lockmodel.errors import MOST_PROBLEMS, ScenarioError
from lockmodel.model.handoff import ConstantHandOff
from lockmodel.model.held import as_instructions
from lockmodel.model.machine import Machine
from lockmodel.model.network import build
from lockmodel.model.scenario import Lock, Scenario, Site
from lockmodel.model.toml import dumps, loads
from lockmodel.solvers.bounds import ceiling_at
from lockmodel.solvers.guaranteed import guaranteed
from lockmodel.solvers.simulation.world import make
from lockmodel.solvers.throughput import throughput
from lockmodel.solvers.validity import approximations
from lockmodel.statements.terms import terms

US = 1e-6

MINIMAL = """\
name = "mine"
think_us = 5

[machine]
name = "m"
cpus = 8
cores = 8

[[locks]]
name = "lock"

[[sites]]
lock = "lock"
name = "take"
acquires = 3
hold_us = 1
"""


def stated(hold: float, hold_remote: float | None = None, **given: Any) -> Scenario:
    """Return one lock taken three times, on two nodes, with a hand-off of 0.3 us."""
    return Scenario(
        name="s",
        machine=Machine(name="m", cpus=8, cores=8, sockets=2, nodes=2, same_node_cost=0.5),
        think=5 * US,
        locks=(Lock(name="lock", handoff=ConstantHandOff(time=0.3 * US), **given),),
        sites=(Site(lock="lock", name="take", acquires=3, hold=hold, hold_remote=hold_remote),),
    )


def counted(near: float, far: float) -> Scenario:
    """Return the same with one held instruction that takes the whole hold."""
    one = stated(0.0)
    lock = replace(one.locks[0], time_per_instruction_local=near, time_per_instruction_remote=far)
    site = replace(one.sites[0], hold=None, held_instructions=1.0)
    return replace(one, locks=(lock,), sites=(site,))


def test_the_shortest_file() -> None:
    made = loads(MINIMAL)
    assert (made.title, made.iteration) == ("mine", "not described")
    assert (made.sites[0].label, made.sites[0].hold) == ("run.take", 1 * US)
    assert loads(dumps(made)) == made
    # think 5 us, 3 holds of 1 us
    assert throughput(made, [1])[0] == pytest.approx(1 / 8e-6, rel=1e-12)


def test_ceiling_and_demand_by_hand() -> None:
    made = stated(1 * US)
    assert throughput(made, [1])[0] == pytest.approx(1 / 8e-6, rel=1e-12)
    assert ceiling_at(made, 8).throughput_per_s == pytest.approx(1 / 3.9e-6, rel=1e-12)
    t = terms(made, 8)
    assert (t.held, t.demand) == pytest.approx((3 * US, 3.9 * US), rel=1e-12)


def test_lines_from_afar_lengthen_the_hold() -> None:
    # 8 on two nodes of 4: own 1/8 at 0, same node 3/8 at 0.5, other node 1/2: line = 11/16
    hold = build(stated(1 * US, 3 * US), 8).hold["lock"]
    assert hold == pytest.approx(3 * (1 + 2 * 11 / 16) * US, rel=1e-12)
    assert has_distances(stated(1 * US, 3 * US), "lock")
    assert not has_distances(stated(1 * US), "lock")
    assert any("means over local and remote" in a for a in approximations(stated(1e-6, 2e-6), 8))


@pytest.mark.parametrize(("near", "far"), [(1 * US, 1 * US), (1 * US, 3 * US)])
def test_the_same_as_one_instruction_of_the_whole_hold(near: float, far: float) -> None:
    time, count = stated(near, far), counted(near, far)
    assert throughput(time, [1, 3, 8]) == pytest.approx(throughput(count, [1, 3, 8]), rel=1e-12)
    assert guaranteed(time, 5).upper == pytest.approx(guaranteed(count, 5).upper, rel=1e-12)
    assert guaranteed(time, 5).lower == pytest.approx(guaranteed(count, 5).lower, rel=1e-12)
    works = [make(one, 4, 1, 0).work for one in (time, count)]
    np.testing.assert_allclose(works[0], works[1], rtol=1e-12)
    assert works[0][0] == pytest.approx([near, (near + far) / 2, far])
    assert as_instructions(time) == replace(count, sites=as_instructions(time).sites)
    assert as_instructions(time).sites[0].held_instructions == 1.0


def test_two_holds_as_instructions_are_in_proportion() -> None:
    one = stated(1 * US, 3 * US)
    second = Site(lock="lock", name="more", acquires=1, hold=0.5 * US, hold_remote=1.5 * US)
    both = replace(one, sites=(*one.sites, second))
    assert [s.held_instructions for s in as_instructions(both).sites] == [1.0, 0.5]
    assert any("1.00 us" in a and "500 ns" in a for a in approximations(both, 8))
    uneven = replace(both, sites=(*one.sites, replace(second, hold_remote=0.5 * US)))
    with pytest.raises(ScenarioError, match="hold_remote_us over hold_us differs"):
        as_instructions(uneven)
    mixed = replace(second, hold=None, hold_remote=None, held_instructions=3.0)
    with pytest.raises(ScenarioError, match="some of its sites state hold_us"):
        as_instructions(replace(both, sites=(*one.sites, mixed)))


def test_levers_scale_what_is_stated() -> None:
    shorter = shorten_hold(stated(1 * US, 3 * US), "lock", 0.5).sites[0]
    assert (shorter.hold, shorter.hold_remote) == (0.5 * US, 1.5 * US)
    batched = set_acquires(stated(1 * US), "lock", 1.0).sites[0]
    assert (batched.acquires, batched.hold, batched.hold_remote) == (1.0, 3 * US, None)


def test_a_saved_scenario_reads_back_equal() -> None:
    for one in (stated(1 * US), stated(0.1 * US, 0.3 * US), stated(0.0), counted(US, US)):
        assert loads(dumps(one)) == one
    nothing = replace(counted(US, US), sites=(replace(counted(US, US).sites[0], acquires=1.0),))
    lock = replace(
        nothing.locks[0], time_per_instruction_local=0.0, time_per_instruction_remote=0.0
    )
    idle = replace(nothing, locks=(lock,))
    assert "time_per_instruction_local_ns = 0\n" in dumps(idle)
    assert loads(dumps(idle)) == idle


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "hold_us = 1",
            "hold_us = 1\nheld_instructions = 0",
            "sites[0].hold_us = 1: held_instructions = 0 is given as well; a hold is a time or is "
            "counted: keep one",
        ),
        (
            "hold_us = 1",
            "hold_remote_us = 2\nlines = 3",
            "sites[0].hold_remote_us = 2: lines = 3 is given as well; a hold is a time or is "
            "counted: keep one",
        ),
        (
            "hold_us = 1",
            "hold_us = 1\nhold_remote_us = 0.5",
            "hold_remote = 5e-07 s must be finite and no less than hold = 1e-06 s",
        ),
        ("hold_us = 1", "hold_remote_us = 2", "beside hold, which is missing; give hold as well"),
        ("hold_us = 1", "hold = 1", "sites[0].hold = 1: a time needs its unit; write hold_us"),
        ("hold_us = 1", "hold_us = -1", "sites[0].hold_us = -1 must be >= 0"),
        (
            "hold_us = 1",
            "",
            "sites[0]: held_instructions missing; add it, or hold_us instead of held_instructions",
        ),
        (
            "hold_us = 1",
            "held_instructions = 5",
            "locks[0]: time_per_instruction_local_ns, time_per_instruction_remote_ns missing",
        ),
        (
            'name = "lock"\n',
            'name = "lock"\ntime_per_instruction_local_ns = 1\n',
            "locks[0]: time_per_instruction_remote_ns missing; add it",
        ),
        ("hold_us = 1", "hold_us = 1e9", "hold = 1e+03 s is 1e+05 times above what is plausible"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, words: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        loads(MINIMAL.replace(old, new, 1), "f")
    assert words in str(caught.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    text = (
        MINIMAL.replace("think_us = 5", "think_us = -5\nschema = 3\ntitel = 'x'")
        .replace("cpus = 8", "cpus = 7.5")
        .replace("cores = 8", "")
        .replace('name = "lock"\n', 'name = "lock"\nkind = "fast"\nshards = "2"\n')
        .replace("hold_us = 1", "hold_us = 1\nlines = 2\nmode = 'both'")
    ) + '\n[[sites]]\nlock = "look"\nname = "other"\nacquires = 1\nhold_us = 1\n'
    with pytest.raises(ScenarioError) as caught:
        loads(text, "f.toml")
    first, *lines = str(caught.value).splitlines()
    assert first == "f.toml: 10 errors"
    assert [line.split(" = ")[0].split(":")[0].strip() for line in lines] == [
        "schema",
        "think_us",
        "titel",
        "machine.cpus",
        "machine",
        "locks[0].kind",
        "locks[0].shards",
        "sites[0].mode",
        "sites[0].hold_us",
        "sites[1] (run.other)",
    ]
    assert lines[-1].endswith("lock = 'look' does not exist; did you mean 'lock'?")


def test_what_does_not_go_together_is_said_at_once() -> None:
    site = MINIMAL[MINIMAL.index("[[sites]]") :]
    text = MINIMAL + site.replace('lock = "lock"', 'lock = "none"')
    text += site + site.replace('"take"', '"read"') + "mode = 'read'\n"
    with pytest.raises(ScenarioError) as caught:
        loads(text, "f")
    assert str(caught.value).splitlines()[0] == "f: 3 errors"
    assert "sites[1] (run.take): lock = 'none' does not exist" in str(caught.value)
    assert "sites[2]: lock/run.take is given twice" in str(caught.value)
    assert "sites[3] (run.read): mode = 'read' at lock" in str(caught.value)


def test_the_list_of_errors_is_bounded() -> None:
    bad = "".join(f"wrong_{i:02} = {i}\n" for i in range(27))
    with pytest.raises(ScenarioError) as caught:
        loads(bad + MINIMAL, "f")
    lines = str(caught.value).splitlines()
    assert lines[0] == "f: 27 errors"
    assert len(lines) == 1 + MOST_PROBLEMS + 1
    assert lines[-1].strip() == "and 7 more"


def test_one_error_stays_one_line() -> None:
    with pytest.raises(ScenarioError, match=r"^f: machine\.cpus = 7\.5 must be a whole number$"):
        loads(MINIMAL.replace("cpus = 8", "cpus = 7.5"), "f")
