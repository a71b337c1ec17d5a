"""Counted acquires -> a scenario for `predict`, `levers` and `fit`, with no time measured.

Acquires are counted here, held instructions come from the traced table; lines, the locks that
come after those of the files and all times are those of counts (`from_counts`), whose spread is
the scenario's prior until a fit to data measured here narrows it.
"""

from __future__ import annotations

import re

from msgspec.structs import replace

from lockmodel.measure.acquires.count import Counts, FileCount
from lockmodel.measure.acquires.from_counts import from_counts
from lockmodel.measure.acquires.held import batches, held
from lockmodel.measure.acquires.loops import SITES
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import LINES, RESERVED, Lock, Provenance, Scenario, Site

CROWD = 64
"""Processes at which lines are counted for a demand: few saturate a lock on large machines."""

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
    counted = Scenario(
        name=f"{counts.loop}-{program}",
        title=f"{counts.loop} loop of {program} on Linux {counts.kernel.version}",
        iteration=ITERATION[counts.loop],
        think=0.0,
        machine=machine,
        locks=tuple(_lock(name) for name in names.values()),
        sites=tuple(_sites(counts, names)),
        provenance=_provenance(counts, machine),
    )
    own = [names[file.name] for file in counts.files if file.role == "program"]
    made = from_counts(counted, executables=own)
    return replace(
        made,
        name=counted.name,
        title=counted.title,
        sites=_in_proportion(made.sites, counts, names),
        provenance=tuple(dict.fromkeys((*counted.provenance, *made.provenance))),
    )


def _in_proportion(
    sites: tuple[Site, ...], counts: Counts, names: dict[str, str]
) -> tuple[Site, ...]:
    """Return sites whose acquires move lines in proportion to their tree operations."""
    scale = {
        (names[file.name], label): factor
        for file in counts.files
        for label, factor in batches(file, counts).items()
    }
    return tuple(
        replace(
            site,
            **{
                key: round(getattr(site, key) * scale.get((site.lock, site.label), 1.0), 2)
                for key in LINES
            },
        )
        for site in sites
    )


def demands(counts: Counts) -> dict[str, tuple[float, float]]:
    """Return held instructions of an iteration with one mapper, and lines, by file.

    Lines are those under the lock and of its hand-offs with `CROWD` processes: demand without the
    time of a line, which is the machine's.
    """
    made = scenario(counts, Machine(name="any", cpus=CROWD, cores=CROWD))
    names = _lock_names(counts.files)
    return {
        file.name: (
            sum(file.sites[at].acquires * line.start for at, line in held(file, counts).items()),
            made.lines(name, CROWD, CROWD) + file.acquires * made.lock(name).handoff_lines,
        )
        for file in counts.files
        for name in [names[file.name]]
    }


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
    """Return a lock whose times counts will give."""
    return Lock(
        name=name, kind="rwsem", time_per_instruction_local=0.0, time_per_instruction_remote=0.0
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
            value="machine",
            origin="assumed",
            note=f"{machine.name}; SMT x{machine.smt_speedup:g} (1.1 to 1.4 where a core has two "
            f"threads). Ask about another with --machine",
        ),
    )
