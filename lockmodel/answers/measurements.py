"""Measurements that could be made beside those of a fit, with the values the model expects."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from lockmodel.changes.candidates import candidates as levers_of
from lockmodel.changes.lever import ALL, Lever
from lockmodel.errors import ArgumentError
from lockmodel.fitting.estimate import Estimate
from lockmodel.fitting.quantities import expected
from lockmodel.fitting.rows import USUAL_SD, Row
from lockmodel.fitting.study import DataSet
from lockmodel.model.scenario import Scenario
from lockmodel.observe.observations import Observation, Source
from lockmodel.solvers.throughput import throughput

MOST_POPULATIONS = 10
"""Further populations that are tried."""

PATCHES = ("batch", "skip", "exclude")
"""Levers that change acquires against held work: a kernel with one separates the two."""

SOURCE = Source("(not measured yet)", 0)


@dataclass(frozen=True)
class Candidate:
    """A measurement that could be made.

    Attributes
    ----------
    name : str
        What would be measured.
    how : str
        Command, or what to run.
    data : DataSet
        What it would add, with the model's own values.
    rows : tuple of Row
        The same as the objective takes it.
    limit : bool
    at : int or None
        As in `RankedMeasurement`.
    """

    name: str
    how: str
    data: DataSet
    rows: tuple[Row, ...]
    limit: bool = False
    at: int | None = None


def candidates(estimate: Estimate, where: int, n: int) -> Iterator[Candidate]:
    """Return the measurements that could be made beside data set `where`.

    Hold times and acquires are those of locks with sites of their own: what else was counted is
    not one place in the kernel, and what nobody counted is none.
    """
    data = estimate.study.sets[where]
    yield from _populations(estimate, where, n)
    yield from _repeats(estimate, where)
    for lock in estimate.scenario(where).alike:
        yield _hold(estimate, where, lock.name, n)
        yield _acquires(estimate, where, lock.name, n)
    for lever in _patches(data.stock):
        made = _patched(estimate, where, lever, n)
        if made is not None:
            yield made


def _set(data: DataSet, scenario: Scenario, observations: Sequence[Observation]) -> DataSet:
    return replace(
        data,
        scenario=scenario,
        observations=tuple(observations),
        repeats=(1,) * len(observations),
    )


def _rate(estimate: Estimate, where: int, scenario: Scenario, n: int) -> tuple[Observation, float]:
    """Return a throughput as it would be observed, and its logarithm."""
    value = float(throughput(scenario, [n])[0])
    own = [r.observation for r in estimate.rows if r.where == where]
    units = [o.unit for o in own if o.kind == "throughput"]
    observation = Observation(
        kind="throughput", value=value, unit=(*units, "1/s")[0], source=SOURCE, n=n
    )
    return observation, math.log(value)


def _again(estimate: Estimate, where: int, n: int) -> float:
    """Return the sd that a throughput carries beyond the common noise.

    A new population carries the spread of one run. A population that was measured carries more:
    the model's misfit there is the same in every run, so that another run is worth less.
    """
    own = [
        k
        for k, row in enumerate(estimate.rows)
        if row.where == where and row.observation.kind == "throughput" and row.observation.n == n
    ]
    if not own:
        return _single(estimate)
    whole = float(estimate.objective.spread(estimate.noise)[own[0]]) ** 2
    misfit = min(estimate.model_error() ** 2, 0.999 * whole)
    halved = misfit + 0.5 * (whole - misfit)
    worth = 1.0 / (1.0 / halved - 1.0 / whole)
    common = estimate.noise.stated if _single(estimate) > 0 else estimate.noise.unstated
    return math.sqrt(max(worth - common**2, 0.0))


def _single(estimate: Estimate) -> float:
    """Return the stated relative spread of one throughput; 0 where none is stated."""
    return estimate.run_noise() if estimate.objective.stated.any() else 0.0


def _populations(estimate: Estimate, where: int, n: int) -> Iterator[Candidate]:
    """Return throughput at 1, at doublings up to all CPUs, between the measured ones, at n."""
    data, scenario = estimate.study.sets[where], estimate.scenario(where)
    cpus = scenario.machine.cpus
    doublings = [2**i for i in range(cpus.bit_length()) if 2**i <= cpus]
    half_way = [3 * 2**i for i in range(cpus.bit_length()) if 3 * 2**i <= cpus]
    wanted = {1, n, cpus, scenario.machine.cores, 2 * cpus}
    have = {r.observation.n for r in estimate.rows if r.where == where}
    between = [m for m in (*doublings, *half_way) if m not in have]
    chosen = sorted({*wanted, *between[-MOST_POPULATIONS:]})
    for population in chosen:
        observation, log_value = _rate(estimate, where, scenario, population)
        row = Row(
            len(estimate.study.sets),
            observation,
            log_value,
            _again(estimate, where, population),
            True,
        )
        again = " again" if population in have else ""
        yield Candidate(
            f"throughput at {population}{again}",
            "throughput: the same loop with that many tasks, untraced",
            _set(data, data.scenario, [observation]),
            (row,),
            at=population,
        )


def _repeats(estimate: Estimate, where: int) -> Iterator[Candidate]:
    """Return every measured throughput once more."""
    data = estimate.study.sets[where]
    have = sorted(
        {
            r.observation.n or 1
            for r in estimate.rows
            if r.where == where and r.observation.kind == "throughput"
        }
    )
    if not have:
        return
    made = [_rate(estimate, where, estimate.scenario(where), n) for n in have]
    rows = tuple(
        Row(len(estimate.study.sets), o, log_value, _again(estimate, where, n), True)
        for n, (o, log_value) in zip(have, made, strict=True)
    )
    yield Candidate(
        "twice the repeats of all throughputs",
        "repeats: run every population twice as often, one row per run",
        _set(data, data.scenario, [o for o, _ in made]),
        rows,
    )


def _hold(estimate: Estimate, where: int, lock: str, n: int) -> Candidate:
    return _other(
        estimate,
        where,
        Observation(kind="hold_histogram", value=1.0, unit="s", source=SOURCE, n=n, lock=lock),
        f"hold times of {lock} at {n}",
        "hold times: bpftrace, @hold_ns = hist(...) from acquired to released; lockmodel import",
    )


def _acquires(estimate: Estimate, where: int, lock: str, n: int) -> Candidate:
    return _other(
        estimate,
        where,
        Observation(
            kind="acquires", value=1.0, unit="per iteration", source=SOURCE, n=n, lock=lock
        ),
        f"acquires of {lock} per iteration",
        "acquires: /proc/lock_stat or bpftrace count() over a known number of iterations",
    )


def _other(estimate: Estimate, where: int, shape: Observation, name: str, how: str) -> Candidate:
    """Return a candidate that is no throughput, with the model's value."""
    data = estimate.study.sets[where]
    (value,) = expected(estimate.scenario(where), shape.n or 1, [shape])
    observation = replace(shape, value=value)
    row = Row(
        len(estimate.study.sets), observation, math.log(value), USUAL_SD[observation.kind], False
    )
    return Candidate(name, how, _set(data, data.scenario, [observation]), (row,))


def _patches(scenario: Scenario) -> list[Lever]:
    """Return the levers that a kernel could be patched with to learn something.

    Where several locks are taken those that reach all of them: a patch does.
    """
    made = [x for x in levers_of(scenario) if x.kind.name in PATCHES]
    chosen = [x for x in made if x.lock == ALL] or made
    after: dict[Scenario, Lever] = {}
    for lever in chosen:  # a lock with one site: batching the lock is batching the site
        after.setdefault(lever.apply(scenario), lever)
    return list(after.values())


def _patched(estimate: Estimate, where: int, lever: Lever, n: int) -> Candidate | None:
    """Return throughput of a patched kernel on the same machine."""
    data = estimate.study.sets[where]
    try:
        base = lever.apply(data.scenario)
        fitted = lever.apply(estimate.scenario(where))
    except ArgumentError:
        return None
    observation, log_value = _rate(estimate, where, fitted, n)
    return Candidate(
        f"kernel with {lever.text}",
        f"kernel: throughput at {n} with and without it, on one machine (fit --variant)",
        _set(data, base, [observation]),
        (Row(len(estimate.study.sets), observation, log_value, _single(estimate), True),),
        lever.is_limit,
    )
