"""The loops of exploring, compiled: states found are looked up by hash, transitions listed.

`expand` returns to Python whenever an array is full, so that Python can make it larger in place and
watch the memory. The lists it writes lead outwards; `transpose` turns them around.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lockmodel.solvers.markov.jit import Transition, compiled

STATES, DONE, MOVES, STATUS = range(4)
"""Places in `counters`: states found, states expanded, transitions written, why it stopped."""

FINE, GROW, BAD_RATE, BAD_STATE, BAD_COUNT = range(5)

Array = np.ndarray


@compiled
def _hash(row: Array) -> Any:
    """Return a hash of a row: FNV-1a over its numbers, finished by a multiply and shift."""
    h = np.uint64(14695981039346656037)
    for value in row:
        h = (h ^ np.uint64(value)) * np.uint64(1099511628211)
    h ^= h >> np.uint64(29)
    h *= np.uint64(0xBF58476D1CE4E5B9)
    return np.int64(h >> np.uint64(17))  # 47 bits: positive


@compiled
def rehash(rows: Array, count: int, table: Array) -> None:
    """Enter the first `count` rows into an empty table (-1) of a power of two places."""
    mask = table.size - 1
    for i in range(count):
        place = _hash(rows[i]) & mask
        while table[place] >= 0:
            place = (place + 1) & mask
        table[place] = i


def expand(
    move: Transition,
    ints: Array,
    reals: Array,
    bounds: Array,
    rows: Array,
    table: Array,
    starts: Array,
    target: Array,
    rate: Array,
    successors: Array,
    rates: Array,
    counters: Array,
) -> None:
    """Explore until done, out of room, or something is wrong; `counters` says which and where."""
    mask = table.size - 1
    d = rows.shape[1]
    most = rates.size
    states, done, moves = counters[STATES], counters[DONE], counters[MOVES]
    counters[STATUS] = FINE
    while done < states:
        if (
            states + most > rows.shape[0]
            or 2 * (states + most) > table.size
            or moves + most > target.size
        ):
            counters[STATUS] = GROW
            break
        count = move(rows[done], ints, reals, successors, rates)
        if count < 0 or count > most:
            counters[STATUS] = BAD_COUNT
            break
        first = moves
        for s in range(count):
            if not (rates[s] > 0.0 and rates[s] < np.inf):
                counters[STATUS] = BAD_RATE
                break
            row = successors[s]
            same = True
            for c in range(d):
                if row[c] < 0 or row[c] > bounds[c]:
                    counters[STATUS] = BAD_STATE
                same = same and row[c] == rows[done, c]
            if counters[STATUS] != FINE:
                break
            if same:
                continue
            place = _hash(row) & mask
            while True:
                state = table[place]
                if state < 0:
                    state = states
                    table[place] = states
                    rows[states] = row
                    states += 1
                    break
                equal = True
                for c in range(d):
                    if rows[state, c] != row[c]:
                        equal = False
                        break
                if equal:
                    break
                place = (place + 1) & mask
            merged = False
            for k in range(first, moves):
                if target[k] == state:
                    rate[k] += rates[s]
                    merged = True
                    break
            if not merged:
                target[moves] = state
                rate[moves] = rates[s]
                moves += 1
        if counters[STATUS] != FINE:
            break
        done += 1
        starts[done] = moves
    counters[STATES], counters[DONE], counters[MOVES] = states, done, moves


@compiled
def transpose(starts: Array, target: Array, rate: Array) -> tuple[Array, Array, Array]:
    """Return lists of the other direction: incoming from outgoing ones, or back."""
    size = starts.size - 1
    indptr = np.zeros(size + 1, np.int64)
    for k in range(target.size):
        indptr[target[k] + 1] += 1
    for i in range(size):
        indptr[i + 1] += indptr[i]
    source = np.empty(target.size, np.int32)
    weight = np.empty(target.size)
    for i in range(size):
        for k in range(starts[i], starts[i + 1]):
            j = target[k]
            source[indptr[j]] = i
            weight[indptr[j]] = rate[k]
            indptr[j] += 1
    for i in range(size, 0, -1):  # filling has moved every pointer to the next one's place
        indptr[i] = indptr[i - 1]
    indptr[0] = 0
    return indptr, source, weight


@compiled
def totals(starts: Array, rate: Array) -> Array:
    """Return the sum of every list of rates."""
    out = np.zeros(starts.size - 1)
    for i in range(out.size):
        for k in range(starts[i], starts[i + 1]):
            out[i] += rate[k]
    return out


@compiled
def reaching(indptr: Array, source: Array, goal: int) -> Array:
    """Return which states lead to `goal`, shape (S,) bool. On outgoing lists: are led to."""
    seen = np.zeros(indptr.size - 1, np.bool_)
    queue = np.empty(indptr.size - 1, np.int32)
    seen[goal] = True
    queue[0] = goal
    head, tail = 0, 1
    while head < tail:
        i = queue[head]
        head += 1
        for k in range(indptr[i], indptr[i + 1]):
            j = source[k]
            if not seen[j]:
                seen[j] = True
                queue[tail] = j
                tail += 1
    return seen
