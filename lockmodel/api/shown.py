"""What the paper shows: its statements with numbers (`theory`), and its figures (`figure`)."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from lockmodel.api.answer import Answer
from lockmodel.api.given import Model, Populations, expect, load, population, populations
from lockmodel.cli import common
from lockmodel.errors import ArgumentError, nearest
from lockmodel.model.scenario import Scenario

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lockmodel.cli.files import Report
    from lockmodel.statements.statement import Numbers, Statement


@dataclass(frozen=True)
class Stated:
    """A statement and its numbers: one per scenario, or those of the symbols given."""

    statement: Statement
    numbers: tuple[Numbers, ...]


def theory(
    name: str,
    scenario: Model | Iterable[Model] | None = None,
    n: int | str | None = None,
    **symbols: float | str,
) -> Answer[Stated]:
    """Return a statement of the argument in closed form, with its numbers.

    Parameters
    ----------
    name : str
        As `lockmodel theory` lists them; one that there is not is answered with the list.
    scenario : Scenario, str or path-like, or iterable of them
        Whose numbers; those that the statement is usually shown with if left out.
    n : int
        Population; the usual one, or all CPUs, if left out.
    **symbols : float or str
        Values of its symbols in place of a scenario: q=0.4, Z="5us". A time without unit is in s.

    Returns
    -------
    Answer of Stated
        `columns` has a row per number, with its unit.

    Raises
    ------
    ArgumentError
        No such statement or symbol, symbols beside a scenario, or no formula has a value.

    Examples
    --------
    >>> import lockmodel as lm
    >>> lm.theory("any-change", q=0.4).columns()["value"].round(3)
    array([0.667])
    """
    from lockmodel.figures.answered import plot_numbers
    from lockmodel.statements import find_statement

    expect("name", name, str, "the name of a statement, as `lockmodel theory` lists them")
    made = find_statement(name)
    scenarios: list[Scenario] = []
    if symbols:
        if scenario is not None or n is not None:
            raise ArgumentError(
                f"{next(iter(symbols))}: a symbol stands for itself; leave scenario and n out"
            )
        numbers = [_at_symbols(made, symbols)]
    else:
        each: Iterable[Model] = made.models
        if isinstance(scenario, Scenario | str | os.PathLike):
            each = [scenario]
        elif scenario is not None:
            each = scenario
        scenarios = [load(one) for one in each]
        at = made.population if n is None else population(n, scenarios[0])
        numbers = [made.numbers(one, at or one.machine.cpus) for one in scenarios]
    draw = partial(plot_numbers, name=made.name, each=numbers)
    return Answer(Stated(made, tuple(numbers)), partial(_told, made, numbers, scenarios), draw)


def _told(
    made: Statement, numbers: list[Numbers], scenarios: list[Scenario], explain: bool
) -> Report:
    """Return the report of a statement, which has nothing more to explain."""
    from lockmodel.cli.theory import report

    return report(made, numbers, scenarios)


def _at_symbols(made: Statement, symbols: Mapping[str, float | str]) -> Numbers:
    """Return what the formulae give for symbols; a number that is a time is in s."""
    from lockmodel.statements.given import numbers, symbols_of

    known = symbols_of(made)
    pairs = []
    for name, value in symbols.items():
        if name not in known:
            raise ArgumentError(
                f"{name}: is no symbol of {made.name}; {nearest(name, list(known))}"
            )
        timed = known[name].unit == "s" and not isinstance(value, str)
        pairs.append(f"{name}={value}{'s' if timed else ''}")
    return numbers(made, pairs)


def figure(
    name: str,
    scenario: Model | None = None,
    n: Populations = None,
    *,
    data: str | os.PathLike[str] | None = None,
    only: str | None = None,
    width: Literal["page", "column"] = "page",
) -> Figure:
    """Return a figure of the paper, for its scenario or for yours.

    Parameters
    ----------
    name : str
        As `lockmodel figure` lists them; one that there is not is answered with the list.
    scenario : Scenario, str or path-like, optional
        That of the paper if left out.
    n : int, iterable of int, or str
        Population, or populations, of those figures that take one.
    data : str or path-like, optional
        Measurements of the scenario (curve).
    only : str, optional
        The variant of the data to take (curve).
    width : {'page', 'column'}
        5.2 or 3.4 inches.

    Returns
    -------
    matplotlib Figure
        In the one style of all figures; it is the caller's to change and to save.

    Raises
    ------
    ArgumentError
        No such figure, or it does not take an argument.

    Examples
    --------
    >>> import lockmodel as lm
    >>> drawn = lm.figure("chain", "execl-xeon8369b", width="column")
    >>> float(drawn.get_figwidth())
    3.4
    """
    from lockmodel.figures.registry import MODEL, PROGRESS, find, make, picture

    expect("name", name, str, "the name of a figure, as `lockmodel figure` lists them")
    entry = find(name)
    given: dict[str, Any] = {}
    if scenario is not None:
        given["scenario"] = load(scenario)
    if data is not None:
        given["measured"] = os.fspath(data)
    if only is not None:
        given["only"] = only
    if n is not None:
        own = given.get("scenario") or load(MODEL)
        if "populations" in entry.takes:
            given["populations"] = populations(n, own)
        else:
            given["population"] = population(n, own)
    if PROGRESS in entry.takes:
        given[PROGRESS] = common.progress
    made = make(name, **given)
    for flag in getattr(made, "flags", ()):
        warnings.warn(f"fit: {flag}", stacklevel=2)
    drawn: Figure = picture(name, made, width)
    return drawn
