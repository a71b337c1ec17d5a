"""Several classes in product form: reference values, a Markov chain, symmetries, refusals."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pytest

from lockmodel.errors import NotTrustworthyError
from lockmodel.model.class_network import ClassStation
from lockmodel.model.network import Network, Station
from lockmodel.solvers.class_kernels import compiled, fold_classes
from lockmodel.solvers.class_means import approximate
from lockmodel.solvers.multiclass import solvable, solve_classes, throughput_of_classes
from lockmodel.solvers.product_form import solve

CASE_F = (0.804605243940503, 0.747121006406891)
"""Two classes of 32, think time 10 each, demands (1, .5, .25) and (.2, .8, .1)."""


def station(name: str, demands: list[float], slower: np.ndarray | None = None, copies: int = 1):
    levels = np.ones(1) if slower is None else slower
    return ClassStation(name, np.array(demands, float), levels, copies)


def delay(n: int) -> np.ndarray:
    return 1.0 / np.arange(1.0, n + 1.0)


def case_f(n: int) -> tuple[ClassStation, ...]:
    return (
        station("cpu", [10.0, 10.0], delay(n)),
        station("a", [1.0, 0.2]),
        station("b", [0.5, 0.8]),
        station("c", [0.25, 0.1]),
    )


def test_two_classes_of_32_are_solved_to_the_last_digits():
    solved = solve_classes(case_f(64), (32, 32))
    assert solved.throughput == pytest.approx(CASE_F, rel=1e-12)
    assert throughput_of_classes(case_f(64), (32, 32)) == pytest.approx(CASE_F, rel=1e-12)
    assert solved.queues.sum(axis=0) == pytest.approx([32.0, 32.0], rel=1e-12)
    # a server is busy for what it is asked: U = sum of X D
    assert solved.busy[2] == pytest.approx(0.5 * CASE_F[0] + 0.8 * CASE_F[1], rel=1e-12)


@pytest.mark.alone
def test_it_takes_no_longer_than_stated():
    compiled()
    four = (
        station("a", [1.0, 0.2, 0.3, 0.4]),
        station("b", [0.5, 0.8, 0.2, 0.1]),
        station("c", [0.25, 0.1, 0.7, 0.3]),
    )
    for stations, counts, limit in ((case_f(64), (32, 32), 5e-3), (four, (16,) * 4, 0.5)):
        solve_classes(stations, counts)
        took = []
        for _ in range(5):
            start = time.perf_counter()
            solve_classes(stations, counts)
            took.append(time.perf_counter() - start)
        assert min(took) <= limit


def chain(
    stations: tuple[ClassStation, ...], counts: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Return throughputs and queues from balance equations of a chain that shares each station.

    With n there, n_c of class c, one of class c leaves a station at the rate n_c / n over its
    demand and how much slower n makes it; its next station follows in order, so every station is
    visited once per iteration.
    """
    places = len(stations)
    ways = [
        [
            split
            for split in itertools.product(range(count + 1), repeat=places)
            if sum(split) == count
        ]
        for count in counts
    ]
    states = list(itertools.product(*ways))
    index = {state: i for i, state in enumerate(states)}
    flows = np.zeros((len(states), len(states)))
    left = np.zeros((len(states), len(counts)))
    for state, i in index.items():
        for k, s in enumerate(stations):
            n = sum(split[k] for split in state)
            for c, split in enumerate(state):
                if not split[k]:
                    continue
                slower = s.slower[min(n, s.slower.size) - 1]
                rate = split[k] / n / (s.demands[c] * slower)
                moved = list(split)
                moved[k] -= 1
                moved[(k + 1) % places] += 1
                target = (*state[:c], tuple(moved), *state[c + 1 :])
                flows[i, index[target]] += rate
                left[i, c] += rate * (k == 0)
    balance = flows.T - np.diag(flows.sum(axis=1))
    balance[0] = 1.0
    p = np.linalg.solve(balance, np.eye(len(states))[0])
    queues = np.array(
        [
            [sum(p[i] * s[c][k] for s, i in index.items()) for c in range(len(counts))]
            for k in range(places)
        ]
    )
    return p @ left, queues


@pytest.mark.parametrize("counts", [(2, 3), (1, 4), (2, 1, 2)])
def test_a_markov_chain_of_the_classes_says_the_same(counts: tuple[int, ...]):
    classes, n = len(counts), sum(counts)
    stations = (
        station("cpu", [3.0, 2.0, 1.0][:classes], 1.0 / np.minimum(np.arange(1.0, n + 1), 2.0)),
        station("a", [1.0, 0.2, 0.6][:classes], 1.0 + 0.4 * np.arange(n)),
        station("b", [0.5, 0.8, 0.1][:classes], np.array([1.0, 1.7])),
    )
    rates, queues = chain(stations, counts)
    solved = solve_classes(stations, counts)
    assert solved.throughput == pytest.approx(rates, rel=1e-10)
    assert solved.queues == pytest.approx(queues, rel=1e-10)


def test_one_class_is_the_product_form_of_one_class():
    slower = 1.0 + 0.05 * np.arange(32)
    stations = (station("cpu", [10.0], delay(32)), station("a", [1.0], slower))
    one = Network(32, (Station("cpu", 10.0 * delay(32)), Station("a", slower)), hold={})
    assert solve_classes(stations, (32,)).throughput[0] == pytest.approx(
        solve(one)[0].throughput, rel=1e-12
    )


def test_a_class_in_two_equal_parts_makes_the_same_total():
    slower = 1.0 + 0.05 * np.arange(32)
    whole = (station("cpu", [10.0], delay(32)), station("a", [1.0], slower), station("b", [0.7]))
    split = tuple(ClassStation(s.name, np.repeat(s.demands, 2), s.slower) for s in whole)
    one = solve_classes(whole, (32,))
    for counts in ((16, 16), (31, 1)):
        two = solve_classes(split, counts)
        assert two.throughput.sum() == pytest.approx(one.throughput[0], rel=1e-12)
        assert two.throughput[0] / two.throughput[1] == pytest.approx(counts[0] / counts[1])
        assert two.queues.sum(axis=1) == pytest.approx(one.queues[:, 0], rel=1e-11)


def test_the_order_of_classes_and_stations_does_not_matter():
    stations = case_f(9)
    one = solve_classes(stations, (6, 3))
    turned = tuple(ClassStation(s.name, s.demands[::-1], s.slower) for s in stations[::-1])
    other = solve_classes(turned, (3, 6))
    assert other.throughput[::-1] == pytest.approx(one.throughput, rel=1e-12)
    assert other.queues[::-1, ::-1] == pytest.approx(one.queues, rel=1e-12)


def test_copies_are_so_many_stations():
    many = (station("cpu", [5.0, 2.0], delay(7)), station("a", [0.5, 0.3], copies=3))
    each = (many[0], *(station(f"a{i}", [0.5, 0.3]) for i in range(3)))
    together, apart = solve_classes(many, (4, 3)), solve_classes(each, (4, 3))
    assert together.throughput == pytest.approx(apart.throughput, rel=1e-12)
    assert together.queues[1] == pytest.approx(apart.queues[1], rel=1e-12)


@pytest.mark.parametrize("counts", [(1, 1), (5, 20), (40, 40)])
def test_throughputs_keep_to_the_bounds_of_each_class(counts: tuple[int, int]):
    stations = case_f(sum(counts))
    rates = solve_classes(stations, counts).throughput
    demands = np.array([s.demands for s in stations])
    assert np.all(rates <= np.array(counts) / demands.sum(axis=0) * (1 + 1e-12))
    assert np.all(demands[1:] @ rates <= 1.0 + 1e-12)
    # nobody waits for more than everybody else at every station
    worst = demands[0] + (demands[1:].max(axis=1) * sum(counts)).sum()
    assert np.all(rates >= np.array(counts) / worst)


def test_hundreds_of_processes_stay_within_the_range_of_numbers():
    n = 600
    slower = 1.0 + 0.05 * np.arange(n)
    whole = (Station("cpu", 10.0 * delay(n)), Station("a", slower))
    one = solve(Network(n, whole, hold={}))[0].throughput
    two = (station("cpu", [10.0, 10.0], delay(n)), station("a", [1.0, 1.0], slower))
    assert throughput_of_classes(two, (300, 300)).sum() == pytest.approx(one, rel=1e-10)


def test_what_is_too_large_is_refused_with_the_remedy():
    stations = tuple(station(name, [1.0] * 6) for name in "abc")
    assert not solvable(stations, (30,) * 6)
    with pytest.raises(NotTrustworthyError, match=r"8.88e\+08 population vectors.*approximation"):
        solve_classes(stations, (30,) * 6)


def test_the_compiled_loop_gives_the_same_bits_as_the_plain_one():
    counts, strides = np.array([3, 4]), np.array([5, 1])
    before = np.random.default_rng(1).random(20)
    plain, fast = np.empty(20), np.empty(20)
    for loop, out in ((fold_classes, plain), (compiled(), fast)):
        loop(before, out, np.array([0.3, 0.7]), counts, strides, out)
    assert np.array_equal(plain, fast)
    # the last: all ways to spend (3, 4) on one server
    ways = sum(
        before[(3 - i) * 5 + 4 - j] * math.comb(i + j, i) * 0.3**i * 0.7**j
        for i in range(4)
        for j in range(5)
    )
    assert plain[-1] == pytest.approx(ways, rel=1e-12)


def test_average_processes_are_exact_for_equal_classes_and_near_for_others():
    n = 64
    slower = 1.0 + 0.05 * np.arange(n)
    equal = (station("cpu", [30.0] * 2, delay(n)), station("a", [1.0] * 2, slower))
    first = np.array([0.5, 0.5])
    exact = solve_classes(equal, (40, 24)).throughput
    assert approximate(lambda _: equal, (40, 24), first).throughput == pytest.approx(
        exact, rel=1e-7
    )
    near = approximate(lambda _: case_f(n), (32, 32), first).throughput
    assert near == pytest.approx(CASE_F, rel=0.05)
    assert np.abs(near / CASE_F - 1.0).max() > 1e-3


def test_two_states_that_compete_are_refused_by_the_approximation():
    slower = 1.0 + 0.05 * np.arange(32)
    jumps = (
        station("cpu", [10.0, 10.0], delay(32)),
        station("a", [1.0, 0.0], slower),
        station("b", [0.3, 0.8]),
    )
    assert solve_classes(jumps, (16, 16)).throughput == pytest.approx([0.7574, 0.9483], rel=1e-4)
    with pytest.raises(NotTrustworthyError, match="two states of the locks compete; simulate"):
        approximate(lambda _: jumps, (16, 16), np.array([0.5, 0.5]))
