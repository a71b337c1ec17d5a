"""Levers that leave no work get the sentence of such a scenario, wherever they are applied."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from experiments import CONSTANT, Experiment
from msgspec.structs import replace
from one_lock import NS, US
from places import CASES

from lockmodel.answers.axis import parse_axis
from lockmodel.answers.ceilings import over
from lockmodel.answers.design import design
from lockmodel.answers.ranking import rank
from lockmodel.answers.sweep import sweep
from lockmodel.answers.whatif import compare
from lockmodel.changes.grammar import parse
from lockmodel.changes.lever import Kind, Lever
from lockmodel.changes.levers import shorten_hold
from lockmodel.errors import NotTrustworthyError
from lockmodel.model.handoff import LinearHandOff, NoHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Scenario, Site
from lockmodel.model.toml import dumps, load

SENTENCE = "scenario 'one': an iteration takes no time, so throughput is unbounded; give it think"

# A hand-off that costs nothing to the first waiter: with no hold, nothing takes time.
LIN0 = Scenario(
    name="one",
    title="one lock",
    iteration="one",
    machine=Machine(name="m", cpus=64, cores=64, nodes=2, same_node_cost=0.4),
    think=20 * US,
    locks=(
        Lock(
            name="a",
            time_per_instruction_local=NS,
            time_per_instruction_remote=NS,
            handoff=LinearHandOff(time=0.0, per_waiter=100 * NS),
        ),
    ),
    sites=(Site(lock="a", phase="p", name="s", acquires=1, held_instructions=500),),
)
BARE = replace(LIN0, think=0.0, locks=(replace(LIN0.locks[0], handoff=NoHandOff()),))
SHARDED = replace(LIN0, think=0.0, locks=(replace(LIN0.locks[0], shards=8),))


@pytest.mark.parametrize("method", ["auto", "bounds", "product-form", "simulation"])
def test_whatif(method: str) -> None:
    """The ceiling used to be 999999999999999868928 G/s: an idle shard's."""
    texts = ["less_think=0", "shorten_hold:a=0", "shard:a=8"]
    with pytest.raises(NotTrustworthyError) as refused:
        compare(LIN0, [parse(text) for text in texts], [8], method)
    assert str(refused.value).startswith(f"after {'; '.join(texts)}: {SENTENCE}")


def test_sweep() -> None:
    with pytest.raises(NotTrustworthyError) as refused:
        sweep(LIN0, [parse_axis("think=0,1"), parse_axis("hold=0,1")], [8])
    assert str(refused.value).startswith(f"after less_think=0; shorten_hold:a=0: {SENTENCE}")


@pytest.mark.parametrize("scenario", [BARE, SHARDED])
def test_ceiling(scenario: Scenario) -> None:
    with pytest.raises(NotTrustworthyError) as refused:
        over(scenario, parse_axis("a:hold=0,1"), 8)
    assert str(refused.value).startswith(f"after shorten_hold:a=0: {SENTENCE}")


def test_levers_leave_out_what_leaves_nothing() -> None:
    """It used to be told as saturated by walkers, a gain of -100 %."""
    rows = rank(BARE, 8).levers
    assert "shorten_hold:a=0.5" in {row.lever.text for row in rows}
    assert "shorten_hold:a=0" not in {row.lever.text for row in rows}
    assert min(row.gain for row in rows) >= 0


def test_design() -> None:
    """It used to be a traceback: the logarithm of 0."""

    def emptied(scenario: Scenario, lock: str, lever: Lever) -> Scenario:
        locks = tuple(replace(one, handoff=NoHandOff(), acquire_time=0.0) for one in scenario.locks)
        sites = tuple(replace(one, held_instructions=0.0) for one in scenario.sites)
        return replace(scenario, think=0.0, locks=locks, sites=sites)

    nothing = Lever(Kind("nothing", "nothing", "", emptied, target="none"), "", "", None, "nothing")
    estimate = Experiment(CONSTANT, ("think", "hold", "handoff"), (), seed=31).fit(0)
    with pytest.raises(NotTrustworthyError, match=r"after nothing: scenario .*takes no time"):
        design(estimate, nothing, 32)


def test_the_command_exits_as_for_such_a_scenario(command: Callable[..., Any]) -> None:
    Path("bare.toml").write_text(dumps(BARE))
    Path("free.toml").write_text(dumps(shorten_hold(BARE, "a", 0.0)))
    ran = command("whatif", "./bare.toml", "--lever", "shorten_hold:a=0")
    assert (ran.returncode, ran.stdout) == (command("predict", "./free.toml").returncode, "")
    assert ran.stderr.startswith(f"lockmodel: after shorten_hold:a=0: {SENTENCE}")


@pytest.mark.parametrize("n", [2, 8, 16, 64])
def test_no_hold_is_the_limit_of_ever_shorter_holds(n):
    """At 0 a lock with a hand-off that begins at 0 vanished: +1,942 % instead of +9.0 %."""
    scenario = load(CASES / "lin0.toml")
    zero, *short = (
        compare(scenario, [parse(f"shorten_hold:a={factor}")], [n]).points[0].gain
        for factor in ("0", "1e-12", "1e-9", "1e-6")
    )
    assert short == pytest.approx([zero] * 3, abs=1e-4)
    if n == 64:
        assert zero == pytest.approx(0.09, abs=0.002)
