"""bpftrace's text: histograms with bars, statistics and counts."""

from __future__ import annotations

import math
import re

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import bpftrace
from lockmodel.observe.readers.bpftrace import Edges
from lockmodel.observe.text import Line, Text

TITLE = "bpftrace maps"
READS = "maps: histograms and statistics of holds or waits, counts of acquires"
GIVES = ("hold_histogram", "hold_time", "mean_wait", "acquires")
REMEDY = bpftrace.REMEDY

NAME = re.compile(r"@(\w*)(?:\[(.*)\])?:\s*(.*)")
OPENED = re.compile(r"@(\w*)\[\s*([^\]]*)")
CLOSED = re.compile(r"(.*)\]:\s*(.*)")
EDGE = r"-?\d+[kKMGTPE]?"
BIN = re.compile(
    rf"\s*(?:\(\.\.\., (?P<below>{EDGE})\)"
    rf"|\[(?P<low>{EDGE})(?:\]|, (?:(?P<high>{EDGE})(?P<closed>[\])])|(?P<above>\.\.\.)\))))"
    r"\s+(?P<count>\d+) \|(?P<bar>@* *)\|"
)
STATS = re.compile(r"count (\d+), average (-?\d+), total (-?\d+)")
SCALAR = re.compile(r"-?\d+(?:\.\d+)?")
NOISE = re.compile(r"Attach\w+ \d+ probes?.*|\^C|Tracing .*|\d\d:\d\d:\d\d")
LOST = re.compile(r"Lost (\d+) events")
POWER = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
BAR = 52
"""Width of the longest bar."""


def sniff(text: Text) -> bool:
    """Return whether a map is followed by a histogram, or maps are all there is."""
    first = [line.text for line in text.filled[:2000]]
    maps = [line for line in first if NAME.fullmatch(line.strip()) or OPENED.match(line)]
    return bool(maps) and not first[0].lstrip().startswith("{")


class _State:
    """The map that is being read."""

    def __init__(self) -> None:
        self.line: Line | None = None
        self.name = ""
        self.key = ""
        self.edges: list[Edges] = []
        self.bars: list[int] = []
        self.opened = False


def read(text: Text, options: Options) -> Reading:
    """Return the observations of bpftrace's maps (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options, traced=True)
    state = _State()
    for line in text.filled:
        stripped = line.text.strip()
        if state.opened:
            _inside_key(collector, state, line)
        elif row := BIN.fullmatch(line.text):
            _bin(collector, state, line, row)
        elif name := NAME.fullmatch(stripped):
            _finish(collector, state)
            _begin(collector, state, line, name[1], name[2] or "", name[3])
        elif opened := OPENED.fullmatch(stripped):
            _finish(collector, state)
            state.line, state.name, state.key = line, opened[1], opened[2].strip()
            state.opened = True
        elif lost := LOST.fullmatch(stripped):
            collector.warn(f"bpftrace lost {lost[1]} events: counts are too low")
        elif NOISE.fullmatch(stripped):
            continue
        elif "|" in line.text and stripped[:1] in ("[", "("):
            raise collector.error(line, "a bin '[low, high)  count |@@@|' was expected: cut off?")
        else:
            collector.skip(line, "printed by the script")
    if state.opened:
        raise collector.error(state.line, "a key that is not closed by ']:': cut off?")
    _finish(collector, state)
    return collector.reading(empty="no map has a value")


def _inside_key(collector: Collector, state: _State, line: Line) -> None:
    """Take one line of a key that is a call stack."""
    closed = CLOSED.fullmatch(line.text.strip())
    if closed is None:
        state.key += " " + line.text.strip()
        return
    state.opened = False
    key = f"{state.key} {closed[1]}".replace(",", " ")
    _begin(collector, state, state.line or line, state.name, " ".join(key.split()), closed[2])


def _begin(collector: Collector, state: _State, line: Line, name: str, key: str, rest: str) -> None:
    """Begin a map; one with its value on the same line is complete."""
    state.line, state.name, state.key = line, name, key
    if stats := STATS.fullmatch(rest):
        count, mean, total = (int(part[:30]) for part in stats.groups())
        bpftrace.add_statistics(collector, line, name, key, count, mean, total)
        state.line = None
    elif SCALAR.fullmatch(rest):
        bpftrace.add_number(collector, line, name, key, collector.number(line, "value", rest))
        state.line = None
    elif rest:
        collector.skip(line, "a map of texts")
        state.line = None


def _bin(collector: Collector, state: _State, line: Line, row: re.Match[str]) -> None:
    if state.line is None:
        raise collector.error(line, "a bin without the '@name:' above it: cut off?")
    count = collector.whole(line, "count", row["count"])
    if row["below"]:
        edges = (-math.inf, _edge(row["below"]), count)
    elif row["above"]:
        edges = (_edge(row["low"]), math.inf, count)
    else:
        low = _edge(row["low"])
        high = _edge(row["high"]) if row["high"] else low
        edges = (low, high if row["closed"] == ")" else high + 1, count)
    state.edges.append(edges)
    state.bars.append(row["bar"].count("@"))


def _edge(text: str) -> float:
    """Return the edge of a bin: 2K -> 2048."""
    letter = text[-1] if text[-1].isalpha() else ""
    return float(text[:30].rstrip("kKMGTPE")) * 1024.0 ** POWER[letter.upper()]


def _finish(collector: Collector, state: _State) -> None:
    """Add the histogram that was read, its bars held against its counts."""
    if state.line is not None:
        if state.edges:
            longest = max(count for _, _, count in state.edges)
            for (low, _, count), bar in zip(state.edges, state.bars, strict=True):
                if longest and abs(count * BAR / longest - bar) > 1:
                    raise collector.error(
                        state.line,
                        f"the bar of {count} events at {low:g} does not fit the largest bin of "
                        f"{longest}: a line is wrong or missing",
                    )
            bpftrace.add_histogram(collector, state.line, state.name, state.key, state.edges)
        else:
            collector.skip(state.line, "a map without values")
    state.line, state.edges, state.bars = None, [], []
