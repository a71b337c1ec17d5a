"""memtier_benchmark: operations per second of all connections, each kind of command a fact."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.numbers import BadNumberError, number
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers.rated import BEFORE, BETWEEN, Rates
from lockmodel.observe.text import Line, Text

TITLE = "memtier_benchmark"
READS = "operations per second at threads x connections; kinds of commands, latencies as facts"
SEEN = "2.0: from its documentation, not run"
GIVES = ("throughput",)
REMEDY = (
    "run `for n in 1 2 4 8; do memtier_benchmark -t $n -c 1 --test-time 30 --hide-histogram; done "
    "> runs.txt`"
)

THREADS = re.compile(r"(\d+)\s+Threads")
CONNECTIONS = re.compile(r"(\d+)\s+Connections per thread")
AMOUNT = re.compile(r"(\d+)\s+(Requests per client|Seconds)")
STATS = re.compile(r"(ALL STATS|BEST RUN RESULTS|WORST RUN RESULTS|AGGREGATED AVERAGE RESULTS.*)")
HEADER = re.compile(r"Type\s+Ops/sec\s.*")
ROW = re.compile(r"([A-Z][\w-]{0,40})((?:\s+(?:[\d.,]+|---|-?nan|inf))+)")
NAME = re.compile(r"(?:Avg\. |p[\d.]+ )?\S+")
NONE = ("---", "nan", "-nan", "inf")
HISTOGRAM = re.compile(r"[A-Z]\w{0,40}\s+[\d.]+\s+[\d.]+")
PROGRESS = re.compile(r"\[RUN #\d+.*")
TROUBLE = re.compile(r".*(?:error|connection dropped|refused).*", re.I)
QUIET = re.compile(
    r"[=-]{4,}|Writing results .*|Request Latency Distribution|Type\s+<= msec.*|---|Json file .*"
)


@dataclass
class _Run:
    """One run while its lines come."""

    line: Line
    threads: int
    connections: int | None = None
    part: str = "ALL STATS"
    columns: list[str] = field(default_factory=list)
    answered: bool = False

    @property
    def n(self) -> int | None:
        """All connections."""
        return None if self.connections is None else self.threads * self.connections


def sniff(text: Text) -> bool:
    """Return whether there are threads and their connections, or the table of a run."""
    whole = text.whole
    return " Connections per thread" in whole or ("Ops/sec" in whole and "\nTotals " in whole)


def read(text: Text, options: Options) -> Reading:
    """Return the observations of memtier_benchmark's output (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    rates = Rates(collector)
    run: _Run | None = None
    for line in text.filled:
        stripped = line.text.strip()
        if threads := THREADS.fullmatch(stripped):
            _finish(collector, run)
            run = _Run(line, collector.whole(line, "threads", threads[1], least=1))
        elif PROGRESS.fullmatch(stripped):
            collector.skip(line, BETWEEN)
        elif TROUBLE.fullmatch(stripped):
            collector.warn(f"line {line.number}: {stripped[:200]}")
        elif QUIET.fullmatch(stripped):
            continue
        elif run is None:
            collector.skip(line, BEFORE)
        else:
            _line(collector, rates, run, line, stripped)
    _finish(collector, run)
    rates.finish()
    return collector.reading(empty="no run with its threads, connections and Totals")


def _line(collector: Collector, rates: Rates, run: _Run, line: Line, stripped: str) -> None:
    """Take one line of a run."""
    if connections := CONNECTIONS.fullmatch(stripped):
        run.connections = collector.whole(line, "connections", connections[1], least=1)
        collector.fact("connections per thread", run.connections, "", line, run.n)
    elif amount := AMOUNT.fullmatch(stripped):
        collector.fact(amount[2].lower(), int(amount[1][:18]), "", line, run.n)
    elif part := STATS.fullmatch(stripped):
        run.part = part[1]
    elif HEADER.fullmatch(stripped):
        run.columns = NAME.findall(stripped)[1:]
    elif run.columns and (row := ROW.fullmatch(stripped)) and not _is_histogram(run, stripped):
        _row(collector, rates, run, line, row[1], row[2].split())
    elif HISTOGRAM.fullmatch(stripped):
        collector.skip(line, "the histogram of latencies, whose summary is kept")
    else:
        collector.skip(line, "not part of a run's results")


def _is_histogram(run: _Run, stripped: str) -> bool:
    return len(run.columns) > 2 and HISTOGRAM.fullmatch(stripped) is not None


def _row(
    collector: Collector, rates: Rates, run: _Run, line: Line, kind: str, cells: list[str]
) -> None:
    """Take a row of the table: Totals is the throughput, the rest are facts."""
    if len(cells) != len(run.columns):
        raise collector.error(line, f"{len(cells)} cells, {len(run.columns)} expected: cut off?")
    for name, cell in zip(run.columns[1:], cells[1:], strict=True):
        if cell in NONE:
            continue
        try:
            value = number(cell)
        except BadNumberError as bad:
            raise collector.error(line, f"{name} {cell!r} is {bad}") from None
        unit = "1/s" if name.endswith("/sec") and name != "KB/sec" else "KB/s"
        unit = unit if name.endswith("/sec") else "ms"
        collector.fact(f"{kind}: {name}", value, unit, line, run.n)
    if cells[0] in NONE:
        collector.skip(line, "a run of 0 s: nothing was measured")
        run.answered = run.answered or kind == "Totals"
        return
    rate = collector.number(line, "Ops/sec", cells[0])
    if kind != "Totals" or not run.part.startswith("ALL"):
        where = "" if run.part.startswith("ALL") else f" ({run.part.lower()})"
        collector.fact(f"{kind}: Ops/sec{where}", rate, "1/s", line, run.n)
        run.answered = run.answered or kind == "Totals"
        return
    run.answered = True
    if run.n is None:
        raise collector.error(line, "'N Connections per thread' was expected above it: cut off?")
    collector.warn("the population is threads x connections per thread")
    rates.add(line, rate, run.n, "memtier")


def _finish(collector: Collector, run: _Run | None) -> None:
    if run is not None and not run.answered:
        raise collector.error(run.line, "a run without its Totals: cut off?")
