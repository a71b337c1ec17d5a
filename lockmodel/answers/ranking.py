"""All levers that apply to a scenario, ranked by what each buys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, get_args

from lockmodel.answers.sides import BEFORE, Worst, larger, sided, worst
from lockmodel.changes.candidates import candidates, shard_steps
from lockmodel.changes.kinds import Sharding, lever
from lockmodel.changes.lever import ALL, Lever, spelt
from lockmodel.errors import ArgumentError, SaturatedError
from lockmodel.model.network import CPU
from lockmodel.model.prediction import Basis, Interval, plain
from lockmodel.model.scenario import Lock, Scenario, ShardBy
from lockmodel.progress import Progress, Stop, never, quietly
from lockmodel.solvers.bounds import without_each
from lockmodel.solvers.solve import MIXED, NO_INTERVALS, Answer, judge, points, solve, solver_name
from lockmodel.solvers.validity import approximations, caveats

SCHEMA = "lockmodel.levers/1"

IDLE = 1e-4
"""Gain of excluding a lock below which no change to it is tried."""

ENOUGH = 0.01
"""A shard count is enough when it comes within this share of the best throughput."""


@dataclass(frozen=True)
class Ranked:
    """One lever at one population.

    Attributes
    ----------
    lever : Lever
    gain : float
        Throughput after over before, minus 1.
    after_per_s : float
    ceiling_per_s : float
        k / D, after the lever, of what binds then.
    binding : str
        What binds after the lever; "walkers" when they alone saturate a lock, so that no
        throughput is left (gain -1).
    limit : bool
        Whether it is a limit that no patch reaches (a free hand-off, no hold at all, one acquire
        for a whole lock, a lock not taken) rather than something that could be built.
    gain_interval : (float, float) or None
        As in `Change`; among the shards tried only the ranked one has it.
    at_least : float or None
        Where no modelled lock binds after the lever: the gain at which the last one bound. What
        comes beyond it nobody modelled.
    beyond_measured : bool
        Whether the rate after the lever exceeds the highest one that was measured, and nothing in
        the scenario stands for what nobody counted.
    simulated : float or None
        Half-width of the 95 % interval of the rate after, over the rate, where it was simulated.
    best_in, regret : float or None
        Of what can be built, with a fit: the share of draws in which it is the best, and the mean
        share of throughput lost by choosing it (see `gains.Choice`).
    """

    lever: Lever
    gain: float
    after_per_s: float
    ceiling_per_s: float
    binding: str
    limit: bool
    gain_interval: Interval | None = None
    at_least: float | None = None
    beyond_measured: bool = False
    simulated: float | None = None
    best_in: float | None = None
    regret: float | None = None

    @property
    def sure(self) -> float:
        """The gain that the modelled locks allow."""
        return self.gain if self.at_least is None else self.at_least


@dataclass(frozen=True)
class Shards:
    """The gain of sharding one lock against the number of shards.

    Attributes
    ----------
    lock : str
        A lock's name, or "all".
    by : {'cpu', 'node', 'hash'}
        What chooses the shard.
    best : int
        Shards with the highest throughput.
    enough : int
        Smallest count within `ENOUGH` of it.
    tried : tuple of Ranked
        In ascending order of shards.
    walkers : bool
        Whether background walkers, the cost of shards, are in the scenario.
    """

    lock: str
    by: ShardBy
    best: int
    enough: int
    tried: tuple[Ranked, ...]
    walkers: bool


@dataclass(frozen=True)
class Ranking:
    """Every lever that applies, by gain.

    `warnings` and `worst_error` are of the scenario and of what each lever makes of it, `fit` is
    what intervals rest on, if there are any, `untried` counts what there was no time for, `idle`
    names the locks that no change to them alone was tried on: even without them nothing is gained.
    """

    scenario: str
    method: str
    n: int
    before_per_s: float
    ceiling_per_s: float
    binding: str
    levers: tuple[Ranked, ...]
    shards: tuple[Shards, ...]
    warnings: tuple[str, ...]
    worst_error: Worst
    fit: Basis | None = None
    untried: int = 0
    idle: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict; keys of intervals are left out where there are none."""
        return {"schema": SCHEMA, **plain(spelt(asdict(self)))}


@dataclass(frozen=True)
class _Base:
    """The scenario that levers are tried on, at one population.

    `last` is the ceiling of the last modelled lock, `known` the throughput by the solvers so far.
    """

    scenario: Scenario
    n: int
    method: str
    last: float
    known: dict[str, float]

    def rate(self, solver: str) -> float:
        """Return its throughput by a solver: a gain has one solver on both sides."""
        if solver not in self.known:
            (now,) = points(self.scenario, [self.n], solver)
            self.known[solver] = now.throughput_per_s
        return self.known[solver]


def _ranked(base: _Base, tried: Lever) -> Ranked:
    """Return what one lever buys."""
    scenario, n = base.scenario, base.n
    changed = tried.apply(scenario)
    solver = solver_name(base.method, [scenario, changed], n)
    before = base.rate(solver)
    try:
        (after,) = points(changed, [n], solver)
    except SaturatedError:  # so many shards that walkers alone keep them busy
        return Ranked(tried, -1.0, 0.0, 0.0, "walkers", False)
    gain = after.throughput_per_s / before - 1
    last = min(gain, max(0.0, base.last / before - 1))
    known = None if scenario.names_hidden else scenario.calibrated
    return Ranked(
        tried,
        gain,
        after.throughput_per_s,
        after.ceiling_per_s,
        after.binding,
        tried.is_limit,
        at_least=None if scenario.names_hidden or after.binding != CPU else last,
        beyond_measured=known is not None and 0 < known.throughput_per_s < after.throughput_per_s,
        simulated=after.error_estimate if solver == "simulation" else None,
    )


def _last_lock(scenario: Scenario, n: int) -> float:
    """Return the ceiling at n of the last lock that binds once the others are gone."""
    locks = [at.throughput_per_s for _, _, at in without_each(scenario, n) if at.binding != CPU]
    return locks[-1] if locks else 0.0


def _sharded(base: _Base, name: str, locks: tuple[Lock, ...]) -> list[Shards]:
    """Return the gains of sharding a lock, or all, by each key: the lock's own first."""
    steps = shard_steps(base.scenario, locks)
    own = locks[0].shard_by
    made = []
    for by in (own, *(key for key in get_args(ShardBy) if key != own)):
        tried = []
        for k in steps:
            one = lever("shard", name, Sharding(k, None if by == own else by))
            try:
                tried.append(_ranked(base, one))
            except ArgumentError:  # it has more shards already than this key tells apart
                continue
        if not tried:
            continue
        top = max(row.after_per_s for row in tried)
        best = next(row for row in tried if row.after_per_s == top)
        enough = next(row for row in tried if row.after_per_s >= top * (1 - ENOUGH))
        walked = any(lock.walkers is not None for lock in locks)
        made.append(
            Shards(name, by, best.lever.value.k, enough.lever.value.k, tuple(tried), walked)
        )
    return made


def _telling(rows: Sequence[Ranked]) -> list[Ranked]:
    """Drop levers on all locks that buy no more than the same lever on one of them."""

    def kind(row: Ranked) -> tuple[object, ...]:
        one = row.lever
        return (one.kind, one.site, None if isinstance(one.value, Sharding) else one.value)

    best: dict[tuple[object, ...], float] = {}
    for row in rows:
        if row.lever.lock != ALL:
            best[kind(row)] = max(best.get(kind(row), 0.0), row.after_per_s)
    return [
        row
        for row in rows
        if row.lever.lock != ALL or row.after_per_s > (1 + ENOUGH) * best.get(kind(row), 0.0)
    ]


def _idle(base: _Base) -> tuple[str, ...]:
    """Return the stations beside the locks of the iteration's sites that cost it nothing.

    What a lock costs is at most what excluding it gains: where that is nothing, no other change
    to it is tried.
    """
    named = base.scenario.alike
    beside = [lock for lock in base.scenario.changeable if lock not in named]
    return tuple(k.name for k in beside if _ranked(base, lever("exclude", k.name)).gain < IDLE)


def rank(
    scenario: Scenario,
    n: int,
    method: str = "auto",
    progress: Progress = quietly,
    stop: Stop = never,
) -> Ranking:
    """Return every lever that applies, ranked by gain at population `n`.

    Parameters
    ----------
    scenario : Scenario
    n : int
    method : str
        See `solvers.solve.solve`.
    progress : callable
        Wraps the loop over levers.
    stop : callable
        Asked before every lever; once true the others are not tried, and that is said.

    Returns
    -------
    Ranking
        Sharding is tried at doublings of k; the ranking shows the smallest k that is enough.
        Gains have intervals if the scenario has a fit, except for bounds.
    """
    solver = solver_name(method, [scenario], n)
    now = solve(scenario, [n], solver)
    (before,) = now.points
    last = _last_lock(scenario, n)
    base = _Base(scenario, n, method, last, {solver: before.throughput_per_s})
    idle = _idle(base)
    if not scenario.changeable:  # think time is none of a lock's, and what limits it is not known
        return Ranking(
            scenario.name,
            solver,
            n,
            before.throughput_per_s,
            before.ceiling_per_s,
            before.binding,
            (),
            (),
            now.warnings,
            worst(BEFORE, now.points),
        )
    taken = tuple(lock for lock in scenario.changeable if lock.name not in idle)
    single = [one for one in candidates(scenario) if one.lock not in idle]
    rows = [_ranked(base, each) for each in progress(single, len(single), "levers") if not stop()]
    untried = len(single) - len(rows)
    targets: list[tuple[str, tuple[Lock, ...]]] = [(lock.name, (lock,)) for lock in taken]
    if len(scenario.alike) > 1:
        targets.append((ALL, scenario.alike))
    shards: list[Shards] = []
    for name, locks in progress(targets, len(targets), "shards"):
        if stop():
            untried += 1
            continue
        series = _sharded(base, name, locks)
        rows += [row for one in series[:1] for row in one.tried if row.lever.value.k == one.enough]
        shards += series
    telling = tuple(sorted(_telling(rows), key=lambda row: (-row.gain, row.lever.text)))
    weak, worst_error = _weak(scenario, now, telling)
    ranking = Ranking(
        scenario=scenario.name,
        method=solver,
        n=n,
        before_per_s=before.throughput_per_s,
        ceiling_per_s=before.ceiling_per_s,
        binding=before.binding,
        levers=telling,
        shards=tuple(shards),
        warnings=weak,
        worst_error=worst_error,
        untried=untried,
        idle=idle,
    )
    every = [*rows, *(row for one in shards for row in one.tried)]
    simulated = {row.lever.text for row in every if row.simulated is not None}
    if simulated and method == "auto":
        cost = f"{len(simulated)} of the gains are simulated, to within 0.7 %"
        ranking = replace(ranking, warnings=(f"{cost}: {MIXED}", *ranking.warnings))
        if scenario.fit is not None:
            return replace(ranking, warnings=(NO_INTERVALS, *ranking.warnings))
    return ranking if method == "bounds" else _ranked_surely(scenario, ranking, progress)


def _weak(scenario: Scenario, now: Answer, rows: Sequence[Ranked]) -> tuple[tuple[str, ...], Worst]:
    """Return where the ranking is weak, before and after its levers, and by how much at worst."""
    (before,) = now.points
    said = caveats(scenario, now.points, now.method == "bounds")
    largest = worst(BEFORE, now.points)
    gaps = {}
    for row in rows:
        after, side = row.lever.apply(scenario), f"after {row.lever}"
        if row.simulated is not None:
            largest = larger(largest, Worst(row.simulated, side, before.n))
            continue
        gaps[side] = approximations(after, before.n)
        if largest.error is not None and row.after_per_s > 0:
            solved = replace(before, throughput_per_s=row.after_per_s)
            largest = larger(largest, worst(side, judge(after, [solved], exact=not gaps[side])))
    return (*said, *sided(now.warnings, gaps)), largest


def _ranked_surely(scenario: Scenario, ranking: Ranking, progress: Progress) -> Ranking:
    """Return a ranking with the intervals of its gains; as it is without a fit."""
    if scenario.fit is None:
        return ranking
    from lockmodel.answers.gains import Gains, choices
    from lockmodel.answers.intervals import COUNT, basis, weak_points

    drawn = Gains(scenario, scenario.fit, [ranking.n], COUNT)
    rows = []
    ratios = {}
    for row in progress(ranking.levers, len(ranking.levers), "intervals"):
        (ratio,) = drawn.ratios(row.lever.apply, [row.gain])
        rows.append(replace(row, gain_interval=drawn.ends(ratio, row.gain)))
        if not row.limit:
            ratios[row.lever.text] = ratio
    chosen = dict(zip(ratios, choices(list(ratios.values())), strict=False))
    rows = [
        replace(row, best_in=one.best_in, regret=one.regret)
        if (one := chosen.get(row.lever.text)) is not None
        else row
        for row in rows
    ]
    known = {row.lever.text: row for row in rows}
    shards = [
        replace(one, tried=tuple(known.get(row.lever.text, row) for row in one.tried))
        for one in ranking.shards
    ]
    return replace(
        ranking,
        levers=tuple(rows),
        shards=tuple(shards),
        warnings=(*weak_points(scenario), *ranking.warnings),
        fit=basis(scenario, COUNT),
    )
