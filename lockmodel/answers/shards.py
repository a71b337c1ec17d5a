"""How many shards of a lock are enough: what each count buys, what binds then, who pays for it.

Nothing here is a judgement of its own: a row is what `whatif` says of the lever shard:LOCK=K, its
interval of throughput what `sweep` says. Walkers of a read-write semaphore are taken in closed
form (`solvers.walked`); with those of other locks every row is simulated, as product form leaves
out that a walk waits while it keeps the shards it already has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import reduce
from typing import Any

from lockmodel.answers.shard_question import Question, plan
from lockmodel.answers.shard_rows import WALKERS, Asking, Keys, Row
from lockmodel.answers.sides import Worst, larger
from lockmodel.changes.lever import spelt
from lockmodel.model.prediction import Basis, plain
from lockmodel.model.scenario import Scenario, ShardBy
from lockmodel.progress import Progress, Stop, never, quietly

SCHEMA = "lockmodel.shards/1"

NEAR = 0.05
"""A count is enough when it comes within this share of the best throughput."""

UNDRAWN = (
    "no intervals from the fit: every draw would be asked with walkers at every count; `levers` "
    "has those of the best counts"
)

SOME_UNDRAWN = (
    "no intervals: some of these counts are simulated, because locks divide the processes among "
    "their shards in different ways, and the intervals of a fit are of product form"
)


@dataclass(frozen=True)
class Shards:
    """What counts of shards buy.

    Attributes
    ----------
    scenario, lock : str
        The lock may be "all".
    by : {'cpu', 'node', 'hash'}
    n : int
    simulated : bool
        Whether every row was simulated, because of walkers that have no closed form.
    binding : str
        What binds now.
    rows : tuple of Row
        In ascending order; the first is the lock as it is.
    enough, best : int
        The smallest count within `NEAR` of the best throughput, and the count that has it.
    keys : tuple of Keys
        Hashes of other keys at `enough` shards, or at the best count where none are needed.
    counted : str
        The lock whose shards are taken by those who need all: the one that is walked, or binds.
    acquire_s : float
        What a shard of it costs one who takes all.
    others : int
        Locks that could be sharded, too.
    untried, overrun : int
        Counts and keys there was no time for; counts beyond one that walkers keep busy.
    notes, warnings, worst_error, fit
        As of `WhatIf`.
    """

    scenario: str
    lock: str
    by: ShardBy
    n: int
    simulated: bool
    binding: str
    rows: tuple[Row, ...]
    enough: int
    best: int
    keys: tuple[Keys, ...]
    counted: str
    acquire_s: float
    others: int
    untried: int
    overrun: int
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    worst_error: Worst | None
    fit: Basis | None = None

    def row(self, shards: int) -> Row:
        """Return the row of a count."""
        return next(row for row in self.rows if row.shards == shards)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict; keys of intervals are left out where there are none."""
        return {"schema": SCHEMA, **plain(spelt(asdict(self)))}


def shards(
    scenario: Scenario,
    n: int,
    question: Question | None = None,
    progress: Progress = quietly,
    stop: Stop = never,
) -> Shards:
    """Return what counts of shards of a lock buy.

    Parameters
    ----------
    scenario : Scenario
    n : int
        Population.
    question : Question, optional
        The lock that binds, by its own key, by default.
    progress : callable
        Wraps the loop over counts.
    stop : callable
        Asked before every count and during simulations; once true the others are not tried.

    Raises
    ------
    ArgumentError
        See `shard_question.plan`.
    NotTrustworthyError
        No solver has an answer, or it was stopped before the first.
    """
    asked = question or Question()
    chosen = plan(scenario, n, asked)
    asking = Asking(scenario, n, chosen, stop)
    rows = [asking.present()]
    untried = overrun = 0
    for k in progress(chosen.counts, len(chosen.counts), "shards"):
        if rows[-1].binding == WALKERS:
            overrun += 1
        elif (row := asking.row(k)) is None:
            untried += 1
        else:
            rows.append(row)
    top = max(row.after_per_s for row in rows)
    best = next(row.shards for row in rows if row.after_per_s == top)
    enough = _enough(rows, top)
    if asked.counts is None and not (asking.simulated or untried):
        below = max((row.shards for row in rows if row.shards < enough), default=enough)
        fewest = asking.fewest(below + 1, enough, (1.0 - NEAR) * top)
        if fewest is not None and (row := asking.row(fewest)) is not None:
            rows = sorted([*rows, row], key=lambda each: each.shards)
            enough = _enough(rows, top)
    shown = enough if enough > chosen.present else best
    keys, late = asking.keys(shown, asked)
    said = asking.said
    some = scenario.fit is not None and any(one.fit is None for one in said)
    if some:  # one solver for all of them, or no comparison of their ends
        rows = [replace(row, interval_per_s=None, gain_interval=None) for row in rows]
        keys = tuple(replace(one, gain_interval=None) for one in keys)
    else:
        rows[0] = asking.drawn(rows[0])
    return Shards(
        scenario=scenario.name,
        lock=chosen.name,
        by=chosen.by,
        n=n,
        simulated=asking.simulated,
        binding=rows[0].binding,
        rows=tuple(rows),
        enough=enough,
        best=best,
        keys=keys,
        counted=asking.counted,
        acquire_s=asking.acquire_s,
        others=len(scenario.changeable) - len(chosen.locks),
        untried=untried + late,
        overrun=overrun,
        notes=(
            *([UNDRAWN] if asking.undrawn else []),
            *([SOME_UNDRAWN] if some and not asking.undrawn else []),
            *asking.notes(shown),
        ),
        warnings=tuple(dict.fromkeys(text for one in said for text in one.warnings)),
        worst_error=reduce(larger, (one.worst_error for one in said)) if said else None,
        fit=None if some else next((one.fit for one in said if one.fit is not None), None),
    )


def _enough(rows: Sequence[Row], top: float) -> int:
    """Return the smallest count near the best."""
    return next(row.shards for row in rows if row.after_per_s >= (1.0 - NEAR) * top)
