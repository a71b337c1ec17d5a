"""What moved between two curves: demand, think time, hold times, or the clock."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from gated import EQUAL, HOLD, THINK, N, ends, measured, side
from scipy import stats
from studies import model

from lockmodel.evaluate.gate.verdict import gate
from lockmodel.model.handoff import ConstantHandOff
from lockmodel.solvers.throughput import throughput


def shifts(curve, times=8, noise=0.01):
    rng = np.random.default_rng(11)
    for _ in range(times):
        answer = gate(measured("base", EQUAL, noise, 3, rng), measured("new", curve, noise, 3, rng))
        if answer.moved is not None:
            yield answer.moved


def test_what_moved_is_the_demand_when_the_hold_did():
    """Ten per cent of the hold are 7.9 % of the demand; the rest of it is hand-off."""
    every = list(shifts(HOLD))
    assert len(every) == 8
    right = [one for one in every if [s.moved for s in one.shifts] == [True, False]]
    assert len(right) == 8
    demand = np.median([one.shifts[0].change for one in right])
    assert demand == pytest.approx(EQUAL[-1] / HOLD[-1] - 1.0, rel=0.2)


def test_what_moved_is_the_think_time_when_it_did():
    right = [one for one in shifts(THINK) if [s.moved for s in one.shifts] == [False, True]]
    assert len(right) == 8
    assert np.median([one.shifts[1].change for one in right]) == pytest.approx(0.10, rel=0.15)


def test_hand_off_is_told_from_held_work_by_no_curve():
    handoff = throughput(model(handoff=ConstantHandOff(time=450e-9)), N)
    for one in shifts(handoff, 5):
        assert [s.name for s in one.shifts] == ["demand of the lock", "think time"]
        assert [s.moved for s in one.shifts] == [True, False]


def held(base, new, steps=(-0.01, 0.01)):
    """The change of a hold time where the curves differ, and the demand did, at 4 populations."""
    populations = (1, 2, 4, 8)
    sides = [
        replace(
            side(name, {n: tuple(drop * (n == 8) + s for s in steps) for n in populations}),
            holds={n: tuple(hold * math.exp(s) for s in spread) for n in populations},
        )
        for name, drop, hold, spread in (
            ("base", 0.0, base, steps),
            ("new", -0.4, new, steps),
        )
    ]
    return gate(*sides).held


def test_hold_times_of_both_sides_have_an_interval_of_their_own():
    """Two repeats 2 % apart: 0.0002 of a change, a quarter of it of four; degrees as derived.

    Own 2 degrees, all 8: 1 / (0.25 / 2 + 0.75 / 8) = 4.5714.
    """
    one = held(1e-6, 1.1e-6)
    half = stats.t.ppf(0.975, 1.0 / 0.21875) * math.sqrt(0.0002 / 4.0)
    assert ends(one) == pytest.approx((math.log(1.1) - half, math.log(1.1) + half), rel=1e-6)
    assert one.moved
    assert not held(1e-6, 1.001e-6).moved


def test_hold_times_without_repeats_are_ten_per_cent_off_each():
    one = held(1e-6, 1.2e-6, steps=(0.0,))
    half = 1.959963984540054 * 0.1 * math.sqrt(2.0)
    assert ends(one) == pytest.approx((math.log(1.2) - half, math.log(1.2) + half), rel=1e-9)
    assert not one.moved


def test_all_times_alike_are_another_clock():
    for one in shifts(EQUAL / 1.1, 5):
        assert one.alike
        assert [s.change for s in one.shifts] == pytest.approx([0.10, 0.10], abs=0.03)
    assert not any(one.alike for one in shifts(HOLD, 5))


def test_think_time_is_not_determined_where_the_lock_is_all_there_is():
    populations = (48, 52, 56, 60, 64)
    sides = [
        side(name, {n: tuple(math.log(x) + s for s in (-step, 0.0, step)) for n, x in curve})
        for name, rates, step in (
            ("base", throughput(model(), populations), 0.001),
            ("new", throughput(model(held=880.0), populations), 0.0011),
        )
        for curve in [list(zip(populations, rates, strict=True))]
    ]
    demand, think = gate(*sides).moved.shifts
    assert demand.moved
    assert demand.change == pytest.approx(0.08, abs=0.01)
    assert not think.determined


def test_one_population_alone_is_no_change_of_a_lock():
    dented = EQUAL * np.where(np.array(N) == 16, 0.7, 1.0)
    for one in shifts(dented, 5, noise=0.005):
        assert one.shifts == ()
        assert one.why_not.startswith("no change of one lock's times")


def test_three_populations_say_nothing_of_parameters():
    logs = dict.fromkeys((1, 2, 4), (0.0, 0.01, 0.02))
    slower = dict.fromkeys((1, 2, 4), (-0.3, -0.29, -0.28))
    answer = gate(side("base", logs), side("new", slower))
    assert answer.moved.why_not == "fewer than 4 common populations"
