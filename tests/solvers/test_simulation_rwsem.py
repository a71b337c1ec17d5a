"""Readers and writers: who shares, who sleeps, who comes first."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from simulated import (
    PRECISION,
    TOLERANCE,
    Moves,
    agrees,
    answered,
    lock,
    one,
    solved,
    workload,
)

from lockmodel.model.distribution import (
    Constant,
    Exponential,
    Lognormal,
)
from lockmodel.model.handoff import ConstantHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Scenario
from lockmodel.solvers.simulation.output import Mean
from lockmodel.solvers.solve import points

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
    simulated = answered(chain.scenario(), chain.n)
    assert agrees(simulated.throughput_per_s, exact["done"], 2 * PRECISION)
    assert agrees(simulated.locks["a"].wait_s, exact["waiting"] / exact["done"], 0.03)
    slept = exact["asleep"] / exact["done"]
    assert simulated.locks["a"].slept_s == pytest.approx(slept, rel=0.03, abs=1e-12)
    assert simulated.locks["a"].utilisation == pytest.approx(exact["busy"], abs=TOLERANCE)


@pytest.mark.parametrize("holds", [Exponential(), Constant(), Lognormal(scv=3.0)], ids=repr)
def test_readers_alone_never_wait(holds):
    costs = {"wake_time": 7.0, "handoff": ConstantHandOff(time=5.0)}
    a = lock(kind="rwsem", hold_distribution=holds, **costs)
    simulated = answered(workload(1.0, (a,), [("a", 2, 1.0, "read")]), 8)
    assert agrees(simulated.throughput_per_s, 8 / 3.0, 2 * PRECISION)
    state = simulated.locks["a"]
    assert (state.wait_s, state.contended, state.longest_wait_s) == (Mean(0.0, 0.0), 0.0, 0.0)
    assert state.queue == pytest.approx(8 * 2 / 3, rel=0.01)


def test_readers_share_and_writers_do_not():
    rates = []
    for read in (0, 1, 2, 3):
        sites = [("a", 1, 1.0, "read")] * read + [("a", 1, 1.0)] * (3 - read)
        simulated = answered(workload(1.0, (lock(kind="rwsem"),), sites), 8)
        rates.append(simulated.throughput_per_s.value)
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
    runs = [answered(sleepy(timeout), 10) for timeout in (0.0, 20.0, 1e9)]
    rates = [f.throughput_per_s.value for f in runs]
    assert rates == sorted(rates)
    assert rates[2] > 1.2 * rates[0]
    longest = [f.locks["a"].longest_wait_s for f in runs]
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
    simulated = answered(scenario, 10)
    assert agrees(simulated.throughput_per_s, exact.throughput_per_s, 2 * PRECISION)
    assert agrees(simulated.locks["a"].wait_s, exact.locks["a"].wait_s, 0.03)
