"""Reports of several classes: ranked levers and ceilings, each class beside the total."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lockmodel.cli import common, files
from lockmodel.cli.files import Report

if TYPE_CHECKING:
    from lockmodel.answers.class_levers import ClassCeilings, ClassRanked, ClassRanking
    from lockmodel.model.scenario import Scenario

FEW, FEW_LIMITS = 8, 3
"""Rows of the short report: what a patch can do, and what bounds it."""

LONGEST = 34
"""Longest lever text beside the columns of three classes."""

NOTHING = 5e-4
"""Gains below this print as 0 %."""


def levers_report(scenario: Scenario, answer: ClassRanking, every: bool = False) -> Report:
    """Return ranked levers as they are printed and written; with `every`, each is printed."""
    return Report(
        answer.to_json,
        lambda colour: _levers(scenario, answer, every, colour),
        lambda: files.csv_text(_lever_rows(answer)),
        rows=lambda: _lever_rows(answer),
    )


def _lever_rows(answer: ClassRanking) -> list[dict[str, Any]]:
    return [
        {
            "lever": row.lever.text,
            "gain": row.gain,
            "after_per_s": row.after_per_s,
            "ceiling_at_n_per_s": row.ceiling_per_s,
            "binding": row.binding,
            "limit": row.limit,
            **{f"gain {name}": change.gain for name, change in row.classes.items()},
        }
        for row in answer.levers
    ]


def _levers(scenario: Scenario, answer: ClassRanking, every: bool, colour: bool) -> str:
    from lockmodel.cli import text as tx

    built = [row for row in answer.levers if not row.limit and abs(row.gain) > NOTHING]
    limits = [row for row in answer.levers if row.limit and abs(row.gain) > NOTHING]
    shown = built if every else built[:FEW]
    bounds = limits if every else limits[:FEW_LIMITS]
    idle = len(answer.levers) - len(built) - len(limits)
    said = f"{scenario.title}: {tx.si(answer.before_per_s, '/s')} at "
    said += f"{tx.count(answer.n, 'process')}, {tx.binds(answer.binding)}"
    parts: list[Any] = [f"{said}."]
    if built:
        best = built[0]
        losing = [name for name, change in best.classes.items() if change.gain < -NOTHING]
        cost = f", at the cost of {' and '.join(losing)}" if losing else ""
        parts.append(f"Best in total: {best.lever.text}, {tx.gain(best.gain)}{cost}.")
    parts += [*common.doubts(scenario, [answer.n]), ""]
    parts += [_table("what a patch can do", shown)] if shown else ["No lever gains anything."]
    parts += ["", _table("what bounds it (no patch)", bounds)] if bounds else []
    hidden = len(built) - len(shown) + len(limits) - len(bounds)
    left = [f"{hidden} more"] if hidden else []
    left += [f"{idle} gain nothing in total"] if idle else []
    left += [f"{answer.untried} not solved in --time-limit"] if answer.untried else []
    left += [tx.count(len(answer.idle), "lock") + " idle"] if answer.idle else []
    parts += [f"{', '.join(left)}: --all"] if left else []
    most = answer.worst_error
    if answer.warnings:
        parts += tx.counted(answer.warnings, tx.worth(most.error, f"{most.where}"))
    return tx.render(parts, colour)


def _table(head: str, rows: list[ClassRanked]) -> Any:
    from lockmodel.cli import text as tx

    names = list(rows[0].classes)
    cells = [
        [
            tx.short(row.lever.text, LONGEST),
            tx.gain(row.gain),
            *(tx.gain(change.gain) for change in row.classes.values()),
            tx.short(row.binding, 12),
        ]
        for row in rows
    ]
    columns = [head, "total", *(tx.short(name, 10) for name in names), "then binds"]
    return tx.table(columns, cells, left=(0, len(columns) - 1))


def ceiling_report(scenario: Scenario, answer: ClassCeilings, every: bool = False) -> Report:
    """Return the ceilings of several classes as they are printed and written."""
    return Report(
        answer.to_json,
        lambda colour: _ceilings(scenario, answer, every, colour),
        lambda: files.csv_text(_ceiling_rows(answer)),
        rows=lambda: _ceiling_rows(answer),
    )


def _ceiling_rows(answer: ClassCeilings) -> list[dict[str, Any]]:
    return [
        {
            "station": one.name,
            "ceiling_at_n_per_s": one.ceiling_per_s,
            "load": one.load,
            **{f"share {name}": share for name, share in one.shares.items()},
        }
        for one in answer.stations
    ]


def _ceilings(scenario: Scenario, answer: ClassCeilings, every: bool, colour: bool) -> str:
    from lockmodel.cli import text as tx

    names = list(answer.classes)
    rows = [
        [
            tx.short(one.name),
            tx.si(one.ceiling_per_s, "/s"),
            tx.percent(one.load),
            *(tx.percent(one.shares[name]) for name in names),
        ]
        for one in (answer.stations if every else answer.stations[:FEW])
    ]
    alone = [
        [
            name,
            str(one.n),
            tx.si(one.throughput_per_s, "/s"),
            tx.si(one.alone_ceiling_per_s, "/s"),
            one.alone_binding,
        ]
        for name, one in answer.classes.items()
    ]
    parts: list[Any] = [
        f"{scenario.title}: {tx.binds(answer.binding)} at {tx.count(answer.n, 'process')}, "
        f"ceiling at n {tx.si(answer.ceiling_per_s, '/s')} in total at the mix that is made.",
        *common.doubts(scenario, [answer.n]),
        "",
        tx.table(
            ["station", "ceiling at n", "busy", *(tx.short(n, 10) for n in names)], rows, left=(0,)
        ),
        *tx.more(len(answer.stations) - len(rows), "station", "--explain"),
        "(columns of classes: their shares of what keeps it busy)",
        "",
        tx.table(
            ["class", "processes", "throughput", "ceiling alone", "binding"], alone, left=(0, 4)
        ),
        f"(ceiling alone: were all {answer.n} processes of that class)",
    ]
    return tx.render(parts, colour)
