"""What the curve alone determines, and what pairs of kernels add."""

import math

from lockmodel.fitting.estimate import LEVEL
from lockmodel.fitting.fitting import Fitted
from lockmodel.fitting.identify import DerivedQuantity, Determination, Identified, identify
from lockmodel.units import share
from paper.tools.fits import (
    CURVE,
    EXECL_SET,
    ICL_SET,
    SYSEXEC_SET,
    carried,
    curve_alone,
)
from paper.tools.out import Out, si_with_range

HANDOFF = "all.handoff_lines"


def make(out: Out) -> None:
    """Name estimates and verdicts; write the table of what is determined."""
    alone, shared = curve_alone(), carried()
    judged, known = identify(alone.estimate), identify(shared.estimate)
    out.count("curve_unknowns", len(judged.unknowns))
    out.count("curve_directions", judged.directions)
    demand = _quantity(judged, CURVE, "demand").verdict
    out.number("curve_demand_error", _half(demand.low, demand.high), _percent(demand))
    split = _quantity(judged, CURVE, "hand-off share").verdict
    if split.determined:
        raise ValueError("the curve alone determines the hand-off share: the text says it does not")
    out.number("curve_split_low", split.prior_low, share(split.prior_low))
    out.number("curve_split_high", split.prior_high, share(split.prior_high))
    handoff = next(u for u in judged.unknowns if u.name == HANDOFF)
    out.words("curve_handoff_range", f"{handoff.prior_low:.1f} to {handoff.prior_high:.1f}")
    _curve(out, alone)
    out.count("carried_unknowns", len(known.unknowns))
    if known.directions != len(known.unknowns):
        raise ValueError("the combined fit leaves something open: the text says it does not")
    out.count("carried_observations", len(shared.estimate.rows))
    out.count("carried_sets", len(shared.estimate.study.sets))
    names = [unknown.name for unknown in shared.estimate.study.unknowns]
    where = names.index(HANDOFF)
    fitted, ends = math.exp(shared.estimate.theta[where]), shared.intervals[where]
    out.number("handoff_fitted", fitted, f"{fitted:.1f}")
    out.words("handoff_fitted_range", f"{ends.low:.1f} to {ends.high:.1f}")
    out.share("carried_noise", shared.estimate.noise.unstated, 1)
    out.share("level", LEVEL)
    _table(out, known, shared)


def _curve(out: Out, alone: Fitted) -> None:
    off = [
        abs(float(value) / row.observation.value - 1)
        for row, value in zip(alone.estimate.rows, alone.estimate.predicted, strict=True)
    ]
    out.count("curve_points", len(off))
    out.share("curve_most_off", max(off), 1)
    out.share("curve_noise", alone.estimate.noise.unstated, 1)


def _table(out: Out, known: Identified, shared: Fitted) -> None:
    labels = {
        "execl": shared.estimate.study.sets[EXECL_SET].label,
        "sysexec": shared.estimate.study.sets[SYSEXEC_SET].label,
        "icl": shared.estimate.study.sets[ICL_SET].label,
    }
    rows = []
    for what, unit in (
        ("demand", "s"),
        ("held work", "s"),
        ("hand-off", "s"),
        ("hand-off share", ""),
    ):
        row = [what]
        for name, label in labels.items():
            verdict = _quantity(known, label, what).verdict
            if unit:
                low, high = _ends(verdict)
                row.append(si_with_range(verdict.value or 0.0, low, high, unit))
                continue
            row.append(_share(verdict))
            if name != "icl":
                low, high = _ends(verdict)
                out.share(f"{name}_split", verdict.value or 0.0)
                out.words(f"{name}_split_range", f"{100 * low:.0f} to {100 * high:.0f} %")
        rows.append(row)
    cpus = [shared.scenarios[i].machine.cpus for i in (EXECL_SET, SYSEXEC_SET, ICL_SET)]
    heads = ["", *(f"{w}, {n}" for w, n in zip(("execl", "sysexec", "sysexec"), cpus, strict=True))]
    out.table("determined", heads, rows)


def _quantity(identified: Identified, label: str, what: str) -> DerivedQuantity:
    return next(
        q for q in identified.quantities if q.data == label and q.what == what and q.binding
    )


def _ends(verdict: Determination) -> tuple[float, float]:
    if not verdict.determined:
        raise ValueError(f"{verdict.name} is not determined: the text says it is")
    return verdict.low, verdict.high


def _share(verdict: Determination) -> str:
    """Return a share with its interval; where the data leave it open, what priors leave of it."""
    if verdict.determined:
        value = share(verdict.value or 0.0)
        return f"{value} ({100 * verdict.low:.0f} to {100 * verdict.high:.0f})"
    return f"open ({100 * verdict.prior_low:.0f} to {100 * verdict.prior_high:.0f})"


def _half(low: float, high: float) -> float:
    return (high / low) ** 0.5 - 1


def _percent(verdict: Determination) -> str:
    return share(_half(verdict.low, verdict.high))
