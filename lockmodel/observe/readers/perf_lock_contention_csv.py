"""perf lock contention -x: the same as CSV, times in whole ns."""

from __future__ import annotations

import re
from typing import Any

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.numbers import Measured
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import waits
from lockmodel.observe.readers.perf_lock_contention import FIELDS, NOISE, REMEDY, finish
from lockmodel.observe.readers.waits import Wait
from lockmodel.observe.text import Line, Text

TITLE = "perf lock contention -x"
READS = "the same, in whole ns"
GIVES = ("mean_wait", "wait_share")
HEADER = re.compile(r"# output: (?:contended|total wait|max wait|min wait|avg wait)(?P<sep>.+)")
DEBUG = re.compile(r"# debug: total=(\d+).{1,3}?bad=(\d+)")
TAIL = ("type", "caller", "address", "symbol", "pid", "comm", "cgroup", "stacktrace")


def sniff(text: Text) -> bool:
    """Return whether there is the comment that names the columns."""
    return any(HEADER.match(line.text) for line in text.filled)


def read(text: Text, options: Options) -> Reading:
    """Return the observations of perf lock contention -x (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options, traced=True)
    names: list[str] = []
    sep = ""
    rows: list[Wait] = []
    for line in text.filled:
        if line.text.startswith("# output: "):
            names, sep = _header(collector, line)
        elif debug := DEBUG.match(line.text):
            bad = collector.whole(line, "bad", debug[2])
            collector.checked(line, "events that perf could not match")
            if bad > 0.01 * max(collector.whole(line, "total", debug[1]), 1):
                collector.warn(f"perf could not match {bad} of {debug[1]} events: use -b (BPF)")
        elif not names:
            if not NOISE.fullmatch(line.text):
                collector.skip(line, "before the table")
        elif sep not in line.text and text.apart(line):
            collector.skip(line, "after the table")
            names = [*names] if line.text.startswith("#") else []
        else:
            rows.append(_row(collector, line, names, sep))
    tail = next((name for name in ("pid", "cgroup") if name in names), "lock")
    finish(collector, rows, tail)
    return collector.reading(empty="the table has no row: nothing was contended, or it is cut off")


def _header(collector: Collector, line: Line) -> tuple[list[str], str]:
    """Return the columns, and the separator that the user chose."""
    named = line.text.removeprefix("# output: ")
    first = next((name for name in FIELDS if named.startswith(name)), None)
    match = re.match(r"(\s*\S{1,3}?)\s", named[len(first) :]) if first else None
    if match is None:
        raise collector.error(line, "'# output: contended, total wait, ...' was expected")
    sep = match[1].strip()
    names = [name.strip() for name in named.split(sep)]
    unknown = [name for name in names if name not in FIELDS and name not in TAIL]
    if unknown or len(set(names)) < len(names):
        raise collector.error(line, f"columns {', '.join(names)[:80]!r} are not those of perf")
    return names, sep


def _row(collector: Collector, line: Line, names: list[str], sep: str) -> Wait:
    parts = [part.strip() for part in line.text.split(sep, len(names) - 1)]
    if len(parts) != len(names):
        raise collector.error(line, f"{len(parts)} cells for {len(names)} columns: cut off?")
    cells = dict(zip(names, parts, strict=True))
    values: dict[str, Any] = {}
    for name, attribute in FIELDS.items():
        if name in cells and attribute != "count":
            ns = collector.whole(line, name, cells[name])
            values[attribute] = Measured(ns / 1e9, 0.5e-9)
    count = collector.whole(line, "contended", cells["contended"]) if "contended" in cells else None
    if count is None:
        count = _counted(collector, line, values)
    kind = cells.get("type", "")
    if kind and kind.partition(":")[0] not in waits.LOCK_TYPES:
        raise collector.error(line, f"type {kind!r} is none of {', '.join(waits.LOCK_TYPES)}")
    lock = cells.get("symbol", "")
    if not lock and cells.get("address"):
        lock = f"lock at {cells['address']}"
    site = waits.plain_symbol(cells.get("caller") or cells.get("comm") or cells.get("cgroup") or "")
    if not lock and not site:
        raise collector.error(line, "neither a caller nor a lock: cut off?")
    wait = Wait(line, count, kind=kind, lock=lock, site=site, **values)
    waits.check(collector, wait)
    return wait


def _counted(collector: Collector, line: Line, values: dict[str, Any]) -> int:
    """Return how many waits there were if the column is missing: total / mean."""
    total: Measured | None = values.get("total")
    mean: Measured | None = values.get("mean")
    if total is None and mean is None:
        raise collector.error(
            line, "neither contended nor a wait is listed: -F contended,wait_total"
        )
    if total is None or mean is None or mean.value == 0:
        collector.warn(
            "no column contended: only shares of waiting; -F contended,wait_total adds it"
        )
        return 0
    return max(1, round(total.value / mean.value))
