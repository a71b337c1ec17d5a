"""A fit as a Markdown report: what was fitted to what, how well, and what it does not say."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lockmodel.fitting.fitting import Fitted
from lockmodel.fitting.health import flags
from lockmodel.fitting.identify import Identified
from lockmodel.fitting.sentences import number, sentences, span


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a Markdown table; bars inside cells are escaped."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return [line(heads), "|" + "---|" * len(heads), *(line(row) for row in rows), ""]


def bullets(head: str, lines: Sequence[str]) -> list[str]:
    """Return a section with a list; nothing for no lines."""
    return [f"## {head}", "", *(f"- {line}" for line in lines), ""] if lines else []


def markdown(result: Fitted, judged: Identified) -> str:
    """Return the report.

    Parameters
    ----------
    result : Fitted
    judged : Identified
        Of its estimate.

    Returns
    -------
    str
        Markdown; no dates and no paths beyond those given, so that equal fits give equal bytes.
    """
    estimate = result.estimate
    sets = estimate.study.sets
    models = ", ".join(dict.fromkeys(data.stock.name for data in sets))
    out = [f"# Fit of {models}", ""]
    out += [
        f"{len(estimate.rows)} observations in {len(sets)} data set{'s' if len(sets) > 1 else ''}, "
        f"{len(estimate.study.unknowns)} unknowns; 90 % intervals.",
        "",
    ]
    out += bullets("Flags", flags(estimate))
    out += ["## Estimates", ""]
    rows = []
    given = {one.index: f"given {one.fixed}" for one in estimate.given}
    for i, unknown in enumerate(estimate.study.unknowns):
        ends = result.intervals[i]
        low = "open" if ends.open_low else number(ends.low, unknown.unit)
        high = "open" if ends.open_high else number(ends.high, unknown.unit)
        shown = (
            f"{low} to {high}" if "open" in (low, high) else span(ends.low, ends.high, unknown.unit)
        )
        estimate_text = number(float(np.exp(estimate.theta[i])), unknown.unit)
        fine = "yes" if estimate.determined[i] else given.get(i, "no")
        rows.append([unknown.name, estimate_text, shown, fine])
    out += table(["parameter", "estimate", "90 % interval", "determined by the data"], rows)
    said = sentences(estimate, judged, result.main, result.intervals)
    if said.lock:
        out += table([f"{said.lock} at n = {said.n}", "value", "90 % interval"], said.quantities)
    out += bullets("Determined by these data", said.determined)
    out += bullets("Not determined by these data", said.undetermined)
    out += bullets("What would settle it", judged.remedies)
    out += bullets("Assumed", said.assumed)
    out += ["## Measured and fitted", ""]
    rows = []
    for row, fitted in zip(estimate.rows, estimate.predicted, strict=True):
        o = row.observation
        off = float(fitted) / math.exp(row.log_value) - 1.0
        value = float(fitted) - (1.0 if o.kind == "gain" else 0.0)
        where = " ".join(filter(None, (o.lock, o.site)))
        rows.append(
            [
                sets[row.where].label,
                " ".join(filter(None, (o.kind.replace("_", " "), where))),
                "" if o.n is None else str(o.n),
                number(o.value, o.unit),
                number(value, o.unit),
                f"{off:+.1%}",
            ]
        )
    out += table(["data", "what", "n", "measured", "fitted", "off"], rows)
    unused = [f"{u.observation.kind.replace('_', ' ')}: {u.why}" for u in estimate.unused]
    out += bullets("Read, but not in the fit", list(dict.fromkeys(unused)))
    priors = [
        f"{p.parameter.name}: {number(p.range.low, p.parameter.unit)} to "
        f"{number(p.range.high, p.parameter.unit)} (90 %), {p.range.source}"
        for p in estimate.priors
    ]
    out += bullets("Priors", list(dict.fromkeys(priors)))
    out += bullets("To know", result.warnings)
    files = [f"{name}: SHA-256 `{digest}`" for name, digest in result.digests.items()]
    out += bullets("Data", files)
    return "\n".join(out)
