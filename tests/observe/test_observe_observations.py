"""Tests of observations, their export, their summary, and what they can determine."""

from __future__ import annotations

import gzip
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import REPEATABLE

from lockmodel.errors import FileError, ScenarioError
from lockmodel.observe import text as tx
from lockmodel.observe.coverage import coverage
from lockmodel.observe.export import fits_contract, to_csv
from lockmodel.observe.gates import mean_of, ordered, possible_total, total_holds, utilisation
from lockmodel.observe.numbers import Measured
from lockmodel.observe.observations import (
    UNITS,
    Bin,
    Observation,
    Source,
    from_plain,
    to_plain,
)
from lockmodel.observe.readers import read_text
from lockmodel.observe.summary import summarise

HERE = Source("f.csv", 3)
ONE = Observation("throughput", 2500.0, "1/s", HERE, n=4)

WORDS = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=12).map(
    lambda text: " ".join(text.split())
)
PLACES = st.one_of(st.just(""), st.sampled_from(["libc.so.6", "&rq->lock/1", 'a "b", c', "#x"]))


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    """Any valid observation."""
    kind = draw(st.sampled_from(list(UNITS)))
    share = kind.endswith(("share", "fraction"))
    value = draw(st.floats(1e-12, 1.0 if share else 1e12))
    sd = draw(st.none() | st.floats(1e-12, 1e6))
    bins = (Bin(0.0, 1e-6, 3), Bin(1e-6, math.inf, 1)) if kind == "hold_histogram" else ()
    return Observation(
        kind,
        value,
        draw(st.sampled_from(UNITS[kind])),
        Source(draw(st.sampled_from(["a.csv", "b c.txt"])), draw(st.integers(0, 99))),
        n=draw(st.none() | st.integers(1, 999)),
        per=draw(WORDS),
        what=draw(WORDS),
        lock=draw(PLACES),
        site=draw(PLACES),
        mode=draw(st.sampled_from(["", "read", "write"])),
        variant=draw(WORDS),
        kernel=draw(WORDS),
        repeat=draw(st.none() | st.integers(0, 9)),
        sd=sd,
        uncertainty="none" if sd is None else draw(st.sampled_from(["given", "repeats"])),
        count=draw(st.none() | st.integers(0, 10**12)),
        low=draw(st.none() | st.floats(0, 1)),
        high=draw(st.none() | st.floats(0, 1)),
        bins=bins,
        aggregated=draw(st.booleans()),
        traced=draw(st.booleans()),
    )


@REPEATABLE
@given(st.lists(observations(), min_size=1, max_size=5))
def test_csv_is_read_back_to_the_last_bit(made):
    text = to_csv(made)
    observations = read_text(tx.from_text(text, "f")).observations
    if fits_contract(made):
        made = [replace(o, source=o.source) for o in made]
        assert [replace(o, source=HERE) for o in observations] == [
            replace(o, source=HERE) for o in made
        ]
    else:
        assert list(observations) == made


@REPEATABLE
@given(observations())
def test_plain_data_is_read_back_through_json(made):
    assert from_plain(json.loads(json.dumps(to_plain(made), allow_nan=False)), "f") == made


def test_throughput_alone_is_written_as_the_contract():
    made = [replace(ONE, repeat=1, variant="a"), replace(ONE, value=2400.5, repeat=2, variant="b")]
    assert to_csv(made).splitlines() == [
        "# unit: iterations/s",
        "tasks,throughput,repeat,variant",
        "4,2500.0,1,a",
        "4,2400.5,2,b",
    ]


BAD = [
    ({"kind": "speed"}, "kind = 'speed' must be one of throughput, gain"),
    ({"unit": "ms"}, "f.csv:3: throughput: unit = 'ms' must be one of 1/s, relative"),
    ({"value": math.nan}, "value = nan must be finite"),
    ({"value": -1.0}, "value = -1.0 must be finite and >= 0"),
    ({"value": 0.0}, "nothing was finished"),
    ({"n": 0}, "population 0 must be at least 1"),
    ({"sd": 1.0}, "does not go with uncertainty 'none'"),
    ({"uncertainty": "given"}, "sd = None does not go with"),
    ({"mode": "both"}, "mode = 'both'"),
    ({"kind": "idle_share", "unit": "1", "value": 1.1}, "it cannot exceed 1"),
    ({"kind": "gain", "unit": "1", "value": -1.5}, "finite and >= -1"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_an_impossible_observation_is_refused(change, message):
    with pytest.raises(ScenarioError, match=message.replace("(", r"\(")):
        replace(ONE, **change)


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        (3, "must be an object"),
        ({}, "kind is missing"),
        ({"kind": "gain", "value": 1, "unit": "1"}, "source is missing"),
        (to_plain(ONE) | {"x": 1}, "'x' is no key"),
        (to_plain(ONE) | {"value": "7"}, "value = '7' must be a number"),
        (to_plain(ONE) | {"value": 10**400}, "must be a finite number"),
        (to_plain(ONE) | {"n": 1.5}, "n = 1.5 must be a whole number"),
        (to_plain(ONE) | {"n": True}, "n = True must be a whole number"),
        (to_plain(ONE) | {"traced": "yes"}, "traced = 'yes' must be true or false"),
        (to_plain(ONE) | {"lock": 3}, "lock = 3 must be text"),
        (to_plain(ONE) | {"source": "f"}, "must be {file, line}"),
        (to_plain(ONE) | {"bins": [[1]]}, "must be \\[low, high, count\\]"),
        (to_plain(ONE) | {"bins": [[2, 1, 1]]}, "0 <= low < high"),
    ],
)
def test_plain_data_that_is_no_observation_is_refused(plain, message):
    with pytest.raises(ScenarioError, match=message):
        from_plain(plain, "here")


def test_repeats_become_mean_and_spread_and_others_stay():
    repeats = [replace(ONE, value=v, repeat=i) for i, v in enumerate((1.0, 2.0, 6.0), start=1)]
    other = replace(ONE, n=8)
    (mean, count), (alone, one) = summarise([*repeats, other])
    assert (mean.value, mean.sd, mean.uncertainty, count) == (3.0, math.sqrt(7), "repeats", 3)
    assert (alone, one) == (other, 1)


def test_traced_and_untraced_runs_and_files_are_not_put_together():
    a = replace(ONE, repeat=1)
    different = [a, replace(a, traced=True), replace(a, source=Source("g", 1)), replace(a, n=5)]
    assert [count for _, count in summarise(different)] == [1, 1, 1, 1]


def test_a_curve_alone_misses_hold_times_acquires_and_repeats():
    good_for = coverage([replace(ONE, n=n) for n in (1, 2, 4, 8)])
    assert "4 populations from 1 to 8" in good_for.determines[0]
    assert [text.split(":")[0] for text in good_for.missing] == [
        "a throughput curve alone never separates held work (tau I) from hand-off (m c)",
        "... nor acquires (m) from their cost",
        "repeat noise",
    ]


def test_waits_alone_miss_the_scale_and_the_holds():
    wait = Observation("mean_wait", 1e-3, "s", HERE, lock="a", traced=True)
    good_for = coverage([wait])
    assert good_for.determines == ("where tasks wait, and for how long (1 locks or sites)",)
    assert [text.split(":")[0] for text in good_for.missing] == [
        "throughput against population",
        "hold times",
        "the population of some numbers is not known",
    ]


def test_traced_beside_untraced_is_said():
    good_for = coverage([ONE, replace(ONE, traced=True, kind="hold_time", unit="s", value=1e-6)])
    assert any(text.startswith("traced and untraced runs") for text in good_for.missing)


def measured(value: float, half: float = 0.0) -> Measured:
    return Measured(value, half)


def test_gates_let_rounding_through_and_stop_the_impossible():
    ordered("f:1", measured(1), measured(1, 0.1), measured(0.95, 0.1))
    mean_of("f:1", measured(1.4, 0.05), measured(14.9, 0.05), 10)
    total_holds("f:1", measured(10, 0.5), measured(1, 0.01), 10)
    utilisation("f:1", 29, 1e-6, 30_000, 1)
    possible_total("f:1", 100.0, None, 4)
    for gate, arguments, message in (
        (ordered, (measured(2), measured(1), measured(3)), "smallest <= mean"),
        (ordered, (None, measured(4), measured(3)), "mean <= largest"),
        (mean_of, (measured(1.0), measured(20.0), 10), "is not total / count"),
        (mean_of, (measured(0), measured(20.0), 0), "over 0 events"),
        (total_holds, (measured(1), measured(2), 5), "exceeds the total"),
        (total_holds, (measured(100), measured(2), 5), "5 times the largest"),
        (possible_total, (100.0, 10.0, 4), "exceed 4 tasks x 10 s"),
        (utilisation, (29, 1e-6, 300_000, 1), "locks busy of 1; check the units"),
    ):
        with pytest.raises(ScenarioError, match=rf"^f:1: .*{message}"):
            gate("f:1", *arguments)


def test_files_are_bounded_and_must_be_text(tmp_path: Path, monkeypatch):
    with pytest.raises(FileError, match="cannot be read: No such file"):
        tx.load(tmp_path / "none.csv")
    with pytest.raises(FileError, match="cannot be read: it is a directory"):
        tx.load(tmp_path)
    for data, message in (
        (b"a\nb\xff\xfe", "f:2: bytes ff fe are not UTF-8 text"),
        (b"a\0b", "f: holds binary data"),
        (b"\x1f\x8bxx", "f: broken gzip file"),
        (b"\x1f\x8b", "f: gzip file ends too early"),
    ):
        with pytest.raises(ScenarioError, match=message):
            tx.decode(data, "f")
    monkeypatch.setattr(tx, "MAX_BYTES", 10)
    monkeypatch.setattr(tx, "MAX_LINES", 3)
    with pytest.raises(ScenarioError, match="f: larger than"):
        tx.decode(b"x" * 11, "f")
    with pytest.raises(ScenarioError, match="f: larger than"):
        tx.decode(gzip.compress(b"x" * 100_000), "f")
    with pytest.raises(ScenarioError, match="f: more than 3 lines"):
        tx.decode(b"\n" * 5, "f")
