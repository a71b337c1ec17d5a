"""predict(): labels, derived quantities, and laws that hold for whole scenarios."""

from __future__ import annotations

import msgspec
import pytest

from lockmodel.answers.predict import predict
from lockmodel.changes.levers import shard, shorten_hold
from lockmodel.errors import ArgumentError, NotTrustworthyError
from lockmodel.model.handoff import ConstantHandOff, NoHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Scenario, Site, Walkers
from lockmodel.solvers.solve import points

replace = msgspec.structs.replace


def plain(**more) -> Scenario:
    """Return case A in microseconds: think 10, locks 1, 0.5 and 0.25, nothing remote."""
    held = {"a": 1000.0, "b": 500.0, "c": 250.0}
    return Scenario(
        name="case A",
        title="case A",
        iteration="one",
        machine=Machine(name="m", cpus=64, cores=64),
        think=10e-6,
        locks=tuple(
            Lock(name=n, time_per_instruction_local=1e-9, time_per_instruction_remote=1e-9)
            for n in held
        ),
        sites=tuple(
            Site(lock=n, phase="p", name="s", acquires=1.0, held_instructions=i)
            for n, i in held.items()
        ),
        **more,
    )


def with_lock(scenario: Scenario, name: str, **changes) -> Scenario:
    locks = tuple(replace(lk, **changes) if lk.name == name else lk for lk in scenario.locks)
    return replace(scenario, locks=locks)


def test_case_a_as_a_scenario_matches_the_design_values():
    prediction = predict(plain(), [1, 8, 16, 32])
    rates = [p.throughput_per_s * 1e-6 for p in prediction.points]
    expected = [0.08510638297872340, 0.61829933268927907, 0.9538958427556234, 0.9999961968904226]
    assert rates == pytest.approx(expected, rel=1e-12)
    assert prediction.ceiling.throughput_per_s == pytest.approx(1e6, rel=1e-12)
    assert prediction.ceiling.knee == pytest.approx(11.75, rel=1e-12)
    assert prediction.ceiling.binding == "a"


def test_product_form_of_equal_exponential_holds_is_labelled_exact():
    prediction = predict(plain(), [8])
    assert (prediction.exact, prediction.error_estimate, prediction.warnings) == (True, 0.0, ())
    assert any("exponential" in line for line in prediction.assumptions)


def test_bounds_are_never_labelled_exact():
    prediction = predict(plain(), [8], "bounds")
    assert (prediction.exact, prediction.error_estimate, prediction.method) == (
        False,
        None,
        "bounds",
    )
    (point,) = prediction.points
    assert point.lower_per_s < 0.61829933268927907e6 < point.upper_per_s
    assert point.throughput_per_s == point.upper_per_s


unequal = Site(lock="a", phase="p", name="t", acquires=1.0, held_instructions=10.0)


ON_THE_MAP = ("holds differ by site", "means over local and remote")
"""What has a measured error; see test_error_map.py for its size."""


@pytest.mark.parametrize(
    ("scenario", "n", "text"),
    [
        (plain(), 65, "65 processes exceed the 64 CPUs"),
        (replace(plain(), sites=(*plain().sites, unequal)), 8, "holds differ by site"),
        (
            with_lock(plain(), "a", time_per_instruction_remote=2e-9),
            8,
            "means over local and remote",
        ),
        (with_lock(plain(), "a", walkers=Walkers(walks_per_s=1.0, read=1e-6)), 8, "walkers"),
    ],
)
def test_what_product_form_only_approximates_is_not_labelled_exact(scenario, n, text):
    prediction = predict(scenario, [n], "product-form")
    assert not prediction.exact
    assert (prediction.error_estimate is None) == (text not in ON_THE_MAP)
    assert prediction.error_estimate != 0.0
    assert any(text in warning for warning in prediction.warnings)


def test_little_and_the_iteration_add_up():
    scenario = with_lock(plain(), "a", handoff=ConstantHandOff(time=0.3e-6))
    for point in points(scenario, [1, 5, 20, 60]):
        x = point.throughput_per_s
        assert point.iteration_s == pytest.approx(point.n / x, rel=1e-12)
        waiting = sum(state.wait_s for state in point.locks.values())
        assert waiting + 11.75e-6 == pytest.approx(point.iteration_s, rel=1e-9)
        for name, held in (("a", 1e-6), ("b", 0.5e-6), ("c", 0.25e-6)):
            state = point.locks[name]
            assert state.queue == pytest.approx(x * (held + state.wait_s), rel=1e-9)
            assert state.wait_share == pytest.approx(state.wait_s / point.iteration_s, rel=1e-12)


def test_one_process_waits_for_nobody_and_pays_no_handoff():
    scenario = with_lock(plain(), "a", handoff=ConstantHandOff(time=5e-6))
    (point,) = points(scenario, [1])
    assert point.throughput_per_s == pytest.approx(1 / 11.75e-6, rel=1e-12)
    assert [state.wait_s for state in point.locks.values()] == pytest.approx([0, 0, 0], abs=1e-18)


def test_cycles_share_counts_only_processes_that_have_a_cpu():
    # 8 CPUs, no waiting to speak of: beyond them processes wait for a CPU and burn no cycles
    small = replace(plain(), machine=Machine(name="m", cpus=8, cores=8))
    (point,) = points(small, [64])
    spinning = sum(state.cycles_share for state in point.locks.values())
    waiting = sum(state.wait_share for state in point.locks.values())
    assert spinning > 2 * waiting
    assert 0 < spinning < 1


def test_saturated_waiting_is_everything_but_one_iteration_without_it():
    (point,) = points(plain(), [60])
    state = point.locks["a"]
    # X = 1/D: 60 processes, 11.75 us of work each and 48.25 us of waiting; the others wait 0.58 us
    others = point.locks["b"].wait_s + point.locks["c"].wait_s
    assert state.wait_s == pytest.approx(60e-6 - 11.75e-6 - others, rel=1e-6)
    assert state.utilisation == pytest.approx(1.0, abs=1e-6)


def test_one_shard_is_no_change_and_more_shards_never_hurt():
    base = plain()
    rates = [points(shard(base, "a", k, "hash"), [32])[0].throughput_per_s for k in (1, 2, 4, 16)]
    assert rates[0] == points(base, [32])[0].throughput_per_s
    assert rates == sorted(rates)


def test_half_the_hold_doubles_the_saturated_throughput_until_the_next_lock_binds():
    base = plain()
    before = points(base, [64])[0]
    after = points(shorten_hold(base, "a", 0.75), [64])[0]
    assert after.throughput_per_s / before.throughput_per_s == pytest.approx(4 / 3, rel=1e-4)
    gone = points(shorten_hold(base, "a", 0.0), [64])[0]
    assert gone.binding == "b"
    assert gone.throughput_per_s == pytest.approx(2e6, rel=1e-2)


def test_time_unit_does_not_matter_for_a_whole_scenario():
    base = with_lock(plain(), "a", handoff=ConstantHandOff(time=0.3e-6), acquire_time=1e-8)
    slow = replace(
        base,
        think=base.think * 8,
        locks=tuple(
            replace(
                lk,
                time_per_instruction_local=lk.time_per_instruction_local * 8,
                time_per_instruction_remote=lk.time_per_instruction_remote * 8,
                acquire_time=lk.acquire_time * 8,
                handoff=ConstantHandOff(time=0.3e-6 * 8) if lk.name == "a" else NoHandOff(),
            )
            for lk in base.locks
        ),
    )
    for fast, eighth in zip(points(base, [1, 16, 64]), points(slow, [1, 16, 64]), strict=True):
        assert eighth.throughput_per_s * 8 == pytest.approx(fast.throughput_per_s, rel=1e-12)


def test_a_lock_nobody_takes_changes_nothing():
    idle = Lock(name="idle", time_per_instruction_local=1e-9, time_per_instruction_remote=1e-9)
    more = replace(plain(), locks=(*plain().locks, idle))
    assert points(more, [16])[0].throughput_per_s == points(plain(), [16])[0].throughput_per_s


@pytest.mark.parametrize("n", [0, -1, 1.5, float("nan"), True, "8", 10**6])
def test_populations_that_are_not_whole_numbers_in_range_are_refused(n):
    with pytest.raises(ArgumentError, match="whole number from 1 to 100000"):
        predict(plain(), [n])


def test_no_population_and_unknown_methods_are_refused():
    with pytest.raises(ArgumentError, match="no population is given"):
        predict(plain(), [])
    with pytest.raises(ArgumentError, match="did you mean 'product-form'"):
        predict(plain(), [1], "productform")


def test_walkers_that_saturate_the_lock_are_not_answered():
    drowned = with_lock(plain(), "a", walkers=Walkers(walks_per_s=2e6, read=1e-6))
    with pytest.raises(NotTrustworthyError, match="walkers alone need it 2 times all the time"):
        predict(drowned, [4])
