"""A statement of the theory: what it says, when it holds, its formulae, and its numbers."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import sympy as sp

from lockmodel.errors import LockmodelError
from lockmodel.model.scenario import Scenario
from lockmodel.statements.export_python import function
from lockmodel.statements.symbols import Notation, quantities

Relation = Literal["=", "<=", ">=", "~"]
ValueUnit = Literal[
    "/s", "s", "gain", "share", "times", "processes", "shards", "acquires", "number"
]

DEFAULT_MODEL = "sysexec-spr224-v6.12"
"""Scenario whose numbers are given when none is asked for."""


@dataclass(frozen=True)
class Value:
    """A number of a scenario, in base units; `unit` says how to print it."""

    name: str
    value: float
    unit: ValueUnit


@dataclass(frozen=True)
class Formula:
    """One formula.

    Attributes
    ----------
    name : str
        Python identifier: the name of the exported function.
    title : str
        What it gives, in words.
    left : str
        Left side, a name of the glossary; empty where the formula is a condition by itself.
    relation : {'=', '<=', '>=', '~'}
        ~ is an expansion, cut off as the title says.
    expression : sympy expression
        Right side, or a relational.
    unit : str
        Base unit of the right side: "s", "/s", "" for a ratio or a truth value.
    computable : sympy expression, optional
        The same in the basic symbols and without special functions, for the Python export.
    """

    name: str
    title: str
    left: str
    relation: Relation
    expression: sp.Basic
    unit: str = ""
    computable: sp.Basic | None = None

    @property
    def arguments(self) -> tuple[Notation, ...]:
        """What it depends on, in the order of the glossary and of the exported function."""
        return quantities(self.expression if self.computable is None else self.computable)

    @cached_property
    def python(self) -> str:
        """Source of a plain Python function; needs no SymPy."""
        body = self.expression if self.computable is None else self.computable
        return function(self.name, self.title, body, self.arguments, self.unit)

    def at(self, **values: float) -> float:
        """Return its value; runs the exported Python, so that numbers and export are one.

        Parameters
        ----------
        **values : float
            By name of the glossary, in base units; more than it needs are ignored.
        """
        return float(self._compiled(*(values[entry.name] for entry in self.arguments)))

    @cached_property
    def _compiled(self) -> Callable[..., float]:
        scope: dict[str, Callable[..., float]] = {}
        exec(self.python, scope)
        return scope[self.name]

    def value(
        self, unit: ValueUnit, values: dict[str, float], title: str = "", less: float = 0.0
    ) -> tuple[Value, ...]:
        """Return its value under a title, `less` subtracted; nothing where it divides by zero."""
        try:
            return (Value(title or self.title, self.at(**values) - less, unit),)
        except ZeroDivisionError:
            return ()


@dataclass(frozen=True)
class Numbers:
    """A statement's numbers for one scenario.

    Attributes
    ----------
    scenario : str
    population : int
    lock : str
        The lock the symbols stand for; empty where the numbers are not of one lock.
    values : tuple of Value
    notes : tuple of str
        Where the scenario is not what the statement assumes.
    given : dict of str to float
        Values of symbols, in base units, where these stand for themselves; there is no scenario.
    """

    scenario: str
    population: int
    lock: str
    values: tuple[Value, ...]
    notes: tuple[str, ...] = ()
    given: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Statement:
    """A statement with its derivation in code.

    Attributes
    ----------
    name, title : str
        Short name, and what it says in one line.
    says : tuple of str
        What it says, one paragraph each.
    formulae : tuple of Formula
    conditions : tuple of str
        When it holds.
    derivation : str
        How the formulae follow.
    source : str
    numbers : callable
        (scenario, population) -> Numbers.
    models : tuple of str
        Scenarios whose numbers are given when none is asked for.
    population : int or None
        Population of the numbers when none is asked for; None is all CPUs.
    """

    name: str
    title: str
    says: tuple[str, ...]
    formulae: tuple[Formula, ...]
    conditions: tuple[str, ...]
    derivation: str
    source: str
    numbers: Callable[[Scenario, int], Numbers]
    models: tuple[str, ...] = field(default=(DEFAULT_MODEL,))
    population: int | None = None

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return _derived, (self.name,)  # there is one of each: pickles of answers refer to it

    def formula(self, name: str) -> Formula:
        """Return a formula by its name; raises KeyError if there is none."""
        return {formula.name: formula for formula in self.formulae}[name]

    @property
    def glossary(self) -> tuple[Notation, ...]:
        """Every quantity of the formulae, left sides included, in the order of the glossary."""
        from lockmodel.statements.symbols import GLOSSARY

        seen = {
            entry.name
            for formula in self.formulae
            for entry in (*formula.arguments, *quantities(formula.expression))
        }
        seen |= {formula.left for formula in self.formulae}
        return tuple(entry for name, entry in GLOSSARY.items() if name in seen)


class DerivationError(LockmodelError):
    """A derivation did not come out as stated: a bug here, or in this version of SymPy."""


def derived(expression: sp.Basic, expected: sp.Basic | float, what: str) -> sp.Basic:
    """Return `expression` in the form `expected`, if the two are the same; else raise.

    SymPy's forms differ between versions; a formula is printed in the form people know, and only
    if what was derived equals it.

    Parameters
    ----------
    expression : sympy expression
        What the derivation gave.
    expected : sympy expression
        The same, in the form to print.
    what : str
        Named by the error.

    Raises
    ------
    DerivationError
        They differ.
    """
    expected = sp.sympify(expected)
    if sp.simplify(sp.expand_func(expression - expected)) != 0:
        raise DerivationError(f"{what}: derived {expression}, expected {expected}")
    return expected


def _derived(name: str) -> Statement:
    """Return a statement from the list of all, which imports this module."""
    made: Statement = importlib.import_module("lockmodel.statements").find_statement(name)
    return made
