"""The loops of product form, as plain functions on arrays that numba can compile.

One source, two ways to run it: `load` returns these functions as they are, or compiled. Both
give the same bits. Starting numba takes 0.4 s, which is what a million steps take in plain
Python, so a single prediction is answered before a compiler would have started.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from lockmodel.solvers import numba_cache

Array = np.ndarray

PLAIN_STEPS = 500_000
"""Steps run in plain Python before the compiled functions take over (0.2 s)."""

BIG = 2.0**500
SMALL = 2.0**-500
NEGLIGIBLE = 1e-18
"""A remaining tail below this share of the sum is dropped: under a hundredth of an ulp."""

CHUNK = 4
"""Levels between overflow checks: 500 + 4 x 120 bits stay below 1024 for factors to 2**120."""


def fold_two_level(x: Array, first: Array, later: Array, out: Array) -> None:
    """`fold` for stations with one service time alone and one from two processes on: O(N) each.

    That is a single server or a queue lock. With T(n) = 1 + later x(n) T(n-1) the tail of `fold`,
    S(n) = 1 + first x(n) T(n-1). The loop carries v = 1 / T(n-1) and g = S(n-1) / T(n-1), which
    stay finite where S and T overflow. All stations in one loop over n: measured twice as
    fast as one after the other, because their divisions overlap.

    Parameters
    ----------
    x : ndarray, shape (N + 1,)
        Throughputs of the network without the stations, index = n.
    first, later : ndarray, shape (K,)
        Service times with one process and with more.
    out : ndarray, shape (N + 1,)
        Throughputs with the stations; may be `x`.
    """
    stations = first.shape[0]
    v = np.ones(stations)
    small = np.zeros(stations, np.int64)  # v is v[k] / BIG**small[k]: it may come back
    g = np.ones(stations)
    for n in range(1, x.shape[0]):
        rate = x[n]
        for k in range(stations):
            idle = v[k] if small[k] == 0 else 0.0
            a = idle + first[k] * rate
            b = 1.0 / (idle + later[k] * rate)
            rate *= g[k] / a  # S(n-1) / S(n)
            g[k] = a * b
            v[k] *= b
            if v[k] < SMALL:
                v[k] *= BIG
                small[k] += 1
            elif v[k] > 1.0 and small[k] > 0:
                v[k] *= SMALL
                small[k] -= 1
        out[n] = rate


def fold(x: Array, service: Array, out: Array) -> None:
    """Write the throughputs of network `x` with one more station into `out` (index = n)."""
    population = x.shape[0] - 1
    levels = service.shape[0]
    last_service = service[levels - 1]
    tail = np.empty(population + 1)
    tail_exp = np.zeros(population + 1, np.int64)
    tail[0] = 1.0
    largest = np.empty(levels + 1)  # max of service from a level on
    largest[levels] = last_service
    for j in range(levels - 1, -1, -1):
        largest[j] = max(largest[j + 1], service[j])
    fastest = np.empty(population + 1)  # max of x up to n
    fastest[0] = 0.0
    for n in range(1, population + 1):
        fastest[n] = max(fastest[n - 1], x[n])
    before, before_exp = 1.0, 0
    for n in range(1, population + 1):
        exponent = tail_exp[n - 1]
        value = (1.0 if exponent == 0 else 0.0) + last_service * x[n] * tail[n - 1]
        if value > BIG:
            value *= SMALL
            exponent += 1
        elif value < 1.0 and exponent > 0:
            value *= BIG
            exponent -= 1
        tail[n] = value
        tail_exp[n] = exponent
        # term and total have exponents of their own: terms may fall far below the total and come
        # back (two modes: everybody or nobody at a lock that slows down).
        term, term_exp, total, total_exp = 1.0, 0, 1.0, 0
        end = min(levels, n)
        j = 1
        while True:
            part = 0.0
            for _ in range(min(CHUNK, end - j)):
                term *= x[n - j + 1] * service[j - 1]
                part += term
                j += 1
            if term > BIG:
                term *= SMALL
                part *= SMALL
                term_exp += 1
            elif term < SMALL:
                term *= BIG
                part *= BIG
                term_exp -= 1
            part_exp = term_exp
            last = j >= end
            if last:  # the level from which service is constant, and its geometric tail
                term *= x[n - end + 1] * service[end - 1]
                if term > BIG:
                    term *= SMALL
                    part *= SMALL
                    part_exp += 1
                end_exp = part_exp + tail_exp[n - end]
                end_part = term * tail[n - end]
                if end_part > BIG:
                    end_part *= SMALL
                    end_exp += 1
                if end_exp > part_exp:
                    part = end_part + (part * SMALL if end_exp == part_exp + 1 else 0.0)
                    part_exp = end_exp
                else:
                    part += end_part
            if part_exp == total_exp:
                total += part
            elif part_exp == total_exp - 1:
                total += part * SMALL
            elif part_exp > total_exp:
                total = part + (total * SMALL if part_exp == total_exp + 1 else 0.0)
                total_exp = part_exp
            if total > BIG:
                total *= SMALL
                total_exp += 1
            if last:
                break
            ratio = fastest[n - j + 1] * largest[j - 1]
            relative = term * (1.0 if term_exp == total_exp else SMALL)
            if (
                ratio < 1.0
                and term_exp <= total_exp
                and relative * ratio < NEGLIGIBLE * total * (1.0 - ratio)
            ):
                break  # the rest is below a geometric series
        ratio = before / total
        if total_exp > before_exp:
            ratio *= SMALL
        elif total_exp < before_exp:
            ratio *= BIG
        out[n] = x[n] * ratio
        before, before_exp = total, total_exp


def marginal(x: Array, service: Array, n: int) -> Array:
    """Return P(j processes at the station), j = 0..n, given the others' throughputs `x`."""
    p = np.empty(n + 1)
    exponents = np.zeros(n + 1, np.int64)
    p[0] = 1.0
    exponent, highest = 0, 0
    for j in range(1, n + 1):
        value = p[j - 1] * x[n - j + 1] * service[min(j, service.shape[0]) - 1]
        if value > BIG:
            value *= SMALL
            exponent += 1
            highest = max(highest, exponent)
        elif value < SMALL:
            value *= BIG
            exponent -= 1
        p[j] = value
        exponents[j] = exponent
    total = 0.0
    for j in range(n + 1):
        below = highest - exponents[j]
        if below == 1:
            p[j] *= SMALL
        elif below > 1:
            p[j] = 0.0
        total += p[j]
    return p / total


def means(x: Array, service: Array) -> tuple[Array, Array]:
    """Return the mean of `marginal` and 1 - P(0), at every population n of `x`, 0 at n = 0.

    Its loops again, without a call and an array per n, which were two thirds of a sharded answer.
    """
    population, levels = x.shape[0] - 1, service.shape[0]
    queues, busy = np.zeros(population + 1), np.zeros(population + 1)
    p = np.empty(population + 1)
    exponents = np.zeros(population + 1, np.int64)
    p[0] = 1.0
    for n in range(1, population + 1):
        exponent, highest = 0, 0
        for j in range(1, n + 1):
            value = p[j - 1] * x[n - j + 1] * service[min(j, levels) - 1]
            if value > BIG:
                value *= SMALL
                exponent += 1
                highest = max(highest, exponent)
            elif value < SMALL:
                value *= BIG
                exponent -= 1
            p[j] = value
            exponents[j] = exponent
        somebody, mean = 0.0, 0.0
        for j in range(1, n + 1):
            below = highest - exponents[j]
            if below < 2:
                share = p[j] * SMALL if below == 1 else p[j]
                somebody += share
                mean += j * share
        nobody = 1.0 if highest == 0 else SMALL if highest == 1 else 0.0
        queues[n] = mean / (nobody + somebody)
        busy[n] = somebody / (nobody + somebody)
    return queues, busy


def batch(delays: Array, demands: Array, population: int) -> Array:
    """Return X(population) of delay + single servers, shapes (B,), (K, B): `fold_two_level`."""
    size, stations = delays.shape[0], demands.shape[0]
    empty = np.ones((stations, size))
    x = np.empty(size)
    for n in range(1, population + 1):
        for b in range(size):
            x[b] = n / delays[b]  # only grows, so an empty station that has vanished stays so
        for k in range(stations):
            row, demand = empty[k], demands[k]
            for b in range(size):  # vectorised over networks: measured 8 times faster than singly
                scale = 1.0 / (row[b] + demand[b] * x[b])
                x[b] *= scale
                row[b] *= scale
    return x


class Kernels:
    """The functions to call: plain or compiled.

    Parameters
    ----------
    decorate : callable
        Applied to every function.
    """

    def __init__(self, decorate: Callable[[Any], Any]) -> None:
        self.fold_two_level = decorate(fold_two_level)
        self.fold = decorate(fold)
        self.marginal = decorate(marginal)
        self.means = decorate(means)
        self.batch = decorate(batch)


@lru_cache(maxsize=1)
def plain() -> Kernels:
    """Return the functions as they are."""
    return Kernels(lambda function: function)


@lru_cache(maxsize=1)
def compiled() -> Kernels:
    """Return the functions compiled by numba, from its cache if they have been before."""
    return Kernels(numba_cache.compiled)


_spent = 0


def load(steps: int) -> Kernels:
    """Return the functions for work of about `steps` inner steps.

    Parameters
    ----------
    steps : int
        Estimated; summed up over the process, so many small calls end up compiled as well.
    """
    global _spent
    _spent += steps
    small = _spent <= PLAIN_STEPS and "numba" not in sys.modules
    return plain() if small else compiled()
