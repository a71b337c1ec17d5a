"""JMH's JSON (-rf json): operations per second of all threads, an observation per iteration."""

from __future__ import annotations

import re
from typing import Any

from lockmodel.errors import shown
from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import structured
from lockmodel.observe.readers.rated import ONE_TASK, Rates
from lockmodel.observe.readers.structured import Places
from lockmodel.observe.text import Line, Text

TITLE = "JMH JSON"
READS = "operations per second of all threads, from thrpt, avgt and sample; percentiles as facts"
SEEN = "1.37: from its documentation, not run"
GIVES = ("throughput",)
REMEDY = "run `for n in 1 2 4 8; do java -jar benchmarks.jar -t $n -rf json -rff t$n.json; done`"
SNIFFED = 6000

SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "hr": 3600.0, "day": 86400.0}
RATE = re.compile(r"ops/(ns|us|ms|s|min|hr|day)")
TIME = re.compile(r"(ns|us|ms|s|min|hr|day)/op")
NOTED = ("jmhVersion", "vmName", "vmVersion", "jdkVersion")
SECTIONS = ("primaryMetric", "secondaryMetrics", "scorePercentiles")
AGREEMENT = 1e-6
"""How far the score may be from the mean of the iterations, relative."""


def sniff(text: Text) -> bool:
    """Return whether it is a JSON list of benchmarks with a primary metric."""
    part = text.whole[:SNIFFED]
    return '"primaryMetric"' in part and '"benchmark"' in part and '"mode"' in part


def read(text: Text, options: Options) -> Reading:
    """Return the observations of JMH's JSON (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    rates = Rates(collector)
    for begin, listed in structured.lists(collector, text):
        places = structured.places(text, begin)
        for i, one in enumerate(listed):
            if not isinstance(one, dict):
                raise collector.error(places.get((i,)), f"[{i}] = {shown(one)} must be an object")
            _benchmark(collector, rates, i, one, places)
    rates.finish()
    return collector.reading(empty="no list of benchmarks with their primary metric")


def _benchmark(
    collector: Collector, rates: Rates, i: int, one: dict[str, Any], places: Places
) -> None:
    """Read one benchmark."""
    for key in NOTED:
        if key in one:
            collector.note(key, str(one[key]))
    name = ".".join(str(one.get("benchmark", "")).split(".")[-2:])[:200]
    at = places.get((i, "threads"), places.get((i,)))
    n = structured.count(collector, at, f"[{i}].threads", one.get("threads"))
    if n < 1:
        raise collector.error(at, f"[{i}]: threads {n} must be at least 1")
    metric = one.get("primaryMetric")
    if not isinstance(metric, dict):
        raise collector.error(places.get((i,)), f"[{i}].primaryMetric must be an object")
    path = (i, "primaryMetric")
    line = places.get((*path, "score"), places.get((i,)))
    score = _number(collector, line, f"{name}: score", metric.get("score"))
    unit = str(metric.get("scoreUnit", ""))
    params = one.get("params")
    variant = ",".join(
        f"{key}:{value}" for key, value in (params if isinstance(params, dict) else {}).items()
    )
    _facts(collector, f"{name} {variant}".strip(), n, one, i, places, unit)
    in_rates = turn(unit, n)
    if in_rates is None or str(one.get("mode")) == "ss":
        collector.warn(f"mode {str(one.get('mode'))[:20]}, {unit[:20]}: no rate, kept as a fact")
        return
    if TIME.fullmatch(unit):
        collector.warn(ONE_TASK.format(n="N"))
    raw = _raw(collector, metric.get("rawData"), name, path, places)
    if not raw:
        if score is None or score <= 0:
            collector.skip(line or Line(0, name), "a score of 0 or none: nothing was measured")
            return
        collector.warn("no single iterations, only their mean")
        rates.add(line, in_rates(score), n, name, variant, aggregated=True)
        return
    mean = sum(value for _, value in raw) / len(raw)
    if score is not None and abs(mean - score) > AGREEMENT * abs(score):
        raise collector.error(line, f"score {score:g} is not the mean of the iterations, {mean:g}")
    for own, value in raw:
        if value <= 0:
            collector.skip(own or Line(0, name), "a score of 0: nothing was measured")
            continue
        rates.add(own, in_rates(value), n, name, variant)


def turn(unit: str, n: int) -> Any:
    """Return what turns a score into operations per second of all threads; None if it is none."""
    if rate := RATE.fullmatch(unit):
        return lambda score: score / SECONDS[rate[1]]
    if time := TIME.fullmatch(unit):
        return lambda score: n / (score * SECONDS[time[1]])
    return None


def _number(collector: Collector, line: Line | None, what: str, value: Any) -> float | None:
    """Return a number; JMH writes "NaN" where there is none."""
    return None if value in ("NaN", None) else structured.number(collector, line, what, value)


def _raw(
    collector: Collector, forks: Any, name: str, path: tuple[str | int, ...], places: Places
) -> list[tuple[Line | None, float]]:
    """Return the iterations of all forks with their lines."""
    made = []
    for f, fork in enumerate(forks if isinstance(forks, list) else []):
        for k, value in enumerate(fork if isinstance(fork, list) else []):
            line = places.get((*path, "rawData", f, k))
            made.append((line, structured.number(collector, line, f"{name}: rawData", value)))
    return made


def _facts(
    collector: Collector,
    name: str,
    n: int,
    one: dict[str, Any],
    i: int,
    places: Places,
    unit: str,
) -> None:
    """Keep every number: error, percentiles, iterations, secondary metrics, how it was run."""
    for path, value in structured.leaves(one):
        of = unit if path[0] == "primaryMetric" else ""
        if path[0] == "secondaryMetrics" and len(path) > 1:
            second = one["secondaryMetrics"][path[1]]
            of = str(second.get("scoreUnit", "")) if isinstance(second, dict) else ""
        own = " ".join(str(part) for part in path if part not in SECTIONS)
        collector.fact(f"{name}: {own}", value, of, places.get((i, *path)), n)
