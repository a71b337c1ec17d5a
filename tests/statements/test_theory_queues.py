"""One lock in closed form, collapse, light load and exact elasticities: against the solvers."""

from __future__ import annotations

import itertools
import json
import math

import mpmath
import numpy as np
import pytest
from places import timed

from lockmodel.changes import levers
from lockmodel.model.network import Network, Station, build
from lockmodel.model.shipped import shipped_dir
from lockmodel.solvers.bounds import ceiling_at
from lockmodel.solvers.markov import repairman
from lockmodel.solvers.markov.queue_solution import solve_queues
from lockmodel.solvers.markov.queues import QueueLock, QueueNetwork, Stage
from lockmodel.solvers.product_form import solve, throughputs
from lockmodel.solvers.solve import points
from lockmodel.statements import find_statement
from lockmodel.statements.collapse import equal_weights
from lockmodel.statements.repairman import missing_at_knee
from lockmodel.statements.terms import terms


def delay(think: float, n: int) -> Station:
    return Station("cpu", think / np.arange(1.0, n + 1.0))


def one_lock(think: float, service: np.ndarray, n: int) -> float:
    return float(throughputs((delay(think, n), Station("lock", service)), n)[-1])


def value(name: str, model: str, n: int) -> dict[str, float]:
    return {one.name: one.value for one in find_statement(name).numbers(timed(model), n).values}


@pytest.mark.parametrize("n", [1, 2, 7, 40, 224])
@pytest.mark.parametrize(("think", "h", "d"), [(10.0, 1.0, 1.0), (46.0, 0.7, 1.0), (3.0, 0.1, 2.0)])
def test_one_lock_is_the_product_form(think, h, d, n):
    made = find_statement("one-lock").formula("throughput")
    rate = made.at(N=float(n), Z=think, h=h, D=d)
    assert rate == pytest.approx(one_lock(think, np.array([h, d]), n), rel=1e-11)


def test_one_lock_by_the_incomplete_gamma_function():
    # 30 digits of the printed form against the exported sum
    n, think, d = 20, 13.0, 0.8
    x = mpmath.mpf(think) / mpmath.mpf(d)
    idle = x**n * mpmath.exp(-x) / mpmath.gammainc(n + 1, x)
    made = find_statement("one-lock")
    at = {"N": float(n), "Z": think, "h": d, "D": d}
    assert made.formula("idle_share").at(**at) == pytest.approx(float(idle), rel=1e-12)
    rate = float((1 - idle) / d)
    assert made.formula("throughput_constant").at(**at) == pytest.approx(rate, rel=1e-12)


def test_one_lock_is_the_markov_chain():
    network = QueueNetwork(5.0, (QueueLock("a"),), (Stage("a", 0.9),))
    chain = solve_queues(network, 6).throughput
    made = find_statement("one-lock").formula("throughput_constant")
    assert made.at(N=6.0, Z=5.0, D=0.9) == pytest.approx(chain, rel=1e-9)


@pytest.mark.parametrize("n", [1, 3, 13, 64, 400])
def test_a_ticket_lock_is_the_product_form(n):
    service = 1.0 + 0.05 * np.arange(n)
    rate = (
        find_statement("ticket-lock")
        .formula("throughput_ticket")
        .at(N=float(n), Z=10.0, h=1.0, c_1=0.05)
    )
    assert rate == pytest.approx(one_lock(10.0, service, n), rel=1e-10)
    lock = repairman.Repairman(10.0, 1.0, 0.05)
    assert rate == pytest.approx(repairman.throughput(lock, n), rel=1e-10)


def test_what_the_late_throughput_leaves_out_is_of_second_order():
    late = find_statement("ticket-lock").formula("throughput_late")
    at = {"Z": 10.0, "h": 1.0, "c_1": 0.5}
    off = [
        late.at(N=float(n), **at) * one_lock(10.0, 1.0 + 0.5 * np.arange(n), n) ** -1 - 1
        for n in (200, 400, 800)
    ]
    assert abs(off[0]) < 1e-2
    for one, next_ in itertools.pairwise(off):
        assert one / next_ == pytest.approx(4.0, rel=0.05)


def modes(z: float, h: float, c: float, n: int) -> list[int]:
    """Return the numbers at the lock that are local maxima of the exact distribution."""
    p = repairman.distribution(repairman.Repairman(z, h, c), n)
    grows = np.concatenate([[True], p[1:] >= p[:-1], [False]])
    return np.flatnonzero(grows[:-1] & ~grows[1:]).tolist()


@pytest.mark.parametrize(
    ("z", "h", "c"),
    [(100.0, 1.0, 0.2), (100.0, 1.0, 0.1), (50.0, 2.0, 1.0), (60.0, 0.5, 1.0), (100.0, 1.0, 0.005)],
)
def test_the_condition_predicts_the_modes_of_the_chain(z, h, c):
    # the collapse is about real numbers, modes about whole ones: at most one population apart
    made, at = find_statement("collapse"), {"Z": z, "h": h, "c_1": c}
    sudden = bool(made.formula("is_sudden").at(**at))
    calm_until = made.formula("calm_until").at(**at)
    crowd_from = made.formula("crowd_from").at(**at) if sudden else calm_until
    peaks_at = {n: modes(z, h, c, n) for n in range(1, int(1.2 * calm_until) + 3)}
    crowded = [n for n, peaks in peaks_at.items() if peaks[-1] > 0]
    two = [n for n, peaks in peaks_at.items() if len(peaks) == 2]
    assert sudden == (z * c > h**2)
    assert 0 <= crowded[0] - crowd_from <= 1.3
    assert crowded == list(range(crowded[0], max(peaks_at) + 1))
    assert two == (list(range(crowded[0], math.ceil(calm_until))) if sudden else [])
    if sudden:  # the new mode appears far from 0, else it leaves 0 step by step
        appears = math.sqrt(z / c) - h / c
        assert abs(peaks_at[crowded[0]][-1] - appears) <= 2 + 2 * math.sqrt(appears)
    else:
        assert peaks_at[crowded[0]][-1] <= 3 + math.sqrt(2 * crowded[0])
    for n in crowded:
        assert abs(peaks_at[n][-1] - made.formula("crowd_size").at(N=float(n), **at)) <= 1


@pytest.mark.parametrize(
    ("z", "h", "c", "below"),
    [(1000.0, 1.0, 0.2, 0.034), (100.0, 1.0, 0.1, 0.105), (890.08, 34.818, 13.814, 0.188)],
)
def test_throughput_peaks_just_before_the_weights_are_equal(z, h, c, below):
    middle = equal_weights(z, h, c)
    peak, _ = repairman.peak(repairman.Repairman(z, h, c), math.ceil(1.2 * middle))
    assert 1 - peak / middle == pytest.approx(below, abs=0.001)


def test_at_equal_weights_both_modes_are_as_likely():
    z, h, c = 20_000.0, 1.0, 0.05
    n = round(equal_weights(z, h, c))
    p = repairman.distribution(repairman.Repairman(z, h, c), n)
    calm, crowd = modes(z, h, c, n)
    assert calm < 10 < n / 2 < crowd
    # ln of the ratio is of the order of ln N, against a barrier of ln p of hundreds
    barrier = math.log(p[calm] / p[calm:crowd].min())
    assert barrier > 100
    assert abs(math.log(p[crowd] / p[calm])) < 0.05 * barrier
    assert equal_weights(z, 40.0, 0.05) is None  # Z c_1 = 1000 < h^2


def test_the_knee_is_that_of_the_bounds():
    scenario = timed("sysexec-spr224-v6.1")
    for n in (16, 224):
        t = terms(scenario, n)
        knee = find_statement("knee").formula("knee").at(**t.values)
        assert knee == pytest.approx(ceiling_at(scenario, n).knee, rel=1e-12)


def test_throughput_at_the_knee_misses_the_ceiling_as_said():
    missing = find_statement("knee").formula("missing")
    off = []
    for x in (100, 2500):
        exact = 1 - one_lock(float(x), np.array([1.0]), x)
        off.append(missing.at(D=1.0, Z=float(x)) / exact - 1)
    assert abs(off[0]) < 0.06
    assert off[0] / off[1] == pytest.approx(5.0, rel=0.1)  # what is left out goes with x^-1/2
    assert missing.at(D=1.0, Z=64.0) == pytest.approx(0.1, abs=0.001)


def test_what_is_missing_at_the_knee_is_printed_exactly():
    """Whole knees by the chain's own sums; between them it falls evenly."""
    for think, hold in ((18.0, 1.0), (64.0, 1.0), (17.4, 0.6)):
        n = round(think + hold)
        exact = 1 - one_lock(think, np.array([hold, 1.0]), n)
        at = {"Z": think, "h": hold, "D": 1.0}
        assert missing_at_knee(at) == pytest.approx(exact, rel=1e-9)
    ends = [missing_at_knee({"Z": z, "h": 1.0, "D": 1.0}) for z in (18.0, 18.5, 19.0)]
    assert ends[1] == pytest.approx((ends[0] + ends[2]) / 2, rel=1e-3)
    assert missing_at_knee({"Z": 64.0, "h": 1.0, "D": 1.0}) == pytest.approx(0.084, abs=0.001)


@pytest.mark.parametrize("n", [3, 5, 12])
def test_what_the_light_load_expansion_leaves_out_is_of_third_order(n):
    made = find_statement("light-load")
    off, slope_off = [], []
    for d in (2e-3, 1e-3):
        at = {"N": float(n), "Z": 1.0, "h": 0.6 * d, "D": d}
        exact = one_lock(1.0, np.array([0.6 * d, d]), n)
        off.append(made.formula("throughput_light").at(**at) / exact - 1)
        alike = [one_lock(1.0, np.array([d]), i) if i else 0.0 for i in (n, n - 1)]
        exponent = 1 - (alike[0] - alike[1])
        slope_off.append(made.formula("exponent_light").at(**at) - exponent)
    assert abs(off[0]) < 1e-5
    assert off[0] / off[1] == pytest.approx(8.0, rel=0.1)
    assert slope_off[0] / slope_off[1] == pytest.approx(8.0, rel=0.1)


def test_no_change_of_a_lock_gains_more_than_its_share_of_time_allows():
    random = np.random.default_rng(7)
    made = find_statement("any-change").formula("by_share")
    closest = 1.0
    for _ in range(200):
        n = int(random.integers(1, 40))
        rest = [delay(float(random.uniform(0.5, 20)), n)]
        rest += [Station(f"s{i}", random.uniform(0.01, 1, 1)) for i in range(random.integers(0, 3))]
        lock = Station("lock", np.sort(random.uniform(0.01, 1, 2)))
        (solution,) = solve(Network(n, (*rest, lock), {}))
        most = made.at(q=solution.states[-1].queue / n)
        without = float(throughputs(tuple(rest), n)[-1]) / solution.throughput
        other = Station("lock", random.uniform(0.0001, 0.2, 1))
        changed = float(throughputs((*rest, other), n)[-1]) / solution.throughput
        assert max(without, changed) <= most * (1 + 1e-12)
        closest = min(closest, most / without - 1)
    assert closest < 1e-9  # it is reached: with think time alone it is an equation


def test_the_time_at_a_lock_is_at_most_what_is_said_and_exactly_that_at_the_ends():
    longest = find_statement("any-change").formula("longest")
    ratios = []
    for n in (1, 2, 5, 20, 60, 3000):
        for d in (0.01, 0.3, 1.0):
            exact = n / one_lock(20.0, np.array([d]), n) - 20.0
            ratios.append(longest.at(N=float(n), Z=20.0, D=d) / exact)
    assert min(ratios) >= 1 - 1e-9
    assert ratios[:3] == pytest.approx([1, 1, 1], rel=1e-9)  # alone
    assert ratios[-3:] == pytest.approx([1, 1, 1], abs=0.06)  # N D is 30 to 3000
    assert max(ratios) < 1.5
    gain = find_statement("any-change").formula("by_time").at(Z=20.0, R=5.0)
    assert gain == pytest.approx(1.25)


def test_the_exact_elasticity_is_that_of_a_markov_chain():
    # derivative of the chain's throughput in a hold, queues from the chain itself: no product form
    def chain(hold: float, n: int) -> tuple[float, float]:
        network = QueueNetwork(
            4.0, (QueueLock("a"), QueueLock("b")), (Stage("a", hold), Stage("b", 0.7))
        )
        solution = solve_queues(network, n)
        return solution.throughput, solution.locks["a"].queue

    step = 1e-4
    up, down = chain(0.9 * (1 + step), 4)[0], chain(0.9 * (1 - step), 4)[0]
    slope = (math.log(up) - math.log(down)) / (2 * step)
    made = find_statement("elasticity").formula("elasticity")
    assert made.at(Q_N=chain(0.9, 4)[1], Q_before=chain(0.9, 3)[1]) == pytest.approx(
        slope, abs=1e-6
    )


def test_elasticities_of_a_shipped_scenario():
    numbers = value("elasticity", "doexec-20", 20)
    assert numbers["their sum"] == pytest.approx(-1.0, abs=1e-12)
    scenario, step = timed("doexec-20"), 1e-4

    def log_rate(changed) -> float:
        return math.log(points(changed, [20])[0].throughput_per_s)

    less = levers.less_think(scenario, 1 - step)
    by_think = (log_rate(scenario) - log_rate(less)) / -math.log1p(-step)
    assert numbers["d ln X / d ln D of cpu"] == pytest.approx(by_think, abs=1e-4)
    levels = value("elasticity-level", "doexec-20", 20)
    shorter = levers.shorten_hold(scenario, "libc.so.6", 1 - step)
    by_hold = (log_rate(shorter) - log_rate(scenario)) / -math.log1p(-step)
    assert levels["of this by held work"] == pytest.approx(by_hold, abs=1e-4)
    whole = levels["a per cent less time at the lock, all of it"]
    assert whole == pytest.approx(-numbers["d ln X / d ln D of libc.so.6"], rel=1e-12)


def test_the_elasticity_of_one_level_is_a_derivative():
    n, step, level = 12, 1e-5, 3
    service = np.linspace(0.5, 1.2, n)
    logs = []
    for sign in (1, -1):
        moved = service.copy()
        moved[level - 1] /= 1 + sign * step
        logs.append(math.log(one_lock(6.0, moved, n)))
    (solution,) = solve(Network(n, (delay(6.0, n), Station("lock", service)), {}))
    now, before = solution.states[1].at_least()
    made = find_statement("elasticity-level").formula("of_rate")
    exact = made.at(P_N=now[level - 1], P_before=before[level - 1])
    assert exact == pytest.approx((logs[0] - logs[1]) / (2 * step), abs=1e-8)


def test_pinned_shards_are_left_out_of_the_elasticities():
    numbers = find_statement("elasticity").numbers(timed("doexec-20"), 60)
    assert numbers.values == ()
    assert any("keep to them" in note for note in numbers.notes)


def test_the_same_patch_on_20_and_on_224_cpus():
    entries = json.loads((shipped_dir("data") / "published/interventions.json").read_text())
    published = {one["id"]: one["gain_pct"] for one in entries}
    small, large = (
        value("same-patch", "doexec-20", 20),
        value("same-patch", "sysexec-spr224-v6.1", 224),
    )
    assert small["gain, published"] == published["guzik_batch_unlink"] / 100 == 0.04
    assert large["gain, published"] == published["lkp_spr_224"] / 100 == 0.111
    for numbers, off in ((small, 0.007), (large, 1e-9)):
        solved = numbers["gain, solved before and after"]
        assert solved == pytest.approx(numbers["gain, published"], abs=0.002)
        assert numbers["gain with the other locks'"] == pytest.approx(solved, abs=off)
        assert numbers["gain with the other locks'"] >= solved - 1e-12  # e falls on the way
    exponent = "e: its exponent, Q(N) - Q(N-1)"
    assert small[exponent] == pytest.approx(0.61, abs=0.01)
    assert large[exponent] == pytest.approx(1.0, abs=1e-9)
    # 4 of 19 and 8 of 29 acquires are saved: 4 x 296 ns of 18.6 us, 8 x 678 ns of 54.0 us
    delta = "delta: demand saved at the binding lock"
    assert small[delta] == pytest.approx(4 * 0.2958 / 18.557, rel=1e-3)
    assert large[delta] == pytest.approx(8 * 0.67781 / 54.047, rel=1e-3)
    relief = find_statement("same-patch").formula("relief")
    t = terms(timed("doexec-20"), 20)
    assert relief.at(**t.values, m_new=15.0) == pytest.approx(small[delta], rel=1e-9)


def test_bounds_on_any_change_hold_for_shipped_scenarios():
    for model, n in (("doexec-20", 20), ("sysexec-spr224-v6.1", 224), ("execl-xeon8369b", 16)):
        numbers = value("any-change", model, n)
        scenario = timed(model)
        lock = terms(scenario, n).lock.name
        before, after = (
            points(s, [n])[0].throughput_per_s for s in (scenario, levers.exclude(scenario, lock))
        )
        assert numbers["taking it away gains"] == pytest.approx(after / before - 1, rel=1e-9)
        assert after / before - 1 <= numbers["no change of it gains more than"]
        assert build(scenario, n).population == n
