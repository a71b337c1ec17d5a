"""How well curves are predicted beyond half of what was measured, against simple laws.

Every curve is fitted on populations up to half the largest, and scored on the rest:
error = mean |ln(predicted / measured)|. Nothing that is fitted or chosen sees the rest, and the
constants of the pool are those that were set without the host of the curve.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np

from lockmodel.errors import ArgumentError
from lockmodel.evaluate.curve_files import FEWEST_POINTS, SMALLEST_MAXIMUM, chosen_curves
from lockmodel.evaluate.hosts import Hosts
from lockmodel.fitting.curves.curve import Curve
from lockmodel.fitting.curves.fitting import halves
from lockmodel.fitting.curves.pool import DIRECTIONS, FALLS, RISES, pool
from lockmodel.progress import Progress, quietly
from lockmodel.workers import cpus, ordered

SCHEMA = "lockmodel.accuracy/2"

METHODS = ("lockmodel", "usl", "amdahl", "last", "trend")
"""The pool; least-squares fits of the two laws; the last value used; half of the slope of the last
two in ln n, which is the best share of it."""

RIVALS = METHODS[1:]

RIVAL_LEAST = 0.1
"""Part of a rival's band that does not grow with ln n: half of the smallest step measured."""

FEWEST_HOSTS = 4
"""Hosts without which no rival gets a band: three to set it on."""

MOST_WORKERS = 2
LEVEL = 0.90
TREND = 0.5


@dataclass(frozen=True)
class CurveScore:
    """How one curve was predicted.

    Attributes
    ----------
    label, host : str
    errors : dict
        Method -> mean |ln(predicted / measured)| over the held-out points.
    inside : int
        Held-out points inside the 90 % band.
    points : int
        Held-out points.
    interval : float
        Mean interval score of the 90 % band in ln throughput.
    went : str
        What the last point does against the last one used: one of `DIRECTIONS`.
    said : dict
        Method -> the direction that it expected; ours is the most probable one.
    off : dict
        Rival -> ln(measured / predicted) of the held-out points.
    reach : tuple of float
        Their distance from the last point used, in ln n.
    """

    label: str
    host: str
    errors: dict[str, float]
    inside: int
    points: int
    interval: float
    went: str
    said: dict[str, str]
    off: dict[str, tuple[float, ...]]
    reach: tuple[float, ...]


@dataclass(frozen=True)
class FileScore:
    """The curves of one file.

    Attributes
    ----------
    name : str
    curves : tuple of CurveScore
    """

    name: str
    curves: tuple[CurveScore, ...]

    def median(self, method: str) -> float:
        """Return the median error of a method over the curves."""
        return median(curve.errors[method] for curve in self.curves)

    def mean(self, method: str) -> float:
        """Return the mean error of a method over the curves."""
        return fmean(curve.errors[method] for curve in self.curves)

    @property
    def coverage(self) -> float:
        """Share of held-out points inside the band."""
        return sum(c.inside for c in self.curves) / sum(c.points for c in self.curves)


@dataclass(frozen=True)
class HostScore:
    """The curves of one host.

    Attributes
    ----------
    name : str
    curves, points : int
    error : float
        Mean error of lockmodel over the curves.
    coverage : float
        Share of held-out points inside the band.
    interval : float
        Mean interval score over the curves.
    """

    name: str
    curves: int
    points: int
    error: float
    coverage: float
    interval: float


@dataclass(frozen=True)
class Summary:
    """One method on all curves.

    Attributes
    ----------
    method : str
    median, mean : float
        Median over files of the file's median error; mean over files of its mean.
    coverage, worst : float or None
        Share of points inside the 90 % band, mean over hosts and least of a host; None for rivals
        where there are too few hosts to set a band on.
    interval : float or None
        Mean interval score over files.
    declines, direction : float or None
        Share of the falling curves that were expected to fall; of all curves whose direction was
        right. None if no curve falls.
    """

    method: str
    median: float
    mean: float
    coverage: float | None
    worst: float | None
    interval: float | None
    declines: float | None
    direction: float


@dataclass(frozen=True)
class Accuracy:
    """What `lockmodel accuracy` reports.

    Attributes
    ----------
    files : tuple of FileScore
        Sorted by name; files are counted alike, however many curves they have.
    skipped : tuple of (str, str)
        File and reason.
    """

    files: tuple[FileScore, ...]
    skipped: tuple[tuple[str, str], ...]

    @property
    def all(self) -> list[CurveScore]:
        """The curves of all files."""
        return [curve for file in self.files for curve in file.curves]

    @property
    def curves(self) -> int:
        """Curves scored."""
        return len(self.all)

    def median(self, method: str) -> float:
        """Return the median over files of the file's median error."""
        return median(file.median(method) for file in self.files)

    def mean(self, method: str) -> float:
        """Return the mean over files of the file's mean error."""
        return fmean(file.mean(method) for file in self.files)

    @property
    def coverage(self) -> float:
        """Share of held-out points inside the 90 % band, mean over hosts."""
        return fmean(host.coverage for host in self.hosts)

    @property
    def hosts(self) -> tuple[HostScore, ...]:
        """The hosts, the worst covered first."""
        made = []
        for name in {curve.host for curve in self.all}:
            own = [curve for curve in self.all if curve.host == name]
            points = sum(curve.points for curve in own)
            made.append(
                HostScore(
                    name,
                    len(own),
                    points,
                    fmean(curve.errors[METHODS[0]] for curve in own),
                    sum(curve.inside for curve in own) / points,
                    fmean(curve.interval for curve in own),
                )
            )
        return tuple(sorted(made, key=lambda host: (host.coverage, host.name)))

    @cached_property
    def summaries(self) -> tuple[Summary, ...]:
        """Ours, then the rivals, these with bands set on the other hosts."""
        return tuple(self._summary(method) for method in METHODS)

    def _summary(self, method: str) -> Summary:
        banded = self if method == METHODS[0] else self._with_band(method)
        falls = [curve for curve in self.all if curve.went == DIRECTIONS[0]]
        right = fmean(curve.said[method] == curve.went for curve in self.all)
        found = fmean(c.said[method] == c.went for c in falls) if falls else None
        coverage = worst = interval = None
        if banded is not None:
            coverage, worst = banded.coverage, banded.hosts[0].coverage
            interval = fmean(fmean(c.interval for c in file.curves) for file in banded.files)
        return Summary(
            method, self.median(method), self.mean(method),
            coverage, worst, interval, found, right,
        )  # fmt: skip

    def _with_band(self, rival: str) -> Accuracy | None:
        """Return the scores with a rival's bands; None with fewer than `FEWEST_HOSTS` hosts.

        Its errors count in (0.1 + distance in ln n); the band of a host is between the 5 and 95 %
        of those on the others, every host alike.
        """
        by_host: dict[str, list[float]] = {}
        for curve in self.all:
            scaled = np.array(curve.off[rival]) / (RIVAL_LEAST + np.array(curve.reach))
            by_host.setdefault(curve.host, []).extend(scaled.tolist())
        if len(by_host) < FEWEST_HOSTS:
            return None
        tail = 0.5 * (1.0 - LEVEL)
        ends = {}
        for host in by_host:
            others = [values for name, values in by_host.items() if name != host]
            values = np.concatenate(others)
            weights = np.concatenate([np.full(len(one), 1.0 / len(one)) for one in others])
            order = np.argsort(values)
            total = np.cumsum(weights[order])
            at = np.searchsorted(total, np.array([tail, 1.0 - tail]) * total[-1])
            ends[host] = values[order][np.minimum(at, len(values) - 1)]

        def banded(curve: CurveScore) -> CurveScore:
            off, size = np.array(curve.off[rival]), RIVAL_LEAST + np.array(curve.reach)
            low, high = (end * size for end in ends[curve.host])
            inside = int(np.sum((off >= low) & (off <= high)))
            return replace(curve, inside=inside, interval=interval_score(off, low, high))

        return Accuracy(
            tuple(replace(f, curves=tuple(map(banded, f.curves))) for f in self.files), ()
        )

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict; a file's number per method is its median error."""
        return {
            "schema": SCHEMA,
            "files": {
                file.name: {
                    "curves": len(file.curves),
                    **{method: file.median(method) for method in METHODS},
                    "coverage": file.coverage,
                }
                for file in self.files
            },
            "hosts": {
                host.name: {k: v for k, v in asdict(host).items() if k != "name"}
                for host in self.hosts
            },
            "overall": {
                "curves": self.curves,
                **{
                    one.method: {k: v for k, v in asdict(one).items() if k != "method"}
                    for one in self.summaries
                },
                "coverage": self.coverage,
            },
            "skipped": dict(self.skipped),
        }


def interval_score(y: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """Return the mean interval score of a band of `LEVEL` of `LEVEL`.

    Its width, and 2 / (1 - `LEVEL`) times the distance of what lies outside (Gneiting & Raftery,
    JASA 102 (2007) 359).
    """
    miss = np.maximum(low - y, 0.0) + np.maximum(y - high, 0.0)
    return float(np.mean(high - low + 2.0 / (1.0 - LEVEL) * miss))


def score(curve: Curve, host: str = "") -> CurveScore:
    """Return how well a curve's upper half is predicted from its lower half.

    Parameters
    ----------
    curve : Curve
    host : str
        Where it was measured: constants that were set on it are not used.
    """
    split = halves(curve)
    if split is None:
        raise ArgumentError(f"{curve.label}: too few points up to half the largest population")
    near, far = split
    n, y = curve.n[far], np.log(curve.x[far])
    pooled = pool(near, host)
    middle, low, high = (np.log(values) for values in pooled.predict(n, LEVEL))
    reach = np.log(n / near.n[-1])
    last = np.log(near.x[-2:])
    slope = (last[1] - last[0]) / math.log(near.n[-1] / near.n[-2])
    logs = {"lockmodel": middle, "trend": last[1] + TREND * slope * reach}
    logs["last"] = np.full(len(n), last[1])
    for name, law in pooled.outline.laws.items():
        logs[name] = law.log_predict(n, pooled.outline.few)
    expected = pooled.direction(int(n[-1]))
    said = {name: _direction(float(logs[name][-1] - last[1])) for name in RIVALS}
    said["lockmodel"] = max(DIRECTIONS, key=lambda name: expected[name])
    return CurveScore(
        curve.label,
        host,
        {name: float(np.abs(logs[name] - y).mean()) for name in METHODS},
        int(np.sum((y >= low) & (y <= high))),
        len(n),
        interval_score(y, low, high),
        _direction(float(y[-1] - last[1])),
        said,
        {name: tuple((y - logs[name]).tolist()) for name in RIVALS},
        tuple(reach.tolist()),
    )


def _direction(change: float) -> str:
    """Return what a change of ln throughput is called."""
    falls, flat, rises = DIRECTIONS
    return falls if change <= math.log(FALLS) else rises if change >= math.log(RISES) else flat


def accuracy(
    folder: Path,
    workers: int | None = None,
    progress: Progress = quietly,
    hosts: Hosts | None = None,
) -> Accuracy:
    """Return the scores of all curves of all CSV files of a folder.

    Parameters
    ----------
    folder : Path
    workers : int, optional
        Processes that share the work; by default the CPUs, at most `MOST_WORKERS`. The result
        does not depend on it.
    progress : callable
        Wraps the loop over curves.
    hosts : Hosts, optional
        Where the curves were measured; by default the table beside them (`Hosts.beside`).

    Raises
    ------
    FileError
        The folder or the table of hosts cannot be read.
    ArgumentError
        No file has a curve that can be scored; the message says why for the first.
    """
    chosen, skipped = chosen_curves(folder, Hosts.beside(folder) if hosts is None else hosts)
    if not chosen:
        raise ArgumentError(
            f"DIR {folder}: no curve can be scored; a curve needs {FEWEST_POINTS} points, "
            f"{SMALLEST_MAXIMUM} threads or more, and 4 points up to half of them. "
            f"{skipped[0][0]}: {skipped[0][1]}"
        )
    named = [(name, host, curve) for name, curves in chosen for host, curve in curves]
    scores: dict[str, list[CurveScore]] = {}
    count = min(workers or min(cpus(), MOST_WORKERS), len(named))
    tasks = [(curve, host) for _, host, curve in named]
    with ordered(_scored, tasks, count, together=4) as results:
        shown = progress(results, len(named), "predicting")
        for (name, _, _), one in zip(named, shown, strict=True):
            scores.setdefault(name, []).append(one)
    files = tuple(FileScore(name, tuple(curves)) for name, curves in scores.items())
    return Accuracy(files, tuple(skipped))


def _scored(task: tuple[Curve, str]) -> CurveScore:
    return score(*task)
