"""sysbench: events per second of each run; queries are facts, an event has many of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers.rated import BEFORE, BETWEEN, Rates, pair, version
from lockmodel.observe.text import Line, Text

TITLE = "sysbench"
READS = "events (transactions) per second at each number of threads; latencies, errors as facts"
SEEN = "1.0.20"
GIVES = ("throughput",)
REMEDY = (
    "run `for n in 1 2 4 8; do sysbench cpu --threads=$n --time=30 run; done > runs.txt`, all of "
    "what it prints"
)

BEGIN = re.compile(r"sysbench (?:v?\d[\w.:-]*)(?: .*)?")
THREADS = re.compile(r"Number of threads:\s*(\d+)")
TRANSACTIONS = re.compile(r"transactions:\s+(\d+)\s+\(([\d.,]+) per sec\.\)")
PER_SECOND = re.compile(r"([\w ]{1,40}):\s+([\d.]+)\s+\(([\d.,]+) (per sec\.|per second)\)")
EVENTS_RATE = re.compile(r"events per second:\s+([\d.,]+)")
EVENTS = re.compile(r"total number of events:\s+(\d+)")
TIME = re.compile(r"total time:\s+([\d.,]+)s")
PROGRESS = re.compile(r"\[\s*\d+s\s*\].*(?:thds|threads):.*")
TARGET = re.compile(r"Target transaction rate:\s*([\d.]+)/sec")
PERCENTILE = re.compile(r"(?:approx\.\s+)?(\d+)(?:th percentile|\s+percentile):\s+([\d.]+)(?:ms)?")
FAIRNESS = re.compile(r"([\w ]{1,40}) \(avg/stddev\):\s+([\d.]+)/([\d.]+)")
PARTS = {"Latency (ms):": ("latency, ", "ms"), "queries performed:": ("queries, ", "")}
"""Heading -> what its numbers are called, and their unit."""

ERRORS = ("ignored errors", "reconnects")
QUIET = re.compile(
    r"Running the test with following options:|Initializing .*|Threads started!.*|Doing .*"
    r"|Done\.|Maximum .*|Using .*|Random number .*|Report intermediate .*|operation: .*|scope: .*"
)
FEW_DIGITS = 0.02
"""Rounding of the total time, relative, from which on it is said."""


@dataclass
class _Run:
    """One run while its lines come."""

    line: Line
    n: int | None = None
    rate: tuple[Line, float, str] | None = None
    events: tuple[Line, int] | None = None
    time: tuple[Line, float] | None = None
    part: str = ""
    target: str = ""


def sniff(text: Text) -> bool:
    """Return whether a run of sysbench begins or ends in it."""
    whole = text.whole
    return "Number of threads:" in whole and (
        "Threads fairness:" in whole or "total number of events:" in whole or "sysbench " in whole
    )


def read(text: Text, options: Options) -> Reading:
    """Return the observations of sysbench's output (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    rates = Rates(collector)
    run: _Run | None = None
    for line in text.filled:
        stripped = line.text.strip()
        threads = THREADS.fullmatch(stripped)
        if BEGIN.fullmatch(stripped) or (threads and (run is None or run.n is not None)):
            _finish(collector, rates, run)
            run = _Run(line)
            if not threads:
                version(collector, line, stripped)
        if threads and run is not None:
            run.n = collector.whole(line, "threads", threads[1], least=1)
            collector.fact("threads", run.n, "", line, run.n)
        elif run is None:
            collector.skip(line, BEFORE)
        elif not BEGIN.fullmatch(stripped):
            _line(collector, run, line, stripped)
    _finish(collector, rates, run)
    rates.finish()
    return collector.reading(empty="no run with its events and total time")


def _line(collector: Collector, run: _Run, line: Line, stripped: str) -> None:
    """Take one line of a run."""
    if transactions := TRANSACTIONS.fullmatch(stripped):
        run.rate = (line, collector.number(line, "transactions", transactions[2]), "transactions")
        collector.fact("transactions", int(transactions[1]), "", line, run.n)
    elif rate := EVENTS_RATE.fullmatch(stripped):
        run.rate = (line, collector.number(line, "events per second", rate[1]), "events")
    elif events := EVENTS.fullmatch(stripped):
        run.events = (line, collector.whole(line, "events", events[1]))
        collector.fact("events", run.events[1], "", line, run.n)
    elif time := TIME.fullmatch(stripped):
        run.time = (line, collector.number(line, "total time", time[1]))
        collector.fact("total time", run.time[1], "s", line, run.n)
    elif other := PER_SECOND.fullmatch(stripped):
        _counted(collector, run, line, other)
    elif PROGRESS.fullmatch(stripped):
        collector.skip(line, BETWEEN)
    elif target := TARGET.fullmatch(stripped):
        run.target = target[1]
        collector.fact("target transaction rate", float(target[1]), "1/s", line, run.n)
    elif percentile := PERCENTILE.fullmatch(stripped):
        value = collector.number(line, "latency", percentile[2])
        collector.fact(f"latency, {percentile[1]} %", value, "ms", line, run.n)
    elif fairness := FAIRNESS.fullmatch(stripped):
        for at, what in ((2, "mean"), (3, "deviation")):
            value = collector.number(line, fairness[1], fairness[at])
            collector.fact(f"{fairness[1]} of a thread, {what}", value, "", line, run.n)
    elif stripped.endswith(":"):
        run.part = stripped
    elif not pair(collector, line, run.n, *PARTS.get(run.part, ("", ""))) and not (
        QUIET.fullmatch(stripped)
    ):
        collector.skip(line, "not part of a run's results")


def _counted(collector: Collector, run: _Run, line: Line, match: re.Match[str]) -> None:
    """Keep a count and its rate; errors are said."""
    name = match[1].strip()
    count = collector.number(line, name, match[2])
    collector.fact(name, count, "", line, run.n)
    collector.fact(f"{name} per second", collector.number(line, name, match[3]), "1/s", line, run.n)
    if name == "Total operations":
        run.rate = (line, collector.number(line, name, match[3]), "operations")
    elif name in ERRORS and count > 0:
        collector.warn(f"line {line.number}: {count:g} {name} at {run.n} threads, as it says")


def _finish(collector: Collector, rates: Rates, run: _Run | None) -> None:
    """Add the rate of a run: as printed, else events over total time."""
    if run is None:
        return
    n = run.n
    if run.events and n and run.events[1] <= n and run.time:
        _one_event_each(collector, rates, run, run.time)
        return
    if run.rate is None and run.events and run.time:
        line, seconds = run.time
        if seconds <= 0 or run.events[1] == 0:
            collector.skip(line, "a run of 0 s, or without an event: nothing was measured")
            return
        if 0.00005 / seconds > FEW_DIGITS:
            collector.warn(
                f"line {line.number}: {seconds:g} s are too short to be timed: run longer"
            )
        run.rate = (run.events[0], run.events[1] / seconds, "events")
    if run.rate is None:
        raise collector.error(
            run.line, "a run without its rate, or events and total time: cut off?"
        )
    line, value, what = run.rate
    if run.target:
        collector.warn(
            f"--rate {run.target}: below saturation the throughput is what was asked for, not what "
            f"{n} threads can do"
        )
    rates.add(line, value, n, f"sysbench {what}")


def _one_event_each(
    collector: Collector, rates: Rates, run: _Run, time: tuple[Line, float]
) -> None:
    """Add a run whose threads had one event each (mutex): the event is the whole loop."""
    line, seconds = time
    if collector.options.iterations is None or seconds <= 0:
        collector.skip(line, "one event for each thread is its whole loop: give --iterations K")
        return
    rates.add(line, collector.options.iterations / seconds, run.n, "sysbench loops")
