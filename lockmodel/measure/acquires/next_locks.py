"""The locks and lines that come after those of the mapped files, from the counted table.

data/traced/stations.csv ranks what an iteration shares in a guest with a disk, a memory cgroup and
a distribution's security modules. Each one becomes a lock of a scenario: acquires, lines per
acquire, and as many shards as the machine has of what there is one for. What another file system,
configuration or machine adds is not in it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from lockmodel.measure.acquires.count import LIBC
from lockmodel.model.shipped import read_table, shipped_dir

TABLE = "stations.csv"

LOOPS = (8, 16)
"""Loops at once for which both kernels and both loops were ranked."""

LEAST = 0.02
"""Share of the demand of libc.so.6's lock from which a station counts."""

FILE_LOCK = "i_mmap_rwsem of "
KEPT_FILE = "ld.so.cache"
"""The only file whose lock is not that of a mapped binary."""

NOT_WAITED = ("folio",)
"""Kinds whose waiters sleep, or that are only tried: no station of this model."""

LEFT_OUT = re.compile("AppArmor|TOMOYO|tomoyo|^aa_|^inode of")
"""Stations that not every machine has (of one security module), or not every boot: which members of
an inode share a line depends on where it begins."""


@dataclass(frozen=True)
class NextLock:
    """A station of an iteration.

    Attributes
    ----------
    name : str
    acquires : float
        Per iteration; 1 of a line that no lock covers.
    lines, growth : float
        Lines per acquire: with one process, and more per doubling of those that run.
    passes : bool
        Whether it is handed over, as a lock is; a line only moves.
    scope : {'file', 'page', 'cgroup', 'node', 'machine'}
        What a machine has one of it for.
    """

    name: str
    acquires: float
    lines: float
    growth: float
    passes: bool
    scope: str


@lru_cache(maxsize=8)
def next_locks(kernel: str, loop: str) -> tuple[NextLock, ...]:
    """Return the stations that reach `LEAST` of libc's demand, the largest demand first.

    Parameters
    ----------
    kernel : str
        6.1.187 or 6.12.107.
    loop : {'fork', 'execl'}
    """
    rows = read_table(shipped_dir("data") / "traced" / TABLE)
    few, many = (
        {
            row["station"]: row
            for row in rows
            if (row["kernel"], row["loop"], row["loops"]) == (kernel, loop, str(running))
            and row["order"] in ("free", f"turns on {LIBC}")  # the latter comes last
        }
        for running in LOOPS
    )
    least = LEAST * float(many[FILE_LOCK + LIBC]["demand"])
    wanted = [s for s, row in many.items() if float(row["demand"]) >= least and _counts(row)]
    return tuple(_station(many[s], few.get(s)) for s in wanted)


def _counts(row: dict[str, str]) -> bool:
    """Return whether a row is a station of its own that any machine has."""
    station = row["station"]
    mapped = station.startswith(FILE_LOCK) and not station.endswith(KEPT_FILE)
    return not (mapped or row["kind"] in NOT_WAITED or LEFT_OUT.search(station))


def _station(row: dict[str, str], fewer: dict[str, str] | None) -> NextLock:
    """Return a station; what a lock holds stays as it is, a line moves more with more processes."""
    name = _name(row["station"])
    acquires = float(row["acquires"])
    if acquires > 0.0:
        return NextLock(
            name, acquires, float(row["lines_held"]) / acquires, 0.0, True, row["scope"]
        )
    moved = float(row["transfers"])
    growth = max(0.0, moved - float(fewer["transfers"])) if fewer else 0.0
    start = moved - growth * math.log2(LOOPS[-1])
    return NextLock(name, 1.0, start, growth, False, row["scope"])


def _name(station: str) -> str:
    """Return a name that scenarios and levers accept: "lru_lock", "inode_of_libc.so.6"."""
    short = station.partition(":")[0].removeprefix(FILE_LOCK).removeprefix("lruvec ")
    return re.sub(r"[^\w.]+", "_", short.removeprefix("memory cgroup's "))


def named(stations: tuple[NextLock, ...], taken: set[str]) -> Iterator[tuple[str, NextLock]]:
    """Yield stations with names that no lock has yet."""
    for station in stations:
        name = station.name
        while name in taken:
            name += "_"
        taken = taken | {name}
        yield name, station
