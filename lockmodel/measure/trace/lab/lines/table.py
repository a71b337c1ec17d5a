"""What was measured -> totals per iteration and file, and rows in the form of data/traced.

A file's lines are those of the run in which its own lock is saturated; one loop saturates none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lockmodel.measure.acquires.resolve import base
from lockmodel.measure.trace.lab.lines.counts import SiteLines
from lockmodel.measure.trace.lab.lines.experiment import LinesExperiment, Measured

PER_ACQUIRE = ("held", "touched", "written", "foreign", "transferred")


@dataclass(frozen=True)
class FileLines:
    """One file in one setting, per iteration.

    Attributes
    ----------
    file : str
    loops, mappers : int
    acquires, operations : int
    held : float
        Instructions under the lock.
    touched, written, foreign, transferred : float
        Lines.
    sites : tuple of SiteLines
        Per acquire.
    """

    file: str
    loops: int
    mappers: int
    acquires: int
    operations: int
    held: float
    touched: float
    written: float
    foreign: float
    transferred: float
    sites: tuple[SiteLines, ...]


def by_file(experiment: LinesExperiment, measured: Measured) -> Iterator[FileLines]:
    """Yield the files of one setting, in the order of their numbers."""
    for number, file in enumerate(experiment.files):
        sites = tuple(site for site in measured.counts.sites if site.file == number)
        if not sites:
            continue
        sums = {
            name: sum(site.acquires * getattr(site, name) for site in sites) for name in PER_ACQUIRE
        }
        yield FileLines(
            *(file, measured.setting.loops, measured.setting.mappers),
            acquires=sum(site.acquires for site in sites),
            operations=sum(site.operations for site in sites),
            **sums,
            sites=sites,
        )


def own_turns(experiment: LinesExperiment) -> tuple[FileLines, ...]:
    """Return each file from the settings in which its own lock is saturated, and from one loop."""
    return tuple(
        lines
        for measured in experiment.measured
        for lines in by_file(experiment, measured)
        if measured.setting.saturated is None or lines.file == saturated(experiment, measured)
    )


def saturated(experiment: LinesExperiment, measured: Measured) -> str | None:
    """Return the name of the file whose lock was saturated, or None."""
    path = measured.setting.saturated
    return None if path is None else experiment.names[path]


def rows(experiment: LinesExperiment, loop: str, binary: str) -> list[dict[str, Any]]:
    """Return a row per setting, file and site, columns as in data/traced/lines_held.csv first."""
    made = []
    for measured in experiment.measured:
        for site in measured.counts.sites:
            phase, _, name = site.site.partition(".")
            made.append(
                {
                    "kernel": experiment.traced.kernel,
                    "loop": loop,
                    "binary": base(binary),
                    "file": experiment.files[site.file],
                    "phase": phase,
                    "site": name,
                    "active_loops": measured.setting.loops,
                    "other_mappers": measured.setting.mappers,
                    "same_binary_mappers": 0,
                    "saturated_lock": saturated(experiment, measured) or "",
                    "runs": 1,
                    "samples": site.samples,
                    "acquires": site.acquires,
                    "tree_operations": site.operations,
                    "instructions": round(site.held, 1),
                    "lines_touched": round(site.touched, 2),
                    "lines_written": round(site.written, 2),
                    "lines_transferred": round(site.transferred, 2),
                    "instructions_before": round(site.before),
                    "instructions_outside": round(measured.counts.outside),
                }
            )
    return made
