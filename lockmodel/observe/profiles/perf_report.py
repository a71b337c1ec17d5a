"""`perf report --stdio` with call graphs: the entries of functions that wait for a lock."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lockmodel.observe.profiles import perf_tree, stacks
from lockmodel.observe.text import Line, Text

TITLE = "perf report with call graphs"
REMEDY = (
    "make it with `perf record -a -g -- sleep 5; perf report --stdio --no-children "
    "-g caller,0.05 > perf.txt`"
)
ENTRY = re.compile(r"\s{0,8}(\d{1,3}\.\d\d)%\s+(?:(\d{1,3}\.\d\d)%\s+)?(\S.*?)\s*")
SAMPLES = re.compile(r"# Samples: (\d+(?:\.\d+)?)([KMG]?)\s+of event.*")
FACTOR = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9}


@dataclass(frozen=True)
class ReportLine:
    """A line of the report: percentages, function, and the lines of its call graph."""

    line: Line
    children: float
    own: float
    function: str
    graph: tuple[str, ...]


def sniff(text: Text) -> bool:
    """Return whether there is an entry and the line of a call graph."""
    head = text.filled[:2000]
    return any(ENTRY.fullmatch(line.text) for line in head) and any(
        re.match(r"[|\s]{4,}.*--", line.text) for line in head
    )


@dataclass(frozen=True)
class Report:
    """What a report says of waiting.

    Attributes
    ----------
    paths : tuple of (Line, stack, percent)
        Stacks that wait for a lock, innermost first, with the line of their entry.
    samples : float or None
        Samples that the report rests on, if it says so.
    cut : float
        Percent that waits below branches which perf left out.
    others : tuple of Line
        Entries that were not taken: of functions that wait for no lock, or with another's share.
    """

    paths: tuple[tuple[Line, tuple[str, ...], float], ...]
    samples: float | None
    cut: float
    others: tuple[Line, ...] = ()


def report(text: Text) -> Report:
    """Return the stacks of a report that wait for a lock."""
    entries, samples = _entries(text)
    waiting = [e for e in entries if e.function in stacks.WAITERS - stacks.SLEEPING and e.graph]
    chosen = [e for e in waiting if e.own > e.children / 2]
    if not chosen and waiting:  # printed without the innermost function's own entry
        chosen = [max(waiting, key=lambda e: e.children)]
    made: list[tuple[Line, tuple[str, ...], float]] = []
    cut = 0.0
    for entry in chosen:
        paths, lost = _paths(entry)
        made += [(entry.line, path, value) for path, value in paths]
        cut += lost
    taken = {entry.line for entry in chosen}
    others = tuple(entry.line for entry in entries if entry.line not in taken)
    return Report(tuple(made), samples, cut, others)


def _entries(text: Text) -> tuple[list[ReportLine], float | None]:
    """Return the entries of the first event, and how many samples they rest on if it is said."""
    entries: list[ReportLine] = []
    head: tuple[Line, float, float, str] | None = None
    graph: list[str] = []
    samples = None

    def close() -> None:
        if head is not None:
            entries.append(ReportLine(*head, tuple(graph)))

    for line in text.filled:
        stated = SAMPLES.fullmatch(line.text)
        if stated is not None and entries:
            break  # another event: its percentages are of something else
        if stated is not None:
            samples = float(stated[1]) * FACTOR[stated[2]]
        if line.text.startswith("#"):
            continue
        entry = ENTRY.fullmatch(line.text)
        if entry is None:
            graph.append(line.text)
            continue
        close()
        first = float(entry[1])
        function = stacks.plain(re.sub(r"\s+-\s+-$", "", entry[3]).rpartition("] ")[2])
        head, graph = (line, first, float(entry[2] or first), function), []
    close()
    return entries, samples


def _paths(entry: ReportLine) -> tuple[list[tuple[tuple[str, ...], float]], float]:
    """Return the stacks of an entry, innermost first, and the percentage whose stack was cut.

    A graph is printed from the function of the entry outwards (callee) or the other way round
    (caller). Where branches were too small to be printed, a path ends before that function.
    """
    percent = entry.own if entry.own > entry.children / 2 else entry.children
    printed = [
        (tuple(stacks.plain(name) for name in functions), value)
        for functions, value in perf_tree.paths(perf_tree.parse(entry.graph), percent)
    ]
    whole = [(path, value) for path, value in printed if entry.function in path]
    if not whole:  # the graph begins with the caller
        return [((entry.function, *path), value) for path, value in printed if path], 0.0
    lost = sum(value for _, value in printed) - sum(value for _, value in whole)
    made = []
    for path, value in whole:
        at = path.index(entry.function)
        outwards = at <= len(path) - 1 - at
        made.append((path if outwards else path[::-1], value))
    return made, lost
