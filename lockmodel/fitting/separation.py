"""Whether the data can tell held work from hand-off at all.

A throughput curve shows the demand D(n) = tau I + m c(n) of a lock, never its two parts: any
split is compensated by another growth of the hand-off with its waiters. A fit of one assumed growth
would still return two numbers with small errors; they would be errors of the assumption. So,
unless something in the data separates the parts, the direction that keeps the demand and changes
the split is given back the width that it has without the curve.

What separates them: a measured hold time, or two kernels on one machine that differ in acquires
for the same held work; provided that the measurement is sharp enough to see them. Acquires that are
free and not counted are like a hand-off: only their product with it is in the demand. Once one
part of a demand is known so is the other, and with it the parts that share a demand with that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lockmodel.fitting import parameters as ps
from lockmodel.fitting.rows import Row
from lockmodel.fitting.study import Study
from lockmodel.model.scenario import Scenario

NO_TIME = ("handoff.half_waiters", "handoff_lines")
"""Keys of a hand-off that are no time of it: how it grows, and lines, whose time others share."""

HOLDS = ("time_per_instruction_remote", "held_instructions", "demand")
ENOUGH = 1.1
"""Factor between acquires per held instruction of two kernels from which they separate."""

SEEN = 1.5
"""Standard deviations by which a row moves with the logarithm of an unknown from which on it alone
gives that unknown within a factor of 3 either way (1.645 / ln 3)."""


@dataclass(frozen=True)
class Split:
    """A held-work and a hand-off unknown of which only the sum is seen.

    Attributes
    ----------
    hold, handoff : int
        Indices of the unknowns.
    row : int
        The row of largest population that sees both: its prediction stays.
    """

    hold: int
    handoff: int
    row: int


def unseparated(study: Study, rows: Sequence[Row], jacobian: np.ndarray) -> tuple[Split, ...]:
    """Return the pairs of unknowns whose split nothing in the data decides.

    Parameters
    ----------
    study : Study
    rows : sequence of Row
        The observations used.
    jacobian : ndarray, shape (rows, p)
        Of the rows, standardised, at the estimate.
    """
    sizes = np.abs(jacobian[: len(rows)])
    holds = [i for i, u in enumerate(study.unknowns) if u.key in HOLDS]
    handoffs = [
        i
        for i, u in enumerate(study.unknowns)
        if (u.key.startswith("handoff") and u.key not in NO_TIME)
        or (u.key == "acquires" and not _measured(rows, sizes, i, ("acquires",)))
    ]
    pairs = []
    known = {i for i in holds if _measured(rows, sizes, i, ("hold_time", "hold_histogram"))}
    for handoff in handoffs:
        for hold in holds:
            both = [
                k
                for k, row in enumerate(rows)
                if row.observation.kind in ("throughput", "gain")
                and {hold, handoff} <= {index for index, _ in study.of(row.where)}
            ]
            if not both:
                continue
            last = max(both, key=lambda k: rows[k].observation.n or 0)
            pairs.append(Split(hold, handoff, last))
            if _differ(study, rows, sizes, both, (hold, handoff)):
                known |= {hold, handoff}
    for _ in pairs:  # whoever shares a demand with what is known becomes known
        for pair in pairs:
            if known & {pair.hold, pair.handoff}:
                known |= {pair.hold, pair.handoff}
    return tuple(pair for pair in pairs if pair.hold not in known)


@dataclass(frozen=True)
class Given:
    """An unknown whose partner in the demand is fixed: it is what it is only if that is right.

    Attributes
    ----------
    index : int
        Of the unknown.
    fixed : str
        What is fixed: "hold" or "handoff", with its lock.
    value : float
        In s, in the model.
    """

    index: int
    fixed: str
    value: float


def given(study: Study, rows: Sequence[Row]) -> tuple[Given, ...]:
    """Return the unknowns of which the data see only the sum with something that is not fitted.

    A curve fitted with the hand-off alone takes the held work from the model: another value there
    gives another hand-off, with the same small error. Two kernels or a hold time would notice.
    """
    assumed = []
    for index, unknown in enumerate(study.unknowns):
        holds = unknown.key in HOLDS[:2]
        passes = unknown.key.startswith("handoff") and unknown.key != "handoff_lines"
        if not (holds or passes or unknown.key == "acquires"):
            continue  # a demand is what it is, whatever its parts
        where, parameter = unknown.members[0]
        keys = {p.key for w, _ in unknown.members for _, p in study.of(w)}
        if holds:
            free = any(key.startswith("handoff") for key in keys) or "acquires" in keys
        else:
            free = bool(keys & set(HOLDS))
        if free or _tested(study, rows, {w for w, _ in unknown.members}):
            continue
        scenario = study.sets[where].scenario
        lock = _meant(scenario, {parameter.lock})
        name = "handoff" if holds else "time_per_instruction_remote"
        value = ps.read_lock(scenario, scenario.lock(lock[0]), name) if lock else 0.0
        if value > 0.0:
            word = "handoff" if holds else "hold"
            assumed.append(Given(index, f"{parameter.lock}.{word}", value))
    return tuple(assumed)


def _tested(study: Study, rows: Sequence[Row], members: set[int]) -> bool:
    """Return whether a hold time, or kernels with other acquires, test what is fixed."""
    kinds = {row.observation.kind for row in rows if row.where in members}
    if kinds & {"hold_time", "hold_histogram"}:
        return True
    return _kernels_differ(study, [row for row in rows if row.where in members], {"all"})


def _measured(rows: Sequence[Row], sizes: np.ndarray, index: int, kinds: Sequence[str]) -> bool:
    """Return whether rows of some kinds together see an unknown."""
    own = [k for k, row in enumerate(rows) if row.observation.kind in kinds]
    return float(np.linalg.norm(sizes[own, index])) >= SEEN


def _differ(
    study: Study,
    rows: Sequence[Row],
    sizes: np.ndarray,
    both: Sequence[int],
    pair: tuple[int, int],
) -> bool:
    """Return whether kernels of one machine, seen by some rows, differ enough in acquires."""
    locks = {p.lock for where in {rows[k].where for k in both} for i, p in study.of(where)
             if i in pair}  # fmt: skip
    seen = []
    for k in both:
        gain = rows[k].observation.kind == "gain"
        size = sizes[k, pair[1]] if gain else np.linalg.norm(sizes[k, list(pair)])
        if size >= SEEN:
            seen.append(rows[k])
    return _kernels_differ(study, seen, locks)


def _kernels_differ(study: Study, rows: Sequence[Row], locks: set[str]) -> bool:
    """Return whether kernels of one machine, measured by some rows, differ enough in acquires.

    A gain measures its stock kernel as well; a single process waits for nobody and tells nothing.
    """
    per_lock: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        gain = row.observation.kind == "gain"
        if not gain and (row.observation.kind != "throughput" or row.observation.n == 1):
            continue
        data = study.sets[row.where]
        for scenario in (data.scenario, *((data.stock,) if gain else ())):
            for lock in _meant(scenario, locks):
                ratio = scenario.acquires(lock) / scenario.held_instructions(lock, 2.0)
                per_lock.setdefault((scenario.machine.name, lock), []).append(ratio)
    return any(max(own) > ENOUGH * min(own) for own in per_lock.values())


def _meant(scenario: Scenario, locks: set[str]) -> list[str]:
    """Return the locks of a pair of unknowns; of all locks the one with the largest demand."""
    held = [x for x in scenario.locks if scenario.held_instructions(x.name, 2.0) > 0]
    if "all" in locks and held:
        return [max(held, key=lambda x: ps.read_lock(scenario, x, "demand")).name]
    return [lock.name for lock in held if lock.name in locks]


def directions(splits: Sequence[Split], jacobian: np.ndarray) -> np.ndarray:
    """Return the directions in which each split can move, shape (splits, p).

    Parameters
    ----------
    splits : sequence of Split
    jacobian : ndarray, shape (rows, p)
        Of the rows, at the estimate.

    Returns
    -------
    ndarray
        The hand-off's component is 1; the hold's keeps the prediction of the split's row.
    """
    made = np.zeros((len(splits), jacobian.shape[1]))
    for k, split in enumerate(splits):
        hold, handoff = jacobian[split.row, [split.hold, split.handoff]]
        made[k, split.handoff] = 1.0
        made[k, split.hold] = -handoff / hold if abs(hold) > 1e-9 else 0.0
    return made
