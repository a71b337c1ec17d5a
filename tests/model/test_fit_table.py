"""The [fit] table: load and save are the identity, bad tables are refused with their remedy."""

from __future__ import annotations

import re

import pytest
from fits import fitted
from hypothesis import given
from hypothesis import strategies as st
from places import timed

from lockmodel.errors import ScenarioError
from lockmodel.model.fit_table import MOST_PARAMETERS, Fit, FittedParameter
from lockmodel.model.toml import dumps, loads

SHIPPED = timed("execl-xeon8369b")
FITTED = fitted(
    SHIPPED,
    {"think": 0.02, "all.handoff": 0.3},
    correlation=-0.5,
    undetermined=("all.handoff",),
    degrees=6.0,
    noise=0.015,
    model_error=0.03,
    flags=("AT LIMIT: all.handoff", "POOR FIT"),
)


def one(**changes):
    """Return a sound parameter with some fields changed."""
    sound = {
        "name": "think",
        "unit": "s",
        "value": 1e-4,
        "low": 9e-5,
        "high": 1.1e-4,
        "determined": True,
        "covariance": (0.01,),
    }
    return FittedParameter(**{**sound, **changes})


def test_load_after_save_is_the_identity():
    text = dumps(FITTED)
    assert loads(text) == FITTED
    assert dumps(loads(text)) == text
    assert "[fit]" in text


def test_defaults_are_left_out():
    text = dumps(fitted(SHIPPED, {"think": 0.02}, data=()))
    table = text.partition("[fit]")[2]
    for key in ("level", "degrees", "noise", "model_error", "flags", "data"):
        assert f"{key} =" not in table
    assert loads(text).fit.level == 0.9


@given(
    st.lists(st.floats(1e-9, 10.0), min_size=1, max_size=3, unique=True),
    st.floats(-0.4, 1.0),
    st.floats(0.5, 0.999),
)
def test_any_sound_fit_survives_saving(deviations, correlation, level):
    names = ("think", "all.handoff", "libc.so.6.acquires")
    made = fitted(
        SHIPPED, dict(zip(names, deviations, strict=False)), max(correlation, -0.4), level=level
    )
    assert loads(dumps(made)) == made


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unit": "ns"}, "fit parameter 'think': unit = 'ns' must be one of s, 1"),
        ({"low": 2e-4}, "low = 0.0002, value = 0.0001, high = 0.00011 must not decrease"),
        ({"high": 5e-5}, "low = 9e-05, value = 0.0001, high = 5e-05 must not decrease"),
        ({"value": 0.0, "low": 0.0}, "value = 0.0 must be a finite number > 0"),
        ({"low": -1.0}, "low = -1.0 must be a finite number >= 0"),
        ({"high": float("inf")}, "high = inf must be a finite number >= 0"),
    ],
)
def test_a_parameter_that_is_none_is_refused(changes, message):
    with pytest.raises(ScenarioError, match=re.escape(message)):
        one(**changes)


A = one(name="a", covariance=(0.04, 0.01))
B = one(name="b", covariance=(0.01, 0.09))


@pytest.mark.parametrize(
    ("parameters", "rest", "message"),
    [
        ((A, one(name="b", covariance=(0.02, 0.09))), {}, "covariance of 'b' and 'a' is not that"),
        ((one(name="a", covariance=(0.04, 0.07)), one(name="b", covariance=(0.07, 0.09))), {}, "sta"
         "ndard deviations"),
        ((one(covariance=(-0.04,)),), {}, "covariance of 'think' and 'think' is not that of two"),
        ((one(covariance=(float("nan"),)),), {}, "covariance of 'think' and 'think' is not that"),
        ((A, one(name="b", covariance=(0.01,))), {}, "'b': covariance has 1 numbers, not 2: one"),
        ((A, one(name="a", covariance=(0.01, 0.09))), {}, "a parameter is given twice; keep one"),
        ((A, B), {"level": 1.0}, "fit: level = 1.0 must lie between 0.5 and 1, e.g. 0.9"),
        ((A, B), {"level": 0.05}, "fit: level = 0.05 must lie between 0.5 and 1"),
        ((A, B), {"level": float("nan")}, "fit: level = nan must lie between 0.5 and 1"),
        ((A, B), {"noise": -0.1}, "fit: noise = -0.1 must be a finite number >= 0"),
        ((A, B), {"model_error": float("inf")}, "fit: model_error = inf must be a finite number"),
        ((A, B), {"degrees": -1.0}, "fit: degrees = -1.0 must be a finite number >= 0"),
        ((A,) * (MOST_PARAMETERS + 1), {}, "fit: 65 parameters exceed 64"),
    ],
)  # fmt: skip
def test_a_fit_that_is_none_is_refused(parameters, rest, message):
    with pytest.raises(ScenarioError, match=re.escape(message)):
        Fit(version="0.1.0", parameters=parameters, **rest)


def test_a_covariance_that_is_not_positive_definite_is_accepted():
    """Each pair may be sound and the whole not: rounding, or a hand that edited the file."""
    rows = ((1.0, 0.9, -0.9), (0.9, 1.0, 0.9), (-0.9, 0.9, 1.0))
    named = tuple(one(name=n, covariance=row) for n, row in zip("abc", rows, strict=True))
    assert len(Fit(version="0.1.0", parameters=named).parameters) == 3


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('unit = "s"', 'unit = "ns"', ["fit.parameters[0]", "unit = 'ns'", "s, 1"]),
        ("level = 0.8", "level = 80", ["fit: level = 80", "e.g. 0.9"]),
        ("determined = true", "determined = 1", ["fit.parameters[0].determined", "true or false"]),
        ("degrees = 6", "dof = 6", ["fit.dof", "unknown key"]),
        ('"POOR FIT"', "3", ["fit.flags[1]", "text"]),
        ("observations = 8", "observations = 8.5", ["fit.data[0].observations", "whole number"]),
    ],
)
def test_a_bad_table_names_file_key_and_remedy(old, new, words):
    text = dumps(
        fitted(SHIPPED, {"think": 0.02}, level=0.8, degrees=6.0, flags=("AT LIMIT", "POOR FIT"))
    )
    assert old in text
    with pytest.raises(ScenarioError) as error:
        loads(text.replace(old, new), "my.toml")
    for word in ["my.toml", *words]:
        assert word in str(error.value)
