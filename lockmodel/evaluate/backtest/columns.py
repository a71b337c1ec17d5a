"""Cheaper predictions of the same rows: what one would say without lines, times or a model.

A column counts something else for what a lock costs, in the scenario and with the lever of the row
itself: the demand of every lock is that count, in a unit that makes the lock that binds before the
change as busy as the counted scenario has it. So think time, CPUs, shards and the locks that come
next are there, and only the proxy differs. Two columns need no scenario: no change, and the mean of
what the other patches were published with. A column is a point; its spread are the residuals of the
*other* patches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache

from msgspec.structs import replace

from lockmodel.evaluate.backtest.counts import EXECUTABLE, FILES, Setting, demand, rate
from lockmodel.model.handoff import NoHandOff
from lockmodel.model.machine import DISTANCES, LineTimes
from lockmodel.model.scenario import Scenario, Site
from lockmodel.model.shipped import read_table, shipped_dir

OWN = "lockmodel"
NOTHING, MEAN = "no change", "mean of gains"
UNIT = 1e-9
"""s per unit of a proxy before it is scaled."""

COUNTED = ("6.12.107", "dyntrue", "dynloop")
"""Kernel whose tree operations are taken (those of 6.1 are the same), and the binaries by loop."""


def _with(
    scenario: Scenario, per_acquire: Callable[[Site], tuple[float, float]], unit: float
) -> Scenario:
    """Return the scenario in which an acquire costs a count of units, and nothing else does."""
    locks = tuple(
        replace(
            lock,
            time_per_instruction_local=unit,
            time_per_instruction_remote=unit,
            acquire_time=0.0,
            handoff=NoHandOff(),
            handoff_lines=0.0,
        )
        for lock in scenario.locks
    )
    sites = []
    for site in scenario.sites:
        count, growth = per_acquire(site)
        sites.append(
            replace(
                site,
                held_instructions=count,
                growth_per_doubling=growth,
                lines=0.0,
                lines_per_doubling=0.0,
                lines_per_idle_doubling=0.0,
            )
        )
    return replace(scenario, locks=locks, sites=tuple(sites))


def acquires(scenario: Scenario, unit: float) -> Scenario:
    """Return the scenario in which every acquire costs the same."""
    return _with(scenario, lambda site: (1.0, 0.0), unit)


def instructions(scenario: Scenario, unit: float) -> Scenario:
    """Return the scenario in which held instructions cost the same, whatever they touch."""
    return _with(scenario, lambda s: (s.held_instructions, s.growth_per_doubling), unit)


def operations(scenario: Scenario, unit: float) -> Scenario:
    """Return the scenario in which operations on a file's interval tree cost the same."""
    loop = "fork" if any(s.phase in ("fork", "exit") for s in scenario.sites) else "execl"
    return _with(scenario, lambda site: (_operations(loop, site), 0.0), unit)


def _operations(loop: str, site: Site) -> float:
    """Return the tree operations per acquire of a site; a lever on acquires leaves their sum."""
    if site.lock not in FILES or site.acquires == 0.0:
        return 0.0
    return tree_operations(loop, site.lock).get(site.label, 0.0) / site.acquires


@lru_cache(maxsize=16)
def tree_operations(loop: str, lock: str) -> Mapping[str, float]:
    """Return the tree operations per iteration of a file's sites, counted.

    The program of the execl loop is its own executable; in a fork loop it is what is started.
    """
    kernel, started, looping = COUNTED
    binary = looping if loop == "execl" else started
    file = {EXECUTABLE: binary, "launcher": looping}.get(lock, lock)
    rows = read_table(shipped_dir("data") / "traced" / "acquires_traced.csv")
    return {
        f"{r['phase']}.{r['site']}": float(r["tree_operations"])
        for r in rows
        if (r["kernel"], r["loop"], r["binary"], r["file"]) == (kernel, loop, binary, file)
    }


def lines(scenario: Scenario, unit: float) -> Scenario:
    """Return the scenario in which every line costs the same, from wherever it comes."""
    needed = scenario.machine.told_apart
    machine = replace(
        scenario.machine,
        line=LineTimes(**{d: unit for d in DISTANCES if d in needed}),
        line_overlap=1.0,
    )
    locks = tuple(
        replace(
            lock,
            time_per_instruction_local=0.0,
            time_per_instruction_remote=0.0,
            acquire_time=0.0,
            handoff=NoHandOff(),
        )
        for lock in scenario.locks
    )
    return replace(scenario, machine=machine, locks=locks)


PROXIES: dict[str, Callable[[Scenario, float], Scenario]] = {
    "acquires": acquires,
    "instructions": instructions,
    "operations": operations,
    "lines": lines,
}
"""Name of a column -> the scenario by its proxy, with seconds per unit."""

RIVALS = (NOTHING, MEAN, *PROXIES)


def points(setting: Setting) -> dict[str, float]:
    """Return what the columns with a proxy predict for a row, in ln(1 + gain).

    Parameters
    ----------
    setting : Setting
        Of the row; numbers are taken as they were counted.
    """
    before, after = setting.plain
    n = setting.population
    busy = demand(before, n)
    made = {}
    for name, proxy in PROXIES.items():
        count = demand(proxy(before, UNIT), n)
        unit = UNIT * busy / count if count > 0.0 else UNIT
        made[name] = math.log(rate(proxy(after, unit), n) / rate(proxy(before, unit), n))
    return made
