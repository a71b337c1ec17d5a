"""Measured throughput, fitted curve and the band that 90 % of measurements fall into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Any

from lockmodel.answers.band import FittedCurve
from lockmodel.figures.style import COLOURS, DASHES, canvas

MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def draw(curves: Sequence[FittedCurve], title: str, stream: IO[bytes], kind: str) -> None:
    """Draw fitted curves.

    Parameters
    ----------
    curves : sequence of FittedCurve
        Those with a grid as line and band, single populations as a point with its interval.
    title : str
    stream : binary file
    kind : {'svg', 'pdf', 'png'}
    """
    with canvas(stream, kind) as figure:
        plot(figure, curves, title)


def plot(figure: Any, curves: Sequence[FittedCurve], title: str) -> None:
    """Draw fitted curves on an empty matplotlib figure."""
    axes = figure.subplots()
    for i, curve in enumerate(curves):
        colour, dash = COLOURS[i % len(COLOURS)], DASHES[i % len(DASHES)]
        name = curve.label if len(curves) > 1 else "measured"
        if len(curve.n) > 1:
            axes.fill_between(
                curve.n,
                [x / 1e3 for x in curve.low_per_s],
                [x / 1e3 for x in curve.high_per_s],
                color=colour,
                alpha=0.2,
                lw=0,
                label=None if i else "90 % of measurements",
            )
            axes.plot(
                curve.n,
                [x / 1e3 for x in curve.fitted_per_s],
                color=colour,
                ls=dash,
                label="fit" if len(curves) == 1 else None,
            )
        else:
            low, x, high = curve.low_per_s[0], curve.fitted_per_s[0], curve.high_per_s[0]
            axes.errorbar(
                curve.n,
                [x / 1e3],
                yerr=[[(x - low) / 1e3], [(high - x) / 1e3]],
                color=colour,
                capsize=3,
            )
        axes.errorbar(
            curve.measured_n,
            [x / 1e3 for x in curve.measured_per_s],
            yerr=[sd / 1e3 for sd in curve.sd_per_s] if any(curve.sd_per_s) else None,
            color=colour,
            marker=MARKERS[i % len(MARKERS)],
            ms=4,
            ls="",
            label=name,
        )
    if len(curves) == 1 and curves[0].ceiling_per_s and len(curves[0].n) > 1:
        limit = 1.25 * max(max(curves[0].high_per_s), max(curves[0].measured_per_s)) / 1e3
        axes.plot(
            curves[0].n,
            [x / 1e3 for x in curves[0].ceiling_per_s],
            color=COLOURS[1],
            ls="--",
            lw=1,
            label="ceiling at n",
        )
        axes.set_ylim(0, limit)
    else:
        axes.set_ylim(bottom=0)
    axes.set_xlabel("processes")
    axes.set_ylabel("thousand iterations per second")
    axes.set_title(title, loc="left", fontsize=9)
    axes.legend(fontsize=8)
