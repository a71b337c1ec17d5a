"""What the texts of --variant, --share and --free mean, and where the answer of a fit goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lockmodel.cli import files
from lockmodel.errors import ArgumentError, nearest

if TYPE_CHECKING:
    from lockmodel.answers.band import FittedCurve
    from lockmodel.changes.lever import Lever

MOST_PROCESSES = 1_000_000
"""Largest population of --at."""


@dataclass(frozen=True)
class Files:
    """Where the answer of a fit goes."""

    output: str | None
    report: str | None
    plot: bool
    plot_file: str | None
    as_json: bool
    force: bool
    explain: bool

    @property
    def drawn(self) -> bool:
        """Whether a picture is asked for."""
        return self.plot or self.plot_file is not None

    def draw(self, curves: Sequence[FittedCurve], title: str, picture: files.Target | None) -> None:
        """Draw fitted curves to the file of --plot-file, and in the terminal with --plot."""
        if picture is not None:
            from lockmodel.figures.fit import draw

            draw(curves, title, picture.stream, picture.path.suffix[1:])
        if self.plot:
            from lockmodel.figures.fit_terminal import draw as draw_terminal

            files.echo(draw_terminal(curves, title))


def pairs(option: str, texts: Sequence[str], form: str) -> dict[str, str]:
    """Return NAME=VALUE texts as a dict."""
    made: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ArgumentError(f"{option} {text!r}: write {option} {form}")
        if name in made:
            raise ArgumentError(f"{option} {text!r}: {name} is given twice; keep one")
        made[name] = value
    return made


def levers_of(variants: Sequence[str]) -> dict[str, tuple[Lever, ...]]:
    """Return what each variant of the data changes, from NAME=LEVERS."""
    from lockmodel.changes.grammar import parse_all

    texts = pairs("--variant", variants, "NAME=LEVERS")
    return {name: parse_all(text, "--variant") for name, text in texts.items()}


def free_names(text: str) -> tuple[str, ...]:
    """Return the parameters of --free; none for an empty text, the default."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if text and not names:
        raise ArgumentError(f"--free {text!r}: names no parameter; write --free think,hold")
    return names


def columns(text: str | None) -> tuple[tuple[str, str], ...]:
    """Return our name and the file's of each column of --columns."""
    return (
        tuple(pairs("--columns", text.split(","), "threads=HEAD,throughput=HEAD").items())
        if text
        else ()
    )


def populations(texts: Sequence[str] | None, names: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Return the population of each file of --at, which must be one of `names`."""
    made = []
    for name, number in pairs("--at", texts or (), "FILE=N").items():
        if name not in names:
            raise ArgumentError(
                f"--at {name}={number}: no such file is given; {nearest(name, list(names))}"
            )
        if not number.isdecimal() or not 1 <= int(number[:9]) <= MOST_PROCESSES:
            raise ArgumentError(f"--at {name}={number}: a population is a whole number from 1 on")
        made.append((name, int(number)))
    return tuple(made)
