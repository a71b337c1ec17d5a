"""perf stat's default text: counters as facts, idle CPUs where they can be known."""

from __future__ import annotations

import re

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.numbers import BadNumberError, whole
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import perf_stat
from lockmodel.observe.readers.perf_stat import Counter
from lockmodel.observe.text import Line, Text

TITLE = "perf stat"
READS = "counters, kept as facts, and times; the idle share from task-clock, with --cpus"
SEEN = "6.1"
GIVES = ("idle_share",)
REMEDY = "run `LC_ALL=C perf stat -o stat.txt -- COMMAND`, or with -x';' or -j"

BEGIN = re.compile(r"Performance counter stats for (.+?)(?: \((\d+) runs\))?:")
INTERVALS = re.compile(r"#\s+time\s+.*counts\s+unit\s+events.*")
ROW = re.compile(
    r"(?:(?P<interval>\d+\.\d{6,9})\s+)?"
    r"(?:(?P<cpu>CPU\d+|S\d+(?:-\w+){0,3}|N\d+)\s+(?:\d+\s+)?)?"
    r"(?P<value>\d[\d.,'\u00a0\u202f]*|<not counted>|<not supported>)\s+"
    r"(?:(?P<unit>msec|[KMG]?i?B|Joules|ns|us|ms)\s+)?"
    r"(?P<event>[A-Za-z_][\w.:/=,-]*)(?P<rest>(?:\s.*)?)"
)
METRIC = re.compile(r"#\s+([\d.,]+)\s*(\S.*?)\s*(?=\(\s*\+-|\(\d|$)")
SPREAD = re.compile(r"\(\s*\+-\s*([\d.,]+)%\s*\)")
RUNNING = re.compile(r"\(([\d.,]+)%\)")
ELAPSED = re.compile(r"([\d.,]+)(?:\s+\+-\s+([\d.,]+))?\s+seconds (time elapsed|user|sys)\b.*")
METRIC_ONLY = re.compile(r"#\s+[\d.,]+ .*")
BEGUN = re.compile(r"(?:<not |\d).*")


def sniff(text: Text) -> bool:
    """Return whether the heading of the counters is there, in one of its forms."""
    whole = text.whole
    if "seconds time elapsed" in whole and _bare(text) is not None:
        return True
    return "Performance counter stats for" in whole or (
        "counts" in whole
        and any(INTERVALS.fullmatch(line.text.strip()) for line in text.filled[:50])
    )


def _bare(text: Text) -> Line | None:
    """Return the first counter of a text that has lost the heading; None if it has none."""
    elapsed = next((x for x in text.filled if ELAPSED.fullmatch(x.text.strip())), None)
    for line in text.filled:
        row = ROW.fullmatch(line.text.strip())
        if row and row["event"] in KNOWN and elapsed and line.number < elapsed.number:
            return line
    return None


KNOWN = frozenset(
    [
        *("cycles", "instructions", "branches", "branch-misses", "cache-misses"),
        *("cache-references", "context-switches", "cs", "cpu-migrations", "migrations"),
        *("page-faults", "faults", "task-clock", "cpu-clock"),
    ]
)
"""Events that a counter without a heading must be one of."""


def read(text: Text, options: Options) -> Reading:
    """Return the counters of perf stat's text (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    inside = False
    first = None if "Performance counter stats for" in text.whole else _bare(text)
    for line in text.filled:
        inside = inside or line == first
        stripped = line.text.strip()
        if begin := BEGIN.fullmatch(stripped):
            inside = True
            collector.note("command", begin[1])
            if begin[2]:
                collector.fact("runs", int(begin[2][:9]), "", line)
        elif INTERVALS.fullmatch(stripped):
            inside = True
        elif not inside:
            collector.skip(line, "output of the command")
        elif elapsed := ELAPSED.fullmatch(stripped):
            value = collector.number(line, elapsed[3], elapsed[1])
            collector.fact(elapsed[3], value, "s", line)
            if elapsed[2]:
                spread = collector.number(line, elapsed[3], elapsed[2])
                collector.fact(f"{elapsed[3]}: spread of runs", spread, "s", line)
            if relative := SPREAD.search(stripped):
                percent = collector.number(line, elapsed[3], relative[1])
                collector.fact(f"{elapsed[3]}: spread of runs, relative", percent, "%", line)
            if value == 0 and elapsed[3] == "time elapsed":
                collector.warn("0 s elapsed: the command did nothing that could be counted")
        elif row := ROW.fullmatch(stripped):
            _add(collector, line, row)
        elif METRIC_ONLY.fullmatch(stripped):
            collector.skip(line, "a metric without its counter")
        elif BEGUN.fullmatch(stripped):
            raise collector.error(line, "'count [unit] event' was expected: cut off?")
        else:
            collector.skip(line, "output of the command")
    return collector.reading(empty="no counter")


def _add(collector: Collector, line: Line, row: re.Match[str]) -> None:
    """Add one counter, and the metric behind it as a fact."""
    rest = row["rest"]
    metric, spread = METRIC.search(rest), SPREAD.search(rest)
    running = RUNNING.search(rest)
    percent = collector.number(line, "percentage", running[1]) if running else None
    if percent is not None and not 0 <= percent <= 100.01:
        raise collector.error(line, f"counted {percent:g} % of the time")
    said = ""
    if metric:
        value = collector.number(line, metric[2], metric[1])
        said = f"{metric[1]} {metric[2]}"
        where = "".join(f" {part}" for part in (row["cpu"], row["interval"]) if part)
        collector.fact(f"{row['event']}{where}: {metric[2]}", value, "", line)
    if row["interval"]:
        collector.checked(line, "times of the intervals (in the names of their counters)")
    one_run = not row["interval"] and not row["cpu"]
    perf_stat.add(
        collector,
        Counter(
            line,
            row["event"],
            row["unit"] or "",
            _plain(row["value"], row["unit"]),
            row["interval"] or "",
            row["cpu"] or "",
            spread[1] if spread else "",
            percent,
            said if one_run else "",
        ),
    )


def _plain(text: str, unit: str | None) -> str:
    """Return a count without the commas between its digits; times keep their decimals."""
    if unit is None and text[0].isdigit():
        try:
            return str(whole(text))
        except BadNumberError:
            return text
    return text
