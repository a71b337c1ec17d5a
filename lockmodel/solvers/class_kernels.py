"""The loop of product form with several classes, as a plain function that numba can compile."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from lockmodel.solvers import numba_cache

Array = np.ndarray


def fold_classes(
    before: Array, after: Array, demands: Array, counts: Array, strides: Array, out: Array
) -> None:
    """Write before(n) + sum_c demands[c] after(n - e_c) into `out`, for all population vectors n.

    Parameters
    ----------
    before, after, out : ndarray, shape (vectors,)
        Constants of networks by population vector, the last class running fastest. `after` may be
        `out`: then a station that is as fast with any number of processes has been added.
    demands : ndarray, shape (classes,)
    counts, strides : ndarray of int, shape (classes,)
        Processes of each class, and how far apart two vectors are that differ by one of them.
    """
    classes = counts.shape[0]
    vector = np.zeros(classes, np.int64)
    last = classes - 1
    for place in range(before.shape[0]):
        value = before[place]
        for c in range(classes):
            if vector[c] > 0:
                value += demands[c] * after[place - strides[c]]
        out[place] = value
        c = last
        vector[c] += 1
        while c > 0 and vector[c] > counts[c]:
            vector[c] = 0
            c -= 1
            vector[c] += 1


@lru_cache(maxsize=1)
def compiled() -> Any:
    """Return `fold_classes` compiled by numba, from its cache if it has been before."""
    return numba_cache.compiled(fold_classes)
