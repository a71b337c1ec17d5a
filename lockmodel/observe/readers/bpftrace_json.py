"""bpftrace -f json: one object per event; the upper edge of a bin is inclusive."""

from __future__ import annotations

import math
from typing import Any

from lockmodel.errors import shown
from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import bpftrace, structured
from lockmodel.observe.readers.bpftrace import Edges
from lockmodel.observe.text import Line, Text

TITLE = "bpftrace JSON"
READS = "the same maps"
GIVES = ("hold_histogram", "hold_time", "mean_wait", "acquires")
REMEDY = bpftrace.REMEDY
SNIFFED = 400
TYPES = ("hist", "lhist", "stats", "map", "attached_probes", "lost_events", "printf", "time")


def sniff(text: Text) -> bool:
    """Return whether it begins with an object that has a bpftrace type."""
    begins = "".join(text.whole[:SNIFFED].split())
    return any(begins.startswith(f'{{"type":"{kind}"') for kind in TYPES)


def read(text: Text, options: Options) -> Reading:
    """Return the observations of bpftrace's JSON (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options, traced=True)
    for line, value in structured.objects(collector, text):
        kind, data = value.get("type"), value.get("data")
        if kind in ("hist", "lhist", "stats", "map"):
            if not isinstance(data, dict):
                raise collector.error(line, f"data = {shown(data)} must be an object")
            for name, content in data.items():
                _map(collector, line, str(kind), name.lstrip("@"), content)
        elif kind == "lost_events":
            lost = data.get("events", data) if isinstance(data, dict) else data
            if lost:
                collector.warn(f"bpftrace lost {shown(lost)} events: counts are too low")
        elif kind != "attached_probes":
            collector.skip(line, f"an object of type {shown(kind)}")
    return collector.reading(empty="no map has a value")


def _map(collector: Collector, line: Line, kind: str, name: str, content: Any) -> None:
    """Add one map, with or without keys."""
    whole = kind in ("hist", "lhist") and isinstance(content, list)
    if kind == "stats" and isinstance(content, dict) and {"count", "total"} <= set(content):
        whole = not isinstance(content["count"], dict)
    if kind == "map" and not isinstance(content, dict):
        whole = True
    if whole:
        _value(collector, line, kind, name, "", content)
    elif isinstance(content, dict):
        for key, inner in content.items():
            _value(collector, line, kind, name, key, inner)
    else:
        raise collector.error(line, f"@{name} = {shown(content)} is no {kind}")


def _value(collector: Collector, line: Line, kind: str, name: str, key: str, value: Any) -> None:
    if kind == "map":
        if isinstance(value, int | float) and not isinstance(value, bool):
            bpftrace.add_number(collector, line, name, key, float(value))
        else:
            collector.skip(line, "a map of texts or lists")
    elif kind == "stats":
        if not isinstance(value, dict):
            raise collector.error(line, f"{shown(value)} must be {{count, average, total}}")
        count = structured.count(collector, line, "count", value.get("count"))
        mean = structured.number(collector, line, "average", value.get("average"))
        total = structured.number(collector, line, "total", value.get("total"))
        bpftrace.add_statistics(collector, line, name, key, count, mean, total)
    else:
        if not isinstance(value, list):
            raise collector.error(line, f"{shown(value)} must be a list of bins")
        edges = [_edges(collector, line, item) for item in value]
        bpftrace.add_histogram(collector, line, name, key, edges)


def _edges(collector: Collector, line: Line, item: Any) -> Edges:
    if not isinstance(item, dict) or not {"min", "max"} & set(item):
        raise collector.error(line, f"bin {shown(item)} must be {{min, max, count}}")
    count = structured.count(collector, line, "count", item.get("count"))
    low = structured.number(collector, line, "min", item["min"]) if "min" in item else -math.inf
    high = structured.number(collector, line, "max", item["max"]) + 1 if "max" in item else math.inf
    return low, high, count
