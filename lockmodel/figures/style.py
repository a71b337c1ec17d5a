"""The one style of all figures: colour-blind safe, readable in grey, no dates inside files.

Figures are made at the width they are printed at, so a size in points here is one on paper. Lines
differ in colour, dash and marker; a figure must say the same when it is copied in grey.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

from lockmodel.units import si

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette: distinct for colour-blind readers."""

DASHES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "0.35"
"""For what is not data: limits, labels of regions."""

SIZE = (5.2, 3.4)
"""Inches, of the figures of `predict`, `fit` and `sweep`."""

WIDTHS = {"column": 3.4, "page": 5.2}
"""Inches: a column of a two-column paper, and the text of a one-column paper."""

STACKED_BELOW = 4.5
"""Inches of width below which panels stand on top of each other."""

TEXT, SMALL = 8, 7
"""Points: axis labels, and everything else."""

LOGARITHMIC = 2
"""Base of the axes of populations and shards."""

_RC: dict[Any, Any] = {
    "font.size": TEXT,
    "axes.labelsize": TEXT,
    "axes.titlesize": TEXT,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.3,
    "lines.markersize": 3.5,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.5,
    "svg.hashsalt": "lockmodel",
    "legend.frameon": False,
    "legend.handlelength": 2.4,
}

_DATED: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
_DPI = 160


def drawn(draw: Callable[[Any], None], size: tuple[float, float] = SIZE) -> Any:
    """Return a matplotlib figure in this style, to be shown or changed by the caller.

    Parameters
    ----------
    draw : callable
        Draws on the empty figure that it is given.
    size : tuple of float
        Width and height in inches.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_RC):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        for axes in figure.axes:  # later, ticks would be placed by the caller's size of labels
            axes.tick_params(labelsize=SMALL)
    return figure


@contextlib.contextmanager
def canvas(stream: IO[bytes], kind: str, size: tuple[float, float] = SIZE) -> Iterator[Any]:
    """Yield an empty matplotlib figure in this style; save it, identical bytes every time.

    Parameters
    ----------
    stream : binary file
    kind : {'svg', 'pdf', 'png'}
    size : tuple of float
        Width and height in inches.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_RC):
        figure = Figure(figsize=size, layout="constrained")
        yield figure
        figure.savefig(stream, format=kind, metadata=_DATED.get(kind), dpi=_DPI)


def line(i: int) -> dict[str, Any]:
    """Return colour and dash of the i-th line of a figure."""
    return {"color": COLOURS[i % len(COLOURS)], "ls": DASHES[i % len(DASHES)]}


INK = 0.75
"""Share of its light that a colour keeps as text: thin strokes look paler than areas."""


def ink(colour: str) -> tuple[float, float, float]:
    """Return a colour dark enough for text."""
    from matplotlib.colors import to_rgb

    red, green, blue = (INK * part for part in to_rgb(colour))
    return red, green, blue


def stacked(figure: Any) -> bool:
    """Return whether the panels of a figure have to stand on top of each other."""
    return bool(figure.get_figwidth() < STACKED_BELOW)


def powers(low: float, high: float, most: int = 9) -> list[int]:
    """Return the powers of two from `low` to `high`, every second or third if they are many."""
    doubled = [1 << i for i in range(32) if low <= 1 << i <= high]
    return doubled[:: -(-len(doubled) // most)] if doubled else []


def count_axis(axis: Any, low: float, high: float, label: str, most: int = 9) -> None:
    """Make an axis of counts logarithmic, with powers of two written out.

    Parameters
    ----------
    axis : matplotlib Axis
    low, high : float
        First and last count.
    label : str
        With what is counted.
    most : int
        Labels there is room for.
    """
    which = axis.axis_name
    getattr(axis.axes, f"set_{which}scale")("log", base=LOGARITHMIC)
    ticks = powers(low, high, most)
    axis.set_ticks(ticks, [counted(tick) for tick in ticks])
    axis.set_ticks([], minor=True)
    axis.set_label_text(label)


def rate_axis(axis: Any, low: float, high: float, label: str, most: int = 6) -> None:
    """Make an axis of rates logarithmic, with the units at its ticks.

    Parameters
    ----------
    axis : matplotlib Axis
    low, high : float
        Ends of the axis, in 1/s.
    label : str
        What it is a rate of.
    most : int
        Ticks there is room for.
    """
    which = axis.axis_name
    getattr(axis.axes, f"set_{which}scale")("log")
    getattr(axis.axes, f"set_{which}lim")(low, high)
    ticks = round_numbers(low, high, most)
    axis.set_ticks(ticks, [rate(tick) for tick in ticks])
    axis.set_ticks([], minor=True)
    axis.set_label_text(label)


def round_numbers(low: float, high: float, most: int) -> list[float]:
    """Return 1, 2, 5 x 10^i between two positive numbers, or fewer of them, at most `most`."""
    for steps in ((1, 2, 5), (1, 3), (1,)):
        made = decades(low, high, steps)
        if len(made) <= most:
            return made
    return made[:: -(-len(made) // most)]


def rate(value: float) -> str:
    """Return a rate of round digits without idle zeros: 5e4 -> "50 k/s"; 374213 -> "374 k/s"."""
    number, _, unit = si(value, "/s").partition(" ")
    return f"{float(number):g} {unit}"


def counted(count: int) -> str:
    """Return a count as a tick shows it: 512, 1 k, 4 k."""
    return f"{count // 1024} k" if count >= 1024 and count % 1024 == 0 else f"{count}"


def decades(low: float, high: float, steps: Sequence[float] = (1, 2, 5)) -> list[float]:
    """Return the numbers 1, 2, 5 x 10^i that lie between two positive numbers."""
    made = [step * 10.0**i for i in range(-12, 13) for step in steps]
    return [value for value in made if low <= value <= high]


def spread(values: Sequence[float], gap: float) -> list[float]:
    """Return positions near the values, in their order, no two closer than `gap`.

    For labels at the ends of lines. Labels that would touch are moved apart together, so that
    their mean stays (pool adjacent violators on value - i gap).
    """
    order = sorted(range(len(values)), key=lambda i: values[i])
    blocks: list[list[float]] = []
    for place, i in enumerate(order):
        blocks.append([values[i] - place * gap, 1.0])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, count = blocks.pop()
            other, before = blocks[-1]
            total = count + before
            blocks[-1] = [(mean * count + other * before) / total, total]
    flat = [mean for mean, count in blocks for _ in range(int(count))]
    made = [0.0] * len(values)
    for place, i in enumerate(order):
        made[i] = flat[place] + place * gap
    return made


def end_labels(
    axes: Any, x: float, ys: Sequence[float], texts: Sequence[str], colours: Sequence[str]
) -> None:
    """Write the names of lines at their right ends, moved apart where they would overlap.

    Call when all else is drawn and the limits of the axes are set; their y axis may be
    logarithmic.
    """
    import math

    axes.figure.draw_without_rendering()  # settles the layout: the labels need its height
    low, high = axes.get_ylim()
    log = axes.get_yscale() == "log"
    if log:
        low, high, ys = math.log(low), math.log(high), [math.log(y) for y in ys]
    height = axes.get_position().height * axes.figure.get_figheight()
    gap = 1.15 * SMALL / 72 / height * (high - low)
    for y, text, colour in zip(spread(ys, gap), texts, colours, strict=True):
        axes.annotate(
            text,
            (x, math.exp(y) if log else y),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
            color=ink(colour),
            annotation_clip=False,
        )
