"""A read-write semaphore with spinning writers, a queue and a hand-off bit, as a Markov chain.

What is solved, exactly: the state machine of docs/rwsem.md for one semaphore and a CPU for every
process, all times exponential. n thinkers together work at rate cpu(n). The order of readers and
writers in the queue is part of the state, so chains grow fast: some 9 processes with a time-out,
`MOST` without (0 or infinite).

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

COMPONENTS = (
    "reading",
    "waking",
    "writer",
    "spinning",
    "bit",
    "limit",
    "tired",
    "looks",
    "queued",
    "writers",
    "overdue",
)
READING, WAKING, WRITER, SPINNING, BIT, LIMIT, TIRED, LOOKS, QUEUED, WRITERS, OVERDUE = range(11)
"""Readers inside, and granted it; the writer; the hand-off bit; 1 more than the readers there were
when the first spinner began to lose patience; whether one has lost it; whether the head of the
queue was woken to look; waiters in the queue; and which of them write, and are overdue: binary
digits, the head's the last."""

NOBODY, HOLDS, HANDED, LEADS, WAKES = range(5)
"""The writer: none, it writes, it spun and is being handed the lock; it led the queue and is, or it
led the queue and wakes."""

UNSET, SPINS, SLEEPS = range(3)
"""The hand-off bit, by how the head of the queue waits for the lock."""

MOST = 14
"""Processes at the most: an entry of a state has 15 digits."""

BASE, COUNTED = 20, 30
"""With n readers inside a writer spins (BASE + min(n, COUNTED)) / BASE times as long as stated."""

FLOWS_AGREE = 1e-8
"""Largest difference between busy servers and throughput x demand that is let through."""

(
    READ_RATE,
    WRITE_RATE,
    HANDOFF_RATE,
    WAKE_RATE,
    BIT_RATE,
    TIRE_RATE,
    WRITES,
    READS,
    READS_ON,
    CPU,
) = range(10)
"""Places in `reals`. A hand-off or wake-up rate of 0 means at once, a bit or tire rate of 0 never;
then the probabilities to write or to read after thinking, and to read after writing."""

N, READERS, BIT_AT_ONCE, TIRE_AT_ONCE = range(4)
"""Places in `ints`; readers are -1 where nobody always reads."""


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
        From a wake-up to running; 0 for at once.
    timeout : float
        Time in the queue after which its head sets the hand-off bit; inf for never, 0 for at once.
    spin : float
        How long a writer spins on one reader; inf for ever, 0 for not at all.
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
    spin: float = math.inf
    cpu: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        not_negative("rwsem", handoff=self.handoff, wake=self.wake)
        above = {"think": self.think, "read": self.read, "write": self.write}
        above |= {f"cpu[{i}]": rate for i, rate in enumerate(self.cpu)}
        for key, value in above.items():
            if not (math.isfinite(value) and value > 0):
                raise ArgumentError(f"rwsem: {key} = {value} must be a finite number > 0")
        for key, value in {"timeout": self.timeout, "spin": self.spin}.items():
            if not value >= 0:
                raise ArgumentError(f"rwsem: {key} = {value} must be >= 0 (inf: never)")
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
    spinning, asleep : float
        Mean numbers of writers that spin or are handed it, and of processes in the queue or woken.
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
    spinning: float
    asleep: float
    bit: float
    states: int
    residual: float
    error: float


@compiled
def _queue_up(row: Array, writes: int, ints: Array) -> None:
    """Let somebody join the queue."""
    row[WRITERS] |= writes << row[QUEUED]
    row[OVERDUE] |= ints[BIT_AT_ONCE] << row[QUEUED]
    row[QUEUED] += 1


@compiled
def _leave_queue(row: Array, k: int) -> None:
    """Take waiter k out of the queue; the head is 0."""
    below = (1 << k) - 1
    row[WRITERS] = (row[WRITERS] & below) | (row[WRITERS] >> (k + 1) << k)
    row[OVERDUE] = (row[OVERDUE] & below) | (row[OVERDUE] >> (k + 1) << k)
    row[QUEUED] -= 1


@compiled
def _reader_comes(row: Array, ints: Array) -> None:
    """Let a reader arrive."""
    behind = row[READING] + row[WAKING] > 0 and row[QUEUED] > 0
    if row[WRITER] == NOBODY and row[BIT] == UNSET and not behind:
        row[READING] += 1
    else:
        _queue_up(row, 0, ints)


@compiled
def _writer_comes(row: Array, ints: Array) -> None:
    """Let a writer arrive."""
    read = row[READING] + row[WAKING]
    if row[WRITER] == NOBODY and read == 0 and row[BIT] == UNSET:
        row[WRITER] = HOLDS
    elif row[TIRED] > 0:
        _queue_up(row, 1, ints)
    else:
        row[SPINNING] += 1
        if read > 0 and row[LIMIT] == 0:
            row[LIMIT] = 1 + read


@compiled
def _tire(row: Array, ints: Array) -> None:
    """Let all spinners join the queue."""
    row[TIRED], row[LIMIT] = 1, 0
    while row[SPINNING] > 0:
        row[SPINNING] -= 1
        _queue_up(row, 1, ints)


@compiled
def _to_spinner(row: Array, reals: Array) -> None:
    """Give a lock that has become free to the first spinner, if there is one."""
    if row[SPINNING] > 0:
        row[SPINNING] -= 1
        row[WRITER] = HANDED if reals[HANDOFF_RATE] > 0.0 else HOLDS


@compiled
def _pass_on(row: Array, reals: Array, wrote: bool) -> None:
    """Settle who has a lock that nobody owns any more; `wrote`: a writer has left it."""
    row[TIRED] = row[LIMIT] = 0
    if row[QUEUED] == 0:
        _to_spinner(row, reals)
    elif row[WRITERS] & 1 == 0 and row[SPINNING] > 0 and row[BIT] == UNSET:
        if row[OVERDUE] & 1 == 1:
            row[BIT] = SLEEPS
        _to_spinner(row, reals)
    elif row[WRITERS] & 1 == 0:
        row[BIT] = UNSET
        for k in range(row[QUEUED] - 1, -1, -1):
            if (row[WRITERS] >> k) & 1 == 0:
                _leave_queue(row, k)
                row[WAKING] += 1
        if row[SPINNING] > 0:
            row[LIMIT] = 1 + row[WAKING]
    elif row[BIT] != UNSET:
        led = wrote and row[BIT] == SPINS
        time = reals[HANDOFF_RATE] if led else reals[WAKE_RATE]
        row[WRITER] = HOLDS if time == 0.0 else (LEADS if led else WAKES)
        row[BIT] = UNSET
        _leave_queue(row, 0)
    else:
        row[LOOKS] = 1
        _to_spinner(row, reals)


@compiled
def _look(row: Array) -> None:
    """Let the head of the queue, a writer that was woken, look."""
    row[LOOKS] = 0
    if row[WRITER] == NOBODY and row[READING] + row[WAKING] == 0:
        row[WRITER] = HOLDS
        _leave_queue(row, 0)
    elif row[OVERDUE] & 1 == 1:
        row[BIT] = SPINS if row[WRITER] != NOBODY else SLEEPS


@compiled
def _settle(row: Array, ints: Array, reals: Array) -> None:
    """Let happen at once what takes no time."""
    if ints[TIRE_AT_ONCE] > 0 and row[LIMIT] > 0:
        _tire(row, ints)
    while reals[WAKE_RATE] == 0.0 and row[LOOKS] + row[WAKING] > 0:
        if row[LOOKS] > 0:
            _look(row)
        row[READING] += row[WAKING]
        row[WAKING] = 0


@compiled
def _stop_thinking(
    state: Array, thinkers: int, ints: Array, reals: Array, out: Array, rates: Array
) -> int:
    """Write where a thinker goes; return the number of successors."""
    writes, reads = reals[WRITES], reals[READS]
    if ints[READERS] >= 0:
        away = state[READING] + state[WAKING] + state[QUEUED]
        for k in range(state[QUEUED]):
            away -= (state[WRITERS] >> k) & 1
        reads = (ints[READERS] - away) / thinkers
        writes = 1.0 - reads
    k = 0
    if reads > 0.0:
        out[k] = state
        _reader_comes(out[k], ints)
        rates[k] = reals[CPU + thinkers] * reads
        k += 1
    if writes > 0.0:
        out[k] = state
        _writer_comes(out[k], ints)
        rates[k] = reals[CPU + thinkers] * writes
        k += 1
    return k


@compiled
def _finish_write(state: Array, ints: Array, reals: Array, out: Array, rates: Array, k: int) -> int:
    """Write where the writer goes; return the number of successors so far."""
    on = reals[READS_ON]
    for reads_on in range(2):
        share = on if reads_on == 1 else 1.0 - on
        if share > 0.0:
            out[k] = state
            out[k, WRITER] = NOBODY
            _pass_on(out[k], reals, True)
            if reads_on == 1:
                _reader_comes(out[k], ints)
            rates[k] = reals[WRITE_RATE] * share
            k += 1
    return k


def _moves(state: Array, ints: Array, reals: Array, out: Array, rates: Array) -> int:
    """Write the successors of a state."""
    reading, waking, writer = state[READING], state[WAKING], state[WRITER]
    inside = reading + waking + (1 if writer > 0 else 0)
    thinkers = ints[N] - inside - state[SPINNING] - state[QUEUED]
    k = 0
    if thinkers > 0:
        k = _stop_thinking(state, thinkers, ints, reals, out, rates)
    if reals[BIT_RATE] > 0.0:
        for waiter in range(state[QUEUED]):
            if (state[OVERDUE] >> waiter) & 1 == 0:
                out[k] = state
                out[k, OVERDUE] |= 1 << waiter
                rates[k] = reals[BIT_RATE]
                k += 1
    if state[LIMIT] > 0 and reals[TIRE_RATE] > 0.0:
        out[k] = state
        _tire(out[k], ints)
        rates[k] = reals[TIRE_RATE] * BASE / (BASE + min(state[LIMIT] - 1, COUNTED))
        k += 1
    if waking > 0:
        out[k] = state
        out[k, READING] += waking
        out[k, WAKING] = 0
        rates[k] = reals[WAKE_RATE]
        k += 1
    if state[LOOKS] > 0:
        out[k] = state
        _look(out[k])
        rates[k] = reals[WAKE_RATE]
        k += 1
    if writer > HOLDS:
        out[k] = state
        out[k, WRITER] = HOLDS
        rates[k] = reals[WAKE_RATE] if writer == WAKES else reals[HANDOFF_RATE]
        k += 1
    if reading > 0:
        out[k] = state
        out[k, READING] = reading - 1
        if reading + waking == 1:
            _pass_on(out[k], reals, False)
        rates[k] = reading * reals[READ_RATE]
        k += 1
    if writer == HOLDS:
        k = _finish_write(state, ints, reals, out, rates, k)
    for i in range(k):
        _settle(out[i], ints, reals)
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
    if n > MOST:
        raise NotTrustworthyError(
            f"Markov chain 'rwsem N = {n}': too large; the order in its queue is followed for at "
            f"most {MOST} processes; take fewer, or use --method simulation"
        )

    def rate(time: float) -> float:
        return 0.0 if time == 0 or math.isinf(time) else 1.0 / time

    reals = [rate(lock.read), rate(lock.write), rate(lock.handoff), rate(lock.wake)]
    reals += [rate(lock.timeout), rate(lock.spin), *_shares(lock)]
    reals += (lock.cpus(n) / lock.think).tolist()
    full = (1 << n) - 1
    return ChainModel(
        f"rwsem N = {n}",
        COMPONENTS,
        (0,) * len(COMPONENTS),
        (n, n, WAKES, n, SLEEPS, n + 1, 1, 1, n, full, full),
        transition(_moves),
        np.array([n, always, int(lock.timeout == 0), int(lock.spin == 0)]),
        np.array(reals),
        n + 10,
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
    states = dict(zip(COMPONENTS, chain.states.T.astype(np.int64), strict=True))
    reading, waking, writer = states["reading"], states["waking"], states["writer"]
    spinning, queued = states["spinning"], states["queued"]
    away = reading + waking + spinning + queued + (writer > NOBODY)
    queued_writers = sum((states["writers"] >> k) & 1 for k in range(n))
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
    passing = (writer == HANDED).astype(int)
    led = ((writer == LEADS) | (writer == WAKES)).astype(int)
    waiting_writers = steady.mean(spinning + passing + led + queued_writers)
    return RwResult(
        throughput,
        reads,
        writes,
        steady.mean((reading + waking + writer) > 0),
        inside,
        steady.mean(queued - queued_writers + waking) / reads if reads > 0 else math.nan,
        waiting_writers / writes if writes > 0 else math.nan,
        steady.mean(spinning + passing),
        steady.mean(queued + waking + led),
        steady.mean(states["bit"] != UNSET),
        chain.size,
        steady.residual,
        steady.error,
    )
