"""Scenarios as Markov chains: what is refused, what is approximated, and that it is said."""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec
import pytest
from msgspec.structs import replace
from one_lock import ONE_LOCK
from simulated import EIGHT, lock, one, workload

from lockmodel.answers.predict import predict
from lockmodel.errors import ArgumentError, NotTrustworthyError
from lockmodel.model.distribution import (
    Constant,
    Empirical,
    Erlang,
    Exponential,
    Lognormal,
    Pareto,
)
from lockmodel.model.handoff import ConstantHandOff, LinearHandOff, TopologyHandOff
from lockmodel.model.machine import LineTimes, Machine
from lockmodel.model.network import build
from lockmodel.model.scenario import Lock, Scenario, Site, Walkers
from lockmodel.solvers.error_map import distance_error
from lockmodel.solvers.markov.points import approximations, assumptions, point, refusal
from lockmodel.solvers.simulation.simulate import simulate
from lockmodel.solvers.solve import points


def changed(scenario: Scenario, **more: object) -> Scenario:
    return msgspec.structs.replace(scenario, **more)


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
    prediction = predict(gap.scenario, [gap.n], "markov")
    assert not prediction.exact
    assert any(re.search(gap.text, said) for said in prediction.warnings)
    assert (prediction.error_estimate is not None) == gap.estimated


def test_nothing_is_approximated_alone_or_by_time_outs_of_0():
    assert approximations(changed(one(remote=2.0), think_remote=1.0), 1) == ()
    assert approximations(readers(handoff_timeout=0.0, spin_limit=0.0), 8) == ()
    drawn = readers(handoff_timeout=2.0, spin_limit=1.0, timeout_distribution=Exponential())
    assert approximations(drawn, 8) == ()
    assert approximations(readers([("a", 1, 1.0, "read")]), 8) == ()
    assert predict(readers(handoff_timeout=0.0, spin_limit=0.0), [4], "markov").exact


def test_an_exponential_time_out_is_bracketed():
    error = point(readers(handoff_timeout=4.0), 6).error_estimate
    never = point(readers(handoff_timeout=1e12), 6)
    assert 0.001 < error < 0.2
    assert never.error_estimate > 0.0  # told from 0, where the bit is always set
    run = simulate(readers(handoff_timeout=4.0), 6, 0.002, seed=9).throughput_per_s.value
    chain = point(readers(handoff_timeout=4.0), 6).throughput_per_s
    assert abs(run / chain - 1.0) < error


def test_the_error_of_mean_distances_covers_the_simulators_answer():
    scenario = workload(3.0, (lock(remote=2.0),), [("a", 3, 0.4)], NODES)
    answer = point(scenario, 3)
    (product,) = points(scenario, [3], "product-form")
    light = distance_error(scenario, build(scenario, 3), product.throughput_per_s)
    assert answer.error_estimate >= light > 0.0
    run = simulate(scenario, 3, 0.002, seed=4).throughput_per_s.value
    assert 0.005 < abs(run / answer.throughput_per_s - 1.0) < answer.error_estimate


def test_assumptions_follow_the_scenario():
    assert any(text.startswith("readers share") for text in assumptions(readers()))
    assert any("first come" in text for text in assumptions(one()))
    assert not any("Erlang" in text for text in assumptions(one()))
    assert any("Erlang" in text for text in assumptions(one(hold_distribution=Constant())))


def test_a_lock_that_waits_for_lines_of_others_alone_is_none_for_one_process() -> None:
    """1 us of think time and 2 us under the first lock: 1 / 3 us; the second one takes nothing."""
    machine = replace(ONE_LOCK.machine, line=LineTimes(socket=50e-9))
    lines = Lock(name="lines", time_per_instruction_local=0.0, time_per_instruction_remote=0.0)
    moved = Site(lock="lines", phase="p", name="l", acquires=1, held_instructions=0)
    scenario = replace(
        ONE_LOCK,
        think=1e-6,
        machine=machine,
        locks=(replace(ONE_LOCK.locks[0], acquire_time=0.0), lines),
        sites=(*ONE_LOCK.sites, replace(moved, lines_per_doubling=3.0)),
    )
    assert refusal(scenario, 1) is None
    alone = point(scenario, 1)
    assert alone.throughput_per_s == pytest.approx(1 / 3e-6, rel=1e-9)
    assert alone.locks["lines"].utilisation == 0.0
    together = point(scenario, 2)  # then it takes 150 ns
    assert together.locks["lines"].utilisation == pytest.approx(
        together.throughput_per_s * 150e-9, rel=1e-6
    )
