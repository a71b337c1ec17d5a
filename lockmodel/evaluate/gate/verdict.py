"""Whether a curve is slower than another one: the change at each population, and the verdict.

All populations are one question, so their intervals hold together: each is as much wider as it
takes for `level` of the gates of equal curves to call no population REAL (Sidak, JASA 62 (1967)
626; with a common variance the rate is lower still).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from lockmodel.errors import ArgumentError
from lockmodel.evaluate.gate.moved import Moved, Shift, moved, shift
from lockmodel.evaluate.gate.noise import ASSUMED, Noise, noises
from lockmodel.evaluate.gate.side import Side, check, common, differing
from lockmodel.fitting import quantiles
from lockmodel.fitting.curves.topology import stated
from lockmodel.fitting.rows import USUAL_SD

SCHEMA = "lockmodel.gate/1"

LEVEL = 0.95
"""Share of gates of equal curves in which no population is called REAL."""

UNSEEN = 0.05
"""Largest drop that noise may hide where nobody says which one fails the gate."""

FEWEST_REPEATS = 3
"""Repeats that are asked for where there are none."""

MANY_REPEATS = 20
"""Repeats beyond which a quieter machine is the better advice."""

HOLD = "hold time"

Outcome = Literal["passed", "failed", "cannot decide"]


@dataclass(frozen=True)
class Change:
    """What happened at one population.

    Attributes
    ----------
    n : int
    base, new : float
        Throughputs: geometric means of the repeats.
    repeats : (int, int)
        Of base and of new.
    change : float
        new / base - 1.
    low, high : float
        Ends of its interval; those of all populations hold together.
    floor : float
        What two measurements of one kernel differ by in 1 - level of all cases.
    noise : Noise
    """

    n: int
    base: float
    new: float
    repeats: tuple[int, int]
    change: float
    low: float
    high: float
    floor: float
    noise: Noise

    @property
    def real(self) -> bool:
        """Whether the interval leaves no change out."""
        return self.low > 0.0 or self.high < 0.0

    @property
    def verdict(self) -> str:
        """REAL or WITHIN NOISE."""
        return "REAL" if self.real else "WITHIN NOISE"


@dataclass(frozen=True)
class Gate:
    """The answer of a gate.

    Attributes
    ----------
    base, new : str
        What was compared.
    unit : str
        Of the throughputs.
    level : float
    limit : float
        Change below which a REAL one fails; 0 for any.
    changes : tuple of Change
        By population.
    moved : Moved or None
        Which parameter moved; None where nothing did.
    held : Shift or None
        Change of the hold time, where both files state it.
    doubts : tuple of str
        What makes the two hard to compare.
    """

    base: str
    new: str
    unit: str
    level: float
    limit: float
    changes: tuple[Change, ...]
    moved: Moved | None
    held: Shift | None
    doubts: tuple[str, ...]

    @property
    def unseen(self) -> float:
        """The largest drop that noise may hide."""
        return -self.limit or UNSEEN

    @property
    def failing(self) -> tuple[Change, ...]:
        """What fails the gate, the largest drop first."""
        drops = [c for c in self.changes if c.real and c.change < self.limit]
        return tuple(sorted(drops, key=lambda c: c.change))

    @property
    def unsure(self) -> tuple[Change, ...]:
        """Where a drop that matters would be, or is, within noise; the noisiest first.

        Asked of the noise, not of how near to the limit an interval happens to end: two
        measurements of equal kernels are then decided alike.
        """
        open_ = [
            c
            for c in self.changes
            if not c.real and (c.floor > self.unseen or c.change < -self.unseen)
        ]
        return tuple(sorted(open_, key=lambda c: -c.floor))

    @property
    def outcome(self) -> Outcome:
        """What the gate says."""
        return "failed" if self.failing else "cannot decide" if self.unsure else "passed"

    @property
    def remedy(self) -> str:
        """What would let the data decide."""
        if any(source.how == ASSUMED for c in self.unsure for source in c.noise.sources):
            return f"measure both with {FEWEST_REPEATS} repeats or more"
        need = max(
            math.ceil(min(c.repeats) * max(c.floor / self.unseen, 1.0) ** 2) for c in self.unsure
        )
        more = max(need, 1 + max(min(c.repeats) for c in self.unsure))
        where = " on a quieter machine, or" if more > MANY_REPEATS else ""
        others = ", or --at other populations" if len(self.unsure) < len(self.changes) else ""
        return f"measure both{where} with {more} repeats{others}"

    def to_json(self) -> dict[str, Any]:
        """Return the answer as plain data; shares, not per cent."""
        return {
            "schema": SCHEMA,
            "base": self.base,
            "new": self.new,
            "unit": self.unit,
            "outcome": self.outcome,
            "level": self.level,
            "fail_below": self.limit,
            "points": [
                {
                    "n": c.n,
                    "base": c.base,
                    "new": c.new,
                    "base_repeats": c.repeats[0],
                    "new_repeats": c.repeats[1],
                    "change": c.change,
                    "low": c.low,
                    "high": c.high,
                    "noise_floor": c.floor,
                    "noise_from": sorted({source.how for source in c.noise.sources}),
                    "verdict": c.verdict,
                }
                for c in self.changes
            ],
            "moved": None if self.moved is None else self.moved.to_json(),
            "held": None if self.held is None else asdict(self.held),
            "doubts": list(self.doubts),
        }


def gate(
    base: Side,
    new: Side,
    at: Sequence[int] = (),
    limit: float = 0.0,
    level: float = LEVEL,
) -> Gate:
    """Compare two curves at every population that both have.

    Parameters
    ----------
    base, new : Side
    at : sequence of int
        Decide at these populations only; the noise is that of all repeats.
    limit : float
        A REAL change below it fails the gate, at most 0.
    level : float
        Between 0.5 and 1.

    Raises
    ------
    ArgumentError
        A limit or level out of range; see also `side.check` and `side.common`.
    ScenarioError
        The sides cannot be compared.
    NotTrustworthyError
        There is no common population.
    """
    if not -1.0 < limit <= 0.0:
        raise ArgumentError(f"fail_below = {limit:g} must lie above -1 and not above 0")
    if not 0.5 <= level < 1.0:
        raise ArgumentError(f"level = {level:g} must lie between 0.5 and 1, e.g. 0.95")
    check(base, new)
    populations = common(base, new, at)
    changes = _changes(base, new, populations, level)
    told = None
    if any(c.real for c in changes):
        every = _changes(base, new, common(base, new), level) if at else changes
        told = _moved(every, base, level)
    doubts = (*differing(base, new), *base.warnings, *new.warnings)
    held = None if told is None else _held(base, new, level)
    return Gate(base.name, new.name, base.unit, level, limit, changes, told, held, doubts)


def _held(base: Side, new: Side, level: float) -> Shift | None:
    """Return the change of the hold time, the same at all populations; None where one has none.

    Without repeats its error is that of attribution and of the tracer, alike at all populations.
    """
    shared = tuple(n for n in base.holds if n in new.holds)
    if not shared:
        return None
    sides = [replace(side, values=side.holds, stated={}) for side in (base, new)]
    changes = [_mean(new.holds[n]) - _mean(base.holds[n]) for n in shared]
    found = noises(sides[0], sides[1], shared)
    if any(source.how == ASSUMED for one in found for source in one.sources):
        usual = math.sqrt(2.0) * USUAL_SD["hold_time"]
        return shift(HOLD, _average(changes), quantiles.student(level, 0.0) * usual)
    weights = [one.deviation**-2 for one in found]
    total = math.fsum(weights)
    value = math.fsum(w * c for w, c in zip(weights, changes, strict=True)) / total
    degrees = min((one.degrees for one in found if one.degrees), default=0.0)
    return shift(HOLD, value, quantiles.student(level, degrees) / math.sqrt(total))


def _changes(
    base: Side, new: Side, populations: tuple[int, ...], level: float
) -> tuple[Change, ...]:
    together = level ** (1.0 / len(populations))
    made = []
    for n, noise in zip(populations, noises(base, new, populations), strict=True):
        before, after = (_mean(side.values[n]) for side in (base, new))
        half = quantiles.student(together, noise.degrees) * noise.deviation
        floor = quantiles.student(level, noise.pooled_degrees) * noise.pooled
        made.append(
            Change(
                n,
                math.exp(before),
                math.exp(after),
                (len(base.values[n]), len(new.values[n])),
                math.expm1(after - before),
                math.expm1(after - before - half),
                math.expm1(min(after - before + half, 700.0)),
                -math.expm1(-floor),
                noise,
            )
        )
    return tuple(made)


def _mean(repeats: Sequence[float]) -> float:
    return _average([math.log(value) for value in repeats])


def _average(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _moved(changes: tuple[Change, ...], base: Side, level: float) -> Moved:
    return moved(
        np.array([c.n for c in changes]),
        np.array([c.base for c in changes]),
        np.array([c.new for c in changes]),
        np.array([c.noise.deviation for c in changes]),
        min((c.noise.degrees for c in changes if c.noise.degrees), default=0.0),
        stated(base.metadata),
        level,
    )
