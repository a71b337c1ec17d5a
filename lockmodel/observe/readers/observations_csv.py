"""Observations as lockmodel import writes them: the inverse of `lockmodel.observe.export`."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

from lockmodel.errors import ScenarioError
from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.export import FIRST_COLUMNS, SCHEMA_LINE
from lockmodel.observe.numbers import BadNumberError, number, whole
from lockmodel.observe.observations import FLAGS, FLOATS, INTS, UNITS, Reading, Source, from_plain
from lockmodel.observe.readers import structured
from lockmodel.observe.readers.tidy_csv import cells
from lockmodel.observe.summary import IDENTITY
from lockmodel.observe.text import Line, Text

TITLE = "observations of lockmodel"
READS = "what `lockmodel import -o FILE.csv` or `.json` wrote: every observation, with its source"
GIVES = tuple(UNITS)
REMEDY = "write it again with `lockmodel import FILE -o obs.csv`"


def sniff(text: Text) -> bool:
    """Return whether it is a CSV with our columns, or our JSON."""
    first = [line.text.strip() for line in text.filled[:50] if not line.text.startswith("#")]
    if first and first[0].startswith(",".join(FIRST_COLUMNS)):
        return True
    return '"schema": "lockmodel.import/1"' in text.whole[:200]


def read(text: Text, options: Options) -> Reading:
    """Return the observations of a file that lockmodel wrote (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    if text.filled[0].text.lstrip().startswith("{"):
        _from_json(collector, text)
        lines = [0] * len(collector.observations)
    else:
        lines = _from_csv(collector, text)
    _merge(collector, lines)
    return collector.reading(empty="it holds no observation")


def _from_json(collector: Collector, text: Text) -> None:
    value = structured.parse(collector, text.whole)
    readings = value.get("files") if isinstance(value, dict) else None
    if not isinstance(readings, list):
        raise collector.error(None, "a list of files was expected")
    for reading in readings:
        items = reading.get("observations") if isinstance(reading, dict) else None
        if not isinstance(items, list):
            raise collector.error(None, "a list of observations was expected in each file")
        for i, item in enumerate(items):
            collector.observations.append(from_plain(item, f"{text.origin}: observations[{i}]"))


def _merge(collector: Collector, lines: list[int]) -> None:
    """Give rows that several files have with equal settings their numbers as repeats of one."""
    keys = [(*(getattr(o, name) for name in IDENTITY), o.traced) for o in collector.observations]
    files: dict[tuple[object, ...], set[str]] = {}
    for key, o in zip(keys, collector.observations, strict=True):
        files.setdefault(key, set()).add(o.source.file)
    if all(len(own) < 2 for own in files.values()):
        return
    many = Counter(keys)
    seen: Counter[tuple[object, ...]] = Counter()
    for i, (key, o) in enumerate(zip(keys, collector.observations, strict=True)):
        seen[key] += 1
        here = Source(collector.text.origin, lines[i])
        repeat = seen[key] if many[key] > 1 else o.repeat
        collector.observations[i] = replace(o, repeat=repeat, source=here)
    every = {name for own in files.values() for name in own}
    collector.warn(
        f"rows of {len(every)} files with equal settings are repeats; import them one by one if "
        f"they are of different things"
    )


def _from_csv(collector: Collector, text: Text) -> list[int]:
    """Add the rows; return the line of each."""
    lines: list[int] = []
    names: list[str] | None = None
    for line in text.filled:
        if line.text.startswith("#"):
            if line.text != SCHEMA_LINE:
                _note(collector, line)
            continue
        parts = cells(line.text, ",")
        if names is None:
            names = parts
            continue
        if len(parts) != len(names):
            raise collector.error(line, f"{len(parts)} cells for {len(names)} columns")
        plain = _plain(collector, line, dict(zip(names, parts, strict=True)))
        try:
            collector.observations.append(from_plain(plain, str(collector.source(line))))
        except ScenarioError as error:
            raise collector.error(line, str(error)) from None
        lines.append(line.number)
    return lines


def _note(collector: Collector, line: Line) -> None:
    """Keep a comment `# key: value` as metadata; say that another one was skipped."""
    key, colon, value = line.text.lstrip("# ").partition(":")
    if colon and key.strip().isidentifier():
        collector.note(key.strip(), value.strip())
    else:
        collector.skip(line, "a comment")


def _plain(collector: Collector, line: Line, row: dict[str, str]) -> dict[str, Any]:
    """Return a row as `from_plain` takes it: empty cells left out, numbers parsed."""
    plain: dict[str, Any] = {}
    for key, cell in row.items():
        if cell == "" or key in ("file", "line"):
            continue
        try:
            if key in FLOATS:
                plain[key] = number(cell)
            elif key in INTS:
                plain[key] = whole(cell)
            elif key in FLAGS:
                plain[key] = {"true": True, "false": False}.get(cell, cell)
            elif key == "bins":
                plain[key] = json.loads(cell)
            else:
                plain[key] = cell
        except (BadNumberError, ValueError, RecursionError) as error:
            raise collector.error(line, f"{key} {cell[:40]!r} is not valid ({error})") from None
    if "file" not in row and "line" not in row:
        here = collector.source(line)
        return plain | {"source": {"file": here.file, "line": here.line}}
    try:
        plain["source"] = {"file": row.get("file", ""), "line": whole(row.get("line", ""))}
    except BadNumberError as error:
        raise collector.error(line, f"line {row.get('line')!r} is {error}") from None
    return plain
