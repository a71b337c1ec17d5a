"""Explore the reachable states of a model into a sparse generator.

A `ChainModel` is a start state and a compiled transition function; states are rows of integers.
Breadth-first: the list of states found is its own queue. Found again by an open hash table of
state numbers. The generator is kept as incoming transitions only (what every solver here sweeps
over), 12 bytes each; the outgoing copy is freed. Arrays grow in place, and exploring stops with
an error before they exceed the memory stated.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lockmodel.errors import ArgumentError, LockmodelError, NotTrustworthyError, shown
from lockmodel.solvers.markov.explorer import (
    BAD_COUNT,
    BAD_RATE,
    DONE,
    FINE,
    GROW,
    MOVES,
    STATES,
    STATUS,
    expand,
    reaching,
    rehash,
    totals,
    transpose,
)
from lockmodel.solvers.markov.jit import Transition, taking_transition

MEMORY = 1 << 30
"""Default memory in bytes for states and transitions, solver vectors included."""

PER_STATE = 60
"""Bytes per state besides its row: hash table (<= 16), pointers, out rate, three vectors."""

PER_TRANSITION = 24
"""Bytes per transition: 12, twice while outgoing lists are turned into incoming ones."""

FIRST_STATES = 4096

Array = np.ndarray


@dataclass(frozen=True)
class ChainModel:
    """A Markov chain by its start state and transitions.

    Attributes
    ----------
    name : str
        For error messages.
    components : tuple of str
        What the numbers of a state row count, d names.
    start : tuple of int
        A state, d numbers.
    bounds : tuple of int
        Largest value of each component; a state beyond is a bug of the model and an error.
    move : Transition
        From `jit.transition`: `(state, ints, reals, out, rates) -> count`.
    ints, reals : ndarray
        What the transition function reads besides the state.
    most : int
        Largest number of successors that a state can have.
    """

    name: str
    components: tuple[str, ...]
    start: tuple[int, ...]
    bounds: tuple[int, ...]
    move: Transition
    ints: Array
    reals: Array
    most: int

    def __post_init__(self) -> None:
        if not self.start or self.most < 1:
            raise ArgumentError(
                f"Markov chain {self.name!r}: empty; it has {len(self.start)} state components "
                f"and at most {self.most} successors per state, and needs 1 or more of each"
            )
        if not len(self.start) == len(self.bounds) == len(self.components):
            raise ArgumentError(
                f"Markov chain {self.name!r}: start, bounds and components must have one entry "
                f"per state component, not {len(self.start)}, {len(self.bounds)} and "
                f"{len(self.components)}"
            )
        limit = np.iinfo(np.int16).max
        for name, value, bound in zip(self.components, self.start, self.bounds, strict=True):
            if not 0 <= value <= bound <= limit:
                raise ArgumentError(
                    f"Markov chain {self.name!r}: {name} starts at {value} with bound {bound}; "
                    f"0 <= start <= bound <= {limit} must hold"
                )


@dataclass(frozen=True)
class Chain:
    """States and generator of a Markov chain.

    Attributes
    ----------
    name : str
        The model's.
    components : tuple of str
        What the columns of `states` count.
    states : ndarray of int16, shape (S, d)
        In the order found; row 0 is the start state.
    indptr : ndarray of int64, shape (S + 1,)
        Transitions into state i are numbers indptr[i] to indptr[i + 1] - 1.
    source : ndarray of int32, shape (T,)
        Where each transition comes from; never the state itself.
    rate : ndarray, shape (T,)
        Its rate in 1/s.
    out : ndarray, shape (S,)
        Total rate out of each state in 1/s; 0 in an absorbing state.
    """

    name: str
    components: tuple[str, ...]
    states: Array
    indptr: Array
    source: Array
    rate: Array
    out: Array

    @property
    def size(self) -> int:
        """Number of states S."""
        return int(self.states.shape[0])

    @property
    def transitions(self) -> int:
        """Number of transitions T between different states."""
        return int(self.source.size)

    @cached_property
    def cannot_return(self) -> int:
        """Number of states from which the start state cannot be reached; 0 if irreducible."""
        return self.size - int(reaching(self.indptr, self.source, 0).sum())


def memory_needed(states: int, transitions: int, components: int) -> int:
    """Return the bytes that exploring and solving a chain takes at most."""
    return states * (2 * components + PER_STATE) + transitions * PER_TRANSITION


def _wrong(model: ChainModel, status: int, state: Array, rates: Array) -> LockmodelError:
    """Return the error for what the transition function of a model did."""
    at = f"Markov chain {model.name!r}: in state {tuple(state.tolist())}"
    if status == BAD_COUNT:
        return ArgumentError(f"{at}: more than the {model.most} successors that the model states")
    if status == BAD_RATE:
        return ArgumentError(
            f"{at}: a rate is not a finite number above 0 (rates: {shown(rates.tolist())}); check "
            f"the times of the model"
        )
    return ArgumentError(f"{at}: a successor is beyond the bounds {model.bounds} of the model")


def _grown(model: ChainModel, size: int, moves: int, memory: int) -> tuple[int, int]:
    """Return the next capacities for states and transitions, within the memory."""
    states, transitions = size + model.most, moves + model.most
    needed = memory_needed(states, transitions, len(model.start))
    factor = min(2.0, memory / needed)
    if factor < 1.001 and needed > memory // 2:
        raise NotTrustworthyError(
            f"Markov chain {model.name!r}: too large; {size:,} states and {moves:,} transitions "
            f"found so far fill the memory of {memory / 2**20:,.0f} MiB and more exist; "
            f"take fewer processes or phases, give more memory, or use --method simulation"
        )
    return int(states * factor) + 1, int(transitions * factor) + 1


def explore(model: ChainModel, memory: int = MEMORY) -> Chain:
    """Return all states reachable from a model's start, and the rates between them.

    Parameters
    ----------
    model : ChainModel
        Start state and transition function.
    memory : int, optional
        Bytes that states, transitions and the solver's vectors may take.

    Returns
    -------
    Chain
        Transitions from a state to itself are dropped, parallel ones are added up. The chain may
        be reducible; `stationary` refuses it then.

    Raises
    ------
    NotTrustworthyError
        The states do not fit into the memory, or no state but the start is reachable.
    ArgumentError
        A rate is not finite and positive, a state is out of bounds, or the memory is no number.
    """
    if not (isinstance(memory, int) and memory > 0):
        raise ArgumentError(f"memory = {shown(memory)} must be a number of bytes above 0")
    d = len(model.start)
    room, capacity = FIRST_STATES, 4 * FIRST_STATES
    if memory_needed(room, capacity, d) > memory or room < 2 * model.most:
        room, capacity = _grown(model, model.most, model.most, memory)
    rows = np.empty((room, d), np.int16)
    rows[0] = model.start
    starts = np.zeros(room + 1, np.int64)
    target, rate = np.empty(capacity, np.int32), np.empty(capacity)
    successors, rates = np.empty((model.most, d), np.int16), np.empty(model.most)
    counters = np.array([1, 0, 0, GROW])
    table = np.empty(0, np.int32)
    bounds = np.array(model.bounds, np.int16)
    ints, reals = model.ints.astype(np.int64), model.reals.astype(np.float64)
    explorer = taking_transition(expand)
    while counters[STATUS] == GROW:
        states, moves = int(counters[STATES]), int(counters[MOVES])
        if states + model.most > room or moves + model.most > capacity:
            room, capacity = _grown(model, states, moves, memory)
            rows.resize((room, d), refcheck=False)  # in place: no second copy, untouched = unused
            starts.resize(room + 1, refcheck=False)
            target.resize(capacity, refcheck=False)
            rate.resize(capacity, refcheck=False)
        if 2 * (states + model.most) > table.size:
            size = 1 << (2 * max(states + model.most, FIRST_STATES)).bit_length()
            table = np.full(size, -1, np.int32)
            rehash(rows, states, table)
        explorer(
            model.move,
            ints,
            reals,
            bounds,
            rows,
            table,
            starts,
            target,
            rate,
            successors,
            rates,
            counters,
        )
    if counters[STATUS] != FINE:
        raise _wrong(model, int(counters[STATUS]), rows[counters[DONE]], rates)
    states, moves = int(counters[STATES]), int(counters[MOVES])
    if states == 1:
        raise NotTrustworthyError(
            f"Markov chain {model.name!r}: empty; 1 state, {model.start}, and nothing leads out of "
            f"it; check that somebody thinks or holds"
        )
    del table
    rows.resize((states, d), refcheck=False)
    starts.resize(states + 1, refcheck=False)
    target.resize(moves, refcheck=False)
    rate.resize(moves, refcheck=False)
    out = totals(starts, rate)
    indptr, source, weight = transpose(starts, target, rate)
    return Chain(model.name, model.components, rows, indptr, source, weight, out)
