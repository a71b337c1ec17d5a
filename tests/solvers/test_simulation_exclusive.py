"""Exclusive locks: hand-off, distance, order, pinned shards, barging and NUMA preference."""

from __future__ import annotations

import pytest
from simulated import (
    PRECISION,
    TOLERANCE,
    TWO_NODES,
    agrees,
    answered,
    lock,
    one,
    workload,
)

from lockmodel.evaluate.verify.exclusive import Exclusive, by_node, constant, linear
from lockmodel.model.distribution import (
    Constant,
)
from lockmodel.model.handoff import (
    ConstantHandOff,
    LinearHandOff,
    SaturatingHandOff,
    TopologyHandOff,
)
from lockmodel.model.machine import Machine
from lockmodel.solvers.solve import points

HALF = Machine(name="m", cpus=8, cores=8, nodes=2, same_node_cost=0.25)
SMALL = Machine(name="m", cpus=4, cores=4, nodes=2)
SPREAD = Machine(name="m", cpus=8, cores=8, nodes=2, placement="spread")
SPREAD_HALF = Machine(name="m", cpus=8, cores=8, nodes=2, placement="spread", same_node_cost=0.25)
TOPOLOGY = TopologyHandOff(local=0.2, remote=1.5)
EXCLUSIVE = {
    # name: (chain, scenario); processes sit where the machine's placement puts them
    "hand-off is a phase, N = 2": (
        Exclusive("fifo", 2.0, (1.0,), (0, 0), constant(0.7)),
        one(2.0, 1.0, handoff=ConstantHandOff(time=0.7)),
    ),
    "hand-off is a phase, N = 3": (
        Exclusive("fifo", 3.0, (1.0,), (0, 0, 0), constant(0.7)),
        one(3.0, 1.0, handoff=ConstantHandOff(time=0.7)),
    ),
    "different holds in a row, N = 3": (
        Exclusive("fifo", 2.0, (0.2, 1.0), (0, 0, 0), constant(0.5)),
        workload(
            2.0,
            (lock(handoff=ConstantHandOff(time=0.5)),),
            [("a", 1, 0.2), ("a", 1, 1.0)],
        ),
    ),
    "ticket, N = 4: linear in the waiters at the release": (
        Exclusive("ticket", 3.0, (0.5,), (0,) * 4, linear(0.1, 1.0)),
        one(3.0, 0.5, kind="ticket", handoff=LinearHandOff(time=0.1, per_waiter=1.0)),
    ),
    "saturating, N = 4": (
        Exclusive("fifo", 3.0, (0.5,), (0,) * 4, lambda w, far: 0.1 + 1.9 * (w - 1) / w),
        one(3.0, 0.5, handoff=SaturatingHandOff(time=0.1, limit=2.0, half_waiters=1.0)),
    ),
    "topology, fill, N = 2: one node": (
        Exclusive("fifo", 2.0, (1.0,), (0, 0), by_node(0.2, 1.5)),
        one(2.0, 1.0, TWO_NODES, handoff=TOPOLOGY),
    ),
    "topology, spread, N = 2: two nodes": (
        Exclusive("fifo", 2.0, (1.0,), (0, 1), by_node(0.2, 1.5)),
        one(2.0, 1.0, SPREAD, handoff=TOPOLOGY),
    ),
    "topology, spread, N = 3": (
        Exclusive("fifo", 2.0, (1.0,), (0, 1, 0), by_node(0.2, 1.5)),
        one(2.0, 1.0, SPREAD, handoff=TOPOLOGY),
    ),
    "remote lines, fill, N = 2": (
        Exclusive("fifo", 2.0, (1.0,), (0, 0), constant(0.0), remote=3.0, same_node=0.25),
        one(2.0, 1.0, HALF, remote=3.0),
    ),
    "remote lines, spread, N = 2, two in a row": (
        Exclusive("fifo", 2.0, (1.0, 0.5), (0, 1), constant(0.3), remote=3.0, same_node=0.25),
        workload(
            2.0,
            (lock(remote=3.0, handoff=ConstantHandOff(time=0.3)),),
            [("a", 1, 1.0), ("a", 1, 0.5)],
            SPREAD_HALF,
        ),
    ),
    "remote lines, spread, N = 3": (
        Exclusive("fifo", 2.0, (1.0,), (0, 1, 0), constant(0.3), remote=3.0, same_node=0.25),
        one(2.0, 1.0, SPREAD_HALF, remote=3.0, handoff=ConstantHandOff(time=0.3)),
    ),
    "barging, N = 2": (
        Exclusive("barging", 2.0, (1.0,), (0, 0), constant(0.7)),
        one(2.0, 1.0, kind="barging", handoff=ConstantHandOff(time=0.7)),
    ),
    "barging, N = 2, three in a row": (
        Exclusive("barging", 2.0, (0.4, 0.6, 0.5), (0, 0), constant(0.7)),
        workload(
            2.0,
            (lock(kind="barging", handoff=ConstantHandOff(time=0.7)),),
            [("a", 1, 0.4), ("a", 1, 0.6), ("a", 1, 0.5)],
        ),
    ),
    "barging, N = 4, two in a row": (
        Exclusive("barging", 3.0, (0.4, 0.6), (0,) * 4, constant(0.7)),
        workload(
            3.0,
            (lock(kind="barging", handoff=ConstantHandOff(time=0.7)),),
            [("a", 1, 0.4), ("a", 1, 0.6)],
        ),
    ),
    "barging, topology, N = 3": (
        Exclusive("barging", 2.0, (1.0,), (0, 1, 0), by_node(0.2, 1.5), remote=2.0),
        one(2.0, 1.0, SPREAD, remote=2.0, kind="barging", handoff=TOPOLOGY),
    ),
    "numa, N = 4: a neighbour comes first": (
        Exclusive("numa", 1.0, (1.0,), (0, 0, 1, 1), by_node(0.2, 1.5)),
        one(1.0, 1.0, SMALL, kind="numa", handoff=TOPOLOGY, local_handoffs=60_000),
    ),
    "fifo, N = 4: no neighbour comes first": (
        Exclusive("fifo", 1.0, (1.0,), (0, 0, 1, 1), by_node(0.2, 1.5)),
        one(1.0, 1.0, SMALL, handoff=TOPOLOGY),
    ),
    "no think time, N = 3": (
        Exclusive("fifo", 0.0, (1.0, 0.5), (0, 1, 0), by_node(0.2, 1.5)),
        workload(0.0, (lock(handoff=TOPOLOGY),), [("a", 1, 1.0), ("a", 1, 0.5)], SPREAD),
    ),
}


@pytest.mark.parametrize("name", EXCLUSIVE)
def test_exclusive_locks_match_their_chain(name):
    chain, scenario = EXCLUSIVE[name]
    exact = chain.means()
    simulated = answered(scenario, len(chain.nodes))
    state = simulated.locks["a"]
    assert agrees(simulated.throughput_per_s, exact["done"], 2 * PRECISION)
    assert agrees(state.wait_s, exact["waiting"] / exact["done"], 0.03)
    contended = exact.get("contended", 0.0) / exact["acquires"]
    assert state.contended == pytest.approx(contended, abs=TOLERANCE)
    shares = [exact.get(key, 0.0) for key in ("same_cpu", "same_node", "other_node")]
    assert [state.same_cpu, state.same_node, state.other_node] == pytest.approx(
        [share / exact["acquires"] for share in shares], abs=TOLERANCE
    )
    assert state.same_cpu + state.same_node + state.other_node == pytest.approx(1.0, abs=1e-12)
    assert state.utilisation == pytest.approx(exact["busy"], abs=TOLERANCE)


def test_transfers_of_two_processes_by_hand():
    # light load: each acquire was preceded by either process alike, so half come from elsewhere
    light = answered(one(1000.0, 1.0, SPREAD), 2).locks["a"]
    assert light.other_node == pytest.approx(0.5, abs=TOLERANCE)
    assert light.same_cpu == pytest.approx(0.5, abs=TOLERANCE)
    # no think time: they alternate, each acquire comes from the other
    heavy = answered(one(0.0, 1.0, SPREAD, handoff=TOPOLOGY), 2)
    assert heavy.locks["a"].other_node == 1.0
    assert agrees(heavy.throughput_per_s, 1 / 2.5, 2 * PRECISION)
    near = answered(one(0.0, 1.0, TWO_NODES, handoff=TOPOLOGY), 2)
    assert near.locks["a"].same_node == 1.0
    assert agrees(near.throughput_per_s, 1 / 1.2, 2 * PRECISION)


def test_hardware_threads_share_a_core_but_not_a_cpu():
    # fill: processes 0 to 3 on one thread of every core, 4 on the second thread of core 0
    machine = Machine(name="m", cpus=8, cores=4, nodes=2)
    state = answered(one(0.0, 1.0, machine, remote=4.0), 5).locks["a"]
    # in order 0 1 2 3 4: nodes 0 0 1 1 0, so 1 -> 2 and 3 -> 4 are far; 4 -> 0 is in the node
    assert state.other_node == pytest.approx(2 / 5, abs=1e-3)
    assert state.same_node == pytest.approx(3 / 5, abs=1e-3)


# Pinned shards ------------------------------------------------------------------------------------


def test_pinned_shards_match_the_exact_solution():
    machine = Machine(name="m", cpus=16, cores=8, nodes=2, smt_speedup=2.0)
    for by, n in (("cpu", 12), ("node", 12), ("node", 5)):
        scenario = one(2.0, 0.6, machine, shards=2, shard_by=by)
        (exact,) = points(scenario, [n])
        simulated = answered(scenario, n)
        assert agrees(simulated.throughput_per_s, exact.throughput_per_s, 2 * PRECISION)
        assert agrees(simulated.locks["a"].wait_s, exact.locks["a"].wait_s, 0.03)
        assert simulated.locks["a"].utilisation == pytest.approx(
            exact.locks["a"].utilisation, abs=TOLERANCE
        )


def test_pinned_shards_that_fit_their_users_by_hand():
    # 3 processes, 3 shards of 4 CPUs: CPUs 0 and 1 share a shard, CPU 2 has one to itself.
    # Two with think = hold = 1: busy with probability 4/5; one alone: 1/2
    machine = Machine(name="m", cpus=4, cores=4)
    simulated = answered(one(1.0, 1.0, machine, shards=3, shard_by="cpu"), 3)
    assert agrees(simulated.throughput_per_s, 0.8 + 0.5, 2 * PRECISION)


def test_pinned_shards_beside_a_shared_lock():
    locks = (lock(shards=2, shard_by="node"), lock("b"))
    scenario = workload(2.0, locks, [("a", 1, 0.8), ("b", 1, 0.3)], TWO_NODES)
    (exact,) = points(scenario, [7])
    assert agrees(answered(scenario, 7).throughput_per_s, exact.throughput_per_s, 2 * PRECISION)


# Barging and NUMA -------------------------------------------------------------------------------


def test_barging_wins_again_and_hides_the_hand_off():
    sites = [("a", 6, 0.1)]
    by_kind = {}
    for kind in ("fifo", "barging"):
        a = lock(kind=kind, handoff=ConstantHandOff(time=1.0))
        by_kind[kind] = answered(workload(1.0, (a,), sites), 8)
    fifo, barging = by_kind["fifo"], by_kind["barging"]
    # fifo pays a hand-off for each of six acquires, barging at most about one for six
    assert agrees(fifo.throughput_per_s, 1 / (6 * 1.1), 2 * PRECISION)
    assert barging.throughput_per_s.value > 3 * fifo.throughput_per_s.value
    assert barging.locks["a"].contended < 0.5 < 0.99 < fifo.locks["a"].contended
    assert barging.locks["a"].same_cpu > 0.7 > 0.01 > fifo.locks["a"].same_cpu
    longest = [f.locks["a"].longest_wait_s for f in (fifo, barging)]
    assert longest[1] > 2 * longest[0]


def test_barging_without_think_time_never_lets_go():
    # who releases comes back at once: it wins until a look happens between two of its holds,
    # which cannot happen, because it takes the lock again in the same instant
    scenario = one(0.0, 1.0, kind="barging", handoff=ConstantHandOff(time=0.1))
    simulated = answered(scenario, 4)
    assert simulated.fairness == pytest.approx(0.25, abs=1e-12)
    assert agrees(simulated.throughput_per_s, 1.0, 2 * PRECISION)
    assert simulated.locks["a"].same_cpu == 1.0


@pytest.mark.parametrize("run", [1, 2, 5])
def test_numa_leaves_the_node_after_so_many_hand_offs(run):
    # no think time, two processes in each of two nodes: of run + 1 hand-offs one is far
    scenario = one(
        0.0,
        1.0,
        SMALL,
        kind="numa",
        handoff=TOPOLOGY,
        local_handoffs=run,
        hold_distribution=Constant(),
        handoff_distribution=Constant(),
    )
    simulated = answered(scenario, 4)
    assert simulated.locks["a"].other_node == pytest.approx(1 / (run + 1), abs=1e-3)
    cycle = (run + 1) * 1.0 + run * TOPOLOGY.local + TOPOLOGY.remote
    assert simulated.throughput_per_s.value == pytest.approx((run + 1) / cycle, rel=1e-3)


def test_numa_crosses_nodes_less_the_longer_it_may_stay():
    handed = {"handoff": TOPOLOGY, "remote": 2.0}
    wide = Machine(name="m", cpus=8, cores=8, nodes=2)
    runs = [answered(one(2.0, 0.5, wide, **handed), 8)]
    runs += [
        answered(one(2.0, 0.5, wide, kind="numa", local_handoffs=k, **handed), 8)
        for k in (1, 4, 16, 60_000)
    ]
    far = [f.locks["a"].other_node for f in runs]
    assert far == sorted(far, reverse=True)
    assert far[0] > 0.4 > 0.1 > far[-1] > 0.0
    rates = [f.throughput_per_s.value for f in runs]
    assert rates == sorted(rates)
    assert rates[-1] > 1.4 * rates[0]
    longest = [f.locks["a"].longest_wait_s for f in runs]
    assert longest[-1] > longest[0]
