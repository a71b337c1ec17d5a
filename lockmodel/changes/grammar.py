"""Levers as text: NAME:LOCK[/SITE]=VALUE[,key=value...], and the list of all that apply.

LOCK may be `all`: a kernel change to `i_mmap_rwsem` reaches the lock of every file.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from lockmodel.changes import levers
from lockmodel.errors import ArgumentError, ScenarioError, nearest
from lockmodel.model.handoff import (
    HANDOFF_FAMILIES,
    ConstantHandOff,
    LinearHandOff,
    SaturatingHandOff,
    TopologyHandOff,
)
from lockmodel.model.scenario import Lock, Scenario, ShardBy

ALL = "all"
"""The target that means every lock (or every lock that has the site)."""


@dataclass(frozen=True)
class Lever:
    """A lever ready to be applied.

    Attributes
    ----------
    text : str
        Its text form, as --lever takes it.
    apply : callable
        Scenario -> Scenario; raises ArgumentError when it makes no sense there.
    note : callable
        Scenario -> text to show beside the result ("" if there is nothing to say).
    """

    text: str
    apply: Callable[[Scenario], Scenario]
    note: Callable[[Scenario], str] = lambda scenario: ""


HELP = {
    "shorten_hold": ("shorten_hold:LOCK=FACTOR", "held work times FACTOR (0 to 1)"),
    "batch": ("batch:LOCK[/SITE]=M", "M acquires for the same held work"),
    "skip": ("skip:LOCK/SITE", "a site that need not happen"),
    "shard": (
        "shard:LOCK=K[,by=cpu|node|hash][,skew=S][,values=V]",
        "K shards of lock and data",
    ),
    "exclude": ("exclude:LOCK", "the lock is not taken at all"),
    "cheaper_handoff": (
        "cheaper_handoff:LOCK=FAMILY[,key_ns=..]",
        "none, constant, linear, saturating, topology",
    ),
    "less_think": ("less_think=FACTOR", "think time times FACTOR (0 to 1)"),
}
"""Text form and meaning of every lever."""


def _number(lever: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ArgumentError(f"{lever}: {text!r} is not a number; write {HELP[lever][0]}") from None
    return value


def _count(lever: str, text: str) -> int:
    value = _number(lever, text)
    if not math.isfinite(value) or value != int(value):
        raise ArgumentError(f"{lever}: {text!r} is not a whole number; write {HELP[lever][0]}")
    return int(value)


def parse(text: str) -> Lever:
    """Return the lever a text means, e.g. ``batch:libc.so.6/exec.map_split=1``.

    Raises
    ------
    ArgumentError
        Unknown lever, missing or malformed parts; the message shows the right form.
    """
    head, equals, tail = text.partition("=")
    name, _, target = head.partition(":")
    name = name.strip()
    if name not in HELP:
        raise ArgumentError(f"--lever {text!r}: unknown lever; {nearest(name, list(HELP))}")
    if name == "less_think" and not equals:  # less_think:0.5 means the same
        target, tail = "", target
    form = HELP[name][0]
    if (name != "less_think") != bool(target) or (name in ("skip", "exclude")) != (not tail):
        raise ArgumentError(f"--lever {text!r}: write it as {form}")
    lock, slash, site = target.partition("/")
    allowed, needed = name in ("batch", "skip"), name == "skip"
    if bool(slash) != bool(site) or (site and not allowed) or (needed and not site):
        raise ArgumentError(f"--lever {text!r}: write it as {form}")
    value, *rest = tail.split(",")
    options = dict(item.partition("=")[::2] for item in rest)
    if len(options) < len(rest):
        raise ArgumentError(f"--lever {text!r}: an option is given twice; keep one")
    if options and name not in ("shard", "cheaper_handoff"):
        raise ArgumentError(f"--lever {text!r}: {name} takes one value; write {form}")
    if name == "shard":
        return _parse_shard(text, lock, value, options)
    if name == "cheaper_handoff":
        return _parse_handoff(text, lock, value, options)
    if name == "less_think":
        factor = _number(name, value)
        return Lever(text, lambda s: levers.less_think(s, factor))
    if name == "skip":
        return Lever(text, _each(lock, site, lambda s, each: levers.skip(s, each, site)))
    if name == "exclude":
        return Lever(text, _each(lock, site, levers.exclude))
    number = _number(name, value)
    if name == "batch":
        change: _Change = lambda s, each: _batch(s, each, number, site or None, lock == ALL)  # noqa: E731
    else:
        change = lambda s, each: levers.shorten_hold(s, each, number)  # noqa: E731
    return Lever(text, _each(lock, site, change))


def _batch(scenario: Scenario, lock: str, m: float, site: str | None, lenient: bool) -> Scenario:
    """Batch one lock; with `all`, a lock that has no more acquires than that stays as it is."""
    chosen = [s.acquires for s in scenario.sites_of(lock) if site in (None, s.label)]
    if lenient and sum(chosen) <= m:
        return scenario
    return levers.batch(scenario, lock, m, site)


_Change = Callable[[Scenario, str], Scenario]


def _each(target: str, site: str, change: _Change) -> Callable[[Scenario], Scenario]:
    """Return a change of one lock, or of every lock (that has the site) when target is `all`."""

    def apply(scenario: Scenario) -> Scenario:
        if target != ALL:
            return change(scenario, target)
        names = [
            lock.name
            for lock in scenario.locks
            if any(site in ("", s.label) for s in scenario.sites_of(lock.name))
        ]
        if not names:
            if not site:
                raise ArgumentError("all: no lock is taken at any site; there is nothing to change")
            labels = sorted({s.label for s in scenario.sites})
            raise ArgumentError(f"all: no lock has a site {site!r}; {nearest(site, labels)}")
        for name in names:
            scenario = change(scenario, name)
        return scenario

    return apply


def _parse_shard(text: str, lock: str, value: str, options: dict[str, str]) -> Lever:
    for key in options:
        if key not in ("by", "skew", "values"):
            known = nearest(key, ["by", "skew", "values"])
            raise ArgumentError(f"--lever {text!r}: unknown option {key!r}; {known}")
    k = _count("shard", value)
    by: ShardBy = options.get("by", "cpu")  # type: ignore[assignment]  # shard() checks it
    skew = _number("shard", options.get("skew", "0"))
    values = _count("shard", options["values"]) if "values" in options else None

    def note(scenario: Scenario) -> str:
        most = levers.most_shards(scenario, by, values)
        if most is None or k <= most:
            return ""
        return f"{text}: {by} can tell only {most} shards apart, so {most} are used, not {k}"

    def change(scenario: Scenario, name: str) -> Scenario:
        most = levers.most_shards(scenario, by, values) or k
        if lock == ALL and scenario.lock(name).shards >= min(k, most):
            return scenario  # finer than that already
        return levers.shard(scenario, name, k, by, skew, values)

    return Lever(text, _each(lock, "", change), note)


def _parse_handoff(text: str, lock: str, family: str, options: dict[str, str]) -> Lever:
    from lockmodel.model.toml import handoff_from_text

    if family not in HANDOFF_FAMILIES:
        raise ArgumentError(
            f"--lever {text!r}: {family!r} is not a hand-off family; "
            f"{nearest(family, list(HANDOFF_FAMILIES))}"
        )

    if family == "constant" and not options:  # as cheap as a hand-off is today at best

        def change(scenario: Scenario, name: str) -> Scenario:
            now = levers.cheapest(levers.known_lock(scenario, "cheaper_handoff", name).handoff)
            return levers.cheaper_handoff(scenario, name, ConstantHandOff(time=now))

        return Lever(text, _each(lock, "", change))
    try:
        new = handoff_from_text(family, options)
    except ScenarioError as error:
        raise ArgumentError(f"--lever {text!r}: {error}") from None
    return Lever(text, _each(lock, "", lambda s, name: levers.cheaper_handoff(s, name, new)))


def candidates(scenario: Scenario) -> tuple[Lever, ...]:
    """Return every lever that applies to a scenario, at telling strengths.

    Half and no hold, one acquire per lock and per site, each site skipped, the lock excluded,
    the hand-off as cheap as it is at best and free, a tenth less think time. Shards are apart:
    `shard_steps` gives the counts to try.
    """
    texts = []
    taken = [lock for lock in scenario.locks if scenario.acquires(lock.name) > 0]
    for lock in taken:
        sites = [s for s in scenario.sites_of(lock.name) if s.acquires > 0]
        if any(s.held_instructions + s.growth_per_doubling > 0 for s in sites):
            texts += [f"shorten_hold:{lock.name}={f}" for f in ("0.5", "0")]
        if sum(s.acquires for s in sites) > 1:
            texts.append(f"batch:{lock.name}=1")
        texts += [f"batch:{lock.name}/{s.label}=1" for s in sites if s.acquires > 1]
        if len(sites) > 1:
            texts += [f"skip:{lock.name}/{s.label}" for s in sites]
        texts.append(f"exclude:{lock.name}")
        if levers.cheapest(lock.handoff) > 0:
            texts.append(f"cheaper_handoff:{lock.name}=none")
        if isinstance(lock.handoff, LinearHandOff | SaturatingHandOff | TopologyHandOff):
            texts.append(f"cheaper_handoff:{lock.name}=constant")
    if len(taken) > 1:
        texts += _for_all(texts)
    if scenario.think > 0:
        texts.append("less_think=0.9")
    made = [parse(text) for text in dict.fromkeys(texts)]
    return tuple(lever for lever in made if _applies(lever, scenario))


def _for_all(texts: list[str]) -> list[str]:
    """Return the same levers with every lock as target: that is what a patch does."""
    found = []
    for text in texts:
        head, equals, tail = text.partition("=")
        name, _, target = head.partition(":")
        _, slash, site = target.partition("/")
        found.append(f"{name}:{ALL}{slash}{site}{equals}{tail}")
    return found


def _applies(lever: Lever, scenario: Scenario) -> bool:
    """Return whether a candidate makes sense (one that empties the iteration does not)."""
    try:
        lever.apply(scenario)
    except ArgumentError:
        return False
    return True


def shard_steps(scenario: Scenario, locks: tuple[Lock, ...]) -> tuple[int, ...]:
    """Return the shard counts worth trying for some locks: doublings from 2 to the CPUs."""
    fewest = min(lock.shards for lock in locks)
    doublings = [2**i for i in range(1, scenario.machine.cpus.bit_length())]
    return tuple(k for k in doublings if fewest < k <= scenario.machine.cpus)
