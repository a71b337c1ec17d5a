"""Draws from a fit: their distribution, their limits, and what they do with awkward fits."""

from __future__ import annotations

import re

import numpy as np
import pytest
from fits import NORMAL_95, fitted
from msgspec.structs import replace
from places import timed

from lockmodel.changes import levers
from lockmodel.errors import ArgumentError, ScenarioError
from lockmodel.fitting.draws import DRAWS, conditional_noise, deltas, drawn, interval
from lockmodel.fitting.parameters import limits, parse, read
from lockmodel.model.fit_table import Fit, FittedParameter

SHIPPED = timed("execl-xeon8369b")
T4_95 = 2.1318467863266499
"""95 % quantile of Student's t with 4 degrees of freedom (scipy 1.16, checked by mpmath)."""


def test_draws_are_the_same_every_time_and_differ_by_seed():
    scenario = fitted(SHIPPED, {"think": 0.1, "all.handoff": 0.2}, 0.3, degrees=5.0)
    assert drawn(scenario, 20).scenarios == drawn(scenario, 20).scenarios
    assert drawn(scenario, 20).scenarios != drawn(scenario, 20, seed=1).scenarios
    assert [len(drawn(scenario, count).scenarios) for count in (2, 3, 20)] == [2, 3, 20]
    assert all(one.fit is None for one in drawn(scenario, 20).scenarios)


def test_normal_draws_have_the_covariance_of_the_fit_exactly():
    scenario = fitted(SHIPPED, {"think": 0.1, "all.handoff": 0.2, "all.hold": 0.05}, -0.4)
    steps, radius = deltas(scenario.fit, DRAWS)
    assert np.mean(radius**2) == pytest.approx(3.0, rel=1e-12)  # parameters
    np.testing.assert_allclose(steps.mean(axis=0), 0.0, atol=1e-15)
    want = np.array([p.covariance for p in scenario.fit.parameters])
    np.testing.assert_allclose(steps.T @ steps / DRAWS, want, rtol=1e-10)


@pytest.mark.parametrize(("degrees", "quantile"), [(0.0, NORMAL_95), (4.0, T4_95)])
def test_marginals_have_the_quantiles_of_student_t(degrees, quantile):
    deviations = {"think": 0.1, "think_remote": 0.02, "all.handoff": 0.2, "all.acquires": 0.3}
    scenario = fitted(SHIPPED, deviations, 0.5, degrees=degrees)
    highs = []
    for seed in range(8):
        steps, _ = deltas(scenario.fit, 4096, seed)
        for column, sd in enumerate(deviations.values()):
            low, high = interval(steps[:, column], 0.9)
            assert low == pytest.approx(-high, rel=1e-12)  # every draw has its mirror image
            highs.append(high / sd)
    assert np.mean(highs) == pytest.approx(quantile, rel=0.01)
    assert np.std(highs) / quantile < 0.03


def test_distances_are_those_of_an_f_distribution():
    """p F(p, degrees) with p = 2: P(beyond) = (1 + r^2 / degrees)^(-degrees / 2)."""
    scenario = fitted(SHIPPED, {"think": 0.1, "all.handoff": 0.3}, 0.5, degrees=3.0)
    _, radius = deltas(scenario.fit, 4096)
    beyond = (1.0 + radius**2 / 3.0) ** -1.5
    grid = np.linspace(0.05, 0.95, 19)
    np.testing.assert_allclose(np.quantile(beyond, grid), grid, atol=0.015)


def test_noise_given_the_estimates_is_that_of_a_multivariate_t():
    """Mean and noise together: the prediction interval of a mean of known distribution."""
    scenario = fitted(SHIPPED, {"think": 0.1, "all.handoff": 0.3}, degrees=3.0)
    stretch, degrees = conditional_noise(scenario.fit, np.array([0.0, np.sqrt(2.0), 5.0]))
    assert degrees == 5.0
    assert stretch == pytest.approx(np.sqrt([3 / 5, 1.0, 28 / 5]), rel=1e-12)
    known = fitted(SHIPPED, {"think": 0.1})
    assert conditional_noise(known.fit, np.array([1.0, 9.0]))[0].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("degrees", "quantile", "off"), [(0, NORMAL_95, 0.05), (4, T4_95, 0.08)])
def test_a_few_draws_are_enough_for_the_ends_of_an_interval(degrees, quantile, off):
    """The claim of `DRAWS`: root mean square error for linear functions of parameters."""
    names = ["think", "think_remote", "all.handoff", "all.acquires", "all.hold"]
    weights = np.random.default_rng(3).normal(size=(200, len(names)))
    fit = fitted(SHIPPED, dict.fromkeys(names, 1.0), degrees=float(degrees)).fit
    steps, _ = deltas(fit, DRAWS)
    highs = [interval(steps @ w, 0.9)[1] / np.linalg.norm(w) / quantile for w in weights]
    assert np.sqrt(np.mean((np.array(highs) - 1.0) ** 2)) < off


def test_draws_move_the_scenario_as_the_deltas_say():
    scenario = fitted(SHIPPED, {"think": 0.1, "libc.so.6.acquires": 0.2}, -0.7)
    steps, _ = deltas(scenario.fit, 16)
    for one, step in zip(drawn(scenario, 16).scenarios, steps, strict=True):
        assert one.think == pytest.approx(SHIPPED.think * np.exp(step[0]), rel=1e-12)
        acquires = SHIPPED.acquires("libc.so.6") * np.exp(step[1])
        assert one.acquires("libc.so.6") == pytest.approx(acquires, rel=1e-12)
        held = SHIPPED.held_instructions("libc.so.6", 9)
        assert one.held_instructions("libc.so.6", 9) == pytest.approx(held, rel=1e-12)


def test_draws_spread_around_the_present_values_not_the_estimates():
    scenario = replace(fitted(SHIPPED, {"think": 0.1}), think=1e-3)
    logs = np.log([one.think for one in drawn(scenario, 64).scenarios])
    assert logs.mean() == pytest.approx(np.log(1e-3), rel=1e-12)
    assert logs.std() == pytest.approx(0.1, rel=1e-6)


def test_a_parameter_set_to_nothing_since_stays_nothing():
    scenario = replace(fitted(SHIPPED, {"think_remote": 0.1, "think": 0.1}), think_remote=0.0)
    assert {one.think_remote for one in drawn(scenario, 8).scenarios} == {0.0}


def test_an_undetermined_parameter_stays_in_its_interval():
    scenario = fitted(SHIPPED, {"think": 0.1, "all.handoff": 3.0}, undetermined=("all.handoff",))
    narrow = scenario.fit.parameters[1]
    narrow = replace(narrow, low=narrow.value / 2, high=narrow.value * 4)
    scenario = replace(
        scenario, fit=replace(scenario.fit, parameters=(scenario.fit.parameters[0], narrow))
    )
    parameter = parse("all.handoff", scenario)
    values = [read(one, parameter) / narrow.value for one in drawn(scenario, 64).scenarios]
    assert (min(values), max(values)) == pytest.approx((0.5, 4.0), rel=1e-9)
    assert 0.2 < sum(value <= 0.5 * (1 + 1e-9) for value in values) / 64 < 0.5  # piled up there


def test_draws_stay_within_what_the_scenario_allows():
    scenario = fitted(
        SHIPPED, {"smt_speedup": 2.0, "same_node_cost": 2.0, "all.hold": 5.0, "think": 200.0}
    )
    allowed = {p.name: limits(SHIPPED, parse(p.name, SHIPPED)) for p in scenario.fit.parameters}
    for one in drawn(scenario, 64).scenarios:  # a scenario that may not exist raises
        for name, (low, high) in allowed.items():
            value = read(one, parse(name, one))
            assert low * (1 - 1e-9) <= value <= high * (1 + 1e-9)


def rows_of(rows):
    """Return a scenario whose fit has this covariance."""
    names = ("think", "think_remote", "all.handoff")[: len(rows)]
    made = tuple(
        FittedParameter(
            name=name, unit="s", value=1.0, low=0.1, high=10.0, determined=True, covariance=row
        )
        for name, row in zip(names, rows, strict=True)
    )
    return replace(SHIPPED, fit=Fit(version="0", parameters=made))


def test_a_singular_covariance_moves_along_its_range():
    steps, _ = deltas(rows_of(((0.04, 0.02), (0.02, 0.01))).fit, 32)
    np.testing.assert_allclose(steps[:, 0], 2 * steps[:, 1], rtol=1e-9)
    assert steps[:, 0].std() == pytest.approx(0.2, rel=1e-9)
    assert np.all(deltas(rows_of(((0.0,),)).fit, 32)[0] == 0.0)


def test_a_covariance_that_is_not_positive_definite_gives_finite_draws():
    rows = ((1.0, 0.9, -0.9), (0.9, 1.0, 0.9), (-0.9, 0.9, 1.0))  # eigenvalues 1.9, 1.9, -0.8
    steps, _ = deltas(rows_of(rows).fit, 256)
    eigenvalues = np.linalg.eigvalsh(steps.T @ steps / 256)
    np.testing.assert_allclose(eigenvalues, [0.0, 1.9, 1.9], atol=1e-9)
    assert len(drawn(rows_of(rows), 16).scenarios) == 16


def test_a_fit_without_parameters_draws_the_scenario_itself():
    bare = replace(SHIPPED, fit=Fit(version="0", parameters=()))
    assert set(drawn(bare, 4).scenarios) == {SHIPPED}


def test_a_parameter_that_is_gone_is_named():
    scenario = levers.exclude(fitted(SHIPPED, {"libc.so.6.handoff": 0.1}), "libc.so.6")
    with pytest.raises(ScenarioError, match=re.escape("'libc.so.6.handoff': the scenario does no")):
        drawn(scenario)
    renamed = rows_of(((0.01,),))
    odd = replace(renamed.fit.parameters[0], name="thinking")
    renamed = replace(renamed, fit=replace(renamed.fit, parameters=(odd,)))
    with pytest.raises(ScenarioError, match=r"'thinking': .*did you mean 'think'.*fit again"):
        drawn(renamed)


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ArgumentError, match=r"has no \[fit\] table to draw from"):
        drawn(SHIPPED)
    with pytest.raises(ArgumentError, match="count = 1 must be at least 2"):
        drawn(fitted(SHIPPED, {"think": 0.1}), 1)


def test_interval_is_the_quantiles_of_strata():
    assert interval(np.arange(10.0), 0.8) == pytest.approx(
        (0.5, 8.5)
    )  # a tenth of the values outside each end
    assert interval(np.array([3.0, 3.0]), 0.9) == (3.0, 3.0)
