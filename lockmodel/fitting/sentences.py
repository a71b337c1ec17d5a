"""What is determined and what is not, in the words that the terminal and the report share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lockmodel.fitting.estimate import Estimate
from lockmodel.fitting.identify import WHATS, DerivedQuantity, Determination, Identified
from lockmodel.fitting.profile import ParameterInterval
from lockmodel.units import PREFIXES, si, to

TIMES = (*(pair for pair in PREFIXES if pair[0] <= 1.0), (1e-12, "p"))
RATES = tuple(pair for pair in PREFIXES if pair[0] >= 1.0)

COUNTED = ("acquires", "held_instructions", "lines")

WIDEST = 1e4
"""Ratio of the ends of an interval beyond which it says nothing and is not printed."""


@dataclass(frozen=True)
class Said:
    """An identified fit in sentences.

    Attributes
    ----------
    lock : str
        The lock with the largest demand, of the data set whose scenario is saved.
    n : int
        Population of its quantities.
    quantities : tuple of (str, str, str)
        What, value, interval.
    determined, undetermined, assumed : tuple of str
    """

    lock: str
    n: int
    quantities: tuple[tuple[str, str, str], ...]
    determined: tuple[str, ...]
    undetermined: tuple[str, ...]
    assumed: tuple[str, ...]


def number(value: float, unit: str) -> str:
    """Return a value with three digits and a prefix that fits its unit ('s', '1/s', '1')."""
    if unit in ("s", "1/s") and value > 0 and math.isfinite(value):
        return si(value, "s", TIMES) if unit == "s" else si(value, "/s", RATES)
    return f"{value:.3g}" + ("" if unit in ("1", "relative") else f" {unit}")


def span(low: float, high: float, unit: str) -> str:
    """Return an interval, the unit once if it is the same: "27.8 to 30.9 us"."""
    if high > WIDEST * max(low, 1e-300):
        return "anything"
    return to(number(low, unit), number(high, unit))


def _percent(verdict: Determination) -> tuple[str, str]:
    if verdict.determined and verdict.value is not None:
        assert verdict.low is not None
        assert verdict.high is not None
        return f"{verdict.value:.0%}", f"{verdict.low:.0%} to {verdict.high:.0%}"
    ends = f"{verdict.prior_low:.0%} to {verdict.prior_high:.0%}"
    return "not determined", f"{_basis(verdict)}: {ends}"


def _basis(verdict: Determination) -> str:
    return {"priors": "priors", "model": "as in the model"}.get(verdict.basis, verdict.basis)


def _cells(quantity: DerivedQuantity) -> tuple[str, str, str]:
    verdict = quantity.verdict
    what = f"{quantity.what} ({WHATS[quantity.what].partition(':')[0]})"
    if quantity.what == "hand-off share":
        return (what, *_percent(verdict))
    if verdict.determined and verdict.value is not None:
        assert verdict.low is not None
        assert verdict.high is not None
        ends = span(verdict.low, verdict.high, verdict.unit)
        return what, number(verdict.value, verdict.unit), ends
    ends = span(verdict.prior_low, verdict.prior_high, verdict.unit)
    return what, "not determined", f"{_basis(verdict)}: {ends}"


def sentences(
    estimate: Estimate, judged: Identified, main: int, intervals: Sequence[ParameterInterval]
) -> Said:
    """Return an identified fit in words.

    Parameters
    ----------
    estimate : Estimate
    judged : Identified
        Of it.
    main : int
        Data set whose scenario is saved.
    intervals : sequence of ParameterInterval
        Of the unknowns.
    """
    label = estimate.study.sets[main].label
    own = [q for q in judged.quantities if q.data == label]
    demands = {q.lock: q.verdict.prior_high for q in own if q.what == "demand"}
    lock = max(demands, key=lambda name: demands[name]) if demands else ""
    chosen = [q for q in own if q.lock == lock]
    count = len(judged.unknowns)
    determined = [
        f"{v.name} = {number(v.value, v.unit)} ({span(v.low, v.high, v.unit)})"
        for v in judged.combinations
        if v.value is not None and v.low is not None and v.high is not None
    ]
    determined.append(f"{judged.directions} of {count} independent combinations of the unknowns")
    if estimate.given:
        determined[-1] += f", given {', '.join(dict.fromkeys(one.fixed for one in estimate.given))}"
    given = {estimate.study.unknowns[one.index].name: one.fixed for one in estimate.given}
    undetermined = [
        (
            f"{v.name}: only with {given[v.name]} as the model has it; then "
            if v.name in given
            else f"{v.name}: the data alone leave it open; with all that is assumed "
        )
        + span(ends.low, ends.high, v.unit)
        for v, ends in zip(judged.unknowns, intervals, strict=True)
        if not v.determined
    ]
    if judged.worst:
        undetermined.append(f"least of all: {judged.worst}")
    return Said(
        lock=lock,
        n=chosen[0].n if chosen else 0,
        quantities=tuple(_cells(q) for q in chosen),
        determined=tuple(determined),
        undetermined=tuple(undetermined),
        assumed=_assumed(estimate),
    )


def _assumed(estimate: Estimate) -> tuple[str, ...]:
    """Return what the fit takes from the model, and what sharing a parameter takes for granted."""
    made = []
    study = estimate.study
    for unknown in study.unknowns:
        machines = {study.sets[where].scenario.machine.name for where, _ in unknown.members}
        if len(machines) > 1:
            made.append(
                f"{unknown.name} is the same on {len(machines)} machines: carrying it over is an "
                f"assumption; --share {unknown.key}=machine shows the answer without it"
            )
    made += [
        f"{one.fixed} is {number(one.value, 's')}, as in the model: with another value "
        f"{study.unknowns[one.index].name} is another one"
        for one in estimate.given
    ]
    keys = {unknown.key for unknown in study.unknowns}
    held = [name for name in COUNTED if name not in keys]
    if held:
        made.append(
            f"{' and '.join(held).replace('_', ' ')} are the model's, counted and not fitted"
        )
    families = {lock.handoff.family for data in study.sets for lock in data.scenario.locks}
    if any(key.startswith("handoff") for key in keys):
        names = ", ".join(sorted(families))
        made.append(f"how the hand-off grows with waiters and distance is the model's ({names})")
    return tuple(made)
