"""Work on a process's own tree moved out of the lock, where this lock binds and where another does.

The patch to mmap_region takes the insertion of the new mapping into the process's own tree out of
the section. On v6.0, before the maple tree, that is an rbtree insertion, the list, and the gaps on
the way to the root; on v6.4 it is a store in a maple tree. Either is on lines that no other CPU
writes, so what moves out are instructions, and no shared line.
"""

from __future__ import annotations

import math
from functools import partial

import msgspec
import numpy as np

from lockmodel.changes import levers
from lockmodel.changes.kinds import lever
from lockmodel.changes.lever import ALL
from lockmodel.evaluate.backtest.case import Case, Limits, Predicted
from lockmodel.evaluate.backtest.counts import (
    MODEL_ERROR,
    PARAMETERS,
    Setting,
    as_it_is,
    counted,
    demand,
    drawn_from,
    rate,
)
from lockmodel.evaluate.backtest.evidence import Context
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Scenario, Site
from lockmodel.model.shipped import find_scenario

MOVED, MOVED_LATER, CHUNK = "yuma_mmap_region", "yuma_mmap_region_on_6_4", "yuma_pcpu_chunk"
COPIES = 160
BEFORE = (lever("acquires", ALL, 5.0, "exec.teardown"),)
"""Teardowns of 2022 and 2023; their lines are those counted on 6.1."""

LINK = "exec.map_link"
RBTREE = (100.0, 400.0)
"""Instructions per mapping that v6.0 moves: list (15), rbtree insertion with rebalancing (50 to
200), gaps up a tree of 20 to 40 mappings (five levels of 10 to 30). Sized, not counted."""

MAPLE = (1100.0, 1400.0)
"""The same of a maple tree: map_link takes 1,318 to 1,545 instructions on 6.1 and 88 to 205 on
6.12, which does this work outside (held_instructions_traced.csv)."""

PCPU = "pcpu_alloc_mutex"


def machine() -> Machine:
    """Return the two-socket Sapphire Rapids: as the robot's, another one."""
    robot = find_scenario("sysexec-spr224-v6.12").machine
    return msgspec.structs.replace(robot, name="2 x Sapphire Rapids, 112 cores")


def scenario() -> Scenario:
    """Return execl on it from counts, without the own tree's work."""
    return counted("execl-emr112", machine(), BEFORE)


def with_own(now: Scenario, instructions: float) -> Scenario:
    """Return the scenario that does the own tree's work under the lock wherever it maps."""
    sites = tuple(
        msgspec.structs.replace(site, held_instructions=site.held_instructions + instructions)
        if site.label == LINK
        else site
        for site in now.sites
    )
    return msgspec.structs.replace(now, sites=sites)


def without_own(now: Scenario, instructions: float) -> Scenario:
    """Return the scenario after the patch."""
    return with_own(now, -instructions)


def middle(ends: tuple[float, float]) -> float:
    """Return the middle of a range of instructions in its logarithm."""
    return math.sqrt(ends[0] * ends[1])


def with_mutex(now: Scenario, mapping_wait: float) -> Scenario:
    """Return the scenario with the allocator's mutex on top, which binds.

    Parameters
    ----------
    now : Scenario
    mapping_wait : float
        Share of all cycles that wait for the other locks. A server that is busy a share rho of the
        time has rho^2 / (1 - rho) waiting, which gives rho, and the mutex's demand is that of the
        files' lock over rho.
    """
    waiting = COPIES * mapping_wait
    rho = 0.5 * waiting * (math.sqrt(1.0 + 4.0 / waiting) - 1.0)
    mutex = Lock(
        name=PCPU,
        time_per_instruction_local=0.0,
        time_per_instruction_remote=0.0,
        acquire_time=demand(now, COPIES) / rho,
    )
    site = Site(lock=PCPU, phase="exec", name="pcpu", acquires=1.0, held_instructions=0.0)
    return msgspec.structs.replace(now, locks=(*now.locks, mutex), sites=(*now.sites, site))


def _elsewhere(context: Context) -> float:
    """Return the share of cycles waiting for other locks than the mutex on v6.4-rc4, unpatched."""
    shares = context.evidence.facts(CHUNK)["contention"]
    return float(shares["osq_lock_total_pct"] - shares["osq_lock_under_pcpu_alloc_pct"]) / 100.0


def setting(ends: tuple[float, float], later: bool, context: Context) -> Setting:
    """Return the loop before the patch, at the middle of the instructions it moves."""
    own = middle(ends)

    def before(now: Scenario) -> Scenario:
        was = with_own(now, own)
        return with_mutex(was, _elsewhere(context)) if later else was

    return Setting(scenario(), COPIES, partial(without_own, instructions=own), before)


def _predict(ends: tuple[float, float], later: bool, context: Context) -> Predicted:
    name = f"own tree's instructions: {'maple tree' if later else 'rbtree'}"
    moved = context.draws.log_uniform(name, *ends)
    plain = Setting(scenario(), COPIES, as_it_is)
    gains = []
    for now, own in zip(drawn_from(context, plain), moved.tolist(), strict=True):
        before = with_own(now, own)
        if later:
            before = with_mutex(before, _elsewhere(context))
        gains.append(rate(without_own(before, own), COPIES) / rate(before, COPIES) - 1.0)
    return Predicted(np.array(gains), np.ones(len(gains)), MODEL_ERROR)


def _chunk(context: Context) -> Limits:
    """Return what the mutex costs at most: all of it gone, at the middle of the draws."""
    before, _ = setting(MAPLE, True, context).plain
    return Limits(0.0, rate(levers.exclude(before, PCPU), COPIES) / rate(before, COPIES) - 1.0)


def _text(ends: tuple[float, float]) -> str:
    """Return the lever as it would be typed: what is left of libc.so.6's held instructions."""
    before, after = Setting(
        scenario(),
        COPIES,
        partial(without_own, instructions=middle(ends)),
        partial(with_own, instructions=middle(ends)),
    ).plain
    left = [each.held_instructions("libc.so.6", COPIES) for each in (before, after)]
    return f"shorten_hold:all={left[1] / left[0]:.2g}"


SCENARIO = "execl-emr112 on Sapphire Rapids, five acquires per teardown, lines of 6.1"
ASSUMED = f"{PARAMETERS}four other machines; 0.2 to 0.7 ns per instruction"
MUTEX = (
    "as the case on v6.0; the mutex from the profile of v6.4-rc4 without any patch: 53.5 % of "
    "cycles in osq_lock below pcpu_alloc, 1.7 % elsewhere"
)


def _case(name: str, ends: tuple[float, float], reasoning: str, if_outside: str) -> Case:
    later = name == MOVED_LATER
    return Case(
        id=name,
        patch="mmap_region",
        group="change",
        scenario=f"{SCENARIO}, with {PCPU}" if later else SCENARIO,
        lever=_text(ends),
        kind="shorten_hold",
        population=COPIES,
        parameters=MUTEX if later else ASSUMED,
        reasoning=reasoning,
        if_outside=if_outside,
        predict=partial(_predict, ends, later),
        setting=partial(setting, ends, later),
    )


def cases() -> tuple[Case, ...]:
    """Return the cases."""
    return (
        _case(
            MOVED,
            RBTREE,
            "v6.0 is before the maple tree: what moves out is an rbtree insertion of 100 to 400 "
            "instructions per mapping (sized, not counted) on lines of the process's own; no "
            "shared line moves. The lever is of held instructions alone",
            "not explained: 12 % of this lock's demand are 2,000 to 7,000 own instructions per "
            "mapping, so either own lines miss the cache as well, or something else in that patch "
            "or kernel moved shared lines",
        ),
        _case(
            MOVED_LATER,
            MAPLE,
            "the same patch where another lock binds: nothing is left to gain",
            "not explained",
        ),
        Case(
            id=CHUNK,
            patch="percpu chunk",
            group="change",
            scenario=f"{SCENARIO}, with {PCPU}",
            lever=f"shorten_hold:{PCPU}=F",
            kind="shorten_hold",
            population=COPIES,
            parameters=MUTEX,
            reasoning="re-laid out, pcpu_chunk no longer shares lines falsely",
            undecidable="how many lines were, and so F, is not known; the limit is the mutex gone",
            predict=_chunk,
        ),
    )
