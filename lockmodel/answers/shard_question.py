"""What is asked of `shards`: which lock, by which key, which counts; or why that makes no sense."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from lockmodel.changes.kinds import Sharding, lever
from lockmodel.changes.lever import ALL, Lever
from lockmodel.changes.levers import most_shards
from lockmodel.errors import ArgumentError, nearest
from lockmodel.model.network import CPU
from lockmodel.model.scenario import NOT_COUNTED, Lock, Scenario, ShardBy
from lockmodel.solvers.bounds import ceiling_at

KEYED = {"cpu": "CPU", "node": "node", "hash": "key"}
"""What a shard is chosen by -> what there must be several of."""


@dataclass(frozen=True)
class Question:
    """What is asked; errors name the options of the command line.

    Attributes
    ----------
    lock : str or None
        A lock's name or "all"; None is the lock that binds.
    by : {'cpu', 'node', 'hash'} or None
        None is the lock's own key, and a hash where `skew` or `values` is given.
    skew : float or None
        Zipf exponent of the shards' popularity.
    values : int or None
        Distinct keys.
    counts : tuple of int or None
        None is doublings up to the CPUs, or to what the key tells apart if that is less.
    walks : str or None
        The lock that walkers were added to, or "all".
    """

    lock: str | None = None
    by: ShardBy | None = None
    skew: float | None = None
    values: int | None = None
    counts: tuple[int, ...] | None = None
    walks: str | None = None


@dataclass(frozen=True)
class Plan:
    """What is tried.

    Attributes
    ----------
    name : str
        The lock, or "all".
    locks : tuple of Lock
        The locks that are sharded; not empty.
    by : {'cpu', 'node', 'hash'}
    present : int
        Shards there are.
    counts : tuple of int
        Ascending, more than the present; may be empty where there is one key.
    lever : callable
        A count -> the lever.
    """

    name: str
    locks: tuple[Lock, ...]
    by: ShardBy
    present: int
    counts: tuple[int, ...]
    lever: Callable[[int], Lever]


def plan(scenario: Scenario, n: int, asked: Question) -> Plan:
    """Return what is tried for a question.

    Raises
    ------
    ArgumentError
        There is no such lock, nothing takes it, or the key cannot tell shards of it apart.
    NotTrustworthyError
        Walkers alone keep a lock busy, so that none binds.
    """
    name, locks = _locks(scenario, n, asked)
    by, skew = _key(scenario, locks[0], asked)
    present = min(lock.shards for lock in locks)
    values = asked.values if by == "hash" else None
    return Plan(
        name,
        locks,
        by,
        present,
        _counts(scenario, present, by, asked),
        lambda k: lever("shard", name, Sharding(k, by, skew, values)),
    )


def _locks(scenario: Scenario, n: int, asked: Question) -> tuple[str, tuple[Lock, ...]]:
    """Return the lock that is meant, or all of a kind."""
    if not scenario.changeable:
        raise ArgumentError(
            f"MODEL {scenario.name}: an iteration takes no lock, so there is nothing to shard; "
            f"give a model with a lock that has acquires"
        )
    known = [lock.name for lock in scenario.changeable]
    name = asked.lock
    if name is None:
        name = ceiling_at(scenario, n).binding
        if name not in known and scenario.machine.cpus == 1:
            name = known[0]
        if name not in known:
            what = "the CPUs bind" if name == CPU else f"{name} binds, which no change is about,"
            raise ArgumentError(
                f"--lock: {what} at n = {n}; name the lock to shard, e.g. --lock {known[0]}"
            )
    elif name == ALL:
        if not scenario.alike:
            raise ArgumentError(
                f"--lock all: no lock is taken at a site of its own; name one: {', '.join(known)}"
            )
        return ALL, scenario.alike
    elif name not in [lock.name for lock in scenario.locks]:
        raise ArgumentError(f"--lock {name!r}: there is no such lock; {nearest(name, known)}")
    elif name not in known:
        why = "no change is about it" if name == NOT_COUNTED else "an iteration never takes it"
        raise ArgumentError(f"--lock {name}: {why}; shard one of {', '.join(known)}")
    locks = (scenario.lock(name),)
    if asked.walks not in (None, ALL, name):
        raise ArgumentError(
            f"--walks {asked.walks}=...: these walkers take {asked.walks}, and {name} is sharded, "
            f"which they need not take; give --walks {name}=... or --lock {asked.walks}"
        )
    return name, locks


def _key(scenario: Scenario, lock: Lock, asked: Question) -> tuple[ShardBy, float | None]:
    """Return what a shard is chosen by, and how unevenly; None is as it is now."""
    of_keys = {"--skew": asked.skew, "--values": asked.values}
    given = {option: value for option, value in of_keys.items() if value is not None}
    by = asked.by or ("hash" if given else lock.shard_by)
    if asked.skew is not None and not (math.isfinite(asked.skew) and asked.skew >= 0.0):
        raise ArgumentError(
            f"--skew {asked.skew:g} must be a finite number >= 0, a Zipf exponent; 0 is keys that "
            f"are even"
        )
    if asked.values is not None and asked.values < 1:
        raise ArgumentError(
            f"--values {asked.values} must be at least 1, it counts the distinct keys; 1 is a "
            f"constant key"
        )
    if given and by != "hash":
        (option, value), *_ = given.items()
        raise ArgumentError(
            f"{option} {value:g}: is about keys, and by {by} the placement chooses a shard; give "
            f"--by hash"
        )
    if asked.by is None and scenario.machine.cpus == 1:
        return by, asked.skew
    if by != "hash" and most_shards(scenario, by) == 1:
        raise ArgumentError(
            f"--by {by}: the machine has one {KEYED[by]}, so there would be one shard; choose "
            f"another key, or --machine"
        )
    return by, asked.skew


def _counts(scenario: Scenario, present: int, by: ShardBy, asked: Question) -> tuple[int, ...]:
    """Return the counts that are tried."""
    most = most_shards(scenario, by, asked.values)
    if asked.counts is not None:
        few, many = min(asked.counts), max(asked.counts)
        if few < present or many == present:
            have = "there is 1 shard" if present == 1 else f"there are {present} shards"
            raise ArgumentError(f"--counts {few}: {have} already; give more")
        if most is not None and many > most:
            raise ArgumentError(
                f"--counts {many}: {most} {KEYED[by]}s can tell only {most} shards apart; give at "
                f"most {most}"
            )
        return tuple(k for k in asked.counts if k > present)
    limit = scenario.machine.cpus if most is None else min(most, scenario.machine.cpus)
    if limit < present:
        raise ArgumentError(
            f"--by {by}: there are {present} shards already, and {limit} {KEYED[by]}s tell only "
            f"{limit} apart; choose another key"
        )
    doublings = [2**i for i in range(1, limit.bit_length())]
    return tuple(k for k in sorted({*doublings, limit}) if present < k)
