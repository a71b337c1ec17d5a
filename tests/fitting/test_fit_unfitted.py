"""What was not fitted moves in the draws: by how much, and what stays where it was measured."""

from __future__ import annotations

import math

import lined
import numpy as np
import pytest
from fits import fitted
from msgspec.structs import replace

from lockmodel.fitting.draws import drawn
from lockmodel.fitting.parameters import parse, read
from lockmodel.fitting.unfitted import GROWN, SPREAD, Unfitted, moved, unfitted
from lockmodel.model.handoff import (
    ConstantHandOff,
    HandOff,
    LinearHandOff,
    SaturatingHandOff,
    TopologyHandOff,
)
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Calibrated, Lock, Scenario, Site
from lockmodel.solvers.throughput import throughput

MACHINE = Machine(name="two", cpus=32, cores=32, nodes=2, sockets=2, same_node_cost=0.4)


def one_lock(handoff: HandOff, far: float = 4e-9) -> Scenario:
    """20 us and a lock of 4 x 500 instructions; fitted to a curve from 1 to 16."""
    lock = Lock(
        name="k",
        time_per_instruction_local=1e-9,
        time_per_instruction_remote=far,
        handoff=handoff,
    )
    scenario = Scenario(
        name="one",
        title="one lock",
        iteration="one",
        machine=MACHINE,
        think=2e-5,
        locks=(lock,),
        sites=(Site(lock="k", phase="p", name="a", acquires=4, held_instructions=500),),
        calibrated=Calibrated(low=1, high=16, throughput_per_s=1e6),
    )
    return fitted(scenario, {"think": 1e-9, "k.handoff": 1e-9}, noise=0.05)


CONSTANT = ConstantHandOff(time=1e-7)


def only(scenario: Scenario, kind: str) -> Unfitted:
    (own,) = (one for one in unfitted(scenario) if one.kind == kind)
    return own


def kinds(scenario: Scenario) -> list[str]:
    return [one.kind for one in unfitted(scenario)]


def test_what_is_fitted_does_not_move_beside() -> None:
    scenario = one_lock(CONSTANT)
    assert kinds(scenario) == ["own lines", "growth"]
    linear = one_lock(LinearHandOff(time=1e-7, per_waiter=1e-9))
    assert kinds(fitted(linear, {"k.handoff.per_waiter": 0.1})) == ["own lines"]
    assert kinds(fitted(scenario, {"all.time_per_instruction_local": 0.1})) == ["growth"]
    assert kinds(one_lock(TopologyHandOff(local=1e-7, remote=2e-7))) == [
        "own lines",
        "other node",
        "seen",
    ]


def test_nothing_moves_that_was_not_fitted_to_data() -> None:
    scenario = one_lock(CONSTANT)
    assert scenario.fit is not None
    counted = replace(scenario, fit=replace(scenario.fit, data=()))
    assert unfitted(counted) == unfitted(replace(scenario, fit=None)) == ()
    assert drawn(counted, 4).scenarios[0].lock("k").handoff.family == "constant"


def test_a_handoff_grows_about_the_waiters_it_was_measured_with() -> None:
    """One standard deviation: 4.2 % of the first for each further waiter; with 5 it stays."""
    own = Unfitted("k", "growth", waiters=5.0, remote=0.0, line=0.3, population=16)
    first = 1e-7 / (1 + 4 * GROWN)
    for step in (1.0, -1.0):  # a constant one only grows
        grown = moved(one_lock(CONSTANT), [own], np.array([step])).lock("k").handoff
        cost = grown.cost(np.array([0.0, 1.0, 5.0, 6.0]), 0.0)
        wanted = [0.0, first, 1e-7, 1e-7 + GROWN * first]
        assert cost == pytest.approx(wanted, rel=1e-12)
    linear = one_lock(LinearHandOff(time=1e-7, per_waiter=5e-9))  # 5 % less 4.2 %
    grown = moved(linear, [own], np.array([-1.0])).lock("k").handoff
    assert grown.per_waiter / grown.time == pytest.approx(0.05 - GROWN)
    rising = one_lock(SaturatingHandOff(time=1e-7, limit=2e-7, half_waiters=4.0))
    grown = moved(rising, [own], np.array([1.0])).lock("k").handoff
    assert (grown.limit / grown.time, grown.half_waiters) == pytest.approx((2 + 4 * GROWN, 4.0))
    assert grown.cost(np.array([5.0]), 0.0) == pytest.approx([1.5e-7])


def test_another_node_is_farther_or_nearer_and_never_nearer_than_this_one() -> None:
    """Within a node of 16 nothing of it was measured: the local one stays, the ratio moves."""
    scenario = one_lock(TopologyHandOff(local=1e-7, remote=2e-7))
    own = only(scenario, "other node")
    assert own.remote == 0.0
    for step, ratio in ((1.0, 2 * math.exp(0.2)), (-9.0, 1.0)):
        far = moved(scenario, [own], np.array([step])).lock("k").handoff
        assert (far.local, far.remote) == pytest.approx((1e-7, ratio * 1e-7))


def test_a_handoff_may_see_less_of_the_way_than_a_line_does() -> None:
    """From twice as far, one standard deviation is 60 % of the way not seen; beyond it, all."""
    scenario = one_lock(TopologyHandOff(local=1e-7, remote=2e-7))
    own = only(scenario, "seen")
    for step, ratio in ((1.0, 1.4), (-1.0, 1.4), (3.0, 1.0), (0.0, 2.0)):
        far = moved(scenario, [own], np.array([step])).lock("k").handoff
        assert (far.local, far.remote) == pytest.approx((1e-7, ratio * 1e-7))


def of_lines(near: float) -> Scenario:
    """Of `lined`: 7 lines an iteration of 50 ns, 4 acquires of 6 more; curve to 4, own socket."""
    made = lined.scenario()
    (lock,) = made.locks
    (site,) = (replace(site, lines=7.0 / 3.0) for site in made.sites if site.name == "s")
    sites = (site, Site(lock="a", phase="p", name="t", acquires=1, held_instructions=100))
    lock = replace(lock, time_per_instruction_local=near, time_per_instruction_remote=near)
    made = replace(
        made, locks=(lock,), sites=sites, calibrated=Calibrated(low=1, high=4, throughput_per_s=1e6)
    )
    return fitted(made, {"think": 1e-9}, noise=0.05)


@pytest.mark.parametrize(
    ("step", "slower"),
    [
        # 400 instructions of 2 ns, 7 lines of 50 ns: exp(+-.1) of 350 ns are of the other's 800
        (1.0, 1 - (math.exp(0.1) - 1) * 350 / 800),
        (-1.0, 1 + (1 - math.exp(-0.1)) * 350 / 800),
        (30.0, 0.0),  # no more lines than the whole hold has time for
    ],
)
def test_lines_trade_against_instructions_and_one_process_notices_nothing(
    step: float, slower: float
) -> None:
    scenario = of_lines(2e-9)
    there = moved(scenario, [only(scenario, "lines")], np.array([step]))
    assert there.lock("a").time_per_instruction_remote == pytest.approx(slower * 2e-9)
    counted = there.lines("a", 4, 12)
    assert counted * 50e-9 + slower * 800e-9 == pytest.approx(1150e-9)
    alone = [throughput(each, [1])[0] for each in (there, scenario)]
    assert alone[0] == pytest.approx(alone[1], rel=1e-9)


@pytest.mark.parametrize("far", [4e-9, 1e-9])
@pytest.mark.parametrize("step", [1.0, -1.0, 5.0])
def test_own_lines_keep_what_one_process_reaches_and_the_demand(far: float, step: float) -> None:
    scenario = one_lock(CONSTANT, far)
    own = only(scenario, "own lines")
    there = moved(scenario, [own], np.array([step]))
    lock, before = there.lock("k"), scenario.lock("k")
    mean = before.time_per_instruction_local + (far - 1e-9) * own.line
    near = lock.time_per_instruction_local
    assert near + (lock.time_per_instruction_remote - near) * own.line == pytest.approx(mean)
    assert near <= lock.time_per_instruction_remote * (1 + 1e-12)
    size = abs(SPREAD["own lines"] * step)
    if far == 1e-9 or step == -1.0:  # where distance made no difference own lines are nearer
        assert near == pytest.approx(1e-9 * math.exp(-size))
    alone = [throughput(each, [1])[0] for each in (there, scenario)]
    assert alone[0] == pytest.approx(alone[1], rel=1e-9)


def test_draws_stay_with_what_was_measured_and_part_beyond_it() -> None:
    scenario = one_lock(CONSTANT)
    bare = throughput(scenario, [4, 8, 16, 32])
    made = [throughput(one, [4, 8, 16, 32]) for one in drawn(scenario, 128, split=False).scenarios]
    off = np.log(np.array(made) / bare)
    assert np.abs(off[:, [0, 2]]).max() <= 2 * 0.05 * (1 + 1e-9)  # 2 sd, first and last looked at
    low, high = np.quantile(off[:, 3], [0.05, 0.95])
    assert low < -0.1
    assert high > 0.1  # lines whose distance matters less than the model says
    handoff = parse("k.handoff", scenario)  # with 31 waiters
    values = [read(one, handoff) for one in drawn(scenario, 128).scenarios]
    assert min(values) >= 1e-7 * (1 - 1e-6)
    assert max(values) > 1.5e-7


def test_no_draw_is_left_without_think_time() -> None:
    """What is longer alone is taken from 10 ns, a hundredth of what own lines may take."""
    scenario = replace(one_lock(CONSTANT), think=1e-8)
    made = drawn(scenario, 64).scenarios
    assert min(one.think for one in made) > 0.0
    moved_ones = {one.lock("k").time_per_instruction_local for one in made}
    assert len(moved_ones) > 8  # not all as they were
