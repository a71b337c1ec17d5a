"""What shards buy and what they cost: throughput, and the time of a walk that takes them all.

Every lock of the walked one's kind is sharded alike. Walks are simulated; product form with its
closed form of walkers (`solvers.walked`) is drawn as a line through the throughputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from lockmodel.changes import levers
from lockmodel.errors import NotTrustworthyError
from lockmodel.figures import style
from lockmodel.figures.lone_lock import asked, slowest_lock
from lockmodel.model.scenario import Scenario, Walkers
from lockmodel.progress import Progress, quietly

RATES = (1000.0, 5000.0)
"""Walks per second [assumed]: nobody has published a rate; reclaim under pressure is the case."""

READ = 64e-6
"""Seconds that a walk reads [assumed], as in the examples of the command line."""

PRECISION = 0.02

WIDE = 5.0
"""Ratio of times from which on their axis is logarithmic."""


@dataclass(frozen=True)
class ShardLine:
    """One rate of walks; tuples are per shard count.

    Attributes
    ----------
    walks_per_s : float
        0 without walkers.
    shards : tuple of int
        Where the walkers leave room for a steady state.
    throughput_per_s, half_width_per_s : tuple of float
        Iterations per second, and half of their 95 % interval.
    closed_form_per_s : tuple of float
        Product form's throughput.
    walk_s : tuple of float
        Mean time of a walk, from setting out to leaving the last shard; empty without walkers.
    """

    walks_per_s: float
    shards: tuple[int, ...]
    throughput_per_s: tuple[float, ...]
    half_width_per_s: tuple[float, ...]
    closed_form_per_s: tuple[float, ...]
    walk_s: tuple[float, ...]


@dataclass(frozen=True)
class ShardsData:
    """Throughput and walks against shards.

    Attributes
    ----------
    scenario : str
    walked : str
        The lock whose shards the walkers take.
    read_s : float
        What a walk reads when it has them all.
    n : int
        Population.
    lines : tuple of ShardLine
    """

    scenario: str
    walked: str
    read_s: float
    n: int
    lines: tuple[ShardLine, ...]


def data(
    scenario: Scenario | None = None,
    population: int | None = None,
    rates: Sequence[float] = RATES,
    precision: float = PRECISION,
    progress: Progress = quietly,
) -> ShardsData:
    """Return simulations of a scenario with 1, 2, 4, ... shards of every lock.

    Parameters
    ----------
    scenario : Scenario, optional
        That of the paper by default. Its own walkers take the place of `rates`.
    population : int, optional
        All CPUs by default.
    rates : sequence of float
        Walks per second of the slowest lock, each with a read of `READ`.
    precision : float
        Relative half-width of the throughputs.
    progress : callable
        Wraps the loop over simulations.

    Raises
    ------
    ArgumentError
        The scenario takes no lock.
    """
    scenario, n = asked(scenario, population)
    own = [lock for lock in scenario.locks if lock.walkers is not None]
    read = READ
    if own and own[0].walkers is not None:
        walked, read, rates = own[0].name, own[0].walkers.read, (own[0].walkers.walks_per_s,)
    else:
        walked = slowest_lock(scenario, n, "shards")
    counts = style.powers(1, scenario.machine.cpus, most=32)
    jobs = [(rate, k) for rate in (0.0, *rates) for k in counts]
    of_rate: dict[float, list[tuple[float, ...]]] = {rate: [] for rate, _ in jobs}
    for rate, k in progress(jobs, len(jobs), "simulations"):
        row = _simulated(
            _split(_walked(scenario, walked, rate, read), walked, k), walked, n, precision
        )
        if row is not None:
            of_rate[rate].append((k, *row))
    lines = []
    for rate, rows in of_rate.items():
        if rows:
            ks, xs, halves, solved, walks = zip(*rows, strict=True)
            times = walks if rate > 0 else ()
            lines.append(ShardLine(rate, tuple(map(int, ks)), xs, halves, solved, times))
    return ShardsData(scenario.name, walked, read, n, tuple(lines))


def _walked(scenario: Scenario, lock: str, rate: float, read: float) -> Scenario:
    """Return the scenario with walkers of one lock; with none for a rate of 0."""
    walkers = Walkers(walks_per_s=rate, read=read) if rate > 0 else None
    locks = tuple(
        msgspec.structs.replace(one, walkers=walkers if one.name == lock else None)
        for one in scenario.locks
    )
    return msgspec.structs.replace(scenario, locks=locks)


def _split(scenario: Scenario, walked: str, k: int) -> Scenario:
    """Return the scenario with shards of what a patch of the walked lock reaches: its kind."""
    kind = scenario.lock(walked).kind
    for lock in scenario.changeable:
        if lock.kind == kind and k > lock.shards:
            scenario = levers.shard(scenario, lock.name, k)
    return scenario


def _simulated(
    scenario: Scenario, walked: str, n: int, precision: float
) -> tuple[float, float, float, float] | None:
    """Return throughput, half-width, product form's and a walk's time; None where they pile up."""
    from lockmodel.solvers.simulation.simulate import simulate
    from lockmodel.solvers.throughput import throughput

    try:
        run = simulate(scenario, n, precision)
    except NotTrustworthyError:
        return None
    x = run.throughput_per_s
    solved = float(throughput(scenario, [n])[0])
    return x.value, x.half_width, solved, run.locks[walked].walk_s or 0.0


def draw(figure: Any, drawn: ShardsData) -> None:
    """Draw both panels into an empty matplotlib figure."""
    shape = (2, 1) if style.stacked(figure) else (1, 2)
    first, second = figure.subplots(*shape, sharex=True)
    last = max(line.shards[-1] for line in drawn.lines)
    for i, line in enumerate(drawn.lines):
        look = {**style.line(i), "marker": style.MARKERS[i]}
        name = f"{line.walks_per_s:,.0f} walks/s" if line.walks_per_s else "no walks"
        first.errorbar(
            line.shards,
            [x / 1e3 for x in line.throughput_per_s],
            yerr=[half / 1e3 for half in line.half_width_per_s],
            label=name,
            **{**look, "ls": "none"},
        )
        solved = [x / 1e3 for x in line.closed_form_per_s]
        first.plot(line.shards, solved, **{**look, "marker": ""})
        if line.walk_s:
            second.plot(line.shards, [walk * 1e3 for walk in line.walk_s], label=name, **look)
    first.set_ylim(bottom=0)
    first.set_ylabel("throughput (k/s)")
    first.legend(loc="lower right", borderaxespad=0.2, labelspacing=0.3)
    second.axhline(drawn.read_s * 1e3, color="0.6", lw=1)
    _time_axis(second, [1e3 * s for line in drawn.lines for s in (*line.walk_s, drawn.read_s)])
    second.set_ylabel("mean walk (ms)")
    second.annotate(
        "reading alone",
        (1, drawn.read_s * 1e3),
        xytext=(0, -2),
        textcoords="offset points",
        va="top",
        fontsize=style.SMALL,
        color=style.GREY,
    )
    for axes in (first, second):
        style.count_axis(axes.xaxis, 1, last, "")
    label = f"shards, by CPU; {drawn.n} processes"
    for axes in (second,) if shape == (2, 1) else (first, second):
        axes.set_xlabel(label)


def _time_axis(axes: Any, times: Sequence[float]) -> None:
    """Scale the axis of walks in ms: logarithmic if they differ by more than `WIDE`."""
    low, high = min(times), max(times)
    if high < WIDE * low:
        axes.set_ylim(0, 1.2 * high)
        return
    axes.set_yscale("log")
    axes.set_ylim(0.5 * low, 1.5 * high)
    ticks = style.round_numbers(0.5 * low, 1.5 * high, 7)
    axes.set_yticks(ticks, [f"{tick:,g}" for tick in ticks])
    axes.set_yticks([], minor=True)
