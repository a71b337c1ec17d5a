"""Published kernel changes, predicted with the own result hidden: the figure of the back-test."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lockmodel.evaluate.backtest.case import Backtest
from lockmodel.evaluate.backtest.engine import run
from lockmodel.figures.backtest import draw_rows
from lockmodel.progress import Progress, quietly

GROUP = "change"
"""Changes of the exec path; those of other locks are in `lockmodel backtest --plot`."""


def data(progress: Progress = quietly) -> Backtest:
    """Return the back-test of the changes of the exec path; see `lockmodel.evaluate.backtest`."""
    found = run(progress=progress)
    return replace(found, entries=tuple(e for e in found.entries if e.group == GROUP))


def draw(figure: Any, drawn: Backtest) -> None:
    """Draw a row for each case that has a predicted number."""
    draw_rows(figure, drawn)
