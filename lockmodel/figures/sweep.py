"""A sweep as lines (one axis) or a heat map with iso-lines (two axes), to a file."""

from __future__ import annotations

from typing import IO, Any

import numpy as np

from lockmodel.answers.axis import Axis
from lockmodel.answers.sweep import Sweep
from lockmodel.errors import ArgumentError
from lockmodel.figures.style import COLOURS, DASHES, canvas

HEADROOM = 1.5
"""The colour scale ends above the largest value, so that black iso-lines stay legible on it."""


def axis_label(axis: Axis, sweep: Sweep) -> str:
    """Return the label of an axis with the lock it moves."""
    lock = "" if axis.kind.target == "none" else f" of {axis.lock or sweep.lock}"
    form = axis.kind.axis
    return (axis.quantity if form is None else form.label) + lock


def matrix(sweep: Sweep) -> np.ndarray:
    """Return throughput in thousands per second at the largest population, second axis in rows.

    Raises ArgumentError when the sweep has more than two axes or is not complete.
    """
    if len(sweep.axes) > 2:
        raise ArgumentError("--plot: draws one or two --over axes; use the CSV for more")
    if not sweep.complete:
        raise ArgumentError("--plot: the sweep was interrupted; use the CSV rows it has")
    top = max(row["n"] for row in sweep.rows)
    rates = [row["throughput_per_s"] / 1e3 for row in sweep.rows if row["n"] == top]
    return np.array(rates).reshape([len(axis.values) for axis in sweep.axes]).T


def draw(sweep: Sweep, stream: IO[bytes], kind: str) -> None:
    """Draw a sweep.

    Parameters
    ----------
    sweep : Sweep
    stream : binary file
    kind : {'svg', 'pdf', 'png'}
    """
    with canvas(stream, kind) as figure:
        plot(figure, sweep)


def plot(figure: Any, sweep: Sweep) -> None:
    """Draw a sweep on an empty matplotlib figure."""
    rates = matrix(sweep)
    axes = figure.subplots()
    first = sweep.axes[0]
    if rates.ndim == 1:
        _lines(axes, sweep)
    else:
        second = sweep.axes[1]
        axes.grid(False)
        image = axes.pcolormesh(
            np.arange(len(first.values)),
            np.arange(len(second.values)),
            rates,
            cmap="Blues",
            vmin=0,
            vmax=HEADROOM * rates.max(),
        )
        _ticks(axes.set_xticks, first)
        _ticks(axes.set_yticks, second)
        if min(rates.shape) > 1:
            lines = axes.contour(rates, levels=6, colors="black", linewidths=0.8)
            axes.clabel(lines, fmt="%.0f", fontsize=7)
        figure.colorbar(image, label="thousand iterations per second")
        axes.set_ylabel(axis_label(second, sweep))
    axes.set_xlabel(axis_label(first, sweep))
    n = max(row["n"] for row in sweep.rows)
    title = sweep.scenario if rates.ndim == 1 else f"{sweep.scenario}, n = {n}"
    axes.set_title(title, loc="left", fontsize=9)


def _ticks(setter: Any, axis: Axis) -> None:
    step = max(1, len(axis.values) // 10)
    chosen = range(0, len(axis.values), step)
    setter(list(chosen), [f"{axis.values[i]:g}" for i in chosen])


def _lines(axes: Any, sweep: Sweep) -> None:
    name = sweep.axes[0].name
    populations = sorted({row["n"] for row in sweep.rows})
    for i, n in enumerate(populations[-4:]):
        rows = [row for row in sweep.rows if row["n"] == n]
        axes.plot(
            [row[name] for row in rows],
            [row["throughput_per_s"] / 1e3 for row in rows],
            color=COLOURS[i],
            ls=DASHES[i],
            marker="o",
            ms=3,
            label=f"n = {n}",
        )
    axes.set_ylim(0, None)
    axes.set_ylabel("thousand iterations per second")
    axes.legend()
