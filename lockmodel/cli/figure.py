"""`lockmodel figure`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer import Argument, Option

from lockmodel.cli import common, files, inputs, options
from lockmodel.cli import text as tx
from lockmodel.cli.files import PLOT_SUFFIXES, Report
from lockmodel.errors import ArgumentError, FileError, NotTrustworthyError

if TYPE_CHECKING:
    from lockmodel.figures.every import Drawn
    from lockmodel.figures.registry import FigureEntry

ALL = "all"
"""Stands for every figure."""

OPTIONS = {
    "--model": "scenario",
    "--data": "measured",
    "--only": "only",
    "--walks": "rates",
    "--set": "scenario",
    "-n": "population",
}
"""Option -> parameter of a figure that has a use for it (`populations` counts as `population`)."""


def figure(
    name: Annotated[
        str | None,
        Argument(
            metavar="[NAME]",
            help="Of a figure, or all; without it they are listed.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str | None,
        Option(
            metavar="MODEL", help="Draw this scenario, not that of the paper.", show_default=False
        ),
    ] = None,
    measured: Annotated[
        str | None,
        Option("--data", metavar="FILE", help="Measurements of MODEL (curve).", show_default=False),
    ] = None,
    only: Annotated[
        str | None,
        Option(
            metavar="VARIANT", help="The variant of --data to take (curve).", show_default=False
        ),
    ] = None,
    population: options.Population = None,
    walks: options.Walks = None,
    edits: options.Edits = None,
    width: Annotated[
        Literal["page", "column"] | None,
        Option(
            help="Printed width: page 5.2 in, column 3.4 in  [default: page; all: that of the "
            "paper].",
            show_default=False,
        ),
    ] = None,
    as_json: options.Json = False,
    output: options.Output = None,
    force: options.Force = False,
) -> None:
    """Draw a figure of the paper, for its scenario or for yours.

    Without NAME the figures are listed. -o FILE.svg, .pdf or .png draws; the same
    input gives the same bytes. --json (or -o FILE.json) gives the numbers that
    are drawn: times in s, rates per s. all draws every figure as SVG and PDF, as in
    the paper, into the folder of -o; ^C leaves those that are finished.

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
    To files:
      $ lockmodel figure all -o figures
      $ lockmodel figure hold --model ./mine.toml -o hold.svg
      $ lockmodel figure curve --model ./mine.toml --data mine.csv -o curve.pdf
    """
    from lockmodel.figures.registry import find

    given = {
        "--model": model,
        "--data": measured,
        "--only": only,
        "--walks": walks,
        "--set": " ".join(edits or ()) or None,
        "-n": population,
    }
    if name is None:
        used = [option for option, value in given.items() if value is not None]
        if used:
            raise ArgumentError(f"NAME is missing beside {used[0]}; `lockmodel figure` lists them")
        with files.output(output, as_json, force) as write:
            write(Report(_listed, _list))
        return
    if name == ALL:
        _all(_folder(given, output, as_json), width, force)
        return
    entry = find(name)
    _check_options(entry, given)
    _check_output(entry, output, as_json)
    if output is not None and output.endswith(PLOT_SUFFIXES):
        with files.new_file(output, force) as target, common.compiling():
            from lockmodel.figures.registry import draw

            made = _made(entry, given, edits)
            draw(name, made, target.stream, target.path.suffix[1:], width or "page")
    else:
        with files.output(output, True, force) as write, common.compiling():
            made = _made(entry, given, edits)
            write(Report(lambda: _plain(entry, made), lambda colour: ""))
    for flag in getattr(made, "flags", ()):
        typer.echo(f"note: fit: {flag}", err=True)


def _folder(given: dict[str, str | None], output: str | None, as_json: bool) -> Path:
    """Return the folder for all figures; refuse what fits only one."""
    for option, value in given.items():
        if value is not None:
            raise ArgumentError(
                f"{option} {value}: all draws the figures as in the paper; these take it, one at "
                f"a time: {_takers(OPTIONS[option])}"
            )
    if as_json:
        raise ArgumentError(
            "--json: all draws pictures; `lockmodel figure NAME --json` has numbers"
        )
    if output is None:
        raise ArgumentError("all: say where to: -o DIR, a folder for SVG and PDF of each figure")
    if output.endswith((*PLOT_SUFFIXES, ".json")):
        raise ArgumentError(f"-o {output}: all fills a folder; give its name, e.g. -o figures")
    return Path(output)


def _all(folder: Path, width: str | None, force: bool) -> None:
    """Draw every figure into a folder; those that are finished stay whatever happens."""
    from lockmodel.figures.every import draw_all, file_names
    from lockmodel.figures.registry import NAMES

    for path in (folder / name for name in file_names()):
        if path.exists() and not force:  # before the long part
            raise FileError(f"{path}: exists and is kept; use --force to overwrite it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{folder}: cannot be made: {error.strerror}") from None
    finished = []

    def keep(drawn: Drawn) -> None:
        for name, content in drawn.files.items():
            with files.new_file(str(folder / name), force) as target:
                target.stream.write(content)
        for flag in drawn.flags:
            typer.echo(f"note: {drawn.name}: fit: {flag}", err=True)
        finished.append(drawn.name)

    try:
        draw_all(keep, width, common.progress)
    except KeyboardInterrupt:
        raise NotTrustworthyError(
            f"interrupted: only {len(finished)} of {len(NAMES)} figures are drawn"
        ) from None


def _check_options(entry: FigureEntry, given: dict[str, str | None]) -> None:
    """Refuse options that the figure has no use for, and name the figures that have."""
    for option, value in given.items():
        parameter = OPTIONS[option]
        if value is None or _takes(entry, parameter):
            continue
        scenario = OPTIONS[option] == "scenario"
        why = f"draws {entry.needs}, no scenario" if scenario else "has no use for it"
        raise ArgumentError(
            f"{option} {value}: figure {entry.name!r} {why}; these take it: {_takers(parameter)}"
        )


def _takers(parameter: str) -> str:
    from lockmodel.figures.registry import ENTRIES

    return ", ".join(one.name for one in ENTRIES if _takes(one, parameter))


def _takes(entry: FigureEntry, parameter: str) -> bool:
    return parameter in entry.takes or (parameter == "population" and "populations" in entry.takes)


def _check_output(entry: FigureEntry, output: str | None, as_json: bool) -> None:
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


def _made(entry: FigureEntry, given: dict[str, str | None], edits: Sequence[str] | None) -> Any:
    """Return the data of the figure from the options."""
    from lockmodel.figures import registry
    from lockmodel.model.populations import parse_counts, parse_one

    made: dict[str, Any] = {}
    if any(given[option] is not None for option in ("--model", "--walks", "--set")):
        named = given["--model"] or registry.MODEL
        made["scenario"] = inputs.scenario(named, given["--walks"], edits=edits)
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


def _plain(entry: FigureEntry, made: Any) -> dict[str, Any]:
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
    from lockmodel.figures.registry import ENTRIES

    rows = [[e.name, e.title, "yes" if e.takes_model else "-"] for e in ENTRIES]
    table = tx.table(["figure", "shows", "--model"], rows, left=(0, 1, 2))
    usage = ["lockmodel figure NAME [--model MODEL] -o FILE.svg", "lockmodel figure all -o DIR"]
    return tx.render([table, "", *usage], colour)
