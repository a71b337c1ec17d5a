"""What all commands share while they run: progress, patience, scenarios, notes on fits."""

from __future__ import annotations

import contextlib
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import typer

from lockmodel.cli import intervals, options
from lockmodel.cli import text as tx
from lockmodel.errors import ArgumentError, NotTrustworthyError

T = TypeVar("T")

PROGRESS_AFTER_S = 1.0
COMPILING_AFTER_S = 3.0


@contextlib.contextmanager
def patience(seconds: float, pressing: bool = True) -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether to stop: the time is up, or the user pressed ^C once.

    A second ^C interrupts for good; without `pressing` the first does. A time that is not a number
    above 0 is an ArgumentError. Time in which the solvers are compiled does not count.
    """
    late = limit(seconds)
    pressed = threading.Event()

    def press(number: int, frame: Any) -> None:
        if pressed.is_set() or not pressing:
            raise KeyboardInterrupt
        pressed.set()
        typer.echo("lockmodel: stopping; ^C again throws away what there is", err=True)

    before = signal.signal(signal.SIGINT, press)
    try:
        yield lambda: pressed.is_set() or late()
    finally:
        signal.signal(signal.SIGINT, before)


def limit(seconds: float) -> Callable[[], bool]:
    """Return a function that says whether that time is up; compiling the solvers takes none of it.

    A time that is not a number above 0 is an ArgumentError.
    """
    from lockmodel.solvers.numba_cache import compile_s

    options.seconds(seconds)

    def worked() -> float:
        return time.monotonic() - compile_s()

    start = worked()
    return lambda: worked() - start > seconds


@contextlib.contextmanager
def compiling() -> Iterator[None]:
    """Say so when the first run on a machine takes long because the event loop is compiled."""
    done = threading.Event()

    def say() -> None:
        engine = sys.modules.get("lockmodel.solvers.simulation.engine")
        if not done.wait(COMPILING_AFTER_S) and engine is not None and not engine.run.signatures:
            typer.echo("lockmodel: compiling the simulator, once on this machine ...", err=True)

    if sys.stderr.isatty():
        threading.Thread(target=say, daemon=True).start()
    try:
        yield
    finally:
        done.set()


def fit_warning(scenario: Any) -> list[str]:
    """Return the flags of the scenario's fit in capitals; nothing for none."""
    return intervals.warning(scenario.fit)


def fit_origin(scenario: Any, basis: Any) -> list[str]:
    """Return the line that says what intervals rest on; nothing without a fit."""
    return intervals.origin(basis, scenario.fit)


def caveats(warnings: Sequence[str], method: str, size: str = "") -> list[Any]:
    """Return where a comparison by some method is approximate, and what that is worth."""
    if method == "bounds":
        return ["Both sides are upper bounds (method bounds), so the gain is only indicative."]
    head = f"approximate, {size}; where" if size else "approximate where"
    return tx.bullets(f"{head} (see `lockmodel predict` for assumptions):", warnings)


def doubts(scenario: Any, populations: Sequence[int], peak_per_s: float | None = None) -> list[str]:
    """Return the lines on top of an answer that change it: "! ...", nothing for none.

    Parameters
    ----------
    scenario : Scenario
        As it is today: what was measured was measured there.
    populations : sequence of int
        Those of the answer; said when the times were not set on them.
    peak_per_s : float, optional
        The peak ceiling of the answer; said when more was measured. Without it nothing is.
    """
    from lockmodel.solvers.validity import contradiction, outside

    above = [] if peak_per_s is None else contradiction(scenario, peak_per_s)
    return [f"! {text}" for text in (*above, *outside(scenario, populations))]


def check_all_simulated(done: int, asked: int, how: str = "simulated") -> None:
    """Raise NotTrustworthyError when it was stopped before the last population."""
    if done < asked:
        raise NotTrustworthyError(
            f"stopped: {asked - done} of {asked} populations were not {how}; raise --time-limit"
        )


def check_affordable(
    scenario: Any, populations: Sequence[int], method: str, seconds: float, times: int = 1
) -> None:
    """Raise ArgumentError when product form would take longer than --time-limit.

    Parameters
    ----------
    scenario : Scenario
    populations : sequence of int
    method : str
    seconds : float
        Value of --time-limit.
    times : int
        Scenarios as large that are solved.
    """
    from lockmodel.solvers.closed_form import product_form_s

    options.seconds(seconds)
    takes = times * product_form_s(scenario, populations)
    if method in ("auto", "product-form") and takes > seconds:
        low, high, many = min(populations), max(populations), len(populations)
        step = takes / seconds * (high - low + 1) / many
        round_step = math.ceil(step / 10 ** int(math.log10(step))) * 10 ** int(math.log10(step))
        raise ArgumentError(
            f"-n: {many} populations up to {high} take about {float(f'{takes:.2g}'):,.0f} s by "
            f"product form, --time-limit is {seconds:g} s: take a step, e.g. "
            f"{low}..{high}:{min(round_step, high)}, or raise --time-limit"
        )


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
