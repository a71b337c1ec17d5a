"""Where throughput ends: the ceilings, what binds next, and what moves the ceiling at n.

k / (W + m c) in three directions: shorter holds leave k / (m c), fewer acquires k / (W + c), shards
multiply until another station binds. Each point is the ceiling of the scenario after the lever, so
that what binds then is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lockmodel.answers.axis import Axis
from lockmodel.changes.kinds import ACQUIRES, SHARD, SHORTEN_HOLD
from lockmodel.changes.lever import Kind, named
from lockmodel.changes.levers import most_shards
from lockmodel.model.network import CPU
from lockmodel.model.prediction import Ceiling, plain
from lockmodel.model.scenario import Scenario
from lockmodel.solvers.bounds import Demand, Link, ceiling_at, chain, demand

SCHEMA = "lockmodel.ceiling/1"

HOLDS = (1.0, 0.75, 0.5, 0.25, 0.0)
SHARDS = (1, 2, 4, 8, 16)
STEPS = 5

COUNTS = 0.005
"""Shards that count as fewer than there are by no more than this are not worth a word."""


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
    """Where the throughput of a scenario ends.

    Attributes
    ----------
    scenario : str
    n : int
        Population of the ceilings at n.
    chain : tuple of Link
        The scenario as it is, then without the lock that binds, and so on.
    demand : Demand or None
        Of the lock that binds at n; None where the CPUs do.
    axes : dict of str to tuple of Step
        'hold', 'acquires', 'shards' -> steps, the present state first; or the one axis asked for.
    notes : tuple of str
        What had to be capped.
    k : int
        Shards of the lock that binds, as stated.
    """

    scenario: str
    n: int
    chain: tuple[Link, ...]
    demand: Demand | None
    axes: dict[str, tuple[Step, ...]]
    notes: tuple[str, ...] = ()
    k: int = 1

    @property
    def peak(self) -> Ceiling:
        """The most that any population can reach."""
        return self.chain[0].peak

    @property
    def at_n(self) -> Ceiling:
        """The ceiling at n."""
        return self.chain[0].at_n

    @property
    def shards(self) -> int | None:
        """How many shards the lock that binds has; None where they count as that many."""
        if self.demand is None or abs(self.demand.shards - self.k) <= COUNTS * self.k:
            return None
        return self.k

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

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict: rates per s."""
        return {
            "schema": SCHEMA,
            "scenario": self.scenario,
            "n": self.n,
            "ceiling": plain(asdict(self.peak)),
            "chain": [
                {
                    "removed": link.removed,
                    "ceiling": plain(asdict(link.peak)),
                    "ceiling_at_n": plain(asdict(link.at_n)),
                }
                for link in self.chain
            ],
            "over": {name: [asdict(step) for step in steps] for name, steps in self.axes.items()},
            "notes": list(self.notes),
        }


def ceilings(scenario: Scenario, n: int) -> Ceilings:
    """Return how the ceiling at n goes with the hold, the acquires and the shards.

    Parameters
    ----------
    scenario : Scenario
    n : int

    Returns
    -------
    Ceilings
        With an axis for each where a lock binds.
    """
    links = chain(scenario, n)
    parts = _demand(scenario, links[0], n)
    if parts is None:
        return Ceilings(scenario.name, n, links, None, {})
    lock = scenario.lock(parts.lock)
    most = most_shards(scenario, lock.shard_by) or scenario.machine.cpus
    shards = sorted({lock.shards, *(lock.shards * k for k in SHARDS if lock.shards * k <= most)})
    values: tuple[tuple[Kind, Sequence[float]], ...] = (
        (SHORTEN_HOLD, HOLDS),
        (ACQUIRES, fewer(parts.acquires)),
        (SHARD, shards),
    )
    axes = {}
    for kind, chosen in values:
        assert kind.axis is not None
        axis = Axis(kind.axis.name, kind, parts.lock, tuple(map(float, chosen)))
        axes[axis.name] = _steps(scenario, axis, parts.lock, n)
    return Ceilings(scenario.name, n, links, parts, axes, k=lock.shards)


def over(scenario: Scenario, axis: Axis, n: int) -> Ceilings:
    """Return how the ceiling at n goes with one quantity.

    Parameters
    ----------
    scenario : Scenario
    axis : Axis
    n : int

    Raises
    ------
    ArgumentError
        A value makes no sense for the lock, there is no such lock, or none binds.
    """
    links = chain(scenario, n)
    lock = axis.target(scenario, links[0].at_n.binding)
    return Ceilings(
        scenario.name,
        n,
        links,
        _demand(scenario, links[0], n),
        {axis.quantity: _steps(scenario, axis, lock, n)},
        axis.capped(scenario, lock),
    )


def _demand(scenario: Scenario, first: Link, n: int) -> Demand | None:
    """Return the demand of the lock that binds at n; None where the CPUs do."""
    return None if first.at_n.binding == CPU else demand(scenario, first.at_n.binding, n)


def _steps(scenario: Scenario, axis: Axis, lock: str, n: int) -> tuple[Step, ...]:
    """Return the ceiling at n for the values of one axis."""
    made = []
    for value in axis.values:
        lever = axis.lever(lock, value)
        with named([lever]):
            at = ceiling_at(lever.apply(scenario), n)
        made.append(Step(float(value), at.throughput_per_s, at.binding))
    return tuple(made)


def fewer(acquires: float) -> tuple[float, ...]:
    """Return `STEPS` counts or fewer from the present one down to one: 15, 8, 4, 2, 1."""
    counts = [acquires]
    while len(counts) < STEPS and counts[-1] > 1.0:
        half = max(1.0, float(-(-counts[-1] // 2)))
        counts.append(half)
    if counts[-1] > 1.0:
        counts[-1] = 1.0
    return tuple(dict.fromkeys(counts))
