"""How intervals of a fitted scenario are printed, and columns given up so that they fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lockmodel.cli import text as tx
from lockmodel.units import prefix_of

if TYPE_CHECKING:
    from lockmodel.model.fit_table import Fit
    from lockmodel.model.prediction import Basis, Interval, Point

NOTHING = 0.05
"""Percentages below this are 0, as in `text.gain`."""

FEW_TENTHS = 9.95
"""Percentages below this are printed with one decimal, as `text.gain` does."""


def title(basis: Basis) -> str:
    """Return the head of a column of intervals: "90 % interval"."""
    return f"{_level(basis)} interval"


def _level(basis: Basis) -> str:
    return f"{100 * basis.level:.3g} %"


def span(ends: Interval, unit: str) -> str:
    """Return an interval with one unit: (31000, 35200), "/s" -> "31.0 to 35.2 k/s"."""
    low, high = ends
    number, _, prefixed = tx.si(high, unit).partition(" ")
    if high <= 0 or not prefixed:
        return f"{tx.si(low, unit)} to {tx.si(high, unit)}"
    factor, _ = prefix_of(high)
    digits = len(number.partition(".")[2])
    return f"{low / factor:.{digits}f} to {number} {prefixed}"


def gain(value: float, ends: Interval | None) -> str:
    """Return a gain with its interval: "+62 % (48 to 79)"; without one as `text.gain`."""
    return tx.gain(value) + ("" if ends is None else f" {gain_ends(ends)}")


def gain_ends(ends: Interval) -> str:
    """Return an interval of gains in per cent: "(48 to 79)", "(-1.2 to 3.4)"."""
    low, high = (100 * end for end in ends)
    most = max(abs(low), abs(high))
    digits = 1 if NOTHING <= most < FEW_TENTHS else 0
    return f"({_whole(low, digits)} to {_whole(high, digits)})"


def _whole(value: float, digits: int) -> str:
    rounded = round(value, digits)
    return f"{rounded + 0.0:,.{digits}f}"  # + 0.0: no negative zero


def aligned(gains: Sequence[tuple[float, Interval | None]], marks: Sequence[str] = ()) -> list[str]:
    """Return gains with intervals as cells of one width, so that they line up.

    `marks` is what follows each interval, of equal lengths; nothing if it is empty.
    """
    marks = marks or [""] * len(gains)
    ends = ["" if e is None else gain_ends(e) for _, e in gains]
    texts = [tx.gain(value) for value, _ in gains]
    wide, width = (max(map(len, some), default=0) for some in (texts, ends))
    return [
        f"{text:>{wide}} {end:<{width}}{mark}"
        for text, end, mark in zip(texts, ends, marks, strict=True)
    ]


def warning(fit: Fit | None) -> list[str]:
    """Return the flags of a fit, whose first words are in capitals; nothing for one without."""
    if fit is None or not fit.flags:
        return []
    return ["WARNING, THE FIT IS FLAGGED:", *(f"! {flag}" for flag in fit.flags)]


def origin(basis: Basis | None, fit: Fit | None) -> list[str]:
    """Return the line that says what intervals rest on; or why there are none despite a fit."""
    if fit is None:
        return []
    if basis is None:
        return ["intervals: none by --method bounds, which bounds the estimates as they are"]
    if not basis.observations:
        return [
            f"intervals: {_level(basis)}, of {tx.count(basis.parameters, 'number')} that were "
            f"not measured on this machine"
        ]
    flags = "above" if basis.flags else "none"
    return [
        f"intervals: {_level(basis)}, from the fit of "
        f"{tx.count(basis.parameters, 'parameter')} to "
        f"{tx.count(basis.observations, 'observation')}; flags: {flags}"
    ]


def fit_parts(fit: Fit) -> list[Any]:
    """Return what `show` prints of a fit: estimates with intervals, and data."""
    from lockmodel.fitting.sentences import number
    from lockmodel.fitting.sentences import span as interval

    rows = [
        [
            p.name,
            number(p.value, p.unit) if p.determined or p.given else f"({number(p.value, p.unit)})",
            interval(p.low, p.high, p.unit),
            "yes" if p.determined else f"given {p.given.rpartition('.')[2]}" if p.given else "NO",
        ]
        for p in fit.parameters
    ]
    head = f"{100 * fit.level:.3g} % interval"
    data = [f"{d.file}: {tx.count(d.observations, 'observation')}" for d in fit.data]
    return [
        tx.table(["fitted", "estimate", head, "determined"], rows, left=(0,), fold=(0,)),
        f"run-to-run noise {tx.percent(fit.noise)}, model error {tx.percent(fit.model_error)}",
        *tx.bullets("fitted to:", data),
        "",
    ]


@dataclass(frozen=True)
class Column:
    """A column that a table may do without.

    Attributes
    ----------
    head : str
        May have two lines.
    cells : tuple of str
    rank : float
        Those of the highest rank go first; 0 stays.
    left : bool
        Whether it is aligned left.
    """

    head: str
    cells: tuple[str, ...]
    rank: float = 0.0
    left: bool = False

    @property
    def width(self) -> int:
        """Columns of the terminal it takes."""
        return max(len(text) for text in (*self.head.split("\n"), *self.cells))


def fitting(columns: Sequence[Column], width: int = tx.WIDTH) -> list[Column]:
    """Return the columns that fit a line, the dispensable ones left out first."""
    kept = list(columns)
    while sum(c.width for c in kept) + tx.GAP * (len(kept) - 1) > width:
        worst = max(kept, key=lambda c: c.rank)
        if worst.rank == 0:
            break
        kept.remove(worst)
    return kept


def table(columns: Sequence[Column]) -> Any:
    """Return the table of some columns; those aligned left are folded if all else fails."""
    left = [i for i, column in enumerate(columns) if column.left]
    rows = list(zip(*(column.cells for column in columns), strict=True))
    return tx.table([c.head for c in columns], rows, left=left, fold=left)


def prediction(
    points: Sequence[Point], basis: Basis, judged: bool, error: Any, short: Any
) -> list[Any]:
    """Return the table of a prediction with intervals, and lines on what is not in it.

    Parameters
    ----------
    points : sequence of Point
        The rows.
    basis : Basis
    judged : bool
        Whether the error of the method is a column.
    error, short : callable
        An error and a lock's name -> what a cell or head shows.
    """
    steady = len({p.binding for p in points}) == 1
    names = list(points[0].locks)
    waits = {name: max(p.locks[name].cycles_share for p in points) for name in names}
    by_wait = sorted(names, key=lambda name: -waits[name])
    columns = [
        Column("n", tuple(str(p.n) for p in points)),
        Column("throughput", tuple(tx.si(p.throughput_per_s, "/s") for p in points)),
        Column(
            title(basis),
            tuple("-" if (e := p.interval_per_s) is None else span(e, "/s") for p in points),
        ),
    ]
    if judged:
        columns.append(Column("error", tuple(error(p.error_estimate) for p in points)))
    columns.append(
        Column("iteration", tuple(tx.si(p.iteration_s, "s") for p in points), len(names) + 1.0)
    )
    columns.append(Column("ceiling\nat n", tuple(tx.si(p.ceiling_per_s, "/s") for p in points)))
    if not steady:
        columns.append(Column("binding", tuple(short(p.binding) for p in points), 0.0, True))
    columns += [
        Column(
            f"{short(name)}\nwaits",
            tuple(tx.percent(p.locks[name].cycles_share) for p in points),
            1.0 + by_wait.index(name),
        )
        for name in names
    ]
    kept = fitting(columns)
    made: list[Any] = [table(kept)]
    if steady:
        made.append(f"(binding at every n: {points[0].binding})")
    if any(c.head.endswith("\nwaits") for c in kept):
        made.append("(waits: share of all CPU cycles spent waiting for the lock)")
    gone = [c.head.replace("\n", " ") for c in columns if c not in kept]
    if gone:
        made.append(f"(left out for width, --json has them: {', '.join(gone)})")
    return made


def alone_tables(
    populations: Sequence[int], gains: Sequence[Sequence[str]], width: int = tx.WIDTH
) -> list[Any]:
    """Return what each lever of several buys alone: as many tables as the width needs.

    Parameters
    ----------
    populations : sequence of int
    gains : sequence of sequence of str
        Per lever, one cell per population.
    """
    first = Column("n", tuple(map(str, populations)))
    made: list[Any] = []
    row: list[Column] = [first]
    for i, cells in enumerate(gains, 1):
        column = Column(f"{i}. alone", tuple(cells), left=True)
        if len(row) > 1 and sum(c.width + tx.GAP for c in (*row, column)) - tx.GAP > width:
            made += [table(row), ""]
            row = [first]
        row.append(column)
    return [*made, table(row), ""]
