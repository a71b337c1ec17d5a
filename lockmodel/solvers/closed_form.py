"""Points of a prediction from product form and from bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lockmodel.errors import SaturatedError
from lockmodel.model.network import CPU, Network, build, depends_on_population
from lockmodel.model.prediction import LockState, Point
from lockmodel.model.scenario import Scenario
from lockmodel.progress import Progress, quietly
from lockmodel.solvers.bounds import point_of
from lockmodel.solvers.guaranteed import guaranteed
from lockmodel.solvers.walked import closed_form_walkers, walked, without_walkers

if TYPE_CHECKING:
    from lockmodel.solvers.product_form import Solution


@dataclass(frozen=True)
class _Means:
    """What a point is made of: means per station of a network, and processes waiting for a CPU.

    `flows` has the iterations per second of each station's users, where they keep their shard.
    """

    throughput: float
    queues: Sequence[float] | np.ndarray
    busy: Sequence[float] | np.ndarray
    waiting_for_cpu: float
    flows: Sequence[float] | np.ndarray = ()


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

    solution = solve_pinned(network)
    pairs = zip(network.stations, solution.queues, strict=True)
    excess = sum(float(queue) for s, queue in pairs if s.name == CPU) - cpus
    excess = max(0.0, excess)
    return _Means(solution.throughput, solution.queues, solution.busy, excess, solution.flows)


def product_form_points(
    scenario: Scenario, asked: tuple[int, ...], progress: Progress
) -> tuple[Point, ...]:
    """Return product form's points; `progress` wraps the loop over networks."""
    from lockmodel.solvers.product_form import solve as solve_network

    alone = without_walkers(scenario)
    if alone is not scenario:
        return tuple(
            _walked_point(scenario, point) for point in product_form_points(alone, asked, progress)
        )
    cpus = scenario.machine.cpus
    if not depends_on_population(scenario):  # one network, all populations in one pass
        top = build(scenario, max(asked))
        solutions = solve_network(top, asked)
        return tuple(
            _solved_point(scenario, replace(top, population=n), _plain_means(top, solution, cpus))
            for n, solution in zip(asked, solutions, strict=True)
        )
    points: list[Point] = []
    for n in progress(asked, len(asked), "populations"):
        network = build(scenario, n)
        if network.mixed and (exact := _as_classes(scenario, n)):
            points += exact
            continue
        if any(station.users for station in network.stations):
            solved = _pinned_means(network, cpus)
        else:
            solved = _plain_means(network, solve_network(network)[0], cpus)
        points.append(_solved_point(scenario, network, solved))
    return tuple(points)


def _as_classes(scenario: Scenario, n: int) -> tuple[Point, ...]:
    """Return the point where locks divide few processes in different ways; none for many."""
    from lockmodel.solvers.class_points import class_points, kinds_solvable

    return class_points(scenario, (n,), quietly)[0] if kinds_solvable(scenario, n) else ()


def _walked_point(scenario: Scenario, free: Point) -> Point:
    """Return the point of a scenario from that without its walkers.

    What an iteration takes longer it waits for the locks that are walked.
    """
    effects = {
        lock.name: walked(scenario, lock.name, free.n)
        for lock in scenario.taken
        if closed_form_walkers(lock)
    }
    share = math.prod(effect.kept for effect in effects.values())
    if share == 0.0:
        raise SaturatedError(
            f"scenario {scenario.name!r}: walkers leave no throughput at n = {free.n}: lower "
            f"walks_per_s or read"
        )
    x = free.throughput_per_s * share
    longer = free.n / x - free.iteration_s
    whole = sum(1.0 - effect.kept for effect in effects.values())
    locks = {}
    for name, state in free.locks.items():
        wait, busy, queue = state.wait_s, state.utilisation * share, state.queue * share
        if name in effects and whole > 0.0:
            effect = effects[name]
            added = longer * (1.0 - effect.kept) / whole
            wait += added
            queue += x * added
            busy = min(1.0, busy + sum(effect.blocked) / len(effect.blocked))
        of_all = wait * x / free.n
        spun = state.cycles_share / state.wait_share if state.wait_share > 0.0 else 1.0
        locks[name] = LockState(busy, wait, of_all, min(1.0, of_all * spun), queue)
    return point_of(build(scenario, free.n), x, locks)


PROCESS_S = 3e-6
PAIR_S = 1e-7
"""Measured on one 2.9 GHz core, from 1,000 to 100,000 processes (execl-xeon8369b) and from 1,000 to
10,000 (doexec-20, 20 shards by CPU): s per population, process and lock, and per pair of processes
where several share a shard by CPU or node. Within a factor of two."""


def product_form_s(scenario: Scenario, populations: Sequence[int]) -> float:
    """Return about how many seconds `product_form_points` takes, or those of several classes."""
    if scenario.classes:
        from lockmodel.solvers.class_points import class_points_s

        return class_points_s(scenario, populations)
    solved = populations if depends_on_population(scenario) else [max(populations)]
    shards = [k.shards for k in scenario.locks if k.keeps_shard]
    pairs = sum(n * n for n in solved if n > min(shards)) if shards else 0
    return PROCESS_S * len(scenario.locks) * sum(solved) + PAIR_S * pairs


def _solved_point(scenario: Scenario, network: Network, means: _Means) -> Point:
    x, n = means.throughput, network.population
    running = n - means.waiting_for_cpu
    locks = {}
    for lock in scenario.locks:
        own = [(i, s.copies) for i, s in enumerate(network.stations) if s.name == lock.name]
        queue = float(sum(copies * means.queues[i] for i, copies in own))
        busy = float(sum(copies * means.busy[i] for i, copies in own)) / lock.shards
        taking = scenario.acquires(lock.name) * lock.acquire_time
        spared = network.saved[lock.name] * (1.0 - min(1.0, busy))  # found idle, nearly
        wait = max(0.0, queue / x - _held(network, means, lock.name) + spared - taking)
        locks[lock.name] = LockState(
            utilisation=min(1.0, busy),
            wait_s=wait,
            wait_share=wait * x / n,
            cycles_share=wait * x / running,
            queue=queue,
        )
    return point_of(network, x, locks)


def _held(network: Network, means: _Means, lock: str) -> float:
    """Return how long an iteration holds a lock: of all that are made, not of all processes.

    Where processes keep their shard, those with a fast one make more of them.
    """
    kept = [(i, s) for i, s in enumerate(network.stations) if s.name == lock and s.users]
    if not kept:
        return network.hold[lock]
    return sum(s.copies * means.flows[i] * s.held for i, s in kept) / means.throughput


def bounds_point(scenario: Scenario, population: int) -> Point:
    """Return the upper bound at one population, with the lower one beside it."""
    network = build(scenario, population)
    limits = guaranteed(scenario, population)
    n, x = network.population, limits.upper
    waited = max(0.0, n / x - n / limits.light_load)
    locks = {}
    for lock in scenario.locks:
        own = network.of(lock.name)
        alone = sum(s.alone for s in own)
        wait = waited if lock.name == limits.binding else 0.0
        busy = min(1.0, x * alone / lock.shards)
        queue = x * (alone + wait)
        locks[lock.name] = LockState(busy, wait, wait * x / n, wait * x / n, queue)
    return point_of(network, x, locks, (limits.lower, limits.upper))
