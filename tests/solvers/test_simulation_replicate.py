"""Replications: one seed, one answer; precision that is reached or said not to be; arguments."""

from __future__ import annotations

import math
import time
from functools import cache

import msgspec
import numpy as np
import pytest

from lockmodel.errors import ArgumentError, NotTrustworthyError
from lockmodel.model.distribution import Constant, Pareto
from lockmodel.model.handoff import ConstantHandOff, TopologyHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Scenario, Site, Walkers
from lockmodel.solvers.simulation import replicate as replication
from lockmodel.solvers.simulation.engine import run
from lockmodel.solvers.simulation.output import REPLICATIONS
from lockmodel.solvers.simulation.replicate import FINEST, MAX_SEED, Sample, replicate
from lockmodel.solvers.simulation.simulate import (
    PREEMPTION,
    SCHEMA,
    Simulated,
    assumptions,
    point,
    simulate,
)
from lockmodel.solvers.simulation.world import MAX_SIMULATED, make
from lockmodel.solvers.solve import points


def everything() -> Scenario:
    """Return a scenario in which all kinds of lock draw random numbers."""
    held = {"time_per_instruction_local": 1.0, "time_per_instruction_remote": 2.0}
    handoff = TopologyHandOff(local=0.1, remote=0.4)
    locks = (
        Lock(name="a", **held, handoff=handoff, shards=3, shard_by="hash", shard_skew=0.7),
        Lock(name="b", **held, kind="barging", handoff=ConstantHandOff(time=0.3)),
        Lock(name="c", **held, kind="rwsem", wake_time=0.2, hold_distribution=Pareto(shape=4.0)),
        Lock(name="d", **held, kind="numa", walkers=Walkers(walks_per_s=0.02, read=1.0)),
    )
    sites = [
        Site(lock=name, phase="p", name=f"s{i}", acquires=m, held_instructions=0.2, mode=mode)
        for i, (name, m, mode) in enumerate(
            [
                ("a", 1.5, "write"),
                ("b", 2, "write"),
                ("c", 1, "read"),
                ("c", 1, "write"),
                ("d", 1, "write"),
            ]
        )
    ]
    return Scenario(
        name="t",
        title="t",
        iteration="i",
        machine=Machine(name="m", cpus=8, cores=4, nodes=2, smt_speedup=1.2),
        think=3.0,
        locks=locks,
        sites=tuple(sites),
    )


def simple(think: float = 2.0, **more: object) -> Scenario:
    lock = Lock(name="a", time_per_instruction_local=1.0, time_per_instruction_remote=1.0, **more)
    return Scenario(
        name="t",
        title="t",
        iteration="i",
        machine=Machine(name="m", cpus=8, cores=8),
        think=think,
        locks=(lock,),
        sites=(Site(lock="a", phase="p", name="s", acquires=1, held_instructions=1),),
    )


@cache
def answered(seed: int = 1, workers: int | None = None) -> Simulated:
    return simulate(everything(), 10, 0.01, seed, workers)


@pytest.mark.parametrize("workers", [2, 5, 16, 1024, None])
def test_workers_do_not_change_a_bit_of_the_answer(workers):
    assert answered(1, workers) == answered(1, 1)


def test_the_same_seed_gives_the_same_answer_and_another_one_another():
    again = simulate(everything(), 10, 0.01, 1, 2)
    assert again == answered(1, 2)
    values = {answered(seed).throughput_per_s.value for seed in (1, 2, 3, 0, MAX_SEED)}
    assert len(values) == 5
    assert max(values) < 1.05 * min(values)


def test_replications_differ():
    sample = replicate(simple(), 4, 0.02)
    assert len({float(t) for t in sample.elapsed()}) == REPLICATIONS
    assert len({float(w.tallies["waited"][0]) for w in sample.worlds}) == REPLICATIONS


def test_one_replication_does_not_depend_on_the_others():
    sample = replicate(simple(), 4, 0.02, seed=9, workers=2)
    alone = make(simple(), 4, 9, 5)
    run(alone, sample.pilot, 2**60)
    run(alone, int(sample.iterations()[5]), 2**60)
    assert float(alone.clock[0]["now"]) == float(sample.worlds[5].clock[0]["now"])


@pytest.mark.parametrize("precision", [0.02, 0.005, 0.001])
def test_precision_is_reached_and_hardly_overshot(precision):
    simulated = simulate(simple(), 4, precision)
    assert simulated.reached is True
    assert simulated.throughput_per_s.relative <= precision
    assert simulated.precision == precision
    assert simulated.warnings == ()
    if precision < 0.01:  # not one of the shortest runs
        assert simulated.throughput_per_s.relative > precision / 2


def test_work_grows_with_the_square_of_the_precision():
    coarse, fine = (
        sum(simulate(simple(), 4, p, seed).iterations for seed in range(5)) for p in (0.008, 0.002)
    )
    assert 8 < fine / coarse < 32  # 16 but for the luck of intervals


def test_the_answer_does_not_depend_on_the_unit_of_time():
    scenario = simple()
    tiny = msgspec.structs.replace(
        scenario,
        think=2e-9,
        locks=(Lock(name="a", time_per_instruction_local=1e-9, time_per_instruction_remote=1e-9),),
    )
    large, small = simulate(scenario, 4, 0.01), simulate(tiny, 4, 0.01)
    assert small.iterations == large.iterations
    rate = small.throughput_per_s.value * 1e-9
    assert rate == pytest.approx(large.throughput_per_s.value, rel=1e-9)


def test_times_without_variation():
    # think 2, hold 1, three processes that never meet: 3 iterations per 3 s, without spread
    scenario = simple(hold_distribution=Constant())
    scenario = msgspec.structs.replace(scenario, think_distribution=Constant())
    simulated = simulate(scenario, 3, FINEST)
    assert simulated.throughput_per_s.value == pytest.approx(1.0, rel=1e-4)
    assert simulated.fairness == pytest.approx(1.0, abs=1e-6)
    assert simulated.locks["a"].utilisation == pytest.approx(1.0, abs=1e-3)
    # with four, one always waits for a whole hold
    crowded = simulate(scenario, 4, FINEST)
    assert crowded.throughput_per_s.value == pytest.approx(1.0, rel=1e-4)
    assert crowded.locks["a"].wait_s.value == pytest.approx(1.0, rel=1e-3)


def test_warm_up_is_thrown_away():
    # all begin to think at once; the first iterations of a long think time come late
    scenario = simple(think=200.0)
    sample = replicate(scenario, 8, 0.01)
    assert sample.pilot >= 64 * 32
    assert 0 <= sample.warm_up <= sample.pilot / 2
    assert np.all(sample.since > 0)
    (exact,) = points(scenario, [8])
    rate = sample.throughput()
    assert rate.value == pytest.approx(exact.throughput_per_s, abs=2 * rate.half_width)


# Stopping -----------------------------------------------------------------------------------------


class After:
    """Says stop from the given call on."""

    def __init__(self, calls: int) -> None:
        self.calls, self.asked = calls, 0

    def __call__(self) -> bool:
        self.asked += 1
        return self.asked > self.calls


def test_stopped_early_the_result_says_so():
    begin = time.monotonic()
    simulated = simulate(simple(), 4, FINEST, stop=lambda: time.monotonic() > begin + 1.0)
    took = time.monotonic() - begin
    assert 0.9 < took < 4.0
    assert simulated.reached is False
    assert FINEST < simulated.throughput_per_s.relative < 0.01
    assert simulated.iterations > 100_000
    (warning,) = simulated.warnings
    assert warning.startswith("stopped at a precision of ")
    assert "1e-05 was asked" in warning
    (exact,) = points(simple(), [4])
    x = simulated.throughput_per_s
    assert x.value == pytest.approx(exact.throughput_per_s, abs=2 * x.half_width)


def test_stopped_while_it_warms_up_there_is_no_result():
    with pytest.raises(
        NotTrustworthyError, match=r"stopped while it warmed up at n = 4; .*more ti"
    ):
        simulate(simple(), 4, stop=lambda: True)
    # also when the pilot takes many looks: 64 iterations for each of 20,000 processes
    stop = After(3)
    begin = time.monotonic()
    with pytest.raises(NotTrustworthyError, match="warmed up at n = 20000"):
        simulate(simple(), 20_000, stop=stop)
    assert time.monotonic() - begin < 5.0
    assert 3 <= stop.asked < 100


def test_stop_is_heeded_while_walkers_keep_the_machine_busy():
    # 30,000 walks in every iteration: looks must be counted in events, not in iterations
    walkers = Walkers(walks_per_s=10_000.0, read=0.0)
    idle = Lock(
        name="b", time_per_instruction_local=1.0, time_per_instruction_remote=1.0, walkers=walkers
    )
    scenario = msgspec.structs.replace(simple(), locks=(*simple().locks, idle))
    begin = time.monotonic()
    with pytest.raises(NotTrustworthyError, match="stopped while it warmed up"):
        simulate(scenario, 1, stop=lambda: time.monotonic() > begin + 0.5)
    assert time.monotonic() - begin < 3.0


@pytest.mark.parametrize(
    ("think_us", "held_us", "n"),
    [(40, 11.7, 1), (26.19, 2.012, 2), (1.53, 1.668, 4), (48.28, 28.289, 7)],
)
def test_constant_times_have_a_steady_state(think_us, held_us, n):
    """Used to be refused for what rounding does; no process waits longer than its turn takes."""
    lock = Lock("a", 1e-9, 1e-9, hold_distribution=Constant())
    scenario = Scenario(
        name="t",
        title="t",
        iteration="i",
        machine=Machine(name="m", cpus=8, cores=8),
        think=think_us * 1e-6,
        think_distribution=Constant(),
        locks=(lock,),
        sites=(Site(lock="a", phase="p", name="s", acquires=1, held_instructions=1e3 * held_us),),
    )
    rate = simulate(scenario, n).throughput_per_s
    exact = min(n / (think_us + held_us), 1 / held_us) * 1e6
    assert rate.value == pytest.approx(exact, rel=1e-4)


def test_what_never_becomes_steady_is_refused(monkeypatch):
    monkeypatch.setattr(replication, "warm_up", lambda series: series.size)
    # 64 batches of 32 iterations, doubled five times
    words = r"not steady after 65536 iterations in each of 16 replications at n = 4; .*mislead"
    with pytest.raises(NotTrustworthyError, match=words):
        replicate(simple(), 4)


def test_an_interrupt_ends_the_threads():
    class Interrupted(Exception):
        pass

    def stop() -> bool:
        raise Interrupted

    begin = time.monotonic()
    with pytest.raises(Interrupted):
        simulate(simple(), 4, FINEST, stop=stop)
    assert time.monotonic() - begin < 5.0


def test_a_stop_at_the_end_of_a_round_that_was_precise_enough_counts_as_reached():
    calls = After(10**9)
    simulate(simple(), 4, 0.02, stop=calls)
    simulated = simulate(simple(), 4, 0.02, stop=After(calls.asked - 1))
    assert simulated.reached == (simulated.throughput_per_s.relative <= 0.02)
    assert (simulated.warnings == ()) == simulated.reached


# Arguments ----------------------------------------------------------------------------------------

BAD = [
    ({"population": 0}, "population = 0 must be a whole number from 1 to"),
    ({"population": -3}, "population = -3 must be"),
    ({"population": 2.5}, "population = 2.5 must be"),
    ({"population": 2.0}, "population = 2.0 must be"),
    ({"population": math.nan}, "population = nan must be"),
    ({"population": True}, "population = True must be"),
    ({"population": "4"}, "population = '4' must be"),
    ({"precision": math.nan}, "precision = nan must lie between 1e-05 and 0.5: it is the half-wid"),
    ({"precision": 0.0}, "precision = 0.0 must lie"),
    ({"precision": -0.01}, "precision = -0.01 must lie"),
    ({"precision": 0.51}, "precision = 0.51 must lie"),
    ({"precision": 9e-6}, "precision = 9e-06 must lie"),
    ({"precision": True}, "precision = True must lie"),
    ({"precision": "0.01"}, "precision = '0.01' must lie"),
    ({"seed": -1}, r"seed = -1 must be a whole number from 0 to 2\*\*64 - 1"),
    ({"seed": 1.5}, "seed = 1.5 must be"),
    ({"seed": True}, "seed = True must be"),
    ({"seed": 2**64}, "seed = 18446744073709551616 must be"),
    ({"seed": None}, "seed = None must be"),
    ({"workers": 0}, "workers = 0 must be a whole number from 1 to 1024"),
    ({"workers": -2}, "workers = -2 must be"),
    ({"workers": 1.0}, "workers = 1.0 must be"),
    ({"workers": True}, "workers = True must be"),
    ({"workers": 1025}, "workers = 1025 must be"),
]


@pytest.mark.parametrize(("argument", "words"), BAD, ids=[str(a) for a, _ in BAD])
def test_a_bad_argument_is_named_with_value_and_rule(argument, words):
    with pytest.raises(ArgumentError, match=words):
        simulate(simple(), **{"population": 4, "precision": 0.1, **argument})


def test_what_has_no_throughput_is_refused():
    free = simple(think=0.0)
    free = msgspec.structs.replace(
        free,
        locks=(Lock(name="a", time_per_instruction_local=0.0, time_per_instruction_remote=0.0),),
    )
    with pytest.raises(NotTrustworthyError, match="takes no time"):
        simulate(free, 2)


def test_more_processes_than_are_simulated_are_refused():
    scenario = msgspec.structs.replace(
        simple(), locks=(*simple().locks, msgspec.structs.replace(simple().locks[0], name="b"))
    )
    n = MAX_SIMULATED // 2 + 1
    with pytest.raises(
        NotTrustworthyError, match=f"{n} processes at 2 locks exceed .*--method pro"
    ):
        simulate(scenario, n)


# What is reported -------------------------------------------------------------------------------


def test_the_result_names_what_it_is():
    result = answered()
    assert (result.scenario, result.n, result.seed, result.replications) == ("t", 10, 1, 16)
    assert result.confidence == 0.95
    assert result.warnings == (PREEMPTION.format(n=10, cpus=8),)
    assert result.iterations % REPLICATIONS == 0
    assert list(result.locks) == ["a", "b", "c", "d"]
    spoken = assumptions(everything())
    assert result.assumptions == spoken
    for start in ("fifo (a): first", "barging (b): ", "rwsem (c): readers", "numa (d): first"):
        assert [s.startswith(start) for s in spoken].count(True) == 1
    assert result.locks["d"].walk_s > 1.0
    assert [result.locks[name].walk_s for name in "abc"] == [None] * 3


def test_json_is_the_result():
    result = answered()
    data = result.to_json()
    assert data["schema"] == SCHEMA == "lockmodel.simulation/1"
    assert data["throughput_per_s"] == {
        "value": result.throughput_per_s.value,
        "half_width": result.throughput_per_s.half_width,
    }
    assert list(data["locks"]["a"]["wait_quantiles_s"]) == ["50", "90", "99", "99.9"]


def test_a_point_of_a_prediction():
    simulated = answered()
    made = point(everything(), simulated)
    x = simulated.throughput_per_s
    assert (made.n, made.throughput_per_s) == (10, x.value)
    assert made.iteration_s == pytest.approx(10 / x.value, rel=1e-15)
    assert (made.lower_per_s, made.upper_per_s) == (x.value - x.half_width, x.value + x.half_width)
    slept = {name: lock.slept_s for name, lock in simulated.locks.items()}
    assert [slept[name] for name in "abd"] == [0.0] * 3
    assert 0.0 < slept["c"] <= simulated.locks["c"].wait_s.value
    asleep = x.value * slept["c"]  # processes; the others keep the 8 CPUs busy
    assert 0.1 < asleep < 2.0
    for name, state in made.locks.items():
        lock = simulated.locks[name]
        assert state.wait_s == lock.wait_s.value
        assert state.wait_share == pytest.approx(lock.wait_s.value * x.value / 10, rel=1e-12)
        spun = (lock.wait_s.value - slept[name]) * x.value
        assert state.cycles_share == pytest.approx(spun / min(8, 10 - asleep), rel=1e-12)
        assert (state.utilisation, state.queue) == (lock.utilisation, lock.queue)


def test_totals_of_a_sample():
    sample = replicate(simple(), 4, 0.02)
    assert isinstance(sample, Sample)
    total = sum(int(w.tallies["acquires"][0]) for w in sample.worlds)
    # every iteration takes the lock once; at most four are on their way at either end
    assert total == pytest.approx(sample.iterations().sum(), abs=4 * REPLICATIONS)
    x = sample.throughput().value
    assert x == pytest.approx(sample.iterations().sum() / sample.elapsed().sum(), rel=1e-12)
