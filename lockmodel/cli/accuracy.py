"""`lockmodel accuracy`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from lockmodel.cli import common, files, options
from lockmodel.cli import text as tx
from lockmodel.cli.files import Report

if TYPE_CHECKING:
    from lockmodel.evaluate.accuracy import Accuracy
    from lockmodel.evaluate.transfer import Transfer

PUBLISHED = "published"
NAME_WIDTH = 29
REASON_WIDTH = 150

FEW_FILES = 12
"""Files that are printed, the least accurate first."""


def accuracy(
    folder: Annotated[
        str, Argument(metavar="DIR", help="Folder of CSV files, or published.", show_default=False)
    ],
    lever: Annotated[
        bool,
        Option(
            "--lever",
            help="Transfer between known hold and think times instead.",
        ),
    ] = False,
    every: options.All = False,
    as_json: options.Json = False,
    output: options.Output = None,
    force: options.Force = False,
) -> None:
    """Score predictions beyond half of every curve in a folder.

    DIR holds files with the columns threads,throughput[,sd],variant; `published`
    stands for the shipped ones. Every curve with 6 points or more, up to 8
    threads or more, is fitted up to half its largest thread count (4 points
    there at least) and scored on the rest.

    \b
    Columns, errors as mean |ln(predicted / measured)|, 0.07 is 7 %:
      curves      curves scored
      (lockmodel) average of lock families, as `lockmodel fit` uses it
      usl         universal scalability law, least squares
      amdahl      Amdahl's law, least squares
      last        the last value that the fit saw
      in band     share of held-out points inside the 90 % band of lockmodel
    A file's number is the median over its curves. MEDIAN is the median of
    these over files; MEAN the mean over files of the file's mean.
    With --lever: files whose hold and think times are known, named
    ..._c200ns_p1000ns.csv (c = hold, p = think) or with the lines
    "# hold_ns: 200" and "# think_ns: 1000". The hand-off of a variant is fitted
    at its least think time and longest hold, then predicts its other files with
    their times; error over all thread counts. The law is that of locks served
    in the order of arrival.
    Examples:
      lockmodel accuracy published
    """
    from lockmodel.evaluate.accuracy import accuracy as run

    chosen = _folder(folder)
    with files.output(output, as_json, force) as write:
        if lever:
            from lockmodel.evaluate.transfer import transfer

            moved = transfer(chosen)
            write(Report(moved.to_json, lambda colour: _transfer_text(moved, every, colour)))
        else:
            scores = run(chosen, progress=common.progress)
            write(Report(scores.to_json, lambda colour: _text(scores, every, colour)))


def _folder(name: str) -> Path:
    """Return the folder of a name; `published` is the shipped one unless there is such a folder."""
    from lockmodel.model.shipped import shipped_dir

    own = Path(name)
    return shipped_dir("data") / PUBLISHED if name == PUBLISHED and not own.exists() else own


def _short(name: str) -> str:
    """Return a name cut to its column."""
    return tx.cut(name, NAME_WIDTH, "...")


def _text(scores: Accuracy, every: bool, colour: bool) -> str:
    from lockmodel.evaluate.accuracy import METHODS

    worst = sorted(scores.files, key=lambda file: -file.median(METHODS[0]))
    shown = scores.files if every else worst[:FEW_FILES]
    columns = ["file", "curves", *METHODS, "in band"]
    rows = [
        [
            _short(Path(file.name).stem),
            str(len(file.curves)),
            *(f"{file.median(method):.3f}" for method in METHODS),
            f"{100 * file.coverage:.0f} %",
        ]
        for file in shown
    ]
    rows.append(["MEDIAN", str(scores.curves), *(f"{scores.median(m):.3f}" for m in METHODS)])
    rows[-1].append(f"{100 * scores.coverage:.0f} %")
    rows.append(["MEAN", "", *(f"{scores.mean(m):.3f}" for m in METHODS), ""])
    own, last, usl = (scores.median(name) for name in (METHODS[0], "last", "usl"))
    said = (
        f"{tx.count(scores.curves, 'curve')} predicted beyond the first half: median error "
        f"{own:.3f}, of the last value {last:.3f}, of the universal scalability law {usl:.3f}; "
        f"{100 * scores.coverage:.0f} % of the points lie in the 90 % band."
    )
    reasons = _reasons(scores.skipped)
    skipped = tx.bullets("not scored:", reasons) if every else [f"{len(reasons)} not scored: --all"]
    return tx.render(
        [
            said,
            "",
            tx.table(columns, rows, left=[0]),
            *tx.more(len(scores.files) - len(shown), "file", "--all"),
            *(skipped if reasons else []),
        ],
        colour,
    )


def _transfer_text(moved: Transfer, every: bool, colour: bool) -> str:
    errors = sorted(moved.variants.items(), key=lambda pair: -pair[1])
    shown = errors if every else errors[:FEW_FILES]
    means = [(name.upper(), error) for name, error in moved.overall.items()]
    rows = [[_short(name), f"{error:.3f}"] for name, error in [*shown, *means]]
    pairs = [
        [_short(p.variant), str(p.source), str(p.target), p.family, f"{p.error:.3f}"]
        for p in moved.pairs
    ]
    said = (
        f"{tx.count(len(errors), 'variant')} predicted at other hold and think times than fitted "
        f"at: median error {moved.overall['median']:.3f}, mean |ln(predicted / measured)|."
    )
    reasons = _reasons(moved.skipped)
    columns = ["variant", "fitted", "predicted", "hand-off", "error"]
    details = [tx.table(columns, pairs, left=[0, 1, 2, 3])] if every else []
    skipped = tx.bullets("\nnot used:", reasons) if every else [f"{len(reasons)} not used: --all"]
    return tx.render(
        [
            said,
            "",
            tx.table(["variant", "error"], rows, left=[0]),
            *tx.more(len(errors) - len(shown), "variant", "--all"),
            *(["", "at hold/think in ns:"] if every else []),
            *details,
            *(skipped if reasons else []),
        ],
        colour,
    )


def _reasons(skipped: tuple[tuple[str, str], ...]) -> list[str]:
    """Return one short line per file that was left out."""
    lines = []
    for name, reason in skipped:
        line = reason if reason.startswith(name) else f"{name}: {reason}"
        lines.append(tx.cut(line, REASON_WIDTH, " ..."))
    return lines
