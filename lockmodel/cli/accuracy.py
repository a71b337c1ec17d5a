"""`lockmodel accuracy`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from lockmodel.cli import common, files, options
from lockmodel.cli.files import Report

if TYPE_CHECKING:
    from lockmodel.evaluate.accuracy import Accuracy
    from lockmodel.evaluate.transfer import Transfer

PUBLISHED = "published"
NAME_WIDTH = 29
REASON_WIDTH = 150


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
    With --lever: the hand-off of a lock is fitted at the longest known hold
    without think time, then hold and think are replaced by those of the other
    files; error over all thread counts, per host. "fair" are the locks served
    in the order of arrival (osq, queued, ticket): the ones the law is for.
    Examples:
      lockmodel accuracy published
    """
    from lockmodel.evaluate.accuracy import accuracy as run

    chosen = _folder(folder)
    with files.output(output, as_json, force) as write:
        if lever:
            from lockmodel.evaluate.transfer import transfer

            moved = transfer(chosen)
            write(Report(moved.to_json, lambda colour: _transfer_text(moved, colour)))
        else:
            found = run(chosen, progress=common.progress)
            write(Report(found.to_json, lambda colour: _text(found, colour)))


def _folder(name: str) -> Path:
    """Return the folder of a name; `published` is the shipped one unless there is such a folder."""
    from lockmodel.model.shipped import shipped_dir

    own = Path(name)
    return shipped_dir("data") / PUBLISHED if name == PUBLISHED and not own.exists() else own


def _short(name: str) -> str:
    """Return the name of a file without its suffix, cut to the column."""
    stem = Path(name).stem
    return stem if len(stem) <= NAME_WIDTH else stem[: NAME_WIDTH - 3] + "..."


def _text(found: Accuracy, colour: bool) -> str:
    from lockmodel.cli.text import bullets, render, table
    from lockmodel.evaluate.accuracy import METHODS

    columns = ["file", "curves", *METHODS, "in band"]
    rows = [
        [
            _short(file.name),
            str(len(file.curves)),
            *(f"{file.median(method):.3f}" for method in METHODS),
            f"{100 * file.coverage:.0f} %",
        ]
        for file in found.files
    ]
    rows.append(["MEDIAN", str(found.curves), *(f"{found.median(m):.3f}" for m in METHODS)])
    rows[-1].append(f"{100 * found.coverage:.0f} %")
    rows.append(["MEAN", "", *(f"{found.mean(m):.3f}" for m in METHODS), ""])
    return render(
        [
            table(columns, rows, left=[0]),
            *bullets("\nnot scored:", _reasons(found.skipped)),
        ],
        colour,
    )


def _transfer_text(found: Transfer, colour: bool) -> str:
    from lockmodel.cli.text import bullets, render, table

    rows = [[p.host, p.lock, str(p.target), p.family, f"{p.error:.3f}"] for p in found.pairs]
    totals = [
        [
            row["host"],
            row["to"],
            "-" if row["fair_queue_locks"] is None else f"{row['fair_queue_locks']:.3f}",
            f"{row['all_locks']:.3f}",
        ]
        for row in found.summary()
    ]
    return render(
        [
            f"fitted at {found.source}; errors are mean |ln(predicted / measured)|\n",
            table(["host", "lock", "predicted", "hand-off", "error"], rows, left=[0, 1, 2, 3]),
            "",
            table(["host", "predicted", "fair", "all locks"], totals, left=[0, 1]),
            *bullets("\nnot used:", _reasons(found.skipped)),
        ],
        colour,
    )


def _reasons(skipped: tuple[tuple[str, str], ...]) -> list[str]:
    """Return one short line per file that was left out."""
    lines = []
    for name, reason in skipped:
        line = reason if reason.startswith(name) else f"{name}: {reason}"
        lines.append(line if len(line) <= REASON_WIDTH else line[: REASON_WIDTH - 4] + " ...")
    return lines
