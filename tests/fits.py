"""Fits for tests: a table of parameters and a correlation, around a scenario's own values."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec.structs import replace

from lockmodel.fitting.parameters import parse, read
from lockmodel.model.fit_table import Fit, FittedData, FittedParameter
from lockmodel.model.scenario import Scenario

NORMAL_95 = 1.6448536269514722
"""95 % quantile of the standard normal distribution."""


DEVIATIONS = {
    "think": 0.02,
    "think_remote": 0.05,
    "all.time_per_instruction_remote": 0.05,
    "all.handoff": 0.15,
}
"""Of a curve that leaves the hand-off open: standard deviations of logarithms."""


def usual(scenario: Scenario) -> Scenario:
    """Return the scenario with a fit such as a published curve gives."""
    return fitted(
        scenario,
        DEVIATIONS,
        correlation=-0.2,
        undetermined=("all.handoff",),
        degrees=4.0,
        noise=0.02,
        model_error=0.03,
    )


def fitted(
    scenario: Scenario,
    deviations: dict[str, float],
    correlation: float = 0.0,
    undetermined: tuple[str, ...] = (),
    **rest: Any,
) -> Scenario:
    """Return the scenario with a fit of these standard deviations of logarithms.

    All pairs have the same correlation; low and high are the normal 90 % interval.
    """
    names = list(deviations)
    sd = np.array([deviations[name] for name in names])
    matrix = np.outer(sd, sd) * (correlation + (1.0 - correlation) * np.eye(len(names)))
    made = []
    for name, row, own in zip(names, matrix.tolist(), sd.tolist(), strict=True):
        parameter = parse(name, scenario)
        value, factor = read(scenario, parameter), float(np.exp(NORMAL_95 * own))
        made.append(
            FittedParameter(
                name=name,
                unit=parameter.unit,
                value=value,
                low=value / factor,
                high=value * factor,
                determined=name not in undetermined,
                covariance=tuple(row),
            )
        )
    data = (FittedData(file="curve.csv", sha256="0" * 64, observations=8),)
    return replace(
        scenario, fit=Fit(version="0.1.0", parameters=tuple(made), **{"data": data, **rest})
    )
