"""A machine as `lscpu` prints it, whole or pasted into the comments of a file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lockmodel.errors import ScenarioError, shortened
from lockmodel.model.machine import MAX_CPUS, Machine

KEYS = (
    "CPU(s)",
    "On-line CPU(s) list",
    "Thread(s) per core",
    "Core(s) per socket",
    "Core(s) per cluster",
    "Socket(s)",
    "Cluster(s)",
    "NUMA node(s)",
    "Model name",
)
"""What is read of it, in English: `LC_ALL=C lscpu`."""

LINE = re.compile(r"[#\s]*(?P<key>[A-Z][\w() -]*?)\s*:\s*(?P<value>\S.*?)\s*")
RANGE = re.compile(r"([0-9]{1,6})(?:-([0-9]{1,6}))?")
REMEDY = "write the machine as SOCKETSxCORESxTHREADS instead, e.g. --machine 2x20x2"


@dataclass(frozen=True)
class Said:
    """A line of it: where it stands, and what it says."""

    where: str
    key: str
    value: str

    def error(self, why: str) -> ScenarioError:
        """Return the error that names the line."""
        seen = shortened(f"{self.key}: {self.value}")
        return ScenarioError(f"{self.where}: {seen!r}: {why}; {REMEDY}")


def is_said(text: str) -> bool:
    """Return whether a line is one of those that are read."""
    match = LINE.fullmatch(text)
    return match is not None and match["key"] in KEYS


def machine(lines: Iterable[tuple[int, str]], origin: str) -> Machine | None:
    """Return the machine that the lines of `lscpu` describe; None where they are of something else.

    Parameters
    ----------
    lines : iterable of (int, str)
        Numbers and texts of lines; others than `KEYS` are left out, "#" before them too.
    origin : str
        What errors call the text.

    Returns
    -------
    Machine
        Of the CPUs that are on-line. Clusters stand for sockets that are not known (ARM): one
        socket. As many nodes as stated, else one per socket; a core does the work of all its
        threads, until somebody says less.

    Raises
    ------
    ScenarioError
        A line is missing or no number, cores differ (hybrid machines), or some CPUs are off-line
        in a way that leaves no even machine. The line is named.
    """
    said: dict[str, Said] = {}
    for number, text in lines:
        match = LINE.fullmatch(text)
        if match is None or match["key"] not in KEYS or match["value"] == "-":
            continue  # "-" stands where there is nothing to be said
        one = Said(f"{origin}:{number}", match["key"], match["value"])
        before = said.setdefault(one.key, one)
        if before.value != one.value and one.key != "Model name":
            raise one.error(f"{before.where} has {before.value}; cores of several kinds are no one")
    if "CPU(s)" not in said or len(said) == 1:
        return None
    threads = _count(said, "Thread(s) per core", origin)
    if "Core(s) per socket" in said:
        sockets = _count(said, "Socket(s)", origin)
        cores = sockets * _count(said, "Core(s) per socket", origin)
    else:
        sockets = _count(said, "Socket(s)", origin) if "Socket(s)" in said else 1
        cores = _count(said, "Core(s) per cluster", origin) * _count(said, "Cluster(s)", origin)
    cpus = _on_line(said, origin)
    if cpus != cores * threads:
        of = "On-line CPU(s) list" if "On-line CPU(s) list" in said else "CPU(s)"
        raise said[of].error(
            f"{cpus} CPUs are not {cores} cores x {threads} threads; cores differ, or some CPUs "
            f"are off-line"
        )
    nodes = _count(said, "NUMA node(s)", origin) if "NUMA node(s)" in said else sockets
    if cores % nodes:
        raise said["NUMA node(s)"].error(f"{cores} cores are not evenly divided")
    if cores % sockets:
        raise said["Socket(s)"].error(f"{cores} cores are not evenly divided")
    named = said.get("Model name")
    counts = f"{sockets} x {cores // sockets} x {threads} (sockets x cores x threads)"
    return Machine(
        name=counts if named is None else f"{shortened(named.value)}, {counts}",
        cpus=cpus,
        cores=cores,
        sockets=sockets,
        nodes=nodes,
        smt_speedup=float(threads),
    )


def _count(said: dict[str, Said], key: str, origin: str) -> int:
    """Return the number of a line; raises ScenarioError where it is missing or none."""
    if key not in said:
        raise ScenarioError(
            f"{origin}: no line {key!r} of lscpu; print it with LC_ALL=C lscpu, or {REMEDY}"
        )
    text = said[key].value
    if not re.fullmatch("[0-9]{1,6}", text) or not 1 <= int(text) <= MAX_CPUS:
        raise said[key].error(f"a whole number from 1 to {MAX_CPUS} was expected")
    return int(text)


def _on_line(said: dict[str, Said], origin: str) -> int:
    """Return the number of CPUs that are on-line: of their list, else of all."""
    listed = said.get("On-line CPU(s) list")
    if listed is None:
        return _count(said, "CPU(s)", origin)
    total = 0
    for part in listed.value.split(","):
        match = RANGE.fullmatch(part.strip())
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise listed.error("a list of CPUs was expected, e.g. 0-39,80")
        total += int(match[2] or match[1]) - int(match[1]) + 1
    if not 1 <= total <= MAX_CPUS:
        raise listed.error(f"{total} CPUs; 1 to {MAX_CPUS} were expected")
    return total
