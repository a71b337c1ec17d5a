"""Counts of the plugin -> stations with names, the largest demand first.

Demand is in lines that have to come from another CPU, per iteration. A lock that one holds alone:
`HAND_OFF` per acquire and those that come while it is held. A line, and the word of a lock that
readers share: each time it comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lockmodel.measure.trace.lab.stations import rules
from lockmodel.measure.trace.lab.stations.places import LINE, PAGES, Places
from lockmodel.measure.trace.lab.stations.records import FREE, TURNS, LineCount, LockCount, Phase
from lockmodel.measure.trace.lab.stations.rules import EXCLUSIVE, Facts, Rule, Scope

HAND_OFF = 6.5
"""Lines that a hand-off waits for: 5.7 to 5.9 are moved by a forced one of an rwsem (its word, the
queue's nodes, the owner), 5 to 9 explain three pairs of kernels."""

SHARE = 0.75
"""Of the CPUs that must use a station: what fewer do is not each iteration's."""
FEWEST_ACQUIRES, FEWEST_MOVED = 0.35, 0.7
"""Per iteration; less is by chance."""
OWNED = 0.6
"""Of a line's visits that are under one lock: it is that lock's data."""
FALSELY_SHARED = 3
"""Transfers of a lock's word per acquire; with more the line is used by others too."""
SHOWN_CHAINS, CHAINS = 4, 12

UNNAMED = "not named by a rule: taken for one per machine"


@dataclass(frozen=True)
class Station:
    """A lock or line, per iteration.

    Attributes
    ----------
    name : str
    kind : str
        As in `records.LockCount`, or line.
    scope : Scope
        What it is one of.
    acquires, transfers : float
        Transfers: of the lock's word, or of the line.
    held : float
        Lines that came while it was held.
    instructions : float
        Held, per acquire.
    demand : float
        Lines.
    order : str
        How the loops went on: free, or turns on a lock.
    saturated : bool
        Whether that lock is this one.
    alike : int
        Stations of this name; this is the one of most demand.
    note : str
    callers : tuple of str
        Functions that use it, the most frequent first.
    named : bool
        By a rule or a variable of the kernel.
    """

    name: str
    kind: str
    scope: Scope
    acquires: float
    transfers: float
    held: float
    instructions: float
    demand: float
    order: str
    saturated: bool
    alike: int
    note: str
    callers: tuple[str, ...]
    named: bool


@dataclass(frozen=True)
class LeftOut:
    """A lock or line that counts for nothing, and why."""

    what: str
    demand: float
    why: str


@dataclass(frozen=True)
class Ranked:
    """Stations of one order, the largest demand first, and what was left out."""

    stations: tuple[Station, ...]
    left_out: tuple[LeftOut, ...]


def order_of(number: int, files: Mapping[int, str]) -> str:
    """Return what a phase is called."""
    return "free" if number == FREE else f"turns on {files[number - TURNS]}"


def ranked(phase: Phase, places: Places, order: str) -> Ranked:
    """Return the stations of a phase."""
    found: list[Station] = []
    out: list[LeftOut] = []
    locks: dict[int, LockCount] = {}
    for lock in sorted(phase.locks, key=lambda each: each.kind not in EXCLUSIVE):
        station, why = _lock(lock, phase, places, order)
        if station is None:
            continue
        if lock.word in locks:
            why = why or rules.WRITTEN
        locks.setdefault(lock.word, lock)
        if why:
            out.append(LeftOut(station.name, station.demand, why))
        else:
            found.append(station)
    for line in phase.lines.values():
        station, why = _line(line, phase, places, order, locks)
        if station is not None and why:
            out.append(LeftOut(station.name, station.demand, why))
        elif station is not None:
            found.append(station)
    found = _folded(found)
    return Ranked(
        tuple(sorted(found, key=lambda s: (-s.demand, s.name))),
        tuple(sorted(out, key=lambda o: (-o.demand, o.what))),
    )


def merged(phases: Sequence[Ranked]) -> tuple[Station, ...]:
    """Return one list: a lock from the order that saturates it, all else from the first one."""
    saturated = {s.name: s for ranked in phases for s in ranked.stations if s.saturated}
    stations = [saturated.get(s.name, s) for s in phases[0].stations]
    return tuple(sorted(stations, key=lambda s: (-s.demand, s.name)))


def _lock(lock: LockCount, phase: Phase, places: Places, order: str) -> tuple[Station | None, str]:
    """Return the station of a lock, and why it is left out."""
    each = phase.iterations
    acquires = lock.acquires / each
    if acquires < FEWEST_ACQUIRES or lock.cpus < SHARE * phase.cpus:
        return None, ""
    facts = _facts(lock.kind, lock.word, lock.callers, places, whole=False)
    why = _why(facts, rules.EXCLUDED_LOCKS)
    name, scope, note, named = _told(facts, rules.LOCKS)
    word = phase.lines.get(lock.word // LINE * LINE)
    transfers = word.moved / each if word else 0.0
    held = lock.moved / each
    demand = HAND_OFF * acquires + held if lock.kind in EXCLUSIVE else transfers
    if lock.kind not in EXCLUSIVE:
        note = "; ".join(filter(None, (note, "readers share it: its word's transfers")))
    return (
        Station(
            name,
            lock.kind,
            scope,
            acquires,
            transfers,
            held,
            lock.instructions / lock.acquires,
            demand,
            order,
            order == f"turns on {facts.file}" and name.startswith("i_mmap_rwsem"),
            1,
            note,
            _callers(facts),
            named,
        ),
        why,
    )


def _line(
    line: LineCount, phase: Phase, places: Places, order: str, locks: Mapping[int, LockCount]
) -> tuple[Station | None, str]:
    """Return the station of a line, and why it is left out."""
    each = phase.iterations
    moved = line.moved / each
    if moved < FEWEST_MOVED or line.cpus < SHARE * phase.cpus or not line.atomic + line.stores:
        return None, ""
    facts = _facts("line", line.address, line.touches, places, whole=True)
    if facts.page and not line.atomic:
        return None, ""
    why = _why(facts, rules.EXCLUDED_LINES)
    if not why and not facts.page and _part(line, facts, locks):
        why = rules.PART
    name, scope, note, named = _told(facts, rules.LINES)
    return (
        Station(
            *(name, "line", scope, 0.0, moved, 0.0, 0.0, moved),
            *(order, False, 1, note, _callers(facts), named),
        ),
        why,
    )


def _part(line: LineCount, facts: Facts, locks: Mapping[int, LockCount]) -> bool:
    """Return whether a line is a lock's: its word lies there, or it is used under it."""
    words = [lock for lock in locks.values() if lock.word // LINE * LINE == line.address]
    if words:
        shared = any(lock.kind not in EXCLUSIVE for lock in words)
        acquires = sum(lock.acquires for lock in words)
        return shared or bool(facts.file) or line.moved <= FALSELY_SHARED * acquires
    word, sections = max(line.under.items(), key=lambda pair: pair[1], default=(0, 0))
    owner = locks.get(word)
    return owner is not None and owner.kind in EXCLUSIVE and sections >= OWNED * line.visits


def _facts(
    kind: str, address: int, chains: Mapping[tuple[int, ...], int], places: Places, whole: bool
) -> Facts:
    most = sorted(chains.items(), key=lambda pair: -pair[1])[:CHAINS]
    inode = places.members(address) if whole else places.member(address)
    variables = places.variables(address) if whole else (places.variable(address),)
    return Facts(
        kind,
        inode[0] if inode else "",
        inode[1] if inode else (),
        tuple(filter(None, variables)),
        tuple(places.functions(chain) for chain, _ in most),
        address in PAGES,
    )


def _why(facts: Facts, table: Iterable[Rule]) -> str:
    return next((rule.name for rule in table if rule.fits(facts)), "")


def _told(facts: Facts, table: Iterable[Rule]) -> tuple[str, Scope, str, bool]:
    """Return name, scope, note, and whether a rule or a variable names it."""
    for rule in table:
        if not rule.fits(facts) or (rule.name == "{variable}" and not facts.variables):
            continue
        name = rule.name.format(
            file=facts.file,
            members=", ".join(facts.members[:3]),
            variable=facts.variables[0] if facts.variables else "",
        )
        return name, rule.scope, rule.note, True
    chain = facts.chains[0] if facts.chains else ()
    what = "line used by" if facts.kind == "line" else f"{facts.kind} lock taken by"
    return f"{what} {' < '.join(chain[:2]) or 'nobody known'}", "machine", UNNAMED, False


def _callers(facts: Facts) -> tuple[str, ...]:
    return tuple(" < ".join(chain[:3]) for chain in facts.chains[:SHOWN_CHAINS])


def _folded(stations: Iterable[Station]) -> list[Station]:
    """Return one station per name and kind: that of most demand, which says how many there are."""
    by_name: dict[tuple[str, str], list[Station]] = {}
    for station in stations:
        by_name.setdefault((station.name, station.kind), []).append(station)
    return [
        replace(max(like, key=lambda s: s.demand), alike=len(like)) for like in by_name.values()
    ]
