"""Tests of model.placement against a slow version that lists every process and its CPU."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations, product
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import REPEATABLE, locks, machines

from lockmodel.model.machine import Machine, Placement
from lockmodel.model.placement import ShardGroup, cpu_order, distances, shard_groups
from lockmodel.model.scenario import Lock, ShardBy

Row = tuple[float, float, float, int]
"""Share, line, hand-off and users of one shard."""


def machine(
    nodes: int, per_node: int, threads: int, placement: Placement = "fill", cost: float = 0.25
) -> Machine:
    cores = nodes * per_node
    return Machine(
        name="m",
        cpus=cores * threads,
        cores=cores,
        nodes=nodes,
        same_node_cost=cost,
        placement=placement,
    )


def lock(shards: int = 1, by: ShardBy = "cpu", skew: float = 0.0) -> Lock:
    return Lock(
        name="a",
        time_per_instruction_local=1e-9,
        time_per_instruction_remote=2e-9,
        shards=shards,
        shard_by=by,
        shard_skew=skew,
    )


def slow_order(m: Machine) -> list[tuple[int, int, int]]:
    """Return (thread, core in its node, node) of every CPU in filling order, by its definition."""
    threads, cores, nodes = m.cpus // m.cores, m.cores // m.nodes, m.nodes
    if m.placement == "fill":
        inner = [(core, node) for node in range(nodes) for core in range(cores)]
    else:
        inner = [(core, node) for core in range(cores) for node in range(nodes)]
    return [(thread, core, node) for thread in range(threads) for core, node in inner]


def slow_rows(m: Machine, a: Lock, population: int) -> list[Row]:
    """Return the shards of a lock that is sharded by CPU or node, from all pairs of processes."""
    threads, cores = m.cpus // m.cores, m.cores // m.nodes
    order = slow_order(m)
    members: dict[int, list[tuple[int, int]]] = {}
    for process in range(population):
        thread, core, node = order[process % m.cpus]
        cpu = (node * cores + core) * threads + thread
        shard = cpu * a.shards // m.cpus if a.shard_by == "cpu" else node * a.shards // m.nodes
        members.setdefault(shard, []).append((cpu, node))
    return in_order(
        (len(users) / population, slow_line(m, users), slow_handoff(users), len(users))
        for users in members.values()
    )


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Return the rows sorted, whatever their last bits are."""
    return sorted(rows, key=lambda row: [round(number, 9) for number in row])


def slow_line(m: Machine, users: list[tuple[int, int]]) -> float:
    """Return the mean cost of a line: any user wrote it last, any user reads it."""
    total = 0.0
    for (cpu, node), (last_cpu, last_node) in product(users, users):
        if node != last_node:
            total += 1.0
        elif cpu != last_cpu:
            total += m.same_node_cost
    return total / len(users) ** 2


def slow_handoff(users: list[tuple[int, int]]) -> float:
    """Return how often one user and another one sit in two nodes."""
    pairs = [one[1] != other[1] for one, other in permutations(users, 2)]
    return sum(pairs) / len(pairs) if pairs else 0.0


def expanded(groups: tuple[ShardGroup, ...]) -> list[Row]:
    return in_order((g.share, g.line, g.handoff, g.users) for g in groups for _ in range(g.count))


SMALL = [
    machine(nodes, per_node, threads, placement)
    for nodes, per_node, threads in product((1, 2, 3), (1, 2, 4), (1, 2))
    for placement in get_args(Placement)
]


def check(m: Machine, populations: range) -> None:
    for n, by, k in product(populations, ("cpu", "node"), {1, 2, 3, m.nodes, m.cpus}):
        a = lock(k, by)
        rows, expected = expanded(shard_groups(m, a, n)), slow_rows(m, a, n)
        assert len(rows) == len(expected), (m, a, n)
        assert np.array(rows) == pytest.approx(np.array(expected), rel=1e-12), (m, a, n)


@pytest.mark.parametrize("m", SMALL, ids=lambda m: f"{m.nodes}/{m.cpus}-{m.placement}")
def test_shards_match_the_slow_version_up_to_all_cpus(m: Machine) -> None:
    check(m, range(1, m.cpus + 1))


def test_shards_match_the_slow_version_with_more_processes_than_cpus() -> None:
    for m in SMALL:
        check(m, range(m.cpus + 1, 2 * m.cpus + 2))


@pytest.mark.parametrize("m", SMALL, ids=lambda m: f"{m.nodes}/{m.cpus}-{m.placement}")
def test_cpu_order_is_the_definition(m: Machine) -> None:
    threads, cores = m.cpus // m.cores, m.cores // m.nodes
    ids = [(node * cores + core) * threads + thread for thread, core, node in slow_order(m)]
    assert cpu_order(m).tolist() == ids


@pytest.mark.parametrize(
    ("placement", "population", "line", "handoff"),  # 2 nodes of 2 cores; same node costs 1/4
    [
        ("fill", 1, 0.0, 0.0),
        ("fill", 2, 1 / 2 * 1 / 4, 0.0),  # both in node 0
        ("fill", 3, (4 * 1 + 2 * 1 / 4) / 9, 2 / 3),  # users 2 + 1: 9 pairs of writer and reader
        ("fill", 4, 1 / 2 + 1 / 4 * 1 / 4, 2 / 3),  # 2 of the 3 others sit in the other node
        ("spread", 1, 0.0, 0.0),
        ("spread", 2, 1 / 2, 1.0),  # one in each node
        ("spread", 3, (4 * 1 + 2 * 1 / 4) / 9, 2 / 3),
        ("spread", 4, 1 / 2 + 1 / 4 * 1 / 4, 2 / 3),
    ],
)
def test_two_nodes_of_two_cores_by_hand(
    placement: Placement, population: int, line: float, handoff: float
) -> None:
    shares = distances(machine(2, 2, 1, placement), population)
    assert shares == pytest.approx((line, handoff), rel=1e-14)


@REPEATABLE
@given(machines(), locks(max_shards=64), st.integers(1, 150))
def test_probabilities_lie_in_0_to_1_and_shares_sum_to_1(m: Machine, a: Lock, n: int) -> None:
    groups = shard_groups(m, a, n)
    assert sum(g.count * g.share for g in groups) == pytest.approx(1.0, rel=1e-12)
    assert 1 <= sum(g.count for g in groups) <= a.shards
    for g in groups:
        assert 0.0 <= g.line <= 1.0
        assert 0.0 <= g.handoff <= 1.0
        assert 1 <= g.users <= n


@REPEATABLE
@given(machines(), locks())
def test_one_process_finds_every_line_near_and_hands_over_to_nobody(m: Machine, a: Lock) -> None:
    assert {(g.line, g.handoff, g.users) for g in shard_groups(m, a, 1)} == {(0.0, 0.0, 1)}
    assert distances(m, 1) == (0.0, 0.0)


@REPEATABLE
@given(machines(), st.integers(1, 130))
def test_shards_by_node_hand_over_inside_the_node(m: Machine, n: int) -> None:
    groups = shard_groups(m, lock(m.nodes, "node"), n)
    assert {g.handoff for g in groups} == {0.0}
    assert all(g.line <= m.same_node_cost for g in groups)


@REPEATABLE
@given(machines(), st.integers(1, 64))
def test_a_shard_per_cpu_makes_every_line_local(m: Machine, n: int) -> None:
    groups = shard_groups(m, lock(m.cpus, "cpu"), min(n, m.cpus))
    assert [(g.line, g.handoff, g.users) for g in groups] == [(0.0, 0.0, 1)]
    assert groups[0].count == min(n, m.cpus)


def test_a_shard_per_cpu_stays_local_when_its_processes_share_the_cpu() -> None:
    # 8 processes on 4 CPUs: the two users of a shard take turns on one CPU
    groups = shard_groups(machine(1, 4, 1), lock(4, "cpu"), 8)
    assert [(g.count, g.share, g.line, g.users) for g in groups] == [(4, 0.25, 0.0, 2)]


@pytest.mark.parametrize("skew", [0.5, 1.0, 2.0])
def test_hash_shards_with_skew_are_zipf(skew: float) -> None:
    m = machine(2, 2, 2)
    groups = shard_groups(m, lock(5, "hash", skew), 6)
    weights = [1 / i**skew for i in range(1, 6)]  # Zipf: the i-th most popular has weight i^-s
    assert [g.share for g in groups] == pytest.approx([w / sum(weights) for w in weights])
    assert {(g.count, g.line, g.handoff, g.users) for g in groups} == {(1, *distances(m, 6), 6)}


def test_hash_shards_without_skew_are_alike_and_no_nearer_than_the_machine() -> None:
    m = machine(2, 2, 2)
    (group,) = shard_groups(m, lock(8, "hash"), 7)
    assert (group.count, group.share, group.users) == (8, 0.125, 7)
    assert (group.line, group.handoff) == distances(m, 7)
