"""Where product form is off, and by how much: the shipped map of measured errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lockmodel.errors import ArgumentError
from lockmodel.figures import style
from lockmodel.model.shipped import read_table, shipped_dir
from lockmodel.solvers.error_map import DATA

READERS = 0.0
"""Only writers: the locks of the argument are taken for writing."""


@dataclass(frozen=True)
class ErrorLine:
    """One hold variability and hand-off; tuples are per load.

    Attributes
    ----------
    hold_scv : float
        Squared coefficient of variation of the hold.
    handoff : float
        Hand-off over hold.
    load : tuple of float
        N holds over think time plus one hold.
    error : tuple of float
        Relative error of product form against simulation: the largest over the populations,
        with its sign.
    """

    hold_scv: float
    handoff: float
    load: tuple[float, ...]
    error: tuple[float, ...]


@dataclass(frozen=True)
class ErrorMapData:
    """The map of one share of readers."""

    readers: float
    populations: tuple[int, ...]
    lines: tuple[ErrorLine, ...]
    source: str = DATA


def data(readers: float = READERS) -> ErrorMapData:
    """Return the largest errors over the populations of the map.

    Parameters
    ----------
    readers : float
        Share of the acquires that read, one of the map's.

    Raises
    ------
    ArgumentError
        The map has no such share.
    """
    by_case: dict[tuple[float, float], dict[float, float]] = {}
    populations = set()
    for row in read_table(shipped_dir("data") / "computed" / "product_form_error.csv"):
        if float(row["readers"]) != readers:
            continue
        populations.add(int(row["n"]))
        line = by_case.setdefault((float(row["hold_scv"]), float(row["handoff"])), {})
        load, error = float(row["load"]), float(row["error"])
        line[load] = max(line.get(load, 0.0), error, key=abs)
    if not by_case:
        raise ArgumentError(f"readers = {readers:g} is not in the map; 0 and 1 are")
    lines = [
        ErrorLine(scv, handoff, tuple(sorted(line)), tuple(line[x] for x in sorted(line)))
        for (scv, handoff), line in sorted(by_case.items())
    ]
    return ErrorMapData(readers, tuple(sorted(populations)), tuple(lines))


LOADS = (0.1, 0.3, 1, 3)


def draw(figure: Any, drawn: ErrorMapData) -> None:
    """Draw a panel per hand-off, a line per hold variability, into an empty matplotlib figure.

    Each panel has a scale of its own: errors grow with the hand-off.
    """
    handoffs = list(dict.fromkeys(line.handoff for line in drawn.lines))
    rows = -(-len(handoffs) // 2)
    panels = figure.subplots(rows, 2, sharex=True, squeeze=False).ravel()
    for axes, handoff in zip(panels, handoffs, strict=False):
        for i, line in enumerate(line for line in drawn.lines if line.handoff == handoff):
            axes.plot(
                line.load,
                [100 * error for error in line.error],
                marker=style.MARKERS[i],
                ms=2.5,
                lw=1,
                label=f"{line.hold_scv:g}",
                **style.line(i),
            )
        axes.axhline(0, color="0.5", lw=0.6)
        axes.set_xscale("log")
        axes.set_xticks(LOADS, [f"{load:g}" for load in LOADS])
        axes.set_xticks([], minor=True)
        axes.set_title(
            f"hand-off = {handoff:g} hold{'s' * (handoff != 1)}", fontsize=style.TEXT, pad=3
        )
    figure.supxlabel(r"load: processes $\times$ hold / (think + hold)", fontsize=style.TEXT)
    figure.supylabel("error of product form (%)", fontsize=style.TEXT)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        title="squared coefficient of variation of the hold",
        title_fontsize=style.SMALL,
        loc="outside upper center",
        ncols=len(labels),
        columnspacing=1.0,
        handletextpad=0.5,
    )
