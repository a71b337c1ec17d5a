"""What the readers of benchmark tools share: rates at populations, repeats counted, zeros said."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from lockmodel.observe.collector import MOST_METADATA, Collector
from lockmodel.observe.text import Line

NOTHING = "a rate of 0: nothing was measured"

BEFORE, BETWEEN = "before the first run", "a report between, not the run's total"
"""Why a line of a run is left out."""

UNKNOWN = "the population of some rates is not stated: give --tasks N, or --at FILE=N"

ONE_TASK = (
    "a time per operation gives the throughput of {n} tasks as {n} / time where every task does "
    "its own operations"
)

PAIR = re.compile(
    r"(?:- )?(?P<name>[^:=\d\s][^:=]{0,60}?)\s*[:=]\s*(?P<value>\d[\d.,]*)\s*"
    r"(?P<unit>(?:[A-Za-z%][\w/%]*)?)\s*(?:\(.*)?"
)
"""name: 12.5 ms (whatever follows)"""


@dataclass(frozen=True)
class _Rate:
    """One rate, before it is known how often its population comes."""

    line: Line | None
    value: float
    n: int | None
    what: str
    variant: str
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def run(self) -> tuple[int | None, str, str]:
        """What repeats have in common."""
        return self.n, self.what, self.variant


class Rates:
    """Gathers the throughputs of a file; those of one population and name are repeats.

    Parameters
    ----------
    collector : Collector
        Where they go.
    """

    def __init__(self, collector: Collector) -> None:
        self.collector = collector
        self._rates: list[_Rate] = []

    def add(
        self,
        line: Line | None,
        value: float,
        n: int | None,
        what: str = "",
        variant: str = "",
        **more: Any,
    ) -> None:
        """Take a rate per s; 0 is said and left out."""
        if value <= 0:
            self.collector.skip(line or Line(0, what), NOTHING)
            return
        self._rates.append(_Rate(line, value, n, what[:200], variant[:200], more))

    def finish(self) -> None:
        """Add the observations, repeats numbered from 1 where there are several.

        Runs of one name that words such as `Before:` and `With this patch:` stand above are of
        those variants.
        """
        self._rates = self._told_apart()
        often = Counter(rate.run for rate in self._rates)
        seen: Counter[tuple[int | None, str, str]] = Counter()
        for rate in self._rates:
            seen[rate.run] += 1
            repeat = seen[rate.run] if often[rate.run] > 1 else None
            made = self.collector.observe(
                "throughput",
                rate.value,
                "1/s",
                rate.line,
                n=rate.n,
                what=rate.what,
                variant=rate.variant,
                repeat=repeat,
                **rate.more,
            )
            if made.n is None:
                self.collector.warn(UNKNOWN)

    def _told_apart(self) -> list[_Rate]:
        """Return the rates with the words above them as variants, where the same came twice."""
        often = Counter(rate.run for rate in self._rates)
        text = self.collector.text
        told = [line for line in text.filled if ABOVE.fullmatch(line.text.strip())]
        if len(told) < 2 or max(often.values(), default=0) < 2:
            return self._rates
        made = []
        for rate in self._rates:
            above = [line for line in told if rate.line and line.number < rate.line.number]
            words = _words(above[-1].text) if above else ""
            variant = ",".join(filter(None, (rate.variant, words)))
            made.append(replace(rate, variant=variant))
        if len({rate.variant for rate in made}) < 2:
            return self._rates
        shown = ", ".join(f"line {line.number}: {_words(line.text)!r}" for line in told[:4])
        self.collector.warn(f"words above runs tell them apart ({shown})")
        return made


ABOVE = re.compile(
    r"(?:\d{1,2}[).]\s+|[*#=-]+\s*)?(?:the\s+)?(?:before|after|without|with|w/o|w/|base|baseline|patched|unpatched|vanilla"
    r"|stock|mainline|upstream|original|current|old|new)\b[^:=;|]{0,60}:?[\s*=#-]*",
    re.I,
)
"""A line of words above a run that says which of two it is."""


def _words(text: str) -> str:
    return re.sub(r"^(?:\d{1,2}[).]\s+|[*#=\s-]+)|[:\s*=#-]+$", "", text.strip())[:60]


def spread(value: float, relative: float | None) -> dict[str, Any]:
    """Return the keywords of a standard deviation that is given relative to the value."""
    if not relative:
        return {}
    return {"sd": value * relative, "uncertainty": "given"}


def version(collector: Collector, line: Line, text: str) -> None:
    """Keep the version of a tool; say where a file has runs of two."""
    collector.note("version", text)
    if collector.metadata["version"] != text[:MOST_METADATA]:
        collector.warn(f"line {line.number}: another version, {text[:80]}: is it one curve?")


def pair(collector: Collector, line: Line, n: int | None, prefix: str = "", unit: str = "") -> bool:
    """Keep a line "name: number unit" as a fact; return whether it is one.

    `unit` is that of numbers that stand without one.
    """
    match = PAIR.fullmatch(line.text.strip())
    if match is None:
        return False
    text = match["value"]
    if text.count(".") > 1:
        return False
    value = collector.number(line, match["name"], text)
    collector.fact(f"{prefix}{match['name']}", value, match["unit"] or unit, line, n)
    return True
