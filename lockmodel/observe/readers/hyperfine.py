"""hyperfine's JSON: every run's time; the population comes from a parameter."""

from __future__ import annotations

import re
from typing import Any

from lockmodel.errors import shown
from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.numbers import BadNumberError, whole
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import structured
from lockmodel.observe.readers.columns import POPULATION
from lockmodel.observe.text import Text

TITLE = "hyperfine"
READS = "the time of every run of a command; a parameter names the population"
GIVES = ("throughput",)
REMEDY = (
    "run `hyperfine -P tasks 1 16 './loop {tasks}' --export-json runs.json`, and give --iterations"
)
SNIFFED = 4000
AGREEMENT = 1e-6
"""How far the mean may be from that of the times, relative."""


def sniff(text: Text) -> bool:
    """Return whether it is a JSON object of results with commands."""
    begins = text.whole[:SNIFFED].lstrip()
    return begins.startswith("{") and '"results"' in begins[:200] and '"command"' in begins


def read(text: Text, options: Options) -> Reading:
    """Return the observations of hyperfine's JSON (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    value = structured.parse(collector, text.whole)
    results = value.get("results") if isinstance(value, dict) else None
    if not isinstance(results, list):
        raise collector.error(None, "a list 'results' was expected")
    for i, result in enumerate(results):
        if not isinstance(result, dict):
            raise collector.error(None, f"results[{i}] = {shown(result)} must be an object")
        _result(collector, i, result)
    if options.iterations is None:
        collector.warn(
            "one run of the command counts as one iteration; if it makes K (all tasks together), "
            "give --iterations K"
        )
    return collector.reading(empty="there is no result")


def _result(collector: Collector, index: int, result: dict[str, Any]) -> None:
    here = f"results[{index}]"
    command = _plain(str(result.get("command", ""))[:200], result.get("parameters"))
    times = result.get("times")
    for key in ("user", "system"):
        if result.get(key) is not None:
            spent = structured.number(collector, None, f"{here}.{key}", result[key])
            collector.fact(f"{key} time of {command}", spent, "s", None)
    collector.checked(None, "mean", "stddev", "median", "min", "max")
    mean = structured.number(collector, None, f"{here}.mean", result.get("mean"))
    n = _population(collector, here, result.get("parameters"))
    failed = [code for code in _list(result.get("exit_codes")) if code]
    if failed:
        collector.warn(f"{command}: {len(failed)} runs failed (exit code {shown(failed[0])})")
    if not isinstance(times, list) or not times:
        collector.warn(f"{command}: no single times, only their mean")
        _observe(collector, here, command, mean, n, None)
        return
    seconds = [structured.number(collector, None, f"{here}.times", one) for one in times]
    for i, one in enumerate(seconds, start=1):
        _observe(collector, here, command, one, n, i if len(seconds) > 1 else None)
    average = sum(seconds) / len(seconds)
    bounds = [_optional(collector, f"{here}.{key}", result.get(key)) for key in ("min", "max")]
    low, high = bounds
    if (low is not None and min(seconds) < low * (1 - AGREEMENT)) or (
        high is not None and max(seconds) > high * (1 + AGREEMENT)
    ):
        raise collector.error(None, f"{here}: times lie outside min and max")
    if abs(average - mean) > AGREEMENT * mean:
        collector.warn(
            f"{command}: the mean {mean:g} s is not that of the {len(seconds)} times, "
            f"{average:g} s: some are missing"
        )


def _plain(command: str, parameters: Any) -> str:
    """Return a command with the name of the population for its number: ./loop {tasks}.

    Runs that differ in nothing else are points of one curve.
    """
    for name, value in parameters.items() if isinstance(parameters, dict) else ():
        if name.lower() in POPULATION:
            return re.sub(rf"(?<![\w.]){re.escape(str(value))}(?![\w.])", f"{{{name}}}", command)
    return command


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _optional(collector: Collector, key: str, value: Any) -> float | None:
    return None if value is None else structured.number(collector, None, key, value)


def _population(collector: Collector, here: str, parameters: Any) -> int | None:
    """Return the population from the parameters: tasks, threads, n, ..."""
    if not isinstance(parameters, dict):
        return None
    for name, value in parameters.items():
        if name.lower() in POPULATION:
            try:
                n = whole(str(value))
            except BadNumberError as bad:
                raise collector.error(None, f"{here}: {name} = {shown(value)} is {bad}") from None
            if n < 1:
                raise collector.error(None, f"{here}: {name} = {n} must be at least 1")
            return n
    return None


def _observe(
    collector: Collector, here: str, command: str, seconds: float, n: int | None, repeat: int | None
) -> None:
    if seconds <= 0:
        raise collector.error(None, f"{here}: a run of {seconds:g} s cannot be")
    if n is None and collector.options.tasks is None:
        collector.warn("no parameter names the population (-P tasks 1 16): give --tasks")
    made = (collector.options.iterations or 1.0) / seconds
    aggregated = repeat is None
    collector.observe(
        "throughput", made, "1/s", None, n=n, what=command, repeat=repeat, aggregated=aggregated
    )
