"""Cache lines under the locks of a file's sites, from the counted table.

data/traced/lines_held.csv has the lines that come from another CPU per acquire, for one to 48 loops
at once and some thousand idle mappings, on two kernels. To each site l_1 + l_2 log2 N + l_3 log2 of
the mappings per running process is fitted; where a lock was counted with too few numbers of loops,
or not at all, its site takes the line of the likest one (see `_tries`).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lockmodel.measure.acquires.count import LIBC
from lockmodel.measure.acquires.loops import SITES
from lockmodel.measure.acquires.vmas import MPROTECT, SPLIT
from lockmodel.model.shipped import read_table, shipped_dir

TABLE = "lines_held.csv"

PROGRAM = "dynloop"
"""The program of the execl loop: the only executable whose own lock was saturated."""

COUNTED = ("6.1.187", "6.12.107")
"""Kernels that were counted; a later one moves the lines of the last."""

FEWEST_LOOPS = 3
"""Numbers of loops at once from which a growth with them is known."""

Key = tuple[str, str, str, str]
"""Kernel, loop, file, site."""


@dataclass(frozen=True)
class SiteLines:
    """Lines per acquire that come from another CPU.

    Attributes
    ----------
    start, growth, idle : float
        l_1, l_2 per doubling of the running processes, l_3 per doubling of the mappings per
        running process.
    error : float
        Standard deviation of the counts around this law.
    counts : int
        Settings that it is fitted to.
    """

    start: float
    growth: float
    idle: float
    error: float
    counts: int


def lines(kernel: str, loop: str, executable: bool, site: str) -> SiteLines:
    """Return the lines of a site.

    Parameters
    ----------
    kernel : str
        A traced one; another than those counted takes 6.12's.
    loop : {'fork', 'vfork', 'execl'}
    executable : bool
        Of the program itself, mapped by everybody who runs it; else of a library.
    site : str
        Its label.
    """
    counted = kernel if kernel in COUNTED else COUNTED[-1]
    own = "execl" if loop == "execl" else "fork"
    known = _fitted()
    return next(known[key] for key in _tries(counted, own, executable, site) if key in known)


def _tries(kernel: str, loop: str, executable: bool, site: str) -> Iterator[Key]:
    """Yield what a site is like, the likest first: then libc.so.6, the other loop, a split."""
    for label in (site, MPROTECT if site == SPLIT else SPLIT):
        for each in (loop, "fork" if loop == "execl" else "execl"):
            if executable:
                yield kernel, each, PROGRAM, label
            yield kernel, each, LIBC, label


@lru_cache(maxsize=1)
def _fitted() -> dict[Key, SiteLines]:
    """Return the law of every site whose lock was saturated with enough numbers of loops."""
    counted: dict[Key, list[tuple[float, ...]]] = defaultdict(list)
    for row in read_table(shipped_dir("data") / "traced" / TABLE):
        running = int(row["active_loops"])
        site = f"{row['phase']}.{row['site']}"
        if running == 1 or row["saturated_lock"] != row["file"] or site not in SITES:
            continue
        idle = int(row["same_binary_mappers"])
        idle += int(row["other_mappers"]) if row["file"] != PROGRAM else 0
        doublings = math.log2(running), math.log2((running + idle) / running)
        key = (row["kernel"], row["loop"], row["file"], site)
        moved = float(row["lines_transferred"])
        counted[key].append((math.sqrt(float(row["runs"])), *doublings, moved))
    return {
        key: law
        for key, rows in counted.items()
        if len({row[1] for row in rows}) >= FEWEST_LOOPS and (law := _law(rows)) is not None
    }


def _law(rows: list[tuple[float, ...]]) -> SiteLines | None:
    """Return the least-squares law; None where the settings do not determine it."""
    weight, running, idle, moved = np.array(rows).T
    design = np.column_stack([np.ones(running.size), running, idle])
    found, _, rank, _ = np.linalg.lstsq(design * weight[:, None], moved * weight, rcond=None)
    left = running.size - 3
    if rank < found.size or left < 1:
        return None
    off = (moved - design @ found) * weight
    start, growth, per_idle = found.tolist()
    return SiteLines(start, growth, per_idle, math.sqrt(float(off @ off) / left), running.size)
