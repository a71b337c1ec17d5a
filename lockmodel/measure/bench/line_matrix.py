"""Times of cache lines between all pairs of CPUs: by distance, beside published ones; JSON, CSV."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lockmodel.measure.bench.checks import STOLEN, Reason
from lockmodel.measure.bench.kinds import Alike
from lockmodel.measure.bench.lines import SAMPLES, TRIPS, Pairs, Places
from lockmodel.measure.bench.machine import Host
from lockmodel.model.machine import DISTANCES, LineTimes
from lockmodel.model.published import Spread, Spreads, line_times, ranges
from lockmodel.units import share

SCHEMA = "lockmodel.bench-lines/1"

MATTER = ("affinity", "quota", "virtual-machine", "steal", "load", "tracing", "governor")
"""Reasons of `checks` that reach the times of lines."""

NEAR = 1.25
"""A time within this factor of a published range is like those."""

FAR = 1.5
"""A time beyond this factor of a published range is not."""

SOME = 0.1
"""Share of the visits that is worth a word."""

NOISY = 0.25
"""5 to 95 % of a pair's visits over their median, from which they are doubtful."""


@dataclass(frozen=True)
class Pair:
    """Two CPUs, how far they are apart, and the times of a line between them, s, by visit."""

    first: int
    second: int
    distance: str
    samples: tuple[float, ...]

    @property
    def spread(self) -> Spread:
        """Median, 5 and 95 % of the visits."""
        return spread(self.samples)


def spread(values: Sequence[float]) -> Spread:
    """Return median, 5 and 95 % of some values, interpolated between them."""
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    ends = statistics.quantiles(values, n=20, method="inclusive")
    return Spread(statistics.median(values), ends[0], ends[-1])


@dataclass(frozen=True)
class Unlike:
    """So many of the visits at a distance took what another one takes."""

    distance: str
    other: str
    like: int
    visits: int


@dataclass(frozen=True)
class LineMatrix:
    """What was measured, and how.

    Attributes
    ----------
    machine : Host
    places : Places
    pairs : tuple of Pair
        Those that were measured, in that order.
    all_pairs : dict of str to list
        Those there are, by distance.
    alike : Alike
        Published machines to stand beside this one.
    program : str
        How it was made.
    repeats, seed : int
        Visits of each pair as far as the time went, and of the random order.
    seconds : float
        Time that was given to all pairs.
    started : str
        UTC, ISO 8601.
    reasons : tuple of Reason
        Why the times may mislead.
    steal : float
        Share of the CPU time that the hypervisor took meanwhile.
    interrupted : bool
    failed : str
        Why it ended early; "" if it did not.
    """

    machine: Host
    places: Places
    pairs: tuple[Pair, ...]
    all_pairs: Pairs
    alike: Alike
    program: str
    repeats: int
    seed: int
    seconds: float
    started: str
    reasons: tuple[Reason, ...] = ()
    steal: float = 0.0
    interrupted: bool = False
    failed: str = ""

    @property
    def planned(self) -> int:
        """Pairs that there are."""
        return sum(map(len, self.all_pairs.values()))

    def measured(self, distance: str) -> list[Pair]:
        """Return the pairs at a distance."""
        return [pair for pair in self.pairs if pair.distance == distance]

    def times(self) -> Spreads:
        """Return median, 5 and 95 % over the pairs by distance; over the visits of a lone pair."""
        made = {}
        for distance in DISTANCES:
            found = self.measured(distance)
            if len(found) == 1:
                made[distance] = found[0].spread
            elif found:
                made[distance] = spread([pair.spread.median for pair in found])
        return made

    def mean(self) -> float:
        """Return the mean over all pairs there are, s: a sample stands for its distance."""
        total = counted = 0.0
        for distance, there in self.all_pairs.items():
            found = [pair.spread.median for pair in self.measured(distance)]
            if found:
                total += len(there) * sum(found) / len(found)
                counted += len(there)
        return total / counted

    def line(self) -> LineTimes:
        """Return the medians as a scenario has them."""
        return line_times(self.times())

    def published(self) -> dict[str, tuple[float, float]]:
        """Return the range of medians of the machines alike, by distance, s.

        Where their sockets have one last-level cache, the socket stands for the cache.
        """
        known = ranges(self.alike.machines)
        if "cache" not in known and "socket" in known:
            known["cache"] = known["socket"]
        return known

    def missing(self) -> list[str]:
        """Return the distances that no two CPUs here are apart."""
        return [distance for distance in DISTANCES if distance not in self.all_pairs]

    def unlike(self) -> list[Unlike]:
        """Return where times are those published of another distance."""
        known = self.published()
        made = []
        for distance in DISTANCES:
            visits = [time for pair in self.measured(distance) for time in pair.samples]
            if distance not in known:
                continue
            strange = [time for time in visits if not _within(time, known[distance], FAR)]
            for other in known:
                like = sum(_within(time, known[other], NEAR) for time in strange)
                if like > SOME * len(visits):
                    made.append(Unlike(distance, other, like, len(visits)))
        return made

    def notes(self) -> list[str]:
        """Return what is not there, or doubtful."""
        notes = []
        if self.interrupted:
            notes.append("interrupted")
        if self.failed:
            notes.append(self.failed)
        count = len(self.pairs)
        if count < self.planned:
            notes.append(
                f"{count:,} of {self.planned:,} pairs were measured, at random from every distance"
            )
        noisy = [p for p in self.pairs if p.spread.high - p.spread.low > NOISY * p.spread.median]
        if noisy and not self.unlike():
            notes.append(
                f"{len(noisy):,} of {count:,} pairs vary by more than {share(NOISY)} from visit to "
                f"visit: other load, or a host that moves CPUs about"
            )
        if self.steal > STOLEN:
            notes.append(f"the hypervisor took {share(self.steal, 1)} of the CPU time")
        return notes

    def topology(self) -> str:
        """Return where the topology is from."""
        level = self.places.level
        caches = f"last-level cache (L{level})" if level else "no last-level cache"
        return f"cores, sockets and {caches} as the kernel states them" + (
            "" if self.machine.hypervisor is None else ", which has them from the hypervisor"
        )

    def to_json(self) -> dict[str, Any]:
        """Return all as plain data, in base units."""
        return {
            "schema": SCHEMA,
            "started": self.started,
            "machine": self.machine.to_json(),
            "caches": self.places.caches,
            "topology": self.topology(),
            "program": self.program,
            "round_trips": TRIPS,
            "samples": SAMPLES,
            "repeats": self.repeats,
            "seconds": self.seconds,
            "seed": self.seed,
            "times": {d: made.to_json() for d, made in self.times().items()},
            "mean_s": self.mean(),
            "missing": self.missing(),
            "unlike": [
                {"distance": u.distance, "other": u.other, "visits": u.like, "of": u.visits}
                for u in self.unlike()
            ],
            "published": {
                "kind": self.alike.title,
                "machines": [machine.name for machine in self.alike.machines],
                "times_s": {d: list(ends) for d, ends in self.published().items()},
            },
            "planned_pairs": self.planned,
            "pairs": [
                {
                    "cpus": [p.first, p.second],
                    "distance": p.distance,
                    "visits": len(p.samples),
                    **p.spread.to_json(),
                }
                for p in self.pairs
            ],
            "notes": self.notes(),
            "reasons": [
                {"key": r.key, "text": r.text, "remedy": r.remedy, "root": r.root}
                for r in self.reasons
            ],
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return a row per pair, for CSV."""
        ordered = sorted(self.pairs, key=lambda pair: (pair.first, pair.second))
        return [
            {
                "cpu": p.first,
                "other": p.second,
                "distance": p.distance,
                "visits": len(p.samples),
                **p.spread.to_json(),
            }
            for p in ordered
        ]


def _within(value: float, ends: tuple[float, float], factor: float) -> bool:
    return ends[0] / factor <= value <= ends[1] * factor
