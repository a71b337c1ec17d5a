"""Estimates: known values come back, the noise is right, and every flag is raised when due."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from msgspec.structs import replace
from studies import (
    CURVE,
    NO_PRIORS,
    PATCHED,
    STOCK,
    curve,
    data,
    fitted,
    lock,
    model,
    seen,
)

from lockmodel.errors import ArgumentError
from lockmodel.fitting import parameters as ps
from lockmodel.fitting.estimate import FACTOR, Settings
from lockmodel.fitting.health import flags
from lockmodel.fitting.least_squares import LOOSE
from lockmodel.fitting.noise import USUAL, USUAL_NOISE, _moment, degrees_of_freedom, used_up
from lockmodel.fitting.quantities import expected
from lockmodel.model.handoff import (
    ConstantHandOff,
    LinearHandOff,
    SaturatingHandOff,
    TopologyHandOff,
)
from lockmodel.model.scenario import Site

FREE = ("think", "hold", "handoff")
DENSE = tuple(range(1, 65))
PSEUDO = USUAL["unstated"][1]


def moved(scenario, values):
    parameters = [ps.parse(text, scenario) for text in values]
    return ps.apply(
        scenario, parameters, dict(zip([p.name for p in parameters], values.values(), strict=True))
    )


def value(estimate, name):
    return {
        u.name: math.exp(t) for u, t in zip(estimate.study.unknowns, estimate.theta, strict=True)
    }[name]


def flag(estimate, start):
    chosen = [text for text in flags(estimate) if text.startswith(start)]
    assert len(chosen) <= 1
    return chosen[0] if chosen else ""


@pytest.mark.parametrize(
    ("scenario", "truth"),
    [
        (STOCK, {"think": 70e-6, "hold": 3e-9}),
        (STOCK, {"think": 130e-6, "handoff": 900e-9}),
        (model(think_remote=40e-6), {"think": 80e-6, "think_remote": 70e-6, "hold": 1.5e-9}),
        (
            model(LinearHandOff(time=2e-7, per_waiter=5e-9)),
            {"think": 7e-5, "handoff.per_waiter": 9e-9},
        ),
        (model(TopologyHandOff(local=1e-7, remote=5e-7)), {"think": 9e-5, "handoff": 8e-7}),
        (model(locks=("a", "b")), {"think": 9e-5, "a.hold": 3e-9}),
        (STOCK, {"demand": 12e-6, "think": 60e-6}),
    ],
)  # fmt: skip
def test_known_values_come_back_from_a_curve_without_noise(scenario, truth):
    estimate = fitted([data(scenario, curve(moved(scenario, truth)))], tuple(truth))
    assert estimate.minimum.converged
    assert estimate.predicted == pytest.approx(
        [o.value for o in curve(moved(scenario, truth))], 1e-6
    )
    for text, wanted in truth.items():
        name = ps.parse(text, scenario).name
        assert value(estimate, name) == pytest.approx(wanted, rel=1e-6)


def test_known_values_come_back_from_any_mix():
    """Throughput, waits, holds and a patched kernel: held work and hand-off each."""
    truth = {"think": 80e-6, "hold": 3e-9, "handoff": 500e-9}
    stock, patched = moved(STOCK, truth), moved(PATCHED, truth)
    asked = [("wait_share", 64), ("mean_wait", 32), ("hold_time", 64), ("contended_fraction", 4)]
    others = tuple(seen(kind, expected(stock, n, [seen(kind, 0.1, n)])[0], n) for kind, n in asked)
    sets = [
        data(STOCK, (*curve(stock), *others), "old"),
        data(PATCHED, curve(patched, (64,)), "new", stock=STOCK),
    ]
    estimate = fitted(sets, FREE)
    assert [math.exp(t) for t in estimate.theta] == pytest.approx(list(truth.values()), rel=1e-6)
    assert flags(estimate) == ()


def test_what_the_model_has_at_nothing_is_found():
    """A hand-off of 300 ns where the model had none, and think time where it had none."""
    none = model(ConstantHandOff(time=0.0))
    estimate = fitted([data(none, curve(STOCK))], ("think", "handoff"))
    assert value(estimate, "all.handoff") == pytest.approx(300e-9, rel=0.02)
    estimate = fitted([data(replace(STOCK, think=0.0), curve(STOCK))], ("think", "hold"))
    assert value(estimate, "think") == pytest.approx(100e-6, rel=1e-4)


def test_other_starts_lead_to_the_same_values():
    far = moved(STOCK, {"think": 3e-6, "hold": 60e-9})
    estimate = fitted([data(far, curve(STOCK))], ("think", "hold"))
    assert [math.exp(t) for t in estimate.theta] == pytest.approx([100e-6, 2e-9], rel=1e-5)


@pytest.mark.parametrize("noise", [USUAL_NOISE, 0.08])
def test_the_noise_is_that_of_the_data(noise):
    """64 points, 2 unknowns: the mean variance of 12 data sets within 3 of its standard errors.
    The pseudo-residuals of the usual size are among the 64."""
    noises = [
        fitted([data(STOCK, curve(STOCK, DENSE, noise=noise, seed=seed))], ("think", "hold"),
               settings=Settings(priors=False, starts=1)).noise.unstated
        for seed in range(12)
    ]  # fmt: skip
    shrunk = (62 * noise**2 + PSEUDO * USUAL_NOISE**2) / (62 + PSEUDO)
    error = math.sqrt(2 / (62 * 12))
    assert np.mean(np.square(noises)) == pytest.approx(shrunk, rel=3 * error)


def test_the_noise_of_relative_throughputs_counts_their_factor():
    """8 points, 2 unknowns and a factor: 5 degrees, not 6."""
    one = fitted([data(STOCK, curve(STOCK, noise=0.1, unit="relative"))], ("think", "hold"))
    chosen = one.objective.noisy
    assert used_up(one.objective, one.minimum, chosen) == pytest.approx(3.0, abs=0.05)
    squares = (one.minimum.residuals * one.objective.spread(one.noise)) ** 2
    wanted = (squares.sum() + PSEUDO * USUAL_NOISE**2) / (5 + PSEUDO)
    assert one.noise.unstated**2 == pytest.approx(wanted, rel=0.01)


def test_the_moment_equation_of_a_group():
    squares = np.array([0.01, 0.04, 0.02, 0.03])
    s = _moment(squares, np.zeros(4), 3.0, 0.03, 2.0)
    assert s**2 == pytest.approx((0.10 + 2 * 0.03**2) / 5, rel=1e-9)
    sd = np.full(4, 0.05)
    s = _moment(squares, sd, 3.0, 0.03, 2.0)
    assert 0.1 / (0.05**2 + s**2) + 2 * 0.03**2 / s**2 == pytest.approx(5.0, rel=1e-9)
    assert _moment(np.zeros(4), sd, 4.0, 0.03, 0.0) == 1e-4


def test_degrees_of_freedom():
    two = fitted([data(STOCK, curve(STOCK, noise=0.05))], ("think", "hold"))
    assert two.degrees == pytest.approx(8 - 2 + PSEUDO, abs=0.05)
    assert used_up(two.objective, two.minimum, two.objective.noisy) == pytest.approx(2, abs=0.05)
    only = fitted([data(STOCK, (seen("hold_time", 1e-6, 64),))], ("hold",))
    assert only.degrees == 0.0
    assert degrees_of_freedom(only.objective, only.minimum, only.noise) == 0.0


def test_a_known_spread_leaves_little_unknown():
    """Of 5 % stated and 1 % or less beyond it hardly any of the variance is estimated."""
    estimate = fitted([data(STOCK, curve(STOCK, noise=0.05, sd=0.05, seed=4))], ("think", "hold"))
    assert estimate.noise.stated < 0.03
    assert estimate.degrees > 30


def test_the_covariance_of_a_curve_without_hidden_parts():
    """Against the exact solution of the linear problem with the estimated noise."""
    estimate = fitted([data(STOCK, curve(STOCK, noise=0.03))], ("think", "hold"))
    _, slopes = estimate.objective.predicted(estimate.theta)
    wanted = np.linalg.inv(slopes.T @ slopes) * estimate.noise.unstated**2
    assert estimate.covariance == pytest.approx(wanted, rel=1e-3)
    assert estimate.data_covariance == pytest.approx(wanted, rel=1e-3)


def test_an_unseen_unknown_has_the_loosest_width():
    estimate = fitted([data(STOCK, curve(STOCK, (1,)))], ("think", "handoff"))
    assert math.sqrt(estimate.covariance[1, 1]) == pytest.approx(LOOSE, rel=1e-6)
    assert estimate.determined == (True, False)


@pytest.mark.parametrize("noise", [1e-9, 1e-3, 0.1])
@pytest.mark.parametrize(
    "handoff", [None, SaturatingHandOff(time=2e-7, limit=6e-7, half_waiters=20.0)]
)
def test_a_curve_alone_never_determines_hold_and_handoff(noise, handoff):
    scenario = model(handoff)
    for sd in (None, noise):
        sets = [data(scenario, curve(scenario, noise=noise, sd=sd))]
        estimate = fitted(sets, FREE)
        assert estimate.determined[1:] == (False, False)
        named = "all.time_per_instruction_remote, all.handoff"
        assert flag(estimate, "NOT DETERMINED") == f"NOT DETERMINED: {named}: these data do not say"


def test_a_curve_alone_does_not_determine_them_wherever_its_fit_ends():
    """Where the fit put all into the hold, its width to first order is small: no verdict."""
    small = model(acquires=0.1, held=40000.0)
    estimate = fitted([data(small, curve(small))], FREE)
    assert math.sqrt(estimate.data_covariance[1, 1]) < math.log(FACTOR) / 1.645
    assert estimate.determined[1:] == (False, False)


def test_priors_do_not_make_anything_determined():
    estimate = fitted([data(STOCK, curve(STOCK))], FREE, settings=Settings())
    assert len(estimate.priors) == 1
    assert estimate.determined[1:] == (False, False)
    assert estimate.covariance[2, 2] < 2.0 < estimate.data_covariance[2, 2]


def test_a_hold_time_or_a_second_kernel_does():
    hold = expected(STOCK, 64, [seen("hold_time", 1, 64)])[0]
    timed = [data(STOCK, (*curve(STOCK), seen("hold_time", hold, 64)))]
    pair = [data(STOCK, curve(STOCK), "old"), data(PATCHED, curve(PATCHED), "new", stock=STOCK)]
    for sets in (timed, pair):
        estimate = fitted(sets, FREE)
        assert estimate.determined == (True, True, True)
        assert flags(estimate) == ()
        assert math.exp(estimate.theta[2]) == pytest.approx(300e-9, rel=1e-5)


def test_flag_not_converged(monkeypatch):
    from lockmodel.fitting import estimate

    real = estimate.minimise
    monkeypatch.setattr(estimate, "minimise", lambda *a: real(*a, max_steps=1))
    search = estimate.multi_start
    monkeypatch.setattr(estimate, "multi_start", lambda *a: search(*a, max_steps=1))
    far = moved(STOCK, {"think": 3e-6})
    stopped = fitted([data(far, curve(STOCK))], ("think", "hold"))
    assert flag(stopped, "NOT CONVERGED") == "NOT CONVERGED after 1 steps: do not use the estimates"
    assert flags(stopped)[0].startswith("NOT CONVERGED")


def test_flag_at_a_limit():
    """More throughput than instructions of local speed allow: the hold ends at its lower limit."""
    quick = curve(model(held=50.0), factor=1.0)
    estimate = fitted([data(STOCK, quick)], ("think", "hold"))
    assert value(estimate, "all.time_per_instruction_remote") == pytest.approx(0.3e-9)
    text = "AT A LIMIT: all.time_per_instruction_remote: the model wants a value it must not have"
    assert flag(estimate, "AT A LIMIT") == text
    assert estimate.determined[1] is False
    assert not flag(estimate, "NOT DETERMINED")  # said once


def test_flag_poor_fit_by_size():
    """Half the throughput at every second point: no scenario does that."""
    bent = tuple(
        seen("throughput", o.value * (1.5 if i % 2 else 0.7), o.n)
        for i, o in enumerate(curve(STOCK))
    )
    estimate = fitted([data(STOCK, bent)], ("think", "hold"))
    text = flag(estimate, "POOR FIT")
    difference = np.log(estimate.predicted) - estimate.objective.observed
    typical = math.sqrt(float(np.mean(difference**2)))
    assert typical > 0.3
    assert text.startswith(
        f"POOR FIT: throughput is off by {typical:.0%} (root mean square), farthest x.csv at n = "
    )
    assert text.endswith(" times what is fitted")


def test_flag_poor_fit_by_chi_squared():
    """2 % of misfit where 0.2 % are stated."""
    sets = [data(STOCK, curve(STOCK, DENSE[::4], noise=0.02, sd=0.002, seed=5))]
    estimate = fitted(sets, ("think", "hold"))
    text = flag(estimate, "POOR FIT")
    assert text.startswith("POOR FIT: chi squared ")
    assert "for 14 degrees of freedom" in text
    assert "the stated spread does not explain the misfit" in text
    fine = fitted([data(STOCK, curve(STOCK, DENSE[::4], noise=0.02, sd=0.02, seed=5))], ("think",))
    assert flags(fine) == ()


def test_flag_poor_fit_by_shape():
    """Five per cent below, above and below again, in long stretches."""
    wave = tuple(
        seen("throughput", o.value * math.exp(0.05 * math.sin(2 * math.pi * i / 16)), o.n)
        for i, o in enumerate(curve(STOCK, DENSE[::4]))
    )
    estimate = fitted([data(STOCK, wave)], ("think",))
    text = flag(estimate, "POOR FIT")
    assert text.startswith("POOR FIT: x.csv ")
    assert text.endswith(": the model has not its shape")
    shuffled = fitted([data(STOCK, (*wave[::2], *wave[1::2]))], ("think",))
    assert flag(shuffled, "POOR FIT") == text  # in the order of populations, not of the file


def test_flag_second_minimum():
    estimate = fitted([data(STOCK, curve(STOCK, noise=0.02))], ("think", "hold"))
    assert estimate.others == ()
    cost = estimate.minimum.cost
    near = dataclasses.replace(estimate, others=(cost + 1.25, cost + 9.0))
    assert flag(near, "SECOND MINIMUM") == (
        "SECOND MINIMUM: another set of values fits almost as well (cost higher by 1.2)"
    )
    assert flags(dataclasses.replace(estimate, others=(cost + 9.0,))) == flags(estimate)


def test_a_good_fit_has_no_flags():
    for seed in range(4):
        estimate = fitted(
            [data(STOCK, curve(STOCK, DENSE[::4], noise=0.02, seed=seed))], ("think", "hold")
        )
        (given,) = flags(estimate)
        assert given.startswith("GIVEN all.handoff = 300 ns, as the model has it: all.time_per")


def test_one_bad_point_pulls_with_bounded_force():
    points = list(curve(STOCK, DENSE[::4], noise=0.01))
    points[9] = seen("throughput", points[9].value * 3.0, points[9].n)
    sets = [data(STOCK, tuple(points))]
    robust = fitted(sets, ("think", "hold"), settings=Settings(priors=False, loss="soft_l1"))
    squares = fitted(sets, ("think", "hold"), settings=NO_PRIORS)
    truth = np.log([100e-6, 2e-9])
    assert np.abs(robust.theta - truth).max() < 0.05
    assert np.abs(squares.theta - truth).max() > 2 * np.abs(robust.theta - truth).max()


def test_what_is_said_of_relative_data_is_in_their_unit():
    sets = [data(STOCK, curve(STOCK, factor=1e-5, unit="relative"))]
    estimate = fitted(sets, ("think", "hold"))
    assert estimate.predicted == pytest.approx(np.exp(estimate.objective.observed), rel=1e-6)


def test_noise_and_misfit_are_told_apart_by_what_is_stated():
    plain = fitted([data(STOCK, curve(STOCK, noise=0.03))], ("think",))
    assert plain.run_noise() == pytest.approx(plain.noise.unstated / math.sqrt(2))
    assert plain.run_noise() == plain.model_error()
    stated = fitted([data(STOCK, curve(STOCK, noise=0.03, sd=0.03))], ("think",))
    assert stated.run_noise() == pytest.approx(0.03)
    assert stated.model_error() == stated.noise.stated


def test_each_data_set_has_the_noise_of_its_own_kind():
    """A curve without spreads beside one with 1 %: its predictions carry its own 4 %."""
    sets = [
        data(STOCK, curve(STOCK, DENSE, noise=0.04, seed=3)),
        data(STOCK, curve(STOCK, DENSE, noise=0.01, sd=0.01, seed=4), file="y.csv"),
    ]
    estimate = fitted(sets, ("think", "hold"))
    for where, wanted in ((0, 0.04), (1, 0.01)):
        both = math.hypot(estimate.run_noise(where), estimate.model_error(where))
        assert both == pytest.approx(wanted, rel=0.25)


@pytest.mark.parametrize("free", ["handoff", "hold", "acquires"])
def test_what_is_fitted_alone_is_given_the_rest(free):
    """Another fixed value gives another estimate, each with a small error: both say so."""
    sets = [data(STOCK, curve(STOCK, DENSE[::4], noise=0.005))]
    estimate = fitted(sets, ("think", free))
    (one,) = estimate.given
    assert one.index == 1
    fixed = "all.handoff" if free == "hold" else "all.hold"
    assert one.fixed == fixed
    assert one.value == pytest.approx(300e-9 if free == "hold" else 2e-9)
    assert flag(estimate, "GIVEN").startswith(f"GIVEN {fixed} = ")
    both = fitted(sets, ("think", "hold", "handoff"))
    assert both.given == ()


def test_two_kernels_test_what_is_fixed():
    sets = [data(STOCK, curve(STOCK)), data(PATCHED, curve(PATCHED), "new", stock=STOCK)]
    assert fitted(sets, ("think", "handoff")).given == ()


def test_a_kernel_that_was_not_measured_tests_nothing():
    """Only the patched one was: that it differs from its stock is no measurement."""
    sets = [data(PATCHED, curve(PATCHED), "new", stock=STOCK)]
    assert [one.fixed for one in fitted(sets, ("think", "handoff")).given] == ["all.hold"]


def test_repeats_sharpen_the_mean_and_not_the_next_run():
    """20 repeats of 5 %: the mean carries 1.1 %, a prediction of one run 5 %."""
    made = curve(STOCK, noise=0.01, sd=0.05)
    estimate = fitted([data(STOCK, made, repeats=20)], ("think", "hold"))
    assert estimate.run_noise(0) == pytest.approx(0.05, rel=1e-6)
    assert estimate.objective.sd == pytest.approx(0.05 / math.sqrt(20), rel=1e-6)


def test_one_wild_spread_does_not_speak_for_the_others():
    made = list(curve(STOCK, noise=0.01, sd=0.01))
    made[3] = seen(
        "throughput", made[3].value, made[3].n, sd=5.0 * made[3].value, uncertainty="given"
    )
    estimate = fitted([data(STOCK, tuple(made))], ("think", "hold"))
    others = np.delete(estimate.objective.sd, 3)
    assert others == pytest.approx(0.01, rel=0.01)


def test_the_same_seed_gives_the_same_estimate():
    sets = [data(STOCK, curve(STOCK, noise=0.03))]
    one, two = (fitted(sets, FREE, settings=Settings(seed=3)) for _ in range(2))
    assert one.theta.tolist() == two.theta.tolist()
    assert len(CURVE) == len(one.rows)


def test_nothing_finite_is_refused():
    walked = replace(STOCK, locks=(lock(handoff=ConstantHandOff(time=1e301)),))
    with pytest.raises(ArgumentError, match="no finite prediction"):
        fitted([data(walked, curve(STOCK))], ("think",), settings=Settings(starts=1))


def test_flag_poor_fit_of_wait_shares():
    """Shares 3 : 1 at two sites that take the lock equally often cannot be met."""
    sites = tuple(
        Site(lock="a", phase="p", name=name, acquires=5.0, held_instructions=400.0)
        for name in ("x", "y")
    )
    two = model(sites=sites)
    shares = expected(two, 64, [seen("wait_share", 0.5, 64, per="CPU time", site="p.x")])[0]
    for factors, poor in (((1.0, 1.0), False), ((1.5, 0.5), True)):
        more = tuple(
            seen("wait_share", shares * factor, 64, per="CPU time", site=f"p.{name}")
            for name, factor in zip("xy", factors, strict=True)
        )
        estimate = fitted([data(two, (*curve(two), *more))], ("think", "hold"))
        text = flag(estimate, "POOR FIT: chi squared")
        assert ("wait share" in text) == poor
        if poor:
            assert "farthest off: wait share p.y, +10" in text  # (1 / 0.5 - 1 = +100 %, or so)
