"""The columns beside the predictions: their spread from the other patches, and who scores better.

A residual is that of a patch: the mean over its rows of ln(1 + gain) as published less predicted.
A bound has none. With five patches a spread rests on three or four residuals, so it is Student's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from lockmodel.evaluate.backtest.case import LEVEL, Beside, Case, Column, Entry, Patch
from lockmodel.evaluate.backtest.columns import MEAN, NOTHING, OWN, PROXIES
from lockmodel.evaluate.backtest.draws import Hypercube
from lockmodel.evaluate.backtest.evidence import Context, Evidence, Published
from lockmodel.evaluate.backtest.scores import Spread, around, difference, log_score, mean_of

FEWEST = 2
"""Other patches with a number below which a column has no spread."""


@dataclass(frozen=True)
class Row:
    """What a column may learn from a row of another patch.

    Attributes
    ----------
    patch : str
    published : Published
    points : dict of str to float
        ln(1 + gain) that the columns with a proxy predict.
    """

    patch: str
    published: Published
    points: Mapping[str, float]


def published_gains(cases: Iterable[Case], evidence: Evidence) -> dict[str, float]:
    """Return ln(1 + gain) of every change of the exec path with a number, the mean of its rows."""
    found: dict[str, list[float]] = {}
    for case in cases:
        if case.group == "change" and not case.aside:
            middle = case.result(Context(evidence, Hypercube())).middle
            if middle is not None:
                found.setdefault(case.patch, []).append(middle)
    return {patch: fmean(values) for patch, values in found.items()}


def of(
    patch: str,
    published: Published,
    points: Mapping[str, float],
    rows: Sequence[Row],
    gains: Mapping[str, float],
) -> dict[str, Beside]:
    """Return what every column says of a row of a patch, whose own results it never sees.

    Parameters
    ----------
    patch : str
    published : Published
        Of the row; only its noise goes into a prediction.
    points : dict of str to float
        See `Row`.
    rows : sequence of Row
        All that are scored; those of the patch itself are left out.
    gains : dict of str to float
        As `published_gains` gives them; that of the patch itself is left out.
    """
    noise = published.noise
    others = [gain for name, gain in gains.items() if name != patch]
    made: dict[str, Spread] = {}
    for name in (NOTHING, *PROXIES):
        residuals = _residuals(name, patch, rows)
        if len(residuals) >= FEWEST:
            made[name] = around(points.get(name, 0.0), residuals, noise)
    if len(others) >= FEWEST:
        made[MEAN] = mean_of(others, noise)
    return {
        name: Beside(math.expm1(spread.point), _ends(spread), log_score(spread, published))
        for name, spread in made.items()
    }


def _residuals(column: str, patch: str, rows: Sequence[Row]) -> list[float]:
    """Return a column's residual of every other patch with a number."""
    found: dict[str, list[float]] = {}
    for row in rows:
        middle = row.published.middle
        if row.patch != patch and middle is not None:
            found.setdefault(row.patch, []).append(middle - row.points.get(column, 0.0))
    return [fmean(values) for values in found.values()]


def _ends(spread: Spread) -> tuple[float, float]:
    low, high = spread.ends(LEVEL)
    return math.expm1(low), math.expm1(high)


def names(entries: Sequence[Entry]) -> list[str]:
    """Return the columns that all of some entries have."""
    every = [set(entry.columns or {}) for entry in entries]
    common = set.intersection(*every) if every else set()
    return [name for name in (NOTHING, MEAN, *PROXIES) if name in common]


def compared(patches: Sequence[Patch], entries: Sequence[Entry]) -> tuple[Column, ...]:
    """Return lockmodel and the columns over the patches that are scored, best rival first.

    Empty where fewer than two patches are there to compare.
    """
    if len(patches) < FEWEST:
        return ()
    own = [patch.score or 0.0 for patch in patches]
    inside = sum(patch.verdict == "inside" for patch in patches)
    columns = []
    for name in names([e for e in entries if e.columns]):
        scores = [patch.columns[name] for patch in patches]
        columns.append(
            Column(
                name=name,
                score=fmean(scores),
                inside=sum(_all_inside(name, patch, entries) for patch in patches),
                **dict(zip(("difference", "error"), difference(own, scores), strict=True)),
            )
        )
    columns.sort(key=lambda column: -column.score)
    return (Column(OWN, fmean(own), 0.0, 0.0, inside), *columns)


def _all_inside(column: str, patch: Patch, entries: Sequence[Entry]) -> bool:
    """Return whether every row of a patch lies in a column's interval."""
    for entry in entries:
        if entry.patch == patch.name and entry.group == patch.group and entry.columns:
            low, high = entry.columns[column].interval or (math.nan, math.nan)
            bottom, top = entry.published
            if (top is not None and top < low) or (bottom is not None and bottom > high):
                return False
    return True
