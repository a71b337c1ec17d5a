"""Tests of lockmodel.errors: exit codes, "did you mean", and the check for numbers >= 0."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import REPEATABLE

from lockmodel.errors import (
    ArgumentError,
    FileError,
    GateFailedError,
    LockmodelError,
    NotTrustworthyError,
    ScenarioError,
    nearest,
    not_negative,
    one_of,
)


@pytest.mark.parametrize(
    ("error", "code"),  # 1 not trustworthy, 2 bad input file, 3 bad arguments, 4 files, 5 gate
    [
        (NotTrustworthyError, 1),
        (ScenarioError, 2),
        (ArgumentError, 3),
        (FileError, 4),
        (GateFailedError, 5),
    ],
)
def test_every_error_has_its_exit_code(error: type[LockmodelError], code: int) -> None:
    assert error("text").exit_code == code
    assert issubclass(error, LockmodelError)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [(ScenarioError, ValueError), (ArgumentError, ValueError), (FileError, OSError)],
)
def test_errors_are_also_the_builtin_that_fits(
    error: type[LockmodelError], builtin: type[Exception]
) -> None:
    assert issubclass(error, builtin)


def test_nearest_suggests_the_closest_word_only() -> None:
    known = ["acquires", "held_instructions", "phase"]
    assert nearest("aquires", known) == "did you mean 'acquires'?"


def test_nearest_lists_all_words_in_order_when_none_is_close() -> None:
    assert nearest("zzz", ["fill", "spread"]) == "known: fill, spread"


def test_nearest_says_so_when_nothing_is_known() -> None:
    assert nearest("libc", []) == "nothing is known here"


def test_nearest_needs_half_of_the_letters() -> None:
    # similarity = 2 * common letters / all letters: "ab" and "bxyz" share 1 of 6 -> 0.33 < 0.5
    assert nearest("ab", ["bxyz"]) == "known: bxyz"
    # "abc" and "abd" share 2 of 3 letters each: 4 / 6 = 0.67
    assert nearest("abc", ["abd"]) == "did you mean 'abd'?"


@REPEATABLE
@given(st.lists(st.text("abcdef", min_size=2, max_size=8), min_size=1, unique=True), st.data())
def test_nearest_of_a_known_word_is_itself(known: list[str], data: st.DataObject) -> None:
    word = data.draw(st.sampled_from(known))
    assert nearest(word, known) == f"did you mean {word!r}?"


@REPEATABLE
@given(st.floats(min_value=0.0, allow_infinity=False))
def test_not_negative_accepts_every_finite_number_from_zero(value: float) -> None:
    assert not_negative("owner", first=0, second=value) is None


@pytest.mark.parametrize("value", [-1.0, -5e-324, math.nan, math.inf, -math.inf, -3])
def test_not_negative_names_owner_key_value_rule_and_remedy(value: float) -> None:
    with pytest.raises(ScenarioError) as caught:
        not_negative("lock 'libc'", fine=1.0, acquire_time=value, other=2.0)
    assert str(caught.value) == (
        f"lock 'libc': acquire_time = {value} must be a finite number >= 0; "
        f"give 0 if it does not matter"
    )


def test_not_negative_reports_the_first_bad_value() -> None:
    with pytest.raises(ScenarioError, match="first = -1"):
        not_negative("owner", first=-1, second=-2)


def test_one_of_names_owner_key_value_and_what_is_known() -> None:
    assert one_of("machine", ("fill", "spread"), placement="spread") is None
    with pytest.raises(ScenarioError) as caught:
        one_of("machine", ("fill", "spread"), placement="fil")
    assert str(caught.value) == "machine: placement = 'fil' must be one of fill, spread"
