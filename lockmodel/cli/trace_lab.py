"""The experiment behind `lockmodel trace lab`, with its progress and its JSON."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lockmodel.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lockmodel.measure.acquires.count import FileCount
    from lockmodel.measure.trace.files import FileComparison
    from lockmodel.measure.trace.lab.experiment import Experiment

LAUNCHER = "loop"
"""Name of the loop program, in the guest and where it was built."""


@dataclass(frozen=True)
class LabResult:
    """What the experiment showed, and what the rules say.

    Attributes
    ----------
    loop, binary : str
    experiment : Experiment
    counts : tuple of FileCount
    comparison : FileComparison or None
        None where the rules do not know this kernel.
    why_not : str
        Why there is no comparison.
    """

    loop: str
    binary: str
    experiment: Experiment
    counts: tuple[FileCount, ...]
    comparison: FileComparison | None
    why_not: str


def experiment(
    package: str,
    loop: str,
    binary: str,
    sysroot: str | None,
    library_path: str | None,
    mappers: Sequence[int] | None,
    limit_s: float,
) -> LabResult:
    """Run the experiment and compare it with the rules of `lockmodel acquires`."""
    from lockmodel.cli.acquires import resolver
    from lockmodel.measure.acquires.count import count
    from lockmodel.measure.trace import kernel_image
    from lockmodel.measure.trace.files import compare, files
    from lockmodel.measure.trace.lab import experiment as lab

    system = resolver(sysroot, library_path)
    kernel = kernel_image.read(package)
    with tempfile.TemporaryDirectory(prefix="lockmodel-lab-") as name:
        built = lab.build(Path(name))
        own = str(built[1])
        wanted = None if loop == "execl" else binary
        with telling(kernel.release) as tell:
            traced = lab.run(kernel, loop, wanted, built, system, mappers, limit_s, tell)
        counts = files(traced.counted, traced.names)
        try:
            rules = count(system, wanted or own, kernel.release, loop, own)
            comparison, why_not = compare(counts, rules.files), ""
        except ArgumentError as error:  # a kernel that the rules do not know
            comparison, why_not = None, str(error)
    return LabResult(loop, wanted or "the loop program", traced, counts, comparison, why_not)


@contextmanager
def telling(release: str) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows a phase; nothing where nobody watches."""
    if not sys.stderr.isatty():
        yield lambda phase: None
        return
    typer.echo(f"lockmodel: booting {release} ...", err=True)
    yield lambda phase: typer.echo(f"lockmodel: {phase}: done", err=True)


def report(result: LabResult) -> dict[str, Any]:
    """Return the answer as JSON data."""
    from lockmodel.measure.acquires.count import SCHEMA, files_json
    from lockmodel.measure.trace.files import names

    shown = names(result.experiment.counted, result.experiment.names)
    comparison = result.comparison
    return {
        "schema": SCHEMA,
        "kernel": result.experiment.kernel,
        "loop": result.loop,
        "iterations": result.experiment.counted.windows,
        "agreeing": result.experiment.counted.agreeing,
        "files": files_json(result.counts),
        "held": [
            {
                "file": shown[each.inode],
                "site": each.site,
                "mappers": each.mappers,
                "samples": each.samples,
                "instructions": each.median,
                "low": each.low,
                "high": each.high,
                "nested": each.nested,
            }
            for each in result.experiment.held
        ],
        "rules": None
        if comparison is None
        else {
            "compared": comparison.compared,
            "differences": [
                {
                    "file": each.file,
                    "site": each.site,
                    "traced": _both(each.traced),
                    "derived": _both(each.derived),
                }
                for each in comparison.differences
            ],
        },
    }


def _both(counts: tuple[int, int] | None) -> dict[str, int]:
    acquires, operations = counts or (0, 0)
    return {"acquires": acquires, "operations": operations}
