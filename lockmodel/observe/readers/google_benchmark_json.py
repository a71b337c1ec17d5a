"""Google Benchmark's JSON: the time per iteration at each number of threads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lockmodel.errors import shown
from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import google_benchmark, structured
from lockmodel.observe.readers.rated import Rates, spread
from lockmodel.observe.readers.structured import Places
from lockmodel.observe.text import Line, Text

TITLE = "Google Benchmark JSON"
READS = "iterations per second at each threads:N, from the real time; CPU time, counters as facts"
SEEN = "1.7.1; from 1.9.0 on by its pull request 1836"
GIVES = ("throughput",)
REMEDY = google_benchmark.REMEDY
SNIFFED = 20_000
SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}


@dataclass(frozen=True)
class _Entry:
    """One entry of the list."""

    line: Line | None
    what: str
    n: int
    real: float
    cpu: float
    aggregate: str
    run: str


def sniff(text: Text) -> bool:
    """Return whether it is a JSON object with benchmarks and their time."""
    begin = text.whole.find("{")
    part = text.whole[begin : begin + SNIFFED] if begin >= 0 else ""
    return '"benchmarks"' in part and '"real_time"' in part


def read(text: Text, options: Options) -> Reading:
    """Return the observations of Google Benchmark's JSON (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    rates = Rates(collector)
    for line, value in structured.objects(collector, text):
        _run(collector, rates, value, structured.places(text, line))
    rates.finish()
    return collector.reading(empty="no benchmark with its real_time")


def _run(collector: Collector, rates: Rates, value: dict[str, Any], places: Places) -> None:
    listed = value.get("benchmarks")
    if not isinstance(listed, list):
        raise collector.error(places.get(()), "a list 'benchmarks' was expected")
    context = value.get("context")
    context = context if isinstance(context, dict) else {}
    version = str(context.get("library_version", ""))[:40]
    for path, number in structured.leaves(context):
        own = " ".join(str(part) for part in path)
        collector.fact(f"context {own}", number, "", places.get(("context", *path)))
    for key in ("date", "host_name", "num_cpus", "library_version"):
        if key in context:
            collector.note(key.replace("host_name", "host"), str(context[key]))
    if context.get("library_build_type") == "debug":
        collector.warn("the library was built for debugging, as it says: times may be long")
    entries = [_entry(collector, i, one, places) for i, one in enumerate(listed)]
    made = [entry for entry in entries if entry is not None]
    divided = google_benchmark.is_divided((e.n, e.real, e.cpu) for e in made if not e.aggregate)
    single = {entry.run for entry in made if not entry.aggregate}
    for entry in made:
        if entry.aggregate and entry.run in single:
            collector.warn("aggregates are left out where their repetitions are listed")
            continue
        if entry.aggregate not in ("", "mean"):
            if entry.aggregate != "stddev":
                collector.warn(f"the {entry.aggregate} over repetitions is left out")
            continue
        at_once = google_benchmark.at_once(version, entry.n, divided)
        if at_once is None:
            collector.warn(google_benchmark.UNKNOWN_VERSION)
            continue
        if at_once > 1:
            collector.warn(google_benchmark.PER_THREAD_SAID)
        rate = at_once / entry.real
        more: dict[str, Any] = {}
        if entry.aggregate:
            sd = [o.real for o in made if o.run == entry.run and o.aggregate == "stddev"]
            more = {"aggregated": True, **spread(rate, sd[0] / entry.real if sd else None)}
        rates.add(entry.line, rate, entry.n, entry.what, **more)


def _entry(collector: Collector, i: int, one: Any, places: Places) -> _Entry | None:
    """Read one entry; None if it failed or measured nothing."""
    here = f"benchmarks[{i}]"
    begin = places.get(("benchmarks", i))
    if not isinstance(one, dict):
        raise collector.error(begin, f"{here} = {shown(one)} must be an object")
    full = str(one.get("name", ""))
    aggregate = (
        str(one.get("aggregate_name", ""))[:20] if one.get("run_type") == "aggregate" else ""
    )
    run = str(one.get("run_name", full))
    what, threads = google_benchmark.name(run)
    given = one.get("threads", threads if threads is not None else 1)
    n = structured.count(collector, begin, f"{here}.threads", given)
    if n < 1:
        raise collector.error(begin, f"{here}: threads {n} must be at least 1")
    if one.get("error_occurred") or one.get("skipped"):
        why = str(one.get("error_message", one.get("skip_message", "")))[:100]
        collector.warn(f"{full[:100]} has failed: {why}")
        for path, _ in structured.leaves(one):
            at = places.get(("benchmarks", i, *path))
            collector.checked(at, "numbers of benchmarks that have failed")
        return None
    if "real_time" not in one or aggregate == "cv" or one.get("aggregate_unit") == "percentage":
        collector.warn(f"the {aggregate or 'entry'} without a time is left out ({full[:60]})")
        return None
    line = places.get(("benchmarks", i, "real_time"))
    unit = str(one.get("time_unit", "ns"))
    if unit not in SECONDS:
        raise collector.error(line, f"{here}.time_unit {unit[:20]!r} is none of ns, us, ms, s")
    real = structured.number(collector, line, f"{here}.real_time", one["real_time"])
    cpu = structured.number(collector, line, f"{here}.cpu_time", one.get("cpu_time", 0.0))
    if real <= 0 and aggregate != "stddev":
        collector.skip(line or Line(0, full), "a time of 0: nothing was measured")
        return None
    for key, value in one.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            at = places.get(("benchmarks", i, key))
            of = unit if key in ("real_time", "cpu_time") else ""
            collector.fact(f"{what} {aggregate} {key}".replace("  ", " "), float(value), of, at, n)
    return _Entry(line, what, n, real * SECONDS[unit], cpu * SECONDS[unit], aggregate, run)
