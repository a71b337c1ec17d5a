"""`lockmodel design`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lockmodel.cli import common, data_options
from lockmodel.cli.common import Report, output_options

if TYPE_CHECKING:
    from lockmodel.answers.design import Design, Ranked

TOP = 12
NO_HELP = 0.995
"""Candidates that leave more than this of the interval are counted, not shown."""

THROUGHPUT = "throughput"


@click.command()
@click.argument("model")
@click.option(
    "--data",
    multiple=True,
    required=True,
    metavar="FILE",
    help="Measurements that there are already. Repeatable.",
)
@click.option(
    "--predict",
    metavar="LEVER",
    help="What is to be predicted: the gain of a lever (see `lockmodel whatif --help`), or "
    "throughput.  [default: the best practical lever]",
)
@click.option("-n", "population", metavar="N", help="Population of it.  [default: all CPUs]")
@click.option("--free", metavar="LIST", default="", help="Parameters, as for `lockmodel fit`.")
@data_options.variant_option
@data_options.only_option
@data_options.what_option
@data_options.priors_option
@click.option(
    "--top", default=TOP, show_default=True, metavar="ROWS", help="Rows to print; 0 prints all."
)
@output_options
def design(
    model: str,
    data: tuple[str, ...],
    predict: str | None,
    population: str | None,
    free: str,
    variants: tuple[str, ...],
    only: tuple[str, ...],
    what: str | None,
    priors: bool,
    top: int,
    as_json: bool,
    output: str | None,
    force: bool,
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
    from lockmodel.model.populations import parse_one
    from lockmodel.model.shipped import find_data, find_scenario

    if top < 0:
        raise ArgumentError(f"--top {top} must be 0 (all) or more")
    scenario = find_scenario(model)
    n = scenario.machine.cpus if population is None else parse_one(population)
    lever = None if predict in (None, THROUGHPUT) else parse(str(predict))
    if lever is not None:
        lever.apply(scenario)  # a lever that makes no sense is refused before the fit
    described = data_options.pairs("--variant", variants, "NAME=LEVERS")
    loaded = load_sets(
        [Wanted(find_data(name), name, scenario) for name in data], described, what, only
    )
    names = data_options.free_names(free)
    with common.output(output, as_json, force) as write:
        study = plan(loaded.sets, names or default_free(scenario))
        estimate = fit(study, Settings(priors=priors))
        stock = [i for i, one in enumerate(loaded.sets) if one.scenario == one.stock]
        where = stock[0] if stock else 0
        if predict is None:
            lever = prediction(estimate.scenario(where), n)
        found = ranked(estimate, lever, n, where, progress=common.progress)
        write(Report(found.to_json, lambda colour: _text(found, top, colour)))


def _text(found: Design, top: int, colour: bool) -> str:
    from lockmodel.cli import text as tx

    useful = [row for row in found.candidates if row.factor < NO_HELP]
    shown = useful[: top or None]
    predicted = "throughput" if found.predicted == THROUGHPUT else f"gain of {found.predicted}"
    parts: list[Any] = [f"{found.scenario}: {predicted} at {tx.count(found.n, 'process')}"]
    parts += [f"! {flag}" for flag in found.flags]
    parts += [f"now: {_value(found)} {_ends(found, found.low, found.high)}", ""]
    if not shown:
        parts.append("No measurement that was tried would narrow it.")
    else:
        rows = [
            [row.name, _ends(found, row.low, row.high), f"{100 * row.factor:.0f} %{_marks(row)}"]
            for row in shown
        ]
        parts += [tx.table(["measurement", "then", "width "], rows, left=(0,), fold=(0,)), ""]
    hidden, idle = len(useful) - len(shown), len(found.candidates) - len(useful)
    if hidden:
        parts.append(f"({hidden} more narrow it less; --top 0 shows them)")
    if idle:
        parts.append(f"({idle} would not narrow it)")
    if any(row.separates for row in shown):
        parts.append("s tells held work from hand-off, which nothing in the data does")
    if any(row.limit for row in shown):
        parts.append("* a kernel that nobody can build as such: how much there is to learn")
    parts.append("")
    parts += tx.bullets("how to measure:", _how(shown))
    parts += tx.bullets("not tried:", found.left_out)
    return tx.render(parts, colour)


def _how(rows: list[Ranked]) -> list[str]:
    """Return one line per way to measure."""
    return list(dict.fromkeys(row.how for row in rows))


def _marks(row: Ranked) -> str:
    return ("s" if row.separates else " ") + ("*" if row.limit else " ")


def _value(found: Design) -> str:
    from lockmodel.cli import text as tx

    gain = found.predicted != THROUGHPUT
    return tx.gain(found.value) if gain else tx.si(found.value, "/s")


def _ends(found: Design, low: float, high: float) -> str:
    from lockmodel.cli.intervals import gain_ends, span

    if found.predicted != THROUGHPUT:
        return gain_ends((low, high))
    return f"({span((low, high), '/s')})"
