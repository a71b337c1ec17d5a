"""Shapes of the families: against sums in exact arithmetic, closed forms and differences."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from lockmodel.fitting.curves import families
from lockmodel.fitting.curves.families import (
    BY_NAME,
    FAMILIES,
    Family,
    candidates,
    limits,
    sample,
    shape,
    shapes,
)
from lockmodel.model.machine import Machine
from lockmodel.model.placement import distances

MACHINE = Machine(name="m", cpus=32, cores=16, sockets=2, nodes=2)
NS = np.array([1, 2, 3, 7, 12, 33, 90])


def middle(family: Family) -> np.ndarray:
    return np.array([0.4 * math.log(p.likely[0]) + 0.6 * math.log(p.likely[1])
                     for p in family.parameters])  # fmt: skip


def service(name: str, v: np.ndarray, j: int, remote: float) -> float:
    """S(j) in holds, written down again from DESIGN section 4."""
    if j == 1:
        return 1.0
    further = j - 2
    extra = {
        "none": lambda: 0.0,
        "constant": lambda: v[1],
        "linear": lambda: v[1] + v[2] * further,
        "saturating": lambda: v[1] + v[2] * further / (further + v[3]),
        "topology": lambda: v[1] * (1 + v[2] * remote),
    }[name]()
    return 1.0 + float(extra)


@pytest.mark.parametrize("name", ["none", "constant", "linear", "saturating", "topology"])
def test_lock_families_are_the_exact_product_form(name: str) -> None:
    family = BY_NAME[name]
    theta = middle(family)
    v = np.exp(theta)
    made, _ = shape(family, theta, NS, MACHINE)
    for n, value in zip(NS.tolist(), made, strict=True):
        remote = distances(MACHINE, min(int(n), MACHINE.cpus))[1]
        rates = [Fraction(service(name, v, j, remote)) for j in range(1, n + 1)]

        def constant(size: int, rates: list[Fraction] = rates, z: float = float(v[0])) -> Fraction:
            total, product = Fraction(0), Fraction(1)
            for j in range(size + 1):
                product = product if j == 0 else product * rates[j - 1]
                total += product * Fraction(z) ** (size - j) / math.factorial(size - j)
            return total

        expected = math.log(constant(n - 1) / constant(n))
        assert value == pytest.approx(expected, abs=1e-11)


def test_no_hand_off_is_the_machine_repairman() -> None:
    # Erlang loss: utilisation = 1 - B(N, Z/h)
    z, n = 7.0, 12
    terms = [z**k / math.factorial(k) for k in range(n + 1)]
    made, _ = shape(BY_NAME["none"], np.log([z]), np.array([n]))
    assert math.exp(made[0]) == pytest.approx(1.0 - terms[-1] / sum(terms), rel=1e-13)


def test_design_case_with_a_lock_that_slows_down() -> None:
    # hold 1, +0.05 per process present from the second on = hand-off 0.05 and 0.05 per waiter
    theta = np.log([10.0, 0.05, 0.05])
    made, _jacobian = shape(BY_NAME["linear"], theta, np.array([1, 13, 64, 256]))
    rates = 1.0 / (1.0 + 0.05 * np.arange(300))
    for n, value in zip([1, 13, 64, 256], made, strict=True):
        logs = np.array([
            -np.log(rates[:j]).sum() + (n - j) * math.log(10.0) - math.lgamma(n - j + 1)
            for j in range(n + 1)
        ])  # fmt: skip
        fewer = np.array([
            -np.log(rates[:j]).sum() + (n - 1 - j) * math.log(10.0) - math.lgamma(n - j)
            for j in range(n)
        ])  # fmt: skip
        expected = np.logaddexp.reduce(fewer) - np.logaddexp.reduce(logs)
        assert value == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_jacobians_agree_with_central_differences(family: Family) -> None:
    theta = middle(family)
    _, jacobian = shape(family, theta, NS, MACHINE)
    assert jacobian.shape == (len(NS), len(theta))
    step = 1e-5
    for i in range(len(theta)):
        up, down = theta.copy(), theta.copy()
        up[i] += step
        down[i] -= step
        slope = (shape(family, up, NS, MACHINE)[0] - shape(family, down, NS, MACHINE)[0]) / (
            2 * step
        )
        assert jacobian[:, i] == pytest.approx(slope, abs=2e-8)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_many_shapes_are_the_single_ones(family: Family) -> None:
    thetas = sample(family)[:5]
    many = shapes(family, thetas, NS, MACHINE)
    for row, theta in zip(many, thetas, strict=True):
        assert row == pytest.approx(shape(family, theta, NS, MACHINE)[0], abs=1e-12)


def test_large_populations_neither_overflow_nor_underflow() -> None:
    theta = np.log([2000.0, 30.0, 30.0, 50.0])
    made = shapes(BY_NAME["saturating"], theta[None], np.array([4096]))[0, 0]
    assert made == pytest.approx(-math.log(1 + 30 + 30 * 4094 / 4144), abs=0.02)
    light = shapes(BY_NAME["none"], np.log([[1e5]]), np.array([4096]))[0, 0]
    assert light == pytest.approx(math.log(4096 / 1e5), abs=0.05)


@pytest.mark.parametrize("name", ["amdahl", "none", "constant", "saturating", "topology"])
def test_limits_are_what_large_populations_approach(name: str) -> None:
    family = BY_NAME[name]
    theta = middle(family) if name != "none" else np.log([20.0])
    if name == "saturating":
        theta = np.log([5.0, 0.5, 2.0, 1.0])
    far = shapes(family, theta[None], np.array([4096]), MACHINE)
    limit = limits(family, theta[None], MACHINE)
    assert far[0, 0] == pytest.approx(limit[0], abs=0.01)


def test_hand_off_per_waiter_has_no_ceiling_from_below() -> None:
    assert limits(BY_NAME["linear"], np.zeros((2, 3))).tolist() == [-np.inf, -np.inf]


def test_the_sample_fills_the_prior_evenly() -> None:
    for family in FAMILIES[1:]:
        low = np.log([p.likely[0] for p in family.parameters])
        high = np.log([p.likely[1] for p in family.parameters])
        unit = (sample(family) - low) / (high - low)
        assert unit.shape == (1024, len(family.parameters))
        assert (unit >= 0).all()
        assert (unit <= 1).all()
        for column in unit.T:  # 16 bins: 64 each
            counts = np.histogram(column, 16, (0, 1))[0]
            assert counts.min() >= 52
            assert counts.max() <= 76
        correlation = np.corrcoef(unit.T) if unit.shape[1] > 1 else np.eye(1)
        assert np.abs(correlation - np.eye(len(correlation))).max() < 0.1


def test_topology_competes_only_where_sockets_are_known() -> None:
    names = [f.name for f in candidates(None)]
    assert "topology" not in names
    assert [f.name for f in candidates(Machine(name="m", cpus=16, cores=8))] == names
    assert [f.name for f in candidates(MACHINE)] == [*names, "topology"]


def test_more_processes_than_cpus_change_no_distance() -> None:
    machine = Machine(name="m", cpus=12, cores=6, sockets=2, nodes=2)
    remote = families._remote(np.array([1, 3, 12, 500]), machine)
    assert remote == pytest.approx([0, 0, 6 / 11, 6 / 11])
    assert families._remote(np.array([1, 500]), None).tolist() == [0, 0]
