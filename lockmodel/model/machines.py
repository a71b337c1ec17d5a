"""Machines as people write them: `2x20x2`, or the name of a shipped scenario's machine."""

from __future__ import annotations

import re

import msgspec

from lockmodel.errors import ArgumentError, nearest, shown
from lockmodel.model.machine import MAX_CPUS, Machine
from lockmodel.model.scenario import Provenance, Scenario
from lockmodel.model.shipped import find_scenario

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

_COUNTS = re.compile(r"([0-9]{1,6})x([0-9]{1,6})x([0-9]{1,6})")
_GRAMMAR = (
    f"SOCKETSxCORESxTHREADS, e.g. 2x20x2: sockets, cores per socket, threads per core; whole "
    f"numbers from 1, at most {MAX_CPUS} CPUs in all"
)


def parse(text: str, argument: str = "--machine") -> Machine:
    """Return the machine that a text describes or names.

    Parameters
    ----------
    text : str
        Sockets x cores per socket x threads per core, or a name of `MODELS`.
    argument : str
        Its name, for error messages.

    Returns
    -------
    Machine
        One NUMA node per socket; `SMT_SPEEDUP` where a core has two threads or more;
        `SAME_NODE_COST` where there are several nodes. A named one is the scenario's.

    Raises
    ------
    ArgumentError
        Neither the grammar nor a name, a count of 0, or too many CPUs.
    """
    if text in MODELS:
        return find_scenario(MODELS[text]).machine
    match = _COUNTS.fullmatch(text)
    if match is None and not text[:1].isdigit():
        hints = dict.fromkeys([nearest(text, list(MODELS)), f"known: {', '.join(MODELS)}"])
        raise ArgumentError(
            f"{argument} {shown(text)}: no such machine; {' '.join(hints)}; or write {_GRAMMAR}"
        )
    sockets, each, threads = map(int, match.groups()) if match else (0, 0, 0)
    if not 1 <= sockets * each * threads <= MAX_CPUS:
        raise ArgumentError(f"{argument} {shown(text)}: write {_GRAMMAR}")
    return Machine(
        name=f"{sockets}x{each}x{threads}",
        cpus=sockets * each * threads,
        cores=sockets * each,
        sockets=sockets,
        nodes=sockets,
        smt_speedup=min(SMT_SPEEDUP, threads),
        same_node_cost=SAME_NODE_COST if sockets > 1 else 1.0,
    )


def name_of(machine: Machine) -> str:
    """Return the name of a shipped machine; "" for any other."""
    return next((name for name in MODELS if parse(name) == machine), "")


def move(scenario: Scenario, text: str, measured: bool = False) -> Scenario:
    """Return a scenario on another machine: its counts and SMT, nothing that costs time.

    Placement and the cost of near lines stay the scenario's, as all its times do. What was
    measured no longer bounds the rates, only the populations.

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
        note=f"{new.name} as asked, one node per socket, SMT x{new.smt_speedup:g} (1.1 to 1.4 "
        f"where a core has two threads); placement and same_node_cost stay those of {own.name}",
    )
    kept = (entry for entry in scenario.provenance if not entry.value.startswith("machine"))
    return msgspec.structs.replace(
        scenario,
        title=f"{scenario.title}, on {new.name}",
        machine=machine,
        calibrated=known and msgspec.structs.replace(known, throughput_per_s=0.0),
        provenance=(*kept, origin),
    )
