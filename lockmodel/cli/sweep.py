"""`lockmodel sweep`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer import Option

from lockmodel.cli import common, files, inputs, options
from lockmodel.cli.common import fit_origin, fit_warning
from lockmodel.cli.files import Report, check_plot
from lockmodel.errors import ArgumentError, NotTrustworthyError

if TYPE_CHECKING:
    from lockmodel.answers.sweep import Sweep
    from lockmodel.model.scenario import Scenario


def sweep(
    model: options.Model,
    over: Annotated[
        list[str],
        Option(
            metavar="[LOCK:]AXIS=VALUES",
            help="Repeatable. AXIS is acquires, hold, lines, shards or think.",
            show_default=False,
        ),
    ],
    population: options.Populations = None,
    method: options.ClosedMethod = "auto",
    time_limit: options.TimeLimit = options.TIME_LIMIT_S,
    by: Annotated[
        Literal["cpu", "node", "hash"] | None,
        Option(
            help="What chooses a shard of the axis shards  [default: the lock's shard_by].",
            show_default=False,
        ),
    ] = None,
    walks: options.Walks = None,
    machine: options.Machine = None,
    edits: options.Edits = None,
    plot: options.Plot = False,
    plot_file: options.PlotFile = None,
    as_json: options.Json = False,
    output: options.Output = None,
    force: options.Force = False,
) -> None:
    """Throughput over a grid of levers, as tidy CSV.

    \b
    Axes, of the binding lock unless LOCK: stands before them:
    {axes}
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
    from lockmodel.answers.axis import parse_axis
    from lockmodel.answers.sweep import sweep as run

    scenario = inputs.scenario(model, walks, machine, edits=edits)
    populations = inputs.populations(population, scenario)
    axes = [parse_axis(text, by) for text in over]
    check_plot(plot, plot_file, as_json, output)
    if (plot or plot_file) and len(axes) > 2:
        raise ArgumentError("--plot: draws one or two --over axes; leave it out and use the CSV")
    with (
        files.output(output, as_json, force) as write,
        files.optional_file(plot_file, force) as target,
        common.patience(time_limit) as stop,
        common.compiling(),
    ):
        swept = run(scenario, axes, populations, method, common.progress, stop)
        if not plot or output is not None:
            write(report(swept))
        if plot and swept.complete:
            from lockmodel.figures.sweep_terminal import draw as draw_terminal

            files.echo(draw_terminal(swept))
        if target is not None and swept.complete:
            from lockmodel.figures.sweep import draw

            draw(swept, target.stream, target.path.suffix[1:])
    if not as_json:
        for note in notes(scenario, swept):
            typer.echo(f"note: {note}", err=True)
    check_complete(swept)


def report(swept: Sweep) -> Report:
    """Return the sweep as it is printed and written."""
    return Report(
        swept.to_json,
        lambda colour: _csv(swept),
        lambda: _csv(swept),
        rows=lambda: _rows(swept),
    )


def notes(scenario: Scenario, swept: Sweep) -> list[str]:
    """Return what is said beside the rows: what was capped, the fit, how approximate they are."""
    from lockmodel.cli import text as tx
    from lockmodel.solvers.validity import moved

    bounded = swept.method == "bounds"
    said = [*swept.capped, *moved(scenario), *fit_warning(scenario)]
    if swept.fit is not None or bounded:
        said += fit_origin(scenario, swept.fit)
    if swept.warnings and not bounded:
        most = swept.worst_error
        size = tx.worth(most.error, f"{most.where}, n = {most.n}")
        said.append(f"approximate{size and ', ' + size}; --json says where")
    return said


def check_complete(swept: Sweep) -> None:
    """Raise NotTrustworthyError when it was stopped before the last row."""
    if not swept.complete:
        raise NotTrustworthyError(
            f"stopped: only {len(swept.rows)} rows are finished; raise --time-limit"
        )


def _columns(swept: Sweep) -> list[str]:
    from lockmodel.answers.sweep import ENDS

    ends = ENDS if swept.fit is not None else ()
    axes = [axis.name for axis in swept.axes]
    return [*axes, "n", "throughput_per_s", *ends, "ceiling_per_s", "binding"]


def _rows(swept: Sweep) -> list[dict[str, Any]]:
    """Return the rows with all columns; a simulated one has no interval."""
    columns = _columns(swept)
    return [{key: row.get(key) for key in columns} for row in swept.rows]


def _csv(swept: Sweep) -> str:
    rows = [{key: _cell(value) for key, value in row.items()} for row in _rows(swept)]
    return files.csv_text(rows, _columns(swept))


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.10g}" if isinstance(value, float) else str(value)
