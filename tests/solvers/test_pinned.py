"""Processes that keep their shard: against a Markov chain, hand-solved networks and limits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from places import CASES, timed

from lockmodel.answers.predict import predict
from lockmodel.changes.levers import shard
from lockmodel.errors import NotTrustworthyError
from lockmodel.model.machine import Machine
from lockmodel.model.network import Network, Station, build
from lockmodel.model.scenario import Lock, Scenario, Site
from lockmodel.model.toml import load
from lockmodel.solvers.kernels import compiled, plain
from lockmodel.solvers.pinned import solve_pinned
from lockmodel.solvers.product_form import throughputs
from lockmodel.solvers.solve import points


def sharded(machine: Machine, k: int, think: float, demand: float, by: str = "cpu") -> Scenario:
    """Return one lock of `k` shards, held `demand` seconds per iteration."""
    lock = Lock(
        name="a",
        time_per_instruction_local=demand,
        time_per_instruction_remote=demand,
        shards=k,
        shard_by=by,
    )
    site = Site(lock="a", phase="p", name="s", acquires=1, held_instructions=1)
    return Scenario(
        name="t",
        title="t",
        iteration="i",
        machine=machine,
        think=think,
        locks=(lock,),
        sites=(site,),
    )


def repairman(n: int, think: float, demand: float) -> float:
    """Return the throughput of n processes, a delay and one server: Erlang's loss recursion."""
    weight, total, busy = 1.0, 1.0, 0.0
    for j in range(1, n + 1):
        weight *= (n - j + 1) * demand / think
        total += weight
        busy += weight
    return busy / total / demand


def chain(users: tuple[int, ...], think: float, own: list[float], shared: float) -> float:
    """Return throughput by solving the Markov chain: think, own shard, one shared FIFO server.

    All holds exponential; the shared server has one mean, so its order does not matter and the
    next served is a uniformly chosen one of those there.
    """
    k = len(users)
    states = list(
        itertools.product(
            *[[(a, b) for a in range(n + 1) for b in range(n + 1 - a)] for n in users]
        )
    )
    index = {state: i for i, state in enumerate(states)}
    q = np.zeros((len(states), len(states)))
    flow = np.zeros(len(states))
    for state, i in index.items():
        waiting = sum(b for _, b in state)
        for g in range(k):
            a, b = state[g]  # at the own shard, at the shared server
            moves = [((a + 1, b), (users[g] - a - b) / think)]
            moves += [((a - 1, b + 1), 1 / own[g])] if a else []
            moves += [((a, b - 1), b / waiting / shared)] if b else []
            flow[i] += b / waiting / shared if b else 0.0
            for (x, y), rate in moves:
                if rate > 0:
                    j = index[(*state[:g], (x, y), *state[g + 1 :])]
                    q[i, j] += rate
                    q[i, i] -= rate
    a = np.vstack([q.T, np.ones(len(states))])
    p = np.linalg.lstsq(a, np.append(np.zeros(len(states)), 1.0), rcond=None)[0]
    return float(p @ flow)


@pytest.mark.parametrize("users", [(2, 1), (3, 2), (2, 2, 1)])
def test_classes_with_a_shared_station_match_the_markov_chain(users):
    n = sum(users)
    own = [0.7, 0.4, 0.9][: len(users)]
    stations = [Station("cpu", 1.3 / np.arange(1.0, n + 1)), Station("shared", np.array([0.5]))]
    stations += [
        Station("a", np.array([d]), 1, u, g, u / n)
        for g, (d, u) in enumerate(zip(own, users, strict=True))
    ]
    solution = solve_pinned(Network(n, tuple(stations), {}))
    assert solution.throughput == pytest.approx(chain(users, 1.3, own, 0.5), rel=1e-9)
    assert solution.queues.sum() == pytest.approx(n, rel=1e-12)


def test_unequal_shards_are_closed_networks_of_their_own():
    # 96 processes on 64 cores fill the first node twice: 64 and 32 users; both saturate at 10/s
    machine = Machine(name="m", cpus=128, cores=64, nodes=2, smt_speedup=2.0)
    (point,) = points(sharded(machine, 2, 1.0, 0.1), [96])
    expected = repairman(64, 1.0, 0.1) + repairman(32, 1.0, 0.1)
    assert point.throughput_per_s == pytest.approx(expected, rel=1e-9)
    assert expected == pytest.approx(20.0, rel=1e-4)
    assert point.ceiling_per_s == pytest.approx(20.0, rel=1e-12)


def test_few_users_and_one_alone():
    # 3 processes, 3 shards of 4 CPUs: CPUs 0 and 1 share a shard, CPU 2 has one to itself
    both = 20e-9  # think time and demand: what somebody may have measured, so nothing is warned of
    scenario = sharded(Machine(name="m", cpus=4, cores=4), 3, both, both)
    prediction = predict(scenario, [3], "product-form")
    assert prediction.points[0].throughput_per_s == pytest.approx((0.8 + 0.5) / both, rel=1e-12)
    assert (prediction.exact, prediction.warnings) == (True, ())


def test_equal_shards_match_that_many_closed_networks():
    machine = Machine(name="m", cpus=16, cores=16)
    (point,) = points(sharded(machine, 4, 2.0, 0.3), [16])
    assert point.throughput_per_s == pytest.approx(4 * repairman(4, 2.0, 0.3), rel=1e-10)
    state = point.locks["a"]
    x = point.throughput_per_s
    assert state.queue == pytest.approx(x * (0.3 + state.wait_s), rel=1e-9)
    assert state.utilisation == pytest.approx(x * 0.3 / 4, rel=1e-9)


def test_one_class_is_the_ordinary_network():
    stations = (
        Station("cpu", 1.3 / np.arange(1.0, 41.0)),
        Station("a", np.array([0.2, 0.5]), 1, 40, 0, 1.0),
        Station("shared", 0.1 + 0.002 * np.arange(40.0)),
    )
    plain = tuple(Station(s.name, s.service) for s in stations)
    solution = solve_pinned(Network(40, stations, {}))
    assert solution.throughput == pytest.approx(throughputs(plain, 40)[-1], rel=1e-11)


def test_nothing_shared_at_all():
    stations = tuple(Station("a", np.array([0.5]), 1, u, g, u / 7) for g, u in enumerate((4, 3)))
    solution = solve_pinned(Network(7, stations, {}))
    assert solution.throughput == pytest.approx(4.0, rel=1e-12)
    assert solution.queues == pytest.approx([4.0, 3.0], rel=1e-12)


def test_a_shard_that_everybody_uses_changes_nothing():
    # fill: 8 processes all sit in the first node, so one of two shards has them all
    base = timed("execl-xeon8369b")
    split = shard(base, "libc.so.6", 2, "node")
    before, after = points(base, [8])[0], points(split, [8])[0]
    assert after.throughput_per_s == pytest.approx(before.throughput_per_s, rel=1e-10)


def test_more_users_never_stop_the_others():
    # the second node fills from 33 to 64: no dip while it is half full
    split = shard(timed("execl-xeon8369b"), "libc.so.6", 2)
    rates = [p.throughput_per_s for p in points(split, [64, 80, 96, 112, 128])]
    assert min(rates) > 0.95 * max(rates)


def test_locks_with_different_partitions_are_refused_and_simulated():
    scenario = timed("execl-xeon8369b")
    two = shard(shard(scenario, "libc.so.6", 4), "executable", 8)
    assert build(two, 128).mixed == ("executable", "libc.so.6")
    assert build(two, 1).mixed == ()
    with pytest.raises(NotTrustworthyError, match=r"executable and libc\.so\.6 divide"):
        predict(two, [128], "product-form")
    alike = shard(shard(scenario, "libc.so.6", 8), "executable", 8)
    assert build(alike, 128).mixed == ()
    assert [s.users for s in build(two, 128).of("libc.so.6")] == [32]


@pytest.mark.parametrize("name", ["order_ab", "order_ba"])
def test_the_order_of_locks_in_the_file_changes_nothing(name):
    # simulated elsewhere: 2.73 M/s, an iteration waits 3.6 and 4.5 % of its time
    answer = predict(load(CASES / f"{name}.toml"), [64])
    (point,) = answer.points
    assert answer.method == "simulation"
    assert point.throughput_per_s == pytest.approx(2.73e6, rel=0.01)
    assert point.locks["a"].wait_share == pytest.approx(0.036, abs=0.004)
    assert point.locks["b"].wait_share == pytest.approx(0.045, abs=0.004)
    assert point.binding == "cpu"


def test_waits_are_those_of_the_iterations_made():
    # the fast shard makes most iterations and holds its lock the shortest: with holds weighted by
    # processes nobody seemed to wait; a simulation has 30.6 % of all time
    (point,) = predict(load(CASES / "bnd.toml"), [3], "product-form").points
    x = point.throughput_per_s
    # shard 0: two users, 600 instructions at (1 + 19 / 2) ns; shard 1: 500 of 1 ns; 20 ns each
    own, think = (0.6 * 10.5 + 0.02, 0.52), 1.0
    slow, fast = repairman(2, think, own[0]), 1 / (think + own[1])
    assert x == pytest.approx((slow + fast) * 1e6, rel=1e-9)
    waited = 2 / slow - think - own[0]
    assert point.locks["a"].wait_share == pytest.approx(slow * waited / 3, rel=1e-9)
    assert slow * waited / 3 == pytest.approx(0.306, abs=0.03)


@pytest.mark.parametrize("load_kernels", [plain, compiled])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_means_of_all_populations_are_those_of_each(load_kernels, scale):
    """At the outer scales probabilities span far more than a float's range."""
    kernels = load_kernels()
    x = np.append(0.0, np.linspace(1.0, 2.0, 200)) * scale
    service = np.array([0.7, 1.1, 0.9])
    queues, busy = kernels.means(x, service)
    assert (queues[0], busy[0]) == (0.0, 0.0)
    for n in (1, 2, 3, 50, 200):
        p = kernels.marginal(x, service, n)
        assert queues[n] == pytest.approx(p @ np.arange(n + 1.0), rel=1e-13)
        assert busy[n] == pytest.approx(p[1:].sum(), rel=1e-13)
