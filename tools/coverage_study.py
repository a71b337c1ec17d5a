"""Do intervals hold what they say? Fits to simulated curves, judged by what simulation says next.

    make coverage-study            200 truths per cell, all cells
    tools/coverage_study.py --truths 20 --cell constant

A truth is a lock with constant holds on a machine of two nodes, with think times that vary as no
model here has them. Its curve is simulated and read with noise, a scenario whose times are all
wrong is fitted to it, and the intervals of the commands are compared with simulations of the truth:
throughput at twice the largest population measured, and what five levers gain. A cell says in what
the fitted scenario differs from the truth. Printed per cell and question: the share of truths that
lie inside, of those below and above, and the median width in ln.

Truths are shared by the cells that fit them in different ways, and with --keep DIR by later runs.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from lockmodel.answers.gains import Gains
from lockmodel.answers.intervals import COUNT
from lockmodel.answers.predict import predict
from lockmodel.changes.grammar import parse
from lockmodel.fitting.datasets import Loaded
from lockmodel.fitting.fitting import run
from lockmodel.fitting.study import DataSet
from lockmodel.model.distribution import Constant, Erlang, Exponential, Lognormal
from lockmodel.model.handoff import (
    ConstantHandOff,
    HandOff,
    LinearHandOff,
    SaturatingHandOff,
    TopologyHandOff,
)
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Scenario, Site
from lockmodel.observe.observations import Observation, Source
from lockmodel.solvers.simulation.simulate import simulate
from lockmodel.solvers.throughput import throughput

MACHINE = Machine(name="study", cpus=32, cores=32, nodes=2, sockets=2, same_node_cost=0.4)
POPULATIONS = (1, 2, 4, 8, 12, 16)
BEYOND = 2 * POPULATIONS[-1]
NOISE = 0.03
PRECISION = 0.01
"""Of a simulation: the narrowest intervals are 0.1 wide."""

GUESSED = 0.7
"""Standard deviation of the logarithm of a time in the fitted scenario around the truth's."""

PUBLISHED = (14e-9, 325e-9)
"""Hand-offs of queue spinlocks, s (data/published/latency.csv, lockhammer): what sets the scale of
all times, as nothing else here does."""

SLOW = 10.0
"""Factor on all times of a cell whose hand-offs are beyond what is published."""

TAKING = 0.02
"""Uncontended pass, as a share of the demand."""

LEVERS = (
    *("shorten_hold:L=0.5", "batch:L=1"),
    *("shard:L=4,by=hash", "shard:L=4,by=cpu"),
    "less_think=0.5",
)

Generator = np.random.Generator


def _constant(scale: float, random: Generator) -> HandOff:
    return ConstantHandOff(time=scale)


def _topology(scale: float, random: Generator) -> HandOff:
    return TopologyHandOff(local=scale, remote=scale * random.uniform(1.5, 3.0))


def _linear(scale: float, random: Generator) -> HandOff:
    return LinearHandOff(time=scale, per_waiter=scale * random.uniform(0.02, 0.15))


def _saturating(scale: float, random: Generator) -> HandOff:
    return SaturatingHandOff(
        time=scale, limit=scale * random.uniform(1.5, 4.0), half_waiters=random.uniform(2.0, 10.0)
    )


TRUTHS: dict[str, Callable[[float, Generator], HandOff]] = {
    "constant": _constant,
    "topology": _topology,
    "linear": _linear,
    "saturating": _saturating,
}
"""Family -> (time, generator) -> hand-off."""


@dataclass(frozen=True)
class Cell:
    """Truths of one kind, fitted in one way.

    Attributes
    ----------
    truth, fitted : str
        Families of the hand-off.
    slower : float
        Factor on all times of the truths.
    """

    truth: str
    fitted: str
    slower: float = 1.0


CELLS = {
    "constant": Cell("constant", "constant"),
    "topology": Cell("topology", "topology"),
    "linear as constant": Cell("linear", "constant"),
    "saturating as constant": Cell("saturating", "constant"),
    "constant as topology": Cell("constant", "topology"),
    "constant, 10 x as slow": Cell("constant", "constant", SLOW),
}


@dataclass(frozen=True)
class Truth:
    """A truth and what simulation says of it.

    Attributes
    ----------
    scenario : Scenario
    rates : dict of int to float
        Iterations per second by population.
    gains : tuple of float
        Throughput after over before of each lever, at the largest population measured.
    """

    scenario: Scenario
    rates: dict[int, float]
    gains: tuple[float, ...]


def truth(family: str, number: int) -> Scenario:
    """Return a truth: the lock saturates within the populations measured, or not long after.

    The hand-off is one that was published; every other time follows from what its share is.
    """
    random = np.random.default_rng([sum(family.encode()), number])
    passing = math.exp(random.uniform(*np.log(PUBLISHED)))
    acquires = float(random.integers(2, 11))
    handed = random.uniform(0.1, 0.6)  # of its demand
    demand = acquires * passing / handed
    remote = (1.0 - handed) * demand / (acquires * 500.0)
    lock = Lock(
        name="L",
        time_per_instruction_local=remote / random.uniform(1.5, 5.0),
        time_per_instruction_remote=remote,
        acquire_time=TAKING * demand / acquires,
        handoff=TRUTHS[family](passing, random),
        hold_distribution=Constant(),
        handoff_distribution=Constant(),
    )
    varied = (Erlang(stages=4), Exponential(), Lognormal(scv=2.0))
    return Scenario(
        name="truth",
        title="a truth of the coverage study",
        iteration="one",
        machine=MACHINE,
        think=demand * random.uniform(6.0, 24.0),  # so many processes saturate it
        think_distribution=varied[int(random.integers(len(varied)))],
        locks=(lock,),
        sites=(Site(lock="L", phase="p", name="a", acquires=acquires, held_instructions=500.0),),
    )


def simulated(keep: Path, task: tuple[str, int]) -> None:
    """Simulate a truth, and keep what came out, unless it is there."""
    family, number = task
    path = keep / f"{family}-{number}.json"
    if path.exists():
        return
    true = truth(family, number)

    def rate(scenario: Scenario, n: int) -> float:
        return simulate(scenario, n, PRECISION, number + 1, workers=1).throughput_per_s.value

    rates = {n: rate(true, n) for n in (*POPULATIONS, BEYOND)}
    n = POPULATIONS[-1]
    gains = [rate(parse(text).apply(true), n) / rates[n] for text in LEVERS]
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"rates": rates, "gains": gains}))
    part.replace(path)


def known(keep: Path, cell: Cell, number: int) -> Truth:
    """Return a simulated truth, on the scale of the cell: rates go with 1 / time."""
    kept = json.loads((keep / f"{cell.truth}-{number}.json").read_text())
    rates = {int(n): rate / cell.slower for n, rate in kept["rates"].items()}
    return Truth(slowed(truth(cell.truth, number), cell.slower), rates, tuple(kept["gains"]))


def slowed(scenario: Scenario, factor: float) -> Scenario:
    """Return a scenario with all of its times multiplied."""
    (lock,) = scenario.locks
    times = ("time", "local", "remote", "per_waiter", "limit")
    handoff = lock.handoff
    handoff = replace(
        handoff, **{key: factor * getattr(handoff, key) for key in times if hasattr(handoff, key)}
    )
    lock = replace(
        lock,
        time_per_instruction_local=factor * lock.time_per_instruction_local,
        time_per_instruction_remote=factor * lock.time_per_instruction_remote,
        acquire_time=factor * lock.acquire_time,
        handoff=handoff,
    )
    return replace(scenario, think=factor * scenario.think, locks=(lock,))


def guessed(cell: Cell, true: Scenario, random: Generator) -> Scenario:
    """Return what is fitted: the truth's structure, or what the cell makes of it, no time right."""
    (lock,) = true.locks

    def off() -> float:
        return math.exp(random.normal(0.0, GUESSED))

    remote = lock.time_per_instruction_remote * off()
    passing = float(lock.handoff.cost(np.array([1.0]), 1.0)[0]) * off()
    other = replace(
        lock,
        time_per_instruction_local=remote * random.uniform(0.2, 0.6),
        time_per_instruction_remote=remote,
        handoff=TRUTHS[cell.fitted](passing, random),
    )
    return replace(
        true,
        name="guess",
        think=true.think * off(),
        think_distribution=Exponential(),
        locks=(other,),
    )


def fitted(cell: Cell, name: str, number: int, true: Truth) -> tuple[Scenario, Generator]:
    """Return the scenario fitted to a truth's curve read with noise, and the generator then."""
    random = np.random.default_rng([sum(name.encode()), number, 1])
    observations = tuple(
        Observation(
            kind="throughput",
            value=true.rates[n] * math.exp(random.normal(0.0, NOISE)),
            unit="1/s",
            source=Source("study", 1),
            n=n,
        )
        for n in POPULATIONS
    )
    model = guessed(cell, true.scenario, random)
    data = DataSet("study", "", "", model, observations, (1,) * len(observations), model)
    return run(Loaded((data,), {"study": "0" * 64}, ())).scenarios[0], random


def judged(keep: Path, task: tuple[str, int]) -> list[tuple[float, float, float]]:
    """Return truth, low and high of every question for one truth, as ln of rates or factors."""
    name, number = task
    cell = CELLS[name]
    true = known(keep, cell, number)
    scenario, random = fitted(cell, name, number, true)
    assert scenario.fit is not None
    (point,) = predict(scenario, [BEYOND], "product-form").points
    assert point.interval_per_s is not None
    low, high = point.interval_per_s
    again = math.log(true.rates[BEYOND]) + random.normal(0.0, NOISE)  # it is of a measurement
    rows = [(again, math.log(low), math.log(high))]
    n = POPULATIONS[-1]
    drawn = Gains(scenario, scenario.fit, [n], COUNT)
    before = throughput(scenario, [n])[0]
    for text, factor in zip(LEVERS, true.gains, strict=True):
        lever = parse(text)
        gain = float(throughput(lever.apply(scenario), [n])[0] / before) - 1.0
        ((low, high),) = drawn.of(lever.apply, [gain])
        rows.append((math.log(factor), math.log1p(low), math.log1p(high)))
    return rows


def report(name: str, rows: np.ndarray) -> Iterator[str]:
    """Yield a line per question of a cell; rows has shape (truths, questions, 3)."""
    for k, question in enumerate((f"throughput at {BEYOND}", *LEVERS)):
        value, low, high = rows[:, k].T
        inside = float(np.mean((low <= value) & (value <= high)))
        width = float(np.median(high - low))
        below, above = float(np.mean(value < low)), float(np.mean(value > high))
        yield (
            f"{name:24} {question:20} {100 * inside:6.1f} %  {100 * below:5.1f} {100 * above:5.1f}"
            f"  {width:.3f}"
        )


def main() -> None:
    """Run the study and print its table."""
    given = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    given.add_argument("--truths", type=int, default=200)
    given.add_argument("--first", type=int, default=0, help="number of the first truth")
    given.add_argument("--cell", choices=list(CELLS), action="append")
    given.add_argument("--jobs", type=int, default=2)
    given.add_argument("--keep", type=Path, help="folder of simulated truths: made once")
    asked = given.parse_args()
    names, numbers = asked.cell or list(CELLS), range(asked.first, asked.first + asked.truths)
    families = dict.fromkeys(CELLS[name].truth for name in names)
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(asked.jobs, get_context("spawn")) as pool,
    ):
        keep = asked.keep or Path(folder)
        keep.mkdir(parents=True, exist_ok=True)
        for _ in pool.map(partial(simulated, keep), [(f, k) for f in families for k in numbers]):
            pass
        print(f"{'fitted as':24} {'question':20} {'inside':>8}  below above  width", flush=True)
        for name in names:
            tasks = [(name, k) for k in numbers]
            rows = np.array(list(pool.map(partial(judged, keep), tasks)))
            print("\n".join(report(name, rows)), flush=True)


if __name__ == "__main__":
    main()
