"""Throughput and ceiling against population."""

from __future__ import annotations

from typing import IO, Any

from lockmodel.figures.style import COLOURS, canvas
from lockmodel.model.prediction import Prediction


def draw(prediction: Prediction, stream: IO[bytes], kind: str) -> None:
    """Draw a prediction: throughput, the ceiling at each population and the knee.

    Parameters
    ----------
    prediction : Prediction
    stream : binary file
    kind : {'svg', 'pdf', 'png'}
    """
    with canvas(stream, kind) as figure:
        plot(figure, prediction)


def plot(figure: Any, prediction: Prediction) -> None:
    """Draw a prediction on an empty matplotlib figure."""
    axes = figure.subplots()
    n = [p.n for p in prediction.points]
    rate = [p.throughput_per_s / 1e3 for p in prediction.points]
    ends = [p.interval_per_s for p in prediction.points if p.interval_per_s is not None]
    if len(ends) == len(n):
        low, high = ([end[i] / 1e3 for end in ends] for i in (0, 1))
        label = "90 % of measurements"
        axes.fill_between(n, low, high, color=COLOURS[0], alpha=0.2, lw=0, label=label)
    marker = "o" if len(n) <= 24 else None
    axes.plot(n, rate, color=COLOURS[0], marker=marker, ms=3, label="throughput")
    limit = 1.3 * max(rate)
    axes.plot(
        n,
        [p.ceiling_per_s / 1e3 for p in prediction.points],
        color=COLOURS[1],
        ls="--",
        label=f"ceiling at n ({prediction.points[-1].binding})",
    )
    if n[0] < prediction.ceiling.knee < n[-1]:
        axes.axvline(prediction.ceiling.knee, color="0.5", lw=0.8, ls=":")
        axes.text(prediction.ceiling.knee, limit, " knee", va="top", color="0.35")
    axes.set_ylim(0, limit)
    axes.set_xlim(0, n[-1] * 1.02)
    axes.set_xlabel("processes")
    axes.set_ylabel("thousand iterations per second")
    axes.set_title(f"{prediction.scenario} ({prediction.method})", loc="left", fontsize=9)
    axes.legend(loc="lower right")
