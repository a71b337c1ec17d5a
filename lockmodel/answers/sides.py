"""Where a comparison is weak: before a change, after it, and by how much at worst.

A gain has two sides. The weak one may be the one that the change removes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from lockmodel.model.prediction import Point

BEFORE = "before"


@dataclass(frozen=True)
class Worst:
    """The largest error of throughput on all sides of a comparison.

    Attributes
    ----------
    error : float or None
        Relative, against the scenario as stated; 0 where all is exact, None where it is not
        known somewhere.
    where : str
        The side that has it: 'before', 'after', a lever, values of a sweep.
    n : int
        The population that has it.
    """

    error: float | None
    where: str
    n: int


def worst(where: str, points: Sequence[Point]) -> Worst:
    """Return the largest error of one side, from points that have theirs; at least one."""
    every = [Worst(point.error_estimate, where, point.n) for point in points]
    return reduce(larger, every)


def larger(one: Worst, other: Worst) -> Worst:
    """Return the larger of two errors, the first of equal ones; not known is larger than any."""
    if one.error is None or (other.error is not None and other.error <= one.error):
        return one
    return other


def sided(before: Sequence[str], after: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return what is weak on several sides: once, and with the side where only one has it.

    Parameters
    ----------
    before : sequence of str
        Sentences on the scenario as it is.
    after : mapping of str to sequence of str
        Side -> sentences on a scenario after a change.
    """
    changed = [text for texts in after.values() for text in texts]
    made = [
        text if any(_covers(text, other) for other in changed) else f"{BEFORE}: {text}"
        for text in before
    ]
    sides: dict[str, list[str]] = {}
    for side, texts in after.items():
        for text in texts:
            if not any(_covers(known, text) for known in before):
                sides.setdefault(text, []).append(side)
    for text, (first, *others) in sides.items():
        more = f" and {len(others)} more" if others else ""
        made.append(f"{first}{more}: {text}")
    return tuple(made)


def _covers(whole: str, part: str) -> bool:
    """Return whether a sentence says the same of all the locks that another one names."""
    (head, locks), (other, named) = _parts(whole), _parts(part)
    return head == other and named <= locks


def _parts(text: str) -> tuple[str, set[str]]:
    """Return a sentence and the names it ends with: "...: a (SCV 0), b" -> "...", {a, b}."""
    head, _, tail = text.rpartition(": ")
    return head, {name.partition(" (")[0] for name in tail.split(", ")}
