"""The help on levers and axes, from their records."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from lockmodel.changes.kinds import AXES, KINDS

WIDTH = 78
LEVER_COLUMN = 35
AXIS_COLUMN = 25


def levers() -> str:
    """Return a line or more for every lever: how it is written and what it does."""
    return _listed(((kind.form, kind.meaning) for kind in KINDS.values()), LEVER_COLUMN)


def axes() -> str:
    """Return a line for every axis of a sweep."""
    forms = [kind.axis for kind in AXES.values() if kind.axis is not None]
    return _listed(((f"{a.name}={a.values}", a.meaning) for a in forms), AXIS_COLUMN)


def _listed(rows: Iterable[tuple[str, str]], column: int) -> str:
    """Return two columns; what is too wide for the first has a line of its own."""
    lines: list[str] = []
    for form, meaning in rows:
        first, *rest = textwrap.wrap(meaning, WIDTH - column, break_on_hyphens=False)
        head = f"  {form}"
        if len(head) + 2 > column:
            lines.append(head)
            head = ""
        lines.append(f"{head:<{column}}{first}")
        lines += [f"{'':<{column}}{line}" for line in rest]
    return "\n".join(lines)
