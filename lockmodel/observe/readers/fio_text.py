"""What fio prints by default: a section for each group of jobs, with how many jobs it is of."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import fio
from lockmodel.observe.readers.rated import Rates
from lockmodel.observe.text import Line, Text

TITLE = "fio"
READS = "the same, from what it prints; the summary of latencies as facts"
SEEN = "3.33; fio 2 from published results"
GIVES = ("throughput",)
REMEDY = fio.REMEDY

SETTING = re.compile(r"(\S.{0,99}?): \(g=(\d+)\): rw=(\w+), bs=\(R\) (\S+?)-.*iodepth=(\d+)")
BEGIN = re.compile(r"(\S.{0,99}?): \(groupid=(\d+), jobs=(\d+)\): err=\s*(\d+).*")
RATE = re.compile(
    r"(?P<way>read|write|trim)\s*: IOPS=(?P<iops>[\d.]+)(?P<scale>[kMG]?), BW=(?P<bw>[\d.]+)"
    r"(?P<unit>[kKMG]?i?B/s) .*?(?P<ms>\d+)msec\).*"
)
BEFORE_3 = re.compile(
    r"(?P<way>read|write|trim)\s*: io=\s*\S+, bw=\s*(?P<bw>[\d.]+)(?P<unit>[KMG]?B/s), "
    r"iops=\s*(?P<iops>[\d.]+)(?P<scale>[kMG]?), runtime=\s*(?P<ms>\d+)msec"
)
"""The same of fio 2."""

BEGUN = re.compile(r"(?:read|write|trim)\s*: (?:IOPS|io)=.*")
LATENCY = re.compile(r"(slat|clat|lat) \((nsec|usec|msec)\): (min=.*)")
PART = re.compile(r"(\w+)=\s*([\d.]+)([kMG]?)")
VERSION = re.compile(r"fio-[\w.-]+")
SCALES = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}


@dataclass
class _Group:
    """One section while its lines come."""

    line: Line
    name: str
    group: int
    jobs: int
    rates: list[tuple[Line, str, float, float]] = field(default_factory=list)


def sniff(text: Text) -> bool:
    """Return whether a section of a group of jobs is there."""
    return "groupid=" in text.whole and any(
        BEGIN.fullmatch(line.text.strip()) for line in text.filled if "groupid=" in line.text
    )


def read(text: Text, options: Options) -> Reading:
    """Return the observations of what fio prints (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    rates = Rates(collector)
    settings: dict[tuple[str, int], tuple[str, int]] = {}
    groups: list[_Group] = []
    for line in text.filled:
        stripped = line.text.strip()
        if setting := SETTING.fullmatch(stripped):
            if groups:
                _finish(collector, rates, groups, settings)
                groups, settings = [], {}
            what = f"{setting[3]} {setting[4]}"
            settings[setting[1], int(setting[2][:9])] = (what, int(setting[5][:9]))
            collector.note(f"{setting[1]}, group {setting[2]}", stripped)
        elif begin := BEGIN.fullmatch(stripped):
            jobs = collector.whole(line, "jobs", begin[3], least=1)
            collector.checked(line, "numbers of groups and processes")
            groups.append(_Group(line, begin[1], int(begin[2][:9]), jobs))
            if int(begin[4][:9]):
                collector.warn(f"line {line.number}: {begin[1]} ended with error {begin[4]}")
                collector.fact(f"{begin[1]}: error", int(begin[4][:9]), "", line, jobs)
        elif VERSION.fullmatch(stripped):
            collector.note("version", stripped)
        elif not groups or not _line(collector, groups[-1], line, stripped):
            collector.skip(line, "percentiles, distributions, disks, or not a job's results")
    _finish(collector, rates, groups, settings)
    rates.finish()
    return collector.reading(empty="no group of jobs with its IOPS")


def _line(collector: Collector, group: _Group, line: Line, stripped: str) -> bool:
    """Take one line of a section; return whether it is one that is kept."""
    if rate := RATE.fullmatch(stripped) or BEFORE_3.fullmatch(stripped):
        name = f"{group.name} {rate['way']}"
        iops = collector.number(line, "IOPS", rate["iops"]) * SCALES[rate["scale"]]
        seconds = int(rate["ms"][:12]) / 1000
        group.rates.append((line, rate["way"], iops, seconds))
        collector.fact(f"{name}: run time", seconds, "s", line, group.jobs)
        bandwidth = collector.number(line, "BW", rate["bw"])
        collector.fact(f"{name}: BW", bandwidth, rate["unit"], line, group.jobs)
    elif BEGUN.fullmatch(stripped):
        raise collector.error(line, "'read: IOPS=5.1k, BW=20MiB/s (...)(20MiB/1001msec)': cut off?")
    elif latency := LATENCY.fullmatch(stripped):
        for name, value, scale in PART.findall(latency[3]):
            made = collector.number(line, name, value) * SCALES[scale]
            direction = group.rates[-1][1] if group.rates else ""
            what = f"{group.name} {direction}: {latency[1]} {name}"
            collector.fact(what, made, latency[2], line, group.jobs)
    else:
        return False
    return True


def _finish(
    collector: Collector,
    rates: Rates,
    groups: list[_Group],
    settings: dict[tuple[str, int], tuple[str, int]],
) -> None:
    jobs = []
    for group in groups:
        if not group.rates:
            raise collector.error(group.line, "a group of jobs without its IOPS: cut off?")
        done = " and ".join(direction for _, direction, _, _ in group.rates)
        what, depth = settings.get((group.name, group.group), (done, 1))
        line = max(group.rates, key=lambda one: one[2])[0]
        total = sum(iops for _, _, iops, _ in group.rates)
        seconds = max(seconds for *_, seconds in group.rates)
        job = fio.Job(line, group.group, group.name, what, total, seconds, group.jobs, depth)
        jobs.append(job)
    fio.add(collector, rates, jobs)
