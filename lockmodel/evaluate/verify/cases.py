"""The scenarios of `lockmodel verify`: each is chosen for one thing that could go wrong.

Times are of the order of a second so that they read like the reference values of DESIGN.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lockmodel.model.distribution import Constant, Coxian, Erlang, Hyperexponential
from lockmodel.model.handoff import ConstantHandOff, LinearHandOff, SaturatingHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Scenario, Site

EXACT = ("product-form", "markov", "simulation")
CHAIN = ("markov", "simulation")

STEP = 1e-3
"""Seconds per instruction: holds are given in instructions."""

CPUS = 1024
"""More than any population here, unless a case is about CPUs."""


@dataclass(frozen=True)
class SolverCase:
    """A scenario with the solvers that must agree on it.

    Attributes
    ----------
    name : str
        What could go wrong.
    scenario : Scenario
    solvers : tuple of str
        The first is the reference; "simulation" is compared by its interval.
    quick, full : tuple of int
        Populations.
    known : dict of int to float
        Throughput known from elsewhere, by population; to 1e-9, or `known_error`.
    known_error : float
        Relative error of the known values.
    """

    name: str
    scenario: Scenario
    solvers: tuple[str, ...]
    quick: tuple[int, ...]
    full: tuple[int, ...]
    known: tuple[tuple[int, float], ...] = ()
    known_error: float = 1e-9


def lock(name: str = "lock", **given: Any) -> Lock:
    """Return a lock whose lines cost the same everywhere."""
    return Lock(
        name=name, time_per_instruction_local=STEP, time_per_instruction_remote=STEP, **given
    )


def site(hold: float, lock: str = "lock", name: str = "site", **given: Any) -> Site:
    """Return a site with one acquire that holds its lock for `hold` seconds on average."""
    given = {"acquires": 1.0, **given}
    return Site(lock=lock, phase="run", name=name, held_instructions=hold / STEP, **given)


def scenario(
    locks: tuple[Lock, ...], sites: tuple[Site, ...], think: float = 10.0, **given: Any
) -> Scenario:
    """Return a scenario on a machine with CPUs enough."""
    machine = given.pop("machine", Machine(name="any", cpus=CPUS, cores=CPUS))
    return Scenario(
        name="case",
        title="case",
        iteration="case",
        machine=machine,
        think=think,
        locks=locks,
        sites=sites,
        **given,
    )


def three(**first: Any) -> Scenario:
    """Return case A: think 10, three locks held 1, 0.5 and 0.25; `first` changes the first."""
    names = ("one", "half", "quarter")
    options: tuple[dict[str, Any], ...] = (first, {}, {})
    return scenario(
        tuple(lock(name, **given) for name, given in zip(names, options, strict=True)),
        tuple(site(hold, name) for name, hold in zip(names, (1.0, 0.5, 0.25), strict=True)),
    )


CASE_A = ((1, 0.08510638297872340), (8, 0.61829933268927907), (32, 0.9999961968904226))
CASE_E = ((8, 0.6450833576), (12, 0.8880681916))
"""DESIGN.md section 5, in 80-digit arithmetic; case E to 10 digits."""

SMT = Machine(name="smt", cpus=8, cores=4, smt_speedup=1.3)
FEW = Machine(name="few", cpus=3, cores=3)
NODES = Machine(name="nodes", cpus=8, cores=8, nodes=2, sockets=2, same_node_cost=0.5)


def cases() -> tuple[SolverCase, ...]:
    """Return the matrix."""
    ordered = (site(0.2, name="long"), site(1.0, name="longer"), site(0.05, name="short"))
    shares = (site(1.0, name="write", acquires=0.4), site(1.5, name="read", mode="read"))
    return (
        SolverCase("case A: three locks", three(), EXACT, (1, 8), (1, 2, 8, 16, 32), CASE_A),
        SolverCase(
            "constant holds (case E)",
            three(hold_distribution=Constant()),
            CHAIN,
            (8,),
            (8, 12),
            CASE_E,
            1e-6,
        ),
        SolverCase(
            "CPU shared, SMT",
            scenario((lock(),), (site(0.5),), 4.0, machine=SMT),
            EXACT,
            (6,),
            (2, 6, 8),
        ),
        SolverCase(
            "shards of unequal popularity",
            scenario((lock(shards=3, shard_by="hash", shard_skew=0.7),), (site(3.0),), 5.0),
            EXACT,
            (6,),
            (2, 6, 10),
        ),
        SolverCase(
            "acquires by chance",
            scenario((lock(),), (site(1.0, acquires=1.6),), 5.0),
            EXACT,
            (5,),
            (2, 5, 8),
        ),
        SolverCase(
            "constant think, exponential holds",
            scenario((lock(),), (site(1.0),), 5.0, think_distribution=Constant()),
            ("product-form", "simulation"),
            (6,),
            (2, 6, 12),
        ),
        SolverCase(
            "shards by CPU",
            scenario((lock(shards=2, shard_by="cpu"),), (site(1.0),), 5.0, machine=NODES),
            ("product-form", "simulation"),
            (8,),
            (3, 8),
        ),
        SolverCase(
            "hand-off as a phase",
            scenario((lock(handoff=ConstantHandOff(time=0.5)),), (site(1.0),), 5.0),
            CHAIN,
            (6,),
            (2, 6, 12),
        ),
        SolverCase(
            "ticket lock, collapsing",
            scenario(
                (lock(kind="ticket", handoff=LinearHandOff(time=0.1, per_waiter=0.1)),),
                (site(0.2),),
                5.0,
            ),
            CHAIN,
            (10,),
            (2, 10, 14),
        ),
        SolverCase(
            "hand-off that saturates, steady",
            scenario(
                (
                    lock(
                        handoff=SaturatingHandOff(time=0.2, limit=1.0, half_waiters=2.0),
                        handoff_distribution=Erlang(stages=3),
                    ),
                ),
                (site(0.5),),
                5.0,
            ),
            CHAIN,
            (6,),
            (2, 6, 12),
        ),
        SolverCase(
            "several sites, holds differ",
            scenario((lock(handoff=ConstantHandOff(time=0.1)),), ordered, 4.0),
            CHAIN,
            (5,),
            (2, 5, 7),
        ),
        SolverCase(
            "holds of SCV 4, think of SCV 0.3",
            scenario(
                (lock(hold_distribution=Hyperexponential(scv=4.0)),),
                (site(1.0),),
                5.0,
                think_distribution=Coxian(scv=0.3),
            ),
            CHAIN,
            (6,),
            (2, 6, 12),
        ),
        SolverCase(
            "readers and writers, writers first",
            scenario((lock(kind="rwsem", handoff_timeout=1e9, wake_time=0.3),), shares, 5.0),
            CHAIN,
            (6,),
            (2, 6, 12),
        ),
        SolverCase(
            "readers and writers, sleepers first",
            scenario(
                (lock(kind="rwsem", handoff_timeout=0.0, handoff=ConstantHandOff(time=0.2)),),
                shares,
                5.0,
            ),
            CHAIN,
            (6,),
            (2, 6, 12),
        ),
        SolverCase(
            "waiters sleep, CPUs are short",
            scenario(
                (
                    lock(
                        kind="rwsem",
                        handoff=ConstantHandOff(time=0.1),
                        wake_time=0.5,
                        handoff_timeout=1e9,
                    ),
                ),
                (site(1.0),),
                2.0,
                machine=FEW,
            ),
            CHAIN,
            (6,),
            (4, 6, 12),
        ),
    )
