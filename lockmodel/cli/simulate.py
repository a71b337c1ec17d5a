"""`lockmodel simulate`."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from lockmodel.cli import common, files, inputs, options
from lockmodel.cli import text as tx
from lockmodel.cli.files import Report
from lockmodel.errors import ArgumentError, NotTrustworthyError

if TYPE_CHECKING:
    from lockmodel.model.scenario import Scenario
    from lockmodel.solvers.simulation.simulate import Simulated

PRECISION = 0.005

MOST_LOCKS = 3
"""Locks that a table of classes has columns for."""


def simulate(
    model: options.Model,
    population: options.Populations = None,
    precision: Annotated[
        float,
        Option(
            metavar="SHARE",
            help="Stop when the 95 % interval of the throughput is +- this share of it.",
        ),
    ] = PRECISION,
    seed: Annotated[int, Option(metavar="N", help="Chooses the random streams.")] = 1,
    workers: Annotated[
        int | None, Option(metavar="N", help="Threads [default: all CPUs].", show_default=False)
    ] = None,
    trace: Annotated[
        str | None,
        Option(
            metavar="FILE",
            help="Write a short window for ui.perfetto.dev or chrome://tracing (one population).",
            show_default=False,
        ),
    ] = None,
    time_limit: options.TimeLimit = options.TIME_LIMIT_S,
    walks: options.Walks = None,
    machine: options.Machine = None,
    edits: options.Edits = None,
    explain: options.Explain = False,
    as_json: options.Json = False,
    output: options.Output = None,
    force: options.Force = False,
) -> None:
    """Simulate a scenario event by event.

    Sixteen replications with independent random streams run until the throughput
    is known to --precision. The same --seed gives the same answer on any number
    of workers. Press ^C once to stop with what there is.

    \b
    Printed numbers:
      throughput       iterations per second; +- is half of the 95 % interval
      waits for LOCK   per iteration, for the lock that is waited for most
    Printed with --explain, per lock:
      waits            per iteration, with its interval, hand-offs included
      contended        share of acquires that have to wait
      50 %, 99 %       of acquires wait at most so long (all acquires count);
      longest          of all that were simulated
      far              share of acquires after one in another node
      fairness         Jain's index over processes: 1 is equal, 1/n is all for one
    Examples:
      lockmodel simulate execl-xeon8369b -n 64 --precision 0.002
      lockmodel simulate execl-xeon8369b -n 8 --trace convoy.json
    """
    scenario = inputs.scenario(model, walks, machine, edits=edits, classes=True)
    populations = inputs.populations(population, scenario)
    if trace is not None and len(populations) > 1:
        raise ArgumentError(
            f"--trace {trace}: a trace shows one population, -n {population} is "
            f"{len(populations)}; give one"
        )
    if trace is not None and output is not None and Path(trace).resolve() == Path(output).resolve():
        raise ArgumentError(f"-o and --trace both name {output}; give each its own file")
    with (
        files.output(output, as_json, force) as write,
        files.new_file(trace, force) if trace else contextlib.nullcontext() as target,
        common.patience(time_limit) as stop,
    ):
        from lockmodel.solvers.simulation.replicate import check
        from lockmodel.solvers.simulation.simulate import simulate_each

        check(precision, seed, workers)
        with common.compiling():
            runs = simulate_each(
                scenario, populations, precision, seed, workers, stop, common.progress
            )
        if target is not None:
            from lockmodel.solvers.simulation.trace import chrome, record

            recorded = chrome(scenario, record(scenario, populations[0], seed))
            target.stream.write(json.dumps(recorded, separators=(",", ":")).encode())
        data = {"schema": "lockmodel.simulations/1", "points": [f.to_json() for f in runs]}
        text = _text if explain else _brief
        write(
            Report(
                lambda: data,
                lambda colour: text(scenario, runs, trace, colour),
                lambda: files.csv_text(_rows(runs)),
            )
        )
    common.check_all_simulated(len(runs), len(populations))
    if not all(f.reached for f in runs):
        worst = max(runs, key=lambda f: f.throughput_per_s.relative)
        raise NotTrustworthyError(
            f"stopped at n = {worst.n} with a precision of {worst.throughput_per_s.relative:.2g}; "
            f"{precision:g} was asked: raise --time-limit or --precision"
        )


def _rows(runs: list[Simulated]) -> list[dict[str, Any]]:
    """Return the populations as rows of a CSV file."""
    return [
        {
            "n": f.n,
            "throughput_per_s": f.throughput_per_s.value,
            "half_width_per_s": f.throughput_per_s.half_width,
            "fairness": f.fairness,
            **{f"wait_s {name}": lock.wait_s.value for name, lock in f.locks.items()},
            **_class_columns(f),
        }
        for f in runs
    ]


def _class_columns(run: Simulated) -> dict[str, Any]:
    """Return the columns of the classes of a CSV file's row; none without classes."""
    made: dict[str, Any] = {}
    for name, one in (run.classes or {}).items():
        made[f"n {name}"] = one.n
        made[f"throughput_per_s {name}"] = one.throughput_per_s.value
        made[f"half_width_per_s {name}"] = one.throughput_per_s.half_width
        made |= {f"waits {lock} {name}": share for lock, share in one.wait_shares.items()}
    return made


def _class_table(run: Simulated) -> list[Any]:
    """Return what each class does, and an empty line; nothing without classes."""
    if not run.classes:
        return []
    busiest = sorted(run.locks, key=lambda name: -run.locks[name].wait_s.value)[:MOST_LOCKS]
    waits = [f"waits for\n{tx.short(name, 10)}" for name in busiest]
    rows = [
        [
            name,
            str(one.n),
            tx.si(one.throughput_per_s.value, "/s"),
            f"+- {100 * one.throughput_per_s.relative:.2g} %",
            *(tx.percent(one.wait_shares[name]) for name in busiest),
        ]
        for name, one in run.classes.items()
    ]
    head = [f"class,\nn = {run.n}", "processes", "throughput", "", *waits]
    return [tx.table(head, rows, left=(0,)), ""]


def _brief(scenario: Scenario, runs: list[Simulated], trace: str | None, colour: bool) -> str:
    """Return the largest population in a sentence, and a row per population."""
    last = max(runs, key=lambda f: f.n)
    busiest = max(last.locks, key=lambda name: last.locks[name].wait_s.value, default=None)
    rate = last.throughput_per_s
    said = (
        f"{scenario.title}: {tx.si(rate.value, '/s')} +- {100 * rate.relative:.2g} % simulated at "
        f"{tx.count(last.n, 'process')}"
    )
    if busiest is not None and last.locks[busiest].wait_s.value > 0:
        lock = last.locks[busiest]
        said += (
            f"; an iteration waits {tx.si(lock.wait_s.value, 's')} for {busiest}, "
            f"{tx.percent(lock.contended)} of its acquires do"
        )
    rows = []
    for f in runs:
        waits = [] if busiest is None else [tx.si(f.locks[busiest].wait_s.value, "s")]
        rows.append(
            [
                str(f.n),
                tx.si(f.throughput_per_s.value, "/s"),
                f"{100 * f.throughput_per_s.relative:.2g} %",
                tx.si(f.n / f.throughput_per_s.value, "s"),
                *waits,
                f"{f.fairness:.3f}",
            ]
        )
    head = [] if busiest is None else [f"waits for {tx.short(busiest)}"]
    columns = ["n", "throughput", "+-", "iteration", *head, "fairness"]
    warned = dict.fromkeys(warning for f in runs for warning in f.warnings)
    parts: list[Any] = [
        f"{said}.",
        *(f"! {warning}" for warning in warned),
        "",
        tx.table(columns, rows),
        *([""] if last.classes else []),
        *_class_table(last)[:1],
    ]
    if trace is not None:
        parts.append(f"window written to {trace}; open it at ui.perfetto.dev")
    parts.append(f"{tx.count(last.replications, 'replication')}, seed {last.seed}: --explain")
    return tx.render(parts, colour)


def _text(scenario: Scenario, runs: list[Simulated], trace: str | None, colour: bool) -> str:
    first = runs[0]
    parts: list[Any] = [
        f"{scenario.name}: {scenario.title}",
        f"simulated: {first.replications} replications, seed {first.seed}, 95 % intervals",
        "",
    ]
    rows = [
        [
            str(f.n),
            tx.si(f.throughput_per_s.value, "/s"),
            f"+- {100 * f.throughput_per_s.relative:.2g} %",
            tx.si(f.n / f.throughput_per_s.value, "s"),
            f"{f.fairness:.3f}",
            f"{f.iterations:,}",
            f"{f.events:,}",
        ]
        for f in runs
    ]
    columns = ["n", "throughput", "", "iteration", "fairness", "iterations", "events"]
    parts += [tx.table(columns, rows), ""]
    for f in runs:
        parts += _class_table(f)
    lines = []
    for f in runs:
        for name, lock in f.locks.items():
            quantiles = lock.wait_quantiles_s
            lines.append(
                [
                    str(f.n),
                    tx.short(name, 12),
                    tx.si(lock.wait_s.value, "s"),
                    f"+- {100 * lock.wait_s.relative:.2g} %" if lock.wait_s.value else "",
                    tx.percent(lock.contended),
                    tx.si(quantiles["50"], "s"),
                    tx.si(quantiles["99"], "s"),
                    tx.si(lock.longest_wait_s, "s"),
                    tx.percent(lock.other_node),
                ]
            )
    columns = ["n", "lock", "waits", "", "contended", "50 %", "99 %", "longest", "far"]
    if lines:
        parts += [tx.table(columns, lines, left=(1,))]
    walked = [
        f"{name} at {f.n}: "
        + ("none" if lock.walk_s is None else f"{tx.si(lock.walk_s, 's')} per walk")
        + (f", {tx.percent(lock.gave_up)} gave up" if lock.gave_up else "")
        for f in runs
        for name, lock in f.locks.items()
        if lock.gave_up is not None
    ]
    parts += tx.bullets("background walks:", walked)
    if trace is not None:
        parts.append(f"window written to {trace}; open it at ui.perfetto.dev")
    parts.append("")
    parts += tx.bullets("weak here:", tuple(dict.fromkeys(w for f in runs for w in f.warnings)))
    parts += tx.bullets("assumed:", first.assumptions)
    return tx.render(parts, colour)
