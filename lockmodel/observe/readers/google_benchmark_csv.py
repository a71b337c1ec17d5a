"""Google Benchmark's CSV (--benchmark_format=csv): the time per iteration of each row."""

from __future__ import annotations

import csv
from collections.abc import Sequence

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.numbers import number
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import google_benchmark
from lockmodel.observe.readers.google_benchmark_text import AGGREGATE, QUIET, SECONDS
from lockmodel.observe.readers.rated import Rates
from lockmodel.observe.text import Line, Text

TITLE = "Google Benchmark CSV"
READS = "the same, from --benchmark_format=csv"
SEEN = "1.7.1"
GIVES = ("throughput",)
REMEDY = google_benchmark.REMEDY

NAMES = ["name", "iterations", "real_time", "cpu_time", "time_unit"]

Row = dict[str, str]


def sniff(text: Text) -> bool:
    """Return whether the head of the table is there."""
    return ",".join(NAMES) in text.whole.replace('"', "")


def read(text: Text, options: Options) -> Reading:
    """Return the observations of Google Benchmark's CSV (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    rates = Rates(collector)
    names: list[str] = []
    rows: list[tuple[Line, Row]] = []
    for line in text.filled:
        cells = next(csv.reader([line.text.strip()]), [])
        if cells[: len(NAMES)] == NAMES:
            names = cells
        elif not names or QUIET.fullmatch(line.text.strip()):
            collector.skip(line, "about the machine")
        elif len(cells) < 2 and rows:
            collector.skip(line, "after the table")
        elif len(cells) != len(names):
            raise collector.error(line, f"{len(cells)} cells, {len(names)} expected: cut off?")
        else:
            rows.append((line, dict(zip(names, cells, strict=True))))
    _rows(collector, rates, rows)
    rates.finish()
    return collector.reading(empty="no benchmark with its real_time")


def _rows(collector: Collector, rates: Rates, rows: list[tuple[Line, Row]]) -> None:
    """Take the rows, once it is known whether their times were divided by the threads."""
    measured = []
    for line, row in rows:
        if not row["real_time"]:
            why = row.get("error_message", "")[:100]
            collector.warn(f"line {line.number}: {row['name'][:100]} has failed: {why}")
            continue
        measured.append((line, row, *_times(collector, line, row)))
    divided = google_benchmark.is_divided((n, real, cpu) for _, _, n, real, cpu in measured)
    single = {row["name"] for _, row, *_ in measured if not AGGREGATE.fullmatch(row["name"])}
    for line, row, n, real, _ in measured:
        aggregate = AGGREGATE.fullmatch(row["name"])
        if aggregate and (aggregate[1] in single or aggregate[2] != "mean"):
            collector.skip(line, "an aggregate over repetitions that are listed, or no mean")
            continue
        what, _ = google_benchmark.name(aggregate[1] if aggregate else row["name"])
        _facts(collector, line, row, what, n)
        if real <= 0:
            collector.skip(line, "a time of 0: nothing was measured")
            continue
        at_once = google_benchmark.at_once(None, n, divided)
        rate = at_once / real if at_once is not None else _by_items(measured, row, what)
        if rate is None:
            collector.warn(google_benchmark.UNKNOWN_VERSION)
            continue
        if at_once is None:
            collector.warn(BY_ITEMS)
        rates.add(line, rate, n, what, aggregated=aggregate is not None)


BY_ITEMS = (
    "with several threads the throughput is items_per_second / the items of an iteration on one "
    "thread: that is right in every version"
)


def _by_items(
    measured: Sequence[tuple[Line, Row, int, float, float]], row: Row, what: str
) -> float | None:
    """Return iterations per second by the items that were counted; None if they were not."""
    own = row.get("items_per_second")
    for _, other, n, real, _ in measured:
        items = other.get("items_per_second")
        if n == 1 and google_benchmark.name(other["name"])[0] == what and own and items and real:
            each = number(items) * real
            return number(own) / each if each > 0 else None
    return None


def _times(collector: Collector, line: Line, row: Row) -> tuple[int, float, float]:
    """Return threads, real and CPU time of a row, in s."""
    unit = row["time_unit"]
    if unit not in SECONDS:
        raise collector.error(line, f"time_unit {unit[:20]!r} is none of ns, us, ms, s")
    _, threads = google_benchmark.name(row["name"])
    if threads is not None and threads < 1:
        raise collector.error(line, f"threads:{threads} must be at least 1")
    real, cpu = (
        collector.number(line, name, row[name]) * SECONDS[unit]
        for name in ("real_time", "cpu_time")
    )
    return threads or 1, real, cpu


def _facts(collector: Collector, line: Line, row: Row, what: str, n: int) -> None:
    """Keep times, iterations and counters."""
    for name, cell in row.items():
        if not cell or name in ("name", "time_unit", "label", "error_occurred", "error_message"):
            continue
        unit = row["time_unit"] if name in ("real_time", "cpu_time") else ""
        collector.fact(f"{what} {name}", collector.number(line, name, cell), unit, line, n)
