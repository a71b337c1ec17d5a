"""A mutex: waiters spin for a limited time, then sleep until they are woken.

With barging a released lock is free. One spinner, any, looks at it a hand-off later, the first
sleeper a wake-up later; whoever comes before that takes it. A sleeper that finds it held sleeps on
and stays the first. Without barging a released lock belongs to the first sleeper, if nobody sleeps
to the first spinner: with a limit that is the same for all that is first come, first served.

A spinner whose limit ends sleeps, one that is about to look not before it has found the lock held.
So a free lock with waiters has always somebody on the way to it.
"""

from __future__ import annotations

import numpy as np

from lockmodel.solvers.simulation.heap import cancel
from lockmodel.solvers.simulation.jit import called, compiled
from lockmodel.solvers.simulation.locks import (
    NOBODY,
    before_spinner,
    handoff,
    leave_queue,
    patience,
    random_spinner,
    schedule,
    sleep,
    spin,
    unlink,
    woken,
)
from lockmodel.solvers.simulation.rwsem import NEXT_NONE, NEXT_QUEUED, NEXT_SPINNER
from lockmodel.solvers.simulation.world import World


@compiled
def _limit_of(w: World, i: int) -> int:
    """Return the event at which process i has spun for long enough."""
    return int(w.processes.size + 3 * w.shards.size + w.locks.size + i)


@called
def _stop(w: World, i: int, g: int) -> None:
    """Take process i out of those who spin at shard g, before its limit or after."""
    clock = w.clock[0]
    unlink(w, g, before_spinner(w, g, i), i)
    if w.processes[i].overdue > clock.now:
        clock.events = cancel(w.event_times, w.event_who, clock.events, _limit_of(w, i))


@called
def come(w: World, i: int, g: int) -> bool:
    """Let process i come to shard g; return whether it enters, or else spins or sleeps."""
    shard, clock = w.shards[g], w.clock[0]
    limit = w.locks[shard.lock].spin_limit
    if shard.owner == NOBODY:
        return True
    if limit == 0.0:
        sleep(w, i, g)
        return False
    spin(w, i, g)
    w.processes[i].overdue = np.inf
    schedule(w, clock.now + patience(w, g, limit), _limit_of(w, i))
    return False


@called
def tire(w: World, i: int) -> None:
    """Let process i, which has spun for its limit, sleep."""
    g = w.processes[i].shard
    shard = w.shards[g]
    w.processes[i].overdue = w.clock[0].now
    if not (shard.attempting and shard.candidate == i):
        _stop(w, i, g)
        sleep(w, i, g)


@called
def pass_on(w: World, g: int) -> tuple[int, int, float]:
    """Settle who has shard g, just released: one of the NEXT_..., who, and from when it holds."""
    shard, clock = w.shards[g], w.clock[0]
    people = w.processes.size
    shard.owner = NOBODY
    if not w.locks[shard.lock].barge:
        if shard.sleeping > 0:
            shard.owner = leave_queue(w, g)
            return NEXT_QUEUED, shard.owner, clock.now + woken(w, g)
        if shard.waiting > 0:
            event = _limit_of(w, shard.head)
            clock.events = cancel(w.event_times, w.event_who, clock.events, event)
            return NEXT_SPINNER, NOBODY, 0.0
        return NEXT_NONE, NOBODY, 0.0
    if shard.sleeping > 0 and shard.rousing == 0:
        shard.rousing = 1
        schedule(w, clock.now + woken(w, g), people + w.shards.size + g)
    if shard.waiting > 0 and shard.attempting == 0:
        shard.candidate = random_spinner(w, g)
        shard.attempting = 1
        time = handoff(w, shard.candidate, g, shard.waiting)
        schedule(w, clock.now + time, people + g)
    return NEXT_NONE, NOBODY, 0.0


@called
def look(w: World, g: int) -> int:
    """Let a spinner look at shard g; return who if it takes it, else it spins on, or sleeps."""
    shard = w.shards[g]
    i = shard.candidate
    if shard.owner == NOBODY:
        _stop(w, i, g)
        return int(i)
    if w.processes[i].overdue <= w.clock[0].now:
        _stop(w, i, g)
        sleep(w, i, g)
    return NOBODY


@called
def try_again(w: World, g: int) -> int:
    """Let the first sleeper of shard g, awake, take it; return who did, else it sleeps on."""
    shard = w.shards[g]
    shard.rousing = 0
    if shard.owner == NOBODY:
        return int(leave_queue(w, g))
    return NOBODY
