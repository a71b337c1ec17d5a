"""The objective: what enters it, with which weight, and that its derivatives are its own."""

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
    elsewhere,
    fitted,
    lock,
    model,
    seen,
)

from lockmodel.errors import ScenarioError
from lockmodel.fitting.estimate import Settings
from lockmodel.fitting.objective import Noise, Objective
from lockmodel.fitting.priors import priors
from lockmodel.fitting.quantities import expected
from lockmodel.fitting.rows import SHARE_OF_OWN, TRACED_SD, USUAL_SD, rows
from lockmodel.fitting.study import Study, plan
from lockmodel.model.handoff import NoHandOff
from lockmodel.model.scenario import Walkers
from lockmodel.solvers.solve import points

FREE = ("think", "hold", "handoff")
NOISE = Noise(0.03, 0.01)


def objective(sets, free=FREE, with_priors=False, share=None):
    study = plan(sets, free, share)
    return Objective(study, rows(study)[0], priors(study) if with_priors else ())


def central(function, theta, step=1e-5):
    made = []
    for i in range(theta.size):
        move = np.zeros(theta.size)
        move[i] = step
        made.append((function(theta + move)[0] - function(theta - move)[0]) / (2 * step))
    return np.array(made).T


MIXED = [
    data(
        STOCK,
        (
            *curve(STOCK, sd=0.02),
            seen("wait_share", 0.4, 64),
            seen("mean_wait", 9e-6, 16),
            seen("hold_time", 1e-6, 64),
            seen("contended_fraction", 0.5, 8),
            seen("acquires", 5.0, None),
        ),
        "old",
    ),
    data(PATCHED, curve(PATCHED, (2, 32)), "new", stock=STOCK),
    data(PATCHED, (seen("gain", 0.11, 64),), "new", stock=STOCK),
    data(STOCK, curve(STOCK, (1, 8), 1e-4, unit="relative"), file="y.csv"),
]


@pytest.mark.parametrize(
    "free",
    [
        FREE,
        ("think", "hold", "handoff_instructions", "acquires"),
        ("acquire_time", "time_per_instruction_local", "handoff.time", "same_node_cost"),
        ("demand", "handoff", "held_instructions"),
    ],
)
@pytest.mark.parametrize("with_priors", [False, True])
def test_the_jacobian_is_that_of_the_residuals(free, with_priors):
    made = objective(MIXED, free, with_priors)
    theta = made.study.start + 0.1 * np.random.default_rng(1).standard_normal(len(free))
    theta = np.clip(theta, *made.study.bounds)
    if "same_node_cost" in free:
        assert with_priors == (len(made.priors) > 0)
    function = made.residuals(NOISE)
    assert function(theta)[1] == pytest.approx(central(function, theta), rel=2e-4, abs=2e-5)


def test_residuals_do_not_depend_on_where_one_was_before():
    """Derivatives of waits are kept for small steps; the residuals themselves never are."""
    fresh, used = objective(MIXED), objective(MIXED)
    theta = fresh.study.start + 0.05
    for step in (0.3, 0.01, -0.01, 0.005):
        used.residuals(NOISE)(theta + step)
    r, jacobian = used.residuals(NOISE)(theta)
    exact, slopes = fresh.residuals(NOISE)(theta)
    assert r == pytest.approx(exact, rel=1e-14)
    assert jacobian == pytest.approx(slopes, rel=0.05, abs=0.1)  # kept from at most 0.02 away


def test_candidates_do_not_see_each_others_derivatives():
    """Two extensions have a data set of the same number: its kept derivatives were shared."""
    base = objective([data(STOCK, curve(STOCK))])
    theta = base.study.start
    slopes = []
    for observation in (seen("mean_wait", 1e-6, 64), seen("hold_time", 1e-6, 64)):
        more = data(STOCK, (observation,), file="y.csv")
        unknowns = tuple(
            dataclasses.replace(u, members=(*u.members, (1, u.members[0][1])))
            for u in base.study.unknowns
        )
        study = Study((*base.study.sets, more), unknowns)
        new = [row for row in rows(study)[0] if row.where == 1]
        slopes.append(base.extended(study, new).predicted(theta)[1][-1])
    assert slopes[1][0] == 0.0  # think time moves no hold time
    assert abs(slopes[0][0]) > 0.1
    assert slopes[1][2] == 0.0


def test_a_residual_by_hand():
    sets = [data(STOCK, (seen("throughput", 1e5, 64), seen("wait_share", 0.2, 64)))]
    made = objective(sets)
    x = points(STOCK, [64])[0].throughput_per_s
    share = expected(STOCK, 64, [seen("wait_share", 0.2, 64)])[0]
    r = made.residuals(NOISE)(made.study.start)[0]
    assert r[0] == pytest.approx(math.log(x / 1e5) / 0.03, rel=1e-9)
    assert r[1] == pytest.approx(math.log(share / 0.2) / USUAL_SD["wait_share"], rel=1e-9)


def test_a_prior_is_a_row_in_its_own_standard_deviations():
    made = objective([data(STOCK, curve(STOCK))], with_priors=True)
    r, jacobian = made.residuals(NOISE)(made.study.start)
    bound = made.priors[0].range
    assert len(r) == len(CURVE) + 1
    assert r[-1] == pytest.approx(math.log(300e-9 / bound.median) / bound.sd)
    assert jacobian[-1] == pytest.approx([0.0, 0.0, 1.0 / bound.sd])


def test_of_relative_throughputs_only_ratios_count():
    """Seven times as much is the same: residuals, derivatives and estimates."""
    free = ("think", "hold")
    once, seven = (
        [data(STOCK, curve(STOCK, factor=f, noise=0.02, unit="relative"))] for f in (1e-5, 7e-5)
    )
    theta = objective(once, free).study.start + np.array([0.3, -0.2])
    for a, b in zip(
        objective(once, free).residuals(NOISE)(theta),
        objective(seven, free).residuals(NOISE)(theta),
        strict=True,
    ):
        assert a == pytest.approx(b, rel=1e-9, abs=1e-9)
    one, other = fitted(once, free), fitted(seven, free)
    assert np.abs((one.theta - other.theta) / np.sqrt(np.diag(one.covariance))).max() < 1e-6


def test_a_free_factor_is_the_best_factor():
    """Taking it out is the same as fitting it: the sum of squares is the least over factors."""
    made = objective([data(STOCK, curve(STOCK, factor=3e-5, noise=0.05, unit="relative"))])
    theta = made.study.start + 0.1
    projected = float(np.sum(made.residuals(NOISE)(theta)[0] ** 2))
    off = made.predicted(theta)[0] - made.observed
    assert projected == pytest.approx(float(np.sum((off - off.mean()) ** 2)) / 0.03**2, rel=1e-9)


def test_each_file_has_its_own_factor():
    sets = [
        data(STOCK, curve(STOCK, factor=2e-5, unit="relative")),
        data(STOCK, curve(STOCK, (1, 16, 64), factor=9e-3, unit="relative"), file="y.csv"),
    ]
    made = objective(sets)
    assert made.residuals(NOISE)(made.study.start)[0] == pytest.approx(np.zeros(11), abs=1e-8)


def test_variants_of_one_file_have_one_factor():
    """So that their ratio, the gain of the patch, still counts."""
    ratio = 1.5
    sets = [
        data(STOCK, curve(STOCK, (64,), 1e-5, unit="relative"), "old"),
        data(PATCHED, curve(PATCHED, (64,), 1e-5 * ratio, unit="relative"), "new", stock=STOCK),
    ]
    made = objective(sets)
    r = made.residuals(NOISE)(made.study.start)[0] * 0.03
    assert r == pytest.approx([math.log(ratio) / 2, -math.log(ratio) / 2], abs=1e-9)


def why(sets, free=FREE):
    return [(u.observation.kind, u.why) for u in rows(plan(sets, free))[1]]


def test_traced_and_untraced_runs_are_not_mixed():
    traced = curve(STOCK, factor=0.5, traced=True)
    both = [data(STOCK, (*curve(STOCK), *traced))]
    used, left = rows(plan(both, FREE))
    assert not any(row.observation.traced for row in used)
    assert len(left) == len(CURVE)
    assert left[0].why == "measured while tracing; the untraced run beside it is used"
    assert all(row.observation.traced for row in rows(plan([data(STOCK, traced)], FREE))[0])
    two_files = [data(STOCK, curve(STOCK)), data(STOCK, traced, file="y.csv")]
    assert len(rows(plan(two_files, FREE))[1]) == len(CURVE)
    another = [data(STOCK, curve(STOCK)), data(PATCHED, traced, "new", stock=STOCK)]
    assert rows(plan(another, FREE))[1] == ()


def test_times_of_a_traced_run_weigh_little():
    sets = [data(STOCK, (seen("mean_wait", 1e-6, 64, traced=True), *curve(STOCK, (64,))))]
    assert objective(sets).sd[0] == TRACED_SD > USUAL_SD["mean_wait"]
    counted = [data(STOCK, (seen("acquires", 5, 64, traced=True),))]
    assert objective(counted, ("acquires",)).sd[0] == USUAL_SD["acquires"]


def test_a_gain_whose_throughputs_are_there_is_not_counted_twice():
    gain = seen("gain", 0.1, 64)
    both = [data(STOCK, curve(STOCK)), data(PATCHED, (*curve(PATCHED), gain), "new", stock=STOCK)]
    assert why(both) == [("gain", "the throughputs it was made from are used")]
    elsewhere_ = [data(PATCHED, (*curve(PATCHED, (1,)), gain), "new", stock=STOCK)]
    assert why(elsewhere_) == []


def test_a_gain_that_nobody_described_is_left_out():
    """The model would have called it 0, whatever it was."""
    sets = [data(STOCK, curve(STOCK)), data(STOCK, (seen("gain", 0.1, 64),), "new", stock=STOCK)]
    assert why(sets) == [("gain", "nothing says what its variant changes: give --variant")]


def test_a_gain_is_the_ratio_of_two_predictions():
    sets = [data(PATCHED, (seen("gain", 0.2, 64),), "new", stock=STOCK)]
    made = objective(sets)
    new, old = (points(s, [64])[0].throughput_per_s for s in (PATCHED, STOCK))
    assert made.predicted(made.study.start)[0][0] == pytest.approx(math.log(new / old), abs=1e-10)
    assert made.observed[0] == pytest.approx(math.log(1.2))
    assert made.noisy.tolist() == [True]


def test_a_gain_whose_lever_takes_away_what_is_fitted_still_moves_with_it():
    """Stock 1 / (D + c), free hand-off 1 / D at saturation: the gain knows c."""
    free_handoff = replace(STOCK, locks=(lock(handoff=NoHandOff()),))
    sets = [
        data(STOCK, curve(STOCK)),
        data(free_handoff, (seen("gain", 0.2, 64),), "new", stock=STOCK),
    ]
    made = objective(sets, ("think", "hold", "handoff"))
    assert made.rows[-1].observation.kind == "gain"
    theta = made.study.start + 0.1
    log_gain, slopes = (part[-1] for part in made.predicted(theta))
    both = [points(made.study.scenario(where, theta), [64])[0].throughput_per_s for where in (1, 0)]
    assert log_gain == pytest.approx(np.log(both[0] / both[1]), rel=1e-9)
    step = np.array([0.0, 0.0, 1e-5])
    up, down = (made.predicted(theta + side * step)[0][-1] for side in (1, -1))
    assert slopes[2] == pytest.approx((up - down) / 2e-5, rel=1e-5)
    assert slopes[2] > 0.05


def test_nothing_to_use_says_what_would_be():
    sets = [data(STOCK, (seen("idle_share", 0.1), seen("throughput", 1.0, None)))]
    with pytest.raises(ScenarioError) as error:
        rows(plan(sets, FREE))
    for words in ("DATA", "no observation can be used", "idle_share: the model's waiters spin",
                  "throughput: its population is not known", "tasks,throughput"):  # fmt: skip
        assert words in str(error.value)
    with pytest.raises(ScenarioError, match="there is none"):
        rows(plan([data(STOCK)], FREE))


def test_a_stated_spread_is_pooled_and_divided_by_the_repeats():
    """1 % and 3 % of three repeats each: halfway between the own and the mean square."""
    observations = tuple(
        seen("throughput", 100.0, n, sd=sd, uncertainty="repeats")
        for n, sd in ((8, 1.0), (16, 3.0))
    )
    made = objective([data(STOCK, observations, repeats=3)])
    pooled = (0.01**2 + 0.03**2) / 2
    share = SHARE_OF_OWN
    wanted = [math.sqrt((share * s**2 + (1 - share) * pooled) / 3) for s in (0.01, 0.03)]
    assert made.sd == pytest.approx(wanted, rel=1e-12)
    assert made.stated.all()
    assert made.spread(NOISE) == pytest.approx(np.hypot(wanted, 0.01))


def test_without_a_spread_the_noise_is_all_there_is():
    made = objective([data(STOCK, curve(STOCK))])
    assert not made.stated.any()
    assert made.spread(NOISE) == pytest.approx(np.full(len(CURVE), 0.03))


def test_a_spread_of_zero_is_none():
    same = seen("throughput", 100.0, 8, sd=0.0, uncertainty="repeats")
    assert not objective([data(STOCK, (same,))]).stated.any()


def test_other_kinds_have_no_part_in_the_noise():
    made = objective([data(STOCK, (*curve(STOCK, (8,)), seen("wait_share", 0.3, 64)))])
    assert made.noisy.tolist() == [True, False]
    for noise in (NOISE, Noise(0.5, 0.5)):
        assert made.spread(noise)[1] == USUAL_SD["wait_share"]
    sharper = seen("wait_share", 0.3, 64, sd=1e-3, uncertainty="given")
    vaguer = seen("wait_share", 0.3, 64, sd=0.09, uncertainty="given")
    made = objective([data(STOCK, (sharper, vaguer))])
    assert made.sd == pytest.approx([USUAL_SD["wait_share"], 0.3])


def test_resampled_data_leave_the_first_alone():
    made = objective([data(STOCK, curve(STOCK))], with_priors=True)
    theta = made.study.start
    before = made.residuals(NOISE)(theta)[0].copy()
    times = np.array([0.0, 4.0, *np.ones(len(CURVE) - 2)])
    other = made.resampled(made.observed + 0.03, times, np.array([2.0]))
    r = other.residuals(NOISE)(theta)[0]
    assert r[0] == 0.0
    assert r[1] == pytest.approx(2 * (before[1] - 1.0))
    assert r[2] == pytest.approx(before[2] - 1.0)
    assert r[-1] == pytest.approx(before[-1] - 2.0)
    assert made.residuals(NOISE)(theta)[0] == pytest.approx(before)


def test_what_cannot_be_solved_has_no_residuals():
    walked = replace(STOCK, locks=(lock(walkers=Walkers(walks_per_s=500.0, read=1e-3)),))
    made = objective([data(walked, curve(walked, (8,)))], ("acquire_time",))
    assert np.isnan(made.residuals(NOISE)(np.log([1.9e-2]))[0]).all()


def test_a_data_set_without_an_unknown_takes_part():
    """One model has the lock, the other does not: its rows are constants."""
    sets = [
        data(model(locks=("a", "b")), curve(STOCK)),
        data(elsewhere(STOCK, "n"), curve(STOCK, (1, 64)), file="y.csv"),
    ]
    made = objective(sets, ("b.hold",))
    r, jacobian = made.residuals(NOISE)(made.study.start)
    assert r[-2:] == pytest.approx([0.0, 0.0], abs=1e-9)
    assert jacobian[-2:] == pytest.approx(np.zeros((2, 1)))


def test_priors_can_be_switched_off():
    sets = [data(STOCK, curve(STOCK))]
    assert len(fitted(sets, FREE, settings=Settings()).priors) == 1
    assert fitted(sets, FREE, settings=NO_PRIORS).priors == ()
