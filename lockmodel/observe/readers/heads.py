"""The head of a table of throughput -> what each of its columns is, as people write it.

Names that a column has a record for (`columns`) come first; then what says its unit: any rate per
time (`forks/s`, `Throughput (kops/s)`), any mean time per operation (`latency (us)`, `ns/op`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from lockmodel.errors import ArgumentError, shortened
from lockmodel.observe import rates
from lockmodel.observe.collector import Collector
from lockmodel.observe.numbers import SECONDS
from lockmodel.observe.readers.columns import COLUMNS, OWN, TIME, WEAK
from lockmodel.observe.text import Line

WITH_UNIT = re.compile(r"(.{1,60}?)\s*[(\[]([^()\[\]]{1,30})[)\]]")
SHORT_RATE = re.compile(r"([kmg]?)(?:ops|iops|tps|qps|rps)(?:/s|/sec|_per_sec|_per_s)?")
NO_RATE = re.compile(
    r"byte|\b[kmg]?i?b(?:ytes)?(?:/|\s*per\b)|[kmg]i?bps|bit|miss|fault|switch|error|fail|cycle|instr|interrupt|wake|"
    r"migrat|drop|retr|steal|hits?\b|\bcs\b"
)
"""Rates that are not of iterations."""

MEAN = r"(?:(?:avg|average|mean)[ _.]?)"
LATENCY = re.compile(
    rf"{MEAN}?(?:latency|lat|response[ _]time|time[ _]?per[ _]?(?:op|operation|iteration))"
    rf"(?:[ _.](?:avg|average|mean))?(?:[ _](?P<unit>ns|us|ms|s|nsecs?|usecs?|msecs?|secs?))?"
)
PER_OPERATION = re.compile(
    r"(?P<unit>ns|us|ms|s|nsecs?|usecs?|msecs?|secs?|seconds)(?:/|[ _]per[ _])"
    r"(?:op|operation|iter|iteration|req|request|call|query|transaction|fork|exec)s?"
)
FULL = {"nsec": "ns", "usec": "us", "msec": "ms", "sec": "s", "seconds": "s", "\u00b5s": "us"}

PER_MINUTE = "loops/min"

EXPLICIT, PATTERN, WEAKLY = 0, 1, 2
MOST_SHOWN = 200
MOST_NAMES = 12


@dataclass(frozen=True)
class Head:
    """One column.

    Attributes
    ----------
    own : str
        Our name of it, or its own in lower case.
    rank : int
        How sure that is: by its record, by its unit, or only where no other column is it.
    unit : str
        Unit of a throughput as written; "" is what the file says elsewhere.
    time : str
        Unit of a latency; "" is that of its cells.
    """

    own: str
    rank: int = EXPLICIT
    unit: str = ""
    time: str = ""


@lru_cache(maxsize=4096)
def understood(name: str) -> Head:
    """Return what the head of a column says."""
    low = " ".join(name.strip().strip("*`\"'#").lower().split())
    if low in OWN:
        return _known(low)
    parts = WITH_UNIT.fullmatch(low)
    base, unit = (parts[1], parts[2]) if parts else (low, "")
    plain = re.sub(r"[\s-]+", "_", base.strip())
    if latency := _latency(plain, unit) or _latency(low, ""):
        return latency
    if TIME.fullmatch(plain):
        return Head(
            f"{plain}_{FULL.get(unit, unit)}" if unit and plain[-3:] != f"_{unit}" else plain
        )
    if plain in OWN:
        made = _known(plain)
        return replace(made, unit=unit) if made.own == "throughput" and unit else made
    if about := _statistic(plain, unit):
        return about
    words = (f"{base} {unit}" if unit else base).replace("_", " ")
    if not NO_RATE.search(words):
        short = SHORT_RATE.fullmatch(plain)
        if short and short[1] + plain[len(short[1]) :]:
            return Head("throughput", PATTERN, f"{short[1].upper()}ops/s" if short[1] else "ops/s")
        stated = unit or base.replace("_", " ")
        if rates.factor(_capital(stated)) is not None:
            return Head("throughput", PATTERN, _capital(stated))
    return Head(low)


AVERAGED = re.compile(r"(?:avg|average|mean|median)_(.+)|(.+)_(?:avg|average|mean|median)")
SPREAD = re.compile(r"(?:sd|std|stdev|stddev|std_dev)_(.+)|(.+)_(?:sd|std|stdev|stddev|std_dev)")


def _statistic(plain: str, unit: str) -> Head | None:
    """Return what the mean or the standard deviation of a throughput is, by its name."""
    for pattern, own in ((AVERAGED, "throughput"), (SPREAD, "sd")):
        match = pattern.fullmatch(plain)
        of = match and _known_or_none(match[1] or match[2])
        if of and of.own == "throughput":
            return Head(own, PATTERN, (unit or of.unit) if own == "throughput" else "")
    return None


def _known_or_none(plain: str) -> Head | None:
    return _known(plain) if plain in OWN else None


def _known(low: str) -> Head:
    own = OWN[low]
    if own == "latency":
        return Head(own)
    unit = PER_MINUTE if low == "lpm" else ""
    short = SHORT_RATE.fullmatch(low) if own == "throughput" else None
    if short and short[1]:
        unit = f"{_capital(short[1])}ops/s"
    return Head(own, WEAKLY if low in WEAK else EXPLICIT, unit)


def _capital(unit: str) -> str:
    """Return a unit in lower case with the M of million as `rates` wants it: mops/s -> Mops/s."""
    return re.sub(r"^([mg])(?=$|ops|iops|tps|qps|rps)", lambda m: m[1].upper(), unit)


def _latency(words: str, unit: str) -> Head | None:
    match = LATENCY.fullmatch(words) or PER_OPERATION.fullmatch(words)
    if match is None:
        return None
    own = match["unit"] or unit.strip()
    own = own if own in SECONDS else FULL.get(own, FULL.get(own.rstrip("s"), own))
    return Head("latency", PATTERN, time=own if own in SECONDS else "")


def assign(
    collector: Collector, line: Line, names: Sequence[str], chosen: Sequence[tuple[str, str]] = ()
) -> list[Head]:
    """Return what each column of a head is; none twice.

    Parameters
    ----------
    collector : Collector
    line : Line
        For errors.
    names : sequence of str
        As written.
    chosen : sequence of (str, str)
        What --columns says: our name and the file's.

    Raises
    ------
    ScenarioError
        Population or throughput is missing, a name comes twice, or a time has no unit.
    ArgumentError
        A column of --columns is not there.
    """
    made = [understood(name) for name in names]
    written = [" ".join(name.lower().split()) for name in names]
    for own, name in chosen:
        ours = OWN.get(own.lower(), own.lower())
        if name.lower() not in written:
            raise ArgumentError(
                f"--columns {own}={name}: {collector.text.origin} has no column {name}; it has "
                f"{', '.join(names)[:MOST_SHOWN]}"
            )
        at = written.index(name.lower())
        stated = made[at]
        made = [Head(w) if h.own == ours else h for h, w in zip(made, written, strict=True)]
        made[at] = replace(stated, own=ours, rank=EXPLICIT)
    made = _once(collector, line, names, made)
    _complete(collector, line, names, made)
    return made


def _once(collector: Collector, line: Line, names: Sequence[str], made: list[Head]) -> list[Head]:
    """Return the heads with the surest of each kind; refuse two that are as sure."""
    for own in dict.fromkeys(head.own for head in made):
        same = [i for i, head in enumerate(made) if head.own == own]
        best = min(made[i].rank for i in same)
        first = [i for i in same if made[i].rank == best]
        if len(first) > 1:
            listed = ", ".join(names[i] for i in first)
            raise collector.error(
                line,
                f"column {own!r} is given {len(first)} times ({listed}); keep one, or say "
                f"--columns {own}={names[first[0]]}",
            )
        for i in set(same) - set(first):
            made[i] = Head(" ".join(names[i].lower().split()))
    if any(head.own == "throughput" for head in made):
        made = [
            Head(name.lower()) if head.own == "latency" else head
            for head, name in zip(made, names, strict=True)
        ]
    return made


def _complete(collector: Collector, line: Line, names: Sequence[str], made: Sequence[Head]) -> None:
    """Refuse a head without a population or a rate, or with a time that has no unit."""
    own = {head.own for head in made}
    missing = [] if "tasks" in own else ["tasks"]
    missing += [] if own & {"throughput", "latency"} else ["throughput"]
    if missing:
        listed = (
            f"(there are {', '.join(shortened(n.strip().lower()) for n in names)[:MOST_SHOWN]})"
        )
        raise collector.error(line, f"no column {' nor '.join(missing)} {listed}; {known(missing)}")
    for name in own:
        time = TIME.fullmatch(name)
        if time and time[2] is None:
            raise collector.error(
                line, f"a time needs its unit: call the column {name}_ns (_us _ms _s)"
            )


def known(missing: Sequence[str]) -> str:
    """Return how columns may be called, and what to say where they are called otherwise."""
    listed = [
        f"{name} may be called {', '.join(column.names[:MOST_NAMES])}"
        + (", any other rate (forks/s), or a latency with its unit" if name == "throughput" else "")
        for name in missing
        for column in COLUMNS
        if column.name == name
    ]
    said = ",".join(f"{'threads' if name == 'tasks' else name}=HEAD" for name in missing)
    return f"{'; '.join(listed)}; or say which it is: --columns {said}"
