"""Which curves of a folder are scored: long and far enough, of threads, with their hosts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lockmodel.errors import ArgumentError, FileError, LockmodelError, ScenarioError
from lockmodel.evaluate.hosts import TABLE, Hosts
from lockmodel.fitting.curves.curve import Curve, curves_of
from lockmodel.fitting.curves.fitting import halves
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import read_text
from lockmodel.observe.readers.tidy import canonical
from lockmodel.observe.readers.tidy_csv import cells, separator
from lockmodel.observe.text import Text, load

FEWEST_POINTS = 6
SMALLEST_MAXIMUM = 8
"""A curve is scored if it has this many points and goes up to this many threads."""

NOT_THREADS = re.compile(r"\bx is not (?:the|a) (?:thread|task|process) count\b", re.I)


FAILED = "rows left out"
"""Beginning of what is said of a file that was read without its failed runs."""


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
        files = sorted(
            path
            for path in folder.iterdir()
            if path.suffix.lower() == ".csv" and path.name != TABLE
        )
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
    header = [line.text for line in text.lines if line.text.lstrip().startswith("#")]
    return reading, curves_of(reading, header=header)


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


Chosen = tuple[str, list[tuple[str, Curve]]]


def chosen_curves(folder: Path, hosts: Hosts) -> tuple[list[Chosen], list[tuple[str, str]]]:
    """Return the curves of a folder that can be scored, with their hosts, and what is left out.

    A file that the table of hosts does not have counts as a host of its own. Where the table has
    the topology, it counts, not the header of the file.

    Raises
    ------
    FileError, ArgumentError
        As `csv_files`.
    """
    chosen: list[Chosen] = []
    skipped: list[tuple[str, str]] = []
    for path in csv_files(folder):
        try:
            reading, curves = read_curves(path)
        except LockmodelError as error:
            skipped.append((path.name, str(error)))
            continue
        skipped += [(path.name, text) for text in reading.warnings if text.startswith(FAILED)]
        reason, good = _chosen(reading, curves)
        if good:
            chosen.append((path.name, [_placed(path.name, curve, hosts) for curve in good]))
        if reason:
            skipped.append((path.name, reason))
    return chosen, skipped


def _placed(file: str, curve: Curve, hosts: Hosts) -> tuple[str, Curve]:
    """Return the host of a curve, and the curve on its machine."""
    host = hosts.of(file, curve.label)
    if host is None:
        return Path(file).stem, curve
    if host.cpus is None:
        return host.name, curve
    return host.name, replace(curve, machine=host.machine, cpus=host.cpus)


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
