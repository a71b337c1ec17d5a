"""Transfer: fit the hand-off of a lock at one known hold and think time, predict the others.

The times are known where the measurement sets them: files ``..._c200ns_p1000ns.csv`` (c = hold,
p = think), or with the lines ``# hold_ns: 200`` and ``# think_ns: 1000``. Such times are constants,
and processes that take turns with constant times fall into step, so the asymptotic bounds of a
closed system (Denning & Buzen, Computing Surveys 10 (1978) 225) are reached:

    X = min(N / (Z + h), 1 / T),   T = h + c(w),   w = N - 1 - Z / T

with T the cycle of the saturated lock and w the mean number of waiters. (The product form with
exponential times rounds the knee off: at N = 6 of h = 1, Z = 5 it is 27 % lower.) The law is that
of locks served in the order of arrival; of others the errors show what it misses.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np

from lockmodel.errors import ArgumentError, LockmodelError
from lockmodel.evaluate.curve_files import csv_files, read_curves
from lockmodel.fitting.curves.curve import Curve
from lockmodel.model.handoff import ConstantHandOff, HandOff, LinearHandOff, SaturatingHandOff
from lockmodel.observe.headers import HOLD_NS, THINK_NS

SCHEMA = "lockmodel.transfer/2"

NAMED = re.compile(r"_c(\d+)ns_p(\d+)ns$")
NS = 1e-9

FEWEST = 6
"""Points with waiters that tell the families of hand-off apart."""

EXCLUSIVE = 0.8
"""Least cycle as a share of the hold, typically: below it holds overlap. Turbo saves less."""

HALVES = tuple(2.0 ** (k / 8) for k in range(-16, 81))
"""Further waiters at which half of the growth has happened, as tried: 0.25 to 1024."""


@dataclass(frozen=True, order=True)
class Setting:
    """Known think and hold time, in s."""

    think_s: float
    hold_s: float

    def __str__(self) -> str:
        return f"{self.hold_s / NS:g}/{self.think_s / NS:g}"


@dataclass(frozen=True)
class Pair:
    """A variant fitted at one setting and predicted at another, and its error there.

    The error is the mean |ln(predicted / measured)| over all thread counts.
    """

    variant: str
    source: Setting
    target: Setting
    family: str
    error: float


@dataclass(frozen=True)
class Transfer:
    """What `lockmodel accuracy --lever` reports: pairs, and what was left out with the reason."""

    pairs: tuple[Pair, ...]
    skipped: tuple[tuple[str, str], ...]

    @property
    def variants(self) -> dict[str, float]:
        """Mean error of every variant."""
        names = dict.fromkeys(pair.variant for pair in self.pairs)
        return {name: fmean(p.error for p in self.pairs if p.variant == name) for name in names}

    @property
    def overall(self) -> dict[str, float]:
        """Median and mean of the variants' errors."""
        errors = self.variants.values()
        return {"median": median(errors), "mean": fmean(errors)}

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict."""
        return {
            "schema": SCHEMA,
            "pairs": [asdict(pair) for pair in self.pairs],
            "variants": self.variants,
            "overall": self.overall,
            "skipped": dict(self.skipped),
        }


def cost(law: HandOff, waiters: np.ndarray) -> np.ndarray:
    """Return the hand-off in s; a mean queue below 1 pays that share of the first."""
    made: np.ndarray = np.clip(waiters, 0.0, 1.0) * law.cost(np.maximum(waiters, 1.0), 0.0)
    return made


def throughput(populations: np.ndarray, times: Setting, law: HandOff) -> np.ndarray:
    """Return acquires per s behind one lock with constant hold and think times, shape (m,).

    T is found by bisection: a longer cycle means more waiters, fewer of whom think, so there is a
    root between the hold and the cycle with all waiting.
    """
    others = np.asarray(populations, float) - 1.0
    low = np.full(others.shape, max(times.hold_s, 1e-3 * NS))
    high = low + cost(law, others)
    for _ in range(60):
        middle = 0.5 * (low + high)
        longer = times.hold_s + cost(law, others - times.think_s / middle) > middle
        low, high = np.where(longer, middle, low), np.where(longer, high, middle)
    made: np.ndarray = np.minimum((others + 1.0) / (times.hold_s + times.think_s), 1.0 / high)
    return made


def fit_handoff(curve: Curve, times: Setting) -> HandOff:
    """Return the hand-off law of a lock, of the family that AICc prefers.

    Where somebody waits the cycle is 1 / X, while Z X think; the relative errors of the cycles are
    linear in the times of the hand-off.

    Raises
    ------
    ArgumentError
        Holds overlap, or fewer than `FEWEST` points have a waiter.
    """
    from scipy.optimize import nnls

    waiters = curve.n - 1.0 - times.think_s * curve.x
    use = waiters >= 1.0
    if use.sum() < FEWEST:
        raise ArgumentError(
            f"{int(use.sum())} points with a waiter at hold/think {times} ns are too few to tell "
            f"hand-off families apart; measure at least {FEWEST}"
        )
    rate, further = curve.x[use], waiters[use] - 1.0
    if np.median(1.0 / rate) < EXCLUSIVE * times.hold_s:
        raise ArgumentError(f"its cycles are shorter than the hold at hold/think {times} ns")
    k, laws = len(rate), []
    for parameters, growth, law in _shapes(further):
        columns = np.column_stack([np.ones(k), *growth])
        parts, norm = nnls(columns * (rate * NS)[:, None], 1.0 - times.hold_s * rate)
        p = parameters + 1  # the size of the errors is a parameter, too
        aicc = k * math.log(max(norm**2, 1e-20) / k) + 2 * p * k / max(k - p - 1, 0.5)
        laws.append((aicc, law(*(parts * NS).tolist())))
    return min(laws, key=lambda pair: pair[0])[1]


def _shapes(
    further: np.ndarray,
) -> Iterator[tuple[int, tuple[np.ndarray, ...], Callable[..., HandOff]]]:
    """Yield how a hand-off may grow: parameters, growth per unit, and the law of first and growth.

    Parameters
    ----------
    further : ndarray
        Waiters beyond the first.
    """
    yield 1, (), lambda first: ConstantHandOff(time=first)
    yield 2, (further,), lambda first, each: LinearHandOff(time=first, per_waiter=each)
    for half in HALVES:
        yield 3, (further / (further + half),), partial(_saturating, half)


def _saturating(half: float, first: float, growth: float) -> HandOff:
    return SaturatingHandOff(time=first, limit=first + growth, half_waiters=half)


def known(name: str, metadata: dict[str, str]) -> Setting:
    """Return the times that a file's header states, or else its name.

    Raises
    ------
    ArgumentError
        They are not stated, are no times, or are both 0.
    """
    match = NAMED.search(name)
    hold, think = match.groups() if match else ("", "")
    try:
        made = Setting(
            float(metadata.get(THINK_NS, think)) * NS, float(metadata.get(HOLD_NS, hold)) * NS
        )
    except ValueError:
        made = Setting(0.0, 0.0)
    if min(made.think_s, made.hold_s) < 0 or not 0 < made.think_s + made.hold_s < math.inf:
        raise ArgumentError("states no hold or think time above 0")
    return made


def transfer(folder: Path) -> Transfer:
    """Return how well the settings of a folder are predicted from one of them, per variant.

    The source of a variant is its setting with the least think time, and of these the longest
    hold: there the hand-off shows best.

    Raises
    ------
    FileError, ArgumentError
        The folder cannot be read, or nothing in it can be predicted.
    """
    variants: dict[str, dict[Setting, Curve]] = {}
    skipped = []
    for path in csv_files(folder):
        try:
            reading, curves = read_curves(path)
            times = known(path.stem, reading.metadata)
            if any(o.unit != "1/s" for o in reading.observations if o.kind == "throughput"):
                raise ArgumentError("its unit is no rate, so times in ns tell nothing")
        except LockmodelError as error:
            skipped.append((path.name, str(error)))
            continue
        for curve in curves:
            if times in variants.setdefault(curve.label, {}):
                skipped.append((f"{curve.label} in {path.name}", "another file has these times"))
            variants[curve.label].setdefault(times, curve)
    pairs = []
    for label, measured in variants.items():
        source = min(measured, key=lambda s: (s.think_s, -s.hold_s))
        try:
            law = fit_handoff(measured[source], source)
        except ArgumentError as error:
            skipped.append((label, str(error)))
            continue
        for target in sorted(set(measured) - {source}):
            there = measured[target]
            off = np.log(throughput(there.n, target, law) / there.x)
            pairs.append(Pair(label, source, target, law.family, float(np.abs(off).mean())))
    if not pairs:
        why = "".join(f". {name}: {reason}" for name, reason in skipped[:1])
        raise ArgumentError(
            f"DIR {folder}: --lever needs a variant in two files with known hold and think times, "
            f"named ..._c1000ns_p0ns.csv and ..._c200ns_p1000ns.csv (c = hold, p = think) or with "
            f"the lines '# hold_ns: 200' and '# think_ns: 1000'{why}"
        )
    return Transfer(tuple(pairs), tuple(skipped))
