"""The records of levers on the lines under a lock: fewer of them, or nearer ones."""

from __future__ import annotations

from collections.abc import Iterator

from lockmodel.changes import levers
from lockmodel.changes.lever import AxisForm, Kind, Lever
from lockmodel.changes.written import number, spelt
from lockmodel.model.placement import shard_groups
from lockmodel.model.scenario import Lock, Scenario


def _shares(scenario: Scenario, lock: Lock | None) -> Iterator[tuple[str, float]]:
    assert lock is not None
    if levers.has_lines(scenario, lock.name):
        yield "", 0.5
        yield "", 0.0


FEWER_LINES = Kind(
    name="fewer_lines",
    form="fewer_lines:LOCK[/SITE]=FACTOR",
    meaning="lines that come from other CPUs under the lock times FACTOR (0 to 1)",
    at_best="k / (tau I + m c)",
    target="lock or site",
    read=number,
    spell=spelt,
    change=lambda scenario, lock, one: levers.fewer_lines(
        scenario, lock, one.value, one.site or None
    ),
    concerns=levers.has_lines,
    tries=_shares,
    is_limit=lambda one: one.value == 0.0,
    axis=AxisForm(
        "lines",
        "factor on lines under the lock",
        "0.0..1.0:11",
        "factor on the lines under the lock; 11 values",
    ),
)


def _apart(scenario: Scenario, lock: Lock | None) -> Iterator[tuple[str, None]]:
    assert lock is not None
    if not levers.has_lines(scenario, lock.name) or lock.lines_by == "node":
        return
    after = levers.nearer_lines(scenario, lock.name).lock(lock.name)
    groups = shard_groups(scenario.machine, after, scenario.machine.cpus)
    if any(group.by_node for group in groups):  # else a shard has one node's processes already
        yield "", None


def _one_node(scenario: Scenario, one: Lever) -> str:
    if scenario.machine.nodes > 1:
        return ""
    return f"{one.text}: the machine has one NUMA node, so nothing changes"


NEARER_LINES = Kind(
    name="nearer_lines",
    form="nearer_lines:LOCK",
    meaning="each NUMA node has its own data under the one lock",
    change=lambda scenario, lock, _: levers.nearer_lines(scenario, lock),
    concerns=levers.has_distances,
    tries=_apart,
    note=_one_node,
)
