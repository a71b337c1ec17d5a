"""`solve` picks a solver, runs it, and says what its answer is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lockmodel.errors import ArgumentError, nearest
from lockmodel.handoff import NoHandOff, TopologyHandOff
from lockmodel.network import (
    CPU,
    Network,
    build,
    check_population,
    depends_on_population,
    partition,
)
from lockmodel.placement import shard_groups
from lockmodel.prediction import LockState, Point, Prediction
from lockmodel.progress import Progress, quietly
from lockmodel.scenario import Lock, Scenario
from lockmodel.solvers.bounds import Bounds, bounds, ceiling, network_ceiling, strict_ceiling

if TYPE_CHECKING:
    from lockmodel.solvers.product_form import Solution

METHODS = ("auto", "bounds", "product-form")

ROUNDING = 1e-9
"""Relative excess of a point over the ceiling that is put down to rounding."""

NOTICEABLE = 1e-3
"""Relative excess of a point over k/D at its population that is worth a note."""

BEYOND = 1.5
"""Rates above this multiple of the largest one measured are called extrapolated."""

MODEL_ASSUMPTIONS = (
    "one lock at a time; what happens next does not depend on the past",
    "waiters spin, each on its own CPU; nobody sleeps or is preempted",
)
PRODUCT_FORM_ASSUMPTIONS = (
    "every acquire holds its lock for an exponential time with the lock's mean",
    "the rate of a lock depends only on how many processes are at it: a pass with n there "
    "costs the hand-off for n - 1 waiters, none when nobody waits",
    *MODEL_ASSUMPTIONS,
)
BOUNDS_ASSUMPTIONS = (
    "throughput_per_s is the upper bound; the truth lies between lower_per_s and upper_per_s",
    *MODEL_ASSUMPTIONS,
)


def solver_name(method: str) -> str:
    """Return the solver that a method means: 'auto' is product form."""
    return "product-form" if method == "auto" else method


def points(
    scenario: Scenario,
    populations: Sequence[int],
    method: str = "auto",
    progress: Progress = quietly,
) -> tuple[Point, ...]:
    """Solve a scenario at some populations, without the verdict on the method (see `solve`).

    Parameters
    ----------
    scenario : Scenario
    populations : sequence of int
        At least one.
    method : {'auto', 'bounds', 'product-form'}
    progress : callable
        Wraps the loop over populations where each is a network of its own.

    Returns
    -------
    tuple of Point
        One per population, in the order given.

    Raises
    ------
    ArgumentError, NotTrustworthyError
        As `solve`.
    """
    if method not in METHODS:
        raise ArgumentError(f"method = {method!r}; {nearest(method, list(METHODS))}")
    if not populations:
        raise ArgumentError("no population is given; give at least one, e.g. 1..128")
    asked = tuple(check_population(n) for n in populations)
    if method == "bounds":
        return tuple(_bounds_point(scenario, build(scenario, n)) for n in asked)
    return _product_form_points(scenario, asked, progress)


def solve(
    scenario: Scenario,
    populations: Sequence[int],
    method: str = "auto",
    progress: Progress = quietly,
) -> Prediction:
    """Predict a scenario at some populations and say what the answer is worth.

    Parameters
    ----------
    scenario : Scenario
    populations : sequence of int
        At least one.
    method : {'auto', 'bounds', 'product-form'}
        'auto' is product form: exact where `approximations` finds nothing, else labelled.
    progress : callable
        See `points`.

    Returns
    -------
    Prediction

    Raises
    ------
    ArgumentError
        Unknown method, no population, or one that is not a whole number in range.
    NotTrustworthyError
        The demands admit no reliable answer.
    """
    found = points(scenario, populations, method, progress)
    gaps = approximations(scenario, max(populations))
    bounded = method == "bounds"
    exact = not bounded and not gaps
    top = ceiling(scenario)
    highest = max(p.throughput_per_s for p in found)
    if not bounded and highest > top.throughput_per_s * (1 + ROUNDING):
        top = strict_ceiling(scenario, populations)
    return Prediction(
        scenario=scenario.name,
        method=solver_name(method),
        exact=exact,
        assumptions=BOUNDS_ASSUMPTIONS if bounded else PRODUCT_FORM_ASSUMPTIONS,
        warnings=(*gaps, *caveats(scenario, found, bounded)),
        error_estimate=0.0 if exact else None,
        ceiling=top,
        points=found,
    )


def caveats(scenario: Scenario, found: Sequence[Point], bounded: bool = False) -> tuple[str, ...]:
    """Return what a reader of some points must know that is not the method's fault.

    Parameters
    ----------
    scenario : Scenario
    found : sequence of Point
    bounded : bool
        Whether the points are upper bounds, which k/D need not bound.

    Returns
    -------
    tuple of str
    """
    notes = []
    over = [p.n for p in found if p.throughput_per_s > p.ceiling_per_s * (1 + NOTICEABLE)]
    if over and not bounded:
        notes.append(
            f"throughput exceeds k/D at n = {_span(over)}: k/D counts a hand-off in every pass, "
            f"but here nobody waits at many of them"
        )
    known = scenario.calibrated
    if known is None:
        return tuple(notes)
    outside = [p.n for p in found if not known.low <= p.n <= known.high]
    if outside:
        notes.append(
            f"calibrated for n = {_span([known.low, known.high])} only; n = {_span(outside)} is "
            f"extrapolated"
        )
    best = max(p.throughput_per_s for p in found)
    if known.throughput_per_s and best > BEYOND * known.throughput_per_s:
        notes.append(
            f"rates far above the {known.throughput_per_s:,.0f} per s measured on this machine are "
            f"extrapolated: only the scenario's locks are modelled, others may bind first"
        )
    return tuple(notes)


def _span(populations: Sequence[int]) -> str:
    low, high = min(populations), max(populations)
    return str(low) if low == high else f"{low} to {high}"


def approximations(scenario: Scenario, population: int) -> tuple[str, ...]:
    """Return where product form is not the exact solution of the scenario as stated.

    Parameters
    ----------
    scenario : Scenario
    population : int
        Largest population asked.

    Returns
    -------
    tuple of str
        One sentence each; empty when product form is exact.
    """
    gaps = []
    if population > scenario.machine.cpus:
        gaps.append(
            f"{population} processes exceed the {scenario.machine.cpus} CPUs: spinning waiters "
            f"would take CPUs from the others and holders would be preempted; not modelled"
        )
    differing, distant, passing, ordered = [], [], [], []
    spread = population > 1 and scenario.machine.cpus > 1
    for lock in scenario.locks:
        holds = [s.held_instructions for s in scenario.sites_of(lock.name) if s.acquires > 0]
        if not holds:
            continue
        if max(holds) > min(holds):
            differing.append(f"{lock.name} ({min(holds):,.0f} to {max(holds):,.0f})")
        far = lock.time_per_instruction_remote > lock.time_per_instruction_local
        if spread and (far or isinstance(lock.handoff, TopologyHandOff)):
            distant.append(lock.name)
        if not isinstance(lock.handoff, NoHandOff):
            passing.append(lock.name)
        if lock.kind in ("barging", "numa"):
            ordered.append(f"{lock.name} ({lock.kind})")
    if scenario.think_remote > 0:
        distant.append("think time")
    if differing:
        gaps.append(
            "holds differ by site, product form gives every acquire of a lock their mean; "
            "instructions: " + ", ".join(differing)
        )
    if passing:
        gaps.append(
            "hand-off is a lower rate while somebody waits, not a phase of each pass: "
            + ", ".join(passing)
        )
    if distant:
        gaps.append(
            "times are means over local and remote, as if who held the lock last were independent "
            "of who comes next: " + ", ".join(distant)
        )
    if ordered:
        gaps.append("the order of waiters is not modelled, only its mean: " + ", ".join(ordered))
    for lock in scenario.locks:
        gaps += _shard_gaps(scenario, lock, population)
        if lock.walkers is not None:
            gaps.append(
                f"{lock.name}: walkers ({lock.walkers.walks_per_s:g} per s) slow the lock by the "
                f"share of time they read and take shards; their waiting for holders while they "
                f"keep the shards already taken is left out, so shards cost more than shown"
            )
    return tuple(gaps)


def _shard_gaps(scenario: Scenario, lock: Lock, population: int) -> list[str]:
    """Return what random routing misses when processes keep their shard."""
    if lock.shards == 1 or lock.shard_by == "hash" or scenario.acquires(lock.name) == 0:
        return []
    groups = shard_groups(scenario.machine, lock, population)
    if all(group.users == 1 for group in groups):
        return []
    if (lock.shards, lock.shard_by) == partition(scenario, population):
        return []  # solved exactly
    used = sum(group.count for group in groups)
    fluctuation = (used - 1) / (population + used - 1)
    uneven = 1.0 - 1.0 / (used * max(group.share for group in groups))
    return [
        f"{lock.name}: a process keeps its shard (by {lock.shard_by}), product form draws one at "
        f"random each time, in proportion to the users: pessimistic, by up to "
        f"{1 - (1 - fluctuation) * (1 - uneven):.0%} at n = {population} when the lock binds"
    ]


@dataclass(frozen=True)
class _Means:
    """What a point is made of: means per station of a network, and processes waiting for a CPU."""

    throughput: float
    queues: Sequence[float]
    busy: Sequence[float]
    waiting_for_cpu: float


def _plain_means(network: Network, solution: Solution, cpus: int) -> _Means:
    at_cpu = [st for s, st in zip(network.stations, solution.states, strict=True) if s.name == CPU]
    return _Means(
        solution.throughput,
        [state.queue for state in solution.states],
        [state.busy for state in solution.states],
        sum(state.beyond(cpus) for state in at_cpu),
    )


def _pinned_means(network: Network, cpus: int) -> _Means:
    from lockmodel.solvers.pinned import solve_pinned

    found = solve_pinned(network)
    pairs = zip(network.stations, found.queues, strict=True)
    excess = sum(float(queue) for s, queue in pairs if s.name == CPU) - cpus
    return _Means(found.throughput, list(found.queues), list(found.busy), max(0.0, excess))


def _product_form_points(
    scenario: Scenario, asked: tuple[int, ...], progress: Progress
) -> tuple[Point, ...]:
    from lockmodel.solvers.product_form import solve as solve_network

    cpus = scenario.machine.cpus
    if not depends_on_population(scenario):  # one network, all populations in one pass
        top = build(scenario, max(asked))
        solutions = solve_network(top, asked)
        return tuple(
            _solved_point(scenario, replace(top, population=n), _plain_means(top, solution, cpus))
            for n, solution in zip(asked, solutions, strict=True)
        )
    found = []
    for n in progress(asked, len(asked), "populations"):
        network = build(scenario, n)
        if any(station.users for station in network.stations):
            solved = _pinned_means(network, cpus)
        else:
            solved = _plain_means(network, solve_network(network)[0], cpus)
        found.append(_solved_point(scenario, network, solved))
    return tuple(found)


def _solved_point(scenario: Scenario, network: Network, means: _Means) -> Point:
    x, n = means.throughput, network.population
    running = n - means.waiting_for_cpu
    locks = {}
    for lock in scenario.locks:
        own = [(i, s.copies) for i, s in enumerate(network.stations) if s.name == lock.name]
        queue = float(sum(copies * means.queues[i] for i, copies in own))
        busy = float(sum(copies * means.busy[i] for i, copies in own)) / lock.shards
        taking = scenario.acquires(lock.name) * lock.acquire_time
        wait = max(0.0, queue / x - network.hold[lock.name] - taking)
        locks[lock.name] = LockState(
            utilisation=min(1.0, busy),
            wait_s=wait,
            wait_share=wait * x / n,
            cycles_share=wait * x / running,
            queue=queue,
        )
    return _point(network, locks, x, x, x)


def _bounds_point(scenario: Scenario, network: Network) -> Point:
    found: Bounds = bounds(network)
    n, x = network.population, found.upper
    waited = max(0.0, n / x - n / found.light_load)
    locks = {}
    for lock in scenario.locks:
        own = network.of(lock.name)
        alone = sum(s.alone for s in own)
        wait = waited if lock.name == found.binding else 0.0
        busy = min(1.0, x * alone / lock.shards)
        queue = x * (alone + wait)
        locks[lock.name] = LockState(busy, wait, wait * x / n, wait * x / n, queue)
    return _point(network, locks, x, found.lower, found.upper)


def _point(
    network: Network, locks: dict[str, LockState], x: float, lower: float, upper: float
) -> Point:
    ceiling_per_s, binding = network_ceiling(network)
    return Point(
        n=network.population,
        throughput_per_s=x,
        iteration_s=network.population / x,
        locks=locks,
        binding=binding,
        ceiling_per_s=ceiling_per_s,
        lower_per_s=lower,
        upper_per_s=upper,
    )
