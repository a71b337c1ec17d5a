"""Draw random scenarios and ask for what must hold whatever they are; print what does not.

Usage: python tools/hostile.py [--count 10000] [--seed 1] [--jobs 2] [--first 0]

Of every scenario, at one population:

* bounds: who solves it exactly lies within the guaranteed bounds: product form, a Markov chain
  where one is small, else simulation (its 99.99 % interval reaches them);
* order: with locks and sites turned round, bounds, ceilings, what binds, product form and its error
  are the same to 1e-9;
* cliffs: keys that are numbers, four drawn at random, at exactly 0 give what a tiny value gives, to
  1e-3;
* tracebacks: nothing is raised but the errors that a command prints.

A violation is printed with its number: --first K --count 1 repeats it.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TypeVar

import numpy as np
from msgspec.structs import replace

from lockmodel.errors import LockmodelError
from lockmodel.model import distribution as di
from lockmodel.model import handoff as ho
from lockmodel.model.disciplines import DISCIPLINES
from lockmodel.model.machine import Machine
from lockmodel.model.network import build
from lockmodel.model.scenario import Lock, Scenario, Site, Walkers
from lockmodel.solvers.bounds import ceiling_at
from lockmodel.solvers.guaranteed import guaranteed
from lockmodel.solvers.markov import points as chains
from lockmodel.solvers.simulation.simulate import simulate
from lockmodel.solvers.solve import solve

T = TypeVar("T")

SURE = 4.0 / 1.96
"""99.99 % of a normal law lie within 3.9 standard deviations; half-widths are of 95 %."""

PRECISION = 0.02
SECONDS = 1.0
"""A simulation is stopped here: one that cannot answer by then judges nothing."""

CHAIN = 2**23
"""Bytes of the largest Markov chain: some 10,000 states, a tenth of a second."""

SAME = 1e-9
CLIFF = 1e-3
TINY = (1e-9, 1e-18)
"""Shares of a value that are next to nothing; the smaller one where an iteration takes no longer
than a billionth of it."""

KEYS = 4
MOST_PROCESSES = 96


@dataclass(frozen=True)
class Fault:
    """One thing that does not hold."""

    number: int
    kind: str
    text: str


def drawn(number: int, seed: int) -> tuple[Scenario, int]:
    """Return random scenario `number` of a seed, and a population."""
    rng = np.random.default_rng((seed, number))
    machine = _machine(rng)
    names = ("a", "b", "c")[: rng.integers(1, 4)]
    sites = []
    for name in names:
        for k in range(int(rng.integers(1, 4))):
            mode = "read" if rng.random() < 0.1 else "write"
            sites.append(
                Site(
                    lock=name,
                    phase="p",
                    name=f"s{k}",
                    acquires=float(rng.integers(1, 9)),
                    held_instructions=_or_zero(rng, 10.0, 3000.0, 0.1),
                    growth_per_doubling=_or_zero(rng, 1.0, 200.0, 0.6),
                    mode=mode,
                )
            )
    locks = tuple(_lock(rng, name) for name in names)
    kinds = {lock.name: lock.kind for lock in locks}
    sites = [s if DISCIPLINES[kinds[s.lock]].readers else replace(s, mode="write") for s in sites]
    scenario = Scenario(
        name=f"hostile-{number}",
        title="drawn at random",
        iteration="one",
        machine=machine,
        think=_or_zero(rng, 1e-6, 500e-6, 0.05),
        think_remote=_or_zero(rng, 1e-6, 50e-6, 0.7),
        think_distribution=_pick(rng, (di.Exponential(), di.Constant(), di.Erlang(stages=3))),
        locks=locks,
        sites=tuple(sites),
    )
    return scenario, int(min(MOST_PROCESSES, round(_log(rng, 1.0, 2.0 * machine.cpus))))


def _log(rng: np.random.Generator, low: float, high: float) -> float:
    return float(math.exp(rng.uniform(math.log(low), math.log(high))))


def _or_zero(rng: np.random.Generator, low: float, high: float, zero: float) -> float:
    return 0.0 if rng.random() < zero else _log(rng, low, high)


def _pick(rng: np.random.Generator, values: Sequence[T]) -> T:
    return values[int(rng.integers(len(values)))]


def _machine(rng: np.random.Generator) -> Machine:
    nodes, threads = int(_pick(rng, (1, 2, 4))), int(_pick(rng, (1, 2)))
    cores = nodes * int(rng.integers(1, 17))
    return Machine(
        name="m",
        cpus=cores * threads,
        cores=cores,
        nodes=nodes,
        sockets=nodes,
        smt_speedup=float(rng.uniform(1.0, threads)) if threads > 1 else 1.0,
        same_node_cost=float(_pick(rng, (0.0, 0.4, 1.0))),
        placement="fill" if rng.random() < 0.5 else "spread",
    )


def _lock(rng: np.random.Generator, name: str) -> Lock:
    near = _log(rng, 0.2e-9, 2e-9)
    by = str(_pick(rng, ("cpu", "node", "hash")))
    time_ = _or_zero(rng, 20e-9, 2e-6, 0.2)
    handoff = _pick(
        rng,
        (
            ho.NoHandOff(),
            ho.ConstantHandOff(time=time_),
            ho.LinearHandOff(time=time_, per_waiter=_or_zero(rng, 1e-9, 100e-9, 0.2)),
            ho.SaturatingHandOff(time=time_, limit=3 * time_ + 1e-9, half_waiters=8.0),
            ho.TopologyHandOff(local=time_, remote=2 * time_),
        ),
    )
    kind = str(_pick(rng, tuple(one.name for one in DISCIPLINES.values() if one.station)))
    walkers = Walkers(walks_per_s=_log(rng, 1.0, 500.0), read=_log(rng, 1e-6, 1e-4))
    return Lock(
        name=name,
        time_per_instruction_local=near,
        time_per_instruction_remote=near * float(rng.uniform(1.0, 10.0)),
        acquire_time=_or_zero(rng, 5e-9, 100e-9, 0.3),
        handoff=handoff,
        kind=kind,
        shards=int(_pick(rng, (1, 1, 2, 4, 8, 16))),
        shard_by=by,
        shard_skew=float(_pick(rng, (0.0, 0.5, 1.2))) if by == "hash" else 0.0,
        other_mappers=int(_pick(rng, (0, 0, 100))),
        walkers=walkers if rng.random() < 0.05 else None,
        hold_distribution=_pick(
            rng, (di.Exponential(), di.Constant(), di.Hyperexponential(scv=4.0))
        ),
        wake_time=_or_zero(rng, 1e-6, 20e-6, 0.5) if DISCIPLINES[kind].sleeps else 0.0,
    )


def bounded(scenario: Scenario, n: int) -> Iterator[str]:
    """Yield how solvers leave the guaranteed bounds."""
    limits = guaranteed(scenario, n)
    for name, value, slack in verdicts(scenario, n):
        if not limits.lower * (1 - SAME) - slack <= value <= limits.upper * (1 + SAME) + slack:
            ends = f"{limits.lower:.6g} to {limits.upper:.6g}"
            yield f"{name} {value:.6g} +- {slack:.2g} outside {ends}"


@lru_cache(maxsize=1)
def verdicts(scenario: Scenario, n: int) -> tuple[tuple[str, float, float], ...]:
    """Return who can say the throughput, what it is and how far beside it the truth may be.

    Product form where it is exact; a Markov chain where it is exact and small, else a simulation.
    """
    said = []
    for name, judge in JUDGES.items():
        if name == "simulation" and any(who == "chain" for who, *_ in said):
            continue
        with suppress(LockmodelError):
            said.append((name, *judge(scenario, n)))
    return tuple(said)


def _by_product_form(scenario: Scenario, n: int) -> tuple[float, float]:
    answer = solve(scenario, [n], "product-form")
    if any(lock.walkers for lock in scenario.locks) or not answer.exact:
        raise LockmodelError("not exact: it may lie where it likes")
    return answer.points[0].throughput_per_s, 0.0


def _by_chain(scenario: Scenario, n: int) -> tuple[float, float]:
    if chains.approximations(scenario, n):
        raise LockmodelError("not exact: it may lie where it likes")
    point = chains.point(scenario, n, CHAIN)
    if point.error_estimate is None:
        raise LockmodelError("its error is not known")
    return point.throughput_per_s, point.throughput_per_s * point.error_estimate


def _by_simulation(scenario: Scenario, n: int) -> tuple[float, float]:
    end = time.monotonic() + SECONDS
    run = simulate(scenario, n, PRECISION, stop=lambda: time.monotonic() > end).throughput_per_s
    return run.value, SURE * run.half_width


JUDGES = {"product form": _by_product_form, "chain": _by_chain, "simulation": _by_simulation}


def reordered(scenario: Scenario, n: int) -> Iterator[str]:
    """Yield what changes with the order in the file."""
    turned = replace(scenario, locks=scenario.locks[::-1], sites=scenario.sites[::-1])
    for name, of in ANSWERS.items():
        one, other = _answer(of, scenario, n), _answer(of, turned, n)
        if not _same(one, other, SAME):
            yield f"{name}: {one} and {other}"


def cliffs(scenario: Scenario, n: int) -> Iterator[str]:
    """Yield the keys whose 0 is not the limit of their neighbours."""
    rng = np.random.default_rng(int(scenario.name.rpartition("-")[2]))
    every = list(_zeroed(scenario))
    for key, at in (every[k] for k in rng.choice(len(every), min(KEYS, len(every)), replace=False)):
        for name, of in NUMBERS.items():
            zero, *near = (_answer(of, at(share), n) for share in (0.0, *TINY))
            refused = any(isinstance(answer, str) for answer in (zero, *near))
            if not refused and not any(_same(zero, answer, CLIFF) for answer in near):
                yield f"{key}: {name} {zero} at 0, {near[0]} at a billionth"


Changed = Callable[[float], Scenario]


def _zeroed(scenario: Scenario) -> Iterator[tuple[str, Changed]]:
    """Yield every key that may be 0, and the scenario with this share of its value there."""

    def whole(key: str, share: float) -> Scenario:
        return replace(scenario, **{key: share * max(getattr(scenario, key), 1e-6)})

    def in_lock(k: int, key: str, share: float) -> Scenario:
        lock = scenario.locks[k]
        value = share * max(getattr(lock, key), 1e-9)
        more = {"time_per_instruction_local": value, "time_per_instruction_remote": value}
        new = replace(lock, **(more if key.startswith("time_per") else {key: value}))
        return replace(scenario, locks=_put(scenario.locks, k, new))

    def in_handoff(k: int, key: str, share: float) -> Scenario:
        lock = scenario.locks[k]
        new = replace(lock.handoff, **{key: share * max(getattr(lock.handoff, key), 1e-9)})
        return replace(scenario, locks=_put(scenario.locks, k, replace(lock, handoff=new)))

    def in_site(k: int, key: str, share: float) -> Scenario:
        site = scenario.sites[k]
        new = replace(site, **{key: share * max(getattr(site, key), 1.0)})
        return replace(scenario, sites=_put(scenario.sites, k, new))

    def machine(share: float) -> Scenario:
        return replace(scenario, machine=replace(scenario.machine, same_node_cost=share))

    yield "machine.same_node_cost", machine
    for key in ("think", "think_remote"):
        yield key, partial(whole, key)
    for k, lock in enumerate(scenario.locks):
        for key in ("acquire_time", "wake_time", "time_per_instruction_local"):
            yield f"{lock.name}.{key}", partial(in_lock, k, key)
        for key in ("time", "per_waiter", "local"):
            if hasattr(lock.handoff, key):
                yield f"{lock.name}.handoff.{key}", partial(in_handoff, k, key)
    for k, site in enumerate(scenario.sites):
        for key in ("held_instructions", "growth_per_doubling", "acquires"):
            yield f"{site.lock}/{site.name}.{key}", partial(in_site, k, key)


def _put(values: tuple[T, ...], k: int, value: T) -> tuple[T, ...]:
    return (*values[:k], value, *values[k + 1 :])


def _product_form(scenario: Scenario, n: int) -> tuple[float, ...]:
    answer = solve(scenario, [n], "product-form")
    point = answer.points[0]
    waits = (point.locks[name].wait_s for name in sorted(point.locks))
    return (point.throughput_per_s, *waits)


def _error(scenario: Scenario, n: int) -> tuple[float, ...]:
    error = solve(scenario, [n], "product-form").points[0].error_estimate
    return () if error is None else (error,)


def _bounds(scenario: Scenario, n: int) -> tuple[float, ...]:
    limits = guaranteed(scenario, n)
    return limits.lower, limits.upper, limits.light_load


def _ceiling(scenario: Scenario, n: int) -> tuple[float, ...]:
    at = ceiling_at(scenario, n)
    return at.throughput_per_s, at.knee


def _binding(scenario: Scenario, n: int) -> str:
    return "binds " + ceiling_at(scenario, n).binding


Answer = tuple[float, ...] | str
NUMBERS: dict[str, Callable[[Scenario, int], Answer]] = {
    "throughput": lambda s, n: _product_form(s, n)[:1],
    "bounds": _bounds,
}
ANSWERS = {
    "product form": _product_form,
    "its error": _error,
    "bounds": _bounds,
    "ceiling": _ceiling,
    "binding": _binding,
}


def _answer(of: Callable[[Scenario, int], Answer], scenario: Scenario, n: int) -> Answer:
    """Return an answer, or that it is refused."""
    try:
        return of(scenario, n)
    except LockmodelError:
        return "refused"


def _same(one: Answer, other: Answer, tolerance: float) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    scale = 1e-12  # waits of a picosecond are nothing
    return len(one) == len(other) and all(
        abs(a - b) <= tolerance * max(abs(a), abs(b)) + (scale if k else 0.0)
        for k, (a, b) in enumerate(zip(one, other, strict=True))
    )


CHECKS = {"bounds": bounded, "order": reordered, "cliff": cliffs}


def judged(number: int, seed: int) -> tuple[Counter[str], list[Fault]]:
    """Return what was done with one scenario, and what does not hold."""
    done: Counter[str] = Counter()
    faults = []
    try:
        scenario, n = drawn(number, seed)
        build(scenario, n, stations_only=False)
    except LockmodelError:
        return Counter(refused=1), []
    for kind, check in CHECKS.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                faults += [Fault(number, kind, text) for text in check(scenario, n)]
            done[kind] += 1
            done.update(f"by {name}" for name, *_ in verdicts(scenario, n) if kind == "bounds")
        except LockmodelError:
            done[f"{kind} refused"] += 1
        except Exception as error:  # the point of this tool
            faults.append(Fault(number, "traceback", f"{kind}: {error!r}"))
    return done, faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("count", 10_000), ("seed", 1), ("jobs", 2), ("first", 0)):
        parser.add_argument(f"--{name}", type=int, default=value)
    args = parser.parse_args()
    numbers = range(args.first, args.first + args.count)
    start, done, faults = time.monotonic(), Counter[str](), Counter[str]()
    with ProcessPoolExecutor(args.jobs) as pool:
        for one, wrong in pool.map(partial(judged, seed=args.seed), numbers, chunksize=8):
            done += one
            for fault in wrong:
                faults[fault.kind] += 1
                print(f"{fault.number}: {fault.kind}: {fault.text}", flush=True)
    took = time.monotonic() - start
    print(f"{args.count} scenarios, seed {args.seed}, {took:.0f} s; done: {dict(done)}")
    print("violations:", {kind: faults[kind] for kind in (*CHECKS, "traceback")})
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
