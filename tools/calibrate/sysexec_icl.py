"""sysexec on Ice Lake with 64 CPUs: the robot's second pair, by `lockmodel fit` itself."""

from __future__ import annotations

import msgspec
from common import COMMON, ICE_LAKE_SAME_NODE, ROOT, SMT, four

from lockmodel.changes.kinds import lever
from lockmodel.changes.lever import ALL
from lockmodel.fitting.datasets import Wanted, load_sets
from lockmodel.fitting.estimate import Settings
from lockmodel.fitting.fitting import run
from lockmodel.model.handoff import TopologyHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Provenance, Scenario

FILE = "robot_sysexec_icl64.csv"
BEFORE = tuple(lever("acquires", ALL, 5.0, site) for site in ("exit.teardown", "exec.teardown"))
"""What batching made one, Guzik's histogram has as five: the kernel before the patch."""

THINK = 0.95e-3
"""Start of the search, s: 64 CPUs / 30,238 per s, less the cycles in osq_lock."""


def sysexec_icl64(after: Scenario) -> Scenario:
    """Two kernels and their osq_lock shares on a machine that one lock does not saturate.

    Unknown: think time, time per instruction, hand-off. Known: two throughputs, two wait shares.
    """
    machine = Machine(
        name="2 x Intel Xeon Gold 6346 (Ice Lake)",
        cpus=64,
        cores=32,
        sockets=2,
        nodes=2,
        smt_speedup=SMT,
        same_node_cost=ICE_LAKE_SAME_NODE,
    )
    start = msgspec.structs.replace(
        after,
        name="sysexec-icl64-v6.12",
        title="UnixBench sysexec, Ice Lake, after batching",
        machine=machine,
        think=THINK,
    )
    path = ROOT / "data/published" / FILE
    loaded = load_sets([Wanted(path, FILE, start)], {"before": BEFORE})
    fitted = run(loaded, ("think", "hold", "handoff"), settings=Settings(priors=False))
    best = fitted.scenarios[fitted.main]
    ends = {
        u.name: e for u, e in zip(fitted.estimate.study.unknowns, fitted.intervals, strict=True)
    }
    passing, hold = ends["all.handoff"], ends["all.time_per_instruction_remote"]
    provenance = (
        *COMMON,
        Provenance(
            value="think, time_per_instruction_remote, handoff",
            origin="fitted",
            note=f"lockmodel fit without priors to data/published/{FILE}: two kernels that differ "
            f"in acquires (29 and 21 of libc.so.6), throughput and share of cycles in osq_lock. 90 "
            f"% intervals: hand-off with all CPUs waiting {passing.low * 1e9:.0f} to "
            f"{passing.high * 1e9:.0f} ns, time per instruction {hold.low * 1e9:.1f} to "
            f"{hold.high * 1e9:.1f} ns",
        ),
        Provenance(
            value="handoff.local / handoff.remote",
            origin="assumed",
            note="as sysexec-spr224-v6.12",
        ),
        Provenance(
            value="machine.same_node_cost",
            origin="published",
            note="0.47 = 51 / 108 ns on Platinum 8375C, same generation "
            "(data/published/latency.csv)",
        ),
    )
    return msgspec.structs.replace(
        best,
        think=four(best.think),
        locks=tuple(_rounded(lock) for lock in best.locks),
        provenance=provenance,
        fit=None,
    )


def _rounded(lock: Lock) -> Lock:
    handoff = lock.handoff
    assert isinstance(handoff, TopologyHandOff)
    return msgspec.structs.replace(
        lock,
        time_per_instruction_remote=four(lock.time_per_instruction_remote),
        handoff=TopologyHandOff(local=four(handoff.local), remote=four(handoff.remote)),
    )
