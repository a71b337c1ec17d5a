"""`lockmodel theory`."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Argument, Option

from lockmodel.cli import common, files, inputs, options
from lockmodel.cli import text as tx
from lockmodel.cli.files import Report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lockmodel.model.scenario import Scenario
    from lockmodel.statements.statement import Formula, Numbers, Statement, Value

LIST_SCHEMA = "lockmodel.theory-list/1"
SCHEMA = "lockmodel.theory/1"
FORMATS = ("text", "latex", "typst", "python")


def theory(
    name: Annotated[
        str | None,
        Argument(
            metavar="[NAME]", help="Of a statement; without it they are listed.", show_default=False
        ),
    ] = None,
    models: Annotated[
        list[str] | None,
        Option("--model", metavar="MODEL", help="Whose numbers; repeatable.", show_default=False),
    ] = None,
    population: options.Population = None,
    style: Annotated[
        Literal["text", "latex", "typst", "python"],
        Option("--format", help="text: the statement with its numbers; else its formulae alone."),
    ] = "text",
    walks: options.Walks = None,
    edits: Annotated[
        list[str] | None,
        Option(
            "--set",
            metavar="KEY=VALUE",
            help="A symbol of the statement, which then needs no scenario: q=0.4, Z=5us; or a key "
            "of the model, as for predict. Repeatable.",
            show_default=False,
        ),
    ] = None,
    as_json: options.Json = False,
    output: options.Output = None,
    force: options.Force = False,
) -> None:
    """The argument in closed form: statements and their numbers.

    Without NAME lists the statements. With NAME prints what it says, its
    formulae, when it holds, how it is derived, and its numbers for a scenario:
    those of the lock with the lowest ceiling at N processes, with distances,
    trees and hand-offs as they are there (as `show` and `ceiling` have them).
    Every formula is derived when it is asked for, and refused if the derivation
    does not give it.

    \b
    Formats:
      latex, typst     the inside of mathematics, without dollar signs, a comment
                       above each
      python           functions that need the standard library only; times in
                       seconds, rates per second
    Printed numbers:
      gain             throughput or ceiling after over before: +80 % is 1.8
                       times
      ~                an expansion: cut off as said
      times carry their unit; what is a count or a ratio is said by its name.
      Numbers are those of the scenario's times as they are, without the
      intervals of a fit
    Examples:
      lockmodel theory
      lockmodel theory ceiling
      lockmodel theory any-change --model doexec-20
      lockmodel theory any-change --set q=0.4
      lockmodel theory same-patch
      lockmodel theory best-shards --walks libc.so.6=5000,read_us=64
      lockmodel theory comparison --format python
    """
    from lockmodel.errors import ArgumentError
    from lockmodel.model.populations import parse_one
    from lockmodel.statements import STATEMENTS, find_statement

    if name is None:
        if models or population or walks or edits or style != "text":
            raise ArgumentError(f"NAME is missing; give one of {', '.join(STATEMENTS)}")
        with files.output(output, as_json, force) as write:
            write(Report(_list_data, _list_text))
        return
    made = find_statement(name)
    from lockmodel.statements.given import are_symbols
    from lockmodel.statements.given import numbers as at_symbols

    def of_model(key: str) -> bool:
        from lockmodel.model.edit import is_key

        return any(is_key(inputs.scenario(model, walks), key) for model in models or made.models)

    if edits and are_symbols(made, edits, of_model):
        if models or population or walks or style != "text":
            raise ArgumentError(
                f"--set {edits[0]}: a symbol stands for itself; leave --model, -n, --walks and "
                f"--format out"
            )
        alone = at_symbols(made, edits)
        with files.output(output, as_json, force) as write:
            write(report(made, [alone]))
        return
    scenarios = [inputs.scenario(m, walks, edits=edits) for m in models or made.models]
    n = None if population is None else parse_one(population)
    with files.output(output, as_json, force) as write:
        if style != "text" and not as_json:
            write(Report(lambda: _data(made, []), lambda colour: _exported(made, style)))
            return
        numbers = [made.numbers(s, n or made.population or s.machine.cpus) for s in scenarios]
        write(report(made, numbers, scenarios))


def report(
    made: Statement, numbers: Sequence[Numbers], scenarios: Sequence[Scenario] = ()
) -> Report:
    """Return a statement with its numbers, those of scenarios or of symbols alone."""
    warned = [line for scenario in scenarios for line in common.fit_warning(scenario)]
    return Report(
        lambda: _data(made, numbers),
        lambda colour: _text(made, numbers, warned, colour),
        rows=lambda: _rows(numbers),
    )


def _rows(numbers: Sequence[Numbers]) -> list[dict[str, Any]]:
    return [
        {
            "scenario": one.scenario,
            "population": one.population,
            "lock": one.lock,
            "name": value.name,
            "value": value.value,
            "unit": value.unit,
        }
        for one in numbers
        for value in one.values
    ]


def _titles() -> list[tuple[str, str]]:
    from lockmodel.statements import STATEMENTS

    return [(name, entry.title) for name, entry in STATEMENTS.items()]


def _list_data() -> dict[str, Any]:
    listed = [{"name": name, "title": title} for name, title in _titles()]
    return {"schema": LIST_SCHEMA, "statements": listed}


def _list_text(colour: bool) -> str:
    titles = _titles()
    wide = max(len(name) for name, _ in titles)
    room = tx.width() - wide - 2
    lines = [
        f"{name:<{wide}}  {textwrap.shorten(says, room, placeholder=' ..')}"
        for name, says in titles
    ]
    head = f"{len(titles)} statements; `lockmodel theory NAME` has formulae and numbers."
    return tx.render([head, "", *lines], colour)


def _data(made: Statement, numbers: Sequence[Numbers]) -> dict[str, Any]:
    from dataclasses import asdict

    from lockmodel.statements.export import formula

    return {
        "schema": SCHEMA,
        "name": made.name,
        "title": made.title,
        "says": list(made.says),
        "conditions": list(made.conditions),
        "derivation": made.derivation,
        "source": made.source,
        "formulae": [
            {
                "name": one.name,
                "title": one.title,
                "unit": one.unit,
                "arguments": [entry.name for entry in one.arguments],
                "text": formula(one, "text"),
                "latex": formula(one, "latex"),
                "typst": formula(one, "typst"),
                "python": one.python,
            }
            for one in made.formulae
        ],
        "symbols": [
            {"name": q.name, "text": q.text, "meaning": q.meaning, "unit": q.unit}
            for q in made.glossary
        ],
        "numbers": [asdict(one) for one in numbers],
    }


def _exported(made: Statement, style: str) -> str:
    """Return the formulae in a format, a comment with its title above each."""
    from lockmodel.statements.export import formula

    if style == "python":
        return "\n\n".join(one.python for one in made.formulae)
    mark = "%" if style == "latex" else "//"
    parts = []
    for one in made.formulae:
        shown = formula(one, "latex" if style == "latex" else "typst")
        parts.append(f"{mark} {made.name}, {one.name}: {one.title}\n{shown}\n")
    return "\n".join(parts)


def _text(made: Statement, numbers: Sequence[Numbers], warned: Sequence[str], colour: bool) -> str:
    parts: list[Any] = [f"{made.name}: {made.title}", ""]
    for paragraph in made.says:
        parts += [textwrap.fill(paragraph, tx.width()), ""]
    parts += [line for one in made.formulae for line in _formula_lines(one)]
    parts += ["", "where"]
    rows = [[f"  {q.text}", q.meaning + (f" [{q.unit}]" if q.unit else "")] for q in made.glossary]
    table = tx.table(["", ""], rows, left=(0, 1), fold=(1,), heads=False)
    parts += [table, ""]
    parts += tx.bullets("holds if:", made.conditions)
    parts += [textwrap.fill(f"derived: {made.derivation}", tx.width())]
    parts += [textwrap.fill(f"source: {made.source}", tx.width())]
    parts += ["", *dict.fromkeys(warned)] if warned else []
    for one in numbers:
        parts += _numbers(one)
    return tx.render(parts, colour)


def _formula_lines(one: Formula) -> list[str]:
    """Return a formula indented below its title, broken at blanks where it is long."""
    from lockmodel.statements.export import formula

    shown = textwrap.wrap(
        formula(one, "text"),
        tx.WIDTH,
        initial_indent="    ",
        subsequent_indent=" " * 8,
        break_long_words=False,
    )
    return [f"  {one.title}:", *shown]


def _numbers(numbers: Numbers) -> list[Any]:
    of = f", {numbers.lock}" if numbers.lock else ""
    head = f"{numbers.scenario} at {tx.count(numbers.population, 'process')}{of}"
    if numbers.given:
        head = f"with {', '.join(_symbols(numbers.given))}"
    parts: list[Any] = ["", f"{head}:"]
    if numbers.values:
        rows = [[f"  {one.name}", _shown(one)] for one in numbers.values]
        table = tx.table(["", ""], rows, left=(0,), fold=(0,), heads=False)
        parts.append(table)
    return [*parts, *tx.bullets("  said of these numbers:", numbers.notes)]


def _symbols(given: dict[str, float]) -> list[str]:
    """Return symbols with the values that were given for them."""
    from lockmodel.statements.symbols import GLOSSARY

    units = {name: GLOSSARY[name].unit for name in given}
    return [
        f"{GLOSSARY[name].text} = {tx.si(value, units[name]) if units[name] else f'{value:g}'}"
        for name, value in given.items()
    ]


def _shown(one: Value) -> str:
    """Return a value with its unit."""
    if one.unit == "gain":
        return tx.gain(one.value)
    if one.unit == "share":
        return "0 %" if one.value < 5e-4 else f"{100 * one.value:.1f} %"
    if one.unit in ("s", "/s"):
        return tx.si(one.value, one.unit)
    if one.unit == "number" and abs(one.value) < 10:
        return f"{one.value + 0.0:.3f}".replace("-0.000", "0.000")
    number = tx.plain(one.value) if one.value >= 9.95 else f"{one.value:.3g}"
    if one.unit == "number":
        return number
    noun = {"processes": "process"}.get(one.unit, one.unit.removesuffix("s"))
    return f"{number} {noun if number == '1' and one.unit != 'times' else one.unit}"
