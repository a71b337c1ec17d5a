"""Figures that simulate: solvers that must agree, and walks whose time is known."""

from __future__ import annotations

import pytest

from lockmodel.figures import agreement, shards
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Scenario, Site, Walkers

X8 = 0.61829933268927907
"""Case A of DESIGN.md, 8 processes, in 80-digit arithmetic."""


@pytest.fixture(scope="module")
def compared():
    return agreement.data(populations=(1, 8), precision=0.01).panels


def test_all_solvers_agree_where_product_form_is_exact(compared):
    one, eight = compared[0].rows
    assert eight.product_form_per_s == pytest.approx(X8, rel=1e-12)
    assert eight.markov_per_s == pytest.approx(X8, rel=1e-9)
    assert eight.stated_error == one.stated_error == 0
    for row in compared[0].rows:
        half = (row.high_per_s - row.low_per_s) / 2
        assert row.simulated_per_s == pytest.approx((row.high_per_s + row.low_per_s) / 2)
        assert half / row.simulated_per_s <= 0.01
        assert abs(row.simulated_per_s - row.markov_per_s) < 2 * half


def test_simulation_sides_with_the_chain_where_product_form_is_approximate(compared):
    row = compared[1].rows[1]
    half = (row.high_per_s - row.low_per_s) / 2
    assert abs(row.simulated_per_s - row.markov_per_s) < 2 * half
    off = agreement.percent(row, row.markov_per_s)
    assert 0.1 < off <= 100 * row.stated_error


def quiet(read: float, **walkers: float) -> Scenario:
    """Return a lock that processes hardly take, on 4 CPUs: 0.5 s an acquire."""
    lock = Lock(
        name="tree",
        time_per_instruction_local=0,
        time_per_instruction_remote=0,
        acquire_time=0.5,
        walkers=Walkers(read=read, **walkers) if walkers else None,
    )
    return Scenario(
        name="quiet",
        title="t",
        iteration="one",
        machine=Machine(name="any", cpus=4, cores=4),
        think=1e5,
        locks=(lock,),
        sites=(Site(lock="tree", phase="run", name="a", acquires=1, held_instructions=0),),
    )


def test_a_walk_takes_every_shard_and_reads():
    data = shards.data(quiet(3.0, walks_per_s=1e-4), precision=0.02)
    assert (data.walked, data.read_s, data.n) == ("tree", 3.0, 4)
    without, walked = data.lines
    assert (without.walks_per_s, without.walk_s, walked.walks_per_s) == (0, (), 1e-4)
    assert walked.shards == (1, 2, 4)
    for k, walk in zip(walked.shards, walked.walk_s, strict=True):
        assert walk == pytest.approx(0.5 * k + 3.0, rel=0.05)
    for line in data.lines:
        assert line.throughput_per_s == pytest.approx([4 / 100_000.5] * 3, rel=0.03)


def test_walkers_that_leave_nothing_are_left_out():
    data = shards.data(quiet(0.0), rates=(1e6,), precision=0.05)
    assert [line.walks_per_s for line in data.lines] == [0]


def test_rates_are_those_asked_for_where_the_scenario_has_no_walkers():
    data = shards.data(quiet(0.0), population=2, rates=(1e-5, 2e-5), precision=0.1)
    assert [line.walks_per_s for line in data.lines] == [0, 1e-5, 2e-5]
    assert (data.n, data.read_s) == (2, shards.READ)
