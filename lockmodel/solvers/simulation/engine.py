"""The event loop: the earliest of who stops thinking and who stops holding goes on.

Thinking processes share the CPUs equally, so all of them do think work at one speed: they
wait in a heap of their own, ordered by the work at which they are done (processor sharing in
virtual time), and nothing has to be rescheduled when the speed changes.
"""

from __future__ import annotations

import numpy as np

from lockmodel.model.disciplines import RWSEM
from lockmodel.solvers.simulation.draw import draw, exponential, uniform
from lockmodel.solvers.simulation.heap import pop, push
from lockmodel.solvers.simulation.jit import compiled
from lockmodel.solvers.simulation.locks import (
    NOBODY,
    THINK,
    hold,
    note,
    schedule,
)
from lockmodel.solvers.simulation.moves import arrive, attempt, release, wake_up
from lockmodel.solvers.simulation.mutex import tire
from lockmodel.solvers.simulation.rwsem import stop_spinning
from lockmodel.solvers.simulation.world import DRAWN, PINNED, World


@compiled
def _choose_shards(w: World, i: int) -> None:
    """Draw the shards of this iteration."""
    for k in range(w.locks.size):
        lock = w.locks[k]
        if lock.choice == DRAWN:
            upto = w.weights[lock.weights : lock.weights + lock.shards]
            w.own[i, k] = min(np.searchsorted(upto, uniform(w.random)), lock.shards - 1)


@compiled
def _think(w: World, i: int, share: float) -> None:
    """Let process i think for a share of a whole think time."""
    clock = w.clock[0]
    kind = w.kinds[w.processes[i].kind]
    work = kind.think * share
    if work > 0.0:
        work *= draw(w.distributions[kind.thinking], w.table, w.random)
    clock.thinking = push(w.think_times, w.think_who, clock.thinking, clock.virtual + work, i)
    if w.trace.size > 0:
        note(w, clock.now, i, THINK)


@compiled
def _next_shard(w: World, i: int) -> int:
    """Let process i go to its next acquire and return the shard, or let it think: NOBODY."""
    process, clock = w.processes[i], w.clock[0]
    if process.stage == 0 and process.ready == 0 and w.numbers[2] > 0:
        _choose_shards(w, i)
    kind = w.kinds[process.kind]
    for s in range(kind.first + process.stage, kind.first + kind.stages):
        stage = w.stages[s]
        if process.ready == 0:
            if stage.probability < 1.0 and uniform(w.random) >= stage.probability:
                continue
            if stage.gap > 0.0:
                process.stage = s - kind.first
                process.ready = 1
                _think(w, i, stage.gap)
                return NOBODY
        process.ready = 0
        process.stage = s + 1 - kind.first
        process.at = s
        process.reading = stage.reading
        lock = w.locks[stage.lock]
        return int(lock.first + (w.own[i, stage.lock] if lock.choice >= PINNED else 0))
    process.stage = 0
    process.iterations += 1
    clock.iterations += 1
    if clock.marked < w.marks.size:
        w.marks[clock.marked] = clock.now
        clock.marked += 1
    _think(w, i, kind.rest)
    return NOBODY


@compiled
def _start_walk(w: World, k: int) -> int:
    """Let a walker set out to take all shards of lock k, plan the next; return who walks."""
    clock, lock = w.clock[0], w.locks[k]
    people = w.processes.size
    schedule(w, clock.now + exponential(w.random) / lock.walks, people + 3 * w.shards.size + k)
    i = clock.free_walker
    if i == NOBODY:
        clock.lost_walks += 1
        return NOBODY
    walker = w.processes[i]
    clock.free_walker = walker.following
    walker.cpu = int(uniform(w.random) * w.numbers[1])
    walker.node = walker.cpu // w.numbers[3]
    walker.reading = int(lock.kind == RWSEM)
    walker.at = 0
    walker.stage = k
    walker.gave_up = 0
    w.walk_since[i - w.numbers[0]] = clock.now
    return int(i)


@compiled
def _walk_on(w: World, i: int) -> int:
    """Let a walker, who has one more shard, go on; return the next shard, or NOBODY.

    After the last shard it reads; after that it leaves them all (`at` is the shards plus 1). So it
    does with those it has when it gives up.
    """
    walker, clock = w.processes[i], w.clock[0]
    lock = w.locks[walker.stage]
    walker.at += 1
    if walker.at < lock.shards:
        return int(lock.first + walker.at)
    if walker.at == lock.shards:
        time = lock.read
        if time > 0.0:
            time *= draw(w.distributions[lock.hold], w.table, w.random)
        schedule(w, clock.now + time, i)
        return NOBODY
    tally = w.tallies[walker.stage]
    if walker.gave_up:
        tally.gave_up += 1
    else:
        tally.walked += 1
        tally.walk_time += clock.now - w.walk_since[i - w.numbers[0]]
    walker.following = clock.free_walker
    clock.free_walker = i
    return NOBODY


@compiled
def _start(w: World) -> None:
    """Let everybody be somewhere in a think time, or at its end, and the walkers set out."""
    w.clock[0].started = 1
    for i in range(w.numbers[0]):
        _think(w, i, 0.0 if w.clock[0].crowded else 1.0 - w.varies[0] * uniform(w.random))
    for k in range(w.locks.size):
        if w.locks[k].walks > 0.0:
            time = exponential(w.random) / w.locks[k].walks
            schedule(w, time, w.processes.size + 3 * w.shards.size + k)


@compiled
def run(w: World, iterations: int, events: int) -> None:
    """Go on until so many more iterations are complete, or so many events have happened.

    Parameters
    ----------
    w : World
        Changed in place.
    iterations : int
        Summed over all processes.
    events : int
        Walks are events too: there may be any number of them in an iteration.

    Notes
    -----
    `release`, `arrive` and the like return who goes on where instead of calling each other, so
    that each is called, and compiled into the loop, once: 14 s to compile instead of 20.
    """
    clock = w.clock[0]
    population, people, shards = w.numbers[0], w.processes.size, w.shards.size
    if clock.started == 0:
        _start(w)
    goal, enough = clock.iterations + iterations, clock.completions + events
    while clock.iterations < goal and clock.completions < enough:
        speed = w.speed[clock.thinking]
        thought = np.inf
        if clock.thinking > 0:
            thought = clock.now + (w.think_times[0] - clock.virtual) / speed
        elif clock.events == 0:
            clock.stuck = 1
            return
        g = NOBODY  # where process i goes next
        if clock.events == 0 or thought <= w.event_times[0]:
            clock.now = thought
            clock.virtual = w.think_times[0]
            i = w.think_who[0]
            clock.thinking = pop(w.think_times, w.think_who, clock.thinking)
            g = _next_shard(w, i)
        else:
            time = w.event_times[0]
            clock.virtual += (time - clock.now) * speed
            clock.now = time
            i = w.event_who[0]
            clock.events = pop(w.event_times, w.event_who, clock.events)
            if i < people:
                first, last = w.processes[i].shard, w.processes[i].shard
                if i >= population:
                    g = _walk_on(w, i)
                    lock = w.locks[w.processes[i].stage]
                    first = lock.first if w.processes[i].at > lock.shards else last + 1
                for left in range(first, last + 1):
                    taker, since = release(w, i, left)
                    if taker != NOBODY:
                        hold(w, taker, left, since)
                if i < population:
                    g = _next_shard(w, i)
            elif i < people + 2 * shards:
                left = (i - people) % shards
                taker = attempt(w, left) if i < people + shards else wake_up(w, left)
                if taker != NOBODY:
                    hold(w, taker, left, time)
            elif i < people + 3 * shards:
                stop_spinning(w, i - people - 2 * shards)
            elif i < people + 3 * shards + w.locks.size:
                i = _start_walk(w, i - people - 3 * shards)
                if i != NOBODY:
                    g = w.locks[w.processes[i].stage].first
            else:
                tire(w, i - people - 3 * shards - w.locks.size)
        clock.completions += 1
        if g != NOBODY and arrive(w, i, g):
            hold(w, i, g, clock.now)
