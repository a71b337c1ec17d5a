"""execl on a Xeon 8369B, on Emerald Rapids, and with a loading interface that does not exist."""

from __future__ import annotations

from common import (
    CARRIED_PLACEMENT,
    COMMON,
    ICE_LAKE_SAME_NODE,
    PROFILES,
    SMT,
    assemble,
    sites,
    spr_machine,
    table,
)
from msgspec.structs import replace
from overlap import counted
from posterior import Figure, misses, posterior

from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Calibrated, Provenance, Scenario
from lockmodel.model.site import COUNTED

CURVE = "unixbench_execl_xeon8369b.csv"
THINK_REMOTE = (30e-6, 1.0)
"""Think time that lines of reference counts and the like add with all CPUs busy: median, s, and
standard deviation of its logarithm (assumed: a tenth of the iteration, a factor 5 either way)."""

XEON = Machine(
    name="2 x Intel Xeon Platinum 8369B (Ice Lake)",
    cpus=128,
    cores=64,
    sockets=2,
    nodes=2,
    smt_speedup=SMT,
    same_node_cost=ICE_LAKE_SAME_NODE,
    placement="spread",
)
EMERALD = spr_machine("2 x Intel Xeon, Emerald Rapids, 112 cores")

ONE_EXECUTABLE = Provenance(
    value="executable: growth_per_doubling",
    origin="assumed",
    note="that of libc.so.6: all copies run one executable, in the lab nobody else did",
)


def traced(name: str, title: str, machine: Machine) -> Scenario:
    """Return the counts of one execl on a machine."""
    found = sites("6.12.107", "execl", "dynloop", {"dynloop": "executable"})
    return assemble(name, title, "one execl of itself", machine, found)


def execl_xeon8369b() -> Scenario:
    """UnixBench execl against copies: what eight points add to the counts."""
    base = traced("execl-xeon8369b", "UnixBench execl, 2 x Xeon Platinum 8369B", XEON)
    data = [(int(r["threads"]), float(r["throughput"])) for r in table(f"published/{CURVE}")]
    figures = [Figure("throughput", n, rate) for n, rate in data]
    made = posterior(counted(base), figures, CURVE, {"think_remote": THINK_REMOTE})
    notes = (
        Provenance(
            value="acquires, lines: kernel",
            origin="assumed",
            note="counted on 6.12 (15 acquires of libc.so.6 per execl). The source names no "
            "kernel; its date (February 2023) means one without batching (19 on 6.1)",
        ),
        ONE_EXECUTABLE,
        Provenance(
            value="machine.placement",
            origin="fitted",
            note="spread: with fill the curve is missed by up to 19 %",
        ),
        Provenance(
            value="think, think_remote, line_overlap, time_per_instruction",
            origin="fitted",
            note=f"most likely under the prior from counts and data/published/{CURVE}; predicted "
            f"against published by copies: {misses(made, figures)}",
        ),
        Provenance(
            value="held work : hand-off",
            origin="derived",
            note="both are counted in lines; a throughput curve alone cannot tell them apart. A "
            "pair of kernels that differ in acquires, measured here, would test it",
        ),
    )
    best = max(rate for _, rate in data)
    known = Calibrated(low=data[0][0], high=data[-1][0], throughput_per_s=best)
    return replace(made, provenance=(*COMMON, *made.provenance, *notes), calibrated=known)


def execl_emr112() -> Scenario:
    """Emerald Rapids: no throughput is published; times from counts, think from the profile."""
    base = traced("execl-emr112", "UnixBench execl, Emerald Rapids", EMERALD)
    share = PROFILES["yibin_execl_emr_c220"]["total_osq_lock_pct"] / 100
    figures = [Figure("waiting", 220, share)]
    made = posterior(counted(base), figures, "profiles.json")
    notes = (
        ONE_EXECUTABLE,
        CARRIED_PLACEMENT,
        Provenance(
            value="think",
            origin="fitted",
            note=f"{share:.2%} of all cycles waited at 220 copies (osq_lock, "
            f"data/published/profiles.json); missed by {misses(made, figures)}. It stands for "
            f"everything that is not waiting at 220 copies, so it is too long for small "
            f"populations",
        ),
        Provenance(
            value="throughput",
            origin="derived",
            note="from counts and the lines of Sapphire Rapids, the previous generation of the "
            "same platform: none is published for this machine",
        ),
    )
    known = Calibrated(low=220, high=220)
    return replace(made, provenance=(*COMMON, *made.provenance, *notes), calibrated=known)


MAPPINGS = 5.0
"""Segments of a file: traced tree operations at teardown."""


def execl_direct(base: Scenario) -> Scenario:
    """As execl-xeon8369b, but each file is mapped under one acquire and torn down under one."""
    kept = []
    for lock in base.locks:
        by_label = {site.label: site for site in base.sites_of(lock.name)}
        link = by_label.get("exec.map_link")
        if link is None:
            kept += base.sites_of(lock.name)
            continue
        work = {key: round(MAPPINGS * getattr(link, key), 2) for key in COUNTED}
        kept += [replace(link, name="map_direct", acquires=1.0, **work), by_label["exec.teardown"]]
    provenance = (
        Provenance(
            value="sites",
            origin="assumed",
            note="a loading interface that does not exist: every file mapped with one acquire, "
            "which inserts its 5 mappings at the instructions and lines of map_link each, no "
            "splits, no unlinks; teardown as traced",
        ),
        Provenance(
            value="everything else",
            origin="derived",
            note="as in execl-xeon8369b, see there",
        ),
    )
    return replace(
        base,
        name="execl-direct",
        title="execl if each file were mapped with one acquire",
        sites=tuple(kept),
        provenance=provenance,
    )
