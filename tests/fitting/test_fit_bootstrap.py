"""Refits of made-up data: determinism, agreement with the curvature, cases, flags, failures."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from experiments import CONSTANT, Experiment

from lockmodel.errors import ArgumentError
from lockmodel.fitting import bootstrap as module
from lockmodel.fitting.bootstrap import bootstrap
from lockmodel.fitting.estimate import Estimate, Settings, fit
from lockmodel.fitting.profile import interval_of
from lockmodel.fitting.study import DataSet, default_free, plan
from lockmodel.observe.observations import Observation, Source

PLAIN = Experiment(CONSTANT, ("think", "hold"), (100e-6, 1e-9), seed=3)


@cache
def plain() -> Estimate:
    return PLAIN.fit(0)


@cache
def split() -> Estimate:
    """Return a fit of a curve alone with held work and hand-off free."""
    return Experiment(CONSTANT, ("think", "hold", "handoff"), (), seed=4).fit(0)


def test_draws_are_the_same_for_any_number_of_workers() -> None:
    one = bootstrap(plain(), count=60, workers=1)
    two = bootstrap(plain(), count=60, workers=2)
    assert one.draws.shape == (60, 2)
    assert np.array_equal(one.draws, two.draws)
    assert not np.array_equal(one.draws, bootstrap(plain(), count=60, seed=1, workers=1).draws)


def test_the_first_draws_do_not_depend_on_how_many_follow() -> None:
    few, more = (bootstrap(plain(), count=n, workers=1).draws for n in (10, 30))
    assert np.array_equal(few, more[:10])


def test_parametric_draws_spread_like_the_covariance_with_the_tails_of_student() -> None:
    estimate = plain()
    draws = bootstrap(estimate, count=600).draws
    degrees = estimate.degrees
    wanted = estimate.covariance * degrees / (degrees - 2.0)  # variance of Student's t
    assert np.cov(draws.T)[0, 0] == pytest.approx(wanted[0, 0], rel=0.25)
    assert np.corrcoef(draws.T)[0, 1] == pytest.approx(
        wanted[0, 1] / np.sqrt(wanted[0, 0] * wanted[1, 1]), abs=0.1
    )
    assert np.median(draws, axis=0) == pytest.approx(estimate.theta, abs=0.01)


def test_parametric_intervals_are_those_of_the_profile_for_a_nearly_linear_fit() -> None:
    estimate = plain()
    for k, (low, high) in enumerate(bootstrap(estimate, count=600).interval()):
        ends = interval_of(estimate, k)
        width = np.log(ends.high / ends.low)
        assert np.log(low / ends.low) == pytest.approx(0.0, abs=0.12 * width)
        assert np.log(high / ends.high) == pytest.approx(0.0, abs=0.12 * width)


def test_every_draw_is_a_minimum_of_its_data() -> None:
    """The quick search ends within a hundredth of a standard deviation of the thorough one."""
    refits = module._Refit(plain(), "parametric", 5)
    quick = np.array(refits(range(8)))
    refits.loss = "other"  # not linear: the thorough search
    minimise = module.minimise

    def linear(residuals, start, lower, upper, loss):  # type: ignore[no-untyped-def]
        return minimise(residuals, start, lower, upper, "linear")

    module.minimise = linear
    try:
        slow = np.array(refits(range(8)))
    finally:
        module.minimise = minimise
    sd = np.sqrt(np.diag(plain().covariance))
    assert np.abs((quick - slow) / sd).max() < 0.02


def test_cases_keep_as_many_populations_as_parameters() -> None:
    generator = np.random.default_rng(1)
    populations = np.array([1, 1, 1, 1, 2, 4])
    counts = [module._drawn(populations, 3, generator) for _ in range(50)]
    assert all(times.sum() == 6 for times in counts)
    assert all(np.unique(populations[times > 0]).size == 3 for times in counts)
    strata = module._strata(plain())
    assert [(rows.tolist(), needed) for rows, _, needed in strata] == [(list(range(8)), 2)]


def test_case_draws_spread_like_the_curvature() -> None:
    estimate = plain()
    made = bootstrap(estimate, "case", 400)
    assert made.failed == 0
    ratio = made.draws.std(axis=0) / np.sqrt(np.diag(estimate.covariance))
    assert np.all((ratio > 0.4) & (ratio < 1.8)), ratio


def test_cases_of_different_kinds_and_sets_are_not_exchanged() -> None:
    data = PLAIN.sets(0)[0]
    hold = Observation(
        kind="hold_time", value=450e-9, unit="s", source=Source("g", 1), n=16, lock="L"
    )
    both: DataSet = replace(
        data, observations=(*data.observations, hold), repeats=(*data.repeats, 1)
    )
    estimate = fit(plan([both], ("think", "hold", "handoff")), Settings(starts=1))
    strata = module._strata(estimate)
    assert [rows.tolist() for rows, _, _ in strata] == [list(range(8)), [8]]
    assert estimate.mixed == frozenset()


def test_splits_are_flagged_and_get_the_interval_of_the_covariance() -> None:
    estimate = split()
    made = bootstrap(estimate, count=50, workers=1)
    assert estimate.mixed == {1, 2}
    ends = made.interval()
    for k in (1, 2):
        exact = interval_of(estimate, k)
        assert ends[k] == pytest.approx((exact.low, exact.high), rel=1e-6)
    narrow = np.quantile(made.draws[:, 2], [0.05, 0.95])
    assert narrow[1] - narrow[0] < 0.9 * np.log(ends[2][1] / ends[2][0])


def test_priors_move_so_that_what_only_they_know_spreads() -> None:
    """A hand-off that a curve up to two tasks hardly sees keeps the width of its prior."""
    data = PLAIN.sets(0)[0]
    few = replace(data, observations=data.observations[:2], repeats=(1, 1))
    estimate = fit(plan([few], default_free(few.scenario)), Settings(starts=1))
    sd = bootstrap(estimate, count=300).draws.std(axis=0)[2]
    assert sd == pytest.approx(estimate.priors[0].range.sd, rel=0.2)


def test_progress_sees_every_chunk() -> None:
    seen: list[tuple[int, str]] = []

    def watched(items: Iterable[object], total: int, label: str) -> Iterator[object]:
        for item in items:
            seen.append((total, label))
            yield item

    bootstrap(plain(), count=60, workers=2, progress=watched)  # type: ignore[arg-type]
    assert seen == [(3, "refits")] * 3


def test_an_interrupt_ends_the_workers() -> None:
    def interrupted(items: Iterable[object], total: int, label: str) -> Iterator[object]:
        for item in items:
            yield item
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bootstrap(plain(), count=200, workers=2, progress=interrupted)  # type: ignore[arg-type]
    for child in multiprocessing.active_children():
        child.join(10)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"kind": "cases"}, "kind = 'cases' must be one of parametric, case"),
        ({"count": 0}, "count = 0 must be at least 1"),
        ({"workers": 0}, "workers = 0 must be at least 1"),
    ],
)
def test_arguments_that_make_no_sense_are_named(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        bootstrap(plain(), **arguments)  # type: ignore[arg-type]


def test_no_interval_without_a_single_refit() -> None:
    made = replace(bootstrap(plain(), count=1), draws=np.empty((0, 2)), failed=1)
    with pytest.raises(ArgumentError, match="none of 1 refits converged"):
        made.interval()
