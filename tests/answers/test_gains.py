"""In how many draws a lever is the best, and what choosing it loses: by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from fits import usual
from places import timed

from lockmodel.answers.gains import Choice, choices
from lockmodel.answers.ranking import rank


def test_best_and_regret_by_hand() -> None:
    """Draws 2 against 1, 3 against 4, 1 against 2."""
    one, other = choices([np.array([2.0, 3.0, 1.0]), np.array([1.0, 4.0, 2.0])])
    assert (one.best_in, other.best_in) == pytest.approx((1 / 3, 2 / 3))
    assert one.regret == pytest.approx((0 + 1 / 4 + 1 / 2) / 3)
    assert other.regret == pytest.approx((1 / 2 + 0 + 0) / 3)


def test_of_equal_levers_the_first_counts_and_none_regrets() -> None:
    same = np.array([1.5, 2.0])
    one, other = choices([same, same * (1 + 1e-9)])
    assert (one.best_in, other) == (1.0, Choice(0.0, 0.0))
    assert one.regret == pytest.approx(0.0, abs=2e-9)


def test_draws_without_throughput_are_left_out() -> None:
    one, other = choices([np.array([np.nan, 2.0]), np.array([np.nan, 1.0])])
    assert (one.best_in, other.best_in, other.regret) == (1.0, 0.0, 0.5)
    assert choices([]) == []
    assert choices([np.array([np.nan])]) == []


def test_a_ranking_of_a_fit_has_both_and_json_too() -> None:
    ranking = rank(usual(timed("execl-xeon8369b")), 64)
    built = [row for row in ranking.levers if not row.limit]
    shares = [row.best_in for row in built if row.best_in is not None]
    assert len(shares) == len(built)
    assert sum(shares) == pytest.approx(1.0)
    assert built[0].best_in == max(shares)
    regrets = [row.regret for row in built]
    assert regrets[0] == min(regrets)
    assert all(row.best_in is None for row in ranking.levers if row.limit)
    plain = json.loads(json.dumps(ranking.to_json()))
    assert plain["levers"][0].keys() >= {"best_in", "regret"} or plain["levers"][0]["limit"]


def test_without_a_fit_there_is_neither() -> None:
    levers = rank(timed("execl-xeon8369b"), 64).to_json()["levers"]
    assert not any("best_in" in row or "regret" in row for row in levers)
