"""The transitions of `queues`: compiled, and how the state row and its parameters are laid out.

A state row is the counts of thinkers per phase, then one block per lock and shard:
[processes there] [phase of the first one] [waiters at its hand-off] [stages in order of arrival].
Only the first is always there. Phases 1..P are those of the hold, P + 1.. those of the hand-off;
0 when nobody is there. Shards of one lock with one popularity are exchangeable: their blocks are
kept sorted, which lumps states that differ only in which shard is which.
"""

from __future__ import annotations

import numpy as np

from lockmodel.solvers.markov.jit import compiled

Array = np.ndarray

THINK_PHASES, STAGES, LOCKS, POPULATION, LOCK_TABLE, THINK_REALS, STAGE_REALS, HEAD = range(8)
"""Places in `ints`; the lock of each stage follows from HEAD on."""

(
    OFFSET,
    WIDTH,
    SHARDS,
    PHASE_AT,
    WAITERS_AT,
    SLOTS_AT,
    HOLD_PHASES,
    HANDOFF_PHASES,
    ONLY_STAGE,
    REALS_AT,
    ALIKE,
    LOCK_INTS,
) = range(12)
"""Places in the table of one lock; *_AT are places in its block, -1 if not kept."""


@compiled
def _sort_alike(row: Array, table: Array, reals: Array) -> None:
    """Sort the blocks of shards that have one popularity: insertion sort, largest first."""
    width, shards, offset = table[WIDTH], table[SHARDS], table[OFFSET]
    popularity = table[REALS_AT]
    for j in range(1, shards):
        i = j
        while i > 0 and reals[popularity + i] == reals[popularity + i - 1]:
            a, b = offset + (i - 1) * width, offset + i * width
            order = 0
            for c in range(width):
                if row[a + c] != row[b + c]:
                    order = 1 if row[a + c] < row[b + c] else -1
                    break
            if order <= 0:
                break
            for c in range(width):
                row[a + c], row[b + c] = row[b + c], row[a + c]
            i -= 1


@compiled
def _join(row: Array, table: Array, shard: int, stage: int) -> None:
    """Let a process arrive at a shard: it holds if nobody is there, else it is last in line."""
    block = table[OFFSET] + shard * table[WIDTH]
    n = row[block]
    row[block] = n + 1
    if n == 0 and table[PHASE_AT] >= 0:
        row[block + table[PHASE_AT]] = 1
    if table[SLOTS_AT] >= 0:
        row[block + table[SLOTS_AT] + n] = stage + 1


@compiled
def _send(
    work: Array,
    stage: int,
    lock: int,
    shard: int,
    flow: float,
    ints: Array,
    reals: Array,
    out: Array,
    rates: Array,
    k: int,
) -> int:
    """Write where a process goes that is about to meet `stage`, coming from `lock` and `shard`.

    `work` is the state without it. Returns the number of successors written so far.
    """
    stages = ints[STAGES]
    while flow > 0.0:
        if stage == stages:
            if ints[THINK_PHASES] > 0:
                out[k] = work
                out[k, 0] += 1
                rates[k] = flow
                return k + 1
            stage = 0
            lock = -1  # a new iteration draws new shards
        share = reals[ints[STAGE_REALS] + 2 * stage]
        if share > 0.0:
            target = ints[HEAD + stage]
            at = ints[LOCK_TABLE] + target * LOCK_INTS
            table = ints[at : at + LOCK_INTS]
            for j in range(table[SHARDS]):
                popularity = 1.0
                if target == lock:
                    if j != shard:
                        continue
                else:
                    popularity = reals[table[REALS_AT] + j]
                if popularity > 0.0:
                    out[k] = work
                    _join(out[k], table, j, stage)
                    rates[k] = flow * share * popularity
                    k += 1
        flow *= 1.0 - share
        stage += 1
    return k


@compiled
def _serve(
    state: Array,
    lock: int,
    shard: int,
    ints: Array,
    reals: Array,
    out: Array,
    rates: Array,
    k: int,
) -> int:
    """Write what can happen at a shard where somebody is: a phase ends, and maybe the hold."""
    at = ints[LOCK_TABLE] + lock * LOCK_INTS
    table = ints[at : at + LOCK_INTS]
    block = table[OFFSET] + shard * table[WIDTH]
    holds, handoffs = table[HOLD_PHASES], table[HANDOFF_PHASES]
    hold_reals = table[REALS_AT] + table[SHARDS]
    handoff_reals = hold_reals + 2 * holds
    cost_reals = handoff_reals + 2 * handoffs
    phase_at, waiters_at, slots_at = table[PHASE_AT], table[WAITERS_AT], table[SLOTS_AT]
    phase = state[block + phase_at] if phase_at >= 0 else 1
    work = out[out.shape[0] - 1]
    if phase > holds:  # being handed over
        waiters = state[block + waiters_at] if waiters_at >= 0 else 0
        q = phase - holds - 1
        rate = reals[handoff_reals + 2 * q] * reals[cost_reals + waiters]
        on = reals[handoff_reals + 2 * q + 1]
        if on > 0.0:
            out[k] = state
            out[k, block + phase_at] = phase + 1
            rates[k] = rate * on
            k += 1
        if on < 1.0:
            out[k] = state
            out[k, block + phase_at] = 1
            if waiters_at >= 0:
                out[k, block + waiters_at] = 0
            rates[k] = rate * (1.0 - on)
            k += 1
        return k
    stage = state[block + slots_at] - 1 if slots_at >= 0 else table[ONLY_STAGE]
    rate = reals[hold_reals + 2 * (phase - 1)] * reals[ints[STAGE_REALS] + 2 * stage + 1]
    on = reals[hold_reals + 2 * (phase - 1) + 1]
    if on > 0.0:
        out[k] = state
        out[k, block + phase_at] = phase + 1
        rates[k] = rate * on
        k += 1
    if on < 1.0:
        work[:] = state
        left = work[block] - 1
        work[block] = left
        if slots_at >= 0:
            for i in range(left):
                work[block + slots_at + i] = work[block + slots_at + i + 1]
            work[block + slots_at + left] = 0
        if phase_at >= 0:
            work[block + phase_at] = 1 if left > 0 else 0
            if left > 0 and handoffs > 0 and reals[cost_reals + left] > 0.0:
                work[block + phase_at] = holds + 1
                if waiters_at >= 0:
                    work[block + waiters_at] = left
        flow = rate * (1.0 - on)
        k = _send(work, stage + 1, lock, shard, flow, ints, reals, out, rates, k)
    return k


def moves(state: Array, ints: Array, reals: Array, out: Array, rates: Array) -> int:
    """Write the successors of a state: the transition function of `queues`."""
    k = 0
    phases = ints[THINK_PHASES]
    work = out[out.shape[0] - 1]
    thinkers = 0
    for i in range(phases):
        thinkers += state[i]
    for i in range(phases):
        if state[i] == 0:
            continue
        think = ints[THINK_REALS] + 2 * i
        rate = state[i] * reals[thinkers] * reals[think]
        on = reals[think + 1]
        if on > 0.0:
            out[k] = state
            out[k, i] -= 1
            out[k, i + 1] += 1
            rates[k] = rate * on
            k += 1
        if on < 1.0:
            work[:] = state
            work[i] -= 1
            k = _send(work, 0, -1, 0, rate * (1.0 - on), ints, reals, out, rates, k)
    for lock in range(ints[LOCKS]):
        at = ints[LOCK_TABLE] + lock * LOCK_INTS
        for shard in range(ints[at + SHARDS]):
            if state[ints[at + OFFSET] + shard * ints[at + WIDTH]] > 0:
                k = _serve(state, lock, shard, ints, reals, out, rates, k)
    for lock in range(ints[LOCKS]):
        at = ints[LOCK_TABLE] + lock * LOCK_INTS
        if ints[at + ALIKE] > 0:
            for i in range(k):
                _sort_alike(out[i], ints[at : at + LOCK_INTS], reals)
    return k
