"""What all calibrations share: traced tables, assumed constants, assembling and solving."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Provenance, Scenario, Site

ROOT = Path(__file__).resolve().parent.parent.parent
LIBC, LOADER = "libc.so.6", "ld-linux-x86-64.so.2"
FILES = (LIBC, LOADER, "executable", "launcher")
LOCAL = 0.35e-9
"""s per instruction with local lines: one instruction per cycle at 2.9 GHz (assumed)."""
ICE_LAKE_SAME_NODE = 0.47
"""51 / 108 ns, Platinum 8375C same / other socket, data/published/latency.csv."""
SAME_NODE = 0.40
"""Middle of the other two-socket Xeons there (0.28 to 0.50)."""
SMT = 1.25


def table(path: str) -> list[dict[str, str]]:
    """Return the rows of a CSV of data/, header comments skipped."""
    lines = (ROOT / "data" / path).read_text().splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


ACQUIRES = table("traced/acquires_traced.csv")
HELD = table("traced/held_instructions_traced.csv")
INTERVENTIONS = {
    entry["id"]: entry
    for entry in json.loads((ROOT / "data/published/interventions.json").read_text())
}
PROFILES = {
    entry["id"]: entry
    for entry in json.loads((ROOT / "data/published/profiles.json").read_text())["profiles"]
}


def held_line(kernel: str, loop: str, binary: str, file: str, site: str) -> tuple[float, float]:
    """Return (instructions with one mapper, growth per doubling) by least squares, growth >= 0."""
    key = (kernel, loop, binary, file, site)
    rows = [
        (float(r["other_mappers"]) + 1.0, float(r["instructions_median"]))
        for r in HELD
        if (r["kernel"], r["loop"], r["binary"], r["file"], f"{r['phase']}.{r['site']}") == key
    ]
    doublings = np.log2([mappers for mappers, _ in rows])
    held = np.array([instructions for _, instructions in rows])
    slope, start = np.polyfit(doublings, held, 1)
    return (float(start), float(slope)) if slope > 0 else (float(held.mean()), 0.0)


def held_alone(kernel: str, loop: str, binary: str, file: str, site: str) -> float:
    """Return the traced median with no other mapper."""
    key = (kernel, loop, binary, file, site, "0")
    return next(
        float(r["instructions_median"])
        for r in HELD
        if (
            r["kernel"],
            r["loop"],
            r["binary"],
            r["file"],
            f"{r['phase']}.{r['site']}",
            r["other_mappers"],
        )
        == key
    )


def sites(
    kernel: str,
    loop: str,
    binary: str,
    roles: dict[str, str],
    held_loop: str | None = None,
    private: tuple[str, ...] = (),
) -> tuple[Site, ...]:
    """Return the traced sites; `roles` renames files, `private` files do not grow with copies."""
    records = []
    for row in ACQUIRES:
        if (row["kernel"], row["loop"], row["binary"]) != (kernel, loop, binary):
            continue
        file, site = row["file"], f"{row['phase']}.{row['site']}"
        name = roles.get(file, file)
        start, growth = held_line(kernel, held_loop or loop, binary, file, site)
        if name in private:
            growth = 0.0
        elif file not in (LIBC, LOADER):  # alone in the lab, shared by all copies in UnixBench
            start = held_alone(kernel, held_loop or loop, binary, file, site)
            growth = held_line(kernel, held_loop or loop, binary, LIBC, site)[1]
        records.append(
            Site(
                lock=name,
                phase=row["phase"],
                name=row["site"],
                acquires=float(row["acquires"]),
                held_instructions=float(round(start)),
                growth_per_doubling=round(growth, 1),
            )
        )
    return tuple(sorted(records, key=_when))


def _when(site: Site) -> tuple[int, bool, int]:
    """Return where a site is in the iteration: the old mappings go before the new ones come."""
    phases = ["fork", "exec", "exit"]
    return phases.index(site.phase), site.name != "teardown", -FILES.index(site.lock)


def four(value: float) -> float:
    """Return four significant digits: more would pretend."""
    return float(f"{value:.4g}")


def assemble(
    name: str, title: str, iteration: str, machine: Machine, traced: tuple[Site, ...]
) -> Scenario:
    """Return the scenario of traced counts: one rwsem per file, and no time but a placeholder."""
    return Scenario(
        name=name,
        title=title,
        iteration=iteration,
        machine=machine,
        think=1e-3,
        locks=tuple(
            Lock(
                name=file,
                kind="rwsem",
                time_per_instruction_local=LOCAL,
                time_per_instruction_remote=LOCAL,
            )
            for file in FILES
            if any(site.lock == file for site in traced)
        ),
        sites=traced,
    )


def spr_machine(name: str) -> Machine:
    return Machine(
        name=name,
        cpus=224,
        cores=112,
        sockets=2,
        nodes=2,
        smt_speedup=SMT,
        same_node_cost=SAME_NODE,
        placement="spread",
    )


COMMON = (
    Provenance(
        value="acquires",
        origin="traced",
        note="data/traced/acquires_traced.csv; exact and repeatable",
    ),
    Provenance(
        value="held_instructions, growth_per_doubling",
        origin="derived",
        note="least-squares line in log2(mapping processes) through the traced medians of "
        "data/traced/held_instructions_traced.csv; one uncontended CPU; a falling line is replaced "
        "by its mean",
    ),
    Provenance(
        value="acquire_time",
        origin="assumed",
        note="20 ns; published 15 to 52 ns uncontended (data/published/latency.csv)",
    ),
    Provenance(
        value="order of the sites",
        origin="assumed",
        note="fork, exec (old mappings, then executable, loader, libc), exit; acquires of a file "
        "of one kind follow each other. Only simulation and Markov chains look at it",
    ),
    Provenance(
        value="hold_distribution",
        origin="assumed",
        note="constant per site: instructions and lines are repeatable; caches make them vary a "
        "little. Hand-offs and think time are taken as exponential",
    ),
    Provenance(
        value="machine.smt_speedup",
        origin="assumed",
        note="1.25; range 1.1 to 1.4; matters only once no lock binds",
    ),
)

CARRIED_PLACEMENT = Provenance(
    value="machine.placement",
    origin="assumed",
    note="spread, as the curve of the Xeon 8369B wants it; with all CPUs in use it does not matter",
)
