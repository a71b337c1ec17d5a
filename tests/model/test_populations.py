"""Tests of model.populations: the grammar of issue 2, its errors, and the axes of a sweep."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import REPEATABLE

from lockmodel.errors import ArgumentError
from lockmodel.model.populations import MAX_VALUES, parse_counts, parse_one, parse_reals


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("64", (64,)),
        ("1,2,4", (1, 2, 4)),
        ("1..8", (1, 2, 3, 4, 5, 6, 7, 8)),
        ("1..17:8", (1, 9, 17)),
        ("1..16:8", (1, 9)),
        ("1..8*2", (1, 2, 4, 8)),
        ("3..20*2", (3, 6, 12)),
        ("1..100*10", (1, 10, 100)),
        ("5..5", (5,)),
        ("5..5*2", (5,)),
        ("4,1,2", (1, 2, 4)),
        ("2..4,3,1..3", (1, 2, 3, 4)),
        (" 1 , 4..6 ", (1, 4, 5, 6)),
        ("1..100000*100000", (1, 100_000)),
    ],
)
def test_counts(text: str, expected: tuple[int, ...]) -> None:
    assert parse_counts(text) == expected


def test_the_lists_of_issue_2_have_the_right_length() -> None:
    assert parse_counts("1..128") == tuple(range(1, 129))
    assert parse_counts("1..384:16") == tuple(1 + 16 * i for i in range(24))
    assert parse_counts("1..512*2") == tuple(2**i for i in range(10))
    assert len(parse_counts("1..100000")) == MAX_VALUES


@REPEATABLE
@given(st.integers(1, 1000), st.integers(0, 1000), st.integers(1, 50), st.integers(2, 9))
def test_ranges_are_arithmetic_and_geometric(low: int, more: int, step: int, factor: int) -> None:
    high = low + more
    assert parse_counts(f"{low}..{high}:{step}") == tuple(
        n for n in range(1, high + 1) if n >= low and (n - low) % step == 0
    )
    powers = {low * factor**i for i in range(12)}
    assert parse_counts(f"{low}..{high}*{factor}") == tuple(sorted(n for n in powers if n <= high))


@REPEATABLE
@given(st.lists(st.integers(1, 500), min_size=1, max_size=20))
def test_any_list_comes_back_ascending_and_without_repeats(values: list[int]) -> None:
    assert parse_counts(",".join(map(str, values))) == tuple(sorted(set(values)))


FORM = r"is not a whole number; write 64 \| 1,2,4 \| 1\.\.128 \| 1\.\.384:16 .* 1\.\.512\*2"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", f"value '' {FORM}"),
        ("x", f"value 'x' {FORM}"),
        ("1,,2", f"value '' {FORM}"),
        ("8.5", f"value '8.5' {FORM}"),
        ("nan", f"value 'nan' {FORM}"),
        ("1..", f"value '1..' {FORM}"),
        ("..8", f"value '..8' {FORM}"),
        ("1..8:", f"value '1..8:' {FORM}"),
        ("1.5..8", f"start '1.5' {FORM}"),
        ("1..x", f"end 'x' {FORM}"),
        ("1..4..8", f"end '4..8' {FORM}"),
        ("1..8:x", f"step 'x' {FORM}"),
        ("1..8*1.5", f"factor '1.5' {FORM}"),
        ("3*2", f"value '3\\*2' {FORM}"),
        ("9" * 5000, "is not a whole number|must lie between"),
        ("0", "value 0 must lie between 1 and 100000"),
        ("-4", "value -4 must lie between 1 and 100000"),
        ("100001", "value 100001 must lie between 1 and 100000"),
        ("0..8", "start 0 must lie between 1"),
        ("1..100001", "end 100001 must lie between 1"),
        ("1..8:0", "step 0 must lie between 1"),
        ("8..1", r"'8\.\.1' runs backwards; write 1\.\.8"),
        ("1..8*1", r"factor 1 in '1\.\.8\*1' must be at least 2"),
    ],
)
def test_counts_are_refused_with_argument_value_and_form(text: str, words: str) -> None:
    with pytest.raises(ArgumentError, match=f"^-n: .*{words}"):
        parse_counts(text)


def test_the_argument_is_named() -> None:
    with pytest.raises(ArgumentError, match=r"^--over shards: value 0 must"):
        parse_counts("0", "--over shards")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.5", (0.5,)),
        ("1,0,0.5,1", (0.0, 0.5, 1.0)),
        ("1e-3, 2", (0.001, 2.0)),
        # by hand: low + (high - low) i / (count - 1)
        ("0.0..1.0:11", (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)),
        ("0..1:3", (0.0, 0.5, 1.0)),
        ("1..2:2", (1.0, 2.0)),
        ("0.25..0.75:3,5", (0.25, 0.5, 0.75, 5.0)),
    ],
)
def test_reals(text: str, expected: tuple[float, ...]) -> None:
    assert parse_reals(text, "--over hold") == pytest.approx(expected, rel=1e-15)


@REPEATABLE
@given(st.integers(0, 99), st.integers(1, 99), st.integers(2, 20))
def test_a_range_of_reals_has_the_ends_and_the_length_written(
    low: int, more: int, count: int
) -> None:
    start, end = f"{low / 100}", f"{(low + more) / 100}"
    values = parse_reals(f"{start}..{end}:{count}", "--over hold")
    assert (len(values), values[0], values[-1]) == (count, float(start), float(end))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "'' is not a number"),
        ("x", "'x' is not a number"),
        ("-1", "-1 must be a finite number >= 0"),
        ("nan", "nan must be a finite number >= 0"),
        ("1e999", "1e999 must be a finite number >= 0"),
        ("0..inf:3", "inf must be a finite number"),
        ("x..1:3", "'x' is not a number"),
        ("0..1", r"'0\.\.1' needs the number of values: write 0\.0\.\.1\.0:11"),
        ("1..2*2", r"'1\.\.2\*2' needs the number of values"),
        ("0..1:1", r"'0\.\.1:1' needs start < end and 2 to 100000 values"),
        ("1..0:5", "needs start < end"),
        ("1..1:5", "needs start < end"),
        ("0..1:2.5", "number of values '2.5' is not a whole number"),
        ("0..1:100001", "number of values 100001 must lie between 1 and 100000"),
        ("0..1:60000,2..3:60000", "more than 100000 values"),
    ],
)
def test_reals_are_refused_with_argument_and_value(text: str, words: str) -> None:
    with pytest.raises(ArgumentError, match=f"^--over hold: .*{words}"):
        parse_reals(text, "--over hold")


def test_one_population_is_taken_and_a_list_refused() -> None:
    assert parse_one("64") == 64
    with pytest.raises(ArgumentError, match=r"^-n 1,2,4: takes one population; give one, e\.g\. 4"):
        parse_one("1,2,4")


def test_a_number_may_start_with_its_point() -> None:
    assert parse_reals(".5", "--over hold") == (0.5,)
    assert parse_reals(".5..1:3", "--over hold") == (0.5, 0.75, 1.0)
