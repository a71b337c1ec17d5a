"""Lock disciplines: who comes next, and how one waits. One record each.

A solver takes a lock only where the record says that it can: what nobody has shown is refused with
a sentence, never solved, never given an error estimate. A new discipline is its record here, its
moves in the simulator (`solvers.simulation.moves`), and a test against an oracle; `chain` and
`station` become true once such a test shows that the chains, or a station, represent it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from lockmodel.errors import ScenarioError

FIFO, BARGING, RWSEM, NUMA, MUTEX = range(5)
"""Moves that the simulator knows."""

TABLE = "data/published/latency.csv"


class HandOffRange(NamedTuple):
    """What a hand-off with many waiters costs, as published: the central 90 % of a prior, in s."""

    low: float
    high: float
    source: str


@dataclass(frozen=True)
class Discipline:
    """One lock discipline.

    Attributes
    ----------
    name : str
        As `Lock.kind` has it.
    sentence : str
        Who comes next, and how one waits.
    in_order : bool
        Whether waiters are served first come, first served.
    readers : bool
        Whether it has readers, who share it.
    barges : bool
        Whether a process that let it go may have it again before those who wait.
    sleeps : bool
        Whether its waiters may sleep: `wake_time` and `spin_limit` are of use.
    fair : bool
        Whether it promises every process that asks as often the same share of a lock, in the long
        run. Of several shards with walkers nothing is promised: those of the first wait for walks
        that keep it while they wait for the next (docs/rwsem.md).
    station : bool
        Whether a station with the mean time of its passes stands for it: bounds, ceilings,
        product form, levers and fits.
    chain : bool
        Whether the Markov chains represent it.
    mapped : bool
        Whether the map of product form's errors covers it.
    handoff : HandOffRange
    moves : int or None
        Its moves in the simulator; None where it has none.
    """

    name: str
    sentence: str
    in_order: bool
    readers: bool
    barges: bool
    sleeps: bool
    fair: bool
    station: bool
    chain: bool
    mapped: bool
    handoff: HandOffRange
    moves: int | None


DISCIPLINES = {
    one.name: one
    for one in (
        Discipline(
            name="fifo",
            sentence="first come, first served",
            in_order=True,
            readers=False,
            barges=False,
            sleeps=False,
            fair=True,
            station=True,
            chain=True,
            mapped=True,
            handoff=HandOffRange(
                25e-9,
                450e-9,
                f"queue spinlocks 14 to 325 ns, line transfers 25 to 443 ns ({TABLE})",
            ),
            moves=FIFO,
        ),
        Discipline(
            name="ticket",
            sentence="first come, first served",
            in_order=True,
            readers=False,
            barges=False,
            sleeps=False,
            fair=True,
            station=True,
            chain=True,
            mapped=True,
            handoff=HandOffRange(
                50e-9, 1000e-9, f"ticket locks 60 to 617 ns, growing with every waiter ({TABLE})"
            ),
            moves=FIFO,  # it serves in order; its cost is in the hand-off family
        ),
        Discipline(
            name="barging",
            sentence="a released lock is free; one random waiter looks a hand-off later, "
            "whoever comes before takes it",
            in_order=False,
            readers=False,
            barges=True,
            sleeps=False,
            fair=False,
            station=True,
            chain=False,
            mapped=False,
            handoff=HandOffRange(
                25e-9, 1000e-9, f"test-and-set: line transfers and their repetition ({TABLE})"
            ),
            moves=BARGING,
        ),
        Discipline(
            name="rwsem",
            sentence="readers share; writers spin in order, on readers for spin_limit, then queue; "
            "spinners pass the queue until its head has waited handoff_timeout (docs/rwsem.md)",
            in_order=True,
            readers=True,
            barges=False,
            sleeps=True,
            fair=True,
            station=True,
            chain=True,
            mapped=True,
            handoff=HandOffRange(
                100e-9,
                1500e-9,
                f"osq_lock 197 to 835 ns, plus count and owner of the semaphore ({TABLE})",
            ),
            moves=RWSEM,
        ),
        Discipline(
            name="numa",
            sentence="first waiter of the holder's node, at most local_handoffs times in a row; "
            "nodes take turns, so processes of a node with few get more or less than others",
            in_order=False,
            readers=False,
            barges=False,
            sleeps=False,
            fair=False,
            station=True,
            chain=False,
            mapped=False,
            handoff=HandOffRange(
                15e-9, 250e-9, f"transfers mostly inside a node, 23 to 115 ns ({TABLE})"
            ),
            moves=NUMA,
        ),
        Discipline(
            name="mutex",
            sentence="waiters spin for spin_limit, then sleep and wake one by one; with barge "
            "whoever comes before the woken one, or before a spinner has looked, takes a free lock",
            in_order=False,
            readers=False,
            barges=True,
            sleeps=True,
            fair=False,
            station=False,
            chain=False,
            mapped=False,
            handoff=HandOffRange(
                25e-9,
                1000e-9,
                f"to a spinner as a test-and-set lock; to a sleeper it is wake_time ({TABLE})",
            ),
            moves=MUTEX,
        ),
    )
}
"""Name -> record."""


def discipline(kind: str) -> Discipline:
    """Return the record of a kind of lock; `Lock` accepts no other."""
    return DISCIPLINES[kind]


def station_refused(lock: str, kind: str) -> ScenarioError:
    """Return the error of what takes a lock for a station where its record does not allow it."""
    known = ", ".join(one.name for one in DISCIPLINES.values() if one.station)
    remedy = (
        "use `lockmodel simulate`"
        if discipline(kind).moves is not None
        else "and the simulator has no moves for it either"
    )
    return ScenarioError(
        f"lock {lock!r}: kind = {kind!r} is not known to be like a station with the mean of its "
        f"passes, as {known} are; bounds, product form, levers and fits refuse it; {remedy}"
    )


def moves_of(lock: str, kind: str) -> int:
    """Return the simulator's moves of a kind; raises ScenarioError where it has none."""
    moves = discipline(kind).moves
    if moves is None:
        known = ", ".join(one.name for one in DISCIPLINES.values() if one.moves is not None)
        raise ScenarioError(
            f"lock {lock!r}: the simulator has no moves for kind = {kind!r}; it knows {known}"
        )
    return moves
