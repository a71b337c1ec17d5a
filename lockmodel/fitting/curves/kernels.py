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
    sums = np.zeros(5)
    mean = np.zeros((2, 5))
    for k in range(parameters.shape[0]):
        think, head = parameters[k, 0], parameters[k, 1]
        growth, half, excess = parameters[k, 2], parameters[k, 3], parameters[k, 4]
        linear = not math.isfinite(half)
        for b in range(populations.shape[0]):
            size = populations[b]
            logs = 0.0
            first = head * (1.0 + excess * remote[b])
            for side in range(2):  # W(N - 1), then W(N)
                top = size - 1 + side
                term, total, exponent = 1.0, 1.0, 0
                sums[:] = 0.0
                mean[side, :] = 0.0
                for j in range(1, top + 1):
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
                    term *= service * (top - j + 1.0) / think
                    total += term
                    if want:
                        mean[side, 0] -= j * term
                        for p in range(1, 5):
                            mean[side, p] += sums[p] * term
                    if term > BIG:
                        term *= SMALL
                        total *= SMALL
                        exponent += 1
                        if want:
                            for p in range(5):
                                mean[side, p] *= SMALL
                if want:
                    for p in range(5):
                        mean[side, p] /= total
                sign = 1.0 if side == 0 else -1.0
                logs += sign * (math.log(total) - exponent * math.log(SMALL))
            out[k, b] = math.log(size / think) + logs
            if want:
                for p in range(5):
                    slopes[k, b, p] = mean[0, p] - mean[1, p]
                slopes[k, b, 0] -= 1.0


@lru_cache(maxsize=1)
def compiled() -> Any:
    """Return `repairman` compiled by numba, from its cache if it has been before."""
    return numba_cache.compiled(repairman)
