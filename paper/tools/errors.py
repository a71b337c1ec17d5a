"""Why the paper is not built, and how a tool says so."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from lockmodel.errors import LockmodelError

SHOWN = 12
"""Complaints that one message lists."""


class PaperError(LockmodelError):
    """The text and the numbers do not agree, or cannot be typeset (exit 1)."""

    exit_code = 1


def complain(what: str, problems: Sequence[str]) -> None:
    """Raise PaperError with the problems, one a line; nothing for none."""
    if not problems:
        return
    lines = [f"paper: {what}:", *(f"  {one}" for one in problems[:SHOWN])]
    if len(problems) > SHOWN:
        lines.append(f"  and {len(problems) - SHOWN} more")
    raise PaperError("\n".join(lines))


def run_tool(work: Callable[[], None]) -> int:
    """Run a tool; say on standard error why it failed, and return the exit code."""
    try:
        work()
    except LockmodelError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0
