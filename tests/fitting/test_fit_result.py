"""What a fit leaves in a scenario: the table, its covariance, and what is said to be known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from msgspec.structs import replace
from studies import PATCHED, STOCK, curve, data, fitted, model, seen

from lockmodel.fitting import parameters as ps
from lockmodel.fitting.datasets import Loaded
from lockmodel.fitting.estimate import Settings
from lockmodel.fitting.fitting import SCHEMA, run
from lockmodel.fitting.health import flags
from lockmodel.fitting.profile import interval_of
from lockmodel.fitting.quantities import expected
from lockmodel.fitting.result import covariance_of, fit_table, fitted_scenario, saved_parameters
from lockmodel.model.scenario import Calibrated, Provenance
from lockmodel.model.toml import dumps, loads

FREE = ("think", "hold", "handoff")
FILES = {"x.csv": "ab" * 32}
HOLD = seen("hold_time", expected(STOCK, 64, [seen("hold_time", 1, 64)])[0], 64)


def timed(noise=0.02):
    """A curve and a hold time: everything is determined."""
    return fitted([data(STOCK, (*curve(STOCK, noise=noise), HOLD))], FREE)


def intervals(estimate):
    return tuple(interval_of(estimate, k) for k in range(len(estimate.theta)))


def named(estimate, where=0):
    table = fit_table(estimate, where, intervals(estimate), FILES)
    return {p.name: p for p in table.parameters}


def values(estimate, theta, saved, where=0):
    scenario = estimate.study.scenario(where, theta)
    own = estimate.study.values(where, theta)
    return [own[p.name] if p.key in ps.FACTOR_KEYS else ps.read(scenario, p) for p in saved]


@pytest.mark.parametrize(
    ("free", "saved"),
    [
        (("think", "hold"), ["think", "all.time_per_instruction_remote"]),
        (FREE, ["think", "all.demand", "all.handoff"]),
        (("hold", "handoff_instructions"), ["all.demand", "all.handoff"]),
        (("hold", "acquires"), ["all.demand", "all.acquires"]),
        (("a.hold", "a.handoff.time"), ["a.demand", "a.handoff.time"]),
        (("demand", "handoff"), ["all.demand", "all.handoff"]),
    ],
)
def test_hold_is_saved_as_demand_where_something_trades_against_it(free, saved):
    estimate = fitted([data(STOCK, curve(STOCK))], free)
    assert [p.name for p in saved_parameters(estimate, 0)] == saved


@pytest.mark.parametrize(
    "free", [FREE, ("think", "hold", "handoff_instructions"), ("think", "hold", "acquires")]
)
def test_the_covariance_is_that_of_the_saved_numbers(free):
    """By Monte Carlo: draws of the unknowns, each turned into the numbers that are saved."""
    pair = [
        data(STOCK, (*curve(STOCK, noise=1e-3, sd=1e-3), HOLD), "old"),
        data(PATCHED, curve(PATCHED, noise=1e-3, sd=1e-3), "new", stock=STOCK),
    ]
    estimate = fitted(pair, free)
    saved = saved_parameters(estimate, 0)
    covariance = covariance_of(estimate, 0, saved)
    rng = np.random.default_rng(0)
    draws = rng.multivariate_normal(estimate.theta, estimate.measured_covariance, size=4000)
    logs = np.log([values(estimate, theta, saved) for theta in draws])
    measured = np.cov(logs.T)
    sd = np.sqrt(np.diag(covariance))
    assert np.sqrt(np.diag(measured)) == pytest.approx(sd, rel=0.06)
    assert measured / np.outer(sd, sd) == pytest.approx(covariance / np.outer(sd, sd), abs=0.08)


def test_the_demand_by_hand():
    """d ln D = (tau I d ln tau + m c d ln c) / D, tau moving by its remote part only."""
    estimate = timed()
    hold, handoff = math.exp(estimate.theta[1]), math.exp(estimate.theta[2])
    line = (ps.crowded_instruction(STOCK, STOCK.locks[0]) - 0.3e-9) / 1.7e-9
    demand = 4000 * (0.3e-9 + (hold - 0.3e-9) * line) + 5 * (20e-9 + handoff)
    to = np.array([0.0, 4000 * hold * line, 5 * handoff]) / demand
    saved = saved_parameters(estimate, 0)
    covariance = covariance_of(estimate, 0, saved)
    assert values(estimate, estimate.theta, saved)[1] == pytest.approx(demand, rel=1e-12)
    assert covariance[1, 1] == pytest.approx(to @ estimate.measured_covariance @ to, rel=1e-6)


def test_a_table_survives_saving():
    for free, settings in ((FREE, Settings()), (("think", "hold"), Settings(priors=False))):
        estimate = fitted([data(STOCK, curve(STOCK, noise=0.03))], free, settings=settings)
        made = fitted_scenario(estimate, 0, intervals(estimate), FILES)
        assert loads(dumps(made)) == made
        assert made.fit.data[0].sha256 == FILES["x.csv"]
        assert made.fit.data[0].observations == 8
        assert made.fit.flags == flags(estimate)
        assert made.fit.degrees == estimate.degrees


def test_a_table_says_what_the_fit_found():
    estimate = timed()
    table = named(estimate)
    ends = intervals(estimate)
    scenario = estimate.scenario(0)
    assert table["think"].value == pytest.approx(scenario.think)
    assert (table["think"].low, table["think"].high) == (ends[0].low, ends[0].high)
    assert (table["all.handoff"].low, table["all.handoff"].high) == (ends[2].low, ends[2].high)
    assert table["all.demand"].value == pytest.approx(
        ps.read(scenario, ps.parse("demand", scenario))
    )
    assert all(p.determined for p in table.values())


def test_the_demand_of_a_curve_is_determined_and_the_handoff_is_not():
    table = named(fitted([data(STOCK, curve(STOCK, noise=0.02))], FREE))
    assert table["all.demand"].determined
    assert not table["all.handoff"].determined
    assert table["all.demand"].high / table["all.demand"].low < 1.3


def test_a_demand_that_nothing_shows_is_not_determined():
    """Two processes hardly ever meet: neither part of the demand is seen, nor is the whole."""
    table = named(fitted([data(STOCK, curve(STOCK, (1, 2), noise=0.02))], FREE))
    assert not table["all.demand"].determined
    assert table["think"].determined


def test_ends_that_nothing_bounds_are_finite_numbers():
    estimate = fitted([data(STOCK, curve(STOCK, (1,)))], ("think", "hold", "handoff"))
    for p in fit_table(estimate, 0, intervals(estimate), FILES).parameters:
        assert 0 <= p.low <= p.value <= p.high < math.inf
    made = fitted_scenario(estimate, 0, intervals(estimate), FILES)
    assert loads(dumps(made)) == made


def test_each_data_set_has_its_own_scenario():
    sets = [
        data(STOCK, (*curve(STOCK), HOLD), "old"),
        data(PATCHED, curve(PATCHED, (2, 32)), "new", stock=STOCK),
    ]
    estimate = fitted(sets, FREE)
    ends = intervals(estimate)
    old, new = (fitted_scenario(estimate, where, ends, FILES) for where in (0, 1))
    assert (old.acquires("a"), new.acquires("a")) == (5.0, 1.0)
    assert (new.calibrated.low, new.calibrated.high) == (2, 32)
    demand = {p.name: p.value for p in new.fit.parameters}["all.demand"]
    assert demand == pytest.approx(ps.read(new, ps.parse("demand", new)))


def test_the_calibrated_range_is_that_of_the_data():
    estimate = fitted([data(STOCK, curve(STOCK))], ("think",))
    made = fitted_scenario(estimate, 0, intervals(estimate), FILES)
    best = max(o.value for o in curve(STOCK))
    assert made.calibrated == Calibrated(low=1, high=64, throughput_per_s=best)


def test_a_relative_throughput_is_no_number_of_iterations():
    """The largest ratio was once saved as the largest throughput per second."""
    estimate = fitted([data(STOCK, curve(STOCK, factor=1e-5, unit="relative"))], ("hold",))
    made = fitted_scenario(estimate, 0, intervals(estimate), FILES)
    assert made.calibrated == Calibrated(low=1, high=64)


def test_without_throughput_the_calibration_stays():
    before = replace(STOCK, calibrated=Calibrated(low=3, high=9))
    estimate = fitted([data(before, (HOLD,))], ("hold",))
    assert fitted_scenario(estimate, 0, intervals(estimate), FILES).calibrated == before.calibrated


def test_the_origin_of_what_was_fitted_anew_is_replaced():
    entries = (
        Provenance(value="think", origin="fitted", note="an earlier fit"),
        Provenance(value="acquires", origin="traced", note="counted"),
        Provenance(value="smt_speedup", origin="fitted", note="another fit"),
    )
    scenario = replace(STOCK, provenance=entries)
    estimate = fitted([data(scenario, curve(scenario))], ("think", "hold"))
    made = fitted_scenario(estimate, 0, intervals(estimate), FILES).provenance
    assert made[:2] == entries[1:]
    assert made[2].value == "all.time_per_instruction_remote, think"
    assert made[2].note.startswith("lockmodel fit to x.csv: 8 observations, 2 unknowns")


def test_a_fit_of_a_fitted_scenario_has_one_table():
    estimate = timed()
    once = fitted_scenario(estimate, 0, intervals(estimate), FILES)
    again = fitted([data(once, (*curve(STOCK, noise=0.02), HOLD))], FREE)
    twice = fitted_scenario(again, 0, intervals(again), FILES)
    assert [p.name for p in twice.fit.parameters] == [p.name for p in once.fit.parameters]
    for a, b in zip(once.fit.parameters, twice.fit.parameters, strict=True):
        assert b.value == pytest.approx(a.value, rel=1e-3)


def test_factors_are_saved_as_factors_of_what_the_scenario_now_has():
    counted = (*curve(STOCK), HOLD, seen("acquires", 10.0, None))
    estimate = fitted([data(STOCK, counted)], ("think", "acquires"))
    made = fitted_scenario(estimate, 0, intervals(estimate), FILES)
    factor = math.exp(estimate.theta[1])
    assert made.acquires("a") == pytest.approx(5.0 * factor)
    assert named(estimate)["all.acquires"].value == pytest.approx(factor)


def test_one_call_from_data_sets_to_scenarios():
    sets = (
        data(PATCHED, curve(PATCHED), "new", stock=STOCK),
        data(STOCK, (*curve(STOCK), seen("idle_share", 0.1)), "old"),
    )
    made = run(Loaded(sets, FILES, ("x.csv: a warning",)), FREE, settings=Settings(priors=False))
    assert made.main == 1  # the model as it is
    assert len(made.scenarios) == 2
    said = made.to_json()
    assert said["schema"] == SCHEMA
    assert [p["name"] for p in said["parameters"]] == [u.name for u in made.estimate.study.unknowns]
    assert said["converged"] is True
    assert said["files"] == FILES
    assert said["warnings"] == ["x.csv: a warning"]
    assert [u["kind"] for u in said["unused"]] == ["idle_share"]
    assert len(said["rows"]) == 16
    for row in said["rows"]:
        assert row["fitted"] == pytest.approx(row["observed"], rel=1e-4)


def test_by_default_the_usual_parameters_of_all_models_are_free():
    sets = (data(STOCK, curve(STOCK)), data(model(locks=()), curve(model(locks=())), file="y.csv"))
    made = run(Loaded(sets, {**FILES, "y.csv": "cd" * 32}, ()), settings=Settings(starts=1))
    assert [u.key for u in made.estimate.study.unknowns] == [
        "think",
        "time_per_instruction_remote",
        "handoff",
    ]


def test_a_gain_is_said_as_a_gain():
    new, old = (curve(s, (64,))[0].value for s in (PATCHED, STOCK))
    gain = seen("gain", new / old - 1.0, 64)
    sets = (data(STOCK, curve(STOCK)), data(PATCHED, (gain,), "new", stock=STOCK))
    made = run(Loaded(sets, FILES, ()), FREE, settings=Settings(priors=False))
    row = made.to_json()["rows"][-1]
    assert (row["kind"], row["n"]) == ("gain", 64)
    assert row["fitted"] == pytest.approx(row["observed"], rel=1e-3)
