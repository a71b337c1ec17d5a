"""The command line: the only part of lockmodel that prints, exits and reads argv.

Exit codes: 0 fine, 1 the answer is not trustworthy, 2 bad input file, 3 bad arguments, 4 files,
5 a gate failed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

import typer

from lockmodel.cli.app import command
from lockmodel.errors import ArgumentError, FileError, LockmodelError, shortened

PLOT, PLOT_FILE = "--plot", "--plot-file"


def main(args: list[str] | None = None) -> Any:
    """Run the command line and exit with its code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that temporary files go
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices are small: more would only spin
    _stand_in()
    code = run(args)
    cache = sys.modules.get("lockmodel.solvers.numba_cache")
    if cache is not None and cache.uncached():
        typer.echo(f"note: {cache.UNCACHED}", err=True)
    sys.exit(code)


def run(args: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    try:
        given = _modern(sys.argv[1:] if args is None else args)
        done = command().main(args=given, prog_name="lockmodel", standalone_mode=False)
    except LockmodelError as error:
        typer.echo(f"lockmodel: {error}", err=True)
        return error.exit_code
    except typer.TyperException as error:  # arguments that Typer refuses
        error.show()  # type: ignore[attr-defined]
        return ArgumentError.exit_code
    except (typer.Abort, KeyboardInterrupt):
        return _interrupted()
    except OSError as error:
        if error.filename is not None:
            typer.echo(f"lockmodel: {shortened(str(error.filename))}: {error.strerror}", err=True)
            return FileError.exit_code
        typer.echo(f"lockmodel: standard output cannot be written: {error.strerror}", err=True)
        _discard_output()
        return FileError.exit_code
    if done == INTERRUPTED:
        return _interrupted()
    return done if isinstance(done, int) else 0


INTERRUPTED = 130
"""What Typer makes of ^C."""


def _interrupted() -> int:
    typer.echo("lockmodel: interrupted; nothing was written", err=True)
    return 1


def _modern(args: Sequence[str]) -> list[str]:
    """Return the arguments with an old ``--plot FILE`` as ``--plot-file FILE``, which is said."""
    made: list[str] = []
    rest = list(args)
    while rest:
        one = rest.pop(0)
        name, equals, value = one.partition("=")
        if name != PLOT or not (equals or (rest and rest[0].endswith((".svg", ".pdf", ".png")))):
            made.append(one)
            continue
        value = value if equals else rest.pop(0)
        made += [PLOT_FILE, value]
        typer.echo(f"note: write {PLOT_FILE} {value}; {PLOT} alone draws in the terminal", err=True)
    return made


def _stand_in() -> None:
    """Open standard streams that are closed, or the next files opened would get their numbers.

    Reading gives nothing, what is said on standard error is lost, and writing the report fails.
    """
    for name, flags, mode in (
        ("stdin", os.O_RDONLY, "r"),
        ("stdout", os.O_RDONLY, "w"),
        ("stderr", os.O_WRONLY, "w"),
    ):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, flags), mode))


def _discard_output() -> None:
    """Drop what is still buffered, or Python complains about it once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
