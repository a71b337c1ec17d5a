"""Options of the commands that read measurements and fit them: import, fit, design."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import click

from lockmodel.errors import ArgumentError

unit_option = click.option(
    "--unit",
    type=click.Choice(["s", "ms", "us", "ns"]),
    help="Unit of times that have none (bpftrace).",
)
quantity_option = click.option(
    "--quantity",
    type=click.Choice(["hold", "wait"]),
    help="What times without a name are (bpftrace).",
)
variant_option = click.option(
    "--variant",
    "variants",
    multiple=True,
    metavar="NAME=LEVERS",
    help="What a variant of the data changes: levers, separated by ';'. Repeatable.",
)
only_option = click.option(
    "--only", multiple=True, metavar="NAME", help="Take this variant only. Repeatable."
)
what_option = click.option(
    "--what", metavar="TEST", help="The test to take, where a file holds several."
)
priors_option = click.option(
    "--priors/--no-priors", default=True, help="Whether published ranges take part."
)


@dataclass(frozen=True)
class Files:
    """Where the answer of a fit goes."""

    output: str | None
    report: str | None
    plot: str | None
    as_json: bool
    force: bool


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


def free_names(text: str) -> tuple[str, ...]:
    """Return the parameters of --free; none for an empty text, the default."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if text and not names:
        raise ArgumentError(f"--free {text!r}: names no parameter; write --free think,hold")
    return names
