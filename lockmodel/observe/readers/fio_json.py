"""fio --output-format=json: I/Os per second of each group of jobs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lockmodel.errors import shown
from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.numbers import BadNumberError, whole
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import fio, structured
from lockmodel.observe.readers.rated import Rates
from lockmodel.observe.text import Line, Text

TITLE = "fio JSON"
READS = "I/Os per second of the jobs of each group; latencies, percentiles and errors as facts"
SEEN = "3.33"
GIVES = ("throughput",)
REMEDY = fio.REMEDY
SNIFFED = 4000

Places = dict[tuple[str | int, ...], Line]


def sniff(text: Text) -> bool:
    """Return whether it is a JSON object of fio's."""
    begin = text.whole.find("{")
    return begin >= 0 and '"fio version"' in text.whole[begin : begin + SNIFFED]


def read(text: Text, options: Options) -> Reading:
    """Return the observations of fio's JSON (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    rates = Rates(collector)
    for line, value in structured.objects(collector, text):
        places = structured.places(text, line)
        _run(collector, rates, value, places)
    rates.finish()
    return collector.reading(empty="no job with its iops")


def _run(collector: Collector, rates: Rates, value: dict[str, Any], places: Places) -> None:
    jobs = value.get("jobs")
    if not isinstance(jobs, list) or not jobs:
        raise collector.error(places.get(()), "a list 'jobs' was expected")
    collector.note("version", str(value.get("fio version", "")))
    collector.note("date", str(value.get("time", "")))
    rest = {key: one for key, one in value.items() if key not in ("jobs", "global options")}
    for path, number in structured.leaves(rest):
        collector.fact(" ".join(map(str, path)), number, "", places.get(path))
    common = value.get("global options")
    common = common if isinstance(common, dict) else {}
    for key, text in common.items():
        collector.note(f"option {str(key)[:40]}", str(text))
    made = []
    for i, job in enumerate(jobs):
        if not isinstance(job, dict):
            raise collector.error(
                places.get(("jobs", i)), f"jobs[{i}] = {shown(job)} must be an object"
            )
        made.append(_job(collector, i, job, common, places))
    groups = [job.group for job in made]
    single = [
        replace(j, jobs=1) if groups.count(j.group) > 1 and not _grouped(common, jobs[i]) else j
        for i, j in enumerate(made)
    ]
    fio.add(collector, rates, single)


def _grouped(common: dict[str, Any], job: dict[str, Any]) -> bool:
    own = job.get("job options")
    return "group_reporting" in common or (isinstance(own, dict) and "group_reporting" in own)


def _job(
    collector: Collector, i: int, job: dict[str, Any], common: dict[str, Any], places: Places
) -> fio.Job:
    """Read one entry of the list of jobs."""
    here = f"jobs[{i}]"
    line = places.get(("jobs", i))
    own = job.get("job options")
    set_to = {**common, **(own if isinstance(own, dict) else {})}
    name = str(job.get("jobname", ""))[:100]
    jobs = _option(collector, line, f"{here}: numjobs", set_to.get("numjobs", 1))
    depth = _option(collector, line, f"{here}: iodepth", set_to.get("iodepth", 1))
    error = structured.number(collector, line, f"{here}.error", job.get("error", 0))
    if error:
        collector.warn(f"{name}: ended with error {error:g}, as it says")
    group = structured.count(collector, line, f"{here}.groupid", job.get("groupid", 0))
    rate, seconds, best, where = 0.0, 0.0, -1.0, line
    for direction in fio.DIRECTIONS:
        part = job.get(direction)
        if not isinstance(part, dict):
            continue
        at = places.get(("jobs", i, direction, "iops"), line)
        iops = structured.number(collector, at, f"{here}.{direction}.iops", part.get("iops"))
        took = structured.number(collector, at, f"{here}.{direction}.runtime", part.get("runtime"))
        if iops < 0 or took < 0:
            raise collector.error(at, f"{here}.{direction}: iops {iops:g}, runtime {took:g} < 0")
        rate += iops
        seconds = max(seconds, took / 1000)
        if iops > best:
            best, where = iops, at
    _facts(collector, name, job, i, places, jobs)
    what = " ".join(str(set_to[key])[:20] for key in ("rw", "bs") if key in set_to) or name
    return fio.Job(where, group, name, what, rate, seconds, jobs, depth)


def _option(collector: Collector, line: Line | None, what: str, value: Any) -> int:
    """Return an option of a job, which fio writes as a text."""
    try:
        made = whole(str(value))
    except BadNumberError as bad:
        raise collector.error(line, f"{what} = {shown(value)} is {bad}") from None
    if made < 1:
        raise collector.error(line, f"{what} = {made} must be at least 1")
    return made


UNITS = {"iops": "1/s", "bw_bytes": "B/s", "io_bytes": "B", "bw": "KiB/s", "io_kbytes": "KiB"}
UNITS |= {"runtime": "ms", "job_runtime": "ms", "usr_cpu": "%", "sys_cpu": "%"}


def _facts(
    collector: Collector, name: str, job: dict[str, Any], i: int, places: Places, n: int
) -> None:
    """Keep every number of an entry as a fact."""
    for path, value in structured.leaves(job):
        own = [str(part) for part in path]
        in_ns = any(part.endswith("_ns") for part in own[:-1]) and own[-1] != "N"
        unit = "ns" if in_ns else UNITS.get(own[-1], "")
        collector.fact(f"{name} {' '.join(own)}", value, unit, places.get(("jobs", i, *path)), n)
