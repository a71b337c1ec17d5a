"""The fits that the paper's numbers rest on, and the change that is no lever: mapping directly."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import msgspec

from lockmodel.changes.grammar import parse, parse_all
from lockmodel.changes.lever import apply_all
from lockmodel.fitting.datasets import Wanted, load_sets
from lockmodel.fitting.fitting import Fitted, run
from lockmodel.model.scenario import Scenario, Site
from lockmodel.model.shipped import find_data, find_scenario

EXECL, SYSEXEC, SYSEXEC_ICL = "execl-xeon8369b", "sysexec-spr224-v6.12", "sysexec-icl64-v6.12"

CURVE = "unixbench_execl_xeon8369b.csv"

CARRIED = (
    (EXECL, CURVE),
    (SYSEXEC, "robot_sysexec_spr224.csv"),
    (SYSEXEC_ICL, "robot_sysexec_icl64.csv"),
)
"""Models and their data, fitted together (docs/guides/fit.md)."""

BEFORE = "acquires:all/exit.teardown=5;acquires:all/exec.teardown=5"
"""The kernel before batching: what the variant `before` of the robot's data ran."""

FREE = ("think", "think_remote", "line_overlap", "handoff_lines")

SHARED = {"handoff_lines": "all"}
"""Lines of a hand-off are those of the lock, whatever the machine; times are each machine's."""

EXECL_SET, SYSEXEC_SET, ICL_SET = 0, 2, 4
"""Data sets of the carried fit whose kernel is the batched one."""

DIRECT = "execl-direct"

MAPPING = ("map_link", "map_split", "map_unlink", "map_expand", "mprotect_split")
"""Sites of exec that one acquire per file would replace."""

Change = Callable[[Scenario], Scenario]


@cache
def curve_alone() -> Fitted:
    """Return the fit to the throughput curve and nothing else."""
    model = find_scenario(EXECL)
    return run(load_sets([Wanted(find_data(CURVE), CURVE, model)]))


@cache
def carried() -> Fitted:
    """Return the fit to the curve and to both pairs of kernels, lines of a hand-off shared."""
    wanted = [Wanted(find_data(file), file, find_scenario(m), m) for m, file in CARRIED]
    return run(load_sets(wanted, {"before": parse_all(BEFORE)}), FREE, SHARED)


def together(*levers: str) -> Change:
    """Return the change that some levers make in order."""
    parsed = [parse(text) for text in levers]
    return lambda scenario: apply_all(scenario, parsed)


@cache
def _direct_sites() -> tuple[Site, ...]:
    """Return the sites of models/execl-direct that map a file: hundreds of draws ask for them."""
    return tuple(s for s in find_scenario(DIRECT).sites if s.name == "map_direct")


def mapped_directly(scenario: Scenario) -> Scenario:
    """Return a scenario whose exec maps every file with one acquire, as models/execl-direct does.

    The sites of `MAPPING` go; in the place of the first stand those of that model, a file each.
    """
    direct = _direct_sites()
    own = {lock.name for lock in scenario.locks}
    made = []
    placed = False
    for site in scenario.sites:
        if site.phase != "exec" or site.name not in MAPPING:
            made.append(site)
        elif not placed:
            made += [one for one in direct if one.lock in own]
            placed = True
    return msgspec.structs.replace(scenario, sites=tuple(made))


def after(*changes: Change) -> Change:
    """Return the change that makes some changes in order."""

    def apply(scenario: Scenario) -> Scenario:
        for change in changes:
            scenario = change(scenario)
        return scenario

    return apply
