"""perf lock contention, text: waits per caller, lock, thread or cgroup."""

from __future__ import annotations

import re
from typing import Any

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.numbers import SECONDS
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import waits
from lockmodel.observe.readers.waits import Wait
from lockmodel.observe.text import Line, Text

TITLE = "perf lock contention"
READS = "waits per lock, caller, thread or cgroup, rows of one caller joined"
GIVES = ("mean_wait", "wait_share")
REMEDY = "run `perf lock con -abl -x, --output locks.csv -- COMMAND` (callers: without -l)"

FIELDS = {
    "contended": "count",
    "total wait": "total",
    "max wait": "high",
    "min wait": "low",
    "avg wait": "mean",
}
"""Column -> attribute of a wait; the same in the text and the CSV form."""

HEADER = re.compile(
    r"\s*((?:(?:contended|total wait|max wait|min wait|avg wait)\s+)+)"
    r"(type\s+caller|pid\s+comm|address\s+symbol|cgroup)\s*"
)
COLUMN = re.compile("|".join(FIELDS))
STACK = re.compile(r"\s+(?:0x)?[0-9a-f]{4,16}\s+\S.*|\s+0x[0-9a-f]+")
FOOTER = re.compile(r"=== output for debug ?===|histogram of .*|\s+\w+: \d+")
BAD = re.compile(r"\s*bad: (\d+), total: (\d+)")
BAD_RATE = re.compile(r"\s*bad rate: .*")
COMMAND = re.compile(r"[$#] ((?:sudo )?perf .*)")
DELAY = re.compile(r"(?:-J|--inject-delay)[ =](\S+)")
ROW_LIKE = re.compile(r"\s*\d[\d.,]*\s+[\d.,]+ (?:h|m|s|ms|us|ns)\b")
ROW_START = re.compile(r"\s*\d[\d.,]*\s+\S")
NOISE = re.compile(r"Looking at .*|symsrc__init.*|Using /proc/.*|build id .*|pmu capa.*|/proc/.*")
TYPED = re.compile(r"(.*?)\s*\(([\w:-]+)\)\s*")

ROWS = (
    re.compile(
        r"\s*\d+(?:\s+[\d.]+ (?:h|m|s|ms|us|ns)){3}\s+(?:"
        + "|".join(waits.LOCK_TYPES)
        + r")(?::[RW])?\s+\S+.*"
    ),
    re.compile(
        r"\s*\d+(?:\s+[\d.]+ (?:h|m|s|ms|us|ns)){3}\s+[0-9a-f]{8,16}(?:\s+\S+)?\s+\([\w:-]+\)"
    ),
    HEADER,
)
"""Rows of callers and of locks, for those that a mailer wrapped."""

BAD_SHARE = 0.01
"""Share of events that perf could not match, above which its table must not be trusted."""


def sniff(text: Text) -> bool:
    """Return whether there is the header of a table, or a row of one without it."""
    if any(HEADER.fullmatch(line.text) for line in text.filled):
        return True
    return _headless(text) is not None


def _headless(text: Text) -> Line | None:
    """Return the first row of a table that perf lock contention -q printed."""
    row = re.compile(r"\s*\d+(?:\s+[\d.]+ (?:h |m |s |ms|us|ns)){3}\s+[\w:-]+\s+\S+\+0x[0-9a-f]+")
    return next((line for line in text.filled[:50] if row.fullmatch(line.text)), None)


def read(text: Text, options: Options) -> Reading:
    """Return the observations of perf lock contention's tables (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options, traced=True)
    columns: list[str] = []
    tail = ""
    rows: list[Wait] = []
    tables = 0
    command = ""
    ended = False
    begun = 0
    for line in text.said:
        ended = ended or (len(rows) > begun and text.apart(line) and not ROW_LIKE.match(line.text))
        if header := HEADER.fullmatch(line.text):
            columns = [FIELDS[name] for name in COLUMN.findall(header[1])]
            tail = header[2].split()[0]
            tables += 1
            ended, begun = False, len(rows)
        elif made := COMMAND.match(line.text):
            command = made[1]
            collector.note(f"command {tables + 1}", command)
        elif bad := BAD.fullmatch(line.text):
            _bad(collector, line, bad[1], bad[2])
        elif BAD_RATE.fullmatch(line.text):
            collector.checked(line, "bad rate")
        elif FOOTER.fullmatch(line.text):
            if line.text[-1].isdigit():
                collector.checked(line, "histogram of bad events")
        elif columns and ended and not ROW_LIKE.match(line.text):
            collector.skip(line, "after the table")
        elif columns and ROW_START.match(line.text):
            rows.append(_row(collector, line, columns, tail, _variant(tables, command)))
        elif columns and rows and STACK.fullmatch(line.text):
            continue  # the call stack of the row above, by -v
        elif line.text.startswith("$ "):
            continue
        elif columns and not NOISE.fullmatch(line.text):
            raise collector.error(
                line, f"a row 'count {' '.join(columns[1:])} {tail}' was expected"
            )
        elif not columns and not NOISE.fullmatch(line.text):
            collector.skip(line, "before the table")
    if not columns:
        raise collector.error(_headless(text), "rows without their header (printed by -q?)")
    if tables > 1:
        collector.warn(f"{tables} tables in one file: kept apart as variants")
    finish(collector, rows, tail)
    return collector.reading(empty="the table has no row: nothing was contended, or it is cut off")


def _variant(tables: int, command: str) -> str:
    delay = DELAY.search(command)
    if delay:
        return f"delay {delay[1]}"
    return "" if tables == 1 else f"table {tables}"


def _bad(collector: Collector, line: Line, bad_text: str, total_text: str) -> None:
    bad = collector.whole(line, "bad", bad_text)
    total = collector.whole(line, "total", total_text)
    collector.checked(line, "events that perf could not match")
    if bad > BAD_SHARE * max(total, 1):
        collector.warn(
            f"perf could not match {bad} of {total} events (line {line.number}): use -b (BPF), or "
            f"a larger buffer (-m)"
        )


def _row(collector: Collector, line: Line, columns: list[str], tail: str, variant: str) -> Wait:
    """Return the wait of a row; the columns are those of the header."""
    rest = line.text.strip()
    values: dict[str, Any] = {}
    count = 0
    for column in columns:
        if column == "count":
            number, _, rest = rest.partition(" ")
            count = collector.whole(line, "contended", number)
        else:
            parts = rest.split(None, 2)
            if len(parts) < 2 or parts[1] not in SECONDS:
                raise collector.error(
                    line, f"{column}: a value and one of h m s ms us ns was expected"
                )
            values[column] = collector.time(line, column, parts[0], parts[1])
            rest = parts[2] if len(parts) > 2 else ""
        rest = rest.lstrip()
    wait = Wait(line, count, variant=variant, **_named(collector, line, tail, rest), **values)
    waits.check(collector, wait)
    return wait


def _named(collector: Collector, line: Line, tail: str, rest: str) -> dict[str, Any]:
    """Return lock, site and type from the last columns of a row."""
    first, _, second = rest.partition(" ")
    second = second.strip()
    if tail == "type":
        if first.partition(":")[0] not in waits.LOCK_TYPES or not second:
            raise collector.error(line, "a type of lock and its caller were expected: cut off?")
        return {"site": waits.plain_symbol(second), "kind": first}
    if tail == "address":
        if not re.fullmatch(r"[0-9a-f]{4,16}", first):
            raise collector.error(line, f"address {first!r} is not one: cut off?")
        typed = TYPED.fullmatch(second)
        name, kind = (typed[1], typed[2]) if typed else (second, "")
        return {"lock": name or f"lock at {first}", "kind": kind}
    if not rest:
        raise collector.error(line, "the row has no name: cut off?")
    return {"site": second if tail == "pid" else rest}


def finish(collector: Collector, rows: list[Wait], tail: str) -> None:
    """Add what rows say; those of threads or cgroups are no locks, only their sum is used."""
    if tail in ("pid", "cgroup"):
        collector.warn(
            "rows are threads or cgroups, not locks: only all waiting together is read; run it "
            "without -t and --lock-cgroup, or with -l"
        )
        for row in rows:
            if row.mean is not None:
                collector.fact(f"mean wait of {row.site}", row.mean.value, "s", row.line)
            collector.checked(row.line, "count, total and longest of each thread or cgroup")
        rows = [Wait(r.line, r.count, r.total, r.mean, r.high, r.low) for r in rows]
    waits.observe(collector, waits.joined(collector, rows), "contended acquire")
    if rows:
        collector.warn(waits.NO_HOLDS)
