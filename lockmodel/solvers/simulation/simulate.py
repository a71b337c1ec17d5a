"""Simulate a scenario: throughput and waits with intervals, and what analysis cannot say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lockmodel.errors import NotTrustworthyError
from lockmodel.model.disciplines import discipline
from lockmodel.model.network import build
from lockmodel.model.prediction import ClassState, LockState, Point, plain
from lockmodel.model.scenario import Scenario
from lockmodel.progress import Progress, Stop, never, quietly
from lockmodel.solvers.bounds import point_of
from lockmodel.solvers.class_points import ceiling_of_mix
from lockmodel.solvers.simulation.output import (
    CONFIDENCE,
    REPLICATIONS,
    Mean,
    jain,
    quantile,
    ratio,
)
from lockmodel.solvers.simulation.replicate import PRECISION, Sample, replicate
from lockmodel.solvers.validity import moved

SCHEMA = "lockmodel.simulation/1"

ROUGH = 0.05
"""Relative half-width of a class's throughput that is worth a warning."""

SHARES = (0.5, 0.9, 0.99, 0.999)
"""Quantiles of the wait that are reported."""

PREEMPTION = (
    "{n} processes exceed the {cpus} CPUs: thinking ones share them, but a holder that loses its "
    "CPU is not modelled; only waiters of an rwsem or a mutex sleep"
)
ASSUMPTIONS = (
    "an iteration thinks once, in one piece, then takes the sites' acquires in the order given",
    "a pass costs the hand-off for those waiting at the release and its real distance; lines "
    "under a lock are as far as its last holder",
    "waiters spin, each on its own CPU, without slowing the others; nobody is preempted",
)


@dataclass(frozen=True)
class SimulatedLock:
    """One lock in a simulation.

    Attributes
    ----------
    wait_s : Mean
        Seconds per iteration that a process waits for it, hand-offs included.
    slept_s : float
        Part of it asleep: it costs no CPU.
    utilisation, queue : float
        As `prediction.LockState`.
    contended : float
        Share of acquires that had to wait.
    wait_quantiles_s : dict of str to float
        Wait per acquire that 50, 90, 99 and 99.9 % of acquires do not exceed.
    longest_wait_s : float
        Of all acquires simulated.
    same_cpu, same_node, other_node : float
        Shares of acquires by where the lock was held before.
    walk_s : float or None
        Mean time of a background walk, from setting out to leaving the last shard; None where none
        took place.
    gave_up : float or None
        Share of the walks that gave up; None where there were no walks.
    """

    wait_s: Mean
    slept_s: float
    utilisation: float
    queue: float
    contended: float
    wait_quantiles_s: dict[str, float]
    longest_wait_s: float
    same_cpu: float
    same_node: float
    other_node: float
    walk_s: float | None
    gave_up: float | None


@dataclass(frozen=True)
class SimulatedClass:
    """One class of iterations in a simulation.

    Attributes
    ----------
    n : int
        Its processes.
    throughput_per_s : Mean
        Its iterations per second.
    wait_shares : dict of str to float
        Lock -> share of the time of its processes that they wait for it.
    """

    n: int
    throughput_per_s: Mean
    wait_shares: dict[str, float]


@dataclass(frozen=True)
class Simulated:
    """A simulation's answer at one population.

    Attributes
    ----------
    scenario : str
    n : int
        Population.
    throughput_per_s : Mean
        Iterations per second of the whole machine.
    locks : dict of str to SimulatedLock
    fairness : float
        Jain's index over the iterations of processes, mean over replications; 1 is equal.
    least_share : float
        Iterations of the process that made fewest in all replications, over the mean.
    precision : float
        Relative half-width asked for.
    reached : bool
        Whether the throughput is that precise.
    seed, replications : int
    warm_up, discarded, iterations, events : int
        Iterations per replication until steady and thrown away; iterations and events counted in
        all replications.
    confidence : float
        Of every interval.
    assumptions, warnings : tuple of str
    classes : dict of str to SimulatedClass, or None
        None without classes.
    """

    scenario: str
    n: int
    throughput_per_s: Mean
    locks: dict[str, SimulatedLock]
    fairness: float
    least_share: float
    precision: float
    reached: bool
    seed: int
    replications: int
    warm_up: int
    discarded: int
    iterations: int
    events: int
    confidence: float
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...]
    classes: dict[str, SimulatedClass] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict: times in s, rates per s; without classes no key for them."""
        return {"schema": SCHEMA, **plain(asdict(self))}


def assumptions(scenario: Scenario) -> tuple[str, ...]:
    """Return what a simulation of the scenario takes for granted."""
    spoken = []
    for kind in dict.fromkeys(lock.kind for lock in scenario.locks):
        names = ", ".join(lock.name for lock in scenario.locks if lock.kind == kind)
        spoken.append(f"{kind} ({names}): {discipline(kind).sentence}")
    return (*ASSUMPTIONS, *spoken)


def _lock(scenario: Scenario, index: int, sample: Sample) -> SimulatedLock:
    lock = scenario.locks[index]
    tallies = np.array([w.tallies[index] for w in sample.worlds])
    acquires = int(tallies["acquires"].sum())
    elapsed = sample.elapsed()
    busy = float(tallies["busy"].sum())
    for w in sample.worlds:  # what is busy now has not been added yet
        own = w.shards[w.shards["lock"] == index]
        in_use = own[(own["owner"] >= 0) | (own["readers"] > 0) | (own["waking"] > 0)]
        busy += float(np.sum(w.clock[0]["now"] - in_use["busy_since"]))
    histogram = tallies["waits"].sum(axis=0)
    transfers = tallies["transfers"].sum(axis=0) / max(1, acquires)
    walked, gave_up = int(tallies["walked"].sum()), int(tallies["gave_up"].sum())
    return SimulatedLock(
        wait_s=ratio(tallies["waited"], sample.iterations()),
        slept_s=float(tallies["slept"].sum() / sample.iterations().sum()),
        utilisation=min(1.0, busy / (float(elapsed.sum()) * lock.shards)),
        queue=float((tallies["waited"] + tallies["held"]).sum() / elapsed.sum()),
        contended=float(tallies["contended"].sum()) / max(1, acquires),
        wait_quantiles_s={f"{100 * s:g}": quantile(histogram, acquires, s) for s in SHARES},
        longest_wait_s=float(tallies["longest"].max()),
        same_cpu=float(transfers[0]),
        same_node=float(transfers[1]),
        other_node=float(transfers[2]),
        walk_s=float(tallies["walk_time"].sum()) / walked if walked else None,
        gave_up=gave_up / (walked + gave_up) if walked + gave_up else None,
    )


def _classes(scenario: Scenario, sample: Sample) -> dict[str, SimulatedClass] | None:
    """Return what each class did; None without classes."""
    if not scenario.classes:
        return None
    elapsed = sample.elapsed()
    kinds = sample.worlds[0].processes["kind"][: int(sample.worlds[0].numbers[0])]
    waited = np.sum([w.waited for w in sample.worlds], axis=0)
    made = {}
    for c, one in enumerate(scenario.classes):
        own = np.flatnonzero(kinds == c)
        counted = [float(w.processes["iterations"][own].sum()) for w in sample.worlds]
        there = max(1, own.size) * float(elapsed.sum())
        made[one.name] = SimulatedClass(
            n=own.size,
            throughput_per_s=ratio(np.array(counted), elapsed),
            wait_shares={
                lock.name: float(waited[c, k]) / there for k, lock in enumerate(scenario.locks)
            },
        )
    return made


def _least(iterations: list[np.ndarray]) -> float:
    """Return the fewest iterations of a process over their mean."""
    total = np.sum(iterations, axis=0)
    return float(total.min() / total.mean())


def simulate(
    scenario: Scenario,
    population: int,
    precision: float = PRECISION,
    seed: int = 1,
    workers: int | None = None,
    stop: Stop = never,
) -> Simulated:
    """Simulate a scenario with N processes (arguments and errors: see `replicate`).

    Returns
    -------
    Simulated
        `reached` is False when `stop` ended it before the precision was reached.
    """
    sample = replicate(scenario, population, precision, seed, workers, stop)
    throughput = sample.throughput()
    warnings = moved(scenario)
    if population > scenario.machine.cpus:
        warnings.append(PREEMPTION.format(n=population, cpus=scenario.machine.cpus))
    if throughput.relative > precision:
        warnings.append(
            f"stopped at a precision of {throughput.relative:.2g}, {precision:g} was asked; give "
            f"it more time"
        )
    classes = _classes(scenario, sample)
    for name, one in (classes or {}).items():
        if one.throughput_per_s.relative > ROUGH:
            warnings.append(
                f"the throughput of {name} is known to {one.throughput_per_s.relative:.2g} only, "
                f"its iterations are few; ask for a finer --precision of the total"
            )
    population_only = [w.processes["iterations"][:population] for w in sample.worlds]
    return Simulated(
        scenario=scenario.name,
        n=population,
        throughput_per_s=throughput,
        locks={lock.name: _lock(scenario, i, sample) for i, lock in enumerate(scenario.locks)},
        fairness=float(np.mean([jain(counts) for counts in population_only])),
        least_share=_least(population_only),
        precision=precision,
        reached=throughput.relative <= precision,
        seed=seed,
        replications=REPLICATIONS,
        warm_up=sample.warm_up,
        discarded=sample.pilot,
        iterations=int(sample.iterations().sum()),
        events=int(sum(int(w.clock[0]["completions"]) for w in sample.worlds)),
        confidence=CONFIDENCE,
        assumptions=assumptions(scenario),
        warnings=tuple(warnings),
        classes=classes,
    )


def simulated(
    scenario: Scenario,
    n: int,
    precision: float = PRECISION,
    seed: int = 1,
    workers: int | None = None,
    stop: Stop = never,
) -> Simulated:
    """Return a simulation; what was simulated before as precisely is not simulated again."""
    asked = (scenario, n, precision, seed)
    if asked not in _kept:
        run = simulate(scenario, n, precision, seed, workers, stop)
        if not run.reached:
            return run
        if len(_kept) >= MOST_KEPT:
            _kept.clear()
        _kept[asked] = run
    return _kept[asked]


MOST_KEPT = 256
"""Simulations kept: those of one command, a few kB each."""

_kept: dict[tuple[Scenario, int, float, int], Simulated] = {}


def simulate_each(
    scenario: Scenario,
    populations: Sequence[int],
    precision: float = PRECISION,
    seed: int = 1,
    workers: int | None = None,
    stop: Stop = never,
    progress: Progress = quietly,
) -> list[Simulated]:
    """Simulate a scenario at some populations; once `stop` is true, return those that are done.

    Arguments and errors as of `simulate`, which is refused only while nothing is done.
    """
    runs: list[Simulated] = []
    for n in progress(populations, len(populations), "populations"):
        try:
            runs.append(simulated(scenario, n, precision, seed, workers, stop))
        except NotTrustworthyError:
            if not (runs and stop()):
                raise
        if stop():
            break
    return runs


def point(scenario: Scenario, run: Simulated) -> Point:
    """Return a simulation as a point of a prediction; its bounds are those of the interval."""
    if run.classes is not None:
        return _point_of_classes(scenario, run, run.classes)
    network = build(scenario, run.n, stations_only=False)
    return point_of(
        network,
        run.throughput_per_s.value,
        _states(scenario, run),
        run.throughput_per_s.interval(),
        run.throughput_per_s.relative,
    )


def _states(scenario: Scenario, run: Simulated) -> dict[str, LockState]:
    x = run.throughput_per_s.value
    asleep = x * sum(lock.slept_s for lock in run.locks.values())
    running = min(run.n - asleep, scenario.machine.cpus)
    return {
        name: LockState(
            utilisation=lock.utilisation,
            wait_s=lock.wait_s.value,
            wait_share=lock.wait_s.value * x / run.n,
            cycles_share=min(1.0, (lock.wait_s.value - lock.slept_s) * x / running),
            queue=lock.queue,
        )
        for name, lock in run.locks.items()
    }


def _point_of_classes(
    scenario: Scenario, run: Simulated, classes: dict[str, SimulatedClass]
) -> Point:
    """Return a simulation of several classes as a point; its ceiling is at the simulated mix."""
    rates = {name: one.throughput_per_s for name, one in classes.items()}
    x, (low, high) = run.throughput_per_s.value, run.throughput_per_s.interval()
    ceiling, binding = ceiling_of_mix(scenario, run.n, {k: r.value for k, r in rates.items()})
    return Point(
        n=run.n,
        throughput_per_s=x,
        iteration_s=run.n / x,
        locks=_states(scenario, run),
        binding=binding,
        ceiling_per_s=ceiling,
        lower_per_s=low,
        upper_per_s=high,
        error_estimate=run.throughput_per_s.relative,
        classes={
            name: ClassState(
                n=one.n,
                throughput_per_s=one.throughput_per_s.value,
                iteration_s=one.n / one.throughput_per_s.value if one.n else 0.0,
                wait_shares=one.wait_shares,
                half_width_per_s=one.throughput_per_s.half_width,
            )
            for name, one in classes.items()
        },
    )
