"""The ranking of all levers: order, coverage, shards, walkers."""

from __future__ import annotations

import shlex

import pytest
from msgspec.structs import replace
from one_lock import ONE_LOCK, US
from places import timed

from lockmodel.answers.predict import predict
from lockmodel.answers.ranking import ENOUGH, rank
from lockmodel.answers.whatif import compare
from lockmodel.changes.candidates import candidates
from lockmodel.changes.grammar import parse
from lockmodel.changes.kinds import KINDS
from lockmodel.changes.lever import ALL
from lockmodel.model.scenario import Walkers

SHIPPED = timed("execl-xeon8369b")


@pytest.fixture(scope="module")
def ranking():
    return rank(SHIPPED, 128)


def test_ranking_is_sorted_and_has_every_kind_of_lever(ranking):
    gains = [row.gain for row in ranking.levers]
    assert gains == sorted(gains, reverse=True)
    lined = any(site.moves_lines for site in SHIPPED.sites)
    never = {"acquires"} | (set() if lined else {"fewer_lines", "nearer_lines"})
    assert {row.lever.kind.name for row in ranking.levers} == {*KINDS} - never
    assert len({row.lever.text for row in ranking.levers}) == len(ranking.levers)
    (base,) = predict(SHIPPED, [128]).points
    assert ranking.before_per_s == base.throughput_per_s
    assert (ranking.ceiling_per_s, ranking.binding) == (base.ceiling_per_s, base.binding)


def test_ranking_covers_every_lock_and_site(ranking):
    texts = {row.lever.text for row in ranking.levers}
    for lock in SHIPPED.locks:
        assert f"exclude:{lock.name}" in texts
        assert any(text.startswith(f"shard:{lock.name}=") for text in texts)
        for site in SHIPPED.sites_of(lock.name):
            assert f"skip:{lock.name}/{site.label}" in texts
            assert (f"batch:{lock.name}/{site.label}=1" in texts) is (site.acquires > 1)


def test_ranked_levers_can_be_pasted_back(ranking):
    for row in ranking.levers:
        assert shlex.quote(row.lever.text) == row.lever.text
        bought = compare(SHIPPED, [parse(row.lever.text)], [128])
        assert bought.points[0].after_per_s == row.after_per_s
        assert bought.points[0].gain == row.gain
        assert (bought.binding_after, bought.ceiling_after_per_s) == (
            row.binding,
            row.ceiling_per_s,
        )


def test_shards_tell_the_best_count_and_the_one_that_is_enough(ranking):
    names = [*(x.name for x in SHIPPED.locks), "all"]
    by_cpu = [shards for shards in ranking.shards if shards.by == "cpu"]
    assert [shards.lock for shards in by_cpu] == names
    assert [s.lock for s in ranking.shards] == [name for name in names for _ in range(3)]
    for shards in by_cpu:
        rates = {row.lever.value.k: row.after_per_s for row in shards.tried}
        assert list(rates) == [2, 4, 8, 16, 32, 64, 128]
        assert rates[shards.best] == max(rates.values())
        enough = [k for k, rate in rates.items() if rate >= (1 - ENOUGH) * rates[shards.best]]
        assert shards.enough == enough[0]
        assert not shards.walkers


def walked(scenario, walks_per_s, read):
    first = replace(scenario.locks[0], walkers=Walkers(walks_per_s=walks_per_s, read=read))
    return replace(scenario, locks=(first, *scenario.locks[1:]))


def test_walkers_make_fewer_shards_best():
    """20,000 walks/s of 10 us that take k locks at 0.5 us: 64 shards are held 84 % of the time."""
    busy = replace(ONE_LOCK, think=20 * US)
    (without,), (with_walkers,) = (
        rank(busy, 64).shards[:1],
        rank(walked(busy, 20e3, 10 * US), 64).shards[:1],
    )
    assert (without.best, without.walkers) == (64, False)
    assert with_walkers.walkers
    assert 1 < with_walkers.best < 64
    gains = [row.gain for row in with_walkers.tried]
    assert max(gains) > gains[-1] > gains[0]


def test_walkers_make_few_shards_of_a_semaphore_worse_than_many():
    """Each of two shards is saturated: a walk keeps the first while it waits for the other."""
    free = rank(SHIPPED, 128)
    binding = next(k for k in SHIPPED.locks if k.name == free.binding)
    others = tuple(k for k in SHIPPED.locks if k is not binding)
    scenario = walked(replace(SHIPPED, locks=(binding, *others)), 1000, 64 * US)
    ranked = rank(scenario, 128)
    assert 0.9 * free.before_per_s < ranked.before_per_s < free.before_per_s
    (own,) = (s for s in ranked.shards if s.lock == binding.name and s.by == "cpu")
    (same,) = (s for s in free.shards if s.lock == binding.name and s.by == "cpu")
    gains = {row.lever.value.k: row.gain for row in own.tried}
    without = {row.lever.value.k: row.gain for row in same.tried}
    assert gains[2] < 0.7 * without[2]
    assert gains[64] > 0.95 * without[64]
    assert own.walkers


def test_walkers_that_saturate_a_lock_drop_that_count_not_the_command():
    """At 20,000 walks/s, 128 shards of a lock without readers would be held all the time."""
    ranked = rank(walked(ONE_LOCK, 20_000, 10 * US), 64)
    assert ranked.levers[0].gain > 0
    assert all(row.gain >= -1 for shards in ranked.shards for row in shards.tried)


def test_progress_sees_every_lever_once():
    seen = {}

    def count(items, total, label):
        items = list(items)
        seen[label] = (len(items), total)
        return items

    rank(ONE_LOCK, 64, progress=count)
    assert set(seen) == {"levers", "shards"}
    assert all(number == total > 0 for number, total in seen.values())


def test_without_a_lock_there_is_nothing_to_rank():
    bare = replace(ONE_LOCK, locks=(), sites=(), fit=None)
    made = rank(bare, 4)
    assert (made.levers, made.shards, made.idle, made.untried) == ((), (), (), 0)
    assert made.before_per_s == predict(bare, [4]).points[0].throughput_per_s
    assert made.binding == "cpu"


def test_two_levers_that_make_the_same_scenario_are_listed_once():
    """With one site an acquire there is an acquire of the lock, and can be built."""
    first = ONE_LOCK.sites[0]
    single = replace(ONE_LOCK, sites=(replace(first, acquires=4.0),))
    made = [one for one in candidates(single) if one.kind.name == "batch"]
    at_site = f"batch:{first.lock}/{first.label}=1"
    assert [(one.text, one.is_limit) for one in made] == [(at_site, False)]
    assert parse(f"batch:{first.lock}=1").apply(single) == made[0].apply(single)
    two = [one for one in candidates(SHIPPED) if one.lock != ALL]
    scenarios = [one.apply(SHIPPED) for one in two]
    assert len(set(scenarios)) == len(scenarios)
    assert {"batch:libc.so.6=1", "batch:libc.so.6/exec.map_split=1"} <= {one.text for one in two}
