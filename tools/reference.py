"""Fill in what the pages say from the code, between "<!-- made: NAME -->" and "<!-- end -->".

Usage: python tools/reference.py [--check]

A page of docs/ and README.md may have any part of `PARTS` anywhere. --check changes nothing and
exits 1 if a page is not what the code says.
"""

from __future__ import annotations

import argparse
import contextlib
import html
import inspect
import io
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints
from unittest import mock

import msgspec

from lockmodel import errors
from lockmodel.changes.kinds import KINDS
from lockmodel.cli import run
from lockmodel.cli.app import HEADINGS
from lockmodel.model import scenario as sc
from lockmodel.model.classes import IterationClass
from lockmodel.model.disciplines import DISCIPLINES
from lockmodel.model.distribution import DISTRIBUTION_FAMILIES
from lockmodel.model.handoff import HANDOFF_FAMILIES
from lockmodel.model.lscpu import KEYS
from lockmodel.model.machine import LineTimes
from lockmodel.model.tables import TIME_KEYS, UNIT_EXPONENT, typed
from lockmodel.observe.coverage import DETERMINES
from lockmodel.observe.export import COLUMNS as LONG
from lockmodel.observe.headers import HEADERS
from lockmodel.observe.observations import MEANINGS, UNITS
from lockmodel.observe.readers import FORMATS, module
from lockmodel.observe.readers.columns import COLUMNS, TIME_UNITS

ROOT = Path(__file__).resolve().parent.parent
MADE = re.compile(r"(<!-- made: (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
WIDTH = "80"


def table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table in Markdown."""
    lines = [heads, ("---",) * len(heads), *rows]
    return "".join(f"| {' | '.join(map(_cell, row))} |\n" for row in lines)


def _cell(text: str) -> str:
    """Return a cell in which "|" is no border, for git hosts and for the site alike."""
    text = re.sub(
        r"`([^`]*\|[^`]*)`",
        lambda match: f"<code>{html.escape(match[1], quote=False)}</code>",
        text,
    )
    return text.replace("|", "&#124;")


def code(*words: str) -> str:
    """Return words as code, with commas between."""
    return ", ".join(f"`{word}`" for word in words)


def help_of(*words: str) -> str:
    """Return what --help prints, on a terminal of 80 columns."""
    said = io.StringIO()
    with mock.patch.dict(os.environ, COLUMNS=WIDTH), contextlib.redirect_stdout(said):
        run([*words, "--help"])
    return said.getvalue().rstrip("\n")


def subcommands(text: str) -> list[str]:
    """Return the names under "Commands:" in a help text."""
    _, _, listed = text.partition("\nCommands:\n")
    return re.findall(r"^  (\w+)", listed, re.MULTILINE)


def _command(level: int, *words: str) -> Iterator[str]:
    said = help_of(*words)
    yield f"\n{'#' * level} {' '.join(words)}\n\n```text\n{said}\n```\n"
    for name in subcommands(said) if words else []:
        yield from _command(level + 1, *words, name)


def commands() -> str:
    """Return the help of every command, by heading."""
    parts = [f"\n```text\n{help_of()}\n```\n"]
    for heading, names in HEADINGS.items():
        parts.append(f"\n## {heading}\n")
        for name in names:
            parts += _command(3, name)
    return "".join(parts).strip("\n") + "\n"


def levers() -> str:
    """Return the table of levers."""
    rows = [(f"`{kind.form}`", kind.meaning, kind.at_best) for kind in KINDS.values()]
    return table(("`--lever`", "what it does", "at best"), rows)


def formats() -> str:
    """Return a row per format: what is read, which kinds that gives, how to make the file."""
    rows = []
    for name in FORMATS:
        reader = module(name)
        every = set(reader.GIVES) == set(UNITS)
        gives = "all kinds" if every else ", ".join(reader.GIVES).replace("_", " ")
        seen = getattr(reader, "SEEN", "")
        file = f"{reader.TITLE} ({seen})" if seen else reader.TITLE
        rows.append((f"`{name}`", file, reader.READS, gives, reader.REMEDY))
    return table(("`--format`", "file", "what is read", "gives", "how to make one"), rows)


def kinds() -> str:
    """Return what each kind of observation is and can determine."""
    rows = [
        (kind.replace("_", " "), ", ".join(UNITS[kind]), MEANINGS[kind], DETERMINES[kind])
        for kind in UNITS
    ]
    return table(("kind", "unit", "what it is", "what it can determine"), rows)


def columns() -> str:
    """Return the columns of a CSV of throughput."""
    rows = []
    for column in COLUMNS:
        names = column.names
        if column.observed:
            names = tuple(f"{name}_{unit}" for name in names for unit in TIME_UNITS)
        kind = "tells curves apart" if column.tells else "measurement"
        kind = "repeat" if column.name == "repeat" else kind
        kind = "population" if column.name == "tasks" else kind
        rows.append((code(names[0]), code(*names[1:]), kind, column.meaning))
    return table(("column", "or", "it is", "meaning"), rows)


def comments() -> str:
    """Return the comments that are understood."""
    rows = [(f"`# {header.key}:`", header.meaning, _use(header)) for header in HEADERS]
    rows.insert(
        2, (code(*(f"# {key}:" for key in KEYS)), "what `LC_ALL=C lscpu` prints, pasted", "")
    )
    return table(("comment", "meaning", "between files"), rows)


def _use(header: Any) -> str:
    used = "repeats may differ in it" if header.passing else ""
    return "`gate` says where it differs" if header.compared else used


def long_columns() -> str:
    """Return the columns of an observation."""
    return table(("column", "meaning"), [(f"`{name}`", text) for name, text in LONG.items()])


def exit_codes() -> str:
    """Return the exit codes, from the errors."""
    rows = [("0", "fine")]
    for error in vars(errors).values():
        own = isinstance(error, type) and "exit_code" in vars(error)
        if own and error is not errors.LockmodelError:
            said = (error.__doc__ or "").partition(" (exit")[0]
            rows.append((str(error.exit_code), said))
    return table(("code", "meaning"), rows)


ENTRY = re.compile(r"^(?P<names>\w+(?:, \w+)*)(?: : (?P<type>.*))?$")


def parameters(struct: type) -> dict[str, tuple[tuple[str, ...], str]]:
    """Return field -> (all fields of its entry, text) of a numpydoc "Parameters" section."""
    _, _, section = (inspect.getdoc(struct) or "").partition("Parameters\n----------\n")
    made: dict[str, tuple[tuple[str, ...], str]] = {}
    names: tuple[str, ...] = ()
    for line in section.splitlines():
        if line.startswith("    "):
            made |= {name: (names, f"{made[name][1]} {line.strip()}".strip()) for name in names}
        elif match := ENTRY.fullmatch(line):
            names = tuple(match["names"].split(", "))
            made |= dict.fromkeys(names, (names, ""))
    return made


def _shown(value: object) -> str:
    if isinstance(value, msgspec.Struct):
        return str(type(value).__struct_config__.tag or "")
    if value is None or value in ((), ""):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _default(field: Any) -> str:
    if field.required:
        return "needed"
    if field.name in TIME_KEYS and isinstance(field.default, float):
        return f"{field.default / 10.0 ** UNIT_EXPONENT[TIME_KEYS[field.name]]:g}"
    return _shown(field.default)


IN_A_FILE = {
    r",? in seconds\b": "",
    r"\bSeconds\b": "Time",
    r"\bseconds\b": "time",
    r"\bNone\b": "left out",
}
"""What docstrings say of the code -> what it is in a file, whose keys end in their unit."""


def _in_a_file(text: str) -> str:
    for said, instead in IN_A_FILE.items():
        text = re.sub(said, instead, text)
    return text


def _choices(struct: type, name: str) -> str:
    """Return the words that a key may have, as the end of a sentence."""
    annotation = get_type_hints(struct)[name]
    words = get_args(annotation) if get_origin(annotation) is Literal else ()
    return f" One of {code(*words)}." if words else ""


def keys(struct: type[msgspec.Struct], timed: bool = True) -> str:
    """Return the keys of a table; a field that its docstring leaves out is a KeyError."""
    said = parameters(struct)
    rows: list[tuple[str, ...]] = []
    done: set[str] = set()
    for field in msgspec.structs.fields(struct):
        if field.name in done:
            continue
        together, text = said[field.name]
        own = [f for f in msgspec.structs.fields(struct) if f.name in together]
        done |= set(together)
        defaults = [_default(f) for f in own]
        defaults = defaults[:1] if len(set(defaults)) == 1 else [one or "-" for one in defaults]
        names = code(*(typed(f.name) if timed else f.name for f in own))
        meaning = _in_a_file(text or "See below.") + _choices(struct, field.name)
        rows.append((names, ", ".join(defaults), meaning))
    return table(("key", "default", "meaning"), rows)


def families(structs: dict[str, type[msgspec.Struct]]) -> str:
    """Return the families of a table that has a key `family`."""
    rows = []
    for name, struct in structs.items():
        what, _, _ = (struct.__doc__ or "").partition("\n")
        said = parameters(struct)
        listed = dict.fromkeys(said[f.name] for f in msgspec.structs.fields(struct))
        own = "; ".join(
            f"{code(*map(typed, names))}: {_in_a_file(text).rstrip('.')}" for names, text in listed
        )
        rows.append((f"`{name}`", what, own))
    return table(("`family`", "what it is", "its keys"), rows)


def disciplines() -> str:
    """Return the disciplines of locks, and what answers of each."""
    said = {True: "yes", False: "no"}
    rows = [
        (f"`{one.name}`", one.sentence, said[one.station], said[one.chain], said[one.mapped])
        for one in DISCIPLINES.values()
    ]
    heads = ("product form, levers, fits", "Markov chain", "error of product form measured")
    return table(("`kind`", "who comes next, and how one waits", *heads), rows)


FORM = re.compile(r'"(lockmodel\.[\w-]+/\d+)"')


def schemas() -> str:
    """Return the schemas of JSON that the package names, with the modules that make them."""
    found: dict[str, tuple[str, ...]] = {}
    for path in sorted((ROOT / "lockmodel").rglob("*.py")):
        text = path.read_text()
        said, _, _ = text.removeprefix('"""').partition("\n")
        for schema in FORM.findall(text):
            where = str(path.relative_to(ROOT))
            found.setdefault(schema, (f"`{schema}`", f"`{where}`", said.removesuffix('"""')))
    return table(("schema", "made by", "which is"), [found[schema] for schema in sorted(found)])


PARTS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "levers": levers,
    "formats": formats,
    "kinds": kinds,
    "columns": columns,
    "comments": comments,
    "long-columns": long_columns,
    "exit-codes": exit_codes,
    "schemas": schemas,
    "scenario": lambda: keys(sc.Scenario),
    "machine": lambda: keys(sc.Machine),
    "line-times": lambda: keys(LineTimes, timed=False),
    "lock": lambda: keys(sc.Lock),
    "site": lambda: keys(sc.Site),
    "class": lambda: keys(IterationClass),
    "walkers": lambda: keys(sc.Walkers),
    "calibrated": lambda: keys(sc.Calibrated),
    "provenance": lambda: keys(sc.Provenance),
    "disciplines": disciplines,
    "handoffs": lambda: families(HANDOFF_FAMILIES),
    "distributions": lambda: families(DISTRIBUTION_FAMILIES),
}
"""Name of a part -> what makes it."""


def pages() -> list[Path]:
    """Return README.md and every page of docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def made_anew(text: str) -> str:
    """Return a page with its parts made anew; raises KeyError for one that there is not."""
    return MADE.sub(lambda match: f"{match[1]}\n{PARTS[match['name']]()}\n{match[3]}", text)


def main() -> int:
    """Rewrite or check the pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = []
    for page in pages():
        old = page.read_text()
        new = made_anew(old)
        if new != old:
            stale.append(page)
            if not check:
                page.write_text(new)
    if check and stale:
        print(f"{', '.join(map(str, stale))}: not what the code says; run `make reference`")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
