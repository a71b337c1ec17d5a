"""What hyperfine prints: the mean time of each command, its deviation, range and runs."""

from __future__ import annotations

import re

from lockmodel.observe import names
from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import hyperfine, hyperfine_table
from lockmodel.observe.readers.rated import Rates, spread
from lockmodel.observe.text import Line, Text

TITLE = "hyperfine, printed"
READS = "the mean time of each command it prints; a flag of the command names the population"
SEEN = "1.15.0"
GIVES = ("throughput",)
REMEDY = hyperfine.REMEDY

BEGIN = re.compile(r"Benchmark #?\d+: (.+)")
NUMBER = r"([\d.]+) (ms|s|µs|μs)"
TIME = re.compile(
    rf"Time \((?:mean ± \u03c3|abs ≡)\):\s+{NUMBER}(?:\s+±\s+{NUMBER})?"
    rf"(?:\s+\[User: {NUMBER}, System: {NUMBER}\])?"
)
RANGE = re.compile(rf"Range \(min … max\):\s+{NUMBER} …\s+{NUMBER}(?:\s+(\d+) runs)?")
BEGUN = re.compile(r"(?:Time|Range) \(.*")
SECONDS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "μs": 1e-6}
FAILED = re.compile(r"(?:Warning|Error): .*")


def sniff(text: Text) -> bool:
    """Return whether a command's time is there."""
    return "Benchmark " in text.whole and "Time (" in text.whole


def read(text: Text, options: Options) -> Reading:
    """Return the observations of what hyperfine prints (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    rates = Rates(collector)
    begun: tuple[Line, str] | None = None
    command = ""
    for line in text.filled:
        stripped = line.text.strip()
        if begin := BEGIN.fullmatch(stripped):
            if begun is not None:
                raise collector.error(begun[0], "a command without its time: cut off?")
            command = begin[1]
            begun = (line, command)
            collector.checked(line, "numbers of the benchmarks")
        elif time := TIME.fullmatch(stripped):
            if not command:
                raise collector.error(line, "'Benchmark 1: COMMAND' was expected above it")
            _time(collector, rates, line, command, time)
            begun = None
        elif found := RANGE.fullmatch(stripped):
            n = names.in_command(command)
            for at, what in ((1, "min"), (3, "max")):
                value = collector.number(line, what, found[at])
                collector.fact(f"{command}: {what}", value, found[at + 1], line, n)
            if found[5]:
                collector.fact(f"{command}: runs", int(found[5][:9]), "", line, n)
        elif BEGUN.fullmatch(stripped):
            raise collector.error(line, "'Time (mean ± sd): 1.2 s ± 0.1 s' was expected: cut off?")
        elif FAILED.fullmatch(stripped):
            collector.warn(f"line {line.number}: {stripped[:200]}")
        else:
            collector.skip(line, "not the time of a command")
    if begun is not None:
        raise collector.error(begun[0], "a command without its time: cut off?")
    rates.finish()
    if collector.observations and options.iterations is None:
        collector.warn(hyperfine_table.ONE)
    return collector.reading(empty="no command with its time")


def _time(
    collector: Collector, rates: Rates, line: Line, command: str, time: re.Match[str]
) -> None:
    n = names.in_command(command)
    mean = collector.number(line, "mean", time[1]) * SECONDS[time[2]]
    sd = collector.number(line, "deviation", time[3]) * SECONDS[time[4]] if time[3] else 0.0
    for at, what in ((1, "mean"), (3, "deviation"), (5, "user"), (7, "system")):
        if time[at]:
            value = collector.number(line, what, time[at])
            collector.fact(f"{command}: {what}", value, time[at + 1], line, n)
    if mean <= 0:
        collector.skip(line, "a mean of 0 s: nothing was measured")
        return
    rate = (collector.options.iterations or 1.0) / mean
    what = hyperfine_table.common(command)
    rates.add(line, rate, n, what, aggregated=True, **spread(rate, sd / mean))
