"""What `lockmodel bench` prints: where the curve ends and peaks, and what makes it doubtful."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lockmodel.cli import text as tx

if TYPE_CHECKING:
    from lockmodel.measure.bench.checks import Reason
    from lockmodel.measure.bench.curve import Level, MeasuredCurve
    from lockmodel.measure.bench.machine import Host

FEW_ROWS = 12
"""Populations of the short report."""

FEW_REASONS = 6
"""Reasons of the short --check."""

FEW_DOUBTS = 3
"""What makes a curve doubtful, on top of the report."""


def text(curve: MeasuredCurve, explain: bool, colour: bool) -> str:
    """Return the report of a measured curve."""
    levels = curve.levels()
    shown = levels if explain else _few(levels)
    doubts = [f"doubtful: {'; '.join(first)}"] if (first := curve.doubts()[:FEW_DOUBTS]) else []
    parts: list[Any] = [
        _headline(curve, levels),
        *(f"! {said}" for said in (*curve.missing(), *doubts)),
        "",
        _table(curve, levels[0], shown),
        *tx.more(len(levels) - len(shown), "population", "--explain"),
    ]
    if not explain:
        weak = tx.count(len(curve.notes()) + len(curve.reasons), "caveat")
        ran = f"{tx.count(len(curve.runs), 'run')} of {curve.seconds:g} s on {curve.machine.model}"
        return tx.render([*parts, f"{ran}; {weak}: --explain"], colour)
    program = curve.program
    ran = program.described if program.loop == "execl" else f"{program.binary}, {program.described}"
    parts += [
        "",
        f"program: {ran}",
        f"machine: {curve.machine.title()}; Linux {curve.machine.kernel}",
        f"{tx.count(len(curve.runs), 'run')} of {curve.seconds:g} s, in random order",
        *tx.bullets("disturbed by:", curve.notes()),
        *_numbered(
            "may mislead (lockmodel bench --check says what to do):",
            [reason.text for reason in curve.reasons],
        ),
        _root(curve.machine),
    ]
    return tx.render(parts, colour)


def _headline(curve: MeasuredCurve, levels: Sequence[Level]) -> str:
    """Return what is reached at the largest population, and where the curve peaks."""
    first, last = levels[0], levels[-1]
    peak = max(levels, key=lambda level: level.mean)
    said = f"{curve.iteration()}: {tx.si(last.mean, '/s')} at {tx.count(last.n, 'process')}"
    if last is first:
        return f"{said}; one population says nothing of how it scales."
    said += f", {last.mean / first.mean:.2f} times that at {first.n}"
    if peak is last:
        return f"{said}, the highest of {len(levels)} populations."
    high = f"its peak of {tx.si(peak.mean, '/s')} at {peak.n}"
    drop = 1 - last.mean / peak.mean
    if drop <= max(last.spread or 0.0, peak.spread or 0.0):
        return f"{said}, level with {high} within the spread of repeats."
    return f"{said}, {tx.whole(drop)} below {high}."


def _few(levels: Sequence[Level]) -> list[Level]:
    """Return at most `FEW_ROWS` populations, evenly among them, and the peak."""
    if len(levels) <= FEW_ROWS:
        return list(levels)
    last = len(levels) - 1
    chosen = {round(i * last / (FEW_ROWS - 1)) for i in range(FEW_ROWS)}
    chosen.add(max(range(len(levels)), key=lambda i: levels[i].mean))
    return [levels[i] for i in sorted(chosen)]


def _table(curve: MeasuredCurve, first: Level, shown: Sequence[Level]) -> Any:
    rows = []
    for level in shown:
        even = [run.fairness for run in curve.runs if run.n == level.n]
        rows.append(
            [
                str(level.n),
                tx.si(level.mean, "/s"),
                "" if level.spread is None else f"{100 * level.spread:.1f} %",
                tx.si(level.mean / level.n, "/s"),
                f"{level.mean / first.mean:.2f}",
                tx.whole(sum(even) / len(even)),
                str(level.repeats),
            ]
        )
    columns = ["n", "throughput", "+-", "per process", "speedup", "slowest", "repeats"]
    return tx.table(columns, rows)


def check_text(machine: Host, reasons: Sequence[Reason], explain: bool, colour: bool) -> str:
    """Return why a measurement on a machine would mislead, and what to do about it."""
    shown = reasons if explain else reasons[:FEW_REASONS]
    where = f"on {machine.title()}; Linux {machine.kernel}"
    if not reasons:
        head: list[Any] = [f"No reason was found why a measurement would mislead {where}"]
    else:
        count = tx.count(len(reasons), "reason")
        verb = "says" if len(reasons) == 1 else "say"
        head = _numbered(
            f"{count} {verb} that a measurement would mislead {where}",
            [str(reason) for reason in shown],
        )
    more = tx.more(len(reasons) - len(shown), "reason", "--explain")
    return tx.render([*head, *more, _root(machine)], colour)


def _numbered(head: str, lines: Sequence[str]) -> list[Any]:
    """Return a heading and a numbered list; nothing for no lines."""
    if not lines:
        return []
    made = Table.grid(padding=(0, 1))
    made.add_column(justify="right")
    made.add_column(overflow="fold")
    for number, line in enumerate(lines, 1):
        made.add_row(f"{number}.", Text(line))
    return [Text(head), Padding(made, (0, 0, 0, 2))]


def _root(machine: Host) -> str:
    from lockmodel.measure.bench.checks import root_would_add

    return "runs as root" if os.geteuid() == 0 else root_would_add(machine)
