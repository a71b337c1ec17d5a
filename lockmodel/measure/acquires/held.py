"""Held instructions of the sites of a file, from the traced table.

data/traced/held_instructions_traced.csv has medians for a program, a launcher, libc.so.6 and
ld.so on three kernels. A line in log2 of the mapping processes is fitted to each; other files
take the line of the file they are most like (see `_model`). All of it is derived, not measured.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from statistics import linear_regression, mean

from lockmodel.measure.acquires.count import LIBC, LOADER, Counts, FileCount, Role, SiteCount
from lockmodel.measure.acquires.loops import SITES
from lockmodel.measure.acquires.vmas import MPROTECT, SPLIT
from lockmodel.model.shipped import read_table, shipped_dir

TABLE = "held_instructions_traced.csv"
COUNTED = "acquires_traced.csv"

PROGRAM_OF = {"fork": "dyntrue", "execl": "dynloop"}
"""The traced program per loop; the executable of nobody else, so its own tree stays small."""
LAUNCHER_FILE = "dynloop"

Key = tuple[str, str, str, str]
"""Kernel, loop, file, site."""


@dataclass(frozen=True)
class Held:
    """Instructions under the lock per acquire.

    Attributes
    ----------
    start : float
        With one process that maps the file.
    growth : float
        More for each doubling of them.
    """

    start: float
    growth: float


def held(file: FileCount, counts: Counts) -> dict[str, Held]:
    """Return the held instructions per acquire of each site of a file.

    An acquire that covers more or fewer tree operations than the traced one (a batch of 3
    mappings instead of 5) is taken in proportion.
    """
    loop = "execl" if counts.loop == "execl" else "fork"
    by_site = {}
    for site, count in file.sites.items():
        key = _known((counts.kernel.traced, loop, _model(file.role, loop), site))
        line = _lines()[key]
        growth = _lines()[_known((counts.kernel.traced, loop, LIBC, site))].growth
        if file.role in ("libc", "loader"):
            growth = line.growth
        scale = _batch(count, key)
        by_site[site] = Held(line.start * scale, growth * scale)
    return by_site


def batches(file: FileCount, counts: Counts) -> dict[str, float]:
    """Return the tree operations of an acquire of each site over those of the same one traced.

    Of the file whose lines were counted: libc.so.6, or the program of an execl loop.
    """
    own = counts.loop == "execl" and file.role == "program"
    loop = "execl" if counts.loop == "execl" else "fork"
    like = PROGRAM_OF[loop] if own else LIBC
    return {
        site: _batch(count, _known((counts.kernel.traced, loop, like, site)))
        for site, count in file.sites.items()
    }


def _batch(count: SiteCount, key: Key) -> float:
    return count.operations / count.acquires / _per_acquire()[key]


def _model(role: Role, loop: str) -> str:
    """Return the traced file that a file is like."""
    if role == "loader":
        return LOADER
    if role == "program":
        return PROGRAM_OF[loop]
    return LAUNCHER_FILE if role == "launcher" else LIBC


def _known(key: Key) -> Key:
    """Return the key, or that of libc.so.6, or of the likest site where the site is unknown."""
    kernel, loop, _, site = key
    others = (site, MPROTECT if site == SPLIT else SPLIT)
    tries = [key, *((kernel, each, LIBC, name) for name in others for each in (loop, "fork"))]
    return next(each for each in tries if each in _lines())


def _rows(name: str) -> list[dict[str, str]]:
    return read_table(shipped_dir("data") / "traced" / name)


@lru_cache(maxsize=1)
def _lines() -> dict[Key, Held]:
    """Return the least-squares line of each traced site; a falling one is its mean.

    Programs and launchers were mapped by nobody else, so they have their median with no other
    mapper, and no growth of their own.
    """
    points: dict[Key, list[tuple[float, float]]] = defaultdict(list)
    for row in _rows(TABLE):
        site = f"{row['phase']}.{row['site']}"
        doublings = math.log2(float(row["other_mappers"]) + 1.0)
        key = (row["kernel"], row["loop"], row["file"], site)
        if site in SITES:
            points[key].append((doublings, float(row["instructions_median"])))
    return {
        key: fitted_line(traced) if key[2] in (LIBC, LOADER) else Held(min(traced)[1], 0.0)
        for key, traced in points.items()
    }


def fitted_line(points: Iterable[tuple[float, float]]) -> Held:
    """Return the least-squares line of (doublings, instructions); a falling one is its mean."""
    xs, ys = zip(*sorted(points), strict=True)
    if len(set(xs)) < 2:
        return Held(mean(ys), 0.0)
    slope, start = linear_regression(xs, ys)
    return Held(max(0.0, start), slope) if slope > 0 else Held(mean(ys), 0.0)


@lru_cache(maxsize=1)
def _per_acquire() -> dict[Key, float]:
    """Return the tree operations that one traced acquire covers."""
    operations: dict[Key, float] = defaultdict(lambda: 1.0)
    for row in _rows(COUNTED):
        if row["binary"] in PROGRAM_OF.values():
            key = (row["kernel"], row["loop"], row["file"], f"{row['phase']}.{row['site']}")
            operations[key] = float(row["tree_operations"]) / float(row["acquires"])
    return operations
