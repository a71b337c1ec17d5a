"""Transfer: published spinlock curves as hand-off levers.

CNA keeps the lock inside a socket while anybody waits there, so its hand-offs, and the lines that
come with them, cost what they cost inside one: the lever is cheaper_handoff to the local hand-off,
fitted to the stock curve alone. The resilient queued spinlock queues as qspinlock does, so it
is no lever at all: whatever was published, these rows are no hits. Neither reader of a file sees
the new variant (`Evidence.visible`, `Evidence.rows`).
"""

from __future__ import annotations

from functools import partial

import numpy as np

from lockmodel.answers.after import levered
from lockmodel.changes.kinds import CHEAPEST, lever
from lockmodel.evaluate.backtest.case import Case, Limits, Predicted
from lockmodel.evaluate.backtest.evidence import Context, Evidence, Published
from lockmodel.evaluate.backtest.one_lock import one_lock
from lockmodel.fitting.datasets import Loaded, Wanted, load_sets
from lockmodel.fitting.draws import drawn
from lockmodel.fitting.estimate import LEVEL, Settings, fit
from lockmodel.fitting.profile import from_covariance
from lockmodel.fitting.result import fitted_scenario
from lockmodel.fitting.study import plan
from lockmodel.model.handoff import TopologyHandOff
from lockmodel.model.machine import Machine
from lockmodel.solvers.throughput import throughput

STOCK, CNA = "stock", "patch_CNA"
QUEUED, RESILIENT = "qspinlock", "rqspinlock"
LEVER = lever("cheaper_handoff", "lock", CHEAPEST)
FREE = ("think", "lock.acquire_time", "lock.handoff.local", "lock.handoff.remote")
DRAWS = 64
STARTS = 1

X5_4 = Machine(name="X5-4", cpus=144, cores=72, sockets=4, nodes=4, smt_speedup=1.25)
"""Threads fill socket by socket: the stock curves break beyond 18, the cores of one."""

ONE_SOCKET = 48
"""Cores of a socket of the Xeon 8468 that the resilient spinlock was measured on."""

THREE_POINTS = 1.5
"""Variance of a point less the mean of its neighbours, in variances of a point."""


def _cna(file: str, context: Context) -> Predicted:
    def loaded(unit: float) -> Loaded:
        handoff = TopologyHandOff(local=0.1 * unit, remote=0.3 * unit)
        start = one_lock(X5_4, unit, 0.1 * unit, handoff)
        with context.evidence.visible(file) as path:
            return load_sets([Wanted(path, file, start)], only=(STOCK,))

    seen = loaded(1e-6).sets[0].observations
    alone = next(o.value for o in seen if o.n == 1)
    data = loaded(1.0 / alone)
    estimate = fit(plan(data.sets, FREE), Settings(priors=False, starts=STARTS))
    # A profile likelihood would do better, and takes longer than all the rest of the back-test.
    ends = [from_covariance(estimate, i, LEVEL) for i in range(estimate.theta.size)]
    scenarios = drawn(fitted_scenario(estimate, 0, ends, data.digests), DRAWS).scenarios
    top = [max(o.n or 1 for o in seen)]
    after = [levered(one, LEVER.apply) for one in scenarios]
    gains = [
        throughput(then, top)[0] / throughput(now, top)[0] - 1.0
        for now, then in zip(scenarios, after, strict=True)
    ]
    return Predicted(np.array(gains), np.ones(len(gains)))


def _pair(file: str, before: str, after: str, noise: float, evidence: Evidence) -> Published:
    """Return the gain of one variant over another at the largest thread count."""
    old, new = evidence.curve(file, before), evidence.curve(file, after)
    gain = new[max(old)] / old[max(old)] - 1.0
    return Published(gain, gain, noise)


def _stated_noise(file: str, evidence: Evidence) -> float:
    """Return the noise of after over before: both are as noisy as the stock run is said to be."""
    last = max(evidence.rows(file, STOCK), key=lambda row: int(row["threads"]))
    return float(np.sqrt(2.0)) * float(last["sd"]) / float(last["throughput"])


def _wandering(file: str, evidence: Evidence) -> float:
    """Return the noise of after over before from how the unpatched curve wanders.

    Points beyond one socket against the mean of their neighbours; runs repeat far better.
    """
    curve = evidence.curve(file, QUEUED)
    logs = np.log([x for n, x in sorted(curve.items()) if n > ONE_SOCKET])
    off = logs[1:-1] - 0.5 * (logs[:-2] + logs[2:])
    return float(np.sqrt(2.0 * np.mean(off**2) / THREE_POINTS))


def _cna_case(what: str, if_outside: str) -> Case:
    file = f"cna_v3_{what}.csv"
    return Case(
        id=f"cna_v3_{what}",
        patch="CNA",
        group="transfer",
        scenario="one lock on 4 sockets (Xeon E7-8895 v3)",
        lever=LEVER.text,
        kind="cheaper_handoff",
        population=142,
        parameters="think, hold, local and remote hand-off fitted to the stock curve alone",
        reasoning="hand-offs stay inside a socket",
        if_outside=if_outside,
        predict=partial(_cna, file),
        published=lambda context: _pair(
            file, STOCK, CNA, _stated_noise(file, context.evidence), context.evidence
        ),
    )


def _rqspin_case(what: str) -> Case:
    file = f"rqspin_x86_{what}.csv"
    return Case(
        id=f"rqspin_x86_{what}",
        patch="resilient spinlock",
        group="transfer",
        scenario="one lock on 2 sockets (Xeon 8468)",
        lever="none",
        kind="none (same hand-off)",
        population=192,
        parameters="none; noise from how the qspinlock curve wanders between neighbouring thread "
        "counts beyond one socket",
        reasoning="the resilient spinlock queues in the same order, so its hand-off is the same: "
        "no lever, and no prediction beyond no change; its checks for deadlocks cost something "
        "that is not modelled",
        predict=lambda context: Limits(0.0, 0.0),
        published=lambda context: _pair(
            file, QUEUED, RESILIENT, _wandering(file, context.evidence), context.evidence
        ),
    )


def cases() -> tuple[Case, ...]:
    """Return the cases."""
    return (
        _cna_case("lock2_threads", "not explained"),
        _cna_case("open1_threads", "not explained"),
        _cna_case(
            "locktorture",
            "its holds are random and its stock curve still rises inside the socket, as no lock "
            "with one hand-off does; the fit is poor, and says so",
        ),
        _cna_case(
            "leveldb_readrandom",
            "the stock curve hides what CNA frees: the contended spinlock lies below a mutex that "
            "puts threads to sleep, which one lock with spinning waiters does not have",
        ),
        _cna_case(
            "open1_paravirt_guest",
            "left open: whether the guest's CPUs see the sockets, or its paravirtual spinlock has "
            "the patch at all, is not stated",
        ),
        *(_rqspin_case(w) for w in ("lock1_threads", "lock2_threads", "open1_threads")),
        _rqspin_case("locktorture"),
    )
