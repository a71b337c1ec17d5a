"""perf lock report: acquired, contended and waits per lock."""

from __future__ import annotations

import re
from typing import Any

from lockmodel.observe import gates
from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.numbers import SECONDS
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import waits
from lockmodel.observe.readers.waits import Wait
from lockmodel.observe.text import Line, Text

TITLE = "perf lock report"
READS = "acquired, contended and waits per lock or thread"
GIVES = ("acquires", "contended_fraction", "mean_wait", "wait_share")
REMEDY = (
    "run `perf lock record -- COMMAND` on a kernel with CONFIG_LOCKDEP, then `perf lock report -c`"
)

COLUMNS = {"avg wait": "mean", "total wait": "total", "max wait": "high", "min wait": "low"}
HEADER = re.compile(
    r"\s*Name\s+acquired\s+contended((?:\s+(?:avg|total|max|min) wait(?: \(ns\))?)*)\s*"
)
COLUMN = re.compile(r"(avg|total|max|min) wait(?P<ns> \(ns\))?")
NAME = r"\s*(\S++(?:\s++\S++)*?)"
VALUE = r"\s+([\d.,]+)(?: (h|m|s|ms|us|ns)\b)?"
NOISE = re.compile(
    r"=== output for debug ?===|\s*bad: .*|\s*bad rate: .*|histogram of .*|\s+\w+: \d+"
)
TASK = re.compile(r":\d+|swapper(?:/\d+)?|perf")
NOT_ACQUIRED = (
    "acquired equals contended in every row: this kernel has only contention tracepoints, so these "
    "are no acquire counts"
)


def sniff(text: Text) -> bool:
    """Return whether there is the header of the table."""
    return any(HEADER.fullmatch(line.text) for line in text.filled)


def read(text: Text, options: Options) -> Reading:
    """Return the observations of perf lock report (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options, traced=True)
    columns: list[str] = []
    bare = False
    rows: list[tuple[int, Wait]] = []
    for line in text.filled:
        if header := HEADER.fullmatch(line.text):
            named = list(COLUMN.finditer(header[1]))
            columns = [COLUMNS[f"{match[1]} wait"] for match in named]
            bare = any(match["ns"] for match in named)
        elif NOISE.fullmatch(line.text):
            if re.search(r"\d", line.text):
                collector.checked(line, "histogram of bad events")
        elif columns and text.apart(line) and not re.search(r"\s\d+\s+\d", line.text):
            collector.skip(line, "after the table")
            columns = []
        elif columns:
            rows.append(_row(collector, line, columns, bare))
        else:
            collector.skip(line, "before the table")
    _finish(collector, rows)
    return collector.reading(empty="the table has no row")


def _row(collector: Collector, line: Line, columns: list[str], bare: bool) -> tuple[int, Wait]:
    """Return the acquires and the waits of a row."""
    match = re.fullmatch(NAME + r"\s+(\d+)\s+(\d+)" + VALUE * len(columns) + r"\s*", line.text)
    if match is None:
        raise collector.error(
            line, f"a name and {2 + len(columns)} numbers were expected: cut off?"
        )
    name, acquired_text, contended_text, *rest = match.groups()
    acquired = collector.whole(line, "acquired", acquired_text)
    contended = collector.whole(line, "contended", contended_text)
    values: dict[str, Any] = {}
    for column, number, unit in zip(columns, rest[::2], rest[1::2], strict=True):
        if unit is None and not bare and collector.number(line, column, number) != 0:
            raise collector.error(line, f"{column} {number} has no unit: cut off?")
        values[column] = collector.time(line, column, number, unit if unit in SECONDS else "ns")
    here = str(collector.source(line))
    gates.contended_at_most(here, contended, acquired)
    wait = Wait(line, contended, lock=name, **values)
    waits.check(collector, wait)
    return acquired, wait


def _finish(collector: Collector, rows: list[tuple[int, Wait]]) -> None:
    names = [wait.lock for _, wait in rows]
    if names and any(TASK.fullmatch(name) for name in names):
        collector.warn("rows are threads (-t), not locks: kept as facts; run it without -t")
        for acquired, wait in rows:
            collector.fact(f"acquired by {wait.lock}", acquired, "", wait.line)
            collector.fact(f"contended by {wait.lock}", wait.count, "", wait.line)
            collector.checked(wait.line, "waits of each thread")
        return
    if any(name.endswith("...") for name in names):
        collector.warn("names are cut at 16 characters (...): locks may share one")
    if rows and all(acquired == wait.count for acquired, wait in rows):
        collector.warn(NOT_ACQUIRED)
    else:
        for acquired, wait in rows:
            if acquired == 0:
                continue
            collector.observe("acquires", acquired, "per run", wait.line, lock=wait.lock)
            share = min(1.0, wait.count / acquired)
            collector.observe(
                "contended_fraction", share, "1", wait.line, lock=wait.lock, count=acquired
            )
    waits.observe(
        collector, waits.joined(collector, [wait for _, wait in rows]), "contended acquire"
    )
