"""Lines of a site and of a hand-off: counts, times by place, and what solvers make of them."""

from __future__ import annotations

import math

import pytest
from lined import MACHINE, scenario
from msgspec.structs import replace

from lockmodel.changes import levers
from lockmodel.errors import ScenarioError
from lockmodel.model import lines
from lockmodel.model.handoff import ConstantHandOff, NoHandOff
from lockmodel.model.network import build, depends_on_population
from lockmodel.model.placement import shard_groups, transfer
from lockmodel.model.scenario import Scenario, Site
from lockmodel.model.toml import dumps, loads
from lockmodel.solvers.simulation.simulate import simulate
from lockmodel.solvers.solve import points


def test_lines_of_an_acquire_are_by_hand() -> None:
    _, grows = scenario().sites
    assert grows.transferred(1, 9) == 0.0  # nobody else wrote anything
    assert grows.transferred(2, 10) == pytest.approx(-2 + 4 + 1.5 * math.log2(5))
    assert grows.transferred(4, 4) == pytest.approx(-2 + 8)
    assert replace(grows, lines=-20.0).transferred(4, 4) == 0.0
    assert scenario().lines("a", 4, 12) == pytest.approx(3 * 5 + 6 + 1.5 * math.log2(3))


@pytest.mark.parametrize(
    ("n", "time"),
    [
        (1, 0.0),
        (2, 50e-9),
        (4, 50e-9),
        (5, (12 * 50e-9 + 8 * 100e-9) / 20),
        (8, (24 * 50e-9 + 32 * 100e-9) / 56),
        (16, (16 * 10e-9 + 96 * 50e-9 + 128 * 100e-9) / 240),
        (40, (16 * 10e-9 + 96 * 50e-9 + 128 * 100e-9) / 240),
    ],
)
def test_the_time_of_a_line_is_that_of_the_processes_that_run(n: int, time: float) -> None:
    assert transfer(MACHINE, n) == pytest.approx(time, rel=1e-12)
    assert lines.mean_time(MACHINE, n) == pytest.approx(time, rel=1e-12)
    half = replace(MACHINE, line_overlap=0.5)
    assert transfer(half, n) == pytest.approx(time, rel=1e-12)


def test_shards_by_node_have_near_lines_and_fewer_users() -> None:
    lock = replace(scenario().locks[0], shards=2, shard_by="node")
    (group,) = shard_groups(MACHINE, lock, 8)
    assert (group.count, group.users) == (2, 4)
    assert group.transfer == pytest.approx(50e-9)
    uneven = shard_groups(MACHINE, lock, 5)
    assert sorted((g.users, g.transfer) for g in uneven) == [(1, 0.0), (4, pytest.approx(50e-9))]
    spread = replace(lock, shard_by="hash")
    (drawn,) = shard_groups(MACHINE, spread, 8)
    assert drawn.transfer == transfer(MACHINE, 8)


def test_the_demand_is_held_work_lines_and_hand_offs() -> None:
    """D = I t_i + l t_l + m (a + h t_l), by hand for 8 of 16 mappings."""
    network = build(scenario(), 8)
    (station,) = network.of("a")
    t = transfer(MACHINE, 8)
    held = 400e-9 + (15 + (-2 + 12) + 1.5 * 1.0) * t
    assert network.hold["a"] == pytest.approx(held, rel=1e-12)
    assert station.service == pytest.approx([held + 28e-9, held + 28e-9 + 24 * t], rel=1e-12)
    assert network.passing["a"] == pytest.approx(7e-9 + 6 * t, rel=1e-12)
    assert depends_on_population(scenario())


def test_lines_under_the_lock_overlap_those_of_a_hand_off_follow_each_other() -> None:
    half = replace(scenario(), machine=replace(MACHINE, line_overlap=0.5))
    whole, network = build(scenario(), 8), build(half, 8)
    moved = whole.lines["a"] * transfer(MACHINE, 8)
    assert whole.hold["a"] - network.hold["a"] == pytest.approx(moved / 2, rel=1e-12)
    assert network.passing == whole.passing


def in_times(n: int) -> Scenario:
    """Return the same at `n` processes with times for lines."""
    was = scenario()
    t = transfer(MACHINE, n)
    sites = tuple(
        Site(
            lock="a",
            phase="p",
            name=site.name,
            acquires=site.acquires,
            held_instructions=100 + site.transferred(n, n + 8) * t / 1e-9,
        )
        for site in was.sites
    )
    lock = replace(was.locks[0], handoff=ConstantHandOff(time=6 * t), handoff_lines=0.0)
    return replace(was, locks=(lock,), sites=sites)


@pytest.mark.parametrize("method", ["product-form", "markov"])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_solvers_see_the_same_as_with_times(method: str, n: int) -> None:
    (lined,), (timed,) = (points(s, [n], method) for s in (scenario(), in_times(n)))
    assert lined.throughput_per_s == pytest.approx(timed.throughput_per_s, rel=1e-12)
    assert lined.locks["a"].wait_s == pytest.approx(timed.locks["a"].wait_s, rel=1e-9, abs=1e-18)


@pytest.mark.parametrize("n", [5, 16])
def test_simulation_sees_the_same_as_with_times(n: int) -> None:
    """The same random numbers for the same times, so the same answer but for rounding."""
    lined, timed = (simulate(s, n, 0.02).throughput_per_s for s in (scenario(), in_times(n)))
    assert lined.value == pytest.approx(timed.value, rel=1e-9)


def test_simulated_shards_have_the_lines_of_their_own_users() -> None:
    """Two nodes, constant times, no think time: each is always busy, one acquire per iteration."""
    site = Site(lock="a", phase="p", name="s", acquires=1, held_instructions=0.0, lines=10.0)
    lock = replace(scenario().locks[0], shards=2, shard_by="node", handoff_lines=0.0)
    made = scenario(think=0.0, locks=(lock,), sites=(replace(site, lines_per_doubling=5.0),))
    per_node = 7e-9 + (10 + 5 * 2) * 50e-9
    run = simulate(made, 8, 0.01).throughput_per_s
    assert run.value == pytest.approx(2 / per_node, abs=2 * run.half_width)


def test_levers_take_lines_with_the_work() -> None:
    was = scenario()
    halved = levers.shorten_hold(was, "a", 0.5)
    assert halved.lines("a", 8, 16) == pytest.approx(was.lines("a", 8, 16) / 2)
    batched = levers.batch(was, "a", 1.0)
    assert batched.acquires("a") == pytest.approx(1.0)
    assert batched.lines("a", 8, 16) == pytest.approx(was.lines("a", 8, 16))
    free = levers.cheaper_handoff(was, "a", NoHandOff())
    assert build(free, 8).passing["a"] == pytest.approx(7e-9)


def test_lines_load_and_save_and_need_a_machine_with_times() -> None:
    assert loads(dumps(scenario())) == scenario()
    with pytest.raises(ScenarioError, match=r"machine\.line_ns is missing"):
        scenario(machine=replace(MACHINE, line=None))
    with pytest.raises(ScenarioError, match="lines = nan must be a finite number of cache lines"):
        replace(scenario().sites[0], lines=math.nan)
    with pytest.raises(ScenarioError, match=r"line_overlap = 0\.0 must lie above 0"):
        replace(MACHINE, line_overlap=0.0)


def test_no_lines_are_the_limit_of_few() -> None:
    none = scenario(
        locks=(replace(scenario().locks[0], handoff_lines=0.0),),
        sites=tuple(
            replace(s, lines=0.0, lines_per_doubling=0.0, lines_per_idle_doubling=0.0)
            for s in scenario().sites
        ),
    )
    few = scenario(
        locks=(replace(scenario().locks[0], handoff_lines=1e-9),),
        sites=tuple(replace(s, lines=1e-9) for s in none.sites),
    )
    for n in (1, 2, 7, 16):
        zero, tiny = (points(s, [n], "product-form")[0].throughput_per_s for s in (none, few))
        assert zero == pytest.approx(tiny, rel=1e-9)
