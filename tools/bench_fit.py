"""Rows of the benchmark for fits: speed of a fit and its bootstrap, accuracy of predictions."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from bench_stochastic import Measured

from lockmodel.fit.bootstrap import bootstrap
from lockmodel.fit.datasets import Wanted, load_sets
from lockmodel.fit.estimate import Estimate, fit
from lockmodel.fit.profile import intervals
from lockmodel.fit.study import default_free, plan
from lockmodel.shipped import find_data, find_scenario, shipped_dir

CURVE, MODEL = "unixbench_execl_xeon8369b.csv", "execl-xeon8369b"
REFITS = 1000
SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
"""Larger curve sets, where they are; not shipped."""


def _seconds(function: object, repeats: int) -> tuple[float, str]:
    assert callable(function)
    function()
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        found.append(time.perf_counter() - start)
    middle = statistics.median(found)
    return middle, f"{middle:.2f} s ({min(found):.2f} .. {max(found):.2f})"


def _fitted() -> Estimate:
    scenario = find_scenario(MODEL)
    loaded = load_sets([Wanted(find_data(CURVE), CURVE, scenario)])
    found = fit(plan(loaded.sets, default_free(scenario)))
    intervals(found)
    return found


def fit_rows(repeats: int) -> list[Measured]:
    """Return the fit of 8 points with 4 parameters, and its bootstrap."""
    one, said = _seconds(_fitted, repeats)
    found = _fitted()
    many, counted = _seconds(lambda: bootstrap(found, count=REFITS), 3)
    return [
        Measured("fit of 8 points, 4 parameters, profiles", said, "1 s", one <= 1.0),
        Measured(f"{REFITS} parametric refits of it", counted, "10 s", many <= 10.0),
    ]


def accuracy_rows() -> list[Measured]:
    """Return the accuracy of predictions beyond half of the shipped and the larger curves."""
    from lockmodel.accuracy import accuracy

    folders = [shipped_dir("data") / "published"]
    if SHARED.is_dir():
        folders += [SHARED / "published", SHARED / "curves"]
    rows = []
    for folder in folders:
        start = time.perf_counter()
        overall = accuracy(folder).to_json()["overall"]
        spent = time.perf_counter() - start
        own, last, usl = (overall[name] for name in ("lockmodel", "last", "usl"))
        name = f"{folder.parent.name}/{folder.name}"
        rows.append(
            Measured(
                f"{name}: {overall['curves']} curves, {spent:.0f} s",
                f"median {own['median']:.3f}, mean {own['mean']:.3f}",
                f"last {last['median']:.3f}, {last['mean']:.3f}",
                own["median"] <= 0.075 and own["mean"] < min(last["mean"], usl["mean"]),
            )
        )
        rows.append(
            Measured(
                f"{name}: 90 % band",
                f"{overall['coverage']:.1%} inside",
                "85 to 95 %",
                0.85 <= overall["coverage"] <= 0.95,
            )
        )
    return rows
