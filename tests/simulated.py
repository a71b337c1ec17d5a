"""What the tests of the simulator share: workloads, answers, chains of named processes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from functools import cache

import numpy as np
import pytest

from lockmodel.model.distribution import (
    Constant,
    Coxian,
    Distribution,
    Empirical,
    Erlang,
    Exponential,
    Hyperexponential,
    Lognormal,
    Pareto,
)
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Scenario, Site
from lockmodel.solvers.simulation.output import Mean
from lockmodel.solvers.simulation.simulate import Simulated, simulate

PRECISION = 0.003
SIGMAS = 4.0
"""Standard errors allowed: with a fixed seed a test either always passes or always fails."""

TOLERANCE = 0.006
"""Absolute, of shares that come without an interval."""

EIGHT = Machine(name="m", cpus=8, cores=8)
FAMILIES: list[Distribution] = [
    Constant(),
    Exponential(),
    Erlang(stages=3),
    Coxian(scv=0.4),
    Coxian(scv=2.0),
    Hyperexponential(scv=4.0),
    Lognormal(scv=1.5),
    Pareto(shape=4.5),
    Empirical(edges=(0.0, 1.0, 2.0, 6.0), probabilities=(0.5, 0.3, 0.2)),
]


def agrees(mean: Mean, exact: float, sharp: float = 0.02) -> bool:
    """Return whether a simulated mean is within some standard errors of an exact one.

    The interval must be narrow (`sharp`, relative), or agreement would mean nothing.
    """
    assert mean.half_width <= sharp * abs(mean.value), (mean, exact)
    assert mean.value == pytest.approx(exact, abs=SIGMAS / 2.131 * mean.half_width), sharp
    return True


def workload(
    think: float,
    locks: tuple[Lock, ...],
    sites: list[tuple[str, float, float] | tuple[str, float, float, str]],
    machine: Machine = EIGHT,
    **more: object,
) -> Scenario:
    """Return a scenario; a site is (lock, acquires, instructions[, mode])."""
    made = [
        Site(
            lock=lock,
            phase="p",
            name=f"s{i}",
            acquires=acquires,
            held_instructions=held,
            mode=mode[0] if mode else "write",  # type: ignore[arg-type]
        )
        for i, (lock, acquires, held, *mode) in enumerate(sites)
    ]
    return Scenario(
        name="t",
        title="t",
        iteration="i",
        machine=machine,
        think=think,
        locks=locks,
        sites=tuple(made),
        **more,  # type: ignore[arg-type]
    )


def lock(name: str = "a", remote: float = 1.0, **more: object) -> Lock:
    """Return a lock that takes a second per held instruction, `remote` seconds in another node."""
    return Lock(
        name=name,
        time_per_instruction_local=1.0,
        time_per_instruction_remote=remote,
        **more,  # type: ignore[arg-type]
    )


def one(
    think: float = 3.0, hold: float = 1.0, machine: Machine = EIGHT, **more: object
) -> Scenario:
    """Return one lock taken once per iteration."""
    return workload(think, (lock(**more),), [("a", 1, hold)], machine)


@cache
def answered(scenario: Scenario, n: int, precision: float = PRECISION) -> Simulated:
    return simulate(scenario, n, precision, seed=7)


Moves = Iterator[tuple[Hashable, float, dict[str, float]]]


def solved(
    start: Hashable, moves: Callable[[Hashable], Moves], level: Callable[[Hashable], dict]
) -> dict[str, float]:
    """Return rates of what moves count, and time averages of levels, of an ergodic chain."""
    states, triples, waiting = {start: 0}, [], [start]
    while waiting:
        state = waiting.pop()
        for to, rate, counted in moves(state):
            if to not in states:
                states[to] = len(states)
                waiting.append(to)
            triples.append((states[state], states[to], rate, counted))
    size = len(states)
    q = np.zeros((size, size))
    for i, j, rate, _ in triples:
        q[j, i] += rate
        q[i, i] -= rate
    q[0] = 1.0
    p = np.linalg.solve(q, np.eye(size)[0])
    assert p.min() > -1e-12
    total: dict[str, float] = {}
    for i, _, rate, counted in triples:
        for key, amount in counted.items():
            total[key] = total.get(key, 0.0) + p[i] * rate * amount
    for state, i in states.items():
        for key, amount in level(state).items():
            total[key] = total.get(key, 0.0) + p[i] * amount
    return total


TWO_NODES = Machine(name="m", cpus=8, cores=8, nodes=2)
