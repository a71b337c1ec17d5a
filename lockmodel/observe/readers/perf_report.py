"""`perf report --stdio` with call graphs: where the samples wait for a lock."""

from __future__ import annotations

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.profiles import perf_report
from lockmodel.observe.readers import profile_stacks
from lockmodel.observe.text import Text

TITLE = perf_report.TITLE
READS = "the same, from the call graphs of functions that wait"
GIVES = ("wait_share",)
REMEDY = perf_report.REMEDY
LEAST_CUT = 0.01
"""Smaller parts of the waiting that perf cut off are not mentioned."""


def sniff(text: Text) -> bool:
    """Return whether there is an entry and the line of a call graph."""
    return perf_report.sniff(text)


def read(text: Text, options: Options) -> Reading:
    """Return the observations of a report with call graphs (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options, traced=True)
    report = perf_report.report(text)
    for line in text.filled:
        if line.text.startswith("# Event count"):
            collector.checked(line, "event count")
    for line in report.others:
        collector.skip(line, "an entry that waits for no lock, or is part of another")
    for line in dict.fromkeys(line for line, _, _ in report.paths):
        collector.checked(line, "the percentage of a whole entry")
    profile_stacks.observe(collector, report.paths, 100.0)
    if report.samples is not None:
        collector.fact("samples", report.samples, "", None)
    if report.cut > LEAST_CUT:
        collector.warn(f"{report.cut:.2f} % of the samples wait below branches that perf left out")
    if not collector.observations:
        raise collector.error(None, f"{profile_stacks.NONE}, with callers below its entry")
    return collector.reading()
