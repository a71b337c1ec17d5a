"""Lists of numbers as people type them: `64`, `1,2,4`, `1..128`, `1..384:16`, `1..512*2`.

The same grammar serves populations and the axes of a sweep. On an axis that is not a count,
`0.0..1.0:11` means eleven evenly spaced values.
"""

from __future__ import annotations

import math
import re

from lockmodel.errors import ArgumentError
from lockmodel.model.network import MAX_POPULATION

MAX_VALUES = 100_000
"""Longest list accepted."""

_GRAMMAR = "64 | 1,2,4 | 1..128 | 1..384:16 (step) | 1..512*2 (factor)"
_RANGE = re.compile(r"^([^:*]+?)\.\.([^:*]+?)(?:([:*])(.+))?$")


def _whole(text: str, what: str, argument: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise ArgumentError(
            f"{argument}: {what} {text!r} is not a whole number; write {_GRAMMAR}"
        ) from None
    if not 1 <= value <= MAX_POPULATION:
        raise ArgumentError(f"{argument}: {what} {value} must lie between 1 and {MAX_POPULATION}")
    return value


def _counts(part: str, argument: str) -> list[int]:
    match = _RANGE.match(part)
    if not match:
        return [_whole(part, "value", argument)]
    low = _whole(match[1], "start", argument)
    high = _whole(match[2], "end", argument)
    if high < low:
        raise ArgumentError(f"{argument}: {part!r} runs backwards; write {high}..{low}")
    step = _whole(match[4], "step" if match[3] == ":" else "factor", argument) if match[3] else 1
    if match[3] != "*":
        return list(range(low, high + 1, step))
    if step < 2:
        raise ArgumentError(f"{argument}: factor {step} in {part!r} must be at least 2")
    values = [low]
    while values[-1] * step <= high:
        values.append(values[-1] * step)
    return values


def parse_counts(text: str, argument: str = "-n") -> tuple[int, ...]:
    """Return the whole numbers of a list, ascending and without repeats.

    Parameters
    ----------
    text : str
        Comma-separated numbers and ranges; see the module docstring.
    argument : str
        Its name, for error messages.

    Returns
    -------
    tuple of int

    Raises
    ------
    ArgumentError
        Not the grammar, out of range, or too long.
    """
    values: set[int] = set()
    for part in text.split(","):
        values.update(_counts(part.strip(), argument))
        if len(values) > MAX_VALUES:
            raise ArgumentError(f"{argument}: more than {MAX_VALUES} values; use a larger step")
    return tuple(sorted(values))


def parse_one(text: str, argument: str = "-n") -> int:
    """Return the one population of a text; raises ArgumentError for lists."""
    values = parse_counts(text, argument)
    if len(values) != 1:
        raise ArgumentError(f"{argument} {text}: takes one population; give one, e.g. {values[-1]}")
    return values[0]


def _real(text: str, argument: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ArgumentError(f"{argument}: {text!r} is not a number") from None
    if not math.isfinite(value) or value < 0:
        raise ArgumentError(f"{argument}: {text} must be a finite number >= 0")
    return value


def parse_reals(text: str, argument: str) -> tuple[float, ...]:
    """Return the numbers of a list: `0.5`, `0,0.5,1`, `0.0..1.0:11` (eleven values).

    Parameters
    ----------
    text : str
        Comma-separated numbers and ranges.
    argument : str
        Its name, for error messages.

    Returns
    -------
    tuple of float
        Ascending and without repeats.

    Raises
    ------
    ArgumentError
        Not the grammar, negative or not finite, or too long.
    """
    values: set[float] = set()
    for part in (p.strip() for p in text.split(",")):
        if ".." not in part:
            values.add(_real(part, argument))
            continue
        match = _RANGE.match(part)
        if not match or match[3] != ":":
            raise ArgumentError(
                f"{argument}: {part!r} needs the number of values: write 0.0..1.0:11"
            )
        low, high = _real(match[1], argument), _real(match[2], argument)
        count = _whole(match[4], "number of values", argument)
        if high <= low or count < 2 or count > MAX_VALUES:
            raise ArgumentError(
                f"{argument}: {part!r} needs start < end and 2 to {MAX_VALUES} values"
            )
        between = (low + (high - low) * i / (count - 1) for i in range(1, count - 1))
        values.update((low, *between, high))
        if len(values) > MAX_VALUES:
            raise ArgumentError(f"{argument}: more than {MAX_VALUES} values; give fewer")
    return tuple(sorted(values))
