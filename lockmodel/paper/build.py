"""Build the paper: run what is not fresh, check, typeset."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lockmodel.errors import ArgumentError, FileError, nearest
from lockmodel.paper import bibliography, check, inputs, records, scripts, typeset
from lockmodel.paper.errors import PaperError
from lockmodel.progress import Progress, quietly
from lockmodel.workers import pool

PDF = "lockmodel.pdf"
MOST_WORKERS = 2


@dataclass(frozen=True)
class Built:
    """What a build made.

    Attributes
    ----------
    pdf : Path or None
        None when only a figure was asked for.
    pages : int
        0 without a PDF.
    figures : tuple of Path
        SVG and PDF of each.
    values, tables : int
    ran, reused : tuple of str
        Scripts that were run, and those whose results were of the present inputs.
    """

    pdf: Path | None
    pages: int
    figures: tuple[Path, ...]
    values: int
    tables: int
    ran: tuple[str, ...]
    reused: tuple[str, ...]


def folder() -> Path:
    """Return paper/ of the checkout that this package runs from.

    Raises
    ------
    FileError
        The package was installed from a wheel, which has no paper.
    """
    found = inputs.PACKAGE.parent / "paper"
    if not (found / typeset.MAIN).is_file():
        raise FileError(
            f"paper: no {found / typeset.MAIN}; the text is not in the installed package. Get the "
            f"repository, then there: make paper"
        )
    return found


def build(
    paper: Path,
    only: str | None = None,
    anew: bool = False,
    workers: int | None = None,
    progress: Progress = quietly,
) -> Built:
    """Build the paper, or one figure of it.

    Parameters
    ----------
    paper : Path
        Folder with main.typ, figures_src/ and numbers_src/; results go below it.
    only : str, optional
        Name of a figure: its drawings and nothing else.
    anew : bool
        Run every script, even where its results are of the present inputs.
    workers : int, optional
        Processes; at most `MOST_WORKERS` and the CPUs by default.
    progress : callable
        Wraps the loop over scripts.

    Raises
    ------
    ArgumentError
        No figure is called `only`.
    PaperError
        A script fails, a number is typed, missing, unused or stale, or Typst refuses the text.
    """
    every = scripts.find(paper)
    named = check.sources(paper)
    if only is None:
        check.check_text(named)  # before the long part
    common = inputs.present()
    wanted = every if only is None else [_figure(every, only)]
    fresh = [] if anew else [one for one in wanted if _fresh(paper, one, common)]
    todo = [one for one in wanted if one not in fresh]
    _run(paper, todo, common, workers, progress)
    ran, reused = tuple(one.path for one in todo), tuple(one.path for one in fresh)
    drawn = tuple(
        paper / records.FIGURES / f"{one.name}.{kind}"
        for one in wanted
        if one.draws
        for kind in ("svg", "pdf")
    )
    if only is not None:
        return Built(None, 0, drawn, 0, 0, ran, reused)
    found = records.read_all(paper)
    check.check_fresh(paper, found, every, inputs.present())
    check.check_names(paper, named, found, every)
    with _merged(paper, found):
        (pdf,) = typeset.typeset(paper)
        pages = typeset.pages(paper)
    records.write_atomically(paper / PDF, pdf)
    values, tables = sum(len(r.values) for r in found), sum(len(r.tables) for r in found)
    return Built(paper / PDF, pages, drawn, values, tables, ran, reused)


def _figure(every: Sequence[scripts.Script], name: str) -> scripts.Script:
    for one in every:
        if one.draws and one.name == name:
            return one
    known = sorted(one.name for one in every if one.draws)
    raise ArgumentError(f"--only {name!r} is no figure of the paper; {nearest(name, known)}")


def _fresh(paper: Path, script: scripts.Script, common: inputs.Stamp) -> bool:
    """Return whether what a script made is there, whole, and of the present inputs."""
    path = paper / records.NUMBERS / records.Record(script.path, {}, {}, {}, {}).name
    if not path.is_file():
        return False
    try:
        record = records.read(path)
    except PaperError:
        return False
    same = not inputs.differing(record.stamp, inputs.stamp_of(paper / script.path, common))
    return same and records.intact(paper, record)


def _job(paper: Path, script: scripts.Script, common: inputs.Stamp) -> str:
    """Run a script and write what it made; in a process of its own."""
    out = scripts.run(paper, script)
    records.write(paper, script.path, inputs.stamp_of(paper / script.path, common), out)
    return script.path


def _run(
    paper: Path,
    todo: Sequence[scripts.Script],
    common: inputs.Stamp,
    workers: int | None,
    progress: Progress,
) -> None:
    count = min(workers or min(MOST_WORKERS, os.cpu_count() or 1), len(todo))
    if count <= 1:
        for script in progress(todo, len(todo), "scripts"):
            _job(paper, script, common)
        return
    with pool(count) as processes:
        running = [processes.submit(_job, paper, script, common) for script in todo]
        for done in progress(as_completed(running), len(running), "scripts"):
            done.result()


@contextmanager
def _merged(paper: Path, found: list[records.Record]) -> Iterator[None]:
    """Have the file that the text reads, for as long as it is typeset.

    It is left there on success, so that an editor can show the text, and removed on failure.
    """
    path = paper / records.NUMBERS / records.MERGED
    cited = bibliography.with_notes((paper / bibliography.FILE).read_text(encoding="utf-8"))
    records.write_atomically(path, records.merged(found))
    records.write_atomically(path.with_name(records.REFERENCES), cited.encode())
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise
