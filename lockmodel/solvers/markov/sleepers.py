"""A lock whose waiters spin while there are CPUs and else sleep, as a Markov chain.

What is solved, exactly (writers of Linux' rwsem or a mutex, simplified; all times exponential): a
process thinks, then acquires once. n thinkers together work at rate cpu(n). Who finds the lock
free takes it. Else it spins if the running processes (thinkers, the holder, spinners, itself)
are no more than the CPUs, else it sleeps. On release the first spinner gets the lock after a
hand-off. Every release wakes the first sleeper, who looks whether the lock is free a wake-up delay
later: without spinners it is free until then, and a newcomer may take it; if it is not free, the
woken one goes back to sleep, still the first. There is no hand-off bit (docs/rwsem.md): this is for
waits well below its time-out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lockmodel.errors import ArgumentError, NotTrustworthyError, not_negative, shown
from lockmodel.solvers.markov.chain import MEMORY, ChainModel, explore
from lockmodel.solvers.markov.jit import transition
from lockmodel.solvers.markov.queues import check_population
from lockmodel.solvers.markov.stationary import stationary

Array = np.ndarray

OWNER, SPINNING, SLEEPING, WOKEN = range(4)
COMPONENTS = ("owner", "spinning", "sleeping", "woken")
FREE, HELD, HANDED = range(3)

(HOLD_RATE, HANDOFF_RATE, WAKE_RATE, CPU) = range(4)

FLOWS_AGREE = 1e-8
"""Largest difference between busy servers and throughput x demand that is let through."""


@dataclass(frozen=True)
class SleepingLock:
    """A lock with spinners and sleepers, and what its processes do. Times are means in seconds.

    Attributes
    ----------
    think : float
        CPU time between acquires, > 0.
    hold : float
        Hold time, > 0.
    cpus : int
        More running processes than this: who must wait sleeps.
    handoff : float
        From a release to the first spinner's hold; 0 for at once.
    wake : float
        From a release to the woken sleeper's attempt; 0 for at once.
    cpu : tuple of float
        Rate at which n = 1, 2, ... thinkers together work; the last value holds beyond its end.
        Empty: min(n, cpus).
    """

    think: float
    hold: float
    cpus: int
    handoff: float = 0.0
    wake: float = 0.0
    cpu: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        not_negative("lock", handoff=self.handoff, wake=self.wake)
        above = {"think": self.think, "hold": self.hold}
        above |= {f"cpu[{i}]": rate for i, rate in enumerate(self.cpu)}
        for key, value in above.items():
            if not (math.isfinite(value) and value > 0):
                raise ArgumentError(f"lock: {key} = {value} must be a finite number > 0")
        if not isinstance(self.cpus, int) or isinstance(self.cpus, bool) or self.cpus < 1:
            raise ArgumentError(f"lock: cpus = {shown(self.cpus)} must be an integer >= 1")

    def rates(self, population: int) -> Array:
        """Return the rate of thinking with n = 0..N thinkers, shape (N + 1,)."""
        given = [self.cpu[min(j, len(self.cpu)) - 1] for j in range(1, population + 1) if self.cpu]
        shared = np.minimum(np.arange(population + 1.0), self.cpus)
        return np.array([0.0, *given]) if given else shared


@dataclass(frozen=True)
class SleepingResult:
    """The stationary state of a lock with spinners and sleepers.

    Attributes
    ----------
    throughput : float
        Acquires (iterations) per second.
    utilisation : float
        Probability that the lock is held or being handed over.
    spinning, sleeping : float
        Mean numbers of processes; who is being woken counts as sleeping.
    wait : float
        Mean time from asking to holding, in seconds.
    idle_while_waking : float
        Probability that the lock is free although somebody sleeps.
    states : int
        Size of the chain.
    residual, error : float
        Share of the flow out of balance; estimated error of all probabilities together.
    """

    throughput: float
    utilisation: float
    spinning: float
    sleeping: float
    wait: float
    idle_while_waking: float
    states: int
    residual: float
    error: float


def _moves(state: Array, ints: Array, reals: Array, out: Array, rates: Array) -> int:
    """Write the successors of a state. `ints`: N, CPUs."""
    population, cpus = ints[0], ints[1]
    owner, spinning, sleeping = state[OWNER], state[SPINNING], state[SLEEPING]
    inside = 1 if owner > 0 else 0
    thinkers = population - inside - spinning - sleeping
    k = 0
    if thinkers > 0:
        out[k] = state
        if owner == 0:
            out[k, OWNER] = 1
        elif thinkers + inside + spinning > cpus:  # itself is still one of the thinkers
            out[k, SLEEPING] += 1
        else:
            out[k, SPINNING] += 1
        rates[k] = reals[CPU + thinkers]
        k += 1
    if owner == 2:
        out[k] = state
        out[k, OWNER] = 1
        rates[k] = reals[HANDOFF_RATE]
        k += 1
    if owner == 1:
        out[k] = state
        if spinning > 0:
            out[k, SPINNING] = spinning - 1
            out[k, OWNER] = 2 if reals[HANDOFF_RATE] > 0.0 else 1
            if sleeping > 0 and reals[WAKE_RATE] > 0.0:
                out[k, WOKEN] = 1
        elif sleeping > 0 and reals[WAKE_RATE] == 0.0:
            out[k, SLEEPING] = sleeping - 1
        else:
            out[k, OWNER] = 0
            if sleeping > 0:
                out[k, WOKEN] = 1
        rates[k] = reals[HOLD_RATE]
        k += 1
    if state[WOKEN] == 1:
        out[k] = state
        out[k, WOKEN] = 0
        if owner == 0:
            out[k, OWNER] = 1
            out[k, SLEEPING] = sleeping - 1
        rates[k] = reals[WAKE_RATE]
        k += 1
    return k


def sleeping_model(lock: SleepingLock, population: int) -> ChainModel:
    """Return the Markov chain of a lock with spinners and sleepers."""
    n = check_population(population)
    reals = [1.0 / lock.hold]
    reals += [1.0 / time if time > 0 else 0.0 for time in (lock.handoff, lock.wake)]
    reals += (lock.rates(n) / lock.think).tolist()
    return ChainModel(
        f"spin then sleep N = {n}",
        COMPONENTS,
        (FREE, 0, 0, 0),
        (HANDED, n, n, 1),
        transition(_moves),
        np.array([n, lock.cpus]),
        np.array(reals),
        4,
    )


def solve_sleeping(lock: SleepingLock, population: int, memory: int = MEMORY) -> SleepingResult:
    """Return the stationary state of a lock with spinners and sleepers, N processes.

    Raises
    ------
    ArgumentError
        A number is not valid.
    NotTrustworthyError
        The chain does not fit or does not converge, or its flows disagree.
    """
    model = sleeping_model(lock, population)
    chain = explore(model, memory)
    steady = stationary(chain)
    owner, spinning, sleeping, _ = chain.states.T.astype(np.int64)
    thinkers = population - (owner > 0) - spinning - sleeping
    throughput = steady.mean(owner == HELD) / lock.hold
    cpu = steady.mean(lock.rates(population)[thinkers])
    apart = abs(cpu - throughput * lock.think) / max(1.0, cpu)
    if not apart <= FLOWS_AGREE * max(1.0, lock.think / lock.hold):
        raise NotTrustworthyError(
            f"Markov chain {chain.name!r}: flows disagree by {apart:.1e} over {chain.size:,} "
            f"states; the times differ too much for a reliable result"
        )
    spin, sleep = steady.mean(spinning), steady.mean(sleeping)
    handed = steady.mean(owner == HANDED)
    return SleepingResult(
        throughput,
        steady.mean(owner != FREE),
        spin,
        sleep,
        (spin + sleep + handed) / throughput,
        steady.mean((owner == FREE) & (sleeping > 0)),
        chain.size,
        steady.residual,
        steady.error,
    )
