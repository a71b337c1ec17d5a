"""One side of a gate: the throughputs of one curve of a file, repeats apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from lockmodel.errors import ArgumentError, NotTrustworthyError, ScenarioError, nearest
from lockmodel.fitting.curves.curve import names_of
from lockmodel.observe.headers import COMPARED, UNIT
from lockmodel.observe.observations import Observation, Reading
from lockmodel.observe.readers.settings import is_part
from lockmodel.observe.summary import APART

FARTHEST = 30.0
"""Factor between two curves from which they are of two units, not of two kernels."""

MOST_LISTED = 6


@dataclass(frozen=True)
class Side:
    """A curve to be compared.

    Attributes
    ----------
    name : str
        File, and which curve of it.
    unit : str
        "1/s" or "relative".
    values : dict of int to tuple of float
        Population -> throughput of every repeat.
    stated : dict of int to float
        Population -> relative standard deviation that the file states, where there is one value.
    what : str
        The test that was measured.
    metadata : dict of str to str
        The header of the file.
    traced : bool
    warnings : tuple of str
        What makes its numbers doubtful.
    holds : dict of int to tuple of float
        Population -> hold time of every repeat, s; empty where the file has none, or of several
        locks.
    """

    name: str
    unit: str
    values: dict[int, tuple[float, ...]]
    stated: dict[int, float]
    what: str
    metadata: dict[str, str]
    traced: bool = False
    warnings: tuple[str, ...] = ()
    holds: dict[int, tuple[float, ...]] = field(default_factory=dict)


def side_of(reading: Reading, name: str, only: Sequence[str] = (), what: str = "") -> Side:
    """Return the one curve of a file that the names leave.

    Parameters
    ----------
    reading : Reading
    name : str
        The file as it was given.
    only : sequence of str
        A variant, a part of its name, a kernel or a lock each; all must hold.
    what : str
        The test, or a part of its name.

    Raises
    ------
    ScenarioError
        There is no throughput against population.
    ArgumentError
        The file has no such curve, or several are left.
    """
    rates = [o for o in reading.observations if o.kind == "throughput" and o.n is not None]
    if not rates:
        raise ScenarioError(
            f"{name}: no throughput against population; give one, e.g. a CSV with tasks,throughput"
        )
    for text in only:
        rates = _named(rates, name, text)
    if what:
        tests = sorted({o.what for o in rates})
        rates = [o for o in rates if o.what == what] or [o for o in rates if what in o.what]
        if not rates:
            raise ArgumentError(f"--what {what!r}: {name} has no such test; {nearest(what, tests)}")
    labels = list(dict.fromkeys(_label(o) for o in rates))
    if len(labels) > 1:
        more = f" and {len(labels) - MOST_LISTED} more" if len(labels) > MOST_LISTED else ""
        raise ArgumentError(
            f"{name} holds {len(labels)} curves ({', '.join(labels[:MOST_LISTED])}{more}); name "
            f"one: {name}:{labels[0]}, or --only for both sides"
        )
    rates = [o for o in rates if not o.traced] or rates
    values = _by_population(rates)
    stated = {
        o.n: o.sd / o.value
        for o in rates
        if o.sd is not None and o.n is not None and len(values[o.n]) == 1
    }
    return Side(
        f"{name}:{':'.join(only)}" if only else name,
        rates[0].unit,
        values,
        stated,
        rates[0].what,
        reading.metadata,
        rates[0].traced,
        tuple(text for text in reading.warnings if text.startswith(APART)),
        _holds(reading, rates[0]),
    )


def _holds(reading: Reading, rate: Observation) -> dict[int, tuple[float, ...]]:
    """Return the hold times of the run that a throughput is of."""
    run = ("variant", "kernel", "what")
    holds = [
        o
        for o in reading.observations
        if o.kind == "hold_time"
        and o.n is not None
        and all(getattr(o, name) == getattr(rate, name) for name in run)
    ]
    one = len({(o.lock, o.site, o.mode, o.traced) for o in holds}) == 1
    return _by_population(holds) if one and all(o.value > 0 for o in holds) else {}


def _by_population(observations: Sequence[Observation]) -> dict[int, tuple[float, ...]]:
    values: dict[int, list[float]] = {}
    for o in observations:
        assert o.n is not None
        values.setdefault(o.n, []).append(o.value)
    return {n: tuple(own) for n, own in sorted(values.items())}


def _named(rates: list[Observation], name: str, text: str) -> list[Observation]:
    """Return the observations of the curves that a text names, whole or in part."""
    whole = [o for o in rates if text in (_label(o), *_names(o))]
    part = [o for o in rates if is_part(text, o.variant) or text in o.variant.split("/")]
    if not whole and not part:
        known = list(dict.fromkeys(_label(o) for o in rates))
        raise ArgumentError(f"{name} has no curve {text!r}; {nearest(text, known)}")
    return whole or part


def _names(o: Observation) -> list[str]:
    return [own for own in names_of(o) if own]


def _label(o: Observation) -> str:
    return "/".join(_names(o)) or "all rows"


def common(base: Side, new: Side, at: Sequence[int] = ()) -> tuple[int, ...]:
    """Return the populations that both sides have, or those asked for.

    Raises
    ------
    NotTrustworthyError
        There is none, or one that was asked for is missing in one of the files.
    ArgumentError
        One that was asked for is in neither.
    """
    both = tuple(n for n in base.values if n in new.values)
    for n in at:
        lacks = [side.name for side in (base, new) if n not in side.values]
        if len(lacks) == 2:
            raise ArgumentError(f"--at {n}: was measured in neither file; both have {_few(both)}")
        if lacks:
            raise NotTrustworthyError(
                f"cannot decide: n = {n} was not measured in {lacks[0]}; measure it there, or "
                f"decide at another (--at; both have {_few(both)})"
            )
    if not both:
        raise NotTrustworthyError(
            f"cannot decide: no common population: {base.name} has {_few(tuple(base.values))}; "
            f"{new.name} has {_few(tuple(new.values))}; measure both at the same"
        )
    return tuple(sorted(set(at))) or both


def _few(populations: Sequence[int]) -> str:
    more = ", ..." if len(populations) > MOST_LISTED else ""
    return f"n = {', '.join(map(str, populations[:MOST_LISTED]))}{more}" if populations else "none"


def check(base: Side, new: Side) -> None:
    """Raise unless two sides can be compared: one unit, one test, both traced or neither.

    Raises
    ------
    ScenarioError
        They cannot.
    ArgumentError
        They are the same numbers.
    """
    both = f"{base.name} and {new.name}"
    stated = [side.metadata.get(UNIT, "") for side in (base, new)]
    if base.unit != new.unit or (base.unit == "relative" and stated[0] != stated[1]):
        raise ScenarioError(
            f"{both}: throughput in two units ({stated[0] or 'per second'}, "
            f"{stated[1] or 'per second'}); state one rate in both headers, e.g. '# unit: ops/s'"
        )
    if base.what and new.what and base.what != new.what:
        raise ScenarioError(
            f"{both}: two tests ({base.what!r}, {new.what!r}); name one of both: --what"
        )
    if base.traced != new.traced:
        slow = base if base.traced else new
        raise ScenarioError(
            f"{both}: only {slow.name} was measured while tracing, which slows it down; measure "
            f"both without"
        )
    shared = [n for n in base.values if n in new.values]
    if shared and all(base.values[n] == new.values[n] for n in shared):
        raise ArgumentError(f"{both}: the same numbers, digit for digit; name two measurements")
    ratios = [median(new.values[n]) / median(base.values[n]) for n in shared]
    off = median(ratios) if ratios else 1.0
    if not 1.0 / FARTHEST < off < FARTHEST:
        raise ScenarioError(
            f"{both}: {_times(off)}; no kernel does that, a unit does: state it in both headers, "
            f"e.g. '# unit: kops/s'"
        )


def _times(ratio: float) -> str:
    more = "larger" if ratio > 1.0 else "smaller"
    return f"the second is {math.exp(abs(math.log(ratio))):,.0f} times {more} throughout"


def differing(base: Side, new: Side) -> tuple[str, ...]:
    """Return sentences on what the headers say of both and say differently."""
    return tuple(
        f"{key.upper()} DIFFERS: {a!r}, {b!r}: the change is of that, too"
        for key in COMPARED
        if (a := base.metadata.get(key)) and (b := new.metadata.get(key)) and a != b
    )
