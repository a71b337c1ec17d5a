"""JMH's CSV (-rf csv): operations per second of all threads, from the score of each row."""

from __future__ import annotations

import csv

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import jmh_json
from lockmodel.observe.readers.rated import ONE_TASK, Rates
from lockmodel.observe.text import Line, Text

TITLE = "JMH CSV"
READS = "the same, from -rf csv, which has the threads and the mean, no single iterations"
SEEN = "1.37: from its documentation, not run"
GIVES = ("throughput",)
REMEDY = jmh_json.REMEDY

NAMES = ("Benchmark", "Mode", "Threads", "Samples", "Score", "Score Error (99.9%)", "Unit")
PARAMETER = "Param: "


def sniff(text: Text) -> bool:
    """Return whether the head of the table is there."""
    return any(_is_head(line) for line in text.filled[:50])


def _is_head(line: Line) -> bool:
    names = tuple(_cells(line)[: len(NAMES)])
    return names[:5] == NAMES[:5] and names[-1:] == NAMES[-1:]


def _cells(line: Line) -> list[str]:
    if "," not in line.text and ";" not in line.text:
        return []
    separator = ";" if line.text.count(";") > line.text.count(",") else ","
    try:
        return next(csv.reader([line.text.strip()], delimiter=separator), [])
    except csv.Error:
        return []


def read(text: Text, options: Options) -> Reading:
    """Return the observations of JMH's CSV (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    rates = Rates(collector)
    names: list[str] = []
    for line in text.filled:
        cells = _cells(line)
        if _is_head(line):
            names = cells
            collector.checked(line, "the size of the interval in the head")
        elif not names:
            collector.skip(line, "before the table")
        elif len(cells) < 2:
            collector.skip(line, "after the table")
        elif len(cells) != len(names):
            raise collector.error(line, f"{len(cells)} cells, {len(names)} expected: cut off?")
        else:
            _row(collector, rates, line, dict(zip(names, cells, strict=True)))
    rates.finish()
    return collector.reading(empty="no benchmark with its score")


def _row(collector: Collector, rates: Rates, line: Line, row: dict[str, str]) -> None:
    """Take one row."""
    name, unit, mode = row["Benchmark"], row["Unit"], row["Mode"]
    n = collector.whole(line, "threads", row["Threads"], least=1)
    variant = ",".join(
        f"{key.removeprefix(PARAMETER)}:{value}"
        for key, value in row.items()
        if key.startswith(PARAMETER) and value
    )
    own = f"{name} {variant}".strip()
    collector.fact(f"{own}: samples", collector.whole(line, "samples", row["Samples"]), "", line, n)
    error = row.get("Score Error (99.9%)", "NaN")
    if error != "NaN":
        half = collector.number(line, "error", error)
        collector.fact(f"{own}: error, half of a 99.9 % interval", half, unit, line, n)
    if row["Score"] == "NaN":
        collector.skip(line, "no score: nothing was measured")
        return
    score = collector.number(line, "score", row["Score"])
    turn = jmh_json.turn(unit, n)
    if turn is None or mode == "ss" or ":" in name:
        collector.fact(f"{own}: score", score, unit, line, n)
        collector.warn("percentiles, parts of groups and single shots are no rate: facts")
        return
    if jmh_json.TIME.fullmatch(unit):
        collector.fact(f"{own}: score", score, unit, line, n)
        collector.warn(ONE_TASK.format(n="N"))
    if score == 0:
        collector.skip(line, "a score of 0: nothing was measured")
        return
    rates.add(line, turn(score), n, ".".join(name.split(".")[-2:]), variant, aggregated=True)
