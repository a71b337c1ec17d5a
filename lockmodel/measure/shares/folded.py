"""Folded stacks, the input of flame graphs: `outermost;..;innermost samples` per line."""

from __future__ import annotations

import re

from lockmodel.errors import ScenarioError, shortened
from lockmodel.measure.shares import stacks
from lockmodel.measure.shares.profile import Profile, make
from lockmodel.observe.numbers import BadNumberError, number
from lockmodel.observe.text import Text

TITLE = "folded stacks"
LINE = re.compile(r"(\S.*?)\s+(\d+(?:\.\d+)?)")
REMEDY = (
    "make it with `perf record -a -g -- sleep 5; perf script | stackcollapse-perf.pl > folded.txt`"
)
MOST_SAMPLES = 1e7
"""More than this is no number of samples but a sum of event periods or times."""


def sniff(text: Text) -> bool:
    """Return whether the first filled line is a stack with ';' and a number."""
    lines = [line for line in text.filled if not line.text.startswith("#")]
    return bool(lines) and ";" in lines[0].text and LINE.fullmatch(lines[0].text) is not None


def read(text: Text) -> list[Profile]:
    """Return the profile of folded stacks.

    Raises
    ------
    ScenarioError
        A line is not a stack and a number, or no stack waits for a lock.
    """
    paths = []
    for line in text.filled:
        if line.text.startswith("#"):
            continue
        match = LINE.fullmatch(line.text)
        if match is None:
            raise ScenarioError(
                f"{text.origin}:{line.number}: {shortened(line.text)!r}: expected "
                f"`function;..;function samples`; {REMEDY}"
            )
        try:
            value = number(match[2])
        except BadNumberError as bad:
            raise ScenarioError(f"{text.origin}:{line.number}: {match[2][:40]} is {bad}") from None
        paths.append((tuple(reversed(match[1].split(";"))), value))
    sites, left = stacks.group(paths)
    if not sites:
        raise ScenarioError(
            f"{text.origin}: no stack holds a function that waits for a lock (osq_lock, "
            f"native_queued_spin_lock_slowpath, ..); profile the kernel too (`perf record -a -g`)"
        )
    samples = sum(value for _, value in paths)
    counted = 1.0 if samples <= MOST_SAMPLES else None
    if counted is None:
        left = (*left, f"values add up to {samples:.2g}: taken as times, their noise is not known")
    return [make(text.origin, sites, counted=counted, left_out=left)]
