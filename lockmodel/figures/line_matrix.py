"""The time of a cache line between every two CPUs, as a heat map, to a file."""

from __future__ import annotations

from typing import IO, Any

import numpy as np

from lockmodel.figures.style import SMALL, canvas
from lockmodel.measure.bench.line_matrix import LineMatrix

SIZE = (4.6, 3.9)
"""Inches: the map is square, its scale beside it."""

WRITTEN = 12
"""CPUs up to which the times stand in their cells."""

DARK = 0.6
"""Share of the scale from which on text in a cell is white."""


def matrix(measured: LineMatrix) -> tuple[list[int], np.ndarray]:
    """Return the CPUs, near ones together, and the times between them in ns.

    Returns
    -------
    cpus : list of int
        By socket, last-level cache and core.
    times : ndarray, shape (len(cpus), len(cpus))
        Symmetric; NaN on the diagonal and where nothing was measured.
    """
    places = measured.places
    cpus = sorted(
        places.core, key=lambda c: (places.socket[c], places.cache.get(c, 0), places.core[c], c)
    )
    at = {cpu: i for i, cpu in enumerate(cpus)}
    times = np.full((len(cpus), len(cpus)), np.nan)
    for pair in measured.pairs:
        i, j = at[pair.first], at[pair.second]
        times[i, j] = times[j, i] = 1e9 * pair.spread.median
    return cpus, times


def draw(measured: LineMatrix, stream: IO[bytes], kind: str) -> None:
    """Draw the matrix.

    Parameters
    ----------
    measured : LineMatrix
    stream : binary file
    kind : {'svg', 'pdf', 'png'}
    """
    cpus, times = matrix(measured)
    with canvas(stream, kind, SIZE) as figure:
        axes = figure.subplots()
        axes.grid(False)
        axes.set_facecolor("0.9")
        image = axes.imshow(
            np.ma.masked_invalid(times), cmap="Blues", vmin=0, vmax=np.nanmax(times), aspect="equal"
        )
        if len(cpus) <= WRITTEN:
            _written(axes, times)
        step = -(-len(cpus) // 8)
        ticks = range(0, len(cpus), step)
        axes.set_xticks(list(ticks), [str(cpus[i]) for i in ticks])
        axes.set_yticks(list(ticks), [str(cpus[i]) for i in ticks])
        sample = len(measured.pairs) < measured.planned
        axes.set_xlabel(
            "CPU, by socket, last-level cache and core" + ("; grey: not measured" if sample else "")
        )
        axes.set_ylabel("CPU")
        figure.colorbar(image, label="ns of a line, one way")
        axes.set_title(measured.machine.model, loc="left", fontsize=9)


def _written(axes: Any, times: np.ndarray) -> None:
    for i, j in np.argwhere(np.isfinite(times)):
        dark = times[i, j] > DARK * np.nanmax(times)
        axes.text(
            *(j, i, f"{times[i, j]:.0f}"),
            ha="center",
            va="center",
            fontsize=SMALL,
            color="white" if dark else "black",
        )
