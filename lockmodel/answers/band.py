"""The fitted curve with its 90 % band, per data set that has a curve to show."""

from __future__ import annotations

from dataclasses import dataclass

from lockmodel.answers.predict import predict
from lockmodel.fitting.fitting import Fitted

FEWEST = 2
"""Populations from which a data set is a curve."""


@dataclass(frozen=True)
class FittedCurve:
    """A data set, measured and fitted.

    Attributes
    ----------
    label : str
    measured_n, measured_per_s, sd_per_s : tuple
        The measurements; sd is 0 where none is stated.
    n, fitted_per_s, low_per_s, high_per_s : tuple
        The fit on a grid of populations, with the band that 90 % of measurements fall into.
    ceiling_per_s : tuple of float
        k / D at each of `n`.
    """

    label: str
    measured_n: tuple[int, ...]
    measured_per_s: tuple[float, ...]
    sd_per_s: tuple[float, ...]
    n: tuple[int, ...]
    fitted_per_s: tuple[float, ...]
    low_per_s: tuple[float, ...]
    high_per_s: tuple[float, ...]
    ceiling_per_s: tuple[float, ...]


RATIO = 1.12
"""Step of the grid of populations, once steps of 1 are finer than that."""


def grid_to(top: int) -> list[int]:
    """Return populations from 1 to `top`, evenly spaced on a logarithmic scale."""
    made, n = [1], 1
    while n < top:
        n = min(top, max(n + 1, round(n * RATIO)))
        made.append(n)
    return made


def curves(fitted: Fitted) -> tuple[FittedCurve, ...]:
    """Return the curves of a fit; data sets with a single population come without grid points."""
    made = []
    for where, data in enumerate(fitted.estimate.study.sets):
        rows = sorted(
            (
                (row.observation.n or 1, row.observation.value, row.observation.sd or 0.0)
                for row in fitted.estimate.rows
                if row.where == where
                and row.observation.kind == "throughput"
                and row.observation.unit == "1/s"
            ),
        )
        if not rows:
            continue
        ns = [n for n, _, _ in rows]
        top = max(ns[-1], fitted.scenarios[where].machine.cpus)
        grid = sorted({*grid_to(top), *ns}) if len(set(ns)) >= FEWEST else [ns[0]]
        points = predict(fitted.scenarios[where], grid, "product-form").points
        intervals = [p.interval_per_s or (p.throughput_per_s, p.throughput_per_s) for p in points]
        made.append(
            FittedCurve(
                data.label,
                tuple(ns),
                tuple(x for _, x, _ in rows),
                tuple(sd for _, _, sd in rows),
                tuple(grid),
                tuple(p.throughput_per_s for p in points),
                tuple(low for low, _ in intervals),
                tuple(high for _, high in intervals),
                tuple(p.ceiling_per_s for p in points),
            )
        )
    return tuple(made)
