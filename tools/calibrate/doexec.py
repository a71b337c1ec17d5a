"""Dillon's doexec on about 20 CPUs: two rounded figures of its author."""

from __future__ import annotations

from common import COMMON, INTERVENTIONS, LIBC, LOADER, assemble, sites
from msgspec.structs import replace
from overlap import counted
from posterior import Figure, misses, posterior

from lockmodel.answers.whatif import compare
from lockmodel.changes.kinds import lever
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Calibrated, Provenance, Scenario

ENTRY = "guzik_batch_unlink"
MACHINE = Machine(name="a machine or VM of about 20 CPUs", cpus=20, cores=20)
BATCHED = tuple(lever("batch", file, 1.0, "exit.teardown") for file in (LIBC, LOADER, "executable"))


def traced(loop: str) -> Scenario:
    """Return the counts of a loop, every copy with an executable of its own."""
    found = sites(
        *("6.1.187", loop, "dyntrue", {"dyntrue": "executable", "dynloop": "launcher"}),
        held_loop="fork",
        private=("executable", "launcher"),
    )
    title = "Dillon's doexec, own executables, before batching"
    made = assemble("doexec-20", title, f"{loop} + exec + exit + wait", MACHINE, found)
    own = {"shards": MACHINE.cpus, "shard_by": "cpu"}
    return replace(
        made,
        locks=tuple(
            replace(lock, **own) if lock.name in ("executable", "launcher") else lock
            for lock in made.locks
        ),
    )


def calibrated(loop: str) -> tuple[Scenario, list[Figure]]:
    """Return the calibrated loop, and the figures it was calibrated to."""
    row = INTERVENTIONS[ENTRY]
    n = MACHINE.cpus
    figures = [
        Figure("throughput", n, float(row["before"])),
        Figure("gain", n, row["ratio"], BATCHED),
    ]
    return posterior(counted(traced(loop)), figures, "interventions.json"), figures


def doexec_20() -> Scenario:
    """Return the loop as vfork; what it is as fork stands in its notes."""
    made, figures = calibrated("vfork")
    other, _ = calibrated("fork")
    n = MACHINE.cpus
    gains = [compare(s, BATCHED, [n], "product-form").points[0].gain for s in (made, other)]
    notes = (
        Provenance(
            value="acquires: loop and kernel",
            origin="assumed",
            note="traced on 6.1, vfork loop: before batching; the source names no kernel. Whether "
            f"the program forks or vforks is not known: with fork.dup in the loop batching gains "
            f"{gains[1]:+.1%}, as here {gains[0]:+.1%}. Held instructions and lines are those of "
            "the fork loop",
        ),
        Provenance(
            value="executable",
            origin="assumed",
            note="published is that every copy runs its own file; here that is 20 shards by CPU, "
            "never contended",
        ),
        Provenance(
            value="think, line_overlap, handoff_lines, time_per_instruction",
            origin="fitted",
            note=f"most likely under the prior from counts and two figures, "
            f"{figures[0].value:.0f} execs/s and +4 % with batching, both rounded by their author; "
            f"missed by {misses(made, figures)}",
        ),
        Provenance(
            value="machine",
            origin="assumed",
            note="20 cores, one node, no SMT; the source says 20-ish cores",
        ),
    )
    known = Calibrated(low=n, high=n, throughput_per_s=float(INTERVENTIONS[ENTRY]["after"]))
    return replace(made, provenance=(*COMMON, *made.provenance, *notes), calibrated=known)
