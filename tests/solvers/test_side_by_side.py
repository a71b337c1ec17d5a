"""Networks of many populations side by side: the numbers and derivatives of each by itself."""

from __future__ import annotations

import numpy as np
import pytest

from lockmodel.model.network import Network, Station
from lockmodel.solvers.product_form import rate_elasticity, solve
from lockmodel.solvers.side_by_side import log_throughputs

POPULATIONS = np.array([1, 2, 3, 7, 8, 9, 40, 64, 90, 150, 151, 400])
RISING = np.minimum(np.arange(1.0, 65.0), 48.0)
FALLING = np.append(np.arange(1.0, 33.0), np.linspace(32.0, 20.0, 32))


def networks(shape: np.ndarray, think: float, locks: int, seed: int):
    """Return the services of every population, which differ, and the networks of them."""
    random = np.random.default_rng(seed)
    thinks = think * random.uniform(0.8, 1.2, POPULATIONS.size)
    services = random.uniform(0.5, 2.0, (POPULATIONS.size, locks, 2))
    made = [
        Network(
            int(n),
            (Station("cpu", z / shape), *(Station(f"l{k}", s) for k, s in enumerate(own))),
            {},
        )
        for n, z, own in zip(POPULATIONS, thinks, services, strict=True)
    ]
    return thinks, services, made


@pytest.mark.parametrize("locks", [1, 2, 4])
@pytest.mark.parametrize("think", [3.0, 30.0, 3000.0])
@pytest.mark.parametrize("shape", [RISING, FALLING], ids=["rising", "falling"])
def test_each_network_is_solved_as_by_itself(shape, think, locks):
    thinks, services, made = networks(shape, think, locks, 7 * locks)
    free = 1 + 2 * locks  # the logarithm of every service time
    think_slopes = np.zeros((free, POPULATIONS.size))
    think_slopes[0] = 1.0
    slopes = np.zeros((free, POPULATIONS.size, locks, 2))
    for k in range(locks):
        slopes[1 + 2 * k, :, k, 0] = slopes[2 + 2 * k, :, k, 1] = 1.0
    solution = log_throughputs(POPULATIONS, shape, thinks, services, think_slopes, slopes)
    assert solution is not None
    for b, network in enumerate(made):
        (alone,) = solve(network)
        assert solution[0][b] == pytest.approx(np.log(alone.throughput), abs=1e-12)
        wanted = [-rate_elasticity(alone, 0).sum()]
        for k in range(locks):
            exact = rate_elasticity(alone, 1 + k)
            wanted += [-exact[0], -exact[1:].sum()]
        assert solution[1][b] == pytest.approx(wanted, abs=1e-9)


def test_a_number_out_of_range_is_left_to_the_other_way():
    services = np.array([[[1.0, np.inf]]])
    ones = np.zeros((1, 1)), np.zeros((1, 1, 1, 2))
    assert log_throughputs(np.array([3]), RISING, np.array([1.0]), services, *ones) is None
