"""Tests of lockmodel.changes.levers: each by hand, what it refuses, and which of them commute."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from itertools import permutations, product
from math import nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple, replace
from strategies import REPEATABLE, scenarios

from lockmodel.changes import levers
from lockmodel.errors import ArgumentError
from lockmodel.model.handoff import ConstantHandOff as Constant
from lockmodel.model.handoff import HandOff
from lockmodel.model.handoff import LinearHandOff as Linear
from lockmodel.model.handoff import NoHandOff as Free
from lockmodel.model.handoff import SaturatingHandOff as Saturating
from lockmodel.model.handoff import TopologyHandOff as Topology
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Scenario, Site

LIBC, EXE = "libc.so.6", "executable"
SPLIT, LINK = "exec.map_split", "exec.map_link"


def lock(name: str, handoff: HandOff) -> Lock:
    times = {"time_per_instruction_local": 1e-9, "time_per_instruction_remote": 3e-9}
    return Lock(name=name, handoff=handoff, **times)


def site(lock: str, label: str, acquires: float, held: float, growth: float = 0.0) -> Site:
    phase, name = label.split(".")
    costs = {"held_instructions": held, "growth_per_doubling": growth}
    return Site(lock=lock, phase=phase, name=name, acquires=acquires, **costs)


SPLIT_SITE, LINK_SITE = partial(site, LIBC, SPLIT), partial(site, LIBC, LINK)
OTHER = site(EXE, SPLIT, 2.0, 900.0)
BASE = Scenario(
    name="base",
    title="t",
    iteration="i",
    machine=Machine(name="m", cpus=16, cores=8, nodes=2),
    think=100e-6,
    think_remote=20e-6,
    locks=(lock(LIBC, Free()), lock(EXE, Free())),
    sites=(SPLIT_SITE(5.0, 1000.0, 80.0), LINK_SITE(3.0, 100.0), OTHER),
)


def base(handoff: HandOff) -> Scenario:
    return replace(BASE, locks=(lock(LIBC, handoff), BASE.locks[1]))


@pytest.mark.parametrize(
    ("lever", "arguments", "sites"),
    [
        # a quarter of the held work, as many acquires
        ("shorten_hold", [0.25], (SPLIT_SITE(5.0, 250.0, 20.0), LINK_SITE(3.0, 25.0), OTHER)),
        # 8 -> 2 acquires: a quarter of the acquires, each holding four times as long
        ("batch", [2.0], (SPLIT_SITE(1.25, 4000.0, 320.0), LINK_SITE(0.75, 400.0), OTHER)),
        # 5 -> 1 at one site
        ("batch", [1.0, SPLIT], (SPLIT_SITE(1.0, 5000.0, 400.0), LINK_SITE(3.0, 100.0), OTHER)),
        # 8 -> 16: twice the acquires, each holding half as long
        ("set_acquires", [16.0], (SPLIT_SITE(10.0, 500.0, 40.0), LINK_SITE(6.0, 50.0), OTHER)),
        ("skip", [SPLIT], (LINK_SITE(3.0, 100.0), OTHER)),
        ("exclude", [], (OTHER,)),
    ],
)
def test_what_a_lever_leaves(lever: str, arguments: list[Any], sites: tuple[Site, ...]) -> None:
    locks = BASE.locks[1:] if lever == "exclude" else BASE.locks
    after = getattr(levers, lever)(BASE, LIBC, *arguments)
    assert after == replace(BASE, sites=sites, locks=locks)


def test_less_think_multiplies_both_parts() -> None:
    after = levers.less_think(BASE, 0.5)
    assert [after.think, after.think_remote] == pytest.approx([50e-6, 10e-6], rel=1e-14, abs=0)
    assert after.sites == BASE.sites


@pytest.mark.parametrize(
    ("k", "options", "shards"),  # 16 CPUs, 2 nodes
    [
        (32, {}, 16),
        (4, {"by": "node"}, 2),
        (1000, {"by": "hash"}, 1000),
        (1000, {"by": "hash", "values": 30}, 30),
        (8, {"by": "hash", "values": 30, "skew": 1.1}, 8),
    ],
)
def test_shards_are_capped_at_the_keys(k: int, options: dict[str, Any], shards: int) -> None:
    after = levers.shard(BASE, LIBC, k, **options)
    new, by, skew = after.lock(LIBC), options.get("by", "cpu"), options.get("skew", 0.0)
    assert (new.shards, new.shard_by, new.shard_skew) == (shards, by, skew)
    assert (after.lock(EXE), after.sites) == (BASE.lock(EXE), BASE.sites)


LINEAR, FAR = Linear(time=3e-7, per_waiter=1e-8), Topology(local=1e-7, remote=4e-7)
SLOW = Saturating(time=5e-7, limit=9e-7, half_waiters=8.0)


@pytest.mark.parametrize(
    ("old", "new"),
    [(LINEAR, Free()), (LINEAR, Constant(time=3e-7)), (FAR, Constant(time=1e-7)), (FAR, FAR)],
)
def test_cheaper_handoff_replaces(old: HandOff, new: HandOff) -> None:
    after = levers.cheaper_handoff(base(old), LIBC, new)
    assert after.locks == (lock(LIBC, new), BASE.locks[1])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (Free(), Constant(time=3e-7), "with 1 waiters .* 300 ns, more than the 0 ns of today"),
        # 100 + 50 (w - 1) exceeds 220 first with 4 waiters: 250
        (Constant(time=2.2e-7), Linear(time=1e-7, per_waiter=5e-8), "with 4 waiters .* 250 ns"),
        (FAR, Constant(time=2e-7), "200 ns, more than the 100 ns"),
        (Constant(time=2e-7), FAR, "400 ns, more than the 200 ns"),
        # 10 (w - 1) exceeds 405 first with 42 waiters: more than twice the 16 CPUs
        (Constant(time=4.05e-7), Linear(time=0.0, per_waiter=1e-8), "waiters .* cheaper one"),
    ],
)
def test_a_dearer_handoff_is_refused(old: HandOff, new: HandOff, words: str) -> None:
    with pytest.raises(ArgumentError, match=f"^cheaper_handoff: .*{words}"):
        levers.cheaper_handoff(base(old), LIBC, new)


def test_cheapest_is_what_one_near_waiter_costs() -> None:
    families = [Free(), Constant(time=2e-7), LINEAR, SLOW, FAR]
    costs = [levers.cheapest(BASE, base(family).lock(LIBC)) for family in families]
    assert costs == pytest.approx([0.0, 2e-7, 3e-7, 5e-7, 1e-7], rel=1e-14, abs=0)


ALONE = replace(BASE, think=0.0, think_remote=0.0, sites=BASE.sites[:1])
IDLE = replace(BASE, sites=())
EIGHT = replace(BASE, locks=(replace(BASE.locks[0], shards=8), BASE.locks[1]))


@pytest.mark.parametrize(
    ("lever", "words"),
    [
        (lambda: levers.shorten_hold(BASE, "libc", 1), "shorten_hold: .*no lock 'libc'; did you"),
        (lambda: levers.shorten_hold(BASE, LIBC, 1.5), "shorten_hold: factor 1.5 must lie between"),
        (lambda: levers.shorten_hold(BASE, LIBC, nan), "factor nan must lie between 0 and 1"),
        (lambda: levers.less_think(BASE, -0.1), "less_think: factor -0.1 must lie between 0"),
        (lambda: levers.batch(BASE, "libc", 1), "batch: .*no lock 'libc'; did you mean 'libc.so.6"),
        (lambda: levers.batch(BASE, LIBC, 9), "9 acquires at libc.so.6 .* at most the 8 there are"),
        (lambda: levers.batch(BASE, LIBC, 6, SPLIT), "6 acquires at .*exec.map_split .* the 5 the"),
        (lambda: levers.batch(BASE, LIBC, 0), "0 acquires .* more than 0 .*; use skip to drop"),
        (lambda: levers.batch(BASE, LIBC, nan), "batch: nan acquires at libc.so.6"),
        (
            lambda: levers.batch(BASE, LIBC, 1, "exec.slit"),
            "site 'exec.slit'; did you mean 'exec.m",
        ),
        (lambda: levers.set_acquires(BASE, LIBC, nan), "acquires: .* has 8 and cannot have nan"),
        (lambda: levers.batch(BASE, LIBC, 1e-320), "batch: .*"),  # 5000 / 1e-320 is infinite
        (lambda: levers.skip(ALONE, LIBC, SPLIT), "skip: after it, the iteration is empty"),
        (lambda: levers.exclude(ALONE, LIBC), "exclude: without libc.so.6, the iteration is empty"),
        (lambda: levers.less_think(IDLE, 0), "less_think: after it, the iteration is em"),
        (lambda: levers.shard(BASE, LIBC, 0), "shard: 0 shards of libc.so.6 must be at least 1"),
        (lambda: levers.shard(BASE, LIBC, 2.5), "shard: .*2.5 .*whole number"),
        (lambda: levers.shard(BASE, LIBC, 2, by="nod"), "by='nod'; did you mean 'node'"),
        (lambda: levers.shard(BASE, LIBC, 2, skew=1.0), "shard_skew = 1.0 needs .*'hash'"),
        (lambda: levers.shard(BASE, LIBC, 2, "hash", nan), "shard_skew = nan must be a finite"),
        (lambda: levers.shard(BASE, LIBC, 2, values=9), "values=9 counts the keys of by=hash"),
        (lambda: levers.shard(EIGHT, LIBC, 4), "libc.so.6 has 8 shards already; give at least"),
        # nodes can tell only 2 shards apart: 8 would silently become 2
        (lambda: levers.shard(EIGHT, LIBC, 16, by="node"), "libc.so.6 has 8 shards already"),
    ],
)
def test_what_makes_no_sense_is_refused(lever: Callable[[], Scenario], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        lever()


def assert_close(one: Scenario, other: Scenario) -> None:
    """Two scenarios are equal but for rounding in the numbers of their sites."""
    assert replace(one, sites=()) == replace(other, sites=())
    for mine, its in zip(one.sites, other.sites, strict=True):
        assert (mine.lock, mine.label) == (its.lock, its.label)
        assert astuple(mine)[3:6] == pytest.approx(astuple(its)[3:6], rel=1e-12)
        assert mine.mode == its.mode


LOCKED = scenarios(min_locks=2, max_locks=2, max_shards=1)
SHARE = st.floats(0.01, 1.0)


@REPEATABLE
@given(LOCKED, SHARE, SHARE)
def test_shortening_twice_multiplies(s: Scenario, a: float, b: float) -> None:
    twice = levers.shorten_hold(levers.shorten_hold(s, LIBC, a), LIBC, b)
    assert_close(twice, levers.shorten_hold(s, LIBC, a * b))


@REPEATABLE
@given(LOCKED, SHARE, st.floats(1.0, 5000.0))
def test_batch_keeps_the_held_work(s: Scenario, share: float, mappers: float) -> None:
    m = s.acquires(LIBC)
    after = levers.batch(s, LIBC, share * m)
    assert after.acquires(LIBC) == pytest.approx(share * m, rel=1e-12)
    held = [x.held_instructions(LIBC, mappers) for x in (s, after)]
    assert held[1] == pytest.approx(held[0], rel=1e-12)


def test_batching_twice_to_the_same_number_is_batching_once() -> None:
    for a, b, c in product(range(1, 8), repeat=3):
        three = (site(LIBC, SPLIT, a, 9), site(LIBC, LINK, b, 9), site(LIBC, "exit.drop", c, 9))
        before = replace(BASE, sites=three)
        for m in range(1, a + b + c + 1):
            once = levers.batch(before, LIBC, m)
            assert_close(levers.batch(once, LIBC, m), once)


CHANGES: list[Callable[[Scenario, str, float], Scenario]] = [
    lambda s, name, share: levers.shorten_hold(s, name, share),
    lambda s, name, share: levers.batch(s, name, share),
    lambda s, name, share: levers.shard(s, name, 1 + int(share * 64), "hash"),
]


@REPEATABLE
@given(LOCKED, SHARE)
def test_shorten_batch_and_shard_of_one_lock_commute(s: Scenario, share: float) -> None:
    results = [reduce(lambda now, f: f(now, LIBC, share), p, s) for p in permutations(CHANGES)]
    for other in results[1:]:
        assert_close(other, results[0])


@REPEATABLE
@given(LOCKED, SHARE, st.sampled_from(CHANGES), st.sampled_from(CHANGES))
def test_levers_on_different_locks_commute(
    s: Scenario, share: float, one: Callable[..., Scenario], two: Callable[..., Scenario]
) -> None:
    second = s.locks[1].name
    assert one(two(s, second, share), LIBC, share) == two(one(s, LIBC, share), second, share)


@REPEATABLE
@given(scenarios(min_locks=1, max_shards=1), st.sampled_from(["cpu", "node", "hash"]))
def test_one_shard_and_factor_one_are_no_change(s: Scenario, by: Any) -> None:
    assert levers.shard(s, LIBC, 1, by) == s
    assert levers.shorten_hold(s, LIBC, 1.0) == s
    assert levers.less_think(s, 1.0) == s
    assert levers.batch(s, LIBC, s.acquires(LIBC)) == s
