"""A sweep in the terminal: lines with plotext, or a table of shades."""

from __future__ import annotations

from lockmodel.answers.sweep import Sweep
from lockmodel.figures.sweep import axis_label, matrix

SHADES = " .:-=+*#%@"
WIDTH = 58
"""Columns of the map itself: 80 less the row label and the row's range."""

MARKERS = ("o", "x", "+", "*")
"""Lines must differ without colour."""


def draw(sweep: Sweep) -> str:
    """Return the drawing as text, at most 80 columns wide."""
    rates = matrix(sweep)
    if rates.ndim == 1:
        return _lines(sweep)
    first, second = sweep.axes
    low, high = float(rates.min()), float(rates.max())
    labels = [f"{value:.3g}" for value in first.values]
    cell = max(4, 1 + max(map(len, labels)))
    step = -(-len(labels) * cell // WIDTH)
    columns = range(0, len(labels), step)
    n = max(row["n"] for row in sweep.rows)
    lines = [
        f"{sweep.scenario}, n = {n}: thousand iterations per second",
        f"across: {axis_label(first, sweep)}",
        f"down:   {axis_label(second, sweep)}",
        f"shade from {low:.1f} ({SHADES[1]}) to {high:.1f} ({SHADES[-1]})",
        "",
        "       " + "".join(f"{labels[i]:>{cell}}" for i in columns),
    ]
    for value, row in zip(second.values, rates, strict=True):
        cells = "".join(" " + _shade(float(row[i]), low, high) * (cell - 1) for i in columns)
        lines.append(f"{value:>6.3g} {cells}  {row[columns[0]]:.1f} .. {row[columns[-1]]:.1f}")
    return "\n".join(lines)


def _shade(value: float, low: float, high: float) -> str:
    if high <= low:
        return SHADES[-1]
    steps = len(SHADES) - 2
    return SHADES[1 + round(steps * (value - low) / (high - low))]


def _lines(sweep: Sweep) -> str:
    import plotext

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plot_size(78, 20)
    name = sweep.axes[0].name
    for i, n in enumerate(sorted({row["n"] for row in sweep.rows})[-4:]):
        rows = [row for row in sweep.rows if row["n"] == n]
        plotext.plot(
            [row[name] for row in rows],
            [row["throughput_per_s"] / 1e3 for row in rows],
            label=f"n = {n}",
            marker=MARKERS[i],
        )
    plotext.xlabel(axis_label(sweep.axes[0], sweep))
    plotext.title(f"{sweep.scenario}: thousand iterations per second")
    plotext.ylim(0, None)
    return str(plotext.build())
