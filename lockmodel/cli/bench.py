"""`lockmodel bench`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer import Option

from lockmodel.cli import bench_lines, common, files, options
from lockmodel.cli.files import Report
from lockmodel.errors import ArgumentError, NotTrustworthyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lockmodel.measure.bench.checks import Reason
    from lockmodel.measure.bench.curve import MeasuredCurve
    from lockmodel.measure.bench.machine import Host
    from lockmodel.measure.bench.runner import Run

SECONDS = 2.0
LEAST_SECONDS = 0.05
MOST_SECONDS = 3600.0
REPEATS = 5
MOST_REPEATS = 1000
PROCESSES_EACH = 2
"""Processes that one copy of the loop needs at a time: itself and its child."""

MOST_COPIES = 16384
"""Their CPUs must fit into one argument of a command line (128 kB)."""

SPARE_PROCESSES = 100
IDLE_S = 0.2
"""How long the machine is watched before the start, to see what others do."""


def bench(
    binary: Annotated[
        str | None,
        Option(
            metavar="PATH", help="Program that the loop runs  [default: true].", show_default=False
        ),
    ] = None,
    loop: Annotated[
        Literal["fork", "vfork", "posix_spawn", "execl"] | None,
        Option(help="One iteration; below  [default: fork].", show_default=False),
    ] = None,
    population: Annotated[
        str | None,
        Option(
            "-n",
            metavar="LIST",
            help=f"{options.COUNTS}  [default: 1 to 8, then by half as many more up to all CPUs].",
            show_default=False,
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        Option(
            metavar="S",
            help=f"Window of one run; with --lines: for all pairs  [default: {SECONDS:g}; "
            f"{bench_lines.SECONDS:g}].",
            show_default=False,
        ),
    ] = None,
    repeats: Annotated[
        int | None,
        Option(
            metavar="N",
            help=f"Runs of each population; with --lines: visits of each pair  [default: "
            f"{REPEATS}; {bench_lines.REPEATS}].",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, Option(metavar="N", help="Of the random order of runs.")] = 1,
    check: Annotated[
        bool, Option("--check", help="Only say why a measurement here would mislead.")
    ] = False,
    lines: Annotated[
        bool, Option("--lines", help="Measure what a cache line takes between CPUs instead.")
    ] = False,
    toml: Annotated[
        bool, Option("--toml", help="With --lines: print the keys of a scenario's machine only.")
    ] = False,
    plot_file: Annotated[
        str | None,
        Option(
            "--plot-file",
            metavar="FILE",
            help="With --lines: draw the matrix to FILE (.svg, .pdf, .png).",
            show_default=False,
        ),
    ] = None,
    explain: options.Explain = False,
    as_json: options.Json = False,
    output: options.Output = None,
    force: options.Force = False,
) -> None:
    """Measure the throughput of fork, exec and exit on this machine.

    Runs the loop on n pinned processes, all populations in random order, each after
    a warm-up of a quarter of the window (at most 0.5 s). One hardware thread of
    every core is used before the second of any, node by node. -o FILE.csv is what
    `lockmodel fit` reads; -o FILE.json keeps all runs and the machine as well.
    Needs no root. ^C keeps the runs that are finished (exit 1).

    \b
    One iteration:
      fork, vfork      fork or vfork, execve of the binary, its exit, wait
      posix_spawn      the same by posix_spawn; what Python can do without cc
      execl            the loop program (C, dynamic) execs itself
    Printed numbers:
      throughput       iterations per second of all processes, counted over one
                       window for all of them; mean over the repeats
      +-               standard deviation of the repeats (divided by repeats - 1)
      per process      throughput over n
      speedup          throughput over that of the smallest n
      slowest          iterations of the slowest process over those of the
                       fastest, mean over the repeats
      doubtful         repeats that spread by more than 5 %, or other load
    With --lines, between every two CPUs, or a random sample of them as far as
    --seconds goes: two pinned threads pass a line to and fro by compare-and-swap,
    its memory near the first; a visit is the median of 3 x 1,000 round trips; one
    way, in ns:
      median, 5, 95 %  over the pairs at a distance, each at the median of its
                       visits; over the visits where there is one pair
      published        medians of machines of this kind (lockmodel machines)
    Examples:
      lockmodel bench --check
      lockmodel bench -n 1,2 --seconds 0.2 --repeats 2
      lockmodel bench -n 1,2 --seconds 0.2 --repeats 2 -o curve.csv
      lockmodel bench --lines --seconds 2
    """
    import tempfile

    from lockmodel.cli import bench_text
    from lockmodel.measure.bench.machine import read_machine

    loop_only = {"--binary": binary, "--loop": loop, "-n": population, "--check": check}
    bench_lines.check_alone(lines, {**loop_only, "--toml": toml, "--plot-file": plot_file})
    by_lines = (bench_lines.SECONDS, bench_lines.REPEATS) if lines else (SECONDS, REPEATS)
    seconds = by_lines[0] if seconds is None else seconds
    repeats = by_lines[1] if repeats is None else repeats
    _check_arguments(seconds, repeats, check, population)
    if lines:
        bench_lines.run(seconds, repeats, seed, plot_file, toml, explain, as_json, output, force)
        return
    with files.output(output, as_json, force) as write:
        machine = read_machine()
        if check:
            if output is not None and output.endswith(".csv"):
                raise ArgumentError(f"-o {output}: --check has no CSV; use .txt or .json")
            reasons, busy = _reasons(machine, binary)
            data = _check_data(machine, reasons, busy)
            write(
                Report(lambda: data, lambda c: bench_text.check_text(machine, reasons, explain, c))
            )
            return
        populations = _populations(population, machine)
        with tempfile.TemporaryDirectory(prefix="lockmodel-bench-") as folder:
            curve = _measure(
                machine, binary, loop, populations, seconds, repeats, seed, Path(folder)
            )
        if not curve.runs:
            raise NotTrustworthyError(
                "no run gave a throughput: " + "; ".join(curve.notes() or ["interrupted"])
            )
        as_csv = output is not None and output.endswith(".csv") and not as_json
        csv = curve.to_csv if as_csv else None
        write(Report(curve.to_json, lambda c: bench_text.text(curve, explain, c), csv))
    if as_csv:
        files.echo(bench_text.text(curve, explain, False), newline=False)
    if curve.finished < curve.planned:
        why = "interrupted: " if curve.interrupted else ""
        raise NotTrustworthyError(
            f"{why}{curve.finished} of {curve.planned} runs were made and kept"
        )


def _check_arguments(seconds: float, repeats: int, check: bool, population: str | None) -> None:
    if not LEAST_SECONDS <= seconds <= MOST_SECONDS or not math.isfinite(seconds):
        raise ArgumentError(
            f"--seconds {seconds:g} must be from {LEAST_SECONDS:g} to {MOST_SECONDS:g}"
        )
    if not 1 <= repeats <= MOST_REPEATS:
        raise ArgumentError(f"--repeats {repeats} must be from 1 to {MOST_REPEATS}")
    if check and population is not None:
        raise ArgumentError("--check measures nothing; leave -n out")


def _populations(text: str | None, machine: Host) -> tuple[int, ...]:
    """Return the populations; raises if the machine does not allow so many processes."""
    from lockmodel.measure.bench.curve import default_populations
    from lockmodel.model.populations import parse_counts

    if text is None:
        return default_populations(len(machine.allowed))
    counts = parse_counts(text)
    if counts[-1] > MOST_COPIES:
        raise ArgumentError(f"-n {counts[-1]}: at most {MOST_COPIES} processes are started")
    limit = machine.processes_limit
    if limit is not None and counts[-1] * PROCESSES_EACH + SPARE_PROCESSES > limit:
        raise ArgumentError(
            f"-n {counts[-1]}: this machine allows {limit} processes and each copy needs "
            f"{PROCESSES_EACH}; measure up to "
            f"{max(1, (limit - SPARE_PROCESSES) // PROCESSES_EACH)}"
        )
    return counts


def _reasons(machine: Host, binary: str | None) -> tuple[list[Reason], float | None]:
    """Return why a measurement would mislead, after watching the machine for a moment."""
    import shutil
    import time

    from lockmodel.measure.bench.activity import between, counters
    from lockmodel.measure.bench.checks import reasons
    from lockmodel.measure.bench.machine import read
    from lockmodel.measure.bench.sources import file_system

    before = counters()
    time.sleep(IDLE_S)
    idle = between(before, counters(), set(machine.allowed))
    path = str(Path(binary or shutil.which("true") or "/").resolve())
    kind = file_system(read(Path("/proc/self/mountinfo")), path)
    return reasons(machine, idle.busy, idle.steal, kind), idle.busy


def _measure(
    machine: Host,
    binary: str | None,
    loop: str | None,
    populations: Sequence[int],
    seconds: float,
    repeats: int,
    seed: int,
    folder: Path,
) -> MeasuredCurve:
    """Return the curve; an interrupt ends it with the runs made so far."""
    from datetime import UTC, datetime

    from lockmodel.measure.bench import program, runner
    from lockmodel.measure.bench.activity import counters
    from lockmodel.measure.bench.curve import MeasuredCurve

    chosen = program.build(loop, binary, folder)
    note = None if chosen.loop == "execl" else program.trial(chosen.binary)
    reasons, _ = _reasons(machine, binary)
    started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    plan = runner.schedule(populations, repeats, seed)
    load = counters().load
    cpus = machine.fill_order()
    runs: list[Run] = []
    failed: list[str] = []
    try:
        for n, repeat in common.progress(plan, len(plan), "runs"):
            try:
                runs.append(runner.measure(chosen, cpus, n, repeat, seconds))
            except NotTrustworthyError as error:  # the others may work
                failed.append(str(error))
    except KeyboardInterrupt:
        typer.echo("lockmodel: interrupted; the finished runs are kept", err=True)
    return MeasuredCurve(
        machine,
        chosen,
        tuple(run for run in runs if run.iterations),
        seconds,
        runner.warmup_of(seconds),
        seed,
        len(plan),
        started,
        tuple(reasons),
        (load, counters().load),
        tuple(run.n for run in runs if not run.iterations),
        tuple(failed),
        note,
    )


def _check_data(machine: Host, reasons: Sequence[Reason], busy: float | None) -> dict[str, Any]:
    return {
        "schema": "lockmodel.bench-check/1",
        "machine": machine.to_json(),
        "idle_busy": busy,
        "reasons": [
            {"key": r.key, "text": r.text, "remedy": r.remedy, "root": r.root} for r in reasons
        ],
    }
