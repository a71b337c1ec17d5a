"""Machines as people write them: `2x20x2`, the name of one that is known, what `lscpu` prints."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import msgspec

from lockmodel.errors import ArgumentError, ScenarioError, nearest, shown
from lockmodel.model import lscpu
from lockmodel.model.fit_table import Fit
from lockmodel.model.machine import MAX_CPUS, Machine
from lockmodel.model.published import FAR, PublishedMachine, published_machines, typical
from lockmodel.model.scenario import Provenance, Scenario
from lockmodel.model.shipped import find_scenario
from lockmodel.regular import is_open_pipe, reading

SMT_SPEEDUP = 1.25
"""Of a core with both threads busy (assumed; 1.1 to 1.4)."""

SAME_NODE_COST = 0.4
"""Of a line from the same node, as a share of one from another (assumed; 0.28 to 0.50)."""

MODELS = {
    "xeon8369b": "execl-xeon8369b",
    "emr112": "execl-emr112",
    "icl64": "sysexec-icl64-v6.12",
    "spr224": "sysexec-spr224-v6.12",
    "vm20": "doexec-20",
}
"""Name of a machine -> the shipped scenario that describes it."""

OVERLAPS = 0.15
"""Standard deviation of the logarithm of `line_overlap` from machine to machine
(data/computed/line_overlap.csv)."""

GUESSED = Provenance(
    value="machine.line_ns",
    origin="assumed",
    note=f"geometric means of all machines that `lockmodel machines` lists, which differ by a "
    f"factor {math.exp(FAR):.1f}; measure with `lockmodel bench --lines`",
)

MOST_BYTES = 1 << 20
"""Largest file read: what `lscpu` prints is 4 kB."""

_COUNTS = re.compile(r"([0-9]{1,6})x([0-9]{1,6})x([0-9]{1,6})")
_GRAMMAR = (
    f"SOCKETSxCORESxTHREADS, e.g. 2x20x2: sockets, cores per socket, threads per core; whole "
    f"numbers from 1, at most {MAX_CPUS} CPUs in all"
)


@dataclass(frozen=True)
class KnownMachine:
    """A machine that has a name.

    Attributes
    ----------
    name : str
    scenario : str or None
        The shipped scenario that describes it.
    published : PublishedMachine or None
        Where times of its cache lines were published.
    """

    name: str
    scenario: str | None = None
    published: PublishedMachine | None = None

    @property
    def title(self) -> str:
        """Its name for people."""
        if self.published is not None:
            return self.published.title
        made = self.machine()
        return self.name if made is None else made.name

    def machine(self) -> Machine | None:
        """Return the machine; None where its topology is not known."""
        if self.scenario is not None:
            return _of_scenario(self.scenario)
        found = self.published
        if found is None or found.counts is None:
            return None
        cores, sockets, threads, caches = found.counts
        made = _evenly(found.title, sockets, cores // sockets, threads)
        return msgspec.structs.replace(made, caches=caches, line=found.line())


@lru_cache(maxsize=len(MODELS))
def _of_scenario(name: str) -> Machine:
    return find_scenario(name).machine


@lru_cache(maxsize=1)
def known() -> dict[str, KnownMachine]:
    """Return every machine that has a name, by name: of shipped scenarios, then published ones."""
    listed = [KnownMachine(name, scenario=model) for name, model in MODELS.items()]
    listed += [KnownMachine(found.name, published=found) for found in published_machines()]
    return {one.name: one for one in listed}


def find(name: str, argument: str, otherwise: str = "") -> KnownMachine:
    """Return the machine of a name; raises ArgumentError with the nearest name."""
    if name in known():
        return known()[name]
    near = nearest(name, list(known()))
    hint = f"{near} " if near.startswith("did you mean") else ""
    raise ArgumentError(
        f"{argument} {shown(name)}: no such machine; {hint}`lockmodel machines` lists them"
        f"{otherwise}"
    )


def parse(text: str, argument: str = "--machine") -> Machine:
    """Return the machine that a text describes or names.

    Parameters
    ----------
    text : str
        Sockets x cores per socket x threads per core, a name of `known`, or the path of a file
        that holds what `lscpu` prints.
    argument : str
        Its name, for error messages.

    Returns
    -------
    Machine
        One NUMA node per socket; `SMT_SPEEDUP` where a core has two threads or more;
        `SAME_NODE_COST` where there are several nodes. A named one is that of its scenario, or has
        the caches and line times that were published; one of a file, its NUMA nodes.

    Raises
    ------
    ArgumentError
        Neither the grammar nor a name nor a file, one whose topology is not known, a count of 0, or
        too many CPUs.
    ScenarioError, FileError
        A file that cannot be read, or is not what `lscpu` prints of an even machine.
    """
    match = _COUNTS.fullmatch(text)
    if match is None and text not in known() and _is_path(text):
        return _of_file(text)
    if match is None and not text[:1].isdigit():
        one = find(text, argument, f"; or write {_GRAMMAR}; or name a file with what lscpu prints")
        machine = one.machine()
        if machine is None:
            note = one.published.note if one.published else ""
            raise ArgumentError(f"{argument} {text}: {note}; write {_GRAMMAR}")
        return machine
    sockets, each, threads = map(int, match.groups()) if match else (0, 0, 0)
    if not 1 <= sockets * each * threads <= MAX_CPUS:
        raise ArgumentError(f"{argument} {shown(text)}: write {_GRAMMAR}")
    return _evenly(f"{sockets}x{each}x{threads}", sockets, each, threads)


def _is_path(text: str) -> bool:
    """Return whether a text names a file that there is, or can only be a path."""
    try:
        return "/" in text or bool(text and Path(text).exists()) or is_open_pipe(text)
    except (OSError, ValueError):
        return False


@lru_cache(maxsize=8)
def _of_file(text: str) -> Machine:
    """Return the machine that a file of `lscpu` describes; read once, as it may be a pipe."""
    with reading(text) as stream:
        content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ScenarioError(f"{text}: larger than {MOST_BYTES >> 20} MiB; lscpu prints 4 kB")
    lines = content.decode("utf-8", "replace").splitlines()
    made = lscpu.machine(enumerate(lines, start=1), text)
    if made is None:
        raise ScenarioError(
            f"{text}: not what lscpu prints (no line 'CPU(s): N'); make it with `LC_ALL=C lscpu > "
            f"FILE`, or {lscpu.REMEDY}"
        )
    several = SAME_NODE_COST if made.nodes > 1 else 1.0
    speedup = min(SMT_SPEEDUP, made.smt_speedup)
    return msgspec.structs.replace(made, smt_speedup=speedup, same_node_cost=several)


def _evenly(name: str, sockets: int, each: int, threads: int) -> Machine:
    """Return a machine with one node per socket, and `each` cores in each."""
    return Machine(
        name=name,
        cpus=sockets * each * threads,
        cores=sockets * each,
        sockets=sockets,
        nodes=sockets,
        smt_speedup=min(SMT_SPEEDUP, threads),
        same_node_cost=SAME_NODE_COST if sockets > 1 else 1.0,
    )


def name_of(machine: Machine) -> str:
    """Return the name of a shipped machine; "" for any other.

    Two scenarios of one machine may have been fitted with different overlaps of its lines.
    """

    def bare(one: Machine) -> Machine:
        return msgspec.structs.replace(one, line_overlap=1.0)

    return next((name for name in MODELS if bare(parse(name)) == bare(machine)), "")


def move(scenario: Scenario, text: str, measured: bool = False) -> Scenario:
    """Return a scenario on another machine: its counts, SMT and line times, nothing else.

    Placement, the cost of near lines and the overlap of lines stay the scenario's, as all times of
    its locks do. Line times are those of the new machine; where these are not known and lines are
    counted, geometric means of all published ones (`published.typical`), else none. What was
    measured no longer bounds the rates, only the populations; intervals get the spread of lines
    from machine to machine.

    Parameters
    ----------
    scenario : Scenario
    text : str
        The machine, see `parse`.
    measured : bool
        Whether the times will be fitted to measurements of that machine.
    """
    own, new = scenario.machine, parse(text)
    if new == own:
        return scenario
    counted = any(site.moves_lines for site in scenario.sites)
    guessed = counted and new.line is None
    if counted:
        overlap = own.line_overlap if text not in MODELS else new.line_overlap
        new = msgspec.structs.replace(
            new, line=typical(new) if guessed else new.line, line_overlap=overlap
        )
    machine = msgspec.structs.replace(
        new,
        same_node_cost=own.same_node_cost,
        placement=own.placement,
        times_of="" if measured else own.times_of or own.name,
    )
    known = scenario.calibrated
    origin = Provenance(
        value="machine",
        origin="assumed",
        note=f"{new.name} as asked, {_nodes(new)}, SMT x{new.smt_speedup:g} (1.1 to 1.4 "
        f"where a core has two threads); placement and same_node_cost stay those of {own.name}",
    )
    kept = (entry for entry in scenario.provenance if not entry.value.startswith("machine"))
    lines = (GUESSED,) if guessed else ()
    return msgspec.structs.replace(
        scenario,
        title=f"{scenario.title}, on {new.name}",
        machine=machine,
        calibrated=known and msgspec.structs.replace(known, throughput_per_s=0.0),
        provenance=(*kept, origin, *lines),
        fit=scenario.fit and _widened(scenario.fit, math.hypot(OVERLAPS, FAR * guessed)),
    )


def _nodes(machine: Machine) -> str:
    same = machine.nodes == machine.sockets
    return "one node per socket" if same else f"{machine.nodes} nodes"


def _widened(fit: Fit, spread: float) -> Fit:
    """Return a fit whose time of a line is less known by a standard deviation of its logarithm."""
    made = []
    for k, one in enumerate(fit.parameters):
        if one.name == "line_overlap":
            row = list(one.covariance)
            row[k] += spread**2
            low, high = one.low * math.exp(-spread), one.high * math.exp(spread)
            one = msgspec.structs.replace(one, covariance=tuple(row), low=low, high=high)
        made.append(one)
    return msgspec.structs.replace(fit, parameters=tuple(made))
