"""Observations: what a measurement said, in base units, with its uncertainty and its source.

An observation is one number that a file states, never one that a model made. Repeats stay
apart: what to average is for the fit to decide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any

from lockmodel.errors import ScenarioError, one_of, shown

SCHEMA = "lockmodel.observations/1"

SHARE_SLACK = 1e-3
"""How far a share may exceed 1: percentages are printed with few digits."""

UNITS = {
    "throughput": ("1/s", "relative"),
    "gain": ("1",),
    "wait_share": ("1",),
    "mean_wait": ("s",),
    "hold_time": ("s",),
    "hold_histogram": ("s",),
    "acquires": ("per run", "per iteration", "1/s"),
    "contended_fraction": ("1",),
    "idle_share": ("1",),
}
"""Kind of observation -> the units it may have."""

MEANINGS = {
    "throughput": "iterations per second of the whole machine; relative if only ratios count",
    "gain": "throughput with a change / throughput without it - 1",
    "wait_share": "share of waiting: `per` says of what (CPU time, or all waiting listed)",
    "mean_wait": "mean time from asking for a lock to having it; `per` says over which acquires",
    "hold_time": "mean time from acquired to released",
    "hold_histogram": "the same with bins; the value is the mean, every event in its bin's middle",
    "acquires": "lock + unlock pairs",
    "contended_fraction": "share of acquires that had to wait",
    "idle_share": "share of all CPUs' time spent idle",
}
"""Kind of observation -> what it is."""

UNCERTAINTIES = ("given", "repeats", "none")
"""Where `sd` comes from: the file, the spread of repeats that the file shows, or nowhere."""

MODES = ("", "read", "write")
SHARES = ("wait_share", "contended_fraction", "idle_share")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a number stands.

    Attributes
    ----------
    file : str
        Name of the file as it was given.
    line : int
        Line of the file, from 1; 0 if the format has no lines (JSON in one piece).
    """

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Bin:
    """One bin of a histogram of times: `low` <= t < `high`, in s.

    Attributes
    ----------
    low : float
        Lower edge; 0 for what lies below all bins.
    high : float
        Upper edge; infinite for what lies above all bins.
    count : int
        Events.
    """

    low: float
    high: float
    count: int

    def __post_init__(self) -> None:
        if not (0 <= self.low < self.high) or self.count < 0:
            raise ScenarioError(
                f"bin {self.low:g} s to {self.high:g} s with {self.count} events must have "
                f"0 <= low < high and a count >= 0"
            )


@dataclass(frozen=True, slots=True)
class Observation:
    """One measured number.

    Attributes
    ----------
    kind : str
        One of `UNITS`.
    value : float
        In `unit`.
    unit : str
        Base unit, one of those that `UNITS` gives for the kind.
    source : Source
        File and line.
    n : int or None
        Population; None if the file does not say.
    per : str
        What a mean is taken over, or what a share is a share of.
    what : str
        The test, loop or command that was measured.
    lock, site : str
        The lock and the place that takes it; empty if the file does not say.
    mode : {"", "read", "write"}
        How the lock was taken.
    variant, kernel : str
        What distinguishes runs of one file: patched or not, processes or threads.
    repeat : int or None
        Number of the repeat, from 1; None if there is only one.
    sd : float or None
        Standard deviation of the value, in `unit`.
    uncertainty : {"given", "repeats", "none"}
        Where `sd` comes from.
    count : int or None
        Events that a mean is taken over.
    low, high : float or None
        Smallest and largest of these events, in `unit`.
    bins : tuple of Bin
        The histogram, of hold or of wait times.
    aggregated : bool
        The tool made one number of several repeats: no standard error can be claimed.
    traced : bool
        Measured while tracing, which slows the run down.
    """

    kind: str
    value: float
    unit: str
    source: Source
    n: int | None = None
    per: str = ""
    what: str = ""
    lock: str = ""
    site: str = ""
    mode: str = ""
    variant: str = ""
    kernel: str = ""
    repeat: int | None = None
    sd: float | None = None
    uncertainty: str = "none"
    count: int | None = None
    low: float | None = None
    high: float | None = None
    bins: tuple[Bin, ...] = ()
    aggregated: bool = False
    traced: bool = False

    def __post_init__(self) -> None:
        here = f"{self.source}: {self.kind}"
        one_of(str(self.source), tuple(UNITS), kind=self.kind)
        one_of(here, UNITS[self.kind], unit=self.unit)
        one_of(here, UNCERTAINTIES, uncertainty=self.uncertainty)
        one_of(here, MODES, mode=self.mode)
        self._check_values(here)
        if self.kind in SHARES and self.value > 1 + SHARE_SLACK:
            raise ScenarioError(f"{here} = {self.value:g} is a share: it cannot exceed 1")
        if self.n is not None and self.n < 1:
            raise ScenarioError(f"{here}: population {self.n} must be at least 1")
        if (self.sd is None) != (self.uncertainty == "none"):
            raise ScenarioError(
                f"{here}: sd = {self.sd} does not go with uncertainty {self.uncertainty!r}"
            )

    def _check_values(self, here: str) -> None:
        for name in ("value", "sd", "count", "low", "high"):
            number = getattr(self, name)
            if number is None:
                continue
            least = -1.0 if self.kind == "gain" else 0.0
            if not math.isfinite(number) or number < least:
                raise ScenarioError(f"{here}: {name} = {number} must be finite and >= {least:g}")
        if self.kind == "throughput" and self.value == 0:
            raise ScenarioError(
                f"{here} = 0: nothing was finished; leave the row out if the run failed"
            )


@dataclass(frozen=True, slots=True)
class Fact:
    """A number that was read and is no observation: an index, a counter, a score.

    Attributes
    ----------
    name, unit : str
        As in the file, the unit as printed.
    value : float
        As printed, not converted.
    source : Source
        File and line.
    n : int or None
        Population, if known.
    """

    name: str
    value: float
    unit: str
    source: Source
    n: int | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What one file said.

    Attributes
    ----------
    format : str
        What it was recognised as.
    origin : str
        The file.
    observations : tuple of Observation
        In the order of the file.
    facts : tuple of Fact
        Further numbers, in the order of the file.
    metadata : dict
        Machine, kernel, version, command: text as found.
    warnings : tuple of str
        What was skipped, converted or assumed, and what the numbers cannot carry.
    left_out : tuple of (int, str)
        Lines and what of them is neither observation nor fact; the warnings say so in words.
    """

    format: str
    origin: str
    observations: tuple[Observation, ...]
    facts: tuple[Fact, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    left_out: tuple[tuple[int, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the reading as plain data: times in s, rates per s."""
        return {
            "format": self.format,
            "file": self.origin,
            "observations": [to_plain(o) for o in self.observations],
            "facts": [
                {"name": f.name, "value": f.value, "unit": f.unit, "n": f.n, "line": f.source.line}
                for f in self.facts
            ],
            "metadata": self.metadata,
            "warnings": list(self.warnings),
        }


def to_plain(observation: Observation) -> dict[str, Any]:
    """Return an observation as plain data, without what is empty; infinite edges are null."""
    plain: dict[str, Any] = {}
    for item in fields(observation):
        value = getattr(observation, item.name)
        if item.name == "source":
            plain["source"] = {"file": value.file, "line": value.line}
        elif item.name == "bins":
            edges = [[b.low, b.high if math.isfinite(b.high) else None, b.count] for b in value]
            plain.update({"bins": edges} if edges else {})
        elif value is not None and value is not False and value != "":
            plain[item.name] = value
    return plain


def from_plain(plain: Any, here: str) -> Observation:
    """Return the observation of `to_plain`'s data; the inverse of it.

    Raises
    ------
    ScenarioError
        A key is unknown or missing, or a value is not of its type.
    """
    if not isinstance(plain, dict):
        raise ScenarioError(f"{here}: {shown(plain)} must be an object with kind, value and unit")
    known = {item.name for item in fields(Observation)}
    made: dict[str, Any] = {}
    for key, value in plain.items():
        if key not in known:
            raise ScenarioError(f"{here}: {shown(key)} is no key of an observation")
        made[key] = value
    for key in ("kind", "value", "unit", "source"):
        if key not in made:
            raise ScenarioError(f"{here}: {key} is missing; an observation needs it")
    made["source"] = _source(made["source"], here)
    made["bins"] = _bins(made.get("bins", []), here)
    for key, value in made.items():
        _check_type(key, value, here)
    return Observation(**made)


FLOATS = ("value", "sd", "low", "high")
INTS = ("n", "repeat", "count")
FLAGS = ("aggregated", "traced")


def _check_type(key: str, value: Any, here: str) -> None:
    """Raise unless a value of an observation has the type of its key."""
    if key in ("source", "bins"):
        return
    if key in FLOATS:
        fine = isinstance(value, int | float) and not isinstance(value, bool)
        what = "a number"
    elif key in INTS:
        fine = isinstance(value, int) and not isinstance(value, bool)
        what = "a whole number"
    elif key in FLAGS:
        fine, what = isinstance(value, bool), "true or false"
    else:
        fine, what = isinstance(value, str), "text"
    if not fine:
        raise ScenarioError(f"{here}: {key} = {shown(value)} must be {what}")
    if key in FLOATS + INTS and abs(value) > _LARGEST:
        raise ScenarioError(f"{here}: {key} = {shown(value)} must be a finite number")


_LARGEST = 1e300


def _source(value: Any, here: str) -> Source:
    good = isinstance(value, dict) and isinstance(value.get("file"), str)
    if not good or type(value.get("line")) is not int:
        raise ScenarioError(f"{here}: source = {shown(value)} must be {{file, line}}")
    return Source(value["file"], value["line"])


def _bins(value: Any, here: str) -> tuple[Bin, ...]:
    if not isinstance(value, list):
        raise ScenarioError(f"{here}: bins = {shown(value)} must be a list of [low, high, count]")
    made = []
    for item in value:
        good = isinstance(item, list) and len(item) == 3 and type(item[2]) is int
        edges = [math.inf if edge is None else edge for edge in item[:2]] if good else []
        fine = all(type(e) in (int, float) and (e == math.inf or abs(e) < _LARGEST) for e in edges)
        if not good or not fine:
            raise ScenarioError(f"{here}: bin {shown(item)} must be [low, high, count]")
        made.append(Bin(float(edges[0]), float(edges[1]), item[2]))
    return tuple(made)
