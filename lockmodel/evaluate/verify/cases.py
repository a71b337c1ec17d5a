"""The scenarios of `lockmodel verify`: each is chosen for one thing that could go wrong.

Times are of the order of a second so that they read like the reference values of DESIGN.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from lockmodel.evaluate.verify.exclusive import Exclusive, by_node, constant
from lockmodel.evaluate.verify.mutexes import Mutex
from lockmodel.evaluate.verify.semaphores import Semaphores, Step, Way, always
from lockmodel.model.distribution import (
    Constant,
    Coxian,
    Erlang,
    Exponential,
    Hyperexponential,
)
from lockmodel.model.handoff import (
    ConstantHandOff,
    LinearHandOff,
    SaturatingHandOff,
    TopologyHandOff,
)
from lockmodel.model.machine import LineTimes, Machine
from lockmodel.model.scenario import Lock, Scenario, Site, Walkers

EXACT = ("product-form", "markov", "simulation")
CHAIN = ("markov", "simulation")
SIMULATED = ("simulation",)
"""Beside a chain by name."""

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
    named : callable or None
        Population -> the means of a chain that follows every process by name (`named.answer`).
    """

    name: str
    scenario: Scenario
    solvers: tuple[str, ...]
    quick: tuple[int, ...]
    full: tuple[int, ...]
    known: tuple[tuple[int, float], ...] = ()
    known_error: float = 1e-9
    named: Callable[[int], dict[str, float]] | None = None


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
        *semaphores(),
        *placed(),
        *mutexes(),
    )


PATIENCE = {"timeout_distribution": Exponential(), "wake_time": 0.4, "spin_limit": 0.6}
FOREVER = 1e9


def semaphores() -> tuple[SolverCase, ...]:
    """Return read-write semaphores: readers, sleepers and walkers, as docs/rwsem.md has them."""
    shares = (site(1.0, name="write", acquires=0.4), site(1.5, name="read", mode="read"))
    write, read = Step(0, False, 1.0), Step(0, True, 1.5)
    either = (Way(0.4, (write, read)), Way(0.6, (read,)))

    def readers(timeout: float) -> tuple[Scenario, Callable[[int], dict[str, float]]]:
        one = lock(kind="rwsem", handoff=ConstantHandOff(time=0.2), handoff_timeout=timeout)
        one = replace(one, **PATIENCE)
        chain = Semaphores(5.0, (), handoff=0.2, wake=0.4, timeout=timeout, spin=0.6)
        return (
            scenario((one,), shares, 5.0),
            lambda n: dataclasses.replace(chain, programs=(either,) * n).means(),
        )

    def walkers(
        give_up: bool, rate: float, most: int
    ) -> tuple[Scenario, Callable[[int], dict[str, float]]]:
        one = lock(
            kind="rwsem",
            shards=2,
            handoff=ConstantHandOff(time=0.3),
            handoff_timeout=3.0,
            walkers=Walkers(rate, 1.0, give_up),
        )
        chain = Semaphores(
            2.0,
            (),
            shards=2,
            handoff=0.3,
            wake=0.4,
            timeout=3.0,
            spin=0.6,
            walks=rate,
            read=1.0,
            walkers=most,
            give_up=give_up,
        )
        machine = Machine(name="two", cpus=4, cores=4)

        def named(n: int) -> dict[str, float]:
            each = tuple(always(Step(2 * p // 4, False, 1.0)) for p in range(n))
            return dataclasses.replace(chain, programs=each).means()

        return scenario((replace(one, **PATIENCE),), (site(1.0),), 2.0, machine=machine), named

    sleepers = lock(
        kind="rwsem", handoff=ConstantHandOff(time=0.1), wake_time=0.5, handoff_timeout=FOREVER
    )
    asleep = Semaphores(2.0, (), handoff=0.1, wake=0.5, cpus=FEW.cpus)

    def sleeping(n: int) -> dict[str, float]:
        return dataclasses.replace(asleep, programs=(always(write),) * n).means()

    cases = []
    for name, timeout in (
        ("readers and writers, queue", 2.0),
        ("readers and writers, queue first", 0.0),
    ):
        made, named = readers(timeout)
        cases.append(SolverCase(name, made, CHAIN, (3,), (2, 4, 7), named=at_most(4, named)))
    made = scenario((sleepers,), (site(1.0),), 2.0, machine=FEW)
    cases.append(
        SolverCase(
            "waiters sleep, CPUs are short",
            made,
            CHAIN,
            (4,),
            (4, 5, 12),
            named=at_most(5, sleeping),
        )
    )
    # walks so rare that hardly ever three are under way, of whom the chain follows two
    made, named = walkers(False, 0.02, 2)
    cases.append(SolverCase("walkers take two shards", made, SIMULATED, (3,), (3, 4), named=named))
    made, named = walkers(True, 0.05, 3)
    cases.append(SolverCase("walkers that give up", made, SIMULATED, (4,), (3, 4), named=named))
    return tuple(cases)


def at_most(
    most: int, named: Callable[[int], dict[str, float]]
) -> Callable[[int], dict[str, float]]:
    """Return a chain by name that has no answer for more processes than that: it grows too fast."""
    return lambda n: named(n) if n <= most else {}


def placed() -> tuple[SolverCase, ...]:
    """Return locks whose next holder is another one than the first to come, or is far away."""
    topology = TopologyHandOff(local=0.2, remote=1.5)
    spread = Machine(name="spread", cpus=8, cores=8, nodes=2, placement="spread")
    nodes = (0, 1) * 4

    def named(
        kind: str, holds: tuple[float, ...], **more: Any
    ) -> Callable[[int], dict[str, float]]:
        cost = by_node(0.2, 1.5) if kind != "barging" else constant(0.7)
        return lambda n: Exclusive(kind, 2.0, holds, nodes[:n], cost, **more).means()

    barging = lock(kind="barging", handoff=ConstantHandOff(time=0.7))
    cohort = lock(kind="numa", handoff=topology, local_handoffs=60_000)
    lines = Lock(
        name="lock",
        time_per_instruction_local=STEP,
        time_per_instruction_remote=2.0 * STEP,
        handoff=topology,
    )
    twice = (site(0.4, name="first"), site(0.6, name="second"))
    return (
        SolverCase(
            "barging: whoever comes takes it",
            scenario((barging,), twice, 2.0, machine=spread),
            SIMULATED,
            (4,),
            (2, 4),
            named=named("barging", (0.4, 0.6)),
        ),
        SolverCase(
            "numa: a neighbour comes first",
            scenario((cohort,), (site(1.0),), 2.0, machine=spread),
            SIMULATED,
            (4,),
            (3, 5),
            named=named("numa", (1.0,)),
        ),
        SolverCase(
            "topology: lines and hand-offs as far as they are",
            scenario((lines,), (site(1.0),), 2.0, machine=spread),
            SIMULATED,
            (3,),
            (2, 5),
            named=named("fifo", (1.0,), remote=2.0),
        ),
        *returning(),
    )


NEAR_BY = Machine(name="near by", cpus=8, cores=8, line=LineTimes(socket=0.1))
"""A line takes a tenth of a second from any other CPU."""


def returning() -> tuple[SolverCase, ...]:
    """Return locks whose lines come only where another process had them since."""
    sites = tuple(site(0.2, name=name, lines=4.0) for name in ("first", "second", "third"))
    spread_out = (sites[0], *(replace(site, gap_share=0.25) for site in sites[1:]))

    def made(kind: str, sites: tuple[Site, ...]) -> Scenario:
        one = lock(kind=kind, handoff=ConstantHandOff(time=0.3), lines_when="changed")
        return scenario((one,), sites, 4.0, machine=NEAR_BY)

    def named(kind: str, think: float, *gaps: float) -> Callable[[int], dict[str, float]]:
        holds, cost = (0.2,) * 3, constant(0.3)
        return lambda n: Exclusive(kind, think, holds, (0,) * n, cost, lines=0.4, gaps=gaps).means()

    return (
        SolverCase(
            "a burst finds its own lines",
            made("fifo", sites),
            SIMULATED,
            (3,),
            (2, 4),
            named=named("fifo", 4.0),
        ),
        SolverCase(
            "gaps between acquires, who comes back barges in",
            made("barging", spread_out),
            SIMULATED,
            (3,),
            (2, 3),
            named=named("barging", 2.0, 1.0, 1.0),
        ),
    )


def mutexes() -> tuple[SolverCase, ...]:
    """Return mutexes, with barging and in order: some spin, some sleep."""

    def made(name: str, barge: bool) -> SolverCase:
        one = lock(
            kind="mutex",
            handoff=ConstantHandOff(time=0.3),
            wake_time=0.8,
            spin_limit=0.5,
            timeout_distribution=Exponential(),
            barge=barge,
        )
        chain = Mutex(2.0, (0.4, 0.6), 0, handoff=0.3, wake=0.8, limit=0.5, barge=barge)
        return SolverCase(
            name,
            scenario((one,), (site(0.4, name="first"), site(0.6, name="second")), 2.0),
            SIMULATED,
            (4,),
            (2, 5),
            named=lambda n: dataclasses.replace(chain, population=n).means(),
        )

    return made("mutex: sleepers are passed by", True), made("mutex: in order", False)
