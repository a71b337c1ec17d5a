"""Random numbers of the simulator: one stream per replication, and the distributions.

xoshiro256++ (Blackman & Vigna, ACM TOMS 47 (2021) 36), seeded through numpy's SeedSequence, which
makes streams that are independent whoever runs them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lockmodel.model.distribution import (
    Coxian,
    Distribution,
    Empirical,
    Erlang,
    Exponential,
    Hyperexponential,
    Lognormal,
    Pareto,
)
from lockmodel.solvers.simulation.jit import compiled

CONSTANT, EXPONENTIAL, STAGES, PHASES, MIXTURE, LOGNORMAL, POWER, TABLE = range(8)

DISTRIBUTION = np.dtype(
    [
        ("family", np.int64),
        ("first", np.int64),  # of this distribution's numbers in the table
        ("size", np.int64),
        ("a", np.float64),
        ("b", np.float64),
        ("c", np.float64),
    ]
)
"""A distribution as the engine reads it; what a, b and c mean depends on the family."""

_TO_UNIT = 2.0**-52

_TAIL = 7.69711747013104972
"""Where the tail begins that has the area of a layer, for 256 layers (Marsaglia & Tsang 2000)."""


def _layers() -> np.ndarray:
    """Return the right edges of the layers, from the base to 0; the base is as wide as its area."""
    area = (_TAIL + 1.0) * math.exp(-_TAIL)
    edges = [area * math.exp(_TAIL), _TAIL]
    while len(edges) < 256:
        edges.append(-math.log(area / edges[-1] + math.exp(-edges[-1])))
    return np.array([*edges, 0.0])


_EDGE = _layers()
_DENSITY = np.exp(-_EDGE)


def stream(seed: int, replication: int) -> np.ndarray:
    """Return the state of one replication's random stream, shape (4,), uint64."""
    words = np.random.SeedSequence(entropy=seed, spawn_key=(replication,))
    return words.generate_state(4, np.uint64)


@compiled
def _rotated(word: Any, by: Any) -> Any:
    return (word << np.uint64(by)) | (word >> np.uint64(64 - by))


@compiled
def _word(state: np.ndarray) -> Any:
    """Return 64 random bits."""
    s0, s1, s2, s3 = state[0], state[1], state[2], state[3]
    word = _rotated(s0 + s3, 23) + s0
    t = s1 << np.uint64(17)
    s2 ^= s0
    s3 ^= s1
    state[1] = s1 ^ s2
    state[0] = s0 ^ s3
    state[2] = s2 ^ t
    state[3] = _rotated(s3, 45)
    return word


@compiled
def uniform(state: np.ndarray) -> float:
    """Return one of the 2**52 middles of equal cells of (0, 1): its logarithm is finite."""
    return (float(_word(state) >> np.uint64(12)) + 0.5) * _TO_UNIT


@compiled
def exponential(state: np.ndarray) -> float:
    """Return an exponential time of mean 1: ziggurat (Marsaglia & Tsang, J. Stat. Soft. 5 (2000)).

    Under the density lie 256 layers of one area. The low bits choose a layer, the high ones a
    place in it, which is under the layer above in 98.9 % of draws. Measured on case A: 13.6
    instead of 11.2 million events a second with a logarithm for every draw.
    """
    while True:
        word = _word(state)
        layer = word & np.uint64(255)
        x = (float(word >> np.uint64(12)) + 0.5) * _TO_UNIT * _EDGE[layer]
        if x < _EDGE[layer + np.uint64(1)]:
            return float(x)
        if layer == 0:  # the tail is exponential again
            return float(_TAIL - math.log(uniform(state)))
        low, high = _DENSITY[layer], _DENSITY[layer + np.uint64(1)]
        if low + uniform(state) * (high - low) < math.exp(-x):
            return float(x)


@compiled
def _normal(state: np.ndarray) -> float:
    """Return a standard normal number: polar method (Marsaglia & Bray 1964)."""
    while True:
        u = 2.0 * uniform(state) - 1.0
        v = 2.0 * uniform(state) - 1.0
        s = u * u + v * v
        if 0.0 < s < 1.0:
            return float(u * math.sqrt(-2.0 * math.log(s) / s))


@compiled
def _phases(rates: np.ndarray, go_on: np.ndarray, state: np.ndarray) -> float:
    total = 0.0
    for phase in range(rates.size):
        total += exponential(state) / rates[phase]
        if go_on[phase] < 1.0 and uniform(state) >= go_on[phase]:
            break
    return total


@compiled
def _binned(upto: np.ndarray, edges: np.ndarray, state: np.ndarray) -> float:
    u = uniform(state)
    k = min(int(np.searchsorted(upto, u)), upto.size - 1)
    before = upto[k - 1] if k > 0 else 0.0
    inside = (u - before) / (upto[k] - before)
    return float(edges[k] + inside * (edges[k + 1] - edges[k]))


@compiled
def draw(distribution: Any, table: np.ndarray, state: np.ndarray) -> float:
    """Return a time of mean 1 from a distribution record."""
    family = distribution.family
    if family == EXPONENTIAL:
        return exponential(state)
    if family == CONSTANT:
        return 1.0
    first, size = distribution.first, distribution.size
    if family == STAGES:
        total = 0.0
        for _ in range(size):
            total += exponential(state)
        return float(total / size)
    if family == PHASES:
        middle = first + size
        return _phases(table[first:middle], table[middle : middle + size], state)
    if family == MIXTURE:
        mean = distribution.b if uniform(state) < distribution.a else distribution.c
        return float(mean * exponential(state))
    if family == LOGNORMAL:
        return math.exp(distribution.a + distribution.b * _normal(state))
    if family == POWER:
        return float(distribution.a * uniform(state) ** distribution.b)
    middle = first + size
    return _binned(table[first:middle], table[middle : middle + size + 1], state)


def encode(distributions: list[Distribution]) -> tuple[np.ndarray, np.ndarray]:
    """Return distributions as records and the table of numbers they refer to.

    Parameters
    ----------
    distributions : list of Distribution

    Returns
    -------
    (ndarray of DISTRIBUTION, ndarray of float64)
    """
    records = np.zeros(len(distributions), DISTRIBUTION)
    table: list[float] = []
    for record, given in zip(records, distributions, strict=True):
        record["first"] = len(table)
        if isinstance(given, Exponential):
            record["family"] = EXPONENTIAL
        elif isinstance(given, Erlang):
            record["family"], record["size"] = STAGES, given.stages
        elif isinstance(given, Coxian):
            from lockmodel.solvers.markov.phase_type import coxian

            phases = coxian(given.scv)
            record["family"], record["size"] = PHASES, len(phases.rates)
            table += [*phases.rates, *phases.go_on]
        elif isinstance(given, Hyperexponential):
            # Balanced means: each branch carries half of the mean (Allen 1990, section 3.2.8).
            short = 0.5 * (1.0 + math.sqrt((given.scv - 1.0) / (given.scv + 1.0)))
            record["family"], record["a"] = MIXTURE, short
            record["b"], record["c"] = 0.5 / short, 0.5 / (1.0 - short)
        elif isinstance(given, Lognormal):
            variance = math.log1p(given.scv)
            record["family"] = LOGNORMAL
            record["a"], record["b"] = -0.5 * variance, math.sqrt(variance)
        elif isinstance(given, Pareto):
            record["family"] = POWER
            record["a"], record["b"] = (given.shape - 1.0) / given.shape, -1.0 / given.shape
        elif isinstance(given, Empirical):
            record["family"], record["size"] = TABLE, len(given.probabilities)
            upto = np.cumsum(given.probabilities)
            table += [*(upto / upto[-1]), *(np.array(given.edges) / given.mean)]
        else:
            record["family"] = CONSTANT
    return records, np.array(table or [0.0])
