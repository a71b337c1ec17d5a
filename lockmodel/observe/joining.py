"""Files that hold runs of the same thing: one curve, their rows being repeats.

What is known decides. Equal settings (`IDENTITY`), format and unit, at least one population in
both, one machine if either states it, and no other header that says two things: then equal rows
are repeats, in one file or in two. Files that are no curve by themselves, as of tools that print
one run, are points of one where all of that is equal. Nothing else is put together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lockmodel.observe.coverage import CURVE
from lockmodel.observe.headers import CAVEAT, LSCPU, MACHINE, PASSING
from lockmodel.observe.observations import Reading
from lockmodel.observe.summary import APART, IDENTITY, apart

SAME = (MACHINE, LSCPU)
"""Headers that must be the same, and must be in both files or in none."""


@dataclass(frozen=True)
class Joined:
    """Files of one curve.

    Attributes
    ----------
    names : tuple of str
    reading : Reading
        Of all of them: the rows of the first, then of the others.
    repeats : bool
        Whether they have rows in common; else each has a part of the curve.
    """

    names: tuple[str, ...]
    reading: Reading
    repeats: bool = True

    @property
    def name(self) -> str:
        """All names."""
        return ", ".join(self.names)

    @property
    def sentences(self) -> tuple[str, ...]:
        """That they were joined, and that their repeats differ."""
        own = tuple(text for text in self.reading.warnings if text.startswith(APART))
        if len(self.names) == 1:
            return own
        how = "as repeats" if self.repeats else "to one curve"
        return (
            f"{self.name}: equal settings, joined {how}; fit them one by one if they are of "
            f"different things",
            *own,
        )


@dataclass(frozen=True)
class _Said:
    """What a file says of its runs: see `_alike`."""

    name: str
    reading: Reading
    rows: frozenset[tuple[object, ...]]
    points: frozenset[tuple[object, ...]]


def joined(named: Iterable[tuple[str, Reading]]) -> list[Joined]:
    """Return the readings of files, those of one curve as one, in order of first appearance."""
    groups: list[list[_Said]] = []
    distinct: list[dict[object, _Said]] = []
    for name, reading in named:
        said = _Said(name, reading, _rows(reading), _points(reading))
        key = (reading.format, said.rows, said.points, frozenset(reading.metadata.items()))
        found = (
            at
            for at, own in enumerate(distinct)
            if said.rows and (key in own or all(_alike(one, said) for one in own.values()))
        )
        at = next(found, None)
        if at is None:
            groups.append([said])
            distinct.append({key: said})
        else:
            groups[at].append(said)
            distinct[at][key] = said
    return [_joined(group) for group in groups]


def _joined(group: Sequence[_Said]) -> Joined:
    names = tuple(one.name for one in group)
    first = group[0].reading
    if len(group) == 1:
        return Joined(names, first)
    readings = [one.reading for one in group]
    every = [o for reading in readings for o in reading.observations]
    warnings = [w for reading in readings for w in reading.warnings if not w.startswith(APART)]
    origin = ", ".join(reading.origin for reading in readings)
    as_one = (replace(o, source=replace(o.source, file=origin)) for o in every)
    whole = replace(
        first,
        origin=origin,
        observations=tuple(as_one),
        facts=tuple(fact for reading in readings for fact in reading.facts),
        warnings=(*apart(every), *dict.fromkeys(warnings)),
    )
    rows = [one.rows for one in group]
    return Joined(names, whole, sum(map(len, rows)) > len(frozenset().union(*rows)))


def _alike(first: _Said, second: _Said) -> bool:
    """Return whether two files hold runs of the same thing, as far as they say."""
    one, other = first.reading, second.reading
    if one.format != other.format:
        return False
    if not first.rows & second.rows and not (first.points and first.points == second.points):
        return False
    if any(one.metadata.get(key) != other.metadata.get(key) for key in SAME):
        return False
    return all(
        one.metadata[key] == other.metadata[key]
        for key in one.metadata.keys() & other.metadata.keys()
        if key not in PASSING and not key.startswith(CAVEAT)
    )


def _points(reading: Reading) -> frozenset[tuple[object, ...]]:
    """Return what tells the curves of a file apart that has too few populations for any."""
    curves: dict[tuple[object, ...], set[object]] = {}
    at = IDENTITY.index("n")
    for row in _rows(reading):
        curves.setdefault((*row[:at], *row[at + 1 :]), set()).add(row[at])
    short = all(len(own) < CURVE for own in curves.values())
    return frozenset(curves) if short else frozenset()


def _rows(reading: Reading) -> frozenset[tuple[object, ...]]:
    """Return what tells the throughputs of a file apart; none where only ratios count."""
    return frozenset(
        (*(getattr(o, name) for name in IDENTITY), o.traced)
        for o in reading.observations
        if o.kind == "throughput" and o.n is not None and o.unit != "relative"
    )
