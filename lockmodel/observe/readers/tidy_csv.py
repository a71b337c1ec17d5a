"""Our own CSV contract, and the shipped curves: a header, `#` comments, one row per repeat."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable

from lockmodel.errors import ScenarioError
from lockmodel.model import lscpu
from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.headers import CAVEAT, LSCPU
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import wide
from lockmodel.observe.readers.heads import assign
from lockmodel.observe.readers.tidy import CONTRACT, Rows, canonical, is_contract
from lockmodel.observe.text import Line, Text

TITLE = "CSV of throughput"
READS = "throughput per population and repeat, and what the columns below say of its locks"
GIVES = ("throughput", "acquires", "hold_time", "mean_wait", "idle_share")
REMEDY = f"write a CSV with the header {CONTRACT} and one row per repeat"

COMMENT = re.compile(r"#\s*([\w -]{1,30}?)\s*:\s*(.+)")
RULE = re.compile(r"\s*[-=+]{3}[-=+\s]*")
"""A line that divides a head from its rows."""

SEPARATORS = (",", ";", "\t")


def sniff(text: Text) -> bool:
    """Return whether the first line that is no comment names a population or a throughput."""
    header = header_of(text)
    if header is None:
        return False
    names = [name.strip().lower() for name in cells(header.text, separator(header.text))]
    if not WORDS.isdisjoint(names) or len(names) < 2:
        return False
    known = {canonical(name) for name in names}
    if "throughput" in known:
        return "tasks" in known or all(map(is_name, names))
    unixbench = names[0] == "concurrency"
    return "tasks" in known and not unixbench and all(map(is_name, names))


WORDS = frozenset(["kind", "processes_idle"])
"""Columns of the CSV of other readers."""


def is_name(cell: str) -> bool:
    """Return whether a cell is the name of a column and no number."""
    return re.fullmatch(r"[A-Za-z_#%][^,;\t|]{0,60}|", cell) is not None


def header_of(text: Text, split: Callable[[str], list[str]] | None = None) -> Line | None:
    """Return the line with the names of the columns: the first that is no comment.

    Where that has numbers alone, the comment just above it that has as many cells; its mark goes.
    """
    first = next((line for line in text.filled if not line.text.lstrip().startswith("#")), None)
    if first is None:
        return None
    split = split or (lambda line: cells(line, separator(first.text)))
    numbers = split(first.text)
    if len(numbers) < 2 or not all(map(is_value, numbers)):
        return first
    for line in reversed(text.filled):
        if line.number < first.number:
            bare = line.text.lstrip("# ")
            names = split(bare)
            if len(names) == len(numbers) and is_contract(names):
                return Line(line.number, bare)
    return first


def is_value(cell: str) -> bool:
    """Return whether a cell is a number, as short as people write it."""
    return re.fullmatch(r"[+-]?[\d.,]+(?:[eE][+-]?\d+)?\s?[kKMG%]?", cell.strip()) is not None


def separator(header: str) -> str:
    """Return the separator of a header: the one that it holds most of."""
    return max(SEPARATORS, key=header.count)


def cells(line: str, sep: str) -> list[str]:
    """Return the cells of a line, quotes taken away."""
    try:
        return next(csv.reader([line], delimiter=sep), [])
    except csv.Error:
        return line.split(sep)


def read(text: Text, options: Options) -> Reading:
    """Return the observations of a CSV of throughput (see `readers`)."""
    header = header_of(text)
    sep = separator(header.text) if header else ","
    return of_table(text, options, header, (TITLE, REMEDY), lambda line: cells(line, sep))


def of_table(
    text: Text,
    options: Options,
    header: Line | None,
    named: tuple[str, str],
    split: Callable[[str], list[str]],
) -> Reading:
    """Return the observations of a table with a line of names and `#` comments.

    Parameters
    ----------
    text : Text
    options : Options
    header : Line or None
    named : tuple of str
        Title and remedy of the format.
    split : callable
        Line -> its cells.
    """
    collector = Collector(text, *named, options)
    if header is None:
        raise collector.error(None, "there are only comments, no header")
    for line in text.filled:
        if line.number < header.number:
            _comment(collector, line)
    _machine(collector, text)
    names = split(header.text)
    while names and not names[-1].strip():
        names.pop()
    below = (split(line.text) for line in text.filled if line.number > header.number)
    chosen = () if options.columns else wide.columns(names, below)
    spread = wide.Wide(collector, names, chosen) if chosen else None
    made = spread.heads if spread else assign(collector, header, names, options.columns)
    over = False
    curves = spread.curves if spread else ()
    rows = Rows(collector, made, pointed="," in header.text, curves=curves)
    for line in text.filled:
        if line.number <= header.number:
            continue
        if line.text.lstrip().startswith("#"):
            _comment(collector, line)
            continue
        if RULE.fullmatch(line.text):
            continue
        parts = split(line.text)
        while len(parts) > len(names) and not parts[-1].strip():
            parts.pop()
        if over or (len(parts) != len(names) and text.apart(line) and rows.begun):
            over = True
            collector.skip(line, "after the table")
            continue
        if len(parts) != len(names):
            raise collector.error(
                line,
                f"{len(parts)} cells for the {len(names)} columns of line {header.number} (decimal "
                f"commas need ';' between the cells)",
            )
        if [part.strip() for part in parts] == [name.strip() for name in names]:
            continue  # the head of another run appended to this one
        if spread:
            for row in spread.rows(line, parts):
                rows.add(line, row)
            continue
        rows.add(line, {head.own: part for head, part in zip(made, parts, strict=True)})
    rows.finish()
    return collector.reading(empty="there is a header but no row")


def _machine(collector: Collector, text: Text) -> None:
    """Keep what lscpu printed in comments; say what is wrong with it."""
    pasted = [
        line
        for line in text.filled
        if line.text.lstrip().startswith("#") and lscpu.is_said(line.text)
    ]
    try:
        if lscpu.machine(pasted, text.origin) is not None:
            collector.note(LSCPU, "\n".join(line.text.strip("# ") for line in pasted))
    except ScenarioError as error:
        collector.warn(str(error))


def _comment(collector: Collector, line: Line) -> None:
    """Keep a comment `# key: value` as metadata."""
    match = COMMENT.match(line.text.strip())
    if match is None:
        return
    key, value = match.groups()
    if key == CAVEAT:
        number = sum(name.startswith(CAVEAT) for name in collector.metadata) + 1
        collector.note(f"{CAVEAT} {number}", value)
        if " NOT " in value:
            collector.warn(f"the file says: {value}")
    else:
        collector.note(key, value)
