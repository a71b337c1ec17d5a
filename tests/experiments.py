"""Simulated experiments with a known truth: one lock, eight populations, log-normal noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lockmodel.changes.levers import batch, shorten_hold
from lockmodel.fitting.estimate import Estimate, Settings, fit
from lockmodel.fitting.study import DataSet, plan
from lockmodel.model.handoff import ConstantHandOff, HandOff
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Scenario, Site
from lockmodel.observe.observations import Observation, Source
from lockmodel.solvers.throughput import throughput

MACHINE = Machine(name="m", cpus=32, cores=32)
CONSTANT = ConstantHandOff(time=300e-9)
POPULATIONS = (1, 2, 4, 8, 12, 16, 24, 32)
FEW = (1, 16, 32)
REPEATS = 3


def scenario(handoff: HandOff, acquires: float = 10.0) -> Scenario:
    lock = Lock(
        name="L",
        time_per_instruction_local=0.2e-9,
        time_per_instruction_remote=1e-9,
        acquire_time=20e-9,
        handoff=handoff,
    )
    site = Site(lock="L", phase="p", name="a", acquires=acquires, held_instructions=4000 / acquires)
    return Scenario(
        name="s",
        title="t",
        iteration="i",
        machine=MACHINE,
        think=100e-6,
        locks=(lock,),
        sites=(site,),
    )


def measure(
    truth: Scenario,
    noise: float,
    stated: bool,
    generator: np.random.Generator,
    variant: str = "",
    populations: tuple[int, ...] = POPULATIONS,
) -> DataSet:
    """Return a data set with log-normal noise; stated: the mean and spread of three repeats."""
    count = REPEATS if stated else 1
    shape = (len(populations), count)
    runs = throughput(truth, populations)[:, None] * np.exp(
        noise * generator.standard_normal(shape)
    )
    observations = tuple(
        Observation(
            kind="throughput",
            value=float(row.mean()),
            unit="1/s",
            source=Source("f", 1),
            n=n,
            variant=variant,
            sd=float(row.std(ddof=1)) if stated else None,
            uncertainty="repeats" if stated else "none",
        )
        for n, row in zip(populations, runs, strict=True)
    )
    return DataSet("f", variant, "", truth, observations, (count,) * len(populations), truth)


@dataclass(frozen=True)
class Experiment:
    """A truth, what is measured of it, and what is fitted."""

    handoff: HandOff
    free: tuple[str, ...]
    truths: tuple[float, ...]
    noise: float = 0.03
    stated: bool = False
    patched: float | None = None
    seed: int = 0

    def sets(self, number: int) -> list[DataSet]:
        generator = np.random.default_rng([self.seed, number])
        made = [measure(scenario(self.handoff), self.noise, self.stated, generator)]
        if self.patched is not None:
            other = scenario(self.handoff, self.patched)
            made.append(measure(other, self.noise, self.stated, generator, "new", FEW))
        return made

    def lever(self, base: Scenario) -> Scenario:
        return shorten_hold(base, "L", 0.5) if self.patched is None else batch(base, "L", 3)

    def fit(self, number: int) -> Estimate:
        return fit(plan(self.sets(number), self.free), Settings(starts=1))
