"""The command line inside this process, for module fixtures and for errors that pass through."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass

from lockmodel.cli import run
from lockmodel.cli.app import command


@dataclass(frozen=True)
class Result:
    """What a command line gave back."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """Both, standard output first."""
        return self.stdout + self.stderr


def invoke(*args: str) -> Result:
    """Run a command line; return its exit code and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(list(args))
    return Result(code, out.getvalue(), err.getvalue())


def raising(*args: str) -> Result:
    """Run a command line; what it raises passes through."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        command().main(args=list(args), prog_name="lockmodel", standalone_mode=False)
    return Result(0, out.getvalue(), err.getvalue())
