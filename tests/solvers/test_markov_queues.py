"""FIFO locks: against product form, against every process followed by name, and in the limits."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from chains import column, solved
from queue_networks import NETWORKS, case_a

from lockmodel.model.network import Station
from lockmodel.solvers.markov.chain import explore
from lockmodel.solvers.markov.phase_type import coxian
from lockmodel.solvers.markov.queue_solution import (
    solve_queues,
)
from lockmodel.solvers.markov.queues import (
    QueueLock,
    QueueNetwork,
    Stage,
    queue_model,
)
from lockmodel.solvers.markov.stationary import stationary
from lockmodel.solvers.product_form import throughputs


def by_name(network: QueueNetwork, n: int) -> tuple[float, dict[str, float], dict[str, float]]:
    """Return throughput, queues and utilisations with every process followed by name.

    A state is (where each process is, (lock, shard) -> order of arrival, (lock, shard) -> phase).
    Written from the statement in lockmodel/solvers/markov/queues.py, sharing no code with it.
    """
    locks = {lock.name: lock for lock in network.locks}
    places = [(k.name, j) for k in network.locks for j in range(len(k.popularity))]
    think = network.think_shape

    def cost(lock: QueueLock, w: int) -> float:
        return lock.handoff[min(w, len(lock.handoff)) - 1]

    def moves(state):
        procs, lines, phases = dict(state[0]), dict(state[1]), dict(state[2])

        def frozen(procs, lines, phases):
            return tuple(tuple(sorted(x.items())) for x in (procs, lines, phases))

        def onward(proc, stage, shard, procs, lines, phases, rate, done):
            """Yield where a process goes that is about to meet `stage`."""
            if stage == len(network.stages):
                if network.think > 0:
                    new = {**procs, proc: ("think", 0)}
                    yield frozen(new, lines, phases), rate, done + 1
                else:
                    yield from onward(proc, 0, None, procs, lines, phases, rate, done + 1)
                return
            what = network.stages[stage]
            if what.probability < 1:
                less = rate * (1 - what.probability)
                yield from onward(proc, stage + 1, shard, procs, lines, phases, less, done)
            if what.probability == 0:
                return
            choices = enumerate(locks[what.lock].popularity)
            if shard is not None and shard[0] == what.lock:
                choices = [(shard[1], 1.0)]
            for j, share in choices:
                at = (what.lock, j)
                joined = {**lines, at: (*lines[at], proc)}
                phase = phases if lines[at] else {**phases, at: ("hold", 0)}
                new = {**procs, proc: ("at", stage, j)}
                yield frozen(new, joined, phase), rate * what.probability * share, done

        thinkers = [p for p, where in procs.items() if where[0] == "think"]
        for p in thinkers:
            i = procs[p][1]
            count = len(thinkers)
            cpu = network.cpu[min(count, len(network.cpu)) - 1] if network.cpu else count
            rate = cpu / count / network.think * think.rates[i]
            if think.go_on[i] > 0:
                new = {**procs, p: ("think", i + 1)}
                yield frozen(new, lines, phases), rate * think.go_on[i], 0
            if think.go_on[i] < 1:
                yield from onward(p, 0, None, procs, lines, phases, rate * (1 - think.go_on[i]), 0)
        for at in places:
            if not lines[at]:
                continue
            lock, first = locks[at[0]], lines[at][0]
            kind, i, *w = phases[at]
            stage = procs[first][1]
            shape = lock.hold if kind == "hold" else lock.handoff_shape
            mean = network.stages[stage].hold if kind == "hold" else cost(lock, w[0])
            rate = shape.rates[i] / mean
            if shape.go_on[i] > 0:
                later = {**phases, at: (kind, i + 1, *w)}
                yield frozen(procs, lines, later), rate * shape.go_on[i], 0
            rate *= 1 - shape.go_on[i]
            if rate == 0:
                continue
            if kind == "handoff":
                yield frozen(procs, lines, {**phases, at: ("hold", 0)}), rate, 0
                continue
            rest = lines[at][1:]
            now = None
            if rest:
                now = ("hold", 0)
                if cost(lock, len(rest)) > 0:
                    now = ("handoff", 0, len(rest))
            left = {**lines, at: rest}
            yield from onward(first, stage + 1, at, procs, left, {**phases, at: now}, rate, 0)

    procs = dict.fromkeys(range(n), ("think", 0))
    lines, phases = dict.fromkeys(places, ()), dict.fromkeys(places)
    if network.think == 0:
        procs = dict.fromkeys(range(n), ("at", 0, 0))
        lines[places[0]] = tuple(range(n))
        phases[places[0]] = ("hold", 0)
    start = tuple(tuple(sorted(x.items())) for x in (procs, lines, phases))
    states, p, x = solved(start, lambda s: list(moves(s)))
    queues = dict.fromkeys(locks, 0.0)
    busy = dict.fromkeys(locks, 0.0)
    for state, weight in zip(states, p, strict=True):
        for at, line in state[1]:
            queues[at[0]] += weight * len(line)
            busy[at[0]] += weight * bool(line) / len(locks[at[0]].popularity)
    return x, queues, busy


@pytest.mark.parametrize("name", NETWORKS)
def test_lumping_loses_nothing(name):
    network, n = NETWORKS[name]
    x, queues, busy = by_name(network, n)
    solution = solve_queues(network, n)
    assert solution.throughput == pytest.approx(x, rel=1e-9)
    for lock, state in solution.locks.items():
        assert state.queue == pytest.approx(queues[lock], rel=1e-8)
        assert state.utilisation == pytest.approx(busy[lock], rel=1e-8)
        demand = sum(s.hold * s.probability for s in network.stages if s.lock == lock)
        assert state.wait == pytest.approx(queues[lock] / x - demand, abs=1e-8)
        assert state.marginal.sum() == pytest.approx(1.0, rel=1e-12)
        assert state.marginal @ np.arange(n + 1) == pytest.approx(state.queue, rel=1e-12)
    at_locks = sum(state.queue for state in solution.locks.values())
    assert solution.thinkers + at_locks == pytest.approx(n, rel=1e-12)


@pytest.mark.parametrize(
    ("n", "x"),
    [(1, 0.08510638297872340), (8, 0.61829933268927907), (16, 0.9538958427556234)],
)
def test_case_a(n, x):
    solution = solve_queues(case_a(), n)
    assert solution.throughput == pytest.approx(x, rel=1e-10)
    assert solution.states == math.comb(n + 3, 3)
    assert [lock.utilisation for lock in solution.locks.values()] == pytest.approx(
        [x, x / 2, x / 4], rel=1e-9
    )


def test_case_a_of_64_processes():
    solution = solve_queues(case_a(), 64)
    stations = [Station("z", 10.0 / np.arange(1.0, 65))]
    stations += [Station(name, np.array([d])) for name, d in (("a", 1.0), ("b", 0.5), ("c", 0.25))]
    assert solution.throughput == pytest.approx(throughputs(tuple(stations), 64)[-1], rel=1e-10)
    assert solution.states == 47_905
    assert solution.residual <= 1e-12
    assert solution.error < 1e-10


def test_shared_cpus_are_a_product_form_station():
    cpu = tuple(min(j, 4.0) for j in range(1, 13))
    network = replace(case_a(), cpu=cpu)
    stations = [Station("cpu", 10.0 / np.array(cpu))]
    stations += [Station(name, np.array([d])) for name, d in (("a", 1.0), ("b", 0.5), ("c", 0.25))]
    want = throughputs(tuple(stations), 12)
    assert solve_queues(network, 12).throughput == pytest.approx(want[-1], rel=1e-9)
    # the last value of a table that is too short holds beyond
    short = solve_queues(replace(network, cpu=cpu[:4]), 12)
    assert short.throughput == pytest.approx(want[-1], rel=1e-9)


def test_thinking_alone_may_vary_in_any_way():
    # a delay is insensitive: only its mean matters
    for shape in (coxian(0.4), coxian(3.0)):
        network = replace(case_a(), think_shape=shape)
        assert solve_queues(network, 8).throughput == pytest.approx(0.61829933268927907, rel=1e-10)


def test_equal_shards_are_equal_stations():
    lock = QueueLock("a", popularity=(0.25,) * 4)
    solution = solve_queues(QueueNetwork(2.0, (lock,), (Stage("a", 1.0),)), 10)
    stations = [Station("z", 2.0 / np.arange(1.0, 11))]
    stations += [Station(f"s{j}", np.array([0.25])) for j in range(4)]
    assert solution.throughput == pytest.approx(throughputs(tuple(stations), 10)[-1], rel=1e-10)
    assert solution.states < math.comb(14, 4) / 10  # partitions, not ordered shares


def test_hand_off_as_a_phase_is_not_hand_off_in_the_rate():
    # free lock at once, hand-off only on release: differs from S(n) = h + c by a few per cent
    network = QueueNetwork(5.0, (QueueLock("a", handoff=(0.5,)),), (Stage("a", 1.0),))
    solution = solve_queues(network, 6)
    fused = throughputs(
        (Station("z", 5.0 / np.arange(1.0, 7)), Station("a", np.array([1.0, 1.5]))), 6
    )[-1]
    assert 0.005 < abs(solution.throughput / fused - 1) < 0.05
    # saturated, both give one pass per h + c
    assert solve_queues(network, 40).throughput == pytest.approx(1 / 1.5, rel=1e-6)


def test_components_that_cannot_vary_are_left_out():
    assert queue_model(case_a(), 4).components == ("think.1", "a.n", "b.n", "c.n")
    network, n = NETWORKS["everything has phases"]
    assert queue_model(network, n).components == (
        *("think.1", "think.2", "a.n", "a.phase", "a.waiters", "b.n", "b.phase"),
    )
    assert "a.waiters" not in queue_model(network, 2).components  # one value of w: nothing to keep


def two_crowds(n: int) -> QueueNetwork:
    table = tuple(0.2 * w for w in range(1, n))
    locks = (QueueLock("a", handoff=table), QueueLock("b", handoff=table))
    return QueueNetwork(20.0, locks, (Stage("a", 1.0), Stage("b", 1.0)))


def test_two_locks_that_may_each_have_a_crowd():
    # three long-lived states: aggregates of one component at a time needed > 20,000 sweeps
    small = explore(queue_model(two_crowds(13), 13))
    swept = stationary(small, direct=1)
    eliminated = stationary(small, direct=small.size)
    assert np.abs(swept.p - eliminated.p).sum() <= 2 * swept.error
    solution = solve_queues(two_crowds(24), 24)
    assert solution.states == 20_450
    assert solution.error < 1e-9
    assert solution.thinkers / 20 == pytest.approx(solution.throughput, rel=1e-9)
    first, second = (state.marginal for state in solution.locks.values())
    assert min(first[12:].sum(), second[12:].sum()) > 10 * max(first[10], second[10])


def test_a_convoy_drains_in_its_holds_and_hand_offs():
    # 6 at a lock nobody else takes, and all that left keep away
    network = QueueNetwork(1e9, (QueueLock("a", handoff=(0.5,)),), (Stage("a", 1.0),))
    chain = explore(queue_model(network, 6))
    begin = int(np.flatnonzero((column(chain, "a.n") == 6) & (column(chain, "a.phase") == 1))[0])
    into = np.repeat(np.arange(chain.size), np.diff(chain.indptr))
    rates = np.zeros((chain.size, chain.size))
    np.add.at(rates, (chain.source, into), chain.rate)
    left = np.flatnonzero(column(chain, "a.n") > 0)
    # mean time until nobody is left: -Q t = 1 over the states before (Norris 1997, theorem 3.3.3)
    generator = np.diag(rates.sum(axis=1)) - rates
    times = np.linalg.solve(generator[np.ix_(left, left)], np.ones(left.size))
    assert times[left == begin] == pytest.approx(6 * 1.0 + 5 * 0.5, rel=1e-6)
