"""Parameters: what is written is read back, proportions and limits hold, errors name the remedy."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from places import timed
from strategies import REPEATABLE
from studies import STOCK, lock, model

from lockmodel.errors import ArgumentError
from lockmodel.fitting import parameters as ps
from lockmodel.model.handoff import (
    ConstantHandOff,
    LinearHandOff,
    NoHandOff,
    SaturatingHandOff,
    TopologyHandOff,
)
from lockmodel.model.machine import Machine
from lockmodel.model.network import build
from lockmodel.model.scenario import Site

SHIPPED = (
    "doexec-20",
    "execl-direct",
    "execl-emr112",
    "execl-xeon8369b",
    "sysexec-spr224-v6.1",
    "sysexec-spr224-v6.12",
)
KEYS = (*ps.SCENARIO_KEYS, *ps.MACHINE_KEYS, *ps.TIME_KEYS, *ps.FACTOR_KEYS, *ps.WHOLE_KEYS)
FAMILIES = (
    ConstantHandOff(time=300e-9),
    LinearHandOff(time=100e-9, per_waiter=5e-9),
    SaturatingHandOff(time=200e-9, limit=600e-9, half_waiters=16.0),
    TopologyHandOff(local=100e-9, remote=400e-9),
)
SMT = Machine(name="smt", cpus=64, cores=32, nodes=2, smt_speedup=1.2, same_node_cost=0.5)


def named(text, scenario):
    return ps.parse(text, scenario)


def moved(scenario, text, value):
    parameter = named(text, scenario)
    return ps.apply(scenario, [parameter], {parameter.name: value})


def texts(scenario):
    """Every parameter of a scenario that is above 0 and has room to move."""
    names = [*ps.SCENARIO_KEYS, *ps.MACHINE_KEYS]
    for owner in ("all", *(one.name for one in scenario.locks)):
        parts = ps.handoff_keys(scenario.locks[0])
        keys = (*ps.TIME_KEYS, *ps.FACTOR_KEYS, *ps.WHOLE_KEYS, *(f"handoff.{k}" for k in parts))
        for key in keys:
            try:
                named(f"{owner}.{key}", scenario)
            except ArgumentError:
                continue
            names.append(f"{owner}.{key}")
    return [t for t in names if ps.read(scenario, named(t, scenario)) > 0]


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_applied_is_read_back_in_every_shipped_model(name):
    scenario = timed(name)
    seen = 0
    for text in texts(scenario):
        parameter = named(text, scenario)
        if parameter.key in ps.FACTOR_KEYS:
            continue
        low, high = ps.limits(scenario, parameter)
        middle = ps.read(scenario, parameter)
        for factor in (0.9, 1.0, 1.1):
            value = min(max(middle * factor, low), high)
            after = moved(scenario, text, value)
            assert ps.read(after, parameter) == pytest.approx(value, rel=1e-9), (text, factor)
            seen += 1
    assert seen >= 3 * (len(KEYS) - 6)


@pytest.mark.parametrize("handoff", FAMILIES)
@given(data=st.data())
@REPEATABLE
def test_any_values_inside_the_limits_are_read_back(handoff, data):
    scenario = model(handoff, machine=SMT, think_remote=20e-6)
    parameter = named(data.draw(st.sampled_from(texts(scenario))), scenario)
    if parameter.key in (*ps.FACTOR_KEYS, "demand"):
        return
    low, high = ps.limits(scenario, parameter)
    value = math.exp(data.draw(st.floats(math.log(low), math.log(high))))
    after = ps.apply(scenario, [parameter], {parameter.name: value})
    assert ps.read(after, parameter) == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("handoff", FAMILIES[2:3])
@pytest.mark.parametrize("half", [1.0, 300.0])
def test_a_whole_handoff_is_read_back_whatever_its_half_waiters_become(handoff, half):
    """The whole used to be set first, for waiters that were changed after it."""
    scenario = model(handoff)
    both = [named("handoff", scenario), named("handoff.half_waiters", scenario)]
    after = ps.apply(scenario, both, {"all.handoff": 1e-6, "all.handoff.half_waiters": half})
    assert ps.read(after, both[0]) == pytest.approx(1e-6, rel=1e-9)
    assert after.locks[0].handoff.half_waiters == half


def test_values_by_hand():
    """64 CPUs, 2 nodes of 32 cores, same_node_cost 0.5: all but this CPU's own line costs."""
    line = 1 - (2 * 32**2 - 0.5 * (2 * 32**2 - 64)) / 64**2
    tau = 0.3e-9 + (2e-9 - 0.3e-9) * line
    assert ps.crowded_instruction(STOCK, STOCK.locks[0]) == pytest.approx(tau, rel=1e-12)
    assert ps.read(STOCK, named("handoff", STOCK)) == 300e-9
    assert ps.read(STOCK, named("handoff_instructions", STOCK)) == pytest.approx(300e-9 / tau)
    demand = tau * 5 * 800 + 5 * (20e-9 + 300e-9)
    assert ps.read(STOCK, named("demand", STOCK)) == pytest.approx(demand, rel=1e-12)
    assert build(STOCK, 64).of("a")[0].crowded == pytest.approx(demand, rel=1e-12)


@pytest.mark.parametrize(
    ("handoff", "crowded"),
    [
        (FAMILIES[0], 300e-9),
        (FAMILIES[1], 100e-9 + 62 * 5e-9),
        (FAMILIES[2], 200e-9 + 400e-9 * 62 / (62 + 16)),
        (FAMILIES[3], 100e-9 + 300e-9 * 32 / 63),
    ],
)
def test_a_handoff_is_worth_what_63_waiters_pay(handoff, crowded):
    scenario = model(handoff)
    assert ps.read(scenario, named("handoff", scenario)) == pytest.approx(crowded, rel=1e-12)


@pytest.mark.parametrize("key", [*ps.TIME_KEYS, "handoff", "handoff.time", "demand"])
def test_all_keeps_the_proportions_of_the_locks(key):
    scenario = model(locks=("a", "b"))
    twice = replace(
        scenario.locks[1],
        time_per_instruction_local=0.6e-9,
        time_per_instruction_remote=4e-9,
        acquire_time=40e-9,
        handoff=ConstantHandOff(time=600e-9),
    )
    scenario = replace(scenario, locks=(scenario.locks[0], twice))
    value = ps.read(scenario, named(key, scenario))
    after = moved(scenario, key, 0.93 * value)
    for name in ("a", "b"):
        before = ps.read(scenario, named(f"{name}.{key}", scenario))
        now = ps.read(after, named(f"{name}.{key}", after))
        assert now == pytest.approx(0.93 * before, rel=1e-9), name


def test_one_lock_moves_alone():
    scenario = model(locks=("a", "b"))
    after = moved(scenario, "b.handoff", 1e-6)
    assert after.locks[0] == scenario.locks[0]
    assert after.locks[1].handoff.time == pytest.approx(1e-6)


def test_factors_leave_the_other_part_of_the_work():
    more = moved(STOCK, "acquires", 3.0)
    assert more.acquires("a") == pytest.approx(15.0)
    assert more.held_instructions("a", 1) == pytest.approx(STOCK.held_instructions("a", 1))
    longer = moved(STOCK, "held_instructions", 3.0)
    assert longer.acquires("a") == STOCK.acquires("a")
    assert longer.held_instructions("a", 1) == pytest.approx(3 * 4000.0)


def test_a_demand_stays_when_the_handoff_moves():
    both = [named("demand", STOCK), named("handoff", STOCK)]
    demand = ps.read(STOCK, both[0])
    for handoff in (1e-9, 300e-9, 900e-9, 1.2e-6):
        after = ps.apply(STOCK, both, {"all.demand": demand, "all.handoff": handoff})
        assert ps.read(after, both[1]) == pytest.approx(handoff, rel=1e-9)
        assert ps.read(after, both[0]) == pytest.approx(demand, rel=1e-9)
    least = 0.3e-9 * 4000 + 5 * 20e-9  # local instructions and acquire time: no hold left to give
    after = ps.apply(STOCK, both, {"all.demand": demand, "all.handoff": 5e-6})
    assert after.locks[0].time_per_instruction_remote == 0.3e-9
    assert ps.read(after, both[0]) == pytest.approx(demand, rel=1e-9)
    assert ps.read(after, both[1]) == pytest.approx((demand - least) / 5, rel=1e-9)


def test_a_demand_below_all_that_can_give_way_becomes_the_least_there_is():
    after = moved(STOCK, "demand", 1e-9)
    assert ps.read(after, named("demand", after)) == pytest.approx(0.3e-9 * 4000 + 5 * 20e-9)
    assert after.locks[0].handoff.time == 0.0


def test_handoff_in_instructions_follows_the_time_per_instruction():
    both = [named("handoff_instructions", STOCK), named("hold", STOCK)]
    after = ps.apply(
        STOCK, both, {"all.handoff_instructions": 250.0, "all.time_per_instruction_remote": 4e-9}
    )
    tau = ps.crowded_instruction(after, after.locks[0])
    assert tau > 1.5 * ps.crowded_instruction(STOCK, STOCK.locks[0])
    assert after.locks[0].handoff.time == pytest.approx(250.0 * tau)


@pytest.mark.parametrize("handoff", FAMILIES)
@pytest.mark.parametrize(("key", "value"), [("handoff", 250e-9), ("handoff_instructions", 200.0)])
def test_a_handoff_that_the_model_has_at_nothing_can_be_set(handoff, key, value):
    """It was scaled, and nothing times anything stayed nothing."""
    parts = [k for k in type(handoff).__struct_fields__ if k != "half_waiters"]
    scenario = model(replace(handoff, **dict.fromkeys(parts, 0.0)))
    assert ps.read(scenario, named(key, scenario)) == 0.0
    after = moved(scenario, key, value)
    assert ps.read(after, named(key, after)) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("key", ["think", "think_remote", "handoff", "acquire_time"])
def test_what_the_model_has_at_nothing_may_become_a_millisecond(key):
    scenario = model(ConstantHandOff(time=0.0), think=0.0, locks=("a",))
    scenario = replace(scenario, locks=(replace(scenario.locks[0], acquire_time=0.0),))
    low, high = ps.limits(scenario, named(key, scenario))
    assert 0 < low < 1e-12
    assert high >= 1e-3


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("hold", 0.3e-9, 2e-9 * ps.WIDEST),
        ("time_per_instruction_local", 0.3e-9 / ps.WIDEST, 2e-9),
        ("think", 100e-6 / ps.WIDEST, 100e-6 * ps.WIDEST),
        ("same_node_cost", 1e-3, 1.0),
        ("smt_speedup", 1.0, 2.0),
        ("handoff.limit", 200e-9, 600e-9 * ps.WIDEST),
        ("handoff.time", 200e-9 / ps.WIDEST, 600e-9),
    ],
)
def test_limits_are_those_of_the_scenario(text, low, high):
    scenario = model(FAMILIES[2], machine=SMT)
    limits = ps.limits(scenario, named(text, scenario))
    assert limits == pytest.approx((low, high), rel=1e-12)
    for value in limits:
        assert ps.read(moved(scenario, text, value), named(text, scenario)) == pytest.approx(value)


def test_limits_of_all_are_those_of_the_lock_that_has_least_room():
    scenario = model(locks=("a", "b"))
    tight = replace(scenario.locks[1], time_per_instruction_local=1.9e-9)
    scenario = replace(scenario, locks=(scenario.locks[0], tight))
    assert ps.limits(scenario, named("hold", scenario))[0] == pytest.approx(1.9e-9)


@pytest.mark.parametrize(
    ("text", "value", "there"),
    [
        ("hold", 1e-12, 0.3e-9),
        ("time_per_instruction_local", 1.0, 2e-9),
        ("handoff.limit", 1e-12, 200e-9),
        ("handoff.time", 1.0, 600e-9),
        ("smt_speedup", 9.0, 2.0),
        ("same_node_cost", 9.0, 1.0),
    ],
)
def test_values_beyond_the_limits_are_moved_there(text, value, there):
    scenario = model(FAMILIES[2], machine=SMT)
    after = moved(scenario, text, value)
    assert ps.read(after, named(text, after)) == pytest.approx(there, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "name", "unit"),
    [
        ("think", "think", "s"),
        ("hold", "all.time_per_instruction_remote", "s"),
        ("a.hold", "a.time_per_instruction_remote", "s"),
        ("libc.so.6.acquire", "libc.so.6.acquires", "1"),
        ("all.handoff", "all.handoff", "s"),
        ("handoff.time", "all.handoff.time", "s"),
        ("libc.so.6.handoff.half_waiters", "libc.so.6.handoff.half_waiters", "1"),
        ("handoff_instructions", "all.handoff_instructions", "1"),
        ("smt_speedup", "smt_speedup", "1"),
        ("demand", "all.demand", "s"),
    ],
)
def test_names(text, name, unit):
    scenario = model(FAMILIES[2], locks=("a", "libc.so.6"))
    parameter = named(text, scenario)
    assert (parameter.name, parameter.unit) == (name, unit)


def test_a_lock_whose_name_begins_like_another_is_found():
    scenario = model(locks=("a", "a.b"))
    assert named("a.b.hold", scenario).lock == "a.b"
    assert named("a.hold", scenario).lock == "a"


NEVER = Site(lock="c", phase="p", name="s", acquires=0.0, held_instructions=10.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("thnk", ["--free 'thnk'", "not a parameter", "think"]),
        ("holt", ["--free 'holt'", "not a parameter", "hold"]),
        ("a.holt", ["--free 'a.holt'", "not a parameter", "hold"]),
        ("b.hold", ["--free 'b.hold'", "no such lock is taken", ".hold'"]),
        ("c.hold", ["--free 'c.hold'", "no such lock is taken", ".hold'"]),
        ("handoff.tim", ["--free 'handoff.tim'", "hand-off of a", "no 'tim'", "time"]),
        ("a.handoff.limit", ["hand-off of a", "no 'limit'", "time"]),
        ("n.handoff", ["--free 'n.handoff'", "of n is of family 'none'", "family = 'constant'"]),
        ("all.handoff", ["of n is of family 'none'", "family = 'constant'"]),
        ("n.handoff.time", ["of n is of family 'none'"]),
        ("", ["--free ''", "not a parameter"]),
        ("a.", ["--free 'a.'", "not a parameter"]),
        ("handoff.", ["--free 'handoff.'", "hand-off of"]),
    ],
)  # fmt: skip
def test_a_text_that_names_nothing(text, words):
    scenario = model(locks=("a", "n"))
    locks = (scenario.locks[0], lock("n", handoff=NoHandOff()), lock("c"))
    scenario = replace(scenario, locks=locks, sites=(*scenario.sites, NEVER))
    with pytest.raises(ArgumentError) as error:
        named(text, scenario)
    for word in words:
        assert word in str(error.value)


def test_a_model_without_locks_has_think_time_only():
    scenario = model(locks=())
    assert named("think", scenario).name == "think"
    with pytest.raises(ArgumentError, match="--free 'hold': the model takes no lock; free think"):
        named("hold", scenario)


def test_what_is_never_taken_is_left_alone():
    scenario = replace(STOCK, locks=(lock("c"), *STOCK.locks), sites=(*STOCK.sites, NEVER))
    after = moved(scenario, "hold", 5e-9)
    assert after.locks[0] == lock("c")
    assert after.locks[1].time_per_instruction_remote == 5e-9
