"""execl on a Xeon 8369B, on Emerald Rapids, and with a loading interface that does not exist."""

from __future__ import annotations

import msgspec
import numpy as np
from common import (
    COMMON,
    HALF_WAITERS,
    ICE_LAKE_SAME_NODE,
    LIBC,
    LOCAL,
    PROFILES,
    SMT,
    Keep,
    Times,
    as_is,
    assemble,
    four,
    rates,
    sites,
    solved,
    spr_machine,
    table,
)

from lockmodel.answers.predict import predict
from lockmodel.model.handoff import SaturatingHandOff
from lockmodel.model.machine import Machine, Placement
from lockmodel.model.placement import distances
from lockmodel.model.scenario import Calibrated, Provenance, Scenario, Site


def execl_sites() -> tuple[Site, ...]:
    return sites("6.12.107", "execl", "dynloop", {"dynloop": "executable"})


def execl_xeon8369b(ratio: float, held_more: float) -> Scenario:
    """UnixBench execl against copies: times from eight points, hold : hand-off carried over."""
    data = [
        (int(r["threads"]), float(r["throughput"]))
        for r in table("published/unixbench_execl_xeon8369b.csv")
    ]
    populations = [n for n, _ in data]
    measured = np.log([x for _, x in data])
    traced = execl_sites()

    def scenario(p: np.ndarray, placement: Placement = "fill", keep: Keep = as_is) -> Scenario:
        machine = Machine(
            name="2 x Intel Xeon Platinum 8369B (Ice Lake)",
            cpus=128,
            cores=64,
            sockets=2,
            nodes=2,
            smt_speedup=SMT,
            same_node_cost=ICE_LAKE_SAME_NODE,
            placement=placement,
        )
        remote = LOCAL + p[2]
        line = distances(machine, 128)[0]
        crowded = ratio * (LOCAL + p[2] * line)
        first = crowded / (1.0 + p[3])
        limit = first + (crowded - first) * (126.0 + HALF_WAITERS) / 126.0
        handoff = SaturatingHandOff(time=keep(first), limit=keep(limit), half_waiters=HALF_WAITERS)
        times = Times(keep(p[0]), keep(remote), handoff, think_remote=keep(p[1]))
        title = "UnixBench execl, 2 x Xeon Platinum 8369B"
        return assemble("execl-xeon8369b", title, "one execl of itself", machine, traced, times)

    def residuals(log_p: np.ndarray, placement: Placement = "fill") -> np.ndarray:
        return np.log(rates(scenario(np.exp(log_p), placement), *populations)) - measured

    start = [149e-6, 90e-6, 2e-9, 0.2]
    best = solved(residuals, start)
    final = scenario(best, keep=four)
    misses = np.log(rates(final, *populations)) - measured
    other = solved(lambda p: residuals(p, "spread"), start)
    spread = np.sqrt(np.mean(residuals(np.log(other), "spread") ** 2))
    worst = ", ".join(f"{n}: {m:+.1%}" for n, m in zip(populations, misses, strict=True))
    provenance = (
        *COMMON,
        Provenance(
            value="acquires, held_instructions: kernel",
            origin="assumed",
            note="traced on 6.12 (15 acquires of libc.so.6 per execl). The source names no kernel; "
            "its date (February 2023) means one without batching (19 on 6.1). Only products such "
            "as acquires x hand-off are calibrated, so the curve is met either way",
        ),
        Provenance(
            value="executable: growth_per_doubling",
            origin="assumed",
            note="that of libc.so.6: all copies run one executable, in the lab nobody else did",
        ),
        Provenance(
            value="think, think_remote, time_per_instruction_remote, handoff",
            origin="fitted",
            note="least squares on log throughput, data/published/unixbench_execl_xeon8369b.csv; "
            f"predicted against published by copies: {worst}",
        ),
        Provenance(
            value="held work : hand-off",
            origin="assumed",
            note=f"one hand-off with 127 waiting = {ratio:.0f} held instructions, carried over "
            f"from sysexec-spr224-v6.12 ({held_more:.0f} by the v6.1 table, which holds more); a "
            f"throughput curve alone cannot tell them apart. Range 100 to 600 assumed. A pair of "
            f"kernels that differ in acquires, measured here, would decide",
        ),
        Provenance(
            value="handoff family, half_waiters",
            origin="assumed",
            note="saturating, 64: the curve falls a little more than remote lines and larger trees "
            "explain. Not determined by these data",
        ),
        Provenance(
            value="machine.placement",
            origin="assumed",
            note=f"fill; spread leaves a root mean square error of {spread:.1%} instead of "
            f"{np.sqrt(np.mean(misses**2)):.1%}",
        ),
        Provenance(
            value="machine.same_node_cost",
            origin="published",
            note="0.47 = 51 / 108 ns on Platinum 8375C, same generation "
            "(data/published/latency.csv)",
        ),
    )
    measured_best = max(x for _, x in data)
    known = Calibrated(low=populations[0], high=populations[-1], throughput_per_s=measured_best)
    return msgspec.structs.replace(final, provenance=provenance, calibrated=known)


def execl_emr112(base: Scenario) -> Scenario:
    """Emerald Rapids: no throughput is published; times carried over, think from the profile."""
    profile = PROFILES["yibin_execl_emr_c220"]
    share = profile["total_osq_lock_pct"] / 100
    lock = base.lock(LIBC)
    machine = spr_machine("2 x Intel Xeon, Emerald Rapids, 112 cores")

    def scenario(think: float) -> Scenario:
        times = Times(think, lock.time_per_instruction_remote, lock.handoff)
        return assemble(
            "execl-emr112",
            "UnixBench execl, Emerald Rapids",
            "one execl of itself",
            machine,
            execl_sites(),
            times,
        )

    def residuals(log_p: np.ndarray) -> list[float]:
        locks = predict(scenario(float(np.exp(log_p[0]))), [220], "product-form").points[0].locks
        return [sum(state.cycles_share for state in locks.values()) - share]

    think = float(solved(residuals, [0.7e-3])[0])
    provenance = (
        *COMMON,
        Provenance(
            value="executable: growth_per_doubling",
            origin="assumed",
            note="that of libc.so.6: all copies run one executable, in the lab nobody else did",
        ),
        Provenance(
            value="time_per_instruction_remote, handoff",
            origin="assumed",
            note="those of sysexec-spr224-v6.12 (the previous generation of the same platform). No "
            "throughput is published for this machine: absolute rates are a guess. Gains do not "
            "depend on a common factor of all times",
        ),
        Provenance(
            value="think",
            origin="derived",
            note=f"so that waiting takes {share:.2%} of all cycles at 220 copies, as published "
            f"(osq_lock, data/published/profiles.json). It stands for everything that is not "
            f"waiting at 220 copies, so it is far too long for small populations",
        ),
        Provenance(
            value="machine.same_node_cost, sockets, nodes",
            origin="assumed",
            note="0.40 (0.28 to 0.50), two sockets of 56 cores, one node each",
        ),
    )
    known = Calibrated(low=220, high=220)
    return msgspec.structs.replace(scenario(four(think)), provenance=provenance, calibrated=known)


def execl_direct(base: Scenario) -> Scenario:
    """As execl-xeon8369b, but each file is mapped under one acquire and torn down under one."""
    kept = []
    for lock in base.locks:
        by_label = {site.label: site for site in base.sites_of(lock.name)}
        link, teardown = by_label["exec.map_link"], by_label["exec.teardown"]
        mappings = 5.0  # segments of a file: traced tree operations at teardown
        kept.append(
            msgspec.structs.replace(
                link,
                name="map_direct",
                acquires=1.0,
                held_instructions=mappings * link.held_instructions,
                growth_per_doubling=round(mappings * link.growth_per_doubling, 1),
            )
        )
        kept.append(teardown)
    provenance = (
        Provenance(
            value="sites",
            origin="assumed",
            note="a loading interface that does not exist: every file mapped with one acquire, "
            "which inserts its 5 mappings at the traced instructions of map_link each, no splits, "
            "no unlinks; teardown as traced",
        ),
        Provenance(
            value="everything else",
            origin="derived",
            note="as in execl-xeon8369b, see there",
        ),
    )
    return msgspec.structs.replace(
        base,
        name="execl-direct",
        title="execl if each file were mapped with one acquire",
        sites=tuple(kept),
        provenance=provenance,
    )
