"""divan's tree: the time of an iteration on its thread, a branch t=N for each number of threads."""

from __future__ import annotations

import re

from lockmodel.observe import names
from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers.rated import ONE_TASK, Rates
from lockmodel.observe.text import Line, Text

TITLE = "divan"
READS = "iterations per second at each t=N, from the mean; fastest, slowest, median as facts"
SEEN = "0.1: from its documentation, not run"
GIVES = ("throughput",)
REMEDY = "run `cargo bench > bench.txt` with #[divan::bench(threads = [1, 2, 4, 8])]"

HEADER = re.compile(r"(\S.*?)\s+fastest\s+│ slowest\s+│ median\s+│ mean\s+│ samples\s+│ iters")
BRANCH = re.compile(r"([│ ]{0,120})(?:├─ |╰─ )(.*)")
INSIDE = re.compile(r"[│ ]{1,160}([^│\s].*)")
INDENT = 3
"""Characters of one step down the tree; pasting may have taken blanks of the first away."""

FIRST = re.compile(r"(?<!\S)([\d.]+) (\S+)$")
CELL = re.compile(r"([\d.]+) (\S+)")
THREADS = re.compile(r"t=(\d{1,7})")
PRECISION = re.compile(r"Timer precision: ([\d.]+) (\S+)")
COLUMNS = ("fastest", "slowest", "median", "mean")
SECONDS = {"ps": 1e-12, "ns": 1e-9, "µs": 1e-6, "μs": 1e-6, "us": 1e-6, "ms": 1e-3, "s": 1.0}
SECONDS |= {"m": 60.0, "h": 3600.0}


def sniff(text: Text) -> bool:
    """Return whether the header of a tree is there."""
    return "│ samples" in text.whole and any(
        HEADER.fullmatch(line.text.strip()) for line in text.filled if "samples" in line.text
    )


def read(text: Text, options: Options) -> Reading:
    """Return the observations of divan's tree (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    rates = Rates(collector)
    branches: list[str] = []
    inside, blanks = False, 0
    for line in text.filled:
        header = HEADER.fullmatch(line.text.strip()) if "│ samples" in line.text else None
        if header:
            collector.note("program", header[1])
            branches, inside = [], True
            blanks = len(line.text) - len(line.text.lstrip())
        elif precision := PRECISION.fullmatch(line.text.strip()):
            value = collector.number(line, "precision", precision[1])
            collector.fact("timer precision", value, precision[2], line)
        elif inside and (branch := BRANCH.fullmatch(_without(line.text, blanks))):
            depth = -(-len(branch[1]) // INDENT)
            branches = [*branches[:depth], ""]
            branches[-1] = _row(collector, rates, line, branches[:-1], branch[2])
        elif inside and branches and (more := INSIDE.fullmatch(_without(line.text, blanks))):
            _more(collector, line, "/".join(branches), more[1])
        else:
            collector.skip(line, "not a row of the tree")
    rates.finish()
    return collector.reading(empty="no branch of a tree with its times")


def _without(text: str, blanks: int) -> str:
    """Return a line without the blanks that stand before the whole tree."""
    return text[blanks:] if not text[:blanks].strip() else text


def _row(collector: Collector, rates: Rates, line: Line, above: list[str], rest: str) -> str:
    """Read one branch; return its name."""
    cells = [cell.strip() for cell in rest.split("│")]
    first = FIRST.search(cells[0])
    if first is None or first[2] not in SECONDS:
        if len(cells) > 1 and any(cells[1:]):
            raise collector.error(
                line, "name, fastest, slowest, median, mean were expected: cut off?"
            )
        return cells[0][:100]
    name = cells[0][: first.start()].strip()[:100]
    if len(cells) != 6:
        raise collector.error(line, f"{len(cells)} cells, 6 were expected: cut off?")
    times = [first, *(CELL.fullmatch(cell) for cell in cells[1:4])]
    threads = THREADS.fullmatch(name)
    stated = names.in_name(name) if threads is None else int(threads[1])
    n = 1 if stated is None else stated
    if n < 1:
        raise collector.error(line, f"{name}: 0 threads")
    what = "/".join([*above, *([] if threads else [name])])
    mean = 0.0
    for column, cell in zip(COLUMNS, times, strict=True):
        if cell is None or cell[2] not in SECONDS:
            raise collector.error(line, f"{column}: a time with its unit was expected: cut off?")
        value = collector.number(line, column, cell[1])
        mean = value * SECONDS[cell[2]]
        collector.fact(f"{what} {column}", value, cell[2], line, n)
    for column, text in zip(("samples", "iters"), cells[4:], strict=True):
        collector.fact(f"{what} {column}", collector.whole(line, column, text), "", line, n)
    if mean <= 0 or cells[5] == "0":
        collector.skip(line, "0 iterations or a time of 0: nothing was measured")
        return name
    if n > 1:
        collector.warn(ONE_TASK.format(n="N"))
    rates.add(line, n / mean, n, what, aggregated=True)
    return name


def _more(collector: Collector, line: Line, name: str, rest: str) -> None:
    """Keep what stands below a branch: its counters, or its allocations."""
    cells = [cell.strip() for cell in rest.split("│")]
    kept = 0
    for column, cell in zip(COLUMNS, cells, strict=False):
        if match := CELL.fullmatch(cell):
            value = collector.number(line, column, match[1])
            collector.fact(f"{name} {column}", value, match[2], line)
            kept += 1
    if not kept:
        collector.skip(line, "allocations, or another row below a branch")
