"""sysexec of the kernel test robot: machines with two kernels that differ in acquires."""

from __future__ import annotations

from common import (
    CARRIED_PLACEMENT,
    COMMON,
    ICE_LAKE_SAME_NODE,
    INTERVENTIONS,
    PROFILES,
    SMT,
    assemble,
    sites,
    spr_machine,
)
from msgspec.structs import replace
from overlap import counted
from posterior import Figure, misses, posterior

from lockmodel.evaluate.backtest.batching import BATCHED, UNBATCHED
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Calibrated, Provenance, Scenario

FILE = "interventions.json"

ICE_LAKE = Machine(
    name="2 x Intel Xeon Gold 6346 (Ice Lake)",
    cpus=64,
    cores=32,
    sockets=2,
    nodes=2,
    smt_speedup=SMT,
    same_node_cost=ICE_LAKE_SAME_NODE,
    placement="spread",
)
SAPPHIRE = spr_machine("2 x Intel Xeon Platinum 8480CTDX (Sapphire Rapids)")


def traced(name: str, title: str, kernel: str, machine: Machine) -> Scenario:
    """Return the counts of fork + exec + exit on a machine."""
    roles = {"dyntrue": "executable", "dynloop": "launcher"}
    found = sites(kernel, "fork", "dyntrue", roles)
    return assemble(name, title, "fork + exec + exit + wait", machine, found)


def waits(entry: str) -> tuple[float, float]:
    """Return the shares of CPU cycles that waited before and after batching."""
    if entry == "lkp_icl_64":
        before, after = INTERVENTIONS[entry]["contention"]["osq_lock_self_pct"]
        return before / 100.0, after / 100.0
    before, after = (
        sum(PROFILES[f"lkp_sysexec_spr_{when}"]["site_pct"].values()) / 100
        for when in ("before", "after")
    )
    return before, after


def robot(base: Scenario, entry: str, batched: bool) -> Scenario:
    """Return a robot's machine after or before batching, calibrated to its two kernels."""
    row = INTERVENTIONS[entry]
    n, rates = int(row["N"]), (row["before"], row["after"])
    own, other = (rates[1], rates[0]) if batched else rates
    shares = waits(entry)
    figures = [
        Figure("throughput", n, own),
        Figure("gain", n, other / own, UNBATCHED if batched else BATCHED),
        Figure("waiting", n, shares[batched]),
    ]
    made = posterior(counted(base), figures, FILE)
    notes = (
        CARRIED_PLACEMENT,
        Provenance(
            value="think, line_overlap, handoff_lines, time_per_instruction",
            origin="fitted",
            note=f"most likely under the prior from counts and {own} iterations/s at {n} copies, "
            f"{other / own - 1:+.1%} with the other kernel's acquires (29 and 21 of libc.so.6), "
            f"{shares[batched]:.1%} of cycles in osq_lock (data/published/{FILE} {entry}); missed "
            f"by {misses(made, figures)}",
        ),
        Provenance(
            value="waiters spin",
            origin="assumed",
            note="some of the robot's waiters slept (3 to 4 voluntary switches per iteration); a "
            "wake-up would be part of the hand-off here",
        ),
        Provenance(
            value="think at few copies",
            origin="assumed",
            note="system and user time at all copies, both threads of every core busy: do not "
            "trust populations far below saturation, or the CPU as next bottleneck",
        ),
    )
    known = Calibrated(low=n, high=n, throughput_per_s=float(own))
    return replace(made, provenance=(*COMMON, *made.provenance, *notes), calibrated=known)


def robots() -> tuple[Scenario, Scenario, Scenario]:
    """Return Sapphire Rapids before and after batching, and Ice Lake after it."""
    title = "UnixBench sysexec, Sapphire Rapids, {} batching"
    before = traced("sysexec-spr224-v6.1", title.format("before"), "6.1.187", SAPPHIRE)
    after = traced("sysexec-spr224-v6.12", title.format("after"), "6.12.107", SAPPHIRE)
    small = "UnixBench sysexec, Ice Lake, after batching"
    icelake = traced("sysexec-icl64-v6.12", small, "6.12.107", ICE_LAKE)
    return (
        robot(before, "lkp_spr_224", False),
        robot(after, "lkp_spr_224", True),
        robot(icelake, "lkp_icl_64", True),
    )
