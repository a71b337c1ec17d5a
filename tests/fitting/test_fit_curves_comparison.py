"""All families side by side, on curves with a known answer and on shipped ones."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lockmodel.evaluate.curve_files import read_curves
from lockmodel.fitting.curves.average import WALK_SPREAD, WALK_TYPICAL
from lockmodel.fitting.curves.comparison import FamilyComparison, _grid, compare
from lockmodel.fitting.curves.curve import Curve
from lockmodel.fitting.curves.families import BY_NAME, limits, sample, shapes
from lockmodel.fitting.curves.pool import pool
from lockmodel.model.shipped import shipped_dir

NS = np.array([1, 2, 4, 8, 16, 32, 64])


def shipped(name: str, variant: str) -> FamilyComparison:
    _, curves = read_curves(shipped_dir("data") / "published" / f"{name}.csv")
    return compare(next(curve for curve in curves if curve.label == variant))


def test_the_family_that_made_the_data_has_the_best_score() -> None:
    rng = np.random.default_rng(3)
    y = shapes(BY_NAME["none"], np.log([[12.0]]), NS)[0] + 0.01 * rng.normal(size=len(NS))
    comparison = compare(Curve(NS, 1000.0 * np.exp(y)))
    rows = {row.name: row for row in comparison.families}
    scored = {name: row.aicc for name, row in rows.items() if row.aicc is not None}
    assert min(scored, key=lambda name: scored[name]) == "none"
    assert rows["none"].parameters["hold"] == pytest.approx(1e-3, rel=0.05)
    assert rows["none"].parameters["think"] == pytest.approx(12e-3, rel=0.1)
    assert rows["none"].rms < 0.02
    assert rows["none"].extrapolation is not None
    assert rows["amdahl"].extrapolation is not None
    assert rows["none"].extrapolation < rows["amdahl"].extrapolation
    assert sum(row.weight for row in comparison.families) == pytest.approx(1.0)
    assert rows["usl"].weight == rows["linear"].weight == rows["last"].weight == 0


def test_ceiling_of_a_saturated_lock_is_one_over_its_hold() -> None:
    y = shapes(BY_NAME["none"], np.log([[12.0]]), NS)[0]
    comparison = compare(Curve(NS, 1000.0 * np.exp(y)))
    ceiling = comparison.ceiling()
    assert ceiling.determined
    assert ceiling.low < 1000.0 < ceiling.high < 1500.0
    assert ceiling.median == pytest.approx(1000.0, rel=0.05)


def test_a_curve_that_still_grows_has_no_determined_peak() -> None:
    n = np.array([1, 2, 3, 4, 6, 8])
    comparison = compare(Curve(n, 10.0 * n))
    peak = comparison.peak()
    assert not peak.determined
    assert peak.high == 32.0  # the end of the search: 4 x 8
    assert comparison.ceiling().high > 1000.0


def test_peak_of_a_retrograde_curve_is_where_it_was_measured() -> None:
    comparison = shipped("unixbench_execl_xeon8369b", "all rows")
    peak = comparison.peak()
    assert peak.determined
    assert 8 < peak.low <= 16 <= peak.high < 32  # between its neighbours
    assert (
        0.8 * comparison.curve.x.max() < comparison.ceiling().low < 1.1 * comparison.curve.x.max()
    )


def test_sockets_explain_the_drop_on_a_machine_with_four() -> None:
    comparison = shipped("cna_v3_lock2_threads", "stock")
    rows = {row.name: row for row in comparison.families}
    scored = {name: row.aicc for name, row in rows.items() if row.aicc is not None}
    assert min(scored, key=lambda name: scored[name]) == "topology"
    assert rows["topology"].weight == max(row.weight for row in comparison.families)
    assert 1.0 < rows["topology"].parameters["remote_excess"] < 4.0


def test_three_points_are_compared_with_what_they_allow() -> None:
    comparison = compare(Curve(np.array([1, 2, 4]), np.array([1.0, 1.8, 3.0])))
    assert [row.name for row in comparison.families] == [
        "last",
        "amdahl",
        "usl",
        "none",
        "constant",
    ]
    assert all(row.aicc is None for row in comparison.families if row.name != "last")
    assert all(row.extrapolation is None for row in comparison.families)
    assert comparison.pool_extrapolation is None
    median, low, high = comparison.predict([8])
    assert low[0] < median[0] < high[0]
    assert 2.5 < median[0] < 7.0


@pytest.mark.long
def test_intervals_of_the_ceiling_cover_85_to_95_percent() -> None:
    """Whole curves drawn from the stated model: family, walk, noise; 200 curves."""
    rng = np.random.default_rng(11)
    known = np.array([1, 2, 4, 8, 16, 24])
    everywhere = _grid(Curve(known, np.ones(len(known))))
    steps = np.sqrt(np.diff(np.log(everywhere), prepend=0.0))
    at = np.searchsorted(everywhere, known)
    names = ("amdahl", "none", "constant", "saturating", "saturating")
    ceilings = []
    for k in range(200):
        family = BY_NAME[names[k % len(names)]]
        theta = sample(family)[rng.integers(len(sample(family)))][None]
        walk = WALK_TYPICAL * math.exp(WALK_SPREAD * rng.normal())
        truth = shapes(family, theta, everywhere)[0]
        end = float(limits(family, theta)[0] - truth[-1])
        path = np.cumsum(walk * steps * rng.normal(size=len(steps)))
        path[everywhere > known[-1]] = path[-1]  # beyond the data one shift, as stated
        truth = truth + path
        y = truth[at] + 0.01 * rng.normal(size=len(at))
        curve = Curve(known, np.exp(y))
        comparison = FamilyComparison(curve, (), pool(curve), None)
        sure = np.isin(everywhere, known) | (everywhere > known[-1])
        ceiling = math.exp(max(truth[sure].max(), truth[-1] + end))
        ceilings.append(comparison.ceiling().low <= ceiling <= comparison.ceiling().high)
    assert 0.85 <= np.mean(ceilings) <= 0.95
