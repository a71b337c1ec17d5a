"""What Criterion prints: name, time: [low middle high], thrpt: [low middle high]."""

from __future__ import annotations

import re

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import criterion
from lockmodel.observe.readers.rated import Rates
from lockmodel.observe.text import Line, Text

TITLE = "Criterion"
READS = "iterations per second of each benchmark it prints; interval, thrpt, outliers as facts"
SEEN = "0.5: from its documentation, not run"
GIVES = ("throughput",)
REMEDY = criterion.REMEDY

NUMBER = r"([\d.]+) ([^\s\d\]]+)"
TIME = re.compile(rf"(?:(\S.{{0,199}}?)\s+)?time:\s+\[{NUMBER} {NUMBER} {NUMBER}\]")
THROUGHPUT = re.compile(rf"thrpt:\s+\[{NUMBER} {NUMBER} {NUMBER}\]")
CHANGE = re.compile(r"(?:change:|time:|thrpt:)\s*(?:\[[+\u2212-].*\].*)?")
BEGUN = re.compile(r".*\stime:\s+\[.*")
OUTLIERS = re.compile(r"(?:Found )?(\d+) \([\d.]+%\) .*|Found (\d+) outliers among (\d+) .*")
PROGRESS = re.compile(r"Benchmarking .*")
QUIET = re.compile(
    r"(?:Performance has .*|No change in performance.*|Change within noise.*|Gnuplot .*"
    r"|Running .*|Finished .*|Compiling .*|Warning: .*)"
)
SECONDS = {"ps": 1e-12, "ns": 1e-9, "µs": 1e-6, "μs": 1e-6, "us": 1e-6, "ms": 1e-3, "s": 1.0}


def sniff(text: Text) -> bool:
    """Return whether there is a line with a time in brackets."""
    return "time:" in text.whole and any(
        TIME.fullmatch(line.text.strip()) for line in text.filled if "time:" in line.text
    )


def read(text: Text, options: Options) -> Reading:
    """Return the observations of what Criterion prints (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    rates = Rates(collector)
    name, above = "", ""
    for line in text.filled:
        stripped = line.text.strip()
        last, above = above, stripped
        time = TIME.fullmatch(stripped) if "time:" in stripped else None
        if time:
            name = time[1] or last
            _time(collector, rates, line, name, time)
        elif thrpt := THROUGHPUT.fullmatch(stripped):
            for at, what in ((1, "low"), (3, "middle"), (5, "high")):
                value = collector.number(line, "thrpt", thrpt[at])
                collector.fact(f"{name}: thrpt, {what}", value, thrpt[at + 1], line)
        elif CHANGE.fullmatch(stripped):
            collector.skip(line, "the change against an earlier run, which is not here")
        elif outliers := OUTLIERS.fullmatch(stripped):
            collector.fact(f"{name}: outliers", int((outliers[1] or outliers[2])[:9]), "", line)
            collector.checked(line, "shares of outliers")
        elif BEGUN.fullmatch(stripped):
            raise collector.error(line, "'time: [1.2 ms 1.3 ms 1.4 ms]' was expected: cut off?")
        elif PROGRESS.fullmatch(stripped) or QUIET.fullmatch(stripped):
            if any(c.isdigit() for c in stripped):
                collector.skip(line, "progress, or a remark")
        elif not _is_name(text, line):
            collector.skip(line, "not part of a benchmark's result")
    rates.finish()
    return collector.reading(empty="no benchmark with its time")


def _is_name(text: Text, line: Line) -> bool:
    """Return whether the next line is the time of what this one names."""
    after = text.lines[line.number : line.number + 1]
    time = TIME.fullmatch(after[0].text.strip()) if after else None
    return time is not None and time[1] is None


def _time(collector: Collector, rates: Rates, line: Line, name: str, time: re.Match[str]) -> None:
    seconds = []
    for at, what in ((2, "low"), (4, "middle"), (6, "high")):
        if time[at + 1] not in SECONDS:
            raise collector.error(line, f"unit {time[at + 1][:20]!r} is none of ps, ns, µs, ms, s")
        value = collector.number(line, "time", time[at])
        seconds.append(value * SECONDS[time[at + 1]])
        collector.fact(f"{name}: time, {what}", value, time[at + 1], line)
    if not seconds[0] <= seconds[1] <= seconds[2]:
        raise collector.error(line, "low <= middle <= high does not hold")
    criterion.add(collector, rates, line, name, seconds[1])
