"""Throughput against population: measured points, the fit, its band, the USL and the ceiling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lockmodel.answers.band import FittedCurve, curves, grid_to
from lockmodel.answers.predict import predict
from lockmodel.errors import ArgumentError
from lockmodel.figures import style
from lockmodel.figures.registry import MODEL
from lockmodel.fitting.estimate import LEVEL
from lockmodel.model.scenario import Scenario
from lockmodel.model.shipped import find_data, find_scenario

MEASURED = "unixbench_execl_xeon8369b.csv"
"""What the paper shows: UnixBench execl on a Xeon Platinum 8369B."""

USL = "usl"
FEWEST = 4
"""Points for the universal scalability law: one more than it has parameters."""

HEADROOM = 1.35
"""Top of the axis over the highest curve. The ceiling begins where it is below: few processes
have one many times as high."""


@dataclass(frozen=True)
class CurveData:
    """A curve as it is drawn; rates are iterations per second.

    Attributes
    ----------
    scenario : str
    iteration : str
        What one iteration is.
    measured_n, measured_per_s, sd_per_s : tuple
        Empty without measurements; sd is 0 where none is stated.
    n, predicted_per_s, ceiling_per_s : tuple
        On a grid of populations: fit or prediction, and k / D.
    low_per_s, high_per_s : tuple of float
        What the share `level` of measurements fall between; empty without a fit.
    usl_per_s : tuple of float
        The universal scalability law fitted to the same points; empty if they are too few.
    fitted : bool
        Whether the parameters come from a fit.
    binding : str
        What sets the ceiling at the largest population.
    flags : tuple of str
        What is not well with the fit.
    level : float
        Of the band.
    """

    scenario: str
    iteration: str
    measured_n: tuple[int, ...]
    measured_per_s: tuple[float, ...]
    sd_per_s: tuple[float, ...]
    n: tuple[int, ...]
    predicted_per_s: tuple[float, ...]
    low_per_s: tuple[float, ...]
    high_per_s: tuple[float, ...]
    ceiling_per_s: tuple[float, ...]
    usl_per_s: tuple[float, ...]
    fitted: bool
    binding: str
    flags: tuple[str, ...]
    level: float = LEVEL


def data(
    scenario: Scenario | None = None, measured: str | None = None, only: str | None = None
) -> CurveData:
    """Return a curve; without arguments that of the paper.

    Parameters
    ----------
    scenario : Scenario, optional
        A fitted one is drawn as it is, another is fitted to `measured` first, if that is given.
    measured : str, optional
        A file that `lockmodel import` reads.
    only : str, optional
        The variant of the file to take.

    Raises
    ------
    ArgumentError, ScenarioError, FileError
        Measurements without a scenario, more than one curve in the file, or as `fit`.
    """
    again = scenario is None
    if scenario is None:
        if measured is not None:
            raise ArgumentError(
                f"--data {measured}: say what was measured: --model MODEL (or draw it alone: "
                f"lockmodel fit {measured} --plot FILE)"
            )
        scenario, measured = find_scenario(MODEL), MEASURED
    flags: tuple[str, ...] = ()
    points: FittedCurve | None = None
    if measured is not None:
        scenario, points, flags = _with_points(scenario, measured, only, again)
    elif scenario.fit is not None:
        flags = scenario.fit.flags
    ns = () if points is None else points.measured_n
    grid = sorted({*grid_to(max([scenario.machine.cpus, *ns])), *ns})
    predicted = predict(scenario, grid, "product-form").points
    ends = [p.interval_per_s for p in predicted if p.interval_per_s is not None]
    return CurveData(
        scenario=scenario.name,
        iteration=scenario.iteration,
        measured_n=ns,
        measured_per_s=() if points is None else points.measured_per_s,
        sd_per_s=() if points is None else points.sd_per_s,
        n=tuple(grid),
        predicted_per_s=tuple(p.throughput_per_s for p in predicted),
        low_per_s=tuple(low for low, _ in ends),
        high_per_s=tuple(high for _, high in ends),
        ceiling_per_s=tuple(p.ceiling_per_s for p in predicted),
        usl_per_s=() if points is None else usl(ns, points.measured_per_s, grid),
        fitted=scenario.fit is not None,
        binding=predicted[-1].binding,
        flags=flags,
        level=LEVEL if scenario.fit is None else scenario.fit.level,
    )


def _with_points(
    scenario: Scenario, measured: str, only: str | None, again: bool
) -> tuple[Scenario, FittedCurve, tuple[str, ...]]:
    """Return the scenario with a fit, the curve of the file, and the flags of the fit.

    With `again` it is fitted even if it has a fit, which is of other data or of counts.
    """
    from lockmodel.fitting import health
    from lockmodel.fitting.datasets import Wanted, load_sets
    from lockmodel.fitting.fitting import run

    wanted = [Wanted(find_data(measured), measured, scenario)]
    loaded = load_sets(wanted, only=() if only is None else (only,))
    if scenario.fit is None or again:
        fitted = run(loaded)
        made = [curve for curve in curves(fitted) if len(curve.n) > 1]
        drawn, flags = fitted.scenarios[fitted.main], health.flags(fitted.estimate)
    else:
        sets = [[o for o in one.observations if o.kind == "throughput"] for one in loaded.sets]
        made = [_points(one) for one in sets if len(one) > 1]
        drawn, flags = scenario, scenario.fit.flags
    if len(made) != 1:
        raise ArgumentError(
            f"--data {measured}: has {len(made)} curves of two populations or more; one is drawn, "
            f"choose it with --only VARIANT"
        )
    return drawn, made[0], flags


def _points(observations: Sequence[Any]) -> FittedCurve:
    """Return the measured points as a curve without a grid."""
    rows = sorted((o.n or 1, o.value, o.sd or 0.0) for o in observations)
    n, x, sd = zip(*rows, strict=True)
    return FittedCurve("", n, x, sd, (), (), (), (), ())


def usl(n: Sequence[int], x: Sequence[float], grid: Sequence[int]) -> tuple[float, ...]:
    """Return the universal scalability law through some points, on a grid of populations.

    x(n) = rate n / (1 + s (n - 1) + k n (n - 1)), least squares on ln x (Gunther 1993). Empty
    for fewer than `FEWEST` populations or repeated ones.
    """
    import numpy as np

    from lockmodel.fitting.curves import curve, families, fitting

    if len(set(n)) < FEWEST or len(set(n)) < len(n):
        return ()
    points = curve.Curve(np.array(n), np.array(x))
    family = next(f for f in families.candidates(None) if f.name == USL)
    fit = fitting.fit(family, points)
    return tuple(np.exp(fit.log_predict(np.array(grid), points)).tolist())


def draw(figure: Any, drawn: CurveData) -> None:
    """Draw a curve into an empty matplotlib figure."""
    axes = figure.subplots()
    top = HEADROOM * max([*drawn.predicted_per_s, *drawn.measured_per_s, *drawn.high_per_s]) / 1e3
    ceilings = ((n, y / 1e3) for n, y in zip(drawn.n, drawn.ceiling_per_s, strict=True))
    ceiling = [(n, y) for n, y in ceilings if y < top] or [(drawn.n[-1], top)]
    if drawn.low_per_s:
        axes.fill_between(
            drawn.n,
            [y / 1e3 for y in drawn.low_per_s],
            [y / 1e3 for y in drawn.high_per_s],
            color=style.COLOURS[0],
            alpha=0.22,
            lw=0,
            label=f"{100 * drawn.level:.0f} % of measurements",
        )
    axes.plot(
        drawn.n,
        [y / 1e3 for y in drawn.predicted_per_s],
        color=style.COLOURS[0],
        label="fit" if drawn.fitted else "predicted",
    )
    axes.plot(*zip(*ceiling, strict=True), color=style.COLOURS[1], ls="--", label=_bound(drawn))
    if drawn.usl_per_s:
        axes.plot(
            drawn.n,
            [y / 1e3 for y in drawn.usl_per_s],
            color=style.COLOURS[2],
            ls=":",
            lw=1.6,
            label="universal scalability law",
        )
    if drawn.measured_n:
        axes.errorbar(
            drawn.measured_n,
            [y / 1e3 for y in drawn.measured_per_s],
            yerr=[sd / 1e3 for sd in drawn.sd_per_s] if any(drawn.sd_per_s) else None,
            color="black",
            marker="o",
            ms=4,
            ls="",
            label="measured",
            zorder=3,
        )
    style.count_axis(axes.xaxis, drawn.n[0], drawn.n[-1], "processes")
    axes.set_ylim(0, top)
    axes.set_xlim(drawn.n[0] / 1.06, drawn.n[-1] * 1.06)
    axes.set_ylabel("throughput (k/s)")
    axes.legend(loc=_free_corner(drawn, top), borderaxespad=0.2, labelspacing=0.3)


LEGEND = 0.45
"""Share of the height that the legend takes at most."""


def _free_corner(drawn: CurveData, top: float) -> str:
    """Return where the legend goes: below the curves on the right if they leave room there."""
    lines = [drawn.predicted_per_s, drawn.usl_per_s, drawn.low_per_s]
    right = [
        y / 1e3 for ys in lines for n, y in zip(drawn.n, ys, strict=False) if n * n >= drawn.n[-1]
    ]
    return "lower right" if min(right) > LEGEND * top else "best"


def _bound(drawn: CurveData) -> str:
    return "ceiling (CPUs)" if drawn.binding == "cpu" else f"ceiling ({drawn.binding})"
