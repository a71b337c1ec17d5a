"""Who comes to a lock, leaves it and gets it: the events of a lock, by its discipline."""

from __future__ import annotations

from lockmodel.model.disciplines import BARGING, MUTEX, RWSEM
from lockmodel.solvers.simulation import mutex, rwsem
from lockmodel.solvers.simulation.jit import called, compiled
from lockmodel.solvers.simulation.locks import (
    NOBODY,
    before_spinner,
    handoff,
    hold,
    pass_to_spinner,
    random_spinner,
    schedule,
    spin,
    take,
    unlink,
)
from lockmodel.solvers.simulation.world import World


@compiled
def arrive(w: World, i: int, g: int) -> bool:
    """Let process i come to shard g; return whether it gets it at once.

    Else it waits, or, a walker that gives up, goes to leave the shards that it has.
    """
    process, shard, clock = w.processes[i], w.shards[g], w.clock[0]
    lock = w.locks[shard.lock]
    process.since = clock.now
    if i >= w.numbers[0] and lock.trying and not _free(w, i, g):
        process.gave_up = 1
        process.shard = g - 1
        process.at = lock.shards
        schedule(w, clock.now, i)
        return False
    process.shard = g
    if lock.kind == RWSEM:
        enters = rwsem.come(w, i, g)
    else:
        enters = shard.owner == NOBODY
        if not enters:
            spin(w, i, g)
            if lock.kind == MUTEX:
                mutex.limit(w, i, g)
    if enters:
        take(w, i, g)
    return enters


@compiled
def _free(w: World, i: int, g: int) -> bool:
    """Return whether a trylock of walker i would get shard g: nobody in its way, nobody queued."""
    shard = w.shards[g]
    free = shard.owner == NOBODY and shard.bit == 0 and shard.sleeping == shard.waking
    return bool(free and (w.processes[i].reading or shard.waiting == 0))


@compiled
def release(w: World, i: int, g: int) -> tuple[int, float]:
    """Let process i leave shard g; return who holds it next, if that is settled, and from when."""
    shard, clock = w.shards[g], w.clock[0]
    kind = w.locks[shard.lock].kind
    turn, first, since = rwsem.NEXT_NONE, NOBODY, 0.0
    if kind == RWSEM:
        if not rwsem.leave(w, i, g):
            return NOBODY, 0.0
        turn, first, since = rwsem.pass_on(w, i, g)
    elif kind == MUTEX:
        turn, first, since = mutex.pass_on(w, g)
    else:
        shard.owner = NOBODY
        if shard.waiting > 0 and kind != BARGING:
            turn = rwsem.NEXT_SPINNER
    if turn == rwsem.NEXT_SPINNER:
        return pass_to_spinner(w, g)
    if turn == rwsem.NEXT_QUEUED:
        return first, since
    if shard.waking > 0:  # granted to readers
        return NOBODY, 0.0
    w.tallies[shard.lock].busy += clock.now - shard.busy_since
    if kind in (BARGING, MUTEX) and shard.waiting > 0 and shard.attempting == 0:
        first = random_spinner(w, g)
        shard.candidate = first
        shard.attempting = 1
        schedule(w, clock.now + handoff(w, first, g, shard.waiting), w.processes.size + g)
    return NOBODY, 0.0


@compiled
def attempt(w: World, g: int) -> int:
    """Let a waiter look at shard g; return who if it is free and taken, else it goes on waiting."""
    shard = w.shards[g]
    shard.attempting = 0
    kind = w.locks[shard.lock].kind
    if kind == RWSEM:
        i = rwsem.try_again(w, g)
    elif shard.owner != NOBODY:
        if kind == MUTEX:
            mutex.spin_on(w, shard.candidate)
        return NOBODY
    else:
        i = shard.candidate
        unlink(w, g, before_spinner(w, g, i), i)
        if kind == MUTEX:
            mutex.entered(w, i)
    if i != NOBODY:
        take(w, i, g)
    return int(i)


@called
def wake_up(w: World, g: int) -> int:
    """Let the sleepers of shard g that were woken run; return who takes it, of a mutex.

    Readers, to whom it was granted, enter.
    """
    shard, now = w.shards[g], w.clock[0].now
    if w.locks[shard.lock].kind == MUTEX:
        i = mutex.try_again(w, g)
        if i != NOBODY:
            take(w, i, g)
        return int(i)
    while shard.waking > 0:
        i = rwsem.next_granted(w, g)
        hold(w, i, g, now)
    return NOBODY
