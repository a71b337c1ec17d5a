"""Run the cases and compare: exact answers to 1e-9, simulations by their 99 % intervals.

Intervals miss the truth once in a hundred: with k of them, as many misses are allowed as k fair
intervals would exceed with a probability of 1 in 1000 only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from lockmodel.errors import NotTrustworthyError
from lockmodel.evaluate.verify.cases import SolverCase, cases
from lockmodel.model.prediction import Point
from lockmodel.model.scenario import Scenario
from lockmodel.progress import Progress, quietly
from lockmodel.solvers.markov import points as chains
from lockmodel.solvers.solve import SMALL_CHAIN, solve

SCHEMA = "lockmodel.verify/1"

ROUNDING = 1e-9
"""Relative difference that two exact answers may have."""

CONFIDENCE = 0.99
FALSE_ALARM = 1e-3

FARTHEST = 2.0
"""Units beyond which no miss is by chance: 5.9 standard errors (t, 15 degrees: 1 in 30,000)."""

QUICK_ERROR, FULL_ERROR = 0.01, 0.002
"""Errors that simulations are run for: half of it is the half-width of their interval."""

WIDENING = 2.946713 / 2.131450
"""From the 95 % interval of 16 replications to the 99 % one (Student's t, 15 degrees)."""


@dataclass(frozen=True)
class Comparison:
    """Two answers to one question.

    Attributes
    ----------
    case : str
    n : int
        Population.
    quantity : str
        "throughput" in iterations per second, or "wait NAME" in seconds per iteration.
    reference, solver : str
        Which answers are compared.
    expected, answer : float
    error : float
        What they may differ by, same unit.
    random : bool
        Whether the error is an interval, which may miss.
    """

    case: str
    n: int
    quantity: str
    reference: str
    solver: str
    expected: float
    answer: float
    error: float
    random: bool

    @property
    def units(self) -> float:
        """Difference in units of the error."""
        difference = abs(self.answer - self.expected)
        if difference == 0.0:
            return 0.0
        return difference / self.error if self.error else math.inf

    @property
    def agrees(self) -> bool:
        """Whether the difference is within the error."""
        return self.units <= 1.0

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict; `answer` is "found" there."""
        fields = {"found" if key == "answer" else key: v for key, v in asdict(self).items()}
        units = self.units if math.isfinite(self.units) else None
        return {**fields, "units": units, "agrees": self.agrees}


@dataclass(frozen=True)
class Agreement:
    """All comparisons and the verdict.

    Attributes
    ----------
    comparisons : tuple of Comparison
    intervals, missed, allowed : int
        How many are by intervals, how many of those miss, and how many may.
    agrees : bool
    """

    comparisons: tuple[Comparison, ...]
    intervals: int
    missed: int
    allowed: int
    agrees: bool

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict."""
        rows = [c.to_json() for c in self.comparisons]
        return {"schema": SCHEMA, **asdict(self), "comparisons": rows}


def allowed_misses(intervals: int) -> int:
    """Return how many of so many 99 % intervals may miss before something is wrong.

    The smallest a with P(Binomial(intervals, 0.01) > a) below `FALSE_ALARM`.
    """
    miss = 1.0 - CONFIDENCE
    upto, a = 0.0, -1
    while 1.0 - upto >= FALSE_ALARM and a < intervals:
        a += 1
        upto += math.comb(intervals, a) * miss**a * (1.0 - miss) ** (intervals - a)
    return max(a, 0)


def judge(comparisons: Sequence[Comparison]) -> Agreement:
    """Return the verdict: exact answers agree, intervals miss seldom and never by far."""
    random = [c for c in comparisons if c.random]
    missed = sum(not c.agrees for c in random)
    allowed = allowed_misses(len(random))
    certain = all(c.units <= (FARTHEST if c.random else 1.0) for c in comparisons)
    return Agreement(
        tuple(comparisons), len(random), missed, allowed, certain and missed <= allowed
    )


def verify(full: bool = False, progress: Progress = quietly) -> Agreement:
    """Run every case through its solvers and compare.

    Parameters
    ----------
    full : bool
        More populations, five times finer simulations.
    progress : callable
        Wraps the loop over cases.

    Returns
    -------
    Agreement
    """
    listed = cases()
    made: list[Comparison] = []
    for case in progress(listed, len(listed), "cases"):
        for n in case.full if full else case.quick:
            made += compare(case, n, FULL_ERROR if full else QUICK_ERROR)
    return judge(made)


def compare(case: SolverCase, n: int, max_error: float = QUICK_ERROR) -> list[Comparison]:
    """Return the comparisons of one case at one population; simulations are run for an error."""
    reference, *others = case.solvers
    compared = partial(Comparison, case.name, n)
    expected = _answer(case.scenario, n, reference, max_error)
    stated = max(ROUNDING, expected.error_estimate or 0.0)
    here = expected.throughput_per_s
    points = {reference: expected}
    made = [
        compared(
            "throughput",
            "known",
            reference,
            value,
            here,
            max(case.known_error, stated) * value,
            random=False,
        )
        for known_n, value in case.known
        if known_n == n
    ]
    for solver in others:
        point = points[solver] = _answer(case.scenario, n, solver, max_error)
        random = solver == "simulation"
        x = point.throughput_per_s
        error = max(stated, point.error_estimate or 0.0) * x
        if random:
            error = _half(point) + stated * x
        made.append(compared("throughput", reference, solver, here, x, error, random))
        if random:
            continue
        for name, state in point.locks.items():
            wait = expected.locks[name].wait_s
            error = 10.0 * stated * max(wait, 1e-3 * expected.iteration_s)
            made.append(
                compared(f"wait {name}", reference, solver, wait, state.wait_s, error, random)
            )
    return made + _by_name(case, n, points)


def _by_name(case: SolverCase, n: int, points: dict[str, Point]) -> list[Comparison]:
    """Compare answers with the chain that follows every process by name, if there is one."""
    means = case.named(n) if case.named is not None else {}
    if not means:
        return []
    known = means["done"]
    made = []
    for solver, point in points.items():
        random = solver == "simulation"
        error = (point.error_estimate or 0.0) + ROUNDING
        allowed = _half(point) if random else error * known
        x = point.throughput_per_s
        made.append(
            Comparison(case.name, n, "throughput", "by name", solver, known, x, allowed, random)
        )
    return made


def _half(point: Point) -> float:
    """Return half of the 99 % interval of a simulated throughput."""
    return WIDENING * (point.upper_per_s - point.throughput_per_s)


def _answer(scenario: Scenario, n: int, solver: str, max_error: float) -> Point:
    return solve(scenario, [n], solver, max_error=max_error).points[0]


def verify_model(
    scenario: Scenario, populations: Sequence[int], full: bool = False, progress: Progress = quietly
) -> Agreement:
    """Compare the fast answers for one scenario with simulation, in units of their stated error.

    Parameters
    ----------
    scenario : Scenario
    populations : sequence of int
    full : bool
        Five times finer simulations.
    progress : callable
        Wraps the loop over populations.

    Returns
    -------
    Agreement
        Answers that state no error are left out: they promise nothing. Those of a solver that
        refuses the scenario too.
    """
    max_error = FULL_ERROR if full else QUICK_ERROR
    made: list[Comparison] = []
    for n in progress(list(populations), len(populations), "populations"):
        compared = partial(Comparison, scenario.name, n)
        simulated = _answer(scenario, n, "simulation", max_error)
        x = simulated.throughput_per_s
        half = _half(simulated)
        for solver in ("product-form", "markov"):
            try:
                if solver == "markov":
                    point = chains.point(scenario, n, SMALL_CHAIN)
                else:
                    point = _answer(scenario, n, solver, max_error)
            except NotTrustworthyError:
                continue
            if point.error_estimate is None:
                continue
            x_there = point.throughput_per_s
            error = half + point.error_estimate * x_there
            made.append(compared("throughput", "simulation", solver, x, x_there, error, True))
    return judge(made)
