"""How far product form may be off a scenario as stated: looked up where it has been measured.

The map (data/computed/product_form_error.csv, made by tools/error_map.py) holds the error of
product form against simulation for one lock, over hold variability x hand-off ratio x load x
readers' share x population. An estimate is the largest error at the corners of the grid cell
around each lock of the scenario, added up over the locks. Distances are not in the map: what they
can change is bracketed by a second solution (`distance_error`). What is to be expected there, with
its sign, is interpolated between the corners (`expected`): it cancels between alike scenarios.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from lockmodel.model.disciplines import discipline
from lockmodel.model.distribution import Pareto
from lockmodel.model.held import held
from lockmodel.model.network import VANISHING, Network, Station
from lockmodel.model.placement import distances, shard_groups, whole
from lockmodel.model.scenario import Lock, Scenario
from lockmodel.model.shipped import read_table, shipped_dir
from lockmodel.solvers.walked import closed_form_walkers

DATA = "data/computed/product_form_error.csv"
WALKED_READ = 64e-6
WALKED_DATA = "data/computed/walkers_error.csv"
COLUMNS = ("hold_scv", "handoff", "load", "readers", "n", "error", "half_width")
ROUNDING = 1e-9
"""Relative distance from a grid value that is none: sums in another order differ by less."""

AXES = COLUMNS[:5]

STEADY_THINK = 0.5
"""Below this SCV of think time together with steady holds, processes may march in step; the
map, made with exponential think times, does not hold then."""


GROWN = 2.0
"""A hand-off that grows more than this with the waiters is not on the map."""

SECOND = 0.6
BUSY = 0.4
"""Where the second lock has more than `SECOND` of the first one's load, and at least `BUSY`, whole
queues may move from lock to lock in step; the map, made with one lock, does not hold then."""


@dataclass(frozen=True)
class ErrorMap:
    """Measured errors on a grid.

    Attributes
    ----------
    axes : tuple of tuple of float
        Rising grid values of `AXES`.
    errors : dict
        Grid point -> size of the error, the interval of the measurement included.
    signed : dict
        Grid point -> the error as it was measured: product form over simulation, minus 1.
    """

    axes: tuple[tuple[float, ...], ...]
    errors: dict[tuple[float, ...], float]
    signed: dict[tuple[float, ...], float]

    def worst(self, place: Sequence[float]) -> float | None:
        """Return the largest error at the corners of the cell around `place`.

        None where holds vary more than on the grid. Hand-offs, loads and populations beyond the
        grid count as its last value: the error no longer grows there.
        """
        if place[0] > self.axes[0][-1]:
            return None
        sides = [_around(axis, value) for axis, value in zip(self.axes, place, strict=True)]
        errors = [self.errors[c] for c in itertools.product(*sides) if c in self.errors]
        return max(errors, default=None)

    def between(self, place: Sequence[float]) -> float:
        """Return the error as it was measured, interpolated; beyond the grid its last value is.

        Linear in each axis, in the logarithm of n.
        """
        sides = []
        for name, axis, value in zip(AXES, self.axes, place, strict=True):
            near = _around(axis, value)
            left = 0.0
            if len(near) > 1:
                low, here, high = (
                    math.log(x) if name == "n" else x for x in (near[0], value, near[1])
                )
                left = (here - low) / (high - low)
            sides.append([(near[0], 1.0 - left), *((x, left) for x in near[1:])])
        total = weights = 0.0
        for corner in itertools.product(*sides):
            error = self.signed.get(tuple(x for x, _ in corner))
            if error is not None:
                weight = math.prod(share for _, share in corner)
                total, weights = total + weight * error, weights + weight
        return total / weights if weights > 0 else 0.0


def _around(axis: tuple[float, ...], value: float) -> tuple[float, ...]:
    """Return the grid values next to a value: one if it is on the grid or beyond it, else two.

    On the grid is what rounding may have moved off it.
    """
    k = bisect_left(axis, value * (1.0 - ROUNDING))
    if k == len(axis):
        return (axis[-1],)
    if axis[k] <= value * (1.0 + ROUNDING) or k == 0:
        return (axis[k],)
    return axis[k - 1], axis[k]


@lru_cache(maxsize=1)
def load() -> ErrorMap:
    """Return the shipped map."""
    rows = read_table(shipped_dir("data") / "computed" / "product_form_error.csv")
    places = [tuple(float(row[key]) for key in AXES) for row in rows]
    signed = {place: float(row["error"]) for place, row in zip(places, rows, strict=True)}
    errors = {
        place: abs(signed[place]) + float(row["half_width"])
        for place, row in zip(places, rows, strict=True)
    }
    axes = tuple(tuple(sorted({place[i] for place in errors})) for i in range(len(AXES)))
    return ErrorMap(axes, errors, signed)


def _scv(scenario: Scenario, lock: Lock, population: int) -> float:
    """Return the SCV of a hold drawn at random from all acquires of the lock."""
    group = whole(scenario.machine, lock, population)
    total = first = second = 0.0
    for site in scenario.sites_of(lock.name):
        work = held(scenario.machine, lock, site, population, group)
        mean = work.far + work.moving + lock.acquire_time
        total += site.acquires
        first += site.acquires * mean
        second += site.acquires * mean**2 * (1.0 + lock.hold_distribution.scv)
    if first == 0.0:
        return 0.0
    return max(0.0, second * total / first**2 - 1.0)


def unmapped(scenario: Scenario, population: int) -> bool:
    """Return whether something of the scenario is outside the map: its error is not known."""
    if population > scenario.machine.cpus:
        return True
    steady = scenario.think_distribution.scv < STEADY_THINK
    for lock in scenario.taken:
        kept = lock.keeps_shard
        pinned = kept and any(
            group.users > 1 for group in shard_groups(scenario.machine, lock, population)
        )
        heavy = isinstance(lock.hold_distribution, Pareto)
        passes = lock.passes
        modes = {site.mode for site in scenario.sites_of(lock.name) if site.acquires > 0}
        mixed = modes == {"read", "write"}  # who waits for whom is not a matter of the mean
        if mixed or (passes and lock.handoff_distribution.scv > 1.0):
            return True
        if not discipline(lock.kind).mapped or lock.walkers is not None or pinned or heavy:
            return True
        if steady and lock.hold_distribution.scv < STEADY_THINK:
            return True
    return False


def estimate(scenario: Scenario, network: Network, throughput: float) -> float | None:
    """Return how far a product-form throughput may be off the scenario as stated.

    Parameters
    ----------
    scenario : Scenario
    network : Network
        Built from it at the population in question.
    throughput : float
        Product form's answer, iterations per second.

    Returns
    -------
    float or None
        Relative error; None where it has not been measured.
    """
    n = network.population
    if n == 1 and all(lock.walkers is None for lock in scenario.locks):
        return 0.0
    if any(closed_form_walkers(lock) for lock in scenario.taken):
        return _walked(scenario, n)
    if unmapped(scenario, n):
        return None
    loads, total, ordered = [], 0.0, 0.0
    for lock, load_ in _loads(scenario, network):
        error = _mapped(scenario, network, lock, load_)
        if error is None:
            return None
        loads.append(load_)
        total += error
        ordered = max(ordered, min(1.0, load_) * order_error(scenario, network, lock))
    loads.sort(reverse=True)
    if len(loads) > 1 and loads[1] > max(SECOND * loads[0], BUSY):
        return None
    return total + ordered + distance_error(scenario, network, throughput)


@lru_cache(maxsize=3)
def _walked_errors(by: str, give_up: bool) -> dict[tuple[float, float], float]:
    """Return the largest error that walkers were measured with, by shards and walks per s.

    One shard is the same whatever chooses it.
    """
    worst: dict[tuple[float, float], float] = {}
    for row in read_table(shipped_dir("data") / "computed" / "walkers_error.csv"):
        place = float(row["shards"]), float(row["walks_per_s"])
        if row["give_up"] != f"{give_up:d}" or (place[0] > 1.0 and row["by"] != by):
            continue
        size = abs(float(row["error"])) + float(row["half_width_per_s"]) / float(
            row["simulated_per_s"]
        )
        worst[place] = max(worst.get(place, 0.0), size)
    return worst


def _walked(scenario: Scenario, population: int) -> float | None:
    """Return the error of the closed form of walkers, where it has been measured.

    The largest at the corners of the cell of shards and walks; reads as long as those measured or
    shorter, by walkers of one lock, on all CPUs or fewer.
    """
    (lock, *more) = (k for k in scenario.taken if closed_form_walkers(k))
    walkers = lock.walkers
    assert walkers is not None
    if more or walkers.read > WALKED_READ or population > scenario.machine.cpus:
        return None
    errors = _walked_errors(lock.shard_by, walkers.give_up)
    if not errors or (lock.shards > 1 and lock.shard_skew > 0.0):
        return None
    axes = (tuple(sorted({place[i] for place in errors})) for i in range(2))
    corners = []
    for axis, value in zip(axes, (float(lock.shards), walkers.walks_per_s), strict=True):
        if not value <= axis[-1] * (1.0 + ROUNDING):
            return None
        corners.append(_around(axis, value))
    return max(errors[corner] for corner in itertools.product(*corners) if corner in errors)


def expected(scenario: Scenario, network: Network, throughput: float) -> tuple[float, float]:
    """Return the error of product form that is to be expected, and what order and distance add.

    Parameters
    ----------
    scenario, network, throughput
        See `estimate`.

    Returns
    -------
    (float, float)
        ln of product form over the scenario as stated, 0 where nobody measured it; and the largest
        effect of the order in a queue and of distances, whose sign is not known.
    """
    n = network.population
    if n == 1 or unmapped(scenario, n):
        return 0.0, 0.0
    lightest, total, ordered = load().axes[2][0], 0.0, 0.0
    for lock, load_ in _loads(scenario, network):
        place = _place(scenario, network, lock, load_)
        passing = float(_handoffs(scenario, lock, n, network.saved[lock.name]).mean())
        total += math.log1p(load().between(place(passing)) * min(1.0, load_ / lightest))
        ordered = max(ordered, min(1.0, load_) * order_error(scenario, network, lock))
    return total, ordered + distance_error(scenario, network, throughput)


def _loads(scenario: Scenario, network: Network) -> Iterator[tuple[Lock, float]]:
    """Yield every lock that takes time, with its load."""
    light = network.population / network.light_load
    for lock in scenario.taken:
        own = network.of(lock.name)
        if own:
            alone = max(station.alone / station.copies for station in own)
            yield lock, network.population * alone / light


def _handoffs(scenario: Scenario, lock: Lock, n: int, saved: float) -> np.ndarray:
    """Return what an acquire takes longer with one waiter, and with all others waiting.

    A hand-off; and what a process that comes back need not get, where nobody waits.
    """
    remote = distances(scenario.machine, n)[1]
    handoff: np.ndarray = lock.handoff.cost(np.array([1.0, max(1.0, n - 1.0)]), remote)
    return handoff + saved / scenario.acquires(lock.name)


def _place(
    scenario: Scenario, network: Network, lock: Lock, load_: float
) -> Callable[[float], tuple[float, ...]]:
    """Return the place of one lock on the map by the time of its hand-off."""
    acquires, n = scenario.acquires(lock.name), network.population
    mean = sum(station.alone for station in network.of(lock.name)) / acquires
    reading = sum(s.acquires for s in scenario.sites_of(lock.name) if s.mode == "read")
    scv, loaded = _scv(scenario, lock, n), max(load_, load().axes[2][0])
    return lambda passing: (scv, passing / mean, loaded, reading / acquires, n)


def _mapped(scenario: Scenario, network: Network, lock: Lock, load_: float) -> float | None:
    """Return the error on the map of one lock with this load."""
    handoffs = _handoffs(scenario, lock, network.population, network.saved[lock.name])
    if handoffs[1] > GROWN * handoffs[0]:
        return None  # may collapse: another regime than that of constant hand-offs
    place = _place(scenario, network, lock, load_)
    worst = 0.0
    for c in handoffs:
        error = load().worst(place(float(c)))
        if error is None:
            return None
        worst = max(worst, error)
    return worst * min(1.0, load_ / load().axes[2][0])


def order_error(scenario: Scenario, network: Network, lock: Lock) -> float:
    """Return what the order in a long queue changes of how often a lock goes to another node.

    Processes that take the lock again and again stand in the queue in one order. Who comes back
    from thinking joins behind whoever released last, and finds long passes, those from another
    node, more often than short ones (a, b: pass within and between nodes). An order where a
    share f of passes leaves the node gains (1 - f) a / ((1 - f) a + f b) such passes by a
    newcomer and loses 2 f^2 by one who leaves, for two equal nodes; f is where both are equal,
    1/2 for a = b. Other placements: f in proportion. With m acquires in a row one in m comes
    from thinking, where it may stand anywhere. Simulations show two thirds of this effect.
    """
    _, leaving = distances(scenario.machine, network.population)
    acquires = scenario.acquires(lock.name)
    held_near = network.near[lock.name] / acquires
    step = network.far[lock.name] / acquires - held_near
    cost = lock.handoff.cost(np.array([1.0]), 0.0), lock.handoff.cost(np.array([1.0]), 1.0)
    near = lock.acquire_time + float(cost[0][0])
    near += held_near + step * scenario.machine.same_node_cost
    far = near + float(cost[1][0] - cost[0][0])
    if lock.lines_by == "lock":
        far += step * (1.0 - scenario.machine.same_node_cost)
    if leaving == 0.0 or far == near or network.population < 3:
        return 0.0
    low, high = 0.0, 0.5
    for _ in range(50):
        f = (low + high) / 2
        gained = (1.0 - f) * near / ((1.0 - f) * near + f * far)
        low, high = (f, high) if gained > 2.0 * f * f else (low, f)
    mean = near + leaving * (far - near)
    kept = max(0.0, 1.0 - 1.0 / acquires)
    return float(kept * leaving * (1.0 - low / 0.5) * (far - near) / mean)


def distance_error(scenario: Scenario, network: Network, throughput: float) -> float:
    """Return what it may cost to take lines under a lock as far as on average.

    A process that takes a lock m times in a row while nobody else comes finds its own lines from
    the second time on; one that has waited follows another process, never itself. Product form
    cannot see who was there before. Here all passes without a waiter get local lines but one in
    m, and then all passes follow another process: the two extremes.
    """
    return max(
        _moved(scenario, network, throughput, own_lines=True),
        _moved(scenario, network, throughput, own_lines=False),
    )


def _moved(scenario: Scenario, network: Network, throughput: float, own_lines: bool) -> float:
    """Return how far throughput goes when lines are nearer, or farther, than on average."""
    from lockmodel.solvers.product_form import throughputs

    stations: list[Station] = []
    changed = False
    for station in network.stations:
        lock = next((k for k in scenario.locks if k.name == station.name), None)
        service = station.service
        if lock is not None and lock.lines_when == "always":
            acquires = scenario.acquires(lock.name)
            step = network.far[lock.name] - network.near[lock.name]
            line = whole(scenario.machine, lock, network.population).mean_line
            nearer = step * line
            if own_lines:
                nearer *= max(0.0, 1.0 - 1.0 / acquires)
            else:
                nearer /= 1.0 - max(2, network.population)
            nearer *= station.alone / station.copies / sum(s.alone for s in network.of(lock.name))
            if nearer != 0.0:
                later = service if service.size == 1 else service[1:]
                later = later if own_lines else later - nearer
                service = np.append(max(service[0] - nearer, VANISHING * service[0]), later)
                changed = True
        stations.append(replace(station, service=service))
    if not changed:
        return 0.0
    nearest = float(throughputs(tuple(stations), network.population)[-1])
    return abs(nearest / throughput - 1.0)
