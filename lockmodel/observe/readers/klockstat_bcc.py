"""bcc's klockstat.py: waits ("spin") and holds of mutexes per caller, whole ns."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
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
ROWS = (ROW, HEADER)
COMMAND = re.compile(r"[#$] .*?klockstat(?:\.py)?(?:-bpfcc)?((?: .*)?)")
CUT = re.compile(r"\s*\S+\+0x[0-9a-f]+\s+\d.*|\s*\S+(?:\s+[\d.,]+){2,}")
NOISE = re.compile(r"Tracing lock events.*|\^C|\s*")


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
    tables: list[tuple[str, dict[str, list[Wait]]]] = []
    rows: list[Wait] | None = None
    command = ""
    for line in text.said:
        if header := HEADER.fullmatch(line.text):
            if not tables or header[1] in tables[-1][1] or tables[-1][0] != command:
                tables.append((command, {}))
            rows = tables[-1][1][header[1]] = []
        elif started := COMMAND.fullmatch(line.text.strip()):
            command, rows = " ".join(started[1].split()), None
            collector.note(f"command {len(tables) + 1}", line.text[2:])
        elif NOISE.fullmatch(line.text.strip()):
            continue
        elif rows is None:
            collector.skip(line, "before the table")
        elif row := ROW.fullmatch(line.text):
            rows.append(_row(collector, line, row))
        elif FRAME.fullmatch(line.text) and rows:
            continue  # the call stack of the row above, by -s
        elif CUT.fullmatch(line.text):
            raise collector.error(line, "a caller and 4 whole numbers were expected: cut off?")
        else:
            collector.skip(line, "between the tables")
            rows = None
    _observe(collector, tables)
    collector.warn(klockstat.MUTEX_ONLY)
    return collector.reading(empty="no table has a row")


def _observe(collector: Collector, tables: list[tuple[str, dict[str, list[Wait]]]]) -> None:
    """Add the tables: those of one command are its intervals, other commands are other runs."""
    commands = Counter(command for command, _ in tables)
    numbers: Counter[str] = Counter()
    for command, table in tables:
        numbers[command] += 1
        repeat = numbers[command] if commands[command] > 1 else None
        variant = command if len(commands) > 1 else ""
        spins, holds = (
            [replace(row, variant=variant) for row in table.get(kind, [])]
            for kind in ("Spin", "Hold")
        )
        klockstat.observe(collector, spins, holds, repeat)
    for command, times in commands.items():
        if times > 1:
            of = f" of {command!r}" if len(commands) > 1 else ""
            collector.warn(f"{times} intervals{of}: each stands for itself and is a repeat")
    if len(commands) > 1:
        collector.warn(f"{len(commands)} commands in one file: kept apart as variants")


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
