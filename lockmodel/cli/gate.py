"""`lockmodel gate`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from lockmodel.cli import files, inputs, options
from lockmodel.cli.files import Report
from lockmodel.errors import ArgumentError, GateFailedError, NotTrustworthyError

if TYPE_CHECKING:
    from lockmodel.evaluate.gate.side import Side


def gate(
    base: Annotated[
        str,
        Argument(
            metavar="BASE",
            help="A file that `lockmodel import` reads, or FILE:VARIANT; - is standard input.",
            show_default=False,
        ),
    ],
    new: Annotated[
        str,
        Argument(
            metavar="NEW", help="The same; :VARIANT is one of BASE's file.", show_default=False
        ),
    ],
    at: Annotated[
        str | None,
        Option(
            "--at",
            metavar="LIST",
            help=f"Decide at these populations only: {options.COUNTS}.",
            show_default=False,
        ),
    ] = None,
    fail_below: Annotated[
        str | None,
        Option(
            metavar="-P%",
            help="Fail if a REAL change is below it, e.g. -5%  [default: any REAL drop fails].",
            show_default=False,
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        Option(
            "--only",
            metavar="NAME",
            help="Take this variant of both files. Repeatable.",
            show_default=False,
        ),
    ] = None,
    what: options.What = None,
    level: Annotated[
        str,
        Option(metavar="P%", help="Share of gates of equal curves without a false alarm."),
    ] = "95%",
    every: options.All = False,
    as_json: options.Json = False,
    output: options.Output = None,
    force: options.Force = False,
) -> None:
    """Whether one measured curve is slower than another, or it is noise.

    BASE and NEW are throughput at some populations, each measured three times or
    more (`lockmodel bench`, or a CSV with tasks,throughput,repeat); a column sd
    counts as stated. Without either the noise is not known: 5 % is assumed, the
    upper end of what is usual. -o FILE.md writes a comment for a pull request.
    Exit codes: 0 passed; 5 failed; 1 these data cannot decide: noise could hide a
    drop as large as --fail-below (5 % without it), or no population is common.

    \b
    Printed numbers:
      change           NEW over BASE: -8 % is 0.92 times
      95 % interval    of all populations together: of 100 gates of equal curves
                       at most 5 (--level) have one that leaves no change out
      noise floor      what two measurements of one kernel differ by in 5 of 100
                       cases at one population, by the noise of all repeats
      REAL             the interval leaves no change out; else WITHIN NOISE
      what moved       the change of the lock's demand and of the think time that
                       gives such a change of a curve with one lock; hold times
                       in both files (hold_ns) tell held work from hand-off
    Repeats of one session do not show how sessions differ (boot, layout, other
    machine): measure BASE and NEW in turns on one machine, and use --fail-below.
    Example, with a file that has both:
      lockmodel gate cna_v3_locktorture.csv:stock :patch_CNA --fail-below -15%
    After a measurement of each:
      $ lockmodel gate main.csv branch.csv --fail-below -5%
    """
    from lockmodel.cli.gate_text import comment, in_short, rows, text
    from lockmodel.evaluate.gate.verdict import gate as compare
    from lockmodel.model.populations import parse_counts

    limit = 0.0 if fail_below is None else _share("--fail-below", fail_below, "-5%")
    if not -1.0 < limit <= 0.0:
        raise ArgumentError(
            f"--fail-below {fail_below!r}: is the change below which the gate fails, between "
            f"-100% and 0; write -5%"
        )
    sure = _share("--level", level, "95%")
    if not 0.5 <= sure < 1.0:
        raise ArgumentError(f"--level {level!r}: must lie between 50% and 100%; write 95%")
    chosen = () if at is None else parse_counts(at, "--at")
    with files.output(output, as_json, force) as write:
        file, _ = _parts(base)
        after_name = f"{file}{new}" if new.startswith(":") else new
        before, after = (_side(name, tuple(only or ()), what or "") for name in (base, after_name))
        answer = compare(before, after, chosen, limit, sure)
        write(
            Report(
                answer.to_json,
                lambda colour: text(answer, every, colour),
                lambda: files.csv_text(rows(answer)),
                markdown=lambda: comment(answer),
            )
        )
    if answer.outcome == "failed":
        raise GateFailedError(in_short(answer))
    if answer.outcome == "cannot decide":
        raise NotTrustworthyError(in_short(answer))


def _side(text: str, only: tuple[str, ...], what: str) -> Side:
    """Return the curve of FILE or FILE:VARIANT."""
    from lockmodel.evaluate.gate.side import side_of
    from lockmodel.observe.readers import read_file

    name, variant = _parts(text)
    named = (variant, *only) if variant else only
    return side_of(read_file(inputs.data(name)), name, named, what)


def _parts(text: str) -> tuple[str, str]:
    """Return file and variant of FILE:VARIANT; a file that exists has no variant in its name."""
    name, _, variant = (text, "", "") if Path(text).exists() else text.partition(":")
    return name, variant


def _share(option: str, text: str, example: str) -> float:
    """Return a share written in per cent: "-5%", "-5 %", or as a number below 1: "-0.05"."""
    number, percent, rest = text.partition("%")
    try:
        value = float(number) / (100.0 if percent else 1.0)
    except ValueError:
        value = math.nan
    if rest.strip() or not math.isfinite(value) or (not percent and abs(value) >= 1.0):
        raise ArgumentError(f"{option} {text!r}: is not a share; write {example}")
    return value
