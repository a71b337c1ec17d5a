"""`lockmodel accuracy`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
"""Variants that are printed, the least accurate first."""

FEW_HOSTS = 8
"""Hosts that are printed, the worst covered first."""

METHODS_SHOWN = ("lockmodel", "usl", "amdahl", "last")
"""Errors beside each file: what 80 columns hold."""


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
    hosts: Annotated[
        str | None,
        Option(
            metavar="FILE",
            help="Table of the machine of each curve  [default: hosts.csv in DIR or above].",
            show_default=False,
        ),
    ] = None,
    every: options.All = False,
    as_json: options.Json = False,
    output: options.Output = None,
    force: options.Force = False,
) -> None:
    """Score predictions beyond half of every curve in a folder.

    DIR holds files with the columns threads,throughput[,sd],variant; `published`
    stands for the shipped ones. Every curve with 6 points or more, up to 8
    threads or more, is fitted up to half its largest thread count (4 points
    there at least) and scored on the rest, with constants that were set without
    curves of its host.

    \b
    Rows: lockmodel  the pool of predictors that `lockmodel fit` uses
          usl        universal scalability law, least squares
          amdahl     Amdahl's law, least squares
          last       the last value that the fit saw
          trend      half of the last slope against ln n
    Columns:
      median, mean   error, mean |ln(predicted / measured)|: 0.07 is 7 %; median
                     over files of their median, mean over files of their mean
      in band        share of held-out points in the 90 % band, mean over hosts;
                     bands of the others are set on the errors at other hosts
      worst          the same on the host where it is least
      interval       interval score of the band in ln throughput, mean over files:
                     width, and 20 times what lies outside
      declines       of the curves that fall by 5 %, those expected to
      direction      of all curves, those expected to fall, stay or rise rightly
    --hosts FILE has the columns file,variant (regular expressions),host and may
    have topology (2x20x2). A file without a row is a host of its own.
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
    from lockmodel.evaluate.hosts import Hosts

    chosen = _folder(folder)
    with files.output(output, as_json, force) as write:
        if lever:
            from lockmodel.evaluate.transfer import transfer

            moved = transfer(chosen)
            write(Report(moved.to_json, lambda colour: _transfer_text(moved, every, colour)))
        else:
            table = None if hosts is None else Hosts.read(Path(hosts))
            scores = run(chosen, progress=common.progress, hosts=table)
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
    own, rivals = scores.summaries[0], scores.summaries[1:]
    best = min(rivals, key=lambda one: one.median)
    said = (
        f"{tx.count(scores.curves, 'curve')} of {tx.count(len(scores.hosts), 'host')} predicted "
        f"beyond the first half: median error {own.median:.3f}, of the best rival ({best.method}) "
        f"{best.median:.3f}; {_share(own.coverage)} of the points lie in the 90 % band (mean over "
        f"hosts; the worst {_share(own.worst)})."
    )
    heads = ["", "median", "mean", "in band", "worst", "interval", "declines", "direction"]
    methods = [
        [
            one.method,
            f"{one.median:.3f}",
            f"{one.mean:.3f}",
            _share(one.coverage),
            _share(one.worst),
            "-" if one.interval is None else f"{one.interval:.2f}",
            _share(one.declines),
            _share(one.direction),
        ]
        for one in scores.summaries
    ]
    hosts = scores.hosts if every else scores.hosts[:FEW_HOSTS]
    placed = [
        [
            _short(host.name),
            str(host.curves),
            str(host.points),
            f"{host.error:.3f}",
            _share(host.coverage),
            f"{host.interval:.2f}",
        ]
        for host in hosts
    ]
    files: list[Any] = []
    if every:
        columns = ["file", "curves", *METHODS_SHOWN, "in band"]
        rows = [
            [
                _short(Path(file.name).stem),
                str(len(file.curves)),
                *(f"{file.median(method):.3f}" for method in METHODS_SHOWN),
                _share(file.coverage),
            ]
            for file in scores.files
        ]
        files = ["", tx.table(columns, rows, left=[0])]
    reasons = _reasons(scores.skipped)
    skipped = tx.bullets("not scored:", reasons) if every else [f"{len(reasons)} not scored: --all"]
    return tx.render(
        [
            said,
            "",
            tx.table(heads, methods, left=[0]),
            "",
            tx.table(
                ["host", "curves", "points", "error", "in band", "interval"], placed, left=[0]
            ),
            *tx.more(len(scores.hosts) - len(hosts), "host", "--all, with the files"),
            *files,
            *(skipped if reasons else []),
        ],
        colour,
    )


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"


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
