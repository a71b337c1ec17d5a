"""Readers and writers, spinners and sleepers: every process by name, limits, and errors."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from lockmodel.errors import ArgumentError, NotTrustworthyError
from lockmodel.evaluate.verify.semaphores import Semaphores, Step, Way, always
from lockmodel.model.distribution import Exponential
from lockmodel.model.handoff import ConstantHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.network import Station
from lockmodel.model.scenario import Lock, Scenario, Site
from lockmodel.solvers.markov.queue_solution import solve_queues
from lockmodel.solvers.markov.queues import QueueLock, QueueNetwork, Stage
from lockmodel.solvers.markov.rwsem import RwIteration, RwSemaphore, solve_rwsem
from lockmodel.solvers.markov.sleepers import SleepingLock, solve_sleeping
from lockmodel.solvers.product_form import throughputs
from lockmodel.solvers.simulation.simulate import simulate

BASE = RwSemaphore(3.0, 1.0, 0.7, 0.5, handoff=0.2, wake=0.4, timeout=1.5, spin=0.6)
SMT = (1.0, 1.8, 2.4)


def by_name(lock: RwSemaphore, n: int) -> Semaphores:
    """Return the chain that follows every process of a semaphore."""
    write, read = Step(0, False, lock.write), Step(0, True, lock.read)
    if isinstance(lock.readers, RwIteration):
        w, r = lock.readers.write, lock.readers.read
        ways = ((w * r, (write, read)), (w * (1 - r), (write,)), ((1 - w) * r, (read,)))
        each = (*(Way(*way) for way in ways), Way((1 - w) * (1 - r), ()))
        programs = (each,) * n
    elif isinstance(lock.readers, int):
        programs = tuple(always(read if i < lock.readers else write) for i in range(n))
    else:
        programs = ((Way(lock.readers, (read,)), Way(1 - lock.readers, (write,))),) * n
    return Semaphores(
        lock.think,
        programs,
        handoff=lock.handoff,
        wake=lock.wake,
        timeout=lock.timeout,
        spin=lock.spin,
    )


LOCKS = [
    BASE,
    replace(BASE, handoff=0.0),
    replace(BASE, wake=0.0),
    replace(BASE, timeout=math.inf, readers=0.8),
    replace(BASE, timeout=0.0, readers=0.4),
    replace(BASE, spin=0.0, readers=0.4),
    replace(BASE, spin=math.inf, readers=0.6),
    replace(BASE, readers=2),
    replace(BASE, readers=3, wake=0.0, handoff=0.0),
    replace(BASE, readers=0.2, timeout=0.01),
    replace(BASE, readers=RwIteration(0.7, 0.6)),
    replace(BASE, readers=RwIteration(1.0, 0.3), wake=0.0, timeout=math.inf),
    replace(BASE, readers=RwIteration(0.4, 1.0), handoff=0.0, timeout=0.0),
    replace(BASE, readers=RwIteration(0.0, 0.5)),
    replace(BASE, readers=RwIteration(0.5, 0.0)),
]


@pytest.mark.parametrize("lock", LOCKS)
def test_lumping_loses_nothing(lock):
    want = by_name(lock, 3).means()
    solution = solve_rwsem(lock, 3)
    assert solution.throughput == pytest.approx(want["done"], rel=1e-10)
    assert solution.utilisation == pytest.approx(want["owned"], rel=1e-10)
    assert solution.asleep == pytest.approx(want["asleep"], rel=1e-9, abs=1e-14)
    waiting = solution.spinning + solution.asleep
    assert waiting == pytest.approx(want["waiting"], rel=1e-9, abs=1e-14)
    waits = (
        (solution.read_throughput, solution.read_wait),
        (solution.write_throughput, solution.write_wait),
    )
    little = sum(rate * wait for rate, wait in waits if rate > 0)
    assert waiting == pytest.approx(little, rel=1e-9, abs=1e-14)


def test_a_queue_by_hand():
    """One writer and one reader who meet: every rate from the documented machine by hand.

    No spinning on readers, no hand-off and no wake-up delay, holds of 1 and no time-out: each
    waits for the other, asleep or spinning, so the two are a FIFO lock of two processes:
    X = 2 p(0) + ... = the machine repairman's.
    """
    lock = RwSemaphore(1.0, 1.0, 1.0, 1, handoff=0.0, wake=0.0, spin=0.0)
    # states: both think 1/5, one inside 2/5, one inside and one waiting 2/5 (think = hold)
    assert solve_rwsem(lock, 2).throughput == pytest.approx(0.8, rel=1e-12)


def test_who_stops_spinning_pays_the_wake_up():
    lock = RwSemaphore(1.0, 1.0, 1.0, 1, handoff=0.0, wake=2.0, spin=0.0)
    slow, quick = solve_rwsem(lock, 2), solve_rwsem(replace(lock, spin=math.inf), 2)
    # spinning it takes over at once: the repairman's .8 but for the reader, who always sleeps
    assert slow.asleep > quick.asleep > 0.0
    assert slow.spinning == 0.0 < quick.spinning
    assert slow.throughput < quick.throughput < 0.8


def in_a_scenario(lock: RwSemaphore) -> Scenario:
    """Return the scenario that a program with a CPU for every process is the chain of."""
    semaphore = Lock(
        name="a",
        time_per_instruction_local=1.0,
        time_per_instruction_remote=1.0,
        kind="rwsem",
        handoff=ConstantHandOff(time=lock.handoff),
        wake_time=lock.wake,
        handoff_timeout=min(lock.timeout, 1e9),
        spin_limit=min(lock.spin, 1e9),
        timeout_distribution=Exponential(),
    )
    sites = [("write", lock.readers.write, lock.write), ("read", lock.readers.read, lock.read)]
    return Scenario(
        name="t",
        title="t",
        iteration="i",
        machine=Machine(name="m", cpus=8, cores=8),
        think=lock.think,
        locks=(semaphore,),
        sites=tuple(
            Site(lock="a", phase="p", name=mode, mode=mode, acquires=m, held_instructions=hold)
            for mode, m, hold in sites
        ),
    )


@pytest.mark.parametrize(
    "lock",
    [
        replace(BASE, readers=RwIteration(1.0, 1.0)),
        replace(BASE, readers=RwIteration(0.6, 0.8), timeout=math.inf, wake=1.5),
        replace(BASE, readers=RwIteration(1.0, 1.0), timeout=0.0),
        replace(BASE, readers=RwIteration(0.5, 1.0), spin=0.1, think=1.0),
        replace(BASE, readers=RwIteration(1.0, 0.7), spin=math.inf, wake=0.0, handoff=0.0),
    ],
)
def test_the_simulator_does_the_same(lock):
    want = solve_rwsem(lock, 6)
    simulated = simulate(in_a_scenario(lock), 6, 0.003, seed=3)
    low, high = simulated.throughput_per_s.interval(0.99)
    assert low < want.throughput < high
    low, high = simulated.locks["a"].wait_s.interval(0.99)
    reads = want.read_wait * want.read_throughput
    writes = want.write_wait * want.write_throughput
    assert low < (reads + writes) / want.throughput < high
    assert simulated.locks["a"].utilisation == pytest.approx(want.utilisation, abs=0.005)


def test_writers_alone_are_a_fifo_lock():
    lock = replace(BASE, readers=0.0, cpu=())
    network = QueueNetwork(3.0, (QueueLock("a", handoff=(0.2,)),), (Stage("a", 0.7),))
    want = solve_queues(network, 9)
    for readers in (0.0, 0):
        solution = solve_rwsem(replace(lock, readers=readers), 9)
        assert solution.throughput == pytest.approx(want.throughput, rel=1e-11)
        assert solution.write_wait == pytest.approx(want.locks["a"].wait, rel=1e-10)
        assert math.isnan(solution.read_wait)


def test_readers_alone_never_wait():
    for readers in (1.0, 14):
        solution = solve_rwsem(replace(BASE, readers=readers), 14)
        assert solution.throughput == pytest.approx(14 / 4.0, rel=1e-12)
        assert solution.read_wait == 0.0
        assert math.isnan(solution.write_wait)


def test_the_hand_off_bit_bounds_what_readers_wait():
    lock = replace(BASE, readers=1, think=0.5, spin=math.inf)
    waits = [solve_rwsem(replace(lock, timeout=t), 7).read_wait for t in (0.1, 2.0, 50.0)]
    assert waits == sorted(waits)
    assert waits[0] < 3 < 12 < waits[2]


def test_a_chain_beyond_elimination():
    solution = solve_rwsem(replace(BASE, readers=0.5, timeout=math.inf), 11)
    assert solution.states > 10_000
    assert solution.residual <= 1e-12
    assert solution.read_throughput == pytest.approx(solution.write_throughput, rel=1e-9)


@pytest.mark.parametrize("cpus", [1, 2, 3, 5])
@pytest.mark.parametrize(("handoff", "wake"), [(0.2, 0.5), (0.0, 0.5), (0.2, 0.0)])
def test_sleepers_by_name(cpus, handoff, wake):
    lock = SleepingLock(2.0, 0.7, cpus, handoff, wake)
    write = always(Step(0, False, 0.7))
    want = Semaphores(2.0, (write,) * 5, handoff=handoff, wake=wake, cpus=cpus).means()
    solution = solve_sleeping(lock, 5)
    assert solution.throughput == pytest.approx(want["done"], rel=1e-10)
    assert solution.utilisation == pytest.approx(want["owned"], rel=1e-10)
    assert solution.sleeping == pytest.approx(want["asleep"], rel=1e-10, abs=1e-13)
    assert solution.wait == pytest.approx(want["waiting"] / want["done"], rel=1e-9)
    idle = 1.0 - want["owned"] - solution.idle_while_waking
    assert 0.0 < idle <= 1.0 - want["owned"]


def test_as_many_cpus_as_processes_and_nobody_sleeps():
    lock = SleepingLock(3.0, 0.7, 12, handoff=0.2, wake=5.0)
    network = QueueNetwork(3.0, (QueueLock("a", handoff=(0.2,)),), (Stage("a", 0.7),))
    solution = solve_sleeping(lock, 12)
    assert solution.throughput == pytest.approx(solve_queues(network, 12).throughput, rel=1e-11)
    assert solution.sleeping == 0.0


def test_wake_ups_cost_throughput():
    # sleepers that wake at once are product form: a CPU and a single server
    atonce = solve_sleeping(SleepingLock(2.0, 0.5, 4, wake=0.0), 20)
    stations = (
        Station("cpu", 2.0 / np.minimum(np.arange(1.0, 21), 4)),
        Station("a", np.array([0.5])),
    )
    assert atonce.throughput == pytest.approx(throughputs(stations, 20)[-1], rel=1e-10)
    rates = [
        solve_sleeping(SleepingLock(2.0, 0.5, 4, wake=wake), 20).throughput
        for wake in (0.0, 0.5, 2.0)
    ]
    assert rates == sorted(rates, reverse=True)
    assert rates[2] < 0.9 * rates[0]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"think": 0.0}, r"think = 0\.0 must be a finite number > 0"),
        ({"read": math.nan}, "read = nan"),
        ({"write": -1.0}, r"write = -1\.0"),
        ({"timeout": -1.0}, r"timeout = -1\.0 must be >= 0"),
        ({"timeout": math.nan}, "timeout = nan"),
        ({"spin": -1.0}, r"spin = -1\.0 must be >= 0"),
        ({"readers": 1.5}, r"readers = 1\.5 is a probability"),
        ({"readers": -1}, "readers = -1"),
        ({"readers": math.nan}, "readers = nan"),
        ({"readers": True}, "readers = True"),
        ({"cpu": (1.0, math.inf)}, r"cpu\[1\] = inf"),
    ],
)
def test_bad_semaphores(changes, text):
    with pytest.raises(ArgumentError, match=text):
        replace(BASE, **changes)


def test_more_bad_input():
    for write, read in ((-0.1, 1.0), (0.5, 1.5), (math.nan, 1.0)):
        with pytest.raises(ArgumentError, match=r"program: (write|read) = .* a probability"):
            RwIteration(write, read)
    with pytest.raises(ArgumentError, match="both 0"):
        RwIteration(0.0, 0.0)
    with pytest.raises(ArgumentError, match="readers = 5 must be at most population = 4"):
        solve_rwsem(replace(BASE, readers=5), 4)
    with pytest.raises(ArgumentError, match=r"population = 2\.5 must be an integer"):
        solve_rwsem(BASE, 2.5)
    with pytest.raises(ArgumentError, match="population = 0 must be an integer"):
        solve_sleeping(SleepingLock(1.0, 1.0, 1), 0)
    with pytest.raises(NotTrustworthyError, match=r"rwsem N = 15': too large; .* 14 processes"):
        solve_rwsem(BASE, 15)
    with pytest.raises(NotTrustworthyError, match=r"rwsem N = 9'?: too large"):
        solve_rwsem(BASE, 9, memory=10 << 20)
    for cpus in (0, 2.0, True):
        with pytest.raises(ArgumentError, match="cpus = "):
            SleepingLock(1.0, 1.0, cpus)
    with pytest.raises(ArgumentError, match=r"hold = 0\.0"):
        SleepingLock(1.0, 0.0, 2)
    for key in ("handoff", "wake"):
        with pytest.raises(ValueError, match=f"{key} = -1.0"):
            replace(BASE, **{key: -1.0})
        with pytest.raises(ValueError, match=f"{key} = nan"):
            SleepingLock(1.0, 1.0, 2, **{key: math.nan})
