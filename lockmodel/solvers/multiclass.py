"""Several classes in product form, exact: convolution over the vectors of how many of each.

With G(n) the normalising constant at population vector n, X_c = G(n - e_c) / G(n) (Baskett,
Chandy, Muntz & Palacios 1975; Reiser & Kobayashi, IBM J. R&D 19 (1975) 283). A station whose rate
depends on how many processes are there, of whatever class, is folded in level by level: let H_j be
the constants of the network with a station that begins at its level j. Then

    H_j(n) = G(n) + s(j) sum_c D_c H_{j+1}(n - e_c),

s(j) by how much it is slower with j there; from the last level on H_j = H_{j+1}. All terms are
positive, so nothing cancels. Demands are scaled per class by about its throughput, which keeps G
within the range of numbers; where it does not, the result is refused.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import lgamma, log2, prod

import numpy as np

from lockmodel.errors import NotTrustworthyError
from lockmodel.model.class_network import ClassStation
from lockmodel.solvers import class_kernels
from lockmodel.solvers.kernels import PLAIN_STEPS
from lockmodel.solvers.product_form import TOLERANCE

MOST_STEPS = 4e9
"""Steps of the largest network that is solved exactly, two to four ns each."""

MOST_VECTORS = 2**22
"""Population vectors of it: 32 MiB per array."""

TRIES = 12
"""How often the scale of the constants is corrected."""


@dataclass(frozen=True)
class ClassSolution:
    """Solution of a network of several kinds of process.

    Attributes
    ----------
    throughput : ndarray, shape (kinds,)
        Iterations per second of each.
    queues : ndarray, shape (stations, kinds)
        Mean processes of each kind at one copy of each station.
    busy, beyond : ndarray, shape (stations,)
        Probability that anybody is at one copy; mean processes there beyond so many as were asked.
    """

    throughput: np.ndarray
    queues: np.ndarray
    busy: np.ndarray
    beyond: np.ndarray


def steps(stations: Sequence[ClassStation], counts: Sequence[int]) -> float:
    """Return about how many steps `solve_classes` takes."""
    n, vectors = sum(counts), prod(float(count + 1) for count in counts)
    levels = sorted(min(s.slower.size, n) * s.copies for s in stations)
    return vectors * len(counts) * (1.0 + sum(levels[:-1])) * (2 + log2(len(stations)))


def solvable(stations: Sequence[ClassStation], counts: Sequence[int]) -> bool:
    """Return whether `solve_classes` takes a network of that size."""
    vectors = prod(float(count + 1) for count in counts)
    return vectors <= MOST_VECTORS and steps(stations, counts) <= MOST_STEPS


def solve_classes(
    stations: Sequence[ClassStation], counts: Sequence[int], cpus: int = 0
) -> ClassSolution:
    """Solve a network exactly.

    Parameters
    ----------
    stations : sequence of ClassStation
        At least one; every kind has a demand.
    counts : sequence of int
        Processes of each kind.
    cpus : int
        `ClassSolution.beyond` counts processes beyond so many.

    Raises
    ------
    NotTrustworthyError
        It is too large, the constants leave the range of numbers, or queues and processes do not
        add up.
    """
    if not solvable(stations, counts):
        vectors = prod(float(count + 1) for count in counts)
        raise NotTrustworthyError(
            f"product form: {len(counts)} kinds of process with {', '.join(map(str, counts))} "
            f"processes make {vectors:.3g} population vectors and {steps(stations, counts):.2g} "
            f"steps; {MOST_VECTORS:,} and {MOST_STEPS:.2g} are solved exactly: take fewer classes "
            f"or processes, the approximation (`lockmodel predict` takes it by itself), or "
            f"simulate (--method simulation)"
        )
    grid = _Grid(tuple(counts), steps(stations, counts))
    scale, whole = _scaled(grid, stations)
    top = whole[-1]
    rates = np.array(
        [
            whole[-1 - stride] / top if n else 0.0
            for n, stride in zip(counts, grid.strides, strict=True)
        ]
    )
    queues = np.zeros((len(stations), len(counts)))
    busy, beyond = np.zeros((2, len(stations)))
    present = grid.vectors.astype(float)
    for i, rest in grid.complements(stations, scale):
        with np.errstate(divide="ignore"):
            there = np.exp(grid.log_alone(stations[i], scale) + np.log(rest[::-1]) - np.log(top))
        queues[i] = present @ there
        busy[i] = 1.0 - there[0] if there[0] < 0.5 else there[1:].sum()
        beyond[i] = there @ np.maximum(grid.totals - cpus, 0)
    solution = ClassSolution(rates * scale, queues, busy, beyond)
    _check(stations, counts, queues)
    return solution


def throughput_of_classes(stations: Sequence[ClassStation], counts: Sequence[int]) -> np.ndarray:
    """Return the throughput of `solve_classes` and nothing else, shape (kinds,)."""
    grid = _Grid(tuple(counts), steps(stations, counts) / (2 + log2(len(stations))))
    scale, whole = _scaled(grid, stations)
    made: np.ndarray = scale * np.array(
        [
            whole[-1 - stride] / whole[-1] if n else 0.0
            for n, stride in zip(counts, grid.strides, strict=True)
        ]
    )
    return made


def _check(stations: Sequence[ClassStation], counts: Sequence[int], queues: np.ndarray) -> None:
    """Raise unless the queues of every kind add up to its processes."""
    present = np.array([s.copies for s in stations]) @ queues
    worst = float(np.max(np.abs(present - counts) / np.maximum(counts, 1)))
    if not worst <= TOLERANCE:
        raise NotTrustworthyError(
            f"product form: mean queues and processes of a class differ by {worst:.1e}; the result "
            f"is not reliable for these demands"
        )


def _copies(station: ClassStation, copies: int) -> ClassStation:
    return ClassStation(station.name, station.demands, station.slower, copies)


@lru_cache(maxsize=16)
def _factorials(most: int) -> np.ndarray:
    """Return ln j! for j = 0..most; not to be written to."""
    return np.array([lgamma(j + 1.0) for j in range(most + 1)])


class _Grid:
    """All vectors of up to so many processes of each kind.

    Parameters
    ----------
    counts : tuple of int
    work : float
        Steps that there will be: few are done without a compiler.
    """

    def __init__(self, counts: tuple[int, ...], work: float) -> None:
        self.counts = np.array(counts)
        sizes = self.counts + 1
        self.strides = np.append(np.cumprod(sizes[:0:-1])[::-1], 1)
        self.vectors = np.indices(tuple(sizes.tolist())).reshape(len(counts), -1)
        self.totals = self.vectors.sum(axis=0)
        logs = _factorials(int(self.totals[-1]))
        self._ways = logs[self.totals] - sum(logs[vector] for vector in self.vectors)
        few = work <= PLAIN_STEPS and "numba" not in sys.modules
        self._fold = class_kernels.fold_classes if few else class_kernels.compiled()

    def log_alone(self, station: ClassStation, scale: np.ndarray) -> np.ndarray:
        """Return ln of the constants of one copy of a station alone."""
        most = int(self.totals[-1])
        levels = station.slower[np.minimum(np.arange(most), station.slower.size - 1)]
        made = self._ways + np.append(0.0, np.cumsum(np.log(levels)))[self.totals]
        for vector, demand in zip(self.vectors, station.demands * scale, strict=True):
            if demand > 0.0:
                made += vector * np.log(demand)
            else:
                made[vector > 0] = -np.inf
        log: np.ndarray = made
        return log

    def constants(self, stations: Sequence[ClassStation], scale: np.ndarray) -> np.ndarray:
        """Return the constants of a network; 1 without processes, nothing else without stations.

        The station with most levels is the first, which costs least.
        """
        order = sorted(stations, key=lambda s: -s.slower.size)
        if not order:
            return np.append(1.0, np.zeros(self.totals.size - 1))
        with np.errstate(over="ignore", under="ignore"):
            whole: np.ndarray = np.exp(self.log_alone(order[0], scale))
        return self._added(whole, [_copies(order[0], order[0].copies - 1), *order[1:]], scale)

    def complements(
        self, stations: Sequence[ClassStation], scale: np.ndarray
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Yield, for every station, the constants of the network without one copy of it.

        What halves of the stations lack is folded in once for each half.
        """
        costly = max(range(len(stations)), key=lambda i: stations[i].slower.size)
        others = [i for i in range(len(stations)) if i != costly]
        spare = _copies(stations[costly], stations[costly].copies - 1)
        yield (
            costly,
            self.constants(
                [*[spare] * (spare.copies > 0), *map(stations.__getitem__, others)], scale
            ),
        )
        if others:
            yield from self._without(
                self.constants([stations[costly]], scale), others, stations, scale
            )

    def _without(
        self,
        whole: np.ndarray,
        which: Sequence[int],
        stations: Sequence[ClassStation],
        scale: np.ndarray,
    ) -> Iterator[tuple[int, np.ndarray]]:
        if len(which) == 1:
            one = stations[which[0]]
            yield which[0], self._added(whole, [_copies(one, one.copies - 1)], scale)
            return
        for half, other in (
            (which[: len(which) // 2], which[len(which) // 2 :]),
            (which[len(which) // 2 :], which[: len(which) // 2]),
        ):
            more = self._added(whole, [stations[i] for i in other], scale)
            yield from self._without(more, half, stations, scale)

    def _added(
        self, whole: np.ndarray, stations: Sequence[ClassStation], scale: np.ndarray
    ) -> np.ndarray:
        """Return the constants of a network and more stations."""
        most = int(self.totals[-1])
        for s in stations:
            demands, levels = s.demands * scale, min(s.slower.size, most)
            for _ in range(s.copies):
                slowest = whole.copy()
                self._step(whole, slowest, demands * s.slower[levels - 1], slowest)
                spare = np.empty_like(whole)
                for j in range(levels - 2, -1, -1):
                    self._step(whole, slowest, demands * s.slower[j], spare)
                    slowest, spare = spare, slowest
                whole = slowest
        return whole

    def _step(
        self, before: np.ndarray, after: np.ndarray, demands: np.ndarray, out: np.ndarray
    ) -> None:
        self._fold(before, after, demands, self.counts, self.strides, out)


def _scaled(grid: _Grid, stations: Sequence[ClassStation]) -> tuple[np.ndarray, np.ndarray]:
    """Return scales of the demands and the constants with them, finite and the last above 0."""
    n = int(grid.totals[-1])
    light = np.maximum(grid.counts, 1) / sum(s.copies * s.demands for s in stations)
    busiest = max(
        float(s.demands @ light) * float(s.slower[min(n, s.slower.size) - 1]) for s in stations
    )
    scale = light / max(1.0, busiest)
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(TRIES):
            whole = grid.constants(stations, scale)
            if not np.all(np.isfinite(whole)):
                scale = scale * 0.6
            elif whole[-1] < 1e-280:
                scale = scale * 1.5
            else:
                return scale, whole
    raise NotTrustworthyError(
        f"product form: the constants of {n} processes in {grid.counts.size} classes leave the "
        f"range of numbers; take fewer processes, or simulate (--method simulation)"
    )
