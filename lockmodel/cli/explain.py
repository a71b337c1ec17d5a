"""`lockmodel explain`."""

from __future__ import annotations

import hashlib
import shlex
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from lockmodel import __version__
from lockmodel.cli import common, files, inputs, options
from lockmodel.cli.files import Report

if TYPE_CHECKING:
    from lockmodel.answers.explain import Bought, Explanation
    from lockmodel.model.prediction import Interval
    from lockmodel.model.scenario import Scenario

MAIL_WIDTH = 72

HASH_DIGITS = 12
"""Of the model's SHA-256: enough to tell two models apart, short enough for a line."""

TOLD_BY = {
    "data": "Told apart by: the data of the fit.",
    "counts": "Told apart by: counts and published times; no throughput tests it.",
    "nothing": "Told apart by: nothing; a throughput curve has the sum of the two.",
    "stated": "Told apart by: the times that the model states.",
}
"""By what held work is told from hand-off -> the sentence that says so."""

WOULD_TELL = {
    "nothing": "Would tell: {lock}'s hold time at {n}, or two kernels that differ in acquires for "
    "the same held work.",
    "counts": "Would test it: {lock}'s hold time at {n}, or two kernels that differ in acquires "
    "for the same held work.",
    "data": "Would narrow it most: lockmodel design {model} --data FILE.",
    "stated": "Would give intervals: a curve of your machine, lockmodel fit FILE --model {model}.",
}
"""The same -> the experiment that comes next."""


def explain(
    model: options.Model,
    population: options.Population = None,
    mail: Annotated[
        bool,
        Option(
            "--mail",
            help="For a mail: 72 columns of ASCII, with version, hash of the model and command.",
        ),
    ] = False,
    walks: options.Walks = None,
    machine: options.Machine = None,
    edits: options.Edits = None,
    counts: options.FromCounts = False,
    as_json: options.Json = False,
    output: options.Output = None,
    force: options.Force = False,
) -> None:
    """Which lock, what it is busy with, and what a cure would do.

    In ten lines: the lock that binds and its demand per iteration; how much of
    it is held work and how much hand-off, or that nothing tells; what half the
    hold, one acquire and shards buy; the experiment that would decide.

    \b
    Printed numbers:
      demand           time per iteration that the lock is busy: W + m c
      held work        W, what is done under the lock; the rest is m hand-offs
      (27 to 31)       (fitted scenarios) intervals, as `predict` and `whatif`
                       have them
    Examples:
      lockmodel explain execl-xeon8369b
      lockmodel explain execl-xeon8369b -n 64 --mail
    """
    from lockmodel.answers.explain import explain as explained

    scenario = inputs.scenario(model, walks, machine, counts=counts, edits=edits)
    n = inputs.population(population, scenario)
    with files.output(output, as_json, force) as write, common.compiling():
        answer = explained(scenario, n, common.progress)
        said = _sentences(scenario, answer, model)

        def text(colour: bool) -> str:
            from lockmodel.cli import text as tx

            if not mail:
                return tx.render(list(said), colour)
            return _mail(scenario, said, _command(model, n, walks, machine, edits or (), counts))

        write(Report(answer.to_json, text))


def _sentences(scenario: Scenario, answer: Explanation, model: str) -> tuple[str, ...]:
    """Return the answer, a paragraph per question."""
    from lockmodel.cli import text as tx

    n, rate = answer.point.n, answer.point.throughput_per_s
    at = tx.count(n, "process")
    reached = _with_ends(rate, answer.point.interval_per_s, "/s")
    top = [*common.fit_warning(scenario), *common.doubts(scenario, [n], _top(scenario))]
    if answer.demand is None:
        return (f"No lock binds at {at}, {reached}: the CPUs do.", *top)
    lock = tx.short(answer.demand.lock)
    waiting = answer.point.locks[answer.demand.lock].cycles_share
    demand = _with_ends(answer.demand.whole_s, answer.whole, "s")
    return (
        f"{tx.binds(answer.demand.lock)} at {at}: {reached}, {tx.whole(waiting)} of all CPU time "
        f"waits for it. Its demand is {demand}; {_split(answer)}.",
        f"So: {'; '.join([*(_buys(answer, each) for each in answer.bought), *_end(answer)])}.",
        TOLD_BY[answer.told],
        WOULD_TELL[answer.told].format(lock=lock, n=at, model=shlex.quote(model)),
        *top,
    )


def _with_ends(value: float, ends: Interval | None, unit: str) -> str:
    """Return a number and its interval in brackets, whose unit is left to it where it is the same.

    Without an interval the number alone.
    """
    from lockmodel.cli import text as tx
    from lockmodel.cli.intervals import span

    number = tx.si(value, unit)
    if ends is None:
        return number
    both = span(ends, unit)
    return f"{number} ({both.removesuffix(' ' + number.rpartition(' ')[2])})"


def _top(scenario: Scenario) -> float:
    from lockmodel.solvers.bounds import ceiling

    return ceiling(scenario).throughput_per_s


def _split(answer: Explanation) -> str:
    """Return how much of the demand is held work."""
    ends = answer.held_interval
    low, high = (f"{100 * end:.0f}" for end in ends) if ends else ("", "")
    if answer.told == "nothing":
        return f"how much of it is held work these data cannot say ({low} to {high} %)"
    share = f"{100 * answer.held:.0f} %" + (f" ({low} to {high})" if ends else "")
    return f"{share} of it is held work, {100 * (1.0 - answer.held):.0f} % hand-off"


def _buys(answer: Explanation, one: Bought) -> str:
    """Return what one change buys, and what binds then where it is something else."""
    from lockmodel.cli import text as tx
    from lockmodel.cli.intervals import gain

    assert answer.demand is not None
    kinds = [lever.kind.name for lever in one.levers]
    if len(kinds) > 1:
        what = "both"
    elif kinds[0] == "shorten_hold":
        what = "half the hold"
    elif kinds[0] == "batch":
        what = f"one acquire instead of {tx.plain(answer.demand.acquires)}"
    else:
        what = tx.count(one.levers[0].value.k, "shard")
    other = one.binding != answer.demand.lock
    then = f", then {_named(one.binding)}" if other else ""
    return f"{what} {gain(one.gain, one.interval)}{then}"


def _named(station: str) -> str:
    from lockmodel.cli import text as tx

    return "the CPUs" if station == "cpu" else tx.short(station)


def _end(answer: Explanation) -> list[str]:
    """Return where the lock can go at the most."""
    from lockmodel.cli import text as tx

    if answer.end is None or answer.demand is None:
        return []
    other = answer.end.binding != answer.demand.lock
    by = f" ({_named(answer.end.binding)})" if other else ""
    rate = tx.si(answer.end.throughput_per_s, "/s")
    return [f"nothing held and one acquire: a ceiling of {rate}{by}"]


def _command(
    model: str,
    n: int,
    walks: str | None,
    machine: str | None,
    edits: Sequence[str],
    counts: bool,
) -> str:
    """Return the command that repeats the answer."""
    words: list[str] = ["lockmodel", "explain", model, "-n", str(n)]
    words += ["--walks", walks] if walks else []
    words += ["--machine", machine] if machine else []
    for edit in edits:
        words += ["--set", edit]
    words += ["--from-counts"] if counts else []
    return shlex.join([*words, "--mail"])


def _mail(scenario: Scenario, said: tuple[str, ...], command: str) -> str:
    """Return paragraphs of at most 72 columns of ASCII, and how to repeat them."""
    from lockmodel.model.toml import dumps

    digest = hashlib.sha256(dumps(scenario).encode()).hexdigest()[:HASH_DIGITS]
    foot = f"lockmodel {__version__}, model {scenario.name} (sha256 {digest}):"
    lines: list[Any] = []
    for text in (*said, foot):
        plain = text.encode("ascii", "replace").decode()
        lines += textwrap.wrap(plain, MAIL_WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join([*lines, f"  {command}"]) + "\n"
