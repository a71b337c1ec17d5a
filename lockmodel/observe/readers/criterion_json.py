"""Criterion's estimates.json: the time of an iteration; the folders of its path name it."""

from __future__ import annotations

from typing import Any

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import criterion, structured
from lockmodel.observe.readers.rated import Rates
from lockmodel.observe.readers.structured import Places
from lockmodel.observe.text import Text

TITLE = "Criterion estimates"
READS = (
    "iterations per second from the mean of target/criterion/.../new/estimates.json; other "
    "estimates as facts; population from the path or --at"
)
SEEN = "0.5: from its documentation, not run"
GIVES = ("throughput",)
REMEDY = criterion.REMEDY
SNIFFED = 4000
ESTIMATES = ("mean", "median", "slope", "std_dev", "median_abs_dev")
PLAIN = ("point_estimate", "confidence_interval")
BOUNDS = ("lower_bound", "upper_bound")


def sniff(text: Text) -> bool:
    """Return whether it is a JSON object of estimates with confidence intervals."""
    begin = text.whole.find("{")
    part = text.whole[begin : begin + SNIFFED] if begin >= 0 else ""
    return '"point_estimate"' in part and '"confidence_interval"' in part


def read(text: Text, options: Options) -> Reading:
    """Return the observations of Criterion's estimates (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    rates = Rates(collector)
    for line, value in structured.objects(collector, text):
        _estimates(collector, rates, value, structured.places(text, line), _name(text.origin))
    rates.finish()
    return collector.reading(empty="no estimate of the mean")


def _name(origin: str) -> str:
    """Return group/function/value of .../criterion/group/function/value/new/estimates.json."""
    parts = origin.replace("\\", "/").split("/")
    if parts[-1] != "estimates.json" or len(parts) < 3:
        return ""
    parts = parts[:-2]  # new, base, or the name of a baseline
    at = parts.index("criterion") + 1 if "criterion" in parts else -3
    return "/".join(parts[at:])


def _estimates(
    collector: Collector, rates: Rates, value: dict[str, Any], places: Places, name: str
) -> None:
    begin = places.get(())
    for path, number in structured.leaves(value):
        own = " ".join(str(part) for part in path if part not in PLAIN)
        unit = "" if path[-1] == "confidence_level" else "ns"
        collector.fact(own.replace("_", " "), number, unit, places.get(path))
    mean: float | None = None
    deviation: float | None = None
    for key in ESTIMATES:
        one = value.get(key)
        if not isinstance(one, dict):
            continue
        line = places.get((key, "point_estimate"))
        point = structured.number(
            collector, line, f"{key}.point_estimate", one.get("point_estimate")
        )
        if key in ("mean", "std_dev") and point < 0:
            raise collector.error(
                line, f"{key} {point:g} ns < 0: a change's estimates are no times"
            )
        mean = point if key == "mean" else mean
        deviation = point if key == "std_dev" else deviation
        interval = one.get("confidence_interval")
        if not isinstance(interval, dict):
            continue
        for bound in BOUNDS:
            at = places.get((key, "confidence_interval", bound))
            edge = structured.number(collector, at, f"{key}.{bound}", interval.get(bound))
            if key == "mean" and (edge > point if bound == "lower_bound" else edge < point):
                raise collector.error(at, f"{bound} {edge:g} lies beyond the mean, {point:g}")
    if mean is None:
        raise collector.error(begin, "'mean' with its point_estimate was expected")
    if deviation is None:
        raise collector.error(begin, "'std_dev' with its point_estimate was expected: a change?")
    line = places.get(("mean", "point_estimate"))
    relative = deviation / mean if mean > 0 else None
    criterion.add(collector, rates, line, name, mean * 1e-9, relative)
