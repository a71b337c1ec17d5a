"""Stations -> rows of a table and of a CSV file, in the columns of data/traced/stations.csv."""

from __future__ import annotations

from typing import Any

from lockmodel.measure.trace.lab.stations.experiment import StationsExperiment
from lockmodel.measure.trace.lab.stations.ranking import Station

COLUMNS = (
    *("kernel", "loop", "loops", "order", "station", "kind", "scope"),
    *("acquires", "transfers", "lines_held", "demand", "note"),
)
LACKS = (
    "caches are infinite, all CPUs equally far, one NUMA node, no SMT: a line is one whatever it "
    "costs",
    "interrupts and threads of the kernel are not counted: they come by time, and it is slow",
    "zones are left out: the guest has little memory per CPU",
    "one memory cgroup for all loops, as in one session; one each removes the stations of cgroups",
    "files lie on ext4; large folios, as of xfs, give fewer and hotter pages",
    "nothing else runs: no audit, no tracing, no program that opens the same files",
)
LEAST = 3.0
"""Lines of demand below which a station without a rule is not written."""


def rows(result: StationsExperiment) -> list[dict[str, Any]]:
    """Return a row per station that has a name or reaches `LEAST` lines."""
    kernel = result.kernel.partition("+")[0].partition("-")[0]
    return [
        {
            "kernel": kernel,
            "loop": result.loop,
            "loops": result.loops,
            "order": each.order,
            "station": each.name,
            "kind": each.kind,
            "scope": each.scope,
            "acquires": round(each.acquires, 2),
            "transfers": round(each.transfers, 1),
            "lines_held": round(each.held, 1),
            "demand": round(each.demand, 1),
            "note": note(each),
        }
        for each in result.stations
        if each.named or each.demand >= LEAST
    ]


def note(station: Station) -> str:
    """Return the note of a station, with how many there are like it."""
    like = f"the most used of {station.alike}" if station.alike > 1 else ""
    return "; ".join(filter(None, (station.note, like)))
