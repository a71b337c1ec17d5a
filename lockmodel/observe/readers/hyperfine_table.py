"""hyperfine's CSV and Markdown: the mean time of each command, a row per command."""

from __future__ import annotations

import csv
import re

from lockmodel.observe import names
from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import hyperfine
from lockmodel.observe.readers.rated import Rates, spread
from lockmodel.observe.text import Line, Text

TITLE = "hyperfine table"
READS = (
    "the mean time of each command, from --export-csv or --export-markdown; a parameter, or a flag "
    "such as --threads 4 of the command, names the population"
)
SEEN = "1.15.0"
GIVES = ("throughput",)
REMEDY = hyperfine.REMEDY

CSV = ["command", "mean", "stddev"]
MARKDOWN = re.compile(r"\|\s*Command\s*\|\s*Mean \[(ms|s|µs)\]\s*\|.*")
RULE = re.compile(r"\|[\s:|-]+\|?")
MEAN = re.compile(r"([\d.]+)(?:\s*±\s*([\d.]+))?")
SECONDS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6}
FURTHER = ("mean", "stddev", "median", "user", "system", "min", "max")

ONE = (
    "one run of the command counts as one iteration; if it makes K (all tasks together), give "
    "--iterations K"
)


def sniff(text: Text) -> bool:
    """Return whether the header of one of the tables is there."""
    return any(
        _cells(line.text)[:3] == CSV or MARKDOWN.fullmatch(line.text.strip())
        for line in text.filled[:200]
        if "ommand" in line.text
    )


def _cells(text: str) -> list[str]:
    return next(csv.reader([text.strip()]), [])


def read(text: Text, options: Options) -> Reading:
    """Return the observations of hyperfine's tables (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    rates = Rates(collector)
    columns: list[str] = []
    unit = ""
    for line in text.filled:
        stripped = line.text.strip()
        if markdown := MARKDOWN.fullmatch(stripped):
            columns, unit = _split(stripped), markdown[1]
        elif _cells(stripped)[:3] == CSV:
            columns, unit = _cells(stripped), ""
        elif not columns or RULE.fullmatch(stripped):
            if not RULE.fullmatch(stripped):
                collector.skip(line, "before the header")
        elif unit and stripped.startswith("|"):
            _markdown(collector, rates, line, columns, unit)
        elif unit or len(_cells(stripped)) == 1:
            collector.skip(line, "not a row of the table")
        else:
            _row(collector, rates, line, columns)
    rates.finish()
    if collector.observations and options.iterations is None:
        collector.warn(ONE)
    return collector.reading(empty="there is a header but no row")


def _split(row: str) -> list[str]:
    """Return the cells of a row of Markdown; a | of the command has a backslash before it."""
    return [cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", row)[1:-1]]


def _markdown(
    collector: Collector, rates: Rates, line: Line, columns: list[str], unit: str
) -> None:
    """Add a row of Markdown."""
    cells = _split(line.text.strip())
    if len(cells) != len(columns):
        raise collector.error(line, f"{len(cells)} cells, {len(columns)} were expected: cut off?")
    mean = MEAN.fullmatch(cells[1])
    if mean is None:
        raise collector.error(line, "a mean 'x ± sd' was expected in the second column")
    n = names.in_command(cells[0])
    for name, cell in zip(columns[2:], cells[2:], strict=True):
        number = MEAN.fullmatch(cell)
        if number is None:
            raise collector.error(line, f"{name}: {cell[:40]!r} is no number")
        value = collector.number(line, name, number[1])
        short, of = name.partition("[")[0].strip(), unit if "[" in name else ""
        collector.fact(f"{cells[0]}: {short}", value, of, line, n)
        if number[2]:
            spread_of = collector.number(line, name, number[2])
            collector.fact(f"{cells[0]}: {short}, deviation", spread_of, of, line, n)
    collector.fact(f"{cells[0]}: mean", collector.number(line, "mean", mean[1]), unit, line, n)
    if mean[2]:
        value = collector.number(line, "deviation", mean[2])
        collector.fact(f"{cells[0]}: mean, deviation", value, unit, line, n)
    seconds = collector.number(line, "mean", mean[1]) * SECONDS[unit]
    sd = collector.number(line, "deviation", mean[2]) * SECONDS[unit] if mean[2] else 0.0
    _add(collector, rates, line, common(cells[0]), seconds, sd, n)


def _row(collector: Collector, rates: Rates, line: Line, columns: list[str]) -> None:
    """Add a row of CSV."""
    cells = _cells(line.text)
    if len(cells) != len(columns):
        raise collector.error(line, f"{len(cells)} cells, {len(columns)} were expected: cut off?")
    row = dict(zip(columns, cells, strict=True))
    n, command = names.in_command(row["command"]), common(row["command"])
    for name, cell in row.items():
        parameter = name.removeprefix("parameter_")
        if parameter != name and (parameter == "n" or names.in_name(f"{parameter}=1") == 1):
            n = collector.whole(line, parameter, cell, least=1)
            command = re.sub(rf"(?<!\d){n}(?!\d)", f"{{{parameter[:20]}}}", row["command"])
    for name in FURTHER:
        if row.get(name):
            value = collector.number(line, name, row[name])
            collector.fact(f"{row['command']}: {name}", value, "s", line, n)
    mean = collector.number(line, "mean", row["mean"])
    sd = collector.number(line, "stddev", row["stddev"]) if row["stddev"] else 0.0
    _add(collector, rates, line, command, mean, sd, n)


def _add(
    collector: Collector,
    rates: Rates,
    line: Line,
    command: str,
    mean: float,
    sd: float,
    n: int | None,
) -> None:
    if mean <= 0:
        collector.skip(line, "a mean of 0 s: nothing was measured")
        return
    rate = (collector.options.iterations or 1.0) / mean
    rates.add(line, rate, n, command, aggregated=True, **spread(rate, sd / mean))


def common(command: str) -> str:
    """Return a command without the population, so that its runs are one curve."""
    return names.FLAG.sub("", command).replace("  ", " ").strip()[:200]
