"""Predicted against published gains, a row for each case; the verdict is the marker."""

from __future__ import annotations

import math
from typing import IO, Any

from lockmodel.evaluate.backtest.case import LEVEL, Backtest, Entry
from lockmodel.figures.style import COLOURS, SMALL, TEXT, canvas, stacked
from lockmodel.units import cut

LINEAR = 0.1
"""Gain up to which the axis is linear: small and negative gains have a place, too."""

WIDTH = 5.2
ROW, REST = 0.2, 0.9
"""Inches of height for a row, and for axis and legend."""

Z80 = 1.2816
"""Normal quantile of `LEVEL`."""

LOOKS = {
    "inside": ("o", COLOURS[0]),
    "outside": ("X", COLOURS[1]),
    "undecidable": ("s", COLOURS[3]),
    "aside": ("D", COLOURS[3]),
}
"""Marker and colour of a verdict."""

LETTERS = {"inside": "o", "outside": "X", "undecidable": "s", "aside": "d"}
PUBLISHED = COLOURS[6]
ASIDE = 0.17
"""Rows between the lines of prediction and publication."""

TICKS = (-0.1, 0.0, 0.1, 0.3, 1.0, 10.0)
FEW_TICKS = (0.0, 0.3, 10.0)

MINOR = tuple(
    sign * value
    for sign in (-1, 1)
    for value in (0.02, 0.04, 0.06, 0.08, *(d * i for d in (0.1, 1.0, 10.0) for i in range(2, 10)))
)
"""Ticks without numbers: every 2 % where the axis is linear, the digits where it is logarithmic."""

ARROW = 0.85
"""Place of an arrow over the end of the axis: within the frame."""

COLUMNS, NAMES = 80, 33
"""Width of the terminal drawing, and of the names in it."""


def shown(backtest: Backtest) -> list[Entry]:
    """Return the entries that have a predicted number."""
    return [entry for entry in backtest.entries if entry.predicted is not None]


def measured(entry: Entry) -> tuple[float, float, float]:
    """Return (low, middle, high) of a published gain with the noise of its two runs, 80 %.

    A bound has no other end: infinity.
    """
    low, high = entry.published
    if low is None or high is None:
        bound = (low if high is None else high) or 0.0
        return (bound, bound, math.inf) if high is None else (-math.inf, bound, bound)
    factor = math.exp(Z80 * entry.noise)
    return (1.0 + low) / factor - 1.0, 0.5 * (low + high), (1.0 + high) * factor - 1.0


def draw(backtest: Backtest, stream: IO[bytes], kind: str) -> None:
    """Draw the back-test.

    Parameters
    ----------
    backtest : Backtest
        Entries without a predicted number are left out.
    stream : binary file
    kind : {'svg', 'pdf', 'png'}

    Notes
    -----
    The predicted bar is the 80 % interval of the model's gain, the published one that of the
    measurement: noise is drawn once, on the side where it arises. The verdict takes both together,
    so bars that just touch are outside.
    """
    height = REST + ROW * len(shown(backtest))
    with canvas(stream, kind, (WIDTH, height)) as figure:
        draw_rows(figure, backtest)


def draw_rows(figure: Any, backtest: Backtest) -> None:
    """Draw the back-test on an empty figure."""
    entries = shown(backtest)
    axes = figure.subplots()
    limits = _limits(entries)
    for row, entry in enumerate(entries):
        _row(axes, row, entry, limits)
    turn = sum(entry.group == "change" for entry in entries)
    if 0 < turn < len(entries):
        axes.axhline(turn - 0.5, color="0.5", lw=0.6)
    axes.set_yticks(range(len(entries)), [entry.name for entry in entries])
    axes.set_ylim(len(entries) - 0.4, -0.6)
    axes.set_xscale("symlog", linthresh=LINEAR, linscale=0.6)
    axes.set_xlim(*limits)
    narrow = stacked(figure)
    ticks = [tick for tick in (FEW_TICKS if narrow else TICKS) if limits[0] <= tick <= limits[1]]
    axes.set_xticks(ticks, [f"{100 * t:+,.0f}" if t else "0" for t in ticks])
    axes.set_xticks([t for t in MINOR if limits[0] < t < limits[1]], minor=True)
    axes.tick_params(axis="x", which="minor", length=2)
    axes.axvline(LINEAR, color="0.5", lw=0.6, ls=":")
    label = "gain of throughput (%), linear up to the dotted line"
    if narrow:  # the names leave little room below the axis
        figure.supxlabel(label, fontsize=TEXT)
    else:
        axes.set_xlabel(label)
    _legend(figure, axes, {entry.verdict for entry in entries})


def _row(axes: Any, row: int, entry: Entry, limits: tuple[float, float]) -> None:
    marker, colour = LOOKS[entry.verdict]
    low, high = entry.model_interval or (entry.predicted, entry.predicted)
    axes.plot([low, high], [row - ASIDE] * 2, color=colour, lw=1.6, solid_capstyle="butt")
    axes.plot([entry.predicted], [row - ASIDE], color=colour, marker=marker, ms=4.5, ls="")
    low, middle, high = measured(entry)
    start, end = limits
    axes.plot([max(low, start), min(high, ARROW * end)], [row + ASIDE] * 2, color=PUBLISHED, lw=0.8)
    axes.plot([middle], [row + ASIDE], color=PUBLISHED, marker="|", ms=6, ls="")
    if math.isinf(high):
        axes.plot([ARROW * end], [row + ASIDE], color=PUBLISHED, marker=">", ms=3.5)


def _limits(entries: list[Entry]) -> tuple[float, float]:
    ends = [value for e in entries for value in (*measured(e), *(e.model_interval or ()))]
    finite = [value for value in ends if math.isfinite(value)]
    return 1.1 * min([-0.05, *finite]) - 0.02, 1.2 * max([0.2, *finite])


def _legend(figure: Any, axes: Any, verdicts: set[str]) -> None:
    """Explain the marks above the axes."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=colour, marker=marker, ms=4.5, lw=1.6, label=f"predicted, {verdict}")
        for verdict, (marker, colour) in LOOKS.items()
        if verdict in verdicts
    ]
    handles.append(Line2D([], [], color=PUBLISHED, marker="|", ms=6, lw=0.8, label="published"))
    figure.legend(handles=handles, loc="outside upper left", ncols=2, fontsize=SMALL)


def draw_terminal(backtest: Backtest) -> str:
    """Return the rows as text of at most 80 columns."""
    entries = shown(backtest)
    room = COLUMNS - NAMES - 1
    low, high = (_scaled(end) for end in _limits(entries))

    def column(gain: float) -> int:
        share = (_scaled(gain) - low) / (high - low)
        return min(max(round(share * (room - 1)), 0), room - 1)

    lines = [
        f"gains: predicted with {100 * LEVEL:.0f} % interval (o inside, X outside, s undecidable, "
        "d set",
        "aside) and published (|, > for a lower bound)",
        "",
    ]
    for entry in entries:
        cells = [" "] * room
        cells[column(0.0)] = "."
        first, last = entry.model_interval or (0.0, 0.0)
        for i in range(column(first), column(last) + 1):
            cells[i] = "-"
        cells[column(entry.predicted or 0.0)] = LETTERS[entry.verdict]
        _, middle, top = measured(entry)
        cells[column(middle)] = ">" if math.isinf(top) else "|"
        lines.append(f"{cut(entry.name, NAMES, '...'):<{NAMES}} {''.join(cells)}".rstrip())
    scale = [" "] * room
    for tick in (0.0, 0.1, 0.5, 1.0, 5.0, 20.0):
        at, label = column(tick), f"{100 * tick:,.0f}"
        free = all(c == " " for c in scale[max(at - 1, 0) : at + len(label) + 1])
        if low <= _scaled(tick) <= high and at + len(label) <= room and free:
            scale[at : at + len(label)] = label
    lines.append(f"{'gain, %':<{NAMES}} {''.join(scale)}".rstrip())
    return "\n".join(lines)


def _scaled(gain: float) -> float:
    """Return the place of a gain on the axis: linear up to `LINEAR`, then logarithmic."""
    if abs(gain) <= LINEAR:
        return 0.6 * gain / LINEAR
    return math.copysign(0.6 + math.log10(abs(gain) / LINEAR), gain)
