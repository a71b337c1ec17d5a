"""Our own CSV contract, and the shipped curves: a header, `#` comments, one row per repeat."""

from __future__ import annotations

import csv
import re

from lockmodel.errors import ScenarioError
from lockmodel.model import lscpu
from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.headers import CAVEAT, LSCPU
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers.tidy import CONTRACT, Rows, canonical, columns
from lockmodel.observe.text import Line, Text

TITLE = "CSV of throughput"
READS = "throughput per population and repeat, and what the columns below say of its locks"
GIVES = ("throughput", "acquires", "hold_time", "mean_wait", "idle_share")
REMEDY = f"write a CSV with the header {CONTRACT} and one row per repeat"

COMMENT = re.compile(r"#\s*([\w -]{1,30}?)\s*:\s*(.+)")
SEPARATORS = (",", ";", "\t")


def sniff(text: Text) -> bool:
    """Return whether the first line that is no comment names a population or a throughput."""
    header = _header(text)
    if header is None:
        return False
    names = [name.strip().lower() for name in cells(header.text, separator(header.text))]
    if "kind" in names or "processes_idle" in names or len(names) < 2:
        return False
    known = {canonical(name) for name in names}
    return "throughput" in known or ("tasks" in known and all(_is_name(name) for name in names))


def _is_name(cell: str) -> bool:
    return re.fullmatch(r"[a-z_][\w./ %-]*", cell) is not None


def _header(text: Text) -> Line | None:
    return next((line for line in text.filled if not line.text.lstrip().startswith("#")), None)


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
    collector = Collector(text, TITLE, REMEDY, options)
    header = _header(text)
    if header is None:
        raise collector.error(None, "there are only comments, no header")
    for line in text.filled:
        if line.number >= header.number:
            break
        _comment(collector, line)
    _machine(collector, text)
    sep = separator(header.text)
    names = columns(collector, header, cells(header.text, sep))
    rows = Rows(collector)
    for line in text.filled:
        if line.number <= header.number:
            continue
        if line.text.lstrip().startswith("#"):
            _comment(collector, line)
            continue
        parts = cells(line.text, sep)
        if len(parts) != len(names):
            raise collector.error(
                line,
                f"{len(parts)} cells for the {len(names)} columns of line {header.number} (decimal "
                f"commas need ';' between the cells)",
            )
        rows.add(line, dict(zip(names, parts, strict=True)))
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
