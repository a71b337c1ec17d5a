"""Every kind of lock in the simulator: against chains, closed forms and hand computations.

The chains here follow every process by name. They are written from the text at the top of
lockmodel/solvers/simulation/locks.py and share no code with the package.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from functools import cache

import mpmath
import numpy as np
import pytest

from lockmodel.distribution import (
    Constant,
    Coxian,
    Distribution,
    Empirical,
    Erlang,
    Exponential,
    Hyperexponential,
    Lognormal,
    Pareto,
)
from lockmodel.errors import NotTrustworthyError
from lockmodel.handoff import ConstantHandOff, LinearHandOff, SaturatingHandOff, TopologyHandOff
from lockmodel.scenario import Lock, Machine, Scenario, Site, Walkers
from lockmodel.solvers import points
from lockmodel.solvers.simulation.output import Estimate
from lockmodel.solvers.simulation.simulate import Simulated, simulate

PRECISION = 0.003
SIGMAS = 4.0
"""Standard errors allowed: with a fixed seed a test either always passes or always fails."""

TOLERANCE = 0.006
"""Absolute, of shares that come without an interval."""

EIGHT = Machine(name="m", cpus=8, cores=8)
FAMILIES: list[Distribution] = [
    Constant(),
    Exponential(),
    Erlang(stages=3),
    Coxian(scv=0.4),
    Coxian(scv=2.0),
    Hyperexponential(scv=4.0),
    Lognormal(scv=1.5),
    Pareto(shape=4.5),
    Empirical(edges=(0.0, 1.0, 2.0, 6.0), probabilities=(0.5, 0.3, 0.2)),
]


def agrees(found: Estimate, exact: float, sharp: float = 0.02) -> bool:
    """Return whether a simulated mean is within some standard errors of an exact one.

    The interval must be narrow (`sharp`, relative), or agreement would mean nothing.
    """
    assert found.half_width <= sharp * abs(found.value), (found, exact)
    assert found.value == pytest.approx(exact, abs=SIGMAS / 2.131 * found.half_width), sharp
    return True


def workload(
    think: float,
    locks: tuple[Lock, ...],
    sites: list[tuple[str, float, float] | tuple[str, float, float, str]],
    machine: Machine = EIGHT,
    **more: object,
) -> Scenario:
    """Return a scenario; a site is (lock, acquires, instructions[, mode])."""
    made = [
        Site(
            lock=lock,
            phase="p",
            name=f"s{i}",
            acquires=acquires,
            held_instructions=held,
            mode=mode[0] if mode else "write",  # type: ignore[arg-type]
        )
        for i, (lock, acquires, held, *mode) in enumerate(sites)
    ]
    return Scenario(
        name="t",
        title="t",
        iteration="i",
        machine=machine,
        think=think,
        locks=locks,
        sites=tuple(made),
        **more,  # type: ignore[arg-type]
    )


def lock(name: str = "a", remote: float = 1.0, **more: object) -> Lock:
    """Return a lock that takes a second per held instruction, `remote` seconds in another node."""
    return Lock(
        name=name,
        time_per_instruction_local=1.0,
        time_per_instruction_remote=remote,
        **more,  # type: ignore[arg-type]
    )


def one(think: float, hold: float, machine: Machine = EIGHT, **more: object) -> Scenario:
    """Return one lock taken once per iteration."""
    return workload(think, (lock(**more),), [("a", 1, hold)], machine)


@cache
def answered(scenario: Scenario, n: int, precision: float = PRECISION) -> Simulated:
    return simulate(scenario, n, precision, seed=7)


# Product form ---------------------------------------------------------------------------------

PRODUCT_FORM = {
    "one lock": (one(3.0, 1.0), 5),
    "one lock, saturated": (one(3.0, 1.0), 8),
    "SMT slope": (
        one(4.0, 0.2, Machine(name="m", cpus=8, cores=4, smt_speedup=1.4)),
        7,
    ),
    "more processes than CPUs": (
        one(4.0, 0.2, Machine(name="m", cpus=8, cores=4, smt_speedup=1.4)),
        13,
    ),
    "acquire time is part of the hold": (one(3.0, 0.4, acquire_time=0.6), 6),
    "fractional acquires": (workload(3.0, (lock(),), [("a", 2.4, 0.5), ("a", 0.3, 0.5)]), 6),
    "shards by hash": (one(3.0, 4.0, shards=5, shard_by="hash"), 8),
    "shards with skew, several acquires": (
        workload(3.0, (lock(shards=6, shard_by="hash", shard_skew=1.0),), [("a", 1.7, 2.0)]),
        8,
    ),
    "two locks in turn, SMT": (
        workload(
            2.0,
            (lock(), lock("b", kind="ticket")),
            [("a", 1, 0.3), ("b", 2, 0.2), ("a", 2, 0.3)],
            Machine(name="m", cpus=8, cores=4, smt_speedup=1.3),
        ),
        8,
    ),
    "three locks, one with shards": (
        workload(
            5.0,
            (lock(), lock("b", shards=2, shard_by="hash"), lock("c")),
            [("a", 1, 0.5), ("b", 1, 1.5), ("c", 0.5, 0.6), ("b", 0.5, 1.5)],
        ),
        8,
    ),
    "instructions that grow with the mappings": (
        workload(3.0, (lock(other_mappers=10),), [("a", 1, 0.5)]),
        6,
    ),
    "rwsem of writers, nobody sleeps": (one(3.0, 1.0, kind="rwsem"), 8),
    "barging without hand-off": (one(3.0, 1.0, kind="barging"), 5),
    "numa without hand-off": (
        one(3.0, 1.0, Machine(name="m", cpus=8, cores=8, nodes=2), kind="numa"),
        8,
    ),
}


@pytest.mark.parametrize("name", PRODUCT_FORM)
def test_exponential_holds_without_hand_off_are_product_form(name):
    scenario, n = PRODUCT_FORM[name]
    (exact,) = points(scenario, [n])
    found = answered(scenario, n)
    assert agrees(found.throughput_per_s, exact.throughput_per_s, 2 * PRECISION)
    for key, state in exact.locks.items():
        mine = found.locks[key]
        assert agrees(mine.wait_s, state.wait_s, 0.05)
        assert mine.utilisation == pytest.approx(state.utilisation, abs=TOLERANCE)
        assert mine.queue == pytest.approx(state.queue, rel=0.02)


def test_growth_makes_holds_longer_by_the_doublings():
    # log2(6 processes + 10 others) = 4 doublings of 0.1 instructions
    plain = workload(3.0, (lock(),), [("a", 1, 0.9)])
    site = Site(
        lock="a", phase="p", name="s", acquires=1, held_instructions=0.5, growth_per_doubling=0.1
    )
    grown = Scenario(
        name="t",
        title="t",
        iteration="i",
        machine=EIGHT,
        think=3.0,
        locks=(lock(other_mappers=10),),
        sites=(site,),
    )
    assert agrees(
        answered(grown, 6).throughput_per_s, points(plain, [6])[0].throughput_per_s, 2 * PRECISION
    )


@pytest.mark.parametrize(
    ("n", "exact"),  # DESIGN section 5, case A
    [(1, 0.08510638297872340), (8, 0.61829933268927907), (16, 0.9538958427556234)],
)
def test_case_a(n, exact):
    locks = (lock(), lock("b"), lock("c"))
    wide = Machine(name="m", cpus=16, cores=16)
    scenario = workload(10.0, locks, [("a", 1, 1.0), ("b", 1, 0.5), ("c", 1, 0.25)], wide)
    assert agrees(answered(scenario, n).throughput_per_s, exact, 2 * PRECISION)


def case_e(think: Distribution) -> Scenario:
    locks = (lock(hold_distribution=Constant()), lock("b"), lock("c"))
    wide = Machine(name="m", cpus=16, cores=16)
    sites = [("a", 1, 1.0), ("b", 1, 0.5), ("c", 1, 0.25)]
    return workload(10.0, locks, sites, wide, think_distribution=think)


@pytest.mark.parametrize(
    ("n", "exact"),  # DESIGN section 5, case E: the first lock's holds are constant
    [(8, 0.6450833576), (12, 0.8880681916), (16, 0.99031146)],
)
def test_case_e(n, exact):
    assert agrees(answered(case_e(Exponential()), n, 0.001).throughput_per_s, exact, 0.002)


@pytest.mark.parametrize("think", FAMILIES, ids=repr)
def test_only_the_mean_of_think_time_matters_on_free_cpus(think):
    # a delay is insensitive when the locks are product form
    scenario = workload(4.0, (lock(), lock("b")), [("a", 1, 0.5), ("b", 1, 1.0)])
    exact = points(scenario, [6])[0].throughput_per_s
    varied = workload(
        4.0, (lock(), lock("b")), [("a", 1, 0.5), ("b", 1, 1.0)], think_distribution=think
    )
    assert agrees(answered(varied, 6).throughput_per_s, exact, 2 * PRECISION)


@pytest.mark.parametrize("think", [Constant(), Hyperexponential(scv=4.0)], ids=repr)
def test_only_the_mean_of_think_time_matters_on_shared_cpus(think):
    # processor sharing is insensitive too: 4 cores with SMT for 8 processes
    machine = Machine(name="m", cpus=8, cores=4, smt_speedup=1.2)
    scenario = workload(4.0, (lock(),), [("a", 1, 0.4)], machine, think_distribution=think)
    exact = points(scenario, [8])[0].throughput_per_s
    assert agrees(answered(scenario, 8).throughput_per_s, exact, 2 * PRECISION)


# Two processes, any distribution ----------------------------------------------------------------


def transform(family: Distribution, s: float) -> float:
    """Return E[exp(-s T)] of a time of mean 1: closed forms, or mpmath's quadrature."""
    if isinstance(family, Constant):
        return math.exp(-s)
    if isinstance(family, Exponential):
        return 1 / (1 + s)
    if isinstance(family, Erlang):
        return (1 + s / family.stages) ** -family.stages
    if isinstance(family, Coxian) and family.scv >= 0.5:  # Marie 1980: rates 2 and 1 / scv
        first, second, on = 2 / (2 + s), 1 / (1 + family.scv * s), 0.5 / family.scv
        return first * (1 - on + on * second)
    if isinstance(family, Coxian):  # k - 1 or k stages, Tijms 1994
        c, k = family.scv, math.ceil(1 / family.scv)
        skip = (k * c - math.sqrt(k * (1 + c) - k * k * c)) / (1 + c)
        stage = (k - skip) / (k - skip + s)
        return stage ** (k - 1) * (skip + (1 - skip) * stage)
    if isinstance(family, Hyperexponential):
        p = 0.5 * (1 + math.sqrt((family.scv - 1) / (family.scv + 1)))
        return p / (1 + s / (2 * p)) + (1 - p) / (1 + s / (2 * (1 - p)))
    if isinstance(family, Lognormal):
        variance = math.log(1 + family.scv)

        def weighed(z):
            return mpmath.npdf(z) * mpmath.exp(
                -s * mpmath.exp(-variance / 2 + math.sqrt(variance) * z)
            )

        return float(mpmath.quad(weighed, [-10, -3, 0, 3, 10]))
    if isinstance(family, Pareto):
        a, low = family.shape, (family.shape - 1) / family.shape
        return float(a * mpmath.expint(a + 1, s * low))
    assert isinstance(family, Empirical)
    mean = sum(
        p * (x + y) / 2
        for p, x, y in zip(family.probabilities, family.edges, family.edges[1:], strict=False)
    )
    total = 0.0
    for p, x, y in zip(family.probabilities, family.edges, family.edges[1:], strict=False):
        u, v = s * x / mean, s * y / mean
        total += p * (math.exp(-u) - math.exp(-v)) / (v - u)
    return total


def pair(
    think: float, hold: float, cost: float, holds: Distribution, passing: Distribution
) -> tuple[float, float]:
    """Return throughput and contended share of two processes and one lock.

    Seen when a process leaves: nobody waits with probability q0 (then both think), or the other
    does (then a hand-off and a hold follow at once). The other arrives while it is held.
    """
    free = transform(holds, hold / think)  # nobody came during a hold
    passed = free * transform(passing, cost / think)  # nor during a hand-off before it
    q0 = passed / (1 - free + passed)
    return 1 / (hold + q0 * think / 2 + (1 - q0) * cost), 1 - q0


@pytest.mark.parametrize("holds", FAMILIES, ids=repr)
def test_two_processes_with_any_hold(holds):
    x, contended = pair(2.0, 1.0, 0.0, holds, Exponential())
    found = answered(one(2.0, 1.0, hold_distribution=holds), 2)
    assert agrees(found.throughput_per_s, x, 2 * PRECISION)
    assert agrees(found.locks["a"].wait_s, 2 / x - 3.0, 0.03)
    assert found.locks["a"].contended == pytest.approx(contended, abs=TOLERANCE)


@pytest.mark.parametrize("passing", FAMILIES, ids=repr)
def test_two_processes_with_any_hand_off(passing):
    x, contended = pair(2.0, 1.0, 1.5, Erlang(stages=2), passing)
    scenario = one(
        2.0,
        1.0,
        hold_distribution=Erlang(stages=2),
        handoff=ConstantHandOff(time=1.5),
        handoff_distribution=passing,
    )
    found = answered(scenario, 2)
    assert agrees(found.throughput_per_s, x, 2 * PRECISION)
    assert agrees(found.locks["a"].wait_s, 2 / x - 3.0, 0.03)
    assert found.locks["a"].contended == pytest.approx(contended, abs=TOLERANCE)


def test_quantiles_of_the_wait_are_those_of_a_residual_hold():
    # two processes, no hand-off: who waits, waits for the rest of an exponential hold
    _, contended = pair(2.0, 1.0, 0.0, Exponential(), Exponential())
    found = answered(one(2.0, 1.0), 2, 0.001).locks["a"]
    assert contended == pytest.approx(1 / 3, abs=1e-12)
    assert found.wait_quantiles_s["50"] == 0.0
    for key, share in (("90", 0.9), ("99", 0.99), ("99.9", 0.999)):
        exact = math.log(contended / (1 - share))
        assert found.wait_quantiles_s[key] == pytest.approx(exact, rel=0.02)
    # of some 500,000 waits the longest is near ln(500,000) = 13 +- 1.3
    assert 10.0 < found.longest_wait_s < 19.0


def test_one_process_never_waits():
    scenario = workload(
        2.0,
        (lock(handoff=ConstantHandOff(time=5.0)), lock("b", kind="rwsem", wake_time=9.0)),
        [("a", 1.5, 1.0), ("b", 1, 0.5)],
    )
    found = answered(scenario, 1)
    assert agrees(found.throughput_per_s, 1 / 4.0, 2 * PRECISION)
    for state in found.locks.values():
        assert (state.wait_s, state.contended, state.longest_wait_s) == (Estimate(0.0, 0.0), 0, 0)
        assert (state.same_cpu, state.same_node, state.other_node) == (1.0, 0.0, 0.0)
    assert found.fairness == 1.0


# Exclusive locks, by name -----------------------------------------------------------------------

Moves = Iterator[tuple[Hashable, float, dict[str, float]]]


def solved(
    start: Hashable, moves: Callable[[Hashable], Moves], level: Callable[[Hashable], dict]
) -> dict[str, float]:
    """Return rates of what moves count, and time averages of levels, of an ergodic chain."""
    states, triples, waiting = {start: 0}, [], [start]
    while waiting:
        state = waiting.pop()
        for to, rate, counted in moves(state):
            if to not in states:
                states[to] = len(states)
                waiting.append(to)
            triples.append((states[state], states[to], rate, counted))
    size = len(states)
    q = np.zeros((size, size))
    for i, j, rate, _ in triples:
        q[j, i] += rate
        q[i, i] -= rate
    q[0] = 1.0
    p = np.linalg.solve(q, np.eye(size)[0])
    assert p.min() > -1e-12
    total: dict[str, float] = {}
    for i, _, rate, counted in triples:
        for key, amount in counted.items():
            total[key] = total.get(key, 0.0) + p[i] * rate * amount
    for state, i in states.items():
        for key, amount in level(state).items():
            total[key] = total.get(key, 0.0) + p[i] * amount
    return total


@dataclass(frozen=True)
class Exclusive:
    """A lock of one shard with exponential times and places of processes.

    `holds` are means per acquire, `nodes` one per process, `cost(w, far)` the mean hand-off.
    """

    kind: str
    think: float
    holds: tuple[float, ...]
    nodes: tuple[int, ...]
    cost: Callable[[int, bool], float]
    remote: float = 1.0
    same_node: float = 1.0

    def distance(self, last: int, p: int) -> str:
        if last in (p, -1):
            return "same_cpu"
        return "same_node" if self.nodes[last] == self.nodes[p] else "other_node"

    def hold(self, stage: int, distance: str) -> float:
        share = {"same_cpu": 0.0, "same_node": self.same_node, "other_node": 1.0}[distance]
        return self.holds[stage - 1] * (1 + (self.remote - 1) * share)

    def moves(self, state) -> Moves:
        """Yield what can happen; a state is (stages, queue, what the lock does, last, look).

        Stage 0 is thinking. The lock does nothing (None), is held (process, distance), or is
        handed over (process, waiters at the release). `look` is who will look, and its mean.
        """
        stages, queue, doing, last, look = state

        def begin(stages, queue, p, last, look, counted):
            d = self.distance(last, p)
            counted = {**counted, d: 1.0, "acquires": 1.0}
            return (stages, queue, ("held", p, d), p, look), counted

        def come(p, stage, stages, queue, doing, last, look, counted):
            stages = (*stages[:p], stage, *stages[p + 1 :])
            if doing is None:
                return begin(stages, queue, p, last, look, counted)
            return (stages, (*queue, p), doing, last, look), counted

        for p, stage in enumerate(stages):
            if stage == 0:
                yield self.with_rate(come(p, 1, stages, queue, doing, last, look, {}), self.think)
        if look is not None:
            p, mean = look
            if doing is None:
                rest = tuple(q for q in queue if q != p)
                taken = begin(stages, rest, p, last, None, {"contended": 1.0})
                yield self.with_rate(taken, mean)
            else:
                yield (stages, queue, doing, last, None), 1 / mean, {}
        if doing is not None and doing[0] == "pass":
            _, p, w = doing
            mean = self.cost(w, self.nodes[p] != self.nodes[last])
            yield self.with_rate(begin(stages, queue, p, last, look, {"contended": 1.0}), mean)
        if doing is None or doing[0] == "pass":
            return
        _, p, distance = doing
        mean = self.hold(stages[p], distance)
        counted: dict[str, float] = {}
        # the release
        choices = [(1.0, queue, None, last, look, counted)]
        if queue and self.kind == "barging" and look is None:
            choices = []
            for q in queue:
                time = self.cost(len(queue), self.nodes[q] != self.nodes[p])
                choices.append((1 / len(queue), queue, None, p, (q, time), counted))
        elif queue and self.kind != "barging":
            near = [q for q in queue if self.nodes[q] == self.nodes[p]]
            q = near[0] if near and self.kind == "numa" else queue[0]
            rest = tuple(r for r in queue if r != q)
            if self.cost(len(queue), self.nodes[q] != self.nodes[p]) == 0.0:
                d = self.distance(p, q)
                counted = {d: 1.0, "acquires": 1.0, "contended": 1.0}
                choices = [(1.0, rest, ("held", q, d), q, look, counted)]
            else:
                choices = [(1.0, rest, ("pass", q, len(queue)), p, look, counted)]
        # what the releasing process does next
        for share, left, now, before, later, counted in choices:
            if stages[p] == len(self.holds):
                counted = {**counted, "done": 1.0}
                if self.think > 0:
                    new = (*stages[:p], 0, *stages[p + 1 :])
                    yield (new, left, now, before, later), share / mean, counted
                    continue
                stage = 1
            else:
                stage = stages[p] + 1
            to, counted = come(p, stage, stages, left, now, before, later, counted)
            yield to, share / mean, counted

    @staticmethod
    def with_rate(found, mean):
        return found[0], 1 / mean, found[1]

    def answer(self) -> dict[str, float]:
        n = len(self.nodes)
        start = ((0,) * n, (), None, 0, None)
        if self.think == 0.0:
            start = ((1,) * n, tuple(range(1, n)), ("held", 0, "same_cpu"), 0, None)

        def level(state):
            doing = state[2]
            passing = doing is not None and doing[0] == "pass"
            return {"waiting": len(state[1]) + passing, "busy": float(doing is not None)}

        return solved(start, self.moves, level)


def constant(time: float) -> Callable[[int, bool], float]:
    return lambda w, far: time


def by_node(local: float, remote: float) -> Callable[[int, bool], float]:
    return lambda w, far: remote if far else local


def linear(time: float, more: float) -> Callable[[int, bool], float]:
    return lambda w, far: time + more * (w - 1)


TWO_NODES = Machine(name="m", cpus=8, cores=8, nodes=2)
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
    exact = chain.answer()
    found = answered(scenario, len(chain.nodes))
    state = found.locks["a"]
    assert agrees(found.throughput_per_s, exact["done"], 2 * PRECISION)
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
    found = answered(one(0.0, 1.0, machine, remote=4.0), 5).locks["a"]
    # in order 0 1 2 3 4: nodes 0 0 1 1 0, so 1 -> 2 and 3 -> 4 are far; 4 -> 0 is in the node
    assert found.other_node == pytest.approx(2 / 5, abs=1e-3)
    assert found.same_node == pytest.approx(3 / 5, abs=1e-3)


# Pinned shards ------------------------------------------------------------------------------------


def test_pinned_shards_match_the_exact_solution():
    machine = Machine(name="m", cpus=16, cores=8, nodes=2, smt_speedup=2.0)
    for by, n in (("cpu", 12), ("node", 12), ("node", 5)):
        scenario = one(2.0, 0.6, machine, shards=2, shard_by=by)
        (exact,) = points(scenario, [n])
        found = answered(scenario, n)
        assert agrees(found.throughput_per_s, exact.throughput_per_s, 2 * PRECISION)
        assert agrees(found.locks["a"].wait_s, exact.locks["a"].wait_s, 0.03)
        assert found.locks["a"].utilisation == pytest.approx(
            exact.locks["a"].utilisation, abs=TOLERANCE
        )


def test_pinned_shards_that_fit_their_users_by_hand():
    # 3 processes, 3 shards of 4 CPUs: CPUs 0 and 1 share a shard, CPU 2 has one to itself.
    # Two with think = hold = 1: busy with probability 4/5; one alone: 1/2
    machine = Machine(name="m", cpus=4, cores=4)
    found = answered(one(1.0, 1.0, machine, shards=3, shard_by="cpu"), 3)
    assert agrees(found.throughput_per_s, 0.8 + 0.5, 2 * PRECISION)


def test_pinned_shards_beside_a_shared_lock():
    locks = (lock(shards=2, shard_by="node"), lock("b"))
    scenario = workload(2.0, locks, [("a", 1, 0.8), ("b", 1, 0.3)], TWO_NODES)
    (exact,) = points(scenario, [7])
    assert agrees(answered(scenario, 7).throughput_per_s, exact.throughput_per_s, 2 * PRECISION)


# Barging and NUMA -------------------------------------------------------------------------------


def test_barging_wins_again_and_hides_the_hand_off():
    sites = [("a", 6, 0.1)]
    found = {}
    for kind in ("fifo", "barging"):
        a = lock(kind=kind, handoff=ConstantHandOff(time=1.0))
        found[kind] = answered(workload(1.0, (a,), sites), 8)
    fifo, barging = found["fifo"], found["barging"]
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
    found = answered(scenario, 4)
    assert found.fairness == pytest.approx(0.25, abs=1e-12)
    assert agrees(found.throughput_per_s, 1.0, 2 * PRECISION)
    assert found.locks["a"].same_cpu == 1.0


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
    found = answered(scenario, 4)
    assert found.locks["a"].other_node == pytest.approx(1 / (run + 1), abs=1e-3)
    cycle = (run + 1) * 1.0 + run * TOPOLOGY.local + TOPOLOGY.remote
    assert found.throughput_per_s.value == pytest.approx((run + 1) / cycle, rel=1e-3)


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


# Readers and writers ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Semaphore:
    """An rwsem of `n` processes with exponential times; all in one node.

    `modes` and `holds` per acquire; the time-out is 0 (`strict`) or never.
    """

    n: int
    cpus: int
    think: float
    modes: str
    holds: tuple[float, ...]
    handoff: float
    wake: float
    strict: bool

    def moves(self, state) -> Moves:
        """Yield what can happen; a state is (stages, spinners, sleepers, what it does, look).

        It does nothing (None), is read or written by processes, is handed to a spinner ("pass"),
        has been granted to readers that sleep ("grant", who) or to a sleeping writer ("wake").
        """
        stages, spin, sleep, doing, look = state
        thinkers = stages.count(0)

        def come(p, stage, stages, spin, sleep, doing, look):
            stages = (*stages[:p], stage, *stages[p + 1 :])
            if self.modes[stage - 1] == "r":
                readable = doing is None or doing[0] == "read"
                if readable and not spin and not sleep:
                    others = doing[1] if doing else ()
                    return (stages, spin, sleep, ("read", tuple(sorted((*others, p)))), look)
                return (stages, spin, (*sleep, p), doing, look)
            if doing is None and not (self.strict and sleep):
                return (stages, spin, sleep, ("write", p), look)
            waking = doing[1] if doing and doing[0] == "grant" else ()
            if self.n - len(sleep) - len(waking) > self.cpus:
                return (stages, spin, (*sleep, p), doing, look)
            return (stages, (*spin, p), sleep, doing, look)

        def left(spin, sleep, look):
            """Return what happens to a lock that nobody holds any more."""
            turn = bool(sleep) and (not spin or self.strict)
            if spin and not turn:
                now = ("pass", spin[0])
                if self.handoff == 0.0:
                    now = ("write", spin[0])
                return spin[1:], sleep, now, look
            if not turn:
                return spin, sleep, None, look
            if self.modes[stages[sleep[0]] - 1] == "r":
                granted = tuple(p for p in sleep if self.modes[stages[p] - 1] == "r")
                rest = tuple(p for p in sleep if p not in granted)
                return spin, rest, ("grant", tuple(sorted(granted))), look
            if self.strict:
                return spin, sleep[1:], ("wake", sleep[0]), look
            return spin, sleep, None, True

        for p in range(self.n):
            if stages[p] == 0:
                speed = min(thinkers, self.cpus) / thinkers
                yield come(p, 1, stages, spin, sleep, doing, look), speed / self.think, {}
        if look:
            if doing is None:
                taken = (stages, spin, sleep[1:], ("write", sleep[0]), False)
                yield taken, 1 / self.wake, {}
            else:
                yield (stages, spin, sleep, doing, False), 1 / self.wake, {}
        if doing is None:
            return
        if doing[0] == "pass":
            yield (stages, spin, sleep, ("write", doing[1]), look), 1 / self.handoff, {}
        elif doing[0] == "wake":
            yield (stages, spin, sleep, ("write", doing[1]), look), 1 / self.wake, {}
        elif doing[0] == "grant":
            yield (stages, spin, sleep, ("read", doing[1]), look), 1 / self.wake, {}
        else:
            holders = doing[1] if doing[0] == "read" else (doing[1],)
            for p in holders:
                rate = 1 / self.holds[stages[p] - 1]
                rest = tuple(q for q in holders if q != p)
                after = spin, sleep, ("read", rest), look
                if not rest:
                    after = left(spin, sleep, look)
                stage = stages[p] + 1
                if stage > len(self.holds):
                    yield ((*stages[:p], 0, *stages[p + 1 :]), *after), rate, {"done": 1.0}
                else:
                    yield come(p, stage, stages, *after), rate, {}

    def answer(self) -> dict[str, float]:
        def level(state):
            _, spin, sleep, doing, _ = state
            asleep, spinning = len(sleep), len(spin)
            if doing is not None and doing[0] == "grant":
                asleep += len(doing[1])
            elif doing is not None:
                asleep += doing[0] == "wake"
                spinning += doing[0] == "pass"
            busy = float(doing is not None)
            return {"waiting": asleep + spinning, "asleep": asleep, "busy": busy}

        return solved(((0,) * self.n, (), (), None, False), self.moves, level)

    def scenario(self) -> Scenario:
        more: dict[str, object] = {}
        if self.handoff:
            more["handoff"] = ConstantHandOff(time=self.handoff)
        a = lock(
            kind="rwsem",
            wake_time=self.wake,
            handoff_timeout=0.0 if self.strict else 1e9,
            **more,
        )
        spelled = {"r": "read", "w": "write"}
        sites = [("a", 1, h, spelled[m]) for h, m in zip(self.holds, self.modes, strict=True)]
        machine = Machine(name="m", cpus=self.cpus, cores=self.cpus)
        return workload(self.think, (a,), sites, machine)


SEMAPHORES = {
    "writers spin": Semaphore(4, 4, 3.0, "w", (1.0,), 0.5, 0.3, False),
    "read, then write": Semaphore(3, 3, 2.0, "rw", (1.0, 0.6), 0.0, 0.8, False),
    "read, then write, hand-off": Semaphore(4, 4, 3.0, "rw", (1.0, 0.6), 0.4, 0.5, False),
    "write, read, read": Semaphore(3, 3, 2.0, "wrr", (0.5, 1.0, 0.7), 0.4, 0.5, False),
    "by the bit, read first": Semaphore(4, 4, 3.0, "rw", (1.0, 0.6), 0.4, 0.5, True),
    "by the bit, write first": Semaphore(3, 3, 2.0, "wrr", (0.5, 1.0, 0.7), 0.4, 0.5, True),
    "writers sleep": Semaphore(4, 2, 2.0, "w", (1.0,), 0.4, 0.8, False),
    "writers sleep on one CPU": Semaphore(4, 1, 1.0, "w", (1.0,), 0.4, 0.8, False),
    "writers sleep, two in a row": Semaphore(4, 2, 2.0, "ww", (1.0, 0.5), 0.4, 0.8, False),
    "writers and readers sleep": Semaphore(4, 2, 1.0, "rw", (1.0, 0.6), 0.4, 0.8, False),
}


@pytest.mark.parametrize("name", SEMAPHORES)
def test_rwsem_matches_its_chain(name):
    chain = SEMAPHORES[name]
    exact = chain.answer()
    found = answered(chain.scenario(), chain.n)
    assert agrees(found.throughput_per_s, exact["done"], 2 * PRECISION)
    assert agrees(found.locks["a"].wait_s, exact["waiting"] / exact["done"], 0.03)
    slept = exact["asleep"] / exact["done"]
    assert found.locks["a"].slept_s == pytest.approx(slept, rel=0.03, abs=1e-12)
    assert found.locks["a"].utilisation == pytest.approx(exact["busy"], abs=TOLERANCE)


@pytest.mark.parametrize("holds", [Exponential(), Constant(), Lognormal(scv=3.0)], ids=repr)
def test_readers_alone_never_wait(holds):
    costs = {"wake_time": 7.0, "handoff": ConstantHandOff(time=5.0)}
    a = lock(kind="rwsem", hold_distribution=holds, **costs)
    found = answered(workload(1.0, (a,), [("a", 2, 1.0, "read")]), 8)
    assert agrees(found.throughput_per_s, 8 / 3.0, 2 * PRECISION)
    state = found.locks["a"]
    assert (state.wait_s, state.contended, state.longest_wait_s) == (Estimate(0.0, 0.0), 0.0, 0.0)
    assert state.queue == pytest.approx(8 * 2 / 3, rel=0.01)


def test_readers_share_and_writers_do_not():
    rates = []
    for read in (0, 1, 2, 3):
        sites = [("a", 1, 1.0, "read")] * read + [("a", 1, 1.0)] * (3 - read)
        found = answered(workload(1.0, (lock(kind="rwsem"),), sites), 8)
        rates.append(found.throughput_per_s.value)
    assert rates[0] == pytest.approx(1 / 3, rel=0.01)
    assert rates == sorted(rates)
    assert rates[3] == pytest.approx(8 / 4, rel=0.01)


def sleepy(timeout: float, wake: float = 3.0) -> Scenario:
    """Return writers on fewer CPUs than there are processes, so that they sleep."""
    machine = Machine(name="m", cpus=4, cores=4)
    a = lock(
        kind="rwsem",
        wake_time=wake,
        handoff_timeout=timeout,
        handoff_distribution=Constant(),
    )
    return workload(4.0, (a,), [("a", 4, 0.3)], machine)


def test_the_hand_off_bit_trades_throughput_for_the_longest_wait():
    found = [answered(sleepy(timeout), 10) for timeout in (0.0, 20.0, 1e9)]
    rates = [f.throughput_per_s.value for f in found]
    assert rates == sorted(rates)
    assert rates[2] > 1.2 * rates[0]
    longest = [f.locks["a"].longest_wait_s for f in found]
    assert longest[2] > 1.5 * longest[1]


def test_waking_costs_only_who_sleeps():
    slow, quick = answered(sleepy(1e9), 4), answered(sleepy(1e9, wake=0.0), 4)
    assert slow.throughput_per_s == quick.throughput_per_s  # 4 CPUs for 4 processes: all spin
    slow, quick = answered(sleepy(0.0), 10), answered(sleepy(0.0, wake=0.0), 10)
    assert slow.throughput_per_s.value < 0.7 * quick.throughput_per_s.value


def test_sleepers_by_the_bit_keep_the_lock_busy_without_wake_time():
    # strict and no wake-up: who waits next does not matter to exponential holds of one mean
    machine = Machine(name="m", cpus=4, cores=4)
    scenario = one(4.0, 1.2, machine, kind="rwsem", handoff_timeout=0.0)
    (exact,) = points(scenario, [10])
    found = answered(scenario, 10)
    assert agrees(found.throughput_per_s, exact.throughput_per_s, 2 * PRECISION)
    assert agrees(found.locks["a"].wait_s, exact.locks["a"].wait_s, 0.03)


# Walkers ------------------------------------------------------------------------------------------


def walked(kind: str, rate: float, read: float, **more: object) -> Scenario:
    """Return lock a that only walkers take, beside a lock b that paces the iterations."""
    a = lock(kind=kind, walkers=Walkers(walks_per_s=rate, read=read), **more)
    return workload(1.0, (a, lock("b")), [("b", 1, 0.01)])


@pytest.mark.parametrize("kind", ["fifo", "rwsem", "numa", "barging"])
@pytest.mark.parametrize("shards", [1, 6])
def test_a_walk_without_load_takes_every_shard_and_reads(kind, shards):
    scenario = walked(
        kind, 1e-4, 3.0, shards=shards, acquire_time=0.5, hold_distribution=Constant()
    )
    found = answered(scenario, 4).locks["a"]
    assert found.walk_s == pytest.approx(shards * 0.5 + 3.0, rel=1e-2)
    assert (found.wait_s, found.queue) == (Estimate(0.0, 0.0), 0.0)


@pytest.mark.parametrize("shards", [1, 4])
def test_walkers_queue_behind_each_other(shards):
    # Poisson arrivals, one walk at a time: M/G/1 (Pollaczek-Khinchine), service k a + read
    rate, read, acquire = 0.15, 3.0, 0.25
    scenario = walked("fifo", rate, read, shards=shards, acquire_time=acquire)
    mean = shards * acquire + read
    second = mean**2 + read**2  # the read is exponential
    exact = mean + rate * second / (2 * (1 - rate * mean))
    found = answered(scenario, 4, 0.001).locks["a"]
    assert found.walk_s == pytest.approx(exact, rel=0.03)


def test_walkers_of_an_rwsem_read_together():
    # 4.5 walks at a time on average, and none waits for another
    found = answered(walked("rwsem", 1.5, 3.0), 4).locks["a"]
    assert found.walk_s == pytest.approx(3.0, rel=0.01)
    assert found.utilisation == pytest.approx(1 - math.exp(-4.5), abs=0.01)  # M/G/infinity


def test_one_process_between_walkers():
    # fifo, 1 process, Poisson walkers: with a and b walkers before and behind it, by name
    think, hold, rate, read, most = 1.0, 0.5, 0.3, 1.2, 40

    def moves(state) -> Moves:
        before, inside, behind = state  # walkers in front; whether the process is there
        if before + behind < most:
            new = (before, 1, behind + 1) if inside else (before + 1, 0, 0)
            yield new, rate, {}
        if not inside:
            yield (before, 1, 0), 1 / think, {}
        if before:
            yield (before - 1, inside, behind), 1 / read, {}
        elif inside:
            yield (behind, 0, 0), 1 / hold, {"done": 1.0}

    exact = solved((0, 0, 0), moves, lambda s: {"waiting": float(s[1] and s[0] > 0)})
    scenario = one(think, hold, walkers=Walkers(walks_per_s=rate, read=read))
    found = answered(scenario, 1)
    assert agrees(found.throughput_per_s, exact["done"], 2 * PRECISION)
    assert agrees(found.locks["a"].wait_s, exact["waiting"] / exact["done"], 0.03)


def test_more_walks_leave_less_throughput():
    rates = [
        answered(
            one(2.0, 0.5, shards=4, shard_by="hash", walkers=Walkers(walks_per_s=w, read=1.0)), 8
        ).throughput_per_s.value
        for w in (0.0, 0.05, 0.1, 0.2)
    ]
    assert rates == sorted(rates, reverse=True)
    assert rates[3] < 0.9 * rates[0]


def test_walkers_that_need_more_than_there_is_are_refused():
    with pytest.raises(NotTrustworthyError, match=r"'a': walkers alone.*lower walks_per_s, read"):
        simulate(one(1.0, 0.1, walkers=Walkers(walks_per_s=1.0, read=2.0)), 4)


def test_walkers_that_pile_up_are_refused():
    # nobody but walkers takes this lock, so no station says that they need 2 s per s
    with pytest.raises(NotTrustworthyError, match=r"pile up at n = 4: .*lower walks_per_s"):
        simulate(walked("fifo", 1.0, 2.0), 4)


def test_walkers_wait_for_holders_while_they_keep_shards():
    # each walk takes four shards one by one, so it holds up those who need the shards it has
    crowd = {"shards": 4, "shard_by": "hash", "walkers": Walkers(walks_per_s=0.3, read=0.5)}
    found = answered(one(0.5, 2.0, **crowd), 8)
    alone = answered(one(0.5, 2.0, shards=4, shard_by="hash"), 8)
    assert found.locks["a"].walk_s > 4 * 0.5
    share = 1 - 0.3 * 0.5  # what product form leaves: the time in which nobody reads
    assert found.throughput_per_s.value < 0.9 * share * alone.throughput_per_s.value


# Laws -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["fifo", "ticket", "numa"])
def test_laws_of_conservation(kind):
    handoff = LinearHandOff(time=0.2, per_waiter=0.0)
    shapes = {"hold_distribution": Erlang(stages=2), "handoff_distribution": Constant()}
    a = lock(kind=kind, handoff=handoff, **shapes)
    scenario = workload(3.0, (a, lock("b")), [("a", 2, 0.3), ("b", 1, 0.2)], TWO_NODES)
    found = answered(scenario, 6)
    x = found.throughput_per_s.value
    state, other = found.locks["a"], found.locks["b"]
    # Little: processes at a lock = rate x time there; everybody is somewhere
    assert state.queue == pytest.approx(x * (2 * 0.3 + state.wait_s.value), rel=0.005)
    assert x * 3.0 + state.queue + other.queue == pytest.approx(6.0, rel=0.005)
    # a lock is busy for its holds and for the hand-offs of those who waited
    busy = x * 2 * (0.3 + 0.2 * state.contended)
    assert state.utilisation == pytest.approx(busy, rel=0.005)
    assert state.same_cpu + state.same_node + state.other_node == pytest.approx(1.0, abs=1e-12)
    assert x < 1 / (2 * 0.3)


def test_events_are_those_of_the_iterations_counted():
    # an iteration is one event for its thinking and one for each of four holds
    found = answered(workload(1.0, (lock(),), [("a", 3, 0.1), ("a", 1, 0.1)]), 4)
    assert found.events == pytest.approx(5 * found.iterations, rel=0.01)
