"""Figures of scenarios: their numbers against hand computation, limits and printed answers."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from invoked import invoke
from places import timed, timed_path

from lockmodel.changes import levers
from lockmodel.errors import ArgumentError
from lockmodel.figures import ceiling_map, chain, curve, hold
from lockmodel.fitting.datasets import Wanted, load_sets
from lockmodel.fitting.fitting import run
from lockmodel.model.handoff import ConstantHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Scenario, Site
from lockmodel.model.shipped import find_data, find_scenario

EXECL = timed("execl-xeon8369b")

# models/execl-xeon8369b.toml, libc.so.6
THINK, ACQUIRE, FIRST_WAITER = 148.2e-6, 20e-9, 399.2e-9
NEAR, FAR = 0.35e-9, 2.154e-9
SITES = (  # acquires, held instructions, growth per doubling
    (1, 380, 0),
    (1, 1015, 61.8),
    (3, 138, 12.7),
    (5, 1074, 77.7),
    (4, 85, 18.9),
    (1, 1331, 70.4),
)


def held(mappers: float) -> float:
    """Instructions per iteration with so many mappers, from the table above."""
    return sum(m * (start + growth * math.log2(mappers)) for m, start, growth in SITES)


def line_at_128() -> float:
    """Remote share of the lines with 128 processes on two nodes of 64 CPUs, by counting pairs."""
    same_cpu, same_node = 128, 2 * 64**2
    return (128**2 - same_node + 0.47 * (same_node - same_cpu)) / 128**2


def flat(**machine: int) -> Scenario:
    """Return two locks whose times depend on nothing: D = 2 us + m 0.5 us, and 1.7 us."""
    made = [
        Lock(
            name=name,
            time_per_instruction_local=1e-9,
            time_per_instruction_remote=1e-9,
            acquire_time=100e-9,
            handoff=ConstantHandOff(time=400e-9),
        )
        for name in ("tree", "next")
    ]
    return Scenario(
        name="flat",
        title="for people",
        iteration="one",
        machine=Machine(name="any", cpus=16, cores=16, **machine),
        think=10e-6,
        locks=tuple(made),
        sites=(
            Site(lock="tree", phase="run", name="a", acquires=4, held_instructions=500),
            Site(lock="next", phase="run", name="b", acquires=1, held_instructions=1200),
        ),
    )


# hold -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def holds():
    return hold.data(EXECL)


def test_hold_0_leaves_k_over_m_c(holds):
    assert (holds.lock, holds.n, holds.factors[0], holds.factors[-1]) == ("libc.so.6", 128, 0, 1)
    assert [(line.shards, line.acquires) for line in holds.lines] == [
        (k, m) for k in (1, 2) for m in (15, 8, 1)
    ]
    for line in holds.lines:
        limit = line.shards / (line.acquires * (ACQUIRE + FIRST_WAITER))
        assert line.asymptote_per_s == pytest.approx(limit, rel=1e-9)
        assert line.ceiling_per_s[0] == line.asymptote_per_s


def test_ceilings_are_k_over_tau_i_plus_m_c(holds):
    tau = NEAR + (FAR - NEAR) * line_at_128()
    for line in holds.lines[:3]:
        for factor, top in zip(holds.factors, line.ceiling_per_s, strict=True):
            demand = tau * factor * held(128) + line.acquires * (ACQUIRE + FIRST_WAITER)
            assert top == pytest.approx(1 / demand, rel=1e-9)


def test_one_process_never_waits():
    data = hold.data(EXECL, 1)
    for line in data.lines:
        for factor, x in zip(data.factors, line.throughput_per_s, strict=True):
            alone = THINK + NEAR * factor * held(1) + line.acquires * ACQUIRE
            assert x == pytest.approx(1 / alone, rel=1e-9)
    assert data.cpu_per_s == pytest.approx(1 / THINK, rel=1e-9)


def test_throughput_falls_with_the_hold_and_stays_below_the_cpus(holds):
    for line in holds.lines:
        assert list(line.throughput_per_s) == sorted(line.throughput_per_s, reverse=True)
        assert line.throughput_per_s[0] <= holds.cpu_per_s * (1 + 1e-9)


def test_a_lock_taken_less_than_once_keeps_its_acquires():
    rare = levers.set_acquires(flat(), "next", 0.5)
    alone = levers.exclude(rare, "tree")
    assert [line.acquires for line in hold.data(alone, 4).lines] == [0.5, 0.5]


def test_free_acquires_have_no_asymptote():
    free = Scenario(
        name="free",
        title="t",
        iteration="one",
        machine=Machine(name="any", cpus=8, cores=8),
        think=1e-6,
        locks=(Lock(name="x", time_per_instruction_local=1e-9, time_per_instruction_remote=1e-9),),
        sites=(Site(lock="x", phase="run", name="a", acquires=2, held_instructions=100),),
    )
    data = hold.data(free, 8)
    for line in data.lines:
        assert line.asymptote_per_s is None
        assert line.ceiling_per_s[0] is None
        assert line.ceiling_per_s[-1] == pytest.approx(line.shards / 200e-9, rel=1e-9)


# ceiling --------------------------------------------------------------------------------------


def test_the_map_is_k_over_tau_i_plus_m_c():
    data = ceiling_map.data(flat())
    assert (data.lock, data.today, data.shards[0], data.shards[-1]) == ("tree", (4, 1), 1, 8)
    assert data.acquires == tuple(range(1, 9))
    for k, row in zip(data.shards, data.ceiling_per_s, strict=True):
        for m, rate in zip(data.acquires, row, strict=True):
            assert rate == pytest.approx(k / (2e-6 + m * 0.5e-6), rel=1e-9)


def test_iso_lines_lie_where_the_formula_has_the_level():
    data = ceiling_map.data(flat())
    line = ceiling_map.iso_line(data, 700e3)
    assert len(line) == 8
    for m, k in line:
        assert k == pytest.approx(700e3 * (2e-6 + m * 0.5e-6), rel=1e-9)
    # 1.9 M/s needs 1.9 (2 + m / 2) shards, and the map ends at 8
    assert [m for m, _ in ceiling_map.iso_line(data, 1.9e6)] == [1, 2, 3, 4]


def test_a_region_begins_at_the_bottom_where_one_shard_is_enough():
    data = ceiling_map.data(flat())
    area = dict(ceiling_map.region(data, 300e3))
    assert {m for m, k in area.items() if k == 1} == {1, 2}  # 400 and 333 k/s already
    assert area[4] == pytest.approx(300e3 * 4e-6, rel=1e-9)
    assert set(area) == set(data.acquires)


def test_what_else_binds():
    data = ceiling_map.data(flat())
    assert [name for name, _ in data.limits] == ["next", "cpu"]
    assert data.limits[0][1] == pytest.approx(1 / (1.2e-6 + 0.5e-6), rel=1e-9)
    assert data.limits[1][1] == pytest.approx(16 / 10e-6, rel=1e-9)


def test_levels_are_round_and_away_from_limits():
    data = ceiling_map.data(EXECL)
    levels = ceiling_map.levels(data)
    assert levels == [50e3, 200e3, 1e6, 2e6, 5e6]
    tau = NEAR + (FAR - NEAR) * line_at_128()
    one_shard = data.ceiling_per_s[0]
    for m, rate in zip(data.acquires, one_shard, strict=True):
        demand = tau * held(128) + m * (ACQUIRE + FIRST_WAITER)
        assert rate == pytest.approx(1 / demand, rel=1e-9)


@pytest.mark.parametrize("data", [hold.data, ceiling_map.data])
def test_a_scenario_without_locks_has_no_such_figure(data):
    bare = levers.exclude(levers.exclude(flat(), "tree"), "next")
    with pytest.raises(ArgumentError, match=r"no lock of 'flat'.*figure curve"):
        data(bare)


# chain ----------------------------------------------------------------------------------------


def test_the_chain_by_hand():
    data = chain.data(flat())
    assert [(step.removed, step.binding) for step in data.steps] == [
        ("none", "tree"),
        ("tree", "next"),
        ("next", "cpu"),
    ]
    expected = [1 / 4e-6, 1 / 1.7e-6, 16 / 10e-6]
    for step, rate in zip(data.steps, expected, strict=True):
        assert step.ceiling_at_n_per_s == pytest.approx(rate, rel=1e-9)
        assert step.ceiling_per_s == pytest.approx(rate, rel=1e-9)


def test_the_chain_is_that_of_the_command():
    rows = json.loads(invoke("ceiling", timed_path(EXECL.name), "--json").stdout)["chain"]
    drawn = chain.data(EXECL)
    assert [row["removed"] for row in rows] == [step.removed for step in drawn.steps]
    for row, step in zip(rows, drawn.steps, strict=True):
        assert row["ceiling"]["throughput_per_s"] == step.ceiling_per_s
        assert row["ceiling_at_n"]["throughput_per_s"] == step.ceiling_at_n_per_s
        assert row["ceiling_at_n"]["binding"] == step.binding


# curve ----------------------------------------------------------------------------------------


DRAWS = 32
"""Enough for a band of nine in ten."""


@pytest.fixture(scope="module")
def paper():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lockmodel.answers.intervals.COUNT", DRAWS)
        return curve.data()


def test_the_band_contains_the_measurements(paper):
    assert paper.measured_n == (1, 2, 4, 8, 16, 32, 64, 128)
    assert paper.measured_per_s[4] == 51465.8
    at = {n: i for i, n in enumerate(paper.n)}
    for n, x in zip(paper.measured_n, paper.measured_per_s, strict=True):
        i = at[n]
        assert paper.low_per_s[i] < x < paper.high_per_s[i]
        assert paper.predicted_per_s[i] == pytest.approx(x, rel=0.057)
    assert paper.fitted
    assert paper.binding == "libc.so.6"
    assert [flag.partition(":")[0] for flag in paper.flags] == ["NOT DETERMINED"]


def test_a_fitted_scenario_is_drawn_as_it_is(paper, monkeypatch):
    monkeypatch.setattr("lockmodel.answers.intervals.COUNT", DRAWS)
    file = "unixbench_execl_xeon8369b.csv"
    fitted = run(load_sets([Wanted(find_data(file), file, find_scenario(EXECL.name))])).scenarios[0]
    again = curve.data(fitted, file)
    assert again.measured_per_s == paper.measured_per_s
    for name in ("predicted_per_s", "low_per_s", "high_per_s", "usl_per_s"):
        assert getattr(again, name) == pytest.approx(getattr(paper, name), rel=1e-6)
    alone = curve.data(fitted)
    assert (alone.measured_n, alone.usl_per_s) == ((), ())
    low = dict(zip(paper.n, paper.low_per_s, strict=True))
    assert alone.low_per_s == pytest.approx([low[n] for n in alone.n], rel=1e-6)
    assert alone.flags == again.flags == paper.flags != ()


def test_the_ceiling_is_above_the_fit(paper):
    pairs = zip(paper.predicted_per_s, paper.ceiling_per_s, strict=True)
    assert all(x < ceiling * (1 + 1e-9) for x, ceiling in pairs)  # equal once saturated


def test_the_usl_misses_the_peak_and_the_end(paper):
    at = dict(zip(paper.n, paper.usl_per_s, strict=True))
    misses = [at[n] / x - 1 for n, x in zip(paper.measured_n, paper.measured_per_s, strict=True)]
    assert misses[4] < -0.1
    assert misses[6] > 0.1
    # least squares on ln x has residuals without a mean
    assert np.mean(np.log1p(misses)) == pytest.approx(0, abs=1e-6)


def test_the_usl_finds_its_own_law():
    def law(n: int) -> float:
        return 1000 * n / (1 + 0.05 * (n - 1) + 0.002 * n * (n - 1))

    ns = [1, 2, 4, 8, 16, 32]
    rates = curve.usl(ns, [law(n) for n in ns], [3, 64])
    assert rates == pytest.approx((law(3), law(64)), rel=1e-5)
    assert curve.usl(ns[:3], [law(n) for n in ns[:3]], [3]) == ()
    assert curve.usl([1, 2, 2, 4], [law(n) for n in (1, 2, 2, 4)], [3]) == ()


def test_without_measurements_a_scenario_is_predicted():
    data = curve.data(EXECL)
    at = dict(zip(data.n, data.predicted_per_s, strict=True))
    answer = json.loads(invoke("predict", timed_path(EXECL.name), "-n", "128", "--json").stdout)
    assert at[128] == pytest.approx(answer["points"][0]["throughput_per_s"], rel=1e-9)
    assert (data.measured_n, data.usl_per_s, data.low_per_s, data.fitted) == ((), (), (), False)


def test_measurements_need_a_scenario_and_one_curve():
    with pytest.raises(ArgumentError, match=r"--data some\.csv: say what was measured: --model"):
        curve.data(None, "some.csv")
    spr = timed("sysexec-spr224-v6.12")
    with pytest.raises(ArgumentError, match="take one"):
        curve.data(spr, "robot_sysexec_spr224.csv")
    with pytest.raises(ArgumentError, match="has 0 curves of two populations"):
        curve.data(spr, "robot_sysexec_spr224.csv", "after")
