"""What the four UnixBench formats share: tests, units, and how a result becomes a rate."""

from __future__ import annotations

import re

from lockmodel.observe.collector import Collector
from lockmodel.observe.text import Line

REMEDY = (
    "run UnixBench 6.0.0: `./Run -c 1 -c 8 -c 64 execl spawn`, and give its results/*.log, which "
    "holds every pass"
)
PER_SECOND = {"lps": 1.0, "lpm": 60.0}
"""Unit of a rate -> s that it counts over; other units (KBps, MWIPS) are no iterations."""

UNITS = ("lps", "lpm", "KBps", "MWIPS", "MFLOPS", "fps", "score")

NOTES = {
    "Process Creation": "fork + exit + wait without exec, one child at a time per copy",
    "Execl Throughput": "exec of itself, without fork and exit",
    "Shell Scripts": "one count is a sh with several children: many fork + exec + exit",
    "File Copy": "in 5.1.3 all copies share one file (byte-unixbench pull request 85)",
}
"""First words of a test -> what one counted iteration is."""

AGGREGATED = (
    "each result is the geometric mean of the better two thirds of the passes: no standard error "
    "can be claimed; the .log has every pass"
)
SILENT_SKIP = (
    "UnixBench 5.1.3 prints the header and no result above 16 copies; use 6.0.0 (byte-unixbench "
    "issue 67)"
)
SKIPS_ABOVE = 16

MOST_COPIES = 1_000_000


def add(
    collector: Collector,
    line: Line,
    test: str,
    value: float,
    unit: str,
    copies: int | None,
    repeat: int | None = None,
    aggregated: bool = True,
) -> None:
    """Add the result of a test: a rate as throughput per s, anything else as a fact."""
    if value <= 0:
        raise collector.error(line, f"a result of {value:g} {unit} must be > 0")
    for start, note in NOTES.items():
        if test.startswith(start):
            collector.note(f"iteration of {test}", note)
    if unit not in PER_SECOND:
        collector.fact(test, value, unit, line, copies)
        collector.warn(f"{unit} is no rate of iterations: kept as a fact ({test})")
        return
    if unit == "lpm":
        collector.warn("lpm counts loops per minute; divided by 60")
    collector.observe(
        "throughput",
        value / PER_SECOND[unit],
        "1/s",
        line,
        n=copies,
        what=test,
        repeat=repeat,
        aggregated=aggregated,
    )


def unit_of(test: str) -> str | None:
    """Return the unit of a test, for formats that do not print it; None if not known."""
    if re.match(r"(?:Process Creation|Execl Throughput|Pipe|System Call|Dhrystone)", test):
        return "lps"
    if test.startswith("Shell Scripts"):
        return "lpm"
    if test.startswith("File Copy"):
        return "KBps"
    return "MWIPS" if "Whetstone" in test else None
