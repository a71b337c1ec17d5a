"""Tables as TOML gives them -> validated structs; every error names key path, value and remedy.

A key that is a time carries its unit (`think_us`) and becomes seconds, scaled as a decimal so
that no digit is lost.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

import msgspec

from lockmodel.errors import ScenarioError, nearest, problems_of, raise_all, shortened, shown
from lockmodel.model.disciplines import DISCIPLINES
from lockmodel.model.distribution import DISTRIBUTION_FAMILIES
from lockmodel.model.handoff import HANDOFF_FAMILIES
from lockmodel.model.site import COUNTED, TIMED, Site

Table = dict[str, Any]

UNIT_EXPONENT = {"s": 0, "ms": -3, "us": -6, "ns": -9}
TIME_KEYS = {
    "think": "us",
    "think_remote": "us",
    "time_per_instruction_local": "ns",
    "time_per_instruction_remote": "ns",
    "acquire_time": "ns",
    "time": "ns",
    "per_waiter": "ns",
    "limit": "ns",
    "local": "ns",
    "remote": "ns",
    "read": "us",
    "wake_time": "us",
    "handoff_timeout": "ms",
    "spin_limit": "us",
    "line": "ns",
    "hold": "us",
    "hold_remote": "us",
}
"""Every key that is a time, or a table of times, with the unit it is saved in."""

FAMILIES: dict[str, dict[str, Any]] = {
    "hand-off": HANDOFF_FAMILIES,
    "distribution": DISTRIBUTION_FAMILIES,
}
"""Kinds of table that choose their struct by a key `family`."""


CHOICES: dict[str, Mapping[str, Any]] = {"kind": DISCIPLINES}
"""Keys whose values are names of records."""


def from_table(table: Any, struct: type[msgspec.Struct], path: str = "") -> Any:
    """Return a struct built from a table.

    Parameters
    ----------
    table : dict
        Keys as in the file; floats are Decimal.
    struct : type
        What to build; a hand-off family is chosen by the table's `family`.
    path : str
        Key path of the table, for errors.

    Returns
    -------
    struct
        An instance; nested tables become structs and tuples of structs.

    Raises
    ------
    ScenarioError
        Unknown, missing or doubled key, wrong type, time without unit, or a rule of the struct; a
        `ScenarioErrors` where there are several.
    """
    if not isinstance(table, dict):
        name = path.rpartition(".")[2]
        raise ScenarioError(f"{path} = {shown(table)} must be a table: {name} = {{ key = value }}")
    for what, families in FAMILIES.items():
        if struct in families.values():
            table = dict(table)
            struct = _family(table.pop("family", None), what, families, path)
            break
    hints = typing.get_type_hints(struct)
    plain: Table = {}
    problems: list[str] = []
    wrong: set[str] = set()
    for key, value in table.items():
        try:
            base, read = _entry(key, value, hints, path)
            if base in plain:
                raise ScenarioError(
                    f"{_below(path, key)} = {shown(value)}: {base} is given twice, in two units; "
                    f"keep one"
                )
            plain[base] = read
        except ScenarioError as error:
            problems += problems_of(error)
            wrong.add(_base(key, hints))
    problems += _missing(struct, {*plain, *wrong}, path)
    if struct is Site:
        problems += _both(table, path)
    raise_all(problems)
    try:
        return struct(**plain)
    except ScenarioError as error:
        raise_all(_placed(problem, path) for problem in problems_of(error))


def _placed(problem: str, path: str) -> str:
    """Return what a struct says is wrong, with its path before it."""
    return problem if not path or problem.startswith(f"{path}:") else f"{path}: {problem}"


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def stem(key: str) -> str:
    """Return the key of a struct that a key of a table stands for: a time without its unit."""
    base, _, unit = key.rpartition("_")
    return base if base in TIME_KEYS and unit in UNIT_EXPONENT else key


def _base(key: str, hints: Mapping[str, Any]) -> str:
    return stem(key) if stem(key) in hints else key


def _entry(key: str, value: Any, hints: Mapping[str, Any], path: str) -> tuple[str, Any]:
    """Return a key of the struct and its value from a line of the table."""
    here, base = _below(path, key), _base(key, hints)
    if base != key:
        unit = key.rpartition("_")[2]
        struct = struct_of(hints[base])
        if struct is None:
            return base, _seconds(value, unit, here)
        return base, _times(value, struct, unit, here)
    if key in hints and key in TIME_KEYS:
        raise ScenarioError(
            f"{here} = {shown(value)}: a time needs its unit; write {key}_{TIME_KEYS[key]} "
            f"(or _s, _ms, _us, _ns)"
        )
    if key not in hints:
        remedy = nearest(key, [typed(k) for k in hints])
        raise ScenarioError(f"{shortened(here)} = {shown(value)}: unknown key; {remedy}")
    if key in CHOICES and value not in CHOICES[key]:
        known = ", ".join(CHOICES[key])
        raise ScenarioError(f"{here} = {shown(value)} must be one of {known}")
    return key, _value(value, hints[key], here)


def _both(table: Table, path: str) -> list[str]:
    """Return that a site states a time and counts as well; empty where it does not."""
    stated = [key for key in table if stem(key) in TIMED]
    counted = [key for key in COUNTED if key in table]
    if not stated or not counted:
        return []
    return [
        f"{_below(path, stated[0])} = {shown(table[stated[0]])}: {counted[0]} = "
        f"{shown(table[counted[0]])} is given as well; a hold is a time or is counted: keep one"
    ]


def typed(key: str) -> str:
    """Return a key as it is typed in a file: a time with the unit it is saved in."""
    return f"{key}_{TIME_KEYS[key]}" if key in TIME_KEYS else key


def _family(family: Any, what: str, families: dict[str, Any], path: str) -> type[msgspec.Struct]:
    if not isinstance(family, str) or family not in families:
        raise ScenarioError(
            f"{path}: family = {shown(family)} is not a {what} family; "
            f"choose one of {', '.join(families)}"
        )
    struct: type[msgspec.Struct] = families[family]
    return struct


def _missing(struct: type[msgspec.Struct], given: set[str], path: str) -> list[str]:
    """Return that keys are missing; empty where none are."""
    missing = [f.name for f in msgspec.structs.fields(struct) if f.required and f.name not in given]
    instead = ""
    if struct is Site and not given & {"held_instructions", *TIMED}:
        missing.append("held_instructions")
        instead = ", or hold_us instead of held_instructions"
    keys = ", ".join(map(typed, missing))
    return [f"{path or 'top level'}: {keys} missing; add it{instead}"] if missing else []


def struct_of(annotation: Any) -> type[msgspec.Struct] | None:
    """Return the struct inside an annotation such as ``tuple[Lock, ...]`` or ``X | None``."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return annotation
    inside = (struct_of(inner) for inner in typing.get_args(annotation))
    return next((struct for struct in inside if struct is not None), None)


def _value(value: Any, annotation: Any, path: str) -> Any:
    """Return a value of the annotated type, or raise naming what it must be."""
    inside = [inner for inner in typing.get_args(annotation) if inner is not type(None)]
    if type(None) in typing.get_args(annotation) and len(inside) == 1:
        annotation = inside[0]
    struct = struct_of(annotation)
    if struct is not None and typing.get_origin(annotation) is tuple:
        if not isinstance(value, list):
            raise ScenarioError(
                f"{path} = {shown(value)} must be a list of tables: write [[{path}]] for each"
            )
        return _structs(value, struct, path)
    if struct is not None:
        return from_table(value, struct, path)
    if typing.get_origin(annotation) is Literal:
        choices = typing.get_args(annotation)
        if not isinstance(value, str) or value not in choices:
            raise ScenarioError(f"{path} = {shown(value)} must be one of {', '.join(choices)}")
        return value
    if annotation == tuple[float, ...]:
        if not isinstance(value, list):
            raise ScenarioError(f"{path} = {shown(value)} must be a list of numbers: [1, 2, 3]")
        return tuple(_value(item, float, f"{path}[{i}]") for i, item in enumerate(value))
    if annotation == tuple[str, ...]:
        if not isinstance(value, list):
            raise ScenarioError(f'{path} = {shown(value)} must be a list of texts: ["a", "b"]')
        return tuple(_value(item, str, f"{path}[{i}]") for i, item in enumerate(value))
    if annotation is bool and isinstance(value, bool):
        return value
    if annotation is float and isinstance(value, int | Decimal) and not isinstance(value, bool):
        return _number(value, path)
    if annotation is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if annotation is str and isinstance(value, str):
        return value
    kinds = {float: "a number", int: "a whole number", str: "text in quotes", bool: "true or false"}
    raise ScenarioError(f"{path} = {shown(value)} must be {kinds[annotation]}")


def _structs(rows: list[Any], struct: type[msgspec.Struct], path: str) -> tuple[Any, ...]:
    """Return a struct per table of a list; what is wrong with any of them is raised together."""
    made: list[Any] = []
    problems: list[str] = []
    for i, row in enumerate(rows):
        try:
            made.append(from_table(row, struct, f"{path}[{i}]"))
        except ScenarioError as error:
            problems += problems_of(error)
    raise_all(problems)
    return tuple(made)


def _times(table: Any, struct: type[msgspec.Struct], unit: str, path: str) -> msgspec.Struct:
    """Return a struct of times, all in the unit that the name of their table ends in."""
    keys = [field.name for field in msgspec.structs.fields(struct)]
    if not isinstance(table, dict):
        raise ScenarioError(
            f"{path} = {shown(table)} must be a table: "
            f"{path.rpartition('.')[2]} = {{ {', '.join(f'{key} = ..' for key in keys)} }}"
        )
    for key, value in table.items():
        if key not in keys:
            raise ScenarioError(
                f"{shortened(f'{path}.{key}')} = {shown(value)}: unknown key; {nearest(key, keys)}"
            )
    try:
        return struct(**{k: _seconds(v, unit, f"{path}.{k}") for k, v in table.items()})
    except ScenarioError as error:
        message = str(error)
        raise ScenarioError(message if message.startswith(path) else f"{path}: {message}") from None


def _number(value: int | Decimal, path: str) -> float:
    try:
        number = float(value)
    except (OverflowError, ValueError):  # a huge integer, a signalling NaN
        number = float("nan")
    if number != number or abs(number) == float("inf"):
        raise ScenarioError(f"{path} = {shown(value)} must be a finite number")
    return number


def _seconds(value: Any, unit: str, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ScenarioError(f"{path} = {shown(value)} must be a number of {unit}")
    _number(value, path)
    if value < 0:
        raise ScenarioError(f"{path} = {shown(value)} must be >= 0: it is a time in {unit}")
    return float(Decimal(value).scaleb(UNIT_EXPONENT[unit]))
