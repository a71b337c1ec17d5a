"""`lockmodel figure`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lockmodel.cli import common
from lockmodel.cli.common import PLOT_SUFFIXES, Report, output_options
from lockmodel.errors import ArgumentError

if TYPE_CHECKING:
    from lockmodel.figures.registry import Entry

OPTIONS = {
    "--model": "scenario",
    "--data": "measured",
    "--only": "only",
    "--walks": "rates",
    "-n": "population",
}
"""Option -> parameter of a figure that has a use for it (`populations` counts as `population`)."""


@click.command()
@click.argument("name", required=False)
@click.option("--model", metavar="MODEL", help="Draw this scenario, not that of the paper.")
@click.option("--data", "measured", metavar="FILE", help="Measurements of MODEL (curve).")
@click.option("--only", metavar="VARIANT", help="The variant of --data to take (curve).")
@click.option("-n", "population", metavar="N", help="Population  [default: all CPUs].")
@common.walks_option
@click.option(
    "--width",
    type=click.Choice(["page", "column"]),
    default="page",
    show_default=True,
    help="Printed width: page 5.2 in, column 3.4 in.",
)
@output_options
def figure(
    name: str | None,
    model: str | None,
    measured: str | None,
    only: str | None,
    population: str | None,
    walks: str | None,
    width: str,
    as_json: bool,
    output: str | None,
    force: bool,
) -> None:
    """Draw a figure of the paper, for its scenario or for yours.

    Without NAME the figures are listed. -o FILE.svg, .pdf or .png draws; the same
    input gives the same bytes. --json (or -o FILE.json) gives the numbers that
    are drawn: times in s, rates per s.

    \b
    MODEL may be fitted (lockmodel fit -o). curve with --data fits a MODEL that is
    not; without --data it is drawn as predicted. hold and ceiling are about its
    slowest lock, without the others. shards simulates with the walkers of MODEL,
    of --walks, or with two assumed rates. solvers takes a list: -n 1,2,4.
    Printed columns:
      figure, shows    what it is called, what is in it
      --model          whether it can be drawn for a scenario
    Examples:
      lockmodel figure
      lockmodel figure chain --model sysexec-spr224-v6.12 --json
    To a file:
      $ lockmodel figure hold --model ./mine.toml -o hold.svg
      $ lockmodel figure curve --model ./mine.toml --data mine.csv -o curve.pdf
    """
    from lockmodel.figures.registry import find

    given = {
        "--model": model,
        "--data": measured,
        "--only": only,
        "--walks": walks,
        "-n": population,
    }
    if name is None:
        used = [option for option, value in given.items() if value is not None]
        if used:
            raise ArgumentError(f"NAME is missing beside {used[0]}; `lockmodel figure` lists them")
        with common.output(output, as_json, force) as write:
            write(Report(_listed, _list))
        return
    entry = find(name)
    _check_options(entry, given)
    _check_output(entry, output, as_json)
    if output is not None and output.endswith(PLOT_SUFFIXES):
        with common.new_file(output, force) as target, common.compiling():
            from lockmodel.figures.registry import draw

            made = _made(entry, given)
            draw(name, made, target.stream, target.path.suffix[1:], width)
    else:
        with common.output(output, True, force) as write, common.compiling():
            made = _made(entry, given)
            write(Report(lambda: _plain(entry, made), lambda colour: ""))
    for flag in getattr(made, "flags", ()):
        click.echo(f"note: fit: {flag}", err=True)


def _check_options(entry: Entry, given: dict[str, str | None]) -> None:
    """Refuse options that the figure has no use for, and name the figures that have."""
    from lockmodel.figures.registry import ENTRIES

    for option, value in given.items():
        parameter = OPTIONS[option]
        if value is None or _takes(entry, parameter):
            continue
        others = ", ".join(one.name for one in ENTRIES if _takes(one, parameter))
        why = f"draws {entry.needs}, no scenario" if option == "--model" else "has no use for it"
        raise ArgumentError(
            f"{option} {value}: figure {entry.name!r} {why}; these take it: {others}"
        )


def _takes(entry: Entry, parameter: str) -> bool:
    return parameter in entry.takes or (parameter == "population" and "populations" in entry.takes)


def _check_output(entry: Entry, output: str | None, as_json: bool) -> None:
    kinds = ", ".join(PLOT_SUFFIXES)
    if output is None and not as_json:
        raise ArgumentError(
            f"figure {entry.name!r}: say where to: -o {entry.name}.svg (or {kinds[6:]}), or --json "
            f"for its numbers"
        )
    if output is None:
        return
    drawn = output.endswith(PLOT_SUFFIXES)
    if not drawn and not output.endswith(".json"):
        raise ArgumentError(f"-o {output}: a figure ends in {kinds}; its numbers in .json")
    if drawn and as_json:
        raise ArgumentError(f"-o {output} is a picture; leave --json out, or end it in .json")


def _made(entry: Entry, given: dict[str, str | None]) -> Any:
    """Return the data of the figure from the options."""
    from lockmodel.figures import registry
    from lockmodel.model.populations import parse_counts, parse_one
    from lockmodel.model.shipped import find_scenario

    made: dict[str, Any] = {}
    if given["--model"] is not None or given["--walks"] is not None:
        scenario = find_scenario(given["--model"] or registry.MODEL)
        made["scenario"] = common.with_walkers(scenario, given["--walks"])
    if given["--data"] is not None:
        made["measured"] = given["--data"]
    if given["--only"] is not None:
        made["only"] = given["--only"]
    if given["-n"] is not None:
        if "populations" in entry.takes:
            made["populations"] = parse_counts(given["-n"])
        else:
            made["population"] = parse_one(given["-n"])
    if registry.PROGRESS in entry.takes:
        made[registry.PROGRESS] = common.progress
    return registry.make(entry.name, **made)


def _plain(entry: Entry, made: Any) -> dict[str, Any]:
    from dataclasses import asdict

    from lockmodel.figures.registry import SCHEMA

    return {"schema": SCHEMA, "figure": entry.name, "shows": entry.title, "data": asdict(made)}


def _listed() -> dict[str, Any]:
    from lockmodel.figures.registry import ENTRIES, SCHEMA

    return {
        "schema": SCHEMA,
        "figures": [
            {"name": e.name, "shows": e.title, "model": e.takes_model, "default": e.needs}
            for e in ENTRIES
        ],
    }


def _list(colour: bool) -> str:
    from lockmodel.cli import text as tx
    from lockmodel.figures.registry import ENTRIES

    rows = [[e.name, e.title, "yes" if e.takes_model else "-"] for e in ENTRIES]
    table = tx.table(["figure", "shows", "--model"], rows, left=(0, 1, 2))
    return tx.render([table, "", "lockmodel figure NAME [--model MODEL] -o FILE.svg"], colour)
