"""JSON lines: our CSV contract with keys for columns, or Extra-P's {params, value, metric}."""

from __future__ import annotations

import re
from typing import Any

from lockmodel.errors import shown
from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import structured
from lockmodel.observe.readers.heads import assign
from lockmodel.observe.readers.tidy import CONTRACT, Rows, canonical
from lockmodel.observe.text import Line, Text

TITLE = "JSON lines of throughput"
READS = (
    "the same, an object a line with columns for keys (`unit` too); or {params, value, "
    "metric, callpath} of Extra-P"
)
GIVES = ("throughput", "acquires", "hold_time", "mean_wait", "idle_share")
REMEDY = (
    f'write one {{"tasks": 4, "throughput": 1234.5}} a line; keys are the columns of {CONTRACT}'
)
SNIFFED = 4000
KEY = re.compile(r'"([^"]{1,80})"\s*:')
RATE_WORDS = ("throughput", "rate", "ops", "lps", "per_s")


def sniff(text: Text) -> bool:
    """Return whether the first line is a JSON object with throughput, or with params and value."""
    first = text.filled[0].text.strip()[:SNIFFED]
    if not first.startswith("{"):
        return False
    keys = {canonical(key) for key in KEY.findall(first.partition("[")[0])}
    return bool(keys & {"throughput", "latency"}) or ({"params", "value"} <= keys)


def read(text: Text, options: Options) -> Reading:
    """Return the observations of JSON lines (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    rows: Rows | None = None
    for line in text.filled:
        if not line.text.lstrip().startswith("{"):
            collector.skip(line, "not a JSON object")
            continue
        value = structured.parse(collector, line.text, line)
        for row in _rows(collector, line, value):
            names = assign(collector, line, list(row), options.columns)
            if rows is None:
                if "unit" in row:
                    collector.note("unit", str(row["unit"]))
                rows = Rows(collector, names)
            cells = {
                head.own: cell_of(collector, line, key, value)
                for head, (key, value) in zip(names, row.items(), strict=True)
            }
            cells.pop("unit", None)
            rows.add(line, cells)
    if rows is not None:
        rows.finish()
    return collector.reading(empty="there is no JSON object")


def _rows(collector: Collector, line: Line, value: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one row per repeat of a JSON object."""
    if "params" not in value:
        return [value]
    params, measured = value["params"], value.get("value")
    if not isinstance(params, dict):
        raise collector.error(line, f"params = {shown(params)} must be an object")
    metric = str(value.get("metric", "throughput"))
    if not any(word in metric.lower() for word in RATE_WORDS):
        raise collector.error(line, f"metric {metric!r} is no rate: only throughput is read here")
    repeats = measured if isinstance(measured, list) else [measured]
    base = {**params, "what": str(value.get("callpath", "")) or metric}
    if len(repeats) == 1:
        return [{**base, "throughput": repeats[0]}]
    return [{**base, "throughput": v, "repeat": i} for i, v in enumerate(repeats, start=1)]


def cell_of(collector: Collector, line: Line, key: str, value: Any) -> str:
    """Return a value of JSON as the cell of a CSV."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise collector.error(line, f"{key} = {shown(value)} must be a number or a text")
    return value if isinstance(value, str) else repr(value)
