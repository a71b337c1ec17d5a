"""Edges ahead: populations at which threads fill something, and curves may break.

Up to an edge a curve tells nothing of what comes after it: half of the published machines lose a
third or more there, the others nothing. So an edge is a hazard, not a slope.
"""

from __future__ import annotations

from dataclasses import dataclass

from lockmodel.model.machine import Machine

KINDS = ("socket", "threads", "half", "unknown")
"""A further socket, node or cache is used; cores are shared, or CPUs; half of the CPUs of a machine
of which no more is known: its first socket or its cores; somewhere, per factor e of population."""

NAMES = {
    "socket": "the first {after} CPUs fill whole sockets; from {next} on there is one more",
    "node": "the first {after} CPUs fill whole NUMA nodes; from {next} on there is one more",
    "cache": "the first {after} CPUs share a last-level cache; from {next} on there are more",
    "threads": "from {next} on two threads share a core",
    "cpus": "from {next} on there are more processes than CPUs",
    "half": "{after} is half of the CPUs: a socket, or all cores, may be full",
}


@dataclass(frozen=True)
class Edge:
    """A population beyond which something changes.

    Attributes
    ----------
    after : int
        The last population before it.
    kind : str
        One of `KINDS`.
    name : str
        What it is, a key of `NAMES`.
    """

    after: int
    kind: str
    name: str

    @property
    def text(self) -> str:
        """What happens there, in words."""
        return NAMES[self.name].format(after=self.after, next=self.after + 1)


def edges_of(machine: Machine | None, cpus: int | None) -> tuple[Edge, ...] | None:
    """Return the edges of a machine in the order of population; None if nothing is known of it.

    Parameters
    ----------
    machine : Machine or None
        Cores fill in the order of its placement, then the second threads: the usual numbering.
        Where they are spread over the nodes, all nodes take part almost from the beginning.
    cpus : int or None
        Where that is all that is known.
    """
    if machine is not None:
        made = _groups(machine) if machine.placement == "fill" else []
        if machine.cpus > machine.cores:
            made.append(Edge(machine.cores, "threads", "threads"))
        return (*made, Edge(machine.cpus, "threads", "cpus"))
    if cpus is None:
        return None
    half = [Edge(cpus // 2, "half", "half")] if cpus >= 4 else []
    return (*half, Edge(cpus, "threads", "cpus"))


def _groups(machine: Machine) -> list[Edge]:
    """Return where sockets and nodes are full, and the first last-level cache.

    Of the caches the first alone: from then on lines come from other caches anyway.
    """
    names = {
        machine.cores // count * k: name
        for name, count in (("node", machine.nodes), ("socket", machine.sockets))
        for k in range(1, count)
    }
    first = machine.cores // (machine.caches or 1)
    if (machine.caches or 1) > 1:
        names.setdefault(first, "cache")
    return [Edge(after, "socket", names[after]) for after in sorted(names)]


def ahead(edges: tuple[Edge, ...] | None, last: int, end: int) -> tuple[Edge, ...]:
    """Return the edges between the last population measured and the one asked for."""
    return tuple(edge for edge in edges or () if last <= edge.after < end)
