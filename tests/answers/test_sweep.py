"""Sweeps: the grid, its values against direct solutions, bad axes, interrupts."""

from __future__ import annotations

import csv
import io
import itertools
import json

import pytest
from places import timed

from lockmodel.answers.axis import Axis, parse_axis
from lockmodel.answers.sweep import sweep
from lockmodel.changes import levers
from lockmodel.changes.kinds import ACQUIRES, LESS_THINK, SHARD, SHORTEN_HOLD
from lockmodel.errors import ArgumentError
from lockmodel.solvers.solve import points

LIBC = "libc.so.6"
SCENARIO = timed("execl-xeon8369b")


def axes(*texts):
    return [parse_axis(text) for text in texts]


def rate(scenario, n, method="auto"):
    return points(scenario, [n], method)[0].throughput_per_s


@pytest.mark.parametrize(
    ("text", "axis"),
    [
        ("acquires=1..4", Axis("acquires", ACQUIRES, None, (1, 2, 3, 4))),
        ("hold=0.0..1.0:5", Axis("hold", SHORTEN_HOLD, None, (0, 0.25, 0.5, 0.75, 1))),
        ("hold=1,0.5", Axis("hold", SHORTEN_HOLD, None, (0.5, 1))),
        ("shards=1..16*2", Axis("shards", SHARD, None, (1, 2, 4, 8, 16))),
        ("think=0.5", Axis("think", LESS_THINK, None, (0.5,))),
        ("libc.so.6:hold=0", Axis("libc.so.6:hold", SHORTEN_HOLD, LIBC, (0,))),
    ],
)
def test_axes_as_typed(text, axis):
    assert parse_axis(text) == axis


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "known: acquires, hold, lines, shards, think"),
        ("shard=2", "did you mean 'shards'"),
        ("acquires", "give values, e.g. acquires=1..8"),
        ("acquires=", "give values"),
        ("acquires=0", "must lie between 1 and"),
        ("shards=1.5", "'1.5' is not a whole number"),
        ("hold=-1", "finite number >= 0"),
        ("hold=nan", "finite number >= 0"),
        ("hold=x", "'x' is not a number"),
        ("hold=0..1", r"0\.0\.\.1\.0:11"),
        ("hold=1..0:3", "start < end"),
        ("hold=0..1:1", "2 to"),
        ("libc.so.6:think=1", "write .LOCK:.acquires"),
        (":hold=1", "write .LOCK:.acquires"),
    ],
)
def test_bad_axes_are_refused(text, message):
    with pytest.raises(ArgumentError, match=f"^--over .*{message}"):
        parse_axis(text)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ((), "at least one"),
        (("libc.so:shards=2",), "no lock 'libc.so'; did you mean 'libc.so.6'"),
        (("shards=1", "shards=2"), "shards of libc.so.6 is swept twice"),
        (("hold=1", "libc.so.6:hold=0.5"), "hold of libc.so.6 is swept twice"),
        (("think=1", "think=0.5"), "think: think is swept twice"),
        (("acquires=1..300", "hold=0..1:300", "think=1,0.5,0.1"), "270000 rows exceed"),
        (("hold=0,1.5",), "1.5"),
    ],
)
def test_bad_grids_are_refused(texts, message):
    with pytest.raises(ArgumentError, match=f"^--over.*{message}"):
        sweep(SCENARIO, axes(*texts), [128])


def test_an_axis_needs_a_lock_where_the_cpu_binds():
    alone = levers.exclude(timed("doexec-20"), LIBC)
    with pytest.raises(ArgumentError, match="the CPU binds, not a lock; name one: LOCK:shards"):
        sweep(alone, axes("shards=1,2"), [20])
    swept = sweep(alone, axes("ld-linux-x86-64.so.2:shards=1", "think=1"), [20])
    assert swept.rows[0]["throughput_per_s"] == rate(alone, 20)


def test_rows_are_the_product_of_axes_and_populations():
    swept = sweep(SCENARIO, axes("acquires=1,15,30", "shards=1,4", "hold=0,1"), [8, 128])
    assert swept.complete
    assert swept.lock == LIBC
    assert [(r["acquires"], r["shards"], r["hold"], r["n"]) for r in swept.rows] == list(
        itertools.product((1, 15, 30), (1, 4), (0, 1), (8, 128))
    )


@pytest.mark.parametrize("method", ["auto", "bounds"])
def test_values_are_those_of_the_changed_scenario(method):
    swept = sweep(
        SCENARIO,
        axes("acquires=3,30", "hold=0,0.5", "shards=1,4", "think=1,0.25"),
        [16, 128],
        method,
    )
    assert swept.method == ("bounds" if method == "bounds" else "product-form")
    for row in swept.rows:
        moved = levers.set_acquires(SCENARIO, LIBC, row["acquires"])
        moved = levers.shorten_hold(moved, LIBC, row["hold"])
        moved = levers.shard(moved, LIBC, row["shards"])
        moved = levers.less_think(moved, row["think"])
        (point,) = points(moved, [row["n"]], method)
        assert row["throughput_per_s"] == pytest.approx(point.throughput_per_s, rel=1e-12)
        assert row["ceiling_per_s"] == pytest.approx(point.ceiling_per_s, rel=1e-12)
        assert row["binding"] == point.binding


def test_standing_still_is_the_base_prediction():
    swept = sweep(SCENARIO, axes("hold=1", "acquires=15", "shards=1", "think=1"), [1, 16, 128])
    assert [row["throughput_per_s"] for row in swept.rows] == pytest.approx(
        [rate(SCENARIO, n) for n in (1, 16, 128)], rel=1e-13
    )


def test_the_lock_meant_is_the_one_that_binds_at_the_start():
    without = levers.exclude(SCENARIO, LIBC)
    swept = sweep(without, axes("shards=1,2", "executable:hold=0,1"), [128])
    assert swept.lock == "ld-linux-x86-64.so.2"
    assert swept.rows[3]["throughput_per_s"] == pytest.approx(
        rate(levers.shard(without, "ld-linux-x86-64.so.2", 2), 128), rel=1e-12
    )


def test_throughput_falls_with_acquires_and_hold_and_rises_with_shards():
    def rates(text, scenario=SCENARIO):
        return [row["throughput_per_s"] for row in sweep(scenario, axes(text), [128]).rows]

    for text in ("acquires=1..30", "hold=0..1:11"):
        across = rates(text)
        # Not strictly: waiters that no longer queue here pay more for hand-offs elsewhere.
        assert all(after <= before * 1.001 for before, after in itertools.pairwise(across))
        assert across[0] > 1.2 * across[-1]
    one, two, four = rates("shards=1,2,4")
    assert 2 * one < two  # lines and trees of a shard are those of one node
    assert four == pytest.approx(two, rel=0.002)  # the loader's lock binds from two on
    alone = levers.exclude(levers.exclude(SCENARIO, "ld-linux-x86-64.so.2"), "executable")
    one, two, four = rates("shards=1,2,4", alone)
    assert one < two < four


def test_shards_that_cannot_differ_are_refused_or_said():
    """128 CPUs tell 128 shards apart; rows with shards = 256 used to repeat those of 128."""
    try:
        said = str(sweep(SCENARIO, axes("shards=64,128,256"), [128]).to_json())
    except ArgumentError as error:
        said = str(error)
    assert "only 128 shards apart" in said


def test_a_sweep_says_where_the_method_is_approximate():
    data = sweep(SCENARIO, axes("shards=1,2"), [128]).to_json()
    assert any("holds differ by site" in text for text in data["warnings"])


def test_an_interrupt_keeps_the_finished_rows():
    def stop_after_3(items, total, label):
        assert (total, label) == (10, "sweep")
        yield from itertools.islice(items, 3)
        raise KeyboardInterrupt

    grid = axes("acquires=1..5", "shards=1,2")
    swept = sweep(SCENARIO, grid, [8, 128], progress=stop_after_3)
    assert not swept.complete
    assert swept.rows == sweep(SCENARIO, grid, [8, 128]).rows[:6]
    assert swept.to_json()["complete"] is False


def test_csv_and_json_say_the_same(command):
    axes_ = ("--over", "acquires=1,15", "--over", "hold=0..1:3")
    line = ("sweep", "execl-xeon8369b", *axes_, "-n", "8,128")
    rows = list(csv.DictReader(io.StringIO(command(*line).stdout)))
    data = json.loads(command(*line, "--json").stdout)
    assert data["axes"] == {"acquires": [1, 15], "hold": [0, 0.5, 1]}
    assert (data["lock"], data["complete"], len(rows)) == (LIBC, True, 12)
    for row, other in zip(rows, data["rows"], strict=True):
        assert list(row) == list(other)
        assert row["binding"] == other.pop("binding")
        for key, value in other.items():
            assert float(row[key]) == pytest.approx(value, rel=1e-9)


def test_intervals_are_for_grids_that_are_not_large(command):
    """Each row of them is solved for every draw: 1,650 rows took a minute and a half."""
    line = ("sweep", "execl-direct", "--over", "hold=0..1:2", "-n")
    small = command(*line, "1,128")
    assert "throughput_low_per_s" in small.stdout.splitlines()[0]
    assert "no intervals" not in small.stderr
    large = command(*line, "1..257")
    assert "throughput_low_per_s" not in large.stdout.splitlines()[0]
    assert len(large.stdout.splitlines()) == 1 + 2 * 257
    (said,) = [text for text in large.stderr.splitlines() if "interval" in text]
    assert said.startswith("note: --over: 514 rows, so no intervals: they are for up to 512 rows")
