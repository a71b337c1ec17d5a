"""Folded stacks, the input of flame graphs: `outermost;..;innermost samples` per line."""

from __future__ import annotations

import re

from lockmodel.errors import ScenarioError, shortened
from lockmodel.observe.numbers import BadNumberError, number
from lockmodel.observe.text import Line, Text

TITLE = "folded stacks"
SAMPLES = re.compile(r"\d+(?:\.\d+)?")
REMEDY = (
    "make it with `perf record -a -g -- sleep 5; perf script | stackcollapse-perf.pl > folded.txt`"
)


def sniff(text: Text) -> bool:
    """Return whether the first filled line is a stack with ';' and a number."""
    lines = [line for line in text.filled[:200] if not line.text.startswith("#")]
    return bool(lines) and ";" in lines[0].text and split(lines[0].text) is not None


def split(line: str) -> tuple[str, str] | None:
    """Return stack and samples of a line; None if it does not end in a number."""
    parts = line.rsplit(None, 1)
    if len(parts) < 2 or line[:1].isspace() or SAMPLES.fullmatch(parts[1]) is None:
        return None
    return parts[0], parts[1]


def paths(text: Text) -> list[tuple[Line, tuple[str, ...], float]]:
    """Return the stacks, innermost first, with their lines and values.

    Raises
    ------
    ScenarioError
        A line is not a stack and a number.
    """
    made = []
    for line in text.filled:
        if line.text.startswith("#"):
            continue
        parts = split(line.text)
        if parts is None:
            raise ScenarioError(
                f"{text.origin}:{line.number}: {shortened(line.text)!r}: expected "
                f"`function;..;function samples`; {REMEDY}"
            )
        try:
            value = number(parts[1])
        except BadNumberError as bad:
            raise ScenarioError(f"{text.origin}:{line.number}: {parts[1][:40]} is {bad}") from None
        made.append((line, tuple(reversed(parts[0].split(";"))), value))
    return made
