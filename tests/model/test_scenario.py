"""Tests of model.scenario: what is refused and with which words, and the sums over sites."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import REPEATABLE, scenarios

from lockmodel.errors import ScenarioError
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Provenance, Scenario, Site, Walkers


def machine(**changes: Any) -> Machine:
    return Machine(**{"name": "m", "cpus": 8, "cores": 4, **changes})


def lock(**changes: Any) -> Lock:
    times = {"time_per_instruction_local": 1e-9, "time_per_instruction_remote": 2e-9}
    return Lock(**{"name": "libc.so.6", **times, **changes})


def site(**changes: Any) -> Site:
    given = {"lock": "libc.so.6", "phase": "exec", "name": "map_split", "acquires": 5.0}
    return Site(**{**given, "held_instructions": 1054.0, **changes})


def scenario(**changes: Any) -> Scenario:
    words = {"name": "s", "title": "t", "iteration": "i", "think": 1e-4}
    return Scenario(
        **{**words, "machine": machine(), "locks": (lock(),), "sites": (site(),), **changes}
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cores": 16}, "cores = 16 exceeds cpus = 8.*give at least 16"),
        ({"cpus": 9}, "cpus = 9 is not a multiple of cores = 4.*same number of hardware threads"),
        ({"nodes": 3}, "cores = 4 is not a multiple of nodes = 3.*evenly divided"),
        ({"sockets": 3}, "cores = 4 is not a multiple of sockets = 3"),
        ({"cpus": 0}, "cpus = 0 must be a whole number from 1 to 65536"),
        ({"cores": -4}, "cores = -4 must be a whole number from 1 to 65536"),
        ({"nodes": 0}, "nodes = 0 must be a whole number"),
        ({"cpus": 65_537, "cores": 65_537}, "cpus = 65537 must be .* 65536"),
        ({"smt_speedup": 2.5}, "smt_speedup = 2.5 must lie between 1 and the 2 hardware threads"),
        ({"smt_speedup": 0.9}, "smt_speedup = 0.9 must lie between 1 and"),
        ({"smt_speedup": math.nan}, "smt_speedup = nan must lie between 1 and"),
        ({"cores": 8, "smt_speedup": 1.2}, "smt_speedup = 1.2 must lie between 1 and the 1 "),
        ({"same_node_cost": 1.1}, "same_node_cost = 1.1 must lie between 0 and 1"),
        ({"same_node_cost": -0.1}, "same_node_cost = -0.1 must lie between 0 and 1"),
        ({"placement": "fil"}, "placement = 'fil' must be one of fill, spread"),
        ({"same_node_cost": math.nan}, "same_node_cost = nan must lie between 0 and 1"),
    ],
)
def test_machine_refuses(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ScenarioError, match=f"^machine: {words}"):
        machine(**changes)


def test_machine_built_in_python_needs_whole_counts() -> None:
    with pytest.raises(ScenarioError, match=r"cpus = 8\.5 must be a whole number"):
        machine(cpus=8.5, cores=8.5, nodes=8.5, sockets=8.5)


def test_machine_takes_the_extremes() -> None:
    assert machine(cpus=1, cores=1, smt_speedup=1.0, same_node_cost=0.0).cpus == 1
    assert machine(cpus=65_536, cores=32_768, smt_speedup=2.0).cores == 32_768


@pytest.mark.parametrize("name", ["", "a/b", "a:b", "a=b", "a,b", "all", "cpu", "none"])
def test_lock_refuses_a_name_that_a_lever_could_not_spell(name: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        lock(name=name)
    assert f"lock name {name!r} must be non-empty" in str(caught.value)
    assert "e.g. 'libc.so.6'" in str(caught.value)


TIMES = ["time_per_instruction_local", "time_per_instruction_remote", "acquire_time", "shard_skew"]


@pytest.mark.parametrize("key", [*TIMES, "other_mappers"])
@pytest.mark.parametrize("value", [-1, math.nan, math.inf])
def test_lock_refuses_numbers_that_are_not_finite_and_positive(key: str, value: float) -> None:
    with pytest.raises(ScenarioError, match=rf"lock 'libc.so.6': {key} = {value} must be a finite"):
        lock(**{"shard_by": "hash", key: value})


def test_lock_refuses_lines_that_are_faster_from_elsewhere() -> None:
    with pytest.raises(ScenarioError, match=r"remote = 9e-10 s is below .*local = 1e-09 s.*give"):
        lock(time_per_instruction_remote=0.9e-9)


@pytest.mark.parametrize("shards", [0, -1, 65_537, 2.5])
def test_lock_refuses_a_number_of_shards(shards: float) -> None:
    with pytest.raises(ScenarioError, match=f"shards = {shards} must be a whole number from 1"):
        lock(shards=shards)


@pytest.mark.parametrize(("key", "value"), [("kind", "spin"), ("shard_by", "core")])
def test_lock_built_in_python_refuses_an_unknown_word(key: str, value: str) -> None:
    with pytest.raises(ScenarioError, match=f"{key} = '{value}'"):
        lock(**{key: value})


@pytest.mark.parametrize("by", ["cpu", "node"])
def test_lock_refuses_a_skew_where_the_placement_decides(by: str) -> None:
    with pytest.raises(ScenarioError, match=r"shard_skew = 1\.2 needs shard_by = 'hash'"):
        lock(shards=4, shard_by=by, shard_skew=1.2)
    assert lock(shards=4, shard_by="hash", shard_skew=1.2).shard_skew == 1.2


def test_lock_refuses_a_skew_that_no_keys_have() -> None:
    with pytest.raises(ScenarioError, match=r"shard_skew = 1e\+09 must be at most 20"):
        lock(shards=4, shard_by="hash", shard_skew=1e9)
    assert lock(shards=4, shard_by="hash", shard_skew=20.0).shard_skew == 20.0


@pytest.mark.parametrize("key", ["walks_per_s", "read"])
@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_walkers_refuse(key: str, value: float) -> None:
    with pytest.raises(ScenarioError, match=f"walkers: {key} = {value} must be a finite"):
        Walkers(**{"walks_per_s": 1.0, "read": 1e-6, key: value})


@pytest.mark.parametrize("key", ["acquires", "held_instructions", "growth_per_doubling"])
@pytest.mark.parametrize("value", [-0.5, math.nan, math.inf])
def test_site_refuses(key: str, value: float) -> None:
    words = rf"^site libc\.so\.6/exec\.map_split: {key} = {value} must be a finite number >= 0"
    with pytest.raises(ScenarioError, match=words):
        site(**{key: value})


@pytest.mark.parametrize("part", ["", "a=b", "a/b", "a,b", "a.b", "a b"])
def test_site_refuses_what_a_lever_could_not_spell(part: str) -> None:
    # batch:libc.so.6/exec.a=b=1 has no single meaning: `lockmodel levers` stopped on such a name
    with pytest.raises(ScenarioError, match=f"site libc.so.6/exec.{part}: .*'{part}' must"):
        site(name=part)
    with pytest.raises(ScenarioError, match=f"site libc.so.6/{part}.map_split: .*'{part}' must"):
        site(phase=part)


@pytest.mark.parametrize("key", ["think", "think_remote"])
@pytest.mark.parametrize("value", [-1e-9, math.nan, math.inf])
def test_scenario_refuses_think_time(key: str, value: float) -> None:
    with pytest.raises(ScenarioError, match=f"scenario: {key} = {value} must be a finite"):
        scenario(**{key: value})


def test_scenario_refuses_a_site_on_a_lock_that_does_not_exist() -> None:
    words = r"^sites\[1\] \(exec.map_split\): lock = 'libc.so.5' does not exist; did you mean 'libc"
    with pytest.raises(ScenarioError, match=words):
        scenario(sites=(site(), site(lock="libc.so.5")))


def test_scenario_refuses_a_lock_given_twice() -> None:
    with pytest.raises(ScenarioError, match=r"lock 'libc\.so\.6' is given 2 times; give it once"):
        scenario(locks=(lock(), lock(acquire_time=1e-8)))


def test_scenario_refuses_a_site_given_twice_but_not_on_two_locks() -> None:
    with pytest.raises(
        ScenarioError, match=r"^sites\[1\]: libc.so.6/exec.map_split is given twice"
    ):
        scenario(sites=(site(), site(acquires=1.0)))
    both = scenario(locks=(lock(), lock(name="b")), sites=(site(), site(lock="b")))
    assert [s.lock for s in both.sites] == ["libc.so.6", "b"]


@pytest.mark.parametrize("sites", [(), (site(acquires=0.0),)])
def test_scenario_refuses_an_empty_iteration(sites: tuple[Site, ...]) -> None:
    with pytest.raises(ScenarioError, match=r"the iteration is empty: .*give think_us or at"):
        scenario(think=0.0, sites=sites)
    assert scenario(think=0.0, think_remote=1e-9, sites=sites).think == 0.0
    assert scenario(think=0.0).acquires("libc.so.6") == 5.0


def test_unknown_lock_is_named_with_the_nearest_one() -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario().lock("libc.so.7")
    text = "scenario 's' has no lock 'libc.so.7'; did you mean 'libc.so.6'?"
    assert str(caught.value) == text


def test_sums_over_the_sites_of_a_lock() -> None:
    other = site(lock="b", acquires=7.0, held_instructions=1.0)
    second = site(name="teardown", acquires=2.0, held_instructions=100.0, growth_per_doubling=10.0)
    s = scenario(
        locks=(lock(), lock(name="b")), sites=(site(growth_per_doubling=75), other, second)
    )
    assert [x.label for x in s.sites_of("libc.so.6")] == ["exec.map_split", "exec.teardown"]
    assert s.acquires("libc.so.6") == 5 + 2
    assert s.acquires("b") == 7
    # I = sum of acquires x (held + growth x doublings); by hand:
    assert s.held_instructions("libc.so.6", 1) == 5 * 1054 + 2 * 100
    assert s.held_instructions("libc.so.6", 8) == 5 * (1054 + 75 * 3) + 2 * (100 + 10 * 3)
    assert s.held_instructions("b", 1024) == 7


def test_less_than_one_mapper_is_no_negative_growth() -> None:
    s = scenario(sites=(site(growth_per_doubling=75.0),))
    assert s.held_instructions("libc.so.6", 0.125) == 5 * 1054


@REPEATABLE
@given(scenarios(min_locks=1), st.floats(1.0, 1e4))
def test_each_doubling_of_the_mappers_adds_the_growth(s: Scenario, mappers: float) -> None:
    for name in (x.name for x in s.locks):
        added = s.held_instructions(name, 2 * mappers) - s.held_instructions(name, mappers)
        growth = sum(x.acquires * x.growth_per_doubling for x in s.sites if x.lock == name)
        assert math.isclose(added, growth, rel_tol=1e-9, abs_tol=1e-7)


@pytest.mark.parametrize("data", [machine(), lock(), site(), scenario(), Provenance])
def test_scenario_data_cannot_be_changed(data: Any) -> None:
    if data is Provenance:
        data = Provenance(value="think", origin="fitted", note="by hand")
    with pytest.raises(AttributeError, match="immutable"):
        data.name = "other"


def test_an_unknown_keyword_is_refused() -> None:
    with pytest.raises(TypeError, match="kidn"):
        lock(kidn="fifo")
    with pytest.raises(msgspec.ValidationError, match="unknown field `kidn`"):
        msgspec.convert({"kidn": "fifo"}, Lock)


def test_a_lock_is_taken_where_some_site_has_acquires() -> None:
    idle, bare = site(lock="ld.so", acquires=0.0), lock(name="bare")
    made = scenario(locks=(bare, lock(name="ld.so"), lock()), sites=(idle, site()))
    assert [one.name for one in made.taken] == ["libc.so.6"]
    assert scenario(sites=(site(acquires=0.0),)).taken == ()
