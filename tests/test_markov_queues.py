"""FIFO locks: against product form, against every process followed by name, and in the limits."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import replace

import numpy as np
import pytest

from lockmodel.errors import ArgumentError, NotTrustworthyError
from lockmodel.network import Station
from lockmodel.solvers.markov.chain import explore
from lockmodel.solvers.markov.phase_type import PhaseType, coxian, erlang
from lockmodel.solvers.markov.queue_solution import (
    _extrapolation_error,
    extrapolated,
    solve_once,
    solve_queues,
)
from lockmodel.solvers.markov.queues import (
    CONSTANT,
    EXPONENTIAL,
    QueueLock,
    QueueNetwork,
    Stage,
    fewest_states,
    queue_model,
)
from lockmodel.solvers.markov.stationary import stationary
from lockmodel.solvers.product_form import throughputs


def solved(
    start: Hashable, moves: Callable[[Hashable], list[tuple[Hashable, float, float]]]
) -> tuple[list[Hashable], np.ndarray, float]:
    """Return states, probabilities and completions per second of a chain given as a function.

    `moves` gives (successor, rate, completions) triples.
    """
    states, triples = {start: 0}, []
    waiting = [start]
    while waiting:
        state = waiting.pop()
        for to, rate, done in moves(state):
            if to not in states:
                states[to] = len(states)
                waiting.append(to)
            triples.append((states[state], states[to], rate, done))
    size = len(states)
    q, flow = np.zeros((size, size)), np.zeros(size)
    for i, j, rate, done in triples:
        q[i, j] += rate
        q[i, i] -= rate
        flow[i] += rate * done
    q[:, 0] = 1.0  # the balance of one state follows from the others
    p = np.linalg.solve(q.T, np.eye(size)[0])
    return list(states), p, float(p @ flow)


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


def case_a(shape: PhaseType | str = EXPONENTIAL) -> QueueNetwork:
    locks = (QueueLock("a", hold=shape), QueueLock("b"), QueueLock("c"))
    return QueueNetwork(10.0, locks, (Stage("a", 1.0), Stage("b", 0.5), Stage("c", 0.25)))


COX = PhaseType(np.array([3.0, 0.75]), np.array([0.5, 0.0]))

NETWORKS = {
    "one lock, ordered sites, hand-off that grows": (
        QueueNetwork(
            2.0,
            (QueueLock("a", handoff=(0.2, 0.5)),),
            (Stage("a", 0.7), Stage("a", 0.3), Stage("a", 0.9, 0.6)),
        ),
        3,
    ),
    "everything has phases": (
        QueueNetwork(
            2.0,
            (QueueLock("a", COX, (0.4, 0.3), erlang(2)), QueueLock("b", erlang(2))),
            (Stage("a", 0.7), Stage("b", 0.5)),
            (1.0, 1.5),
            COX,
        ),
        3,
    ),
    "free with one waiter, paid with two": (
        QueueNetwork(1.0, (QueueLock("a", handoff=(0.0, 0.4)),), (Stage("a", 0.7),)),
        4,
    ),
    "the same lock before and after another": (
        QueueNetwork(
            1.0,
            (QueueLock("a", handoff=(0.1,)), QueueLock("b")),
            (Stage("a", 0.7), Stage("b", 0.4, 0.5), Stage("a", 0.2)),
        ),
        3,
    ),
    "shards of different popularity": (
        QueueNetwork(
            1.0,
            (QueueLock("a", handoff=(0.2,), popularity=(0.2, 0.5, 0.3)), QueueLock("b")),
            (Stage("b", 0.3), Stage("a", 0.7), Stage("a", 0.4, 0.5)),
        ),
        2,
    ),
    "shards alike": (
        QueueNetwork(
            1.0,
            (QueueLock("a", erlang(2), popularity=(0.25, 0.25, 0.5)),),
            (Stage("a", 0.7), Stage("a", 0.4)),
        ),
        3,
    ),
    "no think time, a new shard every iteration": (
        QueueNetwork(
            0.0, (QueueLock("a", popularity=(0.7, 0.3)),), (Stage("a", 0.7), Stage("a", 0.4))
        ),
        3,
    ),
    "no think time": (
        QueueNetwork(
            0.0,
            (QueueLock("a", handoff=(0.2, 0.1)), QueueLock("b", popularity=(0.5, 0.5))),
            (Stage("a", 0.7), Stage("b", 0.9, 0.5), Stage("b", 0.3)),
        ),
        3,
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_lumping_loses_nothing(name):
    network, n = NETWORKS[name]
    x, queues, busy = by_name(network, n)
    found = solve_queues(network, n)
    assert found.throughput == pytest.approx(x, rel=1e-9)
    for lock, state in found.locks.items():
        assert state.queue == pytest.approx(queues[lock], rel=1e-8)
        assert state.utilisation == pytest.approx(busy[lock], rel=1e-8)
        demand = sum(s.hold * s.probability for s in network.stages if s.lock == lock)
        assert state.wait == pytest.approx(queues[lock] / x - demand, abs=1e-8)
        assert state.marginal.sum() == pytest.approx(1.0, rel=1e-12)
        assert state.marginal @ np.arange(n + 1) == pytest.approx(state.queue, rel=1e-12)
    at_locks = sum(state.queue for state in found.locks.values())
    assert found.thinkers + at_locks == pytest.approx(n, rel=1e-12)


@pytest.mark.parametrize(
    ("n", "x"),
    [(1, 0.08510638297872340), (8, 0.61829933268927907), (16, 0.9538958427556234)],
)
def test_case_a(n, x):
    found = solve_queues(case_a(), n)
    assert found.throughput == pytest.approx(x, rel=1e-10)
    assert found.states == math.comb(n + 3, 3)
    assert [lock.utilisation for lock in found.locks.values()] == pytest.approx(
        [x, x / 2, x / 4], rel=1e-9
    )


def test_case_a_of_64_processes():
    found = solve_queues(case_a(), 64)
    stations = [Station("z", 10.0 / np.arange(1.0, 65))]
    stations += [Station(name, np.array([d])) for name, d in (("a", 1.0), ("b", 0.5), ("c", 0.25))]
    assert found.throughput == pytest.approx(throughputs(tuple(stations), 64)[-1], rel=1e-10)
    assert found.states == 47_905
    assert found.residual <= 1e-12
    assert found.error < 1e-10


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
    found = solve_queues(QueueNetwork(2.0, (lock,), (Stage("a", 1.0),)), 10)
    stations = [Station("z", 2.0 / np.arange(1.0, 11))]
    stations += [Station(f"s{j}", np.array([0.25])) for j in range(4)]
    assert found.throughput == pytest.approx(throughputs(tuple(stations), 10)[-1], rel=1e-10)
    assert found.states < math.comb(14, 4) / 10  # partitions, not ordered shares


def test_hand_off_as_a_phase_is_not_hand_off_in_the_rate():
    # free lock at once, hand-off only on release: differs from S(n) = h + c by a few per cent
    network = QueueNetwork(5.0, (QueueLock("a", handoff=(0.5,)),), (Stage("a", 1.0),))
    found = solve_queues(network, 6)
    fused = throughputs(
        (Station("z", 5.0 / np.arange(1.0, 7)), Station("a", np.array([1.0, 1.5]))), 6
    )[-1]
    assert 0.005 < abs(found.throughput / fused - 1) < 0.05
    # saturated, both give one pass per h + c
    assert solve_queues(network, 40).throughput == pytest.approx(1 / 1.5, rel=1e-6)


@pytest.mark.parametrize(
    ("n", "x", "digits"),
    [(8, 0.6450833576, 5e-9), (12, 0.8880681916, 5e-9), (16, 0.99031146, 5e-8)],
)
def test_case_e_a_constant_hold(n, x, digits):
    found = solve_queues(case_a(CONSTANT), n)
    assert found.throughput == pytest.approx(x, abs=digits)
    assert abs(found.throughput - x) <= found.error + digits
    assert found.error <= 1e-7
    state = found.locks["a"]
    assert state.utilisation == pytest.approx(x, abs=1e-6)
    assert state.marginal.sum() == pytest.approx(1.0, abs=1e-6)


def test_one_process_waits_for_nobody_whatever_varies():
    network = QueueNetwork(
        3.0,
        (QueueLock("a", CONSTANT, (1.0,), CONSTANT), QueueLock("b", coxian(5.0))),
        (Stage("a", 1.0), Stage("b", 2.0, 0.5), Stage("a", 1.0)),
        think_shape=CONSTANT,
    )
    found = solve_queues(network, 1)
    assert found.throughput == pytest.approx(1 / 6, rel=1e-10)
    assert found.locks["a"].wait == pytest.approx(0.0, abs=1e-9)


def test_clocks_that_end_together_are_refused_not_guessed():
    # two processes, everything constant: X = 1 exactly, which Erlang times reach like r^-1/2
    network = QueueNetwork(1.0, (QueueLock("a", CONSTANT),), (Stage("a", 1.0),), (), CONSTANT)
    assert solve_once(network, 2, stages=64).throughput < 0.97
    for accuracy in (1e-7, 1e-3, 0.01):
        with pytest.raises(NotTrustworthyError, match=r"not extrapolated.*constant times end tog"):
            solve_queues(network, 2, accuracy=accuracy)
    # what is tolerated comes with an error that covers the truth
    found = solve_queues(network, 2, tolerated=0.5)
    assert 0.03 < 1.0 - found.throughput < found.error < 0.5
    assert found.locks["a"].marginal.sum() == pytest.approx(1.0, rel=1e-12)


def test_extrapolation_removes_a_polynomial():
    rows = [np.array([3 + 2 / r - 5 / r**2 + 1 / r**3, 1.0]) for r in (2, 4, 6, 8)]
    table = extrapolated([2, 4, 6, 8], rows)
    assert table.shape == (4, 2)
    assert table[-1] == pytest.approx([3.0, 1.0], rel=1e-13)


def test_the_error_is_known_only_where_corrections_shrink():
    assert _extrapolation_error([1.0, 1.1, 1.11], 1e-12) == pytest.approx(0.04 / 1.11, rel=1e-9)
    assert _extrapolation_error([1.0, 1.1, 1.14], 1e-12) == math.inf
    assert _extrapolation_error([1.0, 1.0, 1.0 + 1e-13], 1e-12) < 2e-12  # rounding only


def test_components_that_cannot_vary_are_left_out():
    assert queue_model(case_a(), 4).components == ("think.1", "a.n", "b.n", "c.n")
    network, n = NETWORKS["everything has phases"]
    assert queue_model(network, n).components == (
        *("think.1", "think.2", "a.n", "a.phase", "a.waiters", "b.n", "b.phase"),
    )
    assert "a.waiters" not in queue_model(network, 2).components  # one value of w: nothing to keep


def test_too_large_networks_say_so():
    network = QueueNetwork(1.0, (QueueLock("a"),), tuple(Stage("a", 0.1 + i) for i in range(8)))
    text = r"queues N = 12'?: too large; at least 10\^10.9 states.*--method simul"
    constant = replace(network, locks=(QueueLock("a", CONSTANT),))
    for asked in (network, constant):
        with pytest.raises(NotTrustworthyError, match=text):
            solve_queues(asked, 12, memory=20 << 20)
    # what is not seen in advance is seen while exploring
    apart = replace(network, stages=network.stages[:3])
    with pytest.raises(NotTrustworthyError, match=r"queues N = 12'?: too large.*found so far"):
        solve_queues(apart, 12, memory=80 << 20)
    constant = replace(constant, stages=network.stages[:2])
    with pytest.raises(NotTrustworthyError, match=r"not extrapolated.*too large"):
        solve_queues(constant, 12, memory=6 << 20)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_chain_has_at_least_the_states_foretold(name):
    network, _ = NETWORKS[name]
    for n in (1, 2, 3, 4):
        assert fewest_states(network, n) <= explore(queue_model(network, n)).size


def test_every_order_of_stages_is_counted():
    # one lock, nothing else: k processes there in m^k ways, the others think
    network = QueueNetwork(1.0, (QueueLock("a"),), (Stage("a", 0.7), Stage("a", 0.4, 0.5)))
    for n in (1, 3, 6):
        assert fewest_states(network, n) == 2 ** (n + 1) - 1
        assert explore(queue_model(network, n)).size == 2 ** (n + 1) - 1


def lock(**changes: object) -> QueueNetwork:
    return replace(case_a(), locks=(QueueLock("a", **changes), *case_a().locks[1:]))


BAD = [
    (replace(case_a(), think=math.nan), "think = nan"),
    (replace(case_a(), think=-1.0), "think = -1.0"),
    (replace(case_a(), cpu=(1.0, 0.0)), "cpu = 0.0 must be a finite number > 0"),
    (replace(case_a(), stages=()), "not 0 stages"),
    (replace(case_a(), locks=case_a().locks[:1] * 3), r"different names.*\['a', 'a', 'a'\]"),
    (replace(case_a(), stages=(Stage("x", 1.0),)), r"stage 0 \(x\): no such lock"),
    (replace(case_a(), stages=(Stage("a", 0.0),)), "hold = 0.0 must be a finite number > 0"),
    (replace(case_a(), stages=(Stage("a", math.inf),)), "hold = inf"),
    (replace(case_a(), stages=(Stage("a", 1.0, 1.5),)), "probability = 1.5 must be at most 1"),
    (replace(case_a(), stages=(Stage("a", 1.0, math.nan),)), "probability = nan"),
    (replace(case_a(), stages=(Stage("a", 1.0, 0.0),)), "no stage is ever performed"),
    (replace(case_a(), stages=(Stage("a", 1.0),)), "lock 'b': no stage takes it"),
    (lock(handoff=(0.1, -0.1)), "lock 'a': handoff = -0.1"),
    (lock(handoff=()), "need at least one number"),
    (lock(popularity=(0.5, 0.4)), "adds up to 0.9 and must add up to 1"),
    (lock(popularity=(1.0, 0.0)), "popularity = 0.0"),
    (lock(hold="sometimes"), "'sometimes' must be a PhaseType or 'constant'"),
    (lock(hold=PhaseType(np.array([2.0]), np.zeros(1))), "a shape has mean 0.5; it must be 1"),
]


@pytest.mark.parametrize(("network", "text"), BAD)
def test_bad_numbers_name_key_and_value(network, text):
    with pytest.raises(ArgumentError, match=text):
        solve_queues(network, 2)


def test_more_bad_input():
    for n in (0, -1, 2.5, math.nan, True, 40_000):
        with pytest.raises(ArgumentError, match=r"population = .* must be an integer, 1 to 32767"):
            solve_queues(case_a(), n)
    split = replace(lock(popularity=(0.5, 0.5)), stages=(*case_a().stages, Stage("a", 1.0)))
    with pytest.raises(ArgumentError, match=r"stages \[0, 3\] take it; use --method simulation"):
        solve_queues(split, 2)
    timeless = QueueNetwork(0.0, (QueueLock("a"),), (Stage("a", 1.0, 0.5),))
    with pytest.raises(ArgumentError, match="may take no time at all"):
        solve_queues(timeless, 2)


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
    found = solve_queues(two_crowds(24), 24)
    assert found.states == 20_450
    assert found.error < 1e-9
    assert found.thinkers / 20 == pytest.approx(found.throughput, rel=1e-9)
    first, second = (state.marginal for state in found.locks.values())
    assert min(first[12:].sum(), second[12:].sum()) > 10 * max(first[10], second[10])


def test_the_chain_of_a_network_can_be_asked_about_time():
    from lockmodel.solvers.markov.transient import first_passage

    # a convoy of 6 at a lock nobody else takes: drains in 6 holds while all that left keep away
    network = QueueNetwork(1e9, (QueueLock("a", handoff=(0.5,)),), (Stage("a", 1.0),))
    chain = explore(queue_model(network, 6))
    start = int(np.flatnonzero((chain.column("a.n") == 6) & (chain.column("a.phase") == 1))[0])
    found = first_passage(chain, chain.column("a.n") == 0, start)
    assert found.mean == pytest.approx(6 * 1.0 + 5 * 0.5, rel=1e-6)
