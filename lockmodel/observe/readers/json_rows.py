"""A JSON array of objects: our CSV contract with keys for columns."""

from __future__ import annotations

import json
import re
from typing import Any

from lockmodel.errors import shown
from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import structured
from lockmodel.observe.readers.heads import assign
from lockmodel.observe.readers.json_lines import cell_of
from lockmodel.observe.readers.tidy import Rows, is_contract
from lockmodel.observe.text import Line, Text

TITLE = "JSON array of throughput"
READS = "the same, an array of objects, alone or under a key; a list of numbers is repeats"
GIVES = ("throughput", "acquires", "hold_time", "mean_wait", "idle_share")
REMEDY = 'write [{"tasks": 4, "throughput": 1234.5}, ..]; keys are the columns of the CSV'

SNIFFED = 4000
OPENED = re.compile(
    r"\s*(?:\{\s*(?:\"[^\"]{1,60}\"\s*:\s*[^\[{]{0,200},\s*){0,20}\"[^\"]{1,60}\"\s*:\s*)?\[\s*\{"
)
KEY = re.compile(r'"([^"]{1,80})"\s*:')
OTHER = re.compile(r'"(?:schema|type|primaryMetric|command|counter-value|params)"\s*:')
"""Keys at the start of other JSON files."""


def sniff(text: Text) -> bool:
    """Return whether it is an array of objects with a population and a throughput."""
    begins = text.whole[:SNIFFED]
    opened = OPENED.match(begins)
    if opened is None or OTHER.search(begins):
        return False
    try:
        first, _ = json.JSONDecoder().raw_decode(begins, opened.end() - 1)
    except (ValueError, RecursionError):
        return is_contract(KEY.findall(begins[opened.end() :].partition("},")[0]))
    return is_contract(_flat(first))


def read(text: Text, options: Options) -> Reading:
    """Return the observations of a JSON array (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    value = structured.parse(collector, text.whole)
    items = value
    if isinstance(value, dict):
        lists = {key: item for key, item in value.items() if _is_rows(item)}
        if len(lists) != 1:
            raise collector.error(None, "one array of objects was expected")
        (items,) = lists.values()
        for key, item in value.items():
            if isinstance(item, str | int | float):
                collector.note(key[:40], str(item))
    if not _is_rows(items):
        raise collector.error(None, f"an array of objects was expected, not {shown(value)}")
    lines = _lines(text, len(items))
    rows: Rows | None = None
    for i, item in enumerate(items):
        flat = _flat(item)
        made = assign(collector, lines[i], list(flat), options.columns)
        rows = rows or Rows(collector, made)
        keys = {head.own: key for head, key in zip(made, flat, strict=True)}
        own = keys.get("throughput", "")
        measured = flat.get(own)
        repeats = measured if isinstance(measured, list) else [measured]
        for k, one in enumerate(repeats, start=1):
            row = flat | ({own: one} if own else {})
            cells = {o: cell_of(collector, lines[i], key, row[key]) for o, key in keys.items()}
            if len(repeats) > 1:
                cells["repeat"] = str(k)
            rows.add(lines[i], cells)
    if rows is not None:
        rows.finish()
    return collector.reading(empty="the array has no object with a throughput")


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)


def _flat(item: dict[str, Any]) -> dict[str, Any]:
    """Return an object with the keys of objects in it beside its own."""
    made: dict[str, Any] = {}
    for key, value in item.items():
        if isinstance(value, dict):
            inner = {k: v for k, v in value.items() if not isinstance(v, dict)}
            made |= {
                k if k not in item and k not in made else f"{key}.{k}": v for k, v in inner.items()
            }
        else:
            made[key] = value
    return made


def _lines(text: Text, count: int) -> list[Line]:
    """Return the line where each object begins, or the first line where that is not plain."""
    starts = [line for line in text.filled if re.match(r"[\s\[,]*\{", line.text)]
    outer = starts if len(starts) == count else starts[1:]
    return outer if len(outer) == count else [text.filled[0]] * count
