"""Throughput of networks of different populations, with derivatives, in one pass over n.

A fit solves one network per population and step, each in its own loop. Where all of them are the
CPUs and locks of two levels (alone, and with others), the recursion of `kernels.fold_two_level`
runs for all at once, and its derivatives along with it: the same numbers, at a tenth of the cost.
"""

from __future__ import annotations

import numpy as np

TINY = 1e-280
"""Share of an empty station below which its return would be lost to underflow."""

NIL = 1e-18
"""The same below which it is never empty: from there on more processes change nothing."""

SAME = 1e-15
"""Change from one n to the next, in proportion, that is rounding."""

LOOKED = 8
"""Steps between looks at whether anything changes."""


def log_throughputs(
    populations: np.ndarray,
    shape: np.ndarray,
    think: np.ndarray,
    services: np.ndarray,
    think_slopes: np.ndarray,
    slopes: np.ndarray,
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return ln X of networks of the CPUs and two-level stations, and its derivatives.

    Parameters
    ----------
    populations : ndarray of int, shape (B,)
        Increasing.
    shape : ndarray, shape (levels,)
        Rate of the CPUs with 1, 2, ... processes over that with one; the last holds beyond.
    think : ndarray, shape (B,)
        Service time of the CPUs with one process, in s.
    services : ndarray, shape (B, K, 2)
        Service times of the stations with one process and with more, in s, > 0.
    think_slopes : ndarray, shape (p, B)
        d ln think / d theta.
    slopes : ndarray, shape (p, B, K, 2)
        d ln service / d theta.

    Returns
    -------
    (ndarray, shape (B,), ndarray, shape (B, p)) or None
        None where a number leaves the range of floating point: to be solved one by one.

    Notes
    -----
    With v = 1 / T(n-1) and g = S(n-1) / T(n-1) of `fold_two_level`, a = v + first x and
    c = v + later x: X' = x g / a, then g = a / c, v = v / c. Derivatives are of logarithms: that
    of a sum is the mean of its terms' weighted by their shares, so that nothing cancels.
    """
    if not (np.isfinite(think).all() and np.isfinite(services).all()):
        return None
    count, stations = services.shape[:2]
    free = think_slopes.shape[0]
    empty = [np.ones(count) for _ in range(stations)]
    gain = [np.ones(count) for _ in range(stations)]
    d_empty = [np.zeros((free, count)) for _ in range(stations)]
    d_gain = [np.zeros((free, count)) for _ in range(stations)]
    log_x, jacobian = np.empty(count), np.empty((count, free))
    left = 0  # networks before it are finished
    rising = bool((np.diff(shape) >= 0.0).all())
    before = np.full(count, np.nan), np.zeros((free, count))
    for n in range(1, int(populations[-1]) + 1):
        rate = shape[min(n, shape.size) - 1] / think[left:]
        d_rate = -think_slopes[:, left:]
        for k in range(stations):
            v, dv = empty[k], d_empty[k]
            first, later = services[left:, k, 0] * rate, services[left:, k, 1] * rate
            a, c = v + first, v + later
            apart = d_rate - dv
            da = dv + first / a * (slopes[:, left:, k, 0] + apart)
            dc = dv + later / c * (slopes[:, left:, k, 1] + apart)
            rate = rate * gain[k] / a
            d_rate = d_rate + d_gain[k] - da
            if v.min() < TINY and (c[v < TINY] < 1.0).any():
                return None
            gain[k], d_gain[k] = a / c, da - dc
            empty[k], d_empty[k] = v / c, dv - dc
        if rising and n % LOOKED == 0:
            full = np.min([v / services[left:, k, 1] for k, v in enumerate(empty)], axis=0)
            still = np.abs(rate / before[0][-rate.size :] - 1.0).max() < SAME
            still = still and np.abs(d_rate - before[1][:, -rate.size :]).max(initial=0.0) < SAME
            if still and (full < NIL * rate).all():
                log_x[left:], jacobian[left:] = np.log(rate), d_rate.T
                break
        elif n % LOOKED == LOOKED - 1:
            before = rate, d_rate
        if populations[left] == n:
            log_x[left], jacobian[left] = np.log(rate[0]), d_rate[:, 0]
            left += 1
            empty, gain = [e[1:] for e in empty], [g[1:] for g in gain]
            d_empty, d_gain = [d[:, 1:] for d in d_empty], [d[:, 1:] for d in d_gain]
    finite = np.isfinite(log_x).all() and np.isfinite(jacobian).all()
    return (log_x, jacobian) if finite else None
