"""Bounded least squares: known minima, general minimisers as a check, and honest verdicts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize
from strategies import REPEATABLE

from lockmodel.errors import ArgumentError
from lockmodel.fitting.least_squares import higher, loss_of, minimise, multi_start

WIDE = np.array([-50.0, -50.0]), np.array([50.0, 50.0])


def rosenbrock(x):
    """Minimum 0 at (1, 1)."""
    r = np.array([10.0 * (x[1] - x[0] ** 2), 1.0 - x[0]])
    return r, np.array([[-20.0 * x[0], 10.0], [-1.0, 0.0]])


# NIST StRD Misra1a (https://www.itl.nist.gov/div898/strd/nls/data/misra1a.shtml):
# y = b1 (1 - exp(-b2 x)), certified b1 = 2.3894212918E+02, b2 = 5.5015643181E-04,
# residual sum of squares 1.2455138894E-01, sd of b1 2.7070075241, of b2 7.2668688436E-06.
MISRA_Y = np.array(
    [10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40, 75.47,
     81.78]
)  # fmt: skip
MISRA_X = np.array(
    [77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1,
     760.0]
)  # fmt: skip


def misra(x):
    b1, b2 = np.exp(x)
    decay = np.exp(-b2 * MISRA_X)
    r = b1 * (1.0 - decay) - MISRA_Y
    return r, np.stack([b1 * (1.0 - decay), b1 * b2 * MISRA_X * decay], axis=1)


def noisy_line(seed, outliers=0):
    rng = np.random.default_rng(seed)
    design = np.stack([np.ones(12), np.linspace(-1.0, 1.0, 12)], axis=1)
    y = design @ [0.3, -0.7] + rng.standard_normal(12)
    y[:outliers] += 20.0
    return lambda x: (design @ x - y, design), design, y


def test_rosenbrock_from_the_classical_start():
    minimum = minimise(rosenbrock, np.array([-1.2, 1.0]), *WIDE)
    assert minimum.converged
    assert minimum.x == pytest.approx([1.0, 1.0], abs=1e-8)
    assert minimum.cost < 1e-16
    assert not minimum.at_limit.any()


@pytest.mark.parametrize("start", [(500.0, 1e-4), (250.0, 5e-4)])
def test_nist_misra1a(start):
    minimum = minimise(misra, np.log(start), *WIDE, max_steps=200)
    assert minimum.converged
    assert np.exp(minimum.x) == pytest.approx([2.3894212918e02, 5.5015643181e-04], rel=1e-6)
    assert minimum.cost == pytest.approx(1.2455138894e-01, rel=1e-9)
    sd = np.sqrt(np.diag(np.linalg.inv(minimum.normal)) * minimum.cost / (14 - 2)) * np.exp(
        minimum.x
    )
    assert sd == pytest.approx([2.7070075241, 7.2668688436e-06], rel=1e-4)


@given(
    st.tuples(st.floats(-2.0, 3.0), st.floats(-2.0, 3.0)),
    st.tuples(st.floats(-1.5, 0.9), st.floats(-1.5, 0.9)),
)
@REPEATABLE
def test_active_bounds_as_a_general_minimiser_finds_them(start, upper):
    lower, top = np.array([-2.0, -2.0]), np.array(upper)
    minimum = minimise(rosenbrock, np.array(start), lower, top, max_steps=400)
    inside = np.clip(start, lower + 1e-3, top - 1e-3)
    other = optimize.minimize(
        lambda x: rosenbrock(x)[0] @ rosenbrock(x)[0], inside, method="L-BFGS-B",
        jac=lambda x: 2.0 * rosenbrock(x)[0] @ rosenbrock(x)[1],
        bounds=list(zip(lower, top, strict=True)), options={"ftol": 1e-15, "gtol": 1e-10},
    )  # fmt: skip
    assert minimum.converged
    assert minimum.cost <= other.fun * (1 + 1e-6) + 1e-12
    assert minimum.at_limit.any()
    gradient = minimum.jacobian.T @ minimum.residuals
    assert np.all(np.abs(gradient[~minimum.at_limit]) <= 1e-5)
    assert np.all(
        gradient[minimum.at_limit] * np.where(np.isclose(minimum.x, top), 1, -1)[minimum.at_limit]
        <= 0
    )


@pytest.mark.parametrize("outliers", [0, 1, 3])
def test_a_robust_loss_as_a_general_minimiser_has_it(outliers):
    residuals, design, y = noisy_line(3, outliers)
    minimum = minimise(residuals, np.zeros(2), *WIDE, "soft_l1")

    def slope(x):
        r = design @ x - y
        return 2.0 * design.T @ (r / np.sqrt(1.0 + r * r))

    other = optimize.minimize(
        lambda x: np.sum(2.0 * (np.sqrt(1.0 + (design @ x - y) ** 2) - 1.0)),
        np.zeros(2), jac=slope, method="BFGS", options={"gtol": 1e-7},
    )  # fmt: skip
    assert other.success
    assert minimum.converged
    assert minimum.x == pytest.approx(other.x, abs=1e-6)
    assert minimum.cost == pytest.approx(other.fun, rel=1e-9)


def test_the_loss_is_quadratic_near_zero_and_linear_far_out():
    small, weights = loss_of(np.array([1e-6]), "soft_l1")
    assert small == pytest.approx(1e-6, rel=1e-5)
    assert weights == pytest.approx(1.0, abs=1e-5)
    far, weights = loss_of(np.array([1e8]), "soft_l1")
    assert far == pytest.approx(2e4, rel=1e-3)
    assert weights == pytest.approx(1e-4, rel=1e-3)
    assert loss_of(np.array([4.0, 9.0]), "linear")[0] == 13.0


def test_a_linear_problem_is_solved_as_by_the_normal_equations():
    residuals, design, y = noisy_line(1)
    minimum = minimise(residuals, np.array([5.0, 5.0]), *WIDE)
    assert minimum.x == pytest.approx(np.linalg.lstsq(design, y, rcond=None)[0], abs=1e-9)
    assert minimum.normal == pytest.approx(design.T @ design)


def test_a_direction_that_nothing_sees_stays_where_it_was():
    def residuals(x):
        return np.array([x[0] + x[1] - 3.0, 0.5]), np.array([[1.0, 1.0], [0.0, 0.0]])

    free = np.full(2, np.inf)
    minimum = minimise(residuals, np.array([0.0, 1.0]), -free, free)
    assert minimum.converged
    assert minimum.x.sum() == pytest.approx(3.0)
    assert minimum.x[1] - minimum.x[0] == pytest.approx(1.0)
    assert np.linalg.matrix_rank(minimum.normal) == 1

    # bounds scale the steps by their distance, here 50 and 49: less than a tenth of the way
    bounded = minimise(residuals, np.array([0.0, 1.0]), *WIDE)
    assert bounded.x.sum() == pytest.approx(3.0)
    assert abs(bounded.x[1] - bounded.x[0] - 1.0) < 0.1 * 2.0

    unseen = minimise(
        lambda x: (np.array([x[0] - 1.0]), np.array([[1.0, 0.0]])), np.zeros(2), *WIDE
    )
    assert unseen.x == pytest.approx([1.0, 0.0])


def test_a_bound_on_one_parameter_changes_the_others():
    """Minimise (x + y - 3)^2 + (x - y)^2 with x <= 1: y = 2 at x = 1 is 0 + 1; the best is 3/2."""

    def residuals(x):
        return np.array([x[0] + x[1] - 3.0, x[0] - x[1]]), np.array([[1.0, 1.0], [1.0, -1.0]])

    minimum = minimise(residuals, np.zeros(2), np.full(2, -9.0), np.array([1.0, 9.0]))
    assert minimum.x == pytest.approx([1.0, 1.5])
    assert minimum.at_limit.tolist() == [True, False]


def test_equal_bounds_hold_a_parameter():
    minimum = minimise(
        rosenbrock, np.array([0.5, 3.0]), np.array([0.5, -9.0]), np.array([0.5, 9.0])
    )
    assert minimum.converged
    assert minimum.x == pytest.approx([0.5, 0.25])
    assert minimum.cost == pytest.approx(0.25)


def test_a_hair_from_a_bound_is_at_the_bound():
    """A step onto it was too short to be made, and the bound then not seen as active."""
    start = np.array([1.0, 1.0 - 1e-12])
    minimum = minimise(
        lambda x: (x - [1.0, 3.0], np.eye(2)), start, np.zeros(2), np.array([9.0, 1.0])
    )
    assert minimum.converged
    assert minimum.x == pytest.approx([1.0, 1.0])
    assert minimum.at_limit[1]


def test_every_evaluation_counts_and_is_inside_the_bounds():
    lower, upper = np.array([-2.0, -2.0]), np.array([0.5, 0.1])
    seen = []

    def watched(x):
        seen.append(x.copy())
        return rosenbrock(x)

    for most in (1, 3, 8, 80):
        seen.clear()
        minimum = minimise(watched, np.array([-1.2, 0.1]), lower, upper, max_steps=most)
        assert minimum.steps == len(seen) <= most
        assert all(np.all((x >= lower) & (x <= upper)) for x in seen)
        assert minimum.converged == (most == 80)
    assert minimum.at_limit.tolist() == [False, True]


def test_it_goes_around_a_region_without_numbers():
    def residuals(x):
        if x[0] > 2.0:
            return np.full(2, np.nan), np.zeros((2, 1))
        return np.array([x[0] - 1.9, 0.1]), np.array([[1.0], [0.0]])

    minimum = minimise(residuals, np.array([0.5]), *(bound[:1] for bound in WIDE))
    assert minimum.converged
    assert minimum.x == pytest.approx([1.9])


def test_the_edge_of_a_region_without_numbers_is_no_minimum():
    """The damping that shortens rejected steps once made their length pass for convergence."""

    def cliff(x):
        if x[0] > 1.0:
            return np.full(2, np.nan), np.zeros((2, 1))
        return np.array([x[0] - 2.0, 0.5]), np.array([[1.0], [0.0]])

    assert not minimise(cliff, np.zeros(1), *(bound[:1] for bound in WIDE)).converged


def test_a_derivative_of_the_wrong_sign_is_not_called_converged():
    def wrong(x):
        return np.array([x[0] - 2.0, 0.5]), np.array([[-1.0], [0.0]])

    assert not minimise(wrong, np.zeros(1), *(bound[:1] for bound in WIDE)).converged


def test_too_few_steps_are_not_called_converged():
    minimum = minimise(rosenbrock, np.array([-1.2, 1.0]), *WIDE, max_steps=5)
    assert not minimum.converged
    assert minimum.steps == 5


def test_derivatives_that_are_slightly_old_still_converge():
    """As the objective keeps them: the minimum is met within a small part of its error."""
    calls: list[np.ndarray] = []

    def stale(x):
        r = misra(x)[0]
        if not calls or np.abs(x - calls[-1]).max() > 0.02:
            calls.append(x.copy())
        return r / 0.1, misra(calls[-1])[1] / 0.1

    minimum = minimise(stale, np.log([300.0, 4e-4]), *WIDE)
    assert minimum.converged
    sd = np.sqrt(np.diag(np.linalg.inv(minimum.normal)))
    assert np.all(np.abs(minimum.x - np.log([238.94212918, 5.5015643181e-4])) < 0.05 * sd)


def test_an_unknown_loss_and_a_start_without_numbers_are_refused():
    with pytest.raises(ArgumentError, match="loss = 'huber' must be one of linear, soft_l1"):
        minimise(rosenbrock, np.zeros(2), *WIDE, loss="huber")
    with pytest.raises(
        ArgumentError, match=r"the start \[2.718282\] .* no finite .* check the unit"
    ):
        minimise(lambda x: (x * np.nan, np.ones((1, 1))), np.ones(1), np.zeros(1), np.ones(1))


def two_wells(x):
    """Cost (x^2 - 1)^2 + 0.01 (x - 1)^2: minima near -1 (cost 0.04) and at 1 (cost 0)."""
    r = np.array([x[0] ** 2 - 1.0, 0.1 * (x[0] - 1.0)])
    return r, np.array([[2.0 * x[0]], [0.1]])


def test_several_starts_find_the_lower_of_two_minima():
    bounds = np.array([-5.0]), np.array([5.0])
    assert minimise(two_wells, np.array([-1.5]), *bounds).x == pytest.approx([-1.0], abs=0.05)
    best, others = multi_start(two_wells, [np.array([-1.5]), np.array([3.0])], *bounds)
    assert best.x == pytest.approx([1.0])
    assert [best.cost, *(one.cost for one in others)] == pytest.approx([0.0, 0.04], abs=1e-3)


def test_a_lower_cost_counts_more_than_convergence():
    """A poor minimum must not hide a better one for which the steps did not suffice."""

    def wells(x):
        if x[0] < 0:  # a flat minimum of cost 100 at -1
            return np.array([10.0, x[0] + 1.0]), np.array([[0.0], [1.0]])
        return np.array([x[0] - 30.0, 0.0]), np.array([[1.0], [0.0]])

    bounds = np.array([-50.0]), np.array([50.0])
    best, (other,) = multi_start(wells, [np.array([-1.0]), np.array([25.0])], *bounds, max_steps=2)
    assert not best.converged
    assert best.x[0] > 25.0
    assert best.cost < 10.0 < other.cost


def test_starts_without_numbers_are_passed_over():
    def half(x):
        if x[0] < 0:
            return np.full(1, np.nan), np.zeros((1, 1))
        return x - 2.0, np.ones((1, 1))

    bounds = np.array([-9.0]), np.array([9.0])
    best, others = multi_start(half, [np.array([-1.0]), np.array([1.0])], *bounds)
    assert best.x == pytest.approx([2.0])
    assert others == ()
    with pytest.raises(ArgumentError, match="no finite prediction"):
        multi_start(half, [np.array([-1.0]), np.array([-2.0])], *bounds)


def test_other_minima_are_compared_as_the_residuals_are_weighted_now():
    """At a tenth of the noise the second minimum is a hundred times as far above the first."""
    bounds = np.array([-5.0]), np.array([5.0])
    first, others = multi_start(two_wells, [np.array([-1.5]), np.array([3.0])], *bounds)
    assert [other.x[0] for other in others] == pytest.approx([-1.0], abs=0.05)

    def sharper(x):
        r, jacobian = two_wells(x)
        return 10.0 * r, 10.0 * jacobian

    best = minimise(sharper, first.x, *bounds)
    costs = higher(others, sharper, best, *bounds, "linear")
    exact = optimize.minimize_scalar(
        lambda x: float(np.sum(sharper(np.array([x]))[0] ** 2)), bounds=(-2, 0), method="bounded"
    )
    assert costs == pytest.approx((exact.fun,), abs=1e-3)
    assert higher(others, two_wells, first, *bounds, "linear") == pytest.approx((0.0397,), abs=1e-3)
