"""Files that hold runs of the same thing: one curve, their rows being repeats.

What is known decides. Equal settings (`IDENTITY`), format and unit, at least one population in
both, one machine if either states it, and no other header that says two things: then equal rows
are repeats, in one file or in two. Nothing else is put together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

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
        return (
            f"{self.name}: equal settings, joined as repeats; fit them one by one if they are of "
            f"different things",
            *own,
        )


def joined(named: Iterable[tuple[str, Reading]]) -> list[Joined]:
    """Return the readings of files, those of one curve as one, in order of first appearance."""
    groups: list[list[tuple[str, Reading]]] = []
    for name, reading in named:
        own = next((g for g in groups if all(_alike(one, reading) for _, one in g)), None)
        if own is None:
            groups.append([(name, reading)])
        else:
            own.append((name, reading))
    return [_joined(group) for group in groups]


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


def _alike(one: Reading, other: Reading) -> bool:
    """Return whether two files hold runs of the same thing, as far as they say."""
    if one.format != other.format or not _rows(one) & _rows(other):
        return False
    if any(one.metadata.get(key) != other.metadata.get(key) for key in SAME):
        return False
    return all(
        one.metadata[key] == other.metadata[key]
        for key in one.metadata.keys() & other.metadata.keys()
        if key not in PASSING and not key.startswith(CAVEAT)
    )


def _rows(reading: Reading) -> set[tuple[object, ...]]:
    """Return what tells the throughputs of a file apart; none where only ratios count."""
    return {
        (*(getattr(o, name) for name in IDENTITY), o.traced)
        for o in reading.observations
        if o.kind == "throughput" and o.n is not None and o.unit != "relative"
    }
