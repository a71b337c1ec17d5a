"""Levers on a scenario of several classes, ranked by what they buy in total; and its ceilings.

A lever that helps one class may cost another: with fewer waits at one lock its processes come to
the next more often. So each row has the gain of every class beside that of the total.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lockmodel.answers.sides import BEFORE, Worst, larger, worst
from lockmodel.answers.whatif import ClassChange, class_changes
from lockmodel.changes.candidates import candidates, shard_steps
from lockmodel.changes.kinds import Sharding, lever
from lockmodel.changes.lever import Lever, spelt
from lockmodel.errors import ArgumentError, NotTrustworthyError, ScenarioError
from lockmodel.model.class_network import build_classes, classes_of
from lockmodel.model.prediction import Point, plain
from lockmodel.model.scenario import Scenario
from lockmodel.progress import Progress, Stop, never, quietly
from lockmodel.solvers.bounds import ceiling_at
from lockmodel.solvers.class_points import ceiling_of_mix, stations_of_mix
from lockmodel.solvers.solve import PRECISION, points, solve, solver_name

SCHEMA = "lockmodel.class-levers/1"
CEILING_SCHEMA = "lockmodel.class-ceiling/1"

IDLE = 1e-3
"""Share of all processes that are at a lock below which no change to it is tried: what excluding it
gains is about that much."""

ENOUGH = 0.01
"""A shard count is enough when it comes within this share of the best total."""


SIMULATED = "{count} of the gains are simulated: so many processes keep so many different shards"


@dataclass(frozen=True)
class ClassRanked:
    """One lever at one population: its gains in total and for every class, and what binds then."""

    lever: Lever
    gain: float
    after_per_s: float
    ceiling_per_s: float
    binding: str
    limit: bool
    classes: dict[str, ClassChange]

    @property
    def costs(self) -> float:
        """The smallest gain of a class: below 0 where it loses."""
        return min(change.gain for change in self.classes.values())


@dataclass(frozen=True)
class ClassRanking:
    """Every lever that applies to a scenario of several classes, by the gain of the total.

    `untried` counts what there was no time for, or what the method has no answer for; `idle` names
    the locks that hardly anybody is at, no change to which alone was tried.
    """

    scenario: str
    method: str
    n: int
    before_per_s: float
    ceiling_per_s: float
    binding: str
    levers: tuple[ClassRanked, ...]
    warnings: tuple[str, ...]
    worst_error: Worst
    untried: int = 0
    idle: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict."""
        return {"schema": SCHEMA, **plain(spelt(asdict(self)))}


def every_lever(scenario: Scenario, idle: Collection[str] = ()) -> tuple[Lever, ...]:
    """Return the levers that apply to any class, and the shards of every lock that is not idle."""
    found = {one.text: one for view in classes_of(scenario) for one in candidates(view)}
    locks = {lock.name: lock for view in classes_of(scenario) for lock in view.changeable}
    for name, lock in locks.items():
        for k in shard_steps(scenario, (lock,)):
            one = lever("shard", name, Sharding(k))
            found[one.text] = one
    return tuple(one for one in found.values() if one.lock not in idle)


def rank_classes(
    scenario: Scenario,
    n: int,
    method: str = "auto",
    progress: Progress = quietly,
    stop: Stop = never,
) -> ClassRanking:
    """Return every lever that applies, ranked by the gain of the total at population `n`.

    Of the shards of a lock the smallest count that is enough takes part. Arguments as of `rank`.
    """
    solver = solver_name(method, [scenario], n)
    now = solve(scenario, [n], solver)
    (before,) = now.points
    rows: list[ClassRanked] = []
    idle = tuple(name for name, state in before.locks.items() if state.queue < IDLE * n)
    every = [
        (one, one.apply(scenario))
        for one in every_lever(scenario, idle)
        if _sensible(one, scenario)
    ]
    solvers = [solver_name(method, [changed], n) for _, changed in every]
    tried = sorted(zip(every, solvers, strict=True), key=lambda pair: pair[1] != solver)
    largest, untried = worst(BEFORE, now.points), 0
    simulated = 0
    for (one, changed), own in progress(tried, len(tried), "levers"):
        try:
            after = None if stop() else _point(changed, n, own, stop)
        except (ScenarioError, NotTrustworthyError):
            after = None
        if after is None:
            untried += 1
            continue
        simulated += own != solver
        largest = larger(largest, worst(f"after {one}", [after]))
        changes = class_changes(before, after)
        assert changes is not None  # both have classes
        rows.append(
            ClassRanked(
                one,
                after.throughput_per_s / before.throughput_per_s - 1,
                after.throughput_per_s,
                after.ceiling_per_s,
                after.binding,
                one.is_limit,
                changes,
            )
        )
    return ClassRanking(
        scenario=scenario.name,
        method=solver,
        n=n,
        before_per_s=before.throughput_per_s,
        ceiling_per_s=before.ceiling_per_s,
        binding=before.binding,
        levers=tuple(sorted(_telling(rows), key=lambda row: (-row.gain, row.lever.text))),
        warnings=(*now.warnings, *([SIMULATED.format(count=simulated)] if simulated else [])),
        worst_error=largest,
        untried=untried,
        idle=idle,
    )


def _sensible(one: Lever, scenario: Scenario) -> bool:
    try:
        one.apply(scenario)
    except ArgumentError:
        return False
    return True


def _point(scenario: Scenario, n: int, solver: str, stop: Stop) -> Point | None:
    """Return the point of a scenario; None where a simulation was stopped."""
    if solver != "simulation":
        return points(scenario, [n], solver)[0]
    from lockmodel.solvers.simulation.simulate import point, simulated

    run = simulated(scenario, n, PRECISION, stop=stop)
    return point(scenario, run) if run.reached else None


def _telling(rows: Sequence[ClassRanked]) -> list[ClassRanked]:
    """Return the rows, of the shards of each lock only the smallest count that is enough."""
    kept = [row for row in rows if not isinstance(row.lever.value, Sharding)]
    for lock in dict.fromkeys(row.lever.lock for row in rows):
        own = [
            row for row in rows if row.lever.lock == lock and isinstance(row.lever.value, Sharding)
        ]
        if own:
            top = max(row.after_per_s for row in own)
            kept.append(next(row for row in own if row.after_per_s >= top * (1 - ENOUGH)))
    return kept


@dataclass(frozen=True)
class StationCeiling:
    """One station at the mix of iterations that is made.

    Attributes
    ----------
    name : str
        A lock, or "cpu".
    ceiling_per_s : float
        Total iterations per second at which it is never idle.
    load : float
        Share of time that it is busy.
    shares : dict of str to float
        Class -> its share of that load.
    """

    name: str
    ceiling_per_s: float
    load: float
    shares: dict[str, float]


@dataclass(frozen=True)
class ClassAlone:
    """One class: what it makes in the mix, and its ceiling with all processes being of it."""

    n: int
    throughput_per_s: float
    alone_ceiling_per_s: float
    alone_binding: str


@dataclass(frozen=True)
class ClassCeilings:
    """Where the throughput of several classes ends, at the mix that they make.

    Attributes
    ----------
    scenario : str
    n : int
    ceiling_per_s : float
        Of the total.
    binding : str
    stations : tuple of StationCeiling
        The lowest ceiling first.
    classes : dict of str to ClassAlone
    """

    scenario: str
    n: int
    ceiling_per_s: float
    binding: str
    stations: tuple[StationCeiling, ...]
    classes: dict[str, ClassAlone]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict: rates per s."""
        return {"schema": CEILING_SCHEMA, **asdict(self)}


def class_ceilings(scenario: Scenario, n: int) -> ClassCeilings:
    """Return the ceilings of a scenario of several classes.

    Parameters
    ----------
    scenario : Scenario
    n : int
        Population; the mix is product form's there.
    """
    (point,) = points(scenario, [n], "product-form")
    assert point.classes is not None  # several classes
    rates = {name: state.throughput_per_s for name, state in point.classes.items()}
    ceiling, binding = ceiling_of_mix(scenario, n, rates)
    network = build_classes(scenario, n)
    loads = stations_of_mix(scenario, network, rates)
    names = list(rates)
    stations = [
        StationCeiling(
            name,
            point.throughput_per_s / float(load.sum()),
            float(load.sum()),
            dict(zip(names, (load / load.sum()).tolist(), strict=True)),
        )
        for name, load in loads.items()
    ]
    alone = {}
    for name, view in zip(names, classes_of(scenario), strict=True):
        at = ceiling_at(view, n)
        alone[name] = ClassAlone(
            point.classes[name].n, rates[name], at.throughput_per_s, at.binding
        )
    return ClassCeilings(
        scenario.name,
        n,
        ceiling,
        binding,
        tuple(sorted(stations, key=lambda s: (s.ceiling_per_s, s.name))),
        alone,
    )
