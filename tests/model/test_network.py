"""Tests of lockmodel.model.network: D(n) = tau I + m (a + c(n - 1)) and the CPU rate, by hand."""

from __future__ import annotations

from math import log2
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from strategies import CONSTANT, REPEATABLE, STEADY, machines, scenarios

from lockmodel.errors import ArgumentError, NotTrustworthyError
from lockmodel.model import network
from lockmodel.model.handoff import (
    ConstantHandOff,
    HandOff,
    LinearHandOff,
    NoHandOff,
    SaturatingHandOff,
    TopologyHandOff,
)
from lockmodel.model.machine import Machine
from lockmodel.model.network import (
    CPU,
    CROWD,
    IDLE_SHARD,
    build,
    cpu_rate,
    depends_on_population,
)
from lockmodel.model.placement import shard_groups
from lockmodel.model.scenario import Lock, Scenario, Site, Walkers
from lockmodel.model.shipped import find_scenario

ONE_PLACE = Machine(name="m", cpus=64, cores=64, same_node_cost=0.0)


def lock(**changes: Any) -> Lock:
    times = {"time_per_instruction_local": 1e-9, "time_per_instruction_remote": 1e-9}
    return Lock(**{"name": "a", **times, "acquire_time": 20e-9, **changes})


def scenario(a: Lock, growth: float = 0.0, **changes: Any) -> Scenario:
    """Return 100 us of think time and 4 acquires of 250 instructions: tau I = 1000 ns."""
    costs = {"held_instructions": 250.0, "growth_per_doubling": growth}
    s = Scenario(
        name="s",
        title="t",
        iteration="i",
        machine=ONE_PLACE,
        think=100e-6,
        locks=(a,),
        sites=(Site(lock="a", phase="exec", name="x", acquires=4.0, **costs),),
    )
    return replace(s, **changes)


def service(s: Scenario, population: int, levels: int) -> list[float]:
    """Return the demand of the only station of lock `a` with 1 to `levels` processes, in ns."""
    (station,) = build(s, population).of("a")
    return [station.level(n) * 1e9 for n in range(1, levels + 1)]


@pytest.mark.parametrize(
    ("handoff", "extra"),  # tau I + m a = 1000 + 4 * 20 = 1080 ns; plus m c(n - 1), n = 1..4
    [
        (NoHandOff(), [0, 0, 0, 0]),
        (ConstantHandOff(time=300e-9), [0, 4 * 300, 4 * 300, 4 * 300]),
        (LinearHandOff(time=300e-9, per_waiter=25e-9), [0, 4 * 300, 4 * 325, 4 * 350]),
        # 300 + 200 v / (v + 1): 300, 400, 300 + 400 / 3
        (
            SaturatingHandOff(time=300e-9, limit=500e-9, half_waiters=1.0),
            [0, 4 * 300, 4 * 400, 4 * (300 + 400 / 3)],
        ),
        # one node: every hand-off is local
        (TopologyHandOff(local=100e-9, remote=900e-9), [0, 4 * 100, 4 * 100, 4 * 100]),
    ],
)
def test_demand_of_every_family_by_hand(handoff: HandOff, extra: list[float]) -> None:
    s = scenario(lock(handoff=handoff))
    assert service(s, 4, 4) == pytest.approx([1080.0 + x for x in extra], rel=1e-12)
    assert service(s, 60, 4) == service(s, 4, 4)


@pytest.mark.parametrize("placement", ["fill", "spread"])
@pytest.mark.parametrize("population", [1, 2, 3, 4])
def test_distance_slows_lines_and_handoffs(population: int, placement: Any) -> None:
    # 2 nodes of 2 cores, lines of the same node cost half; by hand as in test_placement
    line = {"fill": [0, 0.25, 5 / 9, 0.625], "spread": [0, 0.5, 5 / 9, 0.625]}
    away = {"fill": [0, 0, 2 / 3, 2 / 3], "spread": [0, 1, 2 / 3, 2 / 3]}
    m = Machine(name="m", cpus=4, cores=4, nodes=2, same_node_cost=0.5, placement=placement)
    handoff = TopologyHandOff(local=100e-9, remote=400e-9)
    a = lock(time_per_instruction_remote=4e-9, handoff=handoff)
    p, q = line[placement][population - 1], away[placement][population - 1]
    tau, c = 1 + (4 - 1) * p, 100 + (400 - 100) * q
    expected = [1000 * tau + 80, 1000 * tau + 80 + 4 * c]
    s = scenario(a, machine=m, think_remote=40e-6)
    assert service(s, population, 2) == pytest.approx(expected, rel=1e-12)
    network = build(s, population)
    assert network.hold["a"] == pytest.approx(1000e-9 * tau, rel=1e-12, abs=0)
    (cpu,) = network.of(CPU)
    assert cpu.alone == pytest.approx(100e-6 + 40e-6 * p, rel=1e-12, abs=0)


@pytest.mark.parametrize(("others", "shards"), [(0, 1), (100, 1), (0, 4), (100, 4)])
def test_growth_follows_log2_of_mappers_per_shard(others: int, shards: int) -> None:
    a = lock(other_mappers=others, shards=shards, shard_by="hash")
    for n in (1, 2, 12, 64):
        instructions = 4 * (250 + 30 * max(0.0, log2((n + others) / shards)))
        (station,) = build(scenario(a, growth=30.0), n).of("a")
        assert station.copies == shards
        assert station.alone * 1e9 == pytest.approx(instructions + 80, rel=1e-12)


@pytest.mark.parametrize("shards", [1, 3])
def test_walkers_slow_a_lock_by_the_time_they_hold_it(shards: int) -> None:
    # W walks per second hold all k shards for T + k a each
    walkers = Walkers(walks_per_s=2000.0, read=100e-6)
    a = lock(shards=shards, shard_by="hash")
    slowed = replace(a, walkers=walkers)
    (before,) = build(scenario(a), 8).of("a")
    (after,) = build(scenario(slowed), 8).of("a")
    share = 2000 * (100e-6 + shards * 20e-9)
    assert after.service == pytest.approx(before.service / (1 - share), rel=1e-12, abs=0)
    assert build(scenario(slowed), 8).hold == build(scenario(a), 8).hold


def test_walkers_pay_the_handoff_of_every_shard_as_well() -> None:
    handoff = ConstantHandOff(time=300e-9)
    a = lock(handoff=handoff, walkers=Walkers(walks_per_s=2000.0, read=100e-6))
    free = 1 - 2000 * (100e-6 + 20e-9 + 300e-9)
    expected = [1080 / free, 2280 / free]
    assert service(scenario(a), 8, 2) == pytest.approx(expected, rel=1e-12)


def test_walkers_that_saturate_a_lock_are_refused() -> None:
    # 1000 walks of 999 us leave 0.1 %; taking 100 shards adds 0.2 %
    a = lock(walkers=Walkers(walks_per_s=1000.0, read=999e-6), shard_by="hash")
    expected = 1080 / (1 - 1000 * (999e-6 + 20e-9))
    assert service(scenario(a), 1, 1) == pytest.approx([expected], rel=1e-9)
    with pytest.raises(
        NotTrustworthyError, match=r"'a': walkers alone .*1000 walks/s.*: lower walks"
    ):
        build(scenario(replace(a, shards=100)), 1)


def test_hash_shards_share_the_demand_by_popularity() -> None:
    a = lock(shards=3, shard_by="hash", shard_skew=1.0, handoff=ConstantHandOff(time=300e-9))
    stations = build(scenario(a), 8).of("a")
    # Zipf with exponent 1: 1, 1/2, 1/3 of 11/6
    assert [x.copies for x in stations] == [1, 1, 1]
    for station, share in zip(stations, (6 / 11, 3 / 11, 2 / 11), strict=True):
        demands = [station.level(1) * 1e9, station.level(8) * 1e9]
        assert demands == pytest.approx([1080 * share, 2280 * share], rel=1e-12)


def test_a_shard_of_one_process_is_a_delay() -> None:
    # 4 processes on 4 CPUs of 8, a shard per CPU: 1/4 of 1080 ns each, and nobody ever waits
    m = Machine(name="m", cpus=8, cores=8, same_node_cost=0.0)
    a = lock(shards=8, handoff=ConstantHandOff(time=300e-9))
    (station,) = build(scenario(a, machine=m), 4).of("a")
    assert station.copies == 4
    assert [station.level(n) * n * 1e9 for n in (1, 2, 3, 4)] == pytest.approx([270.0] * 4)


@REPEATABLE
@given(scenarios(min_locks=1, walkers=False), st.integers(1, 80))
def test_shards_together_do_the_work_of_the_lock(s: Scenario, n: int) -> None:
    network = build(s, n)
    for a in s.locks:
        near, far = a.time_per_instruction_local, a.time_per_instruction_remote
        hold = sum(  # a shard's tree holds the mappings of those who use it
            g.count
            * g.share
            * (near + (far - near) * g.line)
            * s.held_instructions(a.name, (n + a.other_mappers) * g.share)
            for g in shard_groups(s.machine, a, n)
        )
        alone = sum(x.alone for x in network.of(a.name))
        assert network.hold[a.name] == pytest.approx(hold, rel=1e-9, abs=0)
        acquire = s.acquires(a.name) * a.acquire_time
        if hold + acquire > 1e9 * IDLE_SHARD:
            assert alone == pytest.approx(hold + acquire, rel=1e-9, abs=0)
        else:  # the limit of ever shorter holds keeps a millionth of a pass in a crowd
            most = a.handoff.cost(np.array([CROWD]), 1.0)[0] * s.acquires(a.name)
            assert alone <= 1.01e-6 * most + 1.01e9 * IDLE_SHARD


def test_cpu_rate_is_one_per_core_then_the_smt_slope_then_flat() -> None:
    m = Machine(name="m", cpus=8, cores=4, smt_speedup=1.5)
    # 4 cores; the 4 siblings add 4 * 0.5 together: half a core each; never more than 6
    rates = cpu_rate(m, np.array([0, 1, 3, 4, 5, 6, 8, 9, 100]))
    assert rates.tolist() == [0, 1, 3, 4, 4.5, 5, 6, 6, 6]
    (cpu,) = build(scenario(lock(), machine=m), 20).of(CPU)
    assert cpu.level(5) == pytest.approx(100e-6 / 4.5, rel=1e-14, abs=0)
    assert cpu.level(20) == pytest.approx(100e-6 / 6, rel=1e-14, abs=0)


@REPEATABLE
@given(machines())
def test_cpu_rate_rises_to_the_capacity(m: Machine) -> None:
    rate = cpu_rate(m, np.arange(m.cpus + 10))
    assert (np.diff(rate) >= 0).all()
    assert rate[-1] == pytest.approx(m.cores * m.smt_speedup, rel=1e-12)
    assert (rate[: m.cores + 1] == np.arange(m.cores + 1)).all()


def test_stations_are_the_cpu_and_then_the_locks_that_are_taken() -> None:
    s = scenario(lock(), locks=(lock(name="idle"), lock()))
    assert [x.name for x in build(s, 2).stations] == [CPU, "a"]
    assert [x.name for x in build(replace(s, think=0.0), 2).stations] == ["a"]


def test_an_iteration_without_any_time_is_refused() -> None:
    free = lock(time_per_instruction_local=0.0, time_per_instruction_remote=0.0, acquire_time=0.0)
    with pytest.raises(NotTrustworthyError, match=r"'s': an iteration takes no time.*give it th"):
        build(scenario(free, think=0.0), 1)


@pytest.mark.parametrize("population", [0, -1, 8.5, float("nan"), True, "8", 100_001])
def test_a_population_is_a_whole_number(population: Any) -> None:
    words = f"population = {population!r} must be a whole number from 1 to 100000"
    with pytest.raises(ArgumentError, match=words):
        build(scenario(lock()), population)


@pytest.mark.parametrize(
    ("changes", "two_nodes", "one_place"),
    [
        ({}, False, False),
        ({"handoff": LinearHandOff(time=3e-7, per_waiter=1e-8)}, False, False),
        ({"shards": 4, "shard_by": "hash", "shard_skew": 1.0}, False, False),
        ({"handoff": TopologyHandOff(local=1e-7, remote=4e-7)}, True, False),
        ({"time_per_instruction_remote": 2e-9}, True, False),
        ({"shards": 4, "shard_by": "cpu"}, True, True),  # which shards are used changes with N
        ({"walkers": Walkers(walks_per_s=1.0, read=1e-6)}, True, True),
    ],
)
def test_depends_on_population(changes: dict[str, Any], two_nodes: bool, one_place: bool) -> None:
    s = scenario(lock(**changes))
    far = replace(s, machine=replace(ONE_PLACE, nodes=2))
    assert (depends_on_population(far), depends_on_population(s)) == (two_nodes, one_place)
    assert depends_on_population(replace(far, think_remote=1e-6)) is True
    assert depends_on_population(scenario(lock(**changes), growth=1.0)) is True


FLAT = machines().map(lambda m: replace(m, nodes=1, sockets=1, same_node_cost=0.0))
PLACED = scenarios(machine=FLAT, growth=False, walkers=False)


@REPEATABLE
@given(st.one_of(PLACED, scenarios(**STEADY)), st.integers(1, 40))
def test_what_does_not_depend_is_one_network_for_all(s: Scenario, n: int) -> None:
    if not depends_on_population(s):
        for mine, its in zip(build(s, n).stations, build(s, 80).stations, strict=True):
            assert (mine.name, mine.copies) == (its.name, its.copies)
            for i in range(1, n + 1):
                assert mine.level(i) == pytest.approx(its.level(i), rel=1e-12, abs=0)


@REPEATABLE
@given(scenarios(**CONSTANT, min_locks=1))
def test_constant_scenarios_have_one_level_and_do_not_depend(s: Scenario) -> None:
    assert depends_on_population(s) is False
    assert {x.service.size for x in build(s, 64).stations if x.name != CPU} <= {1}


def test_only_small_networks_are_remembered():
    """Services have a number per process: 500 networks of 100,000 took 1.1 GB when kept."""
    scenario = find_scenario("execl-xeon8369b")
    build(scenario, network.MOST_KEPT)
    before = network._remembered.cache_info()
    large = build(scenario, network.MOST_KEPT + 1)
    assert network._remembered.cache_info() == before
    assert large.hold.keys() == build(scenario, network.MOST_KEPT).hold.keys()
    assert network._remembered.cache_info().hits == before.hits + len(scenario.locks)
