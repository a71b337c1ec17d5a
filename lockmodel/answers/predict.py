"""What throughput a scenario reaches, with its intervals: `predict`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from lockmodel.model.prediction import Ceiling, Prediction
from lockmodel.model.scenario import Scenario, plain
from lockmodel.progress import Progress, Stop, never, quietly
from lockmodel.solvers.bounds import ceiling, strict_ceiling
from lockmodel.solvers.solve import MAX_ERROR, NO_INTERVALS, Answer, mixed, solve
from lockmodel.solvers.throughput import throughput
from lockmodel.solvers.validity import caveats, contradiction

ROUNDING = 1e-9
"""Relative excess of a point over the ceiling that is put down to rounding."""


def predict(
    scenario: Scenario,
    populations: Sequence[int],
    method: str = "auto",
    progress: Progress = quietly,
    max_error: float = MAX_ERROR,
    stop: Stop = never,
) -> Prediction:
    """Predict a scenario at some populations and say what the answer is worth.

    Parameters
    ----------
    scenario : Scenario
    populations : sequence of int
        At least one.
    method, progress, max_error, stop
        See `solvers.solve.solve`.

    Returns
    -------
    Prediction
        With intervals if the scenario has a fit, except for bounds.

    Raises
    ------
    ArgumentError
        Unknown method, no population, or one that is not a whole number in range.
    ScenarioError
        A fitted parameter does not exist in the scenario.
    NotTrustworthyError
        The demands admit no reliable answer, or the method cannot represent the scenario.
    """
    scenario = plain(scenario)
    answer = solve(scenario, populations, method, progress, max_error, stop)
    if scenario.classes:
        return _of_classes(scenario, answer)
    bounded = method == "bounds"
    top = ceiling(scenario)
    highest = max(p.lower_per_s for p in answer.points)
    if not bounded and highest > top.throughput_per_s * (1 + ROUNDING):
        top = strict_ceiling(scenario, populations)
    points, basis = answer.points, None
    weak: tuple[str, ...] = ()
    if scenario.fit is not None and mixed(scenario, populations):
        weak = (NO_INTERVALS,)
    elif scenario.fit is not None and not bounded:
        from lockmodel.answers.intervals import weak_points, with_intervals

        points, top, basis = with_intervals(scenario, points, top, progress)
        weak = weak_points(scenario)
    said = (
        *_not_fitted(scenario, answer),
        *weak,
        *contradiction(scenario, top.throughput_per_s),
        *answer.warnings,
        *caveats(scenario, answer.points, bounded),
    )
    return replace(_predicted(scenario, answer, top, said), points=points, fit=basis)


def _of_classes(scenario: Scenario, answer: Answer) -> Prediction:
    """Return the prediction of a scenario of several classes."""
    from lockmodel.solvers.class_points import class_ceiling

    top = class_ceiling(scenario, answer.points)
    said = (
        *contradiction(scenario, top.throughput_per_s),
        *answer.warnings,
        *caveats(scenario, answer.points),
    )
    return _predicted(scenario, answer, top, said)


def _predicted(scenario: Scenario, answer: Answer, top: Ceiling, said: Sequence[str]) -> Prediction:
    """Return the prediction that a solver's answer makes, without the intervals of a fit."""
    return Prediction(
        scenario=scenario.name,
        method=answer.method,
        chosen_because=answer.chosen_because,
        exact=answer.exact,
        assumptions=answer.assumptions,
        warnings=tuple(dict.fromkeys(said)),
        error_estimate=answer.error,
        ceiling=top,
        points=answer.points,
    )


def _not_fitted(scenario: Scenario, answer: Answer) -> tuple[str, ...]:
    """Return the sentence on points of another solver than the fit's that differ from the fit."""
    fit = scenario.fit
    if fit is None or not fit.method or answer.method in (fit.method, "bounds"):
        return ()
    populations = [p.n for p in answer.points]
    if mixed(scenario, populations):
        return ()
    own = throughput(scenario, populations)
    off = [p.throughput_per_s / x - 1.0 for p, x in zip(answer.points, own, strict=True) if x > 0]
    if not off:
        return ()
    most = max(range(len(off)), key=lambda k: abs(off[k]))
    if abs(off[most]) <= math.hypot(fit.noise, fit.model_error):
        return ()
    side = f"{100 * abs(off[most]):.0f} % {'above' if off[most] > 0 else 'below'}"
    return (
        f"the times were fitted by {fit.method}: {answer.method} is {side} the fit at n = "
        f"{populations[most]}, and so contradicts what was measured; --method auto answers from "
        f"the fit",
    )
