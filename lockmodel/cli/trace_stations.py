"""The experiment behind `lockmodel trace lab --stations`, with its progress, JSON and CSV."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from lockmodel.measure.trace.lab.stations.experiment import StationsExperiment
    from lockmodel.measure.trace.lab.stations.ranking import Station

SCHEMA = "lockmodel.stations/1"


@dataclass(frozen=True)
class StationsResult:
    """What the experiment showed.

    Attributes
    ----------
    binary : str
        What the loops start.
    experiment : StationsExperiment
    emulator : str
        As QEMU names itself.
    """

    binary: str
    experiment: StationsExperiment
    emulator: str


def experiment(
    package: str,
    loop: str,
    binary: str,
    sysroot: str | None,
    library_path: str | None,
    loops: int,
    limit_s: float,
) -> StationsResult:
    """Run the experiment; what cannot be had is refused before a kernel boots."""
    from lockmodel.cli.acquires import resolver
    from lockmodel.cli.trace_lab import telling
    from lockmodel.measure.trace import kernel_image
    from lockmodel.measure.trace.lab import experiment as lab
    from lockmodel.measure.trace.lab import qemu
    from lockmodel.measure.trace.lab.plugin import build as plugin
    from lockmodel.measure.trace.lab.stations import root
    from lockmodel.measure.trace.lab.stations.experiment import SOURCE, check_loops, run

    check_loops(loops)
    system = resolver(sysroot, library_path)
    root.program()
    kernel = kernel_image.read(package)
    wanted = None if loop == "execl" else binary
    with tempfile.TemporaryDirectory(prefix="lockmodel-lab-") as name:
        shared_object = plugin.build(SOURCE, Path(name))
        built = lab.build(Path(name))
        with telling(kernel.release) as tell:
            found = run(
                *(package, kernel, loop, wanted, built, shared_object, system),
                *(loops, limit_s, tell),
            )
    if found.stopped:
        done = f"{len(found.orders)} of {found.planned} orders are finished and kept"
        typer.echo(f"lockmodel: {found.stopped}; {done}", err=True)
    return StationsResult(wanted or "the loop program", found, qemu.version())


def report(result: StationsResult) -> dict[str, Any]:
    """Return the answer as JSON data."""
    from lockmodel.measure.trace.lab.stations.ranking import HAND_OFF
    from lockmodel.measure.trace.lab.stations.tables import LACKS

    found = result.experiment
    return {
        "schema": SCHEMA,
        "kernel": found.kernel,
        "qemu": result.emulator,
        "loop": found.loop,
        "binary": result.binary,
        "loops": found.loops,
        "complete": not found.stopped,
        "lines_per_hand_off": HAND_OFF,
        "lacks": list(LACKS),
        "orders": [
            {
                "order": each.name,
                "iterations": each.phase.iterations,
                "iterations_alone": each.phase.alone,
                "instructions": each.phase.instructions / each.phase.iterations,
                "transfers": each.phase.moved / each.phase.iterations,
                "transfers_aside": each.phase.interrupted / each.phase.iterations,
                "dropped": each.phase.dropped,
                "stations": len(each.ranked.stations),
                "left_out": [
                    {"station": out.what, "demand": out.demand, "why": out.why}
                    for out in each.ranked.left_out
                ],
            }
            for each in found.orders
        ],
        "stations": [_station(each) for each in found.stations],
    }


def _station(each: Station) -> dict[str, Any]:
    return {
        "station": each.name,
        "kind": each.kind,
        "scope": each.scope,
        "order": each.order,
        "saturated": each.saturated,
        "acquires": each.acquires,
        "transfers": each.transfers,
        "lines_held": each.held,
        "instructions": each.instructions,
        "demand": each.demand,
        "alike": each.alike,
        "named": each.named,
        "note": each.note,
        "callers": list(each.callers),
    }


def csv(result: StationsResult) -> str:
    """Return a row per station, in the form of data/traced/stations.csv."""
    from datetime import UTC, datetime

    from lockmodel.cli.files import csv_text
    from lockmodel.measure.trace.lab.stations.tables import COLUMNS, LACKS, rows

    found = result.experiment
    head = [
        "what: locks and lines that an iteration shares with others, and their demand",
        f"where: Linux {found.kernel} in QEMU {result.emulator} (TCG, no KVM), x86-64",
        "who: not stated",
        f"when: {datetime.now(UTC):%Y-%m-%d}",
        "unit: counts per iteration; demand in lines of 64 bytes that come from another CPU",
        "source: lockmodel trace lab --stations",
        *(f"caveat: {each}" for each in LACKS),
    ]
    return "".join(f"# {line}\n" for line in head) + csv_text(rows(found), COLUMNS)
