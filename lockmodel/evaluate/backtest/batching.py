"""Fewer acquires, same held work: one patch on three robot machines and on about 20 CPUs."""

from __future__ import annotations

import numpy as np

from lockmodel.changes.kinds import lever
from lockmodel.changes.lever import ALL, text_of
from lockmodel.evaluate.backtest import ratio
from lockmodel.evaluate.backtest.case import Case, Predicted
from lockmodel.evaluate.backtest.evidence import Context
from lockmodel.evaluate.backtest.ratio import BATCHED, EXEC, EXIT, ROBOTS
from lockmodel.evaluate.backtest.templates import REMOTE, template
from lockmodel.model.machine import Machine

SMALL = "guzik_batch_unlink"
SMALL_BATCHED = (lever("batch", ALL, 1.0, EXIT),)
SMALL_BEFORE = (
    *(
        lever("skip", file, site=site)
        for file in ("libc.so.6", "ld-linux-x86-64.so.2")
        for site in ("fork.dup", EXEC)
    ),
    lever("exclude", "launcher"),
    lever("exclude", "executable"),
    lever("acquires", ALL, 5.0, EXIT),
)
"""From fork to vfork (traced: nothing is copied, nothing torn down at exec); every copy runs its
own executable, so that lock is never contended."""

NEAR = (0.28, 0.50)
"""Cost of a line inside a socket against another: two-socket Xeons in latency.csv."""

BEFORE_SD = 0.02
"""Relative sd of 50,000 execs/s, which the author calls approximate."""

LEAST_THINK = 100e-6
"""s: one execl takes 156 us on an idle machine (unixbench_execl_xeon8369b.csv, 1 copy), held
work included; a faster machine a third less. A fork or vfork comes on top."""


def small_machine() -> Machine:
    """About 20 CPUs in one node; half of every line comes from far less than another socket."""
    return Machine(name="about 20 CPUs", cpus=20, cores=20, same_node_cost=0.4)


def _robot(name: str) -> Case:
    others = tuple(other for other in ROBOTS if other != name)

    def predict(context: Context) -> Predicted:
        gains, _ = ratio.robot_gains(context, name)
        return Predicted(gains, ratio.weights(context, others))

    return Case(
        id=name,
        group="change",
        scenario="sysexec-icl64-v6.12" if name == "lkp_icl_64" else "sysexec-spr224-v6.12",
        lever=text_of(BATCHED),
        kind="batch",
        population=64 if name == "lkp_icl_64" else 224,
        parameters_from=others,
        parameters="hand-off : held work from the other two robot pairs; think time from this "
        "machine's throughput and profile before the patch; counts traced",
        reasoning="29 to 21 acquires of libc.so.6 (traced), same work under the lock",
        if_outside="not explained",
        predict=predict,
    )


def _small(context: Context) -> Predicted:
    """Predict doexec: think time follows from the throughput before, where that is reachable."""
    draws = context.draws
    passing = ratio.carried(context, SMALL)
    near = draws.uniform("line inside a socket: 20 CPUs", *NEAR)
    far = ratio.remote_time(context, SMALL)
    scenario = template("sysexec-spr224-v6.12", small_machine(), SMALL_BEFORE)
    # The surface has REMOTE x 0.4 per line; here a line costs far x near.
    scale = (far * near) / (REMOTE * 0.4)
    facts = context.evidence.facts(SMALL)
    rate = facts["before"] * draws.factor("execs/s before: 20 CPUs", BEFORE_SD)
    gains, think = ratio.surface(scenario, int(facts["hw_threads"]), SMALL_BATCHED).at_rate(
        passing, rate * scale
    )
    possible = np.isfinite(gains) & (think * scale >= LEAST_THINK)
    weights = ratio.weights(context, ROBOTS) * possible
    return Predicted(np.where(possible, gains, 0.0), weights)


def cases() -> tuple[Case, ...]:
    """Return the cases."""
    small = Case(
        id=SMALL,
        group="change",
        scenario="sysexec-spr224-v6.12 as vfork loop, on 20 CPUs of one node",
        lever=text_of(SMALL_BATCHED),
        kind="batch",
        population=20,
        parameters_from=ROBOTS,
        parameters="hand-off : held work and time per instruction from the robots, lines from "
        "inside a socket; think time from 50,000 execs/s before",
        reasoning="19 to 15 acquires of libc.so.6 (vfork, traced); on few CPUs the lock is not "
        "everything, so less is gained than on 224",
        if_outside="not explained",
        predict=_small,
    )
    return (*(_robot(name) for name in ROBOTS), small)
