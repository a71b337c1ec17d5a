"""What fio's JSON and its terse lines share: jobs of a group run at once, and are one rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lockmodel.observe.collector import Collector
from lockmodel.observe.readers.rated import Rates
from lockmodel.observe.text import Line

REMEDY = (
    "run `for n in 1 2 4 8; do fio --name=x --rw=randread --size=64m --time_based --runtime=30 "
    "--numjobs=$n --group_reporting --output-format=json > n$n.json; done`"
)
DIRECTIONS = ("read", "write", "trim")

IN_FLIGHT = "each job keeps several I/Os in flight (iodepth): the population counts jobs, not I/Os"


@dataclass(frozen=True)
class Job:
    """One entry: a job, or all jobs of a group with group_reporting.

    Attributes
    ----------
    line : Line or None
        Where its largest rate stands.
    group : int
        Jobs of one group run at the same time.
    name : str
        Of the job.
    what : str
        What it does: a curve is over runs that do the same.
    rate : float
        I/Os per second in all directions.
    seconds : float
        Of the longest direction.
    jobs : int or None
        How many jobs the entry stands for; None if it does not say.
    depth : int
        I/Os in flight per job.
    """

    line: Line | None
    group: int
    name: str
    what: str
    rate: float
    seconds: float
    jobs: int | None
    depth: int = 1


def add(collector: Collector, rates: Rates, jobs: Sequence[Job]) -> None:
    """Add one rate for each group of jobs."""
    groups: dict[int, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.group, []).append(job)
    for group in groups.values():
        done = [job for job in group if job.rate > 0 and job.seconds > 0]
        if len(done) < len(group):
            line = next(job.line for job in group if job not in done) or Line(0, group[0].name)
            collector.skip(line, "a job of 0 I/Os or 0 s: nothing was measured")
        if not done:
            continue
        if any(job.depth > 1 for job in group):
            collector.warn(IN_FLIGHT)
        known = [job.jobs for job in group if job.jobs is not None]
        n = sum(known) if len(known) == len(group) else None
        if len(group) > 1:
            collector.warn("entries of one group ran at once: their rates are added up")
        largest = max(done, key=lambda job: job.rate)
        rates.add(largest.line, sum(job.rate for job in done), n, _what(group))


def _what(group: Sequence[Job]) -> str:
    """Return what a group did, whatever its jobs are called."""
    return f"fio {' + '.join(dict.fromkeys(job.what for job in group))}"
