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


def sniff(text: Text) -> bool:
    """Return whether there is a header with "Avg Wait", or "Total Hold" in capitals."""
    return any(
        HEADER.fullmatch(line.text) or PER_THREAD.fullmatch(line.text) for line in text.filled
    )


def read(text: Text, options: Options) -> Reading:
    """Return the observations of the libbpf klockstat (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options, traced=True)
    tables: dict[str, list[list[_WaitEntry]]] = {"Wait": [], "Hold": []}
    rows: list[_WaitEntry] | None = None
    for line in text.filled:
        if header := HEADER.fullmatch(line.text):
            rows = []
            tables[header[1]].append(rows)
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
        else:
            raise collector.error(line, "a caller, 3 times and a count were expected: cut off?")
    if max(len(tables["Wait"]), len(tables["Hold"])) > 1:
        collector.warn("several tables: without -R each includes those before, so the last is read")
    last = {kind: [e.named() for e in tables[kind][-1]] if tables[kind] else [] for kind in tables}
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
