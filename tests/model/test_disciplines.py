"""Disciplines: what the records say, and that a made-up one is refused by whoever was not told.

Adding a word to the list of kinds once made `auto` state an error estimate for a discipline that
nobody had written, and let `simulate` and `fit` die with a KeyError.
"""

from __future__ import annotations

import dataclasses

import pytest
from msgspec.structs import replace
from places import timed

from lockmodel.answers.axis import parse_axis
from lockmodel.answers.design import prediction
from lockmodel.answers.intervals import throughput
from lockmodel.answers.predict import predict
from lockmodel.answers.ranking import rank
from lockmodel.answers.sweep import sweep
from lockmodel.answers.whatif import compare
from lockmodel.changes.grammar import parse
from lockmodel.errors import NotTrustworthyError, ScenarioError
from lockmodel.model.disciplines import BARGING, DISCIPLINES, discipline
from lockmodel.model.network import build
from lockmodel.model.scenario import Scenario
from lockmodel.model.toml import dumps, loads
from lockmodel.solvers.bounds import ceiling, chain
from lockmodel.solvers.error_map import unmapped
from lockmodel.solvers.markov.refusals import refusal
from lockmodel.solvers.simulation.simulate import simulate
from lockmodel.solvers.solve import METHODS, solve
from lockmodel.solvers.validity import approximations
from lockmodel.statements import STATEMENTS, find_statement

LIBC = "libc.so.6"
REFUSED = r"kind = 'lifo' is not known to be like a station .*bounds, product form, levers"
KNOWN = "fifo, ticket, barging, rwsem, numa, mutex"
NO_MOVES = rf"the simulator has no moves for kind = 'lifo'; it knows {KNOWN}"


@pytest.fixture
def lifo(monkeypatch: pytest.MonkeyPatch) -> Scenario:
    """The execl scenario with a discipline that has a record and nothing else."""
    record = dataclasses.replace(
        discipline("fifo"),
        name="lifo",
        sentence="whoever came last",
        in_order=False,
        station=False,
        chain=False,
        mapped=False,
        moves=None,
    )
    monkeypatch.setitem(DISCIPLINES, "lifo", record)
    scenario = timed("execl-xeon8369b")
    locks = tuple(replace(k, kind="lifo") if k.name == LIBC else k for k in scenario.locks)
    return replace(scenario, locks=locks, fit=None)


@pytest.mark.parametrize("method", METHODS)
def test_no_method_solves_it(lifo, method):
    for ask in (solve, predict):
        with pytest.raises((ScenarioError, NotTrustworthyError)) as error:
            ask(lifo, [2], method)
        assert "'lifo'" in str(error.value)


def test_no_part_of_a_solver_solves_it(lifo):
    calls = (
        lambda: build(lifo, 8),
        lambda: ceiling(lifo),
        lambda: chain(lifo, 8),
        lambda: throughput(lifo, [1, 8]),
        lambda: rank(lifo, 8),
        lambda: compare(lifo, [parse("less_think=0.5")], [8]),
        lambda: sweep(lifo, [parse_axis("think=0.5,1")], [8]),
        lambda: prediction(lifo, 8),
    )
    for call in calls:
        with pytest.raises(ScenarioError, match=REFUSED):
            call()
    with pytest.raises(ScenarioError, match=NO_MOVES):
        simulate(lifo, 2)
    assert "kind = 'lifo'; the chains know fifo, ticket, rwsem" in str(refusal(lifo, 2))


def test_no_error_is_estimated_and_its_order_is_said(lifo):
    assert unmapped(lifo, 8)
    assert any("libc.so.6 (lifo)" in gap for gap in approximations(lifo, 8))


@pytest.mark.parametrize("name", list(STATEMENTS))
def test_no_statement_has_numbers_for_it(lifo, name):
    made = find_statement(name)
    if made.numbers is None:
        return
    with pytest.raises((ScenarioError, NotTrustworthyError)):
        made.numbers(lifo, 8)


COMMANDS = [
    "show M", "predict M -n 2", "predict M -n 2 --method bounds", "predict M -n 2 --method markov",
    "predict M -n 2 --method simulation", "simulate M -n 2", "verify M -n 2", "ceiling M",
    "whatif M -n 2 --lever less_think=0.5", "levers M -n 2", "shards M -n 2",
    "sweep M --over think=1 -n 2",
    "theory ceiling --model M", "figure chain --model M --json", "figure hold --model M --json",
    "fit unixbench_execl_xeon8369b.csv --model M",
    "design M --data unixbench_execl_xeon8369b.csv -n 8",
]  # fmt: skip


@pytest.mark.parametrize("line", COMMANDS)
def test_no_command_answers_for_it(lifo, line, command, tmp_path):
    (tmp_path / "lifo.toml").write_text(dumps(lifo), encoding="utf-8")
    ran = command(*line.replace("M", "./lifo.toml", 1).split())
    assert ran.returncode in (1, 2)
    assert "'lifo'" in ran.stderr
    assert "estimated error" not in ran.stdout
    assert "exact" not in ran.stdout


def test_a_lock_that_is_not_taken_is_in_nobodys_way(lifo):
    idle = replace(lifo, sites=tuple(s for s in lifo.sites if s.lock != LIBC))
    assert predict(idle, [8]).points[0].throughput_per_s > 0


def test_moves_alone_are_enough_to_be_simulated_and_nothing_else(lifo, monkeypatch):
    moving = dataclasses.replace(discipline("lifo"), moves=BARGING)
    monkeypatch.setitem(DISCIPLINES, "lifo", moving)
    barging = replace(
        lifo, locks=tuple(replace(k, kind="barging") if k.kind == "lifo" else k for k in lifo.locks)
    )
    assert simulate(lifo, 2).throughput_per_s == simulate(barging, 2).throughput_per_s
    with pytest.raises(ScenarioError, match="use `lockmodel simulate`"):
        predict(lifo, [2])


def test_what_the_records_say():
    assert list(DISCIPLINES) == ["fifo", "ticket", "barging", "rwsem", "numa", "mutex"]
    assert {d.name for d in DISCIPLINES.values() if d.readers} == {"rwsem"}
    assert {d.name for d in DISCIPLINES.values() if d.sleeps} == {"rwsem", "mutex"}
    assert {d.name for d in DISCIPLINES.values() if not d.fair} == {"barging", "numa", "mutex"}
    assert {d.name for d in DISCIPLINES.values() if not d.station} == {"mutex"}
    for record in DISCIPLINES.values():
        assert 1e-9 < record.handoff.low < record.handoff.high < 2e-6
        assert not record.mapped or record.station  # an estimate is of product form
        assert not record.chain or record.in_order  # the chains serve in order


def test_an_unknown_kind_is_refused_with_the_known_ones():
    text = dumps(timed("execl-xeon8369b")).replace('kind = "rwsem"', 'kind = "spin"', 1)
    known = rf"kind = 'spin' must be one of {KNOWN}"
    with pytest.raises(ScenarioError, match=known):
        loads(text, "x")
