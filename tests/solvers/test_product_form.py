"""The exact solver against 80-digit references, finite differences and laws of queueing."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import TESTS

from lockmodel.errors import NotTrustworthyError
from lockmodel.model.network import Network, Station
from lockmodel.solvers import kernels, product_form
from lockmodel.solvers.product_form import batch_throughput, solve, throughputs

REFERENCE = json.loads((TESTS / "reference" / "product_form.json").read_text())
CASES = {case["name"]: case for case in REFERENCE["cases"]}

# DESIGN section 5, as printed there (case A at 1, 8, 16, 32, 4096; case B at 8, 13, 32, 64, 256).
DESIGN_A = {
    1: 0.08510638297872340,
    8: 0.61829933268927907,
    16: 0.9538958427556234,
    32: 0.9999961968904226,
    4096: 1.0,
}
DESIGN_B = {
    8: 0.60616446218847648,
    13: 0.77869684330971532,
    32: 0.4334339882218973,
    64: 0.2491795732336299,
    256: 0.0729364501323987,
}

several = settings(max_examples=60, deadline=None, derandomize=True)
demands = st.floats(1e-3, 10.0)


def levels(spec: list[str], population: int) -> np.ndarray:
    """Return the service times of a reference station."""
    kind, values = spec[0], [float(v) for v in spec[1:]]
    n = np.arange(1.0, population + 1.0)
    if kind == "delay":
        return values[0] / n
    if kind == "single":
        return np.array(values)
    if kind == "linear":
        return values[0] + values[1] * (n - 1)
    if kind == "handoff":
        return np.array([values[0], values[0] + values[1]])
    if kind == "saturating":
        hold, first, limit, half = values
        further = np.maximum(n - 2, 0)
        grown = (limit - first) * further / (further + half)
        return hold + np.where(n > 1, first + grown, 0.0)
    think, cores, cpus, speedup = values
    siblings = np.clip(n - cores, 0, cpus - cores)
    return think / (np.minimum(n, cores) + cores * (speedup - 1) * siblings / (cpus - cores))


def stations_of(name: str, population: int) -> tuple[Station, ...]:
    specs = CASES[name]["stations"]
    return tuple(Station(f"{i} {s[0]}", levels(s, population)) for i, s in enumerate(specs))


def single(*values: float, delay: float = 10.0, population: int = 64) -> tuple[Station, ...]:
    think = Station("think", delay / np.arange(1.0, population + 1.0))
    return (think, *(Station(f"s{i}", np.array([v])) for i, v in enumerate(values)))


@pytest.mark.parametrize("name", list(CASES))
@pytest.mark.parametrize("compiled", [False, True])
def test_throughput_matches_80_digits(name, compiled, monkeypatch):
    chosen = kernels.compiled() if compiled else kernels.plain()
    monkeypatch.setattr(product_form, "load", lambda steps: chosen)
    points = CASES[name]["n_throughput_queue_first"]
    top = max(n for n, _, _ in points)
    x = throughputs(stations_of(name, top), top)
    for n, expected, _ in points:
        assert x[n - 1] == pytest.approx(float(expected), rel=1e-12), n


@pytest.mark.parametrize("name", list(CASES))
def test_queue_of_the_first_station_matches_80_digits(name):
    for n, _, expected in CASES[name]["n_throughput_queue_first"]:
        (solution,) = solve(Network(n, stations_of(name, n), {}))
        assert solution.states[0].queue == pytest.approx(float(expected), rel=1e-10), n


def test_design_reference_values_a_and_b():
    a = throughputs(single(1.0, 0.5, 0.25, population=4096), 4096)
    for n, expected in DESIGN_A.items():
        assert a[n - 1] == pytest.approx(expected, rel=1e-12)
    slowing = Station("slowing", 1 + 0.05 * np.arange(256.0))
    b = throughputs((*single(0.5, 0.25, population=256), slowing), 256)
    for n, expected in DESIGN_B.items():
        assert b[n - 1] == pytest.approx(expected, rel=1e-12)
    assert int(np.argmax(b)) + 1 == 13


def test_plain_and_compiled_kernels_give_the_same_bits(monkeypatch):
    stations = stations_of("saturating", 200)
    monkeypatch.setattr(product_form, "load", lambda steps: kernels.plain())
    plain = throughputs(stations, 200)
    monkeypatch.setattr(product_form, "load", lambda steps: kernels.compiled())
    assert np.array_equal(plain, throughputs(stations, 200))


def test_many_small_calls_end_up_compiled(monkeypatch):
    monkeypatch.setattr(kernels, "_spent", 0)
    monkeypatch.delitem(kernels.sys.modules, "numba", raising=False)
    chosen = [kernels.load(kernels.PLAIN_STEPS // 2) for _ in range(3)]
    assert chosen == [kernels.plain(), kernels.plain(), kernels.compiled()]


@pytest.mark.parametrize("factor", [1e-6, 1e-3, 1.0, 1e3, 1e6])
def test_no_overflow_and_no_negative_numbers_at_4096(factor):
    x = throughputs(single(1.0, factor, 1e-6, population=4096), 4096)
    assert np.all(np.isfinite(x))
    assert np.all(x > 0)
    assert x[-1] == pytest.approx(1 / max(1.0, factor), rel=0.02)


def test_4096_processes_at_a_slowing_lock_stay_finite_and_exact():
    # alone in the network, X(n) = 1 / s(n) exactly: G(n) = product of s
    slowing = 1 + 0.05 * np.arange(4096.0)
    x = throughputs((Station("slowing", slowing), Station("tiny", np.array([1e-9]))), 4096)
    assert x[0] == pytest.approx(1 / (1 + 1e-9), rel=1e-14)
    assert np.all((x > 0) & (x < 1 / slowing * (1 + 1e-6)))


def test_mean_queues_add_up_to_the_population():
    for n in (1, 2, 13, 64):
        (solution,) = solve(Network(n, stations_of("case B", n), {}))
        assert sum(s.queue for s in solution.states) == pytest.approx(n, rel=1e-12)
        assert sum(s.queue_before for s in solution.states) == pytest.approx(n - 1, abs=1e-12)


def test_utilisation_of_a_single_server_is_throughput_times_demand():
    (solution,) = solve(Network(20, single(0.7, 0.3), {}))
    assert solution.states[1].busy == pytest.approx(solution.throughput * 0.7, rel=1e-12)


@several
@given(st.lists(demands, min_size=1, max_size=4), st.floats(0.1, 50.0), st.integers(1, 60))
def test_stays_below_both_asymptotes_and_is_exact_for_one(values, delay, n):
    x = throughputs(single(*values, delay=delay), n)
    total = delay + sum(values)
    assert x[0] == pytest.approx(1 / total, rel=1e-12)
    populations = np.arange(1, n + 1)
    assert np.all(x <= np.minimum(populations / total, 1 / max(values)) * (1 + 1e-12))


@several
@given(st.lists(demands, min_size=1, max_size=4), st.floats(0.1, 50.0))
def test_throughput_grows_with_population_for_constant_rates(values, delay):
    x = throughputs(single(*values, delay=delay), 64)
    assert np.all(np.diff(x) >= -1e-14 * x[1:])


@several
@given(st.lists(demands, min_size=1, max_size=3), st.floats(0.1, 50.0), st.floats(1e-9, 1e9))
def test_slowing_every_station_by_c_divides_throughput_by_c(values, delay, c):
    x = throughputs(single(*values, delay=delay), 40)
    slow = throughputs(single(*(c * v for v in values), delay=c * delay), 40)
    assert slow * c == pytest.approx(x, rel=1e-12)


def test_the_order_of_the_stations_does_not_matter():
    stations = stations_of("hand-off ten times the hold", 100)
    expected = throughputs(stations, 100)
    for order in itertools.permutations(stations):
        assert throughputs(order, 100) == pytest.approx(expected, rel=1e-12)


def test_copies_are_that_many_stations():
    lock = Station("lock", np.array([0.2, 0.3]), 5)
    five = [Station(f"lock{i}", lock.service) for i in range(5)]
    together = throughputs((*single(0.4), lock), 64)
    assert together == pytest.approx(throughputs((*single(0.4), *five), 64), rel=1e-12)


def test_balanced_closed_network_of_k_stations_in_closed_form():
    # K equal single servers, no think time: X(N) = N / (D (N + K - 1)) (Lazowska et al. 1984)
    x = throughputs((Station("shard", np.array([0.5]), 8),), 100)
    n = np.arange(1, 101)
    assert x == pytest.approx(n / (0.5 * (n + 7)), rel=1e-12)


def test_batch_agrees_with_one_by_one():
    rng = np.random.default_rng(7)
    delays, values = rng.uniform(1, 20, 9), rng.uniform(0.01, 2, (9, 3))
    rates = batch_throughput(delays, values, 128)
    for b in range(9):
        one = throughputs(single(*values[b], delay=delays[b], population=128), 128)
        assert rates[b] == pytest.approx(one[-1], rel=1e-12)


def test_all_populations_of_one_pass_agree_with_each_alone():
    stations = stations_of("saturating", 60)
    top = Network(60, stations, {})
    for n, solution in zip((1, 7, 60), solve(top, (1, 7, 60)), strict=True):
        (alone,) = solve(Network(n, stations, {}))
        assert solution.throughput == pytest.approx(alone.throughput, rel=1e-13)
        queues = [s.queue for s in solution.states]
        assert queues == pytest.approx([s.queue for s in alone.states], rel=1e-12)


@pytest.mark.parametrize("value", [0.0, -1.0, 1e-310, float("nan"), float("inf")])
def test_service_times_without_a_finite_answer_are_refused(value):
    with pytest.raises(NotTrustworthyError, match="'odd' has a service time that is not a finite"):
        throughputs((*single(1.0), Station("odd", np.array([value]))), 4)
