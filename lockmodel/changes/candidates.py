"""The levers worth trying on a scenario, from the records of `kinds`."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from lockmodel.changes.kinds import KINDS, lever
from lockmodel.changes.lever import ALL, Lever
from lockmodel.errors import ArgumentError, NotTrustworthyError, SaturatedError
from lockmodel.model.network import build
from lockmodel.model.scenario import Lock, Scenario


def candidates(scenario: Scenario) -> tuple[Lever, ...]:
    """Return every lever that applies to a scenario, at telling strengths.

    On every lock that is taken, on all of them together (that is what a patch does), and on the
    iteration. Shards are apart: `shard_steps` gives the counts to try.
    """
    taken = scenario.changeable
    tried = [
        (kind.name, lock.name, value, site)
        for lock in taken
        for kind in KINDS.values()
        if kind.target != "none"
        for site, value in kind.tries(scenario, lock)
    ]
    alike = {lock.name for lock in scenario.alike}
    if len(alike) > 1:
        tried += [(name, ALL, value, site) for name, lock, value, site in tried if lock in alike]
    tried += [
        (kind.name, "", value, "")
        for kind in KINDS.values()
        if kind.target == "none"
        for _, value in kind.tries(scenario, None)
    ]
    made = {one.text: one for one in (lever(*each) for each in tried)}
    return _different([one for one in made.values() if _applies(one, scenario)], scenario)


def _different(tried: Sequence[Lever], scenario: Scenario) -> tuple[Lever, ...]:
    """Return the levers without those that make of the scenario what another one makes.

    A lock with one site has one acquire there and one in all: the one that can be built is kept, of
    two such the first. What is done to all locks stands for itself, also where one has the site.
    """
    bare = replace(scenario, fit=None)
    kept: dict[Scenario, Lever] = {}
    for one in tried:
        if one.lock == ALL:
            continue
        made = one.apply(bare)
        if made not in kept or (kept[made].is_limit and not one.is_limit):
            kept[made] = one
    chosen = {one.text for one in kept.values()}
    return tuple(one for one in tried if one.lock == ALL or one.text in chosen)


def _applies(one: Lever, scenario: Scenario) -> bool:
    """Return whether a candidate makes sense (one that leaves no work does not)."""
    try:
        build(one.apply(scenario), 1, stations_only=False)
    except SaturatedError:
        return True
    except (ArgumentError, NotTrustworthyError):
        return False
    return True


def shard_steps(scenario: Scenario, locks: tuple[Lock, ...]) -> tuple[int, ...]:
    """Return the shard counts worth trying for some locks: doublings from 2 to the CPUs."""
    fewest = min(lock.shards for lock in locks)
    doublings = [2**i for i in range(1, scenario.machine.cpus.bit_length())]
    return tuple(k for k in doublings if fewest < k <= scenario.machine.cpus)
