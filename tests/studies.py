"""What the tests of the fit share: one lock on 64 CPUs, and observations of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec.structs import replace

from lockmodel.fitting.estimate import Estimate, Settings, fit
from lockmodel.fitting.study import DataSet, plan
from lockmodel.model.handoff import ConstantHandOff, HandOff
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Scenario, Site
from lockmodel.observe.observations import Observation, Source
from lockmodel.solvers.solve import points

SOURCE = Source("x.csv", 1)
CURVE = (1, 2, 4, 8, 16, 32, 48, 64)
NO_PRIORS = Settings(priors=False)
MACHINE = Machine(name="m", cpus=64, cores=64, sockets=2, nodes=2, same_node_cost=0.5)


def lock(name: str = "a", **changes: Any) -> Lock:
    sound: dict[str, Any] = {
        "time_per_instruction_local": 0.3e-9,
        "time_per_instruction_remote": 2e-9,
        "acquire_time": 20e-9,
        "handoff": ConstantHandOff(time=300e-9),
    }
    return Lock(name=name, **{**sound, **changes})


def model(
    handoff: HandOff | None = None,
    acquires: float = 5.0,
    held: float = 800.0,
    locks: tuple[str, ...] = ("a",),
    **changes: Any,
) -> Scenario:
    """Return a workload: 100 us of think time, every lock held 4 us per iteration in all."""
    more = {} if handoff is None else {"handoff": handoff}
    sound: dict[str, Any] = {
        "name": "s",
        "title": "t",
        "iteration": "i",
        "machine": MACHINE,
        "think": 100e-6,
        "locks": tuple(lock(name, **more) for name in locks),
        "sites": tuple(
            Site(lock=name, phase="p", name="s", acquires=acquires, held_instructions=held)
            for name in locks
        ),
    }
    return Scenario(**{**sound, **changes})


STOCK = model()
PATCHED = model(acquires=1.0, held=4000.0)
"""The same held work under one acquire instead of five."""


def seen(kind: str = "throughput", value: float = 1.0, n: int | None = 64, **more: Any):
    units = {"throughput": "1/s", "hold_time": "s", "mean_wait": "s", "acquires": "per iteration"}
    made = {"unit": units.get(kind, "1"), "n": n, **more}
    return Observation(kind=kind, value=value, source=SOURCE, **made)


def curve(
    scenario: Scenario,
    populations: tuple[int, ...] = CURVE,
    factor: float = 1.0,
    noise: float = 0.0,
    seed: int = 0,
    sd: float | None = None,
    **more: Any,
) -> tuple[Observation, ...]:
    """Return the throughputs of a scenario, with log-normal noise; `sd` relative if stated."""
    rng = np.random.default_rng(seed)
    made = []
    for p in points(scenario, populations):
        value = p.throughput_per_s * factor * float(np.exp(noise * rng.standard_normal()))
        stated = {} if sd is None else {"sd": sd * value, "uncertainty": "given"}
        made.append(seen("throughput", value, p.n, **stated, **more))
    return tuple(made)


def data(
    scenario: Scenario,
    observations: tuple[Observation, ...] = (),
    variant: str = "",
    file: str = "x.csv",
    stock: Scenario | None = None,
    repeats: int = 1,
) -> DataSet:
    return DataSet(
        file=file,
        variant=variant,
        kernel="",
        scenario=scenario,
        observations=observations,
        repeats=(repeats,) * len(observations),
        stock=stock or scenario,
    )


def fitted(
    sets: list[DataSet],
    free: tuple[str, ...],
    share: dict[str, str] | None = None,
    settings: Settings = NO_PRIORS,
) -> Estimate:
    return fit(plan(sets, free, share), settings)


def elsewhere(scenario: Scenario, machine: str) -> Scenario:
    """Return the scenario on a machine of another name."""
    return replace(scenario, machine=replace(scenario.machine, name=machine))
