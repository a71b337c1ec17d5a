"""KEY=VALUE on top of a scenario, as if its file were edited: keys are those of the file, no unit.

A key is split at its last dot; before it is the table that has the key:

    think=4us                              the scenario itself
    machine.smt_speedup=1.3                [machine]
    machine.line.remote=130ns              [machine.line_ns]
    libc.so.6.shards=8                     a lock
    libc.so.6.handoff.time=300ns           its hand-off
    libc.so.6/exec.map_split.acquires=1    a site

All checks of a file apply, once all is set. A [fit] stays what it is, as in a file that is edited.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from lockmodel.errors import ArgumentError, ScenarioError, nearest, shortened
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Scenario, Site
from lockmodel.model.site import COUNTED, PHASE, TIMED
from lockmodel.model.tables import (
    FAMILIES,
    TIME_KEYS,
    UNIT_EXPONENT,
    Table,
    stem,
    struct_of,
)
from lockmodel.model.toml import scenario_of, table_of

FAMILY = "family"

NOT_SET = ("fit", "provenance", "locks", "sites")
"""Keys of a scenario that are lists of tables, or belong to a fit."""

_TIME = re.compile(r"(.+?) ?(s|ms|us|ns)")


class _Place(NamedTuple):
    """A table that keys can be set in, which need not exist.

    Attributes
    ----------
    row : dict
        It, or the table that it is in.
    inside : str
        Its key there; empty for `row` itself.
    kinds : tuple of type
        What it may become.
    """

    row: Table
    inside: str
    kinds: tuple[type[msgspec.Struct], ...]

    @property
    def table(self) -> Table:
        """The table, made if there is none."""
        made: Table = self.row.setdefault(self.inside, {}) if self.inside else self.row
        return made

    @property
    def hints(self) -> dict[str, Any]:
        """Key -> its type."""
        found: dict[str, Any] = {}
        families = any(kind in known.values() for known in FAMILIES.values() for kind in self.kinds)
        for kind in self.kinds:
            found |= typing.get_type_hints(kind)
        return {FAMILY: str, **found} if families else found

    @property
    def keys(self) -> list[str]:
        """Keys that can be set."""
        return [key for key, hint in self.hints.items() if key not in NOT_SET and not _kinds(hint)]


def edited(scenario: Scenario, pairs: Sequence[str], option: str = "--set") -> Scenario:
    """Return the scenario with keys of its file set, in the order given.

    Parameters
    ----------
    scenario : Scenario
    pairs : sequence of str
        KEY=VALUE, see the module docstring; a time has its unit: s, ms, us or ns.
    option : str
        What errors call them.

    Raises
    ------
    ArgumentError
        No KEY=VALUE, a key or table that there is not, a time without unit, or what makes the
        scenario invalid.
    """
    if not pairs:
        return scenario
    table = table_of(scenario)
    for pair in pairs:
        key, equals, value = pair.partition("=")
        where = f"{option} {shortened(pair)}"
        if not equals or not key or not value:
            raise ArgumentError(f"{where}: write KEY=VALUE, e.g. think=4us or machine.cpus=64")
        _set(table, key.strip(), value.strip(), where)
    try:
        return scenario_of(table)
    except ScenarioError as error:
        raise ArgumentError(f"{option} {' '.join(map(shortened, pairs))}: {error}") from None


def is_key(scenario: Scenario, full: str) -> bool:
    """Return whether a key names one of a scenario, or at least a table of it that has keys."""
    places = _places(table_of(scenario))
    owner, dot, key = full.rpartition(".")
    return bool(dot) or key in places[owner].keys or full in places


def _set(table: Table, full: str, value: str, where: str) -> None:
    """Set one key of a scenario's table."""
    places = _places(table)
    owner, _, key = full.rpartition(".")
    if owner not in places:
        known = [
            f"{name}.{key}".lstrip(".") for name, place in places.items() for key in place.keys
        ]
        near = nearest(full, known)
        if not near.startswith("did you mean"):
            near = nearest(owner, [name for name in places if name])
        raise ArgumentError(f"{where}: the scenario has no {owner!r}; {near}")
    place = places[owner]
    if key not in place.keys:
        if full in places:
            raise ArgumentError(f"{where}: {full} is a table; set {full}.KEY")
        elsewhere = [name for name, other in places.items() if key in other.keys]
        near = f"did you mean {f'{elsewhere[0]}.{key}'!r}?" if elsewhere else ""
        raise ArgumentError(f"{where}: unknown key {key!r}; {near or nearest(key, place.keys)}")
    own = place.table
    if key == FAMILY:
        own.clear()  # keys of another family
    for other in TIMED if key in COUNTED else COUNTED if key in TIMED else ():
        _drop(own, other)  # a hold is a time or is counted
    _drop(own, key)
    times = stem(place.inside)
    if times != place.inside:  # a table of times, all in one unit
        number, unit = _time(value, f"{where}: {key} =")
        own[key] = number.scaleb(UNIT_EXPONENT[unit] - UNIT_EXPONENT[TIME_KEYS[times]])
    elif key in TIME_KEYS:
        number, unit = _time(value, f"{where}: {key} =")
        own[f"{key}_{unit}"] = number
    else:
        own[key] = _read(value, place.hints[key])


def _drop(table: Table, key: str) -> None:
    for one in [one for one in table if stem(one) == key or one == key]:
        del table[one]


def _places(table: Table) -> dict[str, _Place]:
    """Return the tables of a scenario by name, those inside others too; the scenario is ''."""
    rows: list[tuple[str, Table, type[msgspec.Struct]]] = [
        ("", table, Scenario),
        ("machine", table["machine"], Machine),
    ]
    rows += [(lock["name"], lock, Lock) for lock in table.get("locks", ())]
    rows += [
        (f"{site['lock']}/{site.get('phase', PHASE)}.{site['name']}", site, Site)
        for site in table.get("sites", ())
    ]
    inside: dict[str, _Place] = {}
    for name, row, kind in rows:
        for key, hint in typing.get_type_hints(kind).items():
            if kinds := _kinds(hint):
                inner = f"{key}_{TIME_KEYS[key]}" if key in TIME_KEYS else key
                inside[f"{name}.{key}".lstrip(".")] = _Place(row, inner, kinds)
    for name in NOT_SET:
        inside.pop(name, None)
    return inside | {name: _Place(row, "", (kind,)) for name, row, kind in rows}


def _kinds(hint: Any) -> tuple[type[msgspec.Struct], ...]:
    """Return the structs that a table of this type may become; empty for what is no table."""
    if typing.get_origin(hint) is tuple or struct_of(hint) is None:
        return ()
    inner = [struct_of(one) for one in typing.get_args(hint)] or [struct_of(hint)]
    return tuple(one for one in inner if one is not None)


def seconds(text: str, what: str) -> float:
    """Return a time such as 4us in s; raises ArgumentError, which begins with `what`."""
    number, unit = _time(text, what)
    if not number.is_finite() or number < 0:
        raise ArgumentError(f"{what} {shortened(text)} must be a finite time >= 0")
    return float(number.scaleb(UNIT_EXPONENT[unit]))


def _time(text: str, what: str) -> tuple[Decimal, str]:
    """Return the number and the unit of a time."""
    match = _TIME.fullmatch(text)
    number = _number(match[1]) if match else text
    if match is None or isinstance(number, str):
        like = f"{text}us" if match is None and not isinstance(_number(text), str) else "4us"
        raise ArgumentError(
            f"{what} {shortened(text)} must be a number and its unit: s, ms, us or ns, e.g. {like}"
        )
    return Decimal(number), match[2]


def _number(text: str) -> int | Decimal | str:
    """Return a number as a file has it; the text where it is none."""
    try:
        return int(text) if re.fullmatch(r"[+-]?[0-9]{1,18}", text) else Decimal(text)
    except ArithmeticError:
        return text


def _read(text: str, hint: Any) -> Any:
    """Return a value as a file has it; what is not of the type is refused with the scenario."""
    inner = [one for one in typing.get_args(hint) if one is not type(None)] or [hint]
    if hint is str or typing.get_origin(hint) is typing.Literal or inner == [str]:
        return text
    if typing.get_origin(hint) is tuple:
        return [_number(one.strip()) for one in text.split(",")]
    return _number(text)
