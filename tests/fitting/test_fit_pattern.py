"""Patterns in residuals: against arithmetic, and against the rate at which they may be false."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from studies import CURVE, STOCK, curve, data, fitted, seen

from lockmodel.fitting.curves.comparison import compare
from lockmodel.fitting.curves.curve import Curve
from lockmodel.fitting.curves.lack import lack
from lockmodel.fitting.health import flags
from lockmodel.fitting.pattern import LEVEL, Pattern, pattern

EIGHT = 2 ** np.arange(8)
NONE = np.zeros(8)
ONES = np.ones((8, 1))
"""Of a fit of nothing but the level."""


def line(count: int) -> np.ndarray:
    """Return the slopes of a fit of level, ln n and its square."""
    u = np.linspace(-1.0, 1.0, count)
    return np.column_stack([np.ones(count), u, u**2])


def test_a_step_is_found_where_it_is_with_its_size():
    off = np.array([-0.05] * 4 + [0.05] * 4)  # half of a step by exp(-0.1) on either side
    made = pattern(EIGHT, off, NONE, ONES)
    assert made is not None
    assert (made.step, made.first, made.last, made.count) == (True, 16, 128, 4)
    assert made.times == pytest.approx(math.exp(-0.05))
    assert made.before == pytest.approx(math.exp(0.05))
    assert made.size == pytest.approx(math.exp(-0.1), rel=1e-3)
    assert 0.0 < made.chance <= LEVEL


def test_what_the_fit_absorbed_of_a_step_is_given_back():
    """Least squares of level, slope and curvature leave a third of it; 0.7 is said, not 0.9."""
    slopes = line(16)
    step = np.where(np.arange(16) >= 9, -math.log(0.7), 0.0)
    off = step - slopes @ np.linalg.lstsq(slopes, step, rcond=None)[0]
    assert abs(off).max() < 0.6 * math.log(1 / 0.7)
    made = pattern(np.arange(1, 17), off, np.zeros(16), slopes)
    assert made is not None
    assert (made.step, made.first) == (True, 10)
    assert made.size == pytest.approx(0.7, rel=0.01)


def test_the_order_is_that_of_the_population():
    off = np.array([-0.05] * 4 + [0.05] * 4)
    turned = np.array([7, 0, 4, 2, 6, 1, 3, 5])
    mixed = pattern(EIGHT[turned], off[turned], NONE, ONES)
    assert mixed == pattern(EIGHT, off, NONE, ONES)
    assert pattern(EIGHT, off[turned], NONE, ONES) is None


def test_what_alternates_and_what_is_off_at_one_point_has_none():
    assert pattern(EIGHT, np.array([0.05, -0.05] * 4), NONE, ONES) is None
    for k in range(8):
        off = np.array([0.01, -0.02, 0.02, -0.01] * 2)
        off[k] = 0.3
        assert pattern(EIGHT, off, NONE, ONES) is None, k


def test_a_wave_is_a_stretch():
    """Three points up, five down, five up, three down: the largest sum is named."""
    off = -0.05 * np.cos(2 * np.pi * np.arange(16) / 10)
    off[3:8] *= 1.2
    made = pattern(np.arange(1, 17), off, np.zeros(16), np.ones((16, 1)))
    assert made is not None
    assert (made.step, made.first, made.last, made.count) == (False, 4, 8, 5)
    assert made.times == pytest.approx(math.exp(-float(off[3:8].mean())))
    assert made.size is None


@pytest.mark.parametrize("stated", [0.0, 0.03])
@pytest.mark.parametrize("count", [7, 12, 30])
def test_it_is_seldom_found_where_there_is_none(count, stated):
    """600 fits of three unknowns: 1 % is 6, and 14 come with a chance of 0.3 %."""
    random = np.random.default_rng(count)
    slopes = line(count)
    hat = slopes @ np.linalg.pinv(slopes)
    n, sd = np.arange(1, count + 1), np.full(count, stated)
    found = 0
    for _ in range(600):
        noise = 0.03 * random.standard_normal(count)
        found += pattern(n, noise - hat @ noise, sd, slopes) is not None
    assert found <= 14


def test_a_prior_takes_less_from_the_points():
    """Slopes that priors hold absorb nothing: the residuals may then lean as the noise does."""
    random = np.random.default_rng(2)
    tight = np.diag([0.0, 1e4, 1e4])
    slopes, n = line(12), np.arange(1, 13)
    level = np.full((12, 12), 1.0 / 12)
    found = [0, 0]
    for _ in range(300):
        noise = 0.03 * random.standard_normal(12)
        for k, more in enumerate((tight, None)):
            found[k] += pattern(n, noise - level @ noise, np.zeros(12), slopes, more) is not None
    assert found[0] <= 9
    assert found[1] >= 15


def test_many_points_are_put_together():
    n = np.arange(1, 1001)
    random = np.random.default_rng(1)
    off = 0.03 * random.standard_normal(1000) + np.where(n > 500, 0.04, 0.0)
    made = pattern(n, off, np.zeros(1000), np.ones((1000, 1)))
    assert made is not None
    assert made.step
    assert made.first == pytest.approx(501, abs=20)
    assert made.size == pytest.approx(math.exp(-0.04), abs=0.005)
    assert (
        pattern(n, off - np.where(n > 500, 0.04, 0.0), np.zeros(1000), np.ones((1000, 1))) is None
    )


@pytest.mark.parametrize(("count", "unknowns"), [(3, 1), (4, 3)])
def test_too_few_points_show_nothing(count, unknowns):
    off = np.array([-0.3, -0.3, 0.3, 0.3])[:count]
    assert pattern(np.arange(1, count + 1), off, NONE[:count], line(count)[:, :unknowns]) is None


def test_the_sentences():
    step = Pattern(0.004, True, 33, 128, 5, 0.83, 1.06, 0.7)
    assert step.sentence("x.csv") == (
        "POOR FIT: x.csv from n = 33 on is measured 0.83 times what is fitted, 1.06 times before, "
        "as if by a step of 0.7 times there (p = 0.004): the model has not its shape"
    )
    stretch = Pattern(0.01, False, 8, 48, 5, 0.94, 1.0, None)
    assert stretch.sentence("x.csv") == (
        "POOR FIT: x.csv is measured 0.94 times what is fitted at 5 points in a row, n = 8 to 48, "
        "all below it (p = 0.01): the model has not its shape"
    )
    unknown = dataclasses.replace(step, size=None).sentence("x.csv")
    assert "1.06 times before (p = 0.004)" in unknown


def stepped(seed: int, size: float = 0.75):
    """Return a lock's throughputs with 2 % of noise that fall by a quarter beyond 16 processes."""
    return tuple(
        seen("throughput", o.value * (size if (o.n or 0) > 16 else 1.0), o.n)
        for o in curve(STOCK, CURVE, noise=0.02, seed=seed)
    )


def test_a_fit_with_a_model_says_where():
    estimates = [fitted([data(STOCK, stepped(seed))], ("think", "hold")) for seed in range(10)]
    found = [one.patterns.get(0) for one in estimates]
    named = [one for one in found if one is not None and one.step and one.first == 32]
    assert len(named) >= 5
    text = " ".join(flags(estimates[2]))
    assert "POOR FIT: x.csv from n = 32 on is measured 0." in text


def test_it_is_the_curve_of_its_own_file_that_is_named():
    sets = [data(STOCK, curve(STOCK, noise=0.02)), data(STOCK, stepped(2), file="y.csv")]
    estimate = fitted(sets, ("think", "hold"), {"think": "file", "hold": "file"})
    assert list(estimate.patterns) == [1]


def test_the_families_do_not_follow_a_collapse():
    """The universal law with its peak at a quarter of the range, 2 % of noise."""
    n = np.array([1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128])
    x = 1e4 * n / (1 + 0.04 * (n - 1) + 0.96 / 32**2 * n * (n - 1))
    random = np.random.default_rng(1)
    noisy = [Curve(n, x * np.exp(0.02 * random.standard_normal(len(n)))) for _ in range(10)]
    found = [lack(compare(one)) for one in noisy]
    assert sum(one is not None for one in found) >= 7
    amdahl = [
        Curve(n, 1e4 * n / (1 + 0.04 * (n - 1)) * np.exp(0.02 * random.standard_normal(len(n))))
        for _ in range(10)
    ]
    assert [lack(compare(one)) for one in amdahl] == [None] * 10
