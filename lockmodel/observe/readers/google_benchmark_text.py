"""Google Benchmark's console output: a row per benchmark, time, CPU, iterations, counters."""

from __future__ import annotations

import re

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import google_benchmark
from lockmodel.observe.readers.rated import Rates
from lockmodel.observe.text import Line, Text

TITLE = "Google Benchmark"
READS = "the same, from what it prints"
SEEN = "1.7.1"
GIVES = ("throughput",)
REMEDY = google_benchmark.REMEDY

HEADER = re.compile(r"Benchmark\s+Time\s+CPU\s+Iterations(?: UserCounters\.\.\.)?")
TIME = r"([\d.]+(?:e[+-]\d+)?) (ns|us|ms|s)"
ROW = re.compile(rf"(\S+)\s+{TIME}\s+{TIME}\s+(\d+)((?:\s+\S+=\S+)*)")
FAILED = re.compile(r"(\S+)\s+(?:ERROR OCCURRED|SKIPPED): '?(.*?)'?")
BEGUN = re.compile(r"\S+/threads:\d+\b.*|BM_\S+\s.*")
COUNTER = re.compile(r"(\S+?)=([\d.]+(?:e[+-]\d+)?)([kMGTmunKi]*)(/s)?")
AGGREGATE = re.compile(r"(.+)_(mean|median|stddev|cv|BigO|RMS)")
QUIET = re.compile(
    r"-{10,}|Running .*|Run on .*|CPU Caches:|\s*L\d .*|Load Average: .*|\*\*\*WARNING.*"
    r"|\d{4}-\d\d-\d\d.*"
)
ROWS = (ROW, HEADER)
SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}


def sniff(text: Text) -> bool:
    """Return whether the header of the table is there."""
    return "UserCounters" in text.whole or any(
        HEADER.fullmatch(line.text.strip()) for line in text.filled if "Iterations" in line.text
    )


def read(text: Text, options: Options) -> Reading:
    """Return the observations of Google Benchmark's table (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    rates = Rates(collector)
    rows = [ROW.fullmatch(line.text.strip()) for line in text.filled]
    times = [
        _times(collector, line, row) for line, row in zip(text.filled, rows, strict=True) if row
    ]
    divided = google_benchmark.is_divided(times)
    single = {row[1] for row in rows if row and not AGGREGATE.fullmatch(row[1])}
    for line, row in zip(text.filled, rows, strict=True):
        stripped = line.text.strip()
        if row:
            _row(collector, rates, line, row, single, divided)
        elif failed := FAILED.fullmatch(stripped):
            collector.warn(f"line {line.number}: {failed[1][:100]} has failed: {failed[2][:100]}")
        elif AGGREGATE.fullmatch(stripped.split(" ", 1)[0]):
            collector.skip(line, "an aggregate over repetitions that are listed, or no mean")
        elif QUIET.fullmatch(stripped) or HEADER.fullmatch(stripped):
            if "DEBUG" in stripped:
                collector.warn("the library was built for debugging, as it says")
            if any(c.isdigit() for c in stripped):
                collector.skip(line, "about the machine")
        elif BEGUN.fullmatch(stripped):
            raise collector.error(line, "name, time, CPU, iterations were expected: cut off?")
        else:
            collector.skip(line, "not a row of the table")
    rates.finish()
    return collector.reading(empty="no benchmark with its time")


def _times(collector: Collector, line: Line, row: re.Match[str]) -> tuple[int, float, float]:
    """Return threads, real and CPU time of a row, in s."""
    _, threads = google_benchmark.name(row[1])
    real = collector.number(line, "time", row[2]) * SECONDS[row[3]]
    cpu = collector.number(line, "CPU", row[4]) * SECONDS[row[5]]
    return (1 if threads is None else threads), real, cpu


def _row(
    collector: Collector,
    rates: Rates,
    line: Line,
    row: re.Match[str],
    single: set[str],
    divided: bool,
) -> None:
    full, cpu_text, cpu_unit, iterations, counters = row[1], *row.groups()[3:]
    aggregate = AGGREGATE.fullmatch(full)
    if aggregate and (aggregate[1] in single or aggregate[2] != "mean"):
        collector.skip(line, "an aggregate over repetitions that are listed, or no mean")
        return
    what, _ = google_benchmark.name(aggregate[1] if aggregate else full)
    n, real, _ = _times(collector, line, row)
    if n < 1:
        raise collector.error(line, f"threads:{n} must be at least 1")
    collector.fact(f"{what} time", collector.number(line, "time", row[2]), row[3], line, n)
    collector.fact(f"{what} CPU", collector.number(line, "CPU", cpu_text), cpu_unit, line, n)
    collector.fact(f"{what} iterations", int(iterations[:18]), "", line, n)
    for name, value, scale, per in COUNTER.findall(counters):
        collector.fact(
            f"{what} {name}", collector.number(line, name, value), f"{scale}{per}", line, n
        )
    if real <= 0:
        collector.skip(line, "a time of 0: nothing was measured")
        return
    at_once = google_benchmark.at_once(None, n, divided)
    if at_once is None:
        collector.warn(google_benchmark.UNKNOWN_VERSION)
        return
    rates.add(line, at_once / real, n, what, aggregated=aggregate is not None)
