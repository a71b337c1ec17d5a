"""Which measurement to make next: by how much each would narrow the interval of a prediction.

Linear Bayesian design (Chaloner & Verdinelli, Stat. Sci. 10 (1995) 273): at the present estimate a
measurement adds its standardised derivatives to the information, whatever it will read, and the
interval of a prediction is that of its gradient. A candidate enters as an observation with the
model's own value in a data set of its own, and is judged by what judges a fit: the same objective,
the same covariance, the same rule for when held work and hand-off are separated.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from lockmodel.answers.intervals import change_error
from lockmodel.answers.measurements import Candidate, candidates
from lockmodel.answers.ranking import rank
from lockmodel.changes.lever import Lever, named
from lockmodel.errors import ArgumentError, LockmodelError
from lockmodel.fitting import parameters as ps
from lockmodel.fitting import quantiles
from lockmodel.fitting.derivatives import central
from lockmodel.fitting.estimate import LEVEL, Estimate
from lockmodel.fitting.health import flags
from lockmodel.fitting.noise import degrees_of_freedom
from lockmodel.fitting.study import DataSet, Study, Unknown
from lockmodel.model.scenario import Scenario
from lockmodel.progress import Progress, quietly
from lockmodel.solvers.solve import points

SCHEMA = "lockmodel.design/1"

Log = Callable[[Scenario], float]
"""Scenario -> ln of what is predicted."""


@dataclass(frozen=True)
class RankedMeasurement:
    """What a candidate would do to the prediction.

    Attributes
    ----------
    name, how : str
    low, high : float
        The prediction's interval then.
    factor : float
        Width of the interval's logarithm then, as a share of the present one.
    separates : bool
        Whether it tells held work from hand-off where nothing did before.
    limit : bool
        Whether it is a kernel that nobody can build as such (`Lever.is_limit`).
    at : int or None
        Population of one more throughput of the same kernel; None for all else.
    """

    name: str
    how: str
    low: float
    high: float
    factor: float
    separates: bool
    limit: bool
    at: int | None = None


@dataclass(frozen=True)
class Design:
    """Candidates by how much they narrow the interval of a prediction.

    Attributes
    ----------
    scenario, predicted : str
        `predicted` is a lever's text or "throughput".
    n : int
        Population of the prediction.
    level : float
        Confidence of the intervals.
    value, low, high : float
        Prediction and its interval now: a gain (0.8 is +80 %), or iterations per second.
    candidates : tuple of RankedMeasurement
        Best first.
    left_out : tuple of str
        What was not tried, and why.
    flags : tuple of str
        Of the fit.
    """

    scenario: str
    predicted: str
    n: int
    level: float
    value: float
    low: float
    high: float
    candidates: tuple[RankedMeasurement, ...]
    left_out: tuple[str, ...]
    flags: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict: rates per s."""
        return {"schema": SCHEMA, **asdict(self)}


THROUGHPUT = "throughput"


def design(
    estimate: Estimate,
    lever: Lever | None,
    n: int,
    where: int = 0,
    level: float = LEVEL,
    progress: Progress = quietly,
) -> Design:
    """Return candidate measurements ranked by what they do for a prediction.

    Parameters
    ----------
    estimate : Estimate
    lever : Lever or None
        What the gain is predicted of; None predicts throughput.
    n : int
        Population of the prediction and of patched kernels.
    where : int
        Data set that the prediction is for, and beside which candidates are measured.
    level : float
        Confidence of the intervals.
    progress : callable
        Wraps the loop over candidates.

    Returns
    -------
    Design
        First order in the logarithms of 1 + gain, or of throughput.

    Raises
    ------
    ArgumentError
        The lever makes no sense for the scenario.
    """
    estimate = _at_final_noise(estimate)
    log = _goal(lever, n)
    middle, gradient = _gradient(estimate, where, log)
    own = _own_error(estimate.scenario(where), lever, n)
    now = _half_width(estimate, gradient, own, level)
    made = list(candidates(estimate, where, n))
    ranked: list[RankedMeasurement] = []
    left_out: list[str] = []
    for one in progress(made, len(made), "candidates"):
        try:
            then = measured(estimate, where, one)
        except LockmodelError as error:
            left_out.append(f"{one.name}: {error}")
            continue
        half = _half_width(then, gradient, own, level)
        low, high = _ends(lever, middle, half)
        factor = half / now if now > 0 else 1.0
        separates = bool(estimate.splits) and len(then.splits) < len(estimate.splits)
        ranked.append(
            RankedMeasurement(one.name, one.how, low, high, factor, separates, one.limit, one.at)
        )
    low, high = _ends(lever, middle, now)
    return Design(
        scenario=estimate.study.sets[where].stock.name,
        predicted=lever.text if lever else THROUGHPUT,
        n=n,
        level=level,
        value=math.exp(middle) - (1.0 if lever else 0.0),
        low=low,
        high=high,
        candidates=tuple(sorted(ranked, key=lambda r: round(r.factor, 3))),
        left_out=tuple(left_out),
        flags=flags(estimate),
    )


def _at_final_noise(estimate: Estimate) -> Estimate:
    """Return the estimate with its derivatives standardised by the noise it ended with.

    A fit stops when the noise has settled to a tenth of a per cent; the factors here compare
    more closely than that.
    """
    residuals, jacobian = estimate.objective.residuals(estimate.noise)(estimate.theta)
    minimum = replace(estimate.minimum, residuals=residuals, jacobian=jacobian)
    degrees = degrees_of_freedom(estimate.objective, minimum, estimate.noise)
    return replace(estimate, minimum=minimum, degrees=degrees)


def _goal(lever: Lever | None, n: int) -> Log:
    """Return ln(1 + gain) of a lever, or ln throughput, at population n."""

    def log_x(scenario: Scenario) -> float:
        return math.log(points(scenario, [n])[0].throughput_per_s)

    if lever is None:
        return log_x
    chosen = lever

    def log_gain(scenario: Scenario) -> float:
        with named([chosen]):
            return log_x(chosen.apply(scenario)) - log_x(scenario)

    return log_gain


def _gradient(estimate: Estimate, where: int, log: Log) -> tuple[float, np.ndarray]:
    """Return a prediction and its derivatives with respect to the unknowns."""

    def at(theta: np.ndarray) -> np.ndarray:
        return np.array([log(estimate.study.scenario(where, theta))])

    own = [index for index, _ in estimate.study.of(where)]
    return float(at(estimate.theta)[0]), central(at, estimate.theta, own, 1)[0]


def _own_error(scenario: Scenario, lever: Lever | None, n: int) -> float:
    """Return the standard deviation of a gain from product form itself: no measurement narrows it.

    Throughput has none: the fit takes it up.
    """
    return 0.0 if lever is None else change_error(scenario, lever.apply(scenario), n)[1]


def _half_width(estimate: Estimate, gradient: np.ndarray, own: float, level: float) -> float:
    variance = max(float(gradient @ estimate.covariance @ gradient), 0.0)
    return quantiles.student(level, estimate.degrees) * math.hypot(math.sqrt(variance), own)


def _ends(lever: Lever | None, middle: float, half: float) -> tuple[float, float]:
    less = 1.0 if lever else 0.0
    return math.exp(middle - half) - less, math.exp(min(middle + half, 600.0)) - less


def measured(estimate: Estimate, where: int, candidate: Candidate) -> Estimate:
    """Return the estimate that a candidate would lead to if it read what the model says.

    Parameters
    ----------
    estimate : Estimate
    where : int
        Data set beside which it is measured: its unknowns are the candidate's.
    candidate : Candidate

    Returns
    -------
    Estimate
        At the same values, with the covariance, splits and degrees of freedom of the larger data.
    """
    study = _beside(estimate.study, where, candidate.data)
    objective = estimate.objective.extended(study, candidate.rows)
    count, more = len(estimate.rows), len(candidate.rows)
    residuals, jacobian = objective.residuals(estimate.noise)(estimate.theta)
    minimum = replace(
        estimate.minimum,
        residuals=residuals,
        jacobian=jacobian,
        weights=np.insert(estimate.minimum.weights, count, np.ones(more)),
    )
    degrees = degrees_of_freedom(objective, minimum, estimate.noise)
    return replace(estimate, study=study, objective=objective, minimum=minimum, degrees=degrees)


def _beside(study: Study, where: int, data: DataSet) -> Study:
    """Return the study with one more data set that has the unknowns of set `where`."""
    new = len(study.sets)

    def member(unknown: Unknown) -> Unknown:
        own = [p for place, p in unknown.members if place == where]
        if not own or not ps.has(data.scenario, own[0].name):
            return unknown
        return replace(unknown, members=(*unknown.members, (new, own[0])))

    return Study((*study.sets, data), tuple(member(u) for u in study.unknowns))


def prediction(scenario: Scenario, n: int) -> Lever:
    """Return the lever whose gain is predicted when nobody says which: the best practical one."""
    for row in rank(scenario, n).levers:
        if not row.limit:
            return row.lever
    raise ArgumentError(f"scenario {scenario.name!r}: no lever applies; give --predict throughput")
