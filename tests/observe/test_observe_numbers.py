"""Tests of lockmodel.observe.numbers and rates: locales, units, and what is ambiguous."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import REPEATABLE

from lockmodel.observe import rates
from lockmodel.observe.numbers import BadNumberError, number, printed, time, whole


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12.0),
        ("-0.5", -0.5),
        ("1.", 1.0),
        ("1.087e+08", 1.087e8),
        ("12,5", 12.5),
        ("639,3", 639.3),
        ("8514,123", 8514.123),
        ("0,123", 0.123),
        ("1,234.5", 1234.5),
        ("1.234,5", 1234.5),
        ("1,234,567", 1234567.0),
        ("1\u202f234,5", 1234.5),
        ("1'234.5", 1234.5),
        (" 7 ", 7.0),
    ],
)
def test_a_number_of_any_locale(text, value):
    assert number(text) == value


@pytest.mark.parametrize("text", ["1,234", "-12,345"])
def test_a_number_that_can_be_read_in_two_ways_is_refused(text):
    with pytest.raises(BadNumberError, match="run the tool with LC_ALL=C"):
        number(text)


@pytest.mark.parametrize(
    "text", ["", "x", "1 2", "1,2,3", "nan", "inf", "0x10", "1_000", "\u0661", "1e999", "9" * 41]
)
def test_what_is_no_number_is_refused(text):
    with pytest.raises(BadNumberError, match=r"not a number|too large"):
        number(text)


@pytest.mark.parametrize(
    ("text", "value"), [("1,234", 1234), ("10,000,000", 10_000_000), ("7", 7), ("1.234", 1234)]
)
def test_whole_numbers_may_be_grouped_in_any_way(text, value):
    assert whole(text) == value


@pytest.mark.parametrize("text", ["1,23", "1.5", "", "1e3", "12 34"])
def test_what_is_not_whole_is_refused(text):
    with pytest.raises(BadNumberError, match="not a whole number"):
        whole(text)


@pytest.mark.parametrize(
    ("text", "unit", "value", "half"),
    [
        ("150.58", "ms", 0.15058, 5e-6),
        ("434", "ns", 434e-9, 0.5e-9),
        ("2,14", "us", 2.14e-6, 5e-9),
        ("5.4", "m", 324.0, 3.0),
        ("491.2", "h", 491.2 * 3600, 180.0),
    ],
)
def test_a_time_has_its_rounding(text, unit, value, half):
    read = time(text, unit)
    assert read.value == value
    assert read.half_digit == pytest.approx(half, rel=1e-12)


def test_a_time_of_an_unknown_unit_is_refused():
    with pytest.raises(BadNumberError, match="'fortnights' is none of h, m"):
        time("1", "fortnights")


@REPEATABLE
@given(st.decimals(0, 10**9, places=2))
def test_a_printed_number_lies_within_its_rounding(value):
    read = printed(f"{value:f}")
    assert abs(read.value - float(value)) <= read.half_digit
    assert read.half_digit == pytest.approx(0.005)


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("ops/s", 1.0),
        ("execs per second", 1.0),
        ("ops/us", 1e6),
        ("kops/s, all threads together", 1e3),
        ("million ops/s aggregate (derived)", 1e6),
        ("lookups per millisecond", 1e3),
        ("loops per minute", 1 / 60),
        ("lock operations per 30 s run", 1 / 30),
        ("throughput: execs/s (derived); index: UnixBench index", 1.0),
        ("page-fault ops/s, total of will-it-scale", 1.0),
    ],
)
def test_units_of_rates(unit, factor):
    assert rates.factor(unit) == factor


@pytest.mark.parametrize(
    "unit",
    [
        "1e7 ops per run",
        "million critical sections per second per lock",
        "ops/s, as printed; per thread by INFERENCE",
        "kops/s UNCERTAIN",
        "application throughput units",
        "",
    ],
)
def test_units_that_are_no_rate_of_the_whole_machine(unit):
    assert rates.factor(unit) is None
