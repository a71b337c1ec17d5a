"""Runs of which a line says all: `4 threads: 1234 ops/s`, and tools that print little else."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lockmodel.observe import names, rates
from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.numbers import BadNumberError, abbreviated, in_groups
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers.heads import NO_RATE
from lockmodel.observe.readers.rated import Rates
from lockmodel.observe.text import Line, Text

TITLE = "lines with a rate"
READS = (
    "`8 threads: 1.2M ops/s`, `threads=8 tps=1234`, a line per run; the rates of mutilate, "
    "ebizzy, schbench, dbench, ab and hey"
)
SEEN = "dbench 4.0; the others from excerpts or from memory"
GIVES = ("throughput",)
REMEDY = "write a line such as `8 threads: 1234 ops/s` per run, or a CSV with tasks,throughput"

NUMBER = r"(\d[\d.,]*(?:e[+-]?\d+)?\s?(?:[kKMG](?![A-Za-z]))?)"
RATE = re.compile(
    rf"(?<![\w.]){NUMBER}\s*((?:[kMG](?=ops))?[A-Za-z]+(?:/|\sper\s)(?:s|sec|second|ms|us|min)\b)"
)
PAIR = re.compile(
    rf"(?<!\w)(throughput|tput|thrpt|tps|qps|rps|iops|rate|[kM]?ops(?:_per_sec|/s(?:ec)?)?)"
    rf"\s*[:=]\s*{NUMBER}(?![\w/])",
    re.I,
)
PLAIN_WORDS = re.compile(r"(?:warmup|warm-up|target|expected|ideal|max|min|per thread)", re.I)
LEAST = 2
"""Lines from which on they are a form and no chance."""


@dataclass(frozen=True)
class Tool:
    """A tool of whose run a line says the rate.

    Attributes
    ----------
    name : str
    rate : pattern
        Its line: groups `rate` and perhaps `n`.
    n : pattern or None
        A line above it that says the population.
    flags : tuple of str
        Flags of its command whose product is the population.
    relative : bool
        Whether the rate is of bytes: only ratios count.
    """

    name: str
    rate: re.Pattern[str]
    n: re.Pattern[str] | None = None
    flags: tuple[str, ...] = ()
    relative: bool = False


TOOLS = (
    Tool("mutilate", re.compile(r"Total QPS = (?P<rate>[\d.]+) \(\d+ / [\d.]+s\)")),
    Tool("ebizzy", re.compile(r"(?P<rate>\d+) records/s"), flags=("-t",)),
    Tool("hey", re.compile(r"Requests/sec:\s+(?P<rate>[\d.]+)"), flags=("-c",)),
    Tool("schbench", re.compile(r"average rps: (?P<rate>[\d.]+)"), flags=("-m", "-t")),
    Tool(
        "dbench",
        re.compile(r"Throughput (?P<rate>[\d.]+) MB/sec (?:\(.*\) )?\s*(?P<n>\d{1,7}) clients\b.*"),
        relative=True,
    ),
    Tool(
        "ab",
        re.compile(r"Requests per second:\s+(?P<rate>[\d.]+) \[#/sec\] \(mean\)"),
        re.compile(r"Concurrency Level:\s+(\d{1,7})"),
    ),
)


def _tool(text: Text) -> Tool | None:
    """Return the tool of a text."""
    for tool in TOOLS:
        if any(tool.rate.fullmatch(line.text.strip()) for line in text.filled):
            return tool
    return None


def sniff(text: Text) -> bool:
    """Return whether a tool's line is there, or several with a population and a rate."""
    if _tool(text) is not None:
        return True
    found = [line for line in text.filled if _stated(line.text) is not None]
    return len(found) >= LEAST


@dataclass(frozen=True)
class _Stated:
    """What a line says: a rate, its unit, the population, and the words before."""

    n: int
    rate: str
    unit: str
    what: str


def _stated(text: str) -> _Stated | None:
    """Return what a line says; None unless it has one population and one rate."""
    if len(text) > names.LONGEST or PLAIN_WORDS.search(text) or text.count("|") > 1:
        return None
    found = [
        (m[1], m[2], m.span()) for m in RATE.finditer(text) if not NO_RATE.search(m[2].lower())
    ]
    found += [(m[2], m[1], m.span()) for m in PAIR.finditer(text)]
    if len(found) != 1:
        return None
    rate, unit, (at, end) = found[0]
    n = names.in_name(f"{text[:at]};{text[end:]}")
    if n is None:
        return None
    before = re.sub(r"\S+\s*[:=]\s*\S*|#.*", "", text[:at])
    for pattern in (names.AFTER, names.BEFORE):
        before = pattern.sub("", before)
    what = " ".join(re.findall(r"[A-Za-z_][\w.+-]*", before))
    return _Stated(n, rate, unit, what[:80])


def read(text: Text, options: Options) -> Reading:
    """Return the observations of lines with a rate (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    made = Rates(collector)
    tool = _tool(text)
    n: int | None = None
    every = [] if tool else [found.rate for line in text.filled if (found := _stated(line.text))]
    grouped = in_groups(re.sub(r"\s?[kMG]$", "", rate) for rate in every)
    for line in text.said:
        said = line.text.strip()
        if tool is None:
            _line(collector, made, line, grouped)
            continue
        if match := tool.rate.fullmatch(said):
            _of_tool(collector, made, tool, line, match, n)
        elif tool.n and (stated := tool.n.fullmatch(said)):
            n = collector.whole(line, "population", stated[1], least=1)
            collector.fact("population", n, "", line, n)
        elif tool.flags and re.search(rf"(?:^|[/\s]){tool.name}\b.* -", said):
            counts = [names.of_flag(said, flag) for flag in tool.flags]
            n = None
            if all(counts):
                n = 1
                for count in counts:
                    n *= count or 1
            collector.note(f"command of line {line.number}", said)
            collector.skip(line, "the command")
        else:
            collector.skip(line, "not the rate of a run")
    made.finish()
    return collector.reading(empty="no line with a population and a rate")


def _of_tool(
    collector: Collector,
    made: Rates,
    tool: Tool,
    line: Line,
    match: re.Match[str],
    n: int | None,
) -> None:
    """Take the line of a tool."""
    stated = match.groupdict().get("n")
    n = collector.whole(line, "population", stated, least=1) if stated else n
    value = collector.number(line, "rate", match["rate"])
    if not tool.relative:
        collector.checked(line, "other numbers of a run's line")
        made.add(line, value, n, tool.name)
        return
    collector.checked(line, "other numbers of a run's line")
    if value == 0:
        collector.skip(line, "a rate of 0: nothing was measured")
        return
    collector.warn(f"{tool.name} gives bytes per second: throughput is relative, ratios count")
    collector.observe("throughput", value, "relative", line, n=n, what=tool.name)


def _line(collector: Collector, made: Rates, line: Line, grouped: bool) -> None:
    """Take a line of people; `grouped`: whether commas group the digits of the rates."""
    stated = _stated(line.text)
    if stated is None:
        collector.skip(line, "no population, or no rate")
        return
    factor = rates.factor(stated.unit) if "/" in stated.unit or " per " in stated.unit else 1.0
    scaled = re.match(r"([kM])ops", stated.unit)
    if scaled and "/" not in stated.unit:
        factor = {"k": 1e3, "M": 1e6}[scaled[1]]
    try:
        value = abbreviated(stated.rate, grouped=grouped)
    except BadNumberError as bad:
        raise collector.error(line, f"the rate {stated.rate!r} is {bad}") from None
    if factor is None:
        collector.skip(line, f"{stated.unit} is no rate of the whole machine")
        return
    collector.checked(line, "other numbers of a run's line")
    collector.warn(f"{stated.unit!r} is taken as the throughput of all tasks")
    made.add(line, value * factor, stated.n, stated.what)
