"""Random numbers of the simulator: the generator bit by bit, and drawn times by closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable

import mpmath
import numba
import numpy as np
import pytest

from lockmodel.model.distribution import (
    Constant,
    Coxian,
    Distribution,
    Empirical,
    Erlang,
    Exponential,
    Hyperexponential,
    Lognormal,
    Pareto,
)
from lockmodel.solvers.simulation.draw import draw, encode, stream, uniform

DRAWS = 200_000
SIGMAS = 4.0
"""Standard errors allowed; the seed is fixed, so a test always passes or always fails."""


@numba.njit(cache=True, error_model="numpy")
def _fill(records, table, state, out):
    for i in range(out.size):
        out[i] = draw(records[0], table, state)


@numba.njit(cache=True)
def _uniforms(state, out):
    for i in range(out.size):
        out[i] = uniform(state)


def drawn(family: Distribution, seed: int = 11, count: int = DRAWS) -> np.ndarray:
    records, table = encode([family])
    out = np.empty(count)
    _fill(records, table, stream(seed, 0), out)
    return out


def xoshiro(state: list[int], count: int) -> list[int]:
    """Return outputs of xoshiro256++ in Python's integers, from Blackman and Vigna's C code."""
    mask = 2**64 - 1

    def rotl(x: int, k: int) -> int:
        return ((x << k) | (x >> (64 - k))) & mask

    s, outputs = list(state), []
    for _ in range(count):
        outputs.append((rotl((s[0] + s[3]) & mask, 23) + s[0]) & mask)
        t = (s[1] << 17) & mask
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotl(s[3], 45)
    return outputs


def test_the_generator_is_xoshiro256plusplus():
    # first outputs from state 1, 2, 3, 4 are published with several implementations
    assert xoshiro([1, 2, 3, 4], 3) == [41943041, 58720359, 3588806011781223]
    for state in ([1, 2, 3, 4], [2**64 - 1, 5, 2**63, 12345678901234567890]):
        out = np.empty(1000)
        _uniforms(np.array(state, np.uint64), out)
        wanted = [((word >> 12) + 0.5) / 2**52 for word in xoshiro(state, 1000)]
        assert out.tolist() == wanted


def test_uniform_numbers_lie_strictly_between_0_and_1():
    # the smallest word is 0, the largest 2**64 - 1: states whose first output is just that
    for state, value in (
        ([0, 1, 2, 0], 0.5 / 2**52),
        ([2**64 - 1, 9, 9, 0], 1 - 0.5 / 2**52),
    ):
        out = np.empty(1)
        _uniforms(np.array(state, np.uint64), out)
        assert out[0] == value


def test_streams_are_numpys_spawned_seeds():
    children = np.random.SeedSequence(5).spawn(3)
    for replication, child in enumerate(children):
        assert stream(5, replication).tolist() == child.generate_state(4, np.uint64).tolist()


def test_streams_are_reproducible_and_differ():
    states = {tuple(stream(seed, r).tolist()) for seed in range(20) for r in range(16)}
    assert len(states) == 320
    assert stream(2**64 - 1, 15).tolist() == stream(2**64 - 1, 15).tolist()
    np.testing.assert_array_equal(drawn(Exponential(), 3, 100), drawn(Exponential(), 3, 100))


def test_streams_of_replications_are_not_correlated():
    numbers = np.empty((16, 20_000))
    for r in range(16):
        _uniforms(stream(1, r), numbers[r])
    correlation = np.corrcoef(numbers)[np.triu_indices(16, 1)]
    assert np.abs(correlation).max() < 4.5 / math.sqrt(20_000)  # 120 pairs
    lagged = [np.corrcoef(row[:-1], row[1:])[0, 1] for row in numbers]
    assert np.abs(lagged).max() < 4 / math.sqrt(20_000)


def _stages(k: int) -> Callable[[float], float]:
    return lambda x: float(mpmath.gammainc(k, 0, k * x, regularized=True))


def _marie(c: float) -> Callable[[float], float]:
    """Return the CDF of a Coxian of rates 2 and 1/c that goes on with probability 1/(2c)."""
    on, a, b = 0.5 / c, 2.0, 1 / c

    def cdf(x: float) -> float:
        both = (a * math.exp(-b * x) - b * math.exp(-a * x)) / (a - b)
        return 1 - (1 - on) * math.exp(-a * x) - on * both

    return cdf


def _mixed_erlang(c: float, k: int) -> Callable[[float], float]:
    """Return the CDF of k - 1 or k stages of one rate (Tijms 1994)."""
    skip = (k * c - math.sqrt(k * (1 + c) - k * k * c)) / (1 + c)

    def cdf(x: float) -> float:
        short, whole = (
            float(mpmath.gammainc(j, 0, (k - skip) * x, regularized=True)) for j in (k - 1, k)
        )
        return skip * short + (1 - skip) * whole

    return cdf


def _balanced(c: float) -> Callable[[float], float]:
    p = (1 + math.sqrt((c - 1) / (c + 1))) / 2
    return lambda x: 1 - p * math.exp(-2 * p * x) - (1 - p) * math.exp(-2 * (1 - p) * x)


def _lognormal(c: float) -> Callable[[float], float]:
    s = math.sqrt(math.log(1 + c))
    return lambda x: 0.5 * (1 + math.erf((math.log(x) + s * s / 2) / s / math.sqrt(2)))


def _pareto(shape: float) -> Callable[[float], float]:
    low = (shape - 1) / shape
    return lambda x: max(0.0, 1 - (low / max(x, 1e-9)) ** shape)


CASES: dict[str, tuple[Distribution, float, Callable[[float], float]]] = {
    # name: family, its scv, its CDF
    "exponential": (Exponential(), 1.0, lambda x: 1 - math.exp(-x)),
    "erlang 1": (Erlang(stages=1), 1.0, lambda x: 1 - math.exp(-x)),
    "erlang 5": (Erlang(stages=5), 0.2, _stages(5)),
    "coxian 1": (Coxian(scv=1.0), 1.0, lambda x: 1 - math.exp(-x)),
    "coxian 3": (Coxian(scv=3.0), 3.0, _marie(3.0)),
    "coxian 0.6": (Coxian(scv=0.6), 0.6, _marie(0.6)),
    "coxian 0.3": (Coxian(scv=0.3), 0.3, _mixed_erlang(0.3, 4)),
    "hyperexponential": (Hyperexponential(scv=3.0), 3.0, _balanced(3.0)),
    "lognormal": (Lognormal(scv=0.5), 0.5, _lognormal(0.5)),
    "pareto": (Pareto(shape=9.0), 1 / 63, _pareto(9.0)),
    "empirical": (
        # mean 3 before scaling; bins 0 to 1, 1 to 3, 3 to 4 (never), 4 to 8
        Empirical(edges=(0.0, 2.0, 6.0, 8.0, 16.0), probabilities=(0.25, 0.35, 0.0, 0.4)),
        0.25 * 4 / 3 / 6.45**2 + 0.35 * 52 / 3 / 6.45**2 + 0.4 * 448 / 3 / 6.45**2 - 1,
        lambda x: float(np.interp(6.45 * x, [0, 2, 6, 8, 16], [0, 0.25, 0.6, 0.6, 1.0])),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_drawn_times_have_mean_1_and_their_scv(name):
    family, scv, _ = CASES[name]
    assert family.scv == pytest.approx(scv, rel=1e-9)
    times = drawn(family)
    assert times.min() > 0.0
    assert abs(times.mean() - 1.0) < SIGMAS * math.sqrt(scv / DRAWS)
    squares = (times - 1.0) ** 2  # the mean is 1, so these have mean scv
    assert abs(squares.mean() - scv) < SIGMAS * squares.std() / math.sqrt(DRAWS)
    assert squares.std() / math.sqrt(DRAWS) < 0.03 * scv  # sharp enough to fail


@pytest.mark.parametrize("name", CASES)
def test_drawn_times_have_their_quantiles(name):
    family, _, cdf = CASES[name]
    times = drawn(family, seed=12)
    for x in (0.02, 0.1, 0.3, 0.6, 0.93, 1.0, 1.5, 2.2, 4.0):
        share = cdf(x)
        error = math.sqrt(max(share * (1 - share), 1e-12) / DRAWS)
        assert float(np.mean(times <= x)) == pytest.approx(share, abs=SIGMAS * error), x


def test_constant_times_are_1_and_use_no_random_number():
    assert set(drawn(Constant(), count=10).tolist()) == {1.0}
    records, table = encode([Constant()])
    state = stream(1, 0)
    _fill(records, table, state, np.empty(10))
    assert state.tolist() == stream(1, 0).tolist()


def test_the_power_law_has_its_tail():
    # shape 3: P(T > 10 low) = 1/1000, P(T > 20 low) = 1/8000
    times = drawn(Pareto(shape=3.0), seed=13, count=1_000_000)
    assert times.min() >= 2 / 3
    for factor in (10, 20):
        expected = 1e6 / factor**3
        assert np.sum(times > factor * 2 / 3) == pytest.approx(
            expected, abs=SIGMAS * math.sqrt(expected)
        )


def test_a_distribution_finds_its_own_numbers_in_the_shared_table():
    wide = Empirical(edges=(0.0, 1.0, 2.0), probabilities=(0.5, 0.5))
    narrow = Empirical(edges=(9.0, 11.0), probabilities=(1.0,))
    both = encode([Coxian(scv=0.2), wide, Coxian(scv=2.0), narrow])
    out = np.empty(10_000)
    _fill(both[0][3:], both[1], stream(1, 0), out)
    assert 0.9 <= out.min() < 0.901
    assert 1.1 >= out.max() > 1.099
    _fill(both[0][2:], both[1], stream(1, 0), out)
    np.testing.assert_array_equal(out, drawn(Coxian(scv=2.0), 1, 10_000))
