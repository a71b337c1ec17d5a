"""Tests of lockmodel.measure.shares: the integers behind shares, their odds, and the refusal."""

from __future__ import annotations

import csv
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import REPEATABLE

from lockmodel.errors import NotTrustworthyError, ScenarioError
from lockmodel.measure.shares import evidence
from lockmodel.measure.shares.integers import Shares, neighbours, search
from lockmodel.measure.shares.profile import MOST_SITES, Profile, ProfileSite, make
from lockmodel.measure.shares.reading import read_file
from lockmodel.model.shipped import shipped_dir

PUBLISHED = {
    "yibin_execl_emr_c220": (15, (4, 4, 3, 2, 1, 1)),
    "lkp_sysexec_spr_before": (29, (5, 5, 4, 5, 5, 3, 1, 1)),
    "lkp_sysexec_spr_after": (21, (1, 1, 4, 5, 5, 3, 1, 1)),
}
TRACED = {"lkp_sysexec_spr_before": "6.1.187", "lkp_sysexec_spr_after": "6.12.107"}
"""Profile -> kernel whose trace of fork + exec + exit has the same cure or not."""


def published() -> dict[str, Profile]:
    _, profiles = read_file(shipped_dir("data") / "published" / "profiles.json")
    return {profile.name: profile for profile in profiles}


def percents(values, step=0.01, **more) -> Profile:
    rounded = np.round(100 * np.asarray(values, float) / np.sum(values) / step) * step
    return make(
        "p", [ProfileSite(f"s{i}", float(v)) for i, v in enumerate(rounded)], step=step, **more
    )


def counts(samples) -> Profile:
    return make("p", [ProfileSite(f"s{i}", float(v)) for i, v in enumerate(samples)], counted=1.0)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_profiles_give_the_counts_of_the_traces(name):
    answer = search(published()[name]).trusted()
    assert (answer.best.total, answer.best.acquires) == PUBLISHED[name]
    assert answer.runner_up.odds > 100
    assert answer.odds_against_chance > 1000
    assert answer.probability > 0.99
    assert max(abs(off) for off in answer.off) < 0.05


@pytest.mark.parametrize("name", TRACED)
def test_the_published_profiles_give_every_site_of_the_traces(name):
    traced: Counter[str] = Counter()
    with (shipped_dir("data") / "traced" / "acquires_traced.csv").open() as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            wanted = (TRACED[name], "fork", "true", "libc.so.6")
            if (row["kernel"], row["loop"], row["binary"], row["file"]) == wanted:
                traced[f"{row['phase']}.{row['site']}"] += int(row["acquires"])
    assert search(published()[name]).by_model_site == traced


def test_the_unit_of_the_shares_does_not_matter():
    profile = published()["lkp_sysexec_spr_after"]
    sites = [ProfileSite(s.name, 3.7 * s.value) for s in profile.sites]
    scaled = search(make("x", sites, step=3.7 * profile.step))
    plain = search(profile)
    assert scaled.best == plain.best
    assert scaled.unit == pytest.approx(3.7 * plain.unit, rel=1e-9)
    assert scaled.odds_against_chance == pytest.approx(plain.odds_against_chance, rel=1e-6)


def simulated(rng, samples, noise, largest) -> tuple[tuple[int, ...], Shares]:
    """Return known integers, with a 1 among them, and what a profile of them leads to."""
    truth = rng.integers(1, largest + 1, rng.integers(5, 10))
    truth[rng.integers(truth.size)] = 1
    waits = truth * np.exp(noise * rng.standard_normal(truth.size))
    return tuple(truth), search(counts(rng.multinomial(samples, waits / waits.sum())))


@pytest.mark.parametrize(
    ("samples", "noise", "least_answered"),
    [(20_000, 0.0, 0.9), (20_000, 0.01, 0.8), (5_000, 0.02, 0.4)],
)
def test_simulated_profiles_are_answered_rightly_or_refused(samples, noise, least_answered):
    rng = np.random.default_rng(5)
    answers = [simulated(rng, samples, noise, 5) for _ in range(120)]
    given_ = [(truth, answer) for truth, answer in answers if not answer.doubts()]
    right = sum(truth == answer.best.acquires for truth, answer in given_)
    assert len(given_) >= least_answered * len(answers)
    assert right >= 0.97 * len(given_)


def test_probabilities_are_not_overclaimed():
    """Answers of medium probability are right at least that often (arbitrary shares never occur
    here, so more often)."""
    rng = np.random.default_rng(6)
    answers = [simulated(rng, 6_000, 0.01, 8) for _ in range(150)]
    medium = [(t, f) for t, f in answers if 0.4 < f.probability < 0.95]
    right = np.mean([truth == answer.best.acquires for truth, answer in medium])
    assert len(medium) > 15
    assert right > np.mean([answer.probability for _, answer in medium]) - 0.05


@pytest.mark.parametrize("sites", [2, 3, 4, 6, 8, 12])
def test_random_shares_are_refused(sites):
    rng = np.random.default_rng(7)
    drawn = [rng.dirichlet(np.ones(sites)) for _ in range(100)]
    refused = [bool(search(percents(values)).doubts()) for values in drawn]
    assert np.mean(refused) >= 0.97


def test_random_counts_are_refused():
    rng = np.random.default_rng(8)
    drawn = [rng.multinomial(10**5, rng.dirichlet(np.ones(6))) for _ in range(100)]
    assert np.mean([bool(search(counts(values)).doubts()) for values in drawn]) >= 0.97


def test_a_refusal_says_why_and_what_else_to_do():
    with pytest.raises(NotTrustworthyError, match="do not support integers") as caught:
        search(percents([31.4, 27.18, 17.32, 14.14, 9.96])).trusted()
    for word in ("arbitrary numbers", "lockmodel trace", "10 times better is asked"):
        assert word in str(caught.value)


def test_a_single_site_is_refused():
    assert "one site alone" in search(percents([5])).doubts()[0]


def test_large_counts_under_noise_are_refused_for_the_runner_up():
    rng = np.random.default_rng(9)
    truth = np.array([31, 29, 23, 19, 17, 1])
    doubts = search(counts(rng.multinomial(4000, truth / truth.sum()))).doubts()
    assert any("nearly as likely" in doubt for doubt in doubts)


@REPEATABLE
@given(st.lists(st.integers(1, 6), min_size=4, max_size=10), st.floats(0.01, 1e6))
def test_exact_multiples_of_a_unit_give_the_integers_without_their_common_factor(truth, unit):
    values = [k * unit for k in truth]
    answer = search(make("p", [ProfileSite(f"s{i}", v) for i, v in enumerate(values)]))
    divisor = math.gcd(*truth)
    assert answer.best.acquires == tuple(k // divisor for k in truth)
    assert answer.unit == pytest.approx(divisor * unit, rel=1e-6)
    assert sum(answer.ratios) == pytest.approx(answer.best.total, rel=1e-6)
    assert answer.runner_up.odds >= 1


@REPEATABLE
@given(st.permutations(range(8)))
def test_the_order_of_the_sites_does_not_matter(order):
    profile = published()["lkp_sysexec_spr_before"]
    moved = make("p", [profile.sites[i] for i in order], step=profile.step)
    assert search(moved).best.acquires == tuple(
        PUBLISHED["lkp_sysexec_spr_before"][1][i] for i in order
    )


def test_evidence_by_numbers_in_closed_form():
    """Two sites: the log-ratio is normal around ln(k1 / k2) with variance v1 + v2."""
    shares, known = np.array([0.66, 0.34]), np.array([1e-3, 2e-3])
    got, _ = evidence.log_integers(shares, known, np.array([[2, 1]]))
    prior = sum(1 / (k**3 * (k + 1)) for k in range(2, 10_000))
    ratio = math.log(0.66 / 0.34) - math.log(2)
    densities = [
        math.exp(-(ratio**2) / (2 * v)) / math.sqrt(2 * math.pi * v)
        for v in known.sum() + 2 * evidence.SIGMAS**2
    ]
    assert got[0] == pytest.approx(math.log(np.mean(densities)) + math.log(prior), rel=1e-6)
    assert evidence.log_chance(shares) == pytest.approx(math.log(0.66 * 0.34), rel=1e-12)


@pytest.mark.parametrize("sites", [1, 2, 3])
def test_the_prior_over_all_vectors_of_integers_is_1(sites):
    """There are M^n - (M - 1)^n vectors with the maximum M; P(maximum > 2000) is small."""
    maxima = np.arange(1.0, 2001.0)
    vectors = maxima**sites - (maxima - 1) ** sites
    assert np.sum(vectors * np.exp(evidence.log_prior(sites, 2000))) == pytest.approx(1, abs=2e-3)


def test_chance_is_a_density_over_the_log_ratio():
    grid = np.linspace(-20, 20, 4001)
    share = 1 / (1 + np.exp(-grid))
    density = [math.exp(evidence.log_chance(np.array([s, 1 - s]))) for s in share]
    assert np.trapezoid(density, grid) == pytest.approx(1, rel=1e-6)


def test_variances():
    assert evidence.counting_variance(np.array([0.0, 4.0, 100.0])) == pytest.approx([1, 0.25, 0.01])
    rounded = evidence.rounding_variance(np.array([10.0, 1.0]), 0.1)
    assert rounded == pytest.approx([0.01 / 12 / 100, 0.01 / 12])


def test_neighbours_are_one_acquire_away():
    around = {tuple(row) for row in neighbours(np.array([[1, 2]]))}
    assert around == {(2, 2), (1, 3), (1, 1)}


def test_small_sites_are_left_out_and_said():
    profile = make(
        "p",
        [
            ProfileSite("a", 60),
            ProfileSite("b", 39.5),
            ProfileSite("stray", 0.5),
            ProfileSite("none", 0),
        ],
    )
    assert [site.name for site in profile.sites] == ["a", "b"]
    assert "2 sites with less than 1%" in profile.left_out[0]
    assert "stray" in profile.left_out[0]


@pytest.mark.parametrize(
    ("sites", "message"),
    [
        ([], "no site waits"),
        ([ProfileSite("a", 0.0)], "no site waits"),
        ([ProfileSite("a", -1.0)], "must be >= 0"),
        ([ProfileSite("a", float("nan"))], "must be >= 0"),
        ([ProfileSite("a", float("inf"))], "must be >= 0"),
        ([ProfileSite(str(i), 1.0) for i in range(MOST_SITES + 1)], "at most 64"),
    ],
)
def test_profiles_that_are_none(sites, message):
    with pytest.raises(ScenarioError, match=message):
        make("p", sites)
