"""stress-ng's printed metrics: bogo operations per second of each stressor."""

from __future__ import annotations

import re

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers.rated import Rates
from lockmodel.observe.text import Line, Text

TITLE = "stress-ng"
READS = "bogo operations per second (real time) of each stressor; times, other rates as facts"
SEEN = "0.15.06; before and after from published results"
GIVES = ("throughput",)
REMEDY = "run `for n in 1 2 4 8; do stress-ng --futex $n -t 30 --metrics; done > runs.txt 2>&1`"

MARK = re.compile(r"(?:.*?\s)?stress-ng: (?P<level>\w+):\s+\[\d+\]\s?(?P<rest>.*)")
HOGS = re.compile(r"dispatching hogs: (.+)")
HOG = re.compile(r"(\d{1,7}) ([\w-]+)")
HEAD = re.compile(r"stressor\s+bogo ops\s+real time\b.*")
UNITS = re.compile(r"\(secs\)\s+\(secs\)\s.*")
ROW = re.compile(r"(?P<name>[a-z][\w-]{0,40})(?P<cells>(?:\s+\d[\d.,]*){6,8})")
NAMES = ("bogo ops", "real time", "user time", "system time", "bogo ops/s", "per CPU time")
MORE = (("CPU used per instance", "%"), ("largest resident set", "KB"))
MISCELLANEOUS = re.compile(r"([a-z][\w-]{0,40})\s+([\d.,]+) (\D.*)")
SHARE = re.compile(r"([\d.,]+)s (available CPU|user|system|total) time(?:\s+\(\s*([\d.,]+)%\))?")
BEGUN = re.compile(r"[a-z][\w-]{0,40}\s+\d[\d,]*(?:\s+[\d.,]+)+")
UNTRUSTED = re.compile(r"metrics untrustworthy: ([1-9]\d*).*")
TROUBLE = ("fail", "warn", "error")
MACHINE_ONLY = (
    "bogo operations of one stressor compare between populations of this stressor alone, as "
    "stress-ng says"
)


def sniff(text: Text) -> bool:
    """Return whether the head of the metrics is there."""
    return "bogo ops" in text.whole and any(
        HEAD.fullmatch(_plain(line.text)[1]) for line in text.filled
    )


def _plain(text: str) -> tuple[str, str]:
    """Return the level of a message and what it says, without the name and number in front."""
    match = MARK.fullmatch(text)
    return (match["level"], match["rest"].strip()) if match else ("", text.strip())


def read(text: Text, options: Options) -> Reading:
    """Return the observations of stress-ng's output (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    rates = Rates(collector)
    hogs: dict[str, int] = {}
    inside = False
    for line in text.filled:
        level, said = _plain(line.text)
        if level:
            collector.checked(line, "numbers of processes")
        if dispatched := HOGS.fullmatch(said):
            hogs = {name: int(n) for n, name in HOG.findall(dispatched[1])}
            inside = False
            for name, n in hogs.items():
                collector.fact(f"{name}: instances", n, "", line, n)
        elif HEAD.fullmatch(said):
            inside = True
        elif UNITS.fullmatch(said):
            continue
        elif inside and (row := ROW.fullmatch(said)):
            _row(collector, rates, line, row, hogs)
        elif inside and BEGUN.fullmatch(said):
            raise collector.error(line, f"{', '.join(NAMES)} were expected: cut off?")
        elif share := SHARE.fullmatch(said):
            collector.fact(f"{share[2]} time", collector.number(line, "time", share[1]), "s", line)
            if share[3]:
                percent = collector.number(line, "share", share[3])
                collector.fact(f"{share[2]} time, of the available", percent, "%", line)
        elif level in TROUBLE or UNTRUSTED.fullmatch(said):
            collector.warn(f"line {line.number}: {said[:200]}")
        elif inside and level == "metrc" and (other := MISCELLANEOUS.fullmatch(said)):
            value = collector.number(line, other[3], other[2])
            collector.fact(f"{other[1]}: {other[3]}", value, "", line, hogs.get(other[1]))
        else:
            collector.skip(line, "not a stressor's metrics")
    rates.finish()
    if collector.observations:
        collector.warn(MACHINE_ONLY)
    return collector.reading(empty="no stressor with its bogo operations")


def _row(
    collector: Collector, rates: Rates, line: Line, row: re.Match[str], hogs: dict[str, int]
) -> None:
    """Take the metrics of one stressor."""
    name, cells = row["name"], row["cells"].split()
    n = hogs.get(name)
    values = [collector.number(line, what, cell) for what, cell in zip(NAMES, cells, strict=False)]
    for what, value in zip(NAMES, values, strict=True):
        if what != "bogo ops/s":
            unit = "s" if what.endswith("time") and what != "per CPU time" else ""
            collector.fact(f"{name}: {what}", value, unit, line, n)
    for (what, unit), cell in zip(MORE, cells[len(NAMES) :], strict=False):
        collector.fact(f"{name}: {what}", collector.number(line, what, cell), unit, line, n)
    if values[1] == 0:
        collector.skip(line, "a run of 0 s: nothing was measured")
        return
    rates.add(line, values[4], n, f"stress-ng {name}")
