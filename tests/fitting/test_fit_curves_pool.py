"""The pool: its distribution, edges, direction, drawn curves, and its constants."""

from __future__ import annotations

import math

import numpy as np
import pytest
from msgspec.structs import replace
from scipy.stats import laplace

from lockmodel.errors import ArgumentError
from lockmodel.fitting.curves.curve import Curve
from lockmodel.fitting.curves.edges import ahead, edges_of
from lockmodel.fitting.curves.next_point import next_point
from lockmodel.fitting.curves.outline import PREDICTORS, Outline
from lockmodel.fitting.curves.pool import ALL, Errors, constants_by_host, mixture, pool
from lockmodel.model.machine import Machine
from lockmodel.model.machines import parse

NS = np.array([1, 2, 4, 8, 16, 20])


def curve(x: np.ndarray, machine: str | None = None, cpus: int | None = None) -> Curve:
    return Curve(NS, x, machine=machine and parse(machine), cpus=cpus)


FALLING = np.array([10.0, 19.0, 34.0, 30.0, 30.0 * 0.5**0.8, 30.0 * 0.4**0.8])
FLAT = np.array([10.0, 20.0, 30.0, 31.0, 31.0, 31.0])


def test_equal_sides_are_the_laplace_distribution() -> None:
    made = Errors(np.ones((1, 1)), np.full((1, 1), 2.0), np.full((1, 1), 0.3), np.full((1, 1), 0.3))
    for y in (1.0, 2.0, 2.7):
        assert made.share(np.array([y]))[0] == pytest.approx(laplace.cdf(y, 2.0, 0.3), rel=1e-9)
        assert math.exp(made.log_density(np.array([y]))[0]) == pytest.approx(
            laplace.pdf(y, 2.0, 0.3), rel=1e-6
        )
    assert made.quantile(0.95)[0] == pytest.approx(laplace.ppf(0.95, 2.0, 0.3), rel=1e-9)


def test_unequal_sides_share_the_probability_as_their_sizes() -> None:
    one = np.ones((1, 1))
    made = Errors(one, 0.0 * one, 0.6 * one, 0.2 * one)
    assert made.share(np.zeros(1))[0] == pytest.approx(0.75)
    assert made.share(np.array([-0.6]))[0] == pytest.approx(0.75 / math.e)


def test_edges_are_where_sockets_and_cores_are_full() -> None:
    edges = edges_of(parse("2x20x2"), 80)
    assert [(edge.after, edge.name) for edge in edges or ()] == [
        (20, "socket"), (40, "threads"), (80, "cpus"),
    ]  # fmt: skip
    assert [edge.after for edge in ahead(edges, 20, 80)] == [20, 40]
    assert [edge.after for edge in edges_of(None, 28) or ()] == [14, 28]
    assert edges_of(None, None) is None


def test_nodes_and_the_first_cache_are_edges_and_spread_machines_have_none_of_them() -> None:
    nodes = Machine(name="m", cpus=96, cores=48, sockets=2, nodes=4, caches=8)
    assert [(edge.after, edge.name) for edge in edges_of(nodes, 96) or ()] == [
        (6, "cache"), (12, "node"), (24, "socket"), (36, "node"), (48, "threads"), (96, "cpus"),
    ]  # fmt: skip
    spread = replace(nodes, placement="spread")
    assert [edge.after for edge in edges_of(spread, 96) or ()] == [48, 96]


def test_a_break_has_the_probability_of_the_hazards_crossed() -> None:
    constants = constants_by_host()[ALL]
    crossed = Outline(curve(FLAT, "4x20x1")).crossed(np.array([21, 40, 41, 80]))
    assert crossed[:, 0].tolist() == [1, 1, 2, 3]
    one = np.ones(4)
    made = mixture(constants, np.zeros((4, len(PREDICTORS))), 0 * one, 0 * one, one, crossed)
    expected = [1 - math.exp(-k * constants["socket"]) for k in (1, 1, 2, 3)]
    assert made.weights[:, -1] == pytest.approx(expected)
    assert made.weights.sum(axis=1) == pytest.approx(1.0)


def test_an_edge_ahead_lowers_the_band_and_not_the_upper_end() -> None:
    ahead_of = pool(curve(FLAT, "2x20x1")).predict([40])
    behind = pool(curve(FLAT, "1x40x1")).predict([40])
    assert ahead_of[1][0] < 0.8 * behind[1][0]
    assert ahead_of[2][0] == pytest.approx(behind[2][0], rel=0.05)


def test_a_curve_that_falls_is_said_to_fall_and_a_straight_one_to_rise() -> None:
    falls = pool(curve(FALLING, "1x64x1")).direction(40)
    assert falls["falls"] > 0.7
    rises = pool(curve(10.0 * NS, "1x64x1")).direction(40)
    assert rises["rises"] > 0.7
    assert sum(falls.values()) == pytest.approx(1.0)
    with pytest.raises(ArgumentError, match="must lie beyond the last one measured, 20"):
        pool(curve(FLAT)).direction(20)


def test_no_predictor_rises_beyond_the_cpus() -> None:
    straight = Outline(curve(10.0 * NS, cpus=32)).centres(np.array([32, 64, 128]))
    assert (straight[1:] <= straight[0] + 1e-12).all()
    free = Outline(curve(10.0 * NS)).centres(np.array([32, 64]))
    at = list(PREDICTORS).index("trend")
    assert free[1, at] - free[0, at] == pytest.approx(math.log(2))


def test_one_odd_point_does_not_turn_the_trend() -> None:
    n = np.arange(10, 21)
    y = -0.8 * np.log(n / 20.0)
    y[5] += 0.5
    assert Outline(Curve(n, np.exp(y))).slope == pytest.approx(-0.8, abs=0.05)


def test_drawn_curves_have_the_distribution_that_is_predicted() -> None:
    made = pool(curve(FLAT, "2x20x1"))
    n = np.array([30, 60])
    drawn = np.exp(made.draws(n, 20_000, 1))
    for share in (0.1, 0.5, 0.9):
        expected = np.exp(made.errors(n).quantile(share))
        assert np.quantile(drawn, share, axis=0) == pytest.approx(expected, rel=0.02)


def test_the_unit_of_throughput_does_not_matter() -> None:
    one, other = pool(curve(FALLING)).predict([40]), pool(curve(1e6 * FALLING)).predict([40])
    for a, b in zip(one, other, strict=True):
        assert 1e6 * a == pytest.approx(b, rel=1e-6)


def test_constants_are_shares_and_errors_are_larger_below() -> None:
    rows = constants_by_host()
    assert len(rows) >= 20
    for constants in rows.values():
        assert sum(constants[name] for name in PREDICTORS) == pytest.approx(1.0, abs=2e-3)
        assert constants["below"] > 1.3 * constants["above"]


def test_a_point_beyond_the_edge_is_worth_more_than_one_before_it() -> None:
    made = next_point(pool(curve(FLAT, "2x24x1")), 48, 0.9)
    assert made is not None
    assert (made.at, made.target) == (30, 48)  # a quarter beyond 24
    now, then = (math.log(ends[1] / ends[0]) for ends in (made.now, made.then))
    assert then < 0.7 * now
    # without the edge the same measurement, half way to the same target, leaves less to cut
    plain = next_point(pool(curve(FLAT, "1x48x1")), 48, 0.9)
    assert plain is not None
    assert plain.at == round(math.sqrt(20 * 48))
    assert math.log(plain.now[1] / plain.now[0]) - math.log(plain.then[1] / plain.then[0]) < (
        now - then
    )


def test_nothing_lies_between_neighbours() -> None:
    assert next_point(pool(curve(FLAT, "1x48x1")), 21, 0.9) is None


def test_what_a_measurement_tells_does_not_depend_on_the_unit() -> None:
    one, other = (next_point(pool(curve(k * FLAT, "2x24x1")), 48, 0.9) for k in (1.0, 1e6))
    assert one is not None
    assert other is not None
    assert tuple(1e6 * end for end in one.then) == pytest.approx(other.then, rel=1e-6)
