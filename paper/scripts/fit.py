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
from paper.tools.out import Out, si_range, si_with_range


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
    handoff = next(u for u in judged.unknowns if u.name == "all.handoff")
    out.words("curve_handoff_range", si_range(handoff.prior_low, handoff.prior_high, "s"))
    _curve(out, alone)
    out.count("carried_unknowns", len(known.unknowns))
    if known.directions != len(known.unknowns):
        raise ValueError("the combined fit leaves something open: the text says it does not")
    out.count("carried_observations", len(shared.estimate.rows))
    out.count("carried_sets", len(shared.estimate.study.sets))
    names = [unknown.name for unknown in shared.estimate.study.unknowns]
    where = names.index("all.handoff_instructions")
    ratio, ends = math.exp(shared.estimate.theta[where]), shared.intervals[where]
    out.number("ratio", ratio, f"{ratio:.0f}")
    out.words("ratio_range", f"{ends.low:.0f} to {ends.high:.0f}")
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
            low, high = _ends(verdict)
            value = verdict.value or 0.0
            if unit:
                row.append(si_with_range(value, low, high, unit))
            else:
                row.append(f"{share(value)} ({100 * low:.0f} to {100 * high:.0f})")
            if what == "hand-off share":
                out.share(f"{name}_split", value)
                if name == "sysexec":
                    out.words("sysexec_split_range", f"{100 * low:.0f} to {100 * high:.0f} %")
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


def _half(low: float, high: float) -> float:
    return (high / low) ** 0.5 - 1


def _percent(verdict: Determination) -> str:
    return share(_half(verdict.low, verdict.high))
