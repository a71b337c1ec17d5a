"""Tables of Markdown, as in issues and reports: `| threads | ops/s |`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import wide
from lockmodel.observe.readers.heads import assign
from lockmodel.observe.readers.tidy import Rows, is_contract
from lockmodel.observe.text import Line, Text

TITLE = "Markdown table of throughput"
READS = "the same as of a CSV, of every table with such a head; headings tell tables apart"
GIVES = ("throughput", "acquires", "hold_time", "mean_wait", "idle_share")
REMEDY = "write a table with the head | tasks | throughput | and one row per repeat"

ROW = re.compile(r"\s*\|?(?P<cells>[^|]*(?:\|[^|]*)+?)\|?\s*")
RULE = re.compile(r"\s*[|+]?\s*:?[-=]{2,}:?\s*(?:[|+]\s*:?[-=]{2,}:?\s*)*[|+]?\s*")
HEADING = re.compile(r"\s*(?:#{1,6}\s+|\*\*)(.{1,80}?)(?:\*\*)?:?\s*")


@dataclass
class _Table:
    """A table: its head, its rows, the heading above it."""

    head: Line
    names: list[str]
    above: str
    rows: list[Line] = field(default_factory=list)


def sniff(text: Text) -> bool:
    """Return whether a line of names with a rule below it has a population and a throughput."""
    return any(is_contract(table.names) for table in _tables(text))


def read(text: Text, options: Options) -> Reading:
    """Return the observations of tables of Markdown (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    every = _tables(text)
    tables = [t for t in every if options.columns or is_contract(t.names)] or every
    inside = {line.number for t in tables for line in (t.head, *t.rows)}
    for line in text.filled:
        known = line.number in inside or RULE.fullmatch(line.text) or HEADING.fullmatch(line.text)
        if not known:
            collector.skip(line, "not part of a table of throughput")
    for number, table in enumerate(tables, start=1):
        chosen = (
            ()
            if options.columns
            else wide.columns(table.names, (_cells(line.text) for line in table.rows))
        )
        spread = wide.Wide(collector, table.names, chosen) if chosen else None
        if spread:
            made = spread.heads
        else:
            made = assign(collector, table.head, table.names, options.columns)
        rows = Rows(collector, made, pointed=True, curves=spread.curves if spread else ())
        own = {head.own for head in made}
        for line in table.rows:
            parts = _cells(line.text)
            if len(parts) != len(table.names):
                raise collector.error(
                    line,
                    f"{len(parts)} cells for the {len(table.names)} columns of line "
                    f"{table.head.number}",
                )
            several = (
                spread.rows(line, parts)
                if spread
                else [{head.own: part for head, part in zip(made, parts, strict=True)}]
            )
            for cells in several:
                if len(tables) > 1 and "what" not in own:
                    cells["what"] = table.above or f"table {number}"
                rows.add(line, cells)
        rows.finish()
    if len(tables) > 1:
        collector.warn(f"{len(tables)} tables in one file: kept apart by the headings above them")
    return collector.reading(empty="no table with a row")


def _cells(line: str) -> list[str]:
    """Return the cells of a row, without the marks of bold and code."""
    bare = line.strip()
    bare = bare.removeprefix("|").removesuffix("|")
    return [cell.strip().strip("*`").strip() for cell in bare.split("|")]


def _tables(text: Text) -> list[_Table]:
    """Return the tables of a text: a line with | and a rule below it."""
    made: list[_Table] = []
    above = ""
    open_ = False
    for before, line in zip((None, *text.lines), text.lines, strict=False):
        if before is not None and "|" in before.text and RULE.fullmatch(line.text):
            names = _cells(before.text)
            if len(names) == len(_cells(line.text.replace("+", "|"))) and len(names) > 1:
                made.append(_Table(before, names, above))
                open_ = True
                continue
        if open_ and RULE.fullmatch(line.text):
            continue
        if open_ and "|" in line.text:
            made[-1].rows.append(line)
            continue
        open_ = False
        if heading := HEADING.fullmatch(line.text):
            above = heading[1]
    return made
