"""A read-write semaphore with optimistic spinning and hand-off bit, as a Markov chain.

What is solved, exactly (Linux' rwsem, simplified; all times exponential): n thinkers together
work at rate cpu(n). Readers share. A reader enters at once if no writer holds the lock, is being
handed it or spins, no batch of readers is waking, and nobody is in the wait list; else it sleeps
in the wait list. A writer enters at once if the lock is free, else it spins; spinners are served
in order. When the lock becomes free, all sleeping readers are granted it together if no writer
spins or the hand-off bit is set; they start to read after one wake-up delay, in which the lock is
theirs and new readers join the wait list. Else the first spinner gets it, after a hand-off. The
hand-off bit is set when the first sleeper has waited longer than the time-out, and cleared when
sleepers are granted the lock; with a time-out of 0 it is set whenever somebody sleeps.

What a process does between thinking and thinking is one acquire, which reads with a probability
(`readers` is a float), or always for a fixed number of processes and never for the others (an
int); or two (a `RwIteration`): perhaps a write, and then perhaps a read, for which it arrives right
after its release has passed the lock on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lockmodel.errors import ArgumentError, NotTrustworthyError, not_negative, shown
from lockmodel.solvers.markov.chain import MEMORY, ChainModel, explore
from lockmodel.solvers.markov.jit import compiled, transition
from lockmodel.solvers.markov.queues import check_population
from lockmodel.solvers.markov.stationary import stationary

Array = np.ndarray

READING, SLEEPING, WAKING, WRITER, SPINNING, BIT = range(6)
COMPONENTS = ("reading", "sleeping", "waking", "writer", "spinning", "bit")
NOBODY, HOLDS, HANDED = range(3)
"""States of the writer: none inside, one writes, one is being handed the lock."""

FLOWS_AGREE = 1e-8
"""Largest difference between busy servers and throughput x demand that is let through."""

READ_RATE, WRITE_RATE, HANDOFF_RATE, WAKE_RATE, BIT_RATE, WRITES, READS, READS_ON, CPU = range(9)
"""Places in `reals`. A hand-off or wake-up rate of 0 means at once, a bit rate of 0 never; then
the probabilities to write or to read after thinking, and to read after writing."""


@dataclass(frozen=True)
class RwIteration:
    """Thinking, then a write acquire, then a read acquire, each performed or skipped.

    Attributes
    ----------
    write, read : float
        Independent probabilities of the two; not both 0.
    """

    write: float
    read: float

    def __post_init__(self) -> None:
        for key, value in (("write", self.write), ("read", self.read)):
            if not 0 <= value <= 1:
                raise ArgumentError(f"program: {key} = {shown(value)} must be a probability")
        if self.write + self.read == 0:
            raise ArgumentError("program: write and read are both 0, so nobody takes the lock")


@dataclass(frozen=True)
class RwSemaphore:
    """A read-write semaphore and what its processes do. Times are means in seconds.

    Attributes
    ----------
    think : float
        CPU time per iteration, > 0.
    read, write : float
        Hold times, > 0.
    readers : float or int or RwIteration
        A float: probability that the one acquire of an iteration reads. An int: how many
        processes always read. A program: perhaps a write, then perhaps a read.
    handoff : float
        From a release to the next spinner's hold; 0 for at once.
    wake : float
        From the grant to the start of a batch of readers; 0 for at once.
    timeout : float
        Wait of the first sleeper after which the hand-off bit is set; inf for never, 0 for at
        once.
    cpu : tuple of float
        Rate at which n = 1, 2, ... thinkers together work; the last value holds beyond its end.
        Empty: a CPU each.
    """

    think: float
    read: float
    write: float
    readers: float | int | RwIteration
    handoff: float = 0.0
    wake: float = 0.0
    timeout: float = math.inf
    cpu: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        not_negative("rwsem", handoff=self.handoff, wake=self.wake)
        above = {"think": self.think, "read": self.read, "write": self.write}
        above |= {f"cpu[{i}]": rate for i, rate in enumerate(self.cpu)}
        for key, value in above.items():
            if not (math.isfinite(value) and value > 0):
                raise ArgumentError(f"rwsem: {key} = {value} must be a finite number > 0")
        if not self.timeout >= 0:
            raise ArgumentError(f"rwsem: timeout = {self.timeout} must be >= 0 (inf: never)")
        if isinstance(self.readers, RwIteration):
            return
        if isinstance(self.readers, bool) or not self.readers >= 0:
            raise ArgumentError(f"rwsem: readers = {shown(self.readers)} must be >= 0")
        if isinstance(self.readers, float) and not self.readers <= 1:
            raise ArgumentError(
                f"rwsem: readers = {self.readers} is a probability and must be at most 1; give an "
                f"int for a number of processes"
            )

    def cpus(self, population: int) -> Array:
        """Return the rate of thinking with n = 0..N thinkers, shape (N + 1,)."""
        given = [self.cpu[min(j, len(self.cpu)) - 1] for j in range(1, population + 1) if self.cpu]
        return np.array([0.0, *given] if given else range(population + 1), float)


@dataclass(frozen=True)
class RwResult:
    """The stationary state of a read-write semaphore.

    Attributes
    ----------
    throughput : float
        Iterations per second: acquires, unless a program says otherwise.
    read_throughput, write_throughput : float
        Acquires per second.
    utilisation : float
        Probability that the lock is not free: read, written, handed over, or a batch wakes.
    readers_inside : float
        Mean number of processes that read.
    read_wait, write_wait : float
        Mean time from asking to holding in seconds; NaN for a class that acquires nothing.
    bit : float
        Probability that the hand-off bit is set.
    states : int
        Size of the chain.
    residual, error : float
        Share of the flow out of balance; estimated error of all probabilities together.
    """

    throughput: float
    read_throughput: float
    write_throughput: float
    utilisation: float
    readers_inside: float
    read_wait: float
    write_wait: float
    bit: float
    states: int
    residual: float
    error: float


@compiled
def _reader_comes(row: Array, granted: bool) -> None:
    """Let a reader arrive; `granted`: a batch has been granted the lock this very moment."""
    owned = granted or row[WAKING] > 0 or row[WRITER] > 0
    if owned or row[SPINNING] > 0 or row[SLEEPING] > 0:
        row[SLEEPING] += 1
    else:
        row[READING] += 1


@compiled
def _writer_comes(row: Array) -> None:
    """Let a writer arrive."""
    if row[WRITER] > 0 or row[WAKING] > 0 or row[READING] > 0 or row[BIT] > 0:
        row[SPINNING] += 1
    else:
        row[WRITER] = HOLDS


@compiled
def _pass_on(row: Array, reals: Array) -> bool:
    """Give a lock that has become free to those waiting; return whether to sleepers."""
    if row[SLEEPING] > 0 and (row[BIT] == 1 or row[SPINNING] == 0):
        row[WAKING if reals[WAKE_RATE] > 0.0 else READING] = row[SLEEPING]
        row[SLEEPING] = 0
        row[BIT] = 0
        return True
    if row[SPINNING] > 0:
        row[SPINNING] -= 1
        row[WRITER] = HANDED if reals[HANDOFF_RATE] > 0.0 else HOLDS
    return False


@compiled
def _stop_thinking(
    state: Array, thinkers: int, ints: Array, reals: Array, out: Array, rates: Array
) -> int:
    """Write where a thinker goes; return the number of successors."""
    writes, reads = reals[WRITES], reals[READS]
    if ints[1] >= 0:
        at_readers = state[READING] + state[SLEEPING] + state[WAKING]
        reads = (ints[1] - at_readers) / thinkers
        writes = 1.0 - reads
    k = 0
    if reads > 0.0:
        out[k] = state
        _reader_comes(out[k], False)
        rates[k] = reals[CPU + thinkers] * reads
        k += 1
    if writes > 0.0:
        out[k] = state
        _writer_comes(out[k])
        rates[k] = reals[CPU + thinkers] * writes
        k += 1
    return k


@compiled
def _finish_write(state: Array, reals: Array, out: Array, rates: Array, k: int) -> int:
    """Write where the writer goes; return the number of successors so far."""
    on = reals[READS_ON]
    for reads_on in range(2):
        share = on if reads_on == 1 else 1.0 - on
        if share > 0.0:
            out[k] = state
            out[k, WRITER] = NOBODY
            granted = _pass_on(out[k], reals)
            if reads_on == 1:
                _reader_comes(out[k], granted)
            rates[k] = reals[WRITE_RATE] * share
            k += 1
    return k


def _moves(state: Array, ints: Array, reals: Array, out: Array, rates: Array) -> int:
    """Write the successors of a state.

    `ints`: N, the processes that always read or -1, and whether the time-out is 0.
    """
    reading, sleeping, waking, writer = (
        state[READING],
        state[SLEEPING],
        state[WAKING],
        state[WRITER],
    )
    thinkers = ints[0] - reading - sleeping - waking - state[SPINNING] - (1 if writer > 0 else 0)
    k = 0
    if thinkers > 0:
        k = _stop_thinking(state, thinkers, ints, reals, out, rates)
    if sleeping > 0 and state[BIT] == 0 and reals[BIT_RATE] > 0.0:
        out[k] = state
        out[k, BIT] = 1
        rates[k] = reals[BIT_RATE]
        k += 1
    if waking > 0:
        out[k] = state
        out[k, READING] = waking
        out[k, WAKING] = 0
        rates[k] = reals[WAKE_RATE]
        k += 1
    if writer == HANDED:
        out[k] = state
        out[k, WRITER] = HOLDS
        rates[k] = reals[HANDOFF_RATE]
        k += 1
    if reading > 0:
        out[k] = state
        out[k, READING] = reading - 1
        if reading == 1:
            _pass_on(out[k], reals)
        rates[k] = reading * reals[READ_RATE]
        k += 1
    if writer == HOLDS:
        k = _finish_write(state, reals, out, rates, k)
    if ints[2] > 0:
        for i in range(k):
            out[i, BIT] = 1 if out[i, SLEEPING] > 0 else 0
    return k


def _shares(lock: RwSemaphore) -> tuple[float, float, float]:
    """Return the probabilities to write or read after thinking, and to read after writing."""
    if isinstance(lock.readers, RwIteration):
        write, read = lock.readers.write, lock.readers.read
        return write, (1.0 - write) * read, read
    reads = 0.0 if isinstance(lock.readers, int) else float(lock.readers)
    return 1.0 - reads, reads, 0.0


def rwsem_model(lock: RwSemaphore, population: int) -> ChainModel:
    """Return the Markov chain of a read-write semaphore."""
    n = check_population(population)
    always = lock.readers if isinstance(lock.readers, int) else -1
    if always > n:
        raise ArgumentError(f"rwsem: readers = {always} must be at most population = {n}")

    def rate(time: float) -> float:
        return 0.0 if time == 0 or math.isinf(time) else 1.0 / time

    reals = [rate(lock.read), rate(lock.write), rate(lock.handoff), rate(lock.wake)]
    reals += [rate(lock.timeout), *_shares(lock)]
    reals += (lock.cpus(n) / lock.think).tolist()
    return ChainModel(
        f"rwsem N = {n}",
        COMPONENTS,
        (0,) * len(COMPONENTS),
        (n, n, n, HANDED, n, 1),
        transition(_moves),
        np.array([n, always, int(lock.timeout == 0)]),
        np.array(reals),
        8,
    )


def solve_rwsem(lock: RwSemaphore, population: int, memory: int = MEMORY) -> RwResult:
    """Return the stationary state of a read-write semaphore with N processes.

    Raises
    ------
    ArgumentError
        A number is not valid.
    NotTrustworthyError
        The chain does not fit or does not converge, or its flows disagree.
    """
    model = rwsem_model(lock, population)
    chain = explore(model, memory)
    steady = stationary(chain)
    n = population
    reading, sleeping, waking, writer, spinning, bit = chain.states.T.astype(np.int64)
    away = reading + sleeping + waking + spinning + (writer > 0)
    inside = steady.mean(reading)
    reads = inside / lock.read
    writes = steady.mean(writer == HOLDS) / lock.write
    written, read_first, read_after = _shares(lock)
    reads_expected = read_first + written * read_after
    throughput = (reads + writes) / (written + reads_expected)
    cpu = steady.mean(lock.cpus(n)[n - away])
    apart = abs(cpu - throughput * lock.think) / max(1.0, cpu)
    if not isinstance(lock.readers, int):
        apart = max(apart, abs(reads - reads_expected * throughput) * lock.think)
    if not apart <= FLOWS_AGREE * max(1.0, lock.think / min(lock.read, lock.write)):
        raise NotTrustworthyError(
            f"Markov chain {chain.name!r}: flows disagree by {apart:.1e} over {chain.size:,} "
            f"states; the times differ too much for a reliable result"
        )
    waiting_writers = steady.mean(spinning + (writer == HANDED))
    return RwResult(
        throughput,
        reads,
        writes,
        steady.mean((reading + waking + writer) > 0),
        inside,
        steady.mean(sleeping + waking) / reads if reads > 0 else math.nan,
        waiting_writers / writes if writes > 0 else math.nan,
        steady.mean(bit),
        chain.size,
        steady.residual,
        steady.error,
    )
