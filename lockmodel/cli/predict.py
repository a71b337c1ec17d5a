"""`lockmodel predict`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from lockmodel.cli import common, files, inputs, options
from lockmodel.cli.common import fit_origin, fit_warning
from lockmodel.cli.files import Report, check_plot
from lockmodel.errors import NotTrustworthyError

if TYPE_CHECKING:
    from lockmodel.model.prediction import Interval, Prediction
    from lockmodel.model.scenario import Scenario

MOST_ROWS = 24
"""Rows of a terminal table before it is thinned out."""

MANY_LOCKS = 3
"""From so many locks on the column "iteration" (n / throughput) gives way to wider ones."""


def predict(
    model: options.Model,
    population: options.Populations = None,
    every: options.All = False,
    method: options.AnyMethod = "auto",
    max_error: Annotated[
        float,
        Option(
            "--max-error",
            metavar="SHARE",
            help="Relative error of throughput that auto accepts; simulation aims at half of it, "
            "at least at 0.005.",
        ),
    ] = 0.2,
    time_limit: options.TimeLimit = options.TIME_LIMIT_S,
    walks: options.Walks = None,
    plot: options.Plot = False,
    plot_file: options.PlotFile = None,
    as_json: options.Json = False,
    output: options.Output = None,
    force: options.Force = False,
) -> None:
    """Predict throughput at some populations, and what each lock costs there.

    \b
    Printed numbers:
      throughput       iterations per second of the whole machine
      iteration        time of one iteration of one process
      k/D              ceiling with n processes about: shards over the demand of
                       the binding lock, with the hand-off to the first waiter.
                       It falls as lines come from farther away and trees grow
      binding          the lock (or cpu) that has this ceiling
      LOCK waits       share of all busy CPU cycles spent waiting for the lock:
                       what perf shows as osq_lock or native_queued_spin_lock
      ceiling, knee    (first lines) the most any population can reach, and the
                       population where the light-load line reaches k/D
      error            how far throughput may be off the scenario as stated: an
                       estimate from a map of measured errors, or the 95 %
                       interval of a simulation; "?" is not measured
      between          (--method bounds) guaranteed bounds on throughput; the
                       upper one holds even if no hand-off is ever paid
      90 % interval    (fitted scenarios) of the next measurement of throughput:
                       error of the fitted parameters, repeat noise, and model
                       error, which grows by itself with each doubling beyond the
                       populations measured. Parameter error is by product form,
                       in proportion for other methods. The ceiling's, in
                       brackets, is parameter error only; bounds have none
    Examples:
      lockmodel predict execl-xeon8369b -n 1,16,64,128
      lockmodel predict execl-xeon8369b -n 1..128 --plot
      lockmodel predict execl-xeon8369b -n 8,64 --method simulation
    """
    from lockmodel.answers.predict import predict

    scenario = inputs.scenario(model, walks)
    populations = inputs.populations(population, scenario)
    check_plot(plot, plot_file, as_json, output)
    with (
        files.output(output, as_json, force) as write,
        files.optional_file(plot_file, force) as target,
        common.patience(time_limit) as stop,
        common.compiling(),
    ):
        found = predict(scenario, populations, method, common.progress, max_error, stop)
        write(Report(found.to_json, lambda colour: _text(scenario, found, every, colour)))
        if plot:
            files.echo(_terminal_plot(found))
        if target is not None:
            from lockmodel.figures.throughput import draw

            draw(found, target.stream, target.path.suffix[1:])
    _check_reached(found, populations, max_error)


def _check_reached(found: Prediction, populations: Sequence[int], max_error: float) -> None:
    """Raise when a simulation was stopped before all was as precise as asked."""
    if found.method != "simulation":
        return
    missing = len(populations) - len(found.points)
    if missing:
        raise NotTrustworthyError(
            f"stopped: {missing} of {len(populations)} populations were not simulated; raise "
            f"--time-limit"
        )
    if found.error_estimate is not None and found.error_estimate > max_error:
        raise NotTrustworthyError(
            f"stopped at a precision of {found.error_estimate:.2g}, --max-error {max_error:g} was "
            f"asked: raise one of --time-limit and --max-error"
        )


def _shown(found: Prediction, every: bool) -> list[int]:
    """Return the indices of the points to print: all, or some 20 on a geometric scale."""
    count = len(found.points)
    if every or count <= MOST_ROWS:
        return list(range(count))
    low, high = found.points[0].n, found.points[-1].n
    steps = 18
    wanted = [low * (high / low) ** (i / steps) for i in range(steps + 1)]
    peak = max(range(count), key=lambda i: found.points[i].throughput_per_s)
    near = {min(range(count), key=lambda i: abs(found.points[i].n - w)) for w in wanted}
    return sorted(near | {peak})


def verdict(found: Prediction) -> str:
    """Return one line: which method, and whether it is exact."""
    if found.exact:
        return f"method {found.method}: exact for the stated model (assumptions below)"
    if found.method == "simulation":
        return "method simulation: 95 % intervals (column error)"
    if found.method == "bounds":
        return "method bounds: guaranteed for the stated model; throughput is the upper bound"
    if found.error_estimate is None:
        return f"method {found.method}: approximate here, error not measured (see below)"
    error = _error(found.error_estimate)
    return f"method {found.method}: approximate, estimated error at most {error} (column error)"


def _short(name: str) -> str:
    """Return a lock's name cut to fit a column: "ld-linux-x86-64.so.2" -> "ld-linux"."""
    return name.split("-x86")[0][:10]


def _error(value: float | None) -> str:
    """Return a relative error as a table shows it."""
    if value is None:
        return "?"
    return f"{100 * value:.2g} %" if value < 0.0995 else f"{100 * value:.0f} %"


def _text(scenario: Scenario, found: Prediction, every: bool, colour: bool) -> str:
    from lockmodel.cli import text as tx

    top = found.ceiling
    peak = max(found.points, key=lambda p: p.throughput_per_s)
    parts: list[Any] = [
        f"{scenario.name}: {scenario.title}",
        *fit_warning(scenario),
        verdict(found),
        *([f"chosen because {found.chosen_because}"] if found.chosen_because else []),
        f"ceiling {tx.si(top.throughput_per_s, '/s')}{_within(top.interval_per_s)} set by "
        f"{top.binding}, knee at {tx.count(round(top.knee), 'process')}",
    ]
    if peak.n < found.points[-1].n and found.method != "bounds":
        last = found.points[-1]
        drop = 1 - last.throughput_per_s / peak.throughput_per_s
        if drop > 0.005:
            parts.append(
                f"peak {tx.si(peak.throughput_per_s, '/s')} at {peak.n} processes; at {last.n} it "
                f"is {drop:.0%} lower"
            )
    parts += fit_origin(scenario, found.fit)
    parts += ["", *_table(scenario, found, every), ""]
    parts += tx.bullets("where the model or the method is weak here:", found.warnings)
    parts += tx.bullets("assumed:", found.assumptions)
    return tx.render(parts, colour)


def _within(ends: Interval | None) -> str:
    """Return the interval of a ceiling in brackets, after a blank; nothing without one."""
    if ends is None:
        return ""
    from lockmodel.cli.intervals import span

    return f" ({span(ends, '/s')})"


def _table(scenario: Scenario, found: Prediction, every: bool) -> list[Any]:
    """Return the table of the points and what is said below it."""
    from lockmodel.cli import text as tx

    shown = _shown(found, every)
    hidden = (
        [f"({len(found.points)} populations solved, {len(shown)} shown; --all for all)"]
        if len(shown) < len(found.points)
        else []
    )
    bounded = found.method == "bounds"
    if found.fit is not None:
        from lockmodel.cli.intervals import prediction

        rows_of = [found.points[i] for i in shown]
        return [*prediction(rows_of, found.fit, not found.exact, _error, _short), *hidden]
    names = [lock.name for lock in scenario.locks]
    steady = len({p.binding for p in found.points}) == 1
    judged = not bounded and not found.exact
    roomy = steady or not judged or len(names) < MANY_LOCKS  # else 80 columns are not enough
    columns = ["n", "between" if bounded else "throughput"]
    columns += ["error"] if judged else []
    columns += ["iteration >=" if bounded else "iteration"] if roomy else []
    columns += ["k/D"] + ([] if steady else ["binding"])
    columns += [] if bounded else [f"{_short(name)}\nwaits" for name in names]
    rows = []
    for i in shown:
        p = found.points[i]
        rate = tx.si(p.throughput_per_s, "/s")
        if bounded:
            rate = f"{tx.si(p.lower_per_s, '/s')} .. {rate}"
        row = [str(p.n), rate] + ([_error(p.error_estimate)] if judged else [])
        row += [tx.si(p.iteration_s, "s")] if roomy else []
        row += [tx.si(p.ceiling_per_s, "/s")]
        row += [] if steady else [p.binding if roomy else _short(p.binding)]
        row += [] if bounded else [tx.percent(p.locks[name].cycles_share) for name in names]
        rows.append(row)
    fold = () if steady else (len(columns) - 1 - (0 if bounded else len(names)),)
    made: list[Any] = [tx.table(columns, rows, left=fold, fold=fold)]
    if steady:
        made.append(f"(binding at every n: {found.points[0].binding})")
    if names and not bounded:
        made.append("(waits: share of all CPU cycles spent waiting for the lock)")
    return made + hidden


def _terminal_plot(found: Prediction) -> str:
    import plotext

    n = [p.n for p in found.points]
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plot_size(78, 22)
    plotext.plot(n, [p.throughput_per_s / 1e3 for p in found.points], label="throughput")
    ceilings = [(p.n, p.ceiling_per_s / 1e3) for p in found.points]
    limit = 1.6 * max(p.throughput_per_s for p in found.points) / 1e3
    low = [(x, y) for x, y in ceilings if y <= limit]
    if low:
        plotext.plot([x for x, _ in low], [y for _, y in low], label="ceiling", marker="dot")
    plotext.xlabel("processes")
    plotext.title(f"{found.scenario}: thousand iterations per second")
    plotext.ylim(0, None)
    return str(plotext.build())
