"""What a model says of its lock: what its demand consists of, what that makes of a cure, how sure.

Nothing here is a judgement of its own: demand, ceilings and gains are those of `ceiling` and
`whatif`, their intervals those of the same draws.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from lockmodel.answers.predict import predict
from lockmodel.changes.grammar import parse
from lockmodel.changes.lever import Lever, apply_all, spelt
from lockmodel.changes.levers import most_shards
from lockmodel.model.network import CPU
from lockmodel.model.prediction import Basis, Ceiling, Interval, Point, plain
from lockmodel.model.scenario import Scenario
from lockmodel.progress import Progress, quietly
from lockmodel.solvers.bounds import Demand, ceiling_at, demand
from lockmodel.solvers.solve import solve, solver_name

SCHEMA = "lockmodel.explain/1"

Told = Literal["data", "counts", "nothing", "stated"]
"""By what held work is told from hand-off: by the data of the fit; by counts and published ranges,
which no throughput tested; by nothing; there is no fit, the numbers are as stated."""

PARTS = ("handoff", "handoff_lines", "handoff_instructions")
"""Keys of fitted parameters that say what a hand-off takes."""


@dataclass(frozen=True)
class Bought:
    """What one change of the lock buys at n.

    Attributes
    ----------
    levers : tuple of Lever
        Applied in order.
    gain : float
        0.8 is +80 %.
    interval : (float, float) or None
    binding : str
        What binds then.
    """

    levers: tuple[Lever, ...]
    gain: float
    interval: Interval | None
    binding: str


@dataclass(frozen=True)
class Explanation:
    """One lock in a few numbers.

    Attributes
    ----------
    scenario : str
    point : Point
        Throughput at n with its interval, and what binds.
    demand : Demand or None
        Of the lock that binds; None where the CPUs do.
    whole : (float, float) or None
        Interval of the demand, s.
    held, held_interval
        Share of the demand that is held work, and its interval.
    told : str
        See `Told`.
    bought : tuple of Bought
        Half the hold, one acquire, both, shards.
    end : Ceiling or None
        With nothing held and one acquire.
    fit : Basis or None
    """

    scenario: str
    point: Point
    demand: Demand | None
    whole: Interval | None
    held: float
    held_interval: Interval | None
    told: Told
    bought: tuple[Bought, ...]
    end: Ceiling | None
    fit: Basis | None

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict: times in s, rates per s."""
        return {"schema": SCHEMA, **plain(spelt(asdict(self)))}


def explain(scenario: Scenario, n: int, progress: Progress = quietly) -> Explanation:
    """Return what a scenario says of the lock that binds.

    Parameters
    ----------
    scenario : Scenario
    n : int
        Population.
    progress : callable
        Wraps the loops over draws from a fit.

    Raises
    ------
    NotTrustworthyError
        No solver has an answer.
    """
    answer = predict(scenario, [n], progress=progress)
    (point,) = answer.points
    if point.binding == CPU:
        return Explanation(
            scenario.name, point, None, None, 0.0, None, told(scenario), (), None, answer.fit
        )
    parts = demand(scenario, point.binding, n)
    lock = scenario.lock(parts.lock)
    half, one = f"shorten_hold:{lock.name}=0.5", f"batch:{lock.name}=1"
    shards = min(8 * lock.shards, most_shards(scenario, lock.shard_by) or 8 * lock.shards)
    texts = [(half,), (one,), (half, one), (f"shard:{lock.name}={shards}",)]
    if parts.acquires <= 1.0:
        texts = [texts[0], texts[3]]
    least = apply_all(scenario, [parse(f"shorten_hold:{lock.name}=0"), parse(one)])
    bought = tuple(_bought(scenario, tuple(map(parse, each)), n) for each in texts)
    made = Explanation(
        scenario=scenario.name,
        point=point,
        demand=parts,
        whole=None,
        held=_held(parts),
        held_interval=None,
        told=told(scenario),
        bought=bought,
        end=ceiling_at(least, n),
        fit=answer.fit,
    )
    return made if answer.fit is None else _with_intervals(scenario, made, progress)


def _bought(scenario: Scenario, levers: tuple[Lever, ...], n: int) -> Bought:
    """Return what levers buy, by the solver that `whatif` takes for both sides."""
    changed = apply_all(scenario, levers)
    solver = solver_name("auto", [scenario, changed], n)
    (before,), (after,) = (solve(one, [n], solver).points for one in (scenario, changed))
    gain = after.throughput_per_s / before.throughput_per_s - 1.0
    return Bought(levers, gain, None, after.binding)


def told(scenario: Scenario) -> Told:
    """Return by what held work is told from hand-off."""
    from lockmodel.fitting.draws import parsed

    if scenario.fit is None:
        return "stated"
    fitted = scenario.fit.parameters
    if any(p.split > 0 for p in fitted):
        return "nothing"
    own = [p for p in fitted if parsed(scenario, p).key.partition(".")[0] in PARTS]
    return "data" if scenario.fit.data and own and all(p.determined for p in own) else "counts"


def _held(parts: Demand) -> float:
    return parts.work_s / parts.whole_s if parts.whole_s > 0 else 0.0


def _with_intervals(scenario: Scenario, made: Explanation, progress: Progress) -> Explanation:
    """Return an explanation with what the draws of the fit say."""
    from lockmodel.answers.gains import Gains
    from lockmodel.answers.intervals import COUNT
    from lockmodel.fitting.draws import interval

    fit, n = scenario.fit, made.point.n
    assert fit is not None
    assert made.demand is not None
    gains = Gains(scenario, fit, [n], COUNT)
    parts = [demand(one, made.demand.lock, n) for one in gains.draws]
    whole = np.array([each.whole_s for each in parts])
    held = np.array([_held(each) for each in parts])

    def applied(levers: tuple[Lever, ...]) -> Callable[[Scenario], Scenario]:
        return lambda one: apply_all(one, levers)

    return replace(
        made,
        whole=interval(whole, fit.level, made.demand.whole_s),
        held_interval=interval(held, fit.level, made.held),
        bought=tuple(
            replace(each, interval=gains.of(applied(each.levers), [each.gain], progress)[0])
            for each in made.bought
        ),
    )
