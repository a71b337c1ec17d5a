"""Throughput over a grid of acquires, hold, lines, shards, think: one row per combination and N."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from lockmodel.answers.axis import Axis
from lockmodel.answers.sides import BEFORE, Worst, larger, sided, worst
from lockmodel.changes.lever import Kind, apply_all, named
from lockmodel.errors import ArgumentError
from lockmodel.model.prediction import Basis, Interval, Point
from lockmodel.model.scenario import Scenario
from lockmodel.progress import Progress, Stop, never, quietly
from lockmodel.solvers.bounds import ceiling_at
from lockmodel.solvers.solve import MIXED, judge, mixed, points, solve, solver_name
from lockmodel.solvers.validity import approximations, caveats

SCHEMA = "lockmodel.sweep/1"
ENDS = ("throughput_low_per_s", "throughput_high_per_s")
"""Columns of the interval of a measurement, in scenarios with a fit."""

MAX_ROWS = 200_000
"""Largest grid times populations: bounds time (about a minute) and memory."""

MOST_DRAWN = 512
"""Largest grid times populations with intervals: each is solved for every draw."""


@dataclass(frozen=True)
class Sweep:
    """A finished sweep, or the finished part of one.

    Attributes
    ----------
    scenario, method : str
    lock : str
        The lock meant by axes that name none.
    axes : tuple of Axis
    rows : tuple of dict
        Tidy: axis values, n, throughput_per_s, ceiling_per_s, binding; with a fit also
        throughput_low_per_s and throughput_high_per_s, the interval of a measurement.
    warnings : tuple of str
        Where the method is approximate, for the scenario as it is and on the grid.
    worst_error : Worst
        How far throughput may be off at worst, and where.
    capped : tuple of str
        Values that had to be capped, or intervals that were left out.
    complete : bool
        False when it was interrupted.
    fit : Basis or None
        What the intervals rest on; None where there are none.
    """

    scenario: str
    method: str
    lock: str
    axes: tuple[Axis, ...]
    rows: tuple[dict[str, Any], ...]
    worst_error: Worst
    warnings: tuple[str, ...] = ()
    capped: tuple[str, ...] = ()
    complete: bool = True
    fit: Basis | None = None

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict."""
        return {
            "schema": SCHEMA,
            "scenario": self.scenario,
            "method": self.method,
            "lock": self.lock,
            "axes": {axis.name: list(axis.values) for axis in self.axes},
            "warnings": [*self.capped, *self.warnings],
            "worst_error": asdict(self.worst_error),
            "complete": self.complete,
            **({} if self.fit is None else {"fit": asdict(self.fit)}),
            "rows": list(self.rows),
        }


Ends = Callable[[Callable[[Scenario], Scenario], Sequence[Point]], Sequence[Interval | None]]
"""A move and the points after it -> intervals of their throughput."""


def _intervals(
    scenario: Scenario, populations: Sequence[int], rows: int, method: str
) -> tuple[Ends, Basis | None]:
    """Return what gives the intervals of a combination, and what they rest on."""
    never_drawn = method == "bounds" or rows > MOST_DRAWN
    if scenario.fit is None or never_drawn or mixed(scenario, populations):
        return lambda move, solved: [None] * len(solved), None
    from lockmodel.answers.intervals import COUNT, Throughputs, basis

    drawn = Throughputs(scenario, scenario.fit, populations, COUNT, changed=True)
    return drawn.of, basis(scenario, COUNT)


def sweep(
    scenario: Scenario,
    axes: Sequence[Axis],
    populations: Sequence[int],
    method: str = "auto",
    progress: Progress = quietly,
    stop: Stop = never,
) -> Sweep:
    """Return throughput and ceiling for every combination of the axes and every population.

    Parameters
    ----------
    scenario : Scenario
    axes : sequence of Axis
        At least one.
    populations : sequence of int
    method : str
        See `solvers.solve.solve`.
    progress : callable
        Wraps the loop over combinations. An interrupt ends the sweep; finished rows are kept.
    stop : callable
        Asked before every combination; once true the sweep ends likewise.

    Returns
    -------
    Sweep

    Raises
    ------
    ArgumentError
        Two axes move the same thing, a lock is unknown, or the grid is too large.
    """
    if not axes:
        raise ArgumentError("--over: no axis is given; give at least one, e.g. shards=1,2,4")
    solver = solver_name(method, [scenario], max(populations))
    binding = ceiling_at(scenario, max(populations)).binding
    targets: list[tuple[Kind, str]] = []
    for axis in axes:
        lock = axis.target(scenario, binding)
        if (axis.kind, lock) in targets:
            what = axis.quantity + (f" of {lock}" if lock else "")
            raise ArgumentError(f"--over {axis.name}: {what} is swept twice")
        targets.append((axis.kind, lock))
    total = len(populations)
    for axis in axes:
        total *= len(axis.values)
    if total > MAX_ROWS:
        raise ArgumentError(f"--over: {total} rows exceed {MAX_ROWS}; use fewer or coarser values")
    grid = itertools.product(*(axis.values for axis in axes))
    ends_of, basis = _intervals(scenario, populations, total, method)
    rows: list[dict[str, Any]] = []
    gaps: dict[str, tuple[str, ...]] = {}
    now = solve(scenario, populations, solver)
    largest = worst(BEFORE, now.points)
    best: Point | None = None
    complete = True
    try:
        for combination in progress(grid, total // len(populations), "sweep"):
            if stop():
                complete = False
                break
            chosen = [
                axis.lever(lock, value)
                for axis, (_, lock), value in zip(axes, targets, combination, strict=True)
            ]
            move = partial(apply_all, chosen=chosen)
            with named(chosen):
                changed = move(scenario)
                used = solver_name(method, [scenario, changed], max(populations))
                solved = points(changed, populations, used)
            values = {axis.name: v for axis, v in zip(axes, combination, strict=True)}
            side = ", ".join(f"{name}={value:g}" for name, value in values.items())
            gaps[side] = (MIXED,) if used != solver else approximations(changed, max(populations))
            if used == "simulation":
                largest = larger(largest, worst(side, solved))
            elif largest.error is not None:
                judged = judge(changed, solved, exact=not gaps[side])
                largest = larger(largest, worst(side, judged))
            drawn = used != "simulation" or method == "simulation"
            ends = ends_of(move, solved) if drawn else [None] * len(solved)
            for point, end in zip(solved, ends, strict=True):
                best = point if best is None else max(best, point, key=_rate)
                rows.append(
                    {
                        **values,
                        "n": point.n,
                        "throughput_per_s": point.throughput_per_s,
                        **({} if end is None else dict(zip(ENDS, end, strict=True))),
                        "ceiling_per_s": point.ceiling_per_s,
                        "binding": point.binding,
                    }
                )
    except KeyboardInterrupt:
        complete = False
    return Sweep(
        scenario=scenario.name,
        method=solver,
        lock=binding,
        axes=tuple(axes),
        rows=tuple(rows),
        warnings=(
            *(caveats(scenario, [best], method == "bounds") if best else ()),
            *sided(now.warnings, gaps),
        ),
        worst_error=largest,
        capped=(
            *(
                note
                for axis, (_, lock) in zip(axes, targets, strict=True)
                for note in axis.capped(scenario, lock)
            ),
            *_without_intervals(scenario, total),
        ),
        complete=complete,
        fit=basis,
    )


def _without_intervals(scenario: Scenario, rows: int) -> tuple[str, ...]:
    if scenario.fit is None or rows <= MOST_DRAWN:
        return ()
    return (
        f"--over: {rows} rows, so no intervals: they are for up to {MOST_DRAWN} rows, each of "
        f"which is solved for many draws of the fit; sweep coarser values or fewer populations",
    )


def _rate(point: Point) -> float:
    return point.throughput_per_s
