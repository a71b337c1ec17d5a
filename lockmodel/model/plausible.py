"""What numbers of a scenario are plausible: outside a warning, far outside refused.

A factor of a thousand is a unit mixed up; a result is then as precise as ever and wrong. The ranges
hold every value published for any lock (data/published) with room on both sides; 0 is always fine.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import msgspec

from lockmodel.errors import ScenarioError, raise_all
from lockmodel.model.machine import DISTANCES
from lockmodel.model.scenario import Lock, Scenario, merged
from lockmodel.model.tables import TIME_KEYS, UNIT_EXPONENT
from lockmodel.units import si

FAR = 1e4
"""A value this many times above its range is refused: no lock has it, whatever it protects."""


@dataclass(frozen=True)
class Plausible:
    """Values of one quantity that somebody may have measured.

    Attributes
    ----------
    low, high : float
        In s, or a number per iteration.
    source : str
    """

    low: float
    high: float
    source: str


_INSTRUCTION = Plausible(
    0.02e-9, 50e-9, "0.2 to 2.5 ns fitted; one that waits for a line of another socket 50 to 340 ns"
)
_PASS = Plausible(
    1e-10, 50e-6, "published hand-offs: 7 ns to 2 us, 3 to 20 us where a waiter sleeps"
)
_HOLD = Plausible(1e-9, 10e-3, "from a counter to a walk of a long list")

RANGES = {
    "think": Plausible(10e-9, 100.0, "from one call to a request of a minute"),
    "think_remote": Plausible(1e-9, 100.0, "as think time"),
    "time_per_instruction_local": _INSTRUCTION,
    "time_per_instruction_remote": _INSTRUCTION,
    "acquire_time": Plausible(0.1e-9, 10e-6, "published: 7 to 52 ns"),
    "time": _PASS,
    "per_waiter": Plausible(1e-12, 10e-6, "published: 1 to 200 ns"),
    "limit": _PASS,
    "local": _PASS,
    "remote": _PASS,
    "wake_time": Plausible(10e-9, 10e-3, "published: 2 to 25 us"),
    "read": Plausible(1e-9, 10.0, "a walk of a tree"),
    "walks_per_s": Plausible(1e-4, 1e6, "published: 1 to 5,000 per s"),
    "acquires": Plausible(1e-6, 1e4, "traced: 1 to 29 per iteration"),
    "held_instructions": Plausible(1e-3, 1e6, "traced: 10 to 6,000 per acquire"),
    "hold": _HOLD,
    "hold_remote": _HOLD,
    "growth_per_doubling": Plausible(1e-6, 1e5, "traced: 1 to 400"),
    "other_mappers": Plausible(1, 1e7, "processes of a machine"),
    "line": Plausible(1e-9, 2e-6, "published: 7 to 520 ns"),
}
"""Key of a scenario -> its range. Keys that are times are in s here, with a unit in a file."""

ITERATION = RANGES["think"]
"""Time of an iteration: the inverse of the throughput of one process."""

SAID = {3: "thousands per s", 6: "millions per s", 9: "billions per s"}
"""Power of ten by which a throughput is too small -> what it probably counts."""


def implausible(scenario: Scenario) -> tuple[str, ...]:
    """Return a sentence per number of a scenario that is outside its range, the farthest first."""
    outside = [
        (far, f"{_shown(path, key, value)} is {far:,.3g} times {_side(value, key)}")
        for path, key, value in _numbers(scenario)
        if (far := _beyond(RANGES[key], value)) > 1.0
    ]
    ordered = sorted(outside, key=lambda pair: (-pair[0], pair[1]))
    return (*(f"{text}; a wrong unit?" for _, text in ordered), *_nearer_but_slower(scenario))


def _nearer_but_slower(scenario: Scenario) -> Iterator[str]:
    """Yield a sentence per distance from which a line comes sooner than from a nearer one."""
    machine = scenario.machine
    times = [(d, time) for d in DISTANCES if (time := machine.line_time(d)) is not None]
    for (near, sooner), (far, later) in pairwise(times):
        if later < sooner:
            yield (
                f"machine: line.{far} = {si(later, 's')} is less than line.{near} = "
                f"{si(sooner, 's')}, which is nearer; swapped?"
            )


def far_outside(scenario: Scenario) -> bool:
    """Return whether a number is so far above its range that `check` refuses the scenario."""
    return any(True for _ in _far(scenario))


def rate(owner: str, per_s: float) -> str:
    """Return a sentence on a throughput of one process that is implausible; empty if it is not.

    Parameters
    ----------
    owner : str
        Where it is from.
    per_s : float

    Raises
    ------
    ScenarioError
        It is far outside, on either side.
    """
    far = _beyond(ITERATION, 1.0 / per_s)
    if far <= 1.0:
        return ""
    side = "above" if per_s > 1.0 / ITERATION.low else "below"
    end = 1.0 / (ITERATION.low if side == "above" else ITERATION.high)
    said = (
        f"{owner}: throughput of one process = {per_s:.3g} /s is {far:,.3g} times {side} "
        f"what is plausible ({end:.3g} /s; {ITERATION.source}); "
        f"{'is it in thousands or millions per s?' if side == 'below' else likely(0.0)}"
    )
    if far >= FAR:
        raise ScenarioError(said)
    return said


def likely(times: float) -> str:
    """Return which unit a throughput probably has that is so many times too small."""
    if times < 1.0:
        return "is it a time, or the total of a run, and not a rate per second?"
    power = min(SAID, key=lambda exponent: abs(math.log10(times) - exponent))
    return f"is it in {SAID[power]}? It looks {10**power:,} times too small"


def check(scenario: Scenario) -> None:
    """Raise ScenarioError where a number is so far above its range that no lock has it.

    Ever smaller values are those on the way to 0, and never refused.
    """
    raise_all(
        f"{_shown(path, key, value)} is {value / RANGES[key].high:.1g} times "
        f"{_side(value, key)}; {_remedy(key, value)}"
        for path, key, value in _far(scenario)
    )


def _far(scenario: Scenario) -> Iterator[tuple[str, str, float]]:
    """Yield the numbers that no lock can have, as `_numbers` does."""
    return (one for one in _numbers(scenario) if one[2] / RANGES[one[1]].high > FAR)


def _numbers(scenario: Scenario) -> Iterator[tuple[str, str, float]]:
    """Yield (path, key, value) of every number that has a range."""
    scenario = merged(scenario)
    for distance in DISTANCES:
        if time := getattr(scenario.machine.line, distance, None):
            yield f"machine: line.{distance}", "line", float(time)
    owners: list[tuple[str, msgspec.Struct]] = [("", scenario)]
    for lock in scenario.locks:
        owners += [(f"lock {lock.name}: ", lock), (f"lock {lock.name}: handoff.", lock.handoff)]
        owners += [(f"lock {lock.name}: walkers.", lock.walkers)] if lock.walkers else []
    owners += [(f"site {s.lock}/{s.phase}.{s.name}: ", s) for s in scenario.sites]
    for path, owner in owners:
        whole = isinstance(owner, Lock) and _whole_holds(scenario, owner.name)
        for key in owner.__struct_fields__:
            if whole and RANGES.get(key) is _INSTRUCTION:
                continue
            if key in RANGES and getattr(owner, key):
                yield f"{path}{key}", key, float(getattr(owner, key))


def _whole_holds(scenario: Scenario, lock: str) -> bool:
    """Return whether a lock's sites hold one instruction at most: it stands for the whole hold."""
    sites = scenario.sites_of(lock)
    return all(s.held_instructions <= 1.0 and s.growth_per_doubling == 0.0 for s in sites)


def _beyond(known: Plausible, value: float) -> float:
    """Return how many times a value is above its range, or below; at most 1 inside."""
    return max(value / known.high, known.low / value)


def _side(value: float, key: str) -> str:
    known = RANGES[key]
    high = value > known.high
    end = _value(key, known.high if high else known.low)
    return f"{'above' if high else 'below'} what is plausible ({end}; {known.source})"


def _shown(path: str, key: str, value: float) -> str:
    return f"{path} = {_value(key, value)}"


def _value(key: str, value: float) -> str:
    if key not in TIME_KEYS:
        return f"{value:,.3g}" if value < 1e9 else f"{value:.3g}"
    return si(value, "s") if 1e-12 <= value < 1e3 else f"{value:.3g} s"


def _remedy(key: str, value: float) -> str:
    """Return the unit that would make a time plausible, or what else to look at.

    Which unit it was written in is not known here: the first that the same digits fit.
    """
    if key not in TIME_KEYS:
        return "give the number of one iteration, not of a second or a whole run"
    known = RANGES[key]
    for given in UNIT_EXPONENT.values():
        written = value / 10.0**given
        for unit, exponent in UNIT_EXPONENT.items():
            if exponent < given and known.low <= written * 10.0**exponent <= known.high:
                return f"the unit may be another one: give {key}_{unit} = {written:.3g}"
    return f"no unit makes {value:.3g} s plausible; give the time of one acquire"
