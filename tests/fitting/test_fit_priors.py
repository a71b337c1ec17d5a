"""Priors: the published ranges, what they are about, and that they count once."""

from __future__ import annotations

import csv
import math

import pytest
from msgspec.structs import replace
from scipy import stats
from studies import PATCHED, STOCK, curve, data, elsewhere, lock, model

from lockmodel.fitting.priors import OTHERS, Range, priors
from lockmodel.fitting.study import plan
from lockmodel.model.disciplines import DISCIPLINES, TABLE
from lockmodel.model.handoff import NoHandOff, SaturatingHandOff
from lockmodel.model.shipped import find_data

HANDOFFS = {kind: Range(*record.handoff) for kind, record in DISCIPLINES.items()}

SATURATING = SaturatingHandOff(time=200e-9, limit=600e-9, half_waiters=16.0)


def about(sets, free, share=None):
    return [(p.where, p.parameter.name, p.range) for p in priors(plan(sets, free, share))]


@pytest.mark.parametrize("bound", [*HANDOFFS.values(), *OTHERS.values()])
def test_a_range_is_the_central_90_per_cent_of_a_lognormal(bound):
    distribution = stats.lognorm(s=bound.sd, scale=bound.median)
    assert distribution.ppf([0.05, 0.95]) == pytest.approx([bound.low, bound.high], rel=1e-9)
    assert bound.low < bound.median < bound.high
    assert bound.source


def test_no_prior_settles_a_factor_of_two_of_a_handoff():
    for bound in HANDOFFS.values():
        assert bound.sd > math.log(2.0)
        assert bound.high / bound.low > 4.0


def published(operation, least=0):
    with open(find_data(TABLE.rpartition("/")[2]), encoding="utf-8") as file:
        table = list(csv.DictReader(line for line in file if not line.startswith("#")))
    rows = [row for row in table if row["operation"].endswith(operation) and row["value_ns"]]
    return [float(row["value_ns"]) * 1e-9 for row in rows if int(row["threads"] or 0) >= least]


@pytest.mark.parametrize(
    ("operation", "threads", "bound", "count"),
    [
        ("queued_spinlock", 16, HANDOFFS["fifo"], 7),
        ("ticket_spinlock", 16, HANDOFFS["ticket"], 6),
        ("osq_lock", 16, HANDOFFS["rwsem"], 3),
        ("_lock_unlock", 0, OTHERS["acquire_time"], 0),
    ],
)
def test_ranges_hold_what_was_published_for_many_waiters(operation, threads, bound, count):
    values = published(operation, threads) if threads else published("lock_unlock_std_mutex")
    assert len(values) >= min(count, 2)
    for value in values:
        assert bound.low <= value <= bound.high


@pytest.mark.parametrize("kind", HANDOFFS)
def test_a_handoff_has_the_range_of_its_kind(kind):
    scenario = replace(STOCK, locks=(lock(kind=kind),))
    assert about([data(scenario)], ["handoff"]) == [(0, "all.handoff", HANDOFFS[kind])]


@pytest.mark.parametrize(
    "key", ["handoff", "handoff.time", "handoff.limit", "handoff_instructions"]
)
def test_any_part_of_a_handoff_is_about_the_whole(key):
    applied = about([data(model(SATURATING))], ["think", "hold", key])
    assert applied == [(0, "all.handoff", HANDOFFS["fifo"])]


def test_parts_of_one_handoff_share_one_prior():
    applied = about([data(model(SATURATING))], ["handoff.time", "handoff.limit"])
    assert applied == [(0, "all.handoff", HANDOFFS["fifo"])]


def test_other_times_have_their_own():
    free = ["acquire_time", "time_per_instruction_local", "same_node_cost"]
    assert [(name, bound) for _, name, bound in about([data(STOCK)], free)] == [
        ("all.acquire_time", OTHERS["acquire_time"]),
        ("all.time_per_instruction_local", OTHERS["time_per_instruction_local"]),
        ("same_node_cost", OTHERS["same_node_cost"]),
    ]


def test_think_hold_and_counts_have_none():
    free = ["think", "hold", "acquires", "held_instructions"]
    assert about([data(STOCK, curve(STOCK))], free) == []
    assert about([data(STOCK)], ["demand", "think"]) == []


def test_data_sets_that_share_an_unknown_share_its_prior():
    sets = [data(STOCK, variant="old"), data(PATCHED, variant="new", stock=STOCK)]
    assert len(about(sets, ["handoff", "hold"])) == 1
    assert len(about(sets, ["handoff"], {"handoff": "variant"})) == 2


def test_a_ratio_carried_over_has_a_prior_on_every_machine():
    """The range is of times, and the time is the ratio times each machine's own."""
    sets = [data(STOCK), data(elsewhere(STOCK, "n"), file="y.csv")]
    applied = about(sets, ["hold", "handoff_instructions"])
    assert [where for where, _, _ in applied] == [0, 1]


def test_locks_by_name_have_a_prior_each():
    two = model(locks=("a", "b"))
    two = replace(two, locks=(lock("a", kind="rwsem"), lock("b", kind="ticket")))
    applied = about([data(two)], ["a.handoff", "b.handoff"])
    assert [(name, bound) for _, name, bound in applied] == [
        ("a.handoff", HANDOFFS["rwsem"]),
        ("b.handoff", HANDOFFS["ticket"]),
    ]


def test_no_handoff_no_prior():
    assert about([data(model(NoHandOff()))], ["think", "hold"]) == []


def test_a_range_by_hand():
    bound = Range(1e-9, 100e-9, "test")
    assert bound.median == pytest.approx(10e-9)
    assert bound.sd == pytest.approx(math.log(10.0) / 1.6448536269514722)
