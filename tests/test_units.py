"""Numbers as people read them, on both sides of every rounding."""

from __future__ import annotations

import math

import pytest

from lockmodel.units import cut, gain, prefix_of, share, si, three_digits, to


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (33918.0, "33.9 k/s"),
        (999.4, "999 /s"),
        (999.5, "1.00 k/s"),
        (0.0, "0 /s"),
        (math.inf, "unbounded"),
        (2e-10, "0.20 n/s"),
    ],
)
def test_three_digits_and_a_prefix(value, text):
    assert si(value, "/s") == text


def test_the_prefix_is_that_of_the_rounded_number():
    assert prefix_of(999.4) == (1.0, "")
    assert prefix_of(999.5) == (1e3, "k")
    assert [three_digits(x) for x in (9.994, 9.996, 99.94, 99.96)] == [
        "9.99",
        "10.0",
        "99.9",
        "100",
    ]


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        ("27.8 us", "30.9 us", "27.8 to 30.9 us"),
        ("92.4 ns", "2.96 us", "92.4 ns to 2.96 us"),
        ("12 per iteration", "13 per iteration", "12 to 13 per iteration"),
        ("0.5", "0.9", "0.5 to 0.9"),
        ("5", "6 us", "5 to 6 us"),
    ],
)
def test_a_range_has_a_unit_of_both_ends_once(low, high, text):
    assert to(low, high) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.8, "+80 %"), (0.043, "+4.3 %"), (0.0004, "0 %"), (-0.0996, "-10 %"), (12.0, "+1,200 %")],
)
def test_a_gain_has_a_sign_and_one_decimal_below_ten_per_cent(value, text):
    assert gain(value) == text


def test_shares_and_texts_that_are_cut():
    assert (share(0.323), share(0.3236, 1)) == ("32 %", "32.4 %")
    assert (cut("12345", 5), cut("123456", 5), cut("123456", 5, " ...")) == (
        "12345",
        "123..",
        "1 ...",
    )
