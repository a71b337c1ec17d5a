"""What the model says of waits, holds and contention: closed forms, Little's law, arrivals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace
from strategies import REPEATABLE, scenarios
from studies import MACHINE, STOCK, lock, model, seen

from lockmodel.errors import NotTrustworthyError
from lockmodel.fitting.quantities import CONTENDED, LISTED, expected, sites_of, unusable
from lockmodel.model.handoff import NoHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.network import build
from lockmodel.model.scenario import Scenario, Site
from lockmodel.solvers.solve import points

FLAT = replace(MACHINE, same_node_cost=1.0)
THINK, HOLD, TAKING, ACQUIRES = 100e-6, 8e-6, 2e-6, 4.0
"""s per iteration; TAKING is the acquire time of all acquires."""


def repairman(acquires=ACQUIRES, **changes):
    """One lock without hand-off, lines that cost the same everywhere, CPUs for all."""
    same = {
        "time_per_instruction_local": HOLD / 4000.0,
        "time_per_instruction_remote": HOLD / 4000.0,
        "acquire_time": TAKING / ACQUIRES,
        "handoff": NoHandOff(),
    }
    return Scenario(
        name="r",
        title="t",
        iteration="i",
        machine=FLAT,
        think=THINK,
        locks=(lock("a", **same, **changes),),
        sites=(Site(lock="a", phase="p", name="s", acquires=acquires, held_instructions=1000.0),),
    )


def closed_form(n):
    """Machine repairman: p(k at the lock) ~ n! / (n - k)! r^k; X, mean there, P(busy) of n - 1."""
    r = (HOLD + TAKING) / THINK

    def weights(population):
        return np.array([math.perm(population, k) * r**k for k in range(population + 1)])

    p = weights(n) / weights(n).sum()
    before = weights(n - 1) / weights(n - 1).sum()
    return (1 - p[0]) / (HOLD + TAKING), float(p @ np.arange(n + 1)), 1 - before[0]


@pytest.mark.parametrize("n", [1, 2, 3, 17, 64])
def test_one_lock_is_the_machine_repairman(n):
    x, there, busy = closed_form(n)
    wait = there / x - HOLD - TAKING
    scenario = repairman()
    asked = [
        seen("wait_share", 0.1, n, per="CPU time"),
        seen("contended_fraction", 0.1, n),
        seen("mean_wait", 1e-6, n),
        seen("mean_wait", 1e-6, n, per=CONTENDED),
        seen("hold_time", 1e-6, n),
        seen("acquires", 4, n),
        seen("acquires", 4, n, unit="1/s"),
    ]
    predicted = expected(scenario, n, asked)
    assert points(scenario, [n])[0].throughput_per_s == pytest.approx(x, rel=1e-12)
    assert predicted[4:] == pytest.approx((HOLD / ACQUIRES, ACQUIRES, ACQUIRES * x), rel=1e-12)
    if n == 1:
        assert max(predicted[:3]) < 1e-9
        return
    assert predicted[0] == pytest.approx(wait * x / n, rel=1e-9)
    assert predicted[1] == pytest.approx(busy, rel=1e-9)
    assert predicted[2] == pytest.approx(wait / ACQUIRES, rel=1e-9)
    assert predicted[3] == pytest.approx(wait / (ACQUIRES * busy), rel=1e-9)


def test_two_processes_by_hand():
    """States 0, 1, 2 at the lock with weights 1, 2r, 2r(r + c/Z): the second pass costs c more."""
    scenario = STOCK
    line = 1 - (4 - 0.5 * (4 - 2)) / 4  # two processes on two CPUs of one node
    held = (0.3e-9 + 1.7e-9 * line) * 4000
    alone, passing = held + 5 * 20e-9, held + 5 * 320e-9
    weights = np.array([1.0, 2 * alone / 100e-6, 2 * alone * passing / 100e-6**2])
    p = weights / weights.sum()
    x = p[1] / alone + p[2] / passing
    wait = (p[1] + 2 * p[2]) / x - alone
    busy = alone / (alone + 100e-6)  # the other one alone
    predicted = expected(scenario, 2, [seen("mean_wait", 1, 2), seen("contended_fraction", 0.1, 2)])
    assert predicted == pytest.approx((wait / 5, busy), rel=1e-9)


@given(scenarios(shard_by=("hash",), walkers=False, min_locks=1), st.integers(2, 40))
@REPEATABLE
def test_littles_law_holds_for_every_lock(scenario, n):
    """X (wait + hold + acquire time) of a lock is the mean number of processes at it, and with
    think time they make up the population."""
    network = build(scenario, n)
    assume(min(one.alone for one in network.stations) > 1e-100)
    x = points(scenario, [n])[0].throughput_per_s
    at_locks = 0.0
    for one in scenario.locks:
        m = scenario.acquires(one.name)
        waited, hold = expected(
            scenario, n, [seen(kind, 1, n, lock=one.name) for kind in ("mean_wait", "hold_time")]
        )
        assert hold * m == pytest.approx(network.hold[one.name], rel=1e-9, abs=1e-14)
        at_locks += x * m * (waited + hold + one.acquire_time)
    assert at_locks <= n * (1 + 1e-9)


@pytest.mark.parametrize("n", [2, 16, 64])
def test_thinking_and_waiting_make_up_the_population(n):
    scenario = model(locks=("a", "b"))
    x = points(scenario, [n])[0].throughput_per_s
    at_locks = 0.0
    for name in ("a", "b"):
        asked = [seen(kind, 1, n, lock=name) for kind in ("mean_wait", "hold_time")]
        at_locks += x * 5 * (sum(expected(scenario, n, asked)) + 20e-9)
    assert at_locks + x * 100e-6 == pytest.approx(n, rel=1e-9)


@given(scenarios(shard_by=("hash",), walkers=False, min_locks=1), st.integers(1, 40))
@REPEATABLE
def test_shares_and_fractions_are_shares(scenario, n):
    assume(min(one.alone for one in build(scenario, n).stations) > 1e-100)
    share, fraction = expected(
        scenario, n, [seen("wait_share", 1, n), seen("contended_fraction", 1, n)]
    )
    assert 0 < share <= 1 + 1e-9
    assert 0 < fraction <= 1 + 1e-9


def three_sites():
    sites = [
        ("exec", "split", 6.0, 900.0),
        ("exec", "link", 2.0, 100.0),
        ("exit", "drop", 4.0, 0.0),
    ]
    return replace(
        STOCK,
        sites=tuple(
            Site(lock="a", phase=p, name=s, acquires=m, held_instructions=h) for p, s, m, h in sites
        ),
    )


def test_wait_shares_of_sites_are_as_their_acquires():
    scenario = three_sites()
    labels = ("exec.split", "exec.link", "exit.drop")
    shares = expected(scenario, 64, [seen("wait_share", 0.1, 64, site=s) for s in labels])
    whole = expected(scenario, 64, [seen("wait_share", 0.1, 64)])[0]
    assert np.array(shares) / whole == pytest.approx([6 / 12, 2 / 12, 4 / 12], rel=1e-9)
    waits = expected(scenario, 64, [seen("mean_wait", 1, 64, site=s) for s in labels])
    assert waits == pytest.approx((waits[0],) * 3)


def test_hold_times_of_sites_are_as_their_instructions():
    scenario = three_sites()
    labels = ("exec.split", "exec.link", "exit.drop")
    holds = expected(scenario, 1, [seen("hold_time", 1, 1, site=s) for s in labels])
    assert holds[:2] == pytest.approx((900 * 0.3e-9, 100 * 0.3e-9), rel=1e-9)
    assert holds[2] < 1e-12
    mean = expected(scenario, 1, [seen("hold_time", 1, 1)])[0]
    assert mean == pytest.approx((6 * 900 + 2 * 100) * 0.3e-9 / 12, rel=1e-9)


def test_hold_times_grow_with_the_mappers():
    """100 instructions alone and 50 more per doubling: at 8 of the lab's 8 + 8, 100 + 4 * 50."""
    grown = Site(
        lock="a", phase="p", name="s", acquires=2.0, held_instructions=100.0,
        growth_per_doubling=50.0,
    )  # fmt: skip
    same = {"time_per_instruction_local": 1e-9, "time_per_instruction_remote": 1e-9}
    scenario = replace(STOCK, locks=(lock("a", other_mappers=8, **same),), sites=(grown,))
    assert expected(scenario, 8, [seen("hold_time", 1, 8)])[0] == pytest.approx(300e-9, rel=1e-12)
    assert expected(scenario, 8, [seen("hold_histogram", 1, 8, unit="s")])[0] == pytest.approx(
        300e-9
    )


def test_listed_shares_are_shares_of_what_is_listed():
    scenario = three_sites()
    labels = ("exec.split", "exec.link", "exit.drop")
    stated = (0.5, 0.3, 0.1)  # the tool lists 90 %
    asked = [
        seen("wait_share", v, 64, site=s, per=LISTED) for s, v in zip(labels, stated, strict=True)
    ]
    shares = expected(scenario, 64, [*asked, seen("wait_share", 0.2, 64, per="CPU time")])
    assert shares[:3] == pytest.approx((0.45, 0.15, 0.3), rel=1e-9)
    assert sum(shares[:3]) == pytest.approx(0.9)
    assert shares[3] == expected(scenario, 64, [seen("wait_share", 0.2, 64, per="CPU time")])[0]


def test_time_is_shared_by_the_processes_that_have_a_cpu():
    """Four times as many processes as CPUs, nearly all thinking: a quarter of them run."""
    small = Machine(name="small", cpus=4, cores=4)
    scenario = replace(STOCK, machine=small, think=1.0)
    share = expected(scenario, 16, [seen("wait_share", 0.1, 16)])[0]
    wait = expected(scenario, 16, [seen("mean_wait", 0.1, 16)])[0]
    x = points(scenario, [16])[0].throughput_per_s
    assert share == pytest.approx(x * 5 * wait / 4, rel=1e-3)


def test_shards_that_a_process_keeps_are_refused():
    pinned = replace(STOCK, locks=(lock("a", shards=8, shard_by="node"),))
    two = replace(STOCK, locks=(lock("a", shards=2, shard_by="node"),))
    for scenario in (two, pinned):
        if any(s.users for s in build(scenario, 64).stations):
            with pytest.raises(NotTrustworthyError, match=r"shards by CPU or node .* 'hash'"):
                expected(scenario, 64, [seen("mean_wait", 1, 64)])
            break
    else:
        pytest.fail("no scenario is pinned")


@pytest.mark.parametrize("skew", [0.0, 1.0, 3.0])
def test_a_shard_is_found_busy_as_often_as_it_is_chosen(skew):
    """Two processes, three shards: the other is at shard i for the share p_i D / (Z + D) of the
    time, and p_i is how often one comes there."""
    sharded = replace(STOCK, locks=(lock("a", shards=3, shard_by="hash", shard_skew=skew),))
    p = np.arange(1, 4) ** -skew / np.sum(np.arange(1, 4) ** -skew)
    line = 1 - (4 - 0.5 * (4 - 2)) / 4
    alone = (0.3e-9 + 1.7e-9 * line) * 4000 + 5 * 20e-9
    contended = expected(sharded, 2, [seen("contended_fraction", 0.1, 2)])[0]
    assert contended == pytest.approx(float(p @ p) * alone / (alone + 100e-6), rel=1e-9)


TWO = model(locks=("a", "b"))


@pytest.mark.parametrize(
    ("scenario", "observation", "why"),
    [
        (STOCK, seen("idle_share", 0.1), "the model's waiters spin: it says nothing about idle"),
        (STOCK, seen("acquires", 5, unit="per run"), "acquires of a whole run: divide them"),
        (STOCK, seen("throughput", 5, None), "its population is not known: give --tasks"),
        (STOCK, seen("wait_share", 0.1, None), "its population is not known: give --tasks"),
        (STOCK, seen("acquires", 5, None, unit="1/s"), "its population is not known: give --tasks"),
        (STOCK, seen("hold_time", 1e-6, None), "its population is not known: give --tasks"),
        (STOCK, seen("hold_histogram", 1, None, unit="s"), "its population is not known"),
        (repairman(), seen("hold_time", 1e-6, None), ""),
        (STOCK, seen("acquires", 5, None), ""),
        (STOCK, seen("mean_wait", 0.0), "0 cannot be compared in proportion"),
        (STOCK, seen("mean_wait", 1e-6, lock="b"), "the model has no lock 'b'"),
        (STOCK, seen("wait_share", 0.1, site="p.t"), "the model has no site 'p.t'"),
        (TWO, seen("wait_share", 0.1, lock="a", site="p.t"), "the model has no site 'p.t' at a"),
        (TWO, seen("mean_wait", 1e-6), "it names no lock, and the model has several"),
        (TWO, seen("hold_time", 1e-6), "it names no lock, and the model has several"),
        (TWO, seen("hold_time", 1e-6, lock="b"), ""),
        (TWO, seen("wait_share", 0.1), ""),
        (STOCK, seen("mean_wait", 1e-6, site="p.s"), ""),
        (STOCK, seen("mean_wait", 1e-6, site="a/p.s"), ""),
        (STOCK, seen("throughput", 1.0), ""),
        (STOCK, seen("gain", 0.0), ""),
        (STOCK, seen("gain", -0.1), ""),
    ],
)  # fmt: skip
def test_what_cannot_be_used_says_why(scenario, observation, why):
    said = unusable(observation, scenario)
    assert said.startswith(why)
    assert bool(said) == bool(why)


def test_sites_are_found_by_label_and_lock():
    assert [s.lock for s in sites_of(TWO, seen("wait_share", 0.1))] == ["a", "b"]
    assert [s.lock for s in sites_of(TWO, seen("wait_share", 0.1, site="p.s"))] == ["a", "b"]
    assert [s.lock for s in sites_of(TWO, seen("wait_share", 0.1, lock="b"))] == ["b"]
    assert [s.lock for s in sites_of(TWO, seen("wait_share", 0.1, site="b/p.s"))] == ["b"]
