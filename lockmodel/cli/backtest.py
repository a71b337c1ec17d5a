"""`lockmodel backtest`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from lockmodel.cli import common, files, options
from lockmodel.cli import text as tx
from lockmodel.cli.files import Report
from lockmodel.cli.intervals import gain_ends

if TYPE_CHECKING:
    from lockmodel.evaluate.backtest.case import Backtest, Entry

FEW_ROWS, FEW_MISSES = 18, 3
"""Rows, and names of misses, of the short report."""

HEADS = {
    "change": "kernel changes on the exec path (data/published/interventions.json)",
    "transfer": "transfer to other locks (curves of data/published)",
}

NARROW = 0.015
"""Width of a published range, as a share of throughput, that is printed as one number."""

CONCLUDED = (
    "A throughput curve alone never separates held work from hand-off; what does here is three "
    "pairs of kernels by one robot with one patch. They agree with each other, which tests the "
    "carrying over between machines, not the model: any model with one free ratio would do it.",
    "Noise of two runs (2 % each where none is stated) is in every interval, so a gain of a few "
    "per cent can hardly be missed: the batching rows say little more than that gains are small.",
    "The cases were written when the results were public. A result can not reach its own "
    "prediction (tests move each one), the choice of what to model could.",
    "Only the scenario's locks are modelled: large gains are limits until the next lock is known.",
)


def backtest(
    only: Annotated[
        list[str] | None,
        Option(metavar="ID", help="Predict this record only. Repeatable.", show_default=False),
    ] = None,
    plot: options.Plot = False,
    plot_file: options.PlotFile = None,
    explain: options.Explain = False,
    as_json: options.Json = False,
    output: options.Output = None,
    force: options.Force = False,
) -> None:
    """Predict published kernel changes without their results.

    For every record of data/published/interventions.json and some published
    curves: scenario, lever, parameters from what was known before the change and
    from other records, never from the one predicted.

    \b
    Columns:
      published        gain of throughput in %, or the range that rounding or
                       several runs leave; > is a lower bound
      predicted        median of the draws in %; where the strength of the lever
                       is unknown "to" the most it can buy, - if that is not known
      90 % interval    of the published number: the error of the parameters and
                       the noise of two runs
      verdict          inside: the published number lies in the interval;
                       OUTSIDE: it does not; undecidable: the facts do not fix
                       the lever, or the interval is so wide (more than a factor
                       of 3 between its ends) that nothing could be outside
    JSON has gains as fractions; null stands for no number, and for the end of a
    lower bound. Draws have a fixed seed: the answer is the same every time.
    Examples:
      lockmodel backtest --only lkp_spr_224 --only huang_v1_tree_split
      lockmodel backtest --only guzik_batch_unlink --json
    All of it takes about 15 s on two cores:
      $ lockmodel backtest --plot-file gains.svg
    """
    from lockmodel.evaluate.backtest.engine import run

    files.check_plot(plot, plot_file, as_json, output)
    with (
        files.output(output, as_json, force) as write,
        files.optional_file(plot_file, force) as target,
    ):
        tested = run(ids=only or (), progress=common.progress)
        write(Report(tested.to_json, lambda colour: (_text if explain else _brief)(tested, colour)))
        if plot:
            from lockmodel.figures.backtest import draw_terminal

            files.echo(draw_terminal(tested))
        if target is not None:
            from lockmodel.figures.backtest import draw

            draw(tested, target.stream, target.path.suffix[1:])


def _brief(tested: Backtest, colour: bool) -> str:
    """Return how many published gains lie where they were predicted, and the decidable rows."""
    decided = [entry for entry in tested.entries if entry.verdict != "undecidable"]
    inside, outside = tested.count("inside"), tested.count("outside")
    names = ", ".join(dict.fromkeys(e.id for e in decided if e.verdict == "outside"))
    missed = f": {names}" if 0 < outside <= FEW_MISSES else ""
    shown = decided if len(decided) <= FEW_ROWS else [e for e in decided if e.group == "change"]
    shown = shown[:FEW_ROWS]
    rows = [
        [
            entry.id + (f" ({entry.reading})" if entry.reading else ""),
            published(entry),
            _predicted(entry),
            _ends(entry),
            entry.verdict.upper() if entry.verdict == "outside" else entry.verdict,
        ]
        for entry in shown
    ]
    columns = ["record", "published %", "predicted", "90 % interval", "verdict"]
    parts: list[Any] = [
        f"{inside} of {len(decided)} decidable predictions hold the published gain, {outside} do "
        f"not{missed}; {tested.count('undecidable')} are undecidable.",
        "",
        tx.table(columns, rows, left=(0, 3, 4), fold=(0,)),
        f"{len(tested.entries) - len(shown)} more rows, reasons and what can not be concluded: "
        f"--explain",
    ]
    return tx.render(parts, colour)


def _text(tested: Backtest, colour: bool) -> str:
    parts: list[Any] = []
    for group, head in HEADS.items():
        rows = [entry for entry in tested.entries if entry.group == group]
        if rows:
            parts += [head, "", _table(rows), _counts(rows), ""]
    parts += [*tx.bullets("why:", _reasons(tested.entries)), ""]
    parts += tx.bullets("what can not be concluded:", CONCLUDED)
    parts.append(f"{tested.draws:,} draws, seed {tested.seed}; --json has parameters and sources")
    return tx.render(parts, colour)


def _table(rows: Sequence[Entry]) -> Any:
    """Return the rows by lever, each lever as a heading; gains in per cent."""
    cells = []
    for kind in dict.fromkeys(entry.kind for entry in rows):
        cells.append([f"[{kind}]", "", "", "", ""])
        for entry in (entry for entry in rows if entry.kind == kind):
            name = entry.id + (f"\n  {entry.reading}" if entry.reading else "")
            word = entry.verdict.upper() if entry.verdict == "outside" else entry.verdict
            cells.append([name, published(entry), _predicted(entry), _ends(entry), word])
    columns = ["lever, record, reading", "published", "predicted", "90 % interval", "verdict"]
    return tx.table(columns, cells, left=(0, 3, 4), fold=(0,))


def published(entry: Entry) -> str:
    """Return the published gain in per cent: a number, a range, or a lower bound."""
    low, high = entry.published
    if high is None:
        return f"> {_number(low)}"
    if high - low <= NARROW * (1.0 + low):
        return _number(0.5 * (low + high))
    return f"{100 * low:+,.0f} to {100 * high:,.0f}"


def _predicted(entry: Entry) -> str:
    """Return the predicted gain in per cent, or the most that it can be."""
    if entry.predicted is not None:
        return _number(entry.predicted)
    most = None if entry.limits is None else entry.limits[1]
    return "-" if most is None else f"to {_number(most)}"


def _ends(entry: Entry) -> str:
    return "" if entry.interval is None else gain_ends(entry.interval).strip("()")


def _number(gain: float) -> str:
    return tx.gain(gain).removesuffix(" %")


def _counts(rows: Sequence[Entry]) -> str:
    counted = [
        f"{sum(entry.verdict == verdict for entry in rows)} {verdict}"
        for verdict in ("inside", "outside", "undecidable")
    ]
    return "gains of throughput in %: " + ", ".join(counted)


def _reasons(entries: Sequence[Entry]) -> list[str]:
    """Return lever and reasons, once for all records that share them."""
    shared: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        name = entry.id + (f" ({entry.reading})" if entry.reading else "")
        shared.setdefault((entry.lever, entry.why), []).append(name)
    return [f"{', '.join(names)}: {lever}. {why}" for (lever, why), names in shared.items()]
