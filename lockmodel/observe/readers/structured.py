"""JSON as readers take it: numbers finite, depth bounded, errors with file and line."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from lockmodel.errors import shortened, shown
from lockmodel.observe.collector import Collector
from lockmodel.observe.text import Line, Text

LARGEST = 1e300


def parse(collector: Collector, text: str, line: Line | None = None) -> Any:
    """Return the value of a JSON text; an error names the line.

    Raises
    ------
    ScenarioError
        It is not JSON, or holds NaN, Infinity or a number beyond 1e300.
    """
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_float, parse_int=_int)
    except json.JSONDecodeError as error:
        number = line.number if line else error.lineno
        rows = text.split("\n")
        seen = Line(number, rows[min(error.lineno, len(rows)) - 1])
        raise collector.error(seen, f"not JSON: {error.msg} at column {error.colno}") from None
    except (ValueError, RecursionError) as error:
        reason = shortened(str(error)) or "nested too deeply"
        raise collector.error(line, f"not usable JSON: {reason}") from None


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is not a finite number")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise ValueError(f"{shortened(text)} is not a finite number")
    return value


def _int(text: str) -> int:
    if len(text) > 300:
        raise ValueError(f"{shortened(text)} is not a finite number")
    return int(text)


def number(collector: Collector, line: Line | None, what: str, value: Any) -> float:
    """Return a JSON number; raises ScenarioError if it is anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise collector.error(line, f"{what} = {shown(value)} must be a number")
    return float(value)


def count(collector: Collector, line: Line | None, what: str, value: Any) -> int:
    """Return a JSON number that is whole and not negative; raises ScenarioError otherwise."""
    real = number(collector, line, what, value)
    if real < 0 or real != int(real):
        raise collector.error(line, f"{what} = {shown(value)} must be a whole number >= 0")
    return int(value)


def objects(collector: Collector, text: Text) -> list[tuple[Line, dict[str, Any]]]:
    """Return the JSON objects of a text (see `_values`)."""
    return _values(collector, text, "{", "not a JSON object")


def lists(collector: Collector, text: Text) -> list[tuple[Line, list[Any]]]:
    """Return the JSON lists of a text (see `_values`)."""
    return _values(collector, text, "[", "not a JSON list")


def _values(collector: Collector, text: Text, begin: str, other: str) -> list[tuple[Line, Any]]:
    """Return the JSON values of a text that begin so, one after the other over any lines.

    Lines that begin with none are skipped with a warning; one that begins a value which never
    ends, or is no JSON, is an error.
    """
    made: list[tuple[Line, Any]] = []
    decoder = json.JSONDecoder(parse_constant=_refuse, parse_float=_float, parse_int=_int)
    whole, position = text.whole, 0
    starts = _starts(text)
    row = 0
    while position < len(whole):
        while row + 1 < len(starts) and starts[row + 1] <= position:
            row += 1
        line = text.lines[row]
        if whole[position].isspace():
            position += 1
            continue
        if whole[position] != begin:
            collector.skip(line, other)
            position = starts[row + 1] if row + 1 < len(starts) else len(whole)
            continue
        try:
            value, position = decoder.raw_decode(whole, position)
        except json.JSONDecodeError as error:
            seen = text.lines[min(error.lineno, len(text.lines)) - 1]
            raise collector.error(seen, f"not JSON: {error.msg} at column {error.colno}") from None
        except (ValueError, RecursionError) as error:
            reason = shortened(str(error)) or "nested too deeply"
            raise collector.error(line, f"not usable JSON: {reason}") from None
        made.append((line, value))
    return made


def _starts(text: Text) -> list[int]:
    """Return where each line begins in the whole text."""
    made, position = [], 0
    for line in text.lines:
        made.append(position)
        position += len(line.text) + 1
    return made


TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+|\n')
MOST_TOKENS = 2_000_000
"""Tokens up to which lines are told: a result of a benchmark has some thousands."""

Places = dict[tuple[str | int, ...], Line]


def places(text: Text, begin: Line) -> Places:
    """Return the line on which each value of a JSON text stands.

    Parameters
    ----------
    text : Text
        Of which a part is JSON that was parsed without an error.
    begin : Line
        The line where it begins.

    Returns
    -------
    dict
        Path (keys of objects, indices of lists) -> line; () is that of the whole.
    """
    made: Places = {}
    row = begin.number - 1
    whole = "\n".join(line.text for line in text.lines[row:])
    path: list[str | int] = []
    key = ""
    fresh = False  # a key is what comes next
    start = next((i for i, c in enumerate(whole) if c in "{["), 0)
    for match in islice(TOKEN.finditer(whole, start), MOST_TOKENS):
        token = match[0]
        if token == "\n":
            row += 1
        elif token in "}]":
            path.pop()
            if not path:
                break
            fresh = False
        elif token == ",":
            if isinstance(path[-1], int):
                path[-1] += 1
            fresh = not isinstance(path[-1], int)
        elif token == ":":
            path[-1] = key
        elif fresh:
            key, fresh = _plain(token), False
        else:
            made[tuple(path)] = text.lines[row]
            if token in "{[":
                path.append(0 if token == "[" else "")
                fresh = token == "{"
    return made


def leaves(value: Any, *path: str | int) -> Iterator[tuple[tuple[str | int, ...], float]]:
    """Yield the path and value of every number in a JSON value, those in lists too."""
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(one, *path, key)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, float(value)


def _plain(token: str) -> str:
    """Return a key without quotes."""
    return str(json.loads(token)) if "\\" in token else token[1:-1]
