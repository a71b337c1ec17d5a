"""Mutex: the simulator against chains by name, and the locks that it is in the limits."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from simulated import PRECISION, TOLERANCE, agrees, answered, lock, one, workload

from lockmodel.answers.predict import predict
from lockmodel.errors import ScenarioError
from lockmodel.evaluate.verify.exclusive import Exclusive, constant
from lockmodel.evaluate.verify.mutexes import Mutex
from lockmodel.model.distribution import Constant, Exponential
from lockmodel.model.handoff import ConstantHandOff, LinearHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Scenario
from lockmodel.solvers.markov.refusals import refusal

FOREVER = 1e9


def stated(chain: Mutex) -> Scenario:
    """Return the scenario of a chain."""
    made = lock(
        kind="mutex",
        handoff=ConstantHandOff(time=chain.handoff),
        wake_time=chain.wake,
        spin_limit=chain.limit,
        timeout_distribution=Exponential(),
        barge=chain.barge,
    )
    return workload(chain.think, (made,), [("a", 1, hold) for hold in chain.holds])


CHAINS = {
    "two, barging": Mutex(2.0, (1.0,), 2, 0.3, 0.8, 0.5),
    "four, barging, twice in a row": Mutex(1.0, (0.4, 0.6), 4, 0.3, 0.8, 0.5),
    "four, barging, slow to look": Mutex(2.0, (0.5,), 4, 1.5, 0.6, 0.7),
    "four, barging, slow to wake": Mutex(1.0, (0.5,), 4, 0.2, 4.0, 0.3),
    "four, in order": Mutex(2.0, (0.4, 0.6), 4, 0.3, 0.8, 0.5, barge=False),
    "three, always asleep": Mutex(1.0, (1.0,), 3, 0.3, 0.8, 0.0),
}


@pytest.mark.parametrize("name", CHAINS)
def test_a_mutex_matches_the_chain_that_follows_processes_by_name(name):
    chain = CHAINS[name]
    exact = chain.means()
    simulated = answered(stated(chain), chain.population)
    state = simulated.locks["a"]
    assert agrees(simulated.throughput_per_s, exact["done"], 2 * PRECISION)
    assert agrees(state.wait_s, exact["waiting"] / exact["done"], 0.03)
    assert state.slept_s == pytest.approx(exact["asleep"] / exact["done"], rel=0.02)
    assert state.utilisation == pytest.approx(exact["busy"], abs=TOLERANCE)
    contended = exact["contended"] / exact["acquires"]
    assert state.contended == pytest.approx(contended, abs=TOLERANCE)


# name: (mutex, the exclusive lock that it is, by the time of its hand-off)
LIMITS = {
    "spins for ever: barging": (Mutex(2.0, (0.4, 0.6), 4, 0.7, 5.0, FOREVER), ("barging", 0.7)),
    "spins for ever, in order: fifo": (
        Mutex(2.0, (0.4, 0.6), 4, 0.7, 5.0, FOREVER, barge=False),
        ("fifo", 0.7),
    ),
    "never spins, in order: fifo that passes by a wake-up": (
        Mutex(2.0, (0.4, 0.6), 4, 0.7, 1.1, 0.0, barge=False),
        ("fifo", 1.1),
    ),
    # one class: whichever sleeper comes first, as many are served
    "never spins: barging that looks after a wake-up": (
        Mutex(2.0, (1.0,), 4, 0.7, 1.1, 0.0),
        ("barging", 1.1),
    ),
}


@pytest.mark.parametrize("name", LIMITS)
def test_in_the_limits_it_is_a_lock_that_is_known(name):
    chain, (kind, passing) = LIMITS[name]
    known = Exclusive(kind, chain.think, chain.holds, (0,) * 4, constant(passing)).means()
    assert chain.means()["done"] == pytest.approx(known["done"], rel=1e-6)
    simulated = answered(stated(chain), 4)
    assert agrees(simulated.throughput_per_s, known["done"], 2 * PRECISION)
    slept = simulated.locks["a"].slept_s
    assert slept == 0.0 if chain.limit == FOREVER else slept > 0.1


def test_two_that_never_think_by_hand():
    """In order, holds of 1, asleep at once, woken in 3: one pass takes 4."""
    kind = {"kind": "mutex", "barge": False, "spin_limit": 0.0, "wake_time": 3.0}
    steady = {"hold_distribution": Constant(), "handoff_distribution": Constant()}
    answer = answered(one(0.0, 1.0, **kind, **steady), 2)
    assert agrees(answer.throughput_per_s, 0.25, 1e-3)
    # who releases a free lock comes back at once, before the woken one: nothing is ever passed
    answer = answered(one(0.0, 1.0, **{**kind, "barge": True}, **steady), 2)
    assert agrees(answer.throughput_per_s, 1.0, 1e-3)


def test_a_limit_that_is_the_same_for_all_keeps_the_order():
    """As far as processes are served in order, who waits longer is asleep: nobody is passed."""
    steady = lock(
        kind="mutex", barge=False, spin_limit=2.0, wake_time=0.0, handoff=ConstantHandOff(time=0.0)
    )
    sites = [("a", 1.0, 0.4), ("a", 1.0, 0.6)]
    chain = Exclusive("fifo", 2.0, (0.4, 0.6), (0,) * 4, constant(0.0))
    simulated = answered(workload(2.0, (steady,), sites), 4)
    assert agrees(simulated.throughput_per_s, chain.means()["done"], 2 * PRECISION)


def test_throughput_falls_to_a_plateau_and_a_ticket_lock_collapses():
    """Microseconds: think 10, hold 0.5, each waiter lengthens a hand-off by 0.1."""
    many = Machine(name="m", cpus=256, cores=256)
    growing = LinearHandOff(time=0.1, per_waiter=0.1)
    mutex = one(10.0, 0.5, many, kind="mutex", handoff=growing, spin_limit=2.0, wake_time=7.0)
    ticket = one(10.0, 0.5, many, kind="ticket", handoff=growing)
    at = {n: answered(mutex, n).throughput_per_s.value for n in (64, 128, 256)}
    assert at[256] == pytest.approx(at[128], rel=0.02)
    assert at[128] == pytest.approx(at[64], rel=0.02)
    fallen = [answered(ticket, n).throughput_per_s.value for n in (64, 256)]
    assert fallen[1] < 0.35 * fallen[0]


def test_product_form_and_chains_refuse_it():
    scenario = one(2.0, 1.0, kind="mutex")
    with pytest.raises(ScenarioError, match=r"kind = 'mutex' is not known .* use `lockmodel sim"):
        predict(scenario, [2])
    assert "kind = 'mutex'; the chains know fifo, ticket, rwsem" in str(refusal(scenario, 2))
    free = replace(scenario, sites=())
    assert predict(free, [2]).points[0].throughput_per_s == pytest.approx(1.0)
