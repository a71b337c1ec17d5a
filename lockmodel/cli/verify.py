"""`lockmodel verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from lockmodel.cli import common, files, inputs, options
from lockmodel.cli import text as tx
from lockmodel.cli.files import Report
from lockmodel.errors import ArgumentError, NotTrustworthyError

if TYPE_CHECKING:
    from lockmodel.evaluate.verify.agreement import Agreement

FEW_ROWS = 12
"""Comparisons that are printed, those farthest apart first."""

LONGEST, WIDEST = 24, 12
"""Characters of a case's name and of a quantity that fit beside the other columns."""

SHORT = {"product-form": "product", "simulation": "simulated"}
"""Names of solvers that fit."""


def verify(
    model: Annotated[
        str | None,
        Argument(
            metavar="[MODEL]",
            help="Check the solvers on it, instead of on small scenarios.",
            show_default=False,
        ),
    ] = None,
    population: Annotated[
        str | None,
        Option(
            "-n", metavar="LIST", help=f"With MODEL only: {options.COUNTS}.", show_default=False
        ),
    ] = None,
    edits: options.Edits = None,
    full: Annotated[
        bool, Option("--full", help="More populations, five times finer simulations.")
    ] = False,
    every: options.All = False,
    as_json: options.Json = False,
    output: options.Output = None,
    force: options.Force = False,
) -> None:
    """Check that all solvers agree where they solve the same model.

    Without MODEL: a matrix of small scenarios, each through every solver that can
    take it. Exact answers must agree to 1e-9, simulations within their 99 %
    intervals, of which one in a hundred may miss. With MODEL: product form and
    Markov chain against simulation, within the errors that they state. Exit 1 if
    anything disagrees.

    \b
    Printed numbers:
      quantity         throughput per s, or wait per iteration for one lock
      apart            relative difference of the second solver from the first
      units            that in units of the stated error: at most 1 agrees
    Examples:
      lockmodel verify
      lockmodel verify execl-xeon8369b -n 1,8,128
    """
    from lockmodel.evaluate.verify.agreement import verify as verify_all
    from lockmodel.evaluate.verify.agreement import verify_model
    from lockmodel.model.populations import parse_counts

    if model is None and population is not None:
        raise ArgumentError("-n goes with a MODEL; the matrix has populations of its own")
    if model is None and edits:
        raise ArgumentError(f"--set {edits[0]}: goes with a MODEL; name one")
    with files.output(output, as_json, force) as write, common.compiling():
        if model is None:
            agreement = verify_all(full, common.progress)
        else:
            scenario = inputs.scenario(model, edits=edits)
            cpus = scenario.machine.cpus
            default = sorted({1, 2, max(1, cpus // 8), cpus})
            asked = default if population is None else parse_counts(population)
            agreement = verify_model(scenario, asked, full, common.progress)
        write(Report(agreement.to_json, lambda colour: _text(agreement, every, colour)))
    if not agreement.agrees:
        wrong = [c for c in agreement.comparisons if not c.agrees]
        raise NotTrustworthyError(
            f"{len(wrong)} of {len(agreement.comparisons)} comparisons disagree, first: "
            f"{wrong[0].case} at n = {wrong[0].n}, {wrong[0].reference} against {wrong[0].solver}"
        )


def _text(agreement: Agreement, every: bool, colour: bool) -> str:
    worst = sorted(agreement.comparisons, key=lambda c: (c.agrees, -c.units))
    shown = agreement.comparisons if every else worst[:FEW_ROWS]

    rows = [
        [
            tx.cut(c.case, LONGEST),
            str(c.n),
            tx.cut(c.quantity, WIDEST),
            f"{SHORT.get(c.reference, c.reference)}, {SHORT.get(c.solver, c.solver)}",
            "0" if c.answer == c.expected else f"{(c.answer - c.expected) / c.expected:+.1g}",
            f"{c.units:.2g}" + ("" if c.agrees else " !"),
        ]
        for c in shown
    ]
    columns = ["case", "n", "quantity", "solvers", "apart", "units"]
    exact = len(agreement.comparisons) - agreement.intervals
    failed = sum(not c.agrees for c in agreement.comparisons if not c.random)
    said = "The solvers agree" if agreement.agrees else "The solvers do NOT agree"
    parts: list[Any] = [
        f"{said}: {tx.count(exact, 'exact comparison')}, {failed} disagree; "
        f"{agreement.intervals} with intervals, {agreement.missed} outside ({agreement.allowed} "
        f"may be).",
        "",
        tx.table(columns, rows, left=(0, 2, 3)),
        *tx.more(len(agreement.comparisons) - len(shown), "comparison", "--all"),
    ]
    return tx.render(parts, colour)
