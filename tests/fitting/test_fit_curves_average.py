"""The averaged predictor: anchoring, band, weights, and coverage by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from lockmodel.errors import ArgumentError
from lockmodel.fitting.curves import average as module
from lockmodel.fitting.curves.average import Mixture, average
from lockmodel.fitting.curves.curve import Curve
from lockmodel.fitting.curves.families import BY_NAME, sample, shapes

NS = np.array([1, 2, 4, 8, 16, 24])


def repairman(think: float, noise: float = 0.0, seed: int = 0) -> Curve:
    made = shapes(BY_NAME["none"], np.log([[think]]), NS)[0]
    rng = np.random.default_rng(seed)
    return Curve(NS, np.exp(made + noise * rng.normal(size=len(NS))))


def test_weights_add_up_and_families_without_a_ceiling_take_no_part() -> None:
    weights = average(repairman(8.0)).weights
    assert sum(weights.values()) == pytest.approx(1.0)
    assert set(weights) == {"amdahl", "none", "constant", "saturating"}


def test_prediction_is_near_the_truth_and_the_band_holds_it() -> None:
    curve = repairman(8.0, 0.005)
    truth = np.exp(shapes(BY_NAME["none"], np.log([[8.0]]), np.array([12, 48, 96]))[0])
    median, low, high = average(curve).predict([12, 48, 96])
    assert median == pytest.approx(truth, rel=0.06)
    assert (low < truth).all()
    assert (truth < high).all()


def test_band_is_narrow_at_the_data_and_grows_beyond_them() -> None:
    median, low, high = average(repairman(8.0, 0.005)).predict([8, 24, 48, 96, 384])
    width = np.log(high / low)
    assert (np.diff(width) > 0).all()
    assert width[0] < 0.1
    assert width[-1] > 0.3
    assert median[:2] == pytest.approx(repairman(8.0).x[[3, 5]], rel=0.02)


def test_unit_of_throughput_does_not_matter() -> None:
    curve = repairman(8.0, 0.02)
    scaled = Curve(curve.n, 1e6 * curve.x)
    one, other = average(curve).predict([3, 48]), average(scaled).predict([3, 48])
    for a, b in zip(one, other, strict=True):
        assert 1e6 * a == pytest.approx(b, rel=1e-9)


def test_a_saturated_curve_goes_on_from_its_last_values_not_from_its_first() -> None:
    # a bump that no family has: the far end must follow the upper points
    x = np.array([9.0, 3.0, 6.0, 9.9, 10.1, 10.0])
    median, _, _ = average(Curve(NS, x)).predict([48])
    assert median[0] == pytest.approx(10.0, rel=0.08)


def test_stated_noise_widens_the_band() -> None:
    curve = repairman(8.0)
    noisy = Curve(curve.n, curve.x, 0.1 * curve.x)

    def width(c: Curve, noise: bool) -> float:
        _, low, high = average(c).predict([48], noise=noise)
        return float(np.log(high / low)[0])

    assert width(noisy, True) > 1.2 * width(curve, True)
    assert width(noisy, True) > width(noisy, False)


def test_weights_and_means_agree_with_densities_computed_directly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One walk, one noise, no temper: evidence by scipy's multivariate normal."""
    walk, noise = 0.12, 0.01
    monkeypatch.setattr(module, "WALKS", (walk,))
    monkeypatch.setattr(module, "NOISES", (noise,))
    monkeypatch.setattr(module, "TEMPER", 1.0)
    curve = repairman(8.0, 0.02)
    u = np.log(NS)
    flat = module.LEVEL_SD**2
    covariance = walk**2 * np.minimum.outer(u, u) + noise**2 * np.eye(len(NS)) + flat
    logs, means = {}, {}
    far = np.array([48])
    cross = walk**2 * np.minimum.outer(np.log(far), u) + flat
    for name in ("amdahl", "none", "constant", "saturating"):
        family = BY_NAME[name]
        residuals = np.log(curve.x) - shapes(family, sample(family), NS)
        level = residuals.mean(axis=1)
        centred = residuals - level[:, None]
        density = multivariate_normal(np.zeros(len(NS)), covariance).logpdf(centred)
        share = np.exp(density - density.max())
        logs[name] = density.max() + math.log(share.mean()) + math.log(family.prior)
        path = level + shapes(family, sample(family), far)[:, 0]
        path = path + (centred @ np.linalg.solve(covariance, cross.T))[:, 0]
        means[name] = float(share @ path / share.sum())
    total = np.logaddexp.reduce(list(logs.values()))
    made = average(curve)
    for name, value in logs.items():
        assert made.weights[name] == pytest.approx(math.exp(value - total), abs=1e-6)
    mixture = made.mixture(far)
    for cell, mean in zip(made.cells, mixture.means[:, 0], strict=True):
        assert mean == pytest.approx(means[cell.family.name], abs=1e-6)


def test_shapes_that_are_kept_are_those_that_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for piece by piece, in any order, twice, and with room for three populations only."""
    monkeypatch.setattr(module, "MOST_COLUMNS", 3)
    family = BY_NAME["saturating"]
    columns = module._Columns(family, None)
    for asked in ([4, 2], [2, 9, 4, 4], [1], [7, 9, 1, 2, 4], [9]):
        made = shapes(family, sample(family), np.array(asked), None)
        assert np.array_equal(columns.at(asked), made), asked


def test_quantiles_of_one_normal_are_its_own() -> None:
    mixture = Mixture(np.array([0.3, 0.7]), np.full((2, 1), 5.0), np.full((2, 1), 2.0))
    assert mixture.quantile(0.95)[0] == pytest.approx(5.0 + 2.0 * 1.6448536269514722, rel=1e-9)
    apart = Mixture(np.array([0.3, 0.7]), np.array([[0.0], [100.0]]), np.ones((2, 1)))
    assert apart.quantile(0.65)[0] == pytest.approx(100.0, abs=1e-6)


def test_bad_populations_and_levels_are_refused() -> None:
    made = average(repairman(8.0))
    for bad in ([0], [1.5], [np.nan], [], [5000]):
        with pytest.raises(ArgumentError, match="must be whole numbers from 1 to 4096"):
            made.predict(bad)
    with pytest.raises(ArgumentError, match=r"level = 1 must lie between 0 and 1"):
        made.predict([4], level=1.0)


def test_the_90_percent_band_covers_85_to_95_percent() -> None:
    """Curves drawn from the stated model: a family, a walk, noise; 250 curves, 5 points each."""
    rng = np.random.default_rng(20)
    wanted = np.array([12, 32, 48, 64, 96])
    everywhere = np.unique(np.concatenate([NS, wanted]))
    u = np.log(everywhere)
    steps = np.sqrt(np.diff(u, prepend=0.0))
    known, asked = np.isin(everywhere, NS), np.isin(everywhere, wanted)
    names = ("amdahl", "none", "constant", "saturating", "saturating")
    inside = []
    for k in range(250):
        family = BY_NAME[names[k % len(names)]]
        theta = sample(family)[rng.integers(len(sample(family)))]
        walk = module.WALK_TYPICAL * math.exp(module.WALK_SPREAD * rng.normal())
        noise = 0.01 * math.exp(0.7 * rng.normal())
        y = shapes(family, theta[None], everywhere)[0]
        y = y + np.cumsum(walk * steps * rng.normal(size=len(u)))
        y = y + noise * rng.normal(size=len(u))
        x = np.exp(y)
        _, low, high = average(Curve(NS, x[known])).predict(wanted)
        inside.append((x[asked] >= low) & (x[asked] <= high))
    covered = np.mean(inside, axis=0)
    assert 0.85 <= covered.mean() <= 0.95
    assert covered.min() >= 0.84
    assert covered.max() <= 0.97
