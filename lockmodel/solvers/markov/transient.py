"""What happens before the stationary state: probabilities over time, and the time to drain.

Uniformisation (Jensen 1953): with L >= every rate out, p(t) is a Poisson(L t) mixture of the
states after k steps of the chain with steps I + Q / L. All terms are positive; the weights are
computed outwards from the largest (Fox & Glynn, CACM 31 (1988) 440), so they neither overflow
nor vanish. Once a step moves p by so little that all remaining steps together stay below the
tolerance, the rest is skipped: steps never move two distributions apart.

The time to reach a set of states: make the set one state that returns to the start at rate one
per second. That chain is a renewal process, so the mean time is P(elsewhere) / P(in the set), and
the stationary solvers do the work, elimination without a subtraction included.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lockmodel.errors import ArgumentError, NotTrustworthyError, shown
from lockmodel.solvers.markov.chain import Chain
from lockmodel.solvers.markov.explorer import reaching, transpose
from lockmodel.solvers.markov.jit import compiled
from lockmodel.solvers.markov.stationary import stationary

TOLERANCE = 1e-12
"""Probability that the Poisson weights left out may have, per time asked."""

ACCURATE = 1e-8
"""Largest estimated relative error of a mean time that is let through."""

WORK = 20_000_000_000
"""Default for steps x transitions that uniformisation may take: about a minute."""

INTERRUPTIBLE = 100_000_000
"""Transitions evaluated between looks at the keyboard: 0.3 s."""

Array = np.ndarray


def poisson_weights(mean: float, tolerance: float = TOLERANCE) -> tuple[int, Array]:
    """Return the first k and P(Poisson = k), P(Poisson = k + 1), ... that matter.

    Parameters
    ----------
    mean : float
        >= 0.
    tolerance : float, optional
        What is left out has a probability below this.

    Returns
    -------
    int
        First k kept.
    ndarray
        Weights, adding up to 1.

    Notes
    -----
    By ratios from the mode outwards, normalised by their sum: Fox & Glynn, CACM 31 (1988) 440.
    A side ends where the geometric series that bounds the rest is below tolerance / 2.
    """
    mode = int(mean)
    up, down = [1.0], []
    k, weight = mode, 1.0
    total = 1.0
    while True:
        k += 1
        weight *= mean / k
        up.append(weight)
        total += weight
        if weight * mean <= tolerance / 2 * total * (k - mean):
            break
    k, weight = mode, 1.0
    while k > 0:
        weight *= k / mean
        k -= 1
        down.append(weight)
        total += weight
        if weight * k <= tolerance / 2 * total * (mean - k):
            break
    weights = np.array(down[::-1] + up)
    return k, weights / weights.sum()


@compiled
def _mix(
    indptr: Array,
    source: Array,
    rate: Array,
    out: Array,
    top: float,
    p: Array,
    found: Array,
    weights: Array,
    first: int,
    begin: int,
    end: int,
    tolerance: float,
) -> tuple[Array, bool]:
    """Add the distributions after steps begin..end-1 to `found`, and return that after `end`.

    Stops with True when the steps that are left cannot move it by more than the tolerance.
    """
    last = first + weights.size - 1
    new = np.empty(p.size)
    for k in range(begin, end):
        if k >= first:
            for i in range(p.size):
                found[i] += weights[k - first] * p[i]
        moved = 0.0
        for i in range(p.size):
            inflow = p[i] * (top - out[i])
            for j in range(indptr[i], indptr[i + 1]):
                inflow += p[source[j]] * rate[j]
            new[i] = inflow / top
            moved += abs(new[i] - p[i])
        p, new = new, p
        if moved * (last - k) <= tolerance:
            rest = 1.0
            if k >= first:
                rest = weights[k - first + 1 :].sum()
            for i in range(p.size):
                found[i] += rest * p[i]
            return p, True
    return p, False


def _advance(chain: Chain, p: Array, time: float, top: float, tolerance: float) -> Array:
    """Return the distribution `time` seconds after it was `p`."""
    if time == 0:
        return p
    first, weights = poisson_weights(top * time, tolerance)
    steps = first + weights.size
    found, now = np.zeros(p.size), p.copy()
    lists = (chain.indptr, chain.source, chain.rate, chain.out)
    piece = max(1, INTERRUPTIBLE // (chain.size + chain.transitions))
    for begin in range(0, steps, piece):
        end = min(begin + piece, steps)
        now, settled = _mix(*lists, top, now, found, weights, first, begin, end, tolerance)
        if settled:
            break
    return found


def _checked(chain: Chain, start: Array | int, times: Array) -> tuple[Array, Array]:
    """Return the start as a distribution and the times as a vector."""
    asked = np.atleast_1d(np.asarray(times, float))
    if asked.ndim != 1 or not np.all(np.isfinite(asked) & (asked >= 0)):
        raise ArgumentError(f"times = {shown(asked.tolist())} must be finite numbers >= 0, in s")
    if np.any(np.diff(asked) < 0):
        raise ArgumentError(f"times = {shown(asked.tolist())} must not decrease")
    if isinstance(start, int | np.integer):
        if not 0 <= start < chain.size:
            raise ArgumentError(f"start = {start} must be a state number, 0 to {chain.size - 1}")
        p = np.zeros(chain.size)
        p[start] = 1.0
        return p, asked
    p = np.array(start, float)
    if p.shape != (chain.size,) or not np.all(p >= 0) or not abs(p.sum() - 1.0) <= 1e-9:
        raise ArgumentError(
            f"start: shape {p.shape}, sum {p.sum():.9g}; it must be {chain.size} probabilities "
            f"that add up to 1"
        )
    return p, asked


def transient(
    chain: Chain,
    times: Array,
    start: Array | int = 0,
    tolerance: float = TOLERANCE,
    work: int = WORK,
) -> Array:
    """Return the probabilities of all states at some times.

    Parameters
    ----------
    chain : Chain
        May be reducible.
    times : ndarray, shape (K,)
        In seconds, not decreasing.
    start : int or ndarray of shape (S,), optional
        State at time 0, or probabilities.
    tolerance : float, optional
        Bound on the error of sum |p|, per time, rounding apart.
    work : int, optional
        Transitions that may be evaluated, in all.

    Returns
    -------
    ndarray, shape (K, S)
        Row k adds up to 1. Its error in sum |p| is at most 2 (k + 1) tolerance, because every
        interval starts from the end of the one before.

    Raises
    ------
    ArgumentError
        A time or the start is not valid.
    NotTrustworthyError
        The longest time takes more work than allowed.
    """
    p, asked = _checked(chain, start, times)
    top = 1.02 * float(chain.out.max())  # above the largest rate: steps of 1 never alternate
    if not top > 0:
        return np.tile(p, (asked.size, 1))
    cost = (top * asked[-1] + 20 * math.sqrt(top * asked[-1] + 1) * asked.size) if asked.size else 0
    if cost * (chain.transitions + chain.size) > work:
        raise NotTrustworthyError(
            f"Markov chain {chain.name!r}: {asked[-1]:g} s are {cost:.1e} steps over "
            f"{chain.size:,} states and {chain.transitions:,} transitions, more work than "
            f"{work:.1e}; ask for shorter times"
        )
    rows = []
    now = 0.0
    for time in asked.tolist():
        p = _advance(chain, p, time - now, top, tolerance)
        now = time
        rows.append(p)
    return np.array(rows).reshape(asked.size, chain.size)


@dataclass(frozen=True)
class FirstPassage:
    """The time until a set of states is reached.

    Attributes
    ----------
    mean : float
        In seconds.
    error : float
        Estimated relative error of the mean.
    times : ndarray, shape (K,)
        In seconds, as asked.
    reached : ndarray, shape (K,)
        Probability that the set has been reached by then.
    states : int
        States that can be met before, the start included.
    """

    mean: float
    error: float
    times: Array
    reached: Array
    states: int


def absorbed(chain: Chain, target: Array, start: int, rate: float) -> Chain:
    """Return the chain in which the target is one state that returns to the start at `rate`.

    State 0 is the start, the last one the target; what cannot be met in between is left out.
    A rate of 0 makes the target absorbing.
    """
    outside = ~target
    kept = outside[chain.source]
    counts = np.concatenate([[0], np.cumsum(kept)])[chain.indptr]
    source, weight = chain.source[kept], chain.rate[kept]
    starts, onward, _ = transpose(counts, source, weight)
    met = reaching(starts, onward, start)
    number = np.full(chain.size, -1)
    inside = np.flatnonzero(met & outside)
    inside = np.concatenate([[start], inside[inside != start]])
    number[inside] = np.arange(inside.size)
    number[target] = inside.size
    into = np.repeat(np.arange(chain.size), np.diff(counts))
    used = met[source]
    edges = np.column_stack([number[source[used]], number[into[used]]])
    weights = weight[used]
    if rate > 0:
        edges = np.vstack([edges, [[inside.size, 0]]])
        weights = np.append(weights, rate)
    order = np.argsort(edges[:, 1], kind="stable")
    size = inside.size + 1
    indptr = np.searchsorted(edges[order, 1], np.arange(size + 1)).astype(np.int64)
    out = np.bincount(edges[:, 0], weights=weights, minlength=size)
    states = np.vstack([chain.states[inside], np.zeros((1, chain.states.shape[1]), np.int16)])
    states = np.column_stack([states, np.arange(size) == inside.size]).astype(np.int16)
    return Chain(
        chain.name,
        (*chain.components, "target"),
        states,
        indptr,
        edges[order, 0].astype(np.int32),
        weights[order],
        out,
    )


def first_passage(
    chain: Chain, target: Array, start: int = 0, times: Array | None = None
) -> FirstPassage:
    """Return mean and distribution of the time from a state to a set of states.

    Parameters
    ----------
    chain : Chain
        From `explore`; need not be irreducible.
    target : ndarray of bool, shape (S,)
        The set; for example `chain.column("libc.n") <= 1`, the convoy has drained.
    start : int, optional
        State at time 0; `chain.find` gives the number of a state.
    times : ndarray, optional
        In seconds, not decreasing: where the distribution is asked.

    Returns
    -------
    FirstPassage

    Raises
    ------
    ArgumentError
        The target is empty or of another shape, or the start is in it or no state.
    NotTrustworthyError
        Some state met on the way never reaches the target: the mean is infinite.
    """
    target = np.asarray(target)
    if target.shape != (chain.size,) or target.dtype != np.bool_ or not target.any():
        raise ArgumentError(
            f"target: shape {target.shape}, type {target.dtype}; it must be {chain.size} booleans, "
            f"not all false"
        )
    _, asked = _checked(chain, start, np.zeros(0) if times is None else times)
    if target[start]:
        raise ArgumentError(f"start = {start} is in the target already: the time is 0")
    back_rate = float(np.median(chain.out[chain.out > 0])) if np.any(chain.out > 0) else 1.0
    for _ in range(3):
        cycle = absorbed(chain, target, start, back_rate)
        lost = cycle.cannot_return
        if lost:
            raise NotTrustworthyError(
                f"Markov chain {chain.name!r}: {lost:,} of the {cycle.size:,} states met on the "
                f"way never reach the target: the mean time is infinite"
            )
        found = stationary(cycle)
        back = float(found.p[-1])
        mean = float(found.p[:-1].sum()) / back / back_rate
        # elimination is right in every component, an iteration only in their sum
        error = found.error / min(back, 1.0 - back) if found.sweeps else found.error
        if error <= ACCURATE:
            break
        back_rate = 1.0 / mean  # half of the time in the target: its probability is no rare one
    else:
        raise NotTrustworthyError(
            f"Markov chain {chain.name!r}: the mean time to the target has an estimated error of "
            f"{error:.1e}, over {cycle.size:,} states ({ACCURATE:.0e} allowed)"
        )
    reached = np.zeros(0)
    if asked.size:
        reached = transient(absorbed(chain, target, start, 0.0), asked)[:, -1]
    return FirstPassage(mean, error, asked, reached, cycle.size - 1)
