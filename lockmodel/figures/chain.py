"""What binds, what binds when that lock is gone, and so on down to the CPUs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lockmodel.figures import style
from lockmodel.figures.lone_lock import asked
from lockmodel.model.network import CPU
from lockmodel.model.scenario import Scenario
from lockmodel.solvers.bounds import chain
from lockmodel.units import si

ROOM = 1.62
"""Length of the axis over that of the longest bar: room for both numbers."""

BESIDE = 34
"""Points from one number to the other."""


@dataclass(frozen=True)
class ChainStep:
    """The scenario after some locks are gone; rates are iterations per second.

    Attributes
    ----------
    removed : str
        The lock taken away in this step; "none" in the first.
    binding : str
        What sets the ceiling then.
    ceiling_at_n_per_s : float
        k / D with the rates of the population.
    ceiling_per_s : float
        What no population exceeds.
    """

    removed: str
    binding: str
    ceiling_at_n_per_s: float
    ceiling_per_s: float


@dataclass(frozen=True)
class ChainData:
    """The chain of bottlenecks, as `lockmodel ceiling` prints it.

    Attributes
    ----------
    scenario : str
    n : int
        Population of `ceiling_at_n_per_s`.
    steps : tuple of ChainStep
    """

    scenario: str
    n: int
    steps: tuple[ChainStep, ...]


def data(scenario: Scenario | None = None, population: int | None = None) -> ChainData:
    """Return the chain of a scenario (by default that of the paper, at all CPUs)."""
    scenario, n = asked(scenario, population)
    return ChainData(
        scenario.name,
        n,
        tuple(
            ChainStep(removed, at.binding, at.throughput_per_s, peak.throughput_per_s)
            for removed, peak, at in chain(scenario, n)
        ),
    )


MOST = style.COLOURS[1]
"""Colour of the largest ceiling over all populations: mark and number."""

FRAME, USUAL = 3.0, 4
"""Height of axis and legend, in rows; rows of the default figure."""


def relative_height(drawn: ChainData, upright: bool) -> float:
    """Return the height over that of the default figure: in proportion to its rows."""
    return (FRAME + len(drawn.steps)) / (FRAME + USUAL)


def draw(figure: Any, drawn: ChainData) -> None:
    """Draw the chain as bars, one row per station that binds, into an empty matplotlib figure."""
    axes = figure.subplots()
    rows = range(len(drawn.steps))
    ends = [max(step.ceiling_at_n_per_s, step.ceiling_per_s) / 1e3 for step in drawn.steps]
    axes.barh(
        rows,
        [step.ceiling_at_n_per_s / 1e3 for step in drawn.steps],
        height=0.55,
        color=style.COLOURS[5],
        edgecolor="black",
        lw=0.6,
        label=f"with {drawn.n} processes",
    )
    axes.plot(
        [step.ceiling_per_s / 1e3 for step in drawn.steps],
        rows,
        ls="",
        marker="d",
        color=MOST,
        mec="black",
        mew=0.6,
        ms=5.5,
        zorder=3,
        label="with any number",
    )
    for row, (step, end) in enumerate(zip(drawn.steps, ends, strict=True)):
        numbers = (step.ceiling_at_n_per_s, style.COLOURS[0]), (step.ceiling_per_s, MOST)
        for place, (number, colour) in enumerate(numbers):
            axes.annotate(
                si(number, "/s"),
                (end, row),
                xytext=(6 + BESIDE * place, 0),
                textcoords="offset points",
                va="center",
                fontsize=style.SMALL,
                color=style.ink(colour),
            )
    names = ["CPUs" if step.binding == CPU else step.binding for step in drawn.steps]
    axes.set_yticks(list(rows), names)
    axes.invert_yaxis()
    axes.grid(False, axis="y")
    axes.set_xlim(0, ROOM * max(ends))
    axes.set_xlabel("ceiling without the locks above it (k/s)")
    axes.set_ylabel("what binds")
    handles, _ = axes.get_legend_handles_labels()
    figure.legend(handles=handles[::-1], loc="outside upper right", ncols=2)
