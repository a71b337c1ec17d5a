"""`lockmodel ceiling`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from lockmodel.cli import common, files, inputs, options
from lockmodel.cli.files import Report

if TYPE_CHECKING:
    from lockmodel.answers.ceilings import Ceilings, Step
    from lockmodel.answers.sweep import Axis
    from lockmodel.model.prediction import Ceiling
    from lockmodel.model.scenario import Scenario

Chain = list[tuple[str, "Ceiling", "Ceiling"]]
"""What was removed so far, and the peak ceiling and the ceiling at n without it."""

HEADS = {"hold": "hold", "acquires": "acquires", "shards": "shards"}


def ceiling(
    model: options.Model,
    population: options.Population = None,
    over: Annotated[
        str | None,
        Option(
            metavar="[LOCK:]AXIS=VALUES",
            help="One of acquires, hold, shards in full, e.g. acquires=1..30.",
            show_default=False,
        ),
    ] = None,
    method: options.ClosedMethod = "auto",
    walks: options.Walks = None,
    machine: options.Machine = None,
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
    Printed with --explain, a row for each lock removed, in turn:
      gain             of the ceiling at n over that of the first row
      binding          what sets the ceiling at n
    Examples:
      lockmodel ceiling execl-xeon8369b
      lockmodel ceiling execl-xeon8369b -n 64 --over acquires=1..15
    """
    from lockmodel.answers.ceilings import ceilings
    from lockmodel.answers.sweep import parse_axis
    from lockmodel.solvers.bounds import ceiling as peak_of
    from lockmodel.solvers.bounds import chain

    scenario = inputs.scenario(model, walks, machine)
    n = inputs.population(population, scenario)
    axis = None if over is None else parse_axis(over)
    with files.output(output, as_json, force) as write:
        links: Chain = list(chain(scenario, n))
        top = peak_of(scenario)
        limits = ceilings(scenario, n)
        if axis is not None:
            full = _full(scenario, axis, limits, n)
            write(
                Report(
                    lambda: _data(scenario, n, top, links, {axis.quantity: full}),
                    lambda colour: _axis_text(scenario, axis, full, n, colour),
                    lambda: files.csv_text(_rows({axis.quantity: full})),
                )
            )
            return
        text = _explained if explain else _brief
        write(
            Report(
                lambda: _data(scenario, n, top, links, limits.axes),
                lambda colour: text(scenario, n, top, links, limits, colour),
                lambda: files.csv_text(_rows(limits.axes)),
            )
        )


def _full(scenario: Scenario, axis: Axis, limits: Ceilings, n: int) -> tuple[Step, ...]:
    """Return the ceiling at n for every value of --over."""
    from lockmodel.answers.ceilings import steps
    from lockmodel.errors import ArgumentError

    lock = axis.lock or (limits.demand.lock if limits.demand else "")
    if not lock and axis.kind.target != "none":
        raise ArgumentError(
            f"--over {axis.name}: the CPU binds, not a lock; name one: LOCK:{axis.name}"
        )
    return steps(scenario, axis.kind, lock, axis.values, n)


def _data(
    scenario: Scenario,
    n: int,
    top: Ceiling,
    links: Chain,
    axes: dict[str, tuple[Step, ...]],
) -> dict[str, Any]:
    from lockmodel.model.prediction import plain

    return {
        "schema": "lockmodel.ceiling/1",
        "scenario": scenario.name,
        "n": n,
        "ceiling": plain(asdict(top)),
        "chain": [
            {
                "removed": removed,
                "ceiling": plain(asdict(peak)),
                "ceiling_at_n": plain(asdict(at)),
            }
            for removed, peak, at in links
        ],
        "over": {name: [asdict(step) for step in steps] for name, steps in axes.items()},
    }


def _rows(axes: dict[str, tuple[Step, ...]]) -> list[dict[str, Any]]:
    return [
        {
            "axis": name,
            "value": step.value,
            "ceiling_at_n_per_s": step.ceiling_per_s,
            "binding": step.binding,
        }
        for name, steps in axes.items()
        for step in steps
    ] or [{"axis": "", "value": "", "ceiling_at_n_per_s": "", "binding": ""}]


def _short(name: str) -> str:
    return name.split("-x86")[0]


def _brief(
    scenario: Scenario,
    n: int,
    top: Ceiling,
    links: Chain,
    limits: Ceilings,
    colour: bool,
) -> str:
    from lockmodel.cli import text as tx
    from lockmodel.solvers.validity import contradiction, outside

    at = links[0][2]
    parts: list[Any] = []
    if limits.demand is None:
        parts.append(
            f"No lock binds at {tx.count(n, 'process')}: the CPUs end at "
            f"{tx.si(at.throughput_per_s, '/s')}."
        )
    else:
        parts += _formula(limits, links)
    parts += common.fit_warning(scenario)
    parts += [f"! {text}" for text in contradiction(scenario, top.throughput_per_s)]
    parts += [f"! {text}" for text in outside(scenario, [n])]
    if limits.demand is not None:
        parts += ["", _columns(limits), ""]
        others = {s.binding for axis in limits.axes.values() for s in axis} - {limits.demand.lock}
        parts += [f"* {' or '.join(sorted(others))} binds there"] if others else []
    parts.append(f"next: {_next(links)}")
    parts.append(
        f"peak ceiling {tx.si(top.throughput_per_s, '/s')}, knee at "
        f"{tx.count(round(top.knee), 'process')}: --explain"
    )
    return tx.render(parts, colour)


def _formula(limits: Ceilings, links: Chain) -> list[str]:
    """Return k / (W + m c) with its numbers, and what each cure approaches."""
    from lockmodel.cli import text as tx

    parts = limits.demand
    assert parts is not None
    at = links[0][2]
    work, passing = tx.si(parts.work_s, "s"), tx.si(parts.handoff_s, "s")
    formula = f"{parts.shards} / ({work} + {tx.plain(parts.acquires)} x {passing})"
    hold, batch = limits.shortest_hold_per_s, limits.fewest_acquires_per_s
    then = next((at for _, _, at in links[1:]), None)
    until = "until nothing modelled binds"
    if then is not None:
        times = then.throughput_per_s / at.throughput_per_s
        name = "the CPUs bind" if then.binding == "cpu" else f"{_short(then.binding)} binds"
        until = f"until {name} (x {times:.1f})"
    return [
        f"k / (W + m c) of {parts.lock} at {tx.count(parts.n, 'process')}: {formula} = "
        f"{tx.si(at.throughput_per_s, '/s')}.",
        f"Shorter holds approach k / (m c) = {tx.si(hold, '/s')}, fewer acquires k / (W + c) = "
        f"{tx.si(batch, '/s')}; shards multiply {until}.",
    ]


def _columns(limits: Ceilings) -> Any:
    """Return the three short columns side by side."""
    from lockmodel.cli import text as tx

    assert limits.demand is not None
    cells: list[list[str]] = []
    for name, steps in limits.axes.items():
        value = tx.whole if name == "hold" else tx.plain
        cells.append([value(step.value) for step in steps])
        cells.append([_rate(step, limits.demand.lock) for step in steps])
    length = max(map(len, cells))
    rows = [[column[i] if i < len(column) else "" for column in cells] for i in range(length)]
    heads = [head for name in limits.axes for head in (HEADS[name], "ceiling at n")]
    return tx.table(heads, rows)


def _rate(step: Step, lock: str) -> str:
    from lockmodel.cli import text as tx

    return tx.si(step.ceiling_per_s, "/s") + (" *" if step.binding != lock else "  ")


def _next(links: Chain) -> str:
    """Return the chain of what binds once the one before is gone, with its ceilings at n."""
    from lockmodel.cli import text as tx

    named = [
        f"{_short(at.binding)} {tx.si(at.throughput_per_s, '/s')}"
        for _, _, at in links
        if at.binding != "cpu"
    ]
    return " -> ".join([*named, "not modelled"])


def _axis_text(
    scenario: Scenario, axis: Axis, steps: tuple[Step, ...], n: int, colour: bool
) -> str:
    from lockmodel.cli import text as tx

    ends = [tx.si(step.ceiling_per_s, "/s") for step in (steps[0], steps[-1])]
    rows = [[tx.plain(s.value), tx.si(s.ceiling_per_s, "/s"), s.binding] for s in steps]
    if axis.kind.axis is not None and not axis.kind.axis.whole:
        rows = [[tx.whole(s.value), *row[1:]] for s, row in zip(steps, rows, strict=True)]
    parts: list[Any] = [
        f"{scenario.title}: the ceiling at {tx.count(n, 'process')} goes from {ends[0]} to "
        f"{ends[1]} over {axis.name}.",
        "",
        tx.table([axis.name, "ceiling at n", "binding"], rows, left=(2,), fold=(2,)),
    ]
    return tx.render(parts, colour)


def _explained(
    scenario: Scenario,
    n: int,
    top: Ceiling,
    links: Chain,
    limits: Ceilings,
    colour: bool,
) -> str:
    from lockmodel.cli import text as tx

    before = links[0][2].throughput_per_s
    rows = [
        [
            removed,
            tx.si(peak.throughput_per_s, "/s"),
            f"{peak.knee:.0f}",
            tx.si(at.throughput_per_s, "/s"),
            at.binding,
            "" if i == 0 else tx.gain(at.throughput_per_s / before - 1),
        ]
        for i, (removed, peak, at) in enumerate(links)
    ]
    columns = ["removed", "peak ceiling", "knee", f"ceiling at {n}", "binding", "gain"]
    parts: list[Any] = [
        f"{scenario.name}: {scenario.title}",
        f"peak ceiling {tx.si(top.throughput_per_s, '/s')} set by {top.binding}, knee at "
        f"{tx.count(round(top.knee), 'process')}",
        "",
        tx.table(columns, rows, left=(0, 4), fold=(0, 4)),
        "",
        "Each row also lacks the locks removed above it. A ceiling is an upper bound; `lockmodel "
        "whatif` says what is reached.",
    ]
    return tx.render(parts, colour)
