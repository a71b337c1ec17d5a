"""Least-squares fits of single families, and the tests of a fit."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lockmodel.errors import ArgumentError
from lockmodel.fitting.curves.curve import Curve
from lockmodel.fitting.curves.families import BY_NAME, shape, shapes
from lockmodel.fitting.curves.fitting import extrapolation, fit, halves, leave_one_out, search
from lockmodel.model.machine import Machine

NS = np.array([1, 2, 4, 8, 12, 16, 24, 32, 48, 64])
MACHINE = Machine(name="m", cpus=64, cores=32, sockets=2, nodes=2)


def exact(name: str, level: float, *values: float) -> Curve:
    made, _ = shape(BY_NAME[name], np.log(values), NS, MACHINE)
    return Curve(NS, np.exp(level + made), machine=MACHINE)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("amdahl", (0.03,)),
        ("usl", (0.02, 0.0007)),
        ("none", (11.0,)),
        ("constant", (20.0, 0.8)),
        ("linear", (15.0, 0.5, 0.04)),
        ("saturating", (12.0, 0.3, 2.0, 6.0)),
        ("topology", (12.0, 0.9, 1.5)),
    ],
)
def test_exact_data_give_their_parameters_back(name: str, values: tuple[float, ...]) -> None:
    curve = exact(name, 3.0, *values)
    law = fit(BY_NAME[name], curve)
    assert law.rms < 2e-5
    assert np.exp(law.theta[1:]) == pytest.approx(values, rel=0.02)
    assert "NOT CONVERGED" not in law.flags
    assert law.log_predict(np.array([100]), curve)[0] == pytest.approx(
        3.0 + shape(BY_NAME[name], np.log(values), np.array([100]), MACHINE)[0][0], abs=1e-3
    )


@pytest.mark.parametrize("name", ["usl", "constant", "linear", "saturating", "topology"])
def test_a_search_finds_what_no_point_of_a_grid_beats(name: str) -> None:
    """Noisy data of another law; every parameter at 9 values over its range, the level its best."""
    noise = np.random.default_rng(4).normal(0.0, 0.05, len(NS))
    law = exact("usl", 3.0, 0.03, 0.0006)
    curve = Curve(NS, law.x * np.exp(noise), machine=MACHINE)
    family = BY_NAME[name]
    ranges = [np.linspace(math.log(p.low), math.log(p.high), 9) for p in family.parameters]
    grid = np.stack(np.meshgrid(*ranges), axis=-1).reshape(-1, len(ranges))
    off = np.log(curve.x) - shapes(family, grid, NS, MACHINE)
    least = float(off.var(axis=1).min()) * len(NS)
    assert search(family, curve).cost <= least * (1 + 1e-6)


def test_parameters_are_times_in_the_unit_of_the_throughput() -> None:
    # hold 2 us, think 30 us, hand-off 1 us
    made = fit(BY_NAME["constant"], exact("constant", -math.log(2e-6), 15.0, 0.5)).parameters
    assert made == pytest.approx({"hold": 2e-6, "think": 30e-6, "handoff": 1e-6}, rel=1e-3)


def test_last_is_the_last_value() -> None:
    curve = exact("none", 0.0, 11.0)
    law = fit(BY_NAME["last"], curve)
    assert math.exp(law.theta[0]) == pytest.approx(curve.x[-1])
    assert law.flags == ()


def test_aicc_is_the_formula() -> None:
    rng = np.random.default_rng(5)
    curve = Curve(NS, exact("amdahl", 0.0, 0.05).x * np.exp(0.05 * rng.normal(size=len(NS))))
    law = fit(BY_NAME["amdahl"], curve)
    squares = float(((law.log_predict(NS, curve) - np.log(curve.x)) ** 2).sum())
    # rate, serial share and the size of the errors: 3 parameters, 10 points
    assert law.aicc == pytest.approx(10 * math.log(squares / 10) + 6 + 24 / 6)
    assert fit(BY_NAME["usl"], curve.part(np.arange(5))).aicc is None


def test_a_parameter_without_effect_is_flagged() -> None:
    rng = np.random.default_rng(1)
    flat = Curve(NS, 100.0 * np.exp(0.02 * rng.normal(size=len(NS))))
    flags = fit(BY_NAME["saturating"], flat).flags
    assert any(flag.startswith(("UNDETERMINED", "AT LIMIT")) for flag in flags)
    linear = Curve(NS, 7.0 * NS)
    assert fit(BY_NAME["amdahl"], linear).flags == ("AT LIMIT: serial_share",)


def test_fewer_points_than_parameters_are_refused() -> None:
    with pytest.raises(ArgumentError, match="3 points cannot fit the 5 parameters of saturating"):
        fit(BY_NAME["saturating"], exact("none", 0.0, 5.0).part(np.arange(3)))


def test_leave_one_out_and_extrapolation_vanish_for_exact_data() -> None:
    curve = exact("constant", 1.0, 20.0, 0.8)
    law = fit(BY_NAME["constant"], curve)
    assert leave_one_out(law, curve) == pytest.approx(0.0, abs=1e-3)
    assert extrapolation(BY_NAME["constant"], curve) == pytest.approx(0.0, abs=1e-3)


def test_extrapolation_is_scored_on_the_upper_half_only() -> None:
    curve = exact("none", 0.0, 11.0)
    split = halves(curve)
    assert split is not None
    near, far = split
    assert near.n.tolist() == [1, 2, 4, 8, 12, 16, 24, 32]
    assert NS[far].tolist() == [48, 64]
    expected = np.abs(np.log(near.x[-1] / curve.x[far])).mean()
    assert extrapolation(BY_NAME["last"], curve) == pytest.approx(expected, rel=1e-9)
    assert halves(curve.part(np.array([0, 1, 2, 9]))) is None


def test_leave_one_out_of_the_last_value_is_by_hand() -> None:
    curve = Curve(np.array([1, 2, 4, 8]), np.array([1.0, 2.0, 4.0, 4.0]))
    law = fit(BY_NAME["last"], curve)
    # each of the first three from the last (4), the last from the third (4)
    assert leave_one_out(law, curve) == pytest.approx((math.log(4) + math.log(2)) / 4)
