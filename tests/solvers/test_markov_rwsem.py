"""Readers and writers, spinners and sleepers: every process by name, limits, and errors."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from chains import solved

from lockmodel.errors import ArgumentError, NotTrustworthyError
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

BASE = RwSemaphore(3.0, 1.0, 0.7, 0.5, handoff=0.2, wake=0.4, timeout=1.5, cpu=(1.0, 1.8, 2.4))


def rwsem_by_name(lock: RwSemaphore, n: int) -> dict[str, float]:
    """Return means with every process followed by name; shares no code with the solver.

    A state: what each process does, spinners in order, sleeping readers in order, bit. Without
    wake-up delay a batch still wakes ("wake") while who released arrives again.
    """
    fixed = isinstance(lock.readers, int)
    strict = lock.timeout == 0

    def passed_on(state):
        """Return what follows when nobody is inside any more, and a batch may be waking."""
        procs, spin, sleep, bit = state
        if any(p in ("R", "W") for p in procs):
            return state
        if sleep and (bit or strict or not spin):
            procs = tuple("wake" if i in sleep else p for i, p in enumerate(procs))
            return procs, spin, (), False
        if spin:
            what = "hand" if lock.handoff > 0 else "W"
            return (*procs[: spin[0]], what, *procs[spin[0] + 1 :]), spin[1:], sleep, bit
        return state

    def settled(state):
        """Let a batch in that wakes at once."""
        procs, *rest = state
        if lock.wake == 0:
            procs = tuple("R" if p == "wake" else p for p in procs)
        return procs, *rest

    def come(state, i, mode):
        """Return what follows when process i arrives."""
        procs, spin, sleep, bit = state
        owned = any(p in ("W", "hand", "wake") for p in procs)
        if mode == "read":
            waits = owned or bool(sleep) or bool(spin)
            what = "sleep" if waits else "R"
            sleep = (*sleep, i) if waits else sleep
        else:
            waits = owned or "R" in procs or bit or (strict and bool(sleep))
            what = "spin" if waits else "W"
            spin = (*spin, i) if waits else spin
        return settled(((*procs[:i], what, *procs[i + 1 :]), spin, sleep, bit))

    def moves(state):
        procs, spin, sleep, bit = state

        def but(i, what):
            return (*procs[:i], what, *procs[i + 1 :])

        nexts = []
        thinking = [i for i, p in enumerate(procs) if p == "T"]
        for i in thinking:
            cpu = lock.cpu[min(len(thinking), len(lock.cpu)) - 1]
            rate = cpu / len(thinking) / lock.think
            if isinstance(lock.readers, RwIteration):
                write, read = lock.readers.write, lock.readers.read
                nexts.append((come(state, i, "write"), rate * write, 0))
                nexts.append((come(state, i, "read"), rate * (1 - write) * read, 0))
                nexts.append((state, rate * (1 - write) * (1 - read), 1))
                continue
            reads = float(i < lock.readers) if fixed else lock.readers
            nexts.append((come(state, i, "read"), rate * reads, 0))
            nexts.append((come(state, i, "write"), rate * (1 - reads), 0))
        for i, p in enumerate(procs):
            left = passed_on((but(i, "T"), spin, sleep, bit))
            if p == "R":
                nexts.append((settled(left), 1 / lock.read, 1))
            elif p == "W":
                on = lock.readers.read if isinstance(lock.readers, RwIteration) else 0.0
                nexts.append((settled(left), (1 - on) / lock.write, 1))
                nexts.append((come(left, i, "read"), on / lock.write, 0))
            elif p == "hand":
                nexts.append(((but(i, "W"), spin, sleep, bit), 1 / lock.handoff, 0))
        if "wake" in procs:
            up = tuple("R" if p == "wake" else p for p in procs)
            nexts.append(((up, spin, sleep, bit), 1 / lock.wake, 0))
        if sleep and not bit and not strict:
            nexts.append(((procs, spin, sleep, True), 1 / lock.timeout, 0))
        return [move for move in nexts if move[1] > 0]

    states, p, x = solved((("T",) * n, (), (), False), moves)
    mean = dict.fromkeys(("R", "W", "sleep", "wake", "spin", "hand", "bit", "used"), 0.0)
    for (procs, _, sleep, bit), weight in zip(states, p, strict=True):
        for what in ("R", "W", "sleep", "wake", "spin", "hand"):
            mean[what] += weight * procs.count(what)
        mean["bit"] += weight * (bool(sleep) if strict else bit)
        mean["used"] += weight * any(q in ("R", "W", "wake", "hand") for q in procs)
    return {**mean, "x": x}


LOCKS = [
    BASE,
    replace(BASE, handoff=0.0),
    replace(BASE, wake=0.0),
    replace(BASE, timeout=math.inf, readers=0.8),
    replace(BASE, timeout=0.0, readers=0.4),
    replace(BASE, readers=2),
    replace(BASE, readers=3, wake=0.0, handoff=0.0),
    replace(BASE, readers=0.2, timeout=0.01),
    replace(BASE, readers=RwIteration(0.7, 0.6)),
    replace(BASE, readers=RwIteration(1.0, 0.3), wake=0.0, timeout=math.inf),
    replace(BASE, readers=RwIteration(0.4, 1.0), handoff=0.0, timeout=0.0),
    replace(BASE, readers=RwIteration(1.0, 1.0), wake=0.0, handoff=0.0, timeout=0.0),
    replace(BASE, readers=RwIteration(0.0, 0.5)),
    replace(BASE, readers=RwIteration(0.5, 0.0)),
]


@pytest.mark.parametrize("lock", LOCKS)
def test_lumping_loses_nothing(lock):
    want = rwsem_by_name(lock, 4)
    solution = solve_rwsem(lock, 4)
    assert solution.throughput == pytest.approx(want["x"], rel=1e-10)
    assert solution.read_throughput == pytest.approx(want["R"] / lock.read, rel=1e-10)
    assert solution.write_throughput == pytest.approx(want["W"] / lock.write, rel=1e-10)
    assert solution.readers_inside == pytest.approx(want["R"], rel=1e-10)
    assert solution.utilisation == pytest.approx(want["used"], rel=1e-10)
    assert solution.bit == pytest.approx(want["bit"], rel=1e-9, abs=1e-14)
    reads, writes = want["R"] / lock.read, want["W"] / lock.write
    if reads:
        waiting = want["sleep"] + want["wake"]
        assert solution.read_wait == pytest.approx(waiting / reads, rel=1e-9)
    if writes:
        waiting = want["spin"] + want["hand"]
        assert solution.write_wait == pytest.approx(waiting / writes, rel=1e-9)


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
        replace(BASE, readers=RwIteration(1.0, 1.0), timeout=math.inf, cpu=()),
        replace(BASE, readers=RwIteration(0.6, 0.8), timeout=math.inf, cpu=(), wake=1.5),
        replace(BASE, readers=RwIteration(1.0, 1.0), timeout=0.0, cpu=()),
        replace(BASE, readers=RwIteration(0.5, 1.0), timeout=0.0, cpu=(), think=1.0),
        replace(
            BASE, readers=RwIteration(1.0, 0.7), timeout=math.inf, cpu=(), wake=0.0, handoff=0.0
        ),
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
    for readers in (1.0, 20):
        solution = solve_rwsem(replace(BASE, readers=readers, cpu=()), 20)
        assert solution.throughput == pytest.approx(20 / 4.0, rel=1e-12)
        assert solution.read_wait == 0.0
        assert math.isnan(solution.write_wait)


def test_the_hand_off_bit_bounds_what_readers_wait():
    lock = replace(BASE, readers=0.2, cpu=())
    waits = [solve_rwsem(replace(lock, timeout=t), 24).read_wait for t in (0.1, 2.0, 50.0)]
    assert waits == sorted(waits)
    assert waits[0] < 3 < 20 < waits[2]


def test_a_chain_beyond_elimination_where_two_sweeps_per_aggregation_cycle_for_ever():
    solution = solve_rwsem(RwSemaphore(10.0, 1.0, 0.5, 0.5, 0.1, 0.3, 4.0), 48)
    assert solution.states == 80_656
    assert solution.residual <= 1e-12
    assert solution.read_throughput == pytest.approx(solution.write_throughput, rel=1e-9)
    assert solution.throughput == pytest.approx(1.91591287785, rel=1e-9)


def sleeping_by_name(lock: SleepingLock, n: int) -> dict[str, float]:
    """Return means with every process followed by name, as `rwsem_by_name`."""

    def moves(state):
        procs, spin, sleep, woken = state

        def but(i, what):
            return (*procs[:i], what, *procs[i + 1 :])

        nexts = []
        thinking = [i for i, p in enumerate(procs) if p == "T"]
        for i in thinking:
            rate = min(len(thinking), lock.cpus) / len(thinking) / lock.think
            running = sum(p in ("T", "H", "hand", "spin") for p in procs)
            if not any(p in ("H", "hand") for p in procs):
                to = (but(i, "H"), spin, sleep, woken)
            elif running > lock.cpus:
                to = (but(i, "sleep"), spin, (*sleep, i), woken)
            else:
                to = (but(i, "spin"), (*spin, i), sleep, woken)
            nexts.append((to, rate, 0))
        for i, p in enumerate(procs):
            if p == "hand":
                nexts.append(((but(i, "H"), spin, sleep, woken), 1 / lock.handoff, 0))
            if p != "H":
                continue
            left = list(but(i, "T"))
            if spin:
                left[spin[0]] = "hand" if lock.handoff > 0 else "H"
                to = (tuple(left), spin[1:], sleep, woken)
            elif sleep and lock.wake == 0:
                left[sleep[0]] = "H"
                to = (tuple(left), spin, sleep[1:], False)
            else:
                to = (tuple(left), spin, sleep, woken or bool(sleep))
            nexts.append((to, 1 / lock.hold, 1))
        if woken:
            if any(p in ("H", "hand") for p in procs):
                to = (procs, spin, sleep, False)
            else:
                to = (but(sleep[0], "H"), spin, sleep[1:], False)
            nexts.append((to, 1 / lock.wake, 0))
        return nexts

    states, p, x = solved((("T",) * n, (), (), False), moves)
    mean = dict.fromkeys(("H", "sleep", "spin", "hand", "stuck"), 0.0)
    for (procs, _, sleep, _), weight in zip(states, p, strict=True):
        for what in ("H", "sleep", "spin", "hand"):
            mean[what] += weight * procs.count(what)
        mean["stuck"] += weight * bool(sleep and not {"H", "hand"} & set(procs))
    return {**mean, "x": x}


@pytest.mark.parametrize("cpus", [1, 2, 3, 5])
@pytest.mark.parametrize(("handoff", "wake"), [(0.2, 0.5), (0.0, 0.5), (0.2, 0.0)])
def test_sleepers_by_name(cpus, handoff, wake):
    lock = SleepingLock(2.0, 0.7, cpus, handoff, wake)
    want = sleeping_by_name(lock, 5)
    solution = solve_sleeping(lock, 5)
    assert solution.throughput == pytest.approx(want["x"], rel=1e-10)
    assert solution.utilisation == pytest.approx(want["H"] + want["hand"], rel=1e-10)
    assert solution.sleeping == pytest.approx(want["sleep"], rel=1e-10, abs=1e-13)
    assert solution.spinning == pytest.approx(want["spin"], rel=1e-10, abs=1e-13)
    assert solution.idle_while_waking == pytest.approx(want["stuck"], rel=1e-9, abs=1e-13)
    waiting = want["sleep"] + want["spin"] + want["hand"]
    assert solution.wait == pytest.approx(waiting / want["x"], rel=1e-9)


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
    with pytest.raises(NotTrustworthyError, match=r"rwsem N = 200'?: too large"):
        solve_rwsem(BASE, 200, memory=10 << 20)
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
