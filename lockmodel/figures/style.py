"""The one style of all figures: colour-blind safe, readable in grey, no dates inside files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import IO, Any

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette: distinct for colour-blind readers."""

DASHES = ("-", "--", ":", "-.")
SIZE = (5.2, 3.4)
"""Inches: readable at column width."""

_RC: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "svg.hashsalt": "lockmodel",
    "legend.frameon": False,
}


@contextlib.contextmanager
def figure_to(stream: IO[bytes], kind: str) -> Iterator[tuple[Any, Any]]:
    """Yield a matplotlib figure and axes in this style; save them, identical bytes every time.

    Parameters
    ----------
    stream : binary file
    kind : {'svg', 'pdf', 'png'}
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    dated: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with mpl.rc_context(_RC):
        figure = Figure(figsize=SIZE, layout="constrained")
        yield figure, figure.subplots()
        figure.savefig(stream, format=kind, metadata=dated.get(kind), dpi=160)
