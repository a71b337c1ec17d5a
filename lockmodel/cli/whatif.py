"""`lockmodel whatif`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from lockmodel.cli import common, files, inputs, options
from lockmodel.cli.common import fit_origin, fit_warning
from lockmodel.cli.files import Report

if TYPE_CHECKING:
    from lockmodel.answers.whatif import Change, WhatIf
    from lockmodel.model.scenario import Scenario


def whatif(
    model: options.Model,
    chosen: Annotated[
        list[str],
        Option("--lever", metavar="LEVER", help="Repeatable; below.", show_default=False),
    ],
    population: options.Populations = None,
    method: options.AnyMethod = "auto",
    time_limit: options.TimeLimit = options.TIME_LIMIT_S,
    walks: options.Walks = None,
    machine: options.Machine = None,
    edits: options.Edits = None,
    counts: options.FromCounts = False,
    explain: options.Explain = False,
    as_json: options.Json = False,
    output: options.Output = None,
    force: options.Force = False,
) -> None:
    """Throughput before and after levers, applied in the order given.

    \b
    Levers:
    {levers}
    LOCK may be `all`: a patch reaches the lock of every file.
    Printed numbers:
      before, after    iterations per second of the whole machine
      gain             after over before: +80 % is 1.8 times
      binding          the lock (or cpu) that sets the ceiling at the largest n
      ceiling at n     of that lock: how far the change could go
      class            (several classes) the same of each: a lever changes those
                       that take the lock, or have the site
      alone            each of several levers by itself, at the largest n
      (48 to 79)       (fitted scenarios) interval of the gain in %, from the
                       error of the fitted parameters, the same before and after,
                       and of product form; noise is no part of it. By product
                       form, in proportion for other methods; bounds have none
    Example:
      lockmodel whatif execl-xeon8369b -n 64,128 --lever shard:libc.so.6=8
    """
    from lockmodel.answers.whatif import compare
    from lockmodel.changes.grammar import parse

    scenario = inputs.scenario(model, walks, machine, counts=counts, edits=edits, classes=True)
    populations = inputs.populations(population, scenario)
    parsed = [parse(text) for text in chosen]
    common.check_affordable(scenario, populations, method, time_limit, 2)
    with (
        files.output(output, as_json, force) as write,
        common.patience(time_limit, method == "simulation") as stop,
        common.compiling(),
    ):
        answer = compare(scenario, parsed, populations, method, common.progress, stop)
        write(report(scenario, answer, explain))
    common.check_all_simulated(len(answer.points), len(populations))


def report(scenario: Scenario, answer: WhatIf, explain: bool = False) -> Report:
    """Return before and after as they are printed and written."""
    text = _text if explain else _brief
    return Report(
        answer.to_json,
        lambda colour: text(scenario, answer, colour),
        lambda: files.csv_text(_rows(answer)),
        rows=lambda: _rows(answer),
    )


def _rows(answer: WhatIf) -> list[dict[str, Any]]:
    """Return before and after as rows of a CSV file."""
    rows = []
    for change in answer.points:
        low, high = change.gain_interval or (None, None)
        rows.append(
            {
                "n": change.n,
                "before_per_s": change.before_per_s,
                "after_per_s": change.after_per_s,
                "gain": change.gain,
                "gain_low": low,
                "gain_high": high,
                **{
                    f"{key} {name}": getattr(own, key)
                    for name, own in (change.classes or {}).items()
                    for key in ("before_per_s", "after_per_s", "gain")
                },
            }
        )
    return rows


def _brief(scenario: Scenario, answer: WhatIf, colour: bool) -> str:
    """Return what the levers buy in a sentence, the table, and what is left out."""
    from lockmodel.changes.lever import text_of
    from lockmodel.cli import text as tx
    from lockmodel.cli.intervals import gain

    doubts = _doubts(scenario, answer)
    weak = [text for text in answer.warnings if f"! {text}" not in doubts]
    last = max(answer.points, key=lambda change: change.n)
    then = tx.binds(answer.binding_after)
    if answer.binding_after == answer.binding_before:
        then = then.replace(" bind", " still bind")
    bound = "only indicative, " if answer.method == "bounds" else ""
    parts: list[Any] = [
        f"{text_of(answer.levers)}: {gain(last.gain, last.gain_interval)} at "
        f"{tx.count(last.n, 'process')}, {bound}{tx.si(last.before_per_s, '/s')} -> "
        f"{tx.si(last.after_per_s, '/s')}.",
        f"Before, {tx.binds(answer.binding_before)} (ceiling at n "
        f"{tx.si(answer.ceiling_before_per_s, '/s')}); then {then} "
        f"({tx.si(answer.ceiling_after_per_s, '/s')}).",
        *fit_warning(scenario),
        *doubts,
        *(f"note: {note}" for note in answer.notes),
        "",
        _changes(answer),
        *_classes(last),
        *_alone(answer),
        *tx.counted(weak, _worth(answer)),
    ]
    return tx.render(parts, colour)


def _doubts(scenario: Scenario, answer: WhatIf) -> list[str]:
    from lockmodel.solvers.bounds import ceiling

    if scenario.classes:  # a peak hangs on the mix
        return common.doubts(scenario, [change.n for change in answer.points])
    top = ceiling(scenario).throughput_per_s
    return common.doubts(scenario, [change.n for change in answer.points], top)


def _worth(answer: WhatIf) -> str:
    """Return what the approximations are worth on the side where they are worth most."""
    from lockmodel.cli import text as tx

    if answer.method == "bounds":
        return ""
    most = answer.worst_error
    return tx.worth(most.error, f"{most.where}, n = {most.n}")


def _changes(answer: WhatIf) -> Any:
    """Return before, after and gain at each population."""
    from lockmodel.cli import intervals
    from lockmodel.cli import text as tx

    gains = intervals.aligned([(p.gain, p.gain_interval) for p in answer.points])
    rows = [
        [str(p.n), tx.si(p.before_per_s, "/s"), tx.si(p.after_per_s, "/s"), gain.strip()]
        for p, gain in zip(answer.points, gains, strict=True)
    ]
    head = "gain" if answer.fit is None else f"gain ({intervals.title(answer.fit)})"
    return tx.table(["n", "before", "after", head], rows)


def _classes(change: Change) -> list[Any]:
    """Return what becomes of each class at one population, and a line above it."""
    from lockmodel.cli import text as tx

    rows = [
        [name, tx.si(own.before_per_s, "/s"), tx.si(own.after_per_s, "/s"), tx.gain(own.gain)]
        for name, own in (change.classes or {}).items()
    ]
    if not rows:
        return []
    return ["", tx.table([f"class, n = {change.n}", "before", "after", "gain"], rows, left=(0,))]


def _alone(answer: WhatIf) -> list[str]:
    """Return what each of several levers buys by itself at the largest population."""
    from lockmodel.cli.intervals import gain

    if not answer.alone:
        return []
    i = max(range(len(answer.points)), key=lambda k: answer.points[k].n)
    each = ", ".join(
        f"{own.lever} {gain(own.gains[i], own.gain_intervals[i] if own.gain_intervals else None)}"
        for own in answer.alone
    )
    return [f"alone at {answer.points[i].n}: {each}"]


def _text(scenario: Scenario, comparison: WhatIf, colour: bool) -> str:
    from lockmodel.cli import text as tx

    parts: list[Any] = [f"{scenario.name}: {scenario.title}", *fit_warning(scenario)]
    parts += [*_doubts(scenario, comparison), *fit_origin(scenario, comparison.fit), ""]
    single = len(comparison.levers) == 1
    parts += [f"lever: {comparison.levers[0]}"] if single else ["levers, together:"]
    if not single:
        parts += [f"  {i}. {lever}" for i, lever in enumerate(comparison.levers, 1)]
    parts += ["", *_tables(comparison)]
    for change in comparison.points:
        parts += [*_classes(change)[1:], ""] if change.classes else []
    n = comparison.points[-1].n
    parts.append(
        f"binding at {n}: {comparison.binding_before} (ceiling at n "
        f"{tx.si(comparison.ceiling_before_per_s, '/s')}) -> {comparison.binding_after} (ceiling "
        f"at n {tx.si(comparison.ceiling_after_per_s, '/s')})"
    )
    parts += tx.bullets("said of a lever:", comparison.notes)
    parts += common.caveats(comparison.warnings, comparison.method, _worth(comparison))
    return tx.render(parts, colour)


def _tables(comparison: WhatIf) -> list[Any]:
    """Return the gains as one table, those of single levers in tables of their own if need be."""
    from lockmodel.cli import text as tx

    rows = [
        [
            str(change.n),
            tx.si(change.before_per_s, "/s"),
            tx.si(change.after_per_s, "/s"),
            tx.gain(change.gain),
        ]
        for change in comparison.points
    ]
    columns = ["n", "before", "after", "gain"]
    if comparison.fit is None:
        for i, row in enumerate(rows):
            row += [tx.gain(alone.gains[i]) for alone in comparison.alone]
        columns += [f"{i}. alone" for i in range(1, len(comparison.alone) + 1)]
        return [tx.table(columns, rows), ""]
    from lockmodel.cli import intervals

    together = intervals.aligned([(p.gain, p.gain_interval) for p in comparison.points])
    for row, cell in zip(rows, together, strict=True):
        row[-1] = cell
    columns[-1] = f"gain ({intervals.title(comparison.fit)})"
    alone = [
        intervals.aligned(list(zip(own.gains, own.gain_intervals or (), strict=True)))
        for own in comparison.alone
    ]
    ns = [change.n for change in comparison.points]
    return [
        tx.table(columns, rows, left=(3,)),
        "",
        *(intervals.alone_tables(ns, alone) if alone else []),
    ]
