"""Exploring: the states and rates are those of a search in plain Python, or an error says why."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from chains import ring, ring_model

from lockmodel.errors import ArgumentError, NotTrustworthyError
from lockmodel.solvers.markov.chain import Chain, ChainModel, explore
from lockmodel.solvers.markov.explorer import transpose
from lockmodel.solvers.markov.jit import transition
from lockmodel.solvers.markov.stationary import dense


def counter(state, ints, reals, out, rates):
    """Up and down between 0 and ints[0]; every way to go wrong on demand in ints[1]."""
    k = 0
    if state[0] < ints[0]:
        for _ in range(2):  # twice the same successor
            out[k, 0] = state[0] + 1
            rates[k] = reals[0] / 2
            k += 1
    if state[0] > 0 and ints[1] != 1:
        out[k, 0] = state[0] - 1
        rates[k] = reals[1]
        k += 1
    out[k, 0] = state[0]  # to itself
    rates[k] = 7.0
    k += 1
    if ints[1] == 2:
        return 99
    return k


def counter_model(limit: int, wrong: int = 0, up: float = 3.0, bound: int = 100) -> ChainModel:
    ints, reals = np.array([limit, wrong]), np.array([up, 5.0])
    return ChainModel("counter", ("n",), (0,), (bound,), transition(counter), ints, reals, 4)


def searched(model: ChainModel) -> dict[tuple[int, ...], dict[tuple[int, ...], float]]:
    """Return successors and rates of every reachable state, by the uncompiled function."""
    rate_to: dict[tuple[int, ...], dict[tuple[int, ...], float]] = {}
    waiting = [model.start]
    while waiting:
        state = waiting.pop()
        if state in rate_to:
            continue
        out = np.empty((model.most, len(state)), np.int16)
        rates = np.empty(model.most)
        row = np.array(state, np.int16)
        count = model.move.py_func(row, model.ints, model.reals, out, rates)
        rate_to[state] = {}
        for to, rate in zip(out[:count].tolist(), rates[:count].tolist(), strict=True):
            if tuple(to) != state:
                rate_to[state][tuple(to)] = rate_to[state].get(tuple(to), 0.0) + rate
        waiting += list(rate_to[state])
    return rate_to


def as_dict(chain: Chain) -> dict[tuple[int, ...], dict[tuple[int, ...], float]]:
    """Return the same of a chain."""
    rows = [tuple(row) for row in chain.states.tolist()]
    matrix = dense(chain.indptr, chain.source, chain.rate)
    return {
        rows[i]: {rows[j]: float(matrix[i, j]) for j in np.flatnonzero(matrix[i])}
        for i in range(chain.size)
    }


@pytest.mark.parametrize("n", [1, 2, 7])
def test_the_generator_is_the_one_a_search_finds(n):
    model = ring_model(n)
    chain = explore(model)
    assert as_dict(chain) == searched(model)
    assert tuple(chain.states[0]) == model.start
    matrix = dense(chain.indptr, chain.source, chain.rate)
    assert chain.out == pytest.approx(matrix.sum(axis=1), rel=1e-14)


def test_states_are_all_ways_to_share_out_the_processes():
    chain = explore(ring_model(40))
    assert chain.size == math.comb(43, 3)
    assert np.unique(chain.states, axis=0).shape == chain.states.shape
    assert set(chain.states.sum(axis=1).tolist()) == {40}
    assert chain.transitions == 4 * math.comb(42, 3)


def test_parallel_transitions_add_up_and_loops_vanish():
    chain = explore(counter_model(2))
    assert as_dict(chain) == {(0,): {(1,): 3.0}, (1,): {(2,): 3.0, (0,): 5.0}, (2,): {(1,): 5.0}}


def test_transpose_twice_is_the_same():
    chain = explore(ring_model(5))
    there = transpose(chain.indptr, chain.source, chain.rate)
    back = transpose(*there)
    for got, want in zip(back, (chain.indptr, chain.source, chain.rate), strict=True):
        assert np.array_equal(got, want)


def test_too_large_says_how_far_it_came():
    with pytest.raises(NotTrustworthyError, match="memory of 1 MiB and more exist") as caught:
        explore(ring_model(60), memory=1 << 20)
    reached = int(str(caught.value).split("too large; ")[1].split(" states")[0].replace(",", ""))
    assert 5_000 < reached < 20_000
    assert "--method simulation" in str(caught.value)
    assert explore(ring_model(20), memory=1 << 20).size == math.comb(23, 3)


def test_memory_that_holds_nothing():
    with pytest.raises(NotTrustworthyError, match="too large"):
        explore(ring_model(60), memory=100)
    for memory in (0, -1, 1.5, math.nan):
        with pytest.raises(ArgumentError, match="must be a number of bytes above 0"):
            explore(ring_model(2), memory=memory)


def test_nothing_happens():
    with pytest.raises(NotTrustworthyError, match="empty; 1 state"):
        explore(counter_model(0))


@pytest.mark.parametrize("up", [0.0, -1.0, math.nan, math.inf])
def test_rates_must_be_positive_and_finite(up):
    with pytest.raises(ArgumentError, match=r"in state \(0,\): a rate is not a finite number"):
        explore(counter_model(3, up=up))


def test_a_broken_model_is_an_error():
    with pytest.raises(ArgumentError, match="more than the 4 successors"):
        explore(counter_model(3, wrong=2))
    with pytest.raises(ArgumentError, match=r"in state \(2,\): a successor is beyond the bounds"):
        explore(counter_model(3, bound=2))
    with pytest.raises(ArgumentError, match="starts at 5 with bound 4"):
        ChainModel("m", ("n",), (5,), (4,), transition(ring), np.zeros(1), np.zeros(1), 1)
    with pytest.raises(ArgumentError, match="with bound 40000"):
        ChainModel("m", ("n",), (5,), (40000,), transition(ring), np.zeros(1), np.zeros(1), 1)
    with pytest.raises(ArgumentError, match="empty; it has 0 state components"):
        ChainModel("m", (), (), (), transition(ring), np.zeros(1), np.zeros(1), 1)
    with pytest.raises(ArgumentError, match="one entry per state component, not 1, 2 and 1"):
        ChainModel("m", ("n",), (0,), (1, 1), transition(ring), np.zeros(1), np.zeros(1), 1)


def test_a_second_process_compiles_nothing():
    # one explorer for all models, from the cache on disk: it was compiled per model and process
    program = (
        "import numpy as np\n"
        "from lockmodel.solvers.markov import chain, explorer, jit\n"
        "from lockmodel.solvers.markov.rwsem import RwSemaphore, rwsem_model\n"
        "model = rwsem_model(RwSemaphore(1.0, 1.0, 1.0, 0.5), 3)\n"
        "assert chain.explore(model).size > 3\n"
        "both = (jit.taking_transition(explorer.expand), model.move)\n"
        "print(*[sum(f.stats.cache_hits.values()) for f in both])\n"
    )
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True
        )
    assert done.stdout.split() == ["1", "1"]
