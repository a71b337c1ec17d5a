"""Do intervals hold what they say? Fits to simulated curves, judged by what simulation says next.

    make coverage-study            200 truths per cell, all cells
    tools/coverage_study.py --truths 20 --cell constant

A truth is a lock with constant holds on a machine of two nodes, with think times that vary as no
model here has them. Its curve is simulated and read with noise, a scenario whose times are all
wrong is fitted to it, and the intervals of the commands are compared with simulations of the truth:
throughput at twice the largest population measured, and what four levers gain. A cell says in what
the fitted scenario differs from the truth. Printed per cell and question: the share of truths that
lie inside, of those below and above, and the median width in ln.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
from msgspec.structs import replace

from lockmodel.answers.predict import predict
from lockmodel.answers.whatif import compare
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

MACHINE = Machine(name="study", cpus=32, cores=32, nodes=2, sockets=2, same_node_cost=0.4)
POPULATIONS = (1, 2, 4, 8, 12, 16)
BEYOND = 2 * POPULATIONS[-1]
NOISE = 0.03
PRECISION = 0.005
GUESSED = 0.7
"""Standard deviation of the logarithm of a time in the fitted scenario around the truth's."""

LEVERS = ("shorten_hold:L=0.5", "batch:L=1", "shard:L=4,by=hash", "less_think=0.5")

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


@dataclass(frozen=True)
class Cell:
    """Truths of one kind.

    Attributes
    ----------
    truth, fitted : callable
        (time, generator) -> hand-off of the truth, and of the scenario that is fitted.
    """

    truth: Callable[[float, Generator], HandOff]
    fitted: Callable[[float, Generator], HandOff]


CELLS = {
    "constant": Cell(_constant, _constant),
    "topology": Cell(_topology, _topology),
    "linear as constant": Cell(_linear, _constant),
    "saturating as constant": Cell(_saturating, _constant),
    "constant as topology": Cell(_constant, _topology),
}


def truth(cell: Cell, random: Generator) -> Scenario:
    """Return a truth: the lock saturates within the populations measured, or not long after."""
    acquires = float(random.integers(2, 11))
    think = 100e-6 * math.exp(random.normal(0.0, 0.5))
    held = think / random.uniform(6.0, 24.0)  # so many processes saturate it
    handed = random.uniform(0.1, 0.6)  # of its demand
    remote = (1.0 - handed) * held / (acquires * 500.0)
    lock = Lock(
        name="L",
        time_per_instruction_local=remote / random.uniform(1.5, 5.0),
        time_per_instruction_remote=remote,
        acquire_time=20e-9,
        handoff=cell.truth(handed * held / acquires, random),
        hold_distribution=Constant(),
        handoff_distribution=Constant(),
    )
    varied = (Erlang(stages=4), Exponential(), Lognormal(scv=2.0))
    return Scenario(
        name="truth",
        title="a truth of the coverage study",
        iteration="one",
        machine=MACHINE,
        think=think,
        think_distribution=varied[int(random.integers(len(varied)))],
        locks=(lock,),
        sites=(Site(lock="L", phase="p", name="a", acquires=acquires, held_instructions=500.0),),
    )


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
        handoff=cell.fitted(passing, random),
    )
    return replace(
        true,
        name="guess",
        think=true.think * off(),
        think_distribution=Exponential(),
        locks=(other,),
    )


def rate(scenario: Scenario, n: int, seed: int) -> float:
    """Return simulated throughput, iterations per second."""
    return simulate(scenario, n, PRECISION, seed, workers=1).throughput_per_s.value


def judged(task: tuple[str, int]) -> list[tuple[float, float, float]]:
    """Return truth, low and high of every question for one truth, as ln of rates or factors."""
    name, number = task
    cell = CELLS[name]
    random = np.random.default_rng([sum(name.encode()), number])
    true = truth(cell, random)
    seed = number + 1
    rates = {n: rate(true, n, seed) for n in (*POPULATIONS, BEYOND)}
    observations = tuple(
        Observation(
            kind="throughput",
            value=rates[n] * math.exp(random.normal(0.0, NOISE)),
            unit="1/s",
            source=Source("study", 1),
            n=n,
        )
        for n in POPULATIONS
    )
    model = guessed(cell, true, random)
    data = DataSet("study", "", "", model, observations, (1,) * len(observations), model)
    fitted = run(Loaded((data,), {"study": "0" * 64}, ())).scenarios[0]
    (point,) = predict(fitted, [BEYOND], "product-form").points
    assert point.interval_per_s is not None
    low, high = point.interval_per_s
    again = math.log(rates[BEYOND]) + random.normal(0.0, NOISE)  # it is of a measurement
    rows = [(again, math.log(low), math.log(high))]
    n = POPULATIONS[-1]
    for text in LEVERS:
        lever = parse(text)
        gain = rate(lever.apply(true), n, seed) / rates[n]
        (change,) = compare(fitted, [lever], [n], "product-form").points
        assert change.gain_interval is not None
        low, high = (1.0 + end for end in change.gain_interval)
        rows.append((math.log(gain), math.log(low), math.log(high)))
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
    given.add_argument("--cell", choices=list(CELLS), action="append")
    given.add_argument("--jobs", type=int, default=2)
    asked = given.parse_args()
    print(f"{'fitted as':24} {'question':20} {'inside':>8}  below above  width")
    with ProcessPoolExecutor(asked.jobs, get_context("spawn")) as pool:
        for name in asked.cell or CELLS:
            rows = np.array(list(pool.map(judged, [(name, k) for k in range(asked.truths)])))
            print("\n".join(report(name, rows)), flush=True)


if __name__ == "__main__":
    main()
