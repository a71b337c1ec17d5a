"""Who promises everybody the same share keeps it: ten simulated seconds of each discipline."""

from __future__ import annotations

import pytest
from simulated import lock, workload

from lockmodel.model.disciplines import DISCIPLINES
from lockmodel.model.handoff import ConstantHandOff, TopologyHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Scenario, Walkers
from lockmodel.solvers.simulation.engine import run
from lockmodel.solvers.simulation.world import make

US = 1e-6
SECONDS = 10.0
LEAST = 0.9
"""Of the mean; who asks as often as the others may have less by chance only."""

UNEQUAL = Machine(name="m", cpus=8, cores=8, nodes=2)
"""With five processes, four of them in one node."""


def least_share(scenario: Scenario, n: int) -> float:
    """Return the iterations of the process that made fewest, over the mean."""
    w = make(scenario, n, 1, 0)
    while w.clock[0]["now"] < SECONDS:
        run(w, 50_000, 10_000_000)
    made = w.processes["iterations"][:n]
    return float(made.min() / made.mean())


def busy(kind: str, machine: Machine = UNEQUAL, **more: object) -> Scenario:
    """Return a lock that is always held, taken twice in a row."""
    more = {"handoff": TopologyHandOff(local=0.5 * US, remote=4 * US), **more}
    return workload(20 * US, (lock(kind=kind, **more),), [("a", 2, 4 * US)], machine)


@pytest.mark.parametrize("kind", [one.name for one in DISCIPLINES.values() if one.fair])
def test_a_fair_discipline_gives_everybody_the_same(kind):
    assert least_share(busy(kind), 5) >= LEAST


def test_a_semaphore_gives_everybody_the_same_with_readers_sleepers_and_walkers():
    eight = Machine(name="m", cpus=8, cores=8)
    walked = busy("rwsem", eight, walkers=Walkers(1000.0, 64 * US))
    assert least_share(walked, 8) >= LEAST
    assert least_share(busy("rwsem", eight), 20) >= LEAST  # more than CPUs: they sleep
    a = lock(kind="rwsem", handoff=ConstantHandOff(time=2 * US))
    mixed = workload(20 * US, (a,), [("a", 1, 4 * US), ("a", 1, 4 * US, "read")], eight)
    assert least_share(mixed, 8) >= LEAST


def test_a_walk_takes_from_the_first_shard_what_the_last_one_gains():
    """Four shards, each always held: the order of the walk, which no record speaks of."""
    machine = Machine(name="m", cpus=16, cores=16)
    a = lock(kind="rwsem", shards=4, walkers=Walkers(1000.0, 64 * US))
    assert least_share(workload(1 * US, (a,), [("a", 2, 4 * US)], machine), 16) < 0.2


def test_cohorts_give_nodes_turns_not_processes():
    """The record of numa says so: the one in its node alone has half of what the others have."""
    assert not DISCIPLINES["numa"].fair
    assert least_share(busy("numa"), 5) < 0.6
