"""Locks that divide the processes in different ways: simulated on both sides, and said so."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from msgspec.structs import replace
from places import CASES, timed

from lockmodel.answers.axis import parse_axis
from lockmodel.answers.predict import predict
from lockmodel.answers.ranking import rank
from lockmodel.answers.sweep import sweep
from lockmodel.answers.whatif import compare
from lockmodel.changes.candidates import candidates
from lockmodel.changes.grammar import parse
from lockmodel.model.scenario import Lock, Site
from lockmodel.model.toml import load
from lockmodel.solvers.solve import MIXED, solver_name

AB, BA = (load(CASES / f"order_{order}.toml") for order in ("ab", "ba"))


@pytest.fixture
def rough(monkeypatch):
    """Let simulations be good to 2 %: what is asked here is which ones are made."""
    monkeypatch.setattr("lockmodel.solvers.solve.PRECISION", 0.02)


def test_excluding_a_lock_gains_what_simulation_says():
    # product form with the first lock exact and the other at random said +287 %
    answer = compare(AB, [parse("exclude:b")], [64])
    assert answer.method == "simulation"
    assert answer.points[0].gain == pytest.approx(0.088, abs=0.015)
    assert answer.ceiling_before_per_s == pytest.approx(64 / 20e-6, rel=1e-9)
    assert MIXED in answer.notes


def test_a_lever_that_mixes_is_compared_with_a_simulation(rough):
    base = timed("execl-xeon8369b")
    levers = [parse("shard:libc.so.6=8"), parse("shard:executable=4")]
    answer = compare(base, levers, [64])
    assert answer.method == "simulation"
    assert answer.alone[1].gains[0] == pytest.approx(0.0, abs=0.05)
    assert compare(base, levers[:1], [64]).method == "product-form"
    assert solver_name("product-form", [AB], 64) == "product-form"  # asked for: refused by it
    assert solver_name("auto", [AB], 1) == "product-form"


def test_levers_of_either_order_are_simulated_and_counted(rough):
    one, other = rank(AB, 64), rank(BA, 64)
    for ranking in (one, other):
        assert ranking.method == "simulation"
        number, told = ranking.warnings[0].split(" ", 1)
        assert int(number) >= len({row.lever.text for row in ranking.levers}) > 10
        assert told.startswith("of the gains are simulated, to within 0.7 %: locks divide")
        assert all(row.simulated is not None for row in ranking.levers)
        assert ranking.worst_error.error < 0.03
        (gain,) = (row.gain for row in ranking.levers if str(row.lever) == "exclude:b")
        assert gain == pytest.approx(0.088, abs=0.04)
    assert one.binding == other.binding == "cpu"


def test_a_sweep_simulates_the_rows_that_need_it(rough):
    base = timed("execl-xeon8369b")
    axes = [parse_axis("libc.so.6:shards=8"), parse_axis("executable:shards=8,4")]
    two = sweep(base, axes, [64])
    assert (two.method, [row["n"] for row in two.rows]) == ("product-form", [64, 64])
    (told,) = (text for text in two.warnings if MIXED in text)
    assert told == f"libc.so.6:shards=8, executable:shards=4: {MIXED}"
    alike, different = (row["throughput_per_s"] for row in two.rows)
    assert different == pytest.approx(alike, rel=0.1)


def test_a_fit_has_no_intervals_there(rough, command, tmp_path):
    # an interval of product form would be one of another scenario
    ran = command("fit", str(CASES / "c.csv"), "--model", str(CASES / "truth.toml"), "-o", "f.toml")
    assert ran.returncode == 0, ran.stderr
    scenario = load(tmp_path / "f.toml")
    more = Lock(
        name="more", time_per_instruction_local=1e-9, time_per_instruction_remote=1e-9, shards=8
    )
    look = Site(lock="more", phase="request", name="look", acquires=1, held_instructions=100)
    scenario = replace(
        scenario,
        locks=(replace(scenario.lock("table"), shards=4), more),
        sites=(*scenario.sites, look),
    )
    assert scenario.fit is not None
    answer = predict(scenario, [64])
    assert (answer.method, answer.fit) == ("simulation", None)
    assert answer.warnings[0].startswith("no intervals from the fit")
    assert answer.points[0].interval_per_s is None
    assert compare(scenario, [parse("exclude:more")], [64]).warnings[0] == answer.warnings[0]


def test_a_limit_keeps_what_is_finished_and_counts_the_rest(rough, command, monkeypatch):
    asked = iter([False, False, True])
    ranking = rank(AB, 64, stop=lambda: next(asked, True))
    every = len(candidates(AB)) + 3  # shards of a, of b, of all
    assert (len(ranking.levers) <= 2, ranking.untried) == (True, every - 2)
    swept = sweep(AB, [parse_axis("b:shards=8,16")], [64], stop=iter([False, True]).__next__)
    assert (len(swept.rows), swept.complete) == (1, False)
    monkeypatch.setattr("lockmodel.cli.common.patience", lambda *_: nullcontext(lambda: True))
    ran = command("levers", str(CASES / "order_ab.toml"), "-n", "64")
    assert ran.returncode == 1
    assert f"stopped: {every} of the levers were not tried; raise --time-limit" in ran.stderr
