"""Scenarios as Markov chains: against product form, the simulator, and the case it is for."""

from __future__ import annotations

import time

import msgspec
import pytest
from places import timed
from simulated import lock, one, workload

from lockmodel.answers.predict import predict
from lockmodel.errors import NotTrustworthyError
from lockmodel.model.distribution import (
    Constant,
    Coxian,
    Erlang,
    Hyperexponential,
)
from lockmodel.model.handoff import ConstantHandOff, LinearHandOff, SaturatingHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Scenario, Site
from lockmodel.solvers.markov.points import approximations, point
from lockmodel.solvers.simulation.simulate import point as simulated_point
from lockmodel.solvers.simulation.simulate import simulate
from lockmodel.solvers.solve import points

SMT = Machine(name="m", cpus=8, cores=4, smt_speedup=1.4)


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
    (answer,) = points(scenario, [n], "markov")
    assert answer.throughput_per_s == pytest.approx(want.throughput_per_s, rel=1e-9)
    assert (answer.n, answer.iteration_s) == (n, n / answer.throughput_per_s)
    assert answer.lower_per_s == answer.upper_per_s == answer.throughput_per_s
    assert (answer.binding, answer.ceiling_per_s) == (want.binding, want.ceiling_per_s)
    assert answer.locks.keys() == want.locks.keys()
    for key, state in want.locks.items():
        for field in ("utilisation", "wait_s", "wait_share", "queue"):
            value = getattr(state, field)
            assert getattr(answer.locks[key], field) == pytest.approx(value, rel=1e-8, abs=1e-9)
        if n <= scenario.machine.cpus:
            assert answer.locks[key].cycles_share == pytest.approx(state.cycles_share, abs=1e-9)
            assert answer.error_estimate == pytest.approx(0.0, abs=1e-9)
            assert approximations(scenario, n) == ()


@pytest.mark.parametrize(("n", "x"), [(8, 0.6450833576), (12, 0.8880681916)])
def test_case_e_as_a_scenario(n, x):
    locks = (lock(hold_distribution=Constant()), lock("b"), lock("c"))
    sites = [("a", 1, 1.0), ("b", 1, 0.5), ("c", 1, 0.25)]
    sixteen = Machine(name="m", cpus=16, cores=16)
    prediction = predict(workload(10.0, locks, sites, sixteen), [n], "markov")
    assert prediction.exact
    assert prediction.error_estimate < 1e-6
    assert prediction.points[0].throughput_per_s == pytest.approx(x, rel=1e-6)
    assert any("Erlang" in text for text in prediction.assumptions)


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
    answer = point(scenario, n)
    run = simulate(scenario, n, 0.002, seed=5)
    low, high = run.throughput_per_s.interval(0.99)
    assert low < answer.throughput_per_s < high
    other = simulated_point(scenario, run)
    for key, state in answer.locks.items():
        low, high = run.locks[key].wait_s.interval(0.99)
        assert low <= state.wait_s <= high
        assert state.utilisation == pytest.approx(other.locks[key].utilisation, abs=0.005)
        assert state.queue == pytest.approx(other.locks[key].queue, rel=0.02)


@pytest.mark.parametrize(("think", "handoff", "n"), [(10.0, 0.0, 2), (4.0, 0.3, 2), (20.0, 0.3, 3)])
def test_constant_times_that_end_together_come_with_their_error(think, handoff, n):
    more = {"hold_distribution": Constant(), "handoff": ConstantHandOff(time=handoff)}
    sites = [("a", 1, 0.5), ("b", 2, 0.3), ("a", 1, 0.9), ("b", 1, 0.2)]
    scenario = workload(think, (lock(**more), lock("b", **more)), sites)
    prediction = predict(scenario, [n], "markov")
    assert not prediction.exact
    assert any("may end together" in text for text in prediction.warnings)
    assert 1e-7 < prediction.error_estimate < 0.005
    x = prediction.points[0].throughput_per_s
    fine = max(0.0005, prediction.error_estimate / 4)
    low, high = simulate(scenario, n, fine, seed=2).throughput_per_s.interval(0.99)
    slack = prediction.error_estimate * x
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


# The scenario it is for ---------------------------------------------------------------------------


def test_execl_of_two_processes():
    scenario = timed("execl-xeon8369b")
    (answer,) = points(scenario, [2], "markov")
    (product,) = points(scenario, [2], "product-form")
    assert answer.throughput_per_s == pytest.approx(product.throughput_per_s, rel=0.01)
    assert answer.error_estimate < 0.1
    run = simulate(scenario, 2, 0.002, seed=1).throughput_per_s.value
    assert abs(run / answer.throughput_per_s - 1.0) < answer.error_estimate


def test_execl_of_64_processes_is_too_large_and_that_is_said_at_once():
    scenario = timed("execl-xeon8369b")
    begun = time.perf_counter()
    with pytest.raises(NotTrustworthyError, match=r"N = 64': too large; at least 10\^73.4 states"):
        points(scenario, [64], "markov")
    assert time.perf_counter() - begun < 5.0
