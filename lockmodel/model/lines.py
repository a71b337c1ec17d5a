"""What a cache line takes on average: from how far it comes, by where the processes run.

t_l(N) = sum over distances of P(distance) x time of a line from there. The line was last written by
another of the CPUs that run a process, any of them alike: P is over all ordered pairs of two
different CPUs. As in `placement`, who was last is taken as independent of who comes next.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from lockmodel.errors import ScenarioError
from lockmodel.model.machine import DISTANCES, Machine
from lockmodel.model.placement import cpu_order, pairs_by_distance

Shares = dict[str, float]
"""Distance -> probability."""


def shares(machine: Machine, population: int) -> Shares:
    """Return how often the other CPU is at each distance.

    Parameters
    ----------
    machine : Machine
    population : int
        Processes, at least 1. Those beyond the CPUs share CPUs, so all of these run.

    Returns
    -------
    dict of str to float
        By `DISTANCES`; sums to 1, or to 0 where only one CPU runs.
    """
    return dict(zip(DISTANCES, _shares(machine, min(population, machine.cpus)), strict=True))


@lru_cache(maxsize=4096)
def _shares(machine: Machine, running: int) -> tuple[float, ...]:
    if running < 2:
        return (0.0,) * len(DISTANCES)
    pairs = pairs_by_distance(machine, cpu_order(machine)[:running], np.zeros(running, np.int64))
    found: list[float] = (pairs[:, 0] / pairs.sum()).tolist()
    return tuple(found)


def mean_time(machine: Machine, population: int) -> float:
    """Return t_l, the mean time of a line from another running CPU, s.

    Parameters
    ----------
    machine : Machine
        With line times.
    population : int
        Processes, at least 1.

    Returns
    -------
    float
        0 where one CPU runs: no line comes from elsewhere.

    Raises
    ------
    ScenarioError
        The machine has no line times.
    """
    if machine.line is None:
        raise ScenarioError(
            f"machine {machine.name!r}: line times are not known; give line_ns, see `lockmodel "
            f"machines` and `lockmodel bench --lines`"
        )
    found = shares(machine, population)
    return sum(share * (machine.line_time(d) or 0.0) for d, share in found.items() if share > 0)
