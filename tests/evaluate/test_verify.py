"""verify: the matrix agrees, and would say so if it did not."""

from dataclasses import replace

import pytest
from places import timed

from lockmodel.cli import run
from lockmodel.evaluate.verify import agreement
from lockmodel.evaluate.verify.agreement import (
    Comparison,
    allowed_misses,
    judge,
    verify,
    verify_model,
)
from lockmodel.evaluate.verify.cases import cases
from lockmodel.model.disciplines import DISCIPLINES


@pytest.mark.parametrize(
    ("intervals", "allowed"),
    [
        (0, 0),
        (1, 1),  # P(1 miss of 1) = 0.01
        (16, 2),  # P(> 1) = 0.0109, P(> 2) = 0.0005 (binomial, 0.01)
        (45, 3),  # P(> 2) = 0.0106, P(> 3) = 0.0011: see below
        (100, 5),  # P(> 4) = 0.0034, P(> 5) = 0.0005
    ],
)
def test_allowed_misses(intervals, allowed):
    from mpmath import binomial, mpf

    def tail(a):
        return sum(
            binomial(intervals, k) * mpf("0.01") ** k * mpf("0.99") ** (intervals - k)
            for k in range(a + 1, intervals + 1)
        )

    wanted = next(a for a in range(intervals + 1) if tail(a) < mpf("0.001"))
    assert allowed_misses(intervals) == wanted
    assert abs(wanted - allowed) <= 1


@pytest.fixture(scope="module")
def quick():
    return verify()


def test_all_solvers_agree(quick):
    wrong = [c for c in quick.comparisons if not c.random and not c.agrees]
    assert wrong == []
    assert quick.missed <= quick.allowed
    assert quick.agrees
    assert quick.intervals >= len(cases())


def test_exact_answers_agree_to_1e_9(quick):
    pairs = [c for c in quick.comparisons if {c.reference, c.solver} == {"product-form", "markov"}]
    assert len(pairs) >= 10
    for c in pairs:
        assert c.answer == pytest.approx(c.expected, rel=1e-9, abs=1e-9)


def test_every_solver_and_every_kind_of_lock_is_in_the_matrix():
    listed = cases()
    assert {s for case in listed for s in case.solvers} == {"product-form", "markov", "simulation"}
    kinds = {lock.kind for case in listed for lock in case.scenario.locks}
    assert kinds == set(DISCIPLINES)
    twice = {
        lock.kind
        for case in listed
        for lock in case.scenario.locks
        if len(case.solvers) + (case.named is not None) > 1
    }
    assert twice == set(DISCIPLINES)
    assert all(case.known for case in listed[:2])


def bent(solver, factor):
    """Return `_answer` with one solver's throughput off by a factor."""
    real = agreement._answer

    def answer(scenario, n, name, max_error):
        point = real(scenario, n, name, max_error)
        if name != solver:
            return point
        return replace(
            point,
            throughput_per_s=point.throughput_per_s * factor,
            upper_per_s=point.upper_per_s * factor,
        )

    return answer


@pytest.mark.parametrize(("solver", "factor"), [("markov", 1 + 1e-7), ("simulation", 1.03)])
def test_a_wrong_solver_is_found(monkeypatch, capsys, solver, factor):
    monkeypatch.setattr(agreement, "_answer", bent(solver, factor))
    assert not verify().agrees
    assert run(["verify"]) == 1
    told = capsys.readouterr()
    assert "The solvers do NOT agree" in told.out
    assert "comparisons disagree, first: " in told.err


def comparison(answer, error, random):
    return Comparison("case", 1, "throughput", "a", "b", 1.0, answer, error, random)


def test_units_and_verdict():
    assert comparison(1.5, 0.25, False).units == 2.0
    assert comparison(1.0, 0.0, False).units == 0.0
    assert comparison(1.1, 0.0, False).units == float("inf")
    near, far = comparison(1.1, 0.2, True), comparison(1.35, 0.2, True)
    assert judge([near] * 15 + [far]).agrees
    assert not judge([near] * 12 + [far] * 4).agrees
    assert not judge([near, comparison(1.5, 0.2, False)]).agrees
    assert not judge([near] * 15 + [comparison(1.5, 0.2, True)]).agrees  # 2.5 units: not chance
    assert not judge([comparison(1.5, 0.2, True)]).agrees


def test_a_model_is_within_its_stated_errors():
    verdict = verify_model(timed("execl-xeon8369b"), [1, 8, 128])
    assert verdict.agrees
    assert {(c.n, c.solver) for c in verdict.comparisons} >= {
        (1, "markov"),
        (1, "product-form"),
        (8, "product-form"),
        (128, "product-form"),
    }


def test_a_model_whose_answers_promise_too_much_is_found(monkeypatch):
    monkeypatch.setattr(agreement, "_answer", bent("product-form", 1.5))
    assert not verify_model(timed("execl-xeon8369b"), [8, 128]).agrees


def test_n_without_a_model_is_refused(capsys):
    assert run(["verify", "-n", "4"]) == 3
    assert "-n goes with a MODEL" in capsys.readouterr().err
