"""bcc's klockstat.py: waits ("spin") and holds of mutexes per caller, whole ns."""

from __future__ import annotations

import re
from itertools import pairwise

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import klockstat, waits
from lockmodel.observe.readers.waits import Wait
from lockmodel.observe.text import Line, Text

TITLE = "klockstat of bcc (Python)"
READS = "waits and holds of mutexes per caller"
GIVES = ("mean_wait", "hold_time", "acquires")
REMEDY = "run `klockstat.py -d 10 > locks.txt` while the workload runs"

HEADER = re.compile(r"\s*Caller\s+Avg (Spin|Hold)\s+Count\s+Max \w+\s+Total \w+\s*")
ROW = re.compile(r"\s*(\S+)\s+(\d[\d,.]*)\s+(\d[\d,.]*)\s+(\d[\d,.]*)\s+(\d[\d,.]*)\s*")
FRAME = re.compile(r"\s+\S+(?:\+0x[0-9a-f]+)?(?: \[\w+\])?")
NOISE = re.compile(r"[#$] .*klockstat.*|Tracing lock events.*|\^C|\s*")


def sniff(text: Text) -> bool:
    """Return whether there is a header with Spin, or one with Hold and whole ns."""
    if any("Avg Spin" in line.text for line in text.filled):
        return True
    lines = [line.text for line in text.filled]
    return any(
        HEADER.fullmatch(line) and "Total hold" in line and not re.search(r"[a-z]$", after)
        for line, after in pairwise(lines)
    )


def read(text: Text, options: Options) -> Reading:
    """Return the observations of bcc's klockstat.py (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options, traced=True)
    tables: list[dict[str, list[Wait]]] = []
    rows: list[Wait] | None = None
    for line in text.filled:
        if header := HEADER.fullmatch(line.text):
            if not tables or header[1] in tables[-1]:
                tables.append({})
            rows = tables[-1][header[1]] = []
        elif NOISE.fullmatch(line.text.strip()):
            continue
        elif rows is None:
            collector.skip(line, "before the table")
        elif row := ROW.fullmatch(line.text):
            rows.append(_row(collector, line, row))
        elif FRAME.fullmatch(line.text) and rows:
            continue  # the call stack of the row above, by -s
        else:
            raise collector.error(line, "a caller and 4 whole numbers were expected: cut off?")
    for number, table in enumerate(tables, start=1):
        repeat = number if len(tables) > 1 else None
        klockstat.observe(collector, table.get("Spin", []), table.get("Hold", []), repeat)
    if len(tables) > 1:
        collector.warn(f"{len(tables)} intervals: each stands for itself and is a repeat")
    collector.warn(klockstat.MUTEX_ONLY)
    return collector.reading(empty="no table has a row")


def _row(collector: Collector, line: Line, row: re.Match[str]) -> Wait:
    caller, mean, count, high, total = row.groups()
    for text in (mean, high, total):
        collector.whole(line, "ns", text)
    ns = [
        collector.time(line, "time", re.sub(r"[,.]", "", text), "ns")
        for text in (mean, high, total)
    ]
    wait = Wait(
        line,
        collector.whole(line, "count", count),
        total=ns[2],
        mean=ns[0],
        high=ns[1],
        site=waits.plain_symbol(caller),
    )
    waits.check(collector, wait)
    return wait
