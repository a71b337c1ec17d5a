"""Waiting of call stacks -> the sites of a profile."""

from __future__ import annotations

from collections.abc import Sequence

from lockmodel.measure.shares.profile import ProfileSite
from lockmodel.observe.profiles import stacks


def group(
    weighted: Sequence[tuple[Sequence[str], float]],
) -> tuple[list[ProfileSite], tuple[str, ...]]:
    """Return the waiting of stacks by site, and what was left out.

    If any stack takes i_mmap_rwsem, only those count and their sites are the traced tables';
    else the site is the function that asks for the lock.

    Parameters
    ----------
    weighted : sequence of (stack, value)
        Innermost first; value in percent or samples.

    Returns
    -------
    sites : list of ProfileSite
        Largest first.
    left_out : tuple of str
        Waiting for other locks, in words.
    """
    found = stacks.waited(weighted)
    known, callers = found.known, found.callers
    if not known:
        return _sites(callers, False), ()
    left: tuple[str, ...] = ()
    if sum(callers.values()) > 0:
        part = sum(callers.values()) / (sum(callers.values()) + sum(known.values()))
        largest = max(callers, key=lambda name: callers[name])
        left = (f"{part:.1%} of the waiting is for other locks (most: {largest[:40]})",)
    return _sites(known, True), left


def _sites(values: dict[str, float], known: bool) -> list[ProfileSite]:
    order = sorted(values, key=lambda name: (-values[name], name))
    return [ProfileSite(name[:100], values[name], name if known else None) for name in order]
