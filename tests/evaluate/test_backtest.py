"""The pieces of the back-test against hand computation: draws, facts, levers, verdicts, report."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from lockmodel.answers.predict import predict
from lockmodel.changes.lever import apply_all
from lockmodel.errors import ArgumentError, FileError, NotTrustworthyError, ScenarioError
from lockmodel.evaluate.backtest import (
    batching,
    engine,
    moved,
    ratio,
    sharding,
    small_changes,
    splitting,
)
from lockmodel.evaluate.backtest.case import Limits, Predicted
from lockmodel.evaluate.backtest.draws import Hypercube, effective, noisy, quantile, resample, span
from lockmodel.evaluate.backtest.evidence import Context, Evidence, load
from lockmodel.evaluate.backtest.templates import LIBC, LOCAL, REMOTE, template, timed
from lockmodel.fitting.parameters import crowded_handoff, crowded_instruction
from lockmodel.model.shipped import shipped_dir

PUBLISHED = shipped_dir("data") / "published"
PUBLISHED_GAIN = 20564 / 18501 - 1


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return load(PUBLISHED)


@pytest.fixture(scope="module")
def context(evidence: Evidence) -> Context:
    return Context(evidence, Hypercube())


# ---- draws


def test_draws_fill_every_stratum_and_do_not_depend_on_each_other() -> None:
    draws = Hypercube(64, 5)
    shares = draws.shares("a")
    assert sorted(shares) == pytest.approx([(i + 0.5) / 64 for i in range(64)])
    assert list(draws.shares("a")) == list(shares)
    assert list(draws.shares("b")) != list(shares)
    assert np.log(draws.factor("a", 0.5)) == pytest.approx(0.5 * norm.ppf(shares))
    logs = np.log(draws.log_uniform("a", 2.0, 32.0))
    assert (logs.min(), logs.max()) == pytest.approx(
        (math.log(2) + math.log(16) / 128, math.log(32) - math.log(16) / 128)
    )


def test_weighted_quantiles_are_those_of_repeated_values() -> None:
    values, weights = np.array([3.0, 1.0, 2.0, 9.0]), np.array([1.0, 3.0, 2.0, 2.0])
    assert quantile(values, weights, 0.1875) == pytest.approx(1.0)  # middle of three eighths
    assert quantile(values, weights, 0.5) == pytest.approx(2.0)
    assert quantile(values, weights, 0.6875) == pytest.approx(3.0)
    assert span(values, weights, 0.999) == (1.0, 9.0)
    assert effective(weights) == pytest.approx(64 / 18)
    assert effective(np.zeros(3)) == 0.0


def test_resampling_keeps_the_distribution() -> None:
    key = np.random.default_rng(1).permutation(1000) / 1000.0
    weights = np.exp(-0.5 * ((key - 0.6) / 0.1) ** 2)
    chosen = key[resample(weights, key, 200)]
    assert chosen.mean() == pytest.approx(0.6, abs=0.002)
    assert chosen.std() == pytest.approx(0.1, rel=0.03)


def test_noise_of_two_runs_is_on_the_ratio() -> None:
    gains, weights = noisy(np.array([1.0]), np.ones(1), 0.05)
    low, high = span(gains, weights, 0.9)
    assert (low, high) == pytest.approx(
        (2 * math.exp(-1.645 * 0.05) - 1, 2 * math.exp(1.645 * 0.05) - 1), rel=0.02
    )


# ---- evidence


@pytest.mark.parametrize(
    ("name", "low", "high", "noise"),
    [
        ("lkp_spr_224", PUBLISHED_GAIN, PUBLISHED_GAIN, 0.02 * math.sqrt(2)),
        ("guzik_batch_unlink", 51500 / 50500 - 1, 52500 / 49500 - 1, 0.02 * math.sqrt(2)),
        ("yibin_rmap_exclude", 0.75, 0.85, 0.02 * math.sqrt(2)),
        ("huang_v1_tree_split", 0.765, 0.775, 0.02 * math.sqrt(0.2)),
        ("huang_v2_tree_and_lock_split", 4.0, None, 0.02 * math.sqrt(2)),
        ("jonas_false_sharing", 0.0326, 0.0394, 0.02 * math.sqrt(2)),
        ("lipeng_false_sharing", 0.0245, 0.0255, 0.02 * math.sqrt(2)),
        ("guzik_pidmap_once", 0.10, 0.16, 0.02 * math.sqrt(2)),
        ("yuma_mmap_region_on_6_4", -0.005, 0.005, 0.02 * math.sqrt(2)),
    ],
)
def test_published_ranges(
    name: str, low: float, high: float | None, noise: float, evidence: Evidence
) -> None:
    published = evidence.result(name)
    assert published.low == pytest.approx(low)
    assert published.high == (None if high is None else pytest.approx(high))
    assert published.noise == pytest.approx(noise)


def test_profiles_before_the_change_in_two_readings(evidence: Evidence) -> None:
    """Cycles as they are; and time off the CPU counted as waiting, by hand."""
    low, high = ratio.wait_readings(evidence, "lkp_spr_224")
    assert low == pytest.approx(0.889)
    busy = (58951 + 620.67) / 7394432 * (1 - 0.889)
    assert high == pytest.approx(1 - busy * 18501 / 224)
    low, high = ratio.wait_readings(evidence, "lkp_icl_64")
    assert low == pytest.approx(0.4561)
    assert high == pytest.approx(1 - 1846860 * 3.0 / 3.1e9 * (1 - 0.4561) * 30238 / 64)
    assert ratio.wait_readings(evidence, "lkp_cpl_224")[0] == pytest.approx(0.4214 * 29 / 14)


def test_spread_between_machines_is_that_of_the_table(evidence: Evidence) -> None:
    times = [141, 127, 118, 114, 74, 108, 134, 118, 267, 197]  # latency.md, cross socket
    assert ratio.machine_spread(evidence) == pytest.approx(float(np.std(np.log(times), ddof=1)))
    assert ratio.near_costs(evidence) == pytest.approx((25 / 267, 151 / 197), rel=1e-3)


def test_broken_evidence_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"interventions\.json: cannot be read"):
        load(tmp_path)
    (tmp_path / "interventions.json").write_text('[{"machine": "x"}]')
    with pytest.raises(ScenarioError, match="list of records with an id"):
        load(tmp_path)
    (tmp_path / "interventions.json").write_text("[]")
    with pytest.raises(ScenarioError, match="no record 'lkp_spr_224'"):
        engine.run(tmp_path, ["lkp_spr_224"])
    with pytest.raises(ArgumentError, match="did you mean 'lkp_spr_224'"):
        engine.run(ids=["lkp_spr_22"])


# ---- scenarios and levers


def test_times_are_what_they_are_said_to_be() -> None:
    scenario = timed(template("execl-emr112"), 250.0, 3e-4, 3e-9)
    lock = scenario.lock(LIBC)
    assert scenario.think == 3e-4
    assert lock.time_per_instruction_remote == 3e-9
    assert crowded_handoff(scenario, lock) == pytest.approx(
        250.0 * crowded_instruction(scenario, lock)
    )


@pytest.mark.parametrize(
    ("name", "passing", "think"),
    [
        ("lkp_icl_64", 260.0, 2.2e-4),
        ("lkp_icl_64", 93.0, 6e-4),
        ("lkp_icl_64", 700.0, 8e-4),
        ("lkp_spr_224", 310.0, 5e-4),
    ],
)
def test_a_surface_against_the_solver_where_waits_are_given(
    name: str, passing: float, think: float
) -> None:
    scenario, n = ratio.robot(name)
    now = timed(scenario, passing, think)
    before = predict(now, [n], "product-form").points[0]
    after = predict(apply_all(now, ratio.BATCHED), [n], "product-form").points[0]
    wait = sum(state.cycles_share for state in before.locks.values())
    assert wait > 0.1
    gains = ratio.surface(scenario, n, ratio.BATCHED)
    gain, rate = gains.at_wait(np.array([passing]), np.array([wait]))
    exact = after.throughput_per_s / before.throughput_per_s - 1
    assert gain[0] == pytest.approx(exact, abs=0.003)
    assert rate[0] == pytest.approx(before.throughput_per_s, rel=0.02)


@pytest.mark.parametrize(("passing", "think"), [(165.0, 2.5e-4), (203.0, 4e-4), (77.0, 2.2e-4)])
def test_a_surface_against_the_solver_where_the_rate_is_given(passing: float, think: float) -> None:
    scenario = template("sysexec-spr224-v6.12", batching.small_machine(), batching.SMALL_BEFORE)
    now = timed(scenario, passing, think)
    before, after = (
        predict(one, [20], "product-form").points[0].throughput_per_s
        for one in (now, apply_all(now, batching.SMALL_BATCHED))
    )
    gains = ratio.surface(scenario, 20, batching.SMALL_BATCHED)
    gain, again = gains.at_rate(np.array([passing]), np.array([before]))
    assert gain[0] == pytest.approx(after / before - 1, abs=0.003)
    assert again[0] == pytest.approx(think, rel=0.02)


def test_a_rate_above_the_ceiling_has_no_think_time() -> None:
    scenario, n = ratio.robot("lkp_spr_224")
    gain, think = ratio.surface(scenario, n, ratio.BATCHED).at_rate(
        np.array([200.0]), np.array([1e7])
    )
    assert np.isnan(gain[0])
    assert np.isnan(think[0])


def test_batching_a_saturated_lock_in_closed_form() -> None:
    """29 to 21 passes of tau I + m (a + c): the gain of the ceiling."""
    scenario, n = ratio.robot("lkp_spr_224")
    now = timed(scenario, 250.0, 1e-4)
    lock = now.lock(LIBC)
    tau = crowded_instruction(now, lock)
    held = tau * now.held_instructions(LIBC, n)
    each = lock.acquire_time + 250.0 * tau
    assert now.acquires(LIBC) == 29
    expected = (held + 29 * each) / (held + 21 * each) - 1
    batched = predict(apply_all(now, ratio.BATCHED), [n], "product-form").points[0].throughput_per_s
    was = predict(now, [n], "product-form").points[0].throughput_per_s
    assert batched / was - 1 == pytest.approx(expected, rel=1e-3)


def test_robots_agree_on_the_ratio_that_algebra_gives(context: Context) -> None:
    """All three together: r from g = 8 (a + c) / (D - 8 (a + c)) of the saturated machine."""
    scenario, n = ratio.robot("lkp_spr_224")
    lock = timed(scenario, 250.0, 1e-4).lock(LIBC)
    tau = crowded_instruction(scenario, lock)
    instructions = scenario.held_instructions(LIBC, n)
    gain = 0.1115
    passing = instructions * gain / (8 - 21 * gain) - lock.acquire_time / tau
    weights = ratio.weights(context, ratio.ROBOTS)
    common = context.draws.log_uniform("handoff in held instructions", *ratio.PRIOR)
    assert quantile(common, weights, 0.5) == pytest.approx(passing, rel=0.12)


def test_doexec_takes_the_traced_number_of_acquires() -> None:
    scenario = template("sysexec-spr224-v6.12", batching.small_machine(), batching.SMALL_BEFORE)
    assert scenario.acquires(LIBC) == 19
    assert apply_all(scenario, batching.SMALL_BATCHED).acquires(LIBC) == 15
    assert {lock.name for lock in scenario.locks} == {LIBC, "ld-linux-x86-64.so.2"}


@pytest.mark.parametrize("near", [0.1, 0.4, 0.75])
def test_splitting_a_tree_by_hand(near: float) -> None:
    now = timed(splitting.scenario(near), 200.0, 3e-4)
    lock = now.lock(LIBC)
    assert now.machine.cpus + lock.other_mappers == 1200
    full = sum(
        s.acquires * (s.held_instructions + s.growth_per_doubling * math.log2(1200))
        for s in now.sites_of(LIBC)
    )
    less = sum(s.acquires * s.growth_per_doubling * math.log2(12) for s in now.sites_of(LIBC))
    assert splitting.hold_factor(now, lock, lines=False) == pytest.approx(1 - less / full)
    everywhere = 11 / 12 + near * 31 / 384  # other nodes; other CPUs of the own node
    own = near * 31 / 32
    times = [LOCAL + (REMOTE - LOCAL) * line for line in (own, everywhere)]
    assert splitting.hold_factor(now, lock, lines=True) == pytest.approx(
        (1 - less / full) * times[0] / times[1]
    )


def test_think_time_of_execl_by_hand(context: Context) -> None:
    demands = splitting.think_demands(context)
    alone = (1.6 / 6410.4) * 33036 - 1
    crowded = (1 - 0.8969) * 128
    assert demands.min() == pytest.approx(alone, rel=1e-3)
    assert demands.max() == pytest.approx(crowded, rel=1e-3)


def test_work_that_left_the_lock_between_two_kernels() -> None:
    """libc.so.6 at 160 mappers, by the table, between its rows of 101 and 1,001.

    map_link: 1,439 instructions on 6.1 against 205; map_split: 2,980 against 1,611.
    """
    extra = moved.extra_held(LIBC)
    assert extra[moved.LINK] == pytest.approx(1439 - 205, abs=20)
    assert extra["exec.map_split"] == pytest.approx(2980 - 1611, abs=40)
    now = template("execl-emr112", moved.SPR, moved.BEFORE)
    before, after = moved.moved_out(now, 1.0)
    gone = before.held_instructions(LIBC, 160) - after.held_instructions(LIBC, 160)
    assert gone == pytest.approx(3 * extra[moved.LINK])
    assert before.acquires(LIBC) == after.acquires(LIBC) == 19


def test_the_mutex_meets_both_waits() -> None:
    now = timed(template("execl-emr112", moved.SPR, moved.BEFORE), 220.0, 3e-4, 3e-9)
    both = moved.with_mutex(now, 0.5354, 0.0173)
    locks = predict(both, [160], "product-form").points[0].locks
    assert locks[moved.PCPU].cycles_share == pytest.approx(0.5354, abs=1e-4)
    others = sum(state.cycles_share for name, state in locks.items() if name != moved.PCPU)
    assert others == pytest.approx(0.0173, abs=1e-4)
    with pytest.raises(NotTrustworthyError, match="no think time and demand"):
        moved.with_mutex(now, 0.7, 0.6)  # more than all the time there is


def test_one_line_less_per_acquire_by_hand(context: Context) -> None:
    case = next(c for c in small_changes.cases() if c.id == small_changes.SHELL)
    predicted = case.predict(context)
    assert isinstance(predicted, Predicted)
    saved = [29 * t * 1e-9 * 18501 for t in (32, 141)]  # of one iteration of a saturated lock
    ends = [s / (1 - s) for s in saved]
    assert (predicted.gains.min(), predicted.gains.max()) == pytest.approx(ends, rel=2e-3)


# ---- transfers


@pytest.mark.parametrize("passing", [0.0, 0.5, 1.0])
def test_the_calibrated_lock_meets_the_rate(passing: float) -> None:
    now = sharding.calibrated(32, 1, 3e-5, 2.5e5, passing)
    rate = predict(now, [32], "product-form").points[0].throughput_per_s
    assert rate == pytest.approx(2.5e5, rel=1e-6)
    (lock,) = now.locks
    contended = lock.acquire_time + float(lock.handoff.cost(np.array([1.0]), 0.0)[0])
    assert lock.acquire_time == pytest.approx((1.0 - passing) * contended)
    assert now.think + lock.acquire_time == pytest.approx(3e-5)


def test_shards_without_think_time_balance_as_the_closed_network_does() -> None:
    """k single servers and N customers: X = N / (N + k - 1) k / D (Reiser & Lavenberg 1980)."""
    n, demand = 140, 1e-6
    for k in (2, 64):
        now = sharding.on_cores(n, k, 1e-12, demand, 0.0)
        rate = predict(now, [n], "product-form").points[0].throughput_per_s
        assert rate == pytest.approx(n / (n + k - 1) * k / demand, rel=1e-3)


def test_batch_limits_by_hand(context: Context) -> None:
    case = next(c for c in sharding.cases() if c.id.startswith("pcp"))
    limits = case.predict(context)
    assert isinstance(limits, Limits)
    held, kept = (2.21 + 2.02) * 1e-6, 63 / 2047  # Ice Lake: the shortest hold
    desktop = ((2.18 + 2.03) * 1e-6, 63 / 1023)
    highs = [(h + 3e-6) / (h + 3e-6 * k) - 1 for h, k in ((held, kept), desktop)]
    assert limits.high == pytest.approx(max(highs))
    iteration = 63 / 404706.7  # the slowest machine gains least
    assert limits.low == pytest.approx(1 / (1 - 40e-9 * (1 - kept) / iteration) - 1)
