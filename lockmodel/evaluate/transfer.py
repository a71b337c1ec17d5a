"""Transfer: fit the hand-off of a lock at one known (hold, think), predict the other settings.

For files named ``..._cHOLDns_pTHINKns.csv`` with variants HOST/LOCK, such as those of lockhammer,
whose hold and think times are busy loops: constants, not random variables.

*Throughput for constant times.* Processes that take turns with constant times fall into step, so
the asymptotic bounds of a closed system (Denning & Buzen, Computing Surveys 1978) are reached:

    X = min(N / (Z + h), 1 / T(w)),   w = N - 1 - Z / T,

with T the cycle of the saturated lock and w the mean number of waiters. (The product form with
exponential times rounds the knee off: at N = 6 of h = 1, Z = 5 it is 27 % lower.)

*Hand-off.* T = h + c(w) + collision(w). The family of c (constant, linear, saturating in the
waiters) is chosen by AICc on the first setting. A hand-off between the two hardware threads of a
core costs next to nothing, and lockhammer fills sibling pairs first, so c counts only for the
share of hand-offs that leave the core.

*Collision.* Where think time is 0, the releasing CPU asks again while it still has the lock word
in its cache. Otherwise every acquire begins with a write by a CPU that has to fetch the word.
While waiters that poll the word re-fetch it, for B = 2 c (the next holder is in the middle of
them on average), such a write makes them start over. It comes at a random moment of the cycle, so
this happens to a share B / T of the acquires, and costs

    2 c   if all waiters poll the word that arrivals write (ticket lock),
    c     if only the first in the queue does (queued spinlock),
    0     if arrivals write one word and waiters poll their own (MCS, CLH, OSQ).

This law was derived after seeing that hand-offs on host x86-2 grow from one setting to the next,
so its success there (c200ns_p1000ns: 0.06 instead of 0.21) is no blind test. On host x86-1, which
played no part, it lowers the error of the same three fair locks from 0.44 to 0.26.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from lockmodel.errors import ArgumentError, LockmodelError
from lockmodel.evaluate.accuracy import csv_files, read_curves
from lockmodel.fitting.curves.curve import Curve
from lockmodel.fitting.least_squares import minimise

SCHEMA = "lockmodel.transfer/1"

SETTING = re.compile(r"c(\d+)ns_p(\d+)ns")
NS = 1e-9

EMPTY = "empty"
"""Variant that runs the loops without a lock: what they really take."""

NO_EXCLUSION = (EMPTY, "cas_lockref", "incdec_refcount")
"""Variants that do not serialise the hold (header of the files)."""

COLLISION = {"ticket_spinlock": 2.0, "queued_spinlock": 1.0}
"""Cost of a collision in hand-offs; 0 for locks whose waiters poll words of their own, and for
locks that we know nothing about."""

FAIR = ("osq_lock", "queued_spinlock", "ticket_spinlock")
"""Locks served in the order of arrival: the ones that the law is for."""

START = 1e-7
"""Start of the search for the hand-off in s: 100 ns, between sockets (latency.csv)."""


@dataclass(frozen=True)
class Setting:
    """Nominal hold and think time, in ns."""

    hold_ns: int
    think_ns: int

    def __str__(self) -> str:
        return f"c{self.hold_ns}ns_p{self.think_ns}ns"


@dataclass(frozen=True)
class Times:
    """What one loop takes without contention, in s."""

    hold: float
    think: float


@dataclass(frozen=True)
class HandOffLaw:
    """Extra time per hand-off against the waiters.

    Attributes
    ----------
    family : str
        constant, linear or saturating.
    first : float
        With one waiter, in s.
    growth : float
        What each further waiter adds (linear), or all of them (saturating), in s.
    half : float
        Further waiters at which half of the growth has happened; infinite if linear.
    """

    family: str
    first: float
    growth: float = 0.0
    half: float = math.inf

    def cost(self, waiters: float) -> float:
        """Return the hand-off in s; a mean queue below 1 pays that share of the first."""
        further = max(waiters - 1.0, 0.0)
        grown = further if math.isinf(self.half) else further / (further + self.half)
        return self.first * min(max(waiters, 0.0), 1.0) + self.growth * grown


@dataclass(frozen=True)
class Pair:
    """One lock of one host, predicted at one setting.

    Attributes
    ----------
    source, target : Setting
    host, lock : str
    family : str
        Hand-off family chosen at the source.
    error : float
        Mean |ln(predicted / measured)| over all thread counts.
    """

    source: Setting
    target: Setting
    host: str
    lock: str
    family: str
    error: float


@dataclass(frozen=True)
class Transfer:
    """What `lockmodel accuracy --lever` reports.

    Attributes
    ----------
    source : Setting
    pairs : tuple of Pair
    skipped : tuple of (str, str)
        File or variant, and reason.
    """

    source: Setting
    pairs: tuple[Pair, ...]
    skipped: tuple[tuple[str, str], ...]

    def summary(self) -> list[dict[str, Any]]:
        """Return the mean errors per target and host: of the fair locks, and of all."""
        made = []
        for target, host in sorted({(str(p.target), p.host) for p in self.pairs}):
            here = [p for p in self.pairs if str(p.target) == target and p.host == host]
            fair = [p.error for p in here if p.lock in FAIR]
            made.append(
                {
                    "to": target,
                    "host": host,
                    "fair_queue_locks": fmean(fair) if fair else None,
                    "all_locks": fmean(p.error for p in here),
                }
            )
        return made

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict."""
        return {
            "schema": SCHEMA,
            "from": str(self.source),
            "pairs": [
                {
                    "from": str(p.source),
                    "to": str(p.target),
                    "host": p.host,
                    "lock": p.lock,
                    "family": p.family,
                    "error": p.error,
                }
                for p in self.pairs
            ],
            "summary": self.summary(),
            "skipped": dict(self.skipped),
        }


def off_core(n: int) -> float:
    """Return the share of hand-offs that leave the core when sibling pairs are filled first.

    The next holder is any other process alike; with an even number everybody has a sibling.
    """
    if n < 2:
        return 0.0
    return 1.0 - (1.0 / (n - 1) if n % 2 == 0 else 1.0 / n)


def throughput(
    populations: Sequence[int], times: Times, law: HandOffLaw, collision: float = 0.0
) -> np.ndarray:
    """Return the throughput of constant hold and think times behind one fair lock.

    Parameters
    ----------
    populations : sequence of int, length m
    times : Times
        In s.
    law : HandOffLaw
    collision : float
        Cost of a collision in hand-offs: 2, 1 or 0 (see the module).

    Returns
    -------
    ndarray, shape (m,)
        Acquires per s.
    """
    made = []
    for n in populations:
        free = n / (times.hold + times.think)
        made.append(min(free, 1.0 / _cycle(n, times, law, collision)) if n > 1 else free)
    return np.array(made)


def _cycle(n: int, times: Times, law: HandOffLaw, collision: float) -> float:
    """Return the time from one acquire to the next of a saturated lock, in s.

    The root T of T = h + c(w(T)) + collision, found by bisection: a longer cycle means more
    waiters, fewer of whom think, so there is a root between h and the cycle with all waiting.
    """

    def wanted(cycle: float) -> float:
        cost = off_core(n) * law.cost(n - 1.0 - times.think / cycle)
        hit = collision * cost * min(1.0, 2.0 * cost / cycle) if times.think > 0 else 0.0
        return times.hold + cost + hit

    all_wait = off_core(n) * law.cost(n - 1.0)
    low, high = times.hold, times.hold + (1.0 + collision) * all_wait + NS
    low = max(low, NS * 1e-3)
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if wanted(middle) > middle else (low, middle)
    return 0.5 * (low + high)


def fit_handoff(curve: Curve, times: Times) -> HandOffLaw:
    """Return the hand-off law of a lock, from a curve without think time.

    Parameters
    ----------
    curve : Curve
        Saturated from 2 processes on: N - 1 wait. Acquires per s.
    times : Times

    Raises
    ------
    ArgumentError
        Fewer than six points leave a core.
    """
    outside = np.array([off_core(int(n)) for n in curve.n])
    use = outside > 0
    if use.sum() < 6:
        raise ArgumentError(
            f"{curve.label}: {int(use.sum())} points with 3 processes or more are too few to tell "
            f"hand-off families apart; measure at least 6"
        )
    further, share = curve.n[use] - 2.0, outside[use]
    y = np.log(1.0 / curve.x[use])

    def errors(family: str) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
        def of(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            v = np.exp(theta)
            columns = [np.full_like(further, v[0])]
            if family == "linear":
                columns.append(v[1] * further)
            elif family == "saturating":
                grown = v[1] * further / (further + v[2])
                columns += [grown, -grown * v[2] / (further + v[2])]
            slopes = np.column_stack(columns) * share[:, None]
            cycle = times.hold + slopes[:, :2].sum(axis=1)
            return np.log(cycle) - y, slopes / cycle[:, None]

        return of

    best: tuple[float, HandOffLaw] | None = None
    starts = {"constant": [START], "linear": [START, 1e-9], "saturating": [START, START, 8.0]}
    for family, start in starts.items():
        low = np.log([1e-12, 1e-13 if family == "linear" else 1e-12, 0.1][: len(start)])
        high = np.log([1e-3, 1e-3, 1e4][: len(start)])
        found = minimise(errors(family), np.log(start), low, high)
        k, p = len(y), len(start) + 1
        aicc = k * math.log(max(found.cost, 1e-20) / k) + 2 * p * k / max(k - p - 1, 0.5)
        if best is None or aicc < best[0]:
            best = (aicc, HandOffLaw(family, *np.exp(found.x).tolist()))
    assert best is not None
    return best[1]


def settings(folder: Path) -> tuple[dict[Setting, dict[str, Curve]], list[tuple[str, str]]]:
    """Return the curves of every setting by variant, and what could not be read.

    Raises
    ------
    ArgumentError
        The folder holds fewer than two settings.
    """
    found: dict[Setting, dict[str, Curve]] = {}
    skipped = []
    for path in csv_files(folder):
        match = SETTING.search(path.stem)
        if match is None:
            continue
        try:
            reading, curves = read_curves(path)
        except LockmodelError as error:
            skipped.append((path.name, str(error)))
            continue
        if any(o.unit != "1/s" for o in reading.observations if o.kind == "throughput"):
            skipped.append((path.name, "its unit is no rate, so holds in ns tell nothing"))
            continue
        found[Setting(int(match[1]), int(match[2]))] = {curve.label: curve for curve in curves}
    if len(found) < 2:
        raise ArgumentError(
            f"DIR {folder}: {len(found)} files with known hold and think times; --lever needs two "
            f"or more, named like lockhammer_c1000ns_p0ns.csv and lockhammer_c200ns_p1000ns.csv "
            f"(c = hold, p = think), with variants HOST/LOCK"
        )
    return found, skipped


def loop_times(setting: Setting, empty: Curve, reference: tuple[Setting, Curve]) -> Times:
    """Return what the busy loops really take, from the runs without a lock.

    `empty` has no lock and begins with 1 process; `reference` is the same at the source, without
    think time, and says how far a hold is off its nominal value.
    """
    total = 1.0 / float(empty.x[0])
    if setting.think_ns == 0:
        return Times(total, 0.0)
    source, source_empty = reference
    off = 1.0 / float(source_empty.x[0]) / (source.hold_ns * NS)
    hold = setting.hold_ns * NS * off
    return Times(hold, max(total - hold, 0.0))


def transfer(folder: Path) -> Transfer:
    """Return how well the settings of a folder are predicted from one of them.

    The source is the setting without think time and with the longest hold: there the lock is
    saturated from two processes on, and the hand-off shows without a model.

    Raises
    ------
    FileError, ArgumentError
        See `settings`; or no setting is without think time.
    """
    found, skipped = settings(folder)
    sources = [s for s in found if s.think_ns == 0 and s.hold_ns > 0]
    if not sources:
        raise ArgumentError(
            f"DIR {folder}: no setting has think time 0 and a hold above 0 (c...ns_p0ns); "
            f"the hand-off is fitted there"
        )
    source = max(sources, key=lambda s: s.hold_ns)
    pairs = []
    for label, curve in found[source].items():
        host, _, lock = label.partition("/")
        empty = found[source].get(f"{host}/{EMPTY}")
        if lock in NO_EXCLUSION or not lock:
            continue
        if empty is None or empty.n[0] != 1:
            skipped.append((label, f"no variant {host}/{EMPTY} with 1 process: loops unknown"))
            continue
        try:
            law = fit_handoff(curve, loop_times(source, empty, (source, empty)))
        except ArgumentError as error:
            skipped.append((label, str(error)))
            continue
        for target, variants in found.items():
            there, without = variants.get(label), variants.get(f"{host}/{EMPTY}")
            if target == source or there is None or without is None or without.n[0] != 1:
                continue
            times = loop_times(target, without, (source, empty))
            made = throughput(there.n.tolist(), times, law, COLLISION.get(lock, 0.0))
            off = float(np.abs(np.log(made / there.x)).mean())
            pairs.append(Pair(source, target, host, lock, law.family, off))
    if not pairs:
        raise ArgumentError(
            f"DIR {folder}: no lock was measured at {source} and another setting with the "
            f"variants HOST/LOCK and HOST/{EMPTY}"
        )
    return Transfer(source, tuple(pairs), tuple(skipped))
