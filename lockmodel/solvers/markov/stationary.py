"""The stationary distribution of a chain, with its residual and an error estimate.

Small chains: GTH elimination (Grassmann, Taksar & Heyman, Operations Research 33 (1985) 1107),
Gaussian elimination without a subtraction, so every probability is right to a few ulp however
stiff the chain. Large chains: Gauss-Seidel sweeps, alternating in direction, with aggregation
and disaggregation (Takahashi 1975; Koury, McAllister & Stewart, SIAM J. Alg. Disc. Meth. 5 (1984)
164). The aggregates are the values of one state component, each component in turn: the coarse
chain asks how the queue at one lock moves up and down, which is what sweeps alone are slow at.
GTH solves it, so two modes of a queue with a rare passage between them do no harm. Aggregation
converges for certain only after enough sweeps (measured: it may cycle for ever after two), so
sweeps double whenever a cycle gains little. Before that, pairs of components join the aggregates:
two locks that may each have a crowd need them.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from lockmodel.errors import NotTrustworthyError
from lockmodel.solvers.markov.chain import Chain
from lockmodel.solvers.markov.jit import compiled

DIRECT = 600
"""Largest number of states solved by elimination: S^3/3 steps, 0.1 s."""

RESIDUAL = 1e-12
"""Default for the largest share of the probability flow that may be out of balance."""

WORK = 20_000_000_000
"""Transitions evaluated after which an iteration is given up as well: about two minutes."""

WORTH_A_CYCLE = 0.5
"""A cycle that leaves more than this share of the residual is followed by smoother ones."""

MOST_SMOOTHING = 128
"""Most pairs of sweeps before an aggregation; measured: 32 is needed at times."""

SWEEPS = 20_000
"""Default for the number of sweeps after which an iteration is given up."""

AGGREGATES = 256
"""Most values of a component that are told apart; beyond, neighbouring values share one."""

FLOOR = 1e-250
"""Smallest probability of a state: keeps aggregates alive and arithmetic out of subnormals."""

MOST_PAIRS = 3
"""Groupings by two components that are added when those by one gain little."""

ROUNDING = 1e-15
"""Residual below which iterating longer changes nothing."""

Array = np.ndarray


@dataclass(frozen=True)
class Stationary:
    """A stationary distribution and what it is worth.

    Attributes
    ----------
    p : ndarray, shape (S,)
        Probability of each state; adds up to 1.
    residual : float
        Share of the probability flow out of balance: sum |(p Q)_i| / sum p_i q_i.
    error : float
        Estimate of sum |p - exact|, from the rate at which the iteration converges.
    sweeps : int
        Sweeps over all transitions; 0 after elimination.
    """

    p: Array
    residual: float
    error: float
    sweeps: int

    def mean(self, values: Array) -> float:
        """Return the expectation of a reward given per state, shape (S,)."""
        # not p @ values: BLAS threads that wait for a busy CPU took 40 times the product's time
        return float((self.p * values).sum())


@compiled
def gth(rates: Array) -> Array:
    """Return the stationary distribution of a dense irreducible chain, shape (S,).

    Parameters
    ----------
    rates : ndarray, shape (S, S)
        rates[i, j] >= 0 from i to j; the diagonal is not read. Overwritten.

    Returns
    -------
    ndarray, shape (S,)
        Accurate componentwise; NaN if some state cannot reach those before it.

    Notes
    -----
    States are eliminated from the last to the first. The total rate out is summed anew instead of
    read from the diagonal, so nothing is ever subtracted: Grassmann, Taksar & Heyman, Operations
    Research 33 (1985) 1107; accuracy: O'Cinneide, Numerische Mathematik 65 (1993) 109.
    """
    size = rates.shape[0]
    for n in range(size - 1, 0, -1):
        total = 0.0
        for j in range(n):
            total += rates[n, j]
        first = 0
        while first < n and rates[n, first] == 0.0:
            first += 1
        for i in range(n):
            if rates[i, n] > 0.0:
                share = rates[i, n] / total
                rates[i, n] = share
                for j in range(first, n):
                    rates[i, j] += share * rates[n, j]
    p = np.zeros(size)
    p[0] = 1.0
    total = 1.0
    for n in range(1, size):
        mass = 0.0
        for i in range(n):
            mass += p[i] * rates[i, n]
        p[n] = mass
        total += mass
        if total > 1e200:  # the first states are rare: keep the numbers in range
            for i in range(n + 1):
                p[i] /= total
            total = 1.0
    return p / total


@compiled
def dense(indptr: Array, source: Array, rate: Array) -> Array:
    """Return the matrix of rates, shape (S, S), zero diagonal."""
    size = indptr.size - 1
    rates = np.zeros((size, size))
    for i in range(size):
        for k in range(indptr[i], indptr[i + 1]):
            rates[source[k], i] += rate[k]
    return rates


@compiled
def _sweep(indptr: Array, source: Array, rate: Array, out: Array, p: Array, up: bool) -> None:
    """Set every probability to its inflow / rate out, in order of number or against it."""
    size = p.size
    for n in range(size):
        i = n if up else size - 1 - n
        inflow = 0.0
        for k in range(indptr[i], indptr[i + 1]):
            inflow += p[source[k]] * rate[k]
        p[i] = max(inflow / out[i], FLOOR)


@compiled
def imbalance(indptr: Array, source: Array, rate: Array, out: Array, p: Array) -> float:
    """Return sum |(p Q)_i| / sum p_i q_i."""
    off, flow = 0.0, 0.0
    for i in range(p.size):
        inflow = 0.0
        for k in range(indptr[i], indptr[i + 1]):
            inflow += p[source[k]] * rate[k]
        off += abs(inflow - p[i] * out[i])
        flow += p[i] * out[i]
    return off / flow


@compiled
def _flows(indptr: Array, source: Array, rate: Array, p: Array, group: Array, n: int) -> Array:
    """Return the probability flow between groups of states, shape (n, n), zero diagonal."""
    flow = np.zeros((n, n))
    for i in range(p.size):
        g = group[i]
        for k in range(indptr[i], indptr[i + 1]):
            j = source[k]
            if group[j] != g:
                flow[group[j], g] += p[j] * rate[k]
    return flow


@compiled
def _rescale(p: Array, group: Array, factor: Array) -> None:
    """Multiply each group by its factor, and make all add up to 1."""
    total = 0.0
    for i in range(p.size):
        p[i] *= factor[group[i]]
        total += p[i]
    for i in range(p.size):
        p[i] = max(p[i] / total, FLOOR)


@compiled
def _difference(p: Array, q: Array) -> float:
    """Return sum |p - q|."""
    total = 0.0
    for i in range(p.size):
        total += abs(p[i] - q[i])
    return total


def _numbered(labels: Array) -> tuple[Array, int]:
    """Return labels >= 0 as group numbers without gaps, and how many groups."""
    present = np.bincount(labels) > 0
    number = np.cumsum(present) - 1
    return number.astype(np.int16)[labels], int(present.sum())


def groupings(states: Array) -> list[tuple[Array, int]]:
    """Return for each component that varies: the group of every state, and how many groups."""
    kinds = []
    for column in states.T:
        group, values = _numbered(column)
        if values > AGGREGATES:
            group, values = _numbered(group.astype(np.int64) * AGGREGATES // values)
        if values > 1:
            kinds.append((group, values))
    return kinds


def pair_groupings(groups: list[tuple[Array, int]]) -> list[tuple[Array, int]]:
    """Return groupings by two components at once, for the pairs with most values."""
    side = math.isqrt(AGGREGATES)
    coarse = [(g.astype(np.int64) * min(side, n) // n, n) for g, n in groups]
    pairs = sorted(itertools.combinations(coarse, 2), key=lambda pair: -pair[0][1] * pair[1][1])
    return [_numbered(one * side + two) for (one, _), (two, _) in pairs[:MOST_PAIRS]]


def check_irreducible(chain: Chain) -> None:
    """Raise NotTrustworthyError unless every state leads back to the start state."""
    lost = chain.cannot_return
    if lost:
        raise NotTrustworthyError(
            f"Markov chain {chain.name!r}: reducible; {lost:,} of its {chain.size:,} states cannot "
            f"return to the start state, so there is no single stationary distribution; check "
            f"that every process can always go on, or ask for the time to absorption"
        )


def _direct(chain: Chain) -> Stationary:
    """Return the solution by elimination."""
    p = gth(dense(chain.indptr, chain.source, chain.rate))
    residual = float(imbalance(chain.indptr, chain.source, chain.rate, chain.out, p))
    if not residual <= RESIDUAL:
        raise NotTrustworthyError(
            f"Markov chain {chain.name!r}: elimination over {chain.size} states leaves "
            f"{residual:.1e} of the flow out of balance; its rates differ too much"
        )
    return Stationary(p, residual, chain.size * float(np.finfo(float).eps), 0)


def _iterate(chain: Chain, residual: float, error: float, sweeps: int) -> Stationary:
    """Return the solution by sweeps with aggregation and disaggregation."""
    lists = (chain.indptr, chain.source, chain.rate)
    groups = groupings(chain.states)
    paired = len(groups) < 2
    p = np.full(chain.size, 1.0 / chain.size)
    old = np.empty_like(p)
    change, ratio, reached, estimate = 2.0, 1.0, 2.0, np.inf
    done, smoothing = 0, 1
    most = min(sweeps, 1 + WORK // chain.transitions)
    while done < most:
        old[:] = p
        for group, count in groups:
            for _ in range(smoothing):
                _sweep(*lists, chain.out, p, True)
                _sweep(*lists, chain.out, p, False)
            _rescale(p, group, gth(_flows(*lists, p, group, count)))
        done += (2 * smoothing + 1) * len(groups)
        before, reached = reached, float(imbalance(*lists, chain.out, p))
        moved = float(_difference(p, old))
        if not (moved < np.inf and reached < np.inf):
            break  # rates outside the range of numbers
        if reached > WORTH_A_CYCLE * before:
            # far from the solution, groups whose insides are wrong make each other worse
            if not paired:
                groups, paired = groups + pair_groupings(groups), True
            else:
                smoothing = min(2 * smoothing, MOST_SMOOTHING)
        last, ratio = ratio, min(moved / change, 1.0)
        change = max(moved, FLOOR)
        slowest = max(last, ratio)
        if change < ROUNDING * 10:  # ratios of rounding errors say nothing
            slowest = min(slowest, 0.9)
        estimate = change * slowest / (1.0 - slowest) if slowest < 1.0 else np.inf
        if reached <= residual and estimate <= error:
            return Stationary(p, reached, max(estimate, ROUNDING), done)
    raise NotTrustworthyError(
        f"Markov chain {chain.name!r}: no solution after {done} sweeps over {chain.size:,} states; "
        f"{reached:.1e} of the flow is out of balance ({residual:.0e} allowed), estimated error "
        f"{estimate:.1e} ({error:.0e} allowed); use --method simulation"
    )


def stationary(
    chain: Chain,
    residual: float = RESIDUAL,
    error: float = 1e-10,
    sweeps: int = SWEEPS,
    direct: int = DIRECT,
) -> Stationary:
    """Return the stationary distribution of an irreducible chain.

    Parameters
    ----------
    chain : Chain
        From `explore`.
    residual : float, optional
        Largest share of the probability flow out of balance that is accepted.
    error : float, optional
        Largest estimated sum |p - exact| that is accepted from an iteration.
    sweeps : int, optional
        Sweeps over the transitions after which an iteration is given up; large chains are given
        up after `WORK` transitions.
    direct : int, optional
        Chains of up to this many states are solved by elimination.

    Returns
    -------
    Stationary
        Its residual is computed from p, not carried along.

    Raises
    ------
    NotTrustworthyError
        The chain is reducible, or the iteration does not converge; with the number of states and
        the residual reached.

    Notes
    -----
    Methods and sources: module docstring. The error of the iteration is estimated from the change
    d of p in the last cycle and the ratio r of successive changes, d r / (1 - r), with the
    larger of the last two ratios.
    """
    check_irreducible(chain)
    if chain.size <= direct:
        return _direct(chain)
    return _iterate(chain, residual, error, sweeps)
