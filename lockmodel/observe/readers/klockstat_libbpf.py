"""The libbpf klockstat: waits and holds of mutexes and rwsems per call stack."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import klockstat, waits
from lockmodel.observe.readers.waits import Wait
from lockmodel.observe.text import Line, Text

TITLE = "klockstat of libbpf-tools"
READS = "waits and holds of mutexes and rwsems per caller"
GIVES = ("mean_wait", "hold_time", "acquires")
REMEDY = "run `klockstat -d 10 -s 4 > locks.txt` of a current bcc while the workload runs"

HEADER = re.compile(
    r"\s*Caller\s+Avg (Wait|Hold)\s+Count\s+Max (?:Wait|Hold)\s+Total (?:Wait|Hold)\s*"
)
PER_THREAD = re.compile(r"\s*Tid\s+Comm\s+Avg (?:Wait|Hold).*")
TIME = r"\s+(\d[\d.,]*)(?: (h|m|s|ms|us|ns)(?=\s|$))?"
ROW = re.compile(rf"\s*(\S+){TIME}\s+(\d+){TIME}{TIME}\s*")
LONGEST = re.compile(r"\s*Max PID \d+, COMM (.*?)(?:, Lock (\S+) \(0x[0-9a-f]+\))?")
FRAME = re.compile(r"\s+\S+(?:\+0x[0-9a-f]+)?(?: \[\w+\])?")
NOISE = re.compile(r"[#$] .*klockstat.*|Tracing .*lock events.*|\^C|Exiting.*|\d\d:\d\d:\d\d")
ROWS = (ROW, HEADER)
NO_NAME = "no-ksym"


@dataclass
class _WaitEntry:
    """A row and what stands below it."""

    wait: Wait
    caller: str
    stack: list[str] = field(default_factory=list)
    lock: str = ""

    def named(self) -> Wait:
        """Return the row with lock and site."""
        return replace(self.wait, lock=self.lock, site=klockstat.site_of(self.caller, self.stack))


@dataclass
class _Table:
    """A header and the rows below it: one row where stacks are printed (-s), else all."""

    kind: str
    rows: list[_WaitEntry]


def _reports(tables: list[_Table]) -> list[list[_Table]]:
    """Return the tables by the report that they are of.

    A report is waits, then holds. With -s every entry has a header of its own, so a header of the
    same kind goes on with the report, unless what stands below it was in the report already.
    """
    made: list[list[_Table]] = []
    seen: set[tuple[object, ...]] = set()
    for table in tables:
        keys = {(table.kind, e.caller, *e.stack) for e in table.rows}
        before = made[-1][-1] if made else None
        goes_on = before is not None and (
            (before.kind, table.kind) == ("Wait", "Hold")
            or (before.kind == table.kind and len(before.rows) < 2 and not keys & seen)
        )
        if goes_on:
            made[-1].append(table)
        else:
            made.append([table])
            seen = set()
        seen |= keys
    return made


def sniff(text: Text) -> bool:
    """Return whether there is a header with "Avg Wait", or "Total Hold" in capitals."""
    return any(
        HEADER.fullmatch(line.text) or PER_THREAD.fullmatch(line.text) for line in text.filled
    )


def read(text: Text, options: Options) -> Reading:
    """Return the observations of the libbpf klockstat (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options, traced=True)
    tables: list[_Table] = []
    rows: list[_WaitEntry] | None = None
    for line in text.filled:
        if header := HEADER.fullmatch(line.text):
            rows = []
            tables.append(_Table(header[1], rows))
        elif PER_THREAD.fullmatch(line.text):
            raise collector.error(line, "a table per thread (-P) names no lock: run it without -P")
        elif NOISE.fullmatch(line.text.strip()):
            continue
        elif rows is None:
            collector.skip(line, "before the table")
        elif row := ROW.fullmatch(line.text):
            rows.append(_row(collector, line, row))
        elif rows and (longest := LONGEST.fullmatch(line.text)):
            _longest(collector, rows[-1], longest[2])
        elif rows and FRAME.fullmatch(line.text):
            rows[-1].stack.append(line.text.strip())
        elif text.apart(line) and rows:
            collector.skip(line, "after the table")
            rows = None
        else:
            raise collector.error(line, "a caller, 3 times and a count were expected: cut off?")
    reports = _reports(tables)
    if len(reports) > 1:
        collector.warn(
            f"{len(reports)} reports: without -R each includes those before, so the last is read"
        )
        for report in reports[:-1]:
            for table in report:
                for entry in table.rows:
                    collector.skip(entry.wait.line, "of a report before the last")
    last: dict[str, list[Wait]] = {"Wait": [], "Hold": []}
    for table in reports[-1] if reports else []:
        last[table.kind] += [entry.named() for entry in table.rows]
    klockstat.observe(collector, last["Wait"], last["Hold"], None)
    return collector.reading(empty="no table has a row")


def _row(collector: Collector, line: Line, row: re.Match[str]) -> _WaitEntry:
    caller, mean, mean_unit, count, high, high_unit, total, total_unit = row.groups()
    units = (mean_unit, high_unit, total_unit)
    if any(units) and not all(units):
        raise collector.error(line, "some times have a unit and some have none: cut off?")
    times = [
        collector.time(line, "time", text, unit or "ns")
        for text, unit in zip((mean, high, total), units, strict=True)
    ]
    number = collector.whole(line, "count", count)
    kind = klockstat.kind_of(caller)
    wait = Wait(line, number, times[2], times[0], times[1], kind=kind)
    waits.check(collector, wait)
    return _WaitEntry(wait, caller)


def _longest(collector: Collector, entry: _WaitEntry, lock: str | None) -> None:
    if lock and lock != NO_NAME:
        entry.lock = lock
        collector.warn("a lock's name is that of the longest event; others of the stack may differ")
