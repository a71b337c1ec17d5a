"""benchstat: medians (or means) of go benchmarks, a column per file."""

from __future__ import annotations

import re

from lockmodel.observe import names
from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import go_bench
from lockmodel.observe.readers.rated import Rates
from lockmodel.observe.text import Line, Text

TITLE = "benchstat"
READS = "operations per second of each file at each -cpu, from sec/op (new) or time/op (old)"
SEEN = "golang.org/x/perf, new and old: from its documentation, not run"
GIVES = ("throughput", "gain")
REMEDY = f"{go_bench.REMEDY}, and give that: benchstat keeps no single runs"

UNITS = re.compile(r"(?:│\s*)?(?:sec|B|allocs|\S{1,20})/(?:op|s)\b.*")
UNIT = re.compile(r"(\S{1,20}/(?:op|s))\b")
FILES = re.compile(r"│\s*([^│]{1,200}?)\s*(?=│|$)")
OLD = re.compile(r"name\s+(?:(?:old )?(\S+/(?:op|s)))(?:\s+new \S+/(?:op|s)\s+delta)?")
NUMBER = r"([\d.]+(?:e[+-]\d+)?)([numkµμKMGTs]?i?s?(?:B/s|B)?)"
CELL = re.compile(rf"(?<!\S){NUMBER}\s*±\s*(\d+%|∞)")
ROW = re.compile(r"(?:Benchmark)?([A-Za-z_]\S*?)(?:-(\d{1,5}))?\s+(\d.*)")
DELTA = re.compile(r"([+-][\d.]+)%|~")
CONTEXT = re.compile(r"(goos|goarch|pkg|cpu): (.*)")
QUIET = re.compile(r"[¹²³⁴⁵⁶⁷⁸⁹⁰].*|\[Geo mean\].*|geomean.*")
SCALES = {"n": 1e-9, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "m": 1e-3, "": 1.0}

SPREAD = "± is the 95 % interval of a median (or the range of a mean), no standard deviation"


def sniff(text: Text) -> bool:
    """Return whether there is the header of a table, new or old."""
    whole = text.whole
    if "│" in whole and re.search(r"/(?:op|s)\b", whole) and "±" in whole:
        return any(UNITS.fullmatch(line.text.strip()) for line in text.filled)
    return "name" in whole and any(OLD.fullmatch(line.text.strip()) for line in text.filled)


def read(text: Text, options: Options) -> Reading:
    """Return the observations of benchstat's tables (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    rates = Rates(collector)
    unit, files = "", [""]
    for line in text.filled:
        stripped = line.text.strip()
        if "│" in stripped:
            if UNITS.fullmatch(stripped):
                unit = UNIT.search(stripped)[1] if UNIT.search(stripped) else ""  # type: ignore[index]
            else:
                files = [name for name in FILES.findall(stripped) if name]
        elif old := OLD.fullmatch(stripped):
            unit, files = old[1], ["old", "new"] if "delta" in stripped else [""]
        elif context := CONTEXT.fullmatch(stripped):
            collector.note("cpu model" if context[1] == "cpu" else context[1], context[2])
        elif QUIET.fullmatch(stripped):
            collector.skip(line, "a mean over benchmarks, or a footnote")
        elif unit and (row := ROW.fullmatch(stripped)):
            _row(collector, rates, line, row, unit, files)
        else:
            collector.skip(line, "not part of a table")
    rates.finish()
    if collector.observations:
        collector.warn(SPREAD)
    return collector.reading(empty="no table with sec/op or time/op")


def _row(
    collector: Collector,
    rates: Rates,
    line: Line,
    row: re.Match[str],
    unit: str,
    files: list[str],
) -> None:
    name, procs_text, rest = row.groups()
    cells = list(CELL.finditer(rest))
    if not cells or len(cells) != rest.count("±"):
        raise collector.error(line, "'name  value ± n%' was expected: cut off?")
    procs = collector.whole(line, "GOMAXPROCS", procs_text, least=1) if procs_text else 1
    stated = names.in_name(name)
    n, what = (procs if stated is None else stated), names.without(name)
    collector.warn("the number after the name's last - is the population (GOMAXPROCS)")
    made: list[float] = []
    for i, cell in enumerate(cells):
        variant = files[i][:60] if i < len(files) else f"column {i + 1}"
        value = collector.number(line, unit, cell[1])
        seconds = _seconds(cell[2]) if unit in ("sec/op", "time/op") else None
        if unit in ("sec/op", "time/op") and seconds is None:
            raise collector.error(line, f"{cell[0][:40]!r} is no time: cut off?")
        collector.fact(f"{what} {unit} {variant}".rstrip(), value, cell[2] or unit, line, n)
        if cell[3] != "∞":
            percent = collector.number(line, "±", cell[3].rstrip("%"))
            collector.fact(f"{what} {unit} {variant}, ±", percent, "%", line, n)
        if seconds is None:
            continue
        if value <= 0:
            collector.skip(line, "a time of 0: nothing was measured")
        else:
            made.append(1 / (value * seconds))
            rates.add(line, made[-1], n, what, variant, aggregated=True)
            collector.warn(go_bench.WALL)
    _gain(collector, line, rest[cells[-1].end() :], made, n, what)


def _gain(
    collector: Collector, line: Line, rest: str, made: list[float], n: int, what: str
) -> None:
    """Add the gain of the second column over the first, if the table says that there is one."""
    collector.checked(line, "change, p and n of benchstat (the gain is that of its two times)")
    delta = DELTA.search(rest[:40])
    if delta is None or len(made) != 2:
        return
    if delta[0] == "~":
        collector.warn(f"{what}: no difference that benchstat would call one (~) at {n}")
        return
    change = float(delta[1]) / 100
    gain = made[1] / made[0] - 1
    if abs((1 + gain) * (1 + change) - 1) > 0.02:
        raise collector.error(line, f"{delta[0]} is not the change of the two times")
    collector.observe("gain", gain, "1", line, n=n, what=what, aggregated=True)


def _seconds(suffix: str) -> float | None:
    """Return what a time's suffix stands for: "n" and "ns" are both 1e-9 s."""
    return SCALES.get(suffix.removesuffix("s"))
