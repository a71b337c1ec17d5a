"""One lock with a hand-off per waiter, against other solvers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lockmodel.errors import ArgumentError
from lockmodel.model.network import Station
from lockmodel.solvers.markov.queue_solution import solve_queues
from lockmodel.solvers.markov.queues import QueueLock, QueueNetwork, Stage
from lockmodel.solvers.markov.repairman import Repairman, distribution, peak, throughput
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


def test_a_sudden_collapse_has_two_throughputs():
    # Z c = 20 h^2: from N_c = 2 sqrt(500) - 5 = 39.7 on. Peak there, and then down to 1 / (c N)
    lock = Repairman(100.0, 1.0, 0.2)
    best, value = peak(lock, 200)
    assert (best, value) == (40, pytest.approx(0.37349741, abs=1e-8))
    assert throughput(lock, 60) < 0.3 * 60 / 101  # far below light load
    crowd = (60 - 5) / 2 + math.sqrt((60 + 5) ** 2 / 4 - 500)
    assert (60 - crowd) / 100 == pytest.approx(throughput(lock, 60), rel=0.03)
    assert throughput(lock, 2000) == pytest.approx(1 / (0.2 * 2000), rel=0.05)


def test_a_gradual_collapse_peaks_at_saturation():
    lock = Repairman(100.0, 1.0, 0.005)
    best, value = peak(lock, 200)
    assert best == pytest.approx(100, abs=8)  # Z / h
    assert value > 0.9


def test_without_cost_per_waiter_nothing_collapses():
    assert peak(Repairman(10.0, 1.0), 60)[1] == pytest.approx(1.0, rel=1e-9)


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
