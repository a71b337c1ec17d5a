"""Probabilities over time and first passages, against closed forms and matrix exponentials."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from chains import ring_model
from hypothesis import given, settings
from hypothesis import strategies as st

from lockmodel.errors import ArgumentError, NotTrustworthyError
from lockmodel.solvers.markov.chain import explore, from_matrix
from lockmodel.solvers.markov.stationary import dense, stationary
from lockmodel.solvers.markov.transient import first_passage, poisson_weights, transient


def birth_death(up: float, down: float, size: int) -> np.ndarray:
    return np.diag(np.full(size - 1, up), 1) + np.diag(np.full(size - 1, down), -1)


@pytest.mark.parametrize("mean", [0.0, 1e-9, 0.7, 3.0, 50.0, 1e4, 1e7])
def test_poisson_weights(mean):
    first, weights = poisson_weights(mean)
    assert weights.sum() == pytest.approx(1.0, rel=1e-14)
    assert weights.size <= 16 * math.sqrt(mean) + 40
    with mpmath.workdps(30):
        for i in range(0, weights.size, max(1, weights.size // 7)):
            k = first + i
            m = mpmath.mpf(mean)
            exact = mpmath.exp(k * mpmath.log(m) - m - mpmath.loggamma(k + 1)) if mean else 1.0
            if exact > 1e-10:
                assert weights[i] == pytest.approx(float(exact), rel=1e-9)
            if mean == 0:
                break


def test_two_states_relax_exponentially():
    chain = from_matrix([[0, 2.0], [3.0, 0]])
    times = np.array([0.0, 1e-6, 0.1, 0.5, 0.5, 1.0, 100.0, 1e6])
    got = transient(chain, times)
    assert got[:, 0] == pytest.approx(0.6 + 0.4 * np.exp(-5 * times), abs=1e-11)
    assert got.sum(axis=1) == pytest.approx(np.ones(times.size), abs=1e-12)
    half = transient(chain, times, start=np.array([0.6, 0.4]))
    assert half[:, 1] == pytest.approx(np.full(times.size, 0.4), abs=1e-12)


@settings(max_examples=20)
@given(st.integers(2, 6), st.integers(0, 10**6), st.floats(0.01, 20))
def test_any_chain_follows_the_matrix_exponential(size, seed, time):
    matrix = np.random.default_rng(seed).uniform(0, 3, (size, size))
    np.fill_diagonal(matrix, 0.0)
    generator = matrix - np.diag(matrix.sum(axis=1))
    with mpmath.workdps(30):
        want = mpmath.expm(mpmath.matrix(generator.tolist()) * time)
    got = transient(from_matrix(matrix), np.array([time]))[0]
    assert got == pytest.approx([float(want[0, j]) for j in range(size)], abs=1e-11)


def test_the_long_run_is_the_stationary_state():
    chain = explore(ring_model(5))
    late = transient(chain, np.array([5000.0]))[0]
    assert late == pytest.approx(stationary(chain).p, abs=1e-10)


def test_absorbing_chains_are_welcome():
    chain = from_matrix([[0, 2.0], [0, 0]])
    times = np.array([0.3, 4.0])
    assert transient(chain, times)[:, 0] == pytest.approx(np.exp(-2 * times), abs=1e-12)
    assert transient(chain, times, start=1)[:, 1] == pytest.approx([1.0, 1.0], abs=1e-14)


@pytest.mark.parametrize(("up", "down"), [(1.3, 2.0), (2.0, 1.3), (1.0, 1.0)])
def test_a_convoy_drains_as_the_closed_form_says(up, down):
    # mean time from n to n - 1: sum_{j=0}^{K-n} (up/down)^j / down (Karlin & Taylor 1975, 4.7)
    size = 9
    chain = from_matrix(birth_death(up, down, size))
    want = sum(sum((up / down) ** j for j in range(size - n)) / down for n in range(1, size))
    found = first_passage(chain, np.arange(size) == 0, start=size - 1)
    assert found.mean == pytest.approx(want, rel=1e-13)
    assert found.states == size - 1
    one = first_passage(chain, np.arange(size) <= 3, start=4)
    assert one.mean == pytest.approx(sum((up / down) ** j for j in range(5)) / down, rel=1e-13)
    assert one.states == 5  # 4..8: below the target nobody comes


def test_rare_and_long_passages_keep_their_digits():
    # against the drift: 1e24 steps; elimination subtracts nothing
    up, down, size = 0.01, 1.0, 13
    chain = from_matrix(birth_death(up, down, size))
    want = sum(sum((down / up) ** j for j in range(n + 1)) / up for n in range(size - 1))
    assert want > 1e24
    assert first_passage(chain, np.arange(size) == size - 1).mean == pytest.approx(want, rel=1e-12)


def test_the_distribution_of_a_passage():
    # three servers in series, no way back: Erlang
    matrix = np.diag([2.0, 2.0, 2.0], 1)
    times = np.array([0.0, 0.5, 1.5, 10.0])
    found = first_passage(from_matrix(matrix), np.arange(4) == 3, times=times)
    assert found.mean == pytest.approx(1.5, rel=1e-14)
    tail = np.exp(-2 * times) * (1 + 2 * times + 2 * times**2)
    assert found.reached == pytest.approx(1 - tail, abs=1e-12)


def test_a_large_chain_drains_like_the_linear_system_says():
    chain = explore(ring_model(15))  # 816 states: more than elimination takes
    target = chain.column("c0") <= 9
    found = first_passage(chain, target)
    rates = dense(chain.indptr, chain.source, chain.rate)
    inside = ~target
    system = np.diag(chain.out[inside]) - rates[np.ix_(inside, inside)]
    want = np.linalg.solve(system, np.ones(int(inside.sum())))[0]
    assert found.mean == pytest.approx(want, rel=1e-9)
    chain = explore(ring_model(24))
    target = chain.column("c1") >= 20
    found = first_passage(chain, target)
    rates = dense(chain.indptr, chain.source, chain.rate)
    inside = ~target
    assert inside.sum() > 600
    system = np.diag(chain.out[inside]) - rates[np.ix_(inside, inside)]
    want = np.linalg.solve(system, np.ones(int(inside.sum())))[0]
    assert found.mean == pytest.approx(want, rel=1e-7)
    assert found.error < 1e-7


def test_what_never_arrives_is_refused():
    chain = from_matrix([[0, 1.0, 1.0, 0], [0, 0, 0, 1.0], [0, 0, 0, 0], [1.0, 0, 0, 0]])
    with pytest.raises(NotTrustworthyError, match="1 of the 4 states met on the way never reach"):
        first_passage(chain, np.arange(4) == 3)


def test_bad_questions():
    chain = from_matrix([[0, 2.0], [3.0, 0]])
    for times in ([-1.0], [math.nan], [math.inf], [2.0, 1.0]):
        with pytest.raises(ArgumentError, match="times = "):
            transient(chain, np.array(times))
    with pytest.raises(ArgumentError, match="start = 2 must be a state number, 0 to 1"):
        transient(chain, np.array([1.0]), start=2)
    with pytest.raises(ArgumentError, match="add up to 1"):
        transient(chain, np.array([1.0]), start=np.array([0.5, 0.6]))
    with pytest.raises(NotTrustworthyError, match="ask for shorter times"):
        transient(chain, np.array([1e12]))
    with pytest.raises(ArgumentError, match="not all false"):
        first_passage(chain, np.zeros(2, bool))
    with pytest.raises(ArgumentError, match="2 booleans"):
        first_passage(chain, np.ones(3, bool))
    with pytest.raises(ArgumentError, match="in the target already"):
        first_passage(chain, np.array([True, False]))
    with pytest.raises(ArgumentError, match="start = -1 must be a state number"):
        first_passage(chain, np.array([True, False]), start=-1)
