"""Quantiles against scipy.stats."""

from __future__ import annotations

import pytest
from scipy import stats

from lockmodel.fitting.quantiles import chi_squared_tail, f_tail, student


@pytest.mark.parametrize("level", [0.5, 0.68, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("degrees", [0.5, 1.0, 2.3, 5.0, 30.0, 1e4])
def test_student(level, degrees):
    assert student(level, degrees) == pytest.approx(stats.t.ppf((1 + level) / 2, degrees), rel=1e-9)


def test_student_of_the_printed_tables():
    assert student(0.9, 5) == pytest.approx(2.015, abs=5e-4)
    assert student(0.95, 10) == pytest.approx(2.228, abs=5e-4)
    assert student(0.9, 1) == pytest.approx(6.314, abs=5e-4)


def test_a_known_variance_is_normal():
    assert student(0.9, 0) == pytest.approx(1.6448536269514722, rel=1e-12)
    assert student(0.9, 1e9) == pytest.approx(student(0.9, 0), rel=1e-6)


@pytest.mark.parametrize(("value", "degrees"), [(3.84, 1), (18.3, 10), (0.1, 2.5), (200.0, 7)])
def test_chi_squared(value, degrees):
    assert chi_squared_tail(value, degrees) == pytest.approx(stats.chi2.sf(value, degrees))


def test_chi_squared_without_degrees_says_nothing():
    assert chi_squared_tail(99.0, 0.0) == 1.0
    assert chi_squared_tail(99.0, -0.5) == 1.0


def test_tail_of_f():
    """P(F > x) of 2 and 2 degrees is 1 / (1 + x); of equal degrees the median is 1."""
    assert f_tail(3.0, 2.0, 2.0) == pytest.approx(0.25, rel=1e-12)
    assert f_tail(1.0, 7.0, 7.0) == pytest.approx(0.5, rel=1e-12)
