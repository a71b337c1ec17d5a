"""Studies: who shares which unknown, what may not be free together, how values reach scenarios."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from msgspec.structs import replace
from studies import PATCHED, STOCK, curve, data, elsewhere, lock, model

from lockmodel.errors import ArgumentError
from lockmodel.fitting.parameters import LARGEST, SMALLEST, WIDEST
from lockmodel.fitting.study import SCOPES, default_free, plan
from lockmodel.model.handoff import ConstantHandOff, LinearHandOff, NoHandOff, SaturatingHandOff

OTHER = elsewhere(replace(STOCK, name="other"), "n")
SETS = [
    data(STOCK, variant="old"),
    data(PATCHED, variant="new", stock=STOCK),
    data(OTHER, variant="old", file="y.csv"),
]


def names(study):
    return [u.name for u in study.unknowns]


def members(study, name):
    return [where for u in study.unknowns if u.name == name for where, _ in u.members]


@pytest.mark.parametrize(
    ("scope", "groups"),
    [
        ("all", {"think": [0, 1, 2]}),
        ("machine", {"think@m": [0, 1], "think@n": [2]}),
        ("model", {"think@s": [0, 1], "think@other": [2]}),
        ("file", {"think@x.csv": [0, 1], "think@y.csv": [2]}),
        ("variant", {"think@old": [0, 2], "think@new": [1]}),
        ("kernel", {"think": [0, 1, 2]}),
    ],
)
def test_scopes(scope, groups):
    study = plan(SETS, ["think"], {"think": scope})
    assert {name: members(study, name) for name in names(study)} == groups
    assert scope in SCOPES


def test_what_an_iteration_does_belongs_to_its_model_and_times_of_locks_to_the_machine():
    study = plan(SETS, ["think", "hold", "handoff_instructions"])
    assert names(study) == [
        "think@s",
        "think@other",
        "all.time_per_instruction_remote@m",
        "all.time_per_instruction_remote@n",
        "all.handoff_instructions",
    ]
    assert members(study, "all.handoff_instructions") == [0, 1, 2]


def test_a_variant_without_a_name_is_called_stock():
    study = plan([data(STOCK), data(PATCHED, variant="new")], ["acquires"], {"acquire": "variant"})
    assert names(study) == ["all.acquires@stock", "all.acquires@new"]


@pytest.mark.parametrize(
    ("free", "share"),
    [
        ("hold", "hold"),
        ("hold", "all.hold"),
        ("all.hold", "hold"),
        ("hold", "time_per_instruction_remote"),
        ("all.time_per_instruction_remote", "hold"),
        ("a.hold", "a.time_per_instruction_remote"),
        ("acquire", "acquires"),
        ("all.handoff.time", "handoff.time"),
        ("handoff.time", "all.handoff.time"),
        ("handoff", "all.handoff"),
    ],
)
def test_a_share_is_understood_however_it_is_spelt(free, share):
    assert len(plan(SETS, [free], {share: "file"}).unknowns) == 2
    assert len(plan(SETS, [free], {share: "all"}).unknowns) == 1


@pytest.mark.parametrize(
    ("free", "share", "message"),
    [
        (["think"], {"think": "machin"}, "--share think=machin: did you mean 'machine'?"),
        (["think"], {"hold": "all"}, "--share hold=all: hold is not free; add it to --free, or"),
        (["a.hold"], {"hold": "all"}, "--share hold=all: hold is not free"),
        (["hold", "all.hold"], {}, "all.time_per_instruction_remote is given twice; name it once"),
        (["think", "think"], {}, "--free: think is given twice; name it once"),
        (["hold", "a.hold"], {}, "move the same number; keep one"),
        (["handoff", "handoff.time"], {}, "all.handoff@m and all.handoff.time@m move the same"),
        (["handoff", "a.handoff_instructions"], {}, "move the same number; keep one"),
        (["handoff.time", "handoff_instructions"], {}, "move the same number; keep one"),
        (["demand", "hold"], {}, "move the same number; keep one"),
        (["b.hold"], {}, "--free 'b.hold': no such lock is taken"),
        (["smt_speedup"], {}, "it can only be 1 on this machine; take it out of --free"),
    ],
)
def test_what_cannot_be_planned(free, share, message):
    with pytest.raises(ArgumentError, match=re.escape(message)):
        plan(SETS, free, share)


def test_different_keys_and_different_locks_do_not_overlap():
    two = data(model(SaturatingHandOff(time=1e-7, limit=2e-7, half_waiters=9.0), locks=("a", "b")))
    free = ["a.hold", "b.hold", "handoff.half_waiters", "a.handoff", "b.handoff.limit", "demand"]
    assert len(plan([two], free[:-1]).unknowns) == 5
    assert names(plan([two], ["demand", "handoff"])) == ["all.demand", "all.handoff"]


def test_data_sets_of_different_machines_may_free_the_same_lock_twice():
    study = plan(SETS, ["hold", "handoff"], {"hold": "file", "handoff": "variant"})
    assert members(study, "all.handoff@old") == [0, 2]


def test_what_one_model_lacks_is_left_out_there():
    sets = [data(model(locks=("a", "b"))), data(elsewhere(STOCK, "n"), file="y.csv")]
    study = plan(sets, ["b.hold", "think"])
    assert members(study, "b.time_per_instruction_remote") == [0]
    assert [p.name for _, p in study.of(1)] == ["think"]


def test_what_is_nothing_in_one_model_stays_nothing_there():
    sets = [data(replace(STOCK, think_remote=1e-5)), data(elsewhere(STOCK, "n"), file="y.csv")]
    study = plan(sets, ["think_remote"], {"think_remote": "all"})
    assert members(study, "think_remote") == [0]
    assert study.scenario(1, np.log([5e-5])).think_remote == 0.0
    assert study.scenario(0, np.log([5e-5])).think_remote == pytest.approx(5e-5)


def test_what_is_nothing_in_every_model_starts_small_and_may_grow():
    unknown = plan([data(STOCK)], ["think_remote"]).unknowns[0]
    assert unknown.start == pytest.approx(SMALLEST["s"])
    assert unknown.upper == LARGEST["s"]


def test_a_shared_unknown_starts_between_its_values_and_keeps_to_all_limits():
    quick = elsewhere(replace(STOCK, think=25e-6), "n")
    study = plan([data(STOCK), data(quick, file="y.csv")], ["think", "hold"], {"think": "all"})
    think = study.unknowns[0]
    assert think.start == pytest.approx(50e-6)
    assert (think.lower, think.upper) == pytest.approx((100e-6 / WIDEST, 25e-6 * WIDEST))
    assert study.start[0] == pytest.approx(math.log(50e-6))
    lower, upper = study.bounds
    assert lower[1] == pytest.approx(math.log(0.3e-9))
    assert upper[1] == pytest.approx(math.log(2e-9 * WIDEST))


def test_limits_that_leave_nothing_are_refused_with_the_remedy():
    slow = replace(
        STOCK,
        locks=(lock(time_per_instruction_local=4e-3, time_per_instruction_remote=5e-3),),
    )
    sets = [data(STOCK), data(replace(slow, name="slow"), file="y.csv")]
    message = "the models leave no value for it (at least 0.004, at most 0.002); free it per model"
    with pytest.raises(ArgumentError, match=re.escape(message)):
        plan(sets, ["hold"])
    assert len(plan(sets, ["hold"], {"hold": "model"}).unknowns) == 2


def test_one_theta_reaches_every_scenario():
    study = plan(SETS, ["think", "handoff"], {"think": "all", "handoff": "variant"})
    assert names(study) == ["think", "all.handoff@old", "all.handoff@new"]
    theta = np.log([2e-4, 1e-7, 5e-7])
    handoffs = [study.scenario(k, theta).locks[0].handoff.time for k in range(3)]
    assert handoffs == pytest.approx([1e-7, 5e-7, 1e-7])
    assert [study.scenario(k, theta).think for k in range(3)] == pytest.approx([2e-4] * 3)
    assert study.scenario(1, theta).acquires("a") == 1.0
    assert study.values(1, theta) == pytest.approx({"think": 2e-4, "all.handoff": 5e-7})


@pytest.mark.parametrize(
    ("handoffs", "free"),
    [
        ((ConstantHandOff(time=1e-7),), ("think", "hold", "handoff")),
        ((NoHandOff(),), ("think", "hold")),
        ((ConstantHandOff(time=1e-7), LinearHandOff(time=1e-7, per_waiter=0.0)),
         ("think", "hold", "handoff")),
        ((ConstantHandOff(time=1e-7), NoHandOff()), ("think", "hold", "a.handoff")),
        ((NoHandOff(), ConstantHandOff(time=1e-7)), ("think", "hold", "b.handoff")),
    ],
)  # fmt: skip
def test_what_is_free_by_default_can_always_be_freed(handoffs, free):
    """A second lock without a hand-off once made the default an error that nobody had typed."""
    owners = ("a", "b")[: len(handoffs)]
    locks = tuple(lock(n, handoff=h) for n, h in zip(owners, handoffs, strict=True))
    scenario = replace(model(locks=owners), locks=locks)
    assert default_free(scenario) == free
    assert len(plan([data(scenario)], free).unknowns) == len(free)


def test_by_default_only_what_there_is_is_free():
    assert default_free(model(locks=())) == ("think",)
    assert default_free(replace(STOCK, think=0.0, think_remote=1e-6))[0] == "think_remote"
    assert default_free(model(held=0.0)) == ("think", "handoff")


def test_labels():
    assert data(STOCK, curve(STOCK, (1,)), "new").label == "x.csv:new"
    assert data(STOCK).label == "x.csv"
