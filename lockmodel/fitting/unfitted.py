"""What was not fitted but matters, as it moves in the draws: lines of one's own, and hand-offs.

A curve fixes think time, demand and the sum of held work and hand-off. What it was read with from
the model, unfitted, is not known: how long a hold takes whose lines one has oneself, how many lines
come from others, how the hand-off grows with its waiters, how much farther another node is and how
much of that a hand-off sees. Each has a prior around what the model says, from published tables. A
move keeps what one process alone reaches, and the demand at the largest population measured; what
it does in between is held to the measurements by the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from lockmodel.changes.lever import ALL
from lockmodel.fitting import parameters as ps
from lockmodel.fitting.priors import OTHERS
from lockmodel.measure.acquires.from_counts import COUNTED_SD
from lockmodel.model.handoff import (
    ConstantHandOff,
    HandOff,
    LinearHandOff,
    SaturatingHandOff,
    TopologyHandOff,
)
from lockmodel.model.network import build
from lockmodel.model.placement import distances, whole
from lockmodel.model.scenario import LINES, Lock, Scenario, Site
from lockmodel.solvers.product_form import solve

Kind = Literal["own lines", "lines", "growth", "other node", "seen"]

GROWN = 0.042
"""Root mean square of what a further waiter adds to a hand-off, as a share of that with one: 0.075
and 0.03 (ticket locks), 0.017 and 0.01 (queue spinlocks), 0.074 (osq_lock), 0.001 and 0.0004 (an
atomic, readers of an rwlock), from data/published/latency.csv."""

FARTHER = 0.2
"""Standard deviation of ln of a line's time between nodes over that within one: 12 machines of
data/published/core_to_core_ns.csv, 1.7 to 3.3."""

UNSEEN = 0.6
"""Standard deviation of the share of the way to another node that a hand-off does not see, folded
at none and cut at all of it: a queue served in order sees all, but from one socket to eight a
saturated atomic sees 0.2 of what one line takes longer, and readers of an rwlock nothing
(data/published/latency.csv): what is nearby comes next."""

SPREAD: dict[Kind, float] = {
    "own lines": OTHERS["time_per_instruction_local"].sd,
    "lines": COUNTED_SD,
    "growth": GROWN,
    "other node": FARTHER,
    "seen": UNSEEN,
}
"""Kind -> standard deviation of its prior: of a logarithm, but of growth and "seen" itself."""

_replace = msgspec.structs.replace


@dataclass(frozen=True)
class Unfitted:
    """Something of a lock that was not fitted.

    Attributes
    ----------
    lock : str
    kind : {'own lines', 'lines', 'growth', 'other node', 'seen'}
    waiters : float
        At the lock, at the largest population measured: where its demand is known.
    remote, line : float
        Share of hand-offs from another node there, and the mean distance of a line.
    population : int
        The largest that was measured.
    """

    lock: str
    kind: Kind
    waiters: float
    remote: float
    line: float
    population: int


def unfitted(scenario: Scenario) -> tuple[Unfitted, ...]:
    """Return what moves beside the estimates of a scenario: nothing where none is from data."""
    fit, known = scenario.fit, scenario.calibrated
    if fit is None or not fit.data or known is None:
        return ()
    keys = {(p.lock, p.key) for p in (ps.parse(one.name, scenario) for one in fit.parameters)}
    queues, machine = _waiters(scenario, known.high), scenario.machine
    made = []
    for lock in scenario.taken:
        fixed = {key for name, key in keys if name in (lock.name, ALL)}
        crowd = queues.get(lock.name, 1.0)
        remote = distances(machine, known.high)[1]
        line = whole(machine, lock, known.high).mean_line
        near = lock.time_per_instruction_local
        kinds: list[Kind] = []
        if line > 0.0 and near > 0.0 and "time_per_instruction_local" not in fixed:
            kinds.append("own lines")
        if any(site.moves_lines for site in scenario.sites_of(lock.name)) and "lines" not in fixed:
            kinds.append("lines")
        apart = any(key.startswith("handoff.") for key in fixed)
        if isinstance(lock.handoff, TopologyHandOff):
            if not apart and machine.nodes > 1 and lock.handoff.local > 0.0:
                kinds += ["other node", "seen"]
        elif not apart and getattr(lock.handoff, "time", 0.0) > 0.0:
            kinds.append("growth")
        made += [Unfitted(lock.name, kind, crowd, remote, line, known.high) for kind in kinds]
    return tuple(made)


def _waiters(scenario: Scenario, n: int) -> dict[str, float]:
    """Return how many wait at each lock with n processes, at least one, by product form."""
    network = build(scenario, n)
    if any(station.users for station in network.stations):
        return {}
    states = solve(network)[0].states
    queues: dict[str, float] = {}
    for station, state in zip(network.stations, states, strict=True):
        queues[station.name] = max(queues.get(station.name, 1.0), state.queue - 1.0)
    return queues


def moved(scenario: Scenario, what: Sequence[Unfitted], steps: np.ndarray) -> Scenario:
    """Return a scenario with the unfitted moved by standard normal steps, one each.

    What one process alone does longer is taken from its think time; 0 where that is not enough.
    """
    locks = {lock.name: lock for lock in scenario.locks}
    sites, spare = scenario.sites, 0.0
    for one, step in zip(what, steps.tolist(), strict=True):
        lock = locks[one.lock]
        size = SPREAD[one.kind] * step
        if one.kind in ("own lines", "lines"):
            work = scenario.held_instructions(lock.name, 1.0)
            if one.kind == "lines":
                times = _held(scenario, lock, one.population)
                slower, factor = _traded(times, size)
                sites = tuple(_with_lines(site, lock.name, factor) for site in sites)
                locks[one.lock] = _slower(lock, slower)
            else:
                locks[one.lock] = _own_lines(lock, size, one.line)
            own = locks[one.lock].time_per_instruction_local
            spare += work * (lock.time_per_instruction_local - own)
        else:
            locks[one.lock] = _replace(lock, handoff=_handoff(lock.handoff, size, one))
    think = max(scenario.think + spare, 0.0)
    every = tuple(locks[lock.name] for lock in scenario.locks)
    return _replace(scenario, think=think, locks=every, sites=sites)


def _held(scenario: Scenario, lock: Lock, n: int) -> tuple[float, float]:
    """Return the time under a lock that instructions take, and that lines do, s per iteration."""
    parts = ps.held_work(scenario, lock, n)
    return sum(m * one.working for m, one in parts), sum(m * one.moving for m, one in parts)


def _traded(times: tuple[float, float], size: float) -> tuple[float, float]:
    """Return factors on the time of instructions and on lines that leave their sum as it is."""
    working, moving = times
    if not (working > 0.0 and moving > 0.0):
        return 1.0, 1.0
    slower = max(0.0, 1.0 - (float(np.exp(size)) - 1.0) * moving / working)
    return slower, 1.0 + (1.0 - slower) * working / moving


def _slower(lock: Lock, factor: float) -> Lock:
    return _replace(
        lock,
        time_per_instruction_local=factor * lock.time_per_instruction_local,
        time_per_instruction_remote=factor * lock.time_per_instruction_remote,
    )


def _with_lines(site: Site, lock: str, factor: float) -> Site:
    if site.lock != lock:
        return site
    return _replace(site, **{key: factor * getattr(site, key) for key in LINES})


def _own_lines(lock: Lock, size: float, line: float) -> Lock:
    """Return a lock whose work with lines of one's own takes another time, the same at `line`."""
    near, far = lock.time_per_instruction_local, lock.time_per_instruction_remote
    mean = near + (far - near) * line
    own = near * float(np.exp(size))
    own = min(own, mean**2 / own)  # lines of one's own are the nearest: folded there
    return _replace(
        lock,
        time_per_instruction_local=own,
        time_per_instruction_remote=own + (mean - own) / line,
    )


def _handoff(handoff: HandOff, size: float, one: Unfitted) -> HandOff:
    """Return a hand-off that grows otherwise, or is otherwise far; the same where it is known."""
    cost = float(handoff.cost(np.array([one.waiters]), one.remote)[0])
    first = getattr(handoff, "local" if isinstance(handoff, TopologyHandOff) else "time", 0.0)
    if not first > 0.0:  # the draw has none: any proportion of it is nothing
        return handoff
    if isinstance(handoff, TopologyHandOff):
        ratio = handoff.remote / handoff.local
        if one.kind == "seen":
            ratio = 1.0 + (ratio - 1.0) * max(0.0, 1.0 - abs(size))
        else:
            ratio = max(1.0, ratio * float(np.exp(size)))
        local = cost / (1.0 + (ratio - 1.0) * one.remote)
        return TopologyHandOff(local=local, remote=ratio * local)
    further = one.waiters - 1.0
    if isinstance(handoff, SaturatingHandOff):
        half = handoff.half_waiters
        grown = abs((handoff.limit / handoff.time - 1.0) + size * half)
        time = cost / (1.0 + grown * further / (further + half))
        return SaturatingHandOff(time=time, limit=time * (1.0 + grown), half_waiters=half)
    if isinstance(handoff, ConstantHandOff | LinearHandOff):
        slope = handoff.per_waiter / handoff.time if isinstance(handoff, LinearHandOff) else 0.0
        time = cost / (1.0 + abs(slope + size) * further)
        return LinearHandOff(time=time, per_waiter=time * abs(slope + size))
    return handoff
