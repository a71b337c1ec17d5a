"""Markov chains that follow every process by its name, in plain Python: a second answer.

They share nothing with the simulator or with `solvers.markov` but the solution of linear equations:
a chain here is a function from a state to what may happen next, and states are found by trying.
Slow, for a handful of processes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from lockmodel.solvers.markov.chain import Chain
from lockmodel.solvers.markov.stationary import stationary

S = TypeVar("S", bound=Hashable)


class Move(NamedTuple, Generic[S]):
    """What may happen in a state: what follows, how often per second, and what it counts as."""

    to: S
    rate: float
    counts: tuple[str, ...] = ()


def answer(
    start: S,
    moves: Callable[[S], Iterable[Move[S]]],
    level: Callable[[S], dict[str, float]],
    features: Callable[[S], tuple[int, ...]] = lambda state: (0,),
) -> dict[str, float]:
    """Return how often per second moves count as what, and time averages of levels.

    Parameters
    ----------
    start : hashable
        A state that the chain returns to.
    moves, level : callable
        Of a state.
    features : callable
        A few small numbers of a state, by which a large chain is solved faster.
    """
    states, listed = {start: 0}, [start]
    source: list[int] = []
    target: list[int] = []
    rates: list[float] = []
    counted: list[tuple[int, float, tuple[str, ...]]] = []
    for i, state in enumerate(listed):  # grows meanwhile
        for to, rate, counts in moves(state):
            j = states.setdefault(to, len(listed))
            if j == len(listed):
                listed.append(to)
            if counts:
                counted.append((i, rate, counts))
            if i != j:
                source.append(i)
                target.append(j)
                rates.append(rate)
    into = np.argsort(target, kind="stable")
    indptr = np.searchsorted(np.array(target)[into], np.arange(len(listed) + 1))
    chain = Chain(
        "by name",
        tuple(f"feature {k}" for k in range(len(features(start)))),
        np.array([features(state) for state in listed], np.int16),
        indptr.astype(np.int64),
        np.array(source, np.int32)[into],
        np.array(rates)[into],
        np.bincount(source, rates, len(listed)),
    )
    p = stationary(chain).p
    total: dict[str, float] = {}
    for i, rate, counts in counted:
        for key in counts:
            total[key] = total.get(key, 0.0) + float(p[i]) * rate
    for state, i in states.items():
        for key, amount in level(state).items():
            total[key] = total.get(key, 0.0) + float(p[i]) * amount
    return total
