"""What else went on: counters before and after a time, and their difference."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lockmodel.measure.bench import machine, sources
from lockmodel.measure.bench.sources import CpuTime


@dataclass(frozen=True)
class Counters:
    """Counters of the machine at one moment."""

    cpus: dict[int, CpuTime]
    throttled: dict[str, int]
    load: float


@dataclass(frozen=True)
class Activity:
    """What went on between two moments.

    Attributes
    ----------
    busy : float or None
        Share of the time that the CPUs looked at were busy; None if there were none.
    steal : float
        Share of all CPUs' time that the hypervisor gave to others.
    throttled : dict of str to int
        Times that CPUs were throttled, by reason.
    """

    busy: float | None
    steal: float
    throttled: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"busy": self.busy, "steal": self.steal, "throttled": self.throttled}


def counters(root: Path = Path("/")) -> Counters:
    """Return the counters of now."""
    return Counters(
        sources.cpu_times(machine.read(root / "proc/stat")),
        machine.throttled(root),
        machine.load(machine.read(root / "proc/loadavg")),
    )


def between(before: Counters, after: Counters, cpus: Collection[int]) -> Activity:
    """Return what went on between two moments; `cpus` are those whose busy share is asked."""
    steal = total = busy = looked = 0
    for number, late in after.cpus.items():
        early = before.cpus.get(number)
        if early is None or late.total <= early.total:
            continue
        steal += max(0, late.steal - early.steal)
        total += late.total - early.total
        if number in cpus:
            busy += max(0, late.busy - early.busy)
            looked += late.total - early.total
    throttled = {
        reason: count - before.throttled.get(reason, 0)
        for reason, count in after.throttled.items()
        if count > before.throttled.get(reason, 0)
    }
    return Activity(busy / looked if looked else None, steal / total if total else 0.0, throttled)
