"""A statement's formulae at values that somebody gives for its symbols: q=0.4, Z=5us."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from lockmodel.errors import ArgumentError, nearest, shortened, shown
from lockmodel.model.edit import seconds
from lockmodel.statements.statement import Formula, Numbers, Statement, Value, ValueUnit
from lockmodel.statements.symbols import Notation

RATE = "/s"

GAIN = "G"
"""Symbol of what is printed as a gain: after over before, less 1."""


def symbols_of(statement: Statement) -> dict[str, Notation]:
    """Return the symbols that the formulae of a statement depend on, as typed: m_new and m'."""
    found = {entry.name: entry for formula in statement.formulae for entry in formula.arguments}
    return {entry.text: entry for entry in found.values()} | found


def are_symbols(
    statement: Statement, pairs: Sequence[str], of_model: Callable[[str], bool]
) -> bool:
    """Return whether KEY=VALUE pairs give symbols of a statement; False if keys of a model.

    Parameters
    ----------
    statement : Statement
    pairs : sequence of str
    of_model : callable
        A key -> whether it is one of the model's.

    Raises
    ------
    ArgumentError
        They give both, or one that is neither: what the statement's symbols are is said.
    """
    known = symbols_of(statement)
    keys = [pair.partition("=")[0].strip() for pair in pairs]
    given = [key for key in keys if key in known]
    neither = next((key for key in keys if not given and not of_model(key)), None)
    if neither is not None:
        texts = ", ".join(dict.fromkeys(entry.text for entry in known.values()))
        raise ArgumentError(
            f"--set {shortened(neither)}: is no symbol of {statement.name}, and no key of the "
            f"model; its symbols: {texts}"
        )
    if given and len(given) < len(keys):
        other = next(key for key in keys if key not in known)
        raise ArgumentError(
            f"--set {other}: is no symbol of {statement.name}, {given[0]} is; give symbols, or "
            f"keys of a model; {nearest(other, list(known))}"
        )
    return bool(given)


def numbers(statement: Statement, pairs: Sequence[str]) -> Numbers:
    """Return what the formulae give for symbols, and which lack some.

    Parameters
    ----------
    statement : Statement
    pairs : sequence of str
        SYMBOL=VALUE, a time with its unit.

    Raises
    ------
    ArgumentError
        Not a number, a time without unit, or no formula has all its symbols.
    """
    known = symbols_of(statement)
    values: dict[str, float] = {}
    for pair in pairs:
        key, _, text = pair.partition("=")
        entry = known[key.strip()]
        values[entry.name] = _value(entry, text.strip(), f"--set {shortened(pair)}")
    found: list[Value] = []
    notes: list[str] = []
    for formula in statement.formulae:
        lacking = [entry.text for entry in formula.arguments if entry.name not in values]
        if lacking:
            notes.append(f"{formula.title}: needs {', '.join(lacking)} as well")
            continue
        try:
            found.append(_computed(formula, values))
        except (ArithmeticError, ValueError):
            notes.append(f"{formula.title}: has no value there")
    if not found:
        raise ArgumentError(f"--set {' '.join(pairs)}: no formula has a value; {'; '.join(notes)}")
    return Numbers("", 0, "", tuple(found), tuple(notes), values)


def _computed(formula: Formula, values: dict[str, float]) -> Value:
    value = formula.at(**values)
    if not formula.left:
        return Value(f"{formula.title} (1: holds, 0: does not)", value, "number")
    if formula.left == GAIN:
        return Value(formula.title, value - 1.0, "gain")
    unit: ValueUnit = "s" if formula.unit == "s" else "/s" if formula.unit == RATE else "number"
    return Value(formula.title, value, unit)


def _value(entry: Notation, text: str, where: str) -> float:
    if entry.unit == "s":
        return seconds(text, f"{where}: {entry.text} =")
    try:
        value = float(text.removesuffix(RATE) if entry.unit == RATE else text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0.0) or (entry.whole and value % 1):
        kind = "whole number" if entry.whole else "finite number"
        raise ArgumentError(
            f"{where}: {entry.text} = {shown(text)} must be a {kind} >= 0: {entry.meaning}"
        )
    return value
