"""Who had a lock last: how often another process, so that its lines have to come from elsewhere.

A process that takes one lock again and again often finds its own lines. Whether it does follows
from the discipline and from what passes between two of its acquires:

* Somebody waits at the release: first come, first served hands the lock to another process. Where
  the releasing process may barge in, it has the lock again unless its gap is longer than the
  hand-off to the waiter: probability g / (g + c), both exponential.
* Nobody waits: the lock is found idle, and another process had it if one came within the gap. Of
  one of the others, whose own gaps at this lock last G_1, G_2, ... (exponential), the
  probability not to come within a time t is f(t) = sum_k w_k exp(-t / G_k), w_k the share of its
  time that is in gap k. So the lock changed with probability 1 - E[f(g)^(U-1)] for U users. One
  acquire per iteration: (U - 1) / U, as every order of U processes is alike.

The gaps are those of light load: what others' waiting adds lengthens all of them alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

STEP = 0.25
"""Of the trapezoidal rule in the logarithm of time, which is exact to 1e-12 with it: an integrand
that decays doubly exponentially on one side and exponentially on the other."""

_LOG = np.arange(-40.0, 5.0, STEP)
_TIMES = np.exp(_LOG)
_WEIGHTS = STEP * _TIMES * np.exp(-_TIMES)


class Gap(NamedTuple):
    """Time between two acquires of one lock by one process.

    Attributes
    ----------
    site : int
        Which of the lock's sites the second acquire is at.
    time : float
        Mean, s, waiting apart.
    number : float
        How often in an iteration.
    """

    site: int
    time: float
    number: float


class Taken(NamedTuple):
    """One site's acquires in an iteration.

    Attributes
    ----------
    own : int or None
        Which of the lock's sites it is; None if it takes another lock.
    acquires, gap, hold : float
        Per iteration; s before each, and that each holds its lock.
    """

    own: int | None
    acquires: float
    gap: float
    hold: float


def gaps(iteration: Sequence[Taken], before: float) -> tuple[Gap, ...]:
    """Return the gaps between the acquires of one lock.

    Parameters
    ----------
    iteration : sequence of Taken
        All sites with acquires, in order.
    before : float
        Time at the beginning of an iteration, s.

    Returns
    -------
    tuple of Gap
        The first belongs to the iteration's first acquire of the lock, which looks back to the
        last one of the iteration before.
    """
    found: list[Gap] = []
    elapsed = before
    for taken in iteration:
        if taken.own is None:
            elapsed += taken.acquires * (taken.gap + taken.hold)
            continue
        first = min(1.0, taken.acquires)
        found.append(Gap(taken.own, elapsed + taken.gap, first))
        if taken.acquires > first:
            found.append(Gap(taken.own, taken.gap, taken.acquires - first))
        elapsed = (1.0 - first) * (elapsed + taken.gap)
    if found:
        found[0] = found[0]._replace(time=found[0].time + elapsed)
    return tuple(found)


def found_changed(
    own: Sequence[Gap], users: float, share: float = 1.0, drawn: bool = False
) -> np.ndarray:
    """Return how often an idle lock was had by another since, per gap.

    Parameters
    ----------
    own : sequence of Gap
        Of every process.
    users : float
        U, processes that take this lock or shard, at least 1.
    share : float
        Probability that an iteration of one of them goes to this shard.
    drawn : bool
        Whether each iteration draws a shard: then the last visit to it is any number of
        iterations ago, and the first acquire is one of U alike.

    Returns
    -------
    ndarray, shape (gaps,)
        Probabilities, at most (U - 1) / U where gaps are alike.
    """
    times = np.array([gap.time for gap in own])
    weights = times * np.array([gap.number for gap in own])
    if users <= 1.0:
        return np.zeros(times.size)
    changed = np.zeros(times.size)
    long = weights > 0.0
    if long.any():
        weights = weights[long] / weights.sum()
        ratio = times[:, None, None] / times[long][None, :, None]
        absent = np.einsum("k,gkt->gt", weights, np.exp(-ratio * _TIMES))
        absent = 1.0 - share * (1.0 - absent)
        changed = 1.0 - (absent ** (users - 1.0)) @ _WEIGHTS / _WEIGHTS.sum()
        changed[times == 0.0] = 0.0
    if drawn:
        changed[0] = (users - 1.0) / users
    return np.clip(changed, 0.0, 1.0)


def barged(own: Sequence[Gap], handoff: np.ndarray) -> np.ndarray:
    """Return how often a waiter has the lock before the process that let it go comes back.

    Parameters
    ----------
    own : sequence of Gap
    handoff : ndarray, shape (levels,)
        Time until a waiter looks, s.

    Returns
    -------
    ndarray, shape (gaps, levels)
        Probabilities; 0 without a gap.
    """
    times = np.array([gap.time for gap in own])[:, None]
    total = times + handoff
    passed: np.ndarray = np.divide(times, total, out=np.zeros_like(total), where=total > 0.0)
    return passed
