"""The stationary distribution: exact fractions, product form, and stiff chains with two modes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from chains import column, from_matrix, ring_model
from hypothesis import given, settings
from hypothesis import strategies as st

from lockmodel.errors import NotTrustworthyError
from lockmodel.model.network import Station
from lockmodel.solvers.markov.chain import Chain, explore
from lockmodel.solvers.markov.repairman import Repairman, distribution
from lockmodel.solvers.markov.stationary import gth, imbalance, stationary
from lockmodel.solvers.product_form import throughputs


def exact(matrix: np.ndarray) -> list[Fraction]:
    """Return the stationary distribution in fractions: elimination on the balance equations."""
    size = matrix.shape[0]
    q = [[Fraction(float(matrix[j, i])) for j in range(size)] for i in range(size)]
    for i in range(size):
        q[i][i] = -sum(Fraction(float(x)) for j, x in enumerate(matrix[i]) if j != i)
    rows = [[*row, Fraction(0)] for row in q[:-1]] + [[Fraction(1)] * (size + 1)]
    for i in range(size):
        pivot = next(r for r in range(i, size) if rows[r][i])
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [x / rows[i][i] for x in rows[i]]
        for r in range(size):
            if r != i and rows[r][i]:
                rows[r] = [x - rows[r][i] * y for x, y in zip(rows[r], rows[i], strict=True)]
    return [row[-1] for row in rows]


def case_a(n: int) -> np.ndarray:
    """Return X(1..n) of case A."""
    stations = [Station("z", 10.0 / np.arange(1.0, n + 1))]
    stations += [Station(name, np.array([d])) for name, d in (("a", 1.0), ("b", 0.5), ("c", 0.25))]
    return throughputs(tuple(stations), n)


def birth_death(up: np.ndarray, down: np.ndarray) -> Chain:
    """Return the chain on 0..K with rates up[n] from n and down[n] from n + 1."""
    size = up.size + 1
    matrix = np.zeros((size, size))
    matrix[np.arange(size - 1), np.arange(1, size)] = up
    matrix[np.arange(1, size), np.arange(size - 1)] = down
    return from_matrix(matrix)


@settings(max_examples=30)
@given(st.integers(2, 6), st.integers(0, 10**6))
def test_elimination_is_right_in_every_component(size, seed):
    # rates over 60 orders of magnitude, so probabilities down to 1e-100: still to a few ulp
    rng = np.random.default_rng(seed)
    matrix = 10.0 ** rng.uniform(-30, 30, (size, size))
    np.fill_diagonal(matrix, 0.0)
    want = exact(matrix)
    got = gth(matrix.copy())
    assert max(abs(Fraction(float(g)) / w - 1) for g, w in zip(got, want, strict=True)) < 1e-14
    assert stationary(from_matrix(matrix)).p == pytest.approx(got, rel=1e-15)


@pytest.mark.parametrize("n", [8, 13, 16, 32])
def test_the_iteration_agrees_with_product_form(n):
    chain = explore(ring_model(n))
    solution = stationary(chain, direct=1)
    assert solution.mean(column(chain, "c1") > 0) == pytest.approx(case_a(n)[-1], rel=1e-11)
    assert solution.residual <= 1e-12
    assert solution.p.sum() == pytest.approx(1.0, rel=1e-12)


def test_iteration_and_elimination_agree_and_the_estimate_holds():
    chain = explore(ring_model(13))
    direct, swept = stationary(chain), stationary(chain, direct=1)
    assert (direct.sweeps, swept.sweeps > 0) == (0, True)
    assert np.abs(direct.p - swept.p).sum() <= 5 * swept.error
    rough = stationary(chain, residual=1e-4, error=1e-3, direct=1)
    assert rough.sweeps < swept.sweeps
    assert 1e-9 < np.abs(direct.p - rough.p).sum() <= 5 * rough.error


def test_case_a_of_64_processes_meets_its_residual():
    chain = explore(ring_model(64))
    assert chain.size == 47_905
    solution = stationary(chain)
    lists = (chain.indptr, chain.source, chain.rate, chain.out)
    assert solution.residual == imbalance(*lists, solution.p) <= 1e-12
    assert solution.mean(column(chain, "c1") > 0) == pytest.approx(case_a(64)[-1], rel=1e-11)
    marginal = np.bincount(column(chain, "c2"), weights=solution.p)
    assert marginal.size == 65
    assert marginal[1:].sum() == pytest.approx(0.5 * case_a(64)[-1], rel=1e-10)


@pytest.mark.parametrize("n", [700, 2000])
def test_a_birth_death_chain_beyond_elimination(n):
    up, down = np.full(n, 0.9), np.ones(n)
    chain = birth_death(up, down)
    solution = stationary(chain)
    assert solution.sweeps > 0
    want = 0.9 ** np.arange(n + 1)
    assert np.abs(solution.p - want / want.sum()).sum() < 1e-9


def test_two_modes_with_a_rare_passage_between_them():
    # a collapsing lock at N = 650: two crowds, and between them states of probability 1e-60
    lock = Repairman(think=2000.0, hold=0.5, per_waiter=0.3)
    n = 650
    number = np.arange(n)
    chain = birth_death((n - number) / 2000.0, 1.0 / (0.5 + 0.3 * number))
    want = distribution(lock, n)
    for direct in (1, 10_000):
        solution = stationary(chain, direct=direct)
        assert np.abs(solution.p - want).sum() < 1e-9


def test_reducible_chains_are_refused_with_their_states():
    away = from_matrix([[0, 1.0, 0], [0, 0, 2.0], [0, 1.0, 0]])
    with pytest.raises(NotTrustworthyError, match="reducible; 2 of its 3 states cannot return"):
        stationary(away)
    absorbing = from_matrix([[0, 1.0, 1.0], [1.0, 0, 0], [0, 0, 0]])
    with pytest.raises(NotTrustworthyError, match="reducible; 1 of its 3 states"):
        stationary(absorbing)
    unreachable = from_matrix([[0, 1.0, 0], [1.0, 0, 0], [0, 0, 0]])
    with pytest.raises(NotTrustworthyError, match="reducible; 1 of its 3 states"):
        stationary(unreachable)


def test_no_convergence_is_an_error_with_the_residual_reached():
    chain = explore(ring_model(20))
    with pytest.raises(NotTrustworthyError, match=r"no solution after 12 sweeps over 1,771 states"):
        stationary(chain, sweeps=5)
    with pytest.raises(NotTrustworthyError, match=r"\(1e-30 allowed\)"):
        stationary(chain, residual=1e-30, sweeps=500)


def test_rates_out_of_range_are_refused():
    matrix = np.array([[0, 1e-200, 0], [1e200, 0, 1e-300], [0, 1e300, 0]])  # p down to 1e-1000
    with pytest.raises(NotTrustworthyError, match="elimination over 3 states leaves"):
        stationary(from_matrix(matrix))
