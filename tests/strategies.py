"""Hypothesis strategies: valid machines, hand-offs, locks, sites and whole scenarios.

Every feature that changes the shape of the answer has its own switch, so that a property can
be tested exactly where it holds:

    scenarios()                       anything valid in realistic ranges
    scenarios(**CONSTANT)             no demand depends on the queue or on the population
    scenarios(**STEADY)               demands depend on the queue, not on the population
    scenarios(families=("linear",))   one hand-off family, everything else free

Realistic: think time 1 us to 1 ms, 0.1 to 6 ns per held instruction, hand-offs up to 2 us,
at most 64 CPUs and 3 locks. Walkers are too rare to saturate a lock.
"""

from __future__ import annotations

from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from lockmodel.model import handoff as ho
from lockmodel.model import scenario as sc
from lockmodel.model.machine import DISTANCES, LineTimes

REPEATABLE = settings(
    derandomize=True, deadline=None, max_examples=60, phases=[Phase.explicit, Phase.generate]
)
"""The settings of every property test: the same examples in every run; a failing one is not
shrunk, which for whole scenarios can take a minute."""

FAMILIES = tuple(ho.HANDOFF_FAMILIES)
LOCK_NAMES = ("libc.so.6", "ld-linux-x86-64.so.2", "executable")
PHASES = ("exec", "fork", "exit")
SITE_NAMES = ("map_split", "map_link", "teardown")

STEADY: dict[str, Any] = {
    "families": ("none", "constant", "linear", "saturating"),
    "distance": False,
    "growth": False,
    "walkers": False,
    "shard_by": ("hash",),
}
"""Switches for scenarios that are the same network at every population."""

CONSTANT: dict[str, Any] = {**STEADY, "families": ("none",)}
"""Switches for scenarios whose locks have the same demand at every queue length as well."""


def seconds(low: float, high: float) -> SearchStrategy[float]:
    """Times with all their bits, and round ones."""
    return st.one_of(st.floats(low, high), st.sampled_from([low, high]))


@st.composite
def machines(
    draw: DrawFn, max_cpus: int = 64, smt: bool = True, distance: bool = True, timed: bool = False
) -> sc.Machine:
    """Machines of at most `max_cpus` CPUs; without `distance`, lines cost the same everywhere.

    With `timed` they may have caches and line times.
    """
    threads = draw(st.sampled_from([1, 2])) if smt and max_cpus >= 2 else 1
    nodes = draw(st.sampled_from([n for n in (1, 2, 3, 4) if n * threads <= max_cpus]))
    cores = nodes * draw(st.integers(1, max_cpus // (nodes * threads)))
    sockets = draw(st.sampled_from([1, nodes]))
    even = [n for n in range(sockets, cores + 1, sockets) if cores % n == 0]
    return sc.Machine(
        name="machine",
        cpus=cores * threads,
        cores=cores,
        sockets=sockets,
        nodes=nodes,
        smt_speedup=draw(st.floats(1.0, float(threads))),
        same_node_cost=draw(st.floats(0.0, 1.0)) if distance else 1.0,
        placement=draw(st.sampled_from(["fill", "spread"])),
        caches=draw(st.none() | st.sampled_from(even)) if timed else None,
        line=draw(st.none() | lines()) if timed else None,
    )


@st.composite
def lines(draw: DrawFn) -> LineTimes:
    """Times of a cache line at every distance: 1 ns to 1 us, not slower from nearer."""
    times = sorted(draw(st.lists(seconds(1e-9, 1e-6), min_size=4, max_size=4)))
    return LineTimes(**dict(zip(DISTANCES, times, strict=True)))


@st.composite
def handoffs(draw: DrawFn, families: tuple[str, ...] = FAMILIES) -> ho.HandOff:
    """Hand-offs of the given families, up to 2 us (linear: 50 ns more per waiter)."""
    family = draw(st.sampled_from(families))
    low, high = sorted((draw(seconds(0.0, 1e-6)), draw(seconds(0.0, 2e-6))))
    if family == "constant":
        return ho.ConstantHandOff(time=high)
    if family == "linear":
        return ho.LinearHandOff(time=low, per_waiter=draw(seconds(0.0, 50e-9)))
    if family == "saturating":
        half = draw(st.floats(0.5, 128.0))
        return ho.SaturatingHandOff(time=low, limit=high, half_waiters=half)
    if family == "topology":
        return ho.TopologyHandOff(local=low, remote=high)
    return ho.NoHandOff()


@st.composite
def locks(
    draw: DrawFn,
    name: str = LOCK_NAMES[0],
    families: tuple[str, ...] = FAMILIES,
    distance: bool = True,
    walkers: bool = True,
    shard_by: tuple[str, ...] = ("cpu", "node", "hash"),
    max_shards: int = 8,
) -> sc.Lock:
    """Locks; without `distance`, an instruction takes the same time everywhere."""
    local = draw(seconds(0.1e-9, 1e-9))
    by = draw(st.sampled_from(shard_by))
    return sc.Lock(
        name=name,
        time_per_instruction_local=local,
        time_per_instruction_remote=local + (draw(seconds(0.0, 5e-9)) if distance else 0.0),
        acquire_time=draw(seconds(0.0, 100e-9)),
        handoff=draw(handoffs(families)),
        kind=draw(st.sampled_from(["fifo", "ticket", "barging", "rwsem", "numa"])),
        shards=draw(st.integers(1, max_shards)),
        shard_by=by,  # type: ignore[arg-type]
        shard_skew=draw(st.sampled_from([0.0, 0.5, 1.0, 1.7])) if by == "hash" else 0.0,
        other_mappers=draw(st.integers(0, 200)),
        walkers=draw(st.none() | walks()) if walkers else None,
    )


@st.composite
def walks(draw: DrawFn) -> sc.Walkers:
    """Walkers too rare to saturate a lock (at most 100 walks of at most 1 ms a second)."""
    return sc.Walkers(walks_per_s=draw(st.floats(0.0, 100.0)), read=draw(seconds(0.0, 1e-3)))


@st.composite
def sites(
    draw: DrawFn,
    lock: str = LOCK_NAMES[0],
    phase: str = PHASES[0],
    name: str = SITE_NAMES[0],
    growth: bool = True,
) -> sc.Site:
    """Sites with 1 to 10 acquires (whole or not) of up to 2,000 held instructions."""
    return sc.Site(
        lock=lock,
        phase=phase,
        name=name,
        acquires=draw(st.integers(1, 10).map(float) | st.floats(1.0, 10.0)),
        held_instructions=draw(st.integers(0, 2000).map(float) | st.floats(0.0, 2000.0)),
        growth_per_doubling=draw(st.floats(0.0, 100.0)) if growth else 0.0,
    )


@st.composite
def scenarios(
    draw: DrawFn,
    machine: SearchStrategy[sc.Machine] | None = None,
    families: tuple[str, ...] = FAMILIES,
    distance: bool = True,
    growth: bool = True,
    walkers: bool = True,
    shard_by: tuple[str, ...] = ("cpu", "node", "hash"),
    max_shards: int = 8,
    min_locks: int = 0,
    max_locks: int = 3,
    text: SearchStrategy[str] | None = None,
) -> sc.Scenario:
    """Whole scenarios; every lock has 1 to 3 sites. `text` fills the free texts."""
    names = LOCK_NAMES[: draw(st.integers(min_locks, max_locks))]
    chosen = [
        draw(locks(name, families, distance, walkers, shard_by, max_shards)) for name in names
    ]
    labels = st.tuples(st.sampled_from(PHASES), st.sampled_from(SITE_NAMES))
    taken = [
        draw(sites(name, phase, site, growth))
        for name in names
        for phase, site in draw(st.lists(labels, min_size=1, max_size=3, unique=True))
    ]
    free = text if text is not None else st.just("text")
    origin = st.sampled_from(["traced", "published", "fitted", "assumed", "derived"])
    noted = st.builds(sc.Provenance, value=free, origin=origin, note=free)
    return sc.Scenario(
        name=draw(free),
        title=draw(free),
        iteration=draw(free),
        machine=draw(machine if machine is not None else machines(distance=distance)),
        think=draw(seconds(1e-6, 1e-3)),
        think_remote=draw(seconds(0.0, 1e-3)) if distance else 0.0,
        locks=tuple(chosen),
        sites=tuple(taken),
        provenance=tuple(draw(st.lists(noted, max_size=2))),
    )
