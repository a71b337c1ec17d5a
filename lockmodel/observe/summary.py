"""Repeats -> mean and spread, for display and for a fit that wants one number per point."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from lockmodel.observe.observations import Observation

ALIKE = 1.3
"""Factor between the largest and smallest of repeats up to which they pass for repeats."""

APART = "REPEATS DIFFER"
"""How the sentence of `apart` begins."""

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


def apart(observations: Iterable[Observation]) -> tuple[str, ...]:
    """Return the sentence on repeats of throughput that hardly measured the same thing.

    Parameters
    ----------
    observations : iterable of Observation
        Of one file, or of files that are to describe one curve.

    Returns
    -------
    tuple of str
        One sentence, on the population where they differ most; empty where all are within `ALIKE`.
    """
    groups: dict[tuple[object, ...], list[Observation]] = {}
    for one in observations:
        if one.kind == "throughput" and one.n is not None:
            key = (*(getattr(one, name) for name in IDENTITY), one.traced)
            groups.setdefault(key, []).append(one)
    ends = [
        (min(own, key=lambda o: o.value), max(own, key=lambda o: o.value))
        for own in groups.values()
    ]
    wide = [(low, high) for low, high in ends if high.value > ALIKE * low.value]
    if not wide:
        return ()
    low, high = max(wide, key=lambda pair: pair[1].value / pair[0].value)
    more = "" if len(wide) == 1 else f", and at {len(wide) - 1} more"
    most = f"{100 * (high.value / low.value - 1.0):.0f} % at n = {low.n}{more}"
    return (
        f"{APART} by up to {most} ({low.source} and {high.source}): their mean may be of nothing "
        f"that was run; where something else differs, say it in a column of its own (variant)",
    )
