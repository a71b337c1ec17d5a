"""The histograms of bcc's tools: funclatency and those with its bars, per function traced."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.numbers import SECONDS
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import bpftrace, klockstat
from lockmodel.observe.readers.bpftrace import Edges
from lockmodel.observe.text import Line, Text

TITLE = "histograms of bcc (funclatency)"
READS = "the time in a function: a wait, where it is one that takes a lock"
GIVES = ("mean_wait", "hold_histogram")
REMEDY = (
    "run `funclatency mutex_lock -d 10` (its time is a wait), or say what was timed: --quantity "
    "hold or --quantity wait"
)

HEADER = re.compile(r"\s*(nsecs|usecs|msecs)\s*: count\s+distribution\s*")
BIN = re.compile(r"\s*(\d{1,20}) -> (\d{1,20})\s*: (\d{1,20})\s*\|[*+ ]*\|")
TOTAL = re.compile(r"avg = (\d+) \w+, total: (\d+) \w+, count: (\d+)")
FUNCTION = re.compile(r"\s*Function = (\S+)(?: \[\d+\])?")
TRACING = re.compile(r"Tracing (?:\d+ functions? for )?\"?(?:\w+:)?([\w.*:/-]+?)\"?\.\.\. .*")
NOISE = re.compile(r"\^C|Detaching\.*|[#$] .*|\d\d:\d\d:\d\d|Attaching.*")
TAKES = re.compile(
    r"(?:\w+_)?(?:mutex_lock|down_read|down_write|spin_lock|read_lock|write_lock|rwsem_down_\w+|"
    r"osq_lock|queued_spin_lock_slowpath|mutex_lock_slowpath)\w*"
)
"""Functions that return with a lock held: the time in them is the wait."""


@dataclass
class _Histogram:
    """One histogram."""

    line: Line
    unit: str
    name: str
    edges: list[Edges] = field(default_factory=list)


def sniff(text: Text) -> bool:
    """Return whether there is the header of a histogram."""
    return any(HEADER.fullmatch(line.text) for line in text.filled)


def read(text: Text, options: Options) -> Reading:
    """Return the observations of bcc's histograms (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options, traced=True)
    made: list[_Histogram] = []
    name, inside = "", False
    for line in text.said:
        stripped = line.text.strip()
        if header := HEADER.fullmatch(line.text):
            made.append(_Histogram(line, bpftrace.UNITS[header[1]], name))
            inside = True
        elif row := BIN.fullmatch(line.text):
            if not inside:
                raise collector.error(line, "a bin without the header above it: cut off?")
            low, high, count = (collector.whole(line, "bin", part) for part in row.groups())
            made[-1].edges.append((float(low), high + 1.0, count))
        elif total := TOTAL.fullmatch(stripped):
            inside = False
            if made:
                _check(collector, line, made[-1], total)
        elif function := FUNCTION.fullmatch(line.text):
            name, inside = function[1], False
        elif tracing := TRACING.fullmatch(stripped):
            name, inside = tracing[1], False
        elif inside and "->" in line.text:
            raise collector.error(line, "a bin 'low -> high : count |***|' was expected: cut off?")
        elif not NOISE.fullmatch(stripped):
            collector.skip(line, "printed between the histograms")
    often = Counter(one.name for one in made)
    seen: Counter[str] = Counter()
    for one in made:
        seen[one.name] += 1
        _add(collector, one, seen[one.name] if often[one.name] > 1 else None)
    return collector.reading(empty="no histogram has an event")


def _check(collector: Collector, line: Line, one: _Histogram, total: re.Match[str]) -> None:
    """Hold the sums below a histogram against it: their mean lies between the edges of its bins.

    They are in the unit of the header, whatever unit is printed beside them, and events go on
    while the histogram is printed.
    """
    summed, count = (collector.whole(line, "sum", part) for part in total.groups()[1:])
    binned = sum(c for _, _, c in one.edges)
    if not count or not binned:
        return
    low = sum(a * c for a, _, c in one.edges) / binned
    high = sum(b * c for _, b, c in one.edges) / binned
    if not low / SLACK <= summed / count <= SLACK * high + 1.0:
        raise collector.error(
            line,
            f"total / count = {summed / count:g} lies outside {low:g} to {high:g}, the mean of the "
            f"bins: lines are missing",
        )
    collector.checked(line, "avg")
    name = one.name or "the function"
    collector.fact(f"mean time in {name}", summed / count * SECONDS[one.unit], "s", line)
    collector.fact(f"calls of {name}", count, "", line)


SLACK = 2.0
"""How far the sums may be from the bins: events of the time between the two."""


def _add(collector: Collector, one: _Histogram, repeat: int | None) -> None:
    """Add a histogram as waits or holds, if it is known which."""
    if not any(count for _, _, count in one.edges):
        collector.skip(one.line, "a histogram without events")
        return
    quantity = collector.options.quantity
    if quantity is None and TAKES.fullmatch(one.name):
        quantity = "wait"
        collector.warn(f"the time in {one.name} is taken as the wait for its lock")
    if quantity is None:
        raise collector.error(
            one.line,
            f"the time in {one.name or 'a function'} is neither a wait nor a hold by itself",
        )
    bins = bpftrace.bins_of(collector, one.line, one.edges, round(1 / SECONDS[one.unit]))
    events = sum(b.count for b in bins)
    least, most = (sum(getattr(b, k) * b.count for b in bins) / events for k in ("low", "high"))
    collector.warn(
        f"means of histograms are those of bin middles: {one.name or 'it'} lies between "
        f"{least:.3g} s and {most:.3g} s"
    )
    collector.warn(klockstat.COSTS)
    collector.observe(
        "hold_histogram" if quantity == "hold" else "mean_wait",
        (least + most) / 2,
        "s",
        one.line,
        per="event traced",
        site=one.name,
        count=events,
        low=bins[0].low,
        bins=tuple(bins),
        repeat=repeat,
    )
