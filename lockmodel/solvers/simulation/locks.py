"""What happens at a lock: who gets it, after which hand-off, and who has to wait.

Disciplines (`Lock.kind`, records in `model.disciplines`):

* fifo, ticket: first come, first served.
* barging (test-and-set): a released lock is free. One waiter, any, will look at it a hand-off
  later; whoever comes before that, the releasing process included, takes it at once.
* numa: the first waiter of the releasing node, unless `local_handoffs` in a row stayed
  there; then the first of all, and the count starts anew (cohort locks; Dice & Kogan, EuroSys
  2019, in the main). The count outlasts an idle lock.
* rwsem: readers share; writers spin, then sleep; the state machine is in `rwsem`.
* mutex: waiters spin for a limited time, then sleep; in `mutex`.

A hand-off takes the family's time for the waiters at the release, and for the distance between
the last holder and the next. A hold takes its instructions times the time per instruction at the
distance from the last holder (of the node, where each has its own data), plus the acquire time.
"""

from __future__ import annotations

import math

from lockmodel.model.disciplines import NUMA
from lockmodel.solvers.simulation.draw import draw, uniform
from lockmodel.solvers.simulation.heap import push
from lockmodel.solvers.simulation.jit import called, compiled
from lockmodel.solvers.simulation.world import (
    BINS,
    BINS_PER_OCTAVE,
    FAR,
    LOWEST_EXPONENT,
    NEAR,
    SAME_NODE,
    World,
)

THINK, WAIT, SLEEP, PASS, HOLD = range(5)
"""States of a process in a trace."""

NOBODY = -1


@compiled
def note(w: World, time: float, who: int, state: int) -> None:
    """Write a line of the trace, if there is room."""
    clock = w.clock[0]
    if clock.traced < w.trace.size:
        line = w.trace[clock.traced]
        line.time = time
        line.who = who
        line.state = state
        line.stage = w.processes[who].at
        clock.traced += 1


@compiled
def schedule(w: World, time: float, who: int) -> None:
    """Let `who` have an event at `time`."""
    clock = w.clock[0]
    clock.events = push(w.event_times, w.event_who, clock.events, time, who)


@compiled
def _bin(wait: float) -> int:
    """Return the histogram bin of a wait above 0."""
    mantissa, exponent = math.frexp(wait)
    inside = int((mantissa - 0.5) * 2.0 * BINS_PER_OCTAVE)
    return max(0, min(BINS - 1, (exponent - LOWEST_EXPONENT) * BINS_PER_OCTAVE + inside))


@compiled
def hold(w: World, i: int, g: int, start: float) -> None:
    """Let process i hold shard g from `start` on."""
    process, shard, clock = w.processes[i], w.shards[g], w.clock[0]
    lock, tally = w.locks[shard.lock], w.tallies[shard.lock]
    distance = FAR
    if shard.last_cpu == process.cpu or shard.last_cpu == NOBODY:
        distance = NEAR
    elif shard.last_node == process.node:
        distance = SAME_NODE
    shard.last_cpu = process.cpu
    shard.last_node = process.node
    if i >= w.numbers[0]:  # a walker: it keeps the shard, and goes on to the next
        schedule(w, start + lock.acquire, i)
        return
    stage = w.stages[process.at]
    at = stage.work + g - lock.first
    data = distance
    if lock.by_node:
        writer = w.writers[g, process.node]
        data = NEAR if writer == process.cpu or writer == NOBODY else SAME_NODE
        w.writers[g, process.node] = process.cpu
    mean = w.work[at, data] + lock.acquire
    if data != NEAR or lock.changed == 0:
        mean += w.lines[at]
    time = mean * draw(w.distributions[lock.hold], w.table, w.random)
    schedule(w, start + time, i)
    wait = start - process.since
    tally.acquires += 1
    tally.held += time
    tally.transfers[distance] += 1
    if wait > 0.0:
        tally.contended += 1
        tally.waited += wait
        w.waited[process.kind, w.shards[g].lock] += wait
        tally.slept += (start - process.queued) * process.asleep
        tally.waits[_bin(wait)] += 1
        if wait > tally.longest:
            tally.longest = wait
    if w.trace.size > 0:
        if start > clock.now:
            note(w, clock.now, i, PASS)
        note(w, start, i, HOLD)


@compiled
def take(w: World, i: int, g: int) -> None:
    """Give shard g, which is free or read by others, to process i."""
    shard = w.shards[g]
    if shard.readers + shard.waking == 0:
        shard.busy_since = w.clock[0].now
    if w.processes[i].reading:
        shard.readers += 1
    else:
        shard.owner = i


@compiled
def handoff(w: World, i: int, g: int, waiting: int) -> float:
    """Return the time of a hand-off of shard g to process i, with so many waiting."""
    shard = w.shards[g]
    lock = w.locks[shard.lock]
    far = shard.last_node != w.processes[i].node
    mean = (w.remote_cost if far else w.local_cost)[lock.costs + waiting]
    if waiting > 0:
        mean += shard.passed
    if mean == 0.0:
        return 0.0
    return float(mean * draw(w.distributions[lock.passing], w.table, w.random))


@compiled
def spin(w: World, i: int, g: int) -> None:
    """Let process i wait for shard g behind those that spin."""
    shard = w.shards[g]
    w.processes[i].asleep = 0
    w.processes[i].following = NOBODY
    if shard.waiting == 0:
        shard.head = i
    else:
        w.processes[shard.tail].following = i
    shard.tail = i
    shard.waiting += 1
    if w.trace.size > 0:
        note(w, w.clock[0].now, i, WAIT)


@called
def sleep(w: World, i: int, g: int) -> None:
    """Let process i wait for shard g at the end of the queue, asleep."""
    shard, process, clock = w.shards[g], w.processes[i], w.clock[0]
    process.following = NOBODY
    process.asleep = 1
    process.queued = clock.now
    if shard.sleeping == 0:
        shard.sleep_head = i
    else:
        w.processes[shard.sleep_tail].following = i
    shard.sleep_tail = i
    shard.sleeping += 1
    clock.asleep += int(i < w.numbers[0])
    if w.trace.size > 0:
        note(w, clock.now, i, SLEEP)


@called
def leave_queue(w: World, g: int) -> int:
    """Take the head out of the queue of sleepers; return who it is."""
    shard = w.shards[g]
    first = shard.sleep_head
    shard.sleep_head = w.processes[first].following
    shard.sleeping -= 1
    w.clock[0].asleep -= int(first < w.numbers[0])
    return int(first)


@called
def woken(w: World, g: int) -> float:
    """Return the time from now until a woken sleeper of shard g runs."""
    lock = w.locks[w.shards[g].lock]
    if lock.wake == 0.0:
        return 0.0
    return float(lock.wake * draw(w.distributions[lock.passing], w.table, w.random))


@called
def patience(w: World, g: int, time: float) -> float:
    """Return a time after which somebody at shard g loses patience."""
    if time == 0.0:
        return 0.0
    return float(
        time * draw(w.distributions[w.locks[w.shards[g].lock].patience], w.table, w.random)
    )


@called
def random_spinner(w: World, g: int) -> int:
    """Return one of those who spin at shard g, any."""
    shard = w.shards[g]
    i = shard.head
    for _ in range(int(uniform(w.random) * shard.waiting)):
        i = w.processes[i].following
    return int(i)


@called
def before_spinner(w: World, g: int, i: int) -> int:
    """Return who spins right before process i at shard g, or NOBODY."""
    before, k = NOBODY, w.shards[g].head
    while k != i:
        before, k = k, w.processes[k].following
    return int(before)


@compiled
def unlink(w: World, g: int, before: int, i: int) -> None:
    """Take process i, which stands behind `before`, out of the spinning waiters."""
    shard, after = w.shards[g], w.processes[i].following
    if before == NOBODY:
        shard.head = after
    else:
        w.processes[before].following = after
    if shard.tail == i:
        shard.tail = before
    shard.waiting -= 1


@compiled
def _neighbour(w: World, g: int) -> tuple[int, int]:
    """Return (before, who): the first spinner of the last holder's node, else the first of all."""
    shard = w.shards[g]
    if shard.local_run < w.locks[shard.lock].local_handoffs:
        before, i = NOBODY, shard.head
        while i != NOBODY:
            if w.processes[i].node == shard.last_node:
                shard.local_run += 1
                return before, i
            before, i = i, w.processes[i].following
    shard.local_run = 0
    return NOBODY, shard.head


@compiled
def pass_to_spinner(w: World, g: int) -> tuple[int, float]:
    """Give shard g, just released, to a spinner; return who it is, and from when it holds."""
    shard = w.shards[g]
    before, first = NOBODY, shard.head
    if w.locks[shard.lock].kind == NUMA:
        before, first = _neighbour(w, g)
    time = handoff(w, first, g, shard.waiting)
    unlink(w, g, before, first)
    shard.owner = first
    return first, w.clock[0].now + time
