"""`perf report` and `perf top` without call graphs: how much time the functions that wait take."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.numbers import LONGEST
from lockmodel.observe.observations import Reading
from lockmodel.observe.profiles import perf_report, stacks
from lockmodel.observe.readers import profile_stacks
from lockmodel.observe.text import Line, Text

TITLE = "perf report without call graphs"
READS = (
    "the share of the samples in each function that waits for a lock; which lock that is only "
    "call graphs say"
)
GIVES = ("wait_share",)
REMEDY = perf_report.REMEDY

ENTRY = re.compile(
    r"[+-]?\s*(?P<first>\d{1,3}\.\d\d)%\s+(?:(?P<self>\d{1,3}\.\d\d)%\s+)?(?:\d+\s+)?"
    r"(?:(?P<command>\S.{0,40}?)\s+)?(?P<object>\S{1,200})\s+\[[.kguHx]\]\s+(?P<symbol>\S{1,400})"
    r"(?:\s+-(?:\s+-)?)?"
)
SAMPLES = re.compile(r"(?:# )?Samples: (\d+(?:\.\d+)?)([KMG]?)\s+of event.*")
GRAPH = re.compile(r"[|\s]{4,}.*--.*")
HEAD = re.compile(r"(?:# ?)?(?:Children\s+Self|Overhead)\s.*")
WAITING = stacks.WAITERS - stacks.SLEEPING
ROWS = (ENTRY,)
LEAST = 2
"""Entries that a text must have."""

UNKNOWN_LOCK = (
    "without call graphs a share is of all locks that are waited for in a function: it is no "
    "lock's share"
)


@dataclass(frozen=True)
class _Entry:
    """One line of the report."""

    line: Line
    symbol: str
    share: float


def sniff(text: Text) -> bool:
    """Return whether there are entries with their object and symbol, and no call graph."""
    if "[k]" not in text.whole and "[.]" not in text.whole:
        return False
    if any(GRAPH.fullmatch(line.text) for line in text.filled[:2000]):
        return False
    return sum(1 for line in text.filled if ENTRY.fullmatch(line.text.strip())) >= LEAST


def read(text: Text, options: Options) -> Reading:
    """Return the observations of a report without call graphs (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options, traced=True)
    entries: list[_Entry] = []
    waiting: dict[str, _Entry] = {}
    for line in text.filled:
        said = line.text.strip()
        if stated := SAMPLES.fullmatch(said):
            if entries:
                collector.warn(f"line {line.number}: another event begins, which is left out")
                break
            factor = perf_report.FACTOR[stated[2]]
            collector.fact("samples", float(stated[1][:LONGEST]) * factor, "", line)
            collector.skip(line, "the count of events")
        elif entry := ENTRY.fullmatch(said):
            made = _Entry(
                line, stacks.plain(entry["symbol"]), float(entry["self"] or entry["first"])
            )
            entries.append(made)
            if made.symbol in WAITING:
                before = waiting.get(made.symbol)
                share = made.share + (before.share if before else 0.0)
                waiting[made.symbol] = _Entry(before.line if before else line, made.symbol, share)
                collector.checked(line, "shares of single commands, and those of callers")
            else:
                collector.skip(line, "a function that waits for no lock")
        elif not HEAD.fullmatch(said):
            collector.skip(line, "not an entry of the report")
    total = sum(one.share for one in entries)
    if total > 100.5 and waiting:
        raise collector.error(entries[0].line, f"the shares add up to {total:g} %: two reports?")
    for name, one in waiting.items():
        collector.observe("wait_share", one.share / 100, "1", one.line, per="CPU time", lock=name)
    if not waiting:
        raise collector.error(None, f"{len(entries)} entries, {profile_stacks.NONE}")
    collector.warn(UNKNOWN_LOCK)
    collector.warn(profile_stacks.RUNNING)
    return collector.reading()
