"""The comparison table of a kernel test robot's mail: base, change, new, key."""

from __future__ import annotations

import re

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.numbers import Measured, printed
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import lkp
from lockmodel.observe.text import Line, Text

TITLE = "table of the kernel test robot"
READS = "its comparison table: the same before and after, and the gain of a rate"
GIVES = (*lkp.GIVES, "gain")
REMEDY = lkp.REMEDY

NUMBER = r"\d[\d.,]*(?:e[+-]\d+)?"
SPREAD = r"(?:\s*\u00b1\s*(\d+)%)?"
ROW = re.compile(
    rf"\s*({NUMBER}){SPREAD}\s+([+-][\d.,]+(?:e[+-]\d+)?)(%?)\s+({NUMBER}){SPREAD}\s+(\S+\.\S+)\s*"
)
HEADER = re.compile(r"\s*%stddev\s+%change\s+%stddev\s*")
RULE = re.compile(r"\s*\\\s*\|\s*\\\s*|[\s-]*|-{4,}.*|=+")
COMMITS = re.compile(r"\s*[0-9a-f]{8,40}.*")
BEGUN = re.compile(rf"\s*{NUMBER}\s.*")

SHOWN_ABOVE = (
    "the robot shows a spread above 2 % only; its standard deviation divides by n, not n - 1"
)
AGGREGATED = "each number is the mean of several runs that are not shown"


def sniff(text: Text) -> bool:
    """Return whether there is the header, or a row with the sign of a spread."""
    return any(HEADER.fullmatch(line.text) or ROW.fullmatch(line.text) for line in text.filled)


def read(text: Text, options: Options) -> Reading:
    """Return the observations of a robot's table (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    begun = False
    for line in text.filled:
        if HEADER.fullmatch(line.text):
            begun = True
        elif row := ROW.fullmatch(line.text):
            begun = True
            _row(collector, line, row)
        elif RULE.fullmatch(line.text) or COMMITS.fullmatch(line.text):
            continue
        elif begun and BEGUN.fullmatch(line.text):
            raise collector.error(
                line, "'base ± s%  ±change  new ± s%  key' was expected: wrapped?"
            )
        else:
            collector.skip(line, "not a row of the table")
    if collector.observations:
        collector.warn(AGGREGATED)
        collector.warn(SHOWN_ABOVE)
    return collector.reading(empty="no row of a table")


def _row(collector: Collector, line: Line, row: re.Match[str]) -> None:
    base_text, base_spread, change_text, percent, new_text, new_spread, key = row.groups()
    base = collector.parse(printed, line, "base", base_text)
    new = collector.parse(printed, line, "new", new_text)
    change = collector.parse(printed, line, "change", change_text)
    _check(collector, line, base, new, change, bool(percent))
    meaning = lkp.meaning(key)
    if meaning is None:
        collector.fact(f"{key} (base)", base.value, "", line)
        collector.fact(f"{key} (new)", new.value, "", line)
        return
    if meaning.warning:
        collector.warn(meaning.warning)
    more = dict(meaning.more)
    mode = more.pop("variant", "")
    for name, measured, spread in (("base", base, base_spread), ("new", new, new_spread)):
        if meaning.kind == "throughput" and measured.value == 0:
            collector.skip(line, f"{key} is 0")
            return
        value = measured.value / meaning.divisor
        sd = value * collector.whole(line, "spread", spread) / 100 if spread else None
        collector.observe(
            meaning.kind,
            value,
            meaning.unit,
            line,
            variant=f"{name} {mode}".strip(),
            sd=sd or None,
            uncertainty="given" if sd else "none",
            aggregated=True,
            **more,
        )
    if meaning.kind == "throughput":
        n, what = more.get("n"), f"{more.get('what', '')}"
        gain = new.value / base.value - 1
        collector.observe("gain", gain, "1", line, n=n, what=what, variant=mode, aggregated=True)


def _check(
    collector: Collector,
    line: Line,
    base: Measured,
    new: Measured,
    change: Measured,
    relative: bool,
) -> None:
    """Hold the change against base and new: relative in %, absolute for percentages."""
    if relative:
        if base.value == 0:
            raise collector.error(line, "a relative change of a base of 0")
        expected = 100 * (new.value / base.value - 1)
        slack = 100 * (new.half_digit + base.half_digit * new.value / base.value) / base.value
    else:
        expected = new.value - base.value
        slack = new.half_digit + base.half_digit
    if abs(expected - change.value) > slack + 2 * change.half_digit + 1e-9 * abs(expected):
        raise collector.error(
            line, f"change {change.value:+g} is not that of {base.value:g} to {new.value:g}"
        )
