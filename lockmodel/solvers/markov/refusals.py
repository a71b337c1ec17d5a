"""Why no Markov chain here represents a scenario: refused with a reason, never approximated."""

from __future__ import annotations

from lockmodel.model.disciplines import DISCIPLINES, discipline
from lockmodel.model.distribution import Distribution, Exponential
from lockmodel.model.placement import shard_groups
from lockmodel.model.scenario import Lock, Scenario
from lockmodel.solvers.markov.mapping import (
    handoffs,
    hold_time,
    shape,
    spent,
    think_time,
    used_sites,
    which,
)

REMEDY = "use --method simulation"


def refusal(scenario: Scenario, population: int = 2) -> str | None:
    """Return why no Markov chain represents a scenario with N processes, None if one does.

    Parameters
    ----------
    scenario : Scenario
    population : int
        N; what is refused at one may be represented at another (shards by CPU or node, sleepers).

    Returns
    -------
    str or None
        Names the lock, what the chains lack, and the remedy.
    """
    why = _refusal(spent(scenario, population), population)
    return None if why is None else f"{why}; {REMEDY}"


def _refusal(scenario: Scenario, population: int) -> str | None:
    locks = scenario.taken
    kind = which(scenario, population)
    if kind == "none":
        return None
    for lock in locks:
        why = (
            _kind(lock) or _shards(scenario, lock, population) or _holds(scenario, lock, population)
        )
        if why:
            return f"lock {lock.name!r}: {why}"
    if population > 1 and any(site.gap_share > 0.0 for site in used_sites(scenario)):
        return "sites have a gap_share, and an iteration of these chains thinks once, in one piece"
    think = think_time(scenario, population)
    if think == 0.0 and (kind != "queues" or max(s.acquires for s in used_sites(scenario)) < 1.0):
        return (
            "the think time is 0, and an iteration of these chains needs think time or, with "
            "locks that only spinning writers take, a site with 1 acquire or more"
        )
    why = _family(scenario.think_distribution) if think > 0.0 else None
    if why:
        return f"think time: {why}"
    for lock in locks:
        why = _families(scenario, lock, population)
        if why:
            return f"lock {lock.name!r}: {why}"
    if kind == "queues":
        return None
    return _single(scenario, population, sleeping=kind == "sleepers")


def _kind(lock: Lock) -> str | None:
    if not discipline(lock.kind).chain:
        known = ", ".join(one.name for one in DISCIPLINES.values() if one.chain)
        return f"kind = {lock.kind!r}; the chains know {known}"
    if lock.walkers is not None:
        return "walkers that take every shard are not in the chains"
    if lock.lines_when == "changed":
        return "lines_when = 'changed'; the chains do not know who had a lock last"
    return None


def _shards(scenario: Scenario, lock: Lock, population: int) -> str | None:
    """Return what the chains lack for the shards of a lock."""
    if lock.shards == 1:
        return None
    groups = shard_groups(scenario.machine, lock, population)
    if lock.shard_by != "hash":
        if len(groups) == 1 and groups[0].count == 1:
            return None  # all processes share one shard
        return (
            f"a process keeps one of the {lock.shards} shards (by {lock.shard_by}), the chains "
            f"draw one per iteration"
        )
    own = [i for i, site in enumerate(used_sites(scenario)) if site.lock == lock.name]
    if own[-1] - own[0] >= len(own):
        return (
            "an iteration stays with the shard it has drawn, and a site of another lock lies "
            "between this one's"
        )
    sites = [used_sites(scenario)[i] for i in own]
    grows = any(site.growth_per_doubling > 0.0 or site.moves_lines for site in sites)
    if grows and len(groups) > 1:
        return "holds grow with the mappings and shard_skew makes them differ by shard"
    return None


def _holds(scenario: Scenario, lock: Lock, population: int) -> str | None:
    for site in used_sites(scenario):
        if site.lock != lock.name:
            continue
        for group in shard_groups(scenario.machine, lock, population):
            if hold_time(scenario.machine, lock, site, population, group) == 0.0:
                return f"a hold at {site.label} takes no time at all"
    return None


def _family(distribution: Distribution) -> str | None:
    """Return what keeps a distribution from being phases."""
    if shape(distribution) is not None:
        return None
    return f"{type(distribution).__name__.lower()} times are not a sequence of exponential phases"


def _families(scenario: Scenario, lock: Lock, population: int) -> str | None:
    """Return what keeps the holds or hand-offs of a lock from being phases."""
    why = _family(lock.hold_distribution)
    if why:
        return f"hold_distribution: {why}"
    group = shard_groups(scenario.machine, lock, population)[0]
    why = _family(lock.handoff_distribution)
    if why and any(handoffs(lock, population, group)):
        return f"handoff_distribution: {why}"
    return None


def _single(scenario: Scenario, population: int, sleeping: bool) -> str | None:
    """Return what the chain of one semaphore, with readers or sleepers, lacks."""
    who = "writers that sleep, with more processes than CPUs" if sleeping else "readers"
    locks = scenario.taken
    lock = next(k for k in locks if discipline(k.kind).readers)
    if not sleeping:
        lock = next(k for k in locks if any(s.mode == "read" for s in scenario.sites_of(k.name)))
    owner = f"lock {lock.name!r}"
    if len(locks) > 1:
        others = ", ".join(k.name for k in locks if k is not lock)
        return f"{owner}: {who}, are solved for one lock alone, here are also {others}"
    sites = used_sites(scenario)
    modes = [site.mode for site in sites]
    if sleeping and (len(sites) > 1 or sites[0].acquires != 1.0):
        return f"{owner}: {who}, are solved for one site with one acquire"
    if not sleeping and (
        modes not in (["write", "read"], ["read"]) or max(s.acquires for s in sites) > 1.0
    ):
        return (
            f"{owner}: {who} are solved for at most one write and then one read per iteration, "
            f"not for {', '.join(f'{s.acquires:g} {s.mode}' for s in sites)}"
        )
    if not sleeping and "write" in modes and population > scenario.machine.cpus:
        return f"{owner}: readers beside writers that sleep, with more processes than CPUs"
    group = shard_groups(scenario.machine, lock, population)
    if len(group) > 1 or group[0].count > 1:
        return f"{owner}: {who}, are solved for one shard"
    table = handoffs(lock, population, group[0])
    if len(set(table)) > 1:
        return f"{owner}: {who}, are solved with a hand-off that does not grow with the waiters"
    varied = {"think": scenario.think_distribution, "hold": lock.hold_distribution}
    if any(table) or lock.wake_time > 0.0:
        varied["handoff"] = lock.handoff_distribution
    for key, distribution in varied.items():
        if not isinstance(distribution, Exponential):
            return (
                f"{owner}: {who}, are solved with exponential times, {key}_distribution is "
                f"{type(distribution).__name__.lower()}"
            )
    return None
