"""How well curves are predicted beyond half of what was measured, against simple laws.

Every curve is fitted on populations up to half the largest, and scored on the rest:
error = mean |ln(predicted / measured)|. Nothing that is fitted or chosen sees the rest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np

from lockmodel.errors import ArgumentError, FileError, LockmodelError, ScenarioError
from lockmodel.fitting.curves.average import average
from lockmodel.fitting.curves.curve import Curve, curves_of
from lockmodel.fitting.curves.families import BY_NAME
from lockmodel.fitting.curves.fitting import fit, halves
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import read_text
from lockmodel.observe.readers.tidy import canonical
from lockmodel.observe.readers.tidy_csv import cells, separator
from lockmodel.observe.text import Text, load
from lockmodel.progress import Progress, quietly
from lockmodel.workers import cpus, ordered

SCHEMA = "lockmodel.accuracy/1"

METHODS = ("lockmodel", "usl", "amdahl", "last")
"""The average of families; least-squares fits of the two laws; the last value fitted on."""

FEWEST_POINTS = 6
SMALLEST_MAXIMUM = 8
"""A curve is scored if it has this many points and goes up to this many threads."""

MOST_WORKERS = 2
LEVEL = 0.90

NOT_THREADS = re.compile(r"\bx is not (?:the|a) (?:thread|task|process) count\b", re.I)


FAILED = "rows left out"
"""Beginning of what is said of a file that was read without its failed runs."""


@dataclass(frozen=True)
class CurveScore:
    """How one curve was predicted.

    Attributes
    ----------
    label : str
    errors : dict
        Method -> mean |ln(predicted / measured)| over the held-out points.
    inside : int
        Held-out points inside the 90 % band.
    points : int
        Held-out points.
    """

    label: str
    errors: dict[str, float]
    inside: int
    points: int


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
    def curves(self) -> int:
        """Curves scored."""
        return sum(len(file.curves) for file in self.files)

    def median(self, method: str) -> float:
        """Return the median over files of the file's median error."""
        return median(file.median(method) for file in self.files)

    def mean(self, method: str) -> float:
        """Return the mean over files of the file's mean error."""
        return fmean(file.mean(method) for file in self.files)

    @property
    def coverage(self) -> float:
        """Share of all held-out points inside the 90 % band."""
        scores = [curve for file in self.files for curve in file.curves]
        return sum(c.inside for c in scores) / sum(c.points for c in scores)

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
            "overall": {
                "curves": self.curves,
                **{
                    method: {"median": self.median(method), "mean": self.mean(method)}
                    for method in METHODS
                },
                "coverage": self.coverage,
            },
            "skipped": dict(self.skipped),
        }


def csv_files(folder: Path) -> list[Path]:
    """Return the CSV files of a folder, sorted by name.

    Raises
    ------
    FileError
        It is no folder, or cannot be read.
    ArgumentError
        There is no CSV in it.
    """
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".csv")
    except OSError as error:
        raise FileError(f"DIR {folder}: cannot be read: {error.strerror}") from None
    if not files:
        raise ArgumentError(
            f"DIR {folder}: holds no .csv file; give a folder of files with the columns "
            f"threads,throughput[,sd],variant, or `published` for the shipped ones"
        )
    return files


def read_curves(path: Path) -> tuple[Reading, tuple[Curve, ...]]:
    """Return a file's reading and its throughput curves.

    One failed run does not cost the other curves of its file: rows without a throughput above 0 are
    left out where the file can be read without them; a warning that begins with `FAILED` says so.

    Raises
    ------
    FileError, ScenarioError
        It cannot be read, is of no known format, or holds no curve.
    """
    text = load(path, path.name)
    try:
        reading = read_text(text)
    except ScenarioError:
        sound, left = _without_failed(text)
        if left == 0:
            raise
        reading = read_text(sound)
        said = f"{FAILED}: {left} without a throughput above 0; the rest is scored"
        reading = replace(reading, warnings=(*reading.warnings, said))
    return reading, curves_of(reading)


def _without_failed(text: Text) -> tuple[Text, int]:
    """Return a CSV without the rows whose throughput is no number above 0, and their count."""
    rows = [line for line in text.filled if not line.text.lstrip().startswith("#")]
    split = separator(rows[0].text) if rows else ","
    names = [canonical(name) for name in cells(rows[0].text, split)] if rows else []
    if "throughput" not in names:
        return text, 0
    at = names.index("throughput")
    failed = set()
    for line in rows[1:]:
        parts = cells(line.text, split)
        try:
            value = float(parts[at]) if len(parts) == len(names) else 0.0
        except ValueError:
            value = 0.0
        if not 0.0 < value < float("inf"):
            failed.add(line.number)
    if len(failed) == len(rows) - 1:
        return text, 0
    kept = tuple(line for line in text.lines if line.number not in failed)
    return replace(text, lines=kept), len(failed)


def eligible(curve: Curve) -> bool:
    """Return whether a curve can be scored: enough points, far enough, and enough to fit on."""
    long = len(curve.n) >= FEWEST_POINTS and int(curve.n[-1]) >= SMALLEST_MAXIMUM
    return long and halves(curve) is not None


def score(curve: Curve) -> CurveScore:
    """Return how well a curve's upper half is predicted from its lower half."""
    split = halves(curve)
    if split is None:
        raise ArgumentError(f"{curve.label}: too few points up to half the largest population")
    near, far = split
    n, y = curve.n[far], np.log(curve.x[far])
    middle, low, high = average(near).predict(n, LEVEL)
    logs = {"lockmodel": np.log(middle)}
    for name in ("usl", "amdahl", "last"):
        logs[name] = fit(BY_NAME[name], near).log_predict(n, near)
    errors = {name: float(np.abs(logs[name] - y).mean()) for name in METHODS}
    inside = int(np.sum((curve.x[far] >= low) & (curve.x[far] <= high)))
    return CurveScore(curve.label, errors, inside, len(n))


def accuracy(folder: Path, workers: int | None = None, progress: Progress = quietly) -> Accuracy:
    """Return the scores of all curves of all CSV files of a folder.

    Parameters
    ----------
    folder : Path
    workers : int, optional
        Processes that share the work; by default the CPUs, at most `MOST_WORKERS`. The result
        does not depend on it.
    progress : callable
        Wraps the loop over curves.

    Raises
    ------
    FileError
        The folder cannot be read.
    ArgumentError
        No file has a curve that can be scored; the message says why for the first.
    """
    named: list[tuple[str, Curve]] = []
    skipped: list[tuple[str, str]] = []
    for path in csv_files(folder):
        try:
            reading, curves = read_curves(path)
        except LockmodelError as error:
            skipped.append((path.name, str(error)))
            continue
        skipped += [(path.name, text) for text in reading.warnings if text.startswith(FAILED)]
        reason, good = _chosen(reading, curves)
        named += [(path.name, curve) for curve in good]
        if reason:
            skipped.append((path.name, reason))
    if not named:
        raise ArgumentError(
            f"DIR {folder}: no curve can be scored; a curve needs {FEWEST_POINTS} points, "
            f"{SMALLEST_MAXIMUM} threads or more, and 4 points up to half of them. "
            f"{skipped[0][0]}: {skipped[0][1]}"
        )
    scores: dict[str, list[CurveScore]] = {}
    count = min(workers or min(cpus(), MOST_WORKERS), len(named))
    with ordered(score, [curve for _, curve in named], count, together=4) as results:
        for (name, _), one in zip(named, progress(results, len(named), "predicting"), strict=True):
            scores.setdefault(name, []).append(one)
    files = tuple(FileScore(name, tuple(curves)) for name, curves in scores.items())
    return Accuracy(files, tuple(skipped))


def _chosen(reading: Reading, curves: Sequence[Curve]) -> tuple[str, list[Curve]]:
    """Return why a file is skipped ("" if it is not), and the curves to be scored."""
    for key, value in reading.metadata.items():
        if NOT_THREADS.search(value):
            return f"its header says ({key}) that x is not the thread count", []
    good = [curve for curve in curves if eligible(curve)]
    if good:
        return "", good
    points = [o for o in reading.observations if o.kind == "throughput" and o.n is not None]
    variants = {(o.variant, o.kernel, o.what) for o in points}
    if len(points) > 1 and len({(o.variant, o.kernel, o.what, o.n) for o in points}) == len(
        variants
    ):
        return "the thread count is the same throughout every variant: it is not the x", []
    return (
        f"no variant has {FEWEST_POINTS} points, {SMALLEST_MAXIMUM} threads or more, and 4 "
        f"points up to half of them",
        [],
    )
