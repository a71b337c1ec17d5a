"""Background walkers, and laws of conservation."""

from __future__ import annotations

import math

import pytest
from simulated import (
    PRECISION,
    TWO_NODES,
    Moves,
    agrees,
    answered,
    lock,
    one,
    solved,
    workload,
)

from lockmodel.errors import NotTrustworthyError
from lockmodel.model.distribution import (
    Constant,
    Erlang,
)
from lockmodel.model.handoff import LinearHandOff
from lockmodel.model.scenario import Scenario, Walkers
from lockmodel.solvers.simulation.output import Mean
from lockmodel.solvers.simulation.simulate import simulate

# Walkers ------------------------------------------------------------------------------------------


def walked(kind: str, rate: float, read: float, **more: object) -> Scenario:
    """Return lock a that only walkers take, beside a lock b that paces the iterations."""
    a = lock(kind=kind, walkers=Walkers(walks_per_s=rate, read=read), **more)
    return workload(1.0, (a, lock("b")), [("b", 1, 0.01)])


@pytest.mark.parametrize("kind", ["fifo", "rwsem", "numa", "barging", "mutex"])
@pytest.mark.parametrize("shards", [1, 6])
def test_a_walk_without_load_takes_every_shard_and_reads(kind, shards):
    scenario = walked(
        kind, 1e-4, 3.0, shards=shards, acquire_time=0.5, hold_distribution=Constant()
    )
    state = answered(scenario, 4).locks["a"]
    assert state.walk_s == pytest.approx(shards * 0.5 + 3.0, rel=1e-2)
    assert (state.wait_s, state.queue) == (Mean(0.0, 0.0), 0.0)


AWAKE = {"kind": "mutex", "barge": False, "spin_limit": 0.0, "wake_time": 0.0}
"""A mutex whose waiters sleep at once and wake at once: first come, first served."""


@pytest.mark.parametrize("kind", [{"kind": "fifo"}, AWAKE], ids=["fifo", "mutex"])
@pytest.mark.parametrize("shards", [1, 4])
def test_walkers_queue_behind_each_other(shards, kind):
    # Poisson arrivals, one walk at a time: M/G/1 (Pollaczek-Khinchine), service k a + read
    rate, read, acquire = 0.15, 3.0, 0.25
    scenario = walked(rate=rate, read=read, shards=shards, acquire_time=acquire, **kind)
    mean = shards * acquire + read
    second = mean**2 + read**2  # the read is exponential
    exact = mean + rate * second / (2 * (1 - rate * mean))
    state = answered(scenario, 4, 0.001).locks["a"]
    assert state.walk_s == pytest.approx(exact, rel=0.03)


def test_walkers_of_an_rwsem_read_together():
    # 4.5 walks at a time on average, and none waits for another
    state = answered(walked("rwsem", 1.5, 3.0), 4).locks["a"]
    assert state.walk_s == pytest.approx(3.0, rel=0.01)
    assert state.utilisation == pytest.approx(1 - math.exp(-4.5), abs=0.01)  # M/G/infinity


def test_one_process_between_walkers():
    # fifo, 1 process, Poisson walkers: with a and b walkers before and behind it, by name
    think, hold, rate, read, most = 1.0, 0.5, 0.3, 1.2, 40

    def moves(state) -> Moves:
        before, inside, behind = state  # walkers in front; whether the process is there
        if before + behind < most:
            new = (before, 1, behind + 1) if inside else (before + 1, 0, 0)
            yield new, rate, {}
        if not inside:
            yield (before, 1, 0), 1 / think, {}
        if before:
            yield (before - 1, inside, behind), 1 / read, {}
        elif inside:
            yield (behind, 0, 0), 1 / hold, {"done": 1.0}

    exact = solved((0, 0, 0), moves, lambda s: {"waiting": float(s[1] and s[0] > 0)})
    scenario = one(think, hold, walkers=Walkers(walks_per_s=rate, read=read))
    simulated = answered(scenario, 1)
    assert agrees(simulated.throughput_per_s, exact["done"], 2 * PRECISION)
    assert agrees(simulated.locks["a"].wait_s, exact["waiting"] / exact["done"], 0.03)


def test_more_walks_leave_less_throughput():
    rates = [
        answered(
            one(2.0, 0.5, shards=4, shard_by="hash", walkers=Walkers(walks_per_s=w, read=1.0)), 8
        ).throughput_per_s.value
        for w in (0.0, 0.05, 0.1, 0.2)
    ]
    assert rates == sorted(rates, reverse=True)
    assert rates[3] < 0.9 * rates[0]


def test_walkers_that_need_more_than_there_is_are_refused():
    with pytest.raises(NotTrustworthyError, match=r"'a': walkers alone.*lower walks_per_s, read"):
        simulate(one(1.0, 0.1, walkers=Walkers(walks_per_s=1.0, read=2.0)), 4)


def test_walkers_that_pile_up_are_refused():
    # nobody but walkers takes this lock, so no station says that they need 2 s per s
    with pytest.raises(NotTrustworthyError, match=r"pile up at n = 4: .*lower walks_per_s"):
        simulate(walked("fifo", 1.0, 2.0), 4)


def test_walkers_wait_for_holders_while_they_keep_shards():
    # each walk takes four shards one by one, so it holds up those who need the shards it has
    crowd = {"shards": 4, "shard_by": "hash", "walkers": Walkers(walks_per_s=0.3, read=0.5)}
    simulated = answered(one(0.5, 2.0, **crowd), 8)
    alone = answered(one(0.5, 2.0, shards=4, shard_by="hash"), 8)
    assert simulated.locks["a"].walk_s > 4 * 0.5
    share = 1 - 0.3 * 0.5  # what product form leaves: the time in which nobody reads
    assert simulated.throughput_per_s.value < 0.9 * share * alone.throughput_per_s.value


# Laws -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["fifo", "ticket", "numa"])
def test_laws_of_conservation(kind):
    handoff = LinearHandOff(time=0.2, per_waiter=0.0)
    shapes = {"hold_distribution": Erlang(stages=2), "handoff_distribution": Constant()}
    a = lock(kind=kind, handoff=handoff, **shapes)
    scenario = workload(3.0, (a, lock("b")), [("a", 2, 0.3), ("b", 1, 0.2)], TWO_NODES)
    simulated = answered(scenario, 6)
    x = simulated.throughput_per_s.value
    state, other = simulated.locks["a"], simulated.locks["b"]
    # Little: processes at a lock = rate x time there; everybody is somewhere
    assert state.queue == pytest.approx(x * (2 * 0.3 + state.wait_s.value), rel=0.005)
    assert x * 3.0 + state.queue + other.queue == pytest.approx(6.0, rel=0.005)
    # a lock is busy for its holds and for the hand-offs of those who waited
    busy = x * 2 * (0.3 + 0.2 * state.contended)
    assert state.utilisation == pytest.approx(busy, rel=0.005)
    assert state.same_cpu + state.same_node + state.other_node == pytest.approx(1.0, abs=1e-12)
    assert x < 1 / (2 * 0.3)


def test_events_are_those_of_the_iterations_counted():
    # an iteration is one event for its thinking and one for each of four holds
    simulated = answered(workload(1.0, (lock(),), [("a", 3, 0.1), ("a", 1, 0.1)]), 4)
    assert simulated.events == pytest.approx(5 * simulated.iterations, rel=0.01)
