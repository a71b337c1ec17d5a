"""One generic lock as a scenario: what a curve without a model is fitted to.

The iteration thinks, then takes one lock once and holds it for one "instruction", so that the time
per instruction is the hold time. The hand-off is of the family that describes the curve best;
its start values are those of the curve fit. Distance makes no difference to the hold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from lockmodel.errors import ScenarioError
from lockmodel.fitting.curves.comparison import FamilyComparison, FamilyRow, compare
from lockmodel.fitting.curves.curve import FEWEST, Curve
from lockmodel.model.handoff import (
    ConstantHandOff,
    HandOff,
    LinearHandOff,
    NoHandOff,
    SaturatingHandOff,
    TopologyHandOff,
)
from lockmodel.model.machine import UNSTATED, Machine
from lockmodel.model.scenario import Lock, Provenance, Scenario, Site

LOCK = "lock"

LEAST = 1e-12
"""Shortest time, s: a hand-off of exactly 0 could not be moved in proportion."""

FREE = {
    "none": ("think", "hold"),
    "constant": ("think", "hold", "handoff"),
    "linear": ("think", "hold", "handoff"),
    "saturating": ("think", "hold", "handoff"),
    "topology": ("think", "hold", "handoff"),
}
"""Family -> parameters that are fitted; how the hand-off grows stays as the curve fit has it."""


@dataclass(frozen=True)
class Generic:
    """A scenario made from a curve, and what of it is to be fitted.

    Attributes
    ----------
    scenario : Scenario
    family : str
    free : tuple of str
    """

    scenario: Scenario
    family: str
    free: tuple[str, ...]


def best_lock(comparison: FamilyComparison) -> FamilyRow:
    """Return the lock family with the largest weight in the average."""
    rows = [row for row in comparison.families if row.name in FREE]
    if not rows:
        raise ScenarioError(
            f"{comparison.curve.label}: {len(comparison.curve.n)} points are too few for any lock; "
            f"measure at least 4"
        )
    return max(rows, key=lambda row: row.weight)


def generic(comparison: FamilyComparison, name: str, file: str) -> Generic:
    """Return the scenario of one lock that describes a curve.

    Parameters
    ----------
    comparison : FamilyComparison
        Of a curve in iterations per second.
    name : str
        Of the scenario.
    file : str
        Where the curve comes from.

    Raises
    ------
    ScenarioError
        The curve has too few points for a lock.
    """
    comparison = _on_cpus(comparison)
    row = best_lock(comparison)
    curve = comparison.curve
    machine = curve.machine or _flat(curve)
    values = row.parameters
    lock = Lock(
        name=LOCK,
        time_per_instruction_local=values["hold"],
        time_per_instruction_remote=values["hold"],
        handoff=_handoff(row.name, values),
    )
    said = Provenance(
        value="everything",
        origin="fitted",
        note=f"one generic lock, fitted to {file} without a model: its times are those of whatever "
        f"limits throughput there, and held instructions are none (1 stands for a hold). "
        f"smt_speedup is at its limit: the curve says nothing of cores without the lock",
    )
    scenario = Scenario(
        name=name,
        title=f"one generic lock ({row.name} hand-off), fitted to {curve.label}",
        iteration="whatever the curve counts",
        machine=machine,
        think=max(values["think"], LEAST),
        locks=(lock,),
        sites=(Site(lock=LOCK, phase="loop", name="hold", acquires=1.0, held_instructions=1.0),),
        provenance=(said,),
    )
    return Generic(scenario, row.name, FREE[row.name])


def _flat(curve: Curve) -> Machine:
    """Return the machine of a curve of which at most the CPUs are known."""
    if curve.cpus is not None:
        name = f"{curve.cpus} CPUs, sockets and cores not stated"
        return Machine(name=name, cpus=curve.cpus, cores=curve.cpus)
    top = int(curve.n[-1])
    return Machine(name=f"{UNSTATED}; {top} CPUs at least", cpus=top, cores=top)


def _on_cpus(comparison: FamilyComparison) -> FamilyComparison:
    """Return a comparison of the populations that have a CPU each, where their number is stated."""
    curve = comparison.curve
    if curve.cpus is None or curve.n[-1] <= curve.cpus:
        return comparison
    within = curve.n <= curve.cpus
    if within.sum() < FEWEST:
        raise ScenarioError(
            f"{curve.label}: {int(within.sum())} populations have a CPU each on "
            f"{curve.cpus} CPUs, too few for a lock; measure at least 4 there, or say "
            f"another --machine"
        )
    return compare(curve.part(within))


def _handoff(family: str, values: Mapping[str, float]) -> HandOff:
    if family == "none":
        return NoHandOff()
    first = max(values["handoff"], LEAST)
    if family == "constant":
        return ConstantHandOff(time=first)
    if family == "linear":
        return LinearHandOff(time=first, per_waiter=max(values["per_waiter"], LEAST))
    if family == "saturating":
        return SaturatingHandOff(
            time=first,
            limit=first + max(values["growth"], LEAST),
            half_waiters=values["half_waiters"],
        )
    remote = first * (1.0 + values["remote_excess"])
    return TopologyHandOff(local=first, remote=max(remote, math.nextafter(first, 1.0)))
