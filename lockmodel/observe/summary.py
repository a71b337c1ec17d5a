"""Repeats -> mean and spread, for display and for a fit that wants one number per point."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from lockmodel.observe.observations import Observation

IDENTITY = ("kind", "unit", "n", "per", "what", "lock", "site", "mode", "variant", "kernel")


def summarise(observations: Iterable[Observation]) -> list[tuple[Observation, int]]:
    """Return one observation per group of repeats, with the number of repeats.

    Parameters
    ----------
    observations : iterable of Observation
        Of any kinds and files.

    Returns
    -------
    list of (Observation, int)
        In order of first appearance. Two or more repeats become their mean with their standard
        deviation (divided by repeats - 1; uncertainty "repeats"); traced and untraced runs, and
        different files, are never put together.
    """
    groups: dict[tuple[object, ...], list[Observation]] = {}
    for one in observations:
        key = (*(getattr(one, name) for name in IDENTITY), one.traced, one.source.file)
        if one.repeat is None:
            key = (*key, one.source.line, len(groups))
        groups.setdefault(key, []).append(one)
    return [(_mean(group), len(group)) for group in groups.values()]


def _mean(group: list[Observation]) -> Observation:
    if len(group) == 1:
        return group[0]
    mean = math.fsum(o.value for o in group) / len(group)
    variance = math.fsum((o.value - mean) ** 2 for o in group) / (len(group) - 1)
    return replace(
        group[0], value=mean, sd=math.sqrt(variance), uncertainty="repeats", repeat=None, bins=()
    )
