"""Solve `queues`: rewards of the stationary distribution, and constant times by extrapolation.

A constant time is the limit of Erlang times with r stages, r to infinity. Where every mean is a
smooth function of 1/r, its value at 0 follows from a few r by polynomial extrapolation
(Richardson); the last diagonal of the table tells the error. It is not smooth where constant
times of two processes end together again and again. Then means converge like r^-1/2 at worst: one
step of the table is given with the error this implies, if that is tolerated, else refused.
"""

from __future__ import annotations

import math

import numpy as np

from lockmodel.errors import ArgumentError, NotTrustworthyError
from lockmodel.solvers.markov import queue_moves as lay
from lockmodel.solvers.markov.chain import MEMORY, Chain, ChainModel, explore, memory_needed
from lockmodel.solvers.markov.queues import (
    CONSTANT,
    LockResult,
    QueueNetwork,
    QueueResult,
    _at,
    check_network,
    check_population,
    fewest_states,
    queue_model,
)
from lockmodel.solvers.markov.stationary import Stationary, stationary

Array = np.ndarray

FLOWS_AGREE = 1e-8
"""Largest difference between busy servers and throughput x demand that is let through."""

ERLANG_STAGES = (2, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""Stages that stand for a constant time, one after the other until the error is small enough."""

ACCURACY = 1e-7
"""Default for the relative error of an extrapolated throughput."""

SAFETY = 4.0
"""Factor on the last correction of the extrapolation that is stated as its error."""

SHRINKS = 0.3
"""Each correction must be at most this share of the one before; measured: 0.1 where the mean is
smooth in 1/r, 0.4 to 0.6 where it is not."""

ROUGH = SAFETY / (2.0**0.5 - 1.0)
"""Stated error of a mean that is not smooth, as a multiple of what doubling r changes. What
converges like r^-1/2 has 1 / (sqrt(2) - 1) of its last change before it."""

DEAR = 300_000
"""States of a chain after which a mean that is not smooth is not followed to more stages."""

NOISE = 10.0
"""Factor by which extrapolating amplifies the errors of the chains it starts from."""


def _blocks(chain: Chain, ints: Array, lock: int) -> tuple[Array, Array]:
    """Return processes and phases at the shards of a lock, shapes (S, shards)."""
    at = ints[lay.LOCK_TABLE] + lock * lay.LOCK_INTS
    table = ints[at : at + lay.LOCK_INTS]
    first = table[lay.OFFSET] + np.arange(table[lay.SHARDS]) * table[lay.WIDTH]
    counts = chain.states[:, first]
    if table[lay.PHASE_AT] < 0:
        return counts, (counts > 0).astype(np.int16)
    return counts, chain.states[:, first + table[lay.PHASE_AT]]


def _summed(columns: Array) -> Array:
    """Return the sums of rows, shape (S,); for few columns 20 times faster than sum(axis=1)."""
    total = np.zeros(columns.shape[0], np.int64)
    for column in columns.T:
        total += column
    return total


def _measure(
    network: QueueNetwork, n: int, model: ChainModel, chain: Chain, steady: Stationary
) -> QueueResult:
    """Return means of the stationary distribution, after checking that the flows agree."""
    ints = model.ints
    thinkers = _summed(chain.states[:, : ints[lay.THINK_PHASES]])
    counts, busy, held, demands = [], [], [], []
    for i, lock in enumerate(network.locks):
        at_shards, phases = _blocks(chain, ints, i)
        holds = ints[ints[lay.LOCK_TABLE] + i * lay.LOCK_INTS + lay.HOLD_PHASES]
        counts.append(_summed(at_shards))
        busy.append(steady.mean(_summed(at_shards > 0)) / at_shards.shape[1])
        held.append(steady.mean(_summed((phases > 0) & (phases <= holds))))
        demands.append(sum(s.hold * s.probability for s in network.stages if s.lock == lock.name))
    # Little's law for servers: busy servers = throughput x demand, at each lock and at the CPU
    places = list(zip(held, demands, strict=True))
    if network.think > 0:
        cpu = [0.0] + [_at(network.cpu, j) if network.cpu else float(j) for j in range(1, n + 1)]
        places.append((steady.mean(np.array(cpu)[thinkers]), network.think))
    most_servers, demand = max(places)
    throughput = most_servers / demand
    apart = max(abs(servers - throughput * d) / max(1.0, servers) for servers, d in places)
    if not apart <= FLOWS_AGREE:
        raise NotTrustworthyError(
            f"Markov chain {chain.name!r}: flows disagree by {apart:.1e} over {chain.size:,} "
            f"states; the times differ too much for a reliable result"
        )
    locks = {}
    for lock, count, use, d in zip(network.locks, counts, busy, demands, strict=True):
        queue = steady.mean(count)
        marginal = np.bincount(count, weights=steady.p, minlength=n + 1)
        locks[lock.name] = LockResult(use, queue, max(queue / throughput - d, 0.0), marginal)
    error = max(steady.error / most_servers * max(1.0, most_servers), apart)
    return QueueResult(
        throughput, locks, steady.mean(thinkers), chain.size, steady.residual, float(error)
    )


def _varies(network: QueueNetwork, n: int) -> bool:
    """Whether every time has phases: nothing is constant."""
    shapes = [lock.hold for lock in network.locks]
    if network.think > 0:
        shapes.append(network.think_shape)
    shapes += [
        lock.handoff_shape
        for lock in network.locks
        if any(_at(lock.handoff, w) > 0 for w in range(1, n))
    ]
    for shape in shapes:
        if isinstance(shape, str):
            if shape != CONSTANT:
                raise ArgumentError(f"shape = {shape!r} must be a PhaseType or {CONSTANT!r}")
        elif not abs(shape.mean - 1.0) <= 1e-9:
            raise ArgumentError(
                f"a shape has mean {shape.mean:.9g}; it must be 1, times are given beside it"
            )
    return not any(isinstance(shape, str) for shape in shapes)


def _vector(result: QueueResult) -> Array:
    """Return all means of a result as one vector, throughput first."""
    parts = [np.array([result.throughput, result.thinkers])]
    for lock in result.locks.values():
        parts += [np.array([lock.utilisation, lock.queue, lock.wait]), lock.marginal]
    return np.concatenate(parts)


def _result(vector: Array, like: QueueResult, error: float) -> QueueResult:
    """Return the result whose means are `vector`; what is no mean comes from `like`."""
    locks, at = {}, 2
    for name, lock in like.locks.items():
        end = at + 3 + lock.marginal.size
        use, queue, wait = vector[at : at + 3].tolist()
        locks[name] = LockResult(use, queue, max(wait, 0.0), vector[at + 3 : end])
        at = end
    throughput, thinkers = vector[:2].tolist()
    return QueueResult(throughput, locks, thinkers, like.states, like.residual, error)


def extrapolated(stages: list[int], rows: list[Array]) -> Array:
    """Return the table of polynomial extrapolation to 1/r = 0, its last row.

    Parameters
    ----------
    stages : list of int
        r of every row, growing.
    rows : list of ndarray, shape (V,)
        Values computed with r stages.

    Returns
    -------
    ndarray, shape (K, V)
        Entry k uses the last k + 1 rows: the polynomial of degree k in 1/r, at 0 (Neville).
    """
    table = [rows[0]]
    for i in range(1, len(rows)):
        new = [rows[i]]
        for k in range(1, i + 1):
            ratio = stages[i] / stages[i - k]
            new.append(new[k - 1] + (new[k - 1] - table[k - 1]) / (ratio - 1.0))
        table = new
    return np.array(table)


def _extrapolation_error(values: list[float], noise: float) -> float:
    """Return the relative error of the last of some extrapolated values; inf if unknown.

    It is known when corrections shrink fast. They do not where several constant times end
    together for ever (two constant times in a cycle of two processes): the mean then is no
    smooth function of 1/r, and a small last correction would say nothing.
    """
    last, before = abs(values[-1] - values[-2]), abs(values[-2] - values[-3])
    floor = noise * abs(values[-1])
    if last > max(SHRINKS * before, floor):
        return float(np.inf)
    return float(SAFETY * last / abs(values[-1]) + noise)


def _rough(rows: list[Array]) -> tuple[Array, float]:
    """Return the means for ever more stages where they are not smooth, and their relative error.

    From results for the first of `ERLANG_STAGES`. What doubling the stages changes is added once
    more, which removes 1/r; what is left shrinks like r^-1/2 or faster. The error follows from
    what doubling changes then, the largest of three: a single one may be small by chance.
    """
    stages = ERLANG_STAGES[: len(rows)]
    better = {
        r: 2 * rows[i] - rows[stages.index(r // 2)]
        for i, r in enumerate(stages)
        if r // 2 in stages
    }
    changes = [abs(v[0] - better[r // 2][0]) for r, v in better.items() if r // 2 in better]
    if not changes or stages[-1] not in better:
        return rows[-1], float(np.inf)
    best = better[stages[-1]]
    error = ROUGH * max(changes[-3:])
    if len(changes) == 1:
        error = max(error, abs(best[0] - rows[-1][0]))
    return best, float(error / best[0])


def _constant(
    network: QueueNetwork, n: int, memory: int, accuracy: float, tolerated: float
) -> QueueResult:
    """Return the solution with constant times, extrapolated, or as far as it is tolerated."""
    rows: list[Array] = []
    values: list[float] = []
    noise, stopped = 0.0, ""
    for i, stages in enumerate(ERLANG_STAGES):
        try:
            result = solve_once(network, n, memory, stages)
        except NotTrustworthyError as problem:
            if not rows:
                raise
            stopped = f"; {problem}"
            break
        rows.append(_vector(result))
        best = extrapolated(list(ERLANG_STAGES[: i + 1]), rows)[-1]
        values.append(float(best[0]))
        noise = max(noise, NOISE * result.error)
        error = _extrapolation_error(values, noise) if i >= 3 else np.inf
        if error <= accuracy:
            return _result(best, result, error)
        settled, rough = _rough(rows)
        if error == np.inf and rough <= tolerated and result.states > DEAR:
            break
    if rough <= tolerated:
        return _result(settled, result, rough + noise)
    last = abs(values[-1] / values[-2] - 1.0) if len(values) > 1 else np.inf
    raise NotTrustworthyError(
        f"Markov chain of constant times, N = {n}: not extrapolated to {accuracy:.0e} from "
        f"{len(rows)} numbers of Erlang stages, last relative correction {last:.1e}, estimated "
        f"error {rough:.1e} (do several constant times end together?); use --method "
        f"simulation{stopped}"
    )


def solve_once(network: QueueNetwork, n: int, memory: int = MEMORY, stages: int = 1) -> QueueResult:
    """Return the solution with constant times replaced by Erlang times of `stages` stages."""
    model = queue_model(network, n, stages)
    chain = explore(model, memory)
    return _measure(network, n, model, chain, stationary(chain))


def solve_queues(
    network: QueueNetwork,
    population: int,
    memory: int = MEMORY,
    accuracy: float = ACCURACY,
    tolerated: float = 0.0,
) -> QueueResult:
    """Return the stationary state of a network of FIFO locks.

    Parameters
    ----------
    network : QueueNetwork
        Times in seconds.
    population : int
        Number of processes N.
    memory : int, optional
        Bytes that the chain may take.
    accuracy : float, optional
        Largest estimated relative error of the throughput, where times are constant.
    tolerated : float, optional
        The same where extrapolation does not get there; 0 refuses that.

    Returns
    -------
    QueueResult
        Exact but for rounding where every time has phases; `error` then is the iteration's.
        With constant times `error` is that of the extrapolation.

    Raises
    ------
    ArgumentError
        A number is not valid; it names key and value.
    NotTrustworthyError
        The chain does not fit, does not converge, or the extrapolation does not.
    """
    check_network(network)
    n = check_population(population)
    fewest = fewest_states(network, n)
    if memory_needed(fewest, fewest, 1) > memory:
        raise NotTrustworthyError(
            f"Markov chain 'queues N = {n}': too large; at least 10^{math.log10(fewest):.1f} "
            f"states, and the memory is {memory / 2**20:,.0f} MiB; take fewer processes or "
            f"acquires, or use --method simulation"
        )
    if _varies(network, n):
        return solve_once(network, n, memory)
    return _constant(network, n, memory, accuracy, tolerated)
