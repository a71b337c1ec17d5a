"""What levers buy, against hand-made ceilings and against solving the changed scenario."""

from __future__ import annotations

import shlex

import pytest
from msgspec.structs import replace

from lockmodel.answers.predict import predict
from lockmodel.answers.whatif import ENOUGH, compare, rank
from lockmodel.changes import levers
from lockmodel.changes.grammar import parse
from lockmodel.changes.kinds import KINDS, apply_all
from lockmodel.errors import ArgumentError
from lockmodel.model.handoff import ConstantHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Scenario, Site, Walkers
from lockmodel.model.shipped import find_scenario
from lockmodel.solvers.solve import points

US = 1e-6
NS = 1e-9
SHIPPED = find_scenario("execl-xeon8369b")

# tau I = 1 ns x (3 x 500 + 500) = 2 us; m (a + c) = 4 x (100 + 400) ns = 2 us; D = 4 us.
ONE_LOCK = Scenario(
    name="one",
    title="one lock by hand",
    iteration="one",
    machine=Machine(name="flat", cpus=64, cores=64),
    think=100 * US,
    locks=(
        Lock(
            name="file",
            time_per_instruction_local=1 * NS,
            time_per_instruction_remote=1 * NS,
            acquire_time=100 * NS,
            handoff=ConstantHandOff(time=400 * NS),
        ),
    ),
    sites=(
        Site(lock="file", phase="exec", name="map", acquires=3, held_instructions=500),
        Site(lock="file", phase="exit", name="unmap", acquires=1, held_instructions=500),
    ),
)


@pytest.mark.parametrize(
    ("lever", "ceiling_per_s", "binding"),
    [
        ("shorten_hold:file=0", 1 / (2 * US), "file"),  # k / (m c)
        ("shorten_hold:file=0.5", 1 / (3 * US), "file"),
        ("batch:file=1", 1 / (2.5 * US), "file"),  # k / (tau I + c)
        ("batch:file/exec.map=1", 1 / (3 * US), "file"),
        ("skip:file/exec.map", 64 / (100 * US), "cpu"),  # the lock alone would allow 1 / us
        ("shard:file=2,by=hash", 2 / (4 * US), "file"),
        ("shard:file=16,by=hash", 64 / (100 * US), "cpu"),
        ("exclude:file", 64 / (100 * US), "cpu"),
        ("cheaper_handoff:file=none", 1 / (2.4 * US), "file"),
        ("cheaper_handoff:file=constant,time_ns=200", 1 / (3.2 * US), "file"),
        ("less_think=0.5", 1 / (4 * US), "file"),
    ],
)
def test_ceilings_by_hand(lever, ceiling_per_s, binding):
    found = compare(ONE_LOCK, [parse(lever)], [64])
    assert found.ceiling_before_per_s == pytest.approx(1 / (4 * US), rel=1e-12)
    assert found.ceiling_after_per_s == pytest.approx(ceiling_per_s, rel=1e-12)
    assert (found.binding_before, found.binding_after) == ("file", binding)


@pytest.mark.parametrize("method", ["auto", "bounds", "product-form"])
@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("shorten_hold:libc.so.6=0.25", levers.shorten_hold(SHIPPED, "libc.so.6", 0.25)),
        ("batch:libc.so.6=3", levers.batch(SHIPPED, "libc.so.6", 3)),
        (
            "batch:libc.so.6/exec.map_split=1",
            levers.batch(SHIPPED, "libc.so.6", 1, "exec.map_split"),
        ),
        ("skip:libc.so.6/exec.map_split", levers.skip(SHIPPED, "libc.so.6", "exec.map_split")),
        ("shard:libc.so.6=8", levers.shard(SHIPPED, "libc.so.6", 8)),
        ("shard:libc.so.6=2,by=node", levers.shard(SHIPPED, "libc.so.6", 2, "node")),
        (
            "shard:libc.so.6=8,by=hash,skew=1",
            levers.shard(SHIPPED, "libc.so.6", 8, "hash", 1.0),
        ),
        ("exclude:libc.so.6", levers.exclude(SHIPPED, "libc.so.6")),
        ("less_think=0.5", levers.less_think(SHIPPED, 0.5)),
    ],
)
def test_one_lever_is_the_changed_scenario_solved(text, changed, method):
    populations = [1, 16, 128]
    found = compare(SHIPPED, [parse(text)], populations, method)
    before = points(SHIPPED, populations, method)
    after = points(changed, populations, method)
    assert [p.before_per_s for p in found.points] == [p.throughput_per_s for p in before]
    assert [p.after_per_s for p in found.points] == [p.throughput_per_s for p in after]
    for point in found.points:
        assert point.gain == pytest.approx(point.after_per_s / point.before_per_s - 1, abs=1e-15)
    assert (found.binding_after, found.ceiling_after_per_s) == (
        after[-1].binding,
        after[-1].ceiling_per_s,
    )
    assert found.alone == ()
    assert [each.text for each in found.levers] == [text]


def test_alone_is_each_lever_by_itself():
    texts = ["batch:libc.so.6/exec.map_split=1", "shard:libc.so.6=2", "less_think=0.5"]
    parsed = [parse(text) for text in texts]
    found = compare(SHIPPED, parsed, [64, 128])
    assert [alone.lever.text for alone in found.alone] == texts
    for alone, lever in zip(found.alone, parsed, strict=True):
        assert alone.gains == tuple(p.gain for p in compare(SHIPPED, [lever], [64, 128]).points)
    together = compare(apply_all(SHIPPED, parsed[:2]), parsed[2:], [64, 128])
    assert [p.after_per_s for p in found.points] == [p.after_per_s for p in together.points]


def test_levers_of_one_lock_commute_but_batch_and_skip_of_a_site_do_not():
    texts = ["batch:libc.so.6=5", "shorten_hold:libc.so.6=0.5", "shard:libc.so.6=4"]
    parsed = [parse(text) for text in texts]
    rates = [compare(SHIPPED, order, [128]).points[0] for order in (parsed, parsed[::-1])]
    assert rates[0].after_per_s == pytest.approx(rates[1].after_per_s, rel=1e-12)
    batch, skip = parse("batch:file=1"), parse("skip:file/exec.map")
    # m = 1 of what is left when skipped first; a quarter of the acquires when batched first
    first = compare(ONE_LOCK, [skip, batch], [64]).ceiling_after_per_s
    second = compare(ONE_LOCK, [batch, skip], [64]).ceiling_after_per_s
    assert (first, second) == (pytest.approx(640e3), pytest.approx(640e3))
    assert apply_all(ONE_LOCK, [skip, batch]).acquires("file") == 1
    assert apply_all(ONE_LOCK, [batch, skip]).acquires("file") == 0.25


def test_what_binds_is_told_for_the_largest_population_whatever_the_order():
    lever = [parse("shard:libc.so.6=8")]
    up, down = compare(SHIPPED, lever, [1, 128]), compare(SHIPPED, lever, [128, 1])
    assert [p.n for p in down.points] == [128, 1]
    assert up.ceiling_before_per_s == down.ceiling_before_per_s
    assert up.binding_after == down.binding_after


def test_a_capped_lever_is_noted():
    found = compare(SHIPPED, [parse("shard:libc.so.6=300")], [128])
    assert found.notes == (
        "shard:libc.so.6=300: cpu can tell only 128 shards apart, so 128 are used, not 300",
    )
    same = compare(SHIPPED, [parse("shard:libc.so.6=128")], [128])
    assert same.notes == ("shard:libc.so.6=128: a shard is chosen by cpu",)
    assert found.points == same.points


def test_a_lever_without_its_lock_is_refused():
    with pytest.raises(ArgumentError, match=r"no lock 'libc\.so'; did you mean 'libc\.so\.6'"):
        compare(SHIPPED, [parse("exclude:libc.so")], [1])
    with pytest.raises(ArgumentError, match=r"has no lock 'libc\.so\.6'"):  # gone after the first
        compare(SHIPPED, [parse("exclude:libc.so.6"), parse("shard:libc.so.6=2")], [1])


@pytest.fixture(scope="module")
def ranking():
    return rank(SHIPPED, 128)


def test_ranking_is_sorted_and_has_every_kind_of_lever(ranking):
    gains = [row.gain for row in ranking.levers]
    assert gains == sorted(gains, reverse=True)
    assert {row.lever.kind.name for row in ranking.levers} == {*KINDS} - {"acquires"}
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
        found = compare(SHIPPED, [parse(row.lever.text)], [128])
        assert found.points[0].after_per_s == row.after_per_s
        assert found.points[0].gain == row.gain
        assert (found.binding_after, found.ceiling_after_per_s) == (row.binding, row.ceiling_per_s)


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


def test_walkers_that_saturate_many_shards_drop_that_count_not_the_command():
    """At 10,000 walks/s, 128 shards of libc.so.6 would be held all the time."""
    found = rank(walked(SHIPPED, 10_000, 64 * US), 128)
    assert found.before_per_s < rank(SHIPPED, 128).before_per_s
    assert found.shards[0].best < 128
    assert found.levers[0].gain > 0
    assert all(row.gain >= -1 for shards in found.shards for row in shards.tried)


def test_progress_sees_every_lever_once():
    seen = {}

    def count(items, total, label):
        items = list(items)
        seen[label] = (len(items), total)
        return items

    rank(ONE_LOCK, 64, progress=count)
    assert set(seen) == {"levers", "shards"}
    assert all(number == total > 0 for number, total in seen.values())
