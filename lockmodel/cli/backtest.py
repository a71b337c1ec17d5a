"""`lockmodel backtest`."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from lockmodel.cli import common, files, options
from lockmodel.cli.files import Report


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
    curves: counts of the exec path, a lever, and what was known before the
    change, never the result that is predicted. A prediction is a distribution
    of ln(1 + gain); each patch counts once, with all its rows.

    \b
    Columns:
      published        gain of throughput in %, or the range that rounding or
                       several runs leave; > is a lower bound
      predicted        median of the draws in %; where the strength of the lever
                       is unknown "to" the most it can buy, - if that is not known
      80 % interval    of the published number: parameters, the model's own
                       error (5 %) and the noise of two runs
      verdict          inside: the published number lies in the interval;
                       OUTSIDE: it does not; undecidable: the facts do not fix
                       the lever, or the interval is so wide (more than a factor
                       of 3 between its ends) that nothing could be outside; no
                       lever: nothing predicted, so no hit; aside: a reading
                       that is not the scored one
      log score        mean over patches of the log density at the published
                       value; of a bound, the log probability beyond it
      ahead            lockmodel's log score less the column's, and the standard
                       error of that over patches
    Columns beside lockmodel predict the same rows: no change, the mean of the
    other patches' gains, and four counts taken for what a lock costs. Their
    spread is that of their residuals at the other patches.
    JSON (lockmodel.backtest/2) has entries (rows, with the columns of each),
    patches and columns; gains are fractions, scores natural logarithms; null
    stands for no number, and for the open end of a bound. Draws have a fixed
    seed: the answer is the same every time.
    Examples:
      lockmodel backtest --only lkp_spr_224 --only huang_v1_tree_split
      lockmodel backtest --only guzik_batch_unlink --json
    All of it takes about 20 s on two cores:
      $ lockmodel backtest --plot-file gains.svg
    """
    from lockmodel.cli import backtest_text
    from lockmodel.evaluate.backtest.engine import run

    files.check_plot(plot, plot_file, as_json, output)
    with (
        files.output(output, as_json, force) as write,
        files.optional_file(plot_file, force) as target,
    ):
        tested = run(ids=only or (), progress=common.progress)
        shown = backtest_text.whole if explain else backtest_text.brief
        write(Report(tested.to_json, lambda colour: shown(tested, colour)))
        if plot:
            from lockmodel.figures.backtest import draw_terminal

            files.echo(draw_terminal(tested))
        if target is not None:
            from lockmodel.figures.backtest import draw

            draw(tested, target.stream, target.path.suffix[1:])
