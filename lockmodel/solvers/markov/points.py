"""Points of a prediction from Markov chains: what they answer, refuse, and leave out."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from lockmodel.errors import NotTrustworthyError
from lockmodel.model.disciplines import discipline
from lockmodel.model.distribution import Constant, Exponential
from lockmodel.model.network import Network, build, check_population
from lockmodel.model.prediction import LockState, Point
from lockmodel.model.scenario import Scenario
from lockmodel.solvers.bounds import point_of
from lockmodel.solvers.error_map import distance_error, order_error
from lockmodel.solvers.markov.chain import MEMORY
from lockmodel.solvers.markov.mapping import (
    cpu_rates,
    queue_network,
    semaphore,
    sleeping_lock,
    spent,
    think_time,
    used_sites,
    which,
)
from lockmodel.solvers.markov.queue_solution import solve_queues
from lockmodel.solvers.markov.refusals import refusal
from lockmodel.solvers.markov.rwsem import RwSemaphore, solve_rwsem
from lockmodel.solvers.markov.sleepers import solve_sleeping
from lockmodel.solvers.validity import averaged

__all__ = ["approximations", "assumptions", "point", "refusal"]

TOLERATED = 5e-3
"""Largest relative error where constant times end together; stated with the point, never exact.
That of a simulation by default."""

OVERDUE = 0.1
"""Mean wait, as a share of the hand-off time-out, from which sleepers can not do without it."""

NEAR = 3.0
"""Multiple of the way to the nearer extreme of a time-out that its distribution may change."""

ASSUMPTIONS = (
    "an iteration thinks once, in one piece, then takes the sites' acquires in the order given",
    "a pass costs the hand-off for those waiting at the release, before the hold; nobody waiting "
    "costs nothing",
    "the stationary state of this Markov chain, exact up to the error stated",
)
SPIN = "waiters spin, each on its own CPU, without slowing the others; nobody is preempted"
FIFO = "locks are first come, first served"
READERS = (
    "readers share; writers spin, then queue up, until the head of the queue has waited "
    "handoff_timeout; readers in the queue are woken together"
)
ERLANG = "constant times are Erlang times, extrapolated to infinitely many stages"
TOGETHER = (
    "constant times, more than one in an iteration, may end together again and again: then they "
    "are not extrapolated to 1e-7, error_estimate says how far"
)


@dataclass(frozen=True)
class _AtLock:
    """Means at one lock: see `LockState`; `spinning` is the mean number of spinning waiters."""

    utilisation: float
    wait: float
    queue: float
    spinning: float


@dataclass(frozen=True)
class _ChainMeans:
    """What a point is made of; `asleep` is the mean number of sleeping processes."""

    throughput: float
    error: float
    locks: dict[str, _AtLock]
    asleep: float = 0.0


def _queues(scenario: Scenario, n: int, memory: int) -> _ChainMeans:
    network = queue_network(scenario, n)
    tolerated = TOLERATED if _constant_times(scenario, n) > 1 else 0.0
    solution = solve_queues(network, n, memory, tolerated=tolerated)
    locks = {}
    for lock in scenario.taken:
        state = solution.locks[lock.name]
        shards = next(len(k.popularity) for k in network.locks if k.name == lock.name)
        busy = state.utilisation * shards / lock.shards
        locks[lock.name] = _AtLock(busy, state.wait, state.queue, state.wait * solution.throughput)
    return _ChainMeans(solution.throughput, solution.error, locks)


def _timeout_error(lock: RwSemaphore, n: int, memory: int, throughput: float) -> float:
    """Return what exponential instead of constant time-outs may change.

    For each not more than the way to the farther extreme (it never or always is over); next to an
    extreme a multiple of the way there.
    """
    total = 0.0
    for ends in (
        [replace(lock, timeout=end) for end in (0.0, math.inf)] * (0.0 < lock.timeout < math.inf),
        [replace(lock, spin=end) for end in (0.0, math.inf)] * (0.0 < lock.spin < math.inf),
    ):
        others = [solve_rwsem(end, n, memory).throughput for end in ends]
        near, *far = sorted(abs(other / throughput - 1.0) for other in others) or [0.0]
        total += min(*far, NEAR * near) if far else 0.0
    return total


def _semaphore(scenario: Scenario, n: int, memory: int) -> _ChainMeans:
    lock = semaphore(scenario, n)
    solution = solve_rwsem(lock, n, memory)
    x = solution.throughput
    asleep, spinning = solution.asleep, solution.spinning
    holding = solution.readers_inside + solution.write_throughput * lock.write
    at = _AtLock(
        solution.utilisation, (asleep + spinning) / x, holding + asleep + spinning, spinning
    )
    error = solution.error
    if not isinstance(scenario.taken[0].timeout_distribution, Exponential):
        error += _timeout_error(lock, n, memory, x)
    return _ChainMeans(x, error, {scenario.taken[0].name: at}, asleep)


def _sleepers(scenario: Scenario, n: int, memory: int) -> _ChainMeans:
    lock, (name,) = sleeping_lock(scenario, n), [k.name for k in scenario.taken]
    solution = solve_sleeping(lock, n, memory)
    timeout = scenario.lock(name).handoff_timeout
    if solution.wait > OVERDUE * timeout:
        raise NotTrustworthyError(
            f"Markov chain: lock {name!r}: writers wait {solution.wait:.3g} s on average, which is "
            f"not short of handoff_timeout = {timeout:g} s, and the chain of sleepers leaves the "
            f"hand-off bit out; use --method simulation"
        )
    waiting = solution.wait * solution.throughput
    queue = waiting + solution.throughput * lock.hold
    at = _AtLock(solution.utilisation, solution.wait, queue, waiting - solution.sleeping)
    return _ChainMeans(solution.throughput, solution.error, {name: at}, solution.sleeping)


def _solved(scenario: Scenario, n: int, memory: int) -> _ChainMeans:
    kind = which(scenario, n)
    if kind == "none":
        return _ChainMeans(cpu_rates(scenario, n)[-1] / think_time(scenario, n), 0.0, {})
    solve = {"queues": _queues, "rwsem": _semaphore, "sleepers": _sleepers}[kind]
    return solve(scenario, n, memory)


def _mean_distance_error(scenario: Scenario, network: Network) -> float:
    """Return what mean distances may change, as `error_map.estimate` has it for product form."""
    from lockmodel.solvers.product_form import solve

    total = distance_error(scenario, network, solve(network)[0].throughput)
    light = network.population / network.light_load
    for lock in scenario.taken:
        own = [station.alone / station.copies for station in network.of(lock.name)]
        load = network.population * max(own, default=0.0) / light
        total += min(1.0, load) * order_error(scenario, network, lock)
    return total


def point(scenario: Scenario, population: int, memory: int | None = None) -> Point:
    """Return the point of a scenario from the Markov chain that represents it.

    Parameters
    ----------
    scenario : Scenario
    population : int
        N.
    memory : int, optional
        Bytes that the chain may take; `chain.MEMORY` by default.

    Returns
    -------
    Point
        Its `error_estimate` is the chain's own, plus what mean distances and an exponential
        hand-off time-out may change; None with more processes than CPUs. `cycles_share` counts
        waiters that spin, among the processes that run.

    Raises
    ------
    ArgumentError
        The population is not a whole number in range.
    NotTrustworthyError
        No chain represents the scenario (see `refusal`), or it is too large for the memory, does
        not converge, or its constant times end together.
    """
    n = check_population(population)
    why = refusal(scenario, n)
    if why is not None:
        raise NotTrustworthyError(f"Markov chain: {why}")
    network = build(scenario, n, stations_only=False)
    means = _solved(spent(scenario, n), n, MEMORY if memory is None else memory)
    x, cpus = means.throughput, scenario.machine.cpus
    error: float | None = means.error
    if n > cpus:
        error = None
    elif averaged(scenario, n):
        error = means.error + _mean_distance_error(scenario, network)
    running = min(n - means.asleep, cpus)
    locks = {}
    for lock in scenario.locks:
        at = means.locks.get(lock.name, _AtLock(0.0, 0.0, 0.0, 0.0))
        locks[lock.name] = LockState(
            utilisation=min(1.0, at.utilisation),
            wait_s=at.wait,
            wait_share=at.wait * x / n,
            cycles_share=min(1.0, at.spinning / running) if at.spinning > 0.0 else 0.0,
            queue=at.queue,
        )
    return point_of(network, x, locks, error=error)


def _constant_times(scenario: Scenario, population: int) -> int:
    """Return how many constant times an iteration has at most; none matters to one process."""
    if population == 1:
        return 0
    times = int(scenario.think > 0 and isinstance(scenario.think_distribution, Constant))
    for lock in scenario.taken:
        if isinstance(lock.hold_distribution, Constant):
            times += sum(math.ceil(site.acquires) for site in scenario.sites_of(lock.name))
        passes = lock.passes
        times += int(passes and isinstance(lock.handoff_distribution, Constant))
    return times


def approximations(scenario: Scenario, population: int) -> tuple[str, ...]:
    """Return where a Markov chain is not the exact solution of the scenario as stated.

    Parameters
    ----------
    scenario : Scenario
    population : int
        Largest population asked.

    Returns
    -------
    tuple of str
        One sentence each; empty when the chain is exact.
    """
    gaps = []
    cpus, kind = scenario.machine.cpus, which(scenario, population)
    if population > cpus:
        gaps.append(
            f"{population} processes exceed the {cpus} CPUs: thinking ones share them, but a "
            f"holder that loses its CPU is not modelled; only rwsem waiters sleep"
        )
    gaps += averaged(scenario, population)
    if _constant_times(scenario, population) > 1:
        gaps.append(TOGETHER)
    modes = {site.mode for site in used_sites(scenario)}
    for lock in scenario.taken:
        time = f"{lock.name}: handoff_timeout = {lock.handoff_timeout:g} s"
        if kind == "sleepers" and discipline(lock.kind).readers:
            gaps.append(f"{time} is left out: a sleeping writer may always be overtaken")
        elif modes == {"read", "write"} and population > 1:
            drawn = isinstance(lock.timeout_distribution, Exponential)
            for key in ("handoff_timeout", "spin_limit"):
                if getattr(lock, key) > 0.0 and not drawn:
                    gaps.append(
                        f"{lock.name}: {key} = {getattr(lock, key):g} s is the mean of an "
                        f"exponential time, not constant"
                    )
    return tuple(gaps)


def assumptions(scenario: Scenario) -> tuple[str, ...]:
    """Return what the Markov chain of a scenario takes for granted."""
    locks = scenario.taken
    said = [*ASSUMPTIONS, SPIN]
    if any(site.mode == "read" for site in used_sites(scenario)):
        said.append(READERS)
    elif locks:
        said.append(FIFO)
    times = [scenario.think_distribution]
    for lock in locks:
        times += [lock.hold_distribution, lock.handoff_distribution]
    if any(isinstance(time, Constant) for time in times):
        said.append(ERLANG)
    return tuple(said)
