"""The machine this runs on, as far as /sys tells, for a scenario that has to have one."""

from __future__ import annotations

import os
from pathlib import Path

from lockmodel.model.machine import Machine
from lockmodel.model.machines import SAME_NODE_COST, SMT_SPEEDUP

SYS = Path("/sys/devices/system")


def local(system: Path = SYS, cpus: int | None = None) -> Machine:
    """Return this machine; what cannot be told, or is not even, is taken as one socket.

    Parameters
    ----------
    system : Path
        Where the kernel describes the topology.
    cpus : int, optional
        CPUs there are; by default those of this machine.
    """
    places = [_where(folder) for folder in system.glob("cpu/cpu[0-9]*/topology")]
    known = [place for place in places if place is not None]
    count = cpus or os.cpu_count() or 1
    if len(known) != count:
        return Machine(name=f"this machine ({count} CPUs)", cpus=count, cores=count)
    cores, sockets = len(set(known)), len({package for package, _ in known})
    nodes = len(list(system.glob("node/node[0-9]*"))) or 1
    if count % cores or cores % sockets:
        return Machine(name=f"this machine ({count} CPUs)", cpus=count, cores=count)
    nodes = 1 if cores % nodes else nodes
    return Machine(
        name=f"this machine ({count} CPUs)",
        cpus=count,
        cores=cores,
        sockets=sockets,
        nodes=nodes,
        smt_speedup=min(SMT_SPEEDUP, count / cores),
        same_node_cost=SAME_NODE_COST if nodes > 1 else 1.0,
    )


def _where(topology: Path) -> tuple[int, int] | None:
    """Return package and core of a CPU."""
    try:
        package = int((topology / "physical_package_id").read_text())
        return package, int((topology / "core_id").read_text())
    except (OSError, ValueError):
        return None
