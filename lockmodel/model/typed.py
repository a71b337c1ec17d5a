"""Types of what a scenario is made of, checked where Python makes it: files are checked as read.

Whole numbers, fractions and texts only: NumPy's become Python's, a list where several are held
becomes a tuple. Everything else is an error that names the key.
"""

from __future__ import annotations

import math
import types
import typing
from functools import lru_cache
from numbers import Integral, Real
from typing import Any

import msgspec

from lockmodel.errors import ScenarioError, shown

RANGED = frozenset({"cpus", "cores", "sockets", "nodes", "caches", "shards", "local_handoffs"})
"""Whole numbers whose range `machine.at_least_one` checks."""

WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "True or False"}


_SOUND: set[tuple[type, ...]] = set()
"""Types of a struct and of its fields that were right: fits make them by the thousand."""


class _Rule(typing.NamedTuple):
    """What a field may hold: `exact` types as they are, `kinds` by class; `several` in a tuple."""

    name: str
    exact: frozenset[type]
    kinds: tuple[type, ...]
    several: tuple[type, ...]
    inside: frozenset[type]


def check_types(struct: msgspec.Struct, owner: str) -> None:
    """Raise ScenarioError unless every field is of its type; convert what means the same.

    Parameters
    ----------
    struct : Struct
        Being made: its fields are set in place.
    owner : str
        What it is, for errors.
    """
    rules = _rules(type(struct))
    seen = (type(struct), *map(type, msgspec.structs.astuple(struct)))
    if seen in _SOUND:
        return
    sound = not any(rule.several for rule in rules)
    for rule in rules:
        value = getattr(struct, rule.name)
        if type(value) in rule.exact:
            continue
        if type(value) is tuple and all(type(one) in rule.inside for one in value):
            continue
        sound = False
        made = _converted(rule, value, owner)
        if made is not value:
            msgspec.structs.force_setattr(struct, rule.name, made)
    if sound:
        _SOUND.add(seen)


def _converted(rule: _Rule, value: Any, owner: str) -> Any:
    if rule.several:
        if type(value) is not tuple and not isinstance(value, list):
            raise ScenarioError(
                f"{owner}: {rule.name} = {shown(value)} must be a tuple, it is a "
                f"{type(value).__name__}; write ({rule.several[0].__name__}(...),)"
            )
        for one in value:
            _of(rule.name, one, rule.several, owner, "be made of")
        return value if type(value) is tuple else tuple(value)
    numeric = isinstance(value, Real) and not isinstance(value, bool)
    if int in rule.kinds and numeric and isinstance(value, Integral):
        return int(value)
    if int in rule.kinds and numeric and (not math.isfinite(value) or rule.name in RANGED):
        return value  # refused by what says the range as well
    if float in rule.kinds and numeric:
        return float(value) if type(value) is not int else value
    _of(rule.name, value, rule.kinds, owner, "be")
    return value


def _of(name: str, value: object, kinds: tuple[type, ...], owner: str, verb: str) -> None:
    """Raise ScenarioError unless a value is of one of some types."""
    number = isinstance(value, bool) and bool not in kinds  # True is an int to Python
    if not number and isinstance(value, kinds):
        return
    wanted = " or ".join(
        dict.fromkeys(
            WORDS.get(kind, f"a {kind.__name__}") for kind in kinds if kind is not type(None)
        )
    )
    raise ScenarioError(
        f"{owner}: {name} = {shown(value)} must {verb} {wanted}, it is a {type(value).__name__}"
    )


@lru_cache(maxsize=64)
def _rules(struct: type[msgspec.Struct]) -> tuple[_Rule, ...]:
    made = []
    for name, hint in typing.get_type_hints(struct).items():
        if typing.get_origin(hint) is tuple:
            several = _kinds(typing.get_args(hint)[0])
            made.append(_Rule(name, frozenset(), (), several, frozenset(several)))
            continue
        kinds = _kinds(hint)
        exact = {kind for kind in kinds if kind is not object} | (
            {int} if float in kinds else set()
        )
        made.append(_Rule(name, frozenset(exact), kinds, (), frozenset()))
    return tuple(made)


def _kinds(hint: Any) -> tuple[type, ...]:
    """Return the classes that an annotation stands for."""
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        return tuple({type(value) for value in typing.get_args(hint)})
    if origin in (typing.Union, types.UnionType):
        return tuple(kind for part in typing.get_args(hint) for kind in _kinds(part))
    return (hint,) if isinstance(hint, type) else (object,)
