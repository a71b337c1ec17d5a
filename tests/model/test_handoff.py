"""Tests of model.handoff: c(w) of every family by hand, its limits, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import REPEATABLE, handoffs

from lockmodel.errors import ScenarioError
from lockmodel.model.handoff import (
    HANDOFF_FAMILIES,
    ConstantHandOff,
    HandOff,
    LinearHandOff,
    NoHandOff,
    SaturatingHandOff,
    TopologyHandOff,
)

WAITERS = np.array([0.0, 1.0, 2.0, 3.0, 11.0])


@pytest.mark.parametrize(
    ("handoff", "expected"),  # in ns, with 0, 1, 2, 3 and 11 waiters
    [
        (NoHandOff(), [0, 0, 0, 0, 0]),
        (ConstantHandOff(time=300e-9), [0, 300, 300, 300, 300]),
        # 300 + 20 (w - 1)
        (LinearHandOff(time=300e-9, per_waiter=20e-9), [0, 300, 320, 340, 500]),
        # 300 + 200 v / (v + 2), v = w - 1: 0, 1/3, 1/2 and 10/12 of the growth
        (
            SaturatingHandOff(time=300e-9, limit=500e-9, half_waiters=2.0),
            [0, 300, 300 + 200 / 3, 400, 300 + 200 * 10 / 12],
        ),
        # 100 + 300 * P(remote), P = 1/4
        (TopologyHandOff(local=100e-9, remote=400e-9), [0, 175, 175, 175, 175]),
    ],
)
def test_cost_by_hand(handoff: HandOff, expected: list[float]) -> None:
    assert handoff.cost(WAITERS, 0.25) * 1e9 == pytest.approx(np.array(expected), rel=1e-14)


@pytest.mark.parametrize(("remote", "expected"), [(0.0, 100e-9), (0.5, 250e-9), (1.0, 400e-9)])
def test_topology_goes_from_local_to_remote(remote: float, expected: float) -> None:
    handoff = TopologyHandOff(local=100e-9, remote=400e-9)
    assert handoff.cost(np.array([5.0]), remote)[0] == pytest.approx(expected, rel=1e-14, abs=0)


def test_saturating_is_half_grown_at_half_waiters_and_nears_its_limit() -> None:
    handoff = SaturatingHandOff(time=300e-9, limit=500e-9, half_waiters=64.0)
    cost = handoff.cost(np.array([65.0, 1e12]), 0.0)
    assert cost[0] == pytest.approx(400e-9, rel=1e-14, abs=0)
    assert cost[1] == pytest.approx(500e-9, rel=1e-9, abs=0)


@REPEATABLE
@given(handoffs(), st.floats(0.0, 1.0))
def test_nobody_waiting_costs_nothing_and_more_waiters_never_less(
    handoff: HandOff, remote: float
) -> None:
    cost = handoff.cost(np.arange(200.0), remote)
    assert cost.shape == (200,)
    assert cost[0] == 0.0
    assert (np.diff(cost) >= -1e-22).all()


@REPEATABLE
@given(handoffs(families=("none", "constant", "linear", "saturating")), st.floats(0.0, 1.0))
def test_only_topology_looks_at_the_distance(handoff: HandOff, remote: float) -> None:
    waiters = np.arange(10.0)
    assert (handoff.cost(waiters, remote) == handoff.cost(waiters, 0.0)).all()


GOOD: dict[str, dict[str, float]] = {
    "constant": {"time": 3e-7},
    "linear": {"time": 3e-7, "per_waiter": 1e-8},
    "saturating": {"time": 3e-7, "limit": 5e-7, "half_waiters": 8.0},
    "topology": {"local": 1e-7, "remote": 4e-7},
}
TIMES = [(family, key) for family in GOOD for key in GOOD[family] if key != "half_waiters"]


@pytest.mark.parametrize(("family", "key"), TIMES)
@pytest.mark.parametrize("value", [-1e-9, math.nan, math.inf])
def test_a_time_must_be_finite_and_not_negative(family: str, key: str, value: float) -> None:
    options: dict[str, Any] = {**GOOD[family], key: value}
    words = f"^handoff {family}: {key} = {value} must be a finite number >= 0"
    with pytest.raises(ScenarioError, match=words):
        HANDOFF_FAMILIES[family](**options)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_half_waiters_must_be_finite_and_positive(value: float) -> None:
    with pytest.raises(ScenarioError, match=rf"half_waiters = {value} must .* family = 'constant'"):
        SaturatingHandOff(time=3e-7, limit=5e-7, half_waiters=value)


def test_a_limit_below_the_first_waiter_is_refused() -> None:
    with pytest.raises(ScenarioError, match=r"limit = 2e-07 s is below time = 3e-07 s.*give limit"):
        SaturatingHandOff(time=3e-7, limit=2e-7, half_waiters=8.0)


def test_remote_below_local_is_refused() -> None:
    with pytest.raises(ScenarioError, match=r"remote = 1e-07 s is below local = 2e-07 s.*give rem"):
        TopologyHandOff(local=2e-7, remote=1e-7)


def test_the_families_are_known_by_the_tag_they_are_saved_with() -> None:
    tags = {name: family.__struct_config__.tag for name, family in HANDOFF_FAMILIES.items()}
    assert tags == {name: name for name in HANDOFF_FAMILIES}
    assert LinearHandOff(time=1e-7, per_waiter=0.0).family == "linear"
    assert list(HANDOFF_FAMILIES) == ["none", "constant", "linear", "saturating", "topology"]
