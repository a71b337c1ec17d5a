"""Points of a prediction of a scenario with several classes, from product form.

Where every acquire of a lock holds it alike and locks serve one at a time, `multiclass` is the
exact solution. Where holds differ by class every acquire gets the mean of those that are made,
which hangs on the throughputs: repeated until they settle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lockmodel.errors import NotTrustworthyError, ScenarioError
from lockmodel.model.class_network import ClassNetwork, ClassStation, build_classes
from lockmodel.model.classes import counts_of
from lockmodel.model.network import CPU, build
from lockmodel.model.prediction import Ceiling, ClassState, LockState, Point
from lockmodel.model.scenario import Scenario, merged
from lockmodel.progress import Progress
from lockmodel.solvers.class_means import approximate
from lockmodel.solvers.multiclass import (
    ClassSolution,
    solvable,
    solve_classes,
    steps,
    throughput_of_classes,
)
from lockmodel.solvers.validity import approximations

SAME = 1e-9
"""Loads that differ by less are one, as `bounds.SAME`, whose module solves points itself."""

SETTLED = 1e-9
MOST_ROUNDS = 100

AVERAGED = (
    "so many processes of so many classes are not solved exactly: each class sees average "
    "processes instead of the others"
)
HOLDS_ERROR, AVERAGED_ERROR = 0.06, 0.05
"""Largest relative error of a class's throughput that was measured where holds differ by class
(5.1 % against simulation), and of the approximation (4.5 % against the exact solution where it
settles; docs/measured.md)."""


@dataclass(frozen=True)
class _Solved:
    """A network, its stations with the mean holds that came out, and its solution."""

    network: ClassNetwork
    stations: tuple[ClassStation, ...]
    solution: ClassSolution
    exact: bool


def _solve(scenario: Scenario, network: ClassNetwork, exactly: bool) -> _Solved:
    counts, cpus = network.counts, scenario.machine.cpus
    if not np.all(network.alone > 0.0):
        raise NotTrustworthyError(
            f"scenario {scenario.name!r}: an iteration of a class takes no time, so throughput is "
            f"unbounded; give it think time, held work or acquire time"
        )
    rates = np.array(counts) / network.alone
    stations = network.at_mean(rates)
    if not exactly or not solvable(stations, counts):
        if len(counts) > max(1, len(scenario.classes)):
            raise NotTrustworthyError(
                f"product form: {len(counts)} kinds of process keep different shards, with "
                f"{network.population} processes; that is not solved exactly any more, and there "
                f"is no approximation: take fewer, or simulate (--method simulation)"
            )
        return _approximate(network, rates, cpus)
    if not network.alike:
        for _ in range(MOST_ROUNDS):
            found = throughput_of_classes(stations, counts)
            moved = float(np.max(np.abs(found / rates - 1.0)))
            rates = found
            stations = network.at_mean(rates)
            if moved <= SETTLED:
                break
        else:
            raise NotTrustworthyError(
                f"product form: mean holds of the classes do not settle at n = "
                f"{network.population}; simulate (--method simulation)"
            )
    return _Solved(network, stations, solve_classes(stations, counts, cpus), True)


def _approximate(network: ClassNetwork, rates: np.ndarray, cpus: int) -> _Solved:
    solution = approximate(network.at_mean, network.counts, rates, cpus)
    return _Solved(network, network.at_mean(solution.throughput), solution, False)


def kinds_beyond(scenario: Scenario, population: int) -> bool:
    """Return whether processes keep too many different shards for any way of product form."""
    try:
        network = build_classes(scenario, population)
    except (NotTrustworthyError, ScenarioError):  # walkers, or a discipline: only simulated
        return True
    if len(network.counts) <= len(scenario.classes):
        return False
    return not solvable(network.at_mean(1.0 / network.alone), network.counts)


def kinds_solvable(scenario: Scenario, population: int) -> bool:
    """Return whether the exact solution takes a scenario at a population."""
    try:
        network = build_classes(scenario, population)
        return solvable(network.at_mean(1.0 / network.alone), network.counts)
    except (NotTrustworthyError, ScenarioError, ZeroDivisionError):
        return False


STEP_S = 3e-9
ROUNDS = 12
PROCESS_S = 5e-6
"""Measured on one 2.9 GHz core: s per step of the exact solution, about how often mean holds are
taken anew, and s per process, class and station of each round of the approximation."""


def class_points_s(scenario: Scenario, populations: Sequence[int]) -> float:
    """Return about how many seconds `class_points` takes."""
    whole = 0.0
    for n in populations:
        network = build_classes(scenario, n, stations_only=False)
        stations = network.at_mean(1.0 / network.alone)
        work = steps(stations, network.counts)
        rounds = 1.0 if network.alike else ROUNDS / len(stations)
        if solvable(stations, network.counts):
            whole += STEP_S * work * rounds
        else:
            whole += PROCESS_S * n * len(network.counts) * len(stations) * 4 * ROUNDS
    return whole


def class_points(
    scenario: Scenario, asked: Sequence[int], progress: Progress, exactly: bool = True
) -> tuple[tuple[Point, ...], tuple[str, ...]]:
    """Return product form's points of a scenario with classes, and where they are not exact.

    Parameters
    ----------
    scenario : Scenario
        With classes, or one whose locks divide the processes in different ways.
    asked : sequence of int
        Populations.
    progress : callable
    exactly : bool
        Whether the exact solution is tried; else the approximation is taken.

    Raises
    ------
    ArgumentError, NotTrustworthyError
        See `build_classes`, `solve_classes`, `approximate`.
    """
    points, exact = [], True
    gaps = approximations(merged(scenario), max(asked))
    for n in progress(asked, len(asked), "populations"):
        network = build_classes(scenario, n)
        solved = _solve(scenario, network, exactly)
        exact = exact and solved.exact
        points.append(_point(scenario, solved, _error(scenario, solved, bool(gaps))))
    return tuple(points), gaps if exact else (*gaps, AVERAGED)


def _error(scenario: Scenario, solved: _Solved, gaps: bool) -> float | None:
    """Return about how far throughput may be off, None where nobody knows.

    What one class of the mean iteration would be off (`error_map`), and what classes add.
    """
    error: float | None = 0.0
    if gaps:
        from lockmodel.solvers.error_map import estimate

        made = solved.solution.throughput
        shares = np.bincount(solved.network.of_class, made, len(scenario.classes)) / made.sum()
        mean = merged(scenario, shares.tolist() if scenario.classes else None)
        n = solved.network.population
        error = estimate(mean, build(mean, n), float(made.sum()))
    if error is None:
        return None
    error += 0.0 if solved.network.alike else HOLDS_ERROR
    return error if solved.exact else error + AVERAGED_ERROR


def _point(scenario: Scenario, solved: _Solved, error: float | None) -> Point:
    network, solution, n = solved.network, solved.solution, solved.network.population
    x = float(solution.throughput.sum())
    copies = np.array([s.copies for s in solved.stations], float)
    waiting = sum(float(solution.beyond[i]) for i, s in enumerate(solved.stations) if s.name == CPU)
    running = n - waiting
    classes = max(1, len(scenario.classes))
    kinds = [network.of_class == c for c in range(classes)]
    rates = [float(solution.throughput[mine].sum()) for mine in kinds]
    locks, waits = {}, np.zeros((classes, len(scenario.locks)))
    for k, lock in enumerate(scenario.locks):
        own = [i for i, s in enumerate(solved.stations) if s.name == lock.name]
        queue = sum((copies[i] * solution.queues[i] for i in own), np.zeros(len(network.counts)))
        served = sum(
            (copies[i] * solved.stations[i].demands * solution.throughput for i in own),
            np.zeros(len(network.counts)),
        )
        waited = np.maximum(queue - served, 0.0)  # processes that wait, by kind
        for c, mine in enumerate(kinds):
            waits[c, k] = waited[mine].sum()
        wait = float(waited.sum()) / x
        busy = sum(float(copies[i] * solution.busy[i]) for i in own) / lock.shards
        locks[lock.name] = LockState(
            utilisation=min(1.0, busy),
            wait_s=wait,
            wait_share=wait * x / n,
            cycles_share=wait * x / running,
            queue=float(queue.sum()),
        )
    ceiling, binding = mix_ceiling(network, solution.throughput, solved.stations)
    counts = counts_of(scenario.classes, n) if scenario.classes else (n,)
    states = {
        one.name: ClassState(
            n=counts[c],
            throughput_per_s=rates[c],
            iteration_s=counts[c] / rates[c] if counts[c] else 0.0,
            wait_shares={
                lock.name: float(waits[c, k]) / counts[c] if counts[c] else 0.0
                for k, lock in enumerate(scenario.locks)
            },
        )
        for c, one in enumerate(scenario.classes)
    }
    return Point(
        n=n,
        throughput_per_s=x,
        iteration_s=n / x,
        locks=locks,
        binding=binding,
        ceiling_per_s=ceiling,
        lower_per_s=x,
        upper_per_s=x,
        error_estimate=error,
        classes=states or None,
    )


def mix_ceiling(
    network: ClassNetwork, rates: np.ndarray, stations: tuple[ClassStation, ...] | None = None
) -> tuple[float, str]:
    """Return the total throughput at which a station is never idle, and which station that is.

    Parameters
    ----------
    network : ClassNetwork
    rates : ndarray, shape (kinds,)
        Iterations per second of each kind: the mix.
    stations : tuple of ClassStation, optional
        The network's, with the mean holds at these rates.

    Returns
    -------
    (float, str)
        As k / D with one class: with the hand-off to the first waiter, the CPUs at capacity.
    """
    load: dict[str, float] = {}
    for s in network.at_mean(rates) if stations is None else stations:
        busy = float(s.demands @ rates) * _contended(s, network)
        load[s.name] = max(load.get(s.name, 0.0), busy)
    most = max(load.values())
    binding = min(name for name, busy in load.items() if busy >= most * (1.0 - SAME))
    return float(rates.sum()) / most, binding


def _of_kinds(scenario: Scenario, network: ClassNetwork, rates: dict[str, float]) -> np.ndarray:
    """Return the iterations per second of each kind: those of its class in equal parts."""
    whole = np.array([rates[one.name] for one in scenario.classes])
    counts = np.array(network.counts)
    members = np.bincount(network.of_class, counts, minlength=whole.size)
    each = (whole / np.maximum(members, 1))[network.of_class] * counts
    made: np.ndarray = np.maximum(each, np.finfo(float).tiny)
    return made


def ceiling_of_mix(scenario: Scenario, n: int, rates: dict[str, float]) -> tuple[float, str]:
    """Return `mix_ceiling` at so many iterations per second of each class, by name."""
    network = build_classes(scenario, n, stations_only=False)
    return mix_ceiling(network, _of_kinds(scenario, network, rates))


def stations_of_mix(
    scenario: Scenario, network: ClassNetwork, rates: dict[str, float]
) -> dict[str, np.ndarray]:
    """Return how busy each class keeps each station, shape (classes,), by its busiest shard.

    At so many iterations per second of each class, by name, and as `mix_ceiling` counts it.
    """
    each = _of_kinds(scenario, network, rates)
    loads: dict[str, np.ndarray] = {}
    for s in network.at_mean(each):
        load = np.bincount(
            network.of_class, s.demands * each * _contended(s, network), len(scenario.classes)
        )
        if load.sum() > loads.get(s.name, np.zeros(1)).sum():
            loads[s.name] = load
    return loads


def _contended(station: ClassStation, network: ClassNetwork) -> float:
    """Return by how much a station that is never idle is slower than one with a single process."""
    if station.name == CPU:
        return float(station.slower[-1])
    return float(station.slower[: min(2, network.population)].max())


def class_ceiling(scenario: Scenario, points: Sequence[Point]) -> Ceiling:
    """Return the highest ceiling of some points, at their mixes, and its knee."""
    top = max(points, key=lambda p: p.ceiling_per_s)
    network = build_classes(scenario, top.n, stations_only=False)
    light = float(np.sum(np.array(network.counts) / network.alone))
    return Ceiling(top.ceiling_per_s, top.binding, top.n * top.ceiling_per_s / light)
