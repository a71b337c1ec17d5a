"""From counts to estimates: hand computations, Student's quantiles, and a study of coverage."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Scenario, Site
from lockmodel.solvers.simulation.output import (
    CONFIDENCE,
    REPLICATIONS,
    STUDENT,
    Mean,
    jain,
    quantile,
    ratio,
    warm_up,
)
from lockmodel.solvers.simulation.replicate import replicate
from lockmodel.solvers.simulation.world import BINS, BINS_PER_OCTAVE, LOWEST_EXPONENT
from lockmodel.solvers.solve import points


@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_quantiles_of_student_are_those_of_its_density(confidence):
    freedom = REPLICATIONS - 1
    scale = mpmath.gamma((freedom + 1) / 2) / (
        mpmath.sqrt(freedom * mpmath.pi) * mpmath.gamma(freedom / 2)
    )

    def within(t):
        return mpmath.quad(
            lambda x: 2 * scale * (1 + x * x / freedom) ** (-(freedom + 1) / 2), [0, t]
        )

    exact = mpmath.findroot(lambda t: within(t) - confidence, 2.0)
    assert STUDENT[confidence] == pytest.approx(float(exact), abs=1e-6)
    assert float(within(STUDENT[confidence])) == pytest.approx(confidence, abs=1e-7)


def test_ratio_of_equal_lengths_by_hand():
    # 2 and 4 in turn per 1: mean 3, residuals +-1; s^2 = 16/15, standard error sqrt(1/15)
    mean = ratio(np.array([2.0, 4.0] * 8), np.ones(16))
    assert mean.value == 3.0
    assert mean.half_width == pytest.approx(2.131450 / math.sqrt(15), rel=1e-12)
    # the same as Student's interval of the sample mean
    sample = np.random.default_rng(1).normal(10.0, 2.0, 16)
    mean = ratio(sample, np.ones(16))
    assert mean.value == pytest.approx(sample.mean(), rel=1e-14)
    assert mean.half_width == pytest.approx(2.131450 * sample.std(ddof=1) / 4, rel=1e-12)


def test_ratio_of_unequal_lengths_by_hand():
    # 2 per 1 and 4 per 3 in turn: 48 / 32 = 1.5, residuals 2 - 1.5 = 0.5 and 4 - 4.5 = -0.5
    mean = ratio(np.array([2.0, 4.0] * 8), np.array([1.0, 3.0] * 8))
    assert mean.value == 1.5
    # sum of squares 4; 4 x 16/15, its root over the total 32
    assert mean.half_width == pytest.approx(2.131450 * math.sqrt(64 / 15) / 32, rel=1e-12)
    # not changed by the unit of either
    scaled = ratio(1e-9 * np.array([2.0, 4.0] * 8), 1e3 * np.array([1.0, 3.0] * 8))
    assert scaled.relative == pytest.approx(mean.relative, rel=1e-12)


def test_ratio_without_variation():
    assert ratio(np.full(16, 6.0), np.full(16, 3.0)) == Mean(2.0, 0.0)
    assert ratio(np.zeros(16), np.ones(16)) == Mean(0.0, 0.0)


def test_relative_half_width():
    assert Mean(4.0, 1.0).relative == 0.25
    assert Mean(-4.0, 1.0).relative == 0.25
    assert Mean(0.0, 0.0).relative == 0.0
    assert Mean(0.0, 1.0).relative == math.inf


def test_intervals():
    assert Mean(4.0, 1.0).interval() == (3.0, 5.0)
    low, high = Mean(4.0, 2.131450).interval(0.99)
    assert (low, high) == pytest.approx((4 - 2.946713, 4 + 2.946713), rel=1e-12)


# Warm-up ----------------------------------------------------------------------------------------


def test_warm_up_of_a_step_is_its_length():
    for length in (0, 1, 7, 20):
        series = np.ones(64)
        series[:length] = 5.0
        assert warm_up(series) == length


def test_warm_up_of_a_step_in_noise():
    rng = np.random.default_rng(2)
    for _ in range(50):
        series = 1.0 + 0.1 * rng.normal(size=64)
        series[:12] += 1.0
        assert 12 <= warm_up(series) <= 30


@pytest.mark.parametrize("scale", [1e-300, 1e200, 1e307])
def test_warm_up_does_not_depend_on_the_unit(scale):
    """Squares used to overflow, with numpy's warning in the terminal."""
    series = np.where(np.arange(64) < 10, 5.0, 1.0) + 0.1 * np.sin(np.arange(64.0))
    assert warm_up(scale * series) == warm_up(series) == 10


def test_warm_up_of_a_ramp_ends_where_it_is_flat():
    series = np.minimum(np.arange(64.0), 20.0)
    assert warm_up(series) == 20
    rng = np.random.default_rng(3)
    for _ in range(50):
        assert 14 <= warm_up(series + rng.normal(size=64)) <= 32


def test_what_differs_by_rounding_is_no_drift():
    """Batches of constant times, as a clock that grows rounds them."""
    ends = np.cumsum(np.full(6400, 37.13e-6 + 11.7e-6))[99::100]
    assert np.ptp(np.diff(ends)) > 0
    assert warm_up(np.diff(ends)) == 0
    assert warm_up(np.concatenate([[1.0, 2.0, 3.0], np.diff(ends)])) == 3
    assert warm_up(1 + 2e-7 * np.arange(64)) > 32  # a drift is still one


def test_warm_up_of_drift_never_ends():
    # a straight line: the score of what is left falls with its length, to the last value allowed
    assert warm_up(np.arange(64.0)) == 48
    assert warm_up(np.arange(10.0)) == 7


def test_warm_up_of_noise_keeps_most():
    rng = np.random.default_rng(4)
    lengths = [warm_up(rng.normal(size=64)) for _ in range(500)]
    assert np.median(lengths) <= 6
    assert np.mean(np.array(lengths) > 32) < 0.12  # a pilot would be prolonged for nothing


# Fairness and quantiles -------------------------------------------------------------------------


def test_jain():
    assert jain(np.array([7, 7, 7])) == 1.0
    assert jain(np.array([9, 0, 0])) == pytest.approx(1 / 3, rel=1e-15)
    assert jain(np.array([1, 2, 3])) == pytest.approx(36 / (3 * 14), rel=1e-15)
    assert jain(np.array([5])) == 1.0
    assert jain(np.array([0, 0])) == 1.0
    assert jain(np.array([2**62, 2**62])) == 1.0  # no integer overflow


def binned(waits: np.ndarray) -> np.ndarray:
    """Return the histogram of waits above 0: every octave in equal parts, as `quantile` says."""
    octave = np.floor(np.log2(waits)).astype(int)
    part = ((waits / 2.0**octave - 1.0) * BINS_PER_OCTAVE).astype(int)
    return np.bincount((octave + 1 - LOWEST_EXPONENT) * BINS_PER_OCTAVE + part, minlength=BINS)


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 50.0])
@pytest.mark.parametrize("waiting", [1.0, 0.6, 0.05])
def test_quantiles_are_numpys(scale, waiting):
    rng = np.random.default_rng(5)
    waits = scale * rng.lognormal(0.0, 1.5, 20_000) * (rng.random(20_000) < waiting)
    histogram = binned(waits[waits > 0])
    for share in (0.3, 0.5, 0.9, 0.99, 0.999):
        exact = float(np.quantile(waits, share, method="inverted_cdf"))
        assert quantile(histogram, waits.size, share) == pytest.approx(exact, rel=0.03)


def test_quantiles_are_interpolated_within_their_bin():
    # 100 acquires, 80 of which wait between 1 and 17/16 s: the 60th of all is the 40th of them
    histogram = np.zeros(BINS, int)
    histogram[(1 - LOWEST_EXPONENT) * BINS_PER_OCTAVE] = 80
    assert quantile(histogram, 100, 0.6) == pytest.approx(1 + 0.5 / 16, rel=1e-12)
    assert quantile(histogram, 100, 1.0) == pytest.approx(17 / 16, rel=1e-12)
    assert quantile(histogram, 100, 0.2) == 0.0
    assert quantile(histogram, 100, 0.1) == 0.0
    assert quantile(np.zeros(BINS, int), 0, 0.99) == 0.0


# Coverage -----------------------------------------------------------------------------------------

RUNS = 200


def one_lock() -> Scenario:
    lock = Lock(name="a", time_per_instruction_local=1.0, time_per_instruction_remote=1.0)
    site = Site(lock="a", phase="p", name="s", acquires=1, held_instructions=1)
    return Scenario(
        name="t",
        title="t",
        iteration="i",
        machine=Machine(name="m", cpus=16, cores=16),
        think=4.0,
        locks=(lock,),
        sites=(site,),
    )


@pytest.mark.parametrize(
    (
        "n",
        "precision",
    ),  # below the knee at N = 5, at it, far above; loose, but needs rounds
    [(2, 0.007), (5, 0.006), (12, 0.009)],
)
def test_intervals_cover_the_exact_answer_as_often_as_they_say(n, precision):
    scenario = one_lock()
    (exact,) = points(scenario, [n])
    wait = exact.locks["a"].wait_s
    rates, waits, rounds = [], [], []
    for seed in range(RUNS):
        sample = replicate(scenario, n, precision, seed)
        rates.append(sample.throughput())
        waited = np.array([float(w.tallies["waited"][0]) for w in sample.worlds])
        waits.append(ratio(waited, sample.iterations()))
        rounds.append(sample.iterations().sum() / (REPLICATIONS * sample.pilot))
    assert CONFIDENCE == 0.95
    # Stopping when an interval looks narrow costs coverage: of 2,400 runs 93.5 % of the intervals
    # of throughput held, of the waits, which do not decide, 94.8 %.
    for means, true, least in ((rates, exact.throughput_per_s, 0.90), (waits, wait, 0.90)):
        covered = sum(e.interval()[0] <= true <= e.interval()[1] for e in means)
        assert least * RUNS <= covered <= 0.99 * RUNS
        # centred: too low as often as too high, and the mean of all is right
        low = sum(e.interval()[1] < true for e in means)
        assert low <= 0.08 * RUNS
        assert RUNS - covered - low <= 0.08 * RUNS
        values = np.array([e.value for e in means])
        assert abs(values.mean() - true) < 4 * values.std() / math.sqrt(RUNS)
    assert max(e.relative for e in rates) <= precision
    assert np.mean(rounds) > 1.2
