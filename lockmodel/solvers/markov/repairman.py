"""One lock whose hand-off grows with the waiters, in closed form.

N processes think for Z on average, each on its own CPU, then hold the lock once. With n at the
lock a pass takes S(n) = h + c (n - 1), exponential: hold h, and c per waiter (ticket lock,
test-and-set: every waiter reads the lock word again). The number at the lock is a birth-death
chain,

    p(n+1) / p(n) = r(n) = (N - n) (h + c n) / Z,

as Boyd-Wickizer, Kaashoek, Morris & Zeldovich, "Non-scalable locks are dangerous" (2012) solve by
computer. When it collapses is derived in `lockmodel.statements.collapse`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lockmodel.errors import ArgumentError, not_negative
from lockmodel.solvers.markov.queues import check_population

Array = np.ndarray


@dataclass(frozen=True)
class Repairman:
    """One lock, taken once per iteration.

    Attributes
    ----------
    think : float
        Mean think time Z in seconds, > 0.
    hold : float
        Mean hold time h in seconds, > 0.
    per_waiter : float
        Hand-off per waiter c in seconds, >= 0.
    """

    think: float
    hold: float
    per_waiter: float = 0.0

    def __post_init__(self) -> None:
        not_negative("lock", think=self.think, hold=self.hold, per_waiter=self.per_waiter)
        if self.think == 0 or self.hold == 0:
            raise ArgumentError(
                f"lock: think = {self.think} and hold = {self.hold} must be above 0 s"
            )


def distribution(lock: Repairman, population: int) -> Array:
    """Return P(n at the lock), n = 0..N, shape (N + 1,): the product of the ratios r(n)."""
    total = check_population(population)
    n = np.arange(total)
    ratios = (total - n) * (lock.hold + lock.per_waiter * n) / lock.think
    logs = np.concatenate([[0.0], np.cumsum(np.log(ratios))])
    weights = np.exp(logs - logs.max())
    shares: Array = weights / weights.sum()
    return shares


def throughput(lock: Repairman, population: int) -> float:
    """Return X(N) in iterations per second: thinkers' rate, (N - E n) / Z, as E 1 / S(n)."""
    p = distribution(lock, population)
    n = np.arange(1, p.size)
    return float((p[1:] / (lock.hold + lock.per_waiter * (n - 1))).sum())


def peak(lock: Repairman, most: int) -> tuple[int, float]:
    """Return the population up to `most` with the largest throughput, and that throughput."""
    values = [throughput(lock, n) for n in range(1, check_population(most) + 1)]
    best = int(np.argmax(values))
    return best + 1, values[best]
