"""Constant times in FIFO locks: Erlang stages extrapolated, and where that is not known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from queue_networks import case_a

from lockmodel.errors import NotTrustworthyError
from lockmodel.solvers.markov.phase_type import coxian
from lockmodel.solvers.markov.queue_solution import (
    _extrapolation_error,
    extrapolated,
    solve_once,
    solve_queues,
)
from lockmodel.solvers.markov.queues import (
    CONSTANT,
    QueueLock,
    QueueNetwork,
    Stage,
)


@pytest.mark.parametrize(
    ("n", "x", "digits"),
    [(8, 0.6450833576, 5e-9), (12, 0.8880681916, 5e-9), (16, 0.99031146, 5e-8)],
)
def test_case_e_a_constant_hold(n, x, digits):
    solution = solve_queues(case_a(CONSTANT), n)
    assert solution.throughput == pytest.approx(x, abs=digits)
    assert abs(solution.throughput - x) <= solution.error + digits
    assert solution.error <= 1e-7
    state = solution.locks["a"]
    assert state.utilisation == pytest.approx(x, abs=1e-6)
    assert state.marginal.sum() == pytest.approx(1.0, abs=1e-6)


def test_one_process_waits_for_nobody_whatever_varies():
    network = QueueNetwork(
        3.0,
        (QueueLock("a", CONSTANT, (1.0,), CONSTANT), QueueLock("b", coxian(5.0))),
        (Stage("a", 1.0), Stage("b", 2.0, 0.5), Stage("a", 1.0)),
        think_shape=CONSTANT,
    )
    solution = solve_queues(network, 1)
    assert solution.throughput == pytest.approx(1 / 6, rel=1e-10)
    assert solution.locks["a"].wait == pytest.approx(0.0, abs=1e-9)


def test_clocks_that_end_together_are_refused_not_guessed():
    # two processes, everything constant: X = 1 exactly, which Erlang times reach like r^-1/2
    network = QueueNetwork(1.0, (QueueLock("a", CONSTANT),), (Stage("a", 1.0),), (), CONSTANT)
    assert solve_once(network, 2, stages=64).throughput < 0.97
    for accuracy in (1e-7, 1e-3, 0.01):
        with pytest.raises(NotTrustworthyError, match=r"not extrapolated.*constant times end tog"):
            solve_queues(network, 2, accuracy=accuracy)
    # what is tolerated comes with an error that covers the truth
    solution = solve_queues(network, 2, tolerated=0.5)
    assert 0.03 < 1.0 - solution.throughput < solution.error < 0.5
    assert solution.locks["a"].marginal.sum() == pytest.approx(1.0, rel=1e-12)


def test_extrapolation_removes_a_polynomial():
    rows = [np.array([3 + 2 / r - 5 / r**2 + 1 / r**3, 1.0]) for r in (2, 4, 6, 8)]
    table = extrapolated([2, 4, 6, 8], rows)
    assert table.shape == (4, 2)
    assert table[-1] == pytest.approx([3.0, 1.0], rel=1e-13)


def test_the_error_is_known_only_where_corrections_shrink():
    assert _extrapolation_error([1.0, 1.1, 1.11], 1e-12) == pytest.approx(0.04 / 1.11, rel=1e-9)
    assert _extrapolation_error([1.0, 1.1, 1.14], 1e-12) == math.inf
    assert _extrapolation_error([1.0, 1.0, 1.0 + 1e-13], 1e-12) < 2e-12  # rounding only
