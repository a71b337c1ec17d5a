"""Every file's tree split per NUMA node: with the one lock kept, and with the lock split as well.

Splitting the tree changes what is held only: trees with a twelfth of the mappings, written by the
CPUs of one node, so fewer lines that come from near (`nearer_lines`); the lock still passes from
anywhere to anywhere. Splitting the lock makes hand-offs local besides, lets twelve holders in at
once, and undoes batching, since the lock of the shard is taken per mapping.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import msgspec

from lockmodel.changes.kinds import Sharding, lever
from lockmodel.changes.lever import Lever, text_of
from lockmodel.evaluate.backtest.case import Case, Predicted
from lockmodel.evaluate.backtest.counts import (
    EXECUTABLE,
    FILES,
    LIBC,
    LOADER,
    MODEL_ERROR,
    PARAMETERS,
    Setting,
    by,
    counted,
    kinds_of,
    solved,
)
from lockmodel.evaluate.backtest.evidence import RUN_SD, Context
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Scenario

V1, V2 = "huang_v1_tree_split", "huang_v2_tree_and_lock_split"
COPIES, NODES = 384, 12
VMAS, PER_PROCESS = 6000, 5
"""Mappings in libc.so.6's tree (the posting: more than 6,000), five per process (traced)."""

NEARER = tuple(lever("nearer_lines", file) for file in FILES)
SHARD = (
    *(lever("acquires", file, 5.0, "exec.teardown") for file in (LIBC, LOADER, EXECUTABLE)),
    *(lever("shard", file, Sharding(NODES, by="node")) for file in FILES),
)

EVERY = {NEARER: 1, SHARD: 4}
"""One draw of so many: a network whose processes keep to a shard takes 20 times as long."""

KIND, CACHES = "zen", (24, 48)
"""Hygon's cores are Zen's; eight or four of them share a last-level cache, which is not stated."""

HYGON = Machine(
    name="Hygon server, 12 NUMA nodes",
    cpus=COPIES,
    cores=COPIES // 2,
    sockets=2,
    nodes=NODES,
    smt_speedup=1.25,
    same_node_cost=0.4,
)
"""Two threads per core are assumed; of `same_node_cost` nothing depends where lines have times."""


@lru_cache(maxsize=1)
def machines() -> tuple[Machine, ...]:
    """Return what the machine may be: line times of every two-socket EPYC, caches of 4 or 8."""
    return kinds_of(HYGON, KIND, CACHES)


@lru_cache(maxsize=1)
def scenario() -> Scenario:
    """Return execl from counts with as many other mappings as the size of the tree tells."""
    made = counted("execl-emr112", machines()[0])
    idle = max(0, VMAS // PER_PROCESS - COPIES)
    locks = tuple(
        msgspec.structs.replace(lock, other_mappers=idle) if lock.name in (LIBC, LOADER) else lock
        for lock in made.locks
    )
    return msgspec.structs.replace(made, locks=locks)


def setting(levers: tuple[Lever, ...], context: Context) -> Setting:
    """Return the server before either patch, and the lever."""
    return Setting(scenario(), COPIES, by(levers), kinds=machines(), every=EVERY[levers])


def _predict(name: str, levers: tuple[Lever, ...], context: Context) -> Predicted:
    return Predicted(*solved(context, setting(levers, context), name, RUN_SD), MODEL_ERROR)


ASSUMED = (
    f"{PARAMETERS}four other machines; lines in log2 of the processes beyond the 48 that were "
    "counted; line times of each two-socket EPYC, 4 or 8 cores per last-level cache. Nothing of "
    "the other patch"
)


def _case(
    name: str, patch: str, kind: str, levers: tuple[Lever, ...], reasoning: str, if_outside: str
) -> Case:
    predict: Callable[[Context], Predicted] = partial(_predict, name, levers)
    return Case(
        id=name,
        patch=patch,
        group="change",
        scenario="execl-emr112 on 384 CPUs, 12 NUMA nodes, 6,000 mappings",
        lever=text_of(levers),
        kind=kind,
        population=COPIES,
        parameters=ASSUMED,
        reasoning=reasoning,
        if_outside=if_outside,
        predict=predict,
        setting=partial(setting, levers),
    )


def cases() -> tuple[Case, ...]:
    """Return the cases."""
    return (
        _case(
            V1,
            "tree split",
            "nearer_lines",
            NEARER,
            "a twelfth of the mappings per tree, whose lines come from the own node; hand-offs as "
            "far as before",
            "not explained",
        ),
        _case(
            V2,
            "tree and lock split",
            "shard",
            SHARD,
            "12 locks by node, and five acquires per teardown again, as the shard's lock is taken "
            "per mapping; the published bound is one-sided: only too small a prediction fails it",
            "not explained",
        ),
    )
