"""`lockmodel design`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from lockmodel.cli import common, data_options, files, inputs, options
from lockmodel.cli import text as tx
from lockmodel.cli.files import Report
from lockmodel.cli.intervals import gain_ends, span

if TYPE_CHECKING:
    from lockmodel.answers.design import Design, RankedMeasurement

TOP = 12
NO_HELP = 0.995
"""Candidates that leave more than this of the interval are counted, not shown."""

THROUGHPUT = "throughput"


def design(
    model: options.Model,
    data: Annotated[
        list[str],
        Option(
            metavar="FILE",
            help="Measurements that there are already. Repeatable.",
            show_default=False,
        ),
    ],
    predict: Annotated[
        str | None,
        Option(
            metavar="LEVER",
            help="What is to be predicted: the gain of a lever (see `lockmodel whatif --help`), or "
            "throughput  [default: the best practical lever].",
            show_default=False,
        ),
    ] = None,
    population: options.Population = None,
    machine: options.Machine = None,
    edits: options.Edits = None,
    free: Annotated[
        str, Option(metavar="LIST", help="Parameters, as for `lockmodel fit`.", show_default=False)
    ] = "",
    variants: options.Variants = None,
    only: options.Only = None,
    what: options.What = None,
    priors: options.Priors = True,
    top: Annotated[int, Option(metavar="ROWS", help="Rows to print; 0 prints all.")] = TOP,
    every: options.All = False,
    explain: options.Explain = False,
    as_json: options.Json = False,
    output: options.Output = None,
    force: options.Force = False,
) -> None:
    """Which measurement to make next, to predict better.

    Fits MODEL to the data there are, then asks of each further measurement by how
    much it would narrow the 90 % interval of a prediction: throughput at other
    populations, repeats, hold times, acquire counts, patched kernels. Whatever the
    measurement will read, its worth follows from the model's derivatives (linear
    Bayesian design), so intervals are first order: rank by them, and take those
    of a prediction from `lockmodel fit` and `lockmodel whatif`.

    \b
    Printed numbers:
      now, then        90 % interval of what is predicted (gains in %), with the
                       data there are, and with the measurement added
      width            width of that interval's logarithm then, as a share of now;
                       s: tells held work from hand-off, which nothing did before;
                       *: a kernel that nobody can build as such
    Example:
      lockmodel design execl-xeon8369b --data unixbench_execl_xeon8369b.csv
    With a lever of your own:
      $ lockmodel design m.toml --data curve.csv --predict batch:all=1 -n 64
    """
    from lockmodel.answers.design import design as ranked
    from lockmodel.answers.design import prediction
    from lockmodel.changes.grammar import parse
    from lockmodel.errors import ArgumentError
    from lockmodel.fitting.datasets import Wanted, load_sets
    from lockmodel.fitting.estimate import Settings, fit
    from lockmodel.fitting.study import default_free, plan

    if top < 0:
        raise ArgumentError(f"--top {top} must be 0 (all) or more")
    scenario = inputs.scenario(model, machine=machine, measured=True, edits=edits)
    n = inputs.population(population, scenario)
    lever = None if predict in (None, THROUGHPUT) else parse(str(predict))
    if lever is not None:
        lever.apply(scenario)  # a lever that makes no sense is refused before the fit
    described = data_options.levers_of(variants or ())
    loaded = load_sets(
        [Wanted(inputs.data(name), name, scenario) for name in data],
        described,
        what,
        tuple(only or ()),
    )
    names = data_options.free_names(free)
    with files.output(output, as_json, force) as write:
        study = plan(loaded.sets, names or default_free(scenario))
        estimate = fit(study, Settings(priors=priors))
        stock = [i for i, one in enumerate(loaded.sets) if one.scenario == one.stock]
        where = stock[0] if stock else 0
        if predict is None:
            lever = prediction(estimate.scenario(where), n)
        ranking = ranked(estimate, lever, n, where, progress=common.progress)
        write(
            Report(
                ranking.to_json, lambda colour: _text(ranking, 0 if every else top, explain, colour)
            )
        )


def _text(ranking: Design, top: int, explain: bool, colour: bool) -> str:
    useful = [row for row in ranking.candidates if row.factor < NO_HELP]
    shown = useful[: top or None]
    predicted = "throughput" if ranking.predicted == THROUGHPUT else f"gain of {ranking.predicted}"
    what = f"{predicted} at {tx.count(ranking.n, 'process')}, {_value(ranking)}"
    interval = _ends(ranking, ranking.low, ranking.high)
    best = next((row for row in useful if not row.limit), None)
    parts: list[Any] = [
        f"No measurement narrows the {what} {interval}."
        if best is None
        else _first(ranking, best, what, interval, useful),
        *(f"! {flag}" for flag in ranking.flags),
        "",
    ]
    if not shown:
        parts.append("No measurement that was tried would narrow it.")
    else:
        rows = [
            [row.name, _ends(ranking, row.low, row.high), f"{100 * row.factor:.0f} %{_marks(row)}"]
            for row in shown
        ]
        parts += [tx.table(["measurement", "then", "width "], rows, left=(0,), fold=(0,)), ""]
    hidden, idle = len(useful) - len(shown), len(ranking.candidates) - len(useful)
    if hidden:
        parts.append(f"{hidden} more narrow it less: --all")
    if idle:
        parts.append(f"{idle} would not narrow it")
    if any(row.separates for row in shown):
        parts.append("s tells held work from hand-off, which nothing in the data does")
    if any(row.limit for row in shown):
        parts.append("* a kernel that nobody can build as such: how much there is to learn")
    if not explain:
        return tx.render([*parts, "how to measure, what was not tried: --explain"], colour)
    parts.append("")
    parts += tx.bullets("how to measure:", _how(shown))
    parts += tx.bullets("not tried:", ranking.left_out)
    return tx.render(parts, colour)


def _first(
    ranking: Design,
    best: RankedMeasurement,
    what: str,
    interval: str,
    useful: list[RankedMeasurement],
) -> str:
    """Return what the best measurement would do, and what one more point of the curve would."""
    one = next((row for row in useful if row.at is not None), None)
    then = "" if one is None else _ends(ranking, one.low, one.high)
    if one is best:
        more = "more " if best.name.endswith("again") else ""
        return (
            f"One {more}measurement at {best.at} would cut the interval of the {what}, from "
            f"{interval} to {then}."
        )
    said = (
        f"Measure next: {best.name}. It narrows the {what}, from {interval} to "
        f"{_ends(ranking, best.low, best.high)}"
    )
    return f"{said}." if one is None else f"{said}; one measurement at {one.at} to {then}."


def _how(rows: list[RankedMeasurement]) -> list[str]:
    """Return one line per way to measure."""
    return list(dict.fromkeys(row.how for row in rows))


def _marks(row: RankedMeasurement) -> str:
    return ("s" if row.separates else " ") + ("*" if row.limit else " ")


def _value(ranking: Design) -> str:
    gain = ranking.predicted != THROUGHPUT
    return tx.gain(ranking.value) if gain else tx.si(ranking.value, "/s")


def _ends(ranking: Design, low: float, high: float) -> str:
    if ranking.predicted != THROUGHPUT:
        return gain_ends((low, high))
    return f"({span((low, high), '/s')})"
