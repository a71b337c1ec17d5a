"""Several classes where the exact solution is too large: one network of average processes each.

For a process of class c the others are taken to be alike: each of the other N - 1 runs iterations
of class d with the share of X_d (1 - [c = d] / N_d) in all of them. That network has one class and
stations whose rate depends on how many are there, so it has an exact solution; what c finds at a
station on arrival is that solution at N - 1 (Sevcik & Mitrani, J. ACM 28 (1981) 358), which gives
the time of its iteration and so X_c, until nothing changes. Schweitzer's approximation takes the
same step with mean queues; where hand-offs grow with the queue a mean is not enough: it was off by
a factor of four where this was by 2 %.

Equal classes are solved exactly. Else it is an approximation, worst where throughput jumps from
one state to another: see `class_points`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lockmodel.errors import NotTrustworthyError
from lockmodel.model.class_network import ClassStation
from lockmodel.model.network import Network, Station
from lockmodel.solvers.multiclass import ClassSolution
from lockmodel.solvers.product_form import solve

SETTLED = 1e-9
"""Relative change of throughputs at which they are taken as settled."""

MOST_ROUNDS = 200

StationsAt = Callable[[np.ndarray], tuple[ClassStation, ...]]
"""Stations with the mean holds at so many iterations per second of each class."""


def approximate(
    stations_at: StationsAt, counts: Sequence[int], first: np.ndarray, cpus: int = 0
) -> ClassSolution:
    """Return about the solution of a network of several classes.

    Parameters
    ----------
    stations_at : callable
    counts : sequence of int
        Processes of each class.
    first : ndarray, shape (classes,)
        Iterations per second to begin with, above 0.
    cpus : int
        `ClassSolution.beyond` counts processes beyond so many.

    Raises
    ------
    NotTrustworthyError
        The throughputs do not settle.
    """
    processes, rates = np.array(counts, float), first
    for _ in range(MOST_ROUNDS):
        stations = stations_at(rates)
        stay = np.column_stack([_stay(stations, processes, rates, c) for c in range(len(counts))])
        copies = np.array([s.copies for s in stations])
        found = processes / (copies @ stay)
        moved = float(np.max(np.abs(found / rates - 1.0)))
        rates = np.sqrt(rates * found)
        if moved <= SETTLED:
            break
    else:
        raise NotTrustworthyError(
            f"product form: throughputs of the classes do not settle (they still move by "
            f"{moved:.1g} after {MOST_ROUNDS} rounds): two states of the locks compete; simulate "
            f"(--method simulation)"
        )
    rates = rates / max(
        1.0, max(float(s.demands @ rates) * float(s.slower.min()) for s in stations)
    )
    whole = solve(_average(stations, rates / rates.sum(), int(processes.sum())))[0]
    return ClassSolution(
        rates,
        stay * rates,
        np.array([state.busy for state in whole.states]),
        np.array([state.beyond(cpus) for state in whole.states]),
    )


def _average(stations: Sequence[ClassStation], shares: np.ndarray, population: int) -> Network:
    """Return the network of one class whose iterations are of the classes in these shares."""
    return Network(
        population,
        tuple(Station(s.name, float(s.demands @ shares) * s.slower, s.copies) for s in stations),
        hold={},
    )


def _stay(
    stations: Sequence[ClassStation], processes: np.ndarray, rates: np.ndarray, c: int
) -> np.ndarray:
    """Return the seconds of an iteration of class c at one copy of each station."""
    others = rates.copy()
    others[c] *= 1.0 - 1.0 / processes[c]
    population = int(processes.sum()) - 1
    if population == 0 or not others.any():
        return np.array([s.demands[c] for s in stations])
    average = _average(stations, others / others.sum(), population)
    made = []
    for s, state in zip(stations, solve(average)[0].states, strict=True):
        present = np.arange(1, population + 2)
        slower = s.slower[np.minimum(present, s.slower.size) - 1]
        made.append(s.demands[c] * float(state.p @ (present * slower)))
    return np.array(made)
