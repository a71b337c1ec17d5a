"""Closed networks of FIFO locks with hand-off as a phase of its own: description and solution.

What is solved, exactly: N processes repeat iterations. An iteration begins with one piece of
thinking: n thinkers together work at rate cpu(n), equally shared. Then its stages in order; each
is performed with its probability, else skipped at once, and takes one lock for one hold. A lock
is first come, first served. Who finds it free holds at once. On release with w >= 1 waiting, the
first waiter gets the lock after a hand-off of mean c(w), w counted then, itself included; its
hold follows. Who releases and takes the same lock again joins the end of the line. A lock may
be split into shards; a process draws the shard once per iteration, by popularity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from lockmodel.errors import ArgumentError, shown
from lockmodel.solvers.markov import queue_moves as lay
from lockmodel.solvers.markov.chain import ChainModel
from lockmodel.solvers.markov.jit import transition
from lockmodel.solvers.markov.phase_type import PhaseType, erlang, exponential

Array = np.ndarray

CONSTANT: Final = "constant"
Shape = PhaseType | Literal["constant"]
"""How a time varies about its mean: phases of mean 1, or not at all."""

EXPONENTIAL: Final = exponential()
"""The shape of a time unless another is given."""

LARGEST = 32767
"""Most processes: a state is a row of 16-bit numbers."""


@dataclass(frozen=True)
class QueueLock:
    """A FIFO lock.

    Attributes
    ----------
    name : str
        Named by stages and errors.
    hold : PhaseType or "constant"
        How the holds of all its stages vary.
    handoff : tuple of float
        Mean hand-off c(w) in seconds with w = 1, 2, ... waiting; the last value holds for more.
        0: the first waiter holds at once.
    handoff_shape : PhaseType or "constant"
        How hand-offs vary.
    popularity : tuple of float
        Probability of each shard; one entry for a lock without shards.
    """

    name: str
    hold: Shape = EXPONENTIAL
    handoff: tuple[float, ...] = (0.0,)
    handoff_shape: Shape = EXPONENTIAL
    popularity: tuple[float, ...] = (1.0,)


@dataclass(frozen=True)
class Stage:
    """One place in the iteration that takes a lock.

    Attributes
    ----------
    lock : str
        Name of the lock.
    hold : float
        Mean hold time in seconds, > 0.
    probability : float
        That it is performed; else it is skipped at once.
    """

    lock: str
    hold: float
    probability: float = 1.0


@dataclass(frozen=True)
class QueueNetwork:
    """An iteration: thinking, then stages that take locks.

    Attributes
    ----------
    think : float
        Mean CPU time of one iteration outside locks, in seconds; 0 for none.
    locks : tuple of QueueLock
    stages : tuple of Stage
        In program order.
    cpu : tuple of float
        Rate at which n = 1, 2, ... thinkers together work, in CPUs; beyond its end the last
        value holds. Empty: a CPU each.
    think_shape : PhaseType or "constant"
        How the thinking varies.
    """

    think: float
    locks: tuple[QueueLock, ...]
    stages: tuple[Stage, ...]
    cpu: tuple[float, ...] = ()
    think_shape: Shape = EXPONENTIAL


@dataclass(frozen=True)
class LockResult:
    """The stationary state of one lock.

    Attributes
    ----------
    utilisation : float
        Probability that a shard is held or being handed over, mean over its shards.
    queue : float
        Mean number of processes holding or waiting, all shards together.
    wait : float
        Mean time from asking to holding, hand-off included, summed over an iteration, in seconds.
    marginal : ndarray, shape (N + 1,)
        P(j processes at the lock), all shards together.
    """

    utilisation: float
    queue: float
    wait: float
    marginal: Array


@dataclass(frozen=True)
class QueueResult:
    """The stationary state of a network.

    Attributes
    ----------
    throughput : float
        Iterations per second.
    locks : dict of str to LockResult
        By name.
    thinkers : float
        Mean number of thinking processes.
    states : int
        Size of the (largest) chain solved.
    residual : float
        Share of its probability flow out of balance.
    error : float
        Estimated relative error of the throughput, see `solve_queues`.
    """

    throughput: float
    locks: dict[str, LockResult]
    thinkers: float
    states: int
    residual: float
    error: float


def _number(owner: str, name: str, value: float, above: bool = False) -> None:
    """Raise ArgumentError unless a value is finite and >= 0, or > 0 if `above`."""
    real = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not (real and math.isfinite(value) and (value > 0 if above else value >= 0)):
        raise ArgumentError(
            f"{owner}: {name} = {shown(value)} must be a finite number {'>' if above else '>='} 0"
        )


def check_population(n: int) -> int:
    """Return the number of processes, or raise ArgumentError unless it is 1..`LARGEST`."""
    whole = isinstance(n, int | np.integer) and not isinstance(n, bool)
    if not whole or not 1 <= n <= LARGEST:
        raise ArgumentError(f"population = {shown(n)} must be an integer, 1 to {LARGEST}")
    return int(n)


def check_network(network: QueueNetwork) -> None:
    """Raise ArgumentError, naming key and value, unless a network can be solved as stated."""
    _number("network", "think", network.think)
    names = [lock.name for lock in network.locks]
    if not network.stages or not names or len(set(names)) < len(names):
        raise ArgumentError(
            f"network: it needs stages and locks with different names, not {len(network.stages)} "
            f"stages and locks {names}"
        )
    for rate in network.cpu:
        _number("network", "cpu", rate, above=True)
    for i, stage in enumerate(network.stages):
        owner = f"stage {i} ({stage.lock})"
        _number(owner, "hold", stage.hold, above=True)
        _number(owner, "probability", stage.probability)
        if stage.probability > 1:
            raise ArgumentError(f"{owner}: probability = {stage.probability} must be at most 1")
        if stage.lock not in names:
            raise ArgumentError(f"{owner}: no such lock; there are {', '.join(names)}")
    certain = any(stage.probability == 1 for stage in network.stages)
    if not any(stage.probability > 0 for stage in network.stages):
        raise ArgumentError("network: no stage is ever performed: every probability is 0")
    if network.think == 0 and not certain:
        raise ArgumentError(
            "network: without think time an iteration may take no time at all; give think > 0 or "
            "one stage with probability 1"
        )
    for lock in network.locks:
        _check_lock(lock, [i for i, s in enumerate(network.stages) if s.lock == lock.name])


def _check_lock(lock: QueueLock, stages: list[int]) -> None:
    """Raise ArgumentError unless a lock's numbers are valid; `stages` are those that take it."""
    owner = f"lock {lock.name!r}"
    if not lock.handoff or not lock.popularity:
        raise ArgumentError(f"{owner}: handoff and popularity need at least one number")
    for value in lock.handoff:
        _number(owner, "handoff", value)
    for value in lock.popularity:
        _number(owner, "popularity", value, above=True)
    if abs(sum(lock.popularity) - 1.0) > 1e-9:
        raise ArgumentError(
            f"{owner}: popularity adds up to {sum(lock.popularity):.9g} and must add up to 1"
        )
    if not stages:
        raise ArgumentError(f"{owner}: no stage takes it; leave it out")
    if len(lock.popularity) > 1 and stages[-1] - stages[0] >= len(stages):
        raise ArgumentError(
            f"{owner}: its {len(lock.popularity)} shards need stages that follow one another, and "
            f"stages {stages} take it; use --method simulation"
        )


def fewest_states(network: QueueNetwork, n: int) -> int:
    """Return a number of states that the chain of a network has at least.

    Where m stages in a row take one lock, k processes can stand there in any order and at any of
    the stages, the others thinking: m^k states. For let the line go round once per stage, all
    served in turn; whoever is to lag by j stages joins j rounds later, behind its predecessor.
    """
    longest = run = 0
    before = ""
    for stage in network.stages:
        if stage.probability > 0:
            run = run + 1 if stage.lock == before else 1
            before, longest = stage.lock, max(longest, run)
    return sum(longest**k for k in range(n + 1)) if network.think > 0 else 1


def _phases(shape: Shape, stages: int) -> PhaseType:
    """Return a shape as phases; constant times become Erlang with that many stages."""
    return erlang(stages) if isinstance(shape, str) else shape


def _pairs(phases: PhaseType) -> list[float]:
    """Return rate, probability to go on, rate, probability, ..."""
    pairs: list[float] = np.column_stack([phases.rates, phases.go_on]).ravel().tolist()
    return pairs


def _at(values: tuple[float, ...], n: int) -> float:
    """Return entry n = 1, 2, ... of a table whose last value holds for more."""
    return values[min(n, len(values)) - 1]


def queue_model(network: QueueNetwork, population: int, stages: int = 1) -> ChainModel:
    """Return the Markov chain of a network, with constant times as `stages` Erlang stages.

    Raises
    ------
    ArgumentError
        A number of the network is not valid.
    """
    check_network(network)
    n = check_population(population)
    think = _phases(network.think_shape, stages) if network.think > 0 else None
    phases = think.phases if think else 0
    components = [f"think.{i + 1}" for i in range(phases)]
    bounds = [n] * phases
    rates = [0.0]
    for j in range(1, n + 1):
        cpu = _at(network.cpu, j) if network.cpu else float(j)
        rates.append(cpu / j / network.think if think else 0.0)
    think_at = len(rates)
    rates += _pairs(think) if think else []
    stage_at = len(rates)
    for stage in network.stages:
        rates += [stage.probability, 1.0 / stage.hold]
    names = [lock.name for lock in network.locks]
    head = [phases, len(network.stages), len(names), n, 0, think_at, stage_at]
    head += [names.index(stage.lock) for stage in network.stages]
    head[lay.LOCK_TABLE] = len(head)
    choices = 1
    events = 0
    for lock in network.locks:
        users = [i for i, stage in enumerate(network.stages) if stage.lock == lock.name]
        hold = _phases(lock.hold, stages)
        costs = [_at(lock.handoff, w) for w in range(1, n)]
        paid = sorted({c for c in costs if c > 0})
        handoff = _phases(lock.handoff_shape, stages) if paid else None
        shards = len(lock.popularity)
        phase_count = hold.phases + (handoff.phases if handoff else 0)
        block, limits = ["n"], [n]
        phase_at = waiters_at = slots_at = -1
        if phase_count > 1:
            phase_at = len(block)
            block, limits = [*block, "phase"], [*limits, phase_count]
        if len(paid) > 1:
            waiters_at = len(block)
            block, limits = [*block, "waiters"], [*limits, n]
        if len(users) > 1:
            slots_at = len(block)
            block += [f"stage.{i + 1}" for i in range(n)]
            limits += [len(network.stages)] * n
        popularity = sorted(lock.popularity, reverse=True)  # equal ones become neighbours
        alike = int(len(set(popularity)) < shards)
        head += [len(components), len(block), shards, phase_at, waiters_at, slots_at]
        head += [hold.phases, handoff.phases if handoff else 0, users[0], len(rates), alike]
        for j in range(shards):
            suffix = f"[{j}]" if shards > 1 else ""
            components += [f"{lock.name}{suffix}.{part}" for part in block]
            bounds += limits
        rates += popularity + _pairs(hold) + (_pairs(handoff) if handoff else [])
        by_waiters = [1.0 / c if c > 0 else 0.0 for c in costs]
        rates += [1.0 / paid[0] if paid else 0.0, *by_waiters]  # index 0: the one there is
        choices += len(users) * shards
        events += shards
    start = [0] * len(components)
    if phases:
        start[0] = n
    else:
        _start_at_first(start, np.array(head), network, n)
    return ChainModel(
        f"queues N = {n}",
        tuple(components),
        tuple(start),
        tuple(bounds),
        transition(lay.moves),
        np.array(head, np.int64),
        np.array(rates),
        (phases + events) * (1 + choices) + 1,
    )


def _start_at_first(start: list[int], ints: Array, network: QueueNetwork, n: int) -> None:
    """Put everybody at the first stage that is certain, in the most popular shard."""
    stage = next(i for i, s in enumerate(network.stages) if s.probability == 1)
    at = ints[lay.LOCK_TABLE] + ints[lay.HEAD + stage] * lay.LOCK_INTS
    table = ints[at : at + lay.LOCK_INTS]
    row = np.array(start, np.int16)
    for _ in range(n):
        lay._join(row, table, 0, stage)
    start[:] = row.tolist()
