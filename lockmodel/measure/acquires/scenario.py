"""Counted acquires -> a scenario for `predict`, `levers` and `fit`.

Acquires are counted, held instructions come from the traced table; the times are those of a
shipped scenario and only stand in until a fit replaces them. The provenance says so.
"""

from __future__ import annotations

import re

from lockmodel.measure.acquires.count import Counts, FileCount
from lockmodel.measure.acquires.held import held
from lockmodel.measure.acquires.loops import SITES
from lockmodel.model.distribution import Constant
from lockmodel.model.handoff import TopologyHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import RESERVED, Lock, Provenance, Scenario, Site

LOCAL_S = 0.35e-9
"""Per instruction with local lines: one per cycle at 2.9 GHz (assumed)."""
REMOTE_S = 3.2e-9
"""Per instruction with lines of another node: fitted in models/sysexec-spr224-v6.12.toml."""
ACQUIRE_S = 20e-9
"""Per uncontended acquire: published 15 to 52 ns (data/published/latency.csv)."""
HANDOFF_LOCAL_S, HANDOFF_REMOTE_S = 375e-9, 938e-9
"""Per hand-off: fitted in models/sysexec-spr224-v6.12.toml."""
THINK_S = {"fork": 300e-6, "vfork": 250e-6, "execl": 150e-6}
"""Per iteration outside the locks; execl as in models/execl-xeon8369b.toml, others guessed."""

ITERATION = {
    "fork": "fork + exec + exit + wait",
    "vfork": "vfork + exec + exit + wait",
    "execl": "one execl of itself",
}


def scenario(counts: Counts, machine: Machine) -> Scenario:
    """Return the scenario of a count on a machine, one rwsem per file.

    Parameters
    ----------
    counts : Counts
    machine : Machine
        What it runs on.
    """
    names = _lock_names(counts.files)
    program = _plain(counts.program.rpartition("/")[2])
    return Scenario(
        name=f"{counts.loop}-{program}",
        title=f"{counts.loop} loop of {program} on Linux {counts.kernel.version}",
        iteration=ITERATION[counts.loop],
        machine=machine,
        think=THINK_S[counts.loop],
        locks=tuple(_lock(name) for name in names.values()),
        sites=tuple(_sites(counts, names)),
        provenance=_provenance(counts, machine),
    )


def demand(file: FileCount, counts: Counts) -> tuple[float, float]:
    """Return held instructions of an iteration with one mapper, and seconds of demand.

    The demand is tau I + m c with remote lines: every acquire follows one on another CPU.
    """
    lines = held(file, counts)
    instructions = sum(file.sites[site].acquires * line.start for site, line in lines.items())
    each = ACQUIRE_S + HANDOFF_REMOTE_S
    return instructions, instructions * REMOTE_S + file.acquires * each


def _plain(name: str) -> str:
    """Return a name that scenarios, levers and files accept."""
    return re.sub(r"[^\w.+-]", "_", name, flags=re.ASCII) or "program"


def _lock_names(files: tuple[FileCount, ...]) -> dict[str, str]:
    """Return the lock of each file: its name, as far as a lever can spell it."""
    names: dict[str, str] = {}
    for file in files:
        name = re.sub(r"[/:=,\s]", "_", file.name)
        name = f"{name}_" if name in RESERVED else name
        while name in names.values():
            name += "_"
        names[file.name] = name
    return names


def _lock(name: str) -> Lock:
    return Lock(
        name=name,
        kind="rwsem",
        time_per_instruction_local=LOCAL_S,
        time_per_instruction_remote=REMOTE_S,
        acquire_time=ACQUIRE_S,
        handoff=TopologyHandOff(local=HANDOFF_LOCAL_S, remote=HANDOFF_REMOTE_S),
        hold_distribution=Constant(),
    )


def _sites(counts: Counts, names: dict[str, str]) -> list[Site]:
    """Return the sites in the order of the iteration."""
    made = []
    for file in counts.files:
        lines = held(file, counts)
        for label, count in file.sites.items():
            phase, _, name = label.partition(".")
            made.append(
                Site(
                    lock=names[file.name],
                    phase=phase,
                    name=name,
                    acquires=float(count.acquires),
                    held_instructions=float(round(lines[label].start)),
                    growth_per_doubling=round(lines[label].growth, 1),
                )
            )
    order = {"program": 1, "loader": 2, "libc": 3, "library": 3, "launcher": 0}
    roles = {names[file.name]: order[file.role] for file in counts.files}
    return sorted(made, key=lambda site: (_when(site.label), roles[site.lock]))


def _when(label: str) -> int:
    """Return where a site is: what maps a file comes together."""
    return min(SITES.index(label), 2) if label != SITES[-1] else len(SITES)


def _provenance(counts: Counts, machine: Machine) -> tuple[Provenance, ...]:
    kernel = counts.kernel
    same = "compared with traces" if kernel.is_traced else "from the source, never traced"
    return (
        Provenance(
            value="acquires",
            origin="derived",
            note=f"counted from the ELF files of {counts.program}, started by {counts.launcher}, "
            f"by the rules of Linux {kernel.version} ({same}): lockmodel acquires",
        ),
        Provenance(
            value="held_instructions, growth_per_doubling",
            origin="derived",
            note=f"traced medians of Linux {kernel.traced} (data/traced/"
            f"held_instructions_traced.csv), a line in log2 of the mappers; libraries as "
            f"libc.so.6, in proportion to the tree operations of an acquire",
        ),
        Provenance(
            value="time_per_instruction, handoff",
            origin="assumed",
            note="0.35 ns local, 3.2 ns remote; 375 ns and 938 ns per hand-off: fitted for two "
            "Sapphire Rapids sockets (sysexec-spr224-v6.12). Other machines differ by a factor of "
            "3: fit a curve measured here",
        ),
        Provenance(
            value="acquire_time",
            origin="assumed",
            note="20 ns; published 15 to 52 ns uncontended (data/published/latency.csv)",
        ),
        Provenance(
            value="think",
            origin="assumed",
            note="fork 300 us, vfork 250 us, execl 150 us, whatever the program does; range a "
            "factor of 3, more for a program that works before it exits. It decides small "
            "populations and the knee, not the ceiling",
        ),
        Provenance(
            value="hold_distribution",
            origin="assumed",
            note="constant per site: the instructions are repeatable; caches make it vary a little",
        ),
        Provenance(
            value="machine",
            origin="assumed",
            note=f"{machine.name}; SMT x{machine.smt_speedup:g} (1.1 to 1.4 where a core has two "
            f"threads). Ask about another with --machine",
        ),
    )
