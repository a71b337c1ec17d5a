"""From files to fitted scenarios in one call: what the command line and the library offer.

loaded = datasets.load_sets([Wanted(path, name, scenario)])
fitted = run(loaded, free=("think", "hold", "handoff"))
fitted.scenarios[0]       # a scenario with a [fit] table
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lockmodel.fitting.datasets import Loaded
from lockmodel.fitting.estimate import LEVEL, Estimate, Settings, fit
from lockmodel.fitting.health import flags, refuse_units
from lockmodel.fitting.profile import ParameterInterval, interval_of
from lockmodel.fitting.result import fitted_scenario
from lockmodel.fitting.study import default_free, plan
from lockmodel.model.scenario import Scenario
from lockmodel.progress import Progress, quietly

SCHEMA = "lockmodel.fit/1"


@dataclass(frozen=True)
class Fitted:
    """A finished fit.

    Attributes
    ----------
    estimate : Estimate
    intervals : tuple of ParameterInterval
        Of the unknowns, at `LEVEL`.
    scenarios : tuple of Scenario
        One per data set, with estimates and [fit] table.
    digests : dict of str to str
        File -> SHA-256.
    warnings : tuple of str
        Of the readers.
    """

    estimate: Estimate
    intervals: tuple[ParameterInterval, ...]
    scenarios: tuple[Scenario, ...]
    digests: dict[str, str]
    warnings: tuple[str, ...]

    @property
    def main(self) -> int:
        """The data set whose scenario is saved: the first that is its model without levers."""
        sets = self.estimate.study.sets
        first = sets[0].stock.name
        plain = [i for i, d in enumerate(sets) if d.stock.name == first and d.scenario == d.stock]
        return plain[0] if plain else 0

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict: times in s, rates per s."""
        estimate, study = self.estimate, self.estimate.study
        unknowns = []
        given = {one.index: {"fixed": one.fixed, "value": one.value} for one in estimate.given}
        for index, (u, theta, ends, fine) in enumerate(
            zip(study.unknowns, estimate.theta, self.intervals, estimate.determined, strict=True)
        ):
            unknowns.append(
                {
                    "name": u.name,
                    "unit": u.unit,
                    "value": float(np.exp(theta)),
                    "low": ends.low,
                    "high": ends.high,
                    "open_low": ends.open_low,
                    "open_high": ends.open_high,
                    "determined": fine,
                    "given": given.get(index),
                }
            )
        return {
            "schema": SCHEMA,
            "models": sorted({data.stock.name for data in study.sets}),
            "level": LEVEL,
            "parameters": unknowns,
            "covariance": estimate.covariance.tolist(),
            "noise": {"unstated": estimate.noise.unstated, "stated": estimate.noise.stated},
            "degrees": estimate.degrees,
            "cost": estimate.minimum.cost,
            "converged": estimate.minimum.converged,
            "flags": list(flags(estimate)),
            "rows": [
                {
                    "data": study.sets[row.where].label,
                    "kind": row.observation.kind,
                    "n": row.observation.n,
                    "lock": row.observation.lock,
                    "site": row.observation.site,
                    "observed": row.observation.value,
                    "fitted": float(value) - (1.0 if row.observation.kind == "gain" else 0.0),
                }
                for row, value in zip(estimate.rows, estimate.predicted, strict=True)
            ],
            "unused": [
                {
                    "data": study.sets[u.where].label,
                    "kind": u.observation.kind,
                    "why": u.why,
                }
                for u in estimate.unused
            ],
            "files": self.digests,
            "warnings": list(self.warnings),
        }


def run(
    loaded: Loaded,
    free: Sequence[str] = (),
    share: Mapping[str, str] | None = None,
    settings: Settings | None = None,
    progress: Progress = quietly,
) -> Fitted:
    """Fit the free parameters of the data sets' scenarios to their observations.

    Parameters
    ----------
    loaded : Loaded
    free : sequence of str
        Parameters; `study.default_free` of the first model when empty.
    share : mapping of str to str, optional
        Parameter -> scope, see `study.plan`.
    settings : Settings, optional
    progress : callable
        Wraps the loop over intervals.

    Returns
    -------
    Fitted

    Raises
    ------
    ArgumentError
        As `study.plan` and `estimate.fit`.
    ScenarioError
        Only a wrong unit explains the estimates.
    """
    chosen = tuple(free) or _default(loaded)
    study = plan(loaded.sets, chosen, share)
    estimate = fit(study, settings)
    refuse_units(estimate)
    indices = range(len(study.unknowns))
    ends = tuple(interval_of(estimate, i) for i in progress(indices, len(indices), "intervals"))
    scenarios = tuple(
        fitted_scenario(estimate, where, ends, loaded.digests) for where in range(len(loaded.sets))
    )
    return Fitted(estimate, ends, scenarios, loaded.digests, loaded.warnings)


def _default(loaded: Loaded) -> tuple[str, ...]:
    """Return the default parameters of all models, each once."""
    names = [name for data in loaded.sets for name in default_free(data.scenario)]
    return tuple(dict.fromkeys(names))
