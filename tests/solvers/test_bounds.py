"""Bounds bracket the exact solution; ceilings and knees by hand; the chain of binding locks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockmodel.answers.predict import predict
from lockmodel.model.handoff import ConstantHandOff, LinearHandOff, NoHandOff, TopologyHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.network import Network, Station, build
from lockmodel.model.scenario import Lock, Scenario, Site
from lockmodel.solvers.bounds import bounds, ceiling, ceiling_at, chain, strict_ceiling
from lockmodel.solvers.product_form import throughputs

several = settings(max_examples=80, deadline=None, derandomize=True)
times = st.floats(1e-3, 5.0)


def machine(cpus: int = 1000) -> Machine:
    return Machine(name="m", cpus=cpus, cores=cpus)


def lock(name: str, handoff=NoHandOff(), **more) -> Lock:  # noqa: B008
    return Lock(
        name=name,
        time_per_instruction_local=1e-9,
        time_per_instruction_remote=1e-9,
        handoff=handoff,
        **more,
    )


def scenario(think: float, locks: list[Lock], held: list[float], acquires: float = 4.0, cpus=1000):
    """Return a scenario whose lock i is held `held[i]` seconds per iteration."""
    sites = tuple(
        Site(
            lock=made.name,
            phase="p",
            name="s",
            acquires=acquires,
            held_instructions=seconds / 1e-9 / acquires,
        )
        for made, seconds in zip(locks, held, strict=True)
    )
    return Scenario(
        name="t",
        title="t",
        iteration="i",
        machine=machine(cpus),
        think=think,
        locks=tuple(locks),
        sites=sites,
    )


@several
@given(st.lists(times, min_size=1, max_size=4), st.floats(0.1, 50.0), st.integers(1, 80))
def test_bounds_bracket_the_exact_throughput_of_constant_rates(values, delay, n):
    stations = [Station("cpu", delay / np.arange(1.0, 81.0))]
    stations += [Station(f"l{i}", np.array([v])) for i, v in enumerate(values)]
    exact = throughputs(tuple(stations), n)[-1]
    limits = bounds(Network(n, tuple(stations), {}))
    assert limits.lower * (1 - 1e-12) <= exact <= limits.upper * (1 + 1e-12)
    assert limits.upper <= min(limits.light_load, limits.ceiling) * (1 + 1e-12)


@several
@given(times, st.floats(0.0, 3.0), st.floats(0.0, 0.2), st.floats(1.0, 50.0), st.integers(1, 80))
def test_bounds_bracket_load_dependent_stations_and_a_full_machine(h, c, slope, think, n):
    levels = np.arange(80.0)
    lock_service = h + (levels > 0) * (c + slope * (levels - 1))
    cpus = think / np.minimum(levels + 1, 16)
    stations = (Station("cpu", cpus), Station("lock", lock_service), Station("b", np.array([h])))
    exact = throughputs(stations, n)[-1]
    limits = bounds(Network(n, stations, {}))
    assert limits.lower * (1 - 1e-12) <= exact <= limits.upper * (1 + 1e-12)


def test_balanced_job_bound_by_hand():
    # Lazowska table 5.2, Z = 10, D = 1 + 0.5 + 0.25, N = 8
    stations = [Station("cpu", 10 / np.arange(1.0, 9.0))]
    stations += [Station(str(d), np.array([d])) for d in (1.0, 0.5, 0.25)]
    limits = bounds(Network(8, tuple(stations), {}))
    upper = 8 / (1.75 + 10 + 7 * (1.75 / 3) / (1 + 10 / 1.75))
    lower = 8 / (1.75 + 10 + 7 * 1.0 / (1 + 10 / (8 * 1.75)))
    assert limits.upper == pytest.approx(upper, rel=1e-12)
    assert limits.lower == pytest.approx(lower, rel=1e-12)
    assert lower < 0.61829933268927907 < upper


def test_ceiling_is_k_over_tau_i_plus_m_c():
    # held 20 us, 4 acquires at a = 1 us and c = 2 us: D = 20 + 4 x 3 = 32 us
    held = scenario(200e-6, [lock("a", ConstantHandOff(time=2e-6), acquire_time=1e-6)], [20e-6])
    top = ceiling(held)
    assert top.throughput_per_s == pytest.approx(1 / 32e-6, rel=1e-12)
    assert top.binding == "a"
    # alone: 200 + 20 + 4 x 1 = 224 us; the knee is 224 / 32
    assert top.knee == pytest.approx(224 / 32, rel=1e-12)


def test_four_hashed_shards_have_four_times_the_ceiling():
    one = scenario(500e-6, [lock("a", ConstantHandOff(time=1e-6))], [20e-6])
    four = scenario(
        500e-6, [lock("a", ConstantHandOff(time=1e-6), shards=4, shard_by="hash")], [20e-6]
    )
    ratio = ceiling(four).throughput_per_s / ceiling(one).throughput_per_s
    assert ratio == pytest.approx(4.0, rel=1e-12)


def test_the_hottest_hashed_shard_sets_the_ceiling():
    # Zipf with exponent 1 over 2 shards: 2/3 and 1/3 of the acquires
    skewed = lock("a", shards=2, shard_by="hash", shard_skew=1.0)
    top = ceiling(scenario(500e-6, [skewed], [20e-6]))
    assert top.throughput_per_s == pytest.approx(1.5 / 20e-6, rel=1e-12)


def test_cpus_bind_when_no_lock_does():
    top = ceiling(scenario(100e-6, [lock("a")], [1e-6], cpus=8))
    assert top.binding == "cpu"
    assert top.throughput_per_s == pytest.approx(8 / 100e-6, rel=1e-12)
    assert top.knee == pytest.approx(8 * 101 / 100, rel=1e-12)


def test_a_ceiling_with_a_growing_handoff_counts_one_waiter():
    growing = lock("a", LinearHandOff(time=1e-6, per_waiter=1e-6))
    top = ceiling_at(scenario(100e-6, [growing], [10e-6]), 50)
    assert top.throughput_per_s == pytest.approx(1 / (10e-6 + 4 * 1e-6), rel=1e-12)


def test_remote_nodes_lower_the_ceiling_at_large_populations_only():
    two = Machine(name="m", cpus=8, cores=8, nodes=2)
    base = scenario(100e-6, [lock("a", TopologyHandOff(local=1e-6, remote=3e-6))], [10e-6], cpus=8)
    made = Scenario(
        name="t",
        title="t",
        iteration="i",
        machine=two,
        think=100e-6,
        locks=base.locks,
        sites=base.sites,
    )
    # 4 processes fill one node: D = 10 + 4 x 1; 8 fill both: P(remote) = 4/7
    assert ceiling_at(made, 4).throughput_per_s == pytest.approx(1 / 14e-6, rel=1e-12)
    eight = 10e-6 + 4 * (1e-6 + 2e-6 * 4 / 7)
    assert ceiling_at(made, 8).throughput_per_s == pytest.approx(1 / eight, rel=1e-12)


def test_no_population_exceeds_the_ceiling_by_more_than_the_first_waiter_rule_allows():
    # c = h / 2: the ceiling counts a hand-off that n = 1 does not pay; the excess stays tiny
    base = scenario(200e-6, [lock("a", ConstantHandOff(time=2.5e-6))], [20e-6])
    x = throughputs(build(base, 300).stations, 300)
    assert x.max() <= ceiling(base).throughput_per_s * (1 + 1e-3)


def test_chain_removes_the_binding_lock_until_the_cpus_bind():
    locks = [lock("small"), lock("large"), lock("middle")]
    steps = chain(scenario(1e-3, locks, [5e-6, 20e-6, 10e-6], cpus=400), 64)
    assert [removed for removed, _, _ in steps] == ["none", "large", "middle", "small"]
    assert [at.binding for _, _, at in steps] == ["large", "middle", "small", "cpu"]
    rates = [at.throughput_per_s for _, _, at in steps]
    assert rates == pytest.approx([1 / 20e-6, 1 / 10e-6, 1 / 5e-6, 400 / 1e-3], rel=1e-12)


def test_chain_of_a_workload_without_think_time_ends_with_its_last_lock():
    steps = chain(scenario(0.0, [lock("a"), lock("b")], [2e-6, 1e-6]), 8)
    assert [at.binding for _, _, at in steps] == ["a", "b"]


def test_chain_ends_before_what_takes_no_time():
    steps = chain(scenario(0.0, [lock("a"), lock("b")], [2e-6, 0.0]), 8)
    assert [(link.removed, link.at_n.binding) for link in steps] == [("none", "a")]


def test_a_hold_shortened_to_nothing_leaves_k_over_m_c():
    # think 1 us, 5 acquires at 0.3 us of hand-off each, no hold and no acquire time
    made = scenario(1e-6, [lock("a", ConstantHandOff(time=0.3e-6))], [0.0], acquires=5.0, cpus=64)
    top = ceiling(made)
    assert top.binding == "a"
    assert top.throughput_per_s == pytest.approx(1 / 1.5e-6, rel=1e-12)
    assert ceiling_at(made, 64).throughput_per_s == pytest.approx(1 / 1.5e-6, rel=1e-12)
    assert throughputs(build(made, 64).stations, 64)[-1] == pytest.approx(1 / 1.5e-6, rel=1e-3)


def test_a_strict_ceiling_adds_the_rates_of_pinned_shards():
    # hand-off outweighs think time: one process makes 1 / (1 + 1) us, two shards twice that
    machine_ = Machine(name="m", cpus=4, cores=4)
    split = lock("a", ConstantHandOff(time=3e-3), shards=2, shard_by="cpu")
    site = Site(lock="a", phase="p", name="s", acquires=1, held_instructions=1000)
    made = Scenario(
        name="t",
        title="t",
        iteration="i",
        machine=machine_,
        think=1e-6,
        locks=(split,),
        sites=(site,),
    )
    prediction = predict(made, [1, 2, 3, 4], "product-form")
    assert strict_ceiling(made, [4]).throughput_per_s == pytest.approx(2e6, rel=1e-12)
    assert max(p.throughput_per_s for p in prediction.points) <= prediction.ceiling.throughput_per_s
