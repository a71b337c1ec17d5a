"""fio --output-format=terse (--minimal): one line for each job, fields by their place."""

from __future__ import annotations

import re
from dataclasses import replace

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.names import in_command
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import fio
from lockmodel.observe.readers.rated import Rates
from lockmodel.observe.text import Line, Text

TITLE = "fio terse"
READS = "I/Os per second of the jobs of each group, from the lines of --minimal (versions 3 to 5)"
SEEN = "3.33"
GIVES = ("throughput",)
REMEDY = fio.REMEDY

LINE = re.compile(r"([345]);(fio-[\w.-]+);([^;]*);(\d+);(\d+);(.+)")
BEGUN = re.compile(r"[2345];(?:fio-)?[\w.-]+;.*")
COMMAND = re.compile(r"(?:\S*[$#] )?\S*fio (?=.*-).*")

PART = 41
"""Fields of one direction: amount, rate, I/Os, run time, latencies and their percentiles."""

NAMES = {0: ("amount", "KiB"), 1: ("rate", "KiB/s"), 3: ("run time", "ms")}
LATENCIES = {
    4: "submission latency, min",
    5: "submission latency, max",
    6: "submission latency, mean",
    7: "submission latency, deviation",
    8: "completion latency, min",
    9: "completion latency, max",
    10: "completion latency, mean",
    11: "completion latency, deviation",
    32: "latency, min",
    33: "latency, max",
    34: "latency, mean",
    35: "latency, deviation",
}
EXTRA = {"3": 0, "4": 0, "5": 6}
"""Version -> further fields of a direction, at its end: numbers of I/O samples."""


def sniff(text: Text) -> bool:
    """Return whether a line of terse output is there."""
    return ";fio-" in text.whole and any(BEGUN.fullmatch(line.text) for line in text.filled)


def read(text: Text, options: Options) -> Reading:
    """Return the observations of fio's terse output (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    rates = Rates(collector)
    jobs: list[fio.Job] = []
    asked: int | None = None
    grouped = False
    for line in text.said:
        if row := LINE.fullmatch(line.text):
            if jobs and int(row[4][:9]) < jobs[-1].group:
                _add(collector, rates, jobs, asked, grouped)
                jobs = []
            jobs.append(_job(collector, line, row))
        elif BEGUN.fullmatch(line.text):
            raise collector.error(line, "a line of terse version 3 to 5 was expected: cut off?")
        elif COMMAND.fullmatch(line.text):
            _add(collector, rates, jobs, asked, grouped)
            jobs, asked = [], in_command(line.text)
            grouped = "group_reporting" in line.text
            collector.note("command", line.text)
        else:
            collector.skip(line, "not a line of terse output")
    _add(collector, rates, jobs, asked, grouped)
    rates.finish()
    return collector.reading(empty="no line of terse output")


def _add(
    collector: Collector,
    rates: Rates,
    jobs: list[fio.Job],
    asked: int | None,
    grouped: bool,
) -> None:
    """Add the jobs of one run; a lone line of a group may stand for several (group_reporting)."""
    groups = [job.group for job in jobs]
    made = []
    for job in jobs:
        alone = groups.count(job.group) == 1
        n = (asked if grouped or asked == 1 else None) if alone else 1
        made.append(replace(job, jobs=n))
        if n is None and collector.options.tasks is None:
            collector.warn(
                "a line alone in its group is one job, or several with group_reporting: terse "
                "output does not say"
            )
    fio.add(collector, rates, made)


def _job(collector: Collector, line: Line, row: re.Match[str]) -> fio.Job:
    """Read one line."""
    name, cells = row[3][:100], row[6].split(";")
    width = PART + EXTRA[row[1]]
    if len(cells) < 2 * width:
        raise collector.error(
            line, f"{len(cells) + 5} fields, at least {5 + 2 * width} were expected: cut off?"
        )
    collector.note("version", row[2])
    if int(row[5][:9]):
        collector.warn(f"line {line.number}: {name} ended with error {row[5]}, as it says")
        collector.fact(f"{name}: error", int(row[5][:9]), "", line)
    rate, seconds, done = 0.0, 0.0, []
    parts = 3 if row[1] == "4" and len(cells) >= 3 * width + 40 else 2
    for i, direction in enumerate(fio.DIRECTIONS[:parts]):
        part = cells[i * width : (i + 1) * width]
        iops = collector.number(line, f"{direction} iops", part[2])
        took = collector.number(line, f"{direction} run time", part[3])
        if iops < 0 or took < 0:
            raise collector.error(line, f"{direction}: iops {iops:g}, run time {took:g} ms")
        rate, seconds = rate + iops, max(seconds, took / 1000)
        if iops > 0:
            done.append(direction)
            collector.fact(f"{name} {direction}: iops", iops, "1/s", line)
            for at, (what, unit) in NAMES.items():
                value = collector.number(line, what, part[at])
                collector.fact(f"{name} {direction}: {what}", value, unit, line)
            for at, what in LATENCIES.items():
                value = collector.number(line, what, part[at])
                collector.fact(f"{name} {direction}: {what}", value, "us", line)
    collector.checked(line, "percentiles, CPU, depth and disk fields of terse output")
    return fio.Job(line, int(row[4][:9]), name, " and ".join(done), rate, seconds, None)
