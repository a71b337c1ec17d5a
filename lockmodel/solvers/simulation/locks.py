"""What happens at a lock: who gets it, after which hand-off, and who has to wait.

Disciplines (`Lock.kind`, records in `model.disciplines`):

* fifo, ticket: first come, first served.
* barging (test-and-set): a released lock is free. One waiter, any, will look at it a hand-off
  later; whoever comes before that, the releasing process included, takes it at once.
* numa: the first waiter of the releasing node, unless `local_handoffs` in a row stayed
  there; then the first of all, and the count starts anew (cohort locks; Dice & Kogan, EuroSys
  2019, in the main). The count outlasts an idle lock.
* rwsem: readers share. A reader enters when nobody writes or waits, else it sleeps. A writer
  takes a free lock at once, else it spins in order, or sleeps when the processes awake
  outnumber the CPUs. A free lock goes to the first spinner; to the first sleeper when nobody
  spins or it has slept longer than `handoff_timeout` (the hand-off bit). All readers that sleep
  then are granted the lock together and enter `wake_time` later; who comes meanwhile waits on.
  A sleeping writer looks whether it is free `wake_time` later, and by the hand-off bit owns it
  from the release on.

A hand-off takes the family's time for the waiters at the release, and for the distance between
the last holder and the next. A hold takes its instructions times the time per instruction at the
distance from the last holder (of the node, where each has its own data), plus the acquire time.
"""

from __future__ import annotations

import math

from lockmodel.model.disciplines import BARGING, NUMA, RWSEM
from lockmodel.solvers.simulation.draw import draw, uniform
from lockmodel.solvers.simulation.heap import push
from lockmodel.solvers.simulation.jit import compiled
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
    mean = w.work[at, data] + w.lines[at] + lock.acquire
    time = mean * draw(w.distributions[lock.hold], w.table, w.random)
    schedule(w, start + time, i)
    wait = start - process.since
    tally.acquires += 1
    tally.held += time
    tally.transfers[distance] += 1
    if wait > 0.0:
        tally.contended += 1
        tally.waited += wait
        tally.slept += wait * process.asleep
        tally.waits[_bin(wait)] += 1
        if wait > tally.longest:
            tally.longest = wait
    if w.trace.size > 0:
        if start > clock.now:
            note(w, clock.now, i, PASS)
        note(w, start, i, HOLD)


@compiled
def _take(w: World, i: int, g: int) -> None:
    """Give shard g, which is free or read by others, to process i."""
    shard = w.shards[g]
    if shard.readers == 0:
        shard.busy_since = w.clock[0].now
    if w.processes[i].reading:
        shard.readers += 1
    else:
        shard.owner = i


@compiled
def _handoff(w: World, i: int, g: int, waiting: int) -> float:
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
def _woken(w: World, g: int) -> float:
    """Return the time until a woken sleeper of shard g runs."""
    lock = w.locks[w.shards[g].lock]
    if lock.wake == 0.0:
        return 0.0
    return float(lock.wake * draw(w.distributions[lock.passing], w.table, w.random))


@compiled
def _overdue(w: World, g: int) -> bool:
    """Return whether the first sleeper of shard g has set the hand-off bit."""
    shard = w.shards[g]
    if shard.sleeping == 0:
        return False
    slept = w.clock[0].now - w.processes[shard.sleep_head].since
    return bool(slept >= w.locks[shard.lock].timeout)


@compiled
def arrive(w: World, i: int, g: int) -> bool:
    """Let process i come to shard g; return whether it gets it at once, or else has to wait."""
    process, shard, clock = w.processes[i], w.shards[g], w.clock[0]
    process.shard = g
    process.since = clock.now
    rwsem = w.locks[shard.lock].kind == RWSEM
    free = shard.owner == NOBODY
    if rwsem and process.reading:
        free = free and shard.waking == 0 and shard.waiting == 0 and shard.sleeping == 0
    elif rwsem:
        free = free and shard.readers == 0 and shard.waking == 0 and not _overdue(w, g)
    if free:
        _take(w, i, g)
        return True
    process.following = NOBODY
    process.asleep = int(rwsem and (process.reading or w.numbers[0] - clock.asleep > w.numbers[1]))
    if process.asleep:
        if shard.sleeping == 0:
            shard.sleep_head = i
        else:
            w.processes[shard.sleep_tail].following = i
        shard.sleep_tail = i
        shard.sleeping += 1
        clock.asleep += int(i < w.numbers[0])
        if w.trace.size > 0:
            note(w, clock.now, i, SLEEP)
        return False
    if shard.waiting == 0:
        shard.head = i
    else:
        w.processes[shard.tail].following = i
    shard.tail = i
    shard.waiting += 1
    if w.trace.size > 0:
        note(w, clock.now, i, WAIT)
    return False


@compiled
def _unlink(w: World, g: int, before: int, i: int) -> None:
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
def _leave_first(w: World, g: int) -> int:
    """Take the first sleeper out of its list; return who it is."""
    shard = w.shards[g]
    first = shard.sleep_head
    shard.sleep_head = w.processes[first].following
    shard.sleeping -= 1
    w.clock[0].asleep -= int(first < w.numbers[0])
    return int(first)


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
def _pass_to_spinner(w: World, g: int) -> tuple[int, float]:
    shard = w.shards[g]
    before, first = NOBODY, shard.head
    if w.locks[shard.lock].kind == NUMA:
        before, first = _neighbour(w, g)
    time = _handoff(w, first, g, shard.waiting)
    _unlink(w, g, before, first)
    shard.owner = first
    return first, w.clock[0].now + time


@compiled
def _sleeping_readers(w: World, g: int) -> int:
    count, i = 0, w.shards[g].sleep_head
    while i != NOBODY:
        count += w.processes[i].reading
        i = w.processes[i].following
    return count


@compiled
def release(w: World, i: int, g: int) -> tuple[int, float]:
    """Let process i leave shard g; return who holds it next, if that is settled, and from when."""
    shard, clock = w.shards[g], w.clock[0]
    kind = w.locks[shard.lock].kind
    if w.processes[i].reading:
        shard.readers -= 1
        if shard.readers > 0:
            return NOBODY, 0.0
    else:
        shard.owner = NOBODY
    sleepers_turn = shard.sleeping > 0 and (shard.waiting == 0 or _overdue(w, g))
    if shard.waiting > 0 and kind != BARGING and not sleepers_turn:
        return _pass_to_spinner(w, g)
    people = w.processes.size
    if sleepers_turn and w.processes[shard.sleep_head].reading:
        shard.waking = _sleeping_readers(w, g)
        schedule(w, clock.now + _woken(w, g), people + w.shards.size + g)
        return NOBODY, 0.0
    if sleepers_turn and _overdue(w, g):
        first = _leave_first(w, g)
        shard.owner = first
        return first, clock.now + _woken(w, g)
    w.tallies[shard.lock].busy += clock.now - shard.busy_since
    if shard.attempting:
        return NOBODY, 0.0
    if sleepers_turn:
        shard.attempting = 1
        schedule(w, clock.now + _woken(w, g), people + g)
    elif shard.waiting > 0:  # barging
        i = shard.head
        for _ in range(int(uniform(w.random) * shard.waiting)):
            i = w.processes[i].following
        shard.candidate = i
        shard.attempting = 1
        schedule(w, clock.now + _handoff(w, i, g, shard.waiting), people + g)
    return NOBODY, 0.0


@compiled
def attempt(w: World, g: int) -> int:
    """Let a waiter look at shard g; return who if it is free and taken, else it goes on waiting."""
    shard = w.shards[g]
    shard.attempting = 0
    if shard.owner != NOBODY or shard.readers > 0 or shard.waking:
        return NOBODY
    if w.locks[shard.lock].kind == BARGING:
        before, i = NOBODY, shard.head
        while i != shard.candidate:
            before, i = i, w.processes[i].following
        _unlink(w, g, before, i)
    elif shard.sleeping > 0:
        i = _leave_first(w, g)
    else:
        return NOBODY
    _take(w, i, g)
    return int(i)


@compiled
def enter_readers(w: World, g: int) -> None:
    """Let the sleeping readers to whom shard g has been granted in: the first `waking` ones."""
    shard, now = w.shards[g], w.clock[0].now
    before, i = NOBODY, shard.sleep_head
    while shard.waking > 0:
        after = w.processes[i].following
        if w.processes[i].reading:
            if before == NOBODY:
                shard.sleep_head = after
            else:
                w.processes[before].following = after
            if shard.sleep_tail == i:
                shard.sleep_tail = before
            shard.sleeping -= 1
            shard.waking -= 1
            w.clock[0].asleep -= int(i < w.numbers[0])
            shard.readers += 1
            hold(w, i, g, now)
        else:
            before = i
        i = after
