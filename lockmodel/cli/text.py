"""Numbers and tables for people: 80 columns, units, and no more digits than they deserve."""

from __future__ import annotations

import io
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lockmodel.units import cut as cut
from lockmodel.units import gain as gain
from lockmodel.units import share
from lockmodel.units import si as si

if TYPE_CHECKING:  # rich takes long to import: only where text is printed
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table

whole = share
"""0.323 -> "32 %"."""

WIDTH = 80
"""Columns of a report on a wide terminal; a narrower one gets its own width."""

NARROWEST = 32

GAP = 2
"""Blanks between columns."""

LEAST = 16
"""Characters that a column which gives way keeps."""


def width() -> int:
    """Return the columns that there are for a report."""
    return max(NARROWEST, min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns))


def percent(share: float) -> str:
    """Return a share as a percentage: 0.897 -> "89.7 %"; below 0.05 % it is "-"."""
    return "-" if abs(share) < 5e-4 else whole(share, 1)


def plain(value: float) -> str:
    """Return a count: 15.0 -> "15", 7.5 -> "7.5", 11964.2 -> "11,964"."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}".removesuffix(".0")


def count(number: int, noun: str) -> str:
    """Return a number with its noun: 1, "node" -> "1 node"; 2, "process" -> "2 processes"."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number} {noun if number == 1 else plural}"


def short(name: str, most: int | None = None) -> str:
    """Return a lock's name as a column has room for it: "ld-linux-x86-64.so.2" -> "ld-linux".

    `most` is the characters that are kept; all without it.
    """
    return name.partition("-x86")[0][:most]


def binds(station: str) -> str:
    """Return what binds as a clause: "libc.so.6 binds", "the CPUs bind"."""
    return "the CPUs bind" if station == "cpu" else f"{station} binds"


@dataclass(frozen=True)
class Grid:
    """A table; where it does not fit, every row becomes a block with a line per cell.

    Attributes
    ----------
    columns : tuple of str
    rows : tuple of tuple of str
    left, fold : frozenset of int
        Columns that are aligned left, and those that give way.
    heads : bool
        Whether the names of the columns are printed.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: frozenset[int]
    fold: frozenset[int]
    heads: bool = True

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Give rich the table, or the blocks."""
        from rich.text import Text

        widths = [
            max(len(line) for cell in cells for line in cell.split("\n"))
            for cells in zip(self.columns, *self.rows, strict=True)
        ]
        least = sum(min(w, LEAST) if i in self.fold else w for i, w in enumerate(widths))
        if least + GAP * (len(widths) - 1) <= options.max_width or len(widths) == 1:
            yield self._table()
        else:
            yield Text("\n".join(self._blocks(options.max_width)))

    def _table(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        made = Table(
            box=None,
            pad_edge=False,
            show_edge=False,
            padding=(0, GAP, 0, 0),
            show_header=self.heads,
        )
        for i, column in enumerate(self.columns):
            justify: Literal["left", "right"] = "left" if i in self.left else "right"
            made.add_column(
                Text(column, style="bold"),
                justify=justify,
                overflow="fold",
                no_wrap=i not in self.fold,
            )
        for row in self.rows:
            made.add_row(*(Text(cell) for cell in row))
        return made

    def _blocks(self, width: int) -> Iterator[str]:
        name, *heads = (" ".join(column.split()) for column in self.columns)
        wide = max(map(len, heads))
        once = max(len(f"{name} {row[0].strip()}") for row in self.rows) > width
        if once:  # a long name of the column stands above them, not before each
            yield from textwrap.wrap(name, width)
        for first, *others in self.rows:
            yield first.strip() if once else f"{name} {first.strip()}".strip()
            for head, cell in zip(heads, others, strict=True):
                if cell.strip():
                    head = f"  {head:<{wide}} "
                    yield from textwrap.wrap(head + cell.strip(), width, subsequent_indent="    ")


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    left: Sequence[int] = (),
    fold: Sequence[int] = (),
    heads: bool = True,
) -> Grid:
    """Return a table; columns in `left` are aligned left, those in `fold` give way."""
    cells = tuple(map(tuple, rows))
    return Grid(tuple(columns), cells, frozenset(left), frozenset(fold), heads)


def more(hidden: int, noun: str, option: str) -> list[str]:
    """Return the line that counts what was left out and says how to see it; nothing for none."""
    plural = count(hidden, noun).partition(" ")[2]
    return [f"{hidden} more {plural}: {option}"] if hidden > 0 else []


def error(value: float | None) -> str:
    """Return a relative error as a table shows it: 0.1234 -> "12 %", "?" where it is not known."""
    if value is None:
        return "?"
    return f"{100 * value:.2g} %" if value < 0.0995 else f"{100 * value:.0f} %"


def worth(value: float | None, where: str) -> str:
    """Return what approximations are worth: "worth at most 12 % (n = 16)"; "" for nothing."""
    if value is None:
        return f"of unknown size ({where})"
    return f"worth at most {error(value)} ({where})" if value > 0 else ""


def counted(warnings: Sequence[str], size: str = "") -> list[str]:
    """Return the line that counts the approximations: "4 approximations, worth ...: --explain"."""
    number = count(len(warnings), "approximation")
    return [f"{number}{size and ', ' + size}: --explain"] if warnings else []


def bullets(head: str, lines: Sequence[str]) -> list[RenderableType]:
    """Return a heading and an indented list; nothing for no lines."""
    if not lines:
        return []
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    made: list[RenderableType] = [Text(head)]
    for line in lines:
        item = Table.grid(padding=(0, 1))
        item.add_column()
        item.add_column(overflow="fold")
        item.add_row("-", Text(line))
        made.append(Padding(item, (0, 0, 0, 2)))
    return made


def render(parts: Sequence[RenderableType], colour: bool) -> str:
    """Return the parts as text of `width()` columns without trailing blanks."""
    from rich.console import Console

    buffer = io.StringIO()
    console = Console(
        file=buffer,
        width=width(),
        force_terminal=colour,
        color_system="auto" if colour else None,
        emoji=False,
        force_jupyter=False,  # in a notebook it would show the text and leave the buffer empty
    )
    for part in parts:
        console.print(part, markup=False, highlight=False)
    lines = buffer.getvalue().split("\n")
    return "\n".join(line.rstrip() for line in lines)
