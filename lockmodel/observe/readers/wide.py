"""Wide tables: a column of throughput for each lock or kernel, `threads, base, patched`.

Where no column says that it is a throughput, several whose names are known for nothing else are
one each: their heads are the names of the curves. Without a unit only their ratios count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from lockmodel.observe.collector import Collector
from lockmodel.observe.readers import heads
from lockmodel.observe.readers.columns import OWN, TIME
from lockmodel.observe.readers.heads import Head, understood
from lockmodel.observe.text import Line

EMPTY = ("", "-", "n/a", "na", "nan")
LONGEST = 60
"""Characters of the name of a curve."""

LEAST = 2
"""Columns from which on a table is wide."""

OTHER = re.compile(
    r"(?:.*[\W_])?(?:diff|difference|delta|change|changes|speed-?up|gain|ratio|improvement|factor"
    r"|sd|std|stdev|stddev|err|error|ci|cv|rsd|stderr|min|max|avg|mean|median|p\d+(?:\.\d+)?|total"
    r"|linear|ideal|expected|percent|pct|pval|p-value|time|elapsed|duration|secs?|seconds|ms|us|ns"
    r"|usecs?|nsecs?|msecs?|latency|lat|wait|hold|count|samples|iterations|iters|loops|size|bytes"
    r"|[kmg]i?b|batch|seed|depth|date|line|id|index|cpu|util|utilization|idle|user|sys|iowait"
    r"|power|watts|joules|temp|cycles|instructions|instr|ipc|misses|faults|switches|errors|node"
    r"|nodes|sockets?|pid|tid|uid|seq|no|number|comment|note)(?:[\W_].*)?|.*%.*|\W*|v?\d[\d.]*s",
    re.I,
)
"""Heads of columns that are a comparison, a spread, a time, a count or a setting."""


def columns(names: Sequence[str], rows: Iterable[Sequence[str]] = ()) -> tuple[int, ...]:
    """Return which columns of a head are a throughput each; none if it is no wide table.

    Parameters
    ----------
    names : sequence of str
        As written.
    rows : iterable of sequence of str
        The cells below them, where they are known: a column of texts is none.
    """
    made = [understood(name) for name in names]
    own = [head.own for head in made]
    if own.count("tasks") != 1 or "latency" in own:
        return ()
    rates = [i for i, head in enumerate(made) if head.own == "throughput"]
    if rates:
        alike = all(made[i].rank == heads.PATTERN for i in rates)
        return tuple(rates) if alike and len(rates) >= LEAST else ()
    texts = {
        i
        for row in rows
        if len(row) == len(names)
        for i, cell in enumerate(row)
        if cell.strip().lower() not in EMPTY and not re.match(r"\d", cell.strip())
    }
    chosen = tuple(
        i for i, name in enumerate(names) if i not in texts and _is_curve(name.strip(), own[i])
    )
    return chosen if len(chosen) >= LEAST else ()


def _is_curve(name: str, own: str) -> bool:
    """Return whether a head may be the name of a curve."""
    known = own in OWN.values() or TIME.fullmatch(own) is not None
    return 0 < len(name) <= LONGEST and not known and OTHER.fullmatch(name.strip("*`\"' ")) is None


SPREAD = re.compile(r"(.+?)[\s_.(-]*(?:sd|std|stdev|stddev|std_dev)\)?", re.I)


class Wide:
    """The curves of a wide table's head, and what makes rows of one row.

    Parameters
    ----------
    collector : Collector
        For what is left out.
    names : sequence of str
        The head.
    chosen : sequence of int
        Which of its columns are a throughput each (see `columns`).
    """

    def __init__(self, collector: Collector, names: Sequence[str], chosen: Sequence[int]) -> None:
        self._collector = collector
        self._chosen = tuple(chosen)
        self.heads = [understood(name) for name in names]
        self._curves = [name.strip().strip("*`\"'") for name in names]
        self._sd: dict[str, int] = {}
        units = {self.heads[i].unit for i in self._chosen}
        for i in self._chosen:
            parts = heads.WITH_UNIT.fullmatch(self._curves[i])
            if parts and self.heads[i].unit:
                self._curves[i] = parts[1].strip()
            unit = self.heads[i].unit if len(units) == 1 else ""
            self.heads[i] = Head("throughput", unit=unit)
        for i, name in enumerate(names):
            if (match := SPREAD.fullmatch(name.strip())) and i not in self._chosen:
                self._sd[match[1].lower()] = i

    @property
    def curves(self) -> list[str]:
        """Names of the curves: their heads, without a unit that they share."""
        return [self._curves[i] for i in self._chosen]

    def rows(self, line: Line, parts: Sequence[str]) -> list[dict[str, str]]:
        """Return the rows that a row of the table is: one for each curve that has a number."""
        used = {*self._chosen, *self._sd.values()}
        rest: dict[str, str] = {}
        for i, (head, cell) in enumerate(zip(self.heads, parts, strict=True)):
            if i not in used and _is_change(cell):
                self._collector.checked(line, "changes between the curves")
            elif i not in used:
                rest[head.own] = cell
        before = f"{rest['variant']}," if rest.get("variant", "").strip() else ""
        made = []
        for i in self._chosen:
            if parts[i].strip().lower() in EMPTY:
                continue
            row = {**rest, "throughput": parts[i], "variant": f"{before}{self._curves[i]}"}
            if (at := self._sd.get(self._curves[i].lower())) is not None:
                row["sd"] = parts[at]
            made.append(row)
        return made


def _is_change(cell: str) -> bool:
    """Return whether a cell says a change or a share, and no throughput."""
    return cell.strip()[:1] in ("+", "-") or "%" in cell


SAID = (
    "a column for each curve ({names}): each is taken as a throughput; if they are times, they are "
    "read the wrong way round"
)
RELATIVE = (
    "no unit is said for {names}: throughput is relative, only ratios count (`# unit: ops/s`)"
)
