"""Run replications side by side until the throughput is known as precisely as asked.

A pilot run finds the warm-up, and is thrown away whole. Then rounds of growing length go on until
the half-width of the interval is small enough. How long a round is depends on results only,
never on the clock or on how many workers share the work, so one seed gives one answer.

Replications run in threads: the event loop is compiled code that releases Python's lock, so they
are as parallel as processes would be, without copies and without start-up.
"""

from __future__ import annotations

import math
import threading
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import numpy as np

from lockmodel.errors import ArgumentError, NotTrustworthyError, shown
from lockmodel.model.scenario import Scenario
from lockmodel.progress import Stop, never
from lockmodel.solvers.simulation.engine import run
from lockmodel.solvers.simulation.output import LATEST, REPLICATIONS, Mean, ratio, warm_up
from lockmodel.solvers.simulation.world import World, make
from lockmodel.workers import cpus

PRECISION = 0.005
FINEST = 1e-5
COARSEST = 0.5
MAX_SEED = 2**64 - 1

BATCHES = 64
"""Batches of a pilot run; each is one iteration per process, and at least `SMALLEST`."""

SMALLEST = 32
LONGEST_PILOT = 32
"""A pilot grows to this many times its first length before the system counts as not steady."""

CHUNK = 1_000_000
"""Events between looks at the stop signal: 0.1 s."""

MARGIN = 2.0
"""A round is this multiple of what the last interval says is needed. The first interval, the
pilot's, only plans: who stops as soon as an interval of his data happens to look narrow reports
narrow ones: with a multiple of 1.15 and no plan, 91 to 94 % of them held the truth, not 95. Now
it is 95.2 to 96.0 % (docs/measured.md)."""

GROWTH = 64
"""A round lets what was simulated grow at most this many times: the first intervals are rough."""


@dataclass(frozen=True)
class Sample:
    """What the replications counted after warm-up.

    Attributes
    ----------
    worlds : tuple of World
        One per replication.
    since : ndarray, shape (REPLICATIONS,)
        When counting began, in simulated s.
    pilot : int
        Iterations per replication that were thrown away.
    warm_up : int
        Iterations after which the pilot was found steady.
    """

    worlds: tuple[World, ...]
    since: np.ndarray
    pilot: int
    warm_up: int

    def elapsed(self) -> np.ndarray:
        """Return simulated seconds per replication."""
        ends = [float(w.clock[0]["now"]) for w in self.worlds]
        elapsed: np.ndarray = np.array(ends) - self.since
        return elapsed

    def iterations(self) -> np.ndarray:
        """Return completed iterations per replication."""
        return np.array([float(w.processes["iterations"].sum()) for w in self.worlds])

    def throughput(self) -> Mean:
        """Return iterations per second; where nothing varies, to one round of all processes.

        Replications that agree better than to one iteration go round in step, and so say nothing
        of what their ends cut off: each process may have completed one more, or one less.
        """
        counted = self.iterations()
        mean = ratio(counted, self.elapsed())
        one = mean.value / max(1.0, float(counted.min()))
        if mean.half_width >= one:
            return mean
        return Mean(mean.value, one * float(self.worlds[0].numbers[0]))


def check(precision: float, seed: int, workers: int | None) -> int:
    """Return the number of workers; raise ArgumentError for an argument out of range."""
    if not (isinstance(precision, float | int) and FINEST <= precision <= COARSEST):
        raise ArgumentError(
            f"precision = {shown(precision)} must lie between {FINEST:g} and {COARSEST:g}: it is "
            f"the half-width of the 95 % interval as a share of the throughput"
        )
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
        raise ArgumentError(f"seed = {shown(seed)} must be a whole number from 0 to 2**64 - 1")
    if workers is None:
        return cpus()
    if isinstance(workers, bool) or not isinstance(workers, int) or not 1 <= workers <= 1024:
        raise ArgumentError(f"workers = {shown(workers)} must be a whole number from 1 to 1024")
    return workers


def _reset(w: World) -> None:
    """Forget what was counted, not where everybody is."""
    w.tallies[...] = 0
    w.waited[...] = 0.0
    w.processes["iterations"] = 0
    w.clock["completions"] = 0
    w.shards["busy_since"] = np.maximum(w.shards["busy_since"], w.clock[0]["now"])


class _Workers:
    """Advances all worlds by some iterations, in parallel, unless told to stop."""

    def __init__(self, pool: ThreadPoolExecutor, stop: Stop) -> None:
        self._pool, self._stop = pool, stop
        self._cancelled = threading.Event()

    def _chunk(self, w: World, goal: int) -> None:
        missing = goal - int(w.clock[0]["iterations"])
        if missing > 0 and not self._cancelled.is_set():
            run(w, missing, CHUNK)
        if w.clock[0]["stuck"]:
            raise NotTrustworthyError("simulation: nothing can happen any more; this is a bug")

    def __call__(self, worlds: list[World], iterations: int) -> bool:
        """Return whether all worlds have completed so many more iterations.

        They take turns, so that all have come equally far when it is told to stop.
        """
        behind = [(w, int(w.clock[0]["iterations"]) + iterations) for w in worlds]
        while behind and not self._cancelled.is_set():
            self._finish({self._pool.submit(self._chunk, w, goal) for w, goal in behind})
            behind = [(w, goal) for w, goal in behind if w.clock[0]["iterations"] < goal]
        return not self._cancelled.is_set()

    def _finish(self, running: set[Future[None]]) -> None:
        try:
            while running:
                done, running = wait(running, timeout=0.05, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
                if self._stop():
                    self._cancelled.set()
        except BaseException:
            self._cancelled.set()
            wait(running)
            raise


@dataclass(frozen=True)
class _Pilot:
    """A run that is thrown away: how long, when steady, and how precise its second half is."""

    worlds: list[World]
    iterations: int
    warm_up: int
    spread: float

    def planned(self, precision: float) -> int:
        """Return the iterations per replication that the precision seems to need."""
        needed = self.iterations / 2 * MARGIN * (self.spread / precision) ** 2
        return int(min(max(needed, self.iterations), GROWTH * self.iterations))


def _pilot(advance: _Workers, worlds: list[World]) -> _Pilot | None:
    """Run until steady; None when stopped."""
    per_batch = max(SMALLEST, int(worlds[0].numbers[0]))
    length, ends = BATCHES * per_batch, np.zeros((len(worlds), 0))
    for _ in range(int(math.log2(LONGEST_PILOT)) + 1):
        marks = np.zeros((len(worlds), length))
        worlds = [w._replace(marks=row) for w, row in zip(worlds, marks, strict=True)]
        for w in worlds:
            w.clock["marked"] = 0
        if not advance(worlds, length):
            return None
        ends = np.concatenate([ends, marks], axis=1)
        size = ends.shape[1] // BATCHES
        bounds = np.concatenate([np.zeros((len(worlds), 1)), ends[:, size - 1 :: size]], axis=1)
        warmed = warm_up(np.diff(bounds, axis=1).mean(axis=0))
        if warmed <= LATEST * BATCHES:
            silent = [w._replace(marks=np.zeros(0)) for w in worlds]
            half = ends.shape[1] // 2
            lasted = ends[:, -1] - ends[:, half - 1]
            spread = ratio(np.full(len(worlds), float(half)), lasted).relative
            return _Pilot(silent, ends.shape[1], warmed * size, spread)
        length = ends.shape[1]
    raise NotTrustworthyError(
        f"simulation: not steady after {ends.shape[1]} iterations in each of {len(worlds)} "
        f"replications at n = {int(worlds[0].numbers[0])}; throughput drifts, so its mean would "
        f"mislead. Look at it with `lockmodel simulate --trace`"
    )


def replicate(
    scenario: Scenario,
    population: int,
    precision: float = PRECISION,
    seed: int = 1,
    workers: int | None = None,
    stop: Stop = never,
) -> Sample:
    """Simulate a scenario with N processes until its throughput is precise enough.

    Parameters
    ----------
    scenario : Scenario
    population : int
        N.
    precision : float
        Half-width of the throughput's 95 % interval as a share of it, 1e-5 to 0.5.
    seed : int
        Chooses all random streams.
    workers : int, optional
        Threads; as many as there are CPUs by default. They do not change the answer.
    stop : callable
        Asked some twenty times a second; once true, the run ends with what it has.

    Returns
    -------
    Sample

    Raises
    ------
    ArgumentError
        An argument is out of range.
    NotTrustworthyError
        The scenario has no throughput or no steady state, was stopped while it warmed up, or its
        walkers need more than the locks can give.
    """
    threads = min(check(precision, seed, workers), REPLICATIONS)
    worlds = [make(scenario, population, seed, r) for r in range(REPLICATIONS)]
    with ThreadPoolExecutor(threads) as pool:
        advance = _Workers(pool, stop)
        begun = _pilot(advance, worlds)
        if begun is None:
            raise NotTrustworthyError(
                f"simulation: stopped while it warmed up at n = {population}; nothing to keep. "
                f"Give it more time"
            )
        for w in begun.worlds:
            _reset(w)
        since = np.array([w.clock[0]["now"] for w in begun.worlds])
        sample = Sample(tuple(begun.worlds), since, begun.iterations, begun.warm_up)
        length = done = begun.planned(precision)
        while advance(begun.worlds, length):
            if any(w.clock[0]["lost_walks"] for w in begun.worlds):
                raise NotTrustworthyError(
                    f"simulation: walkers pile up at n = {population}: they set out more often "
                    f"than they come through; lower walks_per_s, read or the shards"
                )
            reached = sample.throughput().relative
            if reached <= precision:
                return sample
            needed = done * MARGIN * (reached / precision) ** 2
            length = max(1, int(min(needed - done, (GROWTH - 1) * done)))
            done += length
    if not np.all(sample.iterations() > 0) or not np.all(sample.elapsed() > 0):
        raise NotTrustworthyError(
            f"simulation: stopped before anything was counted at n = {population}; give "
            f"it more time"
        )
    return sample
