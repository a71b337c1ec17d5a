"""Bounds of scenarios as stated: by hand, around product form, and around simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from places import CASES, timed

from lockmodel.model.distribution import Constant
from lockmodel.model.machine import Machine
from lockmodel.model.network import Network, Station
from lockmodel.model.placement import distances
from lockmodel.model.scenario import Lock, Scenario, Site, Walkers
from lockmodel.model.toml import load
from lockmodel.solvers.bounds import bounds, ceiling_at, demand
from lockmodel.solvers.guaranteed import guaranteed
from lockmodel.solvers.pinned import solve_pinned
from lockmodel.solvers.simulation.simulate import simulate
from lockmodel.solvers.solve import points

several = settings(max_examples=60, deadline=None, derandomize=True)
times = st.floats(1e-2, 5.0)


def classes(think: float, own: list[float], users: list[int], shared: float) -> Network:
    """Return a network whose processes keep shards of these demands and share one more station."""
    n = sum(users)
    alone = [think + shared + d for d in own]
    stations = [Station("cpu", think / np.arange(1.0, n + 1)), Station("s", np.array([shared]))]
    stations += [
        Station("a", np.array([d]), 1, u, g, u / n, held=d, pace=u / r)
        for g, (d, u, r) in enumerate(zip(own, users, alone, strict=True))
    ]
    return Network(n, tuple(stations), {})


@several
@given(
    times,
    times,
    st.lists(st.tuples(st.floats(1e-3, 20.0), st.integers(1, 5)), min_size=1, max_size=4),
)
def test_bounds_bracket_processes_with_shards_of_unequal_speed(think, shared, shards):
    own, users = (list(column) for column in zip(*shards, strict=True))
    network = classes(think, own, users, shared)
    exact = solve_pinned(network).throughput
    limits = bounds(network)
    assert limits.lower * (1 - 1e-12) <= exact <= limits.upper * (1 + 1e-12)
    rates = [u / (think + shared + d) for d, u in zip(own, users, strict=True)]
    assert limits.light_load == pytest.approx(sum(rates), rel=1e-12)


def test_the_light_load_of_unequal_shards_is_the_sum_over_processes():
    # shard 0: 2 users at 600 instructions x 10.5 ns + 20 ns, shard 1: one at 500 ns + 20 ns; 1 us
    scenario = load(CASES / "bnd.toml")
    alone = 2 / (1 + 6.32) + 1 / 1.52
    at = ceiling_at(scenario, 3)
    assert at.throughput_per_s == pytest.approx(1e6 * (1 / 6.32 + 1 / 0.52), rel=1e-9)
    assert at.knee == pytest.approx(3 * (1 / 6.32 + 1 / 0.52) / alone, rel=1e-9)
    # guaranteed: lines never farther than own ones, nor nearer than another CPU's
    limits = guaranteed(scenario, 3)
    assert limits.light_load == pytest.approx(1e6 * alone, rel=1e-9)
    assert limits.upper == pytest.approx(1e6 * (2 / 1.62 + 1 / 1.52), rel=1e-9)
    assert limits.lower == pytest.approx(1e6 * 3 / (1 + 2 * 12.02), rel=1e-9)
    assert limits.lower < 744e3 < 814e3 < limits.upper


@pytest.mark.parametrize("model", ["execl-xeon8369b", "sysexec-spr224-v6.12"])
def test_simulation_and_product_form_lie_between(model):
    scenario = timed(model)
    for n in (1, 4, 32):
        limits = guaranteed(scenario, n)
        run = simulate(scenario, n, 0.02).throughput_per_s
        assert limits.lower - 2 * run.half_width <= run.value <= limits.upper + 2 * run.half_width
        (point,) = points(scenario, [n], "product-form")
        assert limits.lower * (1 - 1e-9) <= point.throughput_per_s <= limits.upper * (1 + 1e-9)


def lock(name: str, **more) -> Lock:
    return Lock(
        name=name, time_per_instruction_local=1e-9, time_per_instruction_remote=1e-9, **more
    )


def test_constant_holds_in_step_are_faster_than_balanced_bounds():
    # two processes without think time alternate between two locks of 1 us: X = 1 per us, where the
    # balanced bound of exponential holds says 2 / 3
    steady = Scenario(
        name="t",
        title="t",
        iteration="i",
        machine=Machine(name="m", cpus=2, cores=2),
        think=0.0,
        locks=tuple(lock(name, hold_distribution=Constant()) for name in "ab"),
        sites=tuple(
            Site(lock=name, phase="p", name="s", acquires=1, held_instructions=1000)
            for name in "ab"
        ),
    )
    limits = guaranteed(steady, 2)
    assert limits.upper == pytest.approx(1e6, rel=1e-12)
    assert limits.lower == pytest.approx(0.5e6, rel=1e-12)


def test_readers_share_and_walkers_leave_nothing_guaranteed():
    base = timed("execl-xeon8369b")
    reading = replace(base, sites=tuple(replace(s, mode="read") for s in base.sites))
    # no writer: only think time at all 128 CPUs (64 cores x 1.25) limits
    think = base.think + base.think_remote * distances(base.machine, 128)[0]
    assert guaranteed(reading, 128).upper == pytest.approx(64 * 1.25 / think, rel=1e-9)
    walked = replace(
        base,
        locks=tuple(replace(k, walkers=Walkers(walks_per_s=10.0, read=1e-6)) for k in base.locks),
    )
    assert guaranteed(walked, 16).lower == 0.0
    assert guaranteed(walked, 16).upper == guaranteed(base, 16).upper


@pytest.mark.parametrize(
    ("k", "by", "skew", "counts_as"),
    [
        (1, "cpu", 0.0, 1),
        (8, "cpu", 0.0, 8),
        (8, "node", 0.0, 2),  # of a machine of two nodes
        (16, "hash", 0.0, 16),
        (2, "hash", 1.0, 1.5),  # Zipf with exponent 1: two thirds of the acquires go to one
    ],
)
def test_shards_count_as_many_as_the_ceiling_is_higher(k, by, skew, counts_as):
    base = load(CASES / "lin0.toml")
    kept = replace(base.lock("a"), shards=k, shard_by=by, shard_skew=skew)
    scenario = replace(base, locks=(kept,))
    parts = demand(scenario, "a", 64)
    assert parts.shards == pytest.approx(counts_as, rel=1e-9)
    assert (parts.work_s, parts.acquires, parts.handoff_s) == (pytest.approx(500e-9), 1.0, 0.0)
    assert ceiling_at(replace(scenario, think=0.0), 64).throughput_per_s == pytest.approx(
        counts_as / 500e-9, rel=1e-9
    )


@pytest.mark.parametrize("acquires", [0.0, 1e-9, 2.0])
def test_one_process_has_no_bounds_but_its_own_rate(acquires):
    """It waits for nobody, however its holds differ: 1 / (3 + 5 x 1 + acquires x 4)."""
    sites = (
        Site(lock="a", phase="p", name="s", acquires=5, held_instructions=1),
        Site(lock="a", phase="p", name="t", acquires=acquires, held_instructions=4),
    )
    scenario = Scenario(
        name="t",
        title="t",
        iteration="i",
        machine=Machine(name="m", cpus=1, cores=1),
        think=3.0,
        locks=(
            Lock(
                name="a",
                time_per_instruction_local=1.0,
                time_per_instruction_remote=1.0,
                hold_distribution=Constant(),
            ),
        ),
        sites=sites,
    )
    found = guaranteed(scenario, 1)
    rate = 1 / (8 + 4 * acquires)
    assert (found.lower, found.upper) == pytest.approx((rate, rate), rel=1e-12)
