"""Run the cases: predict with all results hidden but those named, then compare.

The verdict: *inside* if the published number, anywhere in the range that its rounding leaves open,
lies in the 90 % interval of the prediction, which is that of a measurement: the model's parameters
and the noise of two runs; else *outside*. A lower bound is inside if the interval reaches it. A
case whose lever has an unknown strength is *undecidable*, whatever its numbers are. So is one
inside an interval whose ends differ by more than a factor of `VACUOUS` in throughput: nothing
could have been outside. A miss stays a miss however wide its interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from lockmodel.errors import ArgumentError, NotTrustworthyError, nearest
from lockmodel.evaluate.backtest import (
    batching,
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
    Predicted,
    Verdict,
)
from lockmodel.evaluate.backtest.draws import Hypercube, effective, noisy, quantile, span
from lockmodel.evaluate.backtest.evidence import Context, Evidence, Published, load
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
        Records to predict; all when empty.
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
    wanted = [i for i, case in enumerate(every) if not ids or case.id in ids]
    count = min(workers or min(cpus(), MOST_WORKERS), len(wanted) // FEWEST_CASES)
    with ordered(partial(_judged, evidence), wanted, count) as results:
        entries = tuple(progress(results, len(wanted), "cases"))
    return Backtest(entries, Hypercube().count, Hypercube().seed)


def _judged(evidence: Evidence, index: int) -> Entry:
    """Return the entry of a case by its number: cases hold functions, which do not travel."""
    return judge(all_cases()[index], evidence, Hypercube())


def judge(case: Case, evidence: Evidence, draws: Hypercube) -> Entry:
    """Return the entry of one case; its prediction sees the results that it names only."""
    answer = case.predict(Context(evidence.seeing(*case.parameters_from), draws))
    published = case.result(Context(evidence, draws))
    predicted, interval, model, limits = _numbers(case, answer, published)
    verdict: Verdict = "undecidable"
    empty = ""
    if not case.undecidable and interval is not None:
        verdict = verdict_of(interval, published)
        if verdict == "inside" and vacuous(interval):
            verdict = "undecidable"
            empty = "inside, but the facts before the change leave too wide an interval to tell"
    return Entry(
        id=case.id,
        lever=case.lever,
        published=(published.low, published.high),
        predicted=predicted,
        interval=interval,
        verdict=verdict,
        why=_why(case, verdict, empty),
        reading=case.reading,
        group=case.group,
        kind=case.kind,
        scenario=case.scenario,
        population=case.population,
        parameters_from=case.parameters_from,
        parameters=case.parameters,
        model_interval=model,
        limits=limits,
        noise=published.noise,
    )


def verdict_of(interval: tuple[float, float], published: Published) -> Verdict:
    """Return whether a published range and the interval of its prediction meet."""
    low, high = interval
    top = np.inf if published.high is None else published.high
    return "inside" if low <= top and published.low <= high else "outside"


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
    measured = noisy(answer.gains, answer.weights, published.noise)
    return (
        quantile(answer.gains, answer.weights, 0.5),
        span(*measured, LEVEL),
        span(answer.gains, answer.weights, LEVEL),
        None,
    )


def _why(case: Case, verdict: Verdict, empty: str) -> str:
    parts = [case.reasoning]
    if verdict == "undecidable":
        parts.append(case.undecidable or empty)
    if verdict == "outside":
        parts.append(f"missed: {case.if_outside or 'not explained'}")
    return "; ".join(part for part in parts if part)
