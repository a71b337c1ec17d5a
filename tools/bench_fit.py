"""Rows of the benchmark for fits: speed of a fit and its bootstrap, accuracy of predictions."""

from __future__ import annotations

import statistics
import time
from unittest.mock import patch

from bench_stochastic import Measured

from lockmodel.fitting import bootstrap as refits
from lockmodel.fitting.bootstrap import bootstrap
from lockmodel.fitting.datasets import Wanted, load_sets
from lockmodel.fitting.estimate import Estimate, fit
from lockmodel.fitting.profile import interval_of
from lockmodel.fitting.study import default_free, plan
from lockmodel.model.shipped import find_data, find_scenario, shipped_dir

CURVE, MODEL = "unixbench_execl_xeon8369b.csv", "execl-xeon8369b"
REFITS = 1000

FEW = 50
"""Refits made both ways: by our steps first, and by scipy's search alone."""

WORTH = 1.3
"""Our steps stay as long as the search alone takes this many times as long."""


def _seconds(function: object, repeats: int) -> tuple[float, str]:
    assert callable(function)
    function()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    middle = statistics.median(seconds)
    return middle, f"{middle:.2f} s ({min(seconds):.2f} .. {max(seconds):.2f})"


def _fitted() -> Estimate:
    scenario = find_scenario(MODEL)
    loaded = load_sets([Wanted(find_data(CURVE), CURVE, scenario)])
    estimate = fit(plan(loaded.sets, default_free(scenario)))
    for index in range(len(estimate.theta)):
        interval_of(estimate, index)
    return estimate


def fit_rows(repeats: int) -> list[Measured]:
    """Return the fit of 8 points with 4 parameters, and its bootstrap."""
    one, said = _seconds(_fitted, repeats)
    estimate = _fitted()
    many, counted = _seconds(lambda: bootstrap(estimate, count=REFITS), 3)
    return [
        Measured("fit of 8 points, 4 parameters, profiles", said, "1 s", one <= 1.0),
        Measured(f"{REFITS} parametric refits of it", counted, "10 s", many <= 10.0),
        _searched(estimate),
    ]


def _searched(estimate: Estimate) -> Measured:
    """Return how much longer refits take without the steps that `bootstrap` tries first."""
    times: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(3):  # in turns, so that both meet the same machine
        for stepped, spent in times.items():
            start = time.process_time()
            if stepped:
                bootstrap(estimate, count=FEW, workers=1)
            else:
                with patch.object(refits, "_gauss_newton", return_value=None):
                    bootstrap(estimate, count=FEW, workers=1)
            spent.append(time.process_time() - start)
    ratio = statistics.median(times[False]) / statistics.median(times[True])
    said = f"{ratio:.1f} x as long"
    return Measured(f"{FEW} of them by scipy's search alone", said, f"> {WORTH:g} x", ratio > WORTH)


def accuracy_rows() -> list[Measured]:
    """Return the accuracy of predictions beyond half of the shipped curves."""
    from lockmodel.evaluate.accuracy import accuracy

    start = time.perf_counter()
    overall = accuracy(shipped_dir("data") / "published").to_json()["overall"]
    spent = time.perf_counter() - start
    own, last, usl = (overall[name] for name in ("lockmodel", "last", "usl"))
    return [
        Measured(
            f"{overall['curves']} shipped curves, {spent:.0f} s",
            f"median {own['median']:.3f}, mean {own['mean']:.3f}",
            f"last {last['median']:.3f}, {last['mean']:.3f}",
            own["median"] <= 0.075 and own["mean"] < min(last["mean"], usl["mean"]),
        ),
        Measured(
            "shipped curves: 90 % band",
            f"{overall['coverage']:.1%} inside",
            "85 to 95 %",
            0.85 <= overall["coverage"] <= 0.95,
        ),
    ]
