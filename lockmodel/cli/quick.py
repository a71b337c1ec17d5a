"""`lockmodel quick`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from lockmodel.cli import common, files, inputs, options
from lockmodel.cli import predict as predicted
from lockmodel.cli.files import Report
from lockmodel.errors import ArgumentError, nearest, shortened, shown

if TYPE_CHECKING:
    from lockmodel.answers.quick import Taken
    from lockmodel.answers.ranking import Ranking
    from lockmodel.model.prediction import Prediction
    from lockmodel.model.scenario import Scenario

FIRST = predicted.UNNAMED
"""Name of the lock that --hold is about."""

ROWS, CHANGES, LIMITS = 5, 6, 2
"""Populations and changes that are printed, and how many of these are limits at least."""

GRAMMAR = "NAME:hold=T[,acquires=M][,handoff=T][,shards=K]"


def quick(
    think: Annotated[
        str,
        Option(
            metavar="T", help="CPU time of an iteration outside the locks: 5us.", show_default=False
        ),
    ],
    hold: Annotated[
        str,
        Option(metavar="T", help="Time a lock is held, per acquire: 1us.", show_default=False),
    ],
    machine: Annotated[
        str,
        Option(
            metavar="SxCxT|NAME",
            help="Sockets x cores per socket x threads per core, e.g. 2x32x1, or one that "
            "`lockmodel machines` lists.",
            show_default=False,
        ),
    ],
    acquires: Annotated[float, Option(metavar="M", help="How often an iteration takes it.")] = 1.0,
    handoff: Annotated[
        str | None,
        Option(
            metavar="T",
            help="What an acquire takes longer when another CPU waits: 300ns  [default: the range "
            "published for queue locks, as an interval].",
            show_default=False,
        ),
    ] = None,
    shards: Annotated[int, Option(metavar="K", help="Copies of the lock, by CPU.")] = 1,
    more: Annotated[
        list[str] | None,
        Option(
            "--lock",
            metavar="NAME:hold=T,...",
            help=f"A further lock: {GRAMMAR}. Repeatable.",
            show_default=False,
        ),
    ] = None,
    population: options.Population = None,
    as_json: options.Json = False,
    output: Annotated[
        str | None,
        Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Write the scenario, for all other commands (.toml).",
            show_default=False,
        ),
    ] = None,
    force: options.Force = False,
) -> None:
    """Throughput and levers from a few numbers, without a model.

    Holds and think time are taken as exponential, waiters as served in order. What
    else there is to say of a lock the file of -o has room for.

    \b
    Printed numbers:
      throughput       iterations per second of the whole machine
      80 % interval    (without --handoff) of the next measurement: the published
                       range of a hand-off, repeat noise, and model error
      error, ceiling at n, waits for
                       as `lockmodel predict` has them
      gain, then binds, best
                       as `lockmodel levers` has them, intervals in %
      up to            no lock is left then, only CPUs; others may bind before
      *                a limit that no patch reaches
    Examples:
      lockmodel quick --think 5us --hold 1us --acquires 3 --machine 2x32x1
      lockmodel quick --think 5us --hold 1us --machine 2x32x1 --handoff 300ns
      lockmodel quick --think 5us --hold 1us --machine 2x32x1 --lock list:hold=2us
    """
    from lockmodel.answers.predict import predict
    from lockmodel.answers.quick import Taken
    from lockmodel.answers.quick import quick as scenario_of
    from lockmodel.answers.ranking import rank
    from lockmodel.model.edit import seconds
    from lockmodel.model.machines import parse
    from lockmodel.model.toml import dumps

    if output is not None and not output.endswith(".toml"):
        raise ArgumentError(f"-o {output}: the scenario is written as .toml; name it so")
    passed = None if handoff is None else seconds(handoff, "--handoff")
    first = Taken(FIRST, seconds(hold, "--hold"), acquires, passed, shards)
    locks = [first, *(_further(text, passed) for text in more or ())]
    scenario = scenario_of(seconds(think, "--think"), locks, parse(machine))
    n = inputs.population(population, scenario)
    asked = sorted({*(p for p in inputs.populations(None, scenario) if p < n), n})
    with (
        files.optional_file(output, force) as target,
        files.output(None, as_json, force) as write,
        common.compiling(),
    ):
        prediction = predict(scenario, asked, progress=common.progress)
        ranking = rank(scenario, n, progress=common.progress)
        write(
            Report(
                lambda: _data(scenario, prediction, ranking),
                lambda colour: _text(scenario, prediction, ranking, output, colour),
            )
        )
        if target is not None:
            target.stream.write(dumps(scenario).encode())


def _further(text: str, handoff: float | None) -> Taken:
    """Return the lock of --lock; the hand-off of --handoff where it has none of its own."""
    from lockmodel.answers.quick import Taken
    from lockmodel.model.edit import seconds

    where = f"--lock {shortened(text)}:"
    name, colon, rest = text.partition(":")
    known = ["hold", "acquires", "handoff", "shards"]
    given: dict[str, str] = {}
    for part in rest.split(","):
        key, equals, value = part.partition("=")
        if not colon or not equals:
            raise ArgumentError(f"{where} write {GRAMMAR}, e.g. {name or 'list'}:hold=2us")
        if key not in known:
            raise ArgumentError(f"{where} unknown key {key!r}; {nearest(key, known)}")
        given[key] = value
    if "hold" not in given:
        raise ArgumentError(f"{where} hold is missing; write {GRAMMAR}")
    own = given.get("handoff")
    return Taken(
        name,
        seconds(given["hold"], f"{where} hold ="),
        _number(given.get("acquires", "1"), f"{where} acquires", float),
        handoff if own is None else seconds(own, f"{where} handoff ="),
        _number(given.get("shards", "1"), f"{where} shards", int),
    )


def _number(text: str, what: str, kind: type) -> Any:
    try:
        return kind(text)
    except ValueError:
        word = "whole number" if kind is int else "number"
        raise ArgumentError(f"{what} = {shown(text)} must be a {word}") from None


def _data(scenario: Scenario, prediction: Prediction, ranking: Ranking) -> dict[str, Any]:
    import msgspec

    return {
        "schema": "lockmodel.quick/1",
        "scenario": msgspec.to_builtins(scenario),
        "prediction": prediction.to_json(),
        "levers": ranking.to_json(),
    }


def _text(
    scenario: Scenario, prediction: Prediction, ranking: Ranking, name: str | None, colour: bool
) -> str:
    """Return the answer in 20 lines: what is reached, and what changes it."""
    from lockmodel.cli import levers
    from lockmodel.cli import text as tx
    from lockmodel.model.plausible import implausible

    shown = predicted.some_rows(prediction, False, ROWS)
    useful = levers.worthwhile(ranking)
    built = levers.first_rows([row for row in useful if not row.limit], CHANGES - LIMITS)
    limits = [row for row in useful if row.limit]
    built.sort(key=lambda row: -row.gain)
    kept = [*built, *limits[: CHANGES - len(built)]]
    left = [f"{len(useful) - len(kept)} more"] if len(useful) > len(kept) else []
    if any(row.limit for row in kept):
        left.insert(0, "* no patch gets there")
    hint = f"lockmodel levers {name}" if name else "-o mine.toml keeps it for all other commands"
    parts: list[Any] = [
        *predicted.headline(scenario, prediction),
        *_assumed(scenario),
        *(f"! {text}" for text in implausible(scenario)),
        "",
        predicted.short_table(prediction, shown),
        "",
        levers.lever_table(ranking, kept, f"what a change buys at {ranking.n}", only=True),
        "; ".join([*left, hint]),
    ]
    return tx.render(parts, colour)


def _assumed(scenario: Scenario) -> list[str]:
    """Return what the hand-off is where nobody said; nothing where it was said."""
    from lockmodel.answers.quick import published
    from lockmodel.cli import intervals

    if scenario.fit is None:
        return []
    ends = intervals.span((published().low, published().high), "s")
    return [f"Hand-off not given: {ends} is published, hence the intervals (--handoff)."]
