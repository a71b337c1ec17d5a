"""The figures by name: what each shows, what it is made from, and how high it is.

data = make("hold", scenario=mine)
with open("hold.svg", "wb") as stream:
    draw("hold", data, stream, "svg", "column")
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import IO, Any

from lockmodel.errors import ArgumentError, nearest
from lockmodel.figures import style

SCHEMA = "lockmodel.figure/1"

PROGRESS = "progress"
"""The parameter of figures that take seconds."""

WORKERS = "workers"
"""The parameter of figures that are computed by several processes."""


@dataclass(frozen=True)
class FigureEntry:
    """A figure.

    Attributes
    ----------
    name, title : str
        How it is called, and what it shows in one line.
    module : str
        Of this package; has `data(...)` and `draw(figure, data)`.
    needs : str
        What it is made from when nothing is given.
    takes : tuple of str
        Parameters of `data` that may be given.
    column, page : float
        Height in inches at either width; times `relative_height` of the module, if it has one.
    printed : {'column', 'page'}
        Width in the paper.
    """

    name: str
    title: str
    module: str
    needs: str
    takes: tuple[str, ...]
    column: float
    page: float
    printed: str = "column"

    @property
    def takes_model(self) -> bool:
        """Whether it can be drawn for a scenario of one's own."""
        return "scenario" in self.takes


MODEL = "execl-xeon8369b"
"""The scenario of the paper's figures: UnixBench execl on a Xeon Platinum 8369B."""

ENTRIES = (
    FigureEntry(
        "rates",
        "rates predicted from counts, and measured",
        "rates",
        "data/traced, data/computed/line_overlap.csv",
        (PROGRESS,),
        2.9,
        2.4,
    ),
    FigureEntry(
        "curve",
        "throughput against processes: data, fit, band, ceiling",
        "curve",
        f"{MODEL}, data/published/unixbench_execl_xeon8369b.csv",
        ("scenario", "measured", "only"),
        2.1,
        3.1,
    ),
    FigureEntry(
        "hold",
        "throughput against the factor on held work",
        "hold",
        MODEL,
        ("scenario", "population"),
        3.4,
        3.0,
    ),
    FigureEntry(
        "ceiling",
        "ceiling over acquires and shards, iso-lines",
        "ceiling_map",
        MODEL,
        ("scenario", "population"),
        2.2,
        3.3,
    ),
    FigureEntry(
        "acquires",
        "acquires per site, counted three ways",
        "acquires",
        "data/traced/acquires_traced.csv, data/published/profiles.json",
        (),
        2.5,
        2.8,
    ),
    FigureEntry(
        "held",
        "held instructions per site and against mappers",
        "held",
        "data/traced/held_instructions_traced.csv",
        (),
        3.5,
        2.5,
    ),
    FigureEntry(
        "backtest",
        "published gains, predicted with the own result hidden",
        "changes",
        "data/published/interventions.json",
        (PROGRESS, WORKERS),
        0.9,
        0.9,
        "page",
    ),
    FigureEntry(
        "shards",
        "throughput and walk time against shards, simulated",
        "shards",
        MODEL,
        ("scenario", "population", "rates", "precision", PROGRESS),
        3.3,
        2.5,
    ),
    FigureEntry(
        "solvers",
        "product form, Markov chain and simulation compared",
        "agreement",
        "two cases of `lockmodel verify`",
        ("scenario", "populations", "precision", PROGRESS),
        2.2,
        2.5,
    ),
    FigureEntry(
        "errors",
        "measured error of product form",
        "error_map",
        "data/computed/product_form_error.csv",
        ("readers",),
        2.5,
        3.3,
    ),
    FigureEntry(
        "chain",
        "what binds as each lock is removed",
        "chain",
        MODEL,
        ("scenario", "population"),
        1.7,
        1.9,
    ),
)
"""In the order of the argument."""

NAMES = tuple(entry.name for entry in ENTRIES)


def find(name: str) -> FigureEntry:
    """Return the figure called `name`; raises ArgumentError with the nearest name."""
    for entry in ENTRIES:
        if entry.name == name:
            return entry
    raise ArgumentError(f"NAME {name!r} is no figure; {nearest(name, list(NAMES))}")


def make(name: str, **given: Any) -> Any:
    """Return the data of a figure, frozen.

    Parameters
    ----------
    name : str
    **given
        Parameters of its `data`; those of the paper where they are left out or None.

    Raises
    ------
    ArgumentError
        No such figure, or it does not take a parameter; else as its `data`.
    """
    entry = find(name)
    for key in given:
        if key not in entry.takes:
            takes = ", ".join(entry.takes) or "none"
            raise ArgumentError(f"figure {name!r} takes no {key!r}; its parameters: {takes}")
    module = importlib.import_module(f"lockmodel.figures.{entry.module}")
    return module.data(**{key: value for key, value in given.items() if value is not None})


def picture(name: str, data: Any, width: str = "page") -> Any:
    """Return a figure as a matplotlib Figure; parameters and errors as `draw`."""
    module, size = _module_and_size(name, data, width)
    return style.drawn(lambda figure: module.draw(figure, data), size)


def draw(name: str, data: Any, stream: IO[bytes], kind: str, width: str = "page") -> None:
    """Draw a figure: the same bytes for the same data.

    Parameters
    ----------
    name : str
    data : dataclass
        From `make`.
    stream : binary file
    kind : {'svg', 'pdf', 'png'}
    width : {'page', 'column'}
        See `style.WIDTHS`.

    Raises
    ------
    ArgumentError
        No such figure or width.
    """
    module, size = _module_and_size(name, data, width)
    with style.canvas(stream, kind, size) as figure:
        module.draw(figure, data)


def _module_and_size(name: str, data: Any, width: str) -> tuple[Any, tuple[float, float]]:
    entry = find(name)
    if width not in style.WIDTHS:
        raise ArgumentError(f"width {width!r}; {nearest(width, list(style.WIDTHS))}")
    module = importlib.import_module(f"lockmodel.figures.{entry.module}")
    height = entry.column if width == "column" else entry.page
    if hasattr(module, "relative_height"):
        height *= module.relative_height(data, style.WIDTHS[width] < style.STACKED_BELOW)
    return module, (style.WIDTHS[width], height)
