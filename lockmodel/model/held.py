"""What an acquire at a site does while it holds a lock: instructions, lines, and their time.

Both grow with who writes the data under the lock (see `placement.Part`): with several parts an
acquire takes their mean.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from msgspec.structs import replace

from lockmodel.errors import ScenarioError
from lockmodel.model.machine import Machine
from lockmodel.model.placement import ShardGroup
from lockmodel.model.scenario import Lock, Scenario, Site

ALIKE = 1e-9
"""Relative difference up to which two factors count as the same."""


class Held(NamedTuple):
    """Held work of one acquire, a mean over the processes that use the shard.

    Attributes
    ----------
    instructions, lines : float
        Executed under the lock; got from other CPUs meanwhile.
    working, moving : float
        Their time in s, without the acquire time.
    near, far : float
        What `working` would be with all data last written by the same CPU, or in another node.
    elsewhere : float
        What it would be where another process had the lock last.
    """

    instructions: float
    lines: float
    working: float
    moving: float
    near: float
    far: float
    elsewhere: float

    @property
    def time(self) -> float:
        """Time of both, s."""
        return self.working + self.moving

    @property
    def changed(self) -> float:
        """What a change of the owner adds, s: the lines, and data from elsewhere."""
        return self.elsewhere - self.near + self.moving


def held(machine: Machine, lock: Lock, site: Site, population: int, group: ShardGroup) -> Held:
    """Return the held work of an acquire.

    Parameters
    ----------
    machine : Machine
        Of its lines' time, `line_overlap` is waited for.
    lock : Lock
    site : Site
        Of the lock.
    population : int
        N.
    group : ShardGroup
        The shard, of this lock with N processes.
    """
    mappings = population + lock.other_mappers
    instructions = lines = working = moving = nearest = farthest = elsewhere = 0.0
    for part in group.parts:
        doublings = math.log2(max(1.0, mappings * part.share))
        executed = site.held_instructions + site.growth_per_doubling * doublings
        near, far = _times(lock, site, executed)
        users = population * part.share
        moved = part.weight * site.transferred(users, mappings * part.share)
        others = part.line * users / (users - 1.0) if users > 1.0 else 0.0  # not itself
        instructions += part.weight * executed
        lines += moved
        working += part.weight * (near + (far - near) * part.line)
        nearest += part.weight * near
        farthest += part.weight * far
        elsewhere += part.weight * (near + (far - near) * others)
        moving += machine.line_overlap * part.transfer * moved
    return Held(instructions, lines, working, moving, nearest, farthest, elsewhere)


def _times(lock: Lock, site: Site, instructions: float) -> tuple[float, float]:
    """Return the time of an acquire's held work, lines apart: with all data near, and all far."""
    if site.hold is not None:
        return site.hold, site.hold if site.hold_remote is None else site.hold_remote
    near, far = lock.time_per_instruction_local, lock.time_per_instruction_remote
    return near * instructions, far * instructions


def as_instructions(scenario: Scenario) -> Scenario:
    """Return a scenario whose holds are all counted: the longest that a lock's sites state is one.

    Fits move times per instruction. What is predicted stays the same.

    Raises
    ------
    ScenarioError
        A lock has sites of both kinds, or sites that distance lengthens by different factors.
    """
    locks, sites = list(scenario.locks), list(scenario.sites)
    for i, lock in enumerate(locks):
        own = [k for k, site in enumerate(sites) if site.lock == lock.name]
        stated = [_times(lock, sites[k], 0.0) for k in own if sites[k].hold is not None]
        if not stated:
            continue
        near, far = (max(times) for times in zip(*stated, strict=True))
        if len(stated) < len(own):
            raise ScenarioError(
                f"lock {lock.name!r}: some of its sites state hold_us, others count "
                f"held_instructions; a fit needs one of the two at all of them"
            )
        if any(abs(a * far - b * near) > ALIKE * far * near for a, b in stated):
            raise ScenarioError(
                f"lock {lock.name!r}: hold_remote_us over hold_us differs between its sites; a fit "
                f"has one factor for the lock: give all the same"
            )
        locks[i] = replace(lock, time_per_instruction_local=near, time_per_instruction_remote=far)
        for k, (_, longest) in zip(own, stated, strict=True):
            count = longest / far if far > 0.0 else 0.0
            sites[k] = replace(sites[k], hold=None, hold_remote=None, held_instructions=count)
    return replace(scenario, locks=tuple(locks), sites=tuple(sites))
