"""/proc/lock_stat: waits, holds, acquires and contention per lock class, times in us."""

from __future__ import annotations

import re

from lockmodel.observe import gates
from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.numbers import Measured
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import waits
from lockmodel.observe.readers.waits import Wait
from lockmodel.observe.text import Line, Text

TITLE = "/proc/lock_stat"
READS = "holds, acquires, contention and waits per lock class and mode"
GIVES = ("hold_time", "acquires", "contended_fraction", "mean_wait", "wait_share")
REMEDY = (
    "on a kernel with CONFIG_LOCK_STAT: `echo 0 > /proc/lock_stat; echo 1 > "
    "/proc/sys/kernel/lock_stat; COMMAND; cat /proc/lock_stat`"
)

COLUMNS = 12
"""bounces, contentions, wait min max total avg, bounces, acquisitions, hold min max total avg."""

NUMBER = r"\s+(\d[\d.,]*)"
CLASS = re.compile(r"\s*(\S.*?):" + NUMBER * COLUMNS)
ALMOST = re.compile(r"\s*\S.*?:(?:\s+[\d.,]+){2,}\s*\S*")
POINT = re.compile(
    r"\s*(\S++(?:\s++\S++)*?)\s+(\d+)\s+\[<\s*([0-9a-fx]*)>\]\s+(\S+)(?:\s+\[\w+\])?"
)
RULE = re.compile(r"\s*[-.]{4,}")
VERSION = re.compile(r"\s*lock_stat version ([\d.]+)")
HEADER = re.compile(r"\s*class name\s+con-bounces\s+contentions.*")
MODE = re.compile(r"(.*)-([RW])((?:/\d+)?)")

ROWS = (CLASS, POINT, HEADER)

OLD = (
    "lock_stat version 0.3 has 10 columns, without the averages: use a kernel from 3.11 on, which "
    "prints version 0.4"
)


def sniff(text: Text) -> bool:
    """Return whether there is the version line, the header, or a class with its 12 numbers."""
    for line in text.filled:
        if VERSION.match(line.text) or HEADER.fullmatch(line.text) or CLASS.fullmatch(line.text):
            return True
    return False


def read(text: Text, options: Options) -> Reading:
    """Return the observations of /proc/lock_stat (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options, traced=True)
    rows: list[Wait] = []
    seen: set[str] = set()
    for line in text.filled:
        if version := VERSION.fullmatch(line.text):
            collector.note("lock_stat", version[1])
            if version[1] == "0.3":
                raise collector.error(line, OLD)
        elif line.text in seen:
            collector.skip(line, "byte for byte like an earlier class")
        elif row := CLASS.fullmatch(line.text):
            seen.add(line.text)
            rows.append(_class(collector, line, row))
        elif point := POINT.fullmatch(line.text):
            count = collector.whole(line, "count", point[2])
            symbol = waits.plain_symbol(point[4].partition("/")[0])
            collector.fact(f"contentions of {point[1].strip()} at {symbol}", count, "", line)
        elif RULE.fullmatch(line.text) or HEADER.fullmatch(line.text):
            continue
        elif ALMOST.fullmatch(line.text):
            raise collector.error(line, f"a class and {COLUMNS} numbers were expected: cut off?")
        else:
            collector.skip(line, "not part of the table")
    waits.observe(collector, rows, "contended acquire")
    if rows:
        collector.warn(
            "a class may stand for many locks (one per process or file): its numbers are sums over "
            "all of them; lock_stat itself slows the run down"
        )
    return collector.reading(empty="there is no class: was lock_stat switched on during the run?")


def _class(collector: Collector, line: Line, row: re.Match[str]) -> Wait:
    """Add what a class says of holds and acquires; return its waits."""
    name = row[1].strip()
    mode = MODE.fullmatch(name)
    lock = mode[1] + mode[3] if mode else name
    kind = f":{mode[2]}" if mode else ""
    cells = row.groups()[1:]
    bounces, contended = (collector.whole(line, "count", cells[i]) for i in (0, 1))
    acquire_bounces, acquired = (collector.whole(line, "count", cells[i]) for i in (6, 7))
    wait_low, wait_high, wait_total, wait_mean = (_us(collector, line, c) for c in cells[2:6])
    hold_low, hold_high, hold_total, hold_mean = (_us(collector, line, c) for c in cells[8:12])
    here = str(collector.source(line))
    gates.contended_at_most(here, contended, acquired)
    wait = Wait(line, contended, wait_total, wait_mean, wait_high, wait_low, lock, kind=kind)
    waits.check(collector, wait)
    hold = Wait(line, acquired, hold_total, hold_mean, hold_high, hold_low, lock)
    waits.check(collector, hold)
    words = {"lock": lock, "mode": waits.SUFFIX[mode[2]] if mode else ""}
    if not acquired:
        collector.skip(line, "no acquire was counted: nothing was measured")
    collector.checked(line, "con-bounces", "acq-bounces")
    if acquired:
        collector.observe(
            "hold_time",
            hold_total.value / acquired,
            "s",
            line,
            per="acquire",
            count=acquired,
            low=hold_low.value,
            high=hold_high.value,
            **words,
        )
        collector.observe("acquires", acquired, "per run", line, **words)
        share = min(1.0, contended / acquired)
        collector.observe("contended_fraction", share, "1", line, count=acquired, **words)
        collector.fact(f"remote share of acquires of {name}", acquire_bounces / acquired, "", line)
    if contended:
        collector.fact(f"remote share of contentions of {name}", bounces / contended, "", line)
    return wait


def _us(collector: Collector, line: Line, text: str) -> Measured:
    return collector.time(line, "time", text, "us")
