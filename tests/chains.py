"""Markov chains for the tests: a ring of queues, and chains given as matrices or functions."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import numpy as np

from lockmodel.solvers.markov.chain import Chain, ChainModel
from lockmodel.solvers.markov.jit import transition


def ring(state, ints, reals, out, rates):
    """Think, then single servers in turn; component 0 is the delay."""
    k = 0
    for c in range(state.size):
        if state[c] > 0:
            out[k, :] = state
            out[k, c] -= 1
            out[k, (c + 1) % state.size] += 1
            rates[k] = reals[c] * (state[c] if c == 0 else 1)
            k += 1
    return k


def ring_model(n: int, rates: tuple[float, ...] = (0.1, 1.0, 2.0, 4.0)) -> ChainModel:
    d = len(rates)
    start = (n,) + (0,) * (d - 1)
    names = tuple(f"c{i}" for i in range(d))
    ints = np.zeros(1, np.int64)
    return ChainModel("ring", names, start, (n,) * d, transition(ring), ints, np.array(rates), d)


def column(chain: Chain, name: str) -> np.ndarray:
    """Return one component of every state, shape (S,)."""
    return chain.states[:, chain.components.index(name)]


def from_matrix(rates: np.ndarray | list[list[float]]) -> Chain:
    """Return the chain with these rates from row to column; the diagonal is not read."""
    q = np.array(rates, float)
    np.fill_diagonal(q, 0.0)
    into, source = np.nonzero(q.T)
    states = np.arange(len(q), dtype=np.int16)[:, None]
    indptr = np.searchsorted(into, np.arange(len(q) + 1)).astype(np.int64)
    rate = q[source, into]
    return Chain("m", ("state",), states, indptr, source.astype(np.int32), rate, q.sum(axis=1))


def solved(
    start: Hashable, moves: Callable[[Hashable], list[tuple[Hashable, float, float]]]
) -> tuple[list[Hashable], np.ndarray, float]:
    """Return states, probabilities and completions per second of a chain given as a function.

    `moves` gives (successor, rate, completions) triples.
    """
    states, triples = {start: 0}, []
    waiting = [start]
    while waiting:
        state = waiting.pop()
        for to, rate, done in moves(state):
            if to not in states:
                states[to] = len(states)
                waiting.append(to)
            triples.append((states[state], states[to], rate, done))
    size = len(states)
    q, flow = np.zeros((size, size)), np.zeros(size)
    for i, j, rate, done in triples:
        q[i, j] += rate
        q[i, i] -= rate
        flow[i] += rate * done
    q[:, 0] = 1.0  # the balance of one state follows from the others
    p = np.linalg.solve(q.T, np.eye(size)[0])
    return list(states), p, float(p @ flow)
