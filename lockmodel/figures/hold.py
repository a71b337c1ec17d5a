"""Throughput against the factor on the hold, for some acquires and shards, with asymptotes.

Each curve is the lock alone: k / (tau I f + m c) as the hold's factor f falls ends at k / (m c),
however short the hold becomes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from lockmodel.changes import levers
from lockmodel.figures import style
from lockmodel.figures.lone_lock import alone, asked, lock_ceiling, slowest_lock
from lockmodel.model.scenario import Scenario
from lockmodel.solvers.solve import points

SHARDS = (1, 2)
STEPS = 16
"""Factors between 0 and 1; denser near 0, where the curves bend."""


@dataclass(frozen=True)
class HoldLine:
    """One combination; rates are iterations per second.

    Attributes
    ----------
    acquires : float
        Of the lock per iteration; the held work stays.
    shards : int
    throughput_per_s : tuple of float
        At each factor, reached by all processes.
    ceiling_per_s : tuple of (float or None)
        At each factor, k / (tau I f + m c) of the lock, with k the shards that the processes
        use; None where it takes no time.
    asymptote_per_s : float or None
        k / (m c): the ceiling of a hold of 0; None where acquires cost nothing.
    """

    acquires: float
    shards: int
    throughput_per_s: tuple[float, ...]
    ceiling_per_s: tuple[float | None, ...]
    asymptote_per_s: float | None


@dataclass(frozen=True)
class HoldData:
    """What happens when the held work of one lock shrinks.

    Attributes
    ----------
    scenario, lock : str
    n : int
        Population.
    factors : tuple of float
        On the held work, from 0 to 1.
    lines : tuple of HoldLine
        By shards, then by acquires from today's down to 1.
    cpu_per_s : float
        Throughput without any lock.
    """

    scenario: str
    lock: str
    n: int
    factors: tuple[float, ...]
    lines: tuple[HoldLine, ...]
    cpu_per_s: float


def data(scenario: Scenario | None = None, population: int | None = None) -> HoldData:
    """Return the curves of the slowest lock, without the other locks of the scenario.

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
    lock = slowest_lock(scenario, n, "hold")
    lone = alone(scenario, lock)
    today = scenario.acquires(lock)
    few = dict.fromkeys((today, float(math.floor(today / 2 + 0.5)), 1.0))
    factors = tuple((i / STEPS) ** 2 for i in range(STEPS + 1))
    base = scenario.lock(lock).shards
    counts = dict.fromkeys(min(base * k, scenario.machine.cpus) for k in SHARDS)
    lines = [
        _line(lone, lock, m, k, n, factors) for k in counts for m in few if 1.0 <= m <= today
    ] or [_line(lone, lock, today, k, n, factors) for k in counts]
    without = points(levers.exclude(lone, lock), [n], "product-form")[0].throughput_per_s
    return HoldData(scenario.name, lock, n, factors, tuple(lines), without)


def _line(
    lone: Scenario, lock: str, acquires: float, shards: int, n: int, factors: tuple[float, ...]
) -> HoldLine:
    made = levers.set_acquires(lone, lock, acquires)
    made = levers.shard(made, lock, shards) if shards > lone.lock(lock).shards else made
    moved = [levers.shorten_hold(made, lock, factor) for factor in factors]
    bounds = (lock_ceiling(one, lock, n) for one in moved)
    ceilings = tuple(bound if math.isfinite(bound) else None for bound in bounds)
    return HoldLine(
        acquires,
        shards,
        tuple(points(one, [n], "product-form")[0].throughput_per_s for one in moved),
        ceilings,
        ceilings[0],
    )


LOW, HIGH = 0.7, 1.8
"""How far the axis of rates goes beyond what is reached: limits above bind nobody."""


def relative_height(drawn: HoldData, upright: bool) -> float:
    """Return the height over that of the default figure: a panel less takes less room."""
    counts = len({line.shards for line in drawn.lines})
    return (1 + counts) / (1 + len(SHARDS)) if upright else 1.0


def draw(figure: Any, drawn: HoldData) -> None:
    """Draw the curves, a panel per shard count, into an empty matplotlib figure."""
    counts = list(dict.fromkeys(line.shards for line in drawn.lines))
    shape = (len(counts), 1) if style.stacked(figure) else (1, len(counts))
    panels = figure.subplots(*shape, sharex=True, sharey=True, squeeze=False).ravel()
    rates = [drawn.cpu_per_s, *(y for line in drawn.lines for y in line.throughput_per_s)]
    for axes, k in zip(panels, counts, strict=True):
        _panel(axes, drawn, k)
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
        axes.set_title(f"{k} shard{'s' * (k > 1)}", fontsize=style.TEXT, pad=3)
        style.rate_axis(axes.yaxis, LOW * min(rates), HIGH * max(rates), "")
    figure.supxlabel(f"held work of {drawn.lock} over today's (factor)", fontsize=style.TEXT)
    figure.supylabel("iterations per second", fontsize=style.TEXT)
    _legend(figure, panels[0], drawn)
    levels = {k: _levels(drawn, k, HIGH * max(rates)) for k in counts}
    for axes, k in zip(panels, counts, strict=True):
        style.end_labels(axes, 1.0, *zip(*levels[k], strict=True))


def _panel(axes: Any, drawn: HoldData, shards: int) -> None:
    axes.axhline(drawn.cpu_per_s, color="0.75", lw=2.5)
    for i, line in enumerate(line for line in drawn.lines if line.shards == shards):
        look = style.line(i)
        axes.plot(drawn.factors, line.throughput_per_s, lw=1.6, **look)
        bounds = [(x, y) for x, y in zip(drawn.factors, line.ceiling_per_s, strict=True) if y]
        axes.plot(*zip(*bounds, strict=True), lw=0.7, **look)
        if line.asymptote_per_s is not None:
            axes.axhline(line.asymptote_per_s, color=look["color"], lw=0.5)


def _levels(drawn: HoldData, shards: int, top: float) -> list[tuple[float, str, str]]:
    """Return the limits of a panel up to `top`: rate, label, colour."""
    levels = [(drawn.cpu_per_s, style.rate(drawn.cpu_per_s), style.GREY)]
    for i, line in enumerate(line for line in drawn.lines if line.shards == shards):
        if line.asymptote_per_s is not None and line.asymptote_per_s < top:
            end = line.asymptote_per_s
            levels.append((end, style.rate(end), style.line(i)["color"]))
    return levels


def _legend(figure: Any, axes: Any, drawn: HoldData) -> None:
    """Explain colours (acquires) and widths above the panels."""
    few = list(dict.fromkeys(line.acquires for line in drawn.lines))
    handles = [
        axes.plot([], [], label=f"{m:g} acquire{'s' * (m != 1)}", **style.line(i))[0]
        for i, m in enumerate(few)
    ]
    wide = axes.plot([], [], color="black", lw=1.6, label=f"throughput, {drawn.n} processes")[0]
    thin = axes.plot([], [], color="black", lw=0.7, label="ceiling and its limit k/(m c)")[0]
    cpus = axes.plot([], [], color="0.75", lw=2.5, label="without the lock")[0]
    blank = axes.plot([], [], ls="", label=" ")[0]
    handles += [blank] * (3 - len(handles))  # so that the second column begins with `wide`
    figure.legend(handles=[*handles, wide, thin, cpus], loc="outside upper right", ncols=2)
