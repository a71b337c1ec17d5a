"""Files that hold runs of the same thing: one curve, their rows being repeats.

What is known decides. Equal settings (`IDENTITY`), format and unit, at least one population in
both or one in each (a file for each point of a curve), one machine if either states it, and no other header that says two things: then equal rows
are repeats, in one file or in two. Nothing else is put together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from lockmodel.observe.headers import CAVEAT, LSCPU, MACHINE, PASSING
from lockmodel.observe.observations import Reading
from lockmodel.observe.summary import APART, IDENTITY, apart

SAME = (MACHINE, LSCPU)
"""Headers that must be the same, and must be in both files or in none."""

Rows = set[tuple[object, ...]]


@dataclass(frozen=True)
class Joined:
    """Files of one curve.

    Attributes
    ----------
    names : tuple of str
    reading : Reading
        Of all of them: the rows of the first, then of the others.
    """

    names: tuple[str, ...]
    reading: Reading

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
        n = {o.n for o in self.reading.observations if o.kind == "throughput"}
        what = "repeats" if len(n) < len(self.names) else "points of one curve"
        return (
            f"{self.name}: equal settings, joined as {what}; fit them one by one if they are of "
            f"different things",
            *own,
        )


def joined(named: Iterable[tuple[str, Reading]]) -> list[Joined]:
    """Return the readings of files, those of one curve as one, in order of first appearance."""
    groups: list[list[_File]] = []
    for name, reading in named:
        file = _File(name, reading, _rows(reading))
        own = next((g for g in groups if all(_alike(one, file) for one in g)), None)
        if own is None:
            groups.append([file])
        else:
            own.append(file)
    return [_joined([(file.name, file.reading) for file in group]) for group in groups]


@dataclass(frozen=True)
class _File:
    """A file before it is known which others are of its curve."""

    name: str
    reading: Reading
    rows: Rows

    @cached_property
    def point(self) -> Rows | None:
        """What it measured at its only population; None if it has none, or several."""
        at = IDENTITY.index("n")
        if len({row[at] for row in self.rows}) != 1:
            return None
        return {(*row[:at], *row[at + 1 :]) for row in self.rows}


def _joined(group: Sequence[tuple[str, Reading]]) -> Joined:
    names = tuple(name for name, _ in group)
    first = group[0][1]
    if len(group) == 1:
        return Joined(names, first)
    every = [o for _, reading in group for o in reading.observations]
    warnings = [w for _, reading in group for w in reading.warnings if not w.startswith(APART)]
    origin = ", ".join(reading.origin for _, reading in group)
    as_one = (replace(o, source=replace(o.source, file=origin)) for o in every)
    whole = replace(
        first,
        origin=origin,
        observations=tuple(as_one),
        facts=tuple(fact for _, reading in group for fact in reading.facts),
        warnings=(*apart(every), *dict.fromkeys(warnings)),
    )
    return Joined(names, whole)


def _alike(first: _File, second: _File) -> bool:
    """Return whether two files hold runs of the same thing, as far as they say."""
    one, other = first.reading, second.reading
    if one.format != other.format:
        return False
    if not first.rows & second.rows and (first.point is None or first.point != second.point):
        return False
    if any(one.metadata.get(key) != other.metadata.get(key) for key in SAME):
        return False
    return all(
        one.metadata[key] == other.metadata[key]
        for key in one.metadata.keys() & other.metadata.keys()
        if key not in PASSING and not key.startswith(CAVEAT)
    )


def _rows(reading: Reading) -> Rows:
    """Return what tells the throughputs of a file apart; none where only ratios count."""
    return {
        (*(getattr(o, name) for name in IDENTITY), o.traced)
        for o in reading.observations
        if o.kind == "throughput" and o.n is not None and o.unit != "relative"
    }
