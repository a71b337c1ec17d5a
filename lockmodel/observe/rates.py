"""Units of throughput as people write them: "ops/us", "lookups per millisecond", "kops/s"."""

from __future__ import annotations

import re

PERIODS = {
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "ms": 1e-3,
    "millisecond": 1e-3,
    "us": 1e-6,
    "microsecond": 1e-6,
    "min": 60.0,
    "minute": 60.0,
}
"""Period of a rate -> s."""

SCALES = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "g": 1e9}

RATE = re.compile(
    r"(?:^|\s)(?P<scale>[kMG](?=ops\b| )|thousand|million)?\s*"
    r"(?P<noun>[A-Za-z][\w-]*(?: [\w-]+){0,3})"
    r"\s*(?:/|\bper )\s*(?:(?P<times>\d{1,6}) )?"
    r"(?P<period>s|sec|second|ms|millisecond|us|microsecond|min|minute)\b"
)

NOT_ALL = re.compile(r"\bper (?:lock|thread|task|process|cpu|core)\b|UNCERTAIN|INFERENCE", re.I)
"""Words after which a rate is not, or not surely, that of the whole machine."""


def factor(unit: str) -> float | None:
    """Return what turns a rate in a unit into one per second.

    Parameters
    ----------
    unit : str
        For example "ops/us", "million ops/s aggregate" or "execs per second".

    Returns
    -------
    float or None
        None if the unit is no rate of the whole machine that is understood.
    """
    unit = unit.split("throughput:")[-1].split(";")[0] if "throughput:" in unit else unit
    if NOT_ALL.search(unit):
        return None
    match = RATE.search(unit[:400])
    if match is None:
        return None
    scale = SCALES.get((match["scale"] or "").lower(), 1.0)
    times = float(match["times"] or 1)
    return scale / (times * PERIODS[match["period"]]) if times else None
