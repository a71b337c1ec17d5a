"""The state machine of Linux's read-write semaphore, as docs/rwsem.md writes it down.

Writers spin in order, or wait in a queue with the readers, asleep. The queue is first come, first
served, but for this: when a reader at its head gets the semaphore, all readers in the queue do.
Spinners and newcomers pass the queue until its head has waited `handoff_timeout` and sets the
hand-off bit; from then on nobody does. On a semaphore that readers own the first spinner stops
after `spin_limit` on it, all join the queue, and nobody spins until those readers have left.
"""

from __future__ import annotations

from lockmodel.solvers.simulation.heap import cancel
from lockmodel.solvers.simulation.jit import called, compiled
from lockmodel.solvers.simulation.locks import (
    NOBODY,
    handoff,
    leave_queue,
    patience,
    schedule,
    sleep,
    spin,
    woken,
)
from lockmodel.solvers.simulation.world import World

ENTERS, WAITS = True, False

NEXT_SPINNER, NEXT_QUEUED, NEXT_NONE = range(3)
"""Who has a semaphore that was just released: a spinner, the writer that led the queue, or nobody
that holds it by now."""

SPUN_READERS = 30
SPUN_BASE = 20.0
"""`rwsem_rspin_threshold`: with n readers inside a writer spins (20 + min(n, 30)) / 20 times as
long as the limit stated, 10 us in Linux, so 25 us at the most."""

BATCH = 256
"""`MAX_READERS_WAKEUP`: readers granted together at the most."""


@called
def _queue_up(w: World, i: int, g: int) -> None:
    """Let process i wait for shard g at the end of the queue, asleep."""
    w.processes[i].overdue = w.clock[0].now + patience(w, g, w.locks[w.shards[g].lock].timeout)
    sleep(w, i, g)


@called
def _limit(w: World, g: int) -> None:
    """Let the first spinner of shard g, which readers own, stop in a while."""
    shard = w.shards[g]
    owners = min(shard.readers + shard.waking, SPUN_READERS)
    limit = w.locks[shard.lock].spin_limit * (SPUN_BASE + owners) / SPUN_BASE
    shard.limited = 1
    event = w.processes.size + 2 * w.shards.size + g
    schedule(w, w.clock[0].now + patience(w, g, limit), event)


@called
def come(w: World, i: int, g: int) -> bool:
    """Let process i come to shard g; return whether it enters, or else spins or queues up."""
    shard, process, clock = w.shards[g], w.processes[i], w.clock[0]
    read = shard.readers + shard.waking > 0
    if process.reading:
        if (
            shard.owner == NOBODY
            and shard.bit == 0
            and not (read and shard.sleeping > shard.waking)
        ):
            return ENTERS
    elif shard.owner == NOBODY and shard.bit == 0 and not read:
        return ENTERS
    crowded = w.numbers[0] - clock.asleep > w.numbers[1]
    if process.reading or shard.unspinnable or crowded:
        _queue_up(w, i, g)
        return WAITS
    spin(w, i, g)
    if read and shard.waiting == 1:
        _limit(w, g)
    return WAITS


@called
def stop_spinning(w: World, g: int) -> None:
    """Let all spinners of shard g queue up: the first has spun on readers for too long."""
    shard = w.shards[g]
    shard.limited = 0
    shard.unspinnable = 1
    i = shard.head
    while shard.waiting > 0:
        after = w.processes[i].following
        shard.waiting -= 1
        _queue_up(w, i, g)
        i = after


@called
def leave(w: World, i: int, g: int) -> bool:
    """Let process i leave shard g; return whether nobody owns it any more."""
    shard, clock = w.shards[g], w.clock[0]
    if not w.processes[i].reading:
        shard.owner = NOBODY
        return True
    shard.readers -= 1
    if shard.readers + shard.waking > 0:
        return False
    shard.unspinnable = 0
    if shard.limited:
        shard.limited = 0
        event = w.processes.size + 2 * w.shards.size + g
        clock.events = cancel(w.event_times, w.event_who, clock.events, event)
    return True


@called
def pass_on(w: World, i: int, g: int) -> tuple[int, int, float]:
    """Settle who has shard g, which nobody owns since process i left it.

    Returns one of the NEXT_..., who it is, and from when it holds.
    """
    shard, clock = w.shards[g], w.clock[0]
    people = w.processes.size
    if shard.sleeping == 0:
        return (NEXT_SPINNER if shard.waiting > 0 else NEXT_NONE), NOBODY, 0.0
    head = shard.sleep_head
    passed_by = shard.bit == 0 and shard.waiting > 0
    reading = w.processes[head].reading
    if reading and passed_by:
        shard.bit = int(clock.now >= w.processes[head].overdue)
        return NEXT_SPINNER, NOBODY, 0.0
    if shard.bit and shard.bit_spins and not reading and not w.processes[i].reading:
        since = clock.now + handoff(w, head, g, shard.waiting + 1)
    else:
        since = clock.now + woken(w, g)
    if reading:
        shard.bit = 0
        shard.waking = _queued_readers(w, g)
        schedule(w, since, people + w.shards.size + g)
        if shard.waiting > 0:
            _limit(w, g)
        return NEXT_NONE, NOBODY, 0.0
    if shard.bit:
        shard.bit = 0
        shard.owner = leave_queue(w, g)
        return NEXT_QUEUED, head, since
    if shard.attempting == 0:
        shard.attempting = 1
        schedule(w, since, people + g)
    return (NEXT_SPINNER if passed_by else NEXT_NONE), NOBODY, 0.0


@compiled
def _queued_readers(w: World, g: int) -> int:
    count, i = 0, w.shards[g].sleep_head
    while i != NOBODY:
        count += w.processes[i].reading
        i = w.processes[i].following
    return min(count, BATCH)


@called
def try_again(w: World, g: int) -> int:
    """Let the writer that leads the queue of shard g, awake, take it; return who did, if it did.

    Else it sleeps on, and sets the hand-off bit first if it has waited for too long.
    """
    shard = w.shards[g]
    head = shard.sleep_head
    if shard.owner == NOBODY and shard.readers + shard.waking == 0:
        return leave_queue(w, g)
    if w.clock[0].now >= w.processes[head].overdue:
        shard.bit = 1
        shard.bit_spins = int(shard.owner != NOBODY)
    return NOBODY


@called
def next_granted(w: World, g: int) -> int:
    """Take the next reader of a batch that wakes out of the queue of shard g; return who it is."""
    shard = w.shards[g]
    before, i = NOBODY, shard.sleep_head
    while not w.processes[i].reading:
        before, i = i, w.processes[i].following
    after = w.processes[i].following
    if before == NOBODY:
        shard.sleep_head = after
    else:
        w.processes[before].following = after
    if shard.sleep_tail == i:
        shard.sleep_tail = before
    shard.sleeping -= 1
    shard.waking -= 1
    shard.readers += 1
    w.clock[0].asleep -= int(i < w.numbers[0])
    return int(i)
