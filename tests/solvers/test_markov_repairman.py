"""The collapse in closed form, against the exact distribution and other solvers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lockmodel.errors import ArgumentError
from lockmodel.model.network import Station
from lockmodel.solvers.markov.queue_solution import solve_queues
from lockmodel.solvers.markov.queues import QueueLock, QueueNetwork, Stage
from lockmodel.solvers.markov.repairman import (
    Repairman,
    collapse,
    crowd,
    distribution,
    modes,
    peak,
    throughput,
)
from lockmodel.solvers.product_form import throughputs


@pytest.mark.parametrize("c", [0.0, 0.005, 0.05, 1.0])
def test_product_form_agrees(c):
    lock = Repairman(10.0, 1.0, c)
    n = 64
    stations = (Station("z", 10.0 / np.arange(1.0, n + 1)), Station("a", 1.0 + c * np.arange(n)))
    want = throughputs(stations, n)
    got = [throughput(lock, i) for i in range(1, n + 1)]
    assert got == pytest.approx(want, rel=1e-11)


def test_thinkers_work_at_the_throughput():
    lock = Repairman(40.0, 1.0, 0.1)
    p = distribution(lock, 50)
    assert p.sum() == pytest.approx(1.0, rel=1e-14)
    assert (50 - p @ np.arange(51)) / 40 == pytest.approx(throughput(lock, 50), rel=1e-11)


@settings(max_examples=60)
@given(st.floats(5, 400), st.floats(0.3, 2), st.floats(1e-3, 1))
def test_the_condition_predicts_the_modes(think, hold, c):
    # Collapse is about real numbers, modes about whole ones: at most one population apart
    lock = Repairman(think, hold, c)
    edge = collapse(lock)
    assume(edge.calm_until < 700)
    populations = range(1, int(1.2 * edge.calm_until) + 3)
    found = {n: modes(lock, n) for n in populations}
    crowded = [n for n in populations if found[n][-1] > 0]
    two = [n for n in populations if len(found[n]) == 2]
    assert 0 <= crowded[0] - edge.crowd_from <= 1.3
    assert crowded == list(range(crowded[0], populations[-1] + 1))
    assert edge.sudden == (think * c > hold**2)
    if not edge.sudden:
        assert two == []
        assert found[crowded[0]][-1] <= 3 + math.sqrt(2 * crowded[0])  # leaves 0 step by step
    elif edge.calm_until - edge.crowd_from > 3:
        assert two == list(range(crowded[0], math.ceil(edge.calm_until)))
        # the new mode appears far from 0, where the formula says
        appears = math.sqrt(think / c) - hold / c
        assert abs(found[crowded[0]][-1] - appears) <= 2 + 2 * math.sqrt(appears)
    for n in crowded:
        assert abs(found[n][-1] - crowd(lock, n)) <= 1


def test_modes_are_the_local_maxima_of_the_distribution():
    lock = Repairman(100.0, 1.0, 0.2)
    for n in (20, 39, 41, 60, 99, 101, 150):
        p = np.concatenate([[0.0], distribution(lock, n), [0.0]])
        local = np.flatnonzero((p[1:-1] > p[:-2]) & (p[1:-1] > p[2:]))
        assert modes(lock, n) == tuple(local.tolist())
    assert [len(modes(lock, n)) for n in (39, 41, 99)] == [1, 2, 2]
    assert modes(lock, 100)[0] > 0


def test_a_sudden_collapse_has_two_throughputs():
    # Z c = 20 h^2: from N_c = 39.7 on. Peak there, and then down to 1 / (c N)
    lock = Repairman(100.0, 1.0, 0.2)
    edge = collapse(lock)
    assert (edge.sudden, edge.calm_until) == (True, 100.0)
    assert edge.crowd_from == pytest.approx(2 * math.sqrt(500) - 5, rel=1e-14)
    best, value = peak(lock, 200)
    assert (best, value) == (40, pytest.approx(0.37349741, abs=1e-8))
    assert throughput(lock, 60) < 0.3 * 60 / 101  # far below light load
    assert (60 - crowd(lock, 60)) / 100 == pytest.approx(throughput(lock, 60), rel=0.03)
    assert throughput(lock, 2000) == pytest.approx(1 / (0.2 * 2000), rel=0.05)


def test_a_gradual_collapse_peaks_at_saturation():
    lock = Repairman(100.0, 1.0, 0.005)
    edge = collapse(lock)
    assert (edge.sudden, edge.crowd_from) == (False, 100.0)
    best, value = peak(lock, 200)
    assert best == pytest.approx(100, abs=8)
    assert value > 0.9


def test_without_cost_per_waiter_nothing_collapses():
    lock = Repairman(10.0, 1.0)
    assert collapse(lock).sudden is False
    assert (crowd(lock, 9), crowd(lock, 30)) == (None, 20.0)
    assert peak(lock, 60)[1] == pytest.approx(1.0, rel=1e-9)


def test_hand_off_as_a_phase_collapses_at_the_same_place():
    # the ticket lock with its hand-off as a phase of its own: its peak is as near as the grid
    lock = Repairman(100.0, 1.0, 0.2)
    table = tuple(0.2 * w for w in range(1, 80))
    network = QueueNetwork(100.0, (QueueLock("a", handoff=table),), (Stage("a", 1.0),))
    curve = {n: solve_queues(network, n).throughput for n in range(20, 72, 2)}
    best = max(curve, key=lambda n: curve[n])
    assert abs(best - peak(lock, 200)[0]) <= 4
    assert curve[70] < 0.35 * curve[best]


def test_bad_input():
    for key in ("think", "hold", "per_waiter"):
        for value in (-1.0, math.nan, math.inf):
            with pytest.raises(ValueError, match=f"{key} = "):
                Repairman(**{"think": 1.0, "hold": 1.0, key: value})
    with pytest.raises(ArgumentError, match="must be above 0 s"):
        Repairman(0.0, 1.0)
    with pytest.raises(ArgumentError, match="population = 0"):
        throughput(Repairman(1.0, 1.0), 0)
