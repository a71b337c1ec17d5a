"""go test -bench: the time per operation at each -cpu."""

from __future__ import annotations

import re

from lockmodel.observe import names
from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers.rated import Rates
from lockmodel.observe.text import Line, Text

TITLE = "go test -bench"
READS = "operations per second at each -cpu, a row per -count; B/op, allocs/op, metrics as facts"
SEEN = "Go 1.19.8"
GIVES = ("throughput",)
REMEDY = "run `go test -run '^$' -bench . -cpu 1,2,4,8 -count 5 > bench.txt`"

ROW = re.compile(r"(Benchmark\S*?)(?:-(\d{1,5}))?\s+(\d+)((?:\s+[\d.eE+-]+ [^\s\d]\S*)+)")
METRIC = re.compile(r"([\d.eE+-]+) ([^\s\d]\S*)")
BEGUN = re.compile(r"Benchmark\S*\s+\d+\s.*|Benchmark\S*-\d+")
CONTEXT = re.compile(r"(goos|goarch|pkg|cpu): (.*)")
QUIET = re.compile(r"PASS|testing: .*|\?.*no test files.*|=== .*|Benchmark\S*")
ENDED = re.compile(
    r"ok\s+\S+\s+([\d.]+)s|FAIL.*|--- FAIL: .*|panic: .*|--- SKIP: .*|exit status .*"
)

WALL = (
    "time per operation is wall clock / b.N: with b.RunParallel of all -cpu goroutines, else of "
    "one, whatever the -cpu"
)


def sniff(text: Text) -> bool:
    """Return whether there is a row of a benchmark with ns/op or another metric."""
    return "Benchmark" in text.whole and any(
        ROW.fullmatch(line.text.strip())
        for line in text.filled
        if line.text.lstrip().startswith("Benchmark")
    )


def read(text: Text, options: Options) -> Reading:
    """Return the observations of go test -bench (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    rates = Rates(collector)
    for line in text.filled:
        stripped = line.text.strip()
        if row := ROW.fullmatch(stripped):
            _row(collector, rates, line, row)
        elif BEGUN.fullmatch(stripped):
            raise collector.error(line, "name, count, 'x ns/op' were expected: cut off?")
        elif context := CONTEXT.fullmatch(stripped):
            collector.note("cpu model" if context[1] == "cpu" else context[1], context[2])
        elif ended := ENDED.fullmatch(stripped):
            if ended[1]:
                collector.fact("time of all", collector.number(line, "time", ended[1]), "s", line)
            else:
                collector.warn(f"line {line.number}: {stripped[:100]}")
        elif not QUIET.fullmatch(stripped):
            collector.skip(line, "not a row of a benchmark")
    rates.finish()
    return collector.reading(empty="no row of a benchmark with ns/op")


def _row(collector: Collector, rates: Rates, line: Line, row: re.Match[str]) -> None:
    name, procs_text, count, rest = row.groups()
    procs = collector.whole(line, "GOMAXPROCS", procs_text, least=1) if procs_text else 1
    stated = names.in_name(name)
    n = procs if stated is None else stated
    what = names.without(name)
    variant = "" if stated is None or procs_text is None else f"cpu:{procs}"
    if stated is None:
        collector.warn("the number after the name's last - is the population (GOMAXPROCS)")
    else:
        collector.warn("the population is that of the name; -cpu tells curves apart")
    per_op: float | None = None
    for value_text, unit in METRIC.findall(rest):
        value = collector.number(line, unit, value_text)
        per_op = value if unit == "ns/op" else per_op
        collector.fact(f"{what} {unit.partition('/')[0]}", value, unit, line, n)
    collector.fact(f"{what} operations", int(count[:18]), "", line, n)
    if per_op is None:
        collector.skip(line, "a row without ns/op")
    elif int(count[:18]) == 0 or per_op <= 0:
        collector.skip(line, "0 operations or 0 ns: nothing was measured")
    else:
        collector.warn(WALL)
        rates.add(line, 1e9 / per_op, n, what, variant)
