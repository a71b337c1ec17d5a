"""The records: one per kind of kernel change.

A record says how its lever is written, what it means and what it buys at best, how it changes one
lock (`levers` has the functions), which strengths are worth trying and which of them are limits
that no patch reaches. Help, the candidates of `lockmodel levers` and the axes of `lockmodel
sweep` come from the records: another lever is another record here, and its function in `levers`.
"""

from __future__ import annotations

import copyreg
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from lockmodel.changes import levers
from lockmodel.changes.kinds_of_lines import FEWER_LINES, NEARER_LINES
from lockmodel.changes.lever import ALL, AxisForm, Kind, Lever, Written
from lockmodel.changes.written import count, number, spelt
from lockmodel.errors import ArgumentError, ScenarioError, nearest
from lockmodel.model.handoff import (
    HANDOFF_FAMILIES,
    ConstantHandOff,
    HandOff,
    LinearHandOff,
    NoHandOff,
    SaturatingHandOff,
    TopologyHandOff,
)
from lockmodel.model.scenario import Lock, Scenario, ShardBy

# shorten_hold


def _shorter(scenario: Scenario, lock: Lock | None) -> Iterator[tuple[str, float]]:
    assert lock is not None
    sites = [s for s in scenario.sites_of(lock.name) if s.acquires > 0]
    if any(s.works for s in sites):
        yield "", 0.5
        yield "", 0.0


SHORTEN_HOLD = Kind(
    name="shorten_hold",
    form="shorten_hold:LOCK=FACTOR",
    meaning="held work times FACTOR (0 to 1)",
    at_best="k / (m c)",
    read=number,
    spell=spelt,
    change=lambda scenario, lock, one: levers.shorten_hold(scenario, lock, one.value),
    tries=_shorter,
    is_limit=lambda one: one.value == 0.0,
    axis=AxisForm(
        "hold", "factor on held work", "0.0..1.0:11", "factor on the held work; 11 values"
    ),
)

# batch, acquires

MOST_ACQUIRES = 1e6
"""Acquires per iteration of a variant: more are a slip."""


def _batched(scenario: Scenario, lock: str, one: Lever) -> Scenario:
    """Batch one lock; with `all`, a lock that has no more acquires than that stays as it is."""
    site = one.site or None
    now = sum(s.acquires for s in scenario.sites_of(lock) if site in (None, s.label))
    if one.lock == ALL and now <= one.value:
        return scenario
    return levers.batch(scenario, lock, one.value, site)


def _fewer(scenario: Scenario, lock: Lock | None) -> Iterator[tuple[str, float]]:
    assert lock is not None
    sites = [s for s in scenario.sites_of(lock.name) if s.acquires > 0]
    if sum(s.acquires for s in sites) > 1:
        yield "", 1.0
    yield from ((s.label, 1.0) for s in sites if s.acquires > 1)


BATCH = Kind(
    name="batch",
    form="batch:LOCK[/SITE]=M",
    meaning="M acquires for the same held work",
    at_best="k / (tau I + c)",
    target="lock or site",
    read=number,
    spell=spelt,
    change=_batched,
    tries=_fewer,
    is_limit=lambda one: not one.site,
)


def _acquires(written: Written) -> float:
    acquires = number(written)
    if not 0.0 < acquires <= MOST_ACQUIRES:
        raise ArgumentError(
            f"{written.where}: M = {acquires:g} must be more than 0 and at most {MOST_ACQUIRES:g}"
        )
    return acquires


def _any_number(scenario: Scenario, lock: str, one: Lever) -> Scenario:
    """Set the acquires of one lock; with `all`, a lock that is not taken there stays as it is."""
    sites = [s for s in scenario.sites_of(lock) if s.acquires > 0 and one.site in ("", s.label)]
    if one.lock == ALL and not sites:
        return scenario
    return levers.set_acquires(scenario, lock, one.value, one.site or None)


ACQUIRES = Kind(
    name="acquires",
    form="acquires:LOCK[/SITE]=M",
    meaning="any number M of acquires for the same held work",
    at_best="k / (tau I + c)",
    target="lock or site",
    read=_acquires,
    spell=spelt,
    change=_any_number,
    is_limit=lambda one: not one.site,
    axis=AxisForm(
        "acquires",
        "acquires per iteration",
        "1..30",
        "acquires per iteration; the held work stays",
        True,
    ),
)

# skip, exclude


def _skippable(scenario: Scenario, lock: Lock | None) -> Iterator[tuple[str, None]]:
    assert lock is not None
    sites = [s for s in scenario.sites_of(lock.name) if s.acquires > 0]
    if len(sites) > 1:
        yield from ((s.label, None) for s in sites)


SKIP = Kind(
    name="skip",
    form="skip:LOCK/SITE",
    meaning="a site that need not happen",
    target="site",
    change=lambda scenario, lock, one: levers.skip(scenario, lock, one.site),
    tries=_skippable,
)

EXCLUDE = Kind(
    name="exclude",
    form="exclude:LOCK",
    meaning="the lock is not taken at all",
    at_best="the next lock",
    change=lambda scenario, lock, one: levers.exclude(scenario, lock),
    tries=lambda scenario, lock: iter([("", None)]),
    is_limit=lambda one: True,
)

# shard


class Sharding(NamedTuple):
    """How a lock is sharded, see `levers.shard`; without `by` and `skew` by the lock's own."""

    k: int
    by: ShardBy | None = None
    skew: float | None = None
    values: int | None = None


def _sharding(written: Written) -> Sharding:
    known = ["by", "skew", "values"]
    for key in written.options:
        if key not in known:
            raise ArgumentError(f"{written.where}: unknown option {key!r}; {nearest(key, known)}")
    given = written.options
    return Sharding(
        count(written),
        given.get("by"),  # type: ignore[arg-type]  # levers.shard checks it
        number(written, "skew") if "skew" in given else None,
        count(written, "values") if "values" in given else None,
    )


def _spell_sharding(value: Sharding) -> str:
    parts = [str(value.k)]
    parts += [f"by={value.by}"] if value.by is not None else []
    parts += [f"skew={value.skew:g}"] if value.skew is not None else []
    parts += [f"values={value.values}"] if value.values is not None else []
    return ",".join(parts)


def _shard(scenario: Scenario, lock: str, one: Lever) -> Scenario:
    asked: Sharding = one.value
    now = levers.known_lock(scenario, "shard", lock)
    by = asked.by or now.shard_by
    most = levers.most_shards(scenario, by, asked.values) or asked.k
    if one.lock == ALL and now.shards >= min(asked.k, most):
        return scenario  # finer than that already
    skew = asked.skew
    if skew is None:  # the same keys are as unevenly spread over more shards
        skew = now.shard_skew if by == now.shard_by else 0.0
    return levers.shard(scenario, lock, asked.k, by, skew, asked.values)


def _chosen(scenario: Scenario, one: Lever) -> str:
    """Return how a shard is chosen, and how many that can tell apart."""
    asked: Sharding = one.value
    locks = [x for x in scenario.locks if one.lock in (ALL, x.name)]
    by = asked.by or (locks[0].shard_by if locks else "cpu")
    most = levers.most_shards(scenario, by, asked.values)
    if most is None or asked.k <= most:
        return f"{one.text}: a shard is chosen by {by}"
    return f"{one.text}: {by} can tell only {most} shards apart, so {most} are used, not {asked.k}"


SHARD = Kind(
    name="shard",
    form="shard:LOCK=K[,by=cpu|node|hash][,skew=S][,values=V]",
    meaning="K shards of the lock and its data; skew is a Zipf exponent, values the distinct keys",
    at_best="the next lock",
    read=_sharding,
    spell=_spell_sharding,
    change=_shard,
    note=_chosen,
    axis=AxisForm(
        "shards",
        "shards",
        "1,2,4,8,16",
        "shards, chosen as --by says",
        True,
        lambda k: Sharding(int(k)),
    ),
)

# cheaper_handoff

CHEAPEST = "constant"
"""Alone: a constant hand-off, as cheap as a hand-off of the lock is today at best."""


def _handoff(written: Written) -> HandOff | str:
    from lockmodel.model.toml import handoff_from_text

    if written.value not in HANDOFF_FAMILIES:
        raise ArgumentError(
            f"{written.where}: {written.value!r} is not a hand-off family; "
            f"{nearest(written.value, list(HANDOFF_FAMILIES))}"
        )
    if written.value == CHEAPEST and not written.options:
        return CHEAPEST
    try:
        return handoff_from_text(written.value, dict(written.options))
    except ScenarioError as error:
        raise ArgumentError(f"{written.where}: {error}") from None


def _cheaper(scenario: Scenario, lock: str, one: Lever) -> Scenario:
    new = one.value
    if new == CHEAPEST:
        old = levers.known_lock(scenario, "cheaper_handoff", lock)
        new = ConstantHandOff(time=levers.cheapest(scenario, old))
    return levers.cheaper_handoff(scenario, lock, new)


def _cheap(scenario: Scenario, lock: Lock | None) -> Iterator[tuple[str, HandOff | str]]:
    assert lock is not None
    if levers.cheapest(scenario, lock) > 0:
        yield "", NoHandOff()
    if isinstance(lock.handoff, LinearHandOff | SaturatingHandOff | TopologyHandOff):
        yield "", CHEAPEST


def _spell_handoff(value: HandOff | str) -> str:
    if isinstance(value, str):
        return value
    name = next(name for name, family in HANDOFF_FAMILIES.items() if isinstance(value, family))
    times = msgspec.structs.asdict(value)
    return ",".join([name, *(f"{key}_ns={time * 1e9:.12g}" for key, time in times.items())])


CHEAPER_HANDOFF = Kind(
    name="cheaper_handoff",
    form="cheaper_handoff:LOCK=FAMILY[,key_ns=T]",
    meaning="none, constant, linear, saturating or topology; constant alone means as cheap as a "
    "hand-off is today at best",
    at_best="k / (tau I)",
    read=_handoff,
    spell=_spell_handoff,
    change=_cheaper,
    tries=_cheap,
    is_limit=lambda one: isinstance(one.value, NoHandOff),
)

# less_think

LESS_THINK = Kind(
    name="less_think",
    form="less_think=FACTOR",
    meaning="think time times FACTOR (0 to 1)",
    target="none",
    at_best="the same ceiling, sooner",
    read=number,
    spell=spelt,
    change=lambda scenario, _, one: levers.less_think(scenario, one.value),
    tries=lambda scenario, _: iter([("", 0.9)] if scenario.think > 0 else []),
    axis=AxisForm("think", "factor on think time", "0.5,1", "factor on the think time"),
)

KINDS = {
    kind.name: kind
    for kind in (
        SHORTEN_HOLD,
        BATCH,
        SKIP,
        SHARD,
        EXCLUDE,
        CHEAPER_HANDOFF,
        FEWER_LINES,
        NEARER_LINES,
        LESS_THINK,
        ACQUIRES,
    )
}
"""Name -> record, in the order of the help."""


def _known(name: str) -> Kind:
    return KINDS[name]


def _by_name(kind: Kind) -> tuple[Any, tuple[str]]:
    return _known, (kind.name,)


copyreg.pickle(Kind, _by_name)  # there is one of each: copies and pickles of answers refer to it

AXES = {
    kind.axis.name: kind
    for kind in sorted(KINDS.values(), key=lambda k: k.axis.name if k.axis else "")
    if kind.axis is not None
}
"""Name of an axis -> its record."""


def lever(name: str, lock: str = "", value: Any = None, site: str = "") -> Lever:
    """Return a lever of the kind called `name`.

    Parameters
    ----------
    name : str
        One of `KINDS`.
    lock : str
        A lock's name or `ALL`; "" for levers of the iteration.
    value : object
        A number, a `Sharding`, a hand-off.
    site : str
        Label of one site, for kinds that take one.
    """
    kind = KINDS[name]
    target = f":{lock}" + (f"/{site}" if site else "") if lock else ""
    spelt = kind.spell(value)
    return Lever(kind, lock, site, value, f"{name}{target}" + (f"={spelt}" if spelt else ""))
