"""The experiment behind `lockmodel trace lab --lines`, with its progress, JSON and CSV."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lockmodel.measure.trace.lab.lines.experiment import LinesExperiment, Measured
    from lockmodel.measure.trace.lab.lines.table import FileLines

SCHEMA = "lockmodel.lines/1"


@dataclass(frozen=True)
class LinesResult:
    """What the experiment showed.

    Attributes
    ----------
    loop, binary : str
    experiment : LinesExperiment
    emulator : str
        As QEMU names itself.
    """

    loop: str
    binary: str
    experiment: LinesExperiment
    emulator: str


def experiment(
    package: str,
    loop: str,
    binary: str,
    sysroot: str | None,
    library_path: str | None,
    loops: Sequence[int],
    mappers: Sequence[int],
    limit_s: float,
) -> LinesResult:
    """Run the experiment; what cannot be had is refused before a kernel boots."""
    from lockmodel.cli.acquires import resolver
    from lockmodel.cli.trace_lab import telling
    from lockmodel.measure.trace import kernel_image
    from lockmodel.measure.trace.lab import experiment as lab
    from lockmodel.measure.trace.lab import qemu
    from lockmodel.measure.trace.lab.lines.experiment import SOURCE, run
    from lockmodel.measure.trace.lab.plugin import build as plugin

    system = resolver(sysroot, library_path)
    kernel = kernel_image.read(package)
    wanted = None if loop == "execl" else binary
    with tempfile.TemporaryDirectory(prefix="lockmodel-lab-") as name:
        shared_object = plugin.build(SOURCE, Path(name))
        built = lab.build(Path(name))
        with telling(kernel.release) as tell:
            found = run(
                *(kernel, loop, wanted, built, shared_object, system),
                *(loops, mappers, limit_s, tell),
            )
    return LinesResult(loop, wanted or "the loop program", found, qemu.version())


def report(result: LinesResult) -> dict[str, Any]:
    """Return the answer as JSON data."""
    from lockmodel.measure.acquires.count import files_json
    from lockmodel.measure.trace.files import files
    from lockmodel.measure.trace.lab.lines.table import saturated

    found = result.experiment
    return {
        "schema": SCHEMA,
        "kernel": found.traced.kernel,
        "qemu": result.emulator,
        "loop": result.loop,
        "binary": result.binary,
        "complete": not found.stopped,
        "kprobes": files_json(files(found.traced.counted, found.traced.names)),
        "settings": [
            {
                "loops": each.setting.loops,
                "mappers": each.setting.mappers,
                "saturated": saturated(found, each),
                "others_served": each.counts.others_served,
                "iterations": each.counts.iterations,
                "agreeing": each.counts.agreeing,
                "instructions": each.counts.executed,
                "instructions_outside": each.counts.outside,
                "files": _files(found, each),
            }
            for each in found.measured
        ],
    }


def _files(found: LinesExperiment, measured: Measured) -> dict[str, Any]:
    from lockmodel.measure.trace.lab.lines.table import by_file

    return {
        each.file: {**_per_iteration(each), "sites": _sites(each)}
        for each in by_file(found, measured)
    }


def _per_iteration(each: FileLines) -> dict[str, float]:
    return {
        "acquires": each.acquires,
        "operations": each.operations,
        "instructions": each.held,
        "lines_touched": each.touched,
        "lines_written": each.written,
        "lines_foreign": each.foreign,
        "lines_transferred": each.transferred,
    }


def _sites(each: FileLines) -> dict[str, dict[str, float]]:
    """Return acquires and operations per iteration and the rest per acquire, by site."""
    return {
        site.site: {
            "acquires": site.acquires,
            "operations": site.operations,
            "samples": site.samples,
            "left_out": site.left_out,
            "instructions_before": site.before,
            "instructions_locking": site.locking,
            "instructions": site.held,
            "lines_touched": site.touched,
            "lines_written": site.written,
            "lines_foreign": site.foreign,
            "lines_transferred": site.transferred,
            "lines_fetched": site.fetched,
            "lock_lines": site.lock,
            "lock_lines_transferred": site.lock_transferred,
        }
        for site in each.sites
    }


def csv(result: LinesResult) -> str:
    """Return a row per setting, file and site, in the form of data/traced/lines_held.csv."""
    from datetime import UTC, datetime

    from lockmodel.cli.files import csv_text
    from lockmodel.measure.trace.lab.lines.table import rows

    found = result.experiment
    head = [
        "what: cache lines under files' i_mmap_rwsem, per acquire and site",
        f"where: Linux {found.traced.kernel} in QEMU {result.emulator} (TCG, no KVM), x86-64",
        "who: not stated",
        f"when: {datetime.now(UTC):%Y-%m-%d}",
        "unit: acquires, tree_operations, instructions_outside: per iteration; other counts: per "
        "acquire, means",
        "source: lockmodel trace lab --lines",
    ]
    body = csv_text(rows(found, result.loop, found.started))
    return "".join(f"# {line}\n" for line in head) + body
