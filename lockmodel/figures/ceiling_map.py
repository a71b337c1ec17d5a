"""The ceiling of one lock over acquires and shards, as iso-lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lockmodel.changes import levers
from lockmodel.figures import style
from lockmodel.figures.lone_lock import alone, asked, lock_ceiling, slowest_lock
from lockmodel.model.network import CPU
from lockmodel.model.scenario import Scenario
from lockmodel.solvers.bounds import ceiling_at

LEAST_USERS = 2
"""Processes per shard up to which the map goes: where nobody shares a shard, nobody waits."""

MOST_ACQUIRES = 30
LEVELS = 9
"""Iso-lines at most."""

SHORT = 0.25
"""Iso-lines that cross less than this share of the map are left out: no room for a label."""

BESIDE = 0.5
"""Lines nearer than this (ln) to a lower limit are left out: its label needs the room."""


@dataclass(frozen=True)
class CeilingMap:
    """Ceilings of one lock; rates are iterations per second.

    Attributes
    ----------
    scenario, lock : str
    n : int
        Population.
    acquires : tuple of float
        Per iteration; the held work stays.
    shards : tuple of int
    ceiling_per_s : tuple of tuple of float
        One row per shard count, one number per acquires: k / (tau I + m c).
    today : tuple of float
        Acquires and shards of the scenario.
    limits : tuple of (str, float)
        What else binds, and from which rate on: the next lock as it is, and the CPUs.
    """

    scenario: str
    lock: str
    n: int
    acquires: tuple[float, ...]
    shards: tuple[int, ...]
    ceiling_per_s: tuple[tuple[float, ...], ...]
    today: tuple[float, float]
    limits: tuple[tuple[str, float], ...]


def data(scenario: Scenario | None = None, population: int | None = None) -> CeilingMap:
    """Return the map of the slowest lock of a scenario.

    Parameters
    ----------
    scenario : Scenario, optional
        That of the paper by default.
    population : int, optional
        All CPUs by default.

    Raises
    ------
    ArgumentError
        The scenario takes no lock.
    """
    scenario, n = asked(scenario, population)
    lock = slowest_lock(scenario, n, "ceiling")
    lone = alone(scenario, lock)
    today = scenario.acquires(lock)
    acquires = tuple(float(m) for m in range(1, max(2, min(MOST_ACQUIRES, round(2 * today))) + 1))
    first = scenario.lock(lock).shards
    last = max(2 * first, min(n, scenario.machine.cpus) // LEAST_USERS)
    shards = tuple(sorted({round(first * 2 ** (i / 4)) for i in range(40)} & {*range(last + 1)}))
    rows = []
    for k in shards:
        split = levers.shard(lone, lock, k) if k > first else lone
        rows.append(
            tuple(lock_ceiling(levers.set_acquires(split, lock, m), lock, n) for m in acquires)
        )
    limits: list[tuple[str, float]] = []
    rest = scenario
    for name in [lock, *(other.name for other in scenario.locks if other.name != lock)]:
        rest = levers.exclude(rest, name)
        at = ceiling_at(rest, n)
        if not limits or at.binding == CPU:
            limits.append((at.binding, at.throughput_per_s))
        if at.binding == CPU:
            break
    return CeilingMap(
        scenario.name, lock, n, acquires, shards, tuple(rows), (today, float(first)), tuple(limits)
    )


def iso_line(ceilings: CeilingMap, level: float) -> tuple[tuple[float, float], ...]:
    """Return the (acquires, shards) at which the ceiling has a level, inside the map.

    Between two shard counts ln k is interpolated in ln ceiling: exact where the ceiling is
    proportional to the shards.

    Parameters
    ----------
    ceilings : CeilingMap
    level : float
        Iterations per second.
    """
    made = []
    for i, m in enumerate(ceilings.acquires):
        column = [row[i] for row in ceilings.ceiling_per_s]
        for j in range(len(column) - 1):
            if column[j] <= level <= column[j + 1] and column[j] < column[j + 1]:
                share = math.log(level / column[j]) / math.log(column[j + 1] / column[j])
                low, high = ceilings.shards[j], ceilings.shards[j + 1]
                made.append((m, low * (high / low) ** share))
                break
    return tuple(made)


def levels(ceilings: CeilingMap) -> list[float]:
    """Return round ceilings for iso-lines, at most `LEVELS`, none beside a limit."""
    values = [value for row in ceilings.ceiling_per_s for value in row]
    return [
        level
        for level in style.round_numbers(min(values), max(values), LEVELS)
        if all(abs(math.log(level / limit)) > BESIDE for _, limit in ceilings.limits)
    ]


def region(ceilings: CeilingMap, level: float) -> tuple[tuple[float, float], ...]:
    """Return the (acquires, shards) from which on the ceiling is above a level.

    As `iso_line`, and the smallest shard count where the ceiling is above it everywhere.
    """
    above = {
        m: float(ceilings.shards[0])
        for m, least in zip(ceilings.acquires, ceilings.ceiling_per_s[0], strict=True)
        if least > level
    }
    return tuple(sorted({**above, **dict(iso_line(ceilings, level))}.items()))


def draw(figure: Any, drawn: CeilingMap) -> None:
    """Draw the map into an empty matplotlib figure."""
    axes = figure.subplots()
    top = drawn.shards[-1]
    style.count_axis(axes.yaxis, drawn.shards[0], top, f"shards of {drawn.lock}")
    axes.set_ylim(drawn.shards[0] / 1.5, top * 1.02)
    axes.set_xlim(drawn.acquires[0], drawn.acquires[-1])
    ticks = {1, *range(5, round(drawn.acquires[-1]) + 1, 5)}
    axes.set_xticks(sorted(ticks) if drawn.acquires[-1] > 5 else list(drawn.acquires))
    axes.set_xlabel(f"acquires of {drawn.lock} per iteration")
    axes.grid(False)
    axes.plot(*drawn.today, marker="o", color="black", ms=5, clip_on=False, zorder=4)
    axes.annotate(
        "today",
        drawn.today,
        xytext=(0, -4),
        textcoords="offset points",
        ha="center",
        va="top",
        fontsize=style.SMALL,
    )
    figure.draw_without_rendering()  # the angles of the labels need the final layout
    for level in levels(drawn):
        line = iso_line(drawn, level)
        if len(line) > SHORT * len(drawn.acquires):
            _iso(axes, line, style.rate(level), color="black", lw=0.8)
    shown: list[float] = []
    for i, (name, rate) in enumerate(drawn.limits):
        area = region(drawn, rate)
        if len(area) > 1:
            axes.fill_between(*zip(*area, strict=True), top * 1.02, color="0.5", alpha=0.13, lw=0)
        if any(math.log(rate / other) < BESIDE for other in shown):
            continue
        shown.append(rate)
        label = "the CPUs bind" if name == CPU else f"{name} binds"
        text = f"{label} above {style.rate(rate)}"
        look = {"color": style.COLOURS[i], "lw": 1.6, "ls": "--"}
        _iso(axes, iso_line(drawn, rate), text, right=True, **look)


def _iso(
    axes: Any, line: Sequence[tuple[float, float]], text: str, right: bool = False, **look: Any
) -> None:
    """Draw an iso-line with its label above it and along it, at its left or right end."""
    if len(line) < 2:
        return
    axes.plot(*zip(*line, strict=True), **look)
    third = max(2, len(line) // 3)
    points = axes.transData.transform(line[-third:] if right else line[:third])
    (x0, y0), (x1, y1) = points[0], points[-1]
    axes.annotate(
        text,
        line[-1] if right else line[0],
        xytext=(-3 if right else 3, 1.5),
        textcoords="offset points",
        ha="right" if right else "left",
        va="bottom",
        rotation=math.degrees(math.atan2(y1 - y0, x1 - x0)),
        rotation_mode="anchor",
        fontsize=style.SMALL,
        color=look["color"],
    )
