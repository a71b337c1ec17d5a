"""Distributions of mean 1: variation by closed forms, every refusal, and TOML there and back."""

from __future__ import annotations

import math

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import REPEATABLE

from lockmodel.errors import ScenarioError
from lockmodel.model.distribution import (
    DISTRIBUTION_FAMILIES,
    LARGEST_SCV,
    MAX_BINS,
    MAX_STAGES,
    Constant,
    Coxian,
    Empirical,
    Erlang,
    Exponential,
    Hyperexponential,
    Lognormal,
    Pareto,
)
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Scenario, Site
from lockmodel.model.toml import dumps, loads
from lockmodel.solvers.simulation.simulate import simulate


@pytest.mark.parametrize(
    ("family", "scv"),
    [
        (Constant(), 0.0),
        (Exponential(), 1.0),
        (Erlang(stages=1), 1.0),
        (Erlang(stages=8), 0.125),
        (Coxian(scv=0.3), 0.3),
        (Hyperexponential(scv=7.0), 7.0),
        (Lognormal(scv=0.01), 0.01),
        # uniform on 0 to 2: variance 1/3, mean 1
        (Empirical(edges=(0.0, 2.0), probabilities=(1.0,)), 1 / 3),
        # uniform on 2 to 4, any unit: variance 1/3, mean 3
        (Empirical(edges=(2e6, 4e6), probabilities=(1.0,)), 1 / 27),
        # halves on 0 to 1 and on 3 to 5: mean 9/4, second moment (1/3 + 49/3) / 2 = 25/3
        (Empirical(edges=(0, 1, 3, 5), probabilities=(0.5, 0, 0.5)), 25 / 3 / (9 / 4) ** 2 - 1),
    ],
    ids=repr,
)
def test_scv(family, scv):
    assert family.scv == pytest.approx(scv, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("shape", [2.01, 3.0, 12.5])
def test_scv_of_a_power_law_is_that_of_its_density(shape):
    low = (shape - 1) / shape  # mean 1
    mean, second = (
        float(
            mpmath.quad(
                lambda t, k=k: t**k * shape * low**shape * t ** (-shape - 1), [low, 10, mpmath.inf]
            )
        )
        if shape > 2.5
        else shape * low**k / (shape - k)
        for k in (1, 2)
    )
    assert mean == pytest.approx(1.0, rel=1e-9)
    assert Pareto(shape=shape).scv == pytest.approx(second - 1, rel=1e-8)


def test_mean_of_a_histogram_is_in_the_unit_of_its_edges():
    assert Empirical(edges=(0, 100, 300), probabilities=(0.25, 0.75)).mean == 162.5


def test_probabilities_that_are_typed_with_few_digits_are_scaled():
    third = Empirical(edges=(0, 1, 2, 3), probabilities=(0.3333333, 0.3333333, 0.3333333))
    assert third.mean == pytest.approx(1.5, rel=1e-12)


REFUSED = [
    (Erlang, {"stages": 0}, "erlang: stages = 0 must be a whole number from 1 to 1000; use fam"),
    (Erlang, {"stages": -3}, "erlang: stages = -3 must be"),
    (Erlang, {"stages": MAX_STAGES + 1}, "erlang: stages = 1001 must be"),
    (Erlang, {"stages": math.nan}, "erlang: stages = nan must be"),
    (Erlang, {"stages": 2.5}, "erlang: stages = 2.5 must be a whole number"),
    (Coxian, {"scv": 0.0}, "coxian: scv = 0.0 must be above 0.001 and at most 1e"),
    (Coxian, {"scv": math.nan}, "coxian: scv = nan must be"),
    (Coxian, {"scv": -1.0}, "coxian: scv = -1.0 must be"),
    (Hyperexponential, {"scv": 1.0}, "hyperexponential: scv = 1.0 must be above 1 and at most"),
    (Hyperexponential, {"scv": math.inf}, "hyperexponential: scv = inf must be"),
    (Lognormal, {"scv": 0.0}, "lognormal: scv = 0.0 must be above 0 "),
    (Lognormal, {"scv": 2 * LARGEST_SCV}, "lognormal: scv = 2000000.0 must be .* at most 1e.06"),
    (Lognormal, {"scv": math.nan}, "lognormal: scv = nan"),
    (Pareto, {"shape": 1.0}, "pareto: shape = 1.0 gives an infinite mean; give a finite shape ab"),
    (Pareto, {"shape": 0.5}, "pareto: shape = 0.5 gives an infinite mean"),
    (Pareto, {"shape": -2.0}, "pareto: shape = -2.0 gives an infinite mean"),
    (Pareto, {"shape": 2.0}, "pareto: shape = 2.0 gives an infinite variance"),
    (Pareto, {"shape": 1.01}, "pareto: shape = 1.01 gives an infinite variance"),
    (Pareto, {"shape": math.inf}, "pareto: shape = inf"),
    (Pareto, {"shape": math.nan}, "pareto: shape = nan"),
    (Empirical, {"edges": (0.0,), "probabilities": ()}, "empirical: 0 probabilities; give 1 to 1"),
    (
        Empirical,
        {"edges": (0.0,) * (MAX_BINS + 2), "probabilities": (0.0,) * (MAX_BINS + 1)},
        "empirical: 10001 probabilities; give 1 to 10000",
    ),
    (
        Empirical,
        {"edges": (0, 1), "probabilities": (0.5, 0.5)},
        "empirical: 2 edges for 2 probabilities; give one edge more than bins",
    ),
    (Empirical, {"edges": (0, 2, 1), "probabilities": (0.5, 0.5)}, "edges 2 and 1 must be .*risi"),
    (Empirical, {"edges": (0, 1, 1), "probabilities": (0.5, 0.5)}, "edges 1 and 1 must be"),
    (Empirical, {"edges": (-1, 1), "probabilities": (1.0,)}, "edges -1 and 1 must be .*at least 0"),
    (Empirical, {"edges": (math.nan, 1), "probabilities": (1.0,)}, "edges nan and 1 must be finit"),
    (Empirical, {"edges": (0, math.nan), "probabilities": (1.0,)}, "edges 0 and nan must be"),
    (Empirical, {"edges": (0, math.inf), "probabilities": (1.0,)}, "open last bin has no mean"),
    (
        Empirical,
        {"edges": (0, 1, 2), "probabilities": (0.5, 0.4)},
        r"probabilities sum to 0\.9, not 1; divide each by 0\.9",
    ),
    (Empirical, {"edges": (0, 1, 2), "probabilities": (1.0, 1e-5)}, r"sum to 1\.00001, not 1"),
    (Empirical, {"edges": (0, 1, 2), "probabilities": (1.5, -0.5)}, "probability -0.5 must be a"),
    (Empirical, {"edges": (0, 1), "probabilities": (math.nan,)}, "probability nan must be a numbe"),
    (Empirical, {"edges": (0, 1), "probabilities": (0.0,)}, "probabilities sum to 0, not 1"),
]


@pytest.mark.parametrize(("family", "given", "words"), REFUSED, ids=lambda v: str(v)[:50])
def test_what_is_refused(family, given, words):
    with pytest.raises(ScenarioError, match=words) as caught:
        family(**given)
    assert str(caught.value).startswith("distribution ")


def test_extremes_that_are_accepted():
    assert Erlang(stages=MAX_STAGES).scv == 1e-3
    assert Lognormal(scv=LARGEST_SCV).scv == LARGEST_SCV
    assert Hyperexponential(scv=math.nextafter(1.0, 2.0)).scv > 1.0
    edges = tuple(range(MAX_BINS + 1))
    flat = Empirical(edges=edges, probabilities=(1 / MAX_BINS,) * MAX_BINS)
    assert flat.scv == pytest.approx(1 / 3, rel=1e-6)


def with_distributions(think, hold, handoff) -> Scenario:
    lock = Lock(
        name="a",
        time_per_instruction_local=1e-9,
        time_per_instruction_remote=1e-9,
        hold_distribution=hold,
        handoff_distribution=handoff,
    )
    site = Site(lock="a", phase="p", name="s", acquires=1, held_instructions=1)
    return Scenario(
        name="n",
        title="t",
        iteration="i",
        machine=Machine(name="m", cpus=2, cores=2),
        think=1e-6,
        think_distribution=think,
        locks=(lock,),
        sites=(site,),
    )


@st.composite
def histograms(draw):
    steps = draw(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=6))
    edges = [draw(st.floats(0.0, 10.0))]
    for step in steps:
        edges.append(edges[-1] + step)
    weights = draw(st.lists(st.integers(0, 9), min_size=len(steps), max_size=len(steps)))
    weights[draw(st.integers(0, len(steps) - 1))] += 1
    total = sum(weights)
    return Empirical(edges=tuple(edges), probabilities=tuple(w / total for w in weights))


def distributions():
    return st.one_of(
        st.just(Constant()),
        st.just(Exponential()),
        st.builds(Erlang, stages=st.integers(1, MAX_STAGES)),
        st.builds(Coxian, scv=st.floats(1.01e-3, LARGEST_SCV)),
        st.builds(Hyperexponential, scv=st.floats(1.0, LARGEST_SCV, exclude_min=True)),
        st.builds(Lognormal, scv=st.floats(1e-12, LARGEST_SCV)),
        st.builds(Pareto, shape=st.floats(2.0, 1e9, exclude_min=True)),
        histograms(),
    )


@REPEATABLE
@given(distributions(), distributions(), distributions())
def test_load_save_load_is_the_identity(think, hold, handoff):
    scenario = with_distributions(think, hold, handoff)
    text = dumps(scenario)
    assert loads(text) == scenario
    assert dumps(loads(text)) == text


@REPEATABLE
@given(distributions())
def test_variation_is_finite(family):
    assert math.isfinite(family.scv)
    assert family.scv >= 0.0


def test_the_default_is_exponential_and_left_out():
    text = dumps(with_distributions(Exponential(), Exponential(), Exponential()))
    assert "distribution" not in text
    assert loads(text).locks[0].hold_distribution == Exponential()


def test_every_family_has_its_name():
    assert list(DISTRIBUTION_FAMILIES) == [
        *("constant", "exponential", "erlang", "coxian"),
        *("hyperexponential", "lognormal", "pareto", "empirical"),
    ]
    text = dumps(with_distributions(Constant(), Pareto(shape=3.0), Erlang(stages=2)))
    for line in ('family = "constant"', 'family = "pareto"', "shape = 3", "stages = 2"):
        assert line in text


@pytest.mark.parametrize(
    "family", [Coxian(scv=1.01e-3), Erlang(stages=1000), Lognormal(scv=1e-9), Pareto(shape=1e6)]
)
def test_whatever_is_accepted_can_be_simulated(family):
    # one process: 1 us of thinking, 1 ns of holding
    simulated = simulate(with_distributions(family, family, family), 1, 0.01)
    assert simulated.throughput_per_s.value == pytest.approx(1 / 1.001e-6, rel=0.01)
