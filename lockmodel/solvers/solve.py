"""`solve` picks a solver, runs it, and says what its answer is worth; `points` only runs it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from lockmodel.errors import (
    ArgumentError,
    NotTrustworthyError,
    ScenarioError,
    nearest,
    shown,
)
from lockmodel.model.network import build, check_population
from lockmodel.model.prediction import Point
from lockmodel.model.scenario import Scenario, plain
from lockmodel.progress import Progress, Stop, never, quietly, until
from lockmodel.solvers.closed_form import bounds_point, product_form_points
from lockmodel.solvers.validity import approximations
from lockmodel.solvers.walked import without_walkers

METHODS = ("auto", "bounds", "product-form", "markov", "simulation")

MAX_ERROR = 0.2
"""Relative error that 'auto' accepts of product form before it takes a dearer solver."""

PRECISION = 0.005
"""Relative half-width of simulated points, or half of the error accepted if that is less."""

SMALL_CHAIN = 2**26
"""Bytes of the largest Markov chain that 'auto' builds (64 MiB: some 100,000 states, a second)."""

SURE = 1e-6
"""Largest error of a chain's solution that still counts as its exact solution."""

MODEL_ASSUMPTIONS = (
    "one lock at a time; what happens next does not depend on the past",
    "waiters spin, each on its own CPU; nobody sleeps or is preempted",
)
PRODUCT_FORM_ASSUMPTIONS = (
    "every acquire holds its lock for an exponential time with the lock's mean",
    "the rate of a lock depends only on how many processes are at it: a pass with n there "
    "costs the hand-off for n - 1 waiters, none when nobody waits",
    *MODEL_ASSUMPTIONS,
)
CLASS_ASSUMPTIONS = (
    *PRODUCT_FORM_ASSUMPTIONS,
    "a lock serves all classes alike; the processes of a class are spread over the machine as all "
    "processes are",
)
BOUNDS_ASSUMPTIONS = (
    "throughput_per_s is the upper bound; the truth lies between lower_per_s and upper_per_s",
    "where product form is not exact the bounds hold for any hold times, distances and order of "
    "service: lines as near, and as far, as they can be, so they are wide",
    *MODEL_ASSUMPTIONS,
)

FITTED = (
    "the times were fitted with it and take up its error: another method would contradict what was "
    "measured"
)
MIXED = "locks divide the processes among their shards in different ways: only simulation can do it"
NO_INTERVALS = (
    "no intervals from the fit: they are of product form, which has no answer where locks divide "
    "the processes among their shards in different ways"
)
UNFINISHED = "stopped after n = {n}: the other populations were not {done}"


def solver_name(method: str, scenarios: Sequence[Scenario] = (), most: int = 1) -> str:
    """Return the solver that a method means where several scenarios are compared.

    'auto' is product form there, as its error is nearly the same before and after; simulation
    where product form has no answer for one of them.

    Parameters
    ----------
    method : str
    scenarios : sequence of Scenario
    most : int
        The largest population asked.
    """
    if method != "auto":
        return method
    beyond = any(mixed(each, [most]) or _kinds_beyond(each, most) for each in scenarios)
    return "simulation" if beyond else "product-form"


def _kinds_beyond(scenario: Scenario, most: int) -> bool:
    """Return whether the processes of several classes keep too many shards for product form."""
    if len(scenario.classes) < 2:
        return False
    from lockmodel.solvers.class_points import kinds_beyond

    return kinds_beyond(scenario, most)


def mixed(scenario: Scenario, populations: Sequence[int]) -> bool:
    """Return whether locks divide so many processes in different ways that product form ends.

    Few are solved exactly, as a class per combination of shards. More processes only make more of
    them meet.
    """
    scenario = plain(scenario)
    if scenario.classes:
        return False
    kept = {(k.shards, k.shard_by) for k in scenario.locks if k.keeps_shard}
    most = max(populations)
    if len(kept) <= 1 or not build(scenario, most, stations_only=False).mixed:
        return False
    from lockmodel.solvers.class_points import kinds_solvable

    return not kinds_solvable(without_walkers(scenario), most)


@dataclass(frozen=True)
class Answer:
    """What one method says: points, and what they are worth.

    Attributes
    ----------
    method : str
    points : tuple of Point
    exact : bool
        Whether they are the exact solution of the scenario as stated.
    assumptions, warnings : tuple of str
    chosen_because : str
        Why 'auto' took this method; "" where it was asked for.
    """

    method: str
    points: tuple[Point, ...]
    exact: bool
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...]
    chosen_because: str = ""

    @property
    def error(self) -> float | None:
        """Largest error estimate of the points; None when one is not known."""
        known = [p.error_estimate for p in self.points if p.error_estimate is not None]
        return max(known) if len(known) == len(self.points) else None


def _check(populations: Sequence[int], method: str, max_error: float) -> tuple[int, ...]:
    if method not in METHODS:
        raise ArgumentError(f"method = {method!r}; {nearest(method, list(METHODS))}")
    if not populations:
        raise ArgumentError("no population is given; give at least one, e.g. 1..128")
    if not 1e-4 <= max_error <= 1.0:
        raise ArgumentError(
            f"max_error = {shown(max_error)} must lie between 0.0001 and 1: it is the relative "
            f"error of throughput that is accepted"
        )
    return tuple(check_population(n) for n in populations)


def points(
    scenario: Scenario,
    populations: Sequence[int],
    method: str = "auto",
    progress: Progress = quietly,
) -> tuple[Point, ...]:
    """Solve a scenario at some populations, without the verdict on the method (see `solve`).

    Parameters
    ----------
    scenario : Scenario
    populations : sequence of int
        At least one.
    method : str
        One of `METHODS`; 'auto' is product form, or simulation where that has no answer.
    progress : callable
        Wraps the loop over populations where each is a network of its own.

    Returns
    -------
    tuple of Point
        One per population, in the order given.

    Raises
    ------
    ArgumentError, NotTrustworthyError
        As `solve`.
    """
    asked, scenario = _check(populations, method, MAX_ERROR), plain(scenario)
    if scenario.classes:
        return solve_several(scenario, asked, method, progress, MAX_ERROR, never).points
    if method == "bounds":
        return tuple(bounds_point(scenario, n) for n in asked)
    if method == "markov":
        return _markov(scenario, asked, progress).points
    if solver_name(method, [scenario], max(asked)) == "simulation":
        return _simulation(scenario, asked, progress, PRECISION, never).points
    return product_form_points(scenario, asked, progress)


def solve(
    scenario: Scenario,
    populations: Sequence[int],
    method: str = "auto",
    progress: Progress = quietly,
    max_error: float = MAX_ERROR,
    stop: Stop = never,
) -> Answer:
    """Solve a scenario at some populations and say what the answer is worth.

    Parameters
    ----------
    scenario : Scenario
    populations : sequence of int
        At least one.
    method : str
        One of `METHODS`. 'auto' is the solver of the fit where the times were fitted, else product
        form where it is exact or its estimated error is accepted, else a Markov chain if a small
        one is exact, else simulation.
    progress : callable
        See `points`.
    max_error : float
        Relative error that 'auto' accepts, 0.0001 to 1; simulations aim at half of it, and at
        `PRECISION` or better.
    stop : callable
        Asked during simulations and between populations; once true they end with what they have.

    Raises
    ------
    ArgumentError
        Unknown method, no population, or one that is not a whole number in range.
    NotTrustworthyError
        The demands admit no reliable answer, or the method cannot represent the scenario.
    """
    asked, scenario = _check(populations, method, max_error), plain(scenario)
    if scenario.classes:
        return solve_several(scenario, asked, method, progress, max_error, stop)
    if method == "bounds":
        return _bounds(scenario, asked)
    if method == "product-form":
        return _product_form(scenario, asked, until(progress, stop))
    if method == "markov":
        return _markov(scenario, asked, progress)
    if method == "simulation":
        return _simulation(scenario, asked, progress, min(PRECISION, max_error / 2), stop)
    return _cheapest(scenario, asked, progress, max_error, stop)


def solve_several(
    scenario: Scenario,
    asked: tuple[int, ...],
    method: str,
    progress: Progress,
    max_error: float,
    stop: Stop,
) -> Answer:
    """Return the answer of a method for several classes; arguments as of `solve`."""
    if method in ("bounds", "markov"):
        raise ArgumentError(
            f"method = {method!r} has no answer for the {len(scenario.classes)} classes of "
            f"{scenario.name!r}; take product-form or simulation"
        )
    precision = min(PRECISION, max_error / 2)
    if method == "simulation":
        return _simulation(scenario, asked, progress, precision, stop)
    try:
        first = _classes(scenario, asked, until(progress, stop))
    except (NotTrustworthyError, ScenarioError) as refused:
        if method != "auto":
            raise
        simulated = _simulation(scenario, asked, progress, precision, stop)
        return replace(simulated, chosen_because=f"product form refuses: {refused}")
    if method != "auto":
        return first
    if first.exact:
        return replace(first, chosen_because="product form is exact for this scenario")
    if first.error is not None and first.error <= max_error:
        why = f"its estimated error is within the {max_error:.2g} accepted"
        return replace(first, chosen_because=why)
    off = "not known" if first.error is None else f"up to {first.error:.2g}"
    simulated = _simulation(scenario, asked, progress, precision, stop)
    why = f"product form's error is {off} with several classes, {max_error:.2g} is accepted"
    return replace(simulated, chosen_because=why)


def _classes(scenario: Scenario, asked: tuple[int, ...], progress: Progress) -> Answer:
    from lockmodel.solvers.class_points import class_points

    solved, gaps = class_points(scenario, asked, progress)
    if len(solved) < len(asked):
        gaps = (*gaps, UNFINISHED.format(n=solved[-1].n, done="solved"))
    return Answer("product-form", solved, not gaps, CLASS_ASSUMPTIONS, gaps)


def _bounds(scenario: Scenario, asked: tuple[int, ...]) -> Answer:
    solved = tuple(bounds_point(scenario, n) for n in asked)
    return Answer("bounds", solved, False, BOUNDS_ASSUMPTIONS, approximations(scenario, max(asked)))


def _product_form(scenario: Scenario, asked: tuple[int, ...], progress: Progress) -> Answer:
    solved = product_form_points(scenario, asked, progress)
    gaps = approximations(scenario, max(asked))
    exact = not gaps
    judged = judge(scenario, solved, exact)
    if len(solved) < len(asked):
        gaps = (*gaps, UNFINISHED.format(n=solved[-1].n, done="solved"))
    return Answer("product-form", judged, exact, PRODUCT_FORM_ASSUMPTIONS, gaps)


def judge(scenario: Scenario, solved: Sequence[Point], exact: bool) -> tuple[Point, ...]:
    """Return product form's points with their estimated errors, 0 where it is exact."""
    if exact:
        return tuple(replace(p, error_estimate=0.0) for p in solved)
    from lockmodel.solvers.error_map import estimate

    errors = [estimate(scenario, build(scenario, p.n), p.throughput_per_s) for p in solved]
    return tuple(replace(p, error_estimate=e) for p, e in zip(solved, errors, strict=True))


def _markov(
    scenario: Scenario, asked: tuple[int, ...], progress: Progress, memory: int | None = None
) -> Answer:
    from lockmodel.solvers.markov import points as chains

    solved = tuple(
        chains.point(scenario, n, memory) for n in progress(asked, len(asked), "populations")
    )
    gaps = chains.approximations(scenario, max(asked))
    sure = all(p.error_estimate is not None and p.error_estimate <= SURE for p in solved)
    return Answer("markov", solved, sure and not gaps, chains.assumptions(scenario), gaps)


def simulate_first(
    scenarios: Sequence[Scenario], populations: Sequence[int], method: str, stop: Stop
) -> tuple[int, ...]:
    """Simulate scenarios that are to be compared, one population after the other.

    Parameters
    ----------
    scenarios : sequence of Scenario
    populations : sequence of int
    method : str
        Nothing is done unless it is 'simulation'.
    stop : callable
        Asked during simulations.

    Returns
    -------
    tuple of int
        The populations at which all scenarios are simulated precisely: `points` has them at once.

    Raises
    ------
    NotTrustworthyError
        It was stopped before the first population.
    """
    if method != "simulation":
        return tuple(populations)
    from lockmodel.solvers.simulation.simulate import simulated

    finished: list[int] = []
    for n in populations:
        for scenario in scenarios:
            try:
                reached = simulated(scenario, n, PRECISION, stop=stop).reached
            except NotTrustworthyError:
                if not (finished and stop()):
                    raise
                reached = False
            if not reached:
                break
        else:
            finished.append(n)
            continue
        break
    if not finished:
        raise NotTrustworthyError(
            f"stopped while it simulated n = {populations[0]}, before any population was known to "
            f"{PRECISION:g} both before and after: raise --time-limit, or ask for fewer processes"
        )
    return tuple(finished)


def _simulation(
    scenario: Scenario, asked: tuple[int, ...], progress: Progress, precision: float, stop: Stop
) -> Answer:
    from lockmodel.solvers.simulation import simulate as simulator

    runs = simulator.simulate_each(scenario, asked, precision, stop=stop, progress=progress)
    return Answer(
        "simulation",
        tuple(simulator.point(scenario, run) for run in runs),
        False,
        simulator.assumptions(scenario),
        (
            *dict.fromkeys(warning for run in runs for warning in run.warnings),
            *(
                [UNFINISHED.format(n=runs[-1].n, done="simulated")]
                if len(runs) < len(asked)
                else []
            ),
        ),
    )


def _cheapest(
    scenario: Scenario, asked: tuple[int, ...], progress: Progress, max_error: float, stop: Stop
) -> Answer:
    """Return the answer of the cheapest solver whose error is accepted, and why it is that one."""
    if mixed(scenario, asked):
        simulated = _simulation(scenario, asked, progress, min(PRECISION, max_error / 2), stop)
        return replace(simulated, chosen_because=MIXED)
    first = _product_form(scenario, asked, until(progress, stop))
    if first.exact:
        return replace(first, chosen_because="product form is exact for this scenario")
    if first.error is not None and first.error <= max_error:
        why = f"its estimated error is within the {max_error:.2g} accepted"
        return replace(first, chosen_because=why)
    if scenario.fit is not None and scenario.fit.method == first.method:
        return replace(first, chosen_because=FITTED)
    off = "not known" if first.error is None else f"up to {first.error:.2g}"
    why = f"product form's error is {off} here, {max_error:.2g} is accepted"
    from lockmodel.solvers.markov import points as chains

    if not chains.approximations(scenario, max(asked)) and chains.refusal(scenario) is None:
        # too large, or its constant times end together: simulation can do both
        with suppress(NotTrustworthyError):
            small = _markov(scenario, asked, progress, SMALL_CHAIN)
            return replace(small, chosen_because=f"{why}; a small chain is exact")
    if stop():
        return replace(first, chosen_because=f"{why}, but there was no time for another method")
    try:
        simulated = _simulation(scenario, asked, progress, min(PRECISION, max_error / 2), stop)
    except NotTrustworthyError as refused:
        if stop():
            raise
        said = (*first.warnings, f"its error is {off}, and simulation refuses: {refused}")
        return replace(first, warnings=said, chosen_because=f"{why}, but simulation refuses")
    return replace(simulated, chosen_because=f"{why}; no small chain is exact")
