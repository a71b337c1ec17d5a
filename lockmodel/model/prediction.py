"""What every solver returns: throughput and what each lock contributes, per population."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

SCHEMA = "lockmodel.prediction/1"

Interval = tuple[float, float]
"""Low and high end."""

FIT_KEYS = frozenset(
    {"fit", "interval_per_s", "gain_interval", "gain_intervals", "best_in", "regret", "classes"}
)
"""Keys that only a scenario with a fit gives a JSON report, or one with several classes."""


def plain(value: Any) -> Any:
    """Return JSON-ready data without the keys of `FIT_KEYS` that hold None: there is no fit."""
    if isinstance(value, dict):
        return {
            key: plain(item)
            for key, item in value.items()
            if not (item is None and key in FIT_KEYS)
        }
    return type(value)(map(plain, value)) if isinstance(value, list | tuple) else value


@dataclass(frozen=True)
class Basis:
    """What intervals rest on.

    Attributes
    ----------
    level : float
        Share of cases that an interval is to hold.
    parameters, observations : int
        What the fit estimated, and from how many numbers.
    draws : int
        From the distribution of the estimates.
    flags : tuple of str
        What is not well with the fit.
    undetermined : tuple of str
        Parameters that the data do not determine.
    """

    level: float
    parameters: int
    observations: int
    draws: int
    flags: tuple[str, ...]
    undetermined: tuple[str, ...]


@dataclass(frozen=True)
class LockState:
    """One lock at one population.

    Attributes
    ----------
    utilisation : float
        Mean share of time that a shard is busy (held or passing on), in [0, 1].
    wait_s : float
        Seconds per iteration that a process waits for the lock, hand-offs included.
    wait_share : float
        `wait_s` as a share of the iteration.
    cycles_share : float
        Share of all busy CPU cycles that waiters spin away on this lock (perf's osq_lock).
    queue : float
        Mean number of processes at the lock, holding or waiting, over all shards.
    """

    utilisation: float
    wait_s: float
    wait_share: float
    cycles_share: float
    queue: float


@dataclass(frozen=True)
class ClassState:
    """One class of iterations at one population.

    Attributes
    ----------
    n : int
        Its processes.
    throughput_per_s : float
        Its iterations per second.
    iteration_s : float
        Seconds of one of them; 0 where it has no processes.
    wait_shares : dict of str to float
        Lock -> share of the time of its processes that they wait for it.
    half_width_per_s : float or None
        Half of the 95 % interval of a simulated throughput; else None.
    """

    n: int
    throughput_per_s: float
    iteration_s: float
    wait_shares: dict[str, float]
    half_width_per_s: float | None = None


@dataclass(frozen=True)
class Point:
    """The workload at one population.

    Attributes
    ----------
    n : int
        Population.
    throughput_per_s : float
        Iterations per second of the whole machine.
    iteration_s : float
        Seconds of one iteration of one process: n / throughput.
    locks : dict of str to LockState
    binding : str
        The station that limits throughput at saturation: a lock's name or "cpu".
    ceiling_per_s : float
        Ceiling at this population, in iterations per second.
    lower_per_s, upper_per_s : float
        What the method guarantees for throughput; equal to it when the method solves the model,
        the 95 % interval of a simulation.
    error_estimate : float or None
        Relative error of throughput against the scenario as stated; 0 when exact (rounding
        aside), None when it is not known.
    interval_per_s : (float, float) or None
        Of a measurement of throughput: parameter error, repeat noise and model error. None
        without a fit, and for bounds.
    classes : dict of str to ClassState, or None
        The classes, which add up to the whole; None without classes.
    """

    n: int
    throughput_per_s: float
    iteration_s: float
    locks: dict[str, LockState]
    binding: str
    ceiling_per_s: float
    lower_per_s: float
    upper_per_s: float
    error_estimate: float | None = None
    interval_per_s: Interval | None = None
    classes: dict[str, ClassState] | None = None


@dataclass(frozen=True)
class Ceiling:
    """Where throughput ends.

    Attributes
    ----------
    throughput_per_s : float
        Iterations per second that no population can exceed.
    binding : str
        The station that sets it.
    knee : float
        Population where the light-load and the ceiling asymptotes cross.
    interval_per_s : (float, float) or None
        From parameter error; None without a fit.
    """

    throughput_per_s: float
    binding: str
    knee: float
    interval_per_s: Interval | None = None


@dataclass(frozen=True)
class Prediction:
    """A solver's answer.

    Attributes
    ----------
    scenario, method : str
        Name of the scenario and of the solver.
    chosen_because : str
        Why this solver, when the choice was left to lockmodel; else empty.
    exact : bool
        Whether the points are the exact solution of the scenario as stated.
    assumptions : tuple of str
        What the method takes for granted.
    warnings : tuple of str
        Where the model or the method is weak for this question.
    error_estimate : float or None
        The largest of the points; None when one is not known.
    ceiling : Ceiling
    points : tuple of Point
    fit : Basis or None
        What the intervals rest on; None where there are none.
    """

    scenario: str
    method: str
    chosen_because: str
    exact: bool
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...]
    error_estimate: float | None
    ceiling: Ceiling
    points: tuple[Point, ...]
    fit: Basis | None = None

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict: times in s, rates per s, keys as documented.

        Without a fit the keys of `FIT_KEYS` are left out.
        """
        return {"schema": SCHEMA, **plain(asdict(self))}
