"""memtier_benchmark's JSON (--json-out-file): operations per second of all connections."""

from __future__ import annotations

from typing import Any

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import memtier, structured
from lockmodel.observe.readers.rated import Rates
from lockmodel.observe.readers.structured import Places
from lockmodel.observe.text import Text

TITLE = "memtier_benchmark JSON"
READS = "the same, from --json-out-file"
SEEN = memtier.SEEN
GIVES = ("throughput",)
REMEDY = memtier.REMEDY

SNIFFED = 6000
STATS = "ALL STATS"
SERIES = ("Time-Serie", "Histogram log format")
CONFIGURED = ("configuration", "run information")
UNITS = {"Ops/sec": "1/s", "Hits/sec": "1/s", "Misses/sec": "1/s", "KB/sec": "KB/s"}


def sniff(text: Text) -> bool:
    """Return whether it is a JSON object with statistics and memtier's configuration."""
    whole = text.whole
    return whole.lstrip()[:1] == "{" and f'"{STATS}"' in whole and '"Ops/sec"' in whole


def read(text: Text, options: Options) -> Reading:
    """Return the observations of memtier's JSON (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    rates = Rates(collector)
    for line, value in structured.objects(collector, text):
        _run(collector, rates, value, structured.places(text, line))
    rates.finish()
    return collector.reading(empty="no run with its Totals")


def _run(collector: Collector, rates: Rates, value: dict[str, Any], places: Places) -> None:
    """Read one file of results."""
    n = _population(collector, value, places)
    for key in CONFIGURED:
        for path, number in structured.leaves(value.get(key)):
            own = " ".join(str(part) for part in path)
            collector.fact(f"{key}: {own}", number, "", places.get((key, *path)), n)
    for section, stats in value.items():
        if section in CONFIGURED:
            continue
        if not isinstance(stats, dict) or section != STATS:
            for path, _ in structured.leaves(stats):
                at = places.get((section, *path))
                collector.checked(at, f"numbers of {section[:40]}, whose summary is kept")
            continue
        for kind, own in stats.items():
            _stats(collector, rates, kind, own, n, places)


def _population(collector: Collector, value: dict[str, Any], places: Places) -> int | None:
    """Return threads x connections per thread; None where they are not said."""
    for section, names in (
        ("run information", ("Threads", "Connections per thread")),
        ("configuration", ("threads", "clients")),
    ):
        own = value.get(section)
        if isinstance(own, dict) and all(name in own for name in names):
            counts = [
                structured.count(collector, places.get((section, name)), name, own[name])
                for name in names
            ]
            if min(counts) >= 1:
                collector.warn("the population is threads x connections per thread")
                return counts[0] * counts[1]
    return None


def _stats(
    collector: Collector, rates: Rates, kind: str, own: Any, n: int | None, places: Places
) -> None:
    """Take the statistics of one kind of command; Totals is the throughput."""
    for path, number in structured.leaves(own):
        at = places.get((STATS, kind, *path))
        if any(part in SERIES for part in path):
            collector.checked(at, "the seconds of a run and its histogram")
            continue
        name = " ".join(str(part) for part in path)
        if kind == "Totals" and path == ("Ops/sec",):
            rates.add(at, number, n, "memtier")
        else:
            late = "latenc" in name.lower() or name.startswith("p")
            collector.fact(f"{kind}: {name}", number, UNITS.get(name, "ms" if late else ""), at, n)
