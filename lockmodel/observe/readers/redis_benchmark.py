"""redis-benchmark: requests per second of each command, from all three of its outputs."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.names import of_flag
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers.rated import Rates
from lockmodel.observe.text import Line, Text

TITLE = "redis-benchmark"
READS = "requests per second of each command (full output, -q, --csv); latencies as facts"
SEEN = "7.0.15"
GIVES = ("throughput",)
REMEDY = "run `for n in 1 4 16; do redis-benchmark -c $n -t set,get; done > runs.txt`"

BEGIN = re.compile(r"={6} (.+) ={6}")
DONE = re.compile(r"(\d+) requests completed in ([\d.]+) seconds")
CLIENTS = re.compile(r"(\d+) parallel clients")
OTHER = re.compile(r"(\d+) bytes payload|keep alive: (\d+)|threads: (\d+)")
SUMMARY = re.compile(r"(?:throughput summary: )?([\d.,]+|inf|-?nan) requests per second")
QUICK = re.compile(
    r"(?P<name>\S.{0,199}?): (?P<rate>[\d.]+|inf|-?nan) requests per second"
    r"(?:, p50=(?P<p50>[\d.]+) msec)?"
)
PROGRESS = re.compile(r".*: rps=[\d.]+ .*avg_msec=.*|(.{1,200}): (?:-?nan|0\.00)")
PERCENTILE = re.compile(r"([\d.]+)% <= ([\d.]+) milliseconds.*")
HEADER = ("test", "rps")
ERROR = re.compile(r".*(?:Error from server|Could not connect|WARNING: ).*", re.I)
COMMAND = re.compile(r".*redis-benchmark(?= ).*")
NUMBERS = re.compile(r"(?:[\d.]+\s+){5}[\d.]+")
LATENCIES = ("avg", "min", "p50", "p95", "p99", "max")
QUIET = re.compile(
    r"Latency by .*|Cumulative .*|Summary:|latency summary.*|avg\s+min.*|host configuration.*"
    r"|multi-thread: .*"
)
BARE = re.compile(r'"([A-Z][^",]{0,60})","(\d+(?:\.\d+)?)"')
"""A row of --csv before 6.2, which had no header."""

DEFAULT = 50


@dataclass
class _Test:
    """One command while its lines come."""

    line: Line
    name: str
    n: int | None = None
    answered: bool = False
    requests: int | None = None
    seconds: float | None = None


def sniff(text: Text) -> bool:
    """Return whether there is a summary of requests per second, or the header of --csv."""
    whole = text.whole
    if " avg_msec=" in whole:
        return True
    if any(BARE.fullmatch(line.text.strip()) for line in text.filled[:50]):
        return all(BARE.fullmatch(line.text.strip()) for line in text.filled)
    if '"test","rps"' in whole or " requests per second" in whole:
        return any(
            QUICK.fullmatch(line.text.strip())
            or SUMMARY.fullmatch(line.text.strip())
            or _cells(line.text)[:2] == list(HEADER)
            for line in text.filled
        )
    return " parallel clients" in whole and " requests completed in " in whole


def read(text: Text, options: Options) -> Reading:
    """Return the observations of redis-benchmark's output (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    rates = Rates(collector)
    test: _Test | None = None
    asked: int | None = None
    columns: list[str] = []
    refused: Line | None = None
    for line in text.said:
        stripped = line.text.strip()
        if begin := BEGIN.fullmatch(stripped):
            _finish(collector, test)
            test = _Test(line, begin[1][:100])
        elif COMMAND.fullmatch(stripped):
            asked = _clients(collector, stripped)
        elif ERROR.fullmatch(stripped):
            refused = line
            collector.warn(f"line {line.number}: {stripped[:200]}")
        elif PROGRESS.fullmatch(stripped):
            collector.skip(line, "a report between, not the test's total")
        elif _cells(stripped)[:2] == list(HEADER):
            columns = _cells(stripped)
        elif not columns and BARE.fullmatch(stripped):
            name, rate = _cells(stripped)
            _rate(collector, rates, line, rate, asked, name)
        elif columns and stripped.startswith('"'):
            _row(collector, rates, line, columns, asked)
        elif test is None or test.answered:
            if not _after(collector, rates, test, line, stripped, asked):
                collector.skip(line, "not part of a test's results")
        elif not _line(collector, rates, test, line, stripped):
            collector.skip(line, "not part of a test's results")
    _finish(collector, test)
    rates.finish()
    if refused and not collector.observations:
        raise collector.error(refused, "the server refused the command: no test ran")
    return collector.reading(empty="no test with its requests per second")


def _clients(collector: Collector, command: str) -> int:
    """Return the clients that a command asks for, and say what else matters of it."""
    collector.note("command", command)
    if pipelined := of_flag(command, "-P"):
        collector.warn(f"-P {pipelined}: every client has {pipelined} requests under way")
    clients = of_flag(command, "-c")
    if clients is None:
        collector.warn(f"the command has no -c: {DEFAULT} clients, the default")
    return clients or DEFAULT


def _cells(text: str) -> list[str]:
    return next(csv.reader([text.strip()]), []) if '"' in text else []


def _after(
    collector: Collector,
    rates: Rates,
    test: _Test | None,
    line: Line,
    stripped: str,
    asked: int | None,
) -> bool:
    """Take a line outside a test: its latencies, or one of -q."""
    if quick := QUICK.fullmatch(stripped):
        name = quick["name"]
        _rate(collector, rates, line, quick["rate"], asked, name)
        if quick["p50"]:
            p50 = collector.number(line, "p50", quick["p50"])
            collector.fact(f"{name}: latency p50", p50, "ms", line, asked)
        return True
    if test is not None and NUMBERS.fullmatch(stripped):
        for name, cell in zip(LATENCIES, stripped.split(), strict=False):
            value = collector.number(line, name, cell)
            collector.fact(f"{test.name}: latency {name}", value, "ms", line, test.n)
        return True
    return QUIET.fullmatch(stripped) is not None


def _line(collector: Collector, rates: Rates, test: _Test, line: Line, stripped: str) -> bool:
    """Take one line of a test; return whether it is one."""
    if done := DONE.fullmatch(stripped):
        test.requests = int(done[1][:18])
        test.seconds = collector.number(line, "seconds", done[2])
        collector.fact(f"{test.name}: requests", test.requests, "", line, test.n)
        collector.fact(f"{test.name}: time", test.seconds, "s", line, test.n)
    elif clients := CLIENTS.fullmatch(stripped):
        test.n = collector.whole(line, "clients", clients[1], least=1)
    elif other := OTHER.fullmatch(stripped):
        name = "payload, bytes" if other[1] else "keep alive" if other[2] else "threads"
        collector.fact(
            f"{test.name}: {name}", int(max(filter(None, other.groups()))[:18]), "", line
        )
    elif percentile := PERCENTILE.fullmatch(stripped):
        collector.skip(line, "the distribution of latencies, whose summary is kept")
        collector.number(line, "percentile", percentile[1])
    elif summary := SUMMARY.fullmatch(stripped):
        test.answered = True
        if test.n is None:
            raise collector.error(line, "'N parallel clients' was expected above it: cut off?")
        if test.requests == 0 or test.seconds == 0:
            collector.skip(line, "a test of 0 requests or 0 s: nothing was measured")
            return True
        _rate(collector, rates, line, summary[1], test.n, test.name)
    else:
        return QUIET.fullmatch(stripped) is not None
    return True


def _row(
    collector: Collector, rates: Rates, line: Line, columns: list[str], asked: int | None
) -> None:
    """Take one row of --csv."""
    cells = _cells(line.text)
    if len(cells) != len(columns):
        raise collector.error(line, f"{len(cells)} cells, {len(columns)} were expected: cut off?")
    name = cells[0]
    _rate(collector, rates, line, cells[1], asked, name)
    for column, cell in zip(columns[2:], cells[2:], strict=True):
        value = collector.number(line, column, cell)
        collector.fact(f"{name}: {column.removesuffix('_ms')}", value, "ms", line, asked)


def _rate(
    collector: Collector, rates: Rates, line: Line, text: str, n: int | None, name: str
) -> None:
    if text in ("inf", "nan", "-nan"):
        collector.skip(line, "a test of 0 s: nothing was measured")
        return
    if n is None:
        collector.warn(f"-q and --csv do not say the clients, {DEFAULT} without -c")
    rates.add(line, collector.number(line, "requests per second", text), n, f"redis {name}")


def _finish(collector: Collector, test: _Test | None) -> None:
    if test is not None and not test.answered:
        raise collector.error(test.line, "a test without its requests per second: cut off?")
