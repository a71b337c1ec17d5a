"""What a scenario does: `predict` it, change it, and see where it ends.

A scenario is given as one, by the name of a shipped one, or by the path of a TOML file. Arguments
are called as the options of the command, errors name those: --time-limit is `time_limit`. Where
standard error is a terminal, what takes long shows its progress there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Literal

from lockmodel.api.answer import Answer, checked
from lockmodel.api.given import (
    Levers,
    Model,
    Populations,
    expect,
    levers_of,
    load,
    population,
    populations,
    texts,
)
from lockmodel.cli import common
from lockmodel.cli.options import TIME_LIMIT_S
from lockmodel.errors import ArgumentError

if TYPE_CHECKING:
    from lockmodel.answers.ceilings import Ceilings
    from lockmodel.answers.class_levers import ClassCeilings, ClassRanking
    from lockmodel.answers.ranking import Ranking
    from lockmodel.answers.sweep import Sweep
    from lockmodel.answers.whatif import WhatIf
    from lockmodel.cli.files import Report
    from lockmodel.model.prediction import Prediction
    from lockmodel.model.scenario import Scenario, ShardBy

Closed = Literal["auto", "bounds", "product-form"]
Method = Literal["auto", "bounds", "product-form", "markov", "simulation"]

MAX_ERROR = 0.2
"""As --max-error of `lockmodel predict`."""

MOST_ROWS = 24
"""Rows of a sweep that are shown."""


def predict(
    scenario: Model,
    n: Populations = None,
    method: Method = "auto",
    *,
    max_error: float = MAX_ERROR,
    time_limit: float = TIME_LIMIT_S,
) -> Answer[Prediction]:
    """Return throughput at some populations, and what each lock costs there.

    Parameters
    ----------
    scenario : Scenario, str or path-like
    n : int, iterable of int, or str
        Populations; doublings up to all CPUs without it.
    method : str
        'auto' is the cheapest that is good enough.
    max_error : float
        Relative error of throughput that 'auto' accepts.
    time_limit : float
        Seconds after which a simulation stops.

    Returns
    -------
    Answer of Prediction
        `columns` has a row per population: rates in 1/s, times in s, shares of CPU cycles.

    Raises
    ------
    ArgumentError
        An unknown method, or a population out of range.
    NotTrustworthyError
        No reliable answer, or stopped before it was: `answer` of the error has what there is.

    Examples
    --------
    >>> import lockmodel as lm
    >>> rates = lm.predict("execl-xeon8369b", [16, 128]).columns()["throughput_per_s"]
    >>> [f"{rate:,.0f}" for rate in rates]
    ['48,713', '34,745']
    """
    from lockmodel.answers.predict import predict as answer
    from lockmodel.cli.predict import check_reached, report
    from lockmodel.figures.throughput import plot

    made = load(scenario)
    asked = populations(n, made)
    common.check_affordable(made, asked, method, time_limit)
    late = common.limit(time_limit)
    with common.compiling():
        result = answer(made, asked, method, common.progress, max_error, late)
    told = Answer(result, partial(report, made, result), partial(plot, prediction=result))
    return checked(told, lambda: check_reached(result, asked, max_error))


def bounds(scenario: Model, n: Populations = None) -> Answer[Prediction]:
    """Return guaranteed bounds on throughput: `predict` with method 'bounds'.

    Parameters
    ----------
    scenario : Scenario, str or path-like
    n : int, iterable of int, or str
        Populations; doublings up to all CPUs without it.

    Returns
    -------
    Answer of Prediction
        `throughput_per_s` of its points is the upper bound, `lower_per_s` the lower one, in 1/s.

    Raises
    ------
    ArgumentError
        A population out of range.

    Examples
    --------
    >>> import lockmodel as lm
    >>> point = lm.bounds("execl-xeon8369b", 128).points[0]
    >>> point.lower_per_s < 34_744 < point.upper_per_s
    True
    """
    return predict(scenario, n, "bounds")


def whatif(
    scenario: Model,
    levers: Levers,
    n: Populations = None,
    method: Method = "auto",
    *,
    time_limit: float = TIME_LIMIT_S,
) -> Answer[WhatIf]:
    """Return throughput before and after levers, applied in the order given.

    Parameters
    ----------
    scenario : Scenario, str or path-like
    levers : str, or iterable of str
        As --lever takes them: "shard:libc.so.6=8"; in one text with ';' between them.
    n : int, iterable of int, or str
        Populations; doublings up to all CPUs without it.
    method : str
    time_limit : float
        Seconds after which a simulation stops.

    Returns
    -------
    Answer of WhatIf
        `columns` has a row per population: rates in 1/s, gain 0.8 is +80 %, with its interval.

    Raises
    ------
    ArgumentError
        No lever, an unknown one, or one that makes no sense for the scenario.
    NotTrustworthyError
        As `predict`.

    Examples
    --------
    >>> import lockmodel as lm
    >>> change = lm.whatif("execl-xeon8369b", "shard:libc.so.6=8", 128).points[0]
    >>> f"{change.gain:+.0%}"
    '+101%'
    """
    from lockmodel.answers.whatif import compare
    from lockmodel.cli.whatif import report
    from lockmodel.figures.answered import plot_change

    made = load(scenario)
    chosen = levers_of(levers)
    if not chosen:
        raise ArgumentError("levers: none is given; give at least one, e.g. shard:libc.so.6=8")
    asked = populations(n, made)
    common.check_affordable(made, asked, method, time_limit, 2)
    late = common.limit(time_limit)
    with common.compiling():
        result = compare(made, chosen, asked, method, common.progress, late)
    told = Answer(result, partial(report, made, result), partial(plot_change, answer=result))
    return checked(told, lambda: common.check_all_simulated(len(result.points), len(asked)))


def levers(
    scenario: Model,
    n: int | str | None = None,
    method: Closed = "auto",
    *,
    time_limit: float = TIME_LIMIT_S,
) -> Answer[Ranking] | Answer[ClassRanking]:
    """Return every lever that applies, ranked by what it buys.

    Parameters
    ----------
    scenario : Scenario, str or path-like
    n : int
        Population; all CPUs without it.
    method : str
    time_limit : float
        Seconds after which no further lever is tried.

    Returns
    -------
    Answer of Ranking, or of ClassRanking where there are several classes
        `columns` has a row per lever: gain 0.8 is +80 %, with its interval; rates in 1/s.

    Raises
    ------
    ArgumentError
        A population out of range.
    NotTrustworthyError
        Not all were tried: `answer` of the error has those that were.

    Examples
    --------
    >>> import lockmodel as lm
    >>> ranked = lm.levers("execl-xeon8369b", method="bounds")
    >>> max(row.gain for row in ranked.levers if not row.limit) > 1
    True
    """
    from lockmodel.answers.class_levers import rank_classes
    from lockmodel.answers.ranking import rank
    from lockmodel.cli.class_text import levers_report
    from lockmodel.cli.levers import check_tried, report
    from lockmodel.figures.answered import plot_ranking

    made = load(scenario)
    late = common.limit(time_limit)
    with common.compiling():
        if made.classes:
            several = rank_classes(made, population(n, made), method, common.progress, late)
            return Answer(several, partial(levers_report, made, several))
        result = rank(made, population(n, made), method, common.progress, late)
    told = Answer(result, partial(report, made, result), partial(plot_ranking, answer=result))
    return checked(told, lambda: check_tried(result))


def ceiling(
    scenario: Model, n: int | str | None = None, over: str | None = None
) -> Answer[Ceilings] | Answer[ClassCeilings]:
    """Return where throughput ends, and what moves that.

    Parameters
    ----------
    scenario : Scenario, str or path-like
    n : int
        Population; all CPUs without it.
    over : str, optional
        One axis in full: "acquires=1..30".

    Returns
    -------
    Answer of Ceilings, or of ClassCeilings where there are several classes
        `columns` has a row per step of each axis, or per station; ceilings in 1/s.

    Raises
    ------
    ArgumentError
        A population out of range, or an axis that makes no sense for the scenario.

    Examples
    --------
    >>> import lockmodel as lm
    >>> top = lm.ceiling("execl-xeon8369b").at_n
    >>> f"{top.binding}: {top.throughput_per_s:,.0f} per s"
    'libc.so.6: 34,745 per s'
    """
    from lockmodel.answers.axis import parse_axis
    from lockmodel.answers.ceilings import ceilings
    from lockmodel.answers.ceilings import over as over_axis
    from lockmodel.answers.class_levers import class_ceilings
    from lockmodel.cli.ceiling import report
    from lockmodel.cli.class_text import ceiling_report
    from lockmodel.figures.answered import plot_ceilings

    made = load(scenario)
    at = population(n, made)
    axis = None if over is None else parse_axis(over)
    if made.classes and axis is None:
        several = class_ceilings(made, at)
        return Answer(several, partial(ceiling_report, made, several))
    result = ceilings(made, at) if axis is None else over_axis(made, axis, at)
    draw = partial(plot_ceilings, answer=result)
    return Answer(result, partial(report, made, result, axis), draw)


def sweep(
    scenario: Model,
    over: str | Iterable[str] | Mapping[str, Iterable[float]],
    n: Populations = None,
    method: Closed = "auto",
    *,
    by: ShardBy | None = None,
    time_limit: float = TIME_LIMIT_S,
) -> Answer[Sweep]:
    """Return throughput over a grid of levers.

    Parameters
    ----------
    scenario : Scenario, str or path-like
    over : str, iterable of str, or mapping of str to iterable of float
        Axes as --over takes them: "shards=1,2,4", or {"libc.so.6:shards": [1, 2, 4]}.
    n : int, iterable of int, or str
        Populations; doublings up to all CPUs without it.
    method : str
    by : {'cpu', 'node', 'hash'}, optional
        What chooses a shard; the lock's own key without it.
    time_limit : float
        Seconds after which the sweep stops.

    Returns
    -------
    Answer of Sweep
        `columns` has a row per combination and population; rates in 1/s.

    Raises
    ------
    ArgumentError
        An axis that makes no sense, or too large a grid.
    NotTrustworthyError
        Stopped, by time or ^C: `answer` of the error has the rows that are finished.

    Examples
    --------
    >>> import lockmodel as lm
    >>> swept = lm.sweep("execl-xeon8369b", {"shards": [1, 2]}, 128)
    >>> swept.columns()["binding"]
    array(['libc.so.6', 'ld-linux-x86-64.so.2'], dtype='<U20')
    """
    from lockmodel.answers.axis import parse_axis
    from lockmodel.answers.sweep import sweep as run
    from lockmodel.cli.sweep import check_complete
    from lockmodel.figures.sweep import plot

    if isinstance(over, Mapping):
        for name, values in over.items():
            expect(f"over[{name!r}]", values, Iterable, "the values of an axis")
        over = [
            f"{name}={values if isinstance(values, str) else ','.join(map(str, values))}"
            for name, values in over.items()
        ]
    made = load(scenario)
    axes = [parse_axis(text, by) for text in texts(over, "over")]
    late = common.limit(time_limit)
    with common.compiling():
        result = run(made, axes, populations(n, made), method, common.progress, late)
    told = Answer(result, partial(_swept, made, result), partial(plot, sweep=result))
    return checked(told, lambda: check_complete(result))


def _swept(scenario: Scenario, result: Sweep, explain: bool) -> Report:
    """Return a sweep with what the command says on standard error below its first rows, or all."""
    from dataclasses import replace

    from lockmodel.cli.sweep import notes, report

    made = report(result)

    def text(colour: bool) -> str:
        head, *rows = made.text(colour).splitlines()
        shown = rows if explain else rows[:MOST_ROWS]
        more = [f"({len(rows)} rows, {len(shown)} shown)"] if len(shown) < len(rows) else []
        return "\n".join([head, *shown, *more, *(f"note: {n}" for n in notes(scenario, result))])

    return replace(made, text=text)
