"""Scenarios as Markov chains: against product form, the simulator, and what is refused."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

import msgspec
import pytest

from lockmodel.distribution import (
    Constant,
    Coxian,
    Empirical,
    Erlang,
    Hyperexponential,
    Lognormal,
    Pareto,
)
from lockmodel.errors import ArgumentError, NotTrustworthyError
from lockmodel.handoff import ConstantHandOff, LinearHandOff, SaturatingHandOff, TopologyHandOff
from lockmodel.network import build
from lockmodel.scenario import Lock, Machine, Scenario, Site, Walkers
from lockmodel.shipped import find_scenario
from lockmodel.solvers import points, solve
from lockmodel.solvers.error_map import distance_error
from lockmodel.solvers.markov.points import approximations, assumptions, point, refusal
from lockmodel.solvers.simulation.simulate import point as simulated_point
from lockmodel.solvers.simulation.simulate import simulate

EIGHT = Machine(name="m", cpus=8, cores=8)
SMT = Machine(name="m", cpus=8, cores=4, smt_speedup=1.4)


def lock(name: str = "a", remote: float = 1.0, **more: object) -> Lock:
    """Return a lock that takes a second per held instruction, `remote` seconds when far."""
    return Lock(
        name=name,
        time_per_instruction_local=1.0,
        time_per_instruction_remote=remote,
        **more,
    )


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
            lock=where,
            phase="p",
            name=f"s{i}",
            acquires=acquires,
            held_instructions=held,
            mode=mode[0] if mode else "write",
        )
        for i, (where, acquires, held, *mode) in enumerate(sites)
    ]
    return Scenario(
        name="t",
        title="t",
        iteration="i",
        machine=machine,
        think=think,
        locks=locks,
        sites=tuple(made),
        **more,
    )


def one(think: float = 3.0, hold: float = 1.0, machine: Machine = EIGHT, **more: object):
    """Return one lock taken once per iteration."""
    return workload(think, (lock(**more),), [("a", 1, hold)], machine)


def changed(scenario: Scenario, **more: object) -> Scenario:
    return msgspec.structs.replace(scenario, **more)


# Product form -------------------------------------------------------------------------------------

PRODUCT_FORM = {
    "one lock": (one(), 8),
    "one process": (one(), 1),
    "acquire time is part of the hold": (one(3.0, 0.4, acquire_time=0.6), 6),
    "instructions that grow": (
        changed(
            one(other_mappers=10),
            sites=(
                Site(
                    lock="a",
                    phase="p",
                    name="s",
                    acquires=1,
                    held_instructions=0.5,
                    growth_per_doubling=0.1,
                ),
            ),
        ),
        6,
    ),
    "fractional acquires": (workload(3.0, (lock(),), [("a", 2.4, 0.5), ("a", 0.3, 0.5)]), 5),
    "only a fraction": (workload(3.0, (lock(),), [("a", 0.3, 2.0)]), 7),
    "SMT slope": (one(4.0, 0.2, SMT), 7),
    "more processes than CPUs": (one(4.0, 0.2, SMT), 13),
    "shards by hash": (one(3.0, 4.0, shards=5, shard_by="hash"), 8),
    "shards with skew, fractional": (
        workload(3.0, (lock(shards=4, shard_by="hash", shard_skew=1.0),), [("a", 1.7, 2.0)]),
        5,
    ),
    "shards by node, all in one": (
        one(3.0, 1.0, Machine(name="m", cpus=8, cores=8, nodes=2), shards=2, shard_by="node"),
        4,
    ),
    "two locks in turn": (
        workload(
            2.0,
            (lock(), lock("b", kind="ticket")),
            [("a", 1, 0.3), ("b", 2, 0.2), ("a", 2, 0.3)],
            SMT,
        ),
        4,
    ),
    "three locks, one with shards": (
        workload(
            5.0,
            (lock(), lock("b", shards=2, shard_by="hash"), lock("c", kind="rwsem")),
            [("a", 1, 0.5), ("b", 1.5, 1.5), ("c", 0.5, 0.6)],
        ),
        5,
    ),
    "a lock that nobody takes": (
        workload(3.0, (lock(), lock("idle", kind="numa")), [("a", 1, 1.0), ("idle", 0, 1.0)]),
        5,
    ),
    "no lock at all": (workload(3.0, (), [], SMT), 7),
    "no think time": (workload(0.0, (lock(), lock("b")), [("a", 1, 0.3), ("b", 1, 0.9)]), 6),
    "think time in phases, a CPU each": (
        changed(one(3.0, 1.0), think_distribution=Coxian(scv=2.0)),
        8,
    ),
}


@pytest.mark.parametrize("name", PRODUCT_FORM)
def test_chains_are_product_form_where_that_is_exact(name):
    scenario, n = PRODUCT_FORM[name]
    (want,) = points(scenario, [n], "product-form")
    (found,) = points(scenario, [n], "markov")
    assert found.throughput_per_s == pytest.approx(want.throughput_per_s, rel=1e-9)
    assert (found.n, found.iteration_s) == (n, n / found.throughput_per_s)
    assert found.lower_per_s == found.upper_per_s == found.throughput_per_s
    assert (found.binding, found.ceiling_per_s) == (want.binding, want.ceiling_per_s)
    assert found.locks.keys() == want.locks.keys()
    for key, state in want.locks.items():
        for field in ("utilisation", "wait_s", "wait_share", "queue"):
            value = getattr(state, field)
            assert getattr(found.locks[key], field) == pytest.approx(value, rel=1e-8, abs=1e-9)
        if n <= scenario.machine.cpus:
            assert found.locks[key].cycles_share == pytest.approx(state.cycles_share, abs=1e-9)
            assert found.error_estimate == pytest.approx(0.0, abs=1e-9)
            assert approximations(scenario, n) == ()


@pytest.mark.parametrize(("n", "x"), [(8, 0.6450833576), (12, 0.8880681916)])
def test_case_e_as_a_scenario(n, x):
    locks = (lock(hold_distribution=Constant()), lock("b"), lock("c"))
    sites = [("a", 1, 1.0), ("b", 1, 0.5), ("c", 1, 0.25)]
    sixteen = Machine(name="m", cpus=16, cores=16)
    found = solve(workload(10.0, locks, sites, sixteen), [n], "markov")
    assert found.exact
    assert found.error_estimate < 1e-6
    assert found.points[0].throughput_per_s == pytest.approx(x, rel=1e-6)
    assert any("Erlang" in text for text in found.assumptions)


# The simulator ------------------------------------------------------------------------------------

SIMULATED = {
    "sites of different constant holds, hand-off": (
        workload(
            4.0,
            (lock(hold_distribution=Constant(), handoff=ConstantHandOff(time=0.3)),),
            [("a", 1, 0.5), ("a", 1, 1.0)],
        ),
        4,
    ),
    "Erlang holds and hand-offs, linear": (
        workload(
            6.0,
            (
                lock(
                    hold_distribution=Erlang(stages=2),
                    handoff=LinearHandOff(time=0.2, per_waiter=0.1),
                    handoff_distribution=Erlang(stages=2),
                    kind="ticket",
                ),
                lock("b", handoff=ConstantHandOff(time=0.4)),
            ),
            [("a", 1, 0.8), ("b", 1, 0.6), ("a", 0.5, 0.3)],
        ),
        4,
    ),
    "hyperexponential holds, saturating": (
        workload(
            3.0,
            (
                lock(
                    hold_distribution=Hyperexponential(scv=4.0),
                    handoff=SaturatingHandOff(time=0.2, limit=0.8, half_waiters=2.0),
                    kind="rwsem",
                ),
            ),
            [("a", 1, 0.4), ("a", 1.5, 0.7)],
        ),
        5,
    ),
    "shards drawn once per iteration, think time in phases on few CPUs": (
        workload(
            2.0,
            (lock(shards=3, shard_by="hash", shard_skew=0.7, handoff=ConstantHandOff(time=0.3)),),
            [("a", 1, 1.0), ("a", 0.5, 2.0)],
            Machine(name="m", cpus=6, cores=3, smt_speedup=1.2),
            think_distribution=Hyperexponential(scv=3.0),
        ),
        4,
    ),
    "six in line": (one(2.0, 0.6, handoff=LinearHandOff(time=0.1, per_waiter=0.1)), 6),
    "write, then read": (
        workload(
            3.0,
            (
                lock(
                    kind="rwsem",
                    handoff=ConstantHandOff(time=0.2),
                    wake_time=0.5,
                    handoff_timeout=1e9,
                ),
            ),
            [("a", 1, 0.7), ("a", 0.8, 1.0, "read")],
        ),
        6,
    ),
    "read only, more processes than CPUs": (
        workload(
            3.0,
            (lock(kind="rwsem"),),
            [("a", 1, 0.7, "read")],
            Machine(name="m", cpus=4, cores=4),
        ),
        6,
    ),
    "writers that sleep": (
        one(
            2.0,
            0.8,
            Machine(name="m", cpus=3, cores=3),
            kind="rwsem",
            wake_time=0.5,
            handoff=ConstantHandOff(time=0.2),
            handoff_timeout=1e9,
        ),
        6,
    ),
}


@pytest.mark.parametrize("name", SIMULATED)
def test_chains_are_inside_the_simulators_interval(name):
    scenario, n = SIMULATED[name]
    found = point(scenario, n)
    run = simulate(scenario, n, 0.002, seed=5)
    low, high = run.throughput_per_s.interval(0.99)
    assert low < found.throughput_per_s < high
    other = simulated_point(scenario, run)
    for key, state in found.locks.items():
        low, high = run.locks[key].wait_s.interval(0.99)
        assert low <= state.wait_s <= high
        assert state.utilisation == pytest.approx(other.locks[key].utilisation, abs=0.005)
        assert state.queue == pytest.approx(other.locks[key].queue, rel=0.02)


@pytest.mark.parametrize(("think", "handoff", "n"), [(10.0, 0.0, 2), (4.0, 0.3, 2), (20.0, 0.3, 3)])
def test_constant_times_that_end_together_come_with_their_error(think, handoff, n):
    more = {"hold_distribution": Constant(), "handoff": ConstantHandOff(time=handoff)}
    sites = [("a", 1, 0.5), ("b", 2, 0.3), ("a", 1, 0.9), ("b", 1, 0.2)]
    scenario = workload(think, (lock(**more), lock("b", **more)), sites)
    found = solve(scenario, [n], "markov")
    assert not found.exact
    assert any("may end together" in text for text in found.warnings)
    assert 1e-7 < found.error_estimate < 0.005
    x = found.points[0].throughput_per_s
    low, high = simulate(scenario, n, 0.0005, seed=2).throughput_per_s.interval(0.99)
    slack = found.error_estimate * x
    assert low - slack < x < high + slack


def test_times_that_end_together_too_often_are_refused():
    scenario = changed(one(1.0, hold_distribution=Constant()), think_distribution=Constant())
    with pytest.raises(NotTrustworthyError, match=r"end together.*use --method simulation"):
        point(scenario, 2)


def test_only_waiters_that_spin_spend_cycles():
    scenario, n = SIMULATED["writers that sleep"]
    state = point(scenario, n).locks["a"]
    assert 0.0 < state.cycles_share < state.wait_share
    scenario, n = SIMULATED["write, then read"]
    state = point(scenario, n).locks["a"]
    assert 0.0 < state.cycles_share < state.wait_share
    scenario, n = SIMULATED["read only, more processes than CPUs"]
    assert point(scenario, n).locks["a"].cycles_share == 0.0


# What is refused ----------------------------------------------------------------------------------

FOUR = Machine(name="m", cpus=4, cores=4)
NODES = Machine(name="m", cpus=8, cores=8, nodes=2)
RW = [("a", 1, 0.7), ("a", 1, 1.0, "read")]


def readers(
    sites: list[tuple[str, float, float] | tuple[str, float, float, str]] = RW,
    machine: Machine = EIGHT,
    think: float = 3.0,
    **more: object,
) -> Scenario:
    return workload(think, (lock(kind="rwsem", **more),), sites, machine)


def sleepers(sites: list[tuple[str, float, float]] | None = None, **more: object) -> Scenario:
    return workload(3.0, (lock(kind="rwsem", **more),), sites or [("a", 1, 1.0)], FOUR)


GROWING = Site(
    lock="a", phase="p", name="s", acquires=1, held_instructions=1.0, growth_per_doubling=0.1
)

REFUSED = {
    "barging": (one(kind="barging"), 2, "lock 'a': kind = 'barging'"),
    "numa": (one(kind="numa"), 2, "lock 'a': kind = 'numa'"),
    "walkers": (
        one(walkers=Walkers(walks_per_s=0.01, read=0.1)),
        2,
        "lock 'a': walkers that take every shard",
    ),
    "shards by CPU": (
        one(shards=8),
        2,
        "lock 'a': a process keeps one of the 8 shards (by cpu)",
    ),
    "shards by node": (
        one(3.0, 1.0, NODES, shards=2, shard_by="node"),
        6,
        "lock 'a': a process keeps one of the 2 shards (by node)",
    ),
    "a lock between shards": (
        workload(
            3.0,
            (lock(shards=2, shard_by="hash"), lock("b")),
            [("a", 1, 1.0), ("b", 1, 1.0), ("a", 1, 1.0)],
        ),
        2,
        "lock 'a': an iteration stays with the shard it has drawn",
    ),
    "growth and skew": (
        changed(one(shards=2, shard_by="hash", shard_skew=1.0), sites=(GROWING,)),
        2,
        "lock 'a': holds grow with the mappings and shard_skew",
    ),
    "lognormal holds": (
        one(hold_distribution=Lognormal(scv=1.5)),
        2,
        "lock 'a': hold_distribution: lognormal times",
    ),
    "pareto hand-offs": (
        one(handoff_distribution=Pareto(shape=3.0), handoff=ConstantHandOff(time=0.1)),
        2,
        "lock 'a': handoff_distribution: pareto times",
    ),
    "empirical think time": (
        changed(
            one(), think_distribution=Empirical(edges=(0.0, 1.0, 2.0), probabilities=(0.5, 0.5))
        ),
        2,
        "think time: empirical times",
    ),
    "a hold of 0": (
        workload(3.0, (lock(handoff=ConstantHandOff(time=1.0)),), [("a", 1, 0.0)]),
        2,
        "lock 'a': a hold at p.s0 takes no time at all",
    ),
    "an iteration without time": (
        workload(0.0, (lock(),), [("a", 0.5, 1.0)]),
        2,
        "the think time is 0",
    ),
    "readers without think time": (readers(think=0.0), 2, "the think time is 0"),
    "readers beside a lock": (
        workload(3.0, (lock(kind="rwsem"), lock("b")), [*RW, ("b", 1, 1.0)]),
        2,
        "lock 'a': readers, are solved for one lock alone, here are also b",
    ),
    "read, then write": (
        readers(RW[::-1]),
        2,
        "lock 'a': readers are solved for at most one write and then one read per iteration, not "
        "for 1 read, 1 write",
    ),
    "two reads": (readers([("a", 2, 1.0, "read")]), 2, "not for 2 read"),
    "readers of constant time": (
        readers(hold_distribution=Constant()),
        2,
        "lock 'a': readers, are solved with exponential times, hold_distribution is constant",
    ),
    "readers that think in phases": (
        changed(readers(), think_distribution=Erlang(stages=2)),
        2,
        "think_distribution is erlang",
    ),
    "readers that wake in constant time": (
        readers(handoff_distribution=Constant(), wake_time=0.1),
        2,
        "handoff_distribution is constant",
    ),
    "readers of shards": (readers(shards=2, shard_by="hash"), 2, "solved for one shard"),
    "readers, growing hand-off": (
        readers(handoff=LinearHandOff(time=0.1, per_waiter=0.1)),
        3,
        "lock 'a': readers, are solved with a hand-off that does not grow",
    ),
    "readers, more processes than CPUs": (
        readers(RW, FOUR),
        5,
        "lock 'a': readers beside writers that sleep, with more processes than CPUs",
    ),
    "sleepers of two acquires": (
        sleepers([("a", 2, 1.0)]),
        5,
        "lock 'a': writers that sleep, with more processes than CPUs, are solved for one site with "
        "one acquire",
    ),
    "sleepers beside a lock": (
        workload(3.0, (lock("b"), lock(kind="rwsem")), [("a", 1, 1.0), ("b", 1, 1.0)], FOUR),
        5,
        "are solved for one lock alone, here are also b",
    ),
    "sleepers of constant time": (
        sleepers(hold_distribution=Constant()),
        5,
        "hold_distribution is constant",
    ),
    "sleepers, growing hand-off": (
        sleepers(handoff=LinearHandOff(time=0.1, per_waiter=0.1)),
        5,
        "a hand-off that does not grow",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_chain_represents_is_refused_with_a_remedy(name):
    scenario, n, text = REFUSED[name]
    why = refusal(scenario, n)
    assert text in why
    assert why.endswith("; use --method simulation")
    with pytest.raises(NotTrustworthyError) as caught:
        points(scenario, [n], "markov")
    assert str(caught.value) == f"Markov chain: {why}"


@pytest.mark.parametrize(
    ("scenario", "n"),
    [
        (one(shards=8), 1),
        (one(3.0, 1.0, NODES, shards=2, shard_by="node"), 4),
        (one(handoff_distribution=Lognormal(scv=1.0)), 8),  # never drawn: no hand-off
        (readers(handoff=LinearHandOff(time=0.1, per_waiter=0.1)), 2),  # one waiter at most
        (readers([("a", 1, 1.0, "read")], FOUR), 9),
        (sleepers([("a", 2, 1.0)]), 4),
        (one(3.0, 1.0, FOUR, kind="ticket"), 9),
    ],
)
def test_what_looks_alike_but_is_represented(scenario, n):
    assert refusal(scenario, n) is None
    assert point(scenario, n).throughput_per_s > 0


def test_sleepers_that_reach_the_hand_off_time_out_are_refused():
    with pytest.raises(NotTrustworthyError, match=r"lock 'a': writers wait .* handoff_timeout = 5"):
        point(sleepers(handoff_timeout=5.0), 9)


def test_bad_populations():
    for n in (0, -1, 2.5, float("nan"), True):
        with pytest.raises(ArgumentError, match="population = "):
            point(one(), n)


# What is approximated -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Gap:
    """A scenario that a chain solves approximately, and what it says."""

    scenario: Scenario
    n: int
    text: str
    estimated: bool = True


GAPS = {
    "lines far away": Gap(one(remote=2.0), 2, "means over local and remote.*: a$"),
    "topology": Gap(
        one(3.0, 1.0, NODES, handoff=TopologyHandOff(local=0.1, remote=0.3)),
        6,
        "means over local and remote.*: a$",
    ),
    "think time far away": Gap(changed(one(), think_remote=1.0), 3, "local and remote.*think time"),
    "more processes than CPUs": Gap(one(3.0, 1.0, FOUR), 5, "5 processes exceed the 4 CPUs", False),
    "exponential time-out": Gap(
        readers(handoff_timeout=4.0), 6, r"a: handoff_timeout = 4 s is the mean of an exponential"
    ),
    "no hand-off bit": Gap(
        sleepers(handoff_timeout=1e9), 5, "a: handoff_timeout = 1e.09 s is left out", False
    ),
}


@pytest.mark.parametrize("name", GAPS)
def test_what_is_approximated_is_said(name):
    gap = GAPS[name]
    found = solve(gap.scenario, [gap.n], "markov")
    assert not found.exact
    assert any(re.search(gap.text, said) for said in found.warnings)
    assert (found.error_estimate is not None) == gap.estimated


def test_nothing_is_approximated_alone_or_by_time_outs_of_0():
    assert approximations(changed(one(remote=2.0), think_remote=1.0), 1) == ()
    assert approximations(readers(handoff_timeout=0.0), 8) == ()
    assert approximations(readers([("a", 1, 1.0, "read")]), 8) == ()
    assert solve(readers(handoff_timeout=0.0), [4], "markov").exact


def test_an_exponential_time_out_is_bracketed():
    error = point(readers(handoff_timeout=4.0), 6).error_estimate
    never = point(readers(handoff_timeout=1e12), 6)
    assert 0.001 < error < 0.2
    assert never.error_estimate > 0.0  # told from 0, where the bit is always set
    run = simulate(readers(handoff_timeout=4.0), 6, 0.002, seed=9).throughput_per_s.value
    found = point(readers(handoff_timeout=4.0), 6).throughput_per_s
    assert abs(run / found - 1.0) < error


def test_the_error_of_mean_distances_covers_the_simulators_answer():
    scenario = workload(3.0, (lock(remote=2.0),), [("a", 3, 0.4)], NODES)
    found = point(scenario, 3)
    (product,) = points(scenario, [3], "product-form")
    light = distance_error(scenario, build(scenario, 3), product.throughput_per_s)
    assert found.error_estimate >= light > 0.0
    run = simulate(scenario, 3, 0.002, seed=4).throughput_per_s.value
    assert 0.005 < abs(run / found.throughput_per_s - 1.0) < found.error_estimate


def test_assumptions_follow_the_scenario():
    assert any(text.startswith("readers share") for text in assumptions(readers()))
    assert any("first come" in text for text in assumptions(one()))
    assert not any("Erlang" in text for text in assumptions(one()))
    assert any("Erlang" in text for text in assumptions(one(hold_distribution=Constant())))


# The scenario it is for ---------------------------------------------------------------------------


def test_execl_of_two_processes():
    scenario = find_scenario("execl-xeon8369b")
    (found,) = points(scenario, [2], "markov")
    (product,) = points(scenario, [2], "product-form")
    assert found.throughput_per_s == pytest.approx(product.throughput_per_s, rel=0.01)
    assert found.error_estimate < 0.1
    run = simulate(scenario, 2, 0.002, seed=1).throughput_per_s.value
    assert abs(run / found.throughput_per_s - 1.0) < found.error_estimate


def test_execl_of_64_processes_is_too_large_and_that_is_said_at_once():
    scenario = find_scenario("execl-xeon8369b")
    begun = time.perf_counter()
    with pytest.raises(NotTrustworthyError, match=r"N = 64': too large; at least 10\^73.4 states"):
        points(scenario, [64], "markov")
    assert time.perf_counter() - begun < 5.0
