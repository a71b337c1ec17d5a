"""UnixBench's text report: results per number of copies, checked against its index table."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import cast

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import unixbench
from lockmodel.observe.text import Line, Text

TITLE = "UnixBench report"
READS = "rates of tests in lps or lpm at each number of copies; index values are facts"
GIVES = ("throughput",)
REMEDY = unixbench.REMEDY

RUN = re.compile(r"\s*(\d+) CPUs? in system; running (\d+) parallel cop(?:y|ies) of tests")
RESULT = re.compile(
    r"\s*(\S++(?:\s++\S++)*?)\s+([\d.,'\u00a0\u202f]+)\s+([A-Za-z]+)\s+"
    r"\(([\d.,]+) s, (\d+) samples?\)"
)
LIKE_RESULT = re.compile(r"\s*\S.*\s\(?[\d.,]+ s, \d+|.*\d\s+(?:lps|lpm|KBps|MWIPS|MFLOPS)\b")
TABLE = re.compile(r"\s*\S.* (?:Index Values|Partial Index)\s+BASELINE\s+RESULT\s+INDEX")
ROW = re.compile(
    r"\s*(\S++(?:\s++\S++)*?)\s+([\d.,'\u00a0\u202f]+)\s+([\d.,'\u00a0\u202f]+)\s+([\d.,]+|---)"
)
SCORE = re.compile(r"\s*\S.* Index Score\b.*?\s([\d.,]+)")
HEAD = re.compile(r"\s*(System|OS|Machine|Language|CPU \d+): (.*)")
VERSION = re.compile(r"\s*BYTE UNIX Benchmarks \(Version ([\w.-]+)\)")
KNOWN_NOISE = re.compile(
    r"\s*(?:[-=]{8,}|=+|Benchmark Run: .*|\d+ x .*|.*\bload average.*|.*bogomips.*|"
    r"Hyper-Threading.*|.*x86-64,.*|.*Intel virtualization.*|# .*)"
)
ROWS = (RESULT, RUN)
NO_RUN = "no line says how many copies ran: give --tasks, or --at FILE=N for each file"
INDEX_SLACK = 0.06
"""Rounding of an index printed with one decimal."""


@dataclass
class _CopiesRun:
    """One run of all tests with one number of copies; None where no line says how many."""

    line: Line
    copies: int | None
    results: dict[str, tuple[float, float]] = field(default_factory=dict)


def sniff(text: Text) -> bool:
    """Return whether a line says how many copies run, and there is no HTML."""
    return any(RUN.match(line.text) or RESULT.fullmatch(line.text) for line in text.filled)


def read(text: Text, options: Options) -> Reading:
    """Return the observations of a UnixBench report (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    section: _CopiesRun | None = None
    indexed = False
    for line in text.filled:
        if run := RUN.fullmatch(line.text):
            _finish(collector, section)
            collector.note("cpus", run[1])
            section = _CopiesRun(line, _copies(collector, line, run[2]))
            indexed = False
        elif section is None and RESULT.fullmatch(line.text):
            collector.warn(NO_RUN)
            section = _CopiesRun(line, collector.options.tasks)
            _result(collector, section, line, cast("re.Match[str]", RESULT.fullmatch(line.text)))
        elif TABLE.fullmatch(line.text):
            indexed = True
        elif score := SCORE.fullmatch(line.text):
            copies = section.copies if section else None
            collector.fact(
                "index score", collector.number(line, "score", score[1]), "", line, copies
            )
        elif section is not None and not indexed and (row := RESULT.fullmatch(line.text)):
            _result(collector, section, line, row)
        elif section is not None and indexed and (row := ROW.fullmatch(line.text)):
            _check_index(collector, section, line, row)
        else:
            _other(collector, section, line)
    if section is None:
        raise collector.error(
            None, "no line 'N CPUs in system; running C parallel copies of tests'"
        )
    _finish(collector, section)
    if collector.observations:
        collector.warn(unixbench.AGGREGATED)
    return collector.reading(empty="no result line")


def _copies(collector: Collector, line: Line, text: str) -> int:
    copies = collector.whole(line, "copies", text, least=1)
    if copies > unixbench.MOST_COPIES:
        raise collector.error(line, f"{copies} copies are more than a machine runs")
    return copies


def _result(collector: Collector, section: _CopiesRun, line: Line, row: re.Match[str]) -> None:
    test, value_text, unit, seconds, samples = row.groups()
    if test in section.results:
        raise collector.error(line, f"{test} is given twice for {section.copies} copies")
    if unit not in unixbench.UNITS:
        raise collector.error(line, f"unit {unit!r} is none of {', '.join(unixbench.UNITS)}")
    measured = collector.parse(_one_decimal, line, "result", value_text)
    if collector.number(line, "time of a pass", seconds) == 0 or samples == "0":
        collector.skip(line, f"{samples} samples of {seconds} s: nothing was measured")
        section.results[test] = (measured, 0.05)
        return
    section.results[test] = (measured, 0.05)
    collector.checked(line, "time and number of passes")
    unixbench.add(collector, line, test, measured, unit, section.copies)


def _one_decimal(text: str) -> float:
    from lockmodel.observe.numbers import BadNumberError, number

    value = number(text)
    if not re.search(r"[.,]\d$", text.strip()):
        raise BadNumberError("not as UnixBench prints it, with one decimal: the line is cut off")
    return value


def _check_index(collector: Collector, section: _CopiesRun, line: Line, row: re.Match[str]) -> None:
    """Hold a row of the index table against the result: index = result / baseline x 10."""
    test, baseline_text, result_text, index_text = row.groups()
    collector.checked(line, "baseline", "index")
    if index_text == "---":
        return
    baseline = collector.number(line, "baseline", baseline_text)
    result = collector.number(line, "result", result_text)
    index = collector.number(line, "index", index_text)
    if test in section.results and abs(section.results[test][0] - result) > 0.051:
        raise collector.error(
            line, f"the result above is {section.results[test][0]:g}, here it is {result:g}"
        )
    if baseline > 0 and abs(10 * result / baseline - index) > INDEX_SLACK + 0.5 / baseline:
        raise collector.error(
            line, f"index {index:g} is not result / baseline x 10 = {10 * result / baseline:.1f}"
        )
    if test not in section.results:
        collector.skip(line, "an index without its result above")


def _finish(collector: Collector, section: _CopiesRun | None) -> None:
    """Say so if a section had no result."""
    if section is None or section.results:
        return
    if (section.copies or 0) > unixbench.SKIPS_ABOVE:
        if not collector.observations:
            raise collector.error(section.line, unixbench.SILENT_SKIP)
        collector.skip(section.line, unixbench.SILENT_SKIP)
    elif collector.observations:
        collector.skip(section.line, "no result of this run")
    else:
        raise collector.error(section.line, "no result line follows; the report is cut off")


def _other(collector: Collector, section: _CopiesRun | None, line: Line) -> None:
    if version := VERSION.fullmatch(line.text):
        collector.note("UnixBench", version[1])
    elif head := HEAD.fullmatch(line.text):
        collector.note(head[1].lower(), head[2])
    elif section is not None and LIKE_RESULT.match(line.text):
        raise collector.error(
            line, "a result '<test> <value> <unit> (<s> s, <n> samples)' was expected"
        )
    elif "load average" in line.text:
        collector.note("load", line.text)
    elif not KNOWN_NOISE.fullmatch(line.text):
        collector.skip(line, "not part of a report")
