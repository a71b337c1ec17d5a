"""Intervals of a fitted scenario: against closed forms and sensitivities, and as printed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from fits import NORMAL_95, fitted, usual
from msgspec.structs import replace
from places import timed, timed_path

from lockmodel.answers import intervals, sweep
from lockmodel.answers.after import Before
from lockmodel.answers.axis import parse_axis
from lockmodel.answers.gains import Gains
from lockmodel.answers.intervals import FEWEST
from lockmodel.answers.predict import predict
from lockmodel.answers.ranking import rank
from lockmodel.answers.whatif import compare
from lockmodel.changes.grammar import parse
from lockmodel.errors import ScenarioError
from lockmodel.fitting.draws import Draws, drawn, interval
from lockmodel.model.distribution import Constant
from lockmodel.model.handoff import ConstantHandOff, NoHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.network import CPU, build
from lockmodel.model.prediction import Basis
from lockmodel.model.scenario import Calibrated, Lock, Scenario, Site, Walkers
from lockmodel.solvers.bounds import ceiling
from lockmodel.solvers.product_form import demand_elasticity
from lockmodel.solvers.product_form import solve as solve_network
from lockmodel.solvers.solve import points

MODEL = timed_path("execl-xeon8369b")
SHIPPED = timed("execl-xeon8369b")
T3_95 = 2.3533634348018264
"""95 % quantile of Student's t with 3 degrees of freedom."""

THINKER = Scenario(
    name="thinker",
    title="no lock",
    iteration="one",
    machine=Machine(name="flat", cpus=64, cores=64),
    think=1e-4,
)
ONE_LOCK = Scenario(
    name="one",
    title="one lock",
    iteration="one",
    machine=Machine(name="flat", cpus=64, cores=64),
    think=1e-4,
    locks=(
        Lock(
            name="file",
            time_per_instruction_local=1e-9,
            time_per_instruction_remote=1e-9,
            handoff=ConstantHandOff(time=4e-7),
        ),
    ),
    sites=(Site(lock="file", phase="exec", name="map", acquires=4, held_instructions=1000),),
)
NO_HANDOFF = NoHandOff()
FITTED = usual(SHIPPED)


@pytest.fixture
def few(monkeypatch):
    """As few draws as there can be, where it does not matter which ones they are."""
    monkeypatch.setattr(intervals, "COUNT", 32)


def width(ends):
    """Return the half-width of the logarithm of an interval."""
    return math.log(ends[1] / ends[0]) / 2


# Throughput


def test_think_alone_has_the_interval_of_think():
    """X(1) = 1 / Z, so ln X has the deviation of ln Z."""
    answer = predict(fitted(THINKER, {"think": 0.1}), [1, 64])
    factor = math.exp(NORMAL_95 * 0.1)
    for point in answer.points:
        x = point.n / 1e-4
        assert point.throughput_per_s == pytest.approx(x, rel=1e-12)
        assert point.interval_per_s == pytest.approx((x / factor, x * factor), rel=3e-3)
    assert answer.ceiling.interval_per_s == pytest.approx((64e4 / factor, 64e4 * factor), rel=3e-3)


@pytest.mark.parametrize(("degrees", "quantile"), [(0.0, NORMAL_95), (3.0, T3_95)])
def test_noise_and_model_error_add_to_parameter_error_in_squares(degrees, quantile):
    """A linear model: the textbook prediction interval of Student's t."""
    scenario = fitted(THINKER, {"think": 0.1}, degrees=degrees, noise=0.06, model_error=0.08)
    (point,) = predict(scenario, [1]).points
    half = quantile * math.sqrt(0.1**2 + 0.06**2 + 0.08**2)
    assert np.log(point.interval_per_s) - math.log(1e4) == pytest.approx([-half, half], rel=0.01)


def test_noise_alone_is_exact():
    scenario = fitted(THINKER, {"think": 1e-12}, noise=0.05, level=0.8)
    (point,) = predict(scenario, [1]).points
    half = 1.2815515655446004 * 0.05  # 90 % quantile
    want = (1e4 * math.exp(-half), 1e4 * math.exp(half))
    assert point.interval_per_s == pytest.approx(want, rel=1e-9)


def test_model_error_grows_with_each_doubling_beyond_what_was_measured():
    scenario = fitted(THINKER, {"think": 1e-12}, model_error=0.05)
    known = replace(scenario, calibrated=Calibrated(low=4, high=16))
    halves = [width(p.interval_per_s) / NORMAL_95 for p in predict(known, [1, 4, 9, 16, 64]).points]
    assert halves == pytest.approx([0.15, 0.05, 0.05, 0.05, 0.15], rel=1e-6)
    assert intervals.model_error(known, 32) == pytest.approx(0.10, rel=1e-12)
    assert intervals.model_error(scenario, 4096) == 0.05
    assert intervals.model_error(SHIPPED, 4096) == 0.0


def test_a_gain_has_product_forms_error_as_far_as_it_is_another_after_the_lever():
    """Constant holds near the knee: product form is too low there, and right at light load."""
    lock = replace(ONE_LOCK.locks[0], hold_distribution=Constant(), handoff=NO_HANDOFF)
    knee = fitted(replace(ONE_LOCK, locks=(lock,)), {"think": 1e-9})
    lever = parse("shorten_hold:file=0.01")
    shift, sd = intervals.change_error(knee, lever.apply(knee), 25)
    # load 25 x 4 / 104: the map between 0.8 and 1, n between 16 and 64 (-3.96 and -2.30 %)
    assert shift == pytest.approx(math.log(1 - 0.0342), abs=4e-4)
    assert sd == pytest.approx(abs(shift), rel=1e-9)
    (change,) = compare(knee, [lever], [25]).points
    ends = [(1 + change.gain) * math.exp(shift + k * NORMAL_95 * sd) - 1 for k in (-1, 1)]
    wanted = min(ends[0], change.gain), max(ends[1], change.gain)
    assert change.gain_interval == pytest.approx(wanted, rel=0.02)


def test_equal_errors_before_and_after_cancel():
    """Saturated on either side: constant holds are as wrong then as now, by next to nothing."""
    lock = replace(ONE_LOCK.locks[0], hold_distribution=Constant(), handoff=NO_HANDOFF)
    full = fitted(replace(ONE_LOCK, locks=(lock,), think=1e-5), {"think": 1e-9})
    for text in ("shorten_hold:file=0.9", "less_think=0.9"):
        shift, sd = intervals.change_error(full, parse(text).apply(full), 64)
        assert abs(shift) < 2e-3
        assert sd == pytest.approx(abs(shift))
    assert intervals.change_error(full, full, 64) == (0.0, 0.0)
    (change,) = compare(full, [parse("shorten_hold:file=1")], [64]).points
    assert change.gain_interval == (0.0, 0.0)


def test_a_rate_beyond_all_that_were_measured_has_the_fits_model_error_per_doubling():
    scenario = fitted(THINKER, {"think": 1e-9}, model_error=0.04)
    known = replace(scenario, calibrated=Calibrated(low=1, high=16, throughput_per_s=16e4))
    lever = parse("less_think=0.25")
    assert intervals.change_error(known, lever.apply(known), 16)[1] == pytest.approx(0.08)
    assert intervals.change_error(known, lever.apply(known), 4)[1] == pytest.approx(0.0, abs=1e-9)
    assert intervals.change_error(known, lever.apply(known), 8)[1] == pytest.approx(0.04)


def test_a_value_changed_after_the_fit_is_named():
    changed = replace(FITTED, think=2.0 * FITTED.think)
    said = intervals.weak_points(changed)
    assert any(text.startswith("think was changed after the fit") for text in said)
    assert not any("changed" in text for text in intervals.weak_points(FITTED))


def test_a_time_of_instructions_says_that_a_stated_hold_has_none():
    stated = replace(
        fitted(ONE_LOCK, {"file.hold": 0.1}),
        sites=(Site(lock="file", phase="exec", name="map", acquires=4, hold=1e-6),),
    )
    (said,) = intervals.weak_points(stated)
    assert said.startswith("file.hold moves nothing: sites of file state hold_us")
    assert {one.sites for one in drawn(stated, 4).scenarios} == {stated.sites}
    counted = intervals.weak_points(fitted(ONE_LOCK, {"file.hold": 0.1}))
    assert not any("moves nothing" in text for text in counted)


@pytest.mark.parametrize("n", [2, 20, 26, 40, 64])
def test_small_errors_propagate_as_the_exact_sensitivities_say(n):
    """Delta method: d ln X / d ln D = Q(N-1) - Q(N), think and lock correlated by 0.6."""
    scenario = fitted(
        replace(ONE_LOCK, locks=(replace(ONE_LOCK.locks[0], handoff=ConstantHandOff(time=0.0)),)),
        {"think": 2e-3, "file.held_instructions": 5e-3},
        correlation=0.6,
    )
    (solution,) = solve_network(build(scenario, n))
    slopes = demand_elasticity(solution)
    names = [s.name for s in build(scenario, n).stations]
    assert names == [CPU, "file"]
    covariance = np.array([p.covariance for p in scenario.fit.parameters])
    delta = NORMAL_95 * math.sqrt(slopes @ covariance @ slopes)
    sets = [drawn(scenario, 1024, seed).scenarios for seed in range(3)]
    rates = np.concatenate([Before(one, [n]).rates for one in sets])
    assert width(interval(rates[:, 0], 0.9)) == pytest.approx(delta, rel=0.03)
    (point,) = predict(scenario, [n]).points
    assert width(point.interval_per_s) == pytest.approx(delta, rel=0.1)


def test_rates_are_those_of_the_solver():
    for scenario in (ONE_LOCK, SHIPPED, parse("shard:all=8").apply(SHIPPED)):
        want = [p.throughput_per_s for p in points(scenario, [1, 7, 40])]
        assert intervals.throughput(scenario, [1, 7, 40]) == pytest.approx(want, rel=1e-12)


def test_a_ceiling_has_the_interval_of_its_draws(few):
    answer = predict(FITTED, [16])
    draws = drawn(FITTED, FEWEST, beyond=False)
    values = [ceiling(one).throughput_per_s for one in draws.scenarios]
    assert answer.ceiling.interval_per_s == pytest.approx(interval(np.array(values), 0.9), rel=1e-9)
    low, high = answer.ceiling.interval_per_s
    assert low < answer.ceiling.throughput_per_s < high


def test_other_methods_get_product_forms_interval_in_proportion():
    scenario = fitted(ONE_LOCK, {"think": 0.05, "file.handoff": 0.1}, noise=0.02)
    markov, product = (predict(scenario, [6], method) for method in ("markov", "product-form"))
    (a,), (b,) = markov.points, product.points
    assert a.throughput_per_s != b.throughput_per_s
    assert [end / a.throughput_per_s for end in a.interval_per_s] == pytest.approx(
        [end / b.throughput_per_s for end in b.interval_per_s], rel=1e-9
    )


def test_bounds_and_scenarios_without_a_fit_have_no_intervals():
    for answer in (predict(FITTED, [4], "bounds"), predict(SHIPPED, [4])):
        assert answer.fit is None
        assert answer.points[0].interval_per_s is None
        assert answer.ceiling.interval_per_s is None
        assert "interval_per_s" not in answer.to_json()["points"][0]
        assert "fit" not in answer.to_json()
    assert compare(FITTED, [parse("less_think=0.5")], [4], "bounds").fit is None


def test_what_a_prediction_rests_on_is_said():
    answer = predict(FITTED, [1, 64])
    assert answer.fit == Basis(
        level=0.9, parameters=4, observations=8, draws=128, flags=(), undetermined=("all.handoff",)
    )
    assert answer.warnings[0] == "not determined by the data: all.handoff (prior only)"
    assert [p.throughput_per_s for p in answer.points] == [
        p.throughput_per_s for p in predict(SHIPPED, [1, 64]).points
    ]


def test_a_parameter_that_is_gone_is_an_error_of_the_file():
    scenario = parse("exclude:libc.so.6").apply(fitted(SHIPPED, {"libc.so.6.handoff": 0.1}))
    with pytest.raises(ScenarioError, match=r"'libc\.so\.6\.handoff': the scenario does not have"):
        predict(scenario, [4])


def test_draws_that_walkers_saturate_have_no_throughput():
    lock = replace(ONE_LOCK.locks[0], walkers=Walkers(walks_per_s=2e6, read=0.0), acquire_time=0.0)
    scenario = fitted(replace(ONE_LOCK, locks=(lock,)), {"file.handoff": 0.2}, noise=0.01)
    low, high = predict(scenario, [8]).points[0].interval_per_s  # share taken: 0.8 exp(N(0, 0.2))
    assert low == 0.0
    assert high > predict(scenario, [8]).points[0].throughput_per_s
    half = Draws((), np.ones(4), 0.0)
    low, high = intervals.measured(np.array([0.0, 0.0, 1.0, 1.0]), half, 0.1, 0.9)
    assert (low, high) == pytest.approx((0.0, math.exp(0.1 * 1.2815515655446004)), rel=1e-9)


# Gains


def test_a_gain_is_surer_than_before_and_after():
    """Correlation is kept: the naive combination of both intervals is far wider."""
    scenario = fitted(SHIPPED, {"all.time_per_instruction_remote": 0.1, "all.handoff": 0.1}, 0.9)
    lever = parse("batch:libc.so.6/exec.map_split=1")
    change = compare(scenario, [lever], [128]).points[0]
    before = predict(scenario, [128]).points[0].interval_per_s
    after = predict(lever.apply(scenario), [128]).points[0].interval_per_s
    naive = math.hypot(width(before), width(after))
    own = width(tuple(1 + end for end in change.gain_interval))
    assert 0 < own < naive / 10
    assert change.gain_interval[0] < change.gain < change.gain_interval[1]


def test_a_gain_that_the_parameters_do_not_touch_is_certain():
    """Think alone, halved: +100 % whatever it is. Noise is no part of it."""
    scenario = fitted(THINKER, {"think": 0.3}, noise=0.5, model_error=0.5)
    compared = compare(scenario, [parse("less_think=0.5")], [1, 64])
    for change in compared.points:
        assert change.gain_interval == pytest.approx((1.0, 1.0), rel=1e-9)


def test_the_interval_of_a_gain_by_hand():
    """At N = 1 hold 2 us of D = 102 us; exclude: gain = h / Z, h with a deviation of 0.2."""
    scenario = fitted(ONE_LOCK, {"file.held_instructions": 0.2})
    (change,) = compare(scenario, [parse("exclude:file")], [1]).points
    hold = 4 * 1000 * 1e-9
    assert change.gain == pytest.approx(hold / 1e-4, rel=1e-9)
    want = [hold / 1e-4 * math.exp(s * NORMAL_95 * 0.2) for s in (-1, 1)]
    assert change.gain_interval == pytest.approx(want, rel=0.02)


def test_levers_alone_have_intervals_of_their_own(few):
    texts = ["shorten_hold:libc.so.6=0.5", "cheaper_handoff:libc.so.6=none"]
    compared = compare(FITTED, [parse(text) for text in texts], [16, 128])
    assert [len(own.gain_intervals) for own in compared.alone] == [2, 2]
    for own, text in zip(compared.alone, texts, strict=True):
        (single,) = compare(FITTED, [parse(text)], [128]).points
        assert own.gains[1] == pytest.approx(single.gain, rel=1e-12)
        assert own.gain_intervals[1] == pytest.approx(single.gain_interval, rel=1e-9)


def test_a_draw_that_is_batched_already_gains_nothing():
    """15 acquires times exp(N(0, 0.1)): for a quarter of the draws 14 are no fewer."""
    scenario = fitted(SHIPPED, {"libc.so.6.acquires": 0.1})
    (change,) = compare(scenario, [parse("batch:libc.so.6=14")], [128]).points
    low, high = change.gain_interval
    assert low == pytest.approx(0.0, abs=1e-12)
    assert high > change.gain > 0


def test_ranking_has_intervals_and_keeps_its_order(few):
    ranking, bare = rank(FITTED, 64), rank(SHIPPED, 64)
    assert [row.lever.text for row in ranking.levers] == [row.lever.text for row in bare.levers]
    for row in ranking.levers:
        low, high = row.gain_interval
        assert low <= row.gain + 1e-9
        assert high >= row.gain - 1e-9
    by_name = {row.lever.text: row.gain_interval for row in ranking.levers}
    for shards in ranking.shards:
        for row in shards.tried:
            assert row.gain_interval == by_name.get(row.lever.text)
    assert bare.levers[0].gain_interval is None


def test_walkers_that_leave_nothing_have_a_gain_of_minus_one():
    lock = replace(ONE_LOCK.locks[0], walkers=Walkers(walks_per_s=5e5, read=0.0))
    scenario = fitted(replace(ONE_LOCK, locks=(lock,)), {"think": 0.1})
    (change,) = Gains(scenario, scenario.fit, [8], 8).of(parse("shard:file=8").apply, [-1.0])
    assert change == (-1.0, -1.0)


def test_everything_is_the_same_every_time(few):
    lever = parse("shorten_hold:all=0.5")
    assert predict(FITTED, [1, 9]) == predict(FITTED, [1, 9])
    assert compare(FITTED, [lever], [9]) == compare(FITTED, [lever], [9])


def test_sweep_has_the_intervals_of_predict(few):
    """Where nothing moves but what was fitted: a sweep changes more than it measures."""
    scenario = replace(FITTED, fit=replace(FITTED.fit, data=()))
    axis = parse_axis("shards=1,2")
    swept = sweep.sweep(scenario, [axis], [16, 128])
    want = {p.n: p.interval_per_s for p in predict(scenario, [16, 128]).points}
    for row in swept.rows[:2]:
        assert tuple(row[key] for key in sweep.ENDS) == pytest.approx(want[row["n"]], rel=1e-9)
    assert swept.rows[3][sweep.ENDS[0]] < swept.rows[3]["throughput_per_s"]
    bare = sweep.sweep(SHIPPED, [axis], [16])
    assert "fit" in swept.to_json()
    assert "fit" not in bare.to_json()
    assert sweep.ENDS[0] not in bare.rows[0]


# As printed
