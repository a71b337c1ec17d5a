"""Files that hold runs of the same thing: one curve, their rows being repeats.

What is known decides. Equal settings (`IDENTITY`), format and unit, at least one population in
both, one machine if either states it, and no other header that says two things: then equal rows
are repeats, in one file or in two. Files with a single population each are no curves by themselves:
those need no population in common, and are its points. Nothing else is put together.
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
"""What tells the throughputs of a file apart."""

AT = IDENTITY.index("n")
"""Where a row has its population."""


@dataclass(frozen=True)
class Joined:
    """Files of one curve.

    Attributes
    ----------
    names : tuple of str
    reading : Reading
        Of all of them: the rows of the first, then of the others.
    points : bool
        Whether each file has populations that no other has.
    """

    names: tuple[str, ...]
    reading: Reading
    points: bool = False

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
        what = "points of one curve" if self.points else "repeats"
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
    return [_joined(group) for group in groups]


@dataclass(frozen=True)
class _File:
    """A file before it is known which others are of its curve."""

    name: str
    reading: Reading
    rows: Rows

    @cached_property
    def point(self) -> Rows | None:
        """What it measured at its only population; None if it has none, or several."""
        if len({row[AT] for row in self.rows}) != 1:
            return None
        return {(*row[:AT], *row[AT + 1 :]) for row in self.rows}


def _joined(group: Sequence[_File]) -> Joined:
    names = tuple(file.name for file in group)
    first = group[0].reading
    if len(group) == 1:
        return Joined(names, first)
    every = [o for file in group for o in file.reading.observations]
    warnings = [w for file in group for w in file.reading.warnings if not w.startswith(APART)]
    origin = ", ".join(file.reading.origin for file in group)
    as_one = (replace(o, source=replace(o.source, file=origin)) for o in every)
    whole = replace(
        first,
        origin=origin,
        observations=tuple(as_one),
        facts=tuple(fact for file in group for fact in file.reading.facts),
        warnings=(*apart(every), *dict.fromkeys(warnings)),
    )
    counts = [len({row[AT] for row in file.rows}) for file in group]
    every_n = {row[AT] for file in group for row in file.rows}
    return Joined(names, whole, sum(counts) == len(every_n))


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
