"""Log scores, spreads and differences against numbers worked out by hand or taken from tables."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lockmodel.evaluate.backtest import beside
from lockmodel.evaluate.backtest.case import Entry, Patch
from lockmodel.evaluate.backtest.columns import MEAN, NOTHING, PROXIES
from lockmodel.evaluate.backtest.evidence import Published
from lockmodel.evaluate.backtest.scores import (
    Mixture,
    Spread,
    around,
    difference,
    log_score,
    mean_of,
)

ONE = Mixture(np.array([0.2]), np.ones(1), 0.1)
"""A single draw: normal around ln(1 + gain) = 0.2."""


def number(y: float) -> Published:
    return Published(math.expm1(y), math.expm1(y), 0.0)


def test_a_number_scores_the_normal_density() -> None:
    """Two standard deviations off: ln(1 / (0.1 sqrt(2 pi))) - 2 = 1.3836 - 2."""
    assert log_score(ONE, number(0.2)) == pytest.approx(1.38365, abs=1e-4)
    assert log_score(ONE, number(0.4)) == pytest.approx(1.38365 - 2.0, abs=1e-4)


def test_a_range_scores_its_probability_over_its_width() -> None:
    """One standard deviation to either side holds 0.682689 and is 0.2 wide."""
    inside = Published(math.expm1(0.1), math.expm1(0.3), 0.0)
    assert log_score(ONE, inside) == pytest.approx(math.log(0.6826895 / 0.2), abs=1e-6)
    far = Published(math.expm1(0.5), math.expm1(0.6), 0.0)  # 3 to 4 above: 0.00134990 - 0.00003167
    assert log_score(ONE, far) == pytest.approx(math.log(0.00131823 / 0.1), abs=1e-4)
    near = Published(math.expm1(-0.2), math.expm1(-0.1), 0.0)  # the same below
    assert log_score(ONE, near) == pytest.approx(log_score(ONE, far), abs=1e-9)


def test_a_range_becomes_the_density_as_it_narrows() -> None:
    for width in (1e-3, 1e-5, 1e-7):
        narrow = Published(math.expm1(0.3 - width / 2), math.expm1(0.3 + width / 2), 0.0)
        assert log_score(ONE, narrow) == pytest.approx(log_score(ONE, number(0.3)), abs=1e-4)


def test_bounds_score_the_probability_beyond_them_on_both_sides() -> None:
    """Above one standard deviation: 0.158655; below it the rest."""
    bound = math.expm1(0.3)
    assert log_score(ONE, Published(bound, None, 0.0)) == pytest.approx(math.log(0.1586553))
    assert log_score(ONE, Published(None, bound, 0.0)) == pytest.approx(math.log(0.8413447))
    assert log_score(ONE, Published(None, None, 0.0)) == 0.0
    t = Spread(0.2, 0.1, 3.0)
    up, down = (
        log_score(t, Published(*ends, 0.0)) for ends in ((bound, None), (None, math.expm1(0.1)))
    )
    assert up == pytest.approx(down)
    assert math.exp(up) + t.below(0.3) == pytest.approx(1.0)


def test_draws_are_averaged_with_their_weights() -> None:
    """Three quarters at 0, one quarter at 1, both with sd 0.1: at 0 the far one adds nothing."""
    two = Mixture(np.array([0.0, 1.0]), np.array([3.0, 1.0]), 0.1)
    assert two.density(0.0) == pytest.approx(0.75 * 3.989423, rel=1e-6)
    assert two.below(0.5) == pytest.approx(0.75, abs=1e-6)
    assert two.above(0.5) == pytest.approx(0.25, abs=1e-6)
    turned = Mixture(np.array([1.0, 0.0]), np.array([1.0, 3.0]), 0.1)
    assert turned.density(0.03) == pytest.approx(two.density(0.03))


def test_ends_of_draws_are_where_the_probability_says() -> None:
    """One draw: 1.2816 sd to either side; two far apart: 0.1 of all is 0.4 of the upper quarter."""
    assert ONE.ends(0.8) == pytest.approx((0.2 - 0.128155, 0.2 + 0.128155), abs=1e-6)
    two = Mixture(np.array([0.0, 5.0]), np.array([3.0, 1.0]), 0.1)
    assert two.ends(0.8)[1] == pytest.approx(5.0 + 0.1 * 0.253347, abs=1e-6)


def test_student_against_tables() -> None:
    """t = 1.638 leaves 0.1 above at 3 degrees, 1.533 at 4; one degree is Cauchy's."""
    assert Spread(0.0, 1.0, 3.0).above(1.638) == pytest.approx(0.1, abs=1e-4)
    low, high = Spread(0.5, 0.2, 4.0).ends(0.8)
    assert (low, high) == pytest.approx((0.5 - 0.2 * 1.533, 0.5 + 0.2 * 1.533), abs=1e-4)
    assert Spread(0.0, 2.0, 1.0).density(2.0) == pytest.approx(1.0 / (math.pi * 2.0 * 2.0))


def test_worse_predictions_score_less_and_no_score_is_infinite() -> None:
    for predicted in (ONE, Spread(0.2, 0.1, 3.0)):
        scores = [log_score(predicted, number(y)) for y in (0.2, 0.25, 0.35, 0.6, 1.5)]
        assert scores == sorted(scores, reverse=True)
    hopeless = [number(30.0), Published(1e12, None, 0.0), Published(1e12, 2e12, 0.0)]
    assert all(math.isfinite(log_score(ONE, each)) for each in hopeless)


def test_a_spread_is_the_root_of_the_mean_square_of_the_others() -> None:
    """Residuals 0.3, -0.4 and 0: mean square 0.25 / 3; three degrees. Never below the noise."""
    spread = around(0.1, [0.3, -0.4, 0.0], 0.02)
    assert (spread.point, spread.degrees) == (0.1, 3.0)
    assert spread.scale == pytest.approx(math.sqrt(0.25 / 3.0))
    assert around(0.1, [0.001, 0.0], 0.02).scale == 0.02


def test_the_mean_of_gains_predicts_one_more() -> None:
    """0, 0.1 and 0.5: mean 0.2, sd sqrt(0.07); one more is sqrt(4/3) as uncertain."""
    spread = mean_of([0.0, 0.1, 0.5], 0.02)
    assert spread.point == pytest.approx(0.2)
    assert spread.scale == pytest.approx(math.sqrt(0.07 * 4.0 / 3.0))
    assert spread.degrees == 2.0


def test_differences_are_paired() -> None:
    """Differences 1, 1 and 4: mean 2, sd sqrt(3), standard error 1."""
    assert difference([1.0, 2.0, 3.0], [0.0, 1.0, -1.0]) == pytest.approx((2.0, 1.0))
    assert difference([1.0], [0.5]) == (0.5, math.inf)


# ---- columns leave the patch out

ROWS = (
    beside.Row("a", number(0.1), {"lines": 0.2, "acquires": 0.3}),
    beside.Row("b", number(0.5), {"lines": 0.4, "acquires": 0.1}),
    beside.Row("b", number(0.7), {"lines": 0.4, "acquires": 0.1}),
    beside.Row("c", number(0.3), {"lines": 0.3, "acquires": 0.3}),
    beside.Row("d", Published(4.0, None, 0.0), {"lines": 9.0, "acquires": 0.0}),
)
GAINS = {"a": 0.1, "b": 0.6, "c": 0.3}


def made(patch: str, rows: tuple[beside.Row, ...] = ROWS) -> dict[str, beside.Beside]:
    return beside.of(patch, number(0.1), {"lines": 0.2, "acquires": 0.3}, rows, GAINS)


def test_a_column_by_hand() -> None:
    """Of a: residuals of b (two rows, mean 0.2) and c (0); d is a bound. Scale 0.1414, 2 degrees.

    At 0.1 below the point t = -0.7071: density 0.35355 (1 + t^2 / 2)^-1.5 / 0.1414 = 1.7889.
    """
    lines = made("a")["lines"]
    assert lines.predicted == pytest.approx(math.expm1(0.2))
    assert lines.score == pytest.approx(math.log(1.78885), abs=1e-4)
    assert lines.interval is not None
    reach = 0.1414214 * 1.885618  # t at 0.9 and two degrees
    assert lines.interval == pytest.approx(
        (math.expm1(0.2 - reach), math.expm1(0.2 + reach)), rel=1e-5
    )
    nothing = made("a")[NOTHING]
    assert nothing.predicted == 0.0
    mean = made("a")[MEAN]
    assert mean.predicted == pytest.approx(math.expm1(0.45))


def test_its_own_result_moves_no_column_and_anothers_does() -> None:
    own = tuple(
        beside.Row(r.patch, number(3.0) if r.patch == "a" else r.published, r.points) for r in ROWS
    )
    other = tuple(
        beside.Row(r.patch, number(3.0) if r.patch == "c" else r.published, r.points) for r in ROWS
    )
    assert made("a", own) == made("a")
    assert made("a", other)["lines"].interval != made("a")["lines"].interval


def test_columns_do_not_depend_on_the_order_of_rows() -> None:
    turned = made("a", tuple(reversed(ROWS)))
    for name, one in made("a").items():
        assert turned[name].score == pytest.approx(one.score)


def entry(patch: str, scores: dict[str, float], own: float) -> Entry:
    beside_ = {name: beside.Beside(0.1, (0.0, 0.2), score) for name, score in scores.items()}
    return Entry(
        **dict.fromkeys(("lever", "why", "reading", "kind", "scenario", "parameters"), ""),
        id=patch,
        published=(0.1, 0.1),
        predicted=0.1,
        interval=(0.0, 0.2),
        verdict="inside",
        patch=patch,
        group="change",
        population=1,
        model_interval=None,
        limits=None,
        noise=0.01,
        score=own,
        columns=beside_,
    )


def test_the_best_rival_comes_first_and_by_how_much() -> None:
    names = (NOTHING, MEAN, *PROXIES)
    first = entry("a", dict.fromkeys(names, 0.0) | {"lines": 0.5}, 1.0)
    second = entry("b", dict.fromkeys(names, -1.0) | {"lines": 0.7}, 2.0)
    patches = [
        Patch(
            e.id, "change", (e.id,), "inside", e.score, {n: b.score for n, b in e.columns.items()}
        )
        for e in (first, second)
    ]
    columns = beside.compared(patches, (first, second))
    assert [c.name for c in columns[:2]] == ["lockmodel", "lines"]
    assert columns[0].score == pytest.approx(1.5)
    assert columns[1].score == pytest.approx(0.6)
    assert (columns[1].difference, columns[1].error) == pytest.approx((0.9, 0.4))
    assert (columns[2].difference, columns[2].error) == pytest.approx((2.0, 1.0))
    assert beside.compared(patches[:1], (first,)) == ()
