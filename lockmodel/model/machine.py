"""The computer that iterations run on: its CPUs, where they are, and in which order they fill."""

from __future__ import annotations

import math
from typing import Literal, get_args

import msgspec

from lockmodel.errors import ScenarioError, one_of, shown
from lockmodel.model.typed import check_types

Placement = Literal["fill", "spread"]

UNSTATED = "not stated"
"""How the name begins of a machine of which nothing but the populations is known."""

MAX_CPUS = 65_536
"""Largest machine accepted: bounds the memory of a placement."""


class Frozen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all scenario data: immutable, keyword-only, unknown keys refused."""


def at_least_one(owner: str, **values: int) -> None:
    """Raise ScenarioError unless every value is a whole number from 1 to `MAX_CPUS`."""
    for key, value in values.items():
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_CPUS:
            raise ScenarioError(
                f"{owner}: {key} = {shown(value)} must be a whole number from 1 to {MAX_CPUS}"
            )


MOST_OVERLAP = 10.0
"""Largest `line_overlap` accepted."""

DISTANCES = ("smt", "cache", "socket", "remote")
"""Where the other CPU is, from near to far: a thread of the same core, another core of the same
last-level cache, another cache of the same socket, another socket."""


class LineTimes(Frozen, frozen=True):
    """Time of a cache line from one CPU to another, one way, by distance (see `DISTANCES`).

    Parameters
    ----------
    smt, cache, socket, remote : float or None
        Seconds, above 0; None where no pair of CPUs is at the distance.
    """

    smt: float | None = None
    cache: float | None = None
    socket: float | None = None
    remote: float | None = None

    def __post_init__(self) -> None:
        check_types(self, "line times")
        for key in DISTANCES:
            value = getattr(self, key)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ScenarioError(
                    f"line times: {key} = {value} must be a finite number above 0; leave it out "
                    f"where no two CPUs are at that distance"
                )


class Machine(Frozen, frozen=True):
    """The computer the iterations run on.

    Parameters
    ----------
    name : str
        What it is, for people.
    cpus, cores : int
        Hardware threads and physical cores; `cpus` is a multiple of `cores`.
    sockets, nodes : int
        Packages and NUMA nodes; `cores` is a multiple of both.
    smt_speedup : float
        Throughput of a core with all its hardware threads busy, relative to one (1 to 4).
    same_node_cost : float
        Cost of a cache line that comes from another core of the same node, as a share of one
        that comes from another node (0 to 1). 1 makes no difference between the two.
    placement : {'fill', 'spread'}
        Where the first processes run: core by core through the nodes in order, or round robin
        over the nodes. Both use one hardware thread of every core before the second.
    times_of : str
        Name of the machine that the scenario's times belong to, where it is another.
    caches : int or None
        Last-level caches of all sockets: divides `cores`, a multiple of `sockets`. None is one
        per socket.
    line_overlap : float
        Share of a line's time that is waited for under a lock: misses overlap, and some lines come
        in pairs. Those of a hand-off are waited for one after the other.
    line : LineTimes or None
        What a line takes from another CPU, at every distance there is. With one cache per socket
        `cache` or `socket` is that of its cores; `cache` where both are given.
    """

    name: str
    cpus: int
    cores: int
    sockets: int = 1
    nodes: int = 1
    smt_speedup: float = 1.0
    same_node_cost: float = 1.0
    placement: Placement = "fill"
    times_of: str = ""
    caches: int | None = None
    line: LineTimes | None = None
    line_overlap: float = 1.0

    def __post_init__(self) -> None:
        check_types(self, "machine")
        at_least_one(
            "machine", cpus=self.cpus, cores=self.cores, sockets=self.sockets, nodes=self.nodes
        )
        if self.cores > self.cpus:
            raise ScenarioError(
                f"machine: cores = {self.cores} exceeds cpus = {self.cpus}; cpus counts hardware "
                f"threads, so give at least {self.cores}"
            )
        if self.cpus % self.cores:
            raise ScenarioError(
                f"machine: cpus = {self.cpus} is not a multiple of cores = {self.cores}; every "
                f"core has the same number of hardware threads"
            )
        for key, value in (("nodes", self.nodes), ("sockets", self.sockets)):
            if self.cores % value:
                raise ScenarioError(
                    f"machine: cores = {self.cores} is not a multiple of {key} = {value}; give "
                    f"the machine as evenly divided {key}"
                )
        one_of("machine", get_args(Placement), placement=self.placement)
        threads = self.cpus // self.cores
        if not 1.0 <= self.smt_speedup <= threads:
            raise ScenarioError(
                f"machine: smt_speedup = {self.smt_speedup} must lie between 1 and the {threads} "
                f"hardware threads of a core"
            )
        if not 0.0 <= self.same_node_cost <= 1.0:
            raise ScenarioError(
                f"machine: same_node_cost = {self.same_node_cost} must lie between 0 and 1: it is "
                f"a share of the cost between nodes"
            )
        if not (math.isfinite(self.line_overlap) and 0.0 < self.line_overlap <= MOST_OVERLAP):
            raise ScenarioError(
                f"machine: line_overlap = {self.line_overlap} must lie above 0 and up to "
                f"{MOST_OVERLAP:g}: it multiplies the times of line_ns"
            )
        self._check_caches()
        self._check_line()

    def _check_caches(self) -> None:
        if self.caches is None:
            return
        at_least_one("machine", caches=self.caches)
        if self.cores % self.caches or self.caches % self.sockets:
            raise ScenarioError(
                f"machine: caches = {self.caches} must divide cores = {self.cores} and be a "
                f"multiple of sockets = {self.sockets}: it counts the last-level caches of all "
                f"sockets; leave it out for one per socket"
            )

    def _check_line(self) -> None:
        if self.line is None:
            return
        lacking = [distance for distance in self.distances if self.line_time(distance) is None]
        if lacking:
            raise ScenarioError(
                f"machine: line times lack {', '.join(lacking)}: {self.cpus} CPUs on {self.cores} "
                f"cores of {self.last_level} last-level caches in {self.sockets} sockets are at "
                f"{', '.join(self.distances)}; add {'it' if len(lacking) == 1 else 'them'}, or "
                f"leave line_ns out"
            )

    @property
    def last_level(self) -> int:
        """Last-level caches of all sockets."""
        return self.sockets if self.caches is None else self.caches

    @property
    def distances(self) -> tuple[str, ...]:
        """Those of `DISTANCES` at which the machine has two CPUs."""
        parts = (self.cpus, self.cores, self.last_level, self.sockets, 1)
        return tuple(d for i, d in enumerate(DISTANCES) if parts[i] > parts[i + 1])

    @property
    def told_apart(self) -> tuple[str, ...]:
        """Distances that line times are needed of: `socket` with one cache per socket."""
        one = self.last_level == self.sockets
        return tuple("socket" if one and d == "cache" else d for d in self.distances)

    def line_time(self, distance: str) -> float | None:
        """Return the time of a line from a distance, s; None where it is not known."""
        if self.line is None:
            return None
        if distance == "cache" and self.line.cache is None and self.last_level == self.sockets:
            return self.line.socket
        time: float | None = getattr(self.line, distance)
        return time
