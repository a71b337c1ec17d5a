"""Ceiling, levers, comparison and walkers: formulae against the scenario's levers and solvers."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
import sympy as sp
from places import timed

from lockmodel.changes import levers
from lockmodel.errors import ArgumentError
from lockmodel.model.handoff import ConstantHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.network import build
from lockmodel.model.scenario import Lock, Scenario, Site, Walkers
from lockmodel.model.shipped import find_scenario, model_names
from lockmodel.solvers.bounds import network_ceiling
from lockmodel.solvers.solve import points
from lockmodel.statements import STATEMENTS, find_statement
from lockmodel.statements.statement import DerivationError, derived
from lockmodel.statements.terms import lock_ceiling, terms

US, NS = 1e-6, 1e-9

ONE_ITERATION = [name for name in model_names() if not find_scenario(name).classes]

# tau I = 1 ns x 4 x 500 = 2 us; m c = 4 x (100 + 400) ns = 2 us; D = 4 us.
FLAT = Scenario(
    name="flat",
    title="one lock by hand",
    iteration="one",
    machine=Machine(name="flat", cpus=4096, cores=4096),
    think=100 * US,
    locks=(
        Lock(
            name="file",
            time_per_instruction_local=NS,
            time_per_instruction_remote=NS,
            acquire_time=100 * NS,
            handoff=ConstantHandOff(time=400 * NS),
        ),
    ),
    sites=(Site(lock="file", phase="exec", name="map", acquires=4, held_instructions=500),),
)
GROWING = msgspec.structs.replace(
    FLAT,
    sites=(
        Site(
            lock="file", phase="exec", name="map", acquires=4, held_instructions=200,
            growth_per_doubling=50,
        ),
    ),
)  # fmt: skip


def ceiling_of(scenario: Scenario, n: int, lock: str = "file") -> float:
    return lock_ceiling(build(scenario, n), lock)


def value(name: str, scenario: Scenario, n: int) -> dict[str, float]:
    return {one.name: one.value for one in find_statement(name).numbers(scenario, n).values}


def test_the_symbols_of_a_lock_by_hand():
    t = terms(FLAT, 64)
    assert t.held == pytest.approx(2 * US, rel=1e-12)
    assert t.acquires * t.c == pytest.approx(2 * US, rel=1e-12)
    assert (t.acquires, t.instructions, t.shards) == (4, 2000, pytest.approx(1, rel=1e-12))
    assert t.alone == pytest.approx(2.4 * US, rel=1e-12)
    assert (t.next_name, t.next_per_s) == ("cpu", pytest.approx(4096 / (100 * US), rel=1e-12))


def test_what_binds_instead_is_said():
    few = msgspec.structs.replace(FLAT, machine=Machine(name="flat", cpus=8, cores=8))
    for scenario, said in ((FLAT, False), (few, True)):  # the CPUs allow 8 / 100 us
        notes = find_statement("ceiling").numbers(scenario, 64).notes
        assert any("cpu binds here at 64, not file" in note for note in notes) == said


def test_the_four_ceilings_by_hand():
    at = terms(FLAT, 64).values
    made = find_statement("ceiling")
    by_hand = {
        "ceiling": 1 / (4 * US),
        "ceiling_without_hold": 1 / (2 * US),
        "ceiling_one_acquire": 1 / (2.5 * US),
        "ceiling_free_handoff": 1 / (2 * US),
        "ceiling_with_next": 1 / (4 * US),
    }
    for name, expected in by_hand.items():
        assert made.formula(name).at(**at) == pytest.approx(expected, rel=1e-12), name


@pytest.mark.parametrize("model", ONE_ITERATION)
@pytest.mark.parametrize("n", [8, 64, 20])
def test_ceilings_are_those_of_the_levers_on_shipped_scenarios(model, n):
    scenario = timed(model)
    t = terms(scenario, n)
    lock, made = t.lock.name, find_statement("ceiling")
    for name, changed in {
        "ceiling": scenario,
        "ceiling_without_hold": levers.shorten_hold(scenario, lock, 0.0),
        "ceiling_one_acquire": levers.batch(scenario, lock, 1.0),
    }.items():
        expected = ceiling_of(changed, n, lock)
        assert made.formula(name).at(**t.values) == pytest.approx(expected, rel=1e-9), name
    together = min(t.ceiling_per_s, t.next_per_s)
    assert network_ceiling(build(scenario, n))[0] == pytest.approx(together, rel=1e-12)


def test_pinned_shards_are_counted_once():
    # 16 shards, 4 processes each: every shard has the whole demand of its own processes
    scenario = levers.shard(FLAT, "file", 16)
    scenario = msgspec.structs.replace(
        scenario, machine=Machine(name="flat", cpus=64, cores=64), think=1 * US
    )
    t = terms(scenario, 64)
    assert t.demand == pytest.approx(4 * US, rel=1e-12)
    assert t.shards == pytest.approx(16, rel=1e-12)
    assert t.ceiling_per_s == pytest.approx(network_ceiling(t.network)[0], rel=1e-12)


@pytest.mark.parametrize("factor", [0.75, 0.5, 0.1])
def test_a_saturated_workload_gains_what_the_formula_says(factor):
    n = 400  # 15 times the knee: product form is at its ceiling to 1e-9
    before, after = (
        points(s, [n])[0].throughput_per_s
        for s in (FLAT, levers.shorten_hold(FLAT, "file", factor))
    )
    at = terms(FLAT, n).values
    made = find_statement("saturation")
    gain = made.formula("gain_of_shorter_hold").at(**at, s=factor)
    assert after / before == pytest.approx(gain, rel=1e-9)
    assert made.formula("gain_by_held_share").at(phi=0.5, s=factor) == pytest.approx(gain)
    assert gain < made.formula("most_by_hold").at(**at) == pytest.approx(2.0)


def test_inverse_gains_of_free_hold_and_free_acquires_add_up_to_one():
    made = find_statement("saturation")
    for model in ONE_ITERATION:
        at = terms(timed(model), 16).values
        most = [made.formula(name).at(**at) for name in ("most_by_hold", "most_by_handoff")]
        assert sum(1 / g for g in most) == pytest.approx(1.0, rel=1e-12)
        assert min(most) <= 2.0


@pytest.mark.parametrize("k", [2, 8, 64])
def test_trees_and_locks_split_against_the_shard_lever(k):
    n = 64
    t = terms(GROWING, n)
    at = t.values | {"g": 200.0, "M": 64.0, "I_0": 800.0, "k": float(k)}
    made = find_statement("tree-split")
    assert made.formula("instructions").at(**at) == pytest.approx(800 + 200 * 6)
    sharded = ceiling_of(levers.shard(GROWING, "file", k, "hash"), n)
    both = made.formula("gain_tree_and_lock_split").at(**at)
    assert both == pytest.approx(sharded / ceiling_of(GROWING, n), rel=1e-12)
    # one lock over trees of 64 / k: the lock that 64 / k processes see
    one = made.formula("gain_tree_split").at(**at)
    if k < n:  # a process alone hands nothing over
        small = ceiling_of(GROWING, n // k)
        assert one == pytest.approx(small / ceiling_of(GROWING, n), rel=1e-12)
    assert both == pytest.approx(k * one, rel=1e-12)
    # by hand: 2000 - 200 log2 k instructions of 1 ns and 2 us of acquires, 1.5 ns if not near
    by_hand = 4.0 / (4.0 - 0.2 * math.log2(k))
    assert one == pytest.approx(by_hand, rel=1e-12)
    near = made.formula("gain_tree_split_near").at(**at, tau_new=0.5 * NS)
    assert near == pytest.approx(4.0 / (0.5 * (2.0 - 0.2 * math.log2(k)) + 2.0), rel=1e-12)
    most = made.formula("gain_tree_split_most").at(**at)
    assert one <= most == pytest.approx(4.0 / 2.8)


def test_elasticities_of_the_ceiling_are_its_derivatives():
    t = terms(FLAT, 64)
    made, step = find_statement("elasticity-ceiling"), 1e-6

    def log_ceiling(tau: float, m: float) -> float:
        return math.log(
            find_statement("ceiling").formula("ceiling").at(**t.values | {"tau": tau, "m": m})
        )

    by_tau = (log_ceiling(t.tau * (1 + step), 4) - log_ceiling(t.tau * (1 - step), 4)) / (2 * step)
    by_m = (log_ceiling(t.tau, 4 * (1 + step)) - log_ceiling(t.tau, 4 * (1 - step))) / (2 * step)
    held = made.formula("of_held_work").at(**t.values)
    acquires = made.formula("of_acquires").at(**t.values)
    assert (held, acquires) == (pytest.approx(by_tau, abs=1e-9), pytest.approx(by_m, abs=1e-9))
    assert held + acquires == pytest.approx(-1.0, rel=1e-12)


def test_boundaries_are_where_the_levers_have_one_ceiling():
    t = terms(FLAT, 64)
    made = find_statement("comparison")
    for fewer in (3.0, 2.0, 1.0):
        batched = ceiling_of(levers.batch(FLAT, "file", fewer), 64)
        factor = made.formula("equal_factor").at(**t.values, m_new=fewer)
        shortened = ceiling_of(levers.shorten_hold(FLAT, "file", factor), 64)
        assert batched == pytest.approx(shortened, rel=1e-12)
        back = made.formula("equal_acquires").at(**t.values, s=factor)
        assert back == pytest.approx(fewer, rel=1e-12)
        shards = made.formula("equal_shards").at(**t.values, m_new=fewer)
        assert shards * t.ceiling_per_s == pytest.approx(batched, rel=1e-12)
        same = made.formula("equal_shards_hold").at(**t.values, s=factor)
        assert same == pytest.approx(shards, rel=1e-12)
    assert made.formula("shards_for_no_hold").at(**t.values) == pytest.approx(2.0)


def test_the_inequality_says_which_lever_wins():
    t = terms(FLAT, 64)
    wins = find_statement("comparison").formula("batch_wins")
    seen = set()
    for fewer in (1.0, 2.0, 3.5):
        for factor in (0.0, 0.3, 0.55, 0.9):
            batched = ceiling_of(levers.batch(FLAT, "file", fewer), 64)
            shortened = ceiling_of(levers.shorten_hold(FLAT, "file", factor), 64)
            said = bool(wins.at(**t.values, m_new=fewer, s=factor))
            assert said == (batched > shortened)
            seen.add(said)
    assert seen == {True, False}
    unmatched = find_statement("comparison").formula("batch_unmatched")
    assert not unmatched.at(**t.values, m_new=1.0)  # saves 1.5 us of 2 us
    assert unmatched.at(**t.values | {"c": 700 * NS}, m_new=1.0)  # saves 2.1 us


def test_enough_shards_are_the_fewest_with_which_another_station_binds():
    # the CPUs allow 64 / 100 us, one shard 1 / 4 us: 2.56 shards
    scenario = msgspec.structs.replace(FLAT, machine=Machine(name="flat", cpus=64, cores=64))
    enough = value("enough-shards", scenario, 64)["shards enough"]
    assert enough == 3
    binding = [
        network_ceiling(build(levers.shard(scenario, "file", k, "hash"), 64))[1] for k in (2, 3)
    ]
    assert binding == ["file", "cpu"]


def test_enough_shards_with_trees_and_distances_are_counted():
    numbers = value("enough-shards", timed("sysexec-spr224-v6.12"), 224)
    assert numbers["shards enough"] == 3  # 48.6 us x 47.9 k/s = 2.33
    assert numbers["enough by CPU, near lines as well"] == 2


def walked(k: int, walks_per_s: float = 20_000.0, read: float = 10 * US) -> Scenario:
    scenario = levers.shard(FLAT, "file", k, "hash") if k > 1 else FLAT
    lock = msgspec.structs.replace(
        scenario.locks[0], walkers=Walkers(walks_per_s=walks_per_s, read=read)
    )
    return msgspec.structs.replace(scenario, locks=(lock,), think=1 * NS)


def test_the_ceiling_with_walkers_is_that_of_the_network():
    made = find_statement("best-shards")
    at = {"w": 20_000.0, "r": 10 * US, "c_w": 500 * NS, "D": 4 * US}
    best = made.formula("best_shards").at(**at)
    assert best == pytest.approx((1 - 0.2) / (2 * 20_000 * 500e-9)) == pytest.approx(40.0)
    rates = {k: network_ceiling(build(walked(k), 64))[0] for k in (1, 20, 39, 40, 41, 60, 79)}
    for k, rate in rates.items():
        assert made.formula("ceiling_with_walkers").at(**at, k=float(k)) == pytest.approx(rate)
    assert max(rates, key=rates.__getitem__) == 40
    assert made.formula("best_ceiling").at(**at) == pytest.approx(rates[40], rel=1e-12)
    assert made.formula("shards_too_many").at(**at) == pytest.approx(80.0)


def test_product_form_with_walkers_is_best_at_the_same_number():
    rates = {k: points(walked(k), [3000])[0].throughput_per_s for k in (20, 30, 40, 50, 60)}
    assert max(rates, key=rates.__getitem__) == 40


def test_fewest_shards_that_reach_the_next_station():
    made = find_statement("best-shards")
    at = {"w": 20_000.0, "r": 10 * US, "c_w": 500 * NS, "D": 4 * US, "C_next": 2e6}
    fewest = made.formula("fewest_shards").at(**at)
    assert made.formula("ceiling_with_walkers").at(**at, k=fewest) == pytest.approx(2e6)
    assert 0 < fewest < 40
    assert made.formula("next_is_reached").at(**at)
    assert not made.formula("next_is_reached").at(**at | {"C_next": 9e6})


def test_shards_that_are_always_held_by_hand():
    """Four shards, a wait of 4 ms at each: kept for 3, 2, 1, 0 waits of a cycle of 4 and 1 / w."""
    made = find_statement("best-shards")
    at = {"w": 250.0, "r": 0.0, "a_w": 4e-3, "D": 20 * US, "k": 4.0}
    assert made.formula("held").at(**at) == pytest.approx(4 / 20e-6 * (1 - 1.5 / 5))
    assert made.formula("often").at(**at) == pytest.approx(100_000.0)
    freed = made.formula("freed").at(w=1000.0, r=1e-4, D=20 * US, C_next=450e3)
    assert freed == pytest.approx(10.0)


def test_walkers_that_read_all_the_time_leave_no_best_number():
    for rate, helpless in ((99_000.0, False), (200_000.0, True)):
        numbers = find_statement("best-shards").numbers(walked(1, rate), 8)
        assert any("no number of shards helps" in note for note in numbers.notes) == helpless


def test_a_derivation_that_does_not_come_out_is_an_error():
    x = sp.Symbol("x", positive=True)
    assert derived((x**2 - 1) / (x - 1), x + 1, "quotient") == x + 1
    with pytest.raises(DerivationError, match="quotient: derived"):
        derived((x**2 - 1) / (x - 1), x + 2, "quotient")


def test_unknown_names_and_scenarios_without_locks_are_refused():
    with pytest.raises(ArgumentError, match="did you mean 'ceiling'"):
        find_statement("cieling")
    empty = msgspec.structs.replace(FLAT, locks=(), sites=())
    with pytest.raises(ArgumentError, match="takes no lock"):
        terms(empty, 4)


def test_the_catalogue_is_that_of_the_modules():
    for name, entry in STATEMENTS.items():
        made = find_statement(name)
        assert (made.name, made.title) == (name, entry.title)
        assert made.formulae
        assert made.conditions
        assert np.all([formula.name.isidentifier() for formula in made.formulae])
