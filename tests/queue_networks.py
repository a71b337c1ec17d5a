"""Networks of FIFO locks that several tests of their Markov chains solve."""

from __future__ import annotations

import numpy as np

from lockmodel.solvers.markov.phase_type import PhaseType, erlang
from lockmodel.solvers.markov.queues import (
    EXPONENTIAL,
    QueueLock,
    QueueNetwork,
    Stage,
)


def case_a(shape: PhaseType | str = EXPONENTIAL) -> QueueNetwork:
    locks = (QueueLock("a", hold=shape), QueueLock("b"), QueueLock("c"))
    return QueueNetwork(10.0, locks, (Stage("a", 1.0), Stage("b", 0.5), Stage("c", 0.25)))


COX = PhaseType(np.array([3.0, 0.75]), np.array([0.5, 0.0]))

NETWORKS = {
    "one lock, ordered sites, hand-off that grows": (
        QueueNetwork(
            2.0,
            (QueueLock("a", handoff=(0.2, 0.5)),),
            (Stage("a", 0.7), Stage("a", 0.3), Stage("a", 0.9, 0.6)),
        ),
        3,
    ),
    "everything has phases": (
        QueueNetwork(
            2.0,
            (QueueLock("a", COX, (0.4, 0.3), erlang(2)), QueueLock("b", erlang(2))),
            (Stage("a", 0.7), Stage("b", 0.5)),
            (1.0, 1.5),
            COX,
        ),
        3,
    ),
    "free with one waiter, paid with two": (
        QueueNetwork(1.0, (QueueLock("a", handoff=(0.0, 0.4)),), (Stage("a", 0.7),)),
        4,
    ),
    "the same lock before and after another": (
        QueueNetwork(
            1.0,
            (QueueLock("a", handoff=(0.1,)), QueueLock("b")),
            (Stage("a", 0.7), Stage("b", 0.4, 0.5), Stage("a", 0.2)),
        ),
        3,
    ),
    "shards of different popularity": (
        QueueNetwork(
            1.0,
            (QueueLock("a", handoff=(0.2,), popularity=(0.2, 0.5, 0.3)), QueueLock("b")),
            (Stage("b", 0.3), Stage("a", 0.7), Stage("a", 0.4, 0.5)),
        ),
        2,
    ),
    "shards alike": (
        QueueNetwork(
            1.0,
            (QueueLock("a", erlang(2), popularity=(0.25, 0.25, 0.5)),),
            (Stage("a", 0.7), Stage("a", 0.4)),
        ),
        3,
    ),
    "no think time, a new shard every iteration": (
        QueueNetwork(
            0.0, (QueueLock("a", popularity=(0.7, 0.3)),), (Stage("a", 0.7), Stage("a", 0.4))
        ),
        3,
    ),
    "no think time": (
        QueueNetwork(
            0.0,
            (QueueLock("a", handoff=(0.2, 0.1)), QueueLock("b", popularity=(0.5, 0.5))),
            (Stage("a", 0.7), Stage("b", 0.9, 0.5), Stage("b", 0.3)),
        ),
        3,
    ),
}
