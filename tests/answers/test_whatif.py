"""What levers buy, against hand-made ceilings and against solving the changed scenario."""

from __future__ import annotations

import pytest
from one_lock import ONE_LOCK, US
from places import timed

from lockmodel.answers.whatif import compare
from lockmodel.changes import levers
from lockmodel.changes.grammar import parse
from lockmodel.changes.lever import apply_all
from lockmodel.errors import ArgumentError
from lockmodel.solvers.solve import points

SHIPPED = timed("execl-xeon8369b")


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
    compared = compare(ONE_LOCK, [parse(lever)], [64])
    assert compared.ceiling_before_per_s == pytest.approx(1 / (4 * US), rel=1e-12)
    assert compared.ceiling_after_per_s == pytest.approx(ceiling_per_s, rel=1e-12)
    assert (compared.binding_before, compared.binding_after) == ("file", binding)


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
    compared = compare(SHIPPED, [parse(text)], populations, method)
    before = points(SHIPPED, populations, method)
    after = points(changed, populations, method)
    assert [p.before_per_s for p in compared.points] == [p.throughput_per_s for p in before]
    assert [p.after_per_s for p in compared.points] == [p.throughput_per_s for p in after]
    for point in compared.points:
        assert point.gain == pytest.approx(point.after_per_s / point.before_per_s - 1, abs=1e-15)
    assert (compared.binding_after, compared.ceiling_after_per_s) == (
        after[-1].binding,
        after[-1].ceiling_per_s,
    )
    assert compared.alone == ()
    assert [each.text for each in compared.levers] == [text]


def test_alone_is_each_lever_by_itself():
    texts = ["batch:libc.so.6/exec.map_split=1", "shard:libc.so.6=2", "less_think=0.5"]
    parsed = [parse(text) for text in texts]
    compared = compare(SHIPPED, parsed, [64, 128])
    assert [alone.lever.text for alone in compared.alone] == texts
    for alone, lever in zip(compared.alone, parsed, strict=True):
        assert alone.gains == tuple(p.gain for p in compare(SHIPPED, [lever], [64, 128]).points)
    together = compare(apply_all(SHIPPED, parsed[:2]), parsed[2:], [64, 128])
    assert [p.after_per_s for p in compared.points] == [p.after_per_s for p in together.points]


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
    compared = compare(SHIPPED, [parse("shard:libc.so.6=300")], [128])
    assert compared.notes == (
        "shard:libc.so.6=300: cpu can tell only 128 shards apart, so 128 are used, not 300",
    )
    same = compare(SHIPPED, [parse("shard:libc.so.6=128")], [128])
    assert same.notes == ("shard:libc.so.6=128: a shard is chosen by cpu",)
    assert compared.points == same.points


def test_a_lever_without_its_lock_is_refused():
    with pytest.raises(ArgumentError, match=r"no lock 'libc\.so'; did you mean 'libc\.so\.6'"):
        compare(SHIPPED, [parse("exclude:libc.so")], [1])
    with pytest.raises(ArgumentError, match=r"has no lock 'libc\.so\.6'"):  # gone after the first
        compare(SHIPPED, [parse("exclude:libc.so.6"), parse("shard:libc.so.6=2")], [1])
