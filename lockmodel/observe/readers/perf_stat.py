"""What perf stat -x and -j share: counters as facts, and idle CPUs where they can be known."""

from __future__ import annotations

from dataclasses import dataclass

from lockmodel.observe.collector import Collector
from lockmodel.observe.text import Line

MULTIPLEXED = 95.0
"""Percentage of the time below which a count is an extrapolation worth a warning."""

NOT_COUNTED = ("<not counted>", "<not supported>")
BUSY = ("task-clock", "cpu-clock", "task-clock:u", "cpu-clock:u")

SYSTEM_WIDE = 0.97
"""From this share of all CPUs on, perf stat was system-wide (-a), where clocks never idle."""

USE = (
    "counters are facts, not observations of a lock: with the iterations of the same run they give "
    "instructions per iteration"
)


@dataclass(frozen=True)
class Counter:
    """One counter of one interval, CPU or run.

    Attributes
    ----------
    line : Line
        Where it stands.
    event, unit, value : str
        As printed.
    interval, cpu : str
        As printed; empty for a whole run or machine.
    spread : str
        Relative standard deviation over the runs of -r, %.
    running : float or None
        Percentage of the time that it was counted.
    metric : str
        "1.9 CPUs utilized".
    """

    line: Line
    event: str
    unit: str
    value: str
    interval: str = ""
    cpu: str = ""
    spread: str = ""
    running: float | None = None
    metric: str = ""


def add(collector: Collector, counter: Counter) -> None:
    """Add a counter."""
    if counter.value in NOT_COUNTED:
        collector.skip(counter.line, f"{counter.event} {counter.value[1:-1]}")
        return
    value = collector.number(counter.line, counter.event, counter.value)
    if value < 0:
        raise collector.error(counter.line, f"{counter.event} {value:g} must be >= 0")
    at = f" at {counter.interval} s" if counter.interval else ""
    where = f" on {counter.cpu}" if counter.cpu else ""
    collector.fact(f"{counter.event}{where}{at}", value, counter.unit, counter.line)
    if counter.spread:
        percent = collector.number(counter.line, "variance", counter.spread)
        collector.fact(f"{counter.event}: spread of runs", percent, "%", counter.line)
    if counter.running is not None:
        collector.checked(counter.line, "time and share of the time counted")
    if counter.metric:
        collector.checked(counter.line, "metrics")
    if counter.running is not None and value > 0 and counter.running < MULTIPLEXED:
        collector.warn(
            f"{counter.event} was counted {counter.running:g} % of the time only (line "
            f"{counter.line.number}): count fewer events at once"
        )
    collector.warn(USE)
    _idle(collector, counter)


def _idle(collector: Collector, counter: Counter) -> None:
    """Add the idle share of all CPUs, if their number is given and only the run was counted."""
    words = counter.metric.split(" ", 1)
    if counter.event not in BUSY or len(words) < 2 or words[1] != "CPUs utilized":
        return
    used = collector.number(counter.line, "CPUs utilized", words[0])
    cpus = collector.options.cpus
    if cpus is None:
        collector.warn("CPUs utilized gives the idle share if --cpus is given")
    elif used > cpus * 1.05:
        raise collector.error(counter.line, f"{used:g} CPUs utilized of {cpus}; check --cpus")
    elif used > SYSTEM_WIDE * cpus:
        collector.warn("CPUs utilized is all of them, as with -a: it says nothing about idle time")
    elif counter.event.startswith("task"):
        collector.observe("idle_share", 1 - used / cpus, "1", counter.line)
