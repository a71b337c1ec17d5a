"""Coxian times: mean 1, the scv asked for, the distribution they claim to be, and errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import expm

from lockmodel.errors import ArgumentError
from lockmodel.solvers.markov.phase_type import (
    PhaseType,
    coxian,
    erlang,
    exponential,
    hyperexponential,
)

TIMES = np.array([0.0, 0.01, 0.3, 1.0, 2.5, 7.0])


def scv_of(time: PhaseType) -> float:
    mean, variance = time.moments
    return variance / mean**2


def survival(time: PhaseType) -> np.ndarray:
    """Return P(T > t) at TIMES, by the matrix exponential of the phases' generator."""
    generator = np.diag(-time.rates) + np.diag((time.rates * time.go_on)[:-1], 1)
    return np.array([expm(generator * t)[0].sum() for t in TIMES])


@given(st.floats(1 / 1024, 1e6))
def test_a_coxian_meets_any_variation(scv):
    law = coxian(scv)
    assert law.mean == pytest.approx(1.0, rel=1e-12)
    assert scv_of(law) == pytest.approx(scv, rel=1e-10)
    assert law.phases <= max(2, math.ceil(1 / scv))


@given(st.floats(1, 1e9))
def test_a_hyperexponential_meets_its_variation(scv):
    law = hyperexponential(scv)
    assert (law.mean, scv_of(law)) == pytest.approx((1.0, scv), rel=1e-10)


@given(st.integers(1, 1024))
def test_an_erlang_varies_by_its_stages(stages):
    law = erlang(stages)
    assert (law.mean, scv_of(law)) == pytest.approx((1.0, 1 / stages), rel=1e-11)


def test_fewest_phases():
    assert [coxian(c).phases for c in (1.0, 0.7, 0.5, 0.49, 1 / 3, 0.25, 0.1, 5.0)] == [
        *(1, 2, 2, 3, 3, 4, 10, 2)
    ]


def test_the_hyperexponential_is_the_mixture_of_two_exponentials():
    root = math.sqrt(3 / 5)
    p = (1 + root) / 2
    want = p * np.exp(-2 * p * TIMES) + (1 - p) * np.exp(-2 * (1 - p) * TIMES)
    assert survival(hyperexponential(4.0)) == pytest.approx(want, rel=1e-12)


def test_the_mixed_erlang_is_the_mixture_of_two_erlangs():
    # scv 0.4: three stages, the last one skipped with p = (1.2 - sqrt(0.6)) / 1.4
    p = (1.2 - math.sqrt(0.6)) / 1.4
    x = (3 - p) * TIMES
    want = np.exp(-x) * (1 + x + (1 - p) * x**2 / 2)
    assert survival(coxian(0.4)) == pytest.approx(want, rel=1e-12)
    assert survival(erlang(2)) == pytest.approx(np.exp(-2 * TIMES) * (1 + 2 * TIMES), rel=1e-12)
    assert survival(exponential()) == pytest.approx(np.exp(-TIMES), rel=1e-12)


@pytest.mark.parametrize("make", [coxian, hyperexponential])
@pytest.mark.parametrize("scv", [0.0, -1.0, math.nan, math.inf, "1", True, None])
def test_bad_variations(make, scv):
    with pytest.raises(ArgumentError, match="scv = "):
        make(scv)


def test_limits_say_what_to_use():
    with pytest.raises(ArgumentError, match=r"scv = 0\.0009 needs 1112 phases.*call the time con"):
        coxian(0.0009)
    with pytest.raises(ArgumentError, match="use coxian"):
        hyperexponential(0.9)
    for stages in (0, -2, 1025, 2.0, math.nan, True):
        with pytest.raises(ArgumentError, match=r"stages = .* must be an integer, 1 to 1024"):
            erlang(stages)


def test_a_phase_type_checks_itself():
    one = np.ones(1)
    for rates, go_on, text in (
        (np.ones(2), np.zeros(1), "equally long"),
        (np.ones(0), np.zeros(0), "1 or more"),
        (-one, np.zeros(1), "finite and above 0"),
        (np.array([math.nan]), np.zeros(1), "finite and above 0"),
        (one, one, "0 for the last phase"),
        (np.ones(2), np.array([1.5, 0.0]), "must be probabilities"),
        (np.ones(2), np.array([math.nan, 0.0]), "must be probabilities"),
    ):
        with pytest.raises(ArgumentError, match=text):
            PhaseType(rates, go_on)
