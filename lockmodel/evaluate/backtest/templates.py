"""Scenarios without their times: what of the shipped models was known without any result.

Acquires and held instructions are traced, machines are published. Every time in models/*.toml was
calibrated, some to the results that are predicted here, so all of them are blanked and set anew
from a ratio (hand-off in held instructions) and a think time. Gains do not depend on the unit of
time, so the time per remote instruction is `REMOTE` unless a case says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec
import numpy as np

from lockmodel.changes.lever import Lever, apply_all
from lockmodel.fitting import parameters as ps
from lockmodel.model.handoff import HandOff, TopologyHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.network import build
from lockmodel.model.scenario import Lock, Scenario, Site
from lockmodel.model.shipped import find_scenario, read_table, shipped_dir

LOCAL = 0.35e-9
"""s per held instruction with local lines: one per cycle at 2.9 GHz (assumed, as in models/)."""

REMOTE = 2.5e-9
"""s per held instruction with lines from another node: the unit of time where none is known."""

ACQUIRE = 20e-9
"""s per uncontended acquire: 15 to 52 ns (data/published/latency.csv)."""

LIBC, EXECUTABLE = "libc.so.6", "executable"

_replace = msgspec.structs.replace


def blank(scenario: Scenario) -> Scenario:
    """Return a scenario with every time, and all that tells where it came from, taken out.

    Waiters spin, so near saturation the sibling of every CPU is busy: think time is CPU time with
    busy siblings, and a core with both threads busy does the work of two such CPUs.
    """
    machine = scenario.machine
    machine = _replace(machine, smt_speedup=float(machine.cpus // machine.cores))
    locks = tuple(_blank_lock(lock, machine) for lock in scenario.locks)
    return _replace(
        scenario,
        machine=machine,
        think=1e-6,
        think_remote=0.0,
        locks=locks,
        calibrated=None,
        provenance=(),
        fit=None,
    )


def _blank_lock(lock: Lock, machine: Machine) -> Lock:
    near = max(machine.same_node_cost, 1e-3)
    return Lock(
        name=lock.name,
        kind=lock.kind,
        time_per_instruction_local=LOCAL,
        time_per_instruction_remote=REMOTE,
        acquire_time=ACQUIRE,
        handoff=TopologyHandOff(local=near * 1e-6, remote=1e-6),
        other_mappers=lock.other_mappers,
    )


@lru_cache(maxsize=8)
def _loaded(name: str) -> Scenario:
    return find_scenario(name)


@lru_cache(maxsize=32)
def template(name: str, machine: Machine | None = None, levers: Sequence[Lever] = ()) -> Scenario:
    """Return a blanked model, on another machine if one is given, after some levers.

    Parameters
    ----------
    name : str
        Of a shipped model.
    machine : Machine, optional
    levers : sequence of Lever
        To the state before the published change.
    """
    scenario = _loaded(name)
    if machine is not None:
        scenario = _replace(scenario, machine=machine)
    return apply_all(blank(scenario), levers)


def timed(scenario: Scenario, ratio: float, think: float, remote: float = REMOTE) -> Scenario:
    """Return a blanked scenario with times.

    Parameters
    ----------
    scenario : Scenario
    ratio : float
        One hand-off with all CPUs waiting, in held instructions with all CPUs in use.
    think : float
        s per iteration with busy siblings.
    remote : float
        s per held instruction with lines from another node.
    """
    locks = tuple(_replace(k, time_per_instruction_remote=remote) for k in scenario.locks)
    scenario = _replace(scenario, think=think, locks=locks)
    parameter = ps.parse("all.handoff_instructions", scenario)
    return ps.apply(scenario, [parameter], {parameter.name: ratio})


def one_lock(
    machine: Machine, think: float, taking: float, handoff: HandOff, shards: int = 1
) -> Scenario:
    """Return a loop around one lock that is held for `taking` s whoever held it last."""
    lock = Lock(
        name="lock",
        time_per_instruction_local=0.0,
        time_per_instruction_remote=0.0,
        acquire_time=taking,
        handoff=handoff,
        shards=shards,
        shard_by="hash",
    )
    return Scenario(
        name="one-lock",
        title="one lock",
        iteration="one operation",
        machine=machine,
        think=think,
        locks=(lock,),
        sites=(Site(lock="lock", phase="op", name="op", acquires=1.0, held_instructions=0.0),),
    )


def waiting(scenario: Scenario, n: int, throughput: float) -> float:
    """Return the share of all CPUs' time spent waiting: what is neither thinking nor holding.

    Little's law for the rest: 1 - X (Z + sum of holds and acquires) / N, exact up to all CPUs.
    """
    held = sum(build(scenario, n).hold.values())
    taking = sum(scenario.acquires(k.name) * k.acquire_time for k in scenario.locks)
    return 1.0 - throughput * (scenario.think + held + taking) / n


def traced_held(kernel: str, loop: str, binary: str, file: str, mappers: float) -> dict[str, float]:
    """Return the held instructions per acquire and site (phase.name) with so many mappers.

    Least squares in log2(mappers) through the traced medians, as models/ have them; a falling
    line is replaced by its mean.
    """
    points: dict[str, list[tuple[float, float]]] = {}
    for row in _traced("held_instructions_traced.csv"):
        if (row["kernel"], row["loop"], row["binary"], row["file"]) == (kernel, loop, binary, file):
            at = (float(row["other_mappers"]) + 1.0, float(row["instructions_median"]))
            points.setdefault(f"{row['phase']}.{row['site']}", []).append(at)
    return {site: _on_line(traced, mappers) for site, traced in points.items()}


def _on_line(points: Sequence[tuple[float, float]], mappers: float) -> float:
    doublings, held = np.log2([m for m, _ in points]), np.array([i for _, i in points])
    slope, start = np.polyfit(doublings, held, 1)
    return float(start + slope * np.log2(mappers)) if slope > 0 else float(held.mean())


@lru_cache(maxsize=4)
def _traced(file: str) -> tuple[dict[str, str], ...]:
    return tuple(read_table(shipped_dir("data") / "traced" / file))
