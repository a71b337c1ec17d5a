"""How the ceiling at n goes with the acquires, the hold and the shards of the lock that binds.

k / (W + m c) in three directions: shorter holds leave k / (m c), fewer acquires k / (W + c), shards
multiply until another station binds. Each point is the ceiling of the scenario after the lever, so
that what binds then is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lockmodel.changes.kinds import ACQUIRES, SHARD, SHORTEN_HOLD, lever
from lockmodel.changes.lever import Kind
from lockmodel.model.network import CPU
from lockmodel.model.scenario import Scenario
from lockmodel.solvers.bounds import Demand, ceiling_at, demand

HOLDS = (1.0, 0.75, 0.5, 0.25, 0.0)
SHARDS = (1, 2, 4, 8, 16)
STEPS = 5


@dataclass(frozen=True)
class Step:
    """The ceiling at n with one value of one quantity.

    Attributes
    ----------
    value : float
    ceiling_per_s : float
    binding : str
    """

    value: float
    ceiling_per_s: float
    binding: str


@dataclass(frozen=True)
class Ceilings:
    """The ceiling at n against three quantities of the lock that binds.

    Attributes
    ----------
    demand : Demand or None
        Of the lock that binds; None where the CPUs do.
    axes : dict of str to tuple of Step
        'hold', 'acquires', 'shards' -> steps, the present state first.
    """

    demand: Demand | None
    axes: dict[str, tuple[Step, ...]]

    @property
    def shortest_hold_per_s(self) -> float:
        """K / (m c): what ever shorter holds approach."""
        assert self.demand is not None
        left = self.demand.acquires * self.demand.handoff_s
        return self.demand.shards / left if left > 0 else float("inf")

    @property
    def fewest_acquires_per_s(self) -> float:
        """K / (W + c): what ever fewer acquires approach, at one of them."""
        assert self.demand is not None
        left = self.demand.work_s + self.demand.handoff_s
        return self.demand.shards / left if left > 0 else float("inf")


def steps(
    scenario: Scenario, kind: Kind, lock: str, values: Sequence[float], n: int
) -> tuple[Step, ...]:
    """Return the ceiling at n for values of one axis of a lock.

    Parameters
    ----------
    scenario : Scenario
    kind : Kind
        A lever that is an axis.
    lock : str
    values : sequence of float
    n : int

    Raises
    ------
    ArgumentError
        A value makes no sense for the lock.
    """
    form = kind.axis
    assert form is not None
    made = []
    for value in values:
        changed = lever(kind.name, "" if kind.target == "none" else lock, form.value(value))
        at = ceiling_at(changed.apply(scenario), n)
        made.append(Step(float(value), at.throughput_per_s, at.binding))
    return tuple(made)


def ceilings(scenario: Scenario, n: int) -> Ceilings:
    """Return how the ceiling at n goes with the hold, the acquires and the shards.

    Parameters
    ----------
    scenario : Scenario
    n : int
    """
    binding = ceiling_at(scenario, n).binding
    if binding == CPU:
        return Ceilings(None, {})
    parts = demand(scenario, binding, n)
    present = scenario.lock(binding).shards
    most = scenario.machine.cpus
    shards = sorted({present, *(present * k for k in SHARDS if present * k <= most)})
    axes = {
        "hold": steps(scenario, SHORTEN_HOLD, binding, HOLDS, n),
        "acquires": steps(scenario, ACQUIRES, binding, fewer(parts.acquires), n),
        "shards": steps(scenario, SHARD, binding, shards, n),
    }
    return Ceilings(parts, axes)


def fewer(acquires: float) -> tuple[float, ...]:
    """Return `STEPS` counts or fewer from the present one down to one: 15, 8, 4, 2, 1."""
    counts = [acquires]
    while len(counts) < STEPS and counts[-1] > 1.0:
        half = max(1.0, float(-(-counts[-1] // 2)))
        counts.append(half)
    if counts[-1] > 1.0:
        counts[-1] = 1.0
    return tuple(dict.fromkeys(counts))
