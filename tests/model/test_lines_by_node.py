"""Data of each node under one lock: parts by hand, and what network and solvers make of them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lined import MACHINE, scenario
from msgspec.structs import replace
from strategies import REPEATABLE

from lockmodel.errors import ScenarioError
from lockmodel.model.distribution import Constant
from lockmodel.model.machine import LineTimes, Machine
from lockmodel.model.network import build
from lockmodel.model.placement import Part, kept_shards, shard_groups, transfer, whole
from lockmodel.model.scenario import Scenario, Site
from lockmodel.model.toml import dumps, loads
from lockmodel.solvers.error_map import order_error
from lockmodel.solvers.simulation.simulate import simulate
from lockmodel.solvers.solve import points

TWO_THREADS = (10e-9 + 6 * 50e-9) / 7
"""A line from one of the other seven CPUs of a node: its sibling, or one of another core."""


def split(made: Scenario | None = None, **more: Any) -> Scenario:
    """Return a scenario whose one lock has the data of each node apart."""
    made = scenario() if made is None else made
    return replace(made, locks=(replace(made.locks[0], lines_by="node", **more),))


def held(made: Scenario, n: int) -> float:
    return build(made, n).hold["a"]


@pytest.mark.parametrize(
    ("n", "lines", "time"),
    [
        # in a node 4 of 8 processes and 8 of 16 mappings
        (8, 15 + (-2 + 8 + 1.5), 50e-9),
        # 8 of 16, and 12 of 24 mappings
        (16, 15 + (-2 + 12 + 1.5 * math.log2(1.5)), TWO_THREADS),
        # 20 of 40 share the 8 CPUs, 24 of 48 mappings
        (40, 15 + (-2 + 4 * math.log2(20) + 1.5 * math.log2(1.2)), TWO_THREADS),
        # all in one node: nothing changes
        (4, 15 + (-2 + 8 + 1.5 * math.log2(3)), 50e-9),
        # 4 of 5 processes in one node; the fifth has no other there, so no line comes
        (5, 0.8 * (15 + (-2 + 8 + 1.5 * math.log2(2.6))), 50e-9),
    ],
)
def test_lines_are_those_of_the_users_of_a_node(n: int, lines: float, time: float) -> None:
    network = build(split(), n)
    assert network.lines["a"] == pytest.approx(lines, rel=1e-12)
    assert network.hold["a"] == pytest.approx(400e-9 + lines * time, rel=1e-12)
    # the lock itself comes from anywhere
    assert network.passing["a"] == pytest.approx(7e-9 + 6 * transfer(MACHINE, n), rel=1e-12)
    assert network.passing == build(scenario(), n).passing


def test_instructions_see_the_mappings_and_distances_of_a_node() -> None:
    """Three doublings of 16 / 2 mappings; of 4 in a node 3 are another, at a quarter of remote."""
    site = Site(
        lock="a", phase="p", name="s", acquires=2, held_instructions=100, growth_per_doubling=10
    )
    lock = replace(scenario().locks[0], time_per_instruction_remote=3e-9)
    machine = replace(MACHINE, same_node_cost=0.25)
    made = split(scenario(sites=(site,), locks=(lock,), machine=machine))
    near = 2 * (100 + 30) * (1e-9 + 2e-9 * 0.75 * 0.25)
    assert held(made, 8) == pytest.approx(near, rel=1e-12)
    far = 2 * (100 + 40) * (1e-9 + 2e-9 * (0.5 + (0.5 - 1 / 8) * 0.25))
    assert held(replace(made, locks=(lock,)), 8) == pytest.approx(far, rel=1e-12)


@pytest.mark.parametrize("more", [{"shards": 2, "shard_by": "node"}, {"shards": 8}, {"shards": 16}])
@pytest.mark.parametrize("n", [1, 5, 8, 16, 40])
def test_shards_inside_a_node_are_not_counted_twice(more: dict[str, Any], n: int) -> None:
    both = split(**more)
    alone = replace(both, locks=(replace(both.locks[0], lines_by="lock"),))
    assert shard_groups(MACHINE, both.locks[0], n) == shard_groups(MACHINE, alone.locks[0], n)
    assert build(both, n).hold == build(alone, n).hold


def test_shards_drawn_at_random_have_parts_of_their_users() -> None:
    """Of 8 processes and 16 mappings a quarter is at one of two shards and in one of two nodes."""
    made = split(shards=2, shard_by="hash")
    assert held(made, 8) == pytest.approx(400e-9 + (15 + (-2 + 4 + 1.5)) * 50e-9, rel=1e-12)
    (group,) = shard_groups(MACHINE, made.locks[0], 8)
    assert group.parts == (Part(1.0, 0.25, 0.75, pytest.approx(50e-9)),)


def test_a_shard_across_two_nodes_is_in_parts() -> None:
    """Three shards of 16 CPUs: the second has CPUs 6 and 7 (siblings), and 8, 9 and 10."""
    lock = split(shards=3).locks[0]
    parts = {group.users: group.by_node for group in shard_groups(MACHINE, lock, 16)}
    assert sorted(parts) == [5, 6]
    middle = sorted(next(p for p in map(tuple, _all_parts(lock)) if p), key=lambda p: p.weight)
    assert [p.weight for p in middle] == pytest.approx([0.4, 0.6])
    assert [p.share for p in middle] == pytest.approx([2 / 16, 3 / 16])
    times = [10e-9, (2 * 10e-9 + 4 * 50e-9) / 6]
    assert [p.transfer for p in middle] == pytest.approx(times, rel=1e-12)
    shard, group = kept_shards(MACHINE, lock, 16)
    assert {int(g) for s, g in zip(shard, group, strict=True) if s == 1} == {
        i for i, own in enumerate(_all_parts(lock)) if own
    }


def _all_parts(lock: Any) -> list[tuple[Part, ...]]:
    return [group.by_node for group in shard_groups(MACHINE, lock, 16)]


def in_times(n: int) -> Scenario:
    """Return the same at an even number of processes with instructions for lines."""
    was = split()
    sites = tuple(
        Site(
            lock="a",
            phase="p",
            name=site.name,
            acquires=site.acquires,
            held_instructions=100 + site.transferred(n / 2, n / 2 + 4) * 50e-9 / 1e-9,
        )
        for site in was.sites
    )
    return replace(was, sites=sites)


@pytest.mark.parametrize("method", ["product-form", "bounds", "markov"])
def test_solvers_see_the_same_as_with_times(method: str) -> None:
    """With round robin placement 2 and 4 processes are in both nodes."""
    spread = {"machine": replace(MACHINE, placement="spread")}
    for n in (4, 6):
        lined, timed = (
            points(replace(s, **spread), [n], method)[0] for s in (split(), in_times(n))
        )
        assert lined.throughput_per_s == pytest.approx(timed.throughput_per_s, rel=1e-12)
        far = points(replace(scenario(), **spread), [n], method)[0]
        assert lined.throughput_per_s > 1.04 * far.throughput_per_s


def test_simulation_sees_the_same_as_with_times() -> None:
    lined, timed = (simulate(s, 8, 0.02).throughput_per_s for s in (split(), in_times(8)))
    assert lined.value == pytest.approx(timed.value, rel=1e-9)


def test_simulated_data_come_from_the_node_and_the_hand_off_from_anywhere() -> None:
    """Nobody thinks, so all stand in line: the data come from another CPU of the node each time."""
    site = Site(lock="a", phase="p", name="s", acquires=1, held_instructions=100)
    lock = replace(
        scenario().locks[0],
        lines_by="node",
        time_per_instruction_remote=3e-9,
        hold_distribution=Constant(),
        handoff_distribution=Constant(),
    )
    made = scenario(
        think=0.0, locks=(lock,), sites=(site,), machine=replace(MACHINE, same_node_cost=0.25)
    )
    busy = 100 * (1e-9 + 2e-9 * 0.25) + 7e-9 + 6 * transfer(MACHINE, 8)
    run = simulate(made, 8, 0.01).throughput_per_s
    assert run.value == pytest.approx(1 / busy, rel=1e-3)


def test_no_order_of_the_queue_makes_such_data_come_from_afar() -> None:
    """Without a hand-off that tells nodes apart every pass takes as long."""
    lock = replace(scenario().locks[0], time_per_instruction_remote=3e-9)
    machine = replace(MACHINE, same_node_cost=0.25)
    far = scenario(locks=(lock,), machine=machine)
    near = split(far)
    errors = [order_error(s, build(s, 8), s.locks[0]) for s in (far, near)]
    assert errors[0] > 0.01
    assert errors[1] == 0.0


def test_one_node_is_no_change() -> None:
    one = scenario(machine=replace(MACHINE, nodes=1))
    for n in (1, 2, 8, 16, 40):
        assert whole(one.machine, split(one).locks[0], n).by_node == ()
        assert build(split(one), n).hold == build(one, n).hold


@REPEATABLE
@given(
    st.sampled_from([(1, 1), (2, 1), (2, 2), (4, 1), (4, 4)]),
    st.integers(1, 6),
    st.integers(1, 2),
    st.sampled_from(["fill", "spread"]),
    st.integers(1, 60),
    st.lists(st.floats(1e-9, 1e-6), min_size=3, max_size=3).map(sorted),
    st.tuples(*[st.floats(0.0, 10.0)] * 4),
)
def test_nearer_lines_never_cost_more(
    places: tuple[int, int],
    per_node: int,
    threads: int,
    placement: Any,
    n: int,
    times: list[float],
    law: tuple[float, float, float, float],
) -> None:
    nodes, sockets = places
    cores = nodes * per_node
    machine = Machine(
        name="m",
        cpus=cores * threads,
        cores=cores,
        nodes=nodes,
        sockets=sockets,
        placement=placement,
        line=LineTimes(**dict(zip(("smt", "socket", "remote"), times, strict=True))),
    )
    site = Site(
        lock="a",
        phase="p",
        name="s",
        acquires=1,
        held_instructions=9.0,
        growth_per_doubling=law[0],
        lines=law[1],
        lines_per_doubling=law[2],
        lines_per_idle_doubling=law[3],
    )
    before = scenario(machine=machine, sites=(site,))
    assert held(split(before), n) <= held(before, n) * (1 + 1e-12)


def test_it_loads_and_saves_and_is_refused_otherwise() -> None:
    made = split()
    text = dumps(made)
    assert 'lines_by = "node"' in text
    assert "lines_by" not in dumps(scenario())
    assert loads(text) == made
    with pytest.raises(ScenarioError, match=r"lines_by.*'cpu'.*'?node'?"):
        loads(text.replace('lines_by = "node"', 'lines_by = "cpu"'))
