"""Profile intervals: Wald's where the problem is quadratic, exact or open where it is not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize
from studies import MACHINE, NO_PRIORS, PATCHED, STOCK, curve, data, fitted, model, seen

from lockmodel.fitting.estimate import Settings
from lockmodel.fitting.profile import CLOSE, interval_of, profile
from lockmodel.fitting.quantiles import student
from lockmodel.fitting.quantities import expected
from lockmodel.model.placement import distances

ALONE = model(locks=())
DENSE = tuple(range(1, 65))


def wald(estimate, index, level=0.9):
    half = student(level, estimate.degrees) * math.sqrt(estimate.covariance[index, index])
    return math.exp(estimate.theta[index] - half), math.exp(estimate.theta[index] + half)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_think_time_alone_is_a_quadratic_problem(level):
    """ln X = ln N - ln think: the interval is Student's, mean +- t s / sqrt(n)."""
    estimate = fitted([data(ALONE, curve(ALONE, noise=0.05))], ("think",))
    ends = profile(estimate, 0, level)
    half = student(level, estimate.degrees) * estimate.noise.unstated / math.sqrt(8)
    assert math.log(ends.high) - estimate.theta[0] == pytest.approx(half, rel=CLOSE)
    assert estimate.theta[0] - math.log(ends.low) == pytest.approx(half, rel=CLOSE)
    assert not ends.open_low
    assert not ends.open_high


def test_little_noise_makes_any_problem_quadratic():
    pair = [
        data(STOCK, curve(STOCK, noise=1e-3, sd=1e-3), "old"),
        data(PATCHED, curve(PATCHED, noise=1e-3, sd=1e-3, seed=2), "new", stock=STOCK),
    ]
    estimate = fitted(pair, ("think", "hold", "handoff"))
    for index in range(3):
        ends = profile(estimate, index)
        assert (ends.low, ends.high) == pytest.approx(wald(estimate, index), rel=2e-2)


@pytest.mark.parametrize(
    ("populations", "free"),
    [((1, 2, 4, 8, 16, 32, 48, 64), "hold"), ((6, 9, 12, 16), "hold"), ((6, 9, 12, 16), "demand")],
)
def test_the_end_is_where_the_profiled_cost_rises_by_t_squared(populations, free):
    """Against a general minimiser that holds the unknown at the end."""
    estimate = fitted([data(STOCK, curve(STOCK, populations, noise=0.05))], ("think", free))
    residuals = estimate.objective.residuals(estimate.noise)
    wanted = student(0.9, estimate.degrees) ** 2
    ends = profile(estimate, 1)
    for end, is_open in ((ends.low, ends.open_low), (ends.high, ends.open_high)):
        if is_open:
            continue
        held = optimize.minimize_scalar(
            lambda t, end=end: float(np.sum(residuals(np.array([t, math.log(end)]))[0] ** 2)),
            bounds=(estimate.theta[0] - 3, estimate.theta[0] + 3),
            method="bounded",
            options={"xatol": 1e-9},
        )
        rise = held.fun - estimate.minimum.cost
        assert rise == pytest.approx(wanted, rel=2.5 * CLOSE)


def test_a_skewed_likelihood_has_a_skewed_interval():
    """Of the hand-off a bent curve bounds the upper end nearer (in ln) than the lower one."""
    few = curve(STOCK, (1, 2, 4, 8), noise=0.03, seed=3)
    estimate = fitted([data(STOCK, few)], ("think", "handoff"))
    ends = profile(estimate, 1)
    down = estimate.theta[1] - math.log(ends.low)
    up = math.log(ends.high) - estimate.theta[1]
    assert down > 1.5 * up


def test_what_nothing_bounds_is_open_to_its_limits():
    estimate = fitted([data(STOCK, curve(STOCK, (1,)))], ("think", "handoff"))
    ends = profile(estimate, 1)
    unknown = estimate.study.unknowns[1]
    assert (ends.low, ends.high) == pytest.approx((unknown.lower, unknown.upper))
    assert ends.open_low
    assert ends.open_high
    assert not profile(estimate, 0).open_low


def test_a_small_handoff_is_bounded_above_only():
    none = model(acquires=0.05, held=80000.0)
    estimate = fitted([data(none, curve(none, noise=0.02))], ("think", "handoff"))
    ends = profile(estimate, 1)
    assert ends.open_low
    assert not ends.open_high
    assert ends.high < 1e-3


def test_an_estimate_at_its_limit_is_open_there():
    quick = model(held=50.0)
    estimate = fitted([data(STOCK, curve(quick))], ("think", "hold"))
    ends = profile(estimate, 1)
    assert ends.low == pytest.approx(0.3e-9)
    assert ends.open_low
    assert not ends.open_high


def test_more_confidence_is_a_wider_interval():
    estimate = fitted([data(STOCK, curve(STOCK, noise=0.05))], ("think", "hold"))
    made = [profile(estimate, 1, level) for level in (0.5, 0.8, 0.95, 0.99)]
    lows, highs = [i.low for i in made], [i.high for i in made]
    assert lows == sorted(lows, reverse=True)
    assert highs == sorted(highs)
    assert all(
        low < math.exp(estimate.theta[1]) < high for low, high in zip(lows, highs, strict=True)
    )


def test_a_prior_narrows_the_interval():
    few = [data(STOCK, curve(STOCK, (1, 2, 4), noise=0.05))]
    free = ("think", "handoff")
    with_, without = (profile(fitted(few, free, settings=s), 1) for s in (Settings(), NO_PRIORS))
    assert with_.high / with_.low < without.high / without.low


def test_parts_that_nothing_separates_have_the_width_of_their_split():
    """The likelihood of one assumed growth would be narrower by an order of magnitude."""
    estimate = fitted(
        [data(STOCK, curve(STOCK, DENSE[::4], noise=0.005))], ("think", "hold", "handoff")
    )
    assert estimate.splits
    ends = interval_of(estimate, 2)
    narrow = profile(estimate, 2)
    assert math.log(ends.high / ends.low) > 5 * math.log(narrow.high / narrow.low)
    low, high = wald(estimate, 2)
    unknown = estimate.study.unknowns[2]
    assert (ends.low, ends.high) == pytest.approx(
        (max(low, unknown.lower), min(high, unknown.upper))
    )
    assert ends.open_low == (low < unknown.lower)
    assert ends.open_high == (high > unknown.upper)
    think = interval_of(estimate, 0)
    assert (think.low, think.high) == (profile(estimate, 0).low, profile(estimate, 0).high)


def test_held_work_gives_up_what_the_handoff_takes_of_the_demand():
    """D = tau I + m c stays: with the hand-off at its ends, tau is (D - m c) / I by hand."""
    estimate = fitted(
        [data(STOCK, curve(STOCK, DENSE[::4], noise=0.005))],
        ("think", "hold", "handoff"),
        settings=Settings(),
    )
    hold, handoff = (interval_of(estimate, i) for i in (1, 2))
    scenario = estimate.scenario(0)
    own = scenario.lock("a")
    line = distances(MACHINE, 64)[0]
    instructions, m = 4000.0, 5.0
    tau = own.time_per_instruction_local * (1 - line) + own.time_per_instruction_remote * line
    handed = m * float(own.handoff.cost(np.array([63.0]), 1.0)[0])
    demand = tau * instructions + handed
    margin = math.exp(
        student(0.9, estimate.degrees) * math.sqrt(estimate.measured_covariance[1, 1])
    )
    for end, side in ((handoff.low, hold.high / margin), (handoff.high, hold.low * margin)):
        crowded = (demand - m * end) / instructions
        remote = (crowded - own.time_per_instruction_local * (1 - line)) / line
        if remote > own.time_per_instruction_local:
            assert side == pytest.approx(remote, rel=1e-6)
    assert hold.low < math.exp(estimate.theta[1]) < hold.high


def test_the_interval_covers_as_often_as_it_says():
    """50 % intervals of 60 curves: 30 +- 3 x 3.9."""
    inside = 0
    for seed in range(60):
        sets = [data(ALONE, curve(ALONE, (1, 2, 4, 8, 16), noise=0.03, seed=seed))]
        estimate = fitted(sets, ("think",), settings=Settings(priors=False, starts=1))
        ends = profile(estimate, 0, 0.5)
        inside += ends.low < 100e-6 < ends.high
    assert 18 <= inside <= 42


def test_every_interval_holds_its_estimate():
    hold = expected(STOCK, 64, [seen("hold_time", 1, 64)])[0]
    sets = [data(STOCK, (*curve(STOCK, noise=0.02), seen("hold_time", hold, 64)))]
    estimate = fitted(sets, ("think", "hold", "handoff"))
    for k, theta in enumerate(estimate.theta):
        ends = interval_of(estimate, k)
        assert ends.low < math.exp(theta) < ends.high
        assert not ends.open_low
        assert not ends.open_high
        narrow = interval_of(estimate, k, 0.8)
        assert ends.low < narrow.low < math.exp(theta) < narrow.high < ends.high
