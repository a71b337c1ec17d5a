"""What all commands share: options, the model argument, output files and progress."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import click

from lockmodel.errors import ArgumentError, FileError

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

PROGRESS_AFTER_S = 1.0
COMPILING_AFTER_S = 3.0
TIME_LIMIT_S = 300.0
PLOT_TERMINAL = "-"
PLOT_SUFFIXES = (".svg", ".pdf", ".png")

COUNTS_HELP = "Populations: 64 | 1,2,4 | 1..128 | 1..384:16 (step) | 1..512*2 (factor)."


def output_options(command: F) -> F:
    """Add --json, -o and --force."""
    for option in (
        click.option("--force", is_flag=True, help="Overwrite existing files."),
        click.option(
            "-o",
            "--output",
            metavar="FILE",
            help="Write to FILE instead of the terminal (.json means --json).",
        ),
        click.option("--json", "as_json", is_flag=True, help="JSON: times in s, rates per s."),
    ):
        command = option(command)
    return command


METHOD_HELP = (
    "bounds: closed-form bounds. product-form: the exact solution of the model with exponential "
    "holds, for all populations."
)


def method_option(command: F) -> F:
    """Add --method with the closed forms, for commands that solve many scenarios."""
    return click.option(
        "--method",
        type=click.Choice(["auto", "bounds", "product-form"]),
        default="auto",
        show_default=True,
        help=f"{METHOD_HELP} auto: product-form.",
    )(command)


def any_method_option(auto: str) -> Callable[[F], F]:
    """Add --method with every solver; `auto` says what that one does."""
    return click.option(
        "--method",
        type=click.Choice(["auto", "bounds", "product-form", "markov", "simulation"]),
        default="auto",
        show_default=True,
        help=f"{METHOD_HELP} markov: the exact solution of a Markov chain, for few processes. "
        f"simulation: event by event, with intervals. auto: {auto}.",
    )


def time_limit_option(command: F) -> F:
    """Add --time-limit."""
    return click.option(
        "--time-limit",
        metavar="S",
        type=float,
        default=TIME_LIMIT_S,
        show_default=True,
        help="Stop simulating after S seconds with what there is (exit 1: not all was reached).",
    )(command)


@contextlib.contextmanager
def patience(seconds: float) -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether to stop: the time is up, or the user pressed ^C once.

    A second ^C interrupts for good. A time that is not a number above 0 is an ArgumentError.
    """
    if not seconds > 0:
        raise ArgumentError(f"--time-limit {seconds:g} must be a number of seconds above 0")
    pressed = threading.Event()

    def press(number: int, frame: Any) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()
        click.echo("lockmodel: stopping; ^C again throws away what there is", err=True)

    start = time.monotonic()
    before = signal.signal(signal.SIGINT, press)
    try:
        yield lambda: pressed.is_set() or time.monotonic() - start > seconds
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def compiling() -> Iterator[None]:
    """Say so when the first run on a machine takes long because the event loop is compiled."""
    done = threading.Event()

    def say() -> None:
        engine = sys.modules.get("lockmodel.solvers.simulation.engine")
        if not done.wait(COMPILING_AFTER_S) and engine is not None and not engine.run.signatures:
            click.echo("lockmodel: compiling the simulator, once on this machine ...", err=True)

    if sys.stderr.isatty():
        threading.Thread(target=say, daemon=True).start()
    try:
        yield
    finally:
        done.set()


def walks_option(command: F) -> F:
    """Add --walks."""
    return click.option(
        "--walks",
        metavar="LOCK=RATE,read_us=T",
        help="Background walkers: RATE walks per s take all shards of LOCK and read for T us.",
    )(command)


def plot_option(what: str) -> Callable[[F], F]:
    """Add --plot [FILE]; `what` says what is drawn."""
    return click.option(
        "--plot",
        is_flag=False,
        flag_value=PLOT_TERMINAL,
        metavar="[FILE]",
        help=f"Draw {what}: in the terminal, or to FILE (.svg, .pdf, .png).",
    )


def with_walkers(scenario: Any, text: str | None) -> Any:
    """Return the scenario with the walkers that --walks asks for."""
    if text is None:
        return scenario
    import msgspec

    from lockmodel.errors import ScenarioError
    from lockmodel.model.scenario import Walkers

    lock, _, rest = text.partition("=")
    rate, _, read = rest.partition(",read_us=")
    try:
        walkers = Walkers(walks_per_s=float(rate), read=float(read) * 1e-6)
        chosen = msgspec.structs.replace(scenario.lock(lock), walkers=walkers)
    except ScenarioError as error:
        raise ArgumentError(f"--walks {text!r}: {error}") from None
    except ValueError:
        raise ArgumentError(
            f"--walks {text!r}: write LOCK=RATE,read_us=T, e.g. libc.so.6=1000,read_us=64"
        ) from None
    locks = tuple(chosen if old.name == lock else old for old in scenario.locks)
    return msgspec.structs.replace(scenario, locks=locks)


def fit_warning(scenario: Any) -> list[str]:
    """Return the flags of the scenario's fit in capitals; nothing for none."""
    if scenario.fit is None:
        return []
    from lockmodel.cli.intervals import warning

    return warning(scenario.fit)


def fit_origin(scenario: Any, basis: Any) -> list[str]:
    """Return the line that says what intervals rest on; nothing without a fit."""
    if scenario.fit is None:
        return []
    from lockmodel.cli.intervals import origin

    return origin(basis, scenario.fit)


def caveats(warnings: tuple[str, ...], method: str) -> list[Any]:
    """Return where a comparison by some method is approximate."""
    from lockmodel.cli import text as tx

    if method == "bounds":
        return ["Both sides are upper bounds (method bounds), so the gain is only indicative."]
    return tx.bullets("approximate where (see `lockmodel predict` for assumptions):", warnings)


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
def new_file(name: str, force: bool) -> Iterator[Target]:
    """Open a temporary file beside `name`; rename it into place when the block succeeds.

    Raises
    ------
    FileError
        The file exists and `force` is not set, or the folder cannot be written to.
    """
    path = Path(name)
    if path.is_symlink():
        path = path.resolve()  # write what the link points to, keep the link
    if path.is_dir():
        raise FileError(f"{name}: is a folder; give a file name")
    if path.exists() and not path.is_file():
        raise FileError(f"{name}: is not a regular file; leave -o out and redirect instead")
    if path.exists() and not force:
        raise FileError(f"{name}: exists and is kept; use --force to overwrite it")
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise FileError(f"{name}: cannot be written: {error.strerror}") from None
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
        click.echo(f"written: {name}", err=True)
    except FileError:
        raise
    except FileExistsError:
        raise FileError(f"{name}: appeared meanwhile and is kept; use --force") from None
    except OSError as error:
        raise FileError(f"{name}: cannot be written: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


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
        if report.csv is not None and (name is None or name.endswith(".csv")):
            return report.csv()
        return report.text(colour)

    if name is None:
        yield lambda report: echo(render(report, sys.stdout.isatty()), newline=False)
        return
    if name.endswith(PLOT_SUFFIXES):
        raise ArgumentError(f"-o {name}: the report is text; use --plot {name} for a picture")
    with new_file(name, force) as target:
        yield lambda report: _write(target, render(report, False))


def echo(text: str, newline: bool = True) -> None:
    """Print to standard output; a reader that has seen enough (head, less) is no error."""
    try:
        click.echo(text, nl=newline)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write(target: Target, text: str) -> None:
    target.stream.write(text.encode("utf-8"))


def check_plot(plot: str | None, as_json: bool, name: str | None) -> None:
    """Refuse a --plot that would mix with JSON on standard output or has no known suffix."""
    if plot is None:
        return
    if plot != PLOT_TERMINAL and not plot.endswith(PLOT_SUFFIXES):
        raise ArgumentError(
            f"--plot {plot!r}: a plot file ends in {', '.join(PLOT_SUFFIXES)}; put --plot last, "
            f"without a value, to draw in the terminal"
        )
    if name is not None and plot != PLOT_TERMINAL and Path(name).resolve() == Path(plot).resolve():
        raise ArgumentError(f"-o and --plot both name {name}; give each its own file")
    if plot == PLOT_TERMINAL and as_json and name is None:
        raise ArgumentError("--plot draws in the terminal and --json writes there; add -o FILE")


@contextlib.contextmanager
def optional_file(name: str | None, force: bool) -> Iterator[Target | None]:
    """Open a file before the work as `new_file`; None when no name is given."""
    if name is None:
        yield None
        return
    with new_file(name, force) as target:
        yield target


@contextlib.contextmanager
def plot_file(plot: str | None, force: bool) -> Iterator[Target | None]:
    """Open the plot's file before the work; None when no file is asked for."""
    if plot is None or plot == PLOT_TERMINAL:
        yield None
        return
    with new_file(plot, force) as target:
        yield target


def progress(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    """Pass items on; after a second show a progress bar on standard error, if it is a terminal."""
    start = time.monotonic()
    iterator = iter(items)
    done = 0
    for item in iterator:
        yield item
        done += 1
        if time.monotonic() - start > PROGRESS_AFTER_S and sys.stderr.isatty():
            break
    else:
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total, completed=done)
        for item in iterator:
            yield item
            bar.advance(task)
