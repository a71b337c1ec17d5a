"""What an acquire at a site does while it holds a lock: instructions, lines, and their time.

Both grow with who writes the data under the lock (see `placement.Part`): with several parts an
acquire takes their mean.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from lockmodel.model.machine import Machine
from lockmodel.model.placement import ShardGroup
from lockmodel.model.scenario import Lock, Site


class Held(NamedTuple):
    """Held work of one acquire, a mean over the processes that use the shard.

    Attributes
    ----------
    instructions, lines : float
        Executed under the lock; got from other CPUs meanwhile.
    working, moving : float
        Their time in s, without the acquire time.
    """

    instructions: float
    lines: float
    working: float
    moving: float

    @property
    def time(self) -> float:
        """Time of both, s."""
        return self.working + self.moving


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
    near, far = lock.time_per_instruction_local, lock.time_per_instruction_remote
    mappings = population + lock.other_mappers
    instructions = lines = working = moving = 0.0
    for part in group.parts:
        doublings = math.log2(max(1.0, mappings * part.share))
        executed = part.weight * (site.held_instructions + site.growth_per_doubling * doublings)
        moved = part.weight * site.transferred(population * part.share, mappings * part.share)
        instructions += executed
        lines += moved
        working += (near + (far - near) * part.line) * executed
        moving += machine.line_overlap * part.transfer * moved
    return Held(instructions, lines, working, moving)
