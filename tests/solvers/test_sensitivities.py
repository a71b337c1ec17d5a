"""Exact sensitivities of throughput against finite differences and their sum rule."""

from __future__ import annotations

import numpy as np
import pytest

from lockmodel.model.network import Network, Station
from lockmodel.solvers.product_form import (
    demand_elasticity,
    rate_elasticity,
    solve,
    throughputs,
)

N = 24
STEP = 1e-5
"""Relative step of the central differences: truncation and rounding both near 1e-10."""


def network() -> tuple[Station, ...]:
    """Return a CPU-like station, a lock with hand-off, a slowing one and three shards."""
    n = np.arange(1.0, N + 1)
    return (
        Station("cpu", 6.0 / np.minimum(n, 8)),
        Station("handoff", np.array([0.3, 0.5])),
        Station("slowing", 0.2 + 0.01 * (n - 1)),
        Station("shards", np.array([0.12, 0.2]), 3),
    )


def log_throughput(stations: tuple[Station, ...]) -> float:
    return float(np.log(throughputs(stations, N)[-1]))


def scaled(i: int, factor: np.ndarray | float) -> tuple[Station, ...]:
    """Return the network with the service of station i multiplied; all copies of it."""
    stations = list(network())
    old = stations[i]
    full = old.service[np.minimum(np.arange(N), old.service.size - 1)]
    stations[i] = Station(old.name, full * factor, old.copies)
    return tuple(stations)


@pytest.mark.parametrize("i", range(4))
def test_demand_elasticity_is_the_derivative(i):
    (solution,) = solve(Network(N, network(), {}))
    up, down = log_throughput(scaled(i, 1 + STEP)), log_throughput(scaled(i, 1 - STEP))
    difference = (up - down) / (np.log1p(STEP) - np.log1p(-STEP))
    copies = network()[i].copies
    assert copies * demand_elasticity(solution)[i] == pytest.approx(difference, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("i", range(4))
@pytest.mark.parametrize("level", [1, 2, 3, 9, 24])
def test_rate_elasticity_is_the_derivative_at_one_level(i, level):
    (solution,) = solve(Network(N, network(), {}))
    logs = []
    for sign in (1, -1):
        factor = np.ones(N)
        factor[level - 1] = 1 / (1 + sign * STEP)  # the rate is the inverse of the service
        logs.append(log_throughput(scaled(i, factor)))
    difference = (logs[0] - logs[1]) / (np.log1p(STEP) - np.log1p(-STEP))
    copies = network()[i].copies
    exact = copies * rate_elasticity(solution, i)[level - 1]
    assert exact == pytest.approx(difference, rel=1e-5, abs=1e-9)


def test_elasticities_of_all_stations_sum_to_minus_one():
    (solution,) = solve(Network(N, network(), {}))
    copies = np.array([s.copies for s in network()])
    assert copies @ demand_elasticity(solution) == pytest.approx(-1.0, rel=1e-12)


def test_rate_elasticities_of_a_station_sum_to_minus_its_demand_elasticity():
    # scaling the demand by c divides the rate of every level by c
    (solution,) = solve(Network(N, network(), {}))
    for i in range(4):
        total = rate_elasticity(solution, i).sum()
        assert total == pytest.approx(-demand_elasticity(solution)[i], rel=1e-10)


def test_the_saturated_lock_has_elasticity_minus_one_and_the_others_none():
    stations = (Station("cpu", 1.0 / np.arange(1.0, 101.0)), Station("lock", np.array([1.0])))
    (solution,) = solve(Network(100, stations, {}))
    assert demand_elasticity(solution) == pytest.approx([0.0, -1.0], abs=1e-12)
