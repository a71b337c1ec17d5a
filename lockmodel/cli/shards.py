"""`lockmodel shards`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Option

from lockmodel.cli import common, files, inputs, options
from lockmodel.cli.common import fit_origin, fit_warning
from lockmodel.cli.files import Report
from lockmodel.errors import NotTrustworthyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lockmodel.answers.shard_rows import Keys, Row
    from lockmodel.answers.shards import Shards
    from lockmodel.model.scenario import Scenario

TIMES = 10
"""Networks that are solved at least: the doublings of a machine of 256 CPUs, and two keys."""

MOST_NAMED = 6
"""Counts beyond which a sentence does not name each."""

LOSES = 5e-3
"""Share of the best throughput from which more shards are said to lose some: the precision of
simulated points."""


def shards(
    model: options.Model,
    population: options.Population = None,
    lock: Annotated[
        str | None,
        Option(
            metavar="LOCK",
            help="The lock, or all  [default: the one that binds].",
            show_default=False,
        ),
    ] = None,
    by: Annotated[
        Literal["cpu", "node", "hash"] | None,
        Option(help="What chooses a shard  [default: the lock's shard_by].", show_default=False),
    ] = None,
    skew: Annotated[
        float | None,
        Option(
            metavar="S",
            help="Zipf exponent of how popular the shards of a hash are; 0 is even.",
            show_default=False,
        ),
    ] = None,
    values: Annotated[
        int | None,
        Option(metavar="V", help="Distinct keys of the hash; 1 is constant.", show_default=False),
    ] = None,
    counts_: Annotated[
        str | None,
        Option(
            "--counts",
            metavar="LIST",
            help="Counts to try: 2,4,8 | 1..16  [default: doublings up to the CPUs].",
            show_default=False,
        ),
    ] = None,
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
    """How many shards of a lock are enough, and who pays for them.

    The smallest count within 5 % of the best of those tried, what binds after it,
    what a hash of skewed or of constant keys does to it, and what those pay who
    need all shards. A row is what `whatif --lever shard:LOCK=K,by=...` says.
    Walkers (--walks, or in the model) of a read-write semaphore are in closed form;
    with those of other locks every count is simulated with them and without, some
    seconds each: ^C ends with the counts that are finished.

    \b
    Printed numbers:
      throughput       iterations per second of the whole machine
      gain             of it over that of the lock as it is
      (48 to 79)       (fitted scenarios) intervals: of the gain as `whatif` has
                       it, of a measured throughput as `sweep` has it
      then binds       the lock (or the CPUs) that sets the ceiling at n then
      take all         the acquires, hand-offs included, of one who takes every
                       shard; waiting for holders comes on top (--walks)
      a walk           (simulated walkers) mean time to take all shards and read
      lost             (walkers) share of throughput that the walkers cost
      Zipf 1           the i-th popular shard gets 1/i of what the first gets;
                       many keys on few shards are less uneven than that
    Printed with --explain:
      ceiling at n     of what binds then
    Examples:
      lockmodel shards doexec-20
      lockmodel shards doexec-20 --lock all --skew 1 --values 8
    """
    from lockmodel.answers.shard_question import Question
    from lockmodel.answers.shards import shards as asked
    from lockmodel.model.populations import parse_counts

    scenario = inputs.scenario(model, walks, machine, counts=counts, edits=edits)
    n = inputs.population(population, scenario)
    question = Question(
        lock=lock,
        by=by,
        skew=skew,
        values=values,
        counts=None if counts_ is None else parse_counts(counts_, "--counts"),
        walks=None if walks is None else walks.partition("=")[0],
    )
    with (
        files.output(output, as_json, force) as write,
        common.patience(time_limit) as stop,
        common.compiling(),
    ):
        common.check_affordable(scenario, [n], "auto", time_limit, TIMES)
        answer = asked(scenario, n, question, common.progress, stop)
        write(
            Report(
                answer.to_json,
                lambda colour: _text(scenario, answer, explain, colour),
                lambda: files.csv_text(_rows(answer)),
            )
        )
    if answer.untried:
        raise NotTrustworthyError(f"{_stopped(answer)}; raise --time-limit, or give fewer --counts")


def _rows(answer: Shards) -> list[dict[str, Any]]:
    """Return the counts as rows of a CSV file."""
    rows = []
    for row in answer.rows:
        low, high = row.interval_per_s or (None, None)
        least, most = row.gain_interval or (None, None)
        rows.append(
            {
                "shards": row.shards,
                "throughput_per_s": row.after_per_s,
                "low_per_s": low,
                "high_per_s": high,
                "gain": row.gain,
                "gain_low": least,
                "gain_high": most,
                "ceiling_at_n_per_s": row.ceiling_per_s,
                "binding": row.binding,
                "taking_s": row.taking_s,
                "walk_s": row.walk.time_s if row.walk else None,
                "walkers_cost": row.walk.lost if row.walk else None,
            }
        )
    return rows


def _stopped(answer: Shards) -> str:
    return f"stopped: for {answer.untried} of the counts and keys there was no time"


def _text(scenario: Scenario, answer: Shards, explain: bool, colour: bool) -> str:
    """Return the count that is enough in a sentence, the counts, other keys, what is left out."""
    from lockmodel.cli import text as tx
    from lockmodel.solvers.bounds import ceiling

    doubts = common.doubts(scenario, [answer.n], ceiling(scenario).throughput_per_s)
    if scenario.machine.cpus == 1 and len(answer.rows) == 1:
        rate = tx.si(answer.rows[0].after_per_s, "/s")
        one = (
            f"{scenario.machine.name} has one CPU: no shard is ever taken while another CPU has "
            f"it, so {tx.count(answer.rows[0].shards, 'shard')} of {_which(scenario, answer)} "
            f"{'is' if answer.rows[0].shards == 1 else 'are'} enough "
            f"({rate} at {tx.count(answer.n, 'process')})."
        )
        return tx.render([one, *fit_warning(scenario), *doubts], colour)
    weak = [text for text in answer.warnings if f"! {text}" not in doubts]
    parts: list[Any] = [
        f"{_headline(scenario, answer)}{_too_many(answer)}",
        *fit_warning(scenario),
        *doubts,
        *([f"! {_stopped(answer)}"] if answer.untried else []),
        *(f"note: {note}" for note in answer.notes),
        *(fit_origin(scenario, answer.fit) if explain and answer.fit is not None else []),
        "",
        *_table(answer, explain),
        *_keys(answer),
        _paid(answer),
    ]
    worst = answer.worst_error
    worth = "" if worst is None else tx.worth(worst.error, worst.where)
    left = []
    if answer.others:
        all_ = "" if answer.lock == "all" else ": --lock all"
        verb = "stays as it is" if answer.others == 1 else "stay as they are"
        left.append(f"{tx.count(answer.others, 'other lock')} {verb}{all_}")
    if answer.overrun:
        left.append(f"{tx.count(answer.overrun, 'larger count')} not tried")
    if answer.simulated:
        left.append("counts between these were not simulated: --counts")
    left += [] if explain else tx.counted(weak, worth)
    parts += ["; ".join(left)] if left else []
    return tx.render([*parts, *(common.caveats(weak, "", worth) if explain else [])], colour)


def _which(scenario: Scenario, answer: Shards) -> str:
    """Return what is sharded; `all` are the locks that sites of their own take."""
    return f"each of {len(scenario.alike)} locks" if answer.lock == "all" else answer.lock


def _tried(counts: Sequence[int]) -> str:
    """Return the counts that were compared: 1 to 5; 1, 2, 5; the 9 counts from 1 to 128."""
    if len(counts) > 2 and counts[-1] - counts[0] == len(counts) - 1:
        return f"{counts[0]} to {counts[-1]}"
    if len(counts) > MOST_NAMED:
        return f"the {len(counts)} counts from {counts[0]} to {counts[-1]}"
    return ", ".join(map(str, counts))


def _headline(scenario: Scenario, answer: Shards) -> str:
    """Return the answer: the count that is enough."""
    from lockmodel.cli import text as tx
    from lockmodel.cli.intervals import gain

    row, first = answer.row(answer.enough), answer.rows[0]
    which, counts = _which(scenario, answer), [each.shards for each in answer.rows]
    at = tx.count(answer.n, "process")
    rate = tx.si(row.after_per_s, "/s")
    if row is first:
        tried = "1 shard is" if row.shards == 1 else f"{row.shards} shards are"
        if len(answer.rows) == 1 and not answer.untried:
            return (
                f"{tried} all that {answer.by} can make of {which}: {rate} at {at}, "
                f"{tx.binds(answer.binding)}."
            )
        if len(answer.rows) == 1:
            return f"No count of shards of {which} was tried: {rate} at {at} as it is."
        none = f"none of {_tried(counts[1:])}" if len(counts) > 2 else f"not even {counts[1]}"
        return (
            f"{tried} enough for {which}: {none} by {answer.by} gains 5 % at {at} "
            f" ({rate}, {tx.binds(answer.binding)})."
        )
    then = tx.binds(tx.short(row.binding))
    return (
        f"{row.shards} shards of {which} by {answer.by} are within 5 % of the best of "
        f"{_tried(counts)}: {rate} at {at}, "
        f"{gain(row.gain, row.gain_interval)}; then {then}."
    )


def _too_many(answer: Shards) -> str:
    """Return from which count on walkers make it worse, if they do."""
    top, last = answer.row(answer.best), answer.rows[-1]
    if last.binding == "walkers":
        return f" With {last.shards} the walkers alone keep them busy."
    if not answer.simulated or last.after_per_s >= top.after_per_s * (1.0 - LOSES):
        return ""
    return f" More than {top.shards} lose: they cost the walkers more."


def _table(answer: Shards, explain: bool) -> list[Any]:
    """Return the counts; the interval of throughput goes first where there is no room."""
    from lockmodel.cli import intervals
    from lockmodel.cli import text as tx
    from lockmodel.cli.intervals import Column

    rows = answer.rows
    gains = [(row.gain, row.gain_interval) for row in rows]
    bought = zip(rows, intervals.aligned(gains), strict=True)
    cells = ["" if row.lever is None else cell for row, cell in bought]
    columns = [
        Column("shards", tuple(str(row.shards) for row in rows)),
        Column("throughput", tuple(_rate(row) for row in rows)),
    ]
    if answer.fit is not None:
        title = intervals.title(answer.fit)
        ends = [row.interval_per_s for row in rows]
        texts = tuple("-" if e is None else intervals.span(e, "/s") for e in ends)
        columns.append(Column(title, texts, 1.0))
    head = "gain" if answer.fit is None else f"gain ({title})"
    columns.append(Column(head, tuple(cells), left=answer.fit is not None))
    if explain:
        columns.append(Column("ceiling at n", tuple(tx.si(r.ceiling_per_s, "/s") for r in rows)))
    columns.append(Column("then binds", tuple(_binds(row) for row in rows), left=True))
    if any(row.walk is not None for row in rows):
        columns.append(Column("lost", tuple(_lost(row) for row in rows)))
    if answer.simulated and columns[-1].head == "lost":
        columns.insert(-1, Column("a walk", tuple(_walk(row) for row in rows)))
    else:
        columns.append(Column("take all", tuple(tx.si(row.taking_s, "s") for row in rows)))
    kept = intervals.fitting(columns)
    gone = [column.head for column in columns if column not in kept]
    out = [f"(left out for width, --json has it: {gone[0]} of throughput)"] if gone else []
    return [intervals.table(kept), *out]


def _rate(row: Row) -> str:
    from lockmodel.cli import text as tx

    return "none" if row.after_per_s == 0 else tx.si(row.after_per_s, "/s")


def _binds(row: Row) -> str:
    from lockmodel.cli import text as tx

    return "CPUs" if row.binding == "cpu" else tx.short(row.binding)


def _walk(row: Row) -> str:
    from lockmodel.cli import text as tx

    return "-" if row.walk is None or row.walk.time_s is None else tx.si(row.walk.time_s, "s")


def _lost(row: Row) -> str:
    from lockmodel.cli import text as tx

    if row.binding == "walkers":
        return "all"
    return "?" if row.walk is None or row.walk.lost is None else tx.percent(row.walk.lost)


def _keys(answer: Shards) -> list[str]:
    """Return what a hash of even, skewed and constant keys gains at the count."""
    if not answer.keys:
        return []
    k = answer.keys[0].lever.value.k
    each = ", ".join(_key(one) for one in answer.keys)
    same = "" if answer.rows[0].shards == 1 else f", not the {answer.rows[0].shards} of today"
    return [
        f"{k} shards by hash: {each}; a key that all share, as the process id of threads, is one "
        f"shard{same}: no gain."
    ]


def _key(one: Keys) -> str:
    from lockmodel.cli import text as tx
    from lockmodel.cli.intervals import gain

    bought = gain(one.gain, one.gain_interval)
    if one.skew == 0:
        return f"even keys {bought}"
    return f"Zipf {one.skew:g} with {tx.whole(one.most)} at one shard {bought}"


def _paid(answer: Shards) -> str:
    """Return what the last columns count."""
    from lockmodel.cli import text as tx

    lock = tx.short(answer.counted)
    walked = [row.walk for row in answer.rows if row.walk is not None]
    if walked and answer.simulated:
        return (
            f"Simulated with walkers and without, throughput to 0.5 %: a walk takes all shards of "
            f"{lock} and reads, lost is what walkers cost."
        )
    pays = f"Who takes all shards of {lock} pays {tx.si(answer.acquire_s, 's')} for each"
    if walked:
        known = [walk.error for walk in walked if walk.error is not None]
        off = f", throughput off by {tx.error(max(known))} at the most" if known else ""
        some = off and len(known) < len(walked)
        return (
            f"{pays}; lost is what walkers cost, who keep the shards they have while they wait for "
            f"the next: in closed form{off}{' where that was measured' if some else ''}. How long "
            f"a walk takes only simulate says."
        )
    return f"{pays}, and waits for its holder: --walks."
