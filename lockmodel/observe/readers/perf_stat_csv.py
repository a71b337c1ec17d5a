"""perf stat -x SEP: columns in the order that perf emits, told apart by their content."""

from __future__ import annotations

import re

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import perf_stat
from lockmodel.observe.readers.perf_stat import Counter
from lockmodel.observe.text import Line, Text

TITLE = "perf stat -x"
READS = "counters, kept as facts; the idle share from task-clock, with --cpus"
GIVES = ("idle_share",)
REMEDY = "run `LC_ALL=C perf stat -x';' -o stat.csv -- COMMAND`"

SEPARATORS = (";", ",", "\t", "|", " ")
"""Those that people use; ';' first, as events hold commas."""

SNIFFED = 200
NOISE = re.compile(r"# started on .*|perf version .*|\S*perf stat .*|\S+/perf stat .*")


def _pattern(sep: str) -> re.Pattern[str]:
    s = re.escape(sep)
    cell = rf"[^{s}]*"
    number = r"\d+(?:[.,]\d+)?" if sep != "," else r"\d+(?:\.\d+)?"
    return re.compile(
        rf"(?:\s*(?P<interval>\d+[.,]\d{{6,9}}){s})?"
        rf"(?:(?P<cpu>CPU\d+|N\d+|S\d+(?:-D\d+)?(?:-C\d+)?){s}(?:\d+{s})?)?"
        rf"(?P<value>{number}|<not counted>|<not supported>){s}(?P<unit>[A-Za-z%/]{{0,12}}){s}"
        rf"(?P<event>[A-Za-z_][\w.:-]*(?:/[^/]*/\w*)?){s}"
        rf"(?:(?P<spread>\d+[.,]\d+)%{s})?"
        rf"(?P<time>\d+){s}(?P<running>\d+(?:[.,]\d+)?)"
        rf"(?:{s}(?P<metric>{cell})(?:{s}(?P<metric_unit>.*))?)?"
    )


PATTERNS = {sep: _pattern(sep) for sep in SEPARATORS}
METRIC_ONLY = {
    sep: re.compile(rf"\s*(?:[\d.,]+)?{re.escape(sep)}{{5,}}[^{re.escape(sep)}]*.*")
    for sep in SEPARATORS
}
BEGUN = re.compile(r"\s*(?:\d+[.,]\d+[;,|\t ])?(?:<not |\d).*")


def sniff(text: Text) -> bool:
    """Return whether one of the first lines is a counter."""
    return _separator(text) is not None


def _separator(text: Text) -> str | None:
    for line in text.filled[:SNIFFED]:
        for sep, pattern in PATTERNS.items():
            if pattern.fullmatch(line.text):
                return sep
    return None


def read(text: Text, options: Options) -> Reading:
    """Return the counters of perf stat -x (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    sep = _separator(text) or ","
    for line in text.filled:
        if row := PATTERNS[sep].fullmatch(line.text):
            _add(collector, line, row)
        elif NOISE.fullmatch(line.text):
            if "perf stat" in line.text:
                collector.note("command", line.text)
        elif METRIC_ONLY[sep].fullmatch(line.text):
            collector.skip(line, "a metric without its counter")
        elif BEGUN.fullmatch(line.text):
            raise collector.error(
                line,
                "value, unit, event, run time, percentage were expected: cut off, or decimal "
                "commas between commas?",
            )
        else:
            collector.skip(line, "output of the command")
    return collector.reading(empty="no counter")


def _add(collector: Collector, line: Line, row: re.Match[str]) -> None:
    running = collector.number(line, "percentage", row["running"])
    if not 0 <= running <= 100.01:
        raise collector.error(line, f"counted {running:g} % of the time")
    perf_stat.add(
        collector,
        Counter(
            line,
            row["event"],
            row["unit"],
            row["value"],
            row["interval"] or "",
            row["cpu"] or "",
            row["spread"] or "",
            running,
            f"{row['metric'] or ''} {row['metric_unit'] or ''}".strip(),
        ),
    )
