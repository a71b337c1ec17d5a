"""`lockmodel paper`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from lockmodel.cli import common
from lockmodel.cli.common import Report, output_options
from lockmodel.errors import ArgumentError

if TYPE_CHECKING:
    from lockmodel.paper.build import Built

SCHEMA = "lockmodel.paper/1"
LIST_SCHEMA = "lockmodel.paper-list/1"


@click.command()
@click.option("--list", "listed", is_flag=True, help="List figures and what writes the numbers.")
@click.option("--only", metavar="FIGURE", help="Draw this figure and nothing else.")
@click.option("--anew", is_flag=True, help="Run every script, even if nothing has changed.")
@output_options
def paper(
    listed: bool, only: str | None, anew: bool, as_json: bool, output: str | None, force: bool
) -> None:
    """Build paper/lockmodel.pdf: figures, tables and numbers first, then the text.

    Works in a checkout only: the text is not in the installed package. All comes
    from data/ and models/, and goes to paper/figures, paper/numbers and
    paper/lockmodel.pdf, which are overwritten; -o and --force are about the
    report. The same input gives the same bytes.

    \b
    The text names its numbers and types none. A number that is typed, missing,
    used nowhere, or made from other data, models or modules than the present
    fails the build (exit 1), with its place. A script is run again when the hash
    of anything that it could rest on has changed.
    Printed:
      pages            of the PDF, references and appendix included
      ran, reused      scripts that were run, and whose results were up to date
      in               time of this build
    Examples:
      lockmodel paper --list
    In a checkout:
      $ lockmodel paper
      $ lockmodel paper --only chain
    """
    if listed and (only is not None or anew):
        raise ArgumentError("--list builds nothing: leave --only and --anew out")
    from lockmodel.paper.build import build, folder

    where = folder()
    if listed:
        with common.output(output, as_json, force) as write:
            write(Report(_listed, _list))
        return
    start = time.monotonic()
    with common.output(output, as_json, force) as write:
        made = build(where, only, anew, progress=common.progress)
        seconds = time.monotonic() - start
        write(Report(lambda: _plain(made, seconds), lambda colour: _text(made, seconds)))


def _scripts() -> list[tuple[str, str, str]]:
    """Return kind, name and path of every script."""
    from lockmodel.paper.build import folder
    from lockmodel.paper.scripts import find

    return sorted(
        ("figure" if one.draws else "numbers", one.name, one.path) for one in find(folder())
    )


def _listed() -> dict[str, Any]:
    scripts = [{"kind": k, "name": n, "script": f"paper/{p}"} for k, n, p in _scripts()]
    return {"schema": LIST_SCHEMA, "scripts": scripts}


def _list(colour: bool) -> str:
    from lockmodel.cli import text as tx

    rows = [[kind, name, f"paper/{path}"] for kind, name, path in _scripts()]
    return tx.render([tx.table(["writes", "name", "script"], rows, left=(0, 1, 2))], colour)


def _plain(made: Built, seconds: float) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "pdf": None if made.pdf is None else str(made.pdf),
        "pages": made.pages,
        "figures": [str(path) for path in made.figures],
        "values": made.values,
        "tables": made.tables,
        "ran": list(made.ran),
        "reused": list(made.reused),
        "seconds": seconds,
    }


def _text(made: Built, seconds: float) -> str:
    from lockmodel.cli import text as tx

    done = f"ran {len(made.ran)}, reused {len(made.reused)}, in {seconds:.0f} s\n"
    if made.pdf is None:
        return "".join(f"{path}\n" for path in made.figures) + done
    size = f"{tx.count(made.pages, 'page')}, {tx.count(len(made.figures) // 2, 'figure')}"
    return (
        f"{made.pdf}: {size}, {tx.count(made.tables, 'table')}, {made.values} named values\n{done}"
    )
