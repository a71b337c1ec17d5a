"""What the back-test is made of: cases to predict, entries of the report, patches and columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from lockmodel.evaluate.backtest.counts import Setting
from lockmodel.evaluate.backtest.evidence import Context, Published
from lockmodel.measure.acquires import from_counts

SCHEMA = "lockmodel.backtest/2"
LEVEL = from_counts.LEVEL
"""Of all intervals: as predictions from counts have it, since nobody knows the tails of what four
machines spread."""

Verdict = Literal["inside", "outside", "undecidable", "no lever", "aside"]


@dataclass(frozen=True)
class Predicted:
    """The distribution of a predicted gain.

    Attributes
    ----------
    gains : ndarray, shape (draws,)
        Gains of the model, as fractions.
    weights : ndarray, shape (draws,)
        Of the draws; they need not add up to 1.
    error : float
        Standard deviation of ln(1 + gain) between the model and the truth, beyond its parameters.
    """

    gains: np.ndarray
    weights: np.ndarray
    error: float = 0.0


@dataclass(frozen=True)
class Limits:
    """What is left to say where a case can not be decided.

    Attributes
    ----------
    low, high : float or None
        Gains between which the lever must lie by the model, whatever is unknown.
    """

    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Case:
    """One published change on one machine, under one reading of what it did.

    Attributes
    ----------
    id : str
        Of the record that holds the facts and the result.
    reading : str
        What tells it from other cases of the same record; empty if there is one.
    patch : str
        What it is a measurement of: cases of one patch count once.
    group : {'change', 'transfer'}
    scenario : str
        Model whose counts and machine are used, and what is different.
    lever : str
        As --lever takes it; several are separated by "; ". "none" is no lever.
    kind : str
        The lever in two words, for the table.
    population : int or None
    parameters : str
        Where the parameters come from, in words.
    reasoning : str
        Why this lever, with this strength, stands for the patch.
    predict : callable
        Context (all results hidden) -> Predicted, or Limits if undecidable.
    published : callable or None
        Context (nothing hidden) -> Published; None for the result of the record.
    setting : callable or None
        Context (all results hidden) -> what the columns beside it are computed from; None where
        they have no scenario.
    undecidable : str
        Why the case can not be decided; empty if it can.
    aside : str
        Why this reading is shown and does not count; empty if it counts.
    if_outside : str
        What explains a miss, or that nothing does.
    """

    id: str
    patch: str
    group: Literal["change", "transfer"]
    scenario: str
    lever: str
    kind: str
    population: int | None
    parameters: str
    reasoning: str
    predict: Callable[[Context], Predicted | Limits]
    published: Callable[[Context], Published] | None = None
    setting: Callable[[Context], Setting] | None = None
    reading: str = ""
    undecidable: str = ""
    aside: str = ""
    if_outside: str = ""

    @property
    def name(self) -> str:
        """Record and reading."""
        return self.id + (f" ({self.reading})" if self.reading else "")

    def result(self, context: Context) -> Published:
        """Return what was published; nothing of the context is hidden."""
        return self.published(context) if self.published else context.evidence.result(self.id)


@dataclass(frozen=True)
class Beside:
    """What a column says of a row.

    Attributes
    ----------
    predicted : float
        Gain as a fraction.
    interval : (float, float) or None
        At `LEVEL`; None before its spread is known.
    score : float or None
    """

    predicted: float
    interval: tuple[float, float] | None = None
    score: float | None = None


@dataclass(frozen=True)
class Entry:
    """One row of the report; gains are fractions: 0.11 is +11 %.

    Attributes
    ----------
    id, reading, patch, group, scenario, lever, kind, population, parameters, why
        As in `Case`; `why` joins the reasoning with the explanation of the verdict.
    published : (float or None, float or None)
        Range that the source leaves open; an end of a bound is None.
    predicted : float or None
        Median of the draws.
    interval : (float, float) or None
        Of the published number, at `LEVEL`: parameters, error of the model, noise of two runs.
    model_interval : (float, float) or None
        Of the model's gain alone.
    limits : (float or None, float or None) or None
        Gains that the lever can not leave, where no distribution can be given.
    noise : float
        Relative standard deviation of after over before that is in `interval`.
    verdict : {'inside', 'outside', 'undecidable', 'no lever', 'aside'}
        The last two are shown and count for nothing: no lever predicts no gain whatever happens,
        and a reading set aside is not the one that is scored.
    score : float or None
        Log score of the prediction; None where nothing is scored.
    columns : dict of str to Beside
        The other predictions of the same row; empty where nothing is scored.
    """

    id: str
    lever: str
    published: tuple[float | None, float | None]
    predicted: float | None
    interval: tuple[float, float] | None
    verdict: Verdict
    why: str
    reading: str
    patch: str
    group: str
    kind: str
    scenario: str
    population: int | None
    parameters: str
    model_interval: tuple[float, float] | None
    limits: tuple[float | None, float | None] | None
    noise: float
    score: float | None = None
    columns: dict[str, Beside] | None = None

    @property
    def name(self) -> str:
        """Record and reading."""
        return self.id + (f" ({self.reading})" if self.reading else "")


@dataclass(frozen=True)
class Patch:
    """All rows of one patch, which count once.

    Attributes
    ----------
    name, group : str
    rows : tuple of str
        Names of the entries that count.
    verdict : {'inside', 'outside', 'undecidable'}
        Inside if every decidable row is.
    score : float or None
        Mean of the rows' log scores.
    columns : dict of str to float
        The same of the columns.
    """

    name: str
    group: str
    rows: tuple[str, ...]
    verdict: Verdict
    score: float | None
    columns: dict[str, float]


@dataclass(frozen=True)
class Column:
    """A way to predict, over all patches that are scored.

    Attributes
    ----------
    name : str
    score : float
        Mean over patches.
    difference, error : float
        Score of lockmodel less that of the column, mean over patches, and its standard error.
    inside : int
        Patches all of whose rows lie in the column's intervals.
    """

    name: str
    score: float
    difference: float
    error: float
    inside: int


@dataclass(frozen=True)
class Backtest:
    """All entries, and what they rest on.

    Attributes
    ----------
    entries : tuple of Entry
    patches : tuple of Patch
    columns : tuple of Column
        The first is lockmodel; empty where too few patches were asked for.
    draws, seed : int
    """

    entries: tuple[Entry, ...]
    patches: tuple[Patch, ...]
    columns: tuple[Column, ...]
    draws: int
    seed: int

    def count(self, verdict: Verdict, group: str | None = None) -> int:
        """Return how many patches (of a group) have a verdict."""
        return len(self.names(verdict, group))

    def names(self, verdict: Verdict, group: str | None = None) -> list[str]:
        """Return the patches (of a group) with a verdict."""
        return [p.name for p in self.patches if p.verdict == verdict and group in (None, p.group)]

    @property
    def best_rival(self) -> Column | None:
        """The column with the highest score after lockmodel's own."""
        return max(self.columns[1:], key=lambda column: column.score, default=None)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict; gains as fractions, the open end of a bound null."""
        return {
            "schema": SCHEMA,
            "unit": "gains as fractions: 0.11 is +11 %; scores in nats",
            "level": LEVEL,
            "draws": self.draws,
            "seed": self.seed,
            "patches": [asdict(patch) for patch in self.patches],
            "columns": [asdict(column) for column in self.columns],
            "entries": [asdict(entry) for entry in self.entries],
        }
