"""A loop around one lock, for published curves of other locks than those of files."""

from __future__ import annotations

from lockmodel.model.handoff import HandOff
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Scenario, Site


def one_lock(
    machine: Machine, think: float, taking: float, handoff: HandOff, shards: int = 1
) -> Scenario:
    """Return a loop around one lock that is held for `taking` s whoever held it last."""
    lock = Lock(
        name="lock",
        time_per_instruction_local=0.0,
        time_per_instruction_remote=0.0,
        acquire_time=taking,
        handoff=handoff,
        shards=shards,
        shard_by="hash",
    )
    return Scenario(
        name="one-lock",
        title="one lock",
        iteration="one operation",
        machine=machine,
        think=think,
        locks=(lock,),
        sites=(Site(lock="lock", phase="op", name="op", acquires=1.0, held_instructions=0.0),),
    )
