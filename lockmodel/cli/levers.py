"""`lockmodel levers`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from lockmodel.cli import common, files, inputs, options
from lockmodel.cli.common import fit_origin, fit_warning
from lockmodel.cli.files import Report
from lockmodel.errors import ArgumentError, NotTrustworthyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lockmodel.answers.ranking import Ranked, Ranking
    from lockmodel.model.scenario import Scenario

TOP = 20
"""Rows of the full report."""

FEW, FEW_LIMITS = 6, 3
"""Rows of the short one: what a patch can do, and what bounds it."""

MOST_SHARDS = 6
"""Shard counts beside each other in 80 columns."""

NOTHING = 5e-4
"""Gains below this print as 0 %."""

LEAST_REGRET = 5e-4
"""Regrets below this would print as 0.0 %."""

LONGEST = 46
"""Longest lever text that leaves room for the other columns in 80."""

LONGEST_BESIDE_INTERVALS = 36
"""... when gains have intervals."""


def levers(
    model: options.Model,
    population: options.Population = None,
    top: Annotated[
        int | None,
        Option(
            metavar="ROWS",
            help=f"Rows to print; 0 prints all  [default: {FEW}, with --explain {TOP}].",
            show_default=False,
        ),
    ] = None,
    every: options.All = False,
    method: options.ClosedMethod = "auto",
    time_limit: options.TimeLimit = options.TIME_LIMIT_S,
    walks: options.Walks = None,
    machine: options.Machine = None,
    edits: options.Edits = None,
    counts: options.FromCounts = False,
    explain: options.Explain = False,
    as_json: options.Json = False,
    output: options.Output = None,
    force: options.Force = False,
) -> None:
    """Every lever that applies, ranked by what it buys.

    Each lever is tried by itself, on one lock and on all: half and no hold, one
    acquire per lock and per site, each site skipped, the lock excluded, shards at
    doublings (ranked: the smallest count that is enough, within 1 % of the best),
    the hand-off as cheap as it is at best today and free, half and no lines, lines
    from the own NUMA node, a tenth less think time.

    \b
    Printed numbers:
      gain             throughput after over before: +80 % is 1.8 times
      at least         no modelled lock binds afterwards: what is printed is the
                       gain at which the last one bound, what comes next nobody
                       modelled
      !                the rate exceeds the highest one that was measured; another
                       lock may bind before
      (48 to 79)       (fitted scenarios) interval of the gain in %, from the
                       error of the fitted parameters, the same before and after,
                       and of product form, without noise; bounds have none
      best             (fitted scenarios) share of the draws from the fit in which
                       nothing else that can be built gains more
      then binds       the lock (or cpu) that sets the ceiling at n then
      by cpu, ...      gain against the number of shards, by what chooses one
      CLASS            (several classes) gain of each; rows go by the total's
    Printed with --explain:
      *                a limit that no patch reaches
      ceiling at n     of what binds then
    With background walkers (--walks, or in the model) more shards cost the
    walkers more acquires, and there is a best count.
    Examples:
      lockmodel levers execl-xeon8369b
      lockmodel levers execl-xeon8369b -n 128 --walks libc.so.6=5000,read_us=64
    """
    from lockmodel.answers.ranking import rank

    if top is not None and top < 0:
        raise ArgumentError(f"--top {top} must be 0 (all) or more")
    if every:
        top = 0
    scenario = inputs.scenario(model, walks, machine, counts=counts, edits=edits, classes=True)
    n = inputs.population(population, scenario)
    with (
        files.output(output, as_json, force) as write,
        common.patience(time_limit) as stop,
        common.compiling(),
    ):
        if scenario.classes:
            from lockmodel.answers.class_levers import rank_classes
            from lockmodel.cli.class_text import levers_report

            several = rank_classes(scenario, n, method, common.progress, stop)
            write(levers_report(scenario, several, top == 0))
            return
        ranking = rank(scenario, n, method, common.progress, stop)
        write(report(scenario, ranking, explain, top))
    check_tried(ranking)


def report(
    scenario: Scenario, ranking: Ranking, explain: bool = False, top: int | None = None
) -> Report:
    """Return the ranking as it is printed and written; `top` is the value of --top."""

    def text(colour: bool) -> str:
        if explain:
            return _explained(scenario, ranking, TOP if top is None else top, colour)
        return _brief(scenario, ranking, top, colour)

    return Report(
        ranking.to_json,
        text,
        lambda: files.csv_text(_rows(ranking) or [{"lever": ""}]),
        rows=lambda: _rows(ranking),
    )


def check_tried(ranking: Ranking) -> None:
    """Raise NotTrustworthyError when there was no time for all levers."""
    if ranking.untried:
        raise NotTrustworthyError(
            f"stopped: {ranking.untried} of the levers were not tried; raise --time-limit"
        )


def _rows(ranking: Ranking) -> list[dict[str, Any]]:
    """Return the levers as rows of a CSV file."""
    rows = []
    for row in ranking.levers:
        low, high = row.gain_interval or (None, None)
        rows.append(
            {
                "lever": row.lever.text,
                "limit": row.limit,
                "gain": row.gain,
                "gain_low": low,
                "gain_high": high,
                "best_in": row.best_in,
                "regret": row.regret,
                "at_least": row.at_least,
                "beyond_measured": row.beyond_measured,
                "after_per_s": row.after_per_s,
                "ceiling_at_n_per_s": row.ceiling_per_s,
                "binding": row.binding,
            }
        )
    return rows


def _brief(scenario: Scenario, ranking: Ranking, top: int | None, colour: bool) -> str:
    """Return what a patch can do, what bounds it, and how shards are best chosen."""
    from lockmodel.cli import text as tx

    if not scenario.changeable:
        return tx.render(_without_locks(scenario, ranking), colour)
    useful = worthwhile(ranking)
    built = [row for row in useful if not row.limit]
    limits = [row for row in useful if row.limit]
    few, fewer = (FEW, FEW_LIMITS) if top is None else (top or len(built), top or len(limits))
    rows = first_rows(built, few)
    doubts = _doubts(scenario, ranking)
    weak = [text for text in ranking.warnings if f"! {text}" not in doubts]
    parts: list[Any] = [
        *_headline(scenario, ranking, built),
        *fit_warning(scenario),
        *doubts,
        "",
        lever_table(ranking, rows, "what a patch can do"),
        *_regret(rows),
    ]
    if limits:
        parts += ["", lever_table(ranking, limits[:fewer], "what bounds it: no patch gets there")]
    shown = [*rows, *limits[:fewer]]
    if any(row.beyond_measured for row in shown):
        parts.append("! beyond the highest rate measured; another lock may bind before")
    parts += _keys(ranking)
    hidden, idle = len(useful) - len(shown), len(ranking.levers) - len(useful)
    left = tx.more(hidden, "change", "--all")
    if idle:
        left.append(f"{tx.count(idle, 'change')} {'gains' if idle == 1 else 'gain'} nothing here")
    if ranking.method != "bounds":
        left += tx.counted(weak, _worth(ranking))
    if ranking.method == "bounds":
        left.append("both sides are upper bounds, so gains are only indicative")
    return tx.render([*parts, "; ".join(left)] if left else parts, colour)


def _without_locks(scenario: Scenario, ranking: Ranking) -> list[str]:
    """Return that there is nothing to rank."""
    from lockmodel.cli import text as tx

    return [
        f"{scenario.title}. An iteration takes no lock that a change could be about: nothing to "
        f"rank. At {tx.count(ranking.n, 'process')} ({tx.si(ranking.before_per_s, '/s')}) "
        f"{tx.binds(ranking.binding)}.",
        *fit_warning(scenario),
        *_doubts(scenario, ranking),
    ]


def worthwhile(ranking: Ranking) -> list[Ranked]:
    """Return the levers that gain something, the best first; then those of unknown end."""
    return sorted(
        (row for row in ranking.levers if row.gain >= NOTHING),
        key=lambda row: (row.at_least is not None, -row.sure, row.lever.text),
    )


def first_rows(built: Sequence[Ranked], few: int) -> list[Ranked]:
    """Return the first levers; one of unknown end is among them where there is any."""
    known = [row for row in built if row.at_least is None]
    if len(known) < few:
        return list(built[:few])
    return [*known[: few - 1], *built[len(known) :][:1]]


def _doubts(scenario: Scenario, ranking: Ranking) -> list[str]:
    from lockmodel.solvers.bounds import ceiling

    return common.doubts(scenario, [ranking.n], ceiling(scenario).throughput_per_s)


def _worth(ranking: Ranking) -> str:
    """Return what the approximations are worth where they are worth most."""
    from lockmodel.cli import text as tx

    return tx.worth(ranking.worst_error.error, ranking.worst_error.where)


def _headline(scenario: Scenario, ranking: Ranking, built: Sequence[Ranked]) -> list[str]:
    """Return the best change that can be built, and what is the most for the lock that binds."""
    from lockmodel.cli import text as tx
    from lockmodel.solvers.bounds import ceiling_at

    rate = tx.si(ranking.before_per_s, "/s")
    would = "would bind first" if ranking.n < ceiling_at(scenario, ranking.n).knee else "binds"
    now = f"At {tx.count(ranking.n, 'process')} ({rate}, {ranking.binding} {would})"
    if not built:
        return [f"{scenario.title}. {now} no change that can be built gains anything."]
    best = built[0]
    said = [
        f"{scenario.title}. {now} the best single change is {best.lever}: {_gain(best)}; then "
        f"{_binds(best)} binds."
    ]
    own = [row for row in ranking.levers if row.lever.lock == ranking.binding and row.gain > 0]
    if own:
        most = max(own, key=lambda row: row.gain)
        said.append(
            f"Nothing done to {ranking.binding} alone gains more than "
            f"{tx.gain(most.gain)}: {_binds(most)} comes next."
        )
    return [" ".join(said)]


def _binds(row: Ranked) -> str:
    from lockmodel.cli import text as tx

    return "no modelled lock" if row.binding == "cpu" else tx.short(row.binding)


def lever_table(ranking: Ranking, rows: Sequence[Ranked], head: str, only: bool = False) -> Any:
    """Return levers with their gains and what binds then.

    With `only` no other locks are asked about: what is gained without any of them is the most, not
    unknown. Limits have a star then, as they have no table of their own.
    """
    from lockmodel.cli import intervals
    from lockmodel.cli import text as tx

    word = "up to " if only else "at least "
    least = [word if row.at_least is not None else "" for row in rows]
    marks = [" !" if row.beyond_measured else " *" if only and row.limit else "  " for row in rows]
    values = [
        (
            row.gain if only else row.sure,
            row.gain_interval if row.at_least is None else None,
        )
        for row in rows
    ]
    wide = max(map(len, least), default=0)
    cells = [
        f"{some:>{wide}}{cell}"
        for some, cell in zip(least, intervals.aligned(values, marks), strict=True)
    ]
    title = "gain" if ranking.fit is None else f"gain ({intervals.title(ranking.fit)})"
    then = ["not modelled" if row.binding == "cpu" else _binds(row) for row in rows]
    body = [[row.lever.text, *pair] for row, *pair in zip(rows, cells, then, strict=True)]
    heads = [head, title, "then binds"]
    if any(row.best_in is not None for row in rows):
        heads.append("best")
        for one, row in zip(body, rows, strict=True):
            one.append("" if row.best_in is None else tx.whole(row.best_in))
    return tx.table(heads, body, left=(0, 1, 2), fold=(0, 2))


def _regret(built: Sequence[Ranked]) -> list[str]:
    """Return what choosing the first lever loses against the best of each draw, on average."""
    if not built or built[0].regret is None:
        return []
    said = "(best: share of the fit's draws"
    if built[0].regret >= LEAST_REGRET:
        lost = f"{100 * built[0].regret:.1f} %"
        said += f"; choosing {built[0].lever} loses {lost} of throughput against the best of each"
    return [f"{said})"]


def _keys(ranking: Ranking) -> list[Any]:
    """Return the gains against shards of the lock that binds, by what chooses a shard."""
    from lockmodel.cli import text as tx

    series = [one for one in ranking.shards if one.lock == ranking.binding]
    counts = sorted({row.lever.value.k for one in series for row in one.tried})[:MOST_SHARDS]
    if not counts or all(max(row.gain for row in one.tried) < NOTHING for one in series):
        return []
    rows = []
    for one in series:
        gains = {row.lever.value.k: row for row in one.tried}
        rows.append(
            [f"by {one.by}", *(_shard_gain(gains[k]) if k in gains else "" for k in counts)]
        )
    heads = [f"shards of {ranking.binding}", *map(str, counts)]
    return ["", tx.table(heads, rows, left=(0,))]


def _shard_gain(row: Ranked) -> str:
    from lockmodel.cli import text as tx

    return "walkers" if row.after_per_s == 0 else tx.gain(row.gain)


def _explained(scenario: Scenario, ranking: Ranking, top: int, colour: bool) -> str:
    """Return the full report."""
    from lockmodel.cli import text as tx

    if not scenario.changeable:
        return tx.render(_without_locks(scenario, ranking), colour)
    useful = [row for row in ranking.levers if row.gain >= NOTHING]
    shown = useful[: top or None]
    table = _ranking_table(ranking, shown)
    parts: list[Any] = [
        f"{scenario.name}: {scenario.title}",
        *fit_warning(scenario),
        *_doubts(scenario, ranking),
        f"at {tx.count(ranking.n, 'process')}: {tx.si(ranking.before_per_s, '/s')}; ceiling at n "
        f"{tx.si(ranking.ceiling_per_s, '/s')} set by {ranking.binding}",
        *fit_origin(scenario, ranking.fit),
        "",
        table,
    ]
    hidden, idle = len(useful) - len(shown), len(ranking.levers) - len(useful)
    if hidden:
        least = tx.gain(useful[len(shown)].gain)
        parts.append(f"({hidden} more gain at most {least} each; --top 0 shows them)")
    if idle:
        parts.append(
            f"({tx.count(idle, 'lever')} {'gains' if idle == 1 else 'gain'} nothing at this "
            f"population)"
        )
    if any(row.limit for row in shown):
        parts.append("* a limit that no patch reaches: the most this kind of change can buy")
    parts.append("")
    parts += tx.bullets("gain against shards:", _shard_lines(ranking))
    best = next((row for row in useful if not row.limit), None)
    if best is not None:
        then = "no lock of this scenario" if best.binding == "cpu" else best.binding
        parts.append(
            f"Largest gain short of a limit: {best.lever.text} ({_gain(best)}); then {then} "
            f"binds. Only the locks of the scenario are modelled: past them expect others."
        )
    parts += common.caveats(ranking.warnings, ranking.method, _worth(ranking))
    return tx.render(parts, colour)


def _gain(row: Ranked) -> str:
    """Return the gain of a row, with its interval where there is one."""
    from lockmodel.cli import text as tx

    if row.gain_interval is None:
        return tx.gain(row.gain)
    from lockmodel.cli.intervals import gain

    return gain(row.gain, row.gain_interval).replace(" (", ", ").removesuffix(")")


def _ranking_table(ranking: Ranking, shown: Sequence[Ranked]) -> Any:
    """Return the table of the levers; the ceiling gives way to intervals."""
    from lockmodel.cli import text as tx

    longest = max((len(row.lever.text) for row in shown), default=0)
    marks = [" *" if row.limit else "  " for row in shown]
    if ranking.fit is None:
        rows = [
            [row.lever.text, tx.gain(row.gain) + mark, tx.si(row.ceiling_per_s, "/s"), row.binding]
            for row, mark in zip(shown, marks, strict=True)
        ]
        fold = (3,) if longest <= LONGEST else (0, 3)
        return tx.table(
            ["lever", "gain  ", "ceiling at n", "binds then"], rows, left=(0, 3), fold=fold
        )
    from lockmodel.cli import intervals

    gains = intervals.aligned([(row.gain, row.gain_interval) for row in shown], marks)
    rows = [
        [row.lever.text, cell, tx.short(row.binding)]
        for row, cell in zip(shown, gains, strict=True)
    ]
    head = f"gain ({intervals.title(ranking.fit)})"
    fold = (2,) if longest <= LONGEST_BESIDE_INTERVALS else (0, 2)
    return tx.table(["lever", head, "binds then"], rows, left=(0, 1, 2), fold=fold)


def _shard_lines(ranking: Ranking) -> list[str]:
    """Return one line per lock whose shards gain something."""
    from lockmodel.cli import text as tx

    lines = []
    for shards in ranking.shards:
        if max(row.gain for row in shards.tried) < NOTHING:
            continue
        gains = [
            f"{row.lever.value.k} "
            + ("no (walkers)" if row.after_per_s == 0 else tx.gain(row.gain).replace(" ", ""))
            for row in shards.tried
        ]
        verdict = f"{shards.enough} are enough"
        if shards.walkers and shards.best < shards.tried[-1].lever.value.k:
            verdict += f", {shards.best} are best: more cost the walkers more"
        lines.append(f"{shards.lock} by {shards.by}: {', '.join(gains)}; {verdict}")
    if lines and not any(shards.walkers for shards in ranking.shards):
        lines.append("no walkers stated, so shards cost nothing here (--walks)")
    return lines
