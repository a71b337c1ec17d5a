"""Run the cases: predict with all results hidden, then compare and score.

The verdict of a row: *inside* if the published number, anywhere in the range that its rounding
leaves open, lies in the interval of the prediction, which is that of a measurement: the model's
parameters, its own error and the noise of two runs; else *outside*. A bound is inside if the
interval reaches it. A case whose lever has an unknown strength is *undecidable*, whatever its
numbers are. So is one inside an interval whose ends differ by more than a factor of `VACUOUS` in
throughput: nothing could have been outside (a bound is one-sided anyway). A miss stays a miss
however wide its interval. Rows without a lever, and readings set aside, count for nothing.

A patch is inside if every decidable row of it is, and scores the mean of its rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from lockmodel.errors import ArgumentError, NotTrustworthyError, nearest
from lockmodel.evaluate.backtest import (
    batching,
    beside,
    exclusion,
    handoffs,
    moved,
    sharding,
    small_changes,
    splitting,
)
from lockmodel.evaluate.backtest.case import (
    LEVEL,
    Backtest,
    Case,
    Entry,
    Limits,
    Patch,
    Predicted,
    Verdict,
)
from lockmodel.evaluate.backtest.columns import points
from lockmodel.evaluate.backtest.draws import Hypercube, effective, quantile, span
from lockmodel.evaluate.backtest.evidence import Context, Evidence, Published, load
from lockmodel.evaluate.backtest.scores import Mixture, log_score
from lockmodel.model.shipped import shipped_dir
from lockmodel.progress import Progress, quietly
from lockmodel.workers import cpus, ordered

VACUOUS = 3.0
"""Throughput after the lever at the upper end of an interval, over that at the lower."""

MOST_WORKERS = 2
FEWEST_CASES = 8
"""Cases for which another process pays."""

FEWEST = 30
"""Effective draws below which an interval would be an accident."""

SCORED = ("inside", "outside")
"""Verdicts of rows that count."""


@lru_cache(maxsize=1)
def all_cases() -> tuple[Case, ...]:
    """Return every case, in the order of the report."""
    groups = (batching, exclusion, splitting, moved, small_changes, handoffs, sharding)
    return tuple(case for group in groups for case in group.cases())


def run(
    folder: Path | None = None,
    ids: Sequence[str] = (),
    progress: Progress = quietly,
    workers: int | None = None,
) -> Backtest:
    """Predict every case and compare it with what was published.

    Parameters
    ----------
    folder : Path, optional
        Published data; the shipped ones if not given.
    ids : sequence of str
        Records to predict; all when empty. The columns beside them are computed for all, as their
        spread comes from the other patches.
    progress : callable
        Wraps the loop over cases.
    workers : int, optional
        Processes that share the work; by default the CPUs, at most `MOST_WORKERS`. The result
        does not depend on it.

    Returns
    -------
    Backtest

    Raises
    ------
    ArgumentError
        A record that no case is about.
    FileError, ScenarioError
        The data cannot be read.
    """
    every = all_cases()
    known = sorted({case.id for case in every})
    for name in ids:
        if name not in known:
            raise ArgumentError(f"back-test: no case {name!r}; {nearest(name, known)}")
    evidence = load(folder or shipped_dir("data") / "published")
    wanted = [not ids or case.id in ids for case in every]
    work = [
        (i, judged)
        for i, (case, judged) in enumerate(zip(every, wanted, strict=True))
        if judged or has_columns(case)
    ]
    count = min(workers or min(cpus(), MOST_WORKERS), sum(wanted) // FEWEST_CASES)
    with ordered(partial(_worked, evidence), work, count) as results:
        done = list(progress(results, len(work), "cases"))
    rows = [
        beside.Row(every[i].patch, every[i].result(Context(evidence, Hypercube())), one.points)
        for (i, _), one in zip(work, done, strict=True)
        if has_columns(every[i])
    ]
    gains = beside.published_gains(every, evidence)
    entries = tuple(_with_columns(one, rows, gains) for one in done if one.entry is not None)
    patches = patches_of(entries)
    scored = [p for p in patches if p.group == "change" and p.score is not None]
    columns = beside.compared(scored, entries)
    return Backtest(entries, patches, columns, Hypercube().count, Hypercube().seed)


def has_columns(case: Case) -> bool:
    """Return whether other predictions stand beside a case: it is scored, with a scenario."""
    counts = not (case.undecidable or case.aside or case.lever == "none")
    return case.group == "change" and case.setting is not None and counts


@dataclass(frozen=True)
class _Worked:
    """A case's own entry, where it was asked for, and what the columns say of it."""

    entry: Entry | None
    points: dict[str, float]


def _worked(evidence: Evidence, task: tuple[int, bool]) -> _Worked:
    """Return what is known of a case by its number: cases hold functions, which do not travel."""
    index, judged = task
    case = all_cases()[index]
    made: dict[str, float] = {}
    if has_columns(case) and case.setting is not None:
        made = points(case.setting(Context(evidence.seeing(), Hypercube())))
    return _Worked(judge(case, evidence, Hypercube()) if judged else None, made)


def judge(case: Case, evidence: Evidence, draws: Hypercube) -> Entry:
    """Return the entry of one case; its prediction sees no result at all."""
    answer = case.predict(Context(evidence.seeing(), draws))
    published = case.result(Context(evidence, draws))
    predicted, interval, model, limits = _numbers(case, answer, published)
    verdict, empty = _verdict(case, interval, published)
    score = None
    if verdict in SCORED and isinstance(answer, Predicted):
        score = log_score(mixture(answer, published.noise), published)
    return Entry(
        id=case.id,
        lever=case.lever,
        published=(published.low, published.high),
        predicted=predicted,
        interval=interval,
        verdict=verdict,
        why=_why(case, verdict, empty),
        reading=case.reading,
        patch=case.patch,
        group=case.group,
        kind=case.kind,
        scenario=case.scenario,
        population=case.population,
        parameters=case.parameters,
        model_interval=model,
        limits=limits,
        noise=published.noise,
        score=score,
    )


def mixture(answer: Predicted, noise: float) -> Mixture:
    """Return the distribution of the number that is published: draws, model error and noise."""
    use = answer.weights > 0.0
    values = np.log1p(answer.gains[use])
    return Mixture(values, answer.weights[use], math.hypot(noise, answer.error))


def _verdict(
    case: Case, interval: tuple[float, float] | None, published: Published
) -> tuple[Verdict, str]:
    """Return the verdict, and why an interval decides nothing."""
    if case.lever == "none":
        return "no lever", ""
    if case.undecidable or interval is None:
        return "undecidable", ""
    if case.aside:
        return "aside", ""
    verdict = verdict_of(interval, published)
    bound = published.low is None or published.high is None
    if verdict == "inside" and vacuous(interval) and not bound:
        return "undecidable", (
            "inside, but the facts before the change leave too wide an interval to tell"
        )
    return verdict, ""


def verdict_of(interval: tuple[float, float], published: Published) -> Verdict:
    """Return whether a published range and the interval of its prediction meet."""
    low, high = interval
    top = np.inf if published.high is None else published.high
    bottom = -np.inf if published.low is None else published.low
    return "inside" if low <= top and bottom <= high else "outside"


def vacuous(interval: tuple[float, float]) -> bool:
    """Return whether an interval is so wide that lying inside it says nothing."""
    low, high = interval
    return 1.0 + high > VACUOUS * (1.0 + low)


_Ends = tuple[float, float]


def _numbers(
    case: Case, answer: Predicted | Limits, published: Published
) -> tuple[float | None, _Ends | None, _Ends | None, tuple[float | None, float | None] | None]:
    """Return median, interval of the measurement, interval of the model, and limits."""
    if isinstance(answer, Limits):
        return None, None, None, (answer.low, answer.high)
    if effective(answer.weights) < FEWEST:
        raise NotTrustworthyError(
            f"back-test: of {case.name} only {effective(answer.weights):.0f} draws agree with the "
            f"facts before the change, fewer than {FEWEST}; its scenario does not fit the machine"
        )
    low, high = mixture(answer, published.noise).ends(LEVEL)
    return (
        quantile(answer.gains, answer.weights, 0.5),
        (math.expm1(low), math.expm1(high)),
        span(answer.gains, answer.weights, LEVEL),
        None,
    )


def _why(case: Case, verdict: Verdict, empty: str) -> str:
    parts = [case.reasoning]
    if verdict == "undecidable":
        parts.append(case.undecidable or empty)
    if verdict == "aside":
        parts.append(case.aside)
    if verdict == "outside":
        parts.append(f"missed: {case.if_outside or 'not explained'}")
    return "; ".join(part for part in parts if part)


def _with_columns(one: _Worked, rows: Sequence[beside.Row], gains: dict[str, float]) -> Entry:
    """Return an entry with the other predictions of the same row, if it is scored."""
    entry = one.entry
    assert entry is not None
    if entry.score is None or not one.points:
        return entry
    published = Published(*entry.published, entry.noise)
    return replace(entry, columns=beside.of(entry.patch, published, one.points, rows, gains))


def patches_of(entries: Iterable[Entry]) -> tuple[Patch, ...]:
    """Return the patches of all entries, each once."""
    grouped: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        grouped.setdefault((entry.group, entry.patch), []).append(entry)
    return tuple(_patch(group, name, rows) for (group, name), rows in grouped.items())


def _patch(group: str, name: str, rows: Sequence[Entry]) -> Patch:
    counted = [row for row in rows if row.verdict in SCORED]
    verdict: Verdict = "no lever" if rows[0].verdict == "no lever" else "undecidable"
    if counted:
        verdict = "inside" if all(row.verdict == "inside" for row in counted) else "outside"
    scores = [row.score for row in counted if row.score is not None]
    columns: dict[str, float] = {}
    for column in beside.names(counted):
        own = [row.columns[column].score for row in counted if row.columns]
        columns[column] = float(np.mean([score for score in own if score is not None]))
    return Patch(
        name=name,
        group=group,
        rows=tuple(row.name for row in counted or rows),
        verdict=verdict,
        score=float(np.mean(scores)) if scores else None,
        columns=columns,
    )
