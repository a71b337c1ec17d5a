"""perf stat -j: one JSON object per counter; values are texts, and one release adds a comma."""

from __future__ import annotations

import re
from typing import Any

from lockmodel.errors import shown
from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import perf_stat, structured
from lockmodel.observe.readers.perf_stat import Counter
from lockmodel.observe.text import Line, Text

TITLE = "perf stat -j"
READS = "the same"
GIVES = ("idle_share",)
REMEDY = "run `perf stat -j -o stat.json -- COMMAND`"
TRAILING = re.compile(r",\s*\}$")


def sniff(text: Text) -> bool:
    """Return whether one of the first lines is an object with a counter's value."""
    return any(
        line.text.lstrip().startswith("{") and '"counter-value"' in line.text[:400]
        for line in text.filled[:50]
    )


def read(text: Text, options: Options) -> Reading:
    """Return the counters of perf stat -j (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    for line in text.filled:
        stripped = line.text.strip()
        if not stripped.startswith("{"):
            collector.skip(line, "output of the command")
            continue
        if TRAILING.search(stripped):
            stripped = TRAILING.sub("}", stripped)
            collector.warn("a comma before } (a bug of one perf release) was taken away")
        value = structured.parse(collector, stripped, line)
        _add(collector, line, value)
    return collector.reading(empty="no counter")


def _add(collector: Collector, line: Line, value: dict[str, Any]) -> None:
    if "counter-value" not in value:
        if "metric-value" in value:
            collector.skip(line, "a metric without its counter")
            return
        raise collector.error(line, "an object with counter-value and event was expected")
    running = value.get("pcnt-running")
    where = [f"{key} {value[key]}" for key in ("cpu", "core", "socket", "node") if key in value]
    perf_stat.add(
        collector,
        Counter(
            line,
            _text(collector, line, "event", value.get("event")),
            _text(collector, line, "unit", value.get("unit", "")),
            _text(collector, line, "counter-value", value["counter-value"]),
            str(value.get("interval", "")),
            ", ".join(where)[:60],
            str(value.get("variance", "")),
            None
            if running is None
            else structured.number(collector, line, "pcnt-running", running),
            f"{value.get('metric-value', '')} {value.get('metric-unit', '')}".strip(),
        ),
    )


def _text(collector: Collector, line: Line, key: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise collector.error(line, f"{key} = {shown(value)} must be a text")
    return str(value)
