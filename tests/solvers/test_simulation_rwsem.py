"""Readers and writers: who shares, who sleeps, who comes first."""

from __future__ import annotations

import pytest
from simulated import (
    PRECISION,
    TOLERANCE,
    agrees,
    answered,
    lock,
    one,
    workload,
)

from lockmodel.evaluate.verify.semaphores import Semaphores, Step, always
from lockmodel.model.distribution import (
    Constant,
    Exponential,
    Lognormal,
)
from lockmodel.model.handoff import ConstantHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Scenario, Walkers
from lockmodel.solvers.simulation.output import Mean
from lockmodel.solvers.solve import points

# Readers and writers ------------------------------------------------------------------------------


FOREVER = 1e9
WRITE, READ = False, True


def named(n: int, think: float, *steps: tuple[bool, float], **more: float) -> Semaphores:
    """Return n processes that take one semaphore, in an iteration for each of `steps`."""
    program = always(*(Step(0, reads, hold) for reads, hold in steps))
    return Semaphores(think, (program,) * n, **more)  # type: ignore[arg-type]


def scenario(chain: Semaphores) -> Scenario:
    """Return the scenario of a chain by name, all of whose processes do alike."""
    more: dict[str, object] = {}
    if chain.handoff:
        more["handoff"] = ConstantHandOff(time=chain.handoff)
    if chain.walks:
        more["walkers"] = Walkers(chain.walks, chain.read, chain.give_up)
    a = lock(
        kind="rwsem",
        shards=chain.shards,
        wake_time=chain.wake,
        handoff_timeout=min(chain.timeout, FOREVER),
        spin_limit=min(chain.spin, FOREVER),
        timeout_distribution=Exponential(),
        **more,
    )
    cpus = chain.cpus or len(chain.programs)
    machine = Machine(name="m", cpus=cpus, cores=cpus)
    sites = [
        ("a", 1, step.hold, "read" if step.reads else "write")
        for step in chain.programs[0][0].steps
    ]
    return workload(chain.think, (a,), sites, machine)


RW = ((READ, 1.0), (WRITE, 0.6))
WRR = ((WRITE, 0.5), (READ, 1.0), (READ, 0.7))
PATIENCE = {"timeout": 2.0, "spin": 0.4}
SEMAPHORES = {
    "writers spin": named(4, 3.0, (WRITE, 1.0), handoff=0.5, wake=0.3),
    "read, then write": named(3, 2.0, *RW, wake=0.8, **PATIENCE),
    "read, then write, hand-off": named(4, 3.0, *RW, handoff=0.4, wake=0.5, **PATIENCE),
    "write, read, read": named(3, 2.0, *WRR, handoff=0.4, wake=0.5, **PATIENCE),
    "nobody is patient": named(3, 2.0, *WRR, handoff=0.4, wake=0.5, timeout=0.0, spin=0.1),
    "spinners are": named(4, 3.0, *RW, handoff=0.4, wake=0.5, timeout=0.5),
    "nobody spins on readers": named(4, 3.0, *RW, handoff=0.4, wake=0.5, spin=0.0),
    "no bit": named(4, 3.0, *RW, handoff=0.4, wake=0.5, spin=1.0),
    "writers sleep": named(4, 2.0, (WRITE, 1.0), handoff=0.4, wake=0.8, cpus=2, **PATIENCE),
    "on one CPU": named(4, 1.0, (WRITE, 1.0), handoff=0.4, wake=0.8, cpus=1, **PATIENCE),
    "two in a row": named(
        4, 2.0, (WRITE, 1.0), (WRITE, 0.5), handoff=0.4, wake=0.8, cpus=2, timeout=1.0
    ),
    "all sleep": named(4, 1.0, *RW, handoff=0.4, wake=0.8, cpus=2, **PATIENCE),
    "one walker or two": named(
        3, 2.0, (WRITE, 1.0), handoff=0.3, wake=0.4, walks=0.03, read=1.0, walkers=2, **PATIENCE
    ),
    "walkers that give up": named(
        3,
        2.0,
        (WRITE, 1.0),
        handoff=0.3,
        wake=0.4,
        walks=0.2,
        read=1.0,
        walkers=4,
        give_up=True,
        **PATIENCE,
    ),
}


@pytest.mark.parametrize("name", SEMAPHORES)
def test_rwsem_matches_its_chain(name):
    chain = SEMAPHORES[name]
    exact = chain.means()
    simulated = answered(scenario(chain), len(chain.programs))
    state = simulated.locks["a"]
    assert agrees(simulated.throughput_per_s, exact["done"], 2 * PRECISION)
    assert agrees(state.wait_s, exact["waiting"] / exact["done"], 0.03)
    slept = exact["asleep"] / exact["done"]
    assert state.slept_s == pytest.approx(slept, rel=0.03, abs=1e-12)
    assert state.utilisation == pytest.approx(exact["owned"], abs=TOLERANCE)
    if chain.walks:
        tried = exact["walked"] + exact.get("gave up", 0.0)
        walking = exact["walking"] - (chain.read * exact["walked"] if chain.give_up else 0.0)
        assert walking == pytest.approx(0.0, abs=1e-9) or not chain.give_up
        assert state.gave_up == pytest.approx(exact.get("gave up", 0.0) / tried, abs=0.02)


def two_shards(give_up: bool, writers: int = 2) -> Semaphores:
    """Return so many writers at each of two shards, and two walkers at the most."""
    each = [(always(Step(g, False, 1.0)),) * writers for g in range(2)]
    return Semaphores(
        2.0,
        each[0] + each[1],
        shards=2,
        handoff=0.3,
        wake=0.4,
        timeout=3.0,
        spin=0.5,
        walks=0.05,
        read=1.0,
        walkers=2,
        give_up=give_up,
    )


@pytest.mark.parametrize(("give_up", "writers"), [(True, 2), (False, 1)])
def test_walkers_of_two_shards_match_their_chain(give_up, writers):
    chain = two_shards(give_up, writers)
    exact = chain.means()
    run = answered(scenario(chain), 2 * writers)
    assert agrees(run.throughput_per_s, exact["done"], 2 * PRECISION)
    assert agrees(run.locks["a"].wait_s, exact["waiting"] / exact["done"], 0.03)
    assert run.locks["a"].utilisation == pytest.approx(exact["owned"] / 2, abs=TOLERANCE)
    if not give_up:
        walk = exact["walking"] / exact["walked"]
        assert run.locks["a"].walk_s == pytest.approx(walk, rel=0.05)


@pytest.mark.parametrize("holds", [Exponential(), Constant(), Lognormal(scv=3.0)], ids=repr)
def test_readers_alone_never_wait(holds):
    costs = {"wake_time": 7.0, "handoff": ConstantHandOff(time=5.0)}
    a = lock(kind="rwsem", hold_distribution=holds, **costs)
    simulated = answered(workload(1.0, (a,), [("a", 2, 1.0, "read")]), 8)
    assert agrees(simulated.throughput_per_s, 8 / 3.0, 2 * PRECISION)
    state = simulated.locks["a"]
    assert (state.wait_s, state.contended, state.longest_wait_s) == (Mean(0.0, 0.0), 0.0, 0.0)
    assert state.queue == pytest.approx(8 * 2 / 3, rel=0.01)


def test_readers_share_and_writers_do_not():
    rates = []
    for read in (0, 1, 2, 3):
        sites = [("a", 1, 1.0, "read")] * read + [("a", 1, 1.0)] * (3 - read)
        simulated = answered(workload(1.0, (lock(kind="rwsem"),), sites), 8)
        rates.append(simulated.throughput_per_s.value)
    assert rates[0] == pytest.approx(1 / 3, rel=0.01)
    assert rates == sorted(rates)
    assert rates[3] == pytest.approx(8 / 4, rel=0.01)


def sleepy(timeout: float, wake: float = 3.0) -> Scenario:
    """Return writers on fewer CPUs than there are processes, so that they sleep."""
    machine = Machine(name="m", cpus=4, cores=4)
    a = lock(
        kind="rwsem",
        wake_time=wake,
        handoff_timeout=timeout,
        handoff_distribution=Constant(),
    )
    return workload(4.0, (a,), [("a", 4, 0.3)], machine)


def test_the_hand_off_bit_bounds_the_longest_wait_and_costs_next_to_nothing():
    # who leads the queue spins once it has set the bit: its wake-up is over when its turn comes
    runs = [answered(sleepy(timeout), 10) for timeout in (0.0, 20.0, 1e9)]
    rates = [f.throughput_per_s.value for f in runs]
    assert rates == pytest.approx([rates[0]] * 3, rel=0.01)
    longest = [f.locks["a"].longest_wait_s for f in runs]
    assert longest[2] > 5 * longest[1] > 6 * longest[0]


def test_waking_costs_only_who_sleeps():
    slow, quick = answered(sleepy(1e9), 4), answered(sleepy(1e9, wake=0.0), 4)
    assert slow.throughput_per_s == quick.throughput_per_s  # 4 CPUs for 4 processes: all spin
    slow, quick = answered(sleepy(0.0), 10), answered(sleepy(0.0, wake=0.0), 10)
    assert slow.throughput_per_s.value < 0.85 * quick.throughput_per_s.value


def test_sleepers_by_the_bit_keep_the_lock_busy_without_wake_time():
    # strict and no wake-up: who waits next does not matter to exponential holds of one mean
    machine = Machine(name="m", cpus=4, cores=4)
    scenario = one(4.0, 1.2, machine, kind="rwsem", handoff_timeout=0.0)
    (exact,) = points(scenario, [10])
    simulated = answered(scenario, 10)
    assert agrees(simulated.throughput_per_s, exact.throughput_per_s, 2 * PRECISION)
    assert agrees(simulated.locks["a"].wait_s, exact.locks["a"].wait_s, 0.03)
