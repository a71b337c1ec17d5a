"""Pictures of answers that no command draws: what a change buys, what binds, what was measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from lockmodel.answers.ceilings import Ceilings
from lockmodel.answers.ranking import Ranking
from lockmodel.answers.whatif import WhatIf
from lockmodel.figures.style import COLOURS, GREY, MARKERS, SMALL, line
from lockmodel.observe.observations import Observation
from lockmodel.statements.statement import Numbers

MOST_BARS = 16
"""Levers that fit on a figure; the others buy less."""

RATE = "thousand iterations per second"


def plot_change(figure: Any, answer: WhatIf) -> None:
    """Draw throughput before and after levers, with the interval of the second."""
    axes = figure.subplots()
    n = [point.n for point in answer.points]
    before = [point.before_per_s / 1e3 for point in answer.points]
    ends = [point.gain_interval for point in answer.points if point.gain_interval is not None]
    if len(ends) == len(n):
        low, high = (
            [rate * (1.0 + end[i]) for rate, end in zip(before, ends, strict=True)] for i in (0, 1)
        )
        axes.fill_between(n, low, high, color=COLOURS[1], alpha=0.2, lw=0, label="its interval")
    after = [point.after_per_s / 1e3 for point in answer.points]
    axes.plot(n, before, marker=MARKERS[0], label="before", **line(0))
    axes.plot(n, after, marker=MARKERS[1], label="after", **line(1))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("processes")
    axes.set_ylabel(RATE)
    changes = "; ".join(lever.text for lever in answer.levers)
    axes.set_title(f"{answer.scenario}: {changes}", loc="left", fontsize=9)
    axes.legend(loc="best")


def plot_ranking(figure: Any, answer: Ranking) -> None:
    """Draw the gains of the best levers as bars, limits that no patch reaches pale."""
    axes = figure.subplots()
    rows = sorted(answer.levers, key=lambda row: row.gain)[-MOST_BARS:]
    for place, row in enumerate(rows):
        colour = COLOURS[5] if row.limit else COLOURS[0]
        axes.barh(place, 100 * row.gain, color=colour, height=0.7)
        if row.gain_interval is not None:
            low, high = row.gain_interval
            axes.plot([100 * low, 100 * high], [place, place], color="black", lw=0.9)
    axes.set_yticks(range(len(rows)), [row.lever.text for row in rows], fontsize=SMALL)
    axes.axvline(0, color=GREY, lw=0.6)
    axes.grid(False, axis="y")
    axes.set_xlabel(f"gain at {answer.n} processes, per cent (pale: a limit)")
    axes.set_title(f"{answer.scenario} ({answer.method})", loc="left", fontsize=9)


def plot_ceilings(figure: Any, answer: Ceilings) -> None:
    """Draw the ceiling along every axis that was asked for."""
    panels = figure.subplots(1, len(answer.axes), sharey=True, squeeze=False)[0]
    for axes, (name, steps) in zip(panels, answer.axes.items(), strict=True):
        axes.plot(
            [step.value for step in steps],
            [step.ceiling_per_s / 1e3 for step in steps],
            marker=MARKERS[0],
            **line(0),
        )
        axes.set_xlabel(name)
    panels[0].set_ylim(bottom=0)
    panels[0].set_ylabel(f"ceiling at n = {answer.n}, 1000/s")
    figure.suptitle(answer.scenario, x=0.02, ha="left", fontsize=9)


def plot_readings(figure: Any, observations: Sequence[Observation]) -> None:
    """Draw what was measured against the population: throughput if there is any, else one kind."""
    kinds = [one.kind for one in observations if one.n is not None]
    kind = "throughput" if "throughput" in kinds else next(iter(kinds), "")
    curves: dict[str, list[Observation]] = defaultdict(list)
    for one in observations:
        if one.kind == kind and one.n is not None:
            told = (one.what, one.variant, one.kernel, one.lock, one.site)
            curves[", ".join(filter(None, told))].append(one)
    axes = figure.subplots()
    for i, (name, own) in enumerate(curves.items()):
        own.sort(key=lambda one: one.n or 0)
        style = {**line(i), "marker": MARKERS[i % len(MARKERS)]}
        axes.plot([one.n for one in own], [one.value for one in own], label=name, **style)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("processes")
    axes.set_ylabel(f"{kind}, {next((one.unit for one in observations if one.kind == kind), '')}")
    if any(curves):
        axes.legend(loc="best")


def plot_numbers(figure: Any, name: str, each: Sequence[Numbers]) -> None:
    """Draw the numbers of a statement: a panel per unit, a row per number and scenario."""
    units: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for numbers in each:
        for value in numbers.values:
            told = value.name if len(each) == 1 else f"{value.name} ({numbers.scenario})"
            units[value.unit].append((told, value.value))
    heights = [len(rows) for rows in units.values()]
    panels = figure.subplots(len(units), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (unit, rows) in zip(panels, units.items(), strict=True):
        values = [value for _, value in rows]
        axes.plot(values, range(len(rows)), "o", color=COLOURS[0], ms=4)
        axes.set_yticks(range(len(rows)), [told for told, _ in rows], fontsize=SMALL)
        axes.invert_yaxis()
        axes.margins(x=0.1, y=0.3)
        axes.set_xlabel(unit)
    panels[0].set_title(name, loc="left", fontsize=9)
