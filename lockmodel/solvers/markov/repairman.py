"""One lock whose hand-off grows with the waiters: closed form, and when it collapses.

N processes think for Z on average, each on its own CPU, then hold the lock once. With n at the
lock a pass takes S(n) = h + c (n - 1), exponential: hold h, and c per waiter (ticket lock,
test-and-set: every waiter reads the lock word again). The number at the lock is a birth-death
chain,

    p(n+1) / p(n) = r(n) = (N - n) (h + c n) / Z,

and everything follows from that parabola, with a = sqrt(Z / c) and b = h / c.

* p grows where r > 1. r is largest, (N + b)^2 / (4 a^2), at n = (N - b) / 2. So a mode away from
  0 needs N >= N_c = 2 a - b, or r(0) > 1, that is N > Z / h. N_c <= Z / h always.
* At N = N_c the new mode appears at n = a - b. If a > b, that is Z c > h^2, it is a crowd at the
  lock from the start, while nobody or few there remains a mode until N = Z / h: two modes, each
  lasting long, the throughput of one a fraction of the other's. The collapse is sudden.
* If Z c <= h^2, the parabola falls from n = 0 on; the only mode leaves 0 at N = Z / h and moves
  up with N. The collapse is gradual.
* The crowd is n_u = (N - b) / 2 + sqrt((N + b)^2 / 4 - a^2), the upper root of r = 1; throughput in
  it is (N - n_u) / Z, near 1 / (c N) when N is large. The lower root is where small crowds still
  dissolve and larger ones grow.

Boyd-Wickizer, Kaashoek, Morris & Zeldovich, "Non-scalable locks are dangerous" (2012) solve the
same chain by computer; the conditions above are derived here.
"""

from __future__ import annotations

import math
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


@dataclass(frozen=True)
class Collapse:
    """When throughput collapses; populations as real numbers.

    Attributes
    ----------
    sudden : bool
        Whether two modes exist for some populations: Z c > h^2.
    crowd_from : float
        From this population on a crowd at the lock sustains itself: N_c if sudden, else Z / h.
    calm_until : float
        Up to this population few at the lock is a mode: Z / h.
    """

    sudden: bool
    crowd_from: float
    calm_until: float


def collapse(lock: Repairman) -> Collapse:
    """Return when a crowd at the lock sustains itself, and whether that comes suddenly.

    Derivation: module docstring. r decides at whole n only, so that a mode may appear at the next
    population.
    """
    h, c = lock.hold, lock.per_waiter
    calm_until = lock.think / h
    if lock.think * c <= h * h:
        return Collapse(False, calm_until, calm_until)
    return Collapse(True, 2.0 * math.sqrt(lock.think / c) - h / c, calm_until)


def crowd(lock: Repairman, population: int) -> float | None:
    """Return the size n_u of the crowd that sustains itself; None if there is none."""
    n = check_population(population)
    edge = collapse(lock)
    if n < edge.crowd_from:
        return None
    if lock.per_waiter == 0:
        return n - lock.think / lock.hold
    b = lock.hold / lock.per_waiter
    root = (n + b) ** 2 / 4.0 - lock.think / lock.per_waiter
    return (n - b) / 2.0 + math.sqrt(max(root, 0.0))


def distribution(lock: Repairman, population: int) -> Array:
    """Return P(n at the lock), n = 0..N, shape (N + 1,): the product of the ratios r(n)."""
    total = check_population(population)
    n = np.arange(total)
    ratios = (total - n) * (lock.hold + lock.per_waiter * n) / lock.think
    logs = np.concatenate([[0.0], np.cumsum(np.log(ratios))])
    weights = np.exp(logs - logs.max())
    found: Array = weights / weights.sum()
    return found


def throughput(lock: Repairman, population: int) -> float:
    """Return X(N) in iterations per second: thinkers' rate, (N - E n) / Z, as E 1 / S(n)."""
    p = distribution(lock, population)
    n = np.arange(1, p.size)
    return float((p[1:] / (lock.hold + lock.per_waiter * (n - 1))).sum())


def modes(lock: Repairman, population: int) -> tuple[int, ...]:
    """Return the n at which the distribution has a local maximum, growing; one or two.

    Found by comparing the ratios r(n) with 1, in closed form; of two equal neighbours the
    larger counts.
    """
    total = check_population(population)
    n = np.arange(total)
    ratios = (total - n) * (lock.hold + lock.per_waiter * n) / lock.think
    grows = np.concatenate([[True], ratios >= 1.0, [False]])  # into n from n - 1
    return tuple(np.flatnonzero(grows[:-1] & ~grows[1:]).tolist())


def peak(lock: Repairman, most: int) -> tuple[int, float]:
    """Return the population up to `most` with the largest throughput, and that throughput."""
    values = [throughput(lock, n) for n in range(1, check_population(most) + 1)]
    best = int(np.argmax(values))
    return best + 1, values[best]
