"""A binary heap of (time, who) in two arrays; the caller keeps the size."""

from __future__ import annotations

import numpy as np

from lockmodel.solvers.simulation.jit import compiled


@compiled
def push(times: np.ndarray, who: np.ndarray, size: int, time: float, item: int) -> int:
    """Add an entry; return the new size."""
    k = size
    while k > 0:
        parent = (k - 1) >> 1
        if times[parent] <= time:
            break
        times[k] = times[parent]
        who[k] = who[parent]
        k = parent
    times[k] = time
    who[k] = item
    return size + 1


@compiled
def pop(times: np.ndarray, who: np.ndarray, size: int) -> int:
    """Remove the first entry; return the new size."""
    size -= 1
    time, item = times[size], who[size]
    k = 0
    child = 1
    while child < size:
        if child + 1 < size and times[child + 1] < times[child]:
            child += 1
        if time <= times[child]:
            break
        times[k] = times[child]
        who[k] = who[child]
        k = child
        child = 2 * k + 1
    times[k] = time
    who[k] = item
    return size


@compiled
def cancel(times: np.ndarray, who: np.ndarray, size: int, item: int) -> int:
    """Remove the entry of an item, which is there once; return the new size."""
    k = 0
    while who[k] != item:
        k += 1
    while k > 0:  # to the root, as if it were the earliest
        parent = (k - 1) >> 1
        times[k] = times[parent]
        who[k] = who[parent]
        k = parent
    return pop(times, who, size)
