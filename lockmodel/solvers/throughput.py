"""Product form's throughput and nothing else: what draws and data sets need by the thousand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lockmodel.errors import SaturatedError
from lockmodel.model.network import build, depends_on_population
from lockmodel.model.scenario import Scenario
from lockmodel.progress import quietly
from lockmodel.solvers.product_form import throughputs
from lockmodel.solvers.walked import kept, without_walkers


def throughput(scenario: Scenario, populations: Sequence[int]) -> np.ndarray:
    """Return product form's throughput at some populations, and nothing else.

    Parameters
    ----------
    scenario : Scenario
    populations : sequence of int

    Returns
    -------
    ndarray, shape (populations,)
        Iterations per second; 0 where walkers leave none.

    Raises
    ------
    NotTrustworthyError
        As the solvers.
    """
    alone = without_walkers(scenario)
    if alone is not scenario:
        shares = np.array([kept(scenario, n) for n in populations])
        left: np.ndarray = throughput(alone, populations) * shares
        return left
    if not depends_on_population(scenario):
        top = max(populations)
        curve = throughputs(build(scenario, top).stations, top)
        return np.array([curve[n - 1] for n in populations])
    return np.array([_throughput(scenario, n) for n in populations])


def _throughput(scenario: Scenario, n: int) -> float:
    try:
        network = build(scenario, n)
    except SaturatedError:  # walkers saturate a lock in this draw
        return 0.0
    if network.mixed:
        from lockmodel.solvers.class_points import class_points, kinds_solvable

        if kinds_solvable(scenario, n):
            return class_points(scenario, (n,), quietly)[0][0].throughput_per_s
    if any(station.users for station in network.stations):
        from lockmodel.solvers.pinned import pinned_throughput

        return pinned_throughput(network)
    return float(throughputs(network.stations, n)[-1])
