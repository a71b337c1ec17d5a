"""Scenarios of several classes: product form, its approximation and simulation side by side."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from lockmodel.answers.predict import predict
from lockmodel.errors import ArgumentError, NotTrustworthyError
from lockmodel.model.classes import IterationClass
from lockmodel.model.handoff import ConstantHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Scenario, of_class
from lockmodel.model.shipped import find_scenario
from lockmodel.model.site import Site
from lockmodel.progress import quietly
from lockmodel.solvers import class_points as cp
from lockmodel.solvers.simulation.simulate import simulate
from lockmodel.solvers.solve import mixed, solve

US = 1e-6
CASE_F = (0.804605243940503, 0.747121006406891)
WIDE = Machine(name="128 CPUs", cpus=128, cores=128)


def site(lock: str, acquires: float, hold: float) -> Site:
    return Site(lock=lock, name="s", acquires=acquires, hold=hold * US)


def kind(name: str, many: int | float, think: float, *sites: Site) -> IterationClass:
    if isinstance(many, int):
        return IterationClass(name=name, population=many, think=think * US, sites=sites)
    return IterationClass(name=name, share=many, think=think * US, sites=sites)


def scenario(*classes: IterationClass, locks: str = "abc", **lock: object) -> Scenario:
    made = tuple(Lock(name, **lock) for name in locks)  # type: ignore[arg-type]
    return Scenario(name="mix", machine=WIDE, think=0.0, locks=made, classes=classes)


def case_f() -> Scenario:
    """Case F in us: the same hold at a lock for both, as often as makes its demand."""
    first = kind("x", 32, 10, site("a", 1, 1), site("b", 1, 0.5), site("c", 1, 0.25))
    second = kind("y", 32, 10, site("a", 0.2, 1), site("b", 1.6, 0.5), site("c", 0.4, 0.25))
    return scenario(first, second)


def rates(answer) -> list[float]:  # type: ignore[no-untyped-def]
    return [state.throughput_per_s for state in answer.points[-1].classes.values()]


def test_a_scenario_of_two_classes_has_the_reference_throughputs():
    prediction = predict(case_f(), [64])
    assert (prediction.method, prediction.exact) == ("product-form", True)
    assert np.array(rates(prediction)) * US == pytest.approx(CASE_F, rel=1e-12)
    point = prediction.points[0]
    assert point.throughput_per_s * US == pytest.approx(sum(CASE_F), rel=1e-12)
    assert point.locks["a"].utilisation == pytest.approx(CASE_F[0] + 0.2 * CASE_F[1], rel=1e-9)
    # Little: what processes of a class spend is think, holds, and what they wait
    waits = point.classes["x"].wait_shares
    spent = (1 - sum(waits.values())) * point.classes["x"].iteration_s
    assert spent == pytest.approx(11.75 * US, rel=1e-9)
    assert point.binding == "b"
    load = 0.5 * CASE_F[0] + 0.8 * CASE_F[1]
    assert point.ceiling_per_s * US == pytest.approx(sum(CASE_F) / load, rel=1e-12)


def test_one_class_has_the_bits_of_no_class():
    plain = find_scenario("execl-xeon8369b")
    one = IterationClass(
        name="execl",
        share=1.0,
        think=plain.think,
        think_remote=plain.think_remote,
        think_distribution=plain.think_distribution,
        sites=plain.sites,
    )
    classed = replace(plain, think=0.0, think_remote=0.0, sites=(), classes=(one,), fit=None)
    plain = replace(plain, fit=None)
    assert predict(classed, [1, 64]) == predict(plain, [1, 64])
    same = simulate(plain, 4, 0.05), simulate(of_class(classed, one), 4, 0.05)
    assert same[0].throughput_per_s == same[1].throughput_per_s
    several = simulate(classed, 4, 0.05)
    assert several.throughput_per_s == same[0].throughput_per_s
    assert several.events == same[0].events


def test_a_class_in_two_equal_parts_predicts_the_same_total():
    sites = (site("a", 3, 1), site("b", 1, 2))
    handoff = ConstantHandOff(time=0.3 * US)
    whole = scenario(kind("x", 1.0, 20, *sites), handoff=handoff)
    parts = scenario(kind("x", 0.5, 20, *sites), kind("y", 0.5, 20, *sites), handoff=handoff)
    for n in (4, 24):
        one, two = (predict(s, [n], "product-form").points[0] for s in (whole, parts))
        assert two.throughput_per_s == pytest.approx(one.throughput_per_s, rel=1e-12)
        assert two.locks["a"].wait_s == pytest.approx(one.locks["a"].wait_s, rel=1e-9)
        assert two.ceiling_per_s == pytest.approx(one.ceiling_per_s, rel=1e-12)


def test_simulation_agrees_where_product_form_is_exact():
    run = simulate(case_f(), 64, 0.01, seed=3)
    assert run.classes is not None
    for own, exact in zip(run.classes.values(), CASE_F, strict=True):
        assert (
            abs(own.throughput_per_s.value * US - exact) <= 3 * own.throughput_per_s.half_width * US
        )
        assert own.throughput_per_s.value * US == pytest.approx(exact, rel=0.03)
    exact = predict(case_f(), [64]).points[0].classes
    for name, own in run.classes.items():
        assert own.wait_shares["b"] == pytest.approx(exact[name].wait_shares["b"], abs=0.02)
    total = sum(own.throughput_per_s.value for own in run.classes.values())
    assert run.throughput_per_s.value == pytest.approx(total, rel=1e-12)


def test_unlike_holds_are_near_the_simulation_and_say_so():
    unlike = scenario(
        kind("short", 0.5, 30, site("a", 3, 1)), kind("long", 0.5, 60, site("a", 2, 3))
    )
    answer = solve(unlike, [16], "product-form")
    assert not answer.exact
    assert any("holds differ by site" in gap for gap in answer.warnings)
    run = simulate(unlike, 16, 0.005)
    for name, state in answer.points[0].classes.items():
        simulated = run.classes[name].throughput_per_s.value
        assert abs(state.throughput_per_s / simulated - 1) <= cp.HOLDS_ERROR
    assert cp.HOLDS_ERROR < answer.error < 0.2
    # a process of the long class waits no longer than one of the short: both stand in one line
    per_acquire = [
        state.wait_shares["a"] * state.iteration_s / m
        for state, m in zip(answer.points[0].classes.values(), (3, 2), strict=True)
    ]
    assert per_acquire[0] == pytest.approx(per_acquire[1], rel=0.1)


def test_what_is_too_large_is_approximated_and_says_so():
    sites = (site("a", 0.1, 1), site("b", 0.05, 1))
    many = scenario(*(kind(f"c{i}", 1 / 6, 60 + i, *sites) for i in range(6)), locks="ab")
    answer = solve(many, [78], "product-form")
    assert cp.AVERAGED in answer.warnings
    assert answer.error == pytest.approx(cp.AVERAGED_ERROR)
    assert not answer.exact
    alike = predict(scenario(kind("x", 1.0, 62.5, *sites), locks="ab"), [78], "product-form")
    assert answer.points[0].throughput_per_s == pytest.approx(
        alike.points[0].throughput_per_s, rel=2e-3
    )


def test_methods_that_have_no_answer_are_refused():
    for method in ("markov", "bounds"):
        with pytest.raises(
            ArgumentError, match=r"no answer for the 2 classes.*product-form or sim"
        ):
            solve(case_f(), [64], method)
    with pytest.raises(ArgumentError, match="the classes have 64 processes together"):
        solve(case_f(), [63])


def test_auto_simulates_where_the_error_is_not_accepted():
    unlike = scenario(kind("s", 0.5, 30, site("a", 3, 1)), kind("l", 0.5, 60, site("a", 2, 3)))
    assert solve(unlike, [4]).method == "product-form"
    answer = solve(unlike, [4], max_error=0.05)
    assert answer.method == "simulation"
    assert "0.05 is accepted" in answer.chosen_because


def sharded(n_a: int, n_b: int) -> Scenario:
    machine = Machine(name="8 CPUs", cpus=8, cores=8, nodes=2, placement="spread")
    locks = (
        Lock("a", shards=n_a, shard_by="cpu"),
        Lock("b", shards=n_b, shard_by="node"),
    )
    return Scenario(
        name="two keys",
        machine=machine,
        think=5 * US,
        locks=locks,
        sites=(site("a", 1, 1), site("b", 1, 0.7)),
    )


def test_shards_by_different_keys_are_exact_where_there_are_few():
    both = sharded(4, 2)
    assert not mixed(both, [8])
    answer = solve(both, [8])
    assert (answer.method, answer.exact) == ("product-form", True)
    run = simulate(both, 8, 0.003)
    assert answer.points[0].throughput_per_s == pytest.approx(run.throughput_per_s.value, rel=0.01)


def test_shards_by_the_same_key_are_those_of_the_other_exact_way():
    same = replace(sharded(4, 2), locks=(Lock("a", shards=4, shard_by="cpu"), Lock("b")))
    network = cp.build_classes(same, 8)
    assert sum(network.counts) == 8
    points, gaps = cp.class_points(same, (8,), quietly)
    whole = solve(same, [8], "product-form").points[0]
    assert gaps == ()
    assert points[0].throughput_per_s == pytest.approx(whole.throughput_per_s, rel=1e-10)
    assert points[0].locks["b"].wait_s == pytest.approx(whole.locks["b"].wait_s, rel=1e-9)


def test_shards_that_are_ones_own_are_no_lock():
    own = scenario(
        kind("x", 0.5, 5, site("a", 2, 1)), kind("y", 0.5, 3, site("a", 1, 2)), locks="a"
    )
    own = replace(own, locks=(Lock("a", shards=128, shard_by="cpu"),))
    rates_ = rates(solve(own, [16], "product-form"))
    assert rates_ == pytest.approx([8 / (7 * US), 8 / (5 * US)], rel=1e-9)


def test_many_shards_by_different_keys_are_refused_with_the_remedy():
    big = replace(
        sharded(4, 2),
        machine=Machine(name="128 CPUs", cpus=128, cores=128, nodes=8, placement="fill"),
        locks=(Lock("a", shards=24, shard_by="cpu"), Lock("b", shards=8, shard_by="node")),
    )
    assert mixed(big, [128])
    with pytest.raises(NotTrustworthyError, match=r"divide the processes in.*simulate"):
        solve(big, [128], "product-form")
