"""Published times of cache lines, by machine and distance (data/published/core_to_core_ns.csv)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean

from lockmodel.model.machine import DISTANCES, LineTimes, Machine
from lockmodel.model.shipped import read_table, shipped_dir

SOURCE = "github.com/KCORES/core-to-core-latency-plus @264ea0a (2024-10)"


FAR = 0.4
"""Standard deviation of ln t_l over the two-socket machines of core_to_core_ns.csv: what is not
known of a machine whose line times nobody measured."""


@dataclass(frozen=True)
class Spread:
    """Times of a line between pairs of CPUs at one distance, s.

    Attributes
    ----------
    median, low, high : float
        Median, 5 and 95 % of the pairs.
    """

    median: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        """Return it as plain data, in s."""
        return {"median_s": self.median, "low_s": self.low, "high_s": self.high}


Spreads = dict[str, Spread]
"""Distance -> its times; without the distances that nobody measured."""


@dataclass(frozen=True)
class PublishedMachine:
    """What was published of one machine.

    Attributes
    ----------
    name, title, kind : str
        Short name, name for people, and design of its cores, e.g. "zen3".
    cpus : int
        Hardware threads that were measured.
    counts : (int, int, int, int) or None
        Cores and sockets, hardware threads per core, last-level caches; None where the
        specification contradicts `cpus`.
    times : dict of str to Spread
    mean : float
        Over all pairs of CPUs, s.
    source, note : str
        File of `SOURCE`, and what to know about the numbers.
    """

    name: str
    title: str
    kind: str
    cpus: int
    counts: tuple[int, int, int, int] | None
    times: Spreads
    mean: float
    source: str
    note: str

    @property
    def told_apart(self) -> bool:
        """Whether the times of the same socket are without those of another one."""
        return "remote" in self.times or self.counts is None or self.counts[1] == 1

    def line(self) -> LineTimes | None:
        """Return the medians as a scenario has them; None where a distance was not told apart."""
        if self.counts is None or not self.told_apart:
            return None
        return line_times(self.times)


def line_times(times: Spreads) -> LineTimes:
    """Return the medians of the distances that there are."""
    return LineTimes(**{distance: spread.median for distance, spread in times.items()})


@lru_cache(maxsize=1)
def published_machines() -> tuple[PublishedMachine, ...]:
    """Return all machines, in the order of the file."""
    path = shipped_dir("data") / "published" / "core_to_core_ns.csv"
    return tuple(map(_machine, read_table(path)))


def _machine(row: dict[str, str]) -> PublishedMachine:
    counted = [row[key] for key in ("cores", "sockets", "threads", "caches")]
    cores, sockets, threads, caches = (int(count or 0) for count in counted)
    return PublishedMachine(
        name=row["name"],
        title=row["title"],
        kind=row["kind"],
        cpus=int(row["cpus"]),
        counts=(cores, sockets, threads, caches) if all(counted) else None,
        times={d: _spread(row, d) for d in DISTANCES if row[f"{d}_ns"]},
        mean=_seconds(row["mean_ns"]),
        source=row["source"],
        note=row["note"],
    )


def _spread(row: dict[str, str], distance: str) -> Spread:
    keys = (f"{distance}_ns", f"{distance}_low_ns", f"{distance}_high_ns")
    return Spread(*(_seconds(row[key]) for key in keys))


def _seconds(ns: str) -> float:
    return float(f"{ns}e-9")  # as a decimal, so that no digit is lost


def ranges(machines: Sequence[PublishedMachine]) -> dict[str, tuple[float, float]]:
    """Return the smallest and largest median of some machines, by distance, s.

    Without those of machines whose distances were not told apart.
    """
    made: dict[str, tuple[float, float]] = {}
    for distance in DISTANCES:
        medians = [
            m.times[distance].median
            for m in machines
            if distance in m.times and (m.told_apart or distance in ("smt", "cache"))
        ]
        if medians:
            made[distance] = (min(medians), max(medians))
    return made


def typical(machine: Machine) -> LineTimes:
    """Return the geometric means of the published times, at the distances a machine has, s."""
    known = {
        distance: [m.times[distance].median for m in published_machines() if distance in m.times]
        for distance in machine.told_apart
    }
    return LineTimes(**{d: math.exp(fmean(map(math.log, times))) for d, times in known.items()})
