"""`lockmodel ceiling`."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from lockmodel.cli import common, files, inputs, options
from lockmodel.cli.files import Report

if TYPE_CHECKING:
    from lockmodel.answers.axis import Axis
    from lockmodel.answers.ceilings import Ceilings, Step
    from lockmodel.model.scenario import Scenario

COLUMNS = ("axis", "value", "ceiling_at_n_per_s", "binding")


def ceiling(
    model: options.Model,
    population: options.Population = None,
    over: Annotated[
        str | None,
        Option(
            metavar="[LOCK:]AXIS=VALUES",
            help="One of acquires, hold, lines, shards in full, e.g. acquires=1..30.",
            show_default=False,
        ),
    ] = None,
    method: options.ClosedMethod = "auto",
    walks: options.Walks = None,
    machine: options.Machine = None,
    edits: options.Edits = None,
    counts: options.FromCounts = False,
    explain: options.Explain = False,
    as_json: options.Json = False,
    output: options.Output = None,
    force: options.Force = False,
) -> None:
    """Where throughput ends, and what moves that.

    k shards of a lock whose acquires are held for W per iteration and passed on m
    times at c each let through k / (W + m c) iterations per second: shorter holds
    leave k / (m c), fewer acquires k / (W + c), only shards multiply, until the
    next lock binds. --method is taken and changes nothing.

    \b
    Printed numbers:
      ceiling at n     with n processes about: distances, trees and hand-offs as
                       they are there. An upper bound: predict says what is
                       reached
      peak ceiling     the most any population can reach: where the ceiling at n
                       meets the light-load line, at the knee
      hold             share of today's held work
      acquires         per iteration, for the same held work
      shards           chosen by the lock's shard_by, else by CPU
      *                another lock (or cpu) binds there
      busy, CLASS      (several classes) share of time that a station is busy,
                       counted as in the ceiling, and how much of it each makes
    Printed with --explain, a row for each lock removed, in turn:
      gain             of the ceiling at n over that of the first row
      binding          what sets the ceiling at n
    Examples:
      lockmodel ceiling execl-xeon8369b
      lockmodel ceiling execl-xeon8369b -n 64 --over acquires=1..15
    """
    from lockmodel.answers.axis import parse_axis
    from lockmodel.answers.ceilings import ceilings
    from lockmodel.answers.ceilings import over as over_axis

    scenario = inputs.scenario(
        model, walks, machine, counts=counts, edits=edits, classes=over is None
    )
    n = inputs.population(population, scenario)
    axis = None if over is None else parse_axis(over)
    with files.output(output, as_json, force) as write:
        if scenario.classes:
            from lockmodel.answers.class_levers import class_ceilings
            from lockmodel.cli.class_text import ceiling_report

            write(ceiling_report(scenario, class_ceilings(scenario, n), explain))
            return
        answer = ceilings(scenario, n) if axis is None else over_axis(scenario, axis, n)
        write(report(scenario, answer, axis, explain))


def report(
    scenario: Scenario, answer: Ceilings, axis: Axis | None = None, explain: bool = False
) -> Report:
    """Return the ceilings, or those over one axis, as they are printed and written."""

    def text(colour: bool) -> str:
        if axis is not None:
            return _axis_text(scenario, axis, answer, colour)
        return (_explained if explain else _brief)(scenario, answer, colour)

    return Report(
        answer.to_json,
        text,
        lambda: files.csv_text(_rows(answer), COLUMNS),
        rows=lambda: _rows(answer),
    )


def _rows(answer: Ceilings) -> list[dict[str, Any]]:
    """Return the steps of all axes as rows of a CSV file."""
    return [
        {
            "axis": name,
            "value": step.value,
            "ceiling_at_n_per_s": step.ceiling_per_s,
            "binding": step.binding,
        }
        for name, steps in answer.axes.items()
        for step in steps
    ]


def _on_top(scenario: Scenario, answer: Ceilings) -> list[str]:
    """Return what changes the answer: the flags of a fit, "! ..." lines, what was capped."""
    return [
        *common.fit_warning(scenario),
        *common.doubts(scenario, [answer.n], answer.peak.throughput_per_s),
        *(f"note: {note}" for note in answer.notes),
    ]


def _peak(answer: Ceilings, set_by: str = "") -> str:
    from lockmodel.cli import text as tx

    return (
        f"peak ceiling {tx.si(answer.peak.throughput_per_s, '/s')}{set_by}, knee at "
        f"{tx.count(round(answer.peak.knee), 'process')}"
    )


def _brief(scenario: Scenario, answer: Ceilings, colour: bool) -> str:
    """Return k / (W + m c) with its limits, the columns, and what binds next."""
    from lockmodel.cli import text as tx

    parts: list[Any] = [*_formula(answer), *_on_top(scenario, answer)]
    if answer.demand is not None:
        parts += ["", _columns(answer), ""]
        others = {s.binding for axis in answer.axes.values() for s in axis} - {answer.demand.lock}
        parts += [f"* {' or '.join(sorted(others))} binds there"] if others else []
    parts += [f"next: {_next(answer)}", f"{_peak(answer)}: --explain"]
    return tx.render(parts, colour)


def _formula(answer: Ceilings) -> list[str]:
    """Return k / (W + m c) with its numbers, and what each cure approaches."""
    from lockmodel.cli import text as tx

    parts, at = answer.demand, answer.at_n
    if parts is None:
        return [
            f"No lock binds at {tx.count(answer.n, 'process')}: the CPUs end at "
            f"{tx.si(at.throughput_per_s, '/s')}."
        ]
    work, passing = tx.si(parts.work_s, "s"), tx.si(parts.handoff_s, "s")
    k = tx.plain(round(parts.shards, 2))
    formula = f"{k} / ({work} + {tx.plain(parts.acquires)} x {passing})"
    hold, batch = answer.shortest_hold_per_s, answer.fewest_acquires_per_s
    until = "until nothing modelled binds"
    if len(answer.chain) > 1:
        then = answer.chain[1].at_n
        times = then.throughput_per_s / at.throughput_per_s
        until = f"until {tx.binds(tx.short(then.binding))} (x {times:.1f})"
    made = [] if answer.shards is None else [f"Its {answer.shards} shards count as {k}."]
    return [
        f"k / (W + m c) of {parts.lock} at {tx.count(parts.n, 'process')}: {formula} = "
        f"{tx.si(at.throughput_per_s, '/s')}.",
        f"Shorter holds approach k / (m c) = {tx.si(hold, '/s')}, fewer acquires k / (W + c) = "
        f"{tx.si(batch, '/s')}; shards multiply {until}.",
        *made,
    ]


def _columns(answer: Ceilings) -> Any:
    """Return the three short columns side by side."""
    from lockmodel.cli import text as tx

    assert answer.demand is not None
    cells: list[list[str]] = []
    for name, steps in answer.axes.items():
        value = tx.whole if name == "hold" else tx.plain
        cells.append([value(step.value) for step in steps])
        cells.append([_rate(step, answer.demand.lock) for step in steps])
    rows = list(zip_longest(*cells, fillvalue=""))
    return tx.table([head for name in answer.axes for head in (name, "ceiling at n")], rows)


def _rate(step: Step, lock: str) -> str:
    from lockmodel.cli import text as tx

    return tx.si(step.ceiling_per_s, "/s") + (" *" if step.binding != lock else "  ")


def _next(answer: Ceilings) -> str:
    """Return the chain of what binds once the one before is gone, with its ceilings at n."""
    from lockmodel.cli import text as tx

    named = [
        f"{tx.short(link.at_n.binding)} {tx.si(link.at_n.throughput_per_s, '/s')}"
        for link in answer.chain
        if link.at_n.binding != "cpu"
    ]
    return " -> ".join([*named, "not modelled"])


def _axis_text(scenario: Scenario, axis: Axis, answer: Ceilings, colour: bool) -> str:
    """Return the ceiling at n for every value of one axis."""
    from lockmodel.cli import text as tx

    (steps,) = answer.axes.values()
    ends = [tx.si(step.ceiling_per_s, "/s") for step in (steps[0], steps[-1])]
    counted = axis.kind.axis is not None and axis.kind.axis.whole
    value = tx.plain if counted else tx.whole
    rows = [[value(s.value), tx.si(s.ceiling_per_s, "/s"), s.binding] for s in steps]
    parts: list[Any] = [
        f"{scenario.title}: the ceiling at {tx.count(answer.n, 'process')} goes from {ends[0]} to "
        f"{ends[1]} over {axis.name}.",
        *_on_top(scenario, answer),
        "",
        tx.table([axis.name, "ceiling at n", "binding"], rows, left=(2,), fold=(2,)),
    ]
    return tx.render(parts, colour)


def _explained(scenario: Scenario, answer: Ceilings, colour: bool) -> str:
    """Return the chain of what binds, with peak ceilings."""
    from lockmodel.cli import text as tx

    before = answer.at_n.throughput_per_s
    rows = [
        [
            link.removed,
            tx.si(link.peak.throughput_per_s, "/s"),
            f"{link.peak.knee:.0f}",
            tx.si(link.at_n.throughput_per_s, "/s"),
            link.at_n.binding,
            "" if i == 0 else tx.gain(link.at_n.throughput_per_s / before - 1),
        ]
        for i, link in enumerate(answer.chain)
    ]
    columns = ["removed", "peak ceiling", "knee", f"ceiling at {answer.n}", "binding", "gain"]
    parts: list[Any] = [
        f"{scenario.name}: {scenario.title}",
        *_on_top(scenario, answer),
        _peak(answer, f" set by {answer.peak.binding}"),
        "",
        tx.table(columns, rows, left=(0, 4), fold=(0, 4)),
        "",
        "Each row also lacks the locks removed above it. A ceiling is an upper bound; `lockmodel "
        "whatif` says what is reached.",
    ]
    return tx.render(parts, colour)
