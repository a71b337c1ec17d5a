"""Scenarios in TOML: load, save, and errors that name file, key path, value and remedy.

A time key ends in its unit (`think_us`, `local_ns`); inside the code it is seconds. Numbers
are read and scaled as decimals, so load -> save -> load is the identity to the last bit.
"""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path

import msgspec

from lockmodel.errors import ScenarioError, shortened, shown
from lockmodel.model import plausible
from lockmodel.model import scenario as sc
from lockmodel.model.handoff import HANDOFF_FAMILIES, HandOff
from lockmodel.model.tables import TIME_KEYS, UNIT_EXPONENT, Table, from_table
from lockmodel.regular import reading

SCHEMA = "lockmodel.scenario/1"
MAX_BYTES = 1_000_000
"""Largest scenario file read: a scenario is data typed by people, kilobytes at most."""


def load(path: Path) -> sc.Scenario:
    """Read a scenario from a TOML file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Scenario

    Raises
    ------
    FileError
        The file cannot be read.
    ScenarioError
        It is not TOML, or not a valid scenario; the message names file, key, value, remedy.
    """
    try:
        with reading(path) as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ScenarioError(
                f"{path}: larger than {MAX_BYTES} bytes; this is not a scenario file"
            )
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path}: not UTF-8 text ({error}); save it as UTF-8") from None
    return loads(text, str(path))


def loads(text: str, origin: str = "<text>") -> sc.Scenario:
    """Read a scenario from TOML text; `origin` names it in errors (see `load`)."""
    try:
        raw = tomllib.loads(text, parse_float=_decimal)
    except (ValueError, RecursionError) as error:
        raise ScenarioError(f"{origin}: not valid TOML: {shortened(str(error))}") from None
    try:
        schema = raw.pop("schema", None)
        if schema != SCHEMA:
            raise ScenarioError(f'schema = {shown(schema)} is not known; write schema = "{SCHEMA}"')
        scenario: sc.Scenario = from_table(raw, sc.Scenario)
        plausible.check(scenario)
    except ScenarioError as error:
        raise ScenarioError(f"{origin}: {error}") from None
    return scenario


def _decimal(text: str) -> Decimal:
    """Return a number as typed; beyond the range of decimals it is infinite, and refused later."""
    try:
        return Decimal(text)
    except ArithmeticError:
        return Decimal("Infinity")


def handoff_from_text(family: str, options: dict[str, str]) -> HandOff:
    """Return a hand-off from its family and options such as ``{"time_ns": "300"}``.

    Raises ScenarioError as `loads` does.
    """
    table: Table = {"family": family}
    for key, text in options.items():
        try:
            table[key] = Decimal(text)
        except ArithmeticError:
            raise ScenarioError(f"{key} = {shown(text)} is not a number") from None
    handoff: HandOff = from_table(table, HANDOFF_FAMILIES[family], "handoff")
    return handoff


def dumps(scenario: sc.Scenario) -> str:
    """Return the scenario as TOML text; the inverse of `loads`.

    Defaults are left out, times are written in the unit of `TIME_KEYS`.
    """
    import tomli_w

    table: Table = {"schema": SCHEMA}
    table.update(_table(scenario))
    return tomli_w.dumps(table, multiline_strings=False)


def _table(struct: msgspec.Struct) -> Table:
    """Return the struct as a TOML table: defaults omitted, times in their unit."""
    table: Table = {}
    tag = type(struct).__struct_config__.tag
    if tag is not None:
        table["family"] = tag
    for field in msgspec.structs.fields(struct):
        value = getattr(struct, field.name)
        if not field.required and value == field.default:
            continue
        if field.name in TIME_KEYS:
            unit = TIME_KEYS[field.name]
            table[f"{field.name}_{unit}"] = (
                {
                    key: _scaled(time, unit)
                    for key, time in msgspec.structs.asdict(value).items()
                    if time is not None
                }
                if isinstance(value, msgspec.Struct)
                else _scaled(value, unit)
            )
        elif isinstance(value, msgspec.Struct):
            table[field.name] = _table(value)
        elif isinstance(value, tuple):
            table[field.name] = [
                _table(item) if isinstance(item, msgspec.Struct) else _plain(item) for item in value
            ]
        else:
            table[field.name] = _plain(value)
    return table


def _scaled(seconds: float, unit: str) -> int | Decimal:
    """Return a time in a unit."""
    return _tidy(Decimal(repr(float(seconds))).scaleb(-UNIT_EXPONENT[unit]))


def _plain(value: object) -> object:
    """Return a number without exponent where that is readable, anything else as it is."""
    return _tidy(Decimal(repr(float(value)))) if isinstance(value, float) else value


def _tidy(value: Decimal) -> int | Decimal:
    """Return whole numbers as int and others without exponent where that is readable."""
    if value == value.to_integral_value() and abs(value) < 10**15:
        return int(value)
    return Decimal(format(value, "f")) if abs(value.adjusted()) < 15 else value
