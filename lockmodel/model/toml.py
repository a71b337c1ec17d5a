"""Scenarios in TOML: load, save, and errors that name file, key path, value and remedy.

A time key ends in its unit (`think_us`, `local_ns`); inside the code it is seconds. Numbers
are read and scaled as decimals, so load -> save -> load is the identity to the last bit.
"""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path

import msgspec

from lockmodel.errors import ScenarioError, problems_of, raise_all, shortened, shown
from lockmodel.model import plausible
from lockmodel.model import scenario as sc
from lockmodel.model.handoff import HANDOFF_FAMILIES, HandOff
from lockmodel.model.site import PHASE
from lockmodel.model.tables import TIME_KEYS, UNIT_EXPONENT, Table, from_table, stem, typed
from lockmodel.regular import reading

SCHEMA = "lockmodel.scenario/1"
PER_INSTRUCTION = ("time_per_instruction_local", "time_per_instruction_remote")
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
        return scenario_of(raw)
    except ScenarioError as error:
        raise ScenarioError(f"{origin}: {error}") from None


def scenario_of(table: Table) -> sc.Scenario:
    """Return the scenario of a table as `table_of` gives it; raises as `loads` does."""
    raw = dict(table)
    schema = raw.pop("schema", SCHEMA)
    problems: list[str] = []
    if schema != SCHEMA:
        problems.append(f'schema = {shown(schema)} is not known; write schema = "{SCHEMA}"')
    problems += _untimed(raw)
    if raw.get("classes") and not any(stem(key) == "think" for key in raw):
        raw["think_s"] = 0  # every class has its own
    try:
        scenario: sc.Scenario = from_table(raw, sc.Scenario)
    except ScenarioError as error:
        problems += [*problems_of(error), *_astray(raw)]
    raise_all(problems)
    plausible.check(scenario)
    return scenario


def _rows(raw: Table, key: str) -> list[tuple[int, Table]]:
    """Return the tables of a list with their numbers, whatever else is in it left out."""
    rows = raw.get(key)
    if not isinstance(rows, list):
        return []
    return [(i, row) for i, row in enumerate(rows) if isinstance(row, dict)]


def _every_site(raw: Table) -> list[tuple[int, Table]]:
    """Return the tables of sites, those of classes after the others."""
    rows = _rows(raw, "sites")
    for _, one in _rows(raw, "classes"):
        rows += _rows(one, "sites")
    return rows


def _untimed(raw: Table) -> list[str]:
    """Return which locks lack their time per instruction: those whose sites count instructions."""
    counting = [
        site.get("lock")
        for _, site in _every_site(raw)
        if not any(stem(key) in sc.TIMED for key in site)
    ]
    problems = []
    for i, lock in _rows(raw, "locks"):
        given = {stem(key) for key in lock}
        missing = [key for key in PER_INSTRUCTION if key not in given]
        if missing and (len(missing) == 1 or lock.get("name") in counting):
            keys = ", ".join(map(typed, missing))
            problems.append(f"locks[{i}]: {keys} missing; add it")
    return problems


def _astray(raw: Table) -> list[str]:
    """Return which sites are of no lock: `Scenario` says so where nothing else is wrong."""
    names = [str(lock.get("name")) for _, lock in _rows(raw, "locks")]
    return [
        sc.unknown_lock(i, f"{site.get('phase', PHASE)}.{site.get('name')}", lock, names)
        for i, site in _rows(raw, "sites")
        if isinstance(lock := site.get("lock"), str) and lock not in names
    ]


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

    return tomli_w.dumps(table_of(scenario), multiline_strings=False)


def table_of(scenario: sc.Scenario) -> Table:
    """Return the scenario as a TOML table, its numbers decimals."""
    return {"schema": SCHEMA, **_table(scenario)}


def _said(owner: msgspec.Struct, item: object) -> tuple[str, ...]:
    """Return the keys that an item of a scenario must have even at their defaults."""
    if isinstance(item, sc.Site):
        return ("held_instructions",) if item.hold is None else ()
    if isinstance(item, sc.Lock) and isinstance(owner, sc.Scenario):
        sites = sc.merged(owner).sites_of(item.name)
        counts = any(site.hold is None for site in sites)
        return PER_INSTRUCTION if counts else ()
    return ()


def _table(struct: msgspec.Struct, said: tuple[str, ...] = ()) -> Table:
    """Return the struct as a TOML table: defaults omitted, times in their unit."""
    table: Table = {}
    tag = type(struct).__struct_config__.tag
    if tag is not None:
        table["family"] = tag
    for field in msgspec.structs.fields(struct):
        value = getattr(struct, field.name)
        if not field.required and value == field.default and field.name not in said:
            continue
        if field.name == "think" and isinstance(struct, sc.Scenario) and struct.classes:
            continue  # every class has its own
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
                _table(item, _said(struct, item))
                if isinstance(item, msgspec.Struct)
                else _plain(item)
                for item in value
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
