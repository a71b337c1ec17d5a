"""`lockmodel predict`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from lockmodel.cli import common, files, inputs, options
from lockmodel.cli.common import fit_origin, fit_warning
from lockmodel.cli.files import Report, check_plot
from lockmodel.errors import NotTrustworthyError

if TYPE_CHECKING:
    from lockmodel.model.prediction import Interval, Point, Prediction
    from lockmodel.model.scenario import Scenario

MOST_ROWS = 24
"""Rows of a terminal table before it is thinned out."""

FEW_ROWS = 15
"""The same in the short report."""

NOTICEABLE_DROP = 0.005
"""Share below the peak that is worth a clause."""

LEAST_SHARE = 0.005
"""Share of CPU time below which nobody waits."""

SHORT = 10
"""Characters of a lock's name at the head of a column."""

UNNAMED = "lock"
"""Name of a lock that has no better one."""

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
    machine: options.Machine = None,
    edits: options.Edits = None,
    counts: options.FromCounts = False,
    explain: options.Explain = False,
    plot: options.Plot = False,
    plot_file: options.PlotFile = None,
    as_json: options.Json = False,
    output: options.Output = None,
    force: options.Force = False,
) -> None:
    """Throughput at some populations, and what each lock costs there.

    \b
    Printed numbers:
      throughput       iterations per second of the whole machine
      90 % interval    (fitted scenarios) of the next measurement of throughput:
                       error of the fitted parameters, repeat noise, and model
                       error, which grows with each doubling beyond the
                       populations measured
      error            how far throughput may be off the scenario as stated: an
                       estimate from a map of measured errors, or the 95 %
                       interval of a simulation; "?" is not measured
      ceiling at n     with n processes about: shards over the demand of the
                       binding lock, with the hand-off to the first waiter. It
                       falls as lines come from farther away and trees grow
      waits for        the lock (or cpu) that has this ceiling, and the share of
                       all busy CPU cycles spent waiting for it: what perf shows
                       as osq_lock or native_queued_spin_lock
      CLASS            (several classes) iterations per second of each; they add
                       up to the total. With --explain: its share of time waiting
      between          (--method bounds) guaranteed bounds on throughput; the
                       upper one holds even if no hand-off is ever paid
    Printed with --explain:
      peak ceiling     the most any population can reach; knee: where the
                       light-load line reaches the ceiling
      iteration        time of one iteration of one process
      LOCK waits       share of cycles spent waiting for each lock
      binding          the lock (or cpu) that has this ceiling
    Intervals are by product form, in proportion for other methods; that of the
    peak ceiling is of the parameters alone; bounds have none.
    Examples:
      lockmodel predict execl-xeon8369b
      lockmodel predict execl-xeon8369b -n 1..128 --plot
      lockmodel predict execl-xeon8369b -n 8,64 --method simulation --explain
      lockmodel predict execl-xeon8369b --from-counts --machine epyc7763
    """
    from lockmodel.answers.predict import predict

    scenario = inputs.scenario(model, walks, machine, counts=counts, edits=edits, classes=True)
    populations = inputs.populations(population, scenario)
    check_plot(plot, plot_file, as_json, output)
    common.check_affordable(scenario, populations, method, time_limit)
    with (
        files.output(output, as_json, force) as write,
        files.optional_file(plot_file, force) as target,
        common.patience(time_limit) as stop,
        common.compiling(),
    ):
        prediction = predict(scenario, populations, method, common.progress, max_error, stop)
        write(report(scenario, prediction, explain, every))
        if plot:
            files.echo(_terminal_plot(prediction))
        if target is not None:
            from lockmodel.figures.throughput import draw

            draw(prediction, target.stream, target.path.suffix[1:])
    check_reached(prediction, populations, max_error)


def report(
    scenario: Scenario, prediction: Prediction, explain: bool = False, every: bool = False
) -> Report:
    """Return the prediction as it is printed and written; with `every`, each row is printed."""
    full = _text if explain else _brief
    return Report(
        prediction.to_json,
        lambda colour: full(scenario, prediction, every, colour),
        lambda: files.csv_text(_rows(prediction)),
        rows=lambda: _rows(prediction),
    )


def check_reached(prediction: Prediction, populations: Sequence[int], max_error: float) -> None:
    """Raise when a simulation was stopped before all was as precise as asked."""
    done = "simulated" if prediction.method == "simulation" else "solved"
    common.check_all_simulated(len(prediction.points), len(populations), done)
    if prediction.method != "simulation":
        return
    if prediction.error_estimate is not None and prediction.error_estimate > max_error:
        raise NotTrustworthyError(
            f"stopped at a precision of {prediction.error_estimate:.2g}, --max-error "
            f"{max_error:g} was asked: raise one of --time-limit and --max-error"
        )


def some_rows(prediction: Prediction, every: bool, most: int) -> list[int]:
    """Return the indices of the points to print: all, or fewer on a geometric scale."""
    count = len(prediction.points)
    if every or count <= most:
        return list(range(count))
    low, high = prediction.points[0].n, prediction.points[-1].n
    steps = 3 * most // 4
    wanted = [low * (high / low) ** (i / steps) for i in range(steps + 1)]
    peak = max(range(count), key=lambda i: prediction.points[i].throughput_per_s)
    near = {min(range(count), key=lambda i: abs(prediction.points[i].n - w)) for w in wanted}
    return sorted(near | {peak})


def verdict(prediction: Prediction) -> str:
    """Return one line: which method, and whether it is exact."""
    if prediction.exact:
        return f"method {prediction.method}: exact for the stated model (assumptions below)"
    if prediction.method == "simulation":
        return "method simulation: 95 % intervals (column error)"
    if prediction.method == "bounds":
        return "method bounds: guaranteed for the stated model; throughput is the upper bound"
    if prediction.error_estimate is None:
        return f"method {prediction.method}: approximate here, error not measured (see below)"
    from lockmodel.cli import text as tx

    error = tx.error(prediction.error_estimate)
    return (
        f"method {prediction.method}: approximate, estimated error at most {error} (column error)"
    )


def _brief(scenario: Scenario, prediction: Prediction, every: bool, colour: bool) -> str:
    """Return the answer in a sentence or two, a table, and what is left out."""
    from lockmodel.cli import text as tx

    shown = some_rows(prediction, every, FEW_ROWS)
    top = prediction.ceiling.throughput_per_s
    doubts = common.doubts(scenario, [p.n for p in prediction.points], top)
    parts: list[Any] = [
        *headline(scenario, prediction),
        *fit_warning(scenario),
        *doubts,
        "",
        short_table(prediction, shown),
        *tx.more(len(prediction.points) - len(shown), "population", "--all"),
        *_trust(prediction, [text for text in prediction.warnings if f"! {text}" not in doubts]),
    ]
    return tx.render(parts, colour)


def headline(scenario: Scenario, prediction: Prediction) -> list[str]:
    """Return what is reached at the largest population, and what binds there."""
    from lockmodel.cli import text as tx

    last = max(prediction.points, key=lambda p: p.n)
    peak = max(prediction.points, key=lambda p: p.throughput_per_s)
    at = f"at {tx.count(last.n, 'process')}"
    rate = tx.si(last.throughput_per_s, "/s")
    if prediction.method == "bounds":
        low = tx.si(last.lower_per_s, "/s")
        reached = f"{scenario.title}: between {low} and {rate} {at}, guaranteed by the model"
    else:
        reached = f"{scenario.title}: {rate} {at}"
        drop = 1 - last.throughput_per_s / peak.throughput_per_s
        if drop > NOTICEABLE_DROP:
            high = tx.si(peak.throughput_per_s, "/s")
            reached += f", {tx.whole(drop)} below its peak of {high} at {peak.n}"
    if last.binding not in last.locks:
        return [f"{reached}.", f"No lock binds {at}: the CPUs do."]
    knee = max(1, round(prediction.ceiling.knee))
    same = prediction.ceiling.binding == last.binding
    lock = "The lock" if last.binding == UNNAMED else f"The lock of {last.binding}"
    if same and last.n < knee:
        binds = f"{lock} would bind from about {knee} processes on"
    else:
        binds = f"{lock} binds"
        binds += f" from about {tx.count(knee, 'process')} on" if same else ""
    share = last.locks[last.binding].cycles_share
    if prediction.method != "bounds" and share >= LEAST_SHARE:
        binds += f"; {tx.whole(share)} of all CPU time {at} waits for it"
    return [f"{reached}.", f"{binds}."]


def _trust(prediction: Prediction, weak: Sequence[str]) -> list[str]:
    """Return the line that says what the numbers are worth, and how to see why."""
    from lockmodel.answers.sides import worst
    from lockmodel.cli import text as tx

    if prediction.method == "bounds":
        return ["bounds of the stated model: --explain"]
    if prediction.exact:
        return [f"{prediction.method}, exact for the stated model: --explain"]
    if prediction.method == "simulation":
        return [
            f"simulated, 95 % intervals within {tx.error(prediction.error_estimate)}: --explain"
        ]
    most = worst("", prediction.points)
    return tx.counted(weak or ("product form",), tx.worth(most.error, f"n = {most.n}"))


def short_table(prediction: Prediction, shown: Sequence[int]) -> Any:
    """Return the table of some points, by their indices."""
    from lockmodel.cli import text as tx
    from lockmodel.cli.intervals import span, title

    bounded = prediction.method == "bounds"
    judged = not bounded and not prediction.exact
    classes = list(prediction.points[0].classes or ())
    columns = ["n", "between" if bounded else "total" if classes else "throughput"]
    columns += [tx.short(name, SHORT) for name in classes]
    columns += [title(prediction.fit)] if prediction.fit is not None else []
    columns += ["error"] if judged else []
    columns += ["ceiling at n", "waits for"]
    rows = []
    for p in (prediction.points[i] for i in shown):
        rate = tx.si(p.throughput_per_s, "/s")
        row = [str(p.n), f"{tx.si(p.lower_per_s, '/s')} .. {rate}" if bounded else rate]
        row += [tx.si(state.throughput_per_s, "/s") for state in (p.classes or {}).values()]
        if prediction.fit is not None:
            row.append("-" if p.interval_per_s is None else span(p.interval_per_s, "/s"))
        row += [tx.error(p.error_estimate)] if judged else []
        row.append(tx.si(p.ceiling_per_s, "/s"))
        lock = p.locks.get(p.binding)
        share = 0.0 if lock is None or bounded else lock.cycles_share
        waits = f"{p.binding} {tx.whole(share)}" if share >= LEAST_SHARE else "-"
        row.append(p.binding if bounded or lock is None else waits)
        rows.append(row)
    last = len(columns) - 1
    return tx.table(columns, rows, left=(last,), fold=(last,))


def class_columns(point: Point) -> dict[str, Any]:
    """Return the columns of the classes of a CSV file's row; none without classes."""
    made: dict[str, Any] = {}
    for name, state in (point.classes or {}).items():
        made[f"n {name}"] = state.n
        made[f"throughput_per_s {name}"] = state.throughput_per_s
        made |= {f"waits {lock} {name}": share for lock, share in state.wait_shares.items()}
    return made


def _rows(prediction: Prediction) -> list[dict[str, Any]]:
    """Return the points as rows of a CSV file."""
    rows = []
    for p in prediction.points:
        low, high = p.interval_per_s or (None, None)
        rows.append(
            {
                "n": p.n,
                "throughput_per_s": p.throughput_per_s,
                "throughput_low_per_s": low,
                "throughput_high_per_s": high,
                "error_estimate": p.error_estimate,
                "iteration_s": p.iteration_s,
                "ceiling_at_n_per_s": p.ceiling_per_s,
                "binding": p.binding,
                **{f"waits {name}": lock.cycles_share for name, lock in p.locks.items()},
                **class_columns(p),
            }
        )
    return rows


def _text(scenario: Scenario, prediction: Prediction, every: bool, colour: bool) -> str:
    from lockmodel.cli import text as tx

    top = prediction.ceiling
    peak = max(prediction.points, key=lambda p: p.throughput_per_s)
    parts: list[Any] = [
        f"{scenario.name}: {scenario.title}",
        *fit_warning(scenario),
        verdict(prediction),
        *([f"chosen because {prediction.chosen_because}"] if prediction.chosen_because else []),
        f"peak ceiling {tx.si(top.throughput_per_s, '/s')}{_within(top.interval_per_s)} set by "
        f"{top.binding}, knee at {tx.count(round(top.knee), 'process')}",
    ]
    last = max(prediction.points, key=lambda p: p.n)
    drop = 1 - last.throughput_per_s / peak.throughput_per_s
    if drop > NOTICEABLE_DROP and prediction.method != "bounds":
        parts.append(
            f"peak {tx.si(peak.throughput_per_s, '/s')} at {tx.count(peak.n, 'process')}; at "
            f"{last.n} it is {tx.whole(drop)} lower"
        )
    parts += fit_origin(scenario, prediction.fit)
    parts += ["", *_table(scenario, prediction, every), ""]
    parts += class_table(last)
    parts += tx.bullets("where the model or the method is weak here:", prediction.warnings)
    parts += tx.bullets("assumed:", prediction.assumptions)
    return tx.render(parts, colour)


def class_table(point: Point) -> list[Any]:
    """Return what each class does at one population, and an empty line; nothing without classes."""
    from lockmodel.cli import text as tx

    if not point.classes:
        return []
    busiest = sorted(point.locks, key=lambda name: -point.locks[name].wait_share)[:MANY_LOCKS]
    waits = [f"waits for\n{tx.short(name, SHORT)}" for name in busiest]
    rows = [
        [
            name,
            str(state.n),
            tx.si(state.throughput_per_s, "/s"),
            tx.si(state.iteration_s, "s"),
            *(tx.percent(state.wait_shares[name]) for name in busiest),
        ]
        for name, state in point.classes.items()
    ]
    head = [f"class,\nn = {point.n}", "processes", "throughput", "iteration", *waits]
    return [tx.table(head, rows, left=(0,)), "(waits: share of the time of its processes)", ""]


def _within(ends: Interval | None) -> str:
    """Return the interval of a ceiling in brackets, after a blank; nothing without one."""
    if ends is None:
        return ""
    from lockmodel.cli.intervals import span

    return f" ({span(ends, '/s')})"


def _table(scenario: Scenario, prediction: Prediction, every: bool) -> list[Any]:
    """Return the table of the points and what is said below it."""
    from lockmodel.cli import text as tx

    shown = some_rows(prediction, every, MOST_ROWS)
    hidden = (
        [f"({len(prediction.points)} populations solved, {len(shown)} shown; --all for all)"]
        if len(shown) < len(prediction.points)
        else []
    )
    bounded = prediction.method == "bounds"
    if prediction.fit is not None:
        from lockmodel.cli.intervals import prediction as with_intervals

        short = partial(tx.short, most=SHORT)
        rows_of = [prediction.points[i] for i in shown]
        return [
            *with_intervals(rows_of, prediction.fit, not prediction.exact, tx.error, short),
            *hidden,
        ]
    names = [lock.name for lock in scenario.locks]
    steady = len({p.binding for p in prediction.points}) == 1
    judged = not bounded and not prediction.exact
    roomy = steady or not judged or len(names) < MANY_LOCKS  # else 80 columns are not enough
    columns = ["n", "between" if bounded else "throughput"]
    columns += ["error"] if judged else []
    columns += ["iteration >=" if bounded else "iteration"] if roomy else []
    columns += ["ceiling\nat n"] + ([] if steady else ["binding"])
    columns += [] if bounded else [f"{tx.short(name, SHORT)}\nwaits" for name in names]
    rows = []
    for i in shown:
        p = prediction.points[i]
        rate = tx.si(p.throughput_per_s, "/s")
        if bounded:
            rate = f"{tx.si(p.lower_per_s, '/s')} .. {rate}"
        row = [str(p.n), rate] + ([tx.error(p.error_estimate)] if judged else [])
        row += [tx.si(p.iteration_s, "s")] if roomy else []
        row += [tx.si(p.ceiling_per_s, "/s")]
        row += [] if steady else [p.binding if roomy else tx.short(p.binding, SHORT)]
        row += [] if bounded else [tx.percent(p.locks[name].cycles_share) for name in names]
        rows.append(row)
    fold = () if steady else (len(columns) - 1 - (0 if bounded else len(names)),)
    made: list[Any] = [tx.table(columns, rows, left=fold, fold=fold)]
    if steady:
        made.append(f"(binding at every n: {prediction.points[0].binding})")
    if names and not bounded:
        made.append("(waits: share of all CPU cycles spent waiting for the lock)")
    return made + hidden


def _terminal_plot(prediction: Prediction) -> str:
    import plotext

    n = [p.n for p in prediction.points]
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plot_size(78, 22)
    plotext.plot(n, [p.throughput_per_s / 1e3 for p in prediction.points], label="throughput")
    ceilings = [(p.n, p.ceiling_per_s / 1e3) for p in prediction.points]
    limit = 1.6 * max(p.throughput_per_s for p in prediction.points) / 1e3
    low = [(x, y) for x, y in ceilings if y <= limit]
    if low:
        plotext.plot([x for x, _ in low], [y for _, y in low], label="ceiling", marker="dot")
    plotext.xlabel("processes")
    plotext.title(f"{prediction.scenario}: thousand iterations per second")
    plotext.ylim(0, None)
    return str(plotext.build())
