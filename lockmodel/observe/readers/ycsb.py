"""YCSB: operations per second of all client threads, each kind of operation a fact."""

from __future__ import annotations

import re

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.names import of_flag
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers.rated import BETWEEN, Rates
from lockmodel.observe.text import Line, Text

TITLE = "YCSB"
READS = "operations per second of all client threads; latencies and kinds of operations as facts"
SEEN = "0.17: from published results, not run"
GIVES = ("throughput",)
REMEDY = "run `for n in 1 2 4 8; do bin/ycsb run DB -threads $n -P WORKLOAD; done > runs.txt 2>&1`"

ROW = re.compile(
    r"\[([A-Z][\w%.-]{0,60})\], ([^,]{1,60}), (-?\d[\d.,]*(?:E[+-]?\d+)?|NaN|Infinity)"
)
UNIT = re.compile(r"(.*)\((ms|us|ops/sec|%)\)")
STATUS = re.compile(r"\d{4}-\d\d-\d\d .* sec: .*|.*\bcurrent ops/sec\b.*")
COMMAND = re.compile(r".*(?:\bycsb|\bCommand line:).*")
BEGUN = re.compile(r"\[[A-Z][\w-]*\],.*")
OVERALL = "OVERALL"
FAILED = re.compile(r"Return=(?!OK).*|[A-Z-]*FAILED")


def sniff(text: Text) -> bool:
    """Return whether the overall throughput is there."""
    return "[OVERALL], " in text.whole and "Throughput(ops/sec)" in text.whole


def read(text: Text, options: Options) -> Reading:
    """Return the observations of YCSB's output (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    rates = Rates(collector)
    n: int | None = None
    fresh = False
    for line in text.said:
        said = line.text.strip()
        if row := ROW.fullmatch(said):
            if row[1] == OVERALL and row[2] == "ThreadCount":
                n, fresh = collector.whole(line, "ThreadCount", row[3], least=1), True
                collector.fact("threads", n, "", line, n)
                continue
            if row[1] == OVERALL and row[2].startswith("RunTime"):
                n = n if fresh else None  # each run has its own, above its numbers
                fresh = False
            _row(collector, rates, line, row, n)
        elif COMMAND.fullmatch(said) and (stated := of_flag(said, "-threads", "--threads")):
            n, fresh = stated, True
            collector.note(f"command of line {line.number}", said)
            collector.fact("threads", n, "", line, n)
        elif STATUS.fullmatch(said):
            collector.skip(line, BETWEEN)
        elif BEGUN.fullmatch(said):
            raise collector.error(line, "'[KIND], name, number' was expected: cut off?")
        else:
            collector.skip(line, "not part of a run's results")
    rates.finish()
    return collector.reading(empty="no run with its overall throughput")


def _row(collector: Collector, rates: Rates, line: Line, row: re.Match[str], n: int | None) -> None:
    """Take one line of the results."""
    kind, name, text = row.groups()
    if text in ("NaN", "Infinity"):
        collector.skip(line, f"{text}: nothing was measured")
        return
    value = collector.number(line, name, text)
    if kind == OVERALL and name == "Throughput(ops/sec)":
        rates.add(line, value, n, "YCSB")
        return
    measured = UNIT.fullmatch(name)
    own, unit = (measured[1], measured[2]) if measured else (name, "")
    collector.fact(f"{kind.lower()}: {own}", value, unit, line, n)
    if FAILED.fullmatch(name) and value > 0:
        collector.warn(f"line {line.number}: {value:g} operations of {kind} failed ({name[:40]})")
