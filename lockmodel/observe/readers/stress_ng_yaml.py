"""stress-ng's YAML (--yaml): bogo operations per second of each stressor."""

from __future__ import annotations

import re

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import stress_ng
from lockmodel.observe.readers.rated import Rates
from lockmodel.observe.text import Text

TITLE = "stress-ng YAML"
READS = "the same, from --yaml; the population is not in it: give --tasks or --at"
SEEN = "0.15.06"
GIVES = ("throughput",)
REMEDY = (
    "run `for n in 1 2 4 8; do stress-ng --futex $n -t 30 --metrics --yaml futex_threads$n.yaml; "
    "done`, or keep what it prints, which has the population"
)

STRESSOR = re.compile(r"\s+- stressor: ([\w-]{1,40})")
PAIR = re.compile(r"\s+([\w-]{1,60}): (?:(-?\d+(?:[.,]\d+)?(?:e[+-]\d+)?)|(.*))")
SECTION = re.compile(r"([\w-]+):\s*")
RATE = "bogo-ops-per-second-real-time"
QUIET = ("---", "...")


def sniff(text: Text) -> bool:
    """Return whether there is a stressor with its rate."""
    return RATE in text.whole and "- stressor:" in text.whole


def read(text: Text, options: Options) -> Reading:
    """Return the observations of stress-ng's YAML (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    rates = Rates(collector)
    section = name = ""
    for line in text.filled:
        if line.text in QUIET:
            continue
        if begins := SECTION.fullmatch(line.text):
            section, name = begins[1], ""
        elif stressor := STRESSOR.fullmatch(line.text):
            name = stressor[1]
        elif (pair := PAIR.fullmatch(line.text)) is None:
            collector.skip(line, "not a name and its value")
        elif pair[2] is None:
            collector.note(pair[1], pair[3])
        elif section == "metrics" and not name:
            raise collector.error(line, "'- stressor: NAME' was expected above it: cut off?")
        else:
            value = collector.number(line, pair[1], pair[2])
            if pair[1] == RATE:
                rates.add(line, value, None, f"stress-ng {name}")
            else:
                unit = "s" if pair[1].endswith("time") and "second" not in pair[1] else ""
                collector.fact(f"{name or section}: {pair[1]}", value, unit, line)
    rates.finish()
    if collector.observations:
        collector.warn(stress_ng.MACHINE_ONLY)
    return collector.reading(empty="no stressor with its rate")
