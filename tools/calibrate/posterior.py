"""What published figures of a machine add to what counts and latencies say of it.

A scenario from counts brings a normal prior on the logarithms of everything that was not measured
(`measure.acquires.from_counts`). Its most likely values under that prior and some published figures
are found by least squares, and the curvature there is the distribution that is left (Laplace).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from common import FILES, ROOT, four
from msgspec.structs import replace
from scipy.optimize import least_squares

from lockmodel.changes.lever import Lever, apply_all
from lockmodel.fitting import parameters as ps
from lockmodel.measure.acquires.from_counts import HIDDEN, HIDDEN_LINES, LEVEL, NORMAL
from lockmodel.model.fit_table import BY_COUNTS, Fit, FittedData, FittedParameter
from lockmodel.model.scenario import LINES, Scenario
from lockmodel.solvers.solve import points

NOISE = 0.02
"""Standard deviation of ln throughput from run to run: what the test robot prints for its own."""

MODEL = 0.045
"""The same between model and truth: what the curve of the 8369B misses its own fit by, beyond the
noise, with three unknowns for eight points."""

ODDS = 0.3
"""Standard deviation of the logarithm of the odds of waiting: a profile counts osq_lock alone, some
waiters sleep."""

LEARNT = 0.7
"""Share of a prior's standard deviation below which figures count as having determined a value."""

Kind = Literal["throughput", "waiting", "gain"]


@dataclass(frozen=True)
class Figure:
    """A published number.

    Attributes
    ----------
    kind : {'throughput', 'waiting', 'gain'}
        Iterations per second; share of all CPU time that waits; throughput after `levers` over that
        before.
    n : int
    value : float
    levers : tuple of Lever
        Changes that the number is with.
    """

    kind: Kind
    n: int
    value: float
    levers: tuple[Lever, ...] = ()

    @property
    def sd(self) -> float:
        """Standard deviation of its logarithm (of the odds of waiting)."""
        if self.kind == "waiting":
            return ODDS
        return float(np.hypot(NOISE, MODEL if self.kind == "throughput" else NOISE))

    def off(self, scenario: Scenario) -> float:
        """Return what a scenario misses it by, in standard deviations."""
        after = apply_all(scenario, self.levers)
        (point,) = points(after, [self.n], "product-form")
        if self.kind == "waiting":
            share = sum(point.locks[name].cycles_share for name in FILES if name in point.locks)
            found = np.log(share / (1.0 - share)) - np.log(self.value / (1.0 - self.value))
        elif self.kind == "gain":
            (now,) = points(scenario, [self.n], "product-form")
            found = np.log(point.throughput_per_s / now.throughput_per_s / self.value)
        else:
            found = np.log(point.throughput_per_s / self.value)
        return float(found / self.sd)


def posterior(
    prior: Scenario,
    figures: Sequence[Figure],
    file: str,
    more: dict[str, tuple[float, float]] | None = None,
) -> Scenario:
    """Return the scenario at the most likely values, with what is left open as its fit.

    Parameters
    ----------
    prior : Scenario
        From counts.
    figures : sequence of Figure
    file : str
        In data/published, where they are from.
    more : dict, optional
        Parameter -> (median, standard deviation of its logarithm): unknowns the prior has not.
    """
    assert prior.fit is not None
    known, extra = prior.fit.parameters, more or {}
    parameters = [ps.parse(name, prior) for name in (*(p.name for p in known), *extra)]
    middle = np.log([*(p.value for p in known), *(median for median, _ in extra.values())])
    covariance = np.zeros((middle.size, middle.size))
    covariance[: len(known), : len(known)] = [p.covariance for p in known]
    for k, (_, sd) in enumerate(extra.values(), len(known)):
        covariance[k, k] = sd**2
    values, vectors = np.linalg.eigh(covariance)  # think and held work share one time: singular
    kept = values > 1e-12 * values.max()
    root = vectors[:, kept] * np.sqrt(values[kept])

    def at(z: np.ndarray) -> Scenario:
        logs = middle + root @ z
        found = {p.name: float(np.exp(v)) for p, v in zip(parameters, logs, strict=True)}
        return ps.apply(prior, parameters, found)

    def residuals(z: np.ndarray) -> np.ndarray:
        here = at(z)
        return np.array([*(figure.off(here) for figure in figures), *z])

    start = np.zeros(int(kept.sum()))
    found = least_squares(residuals, start, xtol=1e-10, ftol=1e-12, gtol=1e-10, diff_step=1e-5)
    if not found.success:
        raise SystemExit(f"calibration of {prior.name} did not converge: {found.message}")
    left = root @ np.linalg.inv(found.jac.T @ found.jac) @ root.T
    best = rounded(at(found.x))
    moved = dict(zip((p.name for p in parameters), root @ found.x, strict=True))
    before = np.sqrt(np.diag(covariance))
    fit = _fit(best, parameters, left, before, moved[HIDDEN_LINES], figures, file)
    return replace(best, fit=fit)


def _fit(
    best: Scenario,
    parameters: Sequence[ps.Parameter],
    covariance: np.ndarray,
    before: np.ndarray,
    hidden: float,
    figures: Sequence[Figure],
    file: str,
) -> Fit:
    """Return the [fit] table of a calibrated scenario."""
    known = best.fit
    assert known is not None
    assert known.level == LEVEL
    made = []
    for k, parameter in enumerate(parameters):
        value, sd = ps.read(best, parameter), float(np.sqrt(covariance[k, k]))
        learnt = bool(sd < LEARNT * before[k])
        low, high = value * np.exp(-NORMAL * sd), value * np.exp(NORMAL * sd)
        if parameter.name == HIDDEN_LINES:  # uniform: nothing beyond its ends
            low, high = np.exp(-HIDDEN / 2.0 - hidden), np.exp(HIDDEN / 2.0 - hidden)
        made.append(
            FittedParameter(
                name=parameter.name,
                unit=parameter.unit,
                value=value,
                low=four(low),
                high=four(high),
                determined=learnt,
                given="" if learnt or parameter.name == HIDDEN_LINES else BY_COUNTS,
                covariance=tuple(float(f"{v:.3g}") for v in covariance[k]),
            )
        )
    content = (ROOT / "data/published" / file).read_bytes()
    data = FittedData(
        file=file, sha256=hashlib.sha256(content).hexdigest(), observations=len(figures)
    )
    return replace(known, parameters=tuple(made), data=(data,), noise=NOISE, model_error=MODEL)


def rounded(scenario: Scenario) -> Scenario:
    """Return a scenario with no more digits than anything is known to."""
    machine = replace(scenario.machine, line_overlap=four(scenario.machine.line_overlap))
    times = ("time_per_instruction_local", "time_per_instruction_remote", "handoff_lines")
    locks = tuple(
        replace(lock, **{key: four(getattr(lock, key)) for key in times}) for lock in scenario.locks
    )
    sites = tuple(
        replace(site, **{key: round(getattr(site, key), 2) for key in LINES})
        for site in scenario.sites
    )
    return replace(
        scenario,
        machine=machine,
        think=four(scenario.think),
        think_remote=four(scenario.think_remote),
        locks=locks,
        sites=sites,
    )


def misses(scenario: Scenario, figures: Sequence[Figure]) -> str:
    """Return what the scenario misses each figure by, for its provenance."""
    said = []
    for figure in figures:
        off = figure.off(scenario) * figure.sd
        what = {"throughput": "", "waiting": "odds of waiting ", "gain": "gain factor "}
        said.append(f"{what[figure.kind]}{figure.n}: {off:+.1%}")
    return ", ".join(said)
