"""Estimate -> what is saved: a scenario with its estimates and the [fit] table.

The table describes the distribution of the scenario's own numbers, from which predictions draw.
Time per held instruction is replaced by the demand of its lock there: held work and hand-off
may trade against each other by any factor, the demand that they add up to stays what was measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from lockmodel import __version__
from lockmodel.fitting import parameters as ps
from lockmodel.fitting import quantiles
from lockmodel.fitting.counted import with_counted
from lockmodel.fitting.derivatives import central
from lockmodel.fitting.estimate import LEVEL, Estimate
from lockmodel.fitting.health import flags
from lockmodel.fitting.parameters import Parameter
from lockmodel.fitting.profile import ParameterInterval
from lockmodel.model.fit_table import Fit, FittedData, FittedParameter
from lockmodel.model.scenario import Calibrated, Provenance, Scenario

LARGEST = 1e12
"""End of an interval that nothing bounds: TOML numbers are finite."""


def saved_parameters(estimate: Estimate, where: int) -> tuple[Parameter, ...]:
    """Return the parameters of one data set as they are saved."""
    made: dict[str, Parameter] = {}
    keys = {p.key for _, p in estimate.study.of(where)}
    passes = any(key.startswith("handoff") or key == "acquires" for key in keys)
    for _, p in estimate.study.of(where):
        key = p.key
        if key == "time_per_instruction_remote" and passes:
            key = "demand"
        if key == "handoff_instructions":
            key = "handoff"
        name = f"{p.lock}.{key}" if p.lock else key
        made[name] = Parameter(name, key, p.lock)
    return tuple(made.values())


def covariance_of(estimate: Estimate, where: int, saved: Sequence[Parameter]) -> np.ndarray:
    """Return the covariance of the logarithms of saved parameters, shape (saved, saved).

    First order: T C T' with T the derivatives of the saved values to the unknowns.
    """
    turned = _turned(estimate, where, saved)
    covariance: np.ndarray = turned @ estimate.measured_covariance @ turned.T
    symmetric: np.ndarray = 0.5 * (covariance + covariance.T)
    return symmetric


def _turned(estimate: Estimate, where: int, saved: Sequence[Parameter]) -> np.ndarray:
    """Return d ln saved / d ln unknowns, shape (saved, p)."""

    def at(theta: np.ndarray) -> np.ndarray:
        logs: np.ndarray = np.log(_values(estimate, where, theta, saved))
        return logs

    own = [index for index, _ in estimate.study.of(where)]
    return central(at, estimate.theta, own, len(saved))


def _values(
    estimate: Estimate, where: int, theta: np.ndarray, saved: Sequence[Parameter]
) -> np.ndarray:
    scenario = estimate.study.scenario(where, theta)
    own = estimate.study.values(where, theta)
    values = [own[p.name] if p.key in ps.FACTOR_KEYS else ps.read(scenario, p) for p in saved]
    positive: np.ndarray = np.maximum(np.array(values), 1e-300)
    return positive


def fit_table(
    estimate: Estimate,
    where: int,
    ends: Sequence[ParameterInterval],
    files: Mapping[str, str],
) -> Fit:
    """Return the [fit] table of one data set's scenario.

    Parameters
    ----------
    estimate : Estimate
    where : int
        Data set.
    ends : sequence of ParameterInterval
        Of the unknowns.
    files : mapping of str to str
        File -> SHA-256 of its bytes.

    Returns
    -------
    Fit
    """
    saved = saved_parameters(estimate, where)
    covariance = covariance_of(estimate, where, saved)
    values = _values(estimate, where, estimate.theta, saved)
    turned = _turned(estimate, where, saved)
    direct = {p.name: index for index, p in estimate.study.of(where)}
    loose = max((estimate.split_sd.get(index, 0.0) for index in direct.values()), default=0.0)
    uncounted = "acquires" in {estimate.study.unknowns[i].key for i in estimate.split_sd}
    passing = ("handoff", "acquires") if uncounted else ("handoff",)
    extra = np.array([loose if p.key.startswith(passing) else 0.0 for p in saved])
    half = quantiles.student(LEVEL, estimate.degrees) * np.sqrt(np.diag(covariance) + extra**2)
    given = {one.index: one.fixed for one in estimate.given}
    made = []
    for k, parameter in enumerate(saved):
        low, high = values[k] * np.exp(-half[k]), values[k] * np.exp(min(half[k], 600.0))
        if parameter.name in direct:
            index = direct[parameter.name]
            low, high = ends[index].low, ends[index].high
        made.append(
            FittedParameter(
                name=parameter.name,
                unit=parameter.unit,
                value=float(values[k]),
                low=min(float(low), float(values[k])),
                high=min(max(float(high), float(values[k])), max(LARGEST, float(values[k]))),
                determined=estimate.basis(turned[k], parameter.key == "demand") == "data",
                given=given.get(direct.get(parameter.name, -1), ""),
                covariance=tuple(float(c) for c in covariance[k]),
                split=float(extra[k]),
            )
        )
    sets = estimate.study.sets
    counted = {file: sum(sets[r.where].file == file for r in estimate.rows) for file in files}
    return Fit(
        version=__version__,
        parameters=with_counted(made, estimate.study.sets[where].stock, estimate.scenario(where)),
        data=tuple(
            FittedData(file=file, sha256=digest, observations=counted[file])
            for file, digest in files.items()
        ),
        level=LEVEL,
        degrees=estimate.degrees,
        noise=estimate.run_noise(where),
        model_error=estimate.model_error(where),
        flags=flags(estimate),
    )


def fitted_scenario(
    estimate: Estimate, where: int, ends: Sequence[ParameterInterval], files: Mapping[str, str]
) -> Scenario:
    """Return the scenario of one data set with the estimates, their origin and the [fit] table."""
    scenario = estimate.scenario(where)
    rates = [
        (r.observation.n or 1, r.observation.value if r.observation.unit == "1/s" else 0.0)
        for r in estimate.rows
        if r.observation.kind == "throughput" and r.where == where
    ]
    names = {p.name for _, p in estimate.study.of(where)}
    kept = tuple(entry for entry in scenario.provenance if not _fitted(entry, names))
    said = Provenance(
        value=", ".join(sorted(names)),
        origin="fitted",
        note=f"lockmodel fit to {', '.join(files)}: {len(estimate.rows)} observations, "
        f"{estimate.theta.size} unknowns; intervals and covariance in [fit]",
    )
    calibrated = (
        Calibrated(
            low=min(n for n, _ in rates),
            high=max(n for n, _ in rates),
            throughput_per_s=max(x for _, x in rates),
        )
        if rates
        else scenario.calibrated
    )
    return msgspec.structs.replace(
        scenario,
        calibrated=calibrated,
        provenance=(*kept, said),
        fit=fit_table(estimate, where, ends, files),
    )


def _fitted(entry: Provenance, names: set[str]) -> bool:
    """Return whether an entry speaks of values that were fitted anew."""
    keys = {name.rpartition(".")[2] for name in names} | {
        name.partition(".")[2].partition(".")[0] for name in names
    }
    return entry.origin == "fitted" and any(key and key in entry.value for key in keys)
