"""Throughput over a grid of acquires, hold, shards and think: one row per combination and N."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from lockmodel.changes.kinds import AXES, SHARD, Sharding, lever
from lockmodel.changes.lever import Kind, Lever
from lockmodel.changes.levers import most_shards
from lockmodel.errors import ArgumentError, nearest
from lockmodel.model.network import CPU
from lockmodel.model.populations import parse_counts, parse_reals
from lockmodel.model.prediction import Basis, Interval, Point
from lockmodel.model.scenario import Scenario, ShardBy
from lockmodel.progress import Progress, quietly
from lockmodel.solvers.solve import points, solver_name
from lockmodel.solvers.validity import approximations, caveats

SCHEMA = "lockmodel.sweep/1"
ENDS = ("throughput_low_per_s", "throughput_high_per_s")
"""Columns of the interval of a measurement, in scenarios with a fit."""

MAX_ROWS = 200_000
"""Largest grid times populations: bounds time (about a minute) and memory."""


@dataclass(frozen=True)
class Axis:
    """One swept quantity.

    Attributes
    ----------
    name : str
        As typed: 'acquires' or 'libc.so.6:acquires'.
    kind : Kind
        The lever that is swept.
    lock : str or None
        The lock; None is the binding one.
    values : tuple of float
    by : {'cpu', 'node', 'hash'} or None
        What chooses a shard; None is the lock's own key.
    """

    name: str
    kind: Kind
    lock: str | None
    values: tuple[float, ...]
    by: ShardBy | None = None

    @property
    def quantity(self) -> str:
        """What is swept, in a word."""
        return self.name.rpartition(":")[2]


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
        Where the method is approximate.
    capped : tuple of str
        Values that had to be capped.
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
            "complete": self.complete,
            **({} if self.fit is None else {"fit": asdict(self.fit)}),
            "rows": list(self.rows),
        }


def parse_axis(text: str, by: ShardBy | None = None) -> Axis:
    """Return the axis a text means: ``acquires=1..30``, ``libc.so.6:hold=0.0..1.0:11``.

    Raises
    ------
    ArgumentError
        Unknown quantity or malformed values.
    """
    name, equals, values = text.partition("=")
    lock, colon, quantity = name.rpartition(":")
    if quantity not in AXES:
        raise ArgumentError(f"--over {text!r}: {nearest(quantity, list(AXES))}")
    kind = AXES[quantity]
    if not equals or not values:
        raise ArgumentError(f"--over {text!r}: give values, e.g. {quantity}=1..8")
    if colon and (not lock or kind.target == "none"):
        of_locks = "|".join(name for name, other in AXES.items() if other.target != "none")
        others = "|".join(name for name, other in AXES.items() if other.target == "none")
        raise ArgumentError(f"--over {text!r}: write [LOCK:]{of_locks}=... or {others}=...")
    argument = f"--over {name}"
    parsed: Sequence[float]
    if kind.axis is not None and kind.axis.whole:
        parsed = parse_counts(values, argument)
    else:
        parsed = parse_reals(values, argument)
        if max(parsed) > 1:
            raise ArgumentError(f"{argument}: factor {max(parsed):g} must lie between 0 and 1")
    return Axis(name, kind, lock or None, tuple(parsed), by)


def _lever(axis: Axis, lock: str, value: float) -> Lever:
    """Return the lever at one value of an axis."""
    form = axis.kind.axis
    assert form is not None  # parse_axis takes kinds that have one
    target = "" if axis.kind.target == "none" else lock
    chosen = form.value(value)
    if isinstance(chosen, Sharding):
        chosen = chosen._replace(by=axis.by)
    return lever(axis.kind.name, target, chosen)


def _at(scenario: Scenario, steps: Sequence[tuple[Axis, str, float]]) -> Scenario:
    """Return the scenario with every axis at its value."""
    for axis, lock, value in steps:
        scenario = _lever(axis, lock, value).apply(scenario)
    return scenario


Ends = Callable[[Callable[[Scenario], Scenario], Sequence[Point]], Sequence[Interval | None]]
"""A move and the points after it -> intervals of their throughput."""


def _intervals(
    scenario: Scenario, populations: Sequence[int], rows: int, method: str
) -> tuple[Ends, Basis | None]:
    """Return what gives the intervals of a combination, and what they rest on."""
    if scenario.fit is None or method == "bounds":
        return lambda move, solved: [None] * len(solved), None
    from lockmodel.answers.intervals import Throughputs, basis, count_for

    count = count_for(rows)
    drawn = Throughputs(scenario, scenario.fit, populations, count, changed=True)
    return drawn.of, basis(scenario, count)


def sweep(
    scenario: Scenario,
    axes: Sequence[Axis],
    populations: Sequence[int],
    method: str = "auto",
    progress: Progress = quietly,
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
    binding = points(scenario, [max(populations)], method)[0].binding
    names = [lock.name for lock in scenario.locks]
    targets = []
    for axis in axes:
        lock = axis.lock or binding
        of_lock = axis.kind.target != "none"
        if of_lock and lock == CPU:
            raise ArgumentError(
                f"--over {axis.name}: the CPU binds, not a lock; name one: LOCK:{axis.name}"
            )
        if of_lock and lock not in names:
            raise ArgumentError(f"--over {axis.name}: no lock {lock!r}; {nearest(lock, names)}")
        if (axis.kind, lock) in targets:
            what = axis.quantity + (f" of {lock}" if of_lock else "")
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
    best: Point | None = None
    complete = True
    try:
        for combination in progress(grid, total // len(populations), "sweep"):
            steps = [
                (axis, lock, value)
                for axis, (_, lock), value in zip(axes, targets, combination, strict=True)
            ]
            move = partial(_at, steps=steps)
            solved = points(move(scenario), populations, method)
            ends = ends_of(move, solved)
            values = {axis.name: v for axis, v in zip(axes, combination, strict=True)}
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
        method=solver_name(method),
        lock=binding,
        axes=tuple(axes),
        rows=tuple(rows),
        warnings=(
            *approximations(scenario, max(populations)),
            *(caveats(scenario, [best], method == "bounds") if best else ()),
        ),
        capped=_capped(scenario, axes, binding),
        complete=complete,
        fit=basis,
    )


def _rate(point: Point) -> float:
    return point.throughput_per_s


def _capped(scenario: Scenario, axes: Sequence[Axis], binding: str) -> tuple[str, ...]:
    """Return what has to be said about shard counts that their key cannot tell apart."""
    notes = []
    for axis in axes:
        if axis.kind is not SHARD:
            continue
        by = axis.by or scenario.lock(axis.lock or binding).shard_by
        most = most_shards(scenario, by)
        if most is not None and max(axis.values) > most:
            what = "CPUs" if by == "cpu" else "nodes"
            notes.append(
                f"--over {axis.name}: {most} {what} can tell only {most} shards apart, so rows "
                f"with more repeat those of {most}"
            )
    return tuple(notes)
