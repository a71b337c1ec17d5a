"""The computer that iterations run on: its CPUs, where they are, and in which order they fill."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from lockmodel.errors import ScenarioError, one_of, shown

Placement = Literal["fill", "spread"]

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

    def __post_init__(self) -> None:
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
