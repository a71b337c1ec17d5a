"""Files and standard output: opened before the work, complete or absent after it."""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import typer

from lockmodel.errors import ArgumentError, FileError, shortened

LONGEST_NAME = 255
"""Bytes of a file's name on Linux (NAME_MAX); a path may have 4095."""

PLOT_SUFFIXES = (".svg", ".pdf", ".png")


@dataclass(frozen=True)
class Target:
    """A file that exists only once its content is complete.

    Attributes
    ----------
    path : Path
        The final name.
    stream : binary file
        The temporary file beside it.
    """

    path: Path
    stream: IO[bytes]


@contextlib.contextmanager
def new_file(
    name: str, force: bool, remedy: str = "--force", said: bool = True
) -> Iterator[Target]:
    """Open a temporary file beside `name`; rename it into place when the block succeeds.

    `remedy` is how to overwrite a file; with `said` standard error says what was written.

    Raises
    ------
    FileError
        The file exists and `force` is not set, or the folder cannot be written to.
    """
    try:
        path = _target(name, force, remedy)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".lockmodel-")
    except FileError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise FileError(f"{shortened(name)}: cannot be written: {_reason(error, name)}") from None
    try:
        with os.fdopen(handle, "wb") as stream:
            yield Target(path, stream)
            empty = stream.tell() == 0
        if empty:  # an interrupted run has nothing to keep
            return
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        if force:
            os.replace(temporary, path)
        else:
            _rename_to_new(temporary, path)
        if said:
            typer.echo(f"written: {name}", err=True)
    except FileError:
        raise
    except FileExistsError:
        raise FileError(f"{name}: appeared meanwhile and is kept; use {remedy}") from None
    except OSError as error:
        raise FileError(f"{name}: cannot be written: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _target(name: str, force: bool, remedy: str) -> Path:
    """Return the path to write to: what a link points to, so that the link is kept."""
    path = Path(name)
    if path.is_symlink():
        path = path.resolve()
    if path.is_dir():
        raise FileError(f"{name}: is a folder; give a file name")
    if path.exists() and not path.is_file():
        raise FileError(f"{name}: is not a regular file; leave -o out and redirect instead")
    if path.exists() and not force:
        raise FileError(f"{name}: exists and is kept; use {remedy} to overwrite it")
    return path


def _reason(error: OSError | ValueError, name: str) -> str:
    """Return why a file cannot be written, with the rule where a shorter name would do."""
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        size = max(len(os.fsencode(part)) for part in Path(name).parts)
        return f"a part of the name has {size} bytes, at most {LONGEST_NAME} are possible"
    return getattr(error, "strerror", None) or str(error)


def _rename_to_new(temporary: str, path: Path) -> None:
    """Give the file its final name; raises FileExistsError if somebody else was faster."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if path.exists():
            raise FileExistsError(path) from None
        os.rename(temporary, path)


@dataclass(frozen=True)
class Report:
    """A command's answer in its forms; each is made only when it is asked for."""

    data: Callable[[], dict[str, Any]]
    text: Callable[[bool], str]
    """Called with whether the terminal takes colours."""
    csv: Callable[[], str] | None = None
    """For -o FILE.csv."""
    csv_first: bool = False
    """Whether it is what standard output gets."""
    markdown: Callable[[], str] | None = None
    """For -o FILE.md."""
    rows: Callable[[], list[dict[str, Any]]] | None = None
    """Its numbers as a table of equal keys, for Python."""


def csv_text(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> str:
    """Return rows as CSV: numbers in base units, nothing for None.

    Parameters
    ----------
    rows : sequence of mapping
        Of the same keys.
    columns : sequence of str, optional
        The keys that are written, in this order; those of the first row without it. Where there
        may be no rows they must be given.
    """
    buffer = io.StringIO()
    heads = list(rows[0]) if columns is None else columns
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows([row[head] for head in heads] for row in rows)
    return buffer.getvalue()


@contextlib.contextmanager
def output(name: str | None, as_json: bool, force: bool) -> Iterator[Callable[[Report], None]]:
    """Open the output before the work; yield the function that writes the report.

    Parameters
    ----------
    name : str or None
        Value of -o; None is standard output.
    as_json, force : bool
        Values of --json and --force.
    """
    wants_json = as_json or (name or "").endswith(".json")

    def render(report: Report, colour: bool) -> str:
        if wants_json:
            return json.dumps(report.data(), indent=1, allow_nan=False) + "\n"
        if report.csv is not None and (report.csv_first if name is None else name.endswith(".csv")):
            return report.csv()
        if (name or "").endswith(".csv"):
            raise ArgumentError(f"-o {name}: this report is no table; use .txt or .json")
        if report.markdown is not None and (name or "").endswith(".md"):
            return report.markdown()
        return report.text(colour)

    if name is None:
        yield lambda report: echo(render(report, sys.stdout.isatty()), newline=False)
        return
    if name.endswith(PLOT_SUFFIXES):
        raise ArgumentError(
            f"-o {name}: the report is text; --plot-file and `lockmodel figure` write pictures"
        )
    with new_file(name, force) as target:
        yield lambda report: _write(target, render(report, False))


def echo(text: str, newline: bool = True) -> None:
    """Print to standard output; a reader that has seen enough (head, less) is no error."""
    try:
        typer.echo(text, nl=newline)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write(target: Target, text: str) -> None:
    target.stream.write(text.encode("utf-8"))


def check_plot(plot: bool, plot_file: str | None, as_json: bool, name: str | None) -> None:
    """Refuse a plot that would mix with JSON on standard output or has no known suffix."""
    if plot and as_json and name is None:
        raise ArgumentError("--plot draws in the terminal and --json writes there; add -o FILE")
    if plot_file is None:
        return
    if not plot_file.endswith(PLOT_SUFFIXES):
        raise ArgumentError(
            f"--plot-file {plot_file!r}: a plot file ends in {', '.join(PLOT_SUFFIXES)}; --plot "
            f"draws in the terminal"
        )
    if name is not None and Path(name).resolve() == Path(plot_file).resolve():
        raise ArgumentError(f"-o and --plot-file both name {name}; give each its own file")


@contextlib.contextmanager
def optional_file(name: str | None, force: bool) -> Iterator[Target | None]:
    """Open a file before the work as `new_file`; None when no name is given."""
    if name is None:
        yield None
        return
    with new_file(name, force) as target:
        yield target
