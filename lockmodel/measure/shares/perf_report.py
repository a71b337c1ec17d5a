"""`perf report --stdio` with call graphs -> the profile of its waiting."""

from __future__ import annotations

from lockmodel.errors import ScenarioError
from lockmodel.measure.shares.grouping import group
from lockmodel.measure.shares.profile import Profile, make
from lockmodel.observe.profiles import perf_report
from lockmodel.observe.text import Text

TITLE = perf_report.TITLE
REMEDY = perf_report.REMEDY
sniff = perf_report.sniff

LEAST_CUT = 0.01
"""Smaller parts of the waiting that perf cut off are not mentioned."""

STEP = 0.01
"""Percentages are printed with two digits."""


def read(text: Text) -> list[Profile]:
    """Return the profile of a report.

    Raises
    ------
    ScenarioError
        No function that waits for a lock has a call graph.
    """
    report = perf_report.report(text)
    weighted = [(path, value) for _, path, value in report.paths]
    sites, left = group(weighted)
    if not sites:
        raise ScenarioError(
            f"{text.origin}: no entry of a function that waits for a lock (osq_lock, "
            f"native_queued_spin_lock_slowpath, ..) has callers below it; {REMEDY}"
        )
    if report.cut > LEAST_CUT * sum(value for _, value in weighted):
        left = (*left, f"{report.cut:.2f} % of the samples wait below branches that perf left out")
    counted = None if report.samples is None else report.samples / 100
    return [make(text.origin, sites, counted=counted, step=STEP, left_out=left)]
