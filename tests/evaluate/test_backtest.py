"""The pieces of the back-test against hand computation: draws, facts, counts, levers, columns."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from lockmodel.answers.predict import predict
from lockmodel.errors import ArgumentError, FileError, ScenarioError
from lockmodel.evaluate.backtest import (
    batching,
    columns,
    counts,
    engine,
    exclusion,
    moved,
    sharding,
    small_changes,
    splitting,
)
from lockmodel.evaluate.backtest.case import Limits, Predicted
from lockmodel.evaluate.backtest.counts import EXECUTABLE, LIBC, LOADER, rate
from lockmodel.evaluate.backtest.draws import Hypercube, effective, quantile, span
from lockmodel.evaluate.backtest.evidence import Context, Evidence, load
from lockmodel.model.placement import transfer
from lockmodel.model.published import published_machines
from lockmodel.model.scenario import Scenario
from lockmodel.model.shipped import read_table, shipped_dir

PUBLISHED = shipped_dir("data") / "published"
PUBLISHED_GAIN = 20564 / 18501 - 1


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return load(PUBLISHED)


@pytest.fixture(scope="module")
def context(evidence: Evidence) -> Context:
    return Context(evidence.seeing(), Hypercube())


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


def test_bounds_have_one_end() -> None:
    """More than 50 %, and up to 50 %: neither has a middle."""
    known = {
        side: {"gain_pct": 50, f"gain_is_{side}_bound": True, "unit": ""}
        for side in ("lower", "upper")
    }
    evidence = Evidence(known, PUBLISHED)
    ends = {side: (evidence.result(side).low, evidence.result(side).high) for side in known}
    assert ends == {"lower": (0.5, None), "upper": (None, 0.5)}
    assert evidence.result("upper").middle is None


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


def test_machines_are_left_out_by_name_of_what_they_overlap() -> None:
    """The mean of the logarithms of the three others, by the table."""
    rows = read_table(shipped_dir("data") / "computed" / "line_overlap.csv")
    for name in batching.ROBOTS:
        evidence = Context(load(PUBLISHED).seeing(), Hypercube(2))
        machine = batching.setting(name, evidence).counted.machine
        others = [float(r["overlap"]) for r in rows if r["machine"] != machine.name]
        assert len(others) == 3
        assert machine.line_overlap == pytest.approx(float(np.exp(np.log(others).mean())))


def test_rates_before_weight_the_draws_by_hand() -> None:
    """Off by one and two standard deviations of 2 % noise and 5 % model error."""
    sd = math.hypot(0.02, 0.05)
    rates = 1000.0 * np.exp(np.array([0.0, sd, -2.0 * sd]))
    assert counts.likely(rates, {"before": 1000}, 0.02) == pytest.approx(
        [1.0, math.exp(-0.5), math.exp(-2.0)]
    )
    assert counts.likely(rates, {"before": None}, 0.02) == pytest.approx([1.0, 1.0, 1.0])


def test_hygon_may_be_any_two_socket_epyc_with_small_or_large_caches() -> None:
    machines = splitting.machines()
    known = {m.name: m for m in published_machines()}
    names = ("epyc9754", "epyc9454", "epyc7763", "epyc7742", "epyc7302")
    expected = {
        (caches, known[name].times["socket"].median, known[name].times["remote"].median)
        for name in names
        for caches in (24, 48)
    }
    assert {(m.caches, m.line.socket, m.line.remote) for m in machines if m.line} == expected
    with pytest.raises(ScenarioError, match="no machine of kind 'sparc'"):
        counts.kinds_of(splitting.HYGON, "sparc", (24,))


def test_batching_a_saturated_lock_in_closed_form(context: Context) -> None:
    """29 to 21 hand-offs of the same held lines and instructions: the gain of the ceiling."""
    before, after = batching.setting("lkp_spr_224", context).plain
    lock, n = before.lock(LIBC), 224
    each = lock.acquire_time + lock.handoff_lines * _line(before, n)
    held = before.lines(LIBC, n, n) * _line(before, n) * before.machine.line_overlap
    held += before.held_instructions(LIBC, n) * lock.time_per_instruction_remote
    assert (before.acquires(LIBC), after.acquires(LIBC)) == (29, 21)
    expected = (held + 29 * each) / (held + 21 * each) - 1
    assert rate(after, n) / rate(before, n) - 1 == pytest.approx(expected, rel=2e-3)


def _line(scenario: Scenario, n: int) -> float:
    """Return the time of a line on two sockets that are full, s, from pairs of CPUs."""
    machine = scenario.machine
    assert machine.line is not None
    assert machine.cpus == n
    siblings, near, far = 1, machine.cpus // 2 - 2, machine.cpus // 2
    times = machine.line
    mean = siblings * times.smt + near * times.socket + far * times.remote
    return float(mean / (n - 1))


def test_excluding_libc_leaves_the_executable_in_closed_form(context: Context) -> None:
    before, after = exclusion.setting(exclusion.LIBRARIES, context).plain
    n = exclusion.POPULATION
    ratio = counts.demand(before, n) / counts.demand(after, n)
    assert rate(after, n) / rate(before, n) == pytest.approx(ratio, rel=5e-3)
    assert {k.name for k in before.locks} - {k.name for k in after.locks} == {LIBC, LOADER}


def test_doexec_takes_the_traced_number_of_acquires(context: Context) -> None:
    before, after = batching.setting("guzik_batch_unlink", context).plain
    assert (before.acquires(LIBC), after.acquires(LIBC)) == (19, 15)
    files = {lock.name for lock in before.locks} & {LIBC, LOADER, EXECUTABLE, "launcher"}
    assert files == {LIBC, LOADER}


def test_a_split_tree_has_fewer_and_nearer_lines_and_the_same_hand_offs(context: Context) -> None:
    """By the law of the sites: 32 of 384 processes and a twelfth of 1,200 mappings."""
    before, after = splitting.setting(splitting.NEARER, context).plain
    n, lock = 384, before.lock(LIBC)
    assert n + lock.other_mappers == 1200
    far, near = transfer(before.machine, n), _in_node(before)
    instructions = before.held_instructions(LIBC, 1200) - before.held_instructions(LIBC, 100)
    lines = before.lines(LIBC, n, 1200) * far - before.lines(LIBC, 32, 100) * near
    saved = lines * before.machine.line_overlap
    saved += instructions * lock.time_per_instruction_remote
    demand = counts.demand(before, n)
    assert counts.demand(after, n) == pytest.approx(demand - saved, rel=1e-6)


def _in_node(scenario: Scenario) -> float:
    """Return the mean time of a line of another of 32 CPUs in 16 cores and two caches."""
    times = scenario.machine.line
    assert times is not None
    assert scenario.machine.caches == 24
    return float((1 * times.smt + 14 * times.cache + 16 * times.socket) / 31)


def test_splitting_the_lock_takes_it_once_per_mapping_again(context: Context) -> None:
    before, after = splitting.setting(splitting.SHARD, context).plain
    assert (before.acquires(LIBC), after.acquires(LIBC)) == (15, 19)
    shards = {lock.name: lock.shards for lock in after.locks if lock.name in counts.FILES}
    assert shards == dict.fromkeys(counts.FILES, 12)
    assert {k.name: k.shards for k in after.locks if k.name not in shards} == {
        k.name: k.shards for k in before.locks if k.name not in shards
    }


def test_work_on_the_own_tree_by_hand(context: Context) -> None:
    """Three mappings of libc.so.6 are linked; 200 instructions each at 0.35 ns."""
    before, after = moved.setting(moved.RBTREE, False, context).plain
    assert before.acquires(LIBC) == 19
    gone = before.held_instructions(LIBC, 160) - after.held_instructions(LIBC, 160)
    assert gone == pytest.approx(3 * math.sqrt(100 * 400))
    saved = counts.demand(before, 160) - counts.demand(after, 160)
    assert saved == pytest.approx(3 * 200 * 0.35e-9)
    assert before.lines(LIBC, 160, 160) == after.lines(LIBC, 160, 160)


def test_the_mutex_binds_and_the_other_waits_are_met(context: Context) -> None:
    before, after = moved.setting(moved.MAPLE, True, context).plain
    locks = predict(before, [160], "product-form").points[0].locks
    others = sum(state.cycles_share for name, state in locks.items() if name != moved.PCPU)
    assert others == pytest.approx(0.0173, rel=0.5)  # one server that is busy as often
    assert locks[moved.PCPU].cycles_share > 0.5
    assert rate(after, 160) / rate(before, 160) == pytest.approx(1.0, abs=1e-4)


def test_one_line_less_per_acquire_by_hand(context: Context) -> None:
    case = next(c for c in small_changes.cases() if c.id == small_changes.SHELL)
    predicted = case.predict(context)
    assert isinstance(predicted, Predicted)
    setting = counts.Setting(
        counts.counted("sysexec-spr224-v6.12"),
        224,
        small_changes.one_line_less,
        counts.by(batching.UNBATCHED),
    )
    before, after = setting.plain
    saved = 29 * _line(before, 224) * before.machine.line_overlap
    demand = counts.demand(before, 224)
    assert rate(after, 224) / rate(before, 224) == pytest.approx(
        demand / (demand - saved), rel=1e-3
    )
    assert span(predicted.gains, predicted.weights, 0.98)[0] > 0.0


# ---- columns


def test_columns_of_the_exclusion_by_hand(context: Context) -> None:
    """15 acquires against 8, 32 tree operations against 16, instructions and lines by the sites."""
    setting = exclusion.setting(exclusion.LIBRARIES, context)
    made = columns.points(setting)
    assert math.exp(made["acquires"]) == pytest.approx(15 / 8, rel=1e-3)
    assert math.exp(made["operations"]) == pytest.approx(32 / 16, rel=1e-3)
    plain, n = setting.plain[0], 220
    held = [plain.held_instructions(file, n) for file in (LIBC, EXECUTABLE)]
    assert math.exp(made["instructions"]) == pytest.approx(held[0] / held[1], rel=1e-3)
    moved_ = [plain.lines(file, n, n) + 5.8 * plain.acquires(file) for file in (LIBC, EXECUTABLE)]
    assert math.exp(made["lines"]) == pytest.approx(moved_[0] / moved_[1], rel=1e-3)


def test_columns_of_batching_by_hand(context: Context) -> None:
    """29 to 21 acquires of a saturated lock; the tree operations and instructions stay."""
    made = columns.points(batching.setting("lkp_spr_224", context))
    assert math.exp(made["acquires"]) == pytest.approx(29 / 21, rel=1e-3)
    assert made["operations"] == pytest.approx(0.0, abs=1e-6)
    assert made["instructions"] == pytest.approx(0.0, abs=1e-6)
    plain = batching.setting("lkp_spr_224", context).plain[0]
    held = plain.lines(LIBC, 224, 224)
    assert math.exp(made["lines"]) == pytest.approx((held + 29 * 5.8) / (held + 21 * 5.8), rel=1e-3)


def test_tree_operations_are_those_of_the_table() -> None:
    assert sum(columns.tree_operations("execl", LIBC).values()) == 32
    assert sum(columns.tree_operations("execl", EXECUTABLE).values()) == 16
    assert sum(columns.tree_operations("fork", LIBC).values()) == 42


def test_more_of_a_lever_gains_more_in_every_column_that_sees_it(context: Context) -> None:
    """Excluding libc and the loader, then the executable as well."""
    less, more = (
        columns.points(exclusion.setting(levers, context))
        for levers in (exclusion.LIBRARIES, exclusion.EVERYTHING)
    )
    assert all(more[name] > less[name] for name in columns.PROXIES)


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
