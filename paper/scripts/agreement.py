"""How far the solvers agree, and how the curve families fare on published curves."""

from pathlib import Path

from lockmodel.answers.predict import predict
from lockmodel.evaluate.accuracy import accuracy
from lockmodel.evaluate.verify.agreement import verify
from lockmodel.model.shipped import find_scenario, shipped_dir
from paper.tools.fits import EXECL
from paper.tools.out import Out

FINEST = -14
"""Rounding of double precision over a few dozen operations: smaller differences are luck."""


def make(out: Out) -> None:
    """Name counts and errors."""
    agreement = verify()
    if not agreement.agrees:
        raise ValueError("the solvers do not agree: the text says that they do")
    exact = [c for c in agreement.comparisons if not c.random]
    out.count("exact_comparisons", len(exact))
    products = [
        c for c in exact if {c.reference, c.solver} == {"product-form", "markov"} and c.expected
    ]
    worst = max(abs(c.answer / c.expected - 1) for c in products)
    out.words("exact_apart", f"10^({_decade(worst)})", "math")
    out.count("simulated_comparisons", agreement.intervals)
    out.count("simulated_missed", agreement.missed)
    out.count("simulated_allowed", agreement.allowed)
    _product_form(out)
    scores = accuracy(_published(), 1)
    out.count("score_curves", scores.curves)
    out.count("score_hosts", len(scores.hosts))
    out.share("score_own", scores.median("lockmodel"), 1)
    out.share("score_last", scores.median("last"), 1)
    out.share("score_usl", scores.median("usl"))
    out.share("score_coverage", scores.coverage)


def _published() -> Path:
    return shipped_dir("data") / "published"


def _decade(value: float) -> int:
    """Return the power of ten that a small number stays below; no finer than arithmetic is."""
    power = 0
    while power > FINEST and value < 10.0 ** (power - 1):
        power -= 1
    return power


def _product_form(out: Out) -> None:
    scenario = find_scenario(EXECL)
    counts = [1, 2, 4, 8, 16, 32, 64, 128]
    points = predict(scenario, counts, "product-form").points
    errors = {p.n: p.error_estimate for p in points}
    known = {n: e for n, e in errors.items() if e is not None}
    worst = max(known, key=lambda n: known[n])
    out.share("stated_worst", known[worst])
    out.count("stated_worst_n", worst)
    out.share("stated_last", known[counts[-1]])
    out.share("model_waits", points[-1].locks[scenario.locks[0].name].cycles_share, 1)
