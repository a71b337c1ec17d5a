"""What some levers buy, together and each alone: before and after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from lockmodel.answers.sides import BEFORE, Worst, larger, sided, worst
from lockmodel.changes.kinds import Sharding
from lockmodel.changes.lever import ALL, Lever, apply_all, named, spelt
from lockmodel.model.network import build
from lockmodel.model.placement import shard_groups
from lockmodel.model.prediction import Basis, Interval, Point, plain
from lockmodel.model.scenario import Scenario
from lockmodel.model.scenario import plain as plain_scenario
from lockmodel.progress import Progress, Stop, never, quietly
from lockmodel.solvers.solve import (
    MIXED,
    NO_INTERVALS,
    mixed,
    points,
    simulate_first,
    solve,
    solver_name,
)
from lockmodel.solvers.validity import caveats

if TYPE_CHECKING:
    from lockmodel.answers.gains import Gains

SCHEMA = "lockmodel.whatif/1"

SIMULATED = (
    "simulated: each throughput is known to within 0.5 % (95 % interval), after over before to "
    "within 0.7 %"
)


@dataclass(frozen=True)
class ClassChange:
    """Throughput of one class before and after at one population."""

    before_per_s: float
    after_per_s: float
    gain: float


@dataclass(frozen=True)
class Change:
    """Throughput before and after at one population; gain 0.8 means +80 %.

    `gain_interval` is from parameter error, the same parameters before and after, and from product
    form's own as far as it is another one then; None without a fit, and for bounds. `classes` has
    the same of every class; None without classes.
    """

    n: int
    before_per_s: float
    after_per_s: float
    gain: float
    gain_interval: Interval | None = None
    classes: dict[str, ClassChange] | None = None


@dataclass(frozen=True)
class Alone:
    """What one lever of several buys by itself, per population; intervals as in `Change`."""

    lever: Lever
    gains: tuple[float, ...]
    gain_intervals: tuple[Interval, ...] | None = None


@dataclass(frozen=True)
class WhatIf:
    """A scenario before and after some levers.

    Attributes
    ----------
    scenario, method : str
    levers : tuple of Lever
        In the order applied.
    points : tuple of Change
    binding_before, binding_after : str
        What binds at the largest population.
    ceiling_before_per_s, ceiling_after_per_s : float
        Ceilings at the largest population.
    alone : tuple of Alone
        Each lever by itself, when there are several.
    notes : tuple of str
        What was capped or needs saying about a lever.
    warnings : tuple of str
        Where the method is approximate, before the levers and after them.
    worst_error : Worst
        How far throughput may be off at worst, and on which side.
    fit : Basis or None
        What the intervals rest on; None where there are none.
    """

    scenario: str
    method: str
    levers: tuple[Lever, ...]
    points: tuple[Change, ...]
    binding_before: str
    binding_after: str
    ceiling_before_per_s: float
    ceiling_after_per_s: float
    alone: tuple[Alone, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    worst_error: Worst
    fit: Basis | None = None

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict; keys of intervals are left out where there are none."""
        return {"schema": SCHEMA, **plain(spelt(asdict(self)))}


def compare(
    scenario: Scenario,
    levers: Sequence[Lever],
    populations: Sequence[int],
    method: str = "auto",
    progress: Progress = quietly,
    stop: Stop = never,
    made: dict[int, Gains] | None = None,
) -> WhatIf:
    """Return what the levers together, and each alone, do to throughput.

    Parameters
    ----------
    scenario : Scenario
    levers : sequence of Lever
        At least one, applied in order.
    populations : sequence of int
    method : str
        See `solvers.solve.solve`.
    progress : callable
        Wraps the loops over draws from a fit.
    stop : callable
        Asked during simulations; once true, only the populations that are finished take part.
    made : dict of int to Gains, optional
        Draws by their number, of calls that differ in the levers only: used, and added to.

    Returns
    -------
    WhatIf
        With intervals of the gains if the scenario has a fit, except for bounds.

    Raises
    ------
    ArgumentError
        A lever makes no sense for the scenario.
    ScenarioError
        A fitted parameter does not exist in the scenario.
    """
    scenario = plain_scenario(scenario)
    changed = apply_all(scenario, levers)
    singly = [each.apply(scenario) for each in levers] if len(levers) > 1 else []
    sides = [scenario, changed, *singly]
    solver = solver_name(method, sides, max(populations, default=1))
    if not scenario.classes:
        with named(levers):
            build(changed, max(populations, default=1), stations_only=False)
    populations = simulate_first(sides, populations, solver, stop)
    now = solve(scenario, populations, solver)
    with named(levers):
        then = solve(changed, populations, solver)
    before, after = now.points, then.points
    largest = max(range(len(before)), key=lambda i: before[i].n)
    alone = []
    for each, single in zip(levers, singly, strict=False):
        with named([each]):
            own = points(single, populations, solver)
        gains = tuple(
            a.throughput_per_s / b.throughput_per_s - 1 for a, b in zip(own, before, strict=True)
        )
        alone.append(Alone(each, gains))
    comparison = WhatIf(
        scenario=scenario.name,
        method=solver,
        levers=tuple(levers),
        points=tuple(
            Change(
                b.n,
                b.throughput_per_s,
                a.throughput_per_s,
                a.throughput_per_s / b.throughput_per_s - 1,
                classes=class_changes(b, a),
            )
            for a, b in zip(after, before, strict=True)
        ),
        binding_before=before[largest].binding,
        binding_after=after[largest].binding,
        ceiling_before_per_s=before[largest].ceiling_per_s,
        ceiling_after_per_s=after[largest].ceiling_per_s,
        alone=tuple(alone),
        notes=(
            *(note for each in levers if (note := each.note(scenario))),
            *_unused(scenario, levers, populations),
            *([SIMULATED] if solver == "simulation" else []),
            *([MIXED] if method == "auto" and solver == "simulation" else []),
        ),
        warnings=sided(
            (*now.warnings, *caveats(scenario, before, method == "bounds")),
            {"after": (*then.warnings, *caveats(changed, after, method == "bounds"))},
        ),
        worst_error=larger(worst(BEFORE, before), worst("after", after)),
    )
    if scenario.fit is not None and any(mixed(one, populations) for one in sides):
        return replace(comparison, warnings=(NO_INTERVALS, *comparison.warnings))
    if method == "bounds":
        return comparison
    return _compared(scenario, levers, comparison, {} if made is None else made, progress)


def class_changes(before: Point, after: Point) -> dict[str, ClassChange] | None:
    """Return what becomes of each class that has processes; None without classes."""
    if before.classes is None or after.classes is None:
        return None
    pairs = {name: (own, after.classes[name]) for name, own in before.classes.items() if own.n}
    return {
        name: ClassChange(
            own.throughput_per_s,
            then.throughput_per_s,
            then.throughput_per_s / own.throughput_per_s - 1,
        )
        for name, (own, then) in pairs.items()
    }


def _unused(
    scenario: Scenario, levers: Sequence[Lever], populations: Sequence[int]
) -> Iterator[str]:
    """Yield where processes reach only some of the shards that a lever makes."""
    for each in levers:
        if not isinstance(each.value, Sharding):
            continue
        scenario = each.apply(scenario)
        alike: dict[tuple[int, int, int, str], list[str]] = {}
        for lock in scenario.taken:
            if each.lock not in (ALL, lock.name):
                continue
            used = {
                n: sum(group.count for group in shard_groups(scenario.machine, lock, n))
                for n in populations
            }
            few = [n for n, count in used.items() if count < min(lock.shards, n)]
            if few:
                n = max(few)
                alike.setdefault((n, used[n], lock.shards, lock.shard_by), []).append(lock.name)
        for (n, reached, shards, by), names in alike.items():
            yield (
                f"{each.text}: at n = {n} the processes reach {reached} of the {shards} shards of "
                f"{', '.join(names)} (by {by}, placement {scenario.machine.placement})"
            )


def _compared(
    scenario: Scenario,
    levers: Sequence[Lever],
    comparison: WhatIf,
    made: dict[int, Gains],
    progress: Progress,
) -> WhatIf:
    """Return a comparison with the intervals of its gains; as it is without a fit."""
    if scenario.fit is None:
        return comparison
    from lockmodel.answers.gains import Gains
    from lockmodel.answers.intervals import COUNT, basis, weak_points

    populations = [change.n for change in comparison.points]
    if COUNT not in made:
        made[COUNT] = Gains(scenario, scenario.fit, populations, COUNT)
    drawn = made[COUNT]
    ends = drawn.of(lambda s: apply_all(s, levers), [p.gain for p in comparison.points], progress)
    return replace(
        comparison,
        points=tuple(
            replace(p, gain_interval=e) for p, e in zip(comparison.points, ends, strict=True)
        ),
        alone=tuple(
            replace(own, gain_intervals=drawn.of(own.lever.apply, own.gains, progress))
            for own in comparison.alone
        ),
        warnings=(*weak_points(scenario), *comparison.warnings),
        fit=basis(scenario, COUNT),
    )
