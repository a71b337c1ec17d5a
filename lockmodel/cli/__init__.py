"""The command line: the only part of lockmodel that prints, exits and reads argv.

Exit codes: 0 fine, 1 the answer is not trustworthy, 2 bad input file, 3 bad arguments, 4 files.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from keyword import iskeyword
from typing import Any

import click

from lockmodel import __version__
from lockmodel.errors import ArgumentError, FileError, LockmodelError, nearest

COMMANDS = (
    "models",
    "show",
    "predict",
    "simulate",
    "verify",
    "import",
    "fit",
    "design",
    "accuracy",
    "backtest",
    "acquires",
    "trace",
    "bench",
    "ceiling",
    "whatif",
    "levers",
    "sweep",
    "theory",
    "figure",
    "paper",
)
"""In the order of the help; each is a module of this package, `import_` for import."""


class LazyGroup(click.Group):
    """Imports a command's module when it is needed, and suggests near misses."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the command names in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, or None if there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        own = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        command: click.Command = getattr(importlib.import_module(f"lockmodel.cli.{own}"), own)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command; an unknown one is an error that names the nearest."""
        if args and args[0] not in COMMANDS:
            raise ArgumentError(f"unknown command {args[0]!r}; {nearest(args[0], list(COMMANDS))}")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, invoke_without_command=True)
@click.version_option(__version__, prog_name="lockmodel")
@click.pass_context
def group(context: click.Context) -> None:
    """What a lock costs a workload, and what each possible fix would buy.

    MODEL is the name of a shipped scenario (see `lockmodel models`) or the path
    of a TOML file. Exit codes: 0 fine, 1 the answer is not trustworthy (it says
    why), 2 bad input file, 3 bad arguments, 4 files.

    \b
    Example:
      lockmodel predict execl-xeon8369b -n 1,16,64,128
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(args: list[str] | None = None) -> Any:
    """Run the command line and exit with its code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that temporary files go
    sys.exit(run(args))


def run(args: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    try:
        group.main(args=args, prog_name="lockmodel", standalone_mode=False)
    except LockmodelError as error:
        click.echo(f"lockmodel: {error}", err=True)
        return error.exit_code
    except click.UsageError as error:
        error.show()
        return ArgumentError.exit_code
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("lockmodel: interrupted; nothing was written", err=True)
        return 1
    except OSError as error:
        click.echo(f"lockmodel: standard output cannot be written: {error.strerror}", err=True)
        _discard_output()
        return FileError.exit_code
    return 0


def _discard_output() -> None:
    """Drop what is still buffered, or Python complains about it once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
