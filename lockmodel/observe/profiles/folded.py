"""Folded stacks, the input of flame graphs: `outermost;..;innermost samples` per line."""

from __future__ import annotations

import re

from lockmodel.errors import ScenarioError, shortened
from lockmodel.observe.numbers import BadNumberError, number
from lockmodel.observe.text import Line, Text

TITLE = "folded stacks"
LINE = re.compile(r"(\S.*?)\s+(\d+(?:\.\d+)?)")
REMEDY = (
    "make it with `perf record -a -g -- sleep 5; perf script | stackcollapse-perf.pl > folded.txt`"
)


def sniff(text: Text) -> bool:
    """Return whether the first filled line is a stack with ';' and a number."""
    lines = [line for line in text.filled[:200] if not line.text.startswith("#")]
    return bool(lines) and ";" in lines[0].text and LINE.fullmatch(lines[0].text) is not None


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
        match = LINE.fullmatch(line.text)
        if match is None:
            raise ScenarioError(
                f"{text.origin}:{line.number}: {shortened(line.text)!r}: expected "
                f"`function;..;function samples`; {REMEDY}"
            )
        try:
            value = number(match[2])
        except BadNumberError as bad:
            raise ScenarioError(f"{text.origin}:{line.number}: {match[2][:40]} is {bad}") from None
        made.append((line, tuple(reversed(match[1].split(";"))), value))
    return made
