"""The loop behind the lock families: one delay and one lock, for many parameter sets.

Compiled by numba: a comparison needs some 10^5 throughputs of different parameters, each a sum
over the queue lengths, which would take minutes in plain Python.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from lockmodel.solvers import numba_cache

Array = np.ndarray

BIG = 2.0**500
SMALL = 2.0**-500

THINK, HEAD, GROWTH, HALF, REMOTE = range(5)
"""Columns of the parameters: think time, hand-off, its growth, further waiters at which half of
the growth has happened (infinite: growth per waiter), remote / local - 1. Times are in holds."""


def repairman(
    parameters: Array, populations: Array, remote: Array, out: Array, slopes: Array
) -> None:
    """Write ln throughput (per hold time) and its derivatives for every parameter set.

    One delay Z and one lock with S(1) = 1 and, from j = 2 present on,
    S(j) = 1 + head (1 + excess remote) + growth v / (v + half) with v = j - 2 (growth v for an
    infinite half). Product form (Gordon & Newell 1967): with w_j = prod_{i<=j} S(i) (N-i+1) / Z
    and W(N) = sum_j w_j, X(N) = (N / Z) W(N-1) / W(N), and d ln W(N) / d ln S(k) = P_N(n >= k),
    so d ln X / d p = E_{N-1}[s(n)] - E_N[s(n)] with s(n) = sum_{k<=n} d ln S(k) / d p.

    Parameters
    ----------
    parameters : ndarray, shape (K, 5)
        Natural values, columns as above.
    populations : ndarray of int, shape (B,)
    remote : ndarray, shape (B,)
        Probability that a hand-off leaves the socket.
    out : ndarray, shape (K, B)
        Receives ln X.
    slopes : ndarray, shape (K, B, 5), or (0, 0, 0)
        Receives d ln X / d ln parameter; left alone if empty.
    """
    want = slopes.shape[0] > 0
    sums, totals = np.zeros(5), np.zeros(2)
    mean = np.zeros((2, 5))
    for k in range(parameters.shape[0]):
        think, head = parameters[k, 0], parameters[k, 1]
        growth, half, excess = parameters[k, 2], parameters[k, 3], parameters[k, 4]
        linear = not math.isfinite(half)
        rate = 1.0 / think
        for b in range(populations.shape[0]):
            size = populations[b]
            first = head * (1.0 + excess * remote[b])
            share = 1.0 / size
            term = 1.0
            totals[:] = 1.0  # W(N - 1) and W(N): w_j of the first is w_j (N - j) / N of the second
            sums[:] = 0.0
            mean[:] = 0.0
            for j in range(1, size + 1):
                service = 1.0
                if j > 1:
                    v = j - 2.0
                    part = v if linear else v / (v + half)
                    service = 1.0 + first + growth * part
                    if want:
                        sums[1] += first / service
                        sums[2] += growth * part / service
                        if not linear:
                            sums[3] -= growth * part * half / ((v + half) * service)
                        sums[4] += head * excess * remote[b] / service
                term *= service * (size - j + 1.0) * rate
                fewer = term * ((size - j) * share)
                totals[0] += fewer
                totals[1] += term
                if want:
                    sums[0] = -j
                    for p in range(5):
                        mean[0, p] += sums[p] * fewer
                        mean[1, p] += sums[p] * term
                if term > BIG:
                    term *= SMALL
                    totals *= SMALL
                    if want:
                        mean *= SMALL
            out[k, b] = math.log(size / think) + math.log(totals[0]) - math.log(totals[1])
            if want:
                for p in range(5):
                    slopes[k, b, p] = mean[0, p] / totals[0] - mean[1, p] / totals[1]
                slopes[k, b, 0] -= 1.0


@lru_cache(maxsize=1)
def compiled() -> Any:
    """Return `repairman` compiled by numba, from its cache if it has been before."""
    return numba_cache.compiled(repairman)
