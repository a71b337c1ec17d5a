"""What was not fitted but matters, as it moves in the draws: lines of one's own, and hand-offs.

A curve fixes think time, demand and the sum of held work and hand-off. What it was read with from
the model, unfitted, is not known: how long a hold takes whose lines one has oneself, how the
hand-off grows with its waiters, how much farther another node is. Each has a prior around what the
model says, from published tables. A move keeps what one process alone reaches, and the demand at
the largest population measured; what it does in between is held to the measurements by the caller.
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
from lockmodel.model.handoff import (
    ConstantHandOff,
    HandOff,
    LinearHandOff,
    SaturatingHandOff,
    TopologyHandOff,
)
from lockmodel.model.network import build
from lockmodel.model.placement import distances, whole
from lockmodel.model.scenario import Lock, Scenario
from lockmodel.solvers.product_form import solve

Kind = Literal["own lines", "growth", "other node"]

GROWN = 0.042
"""Root mean square of what a further waiter adds to a hand-off, as a share of that with one: 0.075
and 0.03 (ticket locks), 0.017 and 0.01 (queue spinlocks), 0.074 (osq_lock), 0.001 and 0.0004 (an
atomic, readers of an rwlock), from data/published/latency.csv."""

FARTHER = 0.2
"""Standard deviation of ln of a line's time between nodes over that within one: 12 machines of
data/published/core_to_core_ns.csv, 1.7 to 3.3."""

SPREAD: dict[Kind, float] = {
    "own lines": OTHERS["time_per_instruction_local"].sd,
    "growth": GROWN,
    "other node": FARTHER,
}
"""Kind -> standard deviation of its prior; "growth" of the growth itself, else of a logarithm."""

_replace = msgspec.structs.replace


@dataclass(frozen=True)
class Unfitted:
    """Something of a lock that was not fitted.

    Attributes
    ----------
    lock : str
    kind : {'own lines', 'growth', 'other node'}
    waiters : float
        At the lock, at the largest population measured: where its demand is known.
    remote, line : float
        Share of hand-offs from another node there, and the mean distance of a line.
    """

    lock: str
    kind: Kind
    waiters: float
    remote: float
    line: float


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
        apart = any(key.startswith("handoff.") for key in fixed)
        if isinstance(lock.handoff, TopologyHandOff):
            if not apart and machine.nodes > 1 and lock.handoff.local > 0.0:
                kinds.append("other node")
        elif not apart and getattr(lock.handoff, "time", 0.0) > 0.0:
            kinds.append("growth")
        made += [Unfitted(lock.name, kind, crowd, remote, line) for kind in kinds]
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
    """Return a scenario with the unfitted moved by standard normal steps, one each."""
    locks = {lock.name: lock for lock in scenario.locks}
    spare = 0.0
    for one, step in zip(what, steps.tolist(), strict=True):
        lock = locks[one.lock]
        size = SPREAD[one.kind] * step
        if one.kind == "own lines":
            work = scenario.held_instructions(lock.name, 1.0)
            own = _own_lines(lock, size, one.line, (scenario.think + spare) / max(work, 1.0))
            spare += work * (lock.time_per_instruction_local - own.time_per_instruction_local)
            locks[one.lock] = own
        else:
            locks[one.lock] = _replace(lock, handoff=_handoff(lock.handoff, size, one))
    think = max(scenario.think + spare, 0.0)
    every = tuple(locks[lock.name] for lock in scenario.locks)
    return _replace(scenario, think=think, locks=every)


def _own_lines(lock: Lock, size: float, line: float, room: float) -> Lock:
    """Return a lock whose work with lines of one's own takes another time, the same at `line`.

    Longer at the most by `room`: what it takes more is taken from the think time.
    """
    near, far = lock.time_per_instruction_local, lock.time_per_instruction_remote
    mean = near + (far - near) * line
    own = near * float(np.exp(size))
    own = min(own, mean**2 / own, near + room)  # lines of one's own are the nearest: folded there
    return _replace(
        lock,
        time_per_instruction_local=own,
        time_per_instruction_remote=own + (mean - own) / line,
    )


def _handoff(handoff: HandOff, size: float, one: Unfitted) -> HandOff:
    """Return a hand-off that grows otherwise, or is otherwise far; the same where it is known."""
    cost = float(handoff.cost(np.array([one.waiters]), one.remote)[0])
    first = getattr(handoff, "local" if one.kind == "other node" else "time", 0.0)
    if not first > 0.0:  # the draw has none: any proportion of it is nothing
        return handoff
    if isinstance(handoff, TopologyHandOff):
        ratio = max(1.0, handoff.remote / handoff.local * float(np.exp(size)))
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
