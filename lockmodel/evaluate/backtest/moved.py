"""The VMA tree's work moved out of the lock, where this lock binds and where another one does.

The move has a traced size: kernel 6.1 does that work under the lock, 6.12 does not. What a moved
instruction cost is open, so there are two readings: as much as every other one, or less, as the
process's own tree has lines that nobody else writes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import msgspec
import numpy as np

from lockmodel.answers.predict import predict
from lockmodel.changes import levers
from lockmodel.changes.kinds import lever
from lockmodel.changes.lever import ALL
from lockmodel.errors import NotTrustworthyError
from lockmodel.evaluate.backtest import ratio
from lockmodel.evaluate.backtest.case import Case, Limits, Predicted
from lockmodel.evaluate.backtest.draws import RESAMPLED, resample
from lockmodel.evaluate.backtest.evidence import Context
from lockmodel.evaluate.backtest.ratio import ROBOTS
from lockmodel.evaluate.backtest.splitting import execl_think, think_demands
from lockmodel.evaluate.backtest.templates import (
    EXECUTABLE,
    LIBC,
    LOCAL,
    REMOTE,
    template,
    timed,
    traced_held,
)
from lockmodel.fitting.parameters import crowded_instruction
from lockmodel.fitting.priors import OTHERS
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Scenario, Site
from lockmodel.solvers.throughput import throughput

MOVED, MOVED_LATER, CHUNK = "yuma_mmap_region", "yuma_mmap_region_on_6_4", "yuma_pcpu_chunk"
COPIES = 160
BEFORE = (lever("acquires", ALL, 5.0, "exec.teardown"),)
OLD, NEW = "6.1.187", "6.12.107"
LINK = "exec.map_link"
PCPU = "pcpu_alloc_mutex"
FEW = 5
"""Draws for which two unknowns are solved: think time and the mutex's demand."""

SPR = Machine(
    name="2 x Sapphire Rapids, 112 cores",
    cpus=224,
    cores=112,
    sockets=2,
    nodes=2,
    same_node_cost=0.4,
)


def extra_held(file: str) -> dict[str, float]:
    """Return what kernel 6.1 executes under the lock beyond 6.12, per acquire and site."""
    binary = "dynloop"
    traced = binary if file == EXECUTABLE else file
    old = traced_held(OLD, "execl", binary, traced, float(COPIES))
    new = traced_held(NEW, "execl", binary, traced, float(COPIES))
    return {site: max(0.0, old[site] - new[site]) for site in old if site in new}


def with_extra(now: Scenario, part: float, without: str = "") -> Scenario:
    """Return the scenario with 6.1's extra instructions counted in part; none at one site."""
    extras = {lock.name: extra_held(lock.name) for lock in now.locks}

    def change(site: Site) -> Site:
        more = 0.0 if site.label == without else extras[site.lock].get(site.label, 0.0)
        held = site.held_instructions + part * more
        return msgspec.structs.replace(site, held_instructions=held)

    return msgspec.structs.replace(now, sites=tuple(change(site) for site in now.sites))


def moved_out(now: Scenario, part: float) -> tuple[Scenario, Scenario]:
    """Return (before, after) the VMA tree's work left the lock in mmap_region.

    The lever is shorten_hold, by what the extra instructions are of all held ones of each lock.
    """
    before, without = with_extra(now, part), with_extra(now, part, LINK)
    after = before
    for lock in now.locks:
        factor = without.held_instructions(lock.name, COPIES) / before.held_instructions(
            lock.name, COPIES
        )
        after = levers.shorten_hold(after, lock.name, factor)
    return before, after


def _drawn(context: Context, count: int) -> list[tuple[Scenario, float]]:
    """Return timed scenarios and shares that a private instruction takes of a shared one."""
    passing = ratio.carried(context, "lkp_spr_224")
    remote = ratio.robot_gains(context, "lkp_spr_224")[1]
    demands = think_demands(context)
    own = OTHERS["time_per_instruction_local"]
    private = context.draws.log_uniform("time per private instruction", own.low, own.high)
    base = template("execl-emr112", SPR, BEFORE)
    made = []
    for i in resample(ratio.weights(context, ROBOTS), passing, count):
        think = execl_think(float(passing[i]), float(remote[i]), float(demands[i]))
        now = timed(base, float(passing[i]), think, float(remote[i]))
        shared = crowded_instruction(now, now.lock(LIBC))
        made.append((now, min(1.0, float(private[i]) / shared)))
    return made


def _rate(now: Scenario) -> float:
    return float(throughput(now, [COPIES])[0])


def _moved(context: Context, private: bool) -> Predicted:
    gains = []
    for now, part in _drawn(context, RESAMPLED):
        before, after = moved_out(now, part if private else 1.0)
        gains.append(_rate(after) / _rate(before) - 1.0)
    return Predicted(np.array(gains), np.ones(len(gains)))


def with_mutex(now: Scenario, mutex_wait: float, mapping_wait: float) -> Scenario:
    """Return the scenario with the allocator's mutex, so that both kinds of waits are met.

    Unknown are think time and the demand of the mutex; known the shares of cycles spent waiting.
    """
    from scipy.optimize import root

    def at(x: np.ndarray) -> Scenario:
        think, demand = (float(v) for v in np.exp(x))
        mutex = Lock(
            name=PCPU, time_per_instruction_local=demand, time_per_instruction_remote=demand
        )
        site = Site(lock=PCPU, phase="exec", name="pcpu", acquires=1.0, held_instructions=1.0)
        return msgspec.structs.replace(
            now, think=think, locks=(*now.locks, mutex), sites=(*now.sites, site)
        )

    def off(x: np.ndarray) -> np.ndarray:
        locks = predict(at(x), [COPIES], "product-form").points[0].locks
        others = sum(s.cycles_share for name, s in locks.items() if name != PCPU)
        shares = (locks[PCPU].cycles_share, others)
        odds = [math.log(max(w, 1e-12) / (1.0 - w)) for w in shares]
        wanted = [math.log(w / (1.0 - w)) for w in (mutex_wait, mapping_wait)]
        missed: np.ndarray = np.array(odds) - np.array(wanted)
        return missed

    demand = throughput(now, [COPIES])[0] ** -1.0
    start = np.log([(1.0 - mutex_wait) * COPIES * 1.2 * demand, 1.2 * demand])
    solution = root(off, start, tol=1e-4)
    if not solution.success:
        raise NotTrustworthyError(
            f"back-test: no think time and demand of {PCPU} meet waits of {mutex_wait:.1%} and "
            f"{mapping_wait:.1%} ({solution.message})"
        )
    return at(solution.x)


def _pcpu_waits(context: Context) -> tuple[float, float]:
    """Return the shares of cycles waiting for the mutex and elsewhere on v6.4-rc4, unpatched."""
    shares = context.evidence.facts(CHUNK)["contention"]
    mutex = shares["osq_lock_under_pcpu_alloc_pct"] / 100.0
    return mutex, shares["osq_lock_total_pct"] / 100.0 - mutex


def _moved_later(context: Context) -> Predicted:
    gains = []
    for now, _ in _drawn(context, FEW):
        both = with_mutex(with_extra(now, 1.0), *_pcpu_waits(context))
        _, after = moved_out(now, 1.0)
        held = {(s.lock, s.label): s for s in after.sites}
        sites = tuple(held.get((s.lock, s.label), s) for s in both.sites)
        changed = msgspec.structs.replace(both, sites=sites)
        gains.append(_rate(changed) / _rate(both) - 1.0)
    return Predicted(np.repeat(gains, 10), np.ones(10 * len(gains)))


def _chunk(context: Context) -> Limits:
    """Return what the mutex costs at most: all of it gone, at the middle draw."""
    now, _ = _drawn(context, FEW)[FEW // 2]
    both = with_mutex(with_extra(now, 1.0), *_pcpu_waits(context))
    return Limits(0.0, _rate(levers.exclude(both, PCPU)) / _rate(both) - 1.0)


def _factor(part: float) -> float:
    """Return the share of libc.so.6's held work that is left, for the text."""
    before, after = moved_out(template("execl-emr112", SPR, BEFORE), part)
    return after.held_instructions(LIBC, COPIES) / before.held_instructions(LIBC, COPIES)


SCENARIO = "execl-emr112 on Sapphire Rapids, held instructions of 6.1"
PARAMETERS = (
    "hand-off : held work from the three robot pairs, time per instruction from the Sapphire "
    "Rapids robot's throughput before batching; held instructions traced; think time from execl "
    "on a Xeon 8369B"
)
MUTEX = (
    "as the case on v6.0; the mutex from the profile of v6.4-rc4 without any patch: 53.5 % of "
    "cycles in osq_lock below pcpu_alloc, 1.7 % elsewhere"
)


def _case(
    name: str,
    reading: str,
    part: float,
    predict: Callable[[Context], Predicted],
    reasoning: str,
    if_outside: str,
) -> Case:
    later = name == MOVED_LATER
    return Case(
        id=name,
        reading=reading,
        group="change",
        scenario=f"{SCENARIO}, with {PCPU}" if later else SCENARIO,
        lever=f"shorten_hold:all={_factor(part):.2g}",
        kind="shorten_hold",
        population=COPIES,
        parameters_from=ROBOTS,
        parameters=MUTEX if later else PARAMETERS,
        reasoning=reasoning,
        if_outside=if_outside,
        predict=predict,
    )


def cases() -> tuple[Case, ...]:
    """Return the cases."""
    return (
        _case(
            MOVED,
            "one time per instruction",
            1.0,
            partial(_moved, private=False),
            "kernel 6.1 holds the lock of libc for 1,300 to 2,100 instructions in map_link, 6.12 "
            "without the VMA tree's work for 140 to 290 (traced); all take equally long",
            "instructions on a process's own tree cost less than those on shared lines, so this "
            "is too much; the truth lies between the two readings",
        ),
        _case(
            MOVED,
            "own lines local",
            LOCAL / REMOTE,
            partial(_moved, private=True),
            "the same instructions, but those on the process's own VMA tree take 0.15 to 0.9 ns",
            "left open: own lines may miss the cache, too, which local time does not have; the "
            "truth lies between the two readings",
        ),
        _case(
            MOVED_LATER,
            "",
            1.0,
            _moved_later,
            "the same patch at its full size where another lock binds: little is left to gain",
            "not explained",
        ),
        Case(
            id=CHUNK,
            group="change",
            scenario=f"{SCENARIO}, with {PCPU}",
            lever=f"shorten_hold:{PCPU}=F",
            kind="shorten_hold",
            population=COPIES,
            parameters_from=ROBOTS,
            parameters=MUTEX,
            reasoning="re-laid out, pcpu_chunk no longer shares lines falsely",
            undecidable="how many lines were, and so F, is not known; the limit is the mutex gone",
            predict=_chunk,
        ),
    )
