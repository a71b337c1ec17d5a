"""wrk and wrk2: requests per second of all connections."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.names import of_flag
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers.rated import BEFORE, Rates
from lockmodel.observe.text import Line, Text

TITLE = "wrk, wrk2"
READS = "requests per second at each number of connections; latencies and errors as facts"
SEEN = "wrk 4.1.0; wrk2 from its README"
GIVES = ("throughput",)
REMEDY = "run `for n in 1 2 4 8; do wrk -t $n -c $n -d 30s --latency URL; done > runs.txt`"

BEGIN = re.compile(r"Running (\S+) test @ (\S+)")
CONNECTIONS = re.compile(r"(\d+) threads? and (\d+) connections?")
RATE = re.compile(r"Requests/sec:\s+([\d.,]+)")
TRANSFER = re.compile(r"Transfer/sec:\s+([\d.,]+)(\w?B)")
DONE = re.compile(r"(\d+) requests in ([\d.]+)(us|ms|s|m|h), ([\d.,]+)(\w*B) read")
THREAD = re.compile(r"(Latency|Req/Sec)\s+(\d.*)")
CELL = re.compile(r"(-?[\d.,]+)([A-Za-z%]*)")
PERCENTILE = re.compile(r"([\d.]+)%\s+([\d.]+)(us|ms|s|m)")
SOCKET = re.compile(r"Socket errors: (.+)")
COUNTS = re.compile(r"(connect|read|write|timeout) (\d+)")
REFUSED = re.compile(r"Non-2xx or 3xx responses: (\d+)")
CALIBRATION = re.compile(r"Thread calibration: mean lat\.: ([\d.]+) ?\w+, .*")
SPECTRUM = re.compile(r"\s*\d+\.\d+\s+[01]\.\d+\s+\d+\s+(?:\d+\.\d+|inf)|#\[.*\]")
COMMAND = re.compile(r".*\bwrk2? (?=.*-).*")
QUIET = re.compile(
    r"Thread Stats .*|Latency Distribution.*|Detailed Percentile.*|Value\s+Percentile.*|-{5,}"
    r"|Initialised .*"
)
COLUMNS = ("mean", "stdev", "max", "within one stdev")
AS_ASKED = 0.05
"""How near to -R a throughput is what was asked for and no more, relative."""


@dataclass
class _Run:
    """One run while its lines come."""

    line: Line
    url: str
    n: int | None = None
    requests: int | None = None
    answered: bool = False
    paced: bool = False
    asked: int | None = None
    wrong: int = 0


def sniff(text: Text) -> bool:
    """Return whether a run begins, or its connections and rate are there."""
    whole = text.whole
    begun = "Running " in whole and " test @ " in whole
    return begun or ("Requests/sec:" in whole and " connections" in whole)


def read(text: Text, options: Options) -> Reading:
    """Return the observations of wrk's output (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    rates = Rates(collector)
    run: _Run | None = None
    asked: int | None = None
    for line in text.said:
        stripped = line.text.strip()
        if begin := BEGIN.fullmatch(stripped):
            _finish(collector, run)
            run = _Run(line, begin[2], asked=asked)
            asked = None
        elif COMMAND.fullmatch(stripped):
            asked = of_flag(stripped, "-R", "--rate")
            collector.note("command", stripped)
        elif run is None and not CONNECTIONS.fullmatch(stripped):
            collector.skip(line, BEFORE)
        elif not _line(collector, rates, run := run or _Run(line, ""), line, stripped):
            collector.skip(line, "not part of a run's results")
    _finish(collector, run)
    rates.finish()
    return collector.reading(empty="no run with its connections and Requests/sec")


def _line(collector: Collector, rates: Rates, run: _Run, line: Line, stripped: str) -> bool:
    """Take one line of a run; return whether it is one."""
    if connections := CONNECTIONS.fullmatch(stripped):
        run.n = collector.whole(line, "connections", connections[2], least=1)
        collector.fact("threads of wrk", int(connections[1]), "", line, run.n)
    elif rate := RATE.fullmatch(stripped):
        _rate(collector, rates, run, line, collector.number(line, "Requests/sec", rate[1]))
    elif transfer := TRANSFER.fullmatch(stripped):
        value = collector.number(line, "transfer", transfer[1])
        collector.fact("transfer", value, f"{transfer[2]}/s", line, run.n)
    elif done := DONE.fullmatch(stripped):
        run.requests = int(done[1])
        collector.fact("requests", run.requests, "", line, run.n)
        collector.fact("time", collector.number(line, "time", done[2]), done[3], line, run.n)
        collector.fact("read", collector.number(line, "read", done[4]), done[5], line, run.n)
    elif thread := THREAD.fullmatch(stripped):
        _cells(collector, run, line, thread[1], thread[2])
    elif percentile := PERCENTILE.fullmatch(stripped):
        value = collector.number(line, "latency", percentile[2])
        collector.fact(f"latency, {percentile[1]} %", value, percentile[3], line, run.n)
    elif socket := SOCKET.fullmatch(stripped):
        for name, count in COUNTS.findall(socket[1]):
            collector.fact(f"socket errors, {name}", int(count[:18]), "", line, run.n)
        collector.warn(f"line {line.number}: {stripped}; they are not in Requests/sec")
    elif refused := REFUSED.fullmatch(stripped):
        run.wrong = int(refused[1][:18])
        collector.fact("responses other than 2xx and 3xx", run.wrong, "", line, run.n)
        of = f" of {run.requests}" if run.requests else ""
        collector.warn(f"line {line.number}: {run.wrong}{of} requests got an error as their answer")
    elif CALIBRATION.fullmatch(stripped):
        run.paced = True
        collector.skip(line, "wrk2 calibrating a thread")
    elif SPECTRUM.fullmatch(stripped):
        collector.skip(line, "wrk2's spectrum of latencies")
    else:
        return QUIET.fullmatch(stripped) is not None
    return True


def _cells(collector: Collector, run: _Run, line: Line, name: str, cells: str) -> None:
    """Keep the statistics over threads as facts."""
    for column, cell in zip(COLUMNS, cells.split(), strict=False):
        if match := CELL.fullmatch(cell):
            value = collector.number(line, name, match[1])
            collector.fact(f"{name} of a thread, {column}", value, match[2], line, run.n)


def _rate(collector: Collector, rates: Rates, run: _Run, line: Line, value: float) -> None:
    """Add the rate, unless it is the one that was asked for."""
    run.answered = True
    if run.requests == 0:
        collector.skip(line, "a run of 0 requests: nothing was measured")
        return
    if run.requests is not None and run.wrong >= run.requests:
        collector.fact("Requests/sec of errors", value, "1/s", line, run.n)
        collector.warn(f"line {line.number}: every answer was an error: no throughput is taken")
        return
    if run.asked and abs(value / run.asked - 1) < AS_ASKED:
        collector.fact("Requests/sec", value, "1/s", line, run.n)
        collector.warn(
            f"line {line.number}: {value:g} /s is what -R {run.asked} asked for, not what {run.n} "
            f"connections can do: kept as a fact; raise -R until it is not reached"
        )
        return
    if run.paced:
        collector.warn(
            "wrk2 sends at a given rate (-R): a throughput equal to it is not what so many "
            "connections can do"
        )
    if run.n is None:
        raise collector.error(line, "'N threads and M connections' was expected above it: cut off?")
    collector.warn("the population is the number of connections, not of wrk's threads")
    rates.add(line, value, run.n, run.url)


def _finish(collector: Collector, run: _Run | None) -> None:
    if run is not None and not run.answered:
        raise collector.error(run.line, "a run without its Requests/sec: cut off?")
