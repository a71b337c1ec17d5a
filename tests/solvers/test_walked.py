"""Walkers in closed form: by hand, against chains by name, and against simulations on file."""

from __future__ import annotations

import importlib.util
import math
from collections import Counter
from itertools import groupby

import pytest
from msgspec.structs import replace
from places import ROOT
from simulated import lock, workload

from lockmodel.evaluate.verify.semaphores import Semaphores, Step, always
from lockmodel.model.distribution import Exponential
from lockmodel.model.handoff import ConstantHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Scenario, Walkers
from lockmodel.model.shipped import read_table
from lockmodel.solvers.error_map import WALKED_DATA
from lockmodel.solvers.simulation.simulate import simulate
from lockmodel.solvers.solve import points
from lockmodel.solvers.throughput import throughput
from lockmodel.solvers.walked import walked, without_walkers

WORST = {("cpu", "0"): 0.08, ("cpu", "1"): 0.02, ("hash", "0"): 0.31}
"""Of throughput, what the closed form may be off by: by shards' key, and whether walkers give up.

By hash it is rough, and says so: who is stopped at one shard no longer fills the queue of another,
so a walk waits for less than it does here (2 and 4 shards), or longer (8)."""

ENOUGH = 0.05
"""Shards are enough that come this near to the best."""


def walking(
    rate: float, read: float, think: float = 20.0, hold: float = 1.0, n: int = 8, **more: object
) -> Scenario:
    """Return processes of one lock that is walked."""
    machine = Machine(name="m", cpus=n, cores=n)
    walkers = Walkers(rate, read, bool(more.pop("give_up", False)))
    a = lock(kind="rwsem", walkers=walkers, **more)
    return workload(think, (a,), [("a", 1, hold)], machine)


def test_a_lock_that_is_always_held_by_hand():
    """It is free of readers for the time-out, two holds less half of one, and until a walk comes.

    Nobody thinks, so a reader is granted by the bit only: after it has waited 50, half of a hold
    and a hold more. A walk reads for 10 after a wake-up of 2. At a walk in 1000 one in 83 comes
    while another reads; its time-out runs from then, but the writers in the queue come first.
    """
    scenario = walking(1e-3, 10.0, think=0.0, n=4, wake_time=2.0, handoff_timeout=50.0)
    vacation, wait = 12.0, 50.0 + 1.5 + 2.0
    cycle = 1000.0 + wait + vacation
    effect = walked(scenario, "a", 4)
    assert effect.kept == pytest.approx(1.0 - vacation / cycle, abs=2e-3)
    assert effect.walk_s == pytest.approx(wait + vacation, rel=1e-6)
    assert effect.blocked == pytest.approx((vacation / cycle,), rel=0.02)


def test_walks_that_never_wait_take_what_they_read():
    """A lock that is hardly ever held: all that stops is who comes while a walk reads."""
    scenario = walking(0.01, 2.0, think=1e6, wake_time=0.0)
    effect = walked(scenario, "a", 8)
    assert effect.walk_s == pytest.approx(2.0, rel=1e-3)
    assert effect.kept == pytest.approx(1.0, abs=1e-6)
    assert effect.blocked[0] == pytest.approx(1 - math.exp(-0.01 * 2.0), rel=0.02)


def test_later_shards_are_kept_for_less():
    effect = walked(walking(0.002, 1.0, n=32, think=2.0, shards=4, handoff_timeout=30.0), "a", 32)
    assert list(effect.blocked) == sorted(effect.blocked, reverse=True)
    assert effect.blocked[0] > 2 * effect.blocked[-1]
    # saturated shards: the time-out at each that comes after
    steps = [a - b for a, b in zip(effect.blocked, effect.blocked[1:], strict=False)]
    assert steps == pytest.approx([steps[0]] * 3, rel=0.05)


def test_who_gives_up_keeps_nothing_while_it_waits():
    patient = walked(walking(0.02, 1.0, n=16, think=4.0, shards=4), "a", 16)
    trying = walked(walking(0.02, 1.0, n=16, think=4.0, shards=4, give_up=True), "a", 16)
    assert trying.kept > patient.kept
    assert trying.took_place < 0.5 < patient.took_place == 1.0
    assert trying.walk_s == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize(("shards", "rate"), [(1, 0.01), (1, 0.04), (2, 0.04)])
def test_as_the_chain_that_follows_everybody(shards, rate):
    """Few processes, exponential times: neither fluid nor constant, so rougher than large ones."""
    n, think, hold, read = 4, 6.0, 1.0, 2.0
    costs = {"handoff": ConstantHandOff(time=0.2), "wake_time": 0.4, "handoff_timeout": 8.0}
    scenario = walking(
        rate,
        read,
        think,
        hold,
        n,
        shards=shards,
        spin_limit=0.2,
        timeout_distribution=Exponential(),
        **costs,
    )
    programs = tuple(always(Step(p * shards // n, False, hold)) for p in range(n))
    chain = Semaphores(
        think,
        programs,
        shards=shards,
        handoff=0.2,
        wake=0.4,
        timeout=8.0,
        spin=0.2,
        walks=rate,
        read=read,
        walkers=1,
    )
    exact = chain.means()["done"]
    free = Semaphores(think, programs, shards=shards, handoff=0.2).means()["done"]
    loss, found = 1.0 - exact / free, 1.0 - walked(scenario, "a", n).kept
    assert 0.0 < loss < 0.2
    assert found == pytest.approx(loss, abs=0.02)


def test_points_say_where_the_time_goes():
    scenario = walking(0.01, 10.0, n=8, think=4.0, handoff_timeout=20.0)
    (free,) = points(without_walkers(scenario), [8], "product-form")
    (point,) = points(scenario, [8], "product-form")
    assert point.throughput_per_s == pytest.approx(float(throughput(scenario, [8])[0]), rel=1e-12)
    longer = 8 / point.throughput_per_s - 8 / free.throughput_per_s
    assert point.locks["a"].wait_s - free.locks["a"].wait_s == pytest.approx(longer, rel=1e-9)
    assert point.locks["a"].utilisation <= 1.0


def study():
    spec = importlib.util.spec_from_file_location("study", ROOT / "tools" / "walkers_study.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def kind(row):
    return row["by"], row["give_up"]


def test_as_simulated():
    """The table of errors is what the closed form gives now, and within the target."""
    rows = read_table(ROOT / WALKED_DATA)
    assert Counter(map(kind, rows)) == {("cpu", "0"): 36, ("cpu", "1"): 36, ("hash", "0"): 30}
    made = study()
    for row in rows:
        shards, walks = int(row["shards"]), float(row["walks_per_s"])
        found = float(row["closed_form_per_s"])
        assert found == pytest.approx(float(row["simulated_per_s"]), rel=WORST[kind(row)])
        if shards <= 8:  # more take long
            scenario = made.walked(row["scenario"], shards, walks, row["by"], row["give_up"] == "1")
            now = float(throughput(scenario, [int(row["n"])])[0])
            assert now == pytest.approx(found, rel=1e-3)


def test_the_best_number_of_shards():
    """The fewest that come within 5 % of the best: within one doubling of what is simulated."""
    rows = read_table(ROOT / WALKED_DATA)
    groups = 0
    for _, group in groupby(rows, lambda row: (*kind(row), row["scenario"], row["walks_per_s"])):
        each = list(group)
        enough = []
        for key in ("simulated_per_s", "closed_form_per_s"):
            best = max(float(row[key]) for row in each)
            good = (int(r["shards"]) for r in each if float(r[key]) > (1 - ENOUGH) * best)
            enough.append(min(good))
        assert abs(math.log2(enough[0] / enough[1])) <= 1.0
        groups += 1
    assert groups == 18


@pytest.mark.parametrize(
    ("think", "shards", "rate", "read"),
    [(400.0, 1, 5e-3, 40.0), (60.0, 2, 0.02, 20.0), (20.0, 4, 0.02, 20.0)],
)
def test_who_gives_up_as_simulated(think, shards, rate, read):
    """Few walks take place; those that do keep the shards for as long as they read."""
    scenario = walking(rate, read, think, n=16, shards=shards, wake_time=0.5, give_up=True)
    effect = walked(scenario, "a", 16)
    with_, without = (simulate(each, 16, 0.003) for each in (scenario, without_walkers(scenario)))
    kept = with_.throughput_per_s.value / without.throughput_per_s.value
    assert kept < 0.985  # else there is nothing to compare
    assert effect.kept == pytest.approx(kept, rel=0.012)
    assert effect.took_place == pytest.approx(1.0 - with_.locks["a"].gave_up, abs=0.05)


def test_walkers_of_other_locks_are_left_to_the_network():
    scenario = walking(0.01, 2.0)
    fifo = replace(scenario.locks[0], kind="fifo")
    assert without_walkers(replace(scenario, locks=(fifo,))).locks == (fifo,)
