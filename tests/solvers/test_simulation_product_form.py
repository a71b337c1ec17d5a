"""The simulator against product form, case E, and closed forms of two processes."""

from __future__ import annotations

import math

import mpmath
import pytest
from simulated import (
    EIGHT,
    FAMILIES,
    PRECISION,
    TOLERANCE,
    agrees,
    answered,
    lock,
    one,
    workload,
)

from lockmodel.model.distribution import (
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
from lockmodel.model.handoff import ConstantHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Scenario, Site
from lockmodel.solvers.simulation.output import Mean
from lockmodel.solvers.simulation.simulate import simulate
from lockmodel.solvers.solve import points

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
    simulated = answered(scenario, n)
    assert agrees(simulated.throughput_per_s, exact.throughput_per_s, 2 * PRECISION)
    for key, state in exact.locks.items():
        mine = simulated.locks[key]
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
    simulated = answered(one(2.0, 1.0, hold_distribution=holds), 2)
    assert agrees(simulated.throughput_per_s, x, 2 * PRECISION)
    assert agrees(simulated.locks["a"].wait_s, 2 / x - 3.0, 0.03)
    assert simulated.locks["a"].contended == pytest.approx(contended, abs=TOLERANCE)


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
    simulated = answered(scenario, 2)
    assert agrees(simulated.throughput_per_s, x, 2 * PRECISION)
    assert agrees(simulated.locks["a"].wait_s, 2 / x - 3.0, 0.03)
    assert simulated.locks["a"].contended == pytest.approx(contended, abs=TOLERANCE)


def test_quantiles_of_the_wait_are_those_of_a_residual_hold():
    # two processes, no hand-off: who waits, waits for the rest of an exponential hold
    _, contended = pair(2.0, 1.0, 0.0, Exponential(), Exponential())
    state = answered(one(2.0, 1.0), 2, 0.001).locks["a"]
    assert contended == pytest.approx(1 / 3, abs=1e-12)
    assert state.wait_quantiles_s["50"] == 0.0
    for key, share in (("90", 0.9), ("99", 0.99), ("99.9", 0.999)):
        exact = math.log(contended / (1 - share))
        assert state.wait_quantiles_s[key] == pytest.approx(exact, rel=0.02)
    # of some 500,000 waits the longest is near ln(500,000) = 13 +- 1.3
    assert 10.0 < state.longest_wait_s < 19.0


def test_one_process_never_waits():
    scenario = workload(
        2.0,
        (lock(handoff=ConstantHandOff(time=5.0)), lock("b", kind="rwsem", wake_time=9.0)),
        [("a", 1.5, 1.0), ("b", 1, 0.5)],
    )
    simulated = answered(scenario, 1)
    assert agrees(simulated.throughput_per_s, 1 / 4.0, 2 * PRECISION)
    for state in simulated.locks.values():
        assert (state.wait_s, state.contended, state.longest_wait_s) == (Mean(0.0, 0.0), 0, 0)
        assert (state.same_cpu, state.same_node, state.other_node) == (1.0, 0.0, 0.0)
    assert simulated.fairness == 1.0


def test_a_constant_think_time_is_not_simulated_in_step():
    """Product form is exact for any think time; all who began together used to stay together."""
    scenario = Scenario(
        name="t",
        title="t",
        iteration="i",
        machine=Machine(name="m", cpus=4, cores=4),
        think=10_000.0,
        think_distribution=Constant(),
        locks=(lock("a"),),
        sites=(Site(lock="a", phase="p", name="s", acquires=3, held_instructions=1),),
    )
    (exact,) = points(scenario, [3], "product-form")
    run = simulate(scenario, 3, 0.005).throughput_per_s
    assert run.value == pytest.approx(exact.throughput_per_s, abs=2 * run.half_width)


@pytest.mark.parametrize(("think", "n"), [(0.0, 3), (11.7, 1), (37.13, 1)])
def test_what_never_varies_is_known_to_one_round(think, n):
    """Two acquires of 2 s each and constant think times: 1 / 4 or n / (think + 4) per s."""
    still = Scenario(
        name="t",
        title="t",
        iteration="i",
        machine=EIGHT,
        think=think,
        think_distribution=Constant(),
        locks=(lock("a", hold_distribution=Constant(), handoff_distribution=Constant()),),
        sites=(Site(lock="a", phase="p", name="s", acquires=2, held_instructions=2),),
    )
    run = simulate(still, n, 0.005).throughput_per_s
    exact = min(1 / 4, n / (think + 4))
    assert run.value == pytest.approx(exact, abs=run.half_width)
    assert 0 < run.half_width < 2e-3 * exact


@pytest.mark.parametrize("precision", [0.02, 0.005, 0.001])
def test_classes_that_go_round_in_step_at_their_own_pace_are_within_the_interval(precision):
    """Two of three share a shard for 2 s each: 1 / 2 per s; the third is alone: 1 / (1 + 2)."""
    machine = Machine(name="m", cpus=8, cores=8, sockets=2, nodes=2, placement="spread")
    still = Scenario(
        name="t",
        title="t",
        iteration="i",
        machine=machine,
        think=1.0,
        think_distribution=Constant(),
        locks=(lock("a", shards=2, shard_by="node", hold_distribution=Constant()),),
        sites=(Site(lock="a", phase="p", name="s", acquires=1, held_instructions=2),),
    )
    run = simulate(still, 3, precision).throughput_per_s
    assert run.value == pytest.approx(5 / 6, abs=run.half_width)
    assert run.half_width <= precision * run.value


def test_a_hand_off_that_takes_no_time_does_not_vary():
    """Its distribution says nothing: the same numbers, to the bit, as with a constant one."""

    def still(distribution: Distribution) -> Scenario:
        a = lock("a", hold_distribution=Constant(), handoff_distribution=distribution)
        return workload(7.0, (a,), [("a", 1, 1.0)], think_distribution=Constant())

    passing, constant = (simulate(still(d), 3, 0.005) for d in (Exponential(), Constant()))
    assert passing.throughput_per_s == constant.throughput_per_s
