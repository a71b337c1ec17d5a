"""The commands by heading, and the group that imports one when it is asked for."""

from __future__ import annotations

import importlib
from keyword import iskeyword
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from lockmodel import __version__
from lockmodel.errors import ArgumentError, nearest

if TYPE_CHECKING:
    from typer._click import Command, Context, HelpFormatter

HEADINGS = {
    "Ask": {
        "quick": "Throughput and levers from a few numbers, without a model.",
        "predict": "Throughput at some populations, and what each lock costs there.",
        "ceiling": "Where throughput ends, and what moves that.",
        "whatif": "Throughput before and after levers, applied in the order given.",
        "explain": "Which lock, what it is busy with, and what a cure would do.",
        "levers": "Every lever that applies, ranked by what it buys.",
        "shards": "How many shards of a lock are enough, and who pays for them.",
        "sweep": "Throughput over a grid of levers, as tidy CSV.",
        "simulate": "Simulate a scenario event by event.",
    },
    "Measure": {
        "acquires": "Acquires of i_mmap_rwsem per iteration, counted from a binary.",
        "trace": "Acquires of i_mmap_rwsem per iteration, traced in a kernel.",
        "bench": "Measure the throughput of fork, exec and exit on this machine.",
        "import": "Read measurements of other tools, and say what they are good for.",
    },
    "Fit": {
        "fit": "Fit a model to measurements, and say what they determine.",
        "design": "Which measurement to make next, to predict better.",
    },
    "Check": {
        "doctor": "Whether lockmodel works here, and which parts are missing.",
        "verify": "Check that all solvers agree where they solve the same model.",
        "gate": "Whether one measured curve is slower than another, or it is noise.",
        "accuracy": "Score predictions beyond half of every curve in a folder.",
        "backtest": "Predict published kernel changes without their results.",
    },
    "Show": {
        "models": "List the shipped scenarios, one line each.",
        "machines": "List known machines, and what a line takes between their CPUs.",
        "show": "Show a scenario as the tool understands it.",
        "theory": "The argument in closed form: statements and their numbers.",
        "figure": "Draw a figure of the paper, for its scenario or for yours.",
    },
}
"""Heading -> command -> the first line of its help, which is also in its docstring."""

COMMANDS = {name: line for commands in HEADINGS.values() for name, line in commands.items()}

SETTINGS = {"help_option_names": ["-h", "--help"]}


class RecordHelp(TyperCommand):
    """A command whose help may have the list of levers or of axes, made from their records."""

    def format_help_text(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Fill in the lists, which take long to import, and write the text."""
        if self.help and ("{levers}" in self.help or "{axes}" in self.help):
            from lockmodel.cli import lever_help

            self.help = self.help.replace("{levers}", lever_help.levers())
            self.help = self.help.replace("{axes}", lever_help.axes())
        super().format_help_text(ctx, formatter)


class LazyGroup(TyperGroup):
    """Imports a command's module when it is needed, and suggests near misses."""

    def list_commands(self, ctx: Context) -> list[str]:
        """Return the command names in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """Return the command; an unknown one is an error that names the nearest."""
        if cmd_name not in COMMANDS:
            known = nearest(cmd_name, list(COMMANDS))
            raise ArgumentError(f"unknown command {cmd_name!r}; {known}")
        own = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        module = importlib.import_module(f"lockmodel.cli.{own}")
        made = getattr(module, "app", None)
        if made is None:
            made = typer.Typer(add_completion=False, rich_markup_mode=None)
            made.command(cmd_name, cls=RecordHelp, context_settings=SETTINGS)(getattr(module, own))
        return typer.main.get_command(made)

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the commands under their headings, without importing any of them."""
        for heading, commands in HEADINGS.items():
            with formatter.section(heading):
                formatter.write_dl(list(commands.items()))


app = typer.Typer(
    cls=LazyGroup,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=SETTINGS,
    invoke_without_command=True,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"lockmodel, version {__version__}")
        raise typer.Exit


@app.callback()
def group(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """What a lock costs a workload, and what each possible fix would buy.

    MODEL is the name of a shipped scenario (see `lockmodel models`) or the path
    of a TOML file. Exit codes: 0 fine, 1 the answer is not trustworthy (it says
    why), 2 bad input file, 3 bad arguments, 4 files, 5 a gate failed.

    \b
    Example:
      lockmodel predict execl-xeon8369b
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def command() -> Any:
    """Return the whole command line."""
    return typer.main.get_command(app)
