"""What tells held work from hand-off: every case by name, with what it needs to count."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace
from studies import (
    CURVE,
    PATCHED,
    STOCK,
    curve,
    data,
    elsewhere,
    fitted,
    lock,
    model,
    seen,
)

from lockmodel.fitting.quantities import expected
from lockmodel.fitting.separation import Split, directions
from lockmodel.model.handoff import SaturatingHandOff

FREE = ("think", "hold", "handoff")


def told(scenario, kind, n, **more):
    """An observation that says what the model says."""
    asked = seen(kind, 1.0, n, **more)
    value = expected(scenario, n or 1, [asked])[0]
    return seen(kind, value, n, **more)


def gain(n=64, sd=0.01):
    ratio = curve(PATCHED, (n,))[0].value / curve(STOCK, (n,))[0].value
    return seen("gain", ratio - 1.0, n, sd=sd, uncertainty="given")


OLD = data(STOCK, curve(STOCK))
NEW = data(PATCHED, curve(PATCHED), "new", stock=STOCK)
HOLD = told(STOCK, "hold_time", 64)
SEPARATED = {
    "two kernels with other acquires": [OLD, NEW],
    "one point of the second kernel": [OLD, data(PATCHED, curve(PATCHED, (64,)), "new")],
    "a hold time under contention": [data(STOCK, (*curve(STOCK), HOLD))],
    "a histogram": [data(STOCK, (*curve(STOCK), told(STOCK, "hold_histogram", 64, unit="s")))],
    "a hold time in a file of its own": [OLD, data(STOCK, (HOLD,), file="y.csv")],
    "a traced hold time": [data(STOCK, (*curve(STOCK), told(STOCK, "hold_time", 64, traced=True)))],
    "a gain with its levers": [OLD, data(PATCHED, (gain(),), "new", stock=STOCK)],
    "half the held work": [
        OLD,
        data(model(held=400.0), curve(model(held=400.0)), "half", stock=STOCK),
    ],
}
UNSEPARATED = {
    "one curve": [OLD],
    "two curves of one kernel": [OLD, data(STOCK, curve(STOCK, seed=1), file="y.csv")],
    "a curve with tiny noise": [data(STOCK, curve(STOCK, sd=1e-6))],
    "a hold time of one process": [data(STOCK, (*curve(STOCK), told(STOCK, "hold_time", 1)))],
    "a hold time that says nothing": [
        data(STOCK, (*curve(STOCK), told(STOCK, "hold_time", 64, sd=2e-6, uncertainty="given")))
    ],
    "waits": [data(STOCK, (*curve(STOCK), told(STOCK, "wait_share", 64)))],
    "counted acquires": [data(STOCK, (*curve(STOCK), told(STOCK, "acquires", 64)))],
    "the second kernel alone on its CPU": [OLD, data(PATCHED, curve(PATCHED, (1,)), "new")],
    "kernels that differ by 5 %": [
        OLD,
        data(model(acquires=5.25, held=4000 / 5.25), curve(STOCK), "new", stock=STOCK),
    ],
    "the second kernel on another machine": [
        OLD,
        data(elsewhere(PATCHED, "n"), curve(PATCHED), "new", file="y.csv"),
    ],
    "a gain that nobody described": [OLD, data(STOCK, (gain(),), "new", stock=STOCK)],
    "a gain of +- 100 %": [OLD, data(PATCHED, (gain(sd=1.0),), "new", stock=STOCK)],
}


@pytest.mark.parametrize("case", SEPARATED)
def test_what_separates(case):
    estimate = fitted(SEPARATED[case], FREE)
    assert estimate.splits == ()
    assert estimate.determined == (True, True, True)


@pytest.mark.parametrize("case", UNSEPARATED)
def test_what_does_not(case):
    estimate = fitted(UNSEPARATED[case], FREE)
    named = {estimate.study.unknowns[i].key for s in estimate.splits for i in (s.hold, s.handoff)}
    assert named == {"time_per_instruction_remote", "handoff"}
    fine = dict(zip((u.key for u in estimate.study.unknowns), estimate.determined, strict=True))
    assert not fine["time_per_instruction_remote"]
    assert not fine["handoff"]
    assert fine["think"]


@pytest.mark.parametrize(
    "key", ["handoff", "handoff.time", "handoff.limit", "handoff_instructions"]
)
@pytest.mark.parametrize("held", ["hold", "held_instructions", "demand"])
def test_whatever_the_parts_are_called(key, held):
    scenario = model(SaturatingHandOff(time=200e-9, limit=400e-9, half_waiters=9.0))
    splits = fitted([data(scenario, curve(scenario))], ("think", held, key)).splits
    assert [(s.hold, s.handoff) for s in splits] == [(1, 2)]


def test_the_growth_alone_is_no_part():
    scenario = model(SaturatingHandOff(time=200e-9, limit=400e-9, half_waiters=9.0))
    estimate = fitted([data(scenario, curve(scenario))], ("think", "hold", "handoff.half_waiters"))
    assert estimate.splits == ()


def test_acquires_that_nobody_counted_are_like_a_handoff():
    """D = tau I + m c: with c given and m free the curve still shows the sum only."""
    estimate = fitted([OLD], ("think", "hold", "acquires"))
    assert [(s.hold, s.handoff) for s in estimate.splits] == [(1, 2)]
    assert estimate.determined == (True, False, False)
    counted = [data(STOCK, (*curve(STOCK), told(STOCK, "acquires", None)))]
    assert fitted(counted, ("think", "hold", "acquires")).determined == (True, True, True)


def test_a_part_alone_rests_on_the_model_s_other_part():
    for key in ("hold", "handoff", "acquires"):
        estimate = fitted([OLD], ("think", key))
        assert estimate.splits == ()
        assert estimate.bases == ("data", "model")


def test_two_kernels_with_a_hold_time_each_show_three_things_in_two_sums():
    estimate = fitted([OLD, NEW], FREE, {"hold": "variant"})
    assert [(s.hold, s.handoff) for s in estimate.splits] == [(1, 3), (2, 3)]
    assert not estimate.determined[1]
    assert not estimate.determined[3]


def test_what_is_known_of_one_kernel_tells_of_the_other():
    """hold (old) is measured, so the shared hand-off is known, so hold (new) is."""
    measured = data(STOCK, (*curve(STOCK), HOLD))
    estimate = fitted([measured, NEW], FREE, {"hold": "variant"})
    assert estimate.splits == ()
    assert all(estimate.determined)


def test_a_hold_time_of_another_lock_does_not_count():
    two = model(locks=("a", "b"))
    for name, known in (("a", True), ("b", False)):
        sets = [data(two, (*curve(two), told(two, "hold_time", 64, lock=name)))]
        estimate = fitted(sets, ("think", "a.hold", "a.handoff"))
        assert (estimate.splits == ()) == known, name


def test_acquires_of_another_lock_do_not_count():
    two = model(locks=("a", "b"))
    sites = (two.sites[0], replace(two.sites[1], acquires=1.0, held_instructions=4000.0))
    new = replace(two, sites=sites)
    sets = [data(two, curve(two)), data(new, curve(new), "new", stock=two)]
    assert len(fitted(sets, ("think", "a.hold", "a.handoff")).splits) == 1
    assert fitted(sets, ("think", "b.hold", "b.handoff")).splits == ()


def test_a_lock_that_costs_the_same_everywhere_may_be_timed_alone():
    """Then the hold time of one process is that of 64."""
    same = {"time_per_instruction_local": 2e-9, "time_per_instruction_remote": 2e-9}
    scenario = replace(STOCK, locks=(lock(**same),))
    sets = [data(scenario, (*curve(scenario), told(scenario, "hold_time", 1)))]
    assert fitted(sets, FREE).splits == ()


def test_the_row_that_stays_is_the_most_crowded():
    split = fitted([OLD], FREE).splits[0]
    assert split == Split(hold=1, handoff=2, row=len(CURVE) - 1)


def test_a_direction_keeps_the_prediction_of_its_row():
    jacobian = np.array([[0.0, -2.0, -3.0], [-1.0, -4.0, -1.0]])
    along = directions([Split(1, 2, 1), Split(1, 2, 0)], jacobian)
    assert along == pytest.approx(np.array([[0.0, -0.25, 1.0], [0.0, -1.5, 1.0]]))
    assert jacobian[1] @ along[0] == pytest.approx(0.0)
    unseen = directions([Split(1, 2, 0)], np.array([[0.0, 0.0, -3.0]]))
    assert unseen == pytest.approx(np.array([[0.0, 0.0, 1.0]]))
