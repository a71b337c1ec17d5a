"""Numbers and tables for people: 80 columns, units, and no more digits than they deserve."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Literal

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lockmodel.units import si as si

WIDTH = 80


def percent(share: float) -> str:
    """Return a share as a percentage: 0.897 -> "89.7 %"; below 0.05 % it is "-"."""
    return "-" if abs(share) < 5e-4 else f"{100 * share:.1f} %"


def gain(value: float) -> str:
    """Return a gain as a signed percentage: 0.8 -> "+80 %", 0.043 -> "+4.3 %"."""
    rounded = 100 * value
    if abs(rounded) < 0.05:
        return "0 %"
    return f"{rounded:+.1f} %" if abs(rounded) < 9.95 else f"{rounded:+,.0f} %"


def plain(value: float) -> str:
    """Return a count: 15.0 -> "15", 7.5 -> "7.5", 11964.2 -> "11,964"."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}".removesuffix(".0")


def count(number: int, noun: str) -> str:
    """Return a number with its noun: 1, "node" -> "1 node"; 2, "process" -> "2 processes"."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number} {noun if number == 1 else plural}"


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    left: Sequence[int] = (),
    fold: Sequence[int] = (),
) -> Table:
    """Return a table; columns in `left` are aligned left, those in `fold` give way."""
    made = Table(box=None, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
    for i, column in enumerate(columns):
        justify: Literal["left", "right"] = "left" if i in left else "right"
        made.add_column(
            Text(column, style="bold"), justify=justify, overflow="fold", no_wrap=i not in fold
        )
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    return made


def bullets(head: str, lines: Sequence[str]) -> list[RenderableType]:
    """Return a heading and an indented list; nothing for no lines."""
    if not lines:
        return []
    made: list[RenderableType] = [Text(head)]
    for line in lines:
        item = Table.grid(padding=(0, 1))
        item.add_column()
        item.add_column(overflow="fold")
        item.add_row("-", Text(line))
        made.append(Padding(item, (0, 0, 0, 2)))
    return made


def render(parts: Sequence[RenderableType], colour: bool) -> str:
    """Return the parts as text of `WIDTH` columns without trailing blanks."""
    buffer = io.StringIO()
    console = Console(
        file=buffer, width=WIDTH, force_terminal=colour, color_system="auto" if colour else None
    )
    for part in parts:
        console.print(part, markup=False, highlight=False)
    lines = buffer.getvalue().split("\n")
    return "\n".join(line.rstrip() for line in lines)
