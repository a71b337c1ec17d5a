"""Folded stacks -> the profile of their waiting."""

from __future__ import annotations

from lockmodel.errors import ScenarioError
from lockmodel.measure.shares.grouping import group
from lockmodel.measure.shares.profile import Profile, make
from lockmodel.observe.profiles import folded
from lockmodel.observe.text import Text

TITLE = folded.TITLE
sniff = folded.sniff

MOST_SAMPLES = 1e7
"""More than this is no number of samples but a sum of event periods or times."""


def read(text: Text) -> list[Profile]:
    """Return the profile of folded stacks.

    Raises
    ------
    ScenarioError
        A line is not a stack and a number, or no stack waits for a lock.
    """
    paths = [(stack, value) for _, stack, value in folded.paths(text)]
    sites, left = group(paths)
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
