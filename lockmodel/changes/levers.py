"""The levers: pure functions that turn a Scenario into the Scenario after a kernel change.

Each refuses what makes no sense. Levers on different locks commute; so do shorten_hold, batch,
fewer_lines, nearer_lines and shard on one lock. skip and batch of the same site do not: the order
given is the order applied. `kinds` has a record of each, `grammar` their text forms.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import get_args

import msgspec
import numpy as np

from lockmodel.errors import ArgumentError, ScenarioError, nearest
from lockmodel.model.handoff import (
    HandOff,
    LinearHandOff,
    SaturatingHandOff,
    TopologyHandOff,
)
from lockmodel.model.network import MAX_POPULATION
from lockmodel.model.placement import transfer
from lockmodel.model.scenario import COUNTED, LINES, TIMED, Lock, Scenario, ShardBy, Site

HELD = (*COUNTED, *TIMED)
"""What a site holds per acquire."""

ROUNDING = 1e-9
"""Relative excess that is put down to rounding, where more than there is would be refused."""

ENDS = np.array([1.0, float(MAX_POPULATION)])
"""The fewest and the most waiters that a hand-off is asked about."""

NO_LINES = (
    "give its sites lines, or take --from-counts, which has those that were counted; shorten_hold "
    "changes the held work as a whole"
)
"""What to do where a lever of lines finds none."""

_replace = msgspec.structs.replace


def _share(lever: str, factor: float) -> float:
    if not (math.isfinite(factor) and 0.0 <= factor <= 1.0):
        raise ArgumentError(
            f"{lever}: factor {factor} must lie between 0 and 1: it multiplies what there is"
        )
    return factor


def known_lock(scenario: Scenario, lever: str, lock: str) -> Lock:
    """Return a lock of the scenario; raises ArgumentError naming the lever if there is none."""
    try:
        return scenario.lock(lock)
    except ScenarioError as error:
        raise ArgumentError(f"{lever}: {error}") from None


def _known_site(scenario: Scenario, lever: str, lock: str, site: str) -> None:
    known_lock(scenario, lever, lock)
    labels = [s.label for s in scenario.sites_of(lock)]
    if site not in labels:
        raise ArgumentError(f"{lever}: {lock} has no site {site!r}; {nearest(site, labels)}")


def _with_lock(scenario: Scenario, lock: Lock) -> Scenario:
    locks = tuple(lock if old.name == lock.name else old for old in scenario.locks)
    return _replace(scenario, locks=locks)


def _with_sites(scenario: Scenario, lever: str, change: Callable[[Site], Site | None]) -> Scenario:
    try:
        sites = tuple(new for old in scenario.sites if (new := change(old)) is not None)
        return _replace(scenario, sites=sites)
    except ScenarioError as error:
        raise ArgumentError(f"{lever}: after it, {error}") from None


def shorten_hold(scenario: Scenario, lock: str, factor: float) -> Scenario:
    """Multiply the held work under `lock` by `factor` (0 to 1): instructions and lines.

    At best (factor 0) the ceiling becomes k / (m c).
    """
    known_lock(scenario, "shorten_hold", lock)
    _share("shorten_hold", factor)

    def change(site: Site) -> Site:
        if site.lock != lock:
            return site
        return _replace(site, **_scaled(site, factor))

    return _with_sites(scenario, "shorten_hold", change)


def _scaled(site: Site, by: float, over: float = 1.0) -> dict[str, float]:
    """Return `by` / `over` of what a site holds per acquire, without what it does not state."""
    given = {key: getattr(site, key) for key in HELD}
    return {key: value * by / over for key, value in given.items() if value is not None}


def has_lines(scenario: Scenario, lock: str, site: str = "") -> bool:
    """Return whether acquires of a lock (at a site) wait for lines of other CPUs."""
    return any(
        s.moves_lines and s.acquires > 0 for s in scenario.sites_of(lock) if site in ("", s.label)
    )


def has_distances(scenario: Scenario, lock: str, site: str = "") -> bool:
    """Return whether held work under a lock depends on who else writes the data."""
    one = scenario.lock(lock)
    remote = one.time_per_instruction_remote > one.time_per_instruction_local
    return has_lines(scenario, lock) or any(
        s.acquires > 0
        and (s.differs or s.growth_per_doubling > 0.0 or (remote and s.held_instructions > 0.0))
        for s in scenario.sites_of(lock)
    )


def fewer_lines(scenario: Scenario, lock: str, factor: float, site: str | None = None) -> Scenario:
    """Multiply the lines under `lock` (at `site`) by `factor` (0 to 1); all else stays.

    At best (factor 0) the ceiling becomes k / (tau I + m c), tau I without lines.
    """
    known_lock(scenario, "fewer_lines", lock)
    if site is not None:
        _known_site(scenario, "fewer_lines", lock, site)
    _share("fewer_lines", factor)
    if not has_lines(scenario, lock, site or ""):
        where = lock if site is None else f"{lock}/{site}"
        raise ArgumentError(f"fewer_lines: {where} has no lines; {NO_LINES}")

    def change(old: Site) -> Site:
        if old.lock != lock or site not in (None, old.label):
            return old
        return _replace(old, **{key: getattr(old, key) * factor for key in LINES})

    return _with_sites(scenario, "fewer_lines", change)


def nearer_lines(scenario: Scenario, lock: str) -> Scenario:
    """Give each NUMA node its own data under `lock`; the lock itself and its hand-off stay.

    Lines then come from the own node, as many as its users and mappings make (see
    `Lock.lines_by`). One node is no change.
    """
    old = known_lock(scenario, "nearer_lines", lock)
    if not has_distances(scenario, lock):
        raise ArgumentError(f"nearer_lines: {lock} has no lines; {NO_LINES}")
    if scenario.machine.nodes == 1:
        return scenario
    return _with_lock(scenario, _replace(old, lines_by="node"))


def batch(scenario: Scenario, lock: str, acquires: float, site: str | None = None) -> Scenario:
    """Take `lock` (at `site`, or over all its sites) `acquires` times; held work stays.

    The instructions held per iteration are the same, in fewer acquires. At best (1 acquire)
    the ceiling becomes k / (tau I + c).
    """
    known_lock(scenario, "batch", lock)
    if site is not None:
        _known_site(scenario, "batch", lock, site)
    where = lock if site is None else f"{lock}/{site}"
    chosen = [s for s in scenario.sites_of(lock) if site in (None, s.label)]
    now = sum(s.acquires for s in chosen)
    if not (math.isfinite(acquires) and 0.0 < acquires <= now * (1 + ROUNDING)):
        raise ArgumentError(
            f"batch: {acquires:g} acquires at {where} must be more than 0 and at most the "
            f"{now:g} there are; use skip to drop the work as well"
        )
    return set_acquires(scenario, lock, acquires, site)


def set_acquires(
    scenario: Scenario, lock: str, acquires: float, site: str | None = None
) -> Scenario:
    """Give `lock` (at `site`) any number of acquires > 0 for the same held work per iteration."""
    known_lock(scenario, "acquires", lock)
    if site is not None:
        _known_site(scenario, "acquires", lock, site)
    chosen = [s for s in scenario.sites_of(lock) if site in (None, s.label) and s.acquires > 0]
    now = sum(s.acquires for s in chosen)
    if not chosen or not acquires > 0:
        raise ArgumentError(
            f"acquires: {lock} has {now:g} and cannot have {acquires:g}; give a number > 0 for a "
            f"lock that is taken"
        )
    factor = acquires / now

    def change(old: Site) -> Site:
        if old not in chosen:
            return old
        return _replace(
            old,
            acquires=old.acquires * factor,
            **_scaled(old, 1.0, factor),
        )

    return _with_sites(scenario, "batch", change)


def skip(scenario: Scenario, lock: str, site: str) -> Scenario:
    """Drop a site: neither its acquires nor its held work happen any more."""
    _known_site(scenario, "skip", lock, site)
    return _with_sites(scenario, "skip", lambda s: None if (s.lock, s.label) == (lock, site) else s)


def exclude(scenario: Scenario, lock: str) -> Scenario:
    """Drop a lock with all its sites: the iteration no longer takes it at all."""
    known_lock(scenario, "exclude", lock)
    try:
        return _replace(
            scenario,
            locks=tuple(other for other in scenario.locks if other.name != lock),
            sites=tuple(site for site in scenario.sites if site.lock != lock),
        )
    except ScenarioError as error:
        raise ArgumentError(f"exclude: without {lock}, {error}") from None


def most_shards(scenario: Scenario, by: ShardBy, values: int | None = None) -> int | None:
    """Return how many shards can differ: CPUs, nodes, or the values a hash key takes."""
    if by == "cpu":
        return scenario.machine.cpus
    return scenario.machine.nodes if by == "node" else values


def shard(
    scenario: Scenario,
    lock: str,
    k: int,
    by: ShardBy = "cpu",
    skew: float = 0.0,
    values: int | None = None,
) -> Scenario:
    """Split `lock` and its data into `k` independent shards.

    Parameters
    ----------
    scenario : Scenario
    lock : str
    k : int
        Shards; capped at what the key can tell apart (CPUs, nodes, or `values`).
    by : {'cpu', 'node', 'hash'}
        What chooses the shard.
    skew : float
        Zipf exponent of the shards' popularity (hash only).
    values : int, optional
        Distinct values of the hashed key.
    """
    old = known_lock(scenario, "shard", lock)
    if by not in get_args(ShardBy):
        raise ArgumentError(f"shard: by={by!r}; {nearest(by, list(get_args(ShardBy)))}")
    if k < 1:
        raise ArgumentError(f"shard: {k} shards of {lock} must be at least 1 (1 is no change)")
    if values is not None and (by != "hash" or values < 1):
        raise ArgumentError(f"shard: values={values} counts the keys of by=hash; at least 1")
    most = most_shards(scenario, by, values) or k
    if min(k, most) < old.shards:
        raise ArgumentError(
            f"shard: {lock} has {old.shards} shards already; give at least that, by a key that "
            f"tells as many apart"
        )
    if k == 1:
        return scenario
    try:
        return _with_lock(
            scenario,
            _replace(old, shards=min(k, most), shard_by=by, shard_skew=skew),
        )
    except ScenarioError as error:
        raise ArgumentError(f"shard: {error}") from None


def cheapest(scenario: Scenario, lock: Lock) -> float:
    """Return the smallest hand-off that a lock now costs with a waiter, in seconds."""
    lines = lock.handoff_lines * transfer(scenario.machine, min(2, scenario.machine.cpus))
    if isinstance(lock.handoff, TopologyHandOff):
        return lines + lock.handoff.local
    return lines + float(lock.handoff.cost(np.array([1.0]), 0.0)[0])


def cheaper_handoff(scenario: Scenario, lock: str, handoff: HandOff) -> Scenario:
    """Replace the hand-off of `lock`, its time and its lines, by one that is nowhere dearer.

    Refused when the new one costs more for some number of waiters or distance; lines count as
    with all CPUs busy.
    """
    old = known_lock(scenario, "cheaper_handoff", lock)
    lines = old.handoff_lines * transfer(scenario.machine, scenario.machine.cpus)

    def dearest(waiters: np.ndarray, remote: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        now, then = lines + old.handoff.cost(waiters, remote), handoff.cost(waiters, remote)
        return now, then, np.nonzero(then > now * (1 + 1e-12))[0]

    growing = [
        family
        for family in (old.handoff, handoff)
        if isinstance(family, LinearHandOff | SaturatingHandOff)
    ]
    bent = len(growing) > 1 and any(isinstance(one, SaturatingHandOff) for one in growing)
    for remote in (0.0, 1.0):
        # Else what the two differ by goes one way with the waiters: its ends tell.
        if bent or dearest(ENDS, remote)[2].size:
            waiters = np.arange(1.0, MAX_POPULATION + 1.0)
            now, then, dearer = dearest(waiters, remote)
            if not dearer.size:
                continue
            w = int(waiters[dearer[0]])
            raise ArgumentError(
                f"cheaper_handoff: with {w} waiters the new hand-off of {lock} costs "
                f"{then[dearer[0]] * 1e9:.0f} ns, more than the {now[dearer[0]] * 1e9:.0f} ns of "
                f"today; give a cheaper one"
            )
    return _with_lock(scenario, _replace(old, handoff=handoff, handoff_lines=0.0))


def less_think(scenario: Scenario, factor: float) -> Scenario:
    """Multiply the think time by `factor` (0 to 1)."""
    _share("less_think", factor)
    try:
        return _replace(
            scenario,
            think=scenario.think * factor,
            think_remote=scenario.think_remote * factor,
        )
    except ScenarioError as error:
        raise ArgumentError(f"less_think: after it, {error}") from None
