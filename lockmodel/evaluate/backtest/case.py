"""What the back-test is made of: cases to predict, and entries of the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from lockmodel.evaluate.backtest.evidence import Context, Published

SCHEMA = "lockmodel.backtest/1"
LEVEL = 0.9
"""Confidence of all intervals."""

Verdict = Literal["inside", "outside", "undecidable"]


@dataclass(frozen=True)
class Predicted:
    """The distribution of a predicted gain.

    Attributes
    ----------
    gains : ndarray, shape (draws,)
        Gains of the model, as fractions.
    weights : ndarray, shape (draws,)
        Of the draws; they need not add up to 1.
    """

    gains: np.ndarray
    weights: np.ndarray


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
    """One published change under one reading of what it did.

    Attributes
    ----------
    id : str
        Of the record that holds the facts and the result.
    reading : str
        What tells it from other cases of the same record; empty if there is one.
    group : {'change', 'transfer'}
    scenario : str
        Model whose counts and machine are used, and what is different.
    lever : str
        As --lever takes it; several are separated by "; ".
    kind : str
        The lever in two words, for the table.
    population : int or None
    parameters_from : tuple of str
        Records whose results weight the draws, the only ones it can see; never its own.
    parameters : str
        Where the parameters come from, in words.
    reasoning : str
        Why this lever, with this strength, stands for the patch.
    predict : callable
        Context (all results hidden but those named) -> Predicted, or Limits if undecidable.
    published : callable or None
        Context (nothing hidden) -> Published; None for the result of the record.
    undecidable : str
        Why the case can not be decided; empty if it can.
    if_outside : str
        What explains a miss, or that nothing does.
    """

    id: str
    group: Literal["change", "transfer"]
    scenario: str
    lever: str
    kind: str
    population: int | None
    parameters: str
    reasoning: str
    predict: Callable[[Context], Predicted | Limits]
    published: Callable[[Context], Published] | None = None
    reading: str = ""
    parameters_from: tuple[str, ...] = ()
    undecidable: str = ""
    if_outside: str = ""

    @property
    def name(self) -> str:
        """Record and reading."""
        return self.id + (f" ({self.reading})" if self.reading else "")

    def result(self, context: Context) -> Published:
        """Return what was published; nothing of the context is hidden."""
        return self.published(context) if self.published else context.evidence.result(self.id)


@dataclass(frozen=True)
class Entry:
    """One row of the report; gains are fractions: 0.11 is +11 %.

    Attributes
    ----------
    id, reading, group, scenario, lever, kind, population, parameters_from, parameters, why
        As in `Case`; `why` joins the reasoning with the explanation of the verdict.
    published : (float, float or None)
    predicted : float or None
        Median of the draws.
    interval : (float, float) or None
        90 % of the published number: parameters of the model and noise of two runs.
    model_interval : (float, float) or None
        90 % of the model's gain alone.
    limits : (float or None, float or None) or None
        Gains that the lever can not leave, where no distribution can be given.
    noise : float
        Relative standard deviation of after over before that is in `interval`.
    verdict : {'inside', 'outside', 'undecidable'}
    """

    id: str
    lever: str
    published: tuple[float, float | None]
    predicted: float | None
    interval: tuple[float, float] | None
    verdict: Verdict
    why: str
    reading: str
    group: str
    kind: str
    scenario: str
    population: int | None
    parameters_from: tuple[str, ...]
    parameters: str
    model_interval: tuple[float, float] | None
    limits: tuple[float | None, float | None] | None
    noise: float


@dataclass(frozen=True)
class Backtest:
    """All entries, and what they rest on.

    Attributes
    ----------
    entries : tuple of Entry
    draws, seed : int
    """

    entries: tuple[Entry, ...]
    draws: int
    seed: int

    def count(self, verdict: Verdict, group: str | None = None) -> int:
        """Return how many entries (of a group) have a verdict."""
        return sum(e.verdict == verdict and group in (None, e.group) for e in self.entries)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict; gains as fractions, the end of a lower bound null."""
        return {
            "schema": SCHEMA,
            "unit": "gains as fractions: 0.11 is +11 %",
            "level": LEVEL,
            "draws": self.draws,
            "seed": self.seed,
            "entries": [asdict(entry) for entry in self.entries],
        }
