"""`lockmodel sweep`."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import click

from lockmodel.cli import common
from lockmodel.cli.common import (
    COUNTS_HELP,
    Report,
    check_plot,
    fit_origin,
    fit_warning,
    method_option,
    output_options,
)
from lockmodel.errors import ArgumentError, NotTrustworthyError

if TYPE_CHECKING:
    from lockmodel.answers.sweep import Sweep


@click.command()
@click.argument("model")
@click.option(
    "--over",
    multiple=True,
    required=True,
    metavar="[LOCK:]AXIS=VALUES",
    help="Repeatable. AXIS is acquires, hold, shards or think.",
)
@click.option("-n", "population", required=True, metavar="LIST", help=COUNTS_HELP)
@method_option
@common.walks_option
@common.plot_option("lines (one axis) or a heat map (two axes) at the largest population")
@output_options
def sweep(
    model: str,
    over: tuple[str, ...],
    population: str,
    method: str,
    walks: str | None,
    plot: str | None,
    as_json: bool,
    output: str | None,
    force: bool,
) -> None:
    """Throughput over a grid; prints tidy CSV, one row per combination and n.

    \b
    Axes, of the binding lock unless LOCK: stands before them:
      acquires=1..30         acquires per iteration; the held work stays
      hold=0.0..1.0:11       factor on the held work; 11 values
      shards=1,2,4,8,16      shards, chosen by CPU
      think=0.5,1            factor on the think time
    Columns:
      the axes, n, throughput_per_s (iterations per second), ceiling_per_s (k / D
      of what binds at n), binding; for fitted scenarios also throughput_low_per_s
      and throughput_high_per_s, the interval of the next measurement: parameter
      error, repeat noise and model error, as `lockmodel predict` has it
    What is capped or approximate is noted on standard error; --json has all of
    it under warnings.
    An interrupt keeps the rows that are finished (exit 1).
    Examples:
      lockmodel sweep execl-xeon8369b --over shards=1,2,4,8 -n 128
      lockmodel sweep execl-xeon8369b --over hold=0.0..1.0:11 -n 64,128 --plot
    """
    from lockmodel.answers.sweep import parse_axis
    from lockmodel.answers.sweep import sweep as run
    from lockmodel.model.populations import parse_counts
    from lockmodel.model.shipped import find_scenario

    populations = parse_counts(population)
    axes = [parse_axis(text) for text in over]
    check_plot(plot, as_json, output)
    if plot is not None and len(axes) > 2:
        raise ArgumentError("--plot: draws one or two --over axes; leave it out and use the CSV")
    scenario = common.with_walkers(find_scenario(model), walks)
    with (
        common.output(output, as_json, force) as write,
        common.plot_file(plot, force) as target,
    ):
        found = run(scenario, axes, populations, method, common.progress)
        if plot != common.PLOT_TERMINAL or output is not None:
            write(Report(found.to_json, lambda colour: _csv(found), lambda: _csv(found)))
        if plot == common.PLOT_TERMINAL and found.complete:
            from lockmodel.figures.sweep_terminal import draw as draw_terminal

            common.echo(draw_terminal(found))
        if target is not None and found.complete:
            from lockmodel.figures.sweep import draw

            draw(found, target.stream, target.path.suffix[1:])
    if not as_json:
        for warning in found.capped:
            click.echo(f"note: {warning}", err=True)
        for note in (*fit_warning(scenario), *fit_origin(scenario, found.fit)):
            click.echo(f"note: {note}", err=True)
        if found.warnings and method != "bounds":
            click.echo(f"note: approximate; `lockmodel predict {model} ...` says where", err=True)
    if not found.complete:
        raise NotTrustworthyError(f"interrupted: only {len(found.rows)} rows are finished")


def _csv(found: Sweep) -> str:
    from lockmodel.answers.sweep import ENDS

    buffer = io.StringIO()
    columns = [axis.name for axis in found.axes]
    ends = ENDS if found.fit is not None else ()
    columns += ["n", "throughput_per_s", *ends, "ceiling_per_s", "binding"]
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    for row in found.rows:
        writer.writerow([_cell(row[column]) for column in columns])
    return buffer.getvalue()


def _cell(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)
