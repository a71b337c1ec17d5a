"""What bpftrace's text and JSON share: maps of histograms, statistics and counts."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from lockmodel.observe.collector import Collector
from lockmodel.observe.numbers import SECONDS
from lockmodel.observe.observations import Bin
from lockmodel.observe.readers import klockstat
from lockmodel.observe.text import Line

REMEDY = (
    "name maps by what they hold, e.g. `@hold_ns[str(arg)] = hist(nsecs - @t[tid]);`, or give "
    "--unit and --quantity"
)

UNITS = {"ns": "ns", "nsecs": "ns", "us": "us", "usecs": "us", "ms": "ms", "msecs": "ms"}
SUFFIX = re.compile(r"(?:^|_)(nsecs|usecs|msecs|ns|us|ms)(?:_|$)|(nsecs|usecs|msecs)$")
HOLD = re.compile(r"hold|held")
WAIT = re.compile(r"wait|spin|block|acquir\w*_?time|lat")
COUNT = re.compile(r"acquire|acquisition|locks?_taken")

Edges = tuple[float, float, int]
"""Lower and upper edge (unbounded: infinite) in the script's unit, and the count."""


def unit_of(collector: Collector, line: Line, name: str) -> str:
    """Return the unit of a map's times: of its name, else of the options.

    Raises
    ------
    ScenarioError
        Neither says it.
    """
    suffix = SUFFIX.search(name.lower())
    if suffix:
        unit = UNITS[suffix[1] or suffix[2]]
        collector.warn(f"@{name} is taken to be in {unit}, from its name")
        return unit
    if collector.options.unit is None:
        raise collector.error(
            line, f"@{name or ''} does not say its unit: give --unit ns (or us, ms)"
        )
    return collector.options.unit


def quantity_of(collector: Collector, line: Line, name: str) -> str:
    """Return "hold" or "wait" from a map's name, else from the options."""
    low = name.lower()
    if HOLD.search(low):
        return "hold"
    if WAIT.search(low):
        return "wait"
    if collector.options.quantity is None:
        raise collector.error(
            line, f"@{name} does not say what it times: give --quantity hold or --quantity wait"
        )
    return collector.options.quantity


def where(key: str) -> dict[str, str]:
    """Return lock or site from the key of a map: a call stack is a site, a name a lock."""
    frames = key.split()
    if len(frames) > 1 or re.search(r"\+\d+$|\+0x[0-9a-f]+$", key):
        plain = [re.sub(r"\+\w+$", "", frame) for frame in frames]
        return {"site": klockstat.site_of(plain[0], plain[1:])}
    return {"lock": key}


def add_histogram(
    collector: Collector, line: Line, name: str, key: str, edges: Sequence[Edges]
) -> None:
    """Add a histogram of hold or wait times.

    The value is the mean with each event in the middle of its bin; the true mean lies
    between those with all events at the lower and at the upper edges.
    """
    unit = unit_of(collector, line, name)
    quantity = quantity_of(collector, line, name)
    bins = bins_of(collector, line, edges, round(1 / SECONDS[unit]))
    total = sum(b.count for b in bins)
    if total == 0:
        collector.skip(line, "a histogram without events")
        return
    least = sum(b.low * b.count for b in bins) / total
    middle = sum(_middle(b) * b.count for b in bins) / total
    most = sum(b.high * b.count for b in bins if b.count) / total
    if math.isinf(most):
        collector.warn(f"@{name}: events above the last bin: its mean is a lower bound")
    else:
        label = f"@{name}[{key}]" if key else f"@{name}"
        collector.warn(
            f"means of histograms are those of bin middles: {label} lies between {least:.3g} s and "
            f"{most:.3g} s"
        )
    collector.observe(
        "hold_histogram" if quantity == "hold" else "mean_wait",
        middle,
        "s",
        line,
        per="event traced",
        count=total,
        low=min(b.low for b in bins if b.count),
        bins=tuple(bins),
        **where(key),
    )


def _middle(b: Bin) -> float:
    return b.low if math.isinf(b.high) else (b.low + b.high) / 2


def bins_of(collector: Collector, line: Line, edges: Sequence[Edges], per_s: int) -> list[Bin]:
    """Return the bins in s; they must not overlap, nor hold negative times."""
    made: list[Bin] = []
    before = 0.0
    for low, high, count in edges:
        if high <= 0:
            if count:
                raise collector.error(
                    line,
                    f"{count} events below 0: a time cannot be negative, the script subtracts "
                    f"the wrong way round",
                )
            continue
        low = max(low, 0.0)
        if low < before or high <= low:
            raise collector.error(line, f"bins overlap at {low:g}: lines are missing or doubled")
        before = high
        made.append(Bin(low / per_s, high / per_s, count))
    while made and made[-1].count == 0:
        made.pop()
    while made and made[0].count == 0:
        made.pop(0)
    return made


def add_statistics(
    collector: Collector, line: Line, name: str, key: str, count: int, mean: float, total: float
) -> None:
    """Add stats(): the mean is total / count, as bpftrace truncates its own."""
    if count == 0:
        collector.skip(line, "statistics without events")
        return
    if not mean - 1e-9 <= total / count < mean + 1:
        raise collector.error(
            line, f"average {mean:g} is not total / count = {total:g} / {count}; was a digit lost?"
        )
    unit = unit_of(collector, line, name)
    quantity = quantity_of(collector, line, name)
    collector.checked(line, "average")
    collector.observe(
        "hold_time" if quantity == "hold" else "mean_wait",
        total / count / round(1 / SECONDS[unit]),
        "s",
        line,
        per="event traced",
        count=count,
        **where(key),
    )


def add_number(collector: Collector, line: Line, name: str, key: str, value: float) -> None:
    """Add a map of counts: acquires if its name says so, else a fact."""
    if COUNT.search(name.lower()):
        if value < 0:
            raise collector.error(line, f"{value:g} acquires cannot be")
        collector.observe("acquires", value, "per run", line, **where(key))
    else:
        collector.fact(f"@{name}[{key}]" if key else f"@{name}", value, "", line)
