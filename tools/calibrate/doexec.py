"""Dillon's doexec on about 20 CPUs: two figures for two unknowns."""

from __future__ import annotations

import msgspec
import numpy as np
from common import (
    COMMON,
    INTERVENTIONS,
    LOCAL,
    Keep,
    Times,
    as_is,
    assemble,
    four,
    rates,
    sites,
    solved,
)
from sysexec import ratio_of

from lockmodel.changes.levers import batch
from lockmodel.model.handoff import ConstantHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Calibrated, Provenance, Scenario


def doexec_20(before_pair: Scenario) -> Scenario:
    """Dillon's loop on about 20 CPUs: two figures, before and after batching, for two unknowns."""
    entry = INTERVENTIONS["guzik_batch_unlink"]
    n = int(entry["hw_threads"])
    ratio = ratio_of(before_pair, 224)
    machine = Machine(name="a machine or VM of about 20 CPUs", cpus=20, cores=20)
    traced = sites(
        "6.1.187",
        "vfork",
        "dyntrue",
        {"dyntrue": "executable"},
        held_loop="fork",
        private=("executable",),
    )

    def scenario(p: np.ndarray, keep: Keep = as_is) -> Scenario:
        handoff = ConstantHandOff(time=keep(ratio * (LOCAL + p[1] * (1 - 1 / n))))
        times = Times(keep(p[0]), keep(LOCAL + p[1]), handoff)
        made = assemble(
            "doexec-20",
            "Dillon's doexec, own executables, before batching",
            "vfork + exec + exit + wait",
            machine,
            traced,
            times,
        )
        own = msgspec.structs.replace(made.lock("executable"), shards=n, shard_by="cpu")
        locks = tuple(own if lock.name == own.name else lock for lock in made.locks)
        return msgspec.structs.replace(made, locks=locks)

    def residuals(log_p: np.ndarray) -> list[float]:
        now = scenario(np.exp(log_p))
        batched = now
        for lock in now.locks:
            batched = batch(batched, lock.name, 1.0, "exit.teardown")
        reached = rates(now, n)[0], rates(batched, n)[0]
        return [
            float(np.log(reached[0] / entry["before"])),
            float(np.log(reached[1] / reached[0] / entry["ratio"])),
        ]

    best = solved(residuals, [3e-4, 5e-10])
    provenance = (
        *COMMON,
        Provenance(
            value="acquires: kernel",
            origin="assumed",
            note="traced on 6.1, vfork loop: before batching; the source names no kernel. Held "
            "instructions are those of the fork loop (vfork was not traced for them)",
        ),
        Provenance(
            value="executable",
            origin="assumed",
            note="published is that every copy runs its own file; here that is 20 shards by CPU, "
            "never contended, without growth",
        ),
        Provenance(
            value="think, time_per_instruction_remote, handoff",
            origin="fitted",
            note=f"two figures, {entry['before']} execs/s and +4 % with batching (both rounded by "
            f"their author, so +-25 % on these times)",
        ),
        Provenance(
            value="held work : hand-off",
            origin="assumed",
            note=f"one hand-off = {ratio:.0f} held instructions, carried over from "
            f"sysexec-spr224-v6.1",
        ),
        Provenance(
            value="machine",
            origin="assumed",
            note="20 cores, one node, no SMT; the source says 20-ish cores",
        ),
    )
    known = Calibrated(low=n, high=n, throughput_per_s=float(entry["after"]))
    return msgspec.structs.replace(scenario(best, four), provenance=provenance, calibrated=known)
