"""`lockmodel bench --lines`: what a cache line takes between the CPUs of this machine."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lockmodel.cli import common, files
from lockmodel.cli.files import Report
from lockmodel.errors import ArgumentError, NotTrustworthyError

if TYPE_CHECKING:
    from lockmodel.measure.bench.line_matrix import LineMatrix

SECONDS = 5.0
"""For all pairs: a visit takes about a millisecond, so some 5,000."""

REPEATS = 30
"""Visits of each pair, spread over the time."""

OWN = ("--toml", "--plot-file")
"""Options of `bench` that only --lines has."""


def check_alone(lines: bool, given: dict[str, Any]) -> None:
    """Refuse options of the loop with --lines, and those of --lines without it.

    Parameters
    ----------
    lines : bool
    given : dict of str to Any
        Option -> its value, None or False where it was not given; without those that both take.
    """
    for option, value in given.items():
        if value in (None, False) or (option in OWN) == lines:
            continue
        if lines:
            raise ArgumentError(f"{option} is for the loop, and --lines runs none: leave it out")
        raise ArgumentError(f"{option} is for --lines: add that, or leave {option} out")


def run(
    seconds: float,
    repeats: int,
    seed: int,
    plot_file: str | None,
    toml: bool,
    explain: bool,
    as_json: bool,
    output: str | None,
    force: bool,
) -> None:
    """Measure, and write the report, the plot or the line of a scenario."""
    import tempfile

    from lockmodel.cli import lines_text

    if toml and (as_json or (output or "").endswith((".json", ".csv"))):
        raise ArgumentError("--toml prints a line of a scenario; leave --json, .json and .csv out")
    files.check_plot(False, plot_file, as_json, output)
    with (
        files.output(output, as_json, force) as write,
        files.optional_file(plot_file, force) as target,
    ):
        with tempfile.TemporaryDirectory(prefix="lockmodel-bench-") as folder:
            matrix = _measure(seconds, repeats, seed, Path(folder))
        if not matrix.pairs:
            raise NotTrustworthyError(
                "no pair of CPUs was measured: "
                + (matrix.failed or ("interrupted" if matrix.interrupted else _too_late(matrix)))
            )
        if target is not None:
            from lockmodel.figures.line_matrix import draw

            draw(matrix, target.stream, target.path.suffix[1:])
        text = lines_text.scenario if toml else lines_text.report
        write(
            Report(
                matrix.to_json,
                lambda colour: text(matrix, explain, colour),
                lambda: files.csv_text(matrix.rows()),
            )
        )
    if matrix.interrupted or matrix.failed:
        raise NotTrustworthyError(
            f"{'interrupted' if matrix.interrupted else matrix.failed}: "
            f"{len(matrix.pairs)} of {matrix.planned} pairs were measured and kept"
        )


def _too_late(matrix: LineMatrix) -> str:
    """Return why nothing was measured in time, and what to do: two CPUs must run at once."""
    busy = [reason.text for reason in matrix.reasons if reason.key == "load"]
    why = f" ({busy[0]}; stop them)" if busy else ""
    return f"none in {matrix.seconds:g} s{why}; raise --seconds"


def _measure(seconds: float, repeats: int, seed: int, folder: Path) -> LineMatrix:
    """Return the matrix; an interrupt or the time ends it with the pairs measured so far."""
    import time
    from datetime import UTC, datetime

    from lockmodel.measure.bench import lines
    from lockmodel.measure.bench.activity import between, counters
    from lockmodel.measure.bench.checks import reasons
    from lockmodel.measure.bench.kinds import alike
    from lockmodel.measure.bench.line_matrix import MATTER, LineMatrix, Pair
    from lockmodel.measure.bench.machine import read, read_machine
    from lockmodel.model.published import published_machines

    machine = read_machine()
    where = lines.places(machine)
    pairs = lines.all_pairs(where)
    built, how = lines.build(folder)
    start = counters()
    time.sleep(0.2)
    before = counters()
    idle = between(start, before, set(machine.allowed))
    started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    plan = lines.visits(lines.order(pairs, seed), repeats, seconds)
    made: dict[tuple[int, int], list[float]] = {}
    interrupted, failed = False, ""
    measuring = lines.measure(built, plan, seconds)
    try:
        with contextlib.closing(measuring):
            for pair, time_of_line in common.progress(measuring, len(plan), "visits"):
                made.setdefault(pair, []).append(time_of_line)
    except KeyboardInterrupt:
        interrupted = True
        typer.echo("lockmodel: interrupted; the measured pairs are kept", err=True)
    except NotTrustworthyError as error:  # the others were measured
        failed = str(error)
    found = reasons(machine, idle.busy, idle.steal, "")
    return LineMatrix(
        machine,
        where,
        tuple(
            Pair(one, other, where.distance(one, other), tuple(times))
            for (one, other), times in made.items()
        ),
        pairs,
        alike(read(Path("/proc/cpuinfo")), published_machines()),
        f"lines.c, {how}",
        repeats,
        seed,
        seconds,
        started,
        tuple(reason for reason in found if reason.key in MATTER),
        between(before, counters(), set(machine.allowed)).steal,
        interrupted,
        failed,
    )
