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
    leave_queue,
    patience,
    schedule,
    sleep,
    unlink,
    woken,
)
from lockmodel.solvers.simulation.rwsem import NEXT_NONE, NEXT_QUEUED, NEXT_SPINNER
from lockmodel.solvers.simulation.world import World


@compiled
def _event(w: World, i: int) -> int:
    """Return the event at which process i has spun for long enough."""
    return int(w.processes.size + 3 * w.shards.size + w.locks.size + i)


@called
def limit(w: World, i: int, g: int) -> None:
    """Let process i, which begins to spin at shard g, do so for a limited time."""
    w.processes[i].overdue = np.inf
    time = patience(w, g, w.locks[w.shards[g].lock].spin_limit)
    schedule(w, w.clock[0].now + time, _event(w, i))


@called
def entered(w: World, i: int) -> None:
    """Forget the limit of process i, which no longer spins, unless it has ended."""
    clock = w.clock[0]
    if w.processes[i].overdue > clock.now:
        clock.events = cancel(w.event_times, w.event_who, clock.events, _event(w, i))


@called
def tire(w: World, i: int) -> None:
    """Let process i, which has spun for its limit, sleep; if it is about to look, after that."""
    g = w.processes[i].shard
    shard = w.shards[g]
    w.processes[i].overdue = w.clock[0].now
    if not (shard.attempting and shard.candidate == i):
        unlink(w, g, before_spinner(w, g, i), i)
        sleep(w, i, g)


@called
def spin_on(w: World, i: int) -> None:
    """Let process i, which has found the lock held, spin on, or sleep if its limit has ended."""
    now = w.clock[0].now
    if w.processes[i].overdue <= now:
        schedule(w, now, _event(w, i))


@called
def pass_on(w: World, g: int) -> tuple[int, int, float]:
    """Settle who has shard g, just released: one of the NEXT_..., who, and from when it holds.

    Of a free lock a sleeper is woken here; that a spinner looks is as with barging.
    """
    shard, clock = w.shards[g], w.clock[0]
    barge = w.locks[shard.lock].barge
    shard.owner = NOBODY
    if shard.sleeping > 0 and shard.rousing == 0:
        since = clock.now + woken(w, g)
        if not barge:
            shard.owner = leave_queue(w, g)
            return NEXT_QUEUED, shard.owner, since
        shard.rousing = 1
        schedule(w, since, w.processes.size + w.shards.size + g)
    elif not barge and shard.waiting > 0:
        entered(w, shard.head)
        return NEXT_SPINNER, NOBODY, 0.0
    return NEXT_NONE, NOBODY, 0.0


@called
def try_again(w: World, g: int) -> int:
    """Let the first sleeper of shard g, awake, take it; return who did, else it sleeps on."""
    shard = w.shards[g]
    shard.rousing = 0
    if shard.owner == NOBODY:
        return int(leave_queue(w, g))
    return NOBODY
