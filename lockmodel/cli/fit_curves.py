"""`lockmodel fit` without a model: the families compete for every curve of the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lockmodel.cli import common, files, inputs
from lockmodel.cli.fit_curves_text import AHEAD, Compared, report
from lockmodel.cli.fit_text import unreliable
from lockmodel.errors import ArgumentError, ScenarioError, nearest

if TYPE_CHECKING:
    from lockmodel.answers.band import FittedCurve
    from lockmodel.cli.data_options import Files
    from lockmodel.fitting.curves.curve import Curve
    from lockmodel.observe.joining import Joined
    from lockmodel.observe.observations import Reading
    from lockmodel.progress import Progress

TITLE = "the pool, 90 % band"
"""Of its picture."""


@dataclass(frozen=True)
class Asked:
    """A curve that the families are to be compared on; `rate`: whether it is per second."""

    files: tuple[str, ...]
    rate: bool
    curve: Curve


def compete(data: Sequence[str], options: dict[str, Any], into: Files) -> None:
    """Compare the families on every curve, print and write what was asked for."""
    asked, sentences = curves_in([(name, inputs.data(name)) for name in data], options)
    for sentence in sentences:
        typer.echo(f"lockmodel: {sentence}", err=True)
    if into.output is not None and len(asked) > 1:
        names = ", ".join(repr(one.curve.label) for one in asked[:8])
        raise ArgumentError(f"-o {into.output}: there are several curves; --only one of {names}")
    with (
        files.optional_file(into.output, into.force) as toml,
        files.optional_file(into.report, into.force) as markdown,
        files.optional_file(into.plot_file, into.force) as picture,
        files.output(None, into.as_json, into.force) as write,
    ):
        compared = compete_for(asked, common.progress)
        if toml is not None:
            toml.stream.write(_scenario(compared[0], options).encode())
        write(report(compared, into.output, into.explain))
        if markdown is not None:
            fenced = report(compared, into.output, explain=True).text(False)
            markdown.stream.write(f"# Curve families\n\n```\n{fenced}```\n".encode())
        if into.drawn:
            into.draw([drawn(one) for one in compared], TITLE, picture)
    check_usable(compared)


def curves_in(
    paths: Sequence[tuple[str, Path]], options: dict[str, Any]
) -> tuple[list[Asked], list[str]]:
    """Return the curves of files that were asked for, and what is to be said of the files."""
    from lockmodel.fitting.datasets import check_once
    from lockmodel.observe.joining import joined
    from lockmodel.observe.readers import read_file

    check_once(paths)
    found = joined((name, read_file(path, options["reading"])) for name, path in paths)
    texts = dict(paths)
    asked = [
        Asked(one.names, _per_second(one.reading), curve)
        for one in found
        for curve in _chosen(one, texts, options)
    ]
    return asked, [sentence for one in found for sentence in one.sentences]


def compete_for(asked: Sequence[Asked], progress: Progress) -> list[Compared]:
    """Compare the families on every curve."""
    from lockmodel.fitting.curves.comparison import compare

    return [
        Compared(one.files, one.rate, compare(one.curve))
        for one in progress(asked, len(asked), "curves")
    ]


def check_usable(compared: Sequence[Compared]) -> None:
    """Raise NotTrustworthyError when no curve has the shape of any family."""
    poor = [one for one in compared if one.comparison.misfit and one.comparison.misfit.gross]
    if len(poor) == len(compared):
        raise unreliable(next(f for f in poor[0].flags if f.startswith("POOR FIT")))


def _chosen(one: Joined, paths: Mapping[str, Path], options: dict[str, Any]) -> list[Curve]:
    """Return the curves of a file, or of several joined, that were asked for."""
    from lockmodel.fitting.curves.curve import curves_of
    from lockmodel.model.machines import parse
    from lockmodel.observe.text import load

    asked, name = options["machine"], one.name
    lines = [line.text for own in one.names for line in load(paths[own], own).lines]
    header = [line for line in lines if line.lstrip().startswith("#")]
    curves = curves_of(one.reading, asked and parse(asked), options["cpus"], header)
    if not curves:
        raise ScenarioError(
            f"{name}: no throughput at three populations or more; nothing to fit without a model"
        )
    wanted = [text for text in (options["what"], *options["only"]) if text]
    for text in wanted:
        named = [c for c in curves if text == c.label or text in c.label.split("/")]
        named = named or [c for c in curves if text in c.label]
        if not named:
            labels = [c.label for c in curves]
            raise ArgumentError(
                f"--only {text!r}: {name} has no such curve; {nearest(text, labels)}"
            )
        curves = tuple(named)
    return list(curves)


def _per_second(reading: Reading) -> bool:
    return all(o.unit == "1/s" for o in reading.observations if o.kind == "throughput")


def _scenario(one: Compared, options: dict[str, Any]) -> str:
    """Return the TOML of the best lock family, fitted with intervals like any model."""
    from lockmodel.fitting.datasets import Wanted, load_sets
    from lockmodel.fitting.estimate import Settings
    from lockmodel.fitting.fitting import run
    from lockmodel.fitting.generic import generic
    from lockmodel.model.toml import dumps

    if not one.rate:
        raise ScenarioError(
            f"{one.file}: throughput is in a unit that is not a rate per second, so there are no "
            f"times to save; state it in the header, e.g. '# unit: ops/s'"
        )
    made = generic(one.comparison, "generic-lock", one.file)
    label = one.comparison.curve.label
    wanted = [Wanted(inputs.data(name), name, made.scenario) for name in one.files]
    only = [part for part in label.split("/") if part] if options["only"] else []
    loaded = load_sets(wanted, {}, options["what"], only, options["reading"])
    fitted = run(loaded, made.free, settings=Settings(priors=False), progress=common.progress)
    return dumps(fitted.scenarios[0])


def drawn(one: Compared) -> FittedCurve:
    """Return a curve with what the pool predicts, to be drawn."""
    from lockmodel.answers.band import FittedCurve, grid_to

    curve = one.comparison.curve
    grid = sorted(
        {*grid_to(AHEAD[0] * int(curve.n[-1])), *(int(n) for n in one.comparison.average.curve.n)}
    )
    median, low, high = one.comparison.predict(grid)
    sd = [0.0] * len(curve.n) if curve.sd is None else curve.sd.tolist()
    return FittedCurve(
        curve.label,
        tuple(int(n) for n in curve.n),
        tuple(curve.x.tolist()),
        tuple(sd),
        tuple(grid),
        tuple(median.tolist()),
        tuple(low.tolist()),
        tuple(high.tolist()),
        (),
    )
