"""`lockmodel whatif` and `lockmodel levers`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lockmodel.cli import common
from lockmodel.cli.common import (
    COUNTS_HELP,
    Report,
    fit_origin,
    fit_warning,
    method_option,
    output_options,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lockmodel.scenario import Scenario
    from lockmodel.whatif import Ranked, Ranking, WhatIf

TOP = 20
NOTHING = 5e-4
"""Gains below this print as 0 %."""

LONGEST = 46
"""Longest lever text that leaves room for the other columns in 80."""

LONGEST_BESIDE_INTERVALS = 36
"""... when gains have intervals."""


@click.command()
@click.argument("model")
@click.option("-n", "population", required=True, metavar="LIST", help=COUNTS_HELP)
@click.option(
    "--lever", "levers_", multiple=True, required=True, metavar="LEVER", help="Repeatable; below."
)
@common.any_method_option("product-form, whose error is nearly the same before and after")
@common.walks_option
@output_options
def whatif(
    model: str,
    population: str,
    levers_: tuple[str, ...],
    method: str,
    walks: str | None,
    as_json: bool,
    output: str | None,
    force: bool,
) -> None:
    """Throughput before and after levers, applied together in the order given.

    \b
    Levers:
      shorten_hold:LOCK=FACTOR         held work times FACTOR (0 to 1)
      batch:LOCK[/SITE]=M              M acquires for the same held work
      skip:LOCK/SITE                   a site that need not happen
      shard:LOCK=K[,by=cpu|node|hash][,skew=S][,values=V]
                                       K shards of the lock and its data; skew is
                                       a Zipf exponent, values the distinct keys
      exclude:LOCK                     the lock is not taken at all
      cheaper_handoff:LOCK=FAMILY[,key_ns=T]
                                       none | constant | linear | saturating |
                                       topology; constant alone means as cheap as
                                       a hand-off is today at best
      less_think=FACTOR                think time times FACTOR (0 to 1)
    LOCK may be `all`: a patch reaches the lock of every file.
    Printed numbers:
      before, after    iterations per second of the whole machine
      gain             after over before: +80 % is 1.8 times
      binding          the lock (or cpu) that sets the ceiling at the largest n
      ceiling          k / D of that lock: how far the change could go
      (48 to 79)       (fitted scenarios) interval of the gain in %, from the
                       error of the fitted parameters, the same before and after;
                       noise is no part of a gain of the model. By product form,
                       in proportion for other methods; bounds have none
    Example:
      lockmodel whatif execl-xeon8369b -n 64,128 --lever shard:libc.so.6=8
    """
    from lockmodel.lever_text import parse
    from lockmodel.populations import parse_counts
    from lockmodel.shipped import find_scenario
    from lockmodel.whatif import compare

    populations = parse_counts(population)
    parsed = [parse(text) for text in levers_]
    scenario = common.with_walkers(find_scenario(model), walks)
    with common.output(output, as_json, force) as write:
        found = compare(scenario, parsed, populations, method, common.progress)
        write(Report(found.to_json, lambda colour: _text(scenario, found, colour)))


def _text(scenario: Scenario, found: WhatIf, colour: bool) -> str:
    from lockmodel.cli import text as tx

    parts: list[Any] = [f"{scenario.name}: {scenario.title}", *fit_warning(scenario)]
    parts += [*fit_origin(scenario, found.fit), ""]
    single = len(found.levers) == 1
    parts += [f"lever: {found.levers[0]}"] if single else ["levers, together:"]
    if not single:
        parts += [f"  {i}. {lever}" for i, lever in enumerate(found.levers, 1)]
    parts += ["", *_tables(found)]
    n = found.points[-1].n
    parts.append(
        f"binding at {n}: {found.binding_before} (ceiling "
        f"{tx.si(found.ceiling_before_per_s, '/s')}) -> {found.binding_after} (ceiling "
        f"{tx.si(found.ceiling_after_per_s, '/s')})"
    )
    parts += tx.bullets("said of a lever:", found.notes)
    parts += _caveats(found.warnings, found.method)
    return tx.render(parts, colour)


def _tables(found: WhatIf) -> list[Any]:
    """Return the gains as one table, those of single levers in tables of their own if need be."""
    from lockmodel.cli import text as tx

    rows = [
        [
            str(change.n),
            tx.si(change.before_per_s, "/s"),
            tx.si(change.after_per_s, "/s"),
            tx.gain(change.gain),
        ]
        for change in found.points
    ]
    columns = ["n", "before", "after", "gain"]
    if found.fit is None:
        for i, row in enumerate(rows):
            row += [tx.gain(alone.gains[i]) for alone in found.alone]
        columns += [f"{i}. alone" for i in range(1, len(found.alone) + 1)]
        return [tx.table(columns, rows), ""]
    from lockmodel.cli import intervals

    together = intervals.aligned([(p.gain, p.gain_interval) for p in found.points])
    for row, cell in zip(rows, together, strict=True):
        row[-1] = cell
    columns[-1] = f"gain ({intervals.title(found.fit)})"
    alone = [
        intervals.aligned(list(zip(own.gains, own.gain_intervals or (), strict=True)))
        for own in found.alone
    ]
    ns = [change.n for change in found.points]
    return [
        tx.table(columns, rows, left=(3,)),
        "",
        *(intervals.alone_tables(ns, alone) if alone else []),
    ]


def _caveats(warnings: tuple[str, ...], method: str) -> list[Any]:
    from lockmodel.cli import text as tx

    if method == "bounds":
        return ["Both sides are upper bounds (method bounds), so the gain is only indicative."]
    return tx.bullets("approximate where (see `lockmodel predict` for assumptions):", warnings)


@click.command()
@click.argument("model")
@click.option("-n", "population", metavar="N", help="One population [default: all CPUs].")
@click.option(
    "--top", default=TOP, show_default=True, metavar="ROWS", help="Rows to print; 0 prints all."
)
@method_option
@common.walks_option
@output_options
def levers(
    model: str,
    population: str | None,
    top: int,
    method: str,
    walks: str | None,
    as_json: bool,
    output: str | None,
    force: bool,
) -> None:
    """Every lever that applies, ranked by what it buys at one population.

    Each lever is tried by itself, on one lock and on all: half and no hold, one
    acquire per lock and per site, each site skipped, the lock excluded, shards by
    CPU at doublings (ranked: the smallest count that is enough, within 1 % of the
    best), the hand-off as cheap as it is at best today and free, a tenth less
    think time.

    \b
    Printed numbers:
      gain             throughput after over before: +80 % is 1.8 times; * marks a
                       limit that no patch reaches
      k/D              ceiling of what binds then, at this population
      binds then       the lock (or cpu) that sets that ceiling
      (48 to 79)       (fitted scenarios) interval of the gain in %, from the
                       error of the fitted parameters, the same before and after,
                       without noise; bounds have none
    With background walkers (--walks, or in the model) more shards cost the
    walkers more acquires, and there is a best count.
    Examples:
      lockmodel levers execl-xeon8369b -n 128
      lockmodel levers execl-xeon8369b -n 128 --walks libc.so.6=5000,read_us=64
    """
    from lockmodel.errors import ArgumentError
    from lockmodel.populations import parse_one
    from lockmodel.shipped import find_scenario
    from lockmodel.whatif import rank

    if top < 0:
        raise ArgumentError(f"--top {top} must be 0 (all) or more")
    asked = None if population is None else parse_one(population)
    scenario = common.with_walkers(find_scenario(model), walks)
    n = asked or scenario.machine.cpus
    with common.output(output, as_json, force) as write:
        found = rank(scenario, n, method, common.progress)
        write(Report(found.to_json, lambda colour: _ranking(scenario, found, top, colour)))


def _ranking(scenario: Scenario, found: Ranking, top: int, colour: bool) -> str:
    from lockmodel.cli import text as tx

    useful = [row for row in found.levers if row.gain >= NOTHING]
    shown = useful[: top or None]
    table = _ranking_table(found, shown)
    parts: list[Any] = [
        f"{scenario.name}: {scenario.title}",
        *fit_warning(scenario),
        f"at {tx.count(found.n, 'process')}: {tx.si(found.before_per_s, '/s')}; ceiling "
        f"{tx.si(found.ceiling_per_s, '/s')} set by {found.binding}",
        *fit_origin(scenario, found.fit),
        "",
        table,
    ]
    hidden, idle = len(useful) - len(shown), len(found.levers) - len(useful)
    if hidden:
        least = tx.gain(useful[len(shown)].gain)
        parts.append(f"({hidden} more gain at most {least} each; --top 0 shows them)")
    if idle:
        parts.append(f"({tx.count(idle, 'lever')} gain nothing at this population)")
    if any(row.limit for row in shown):
        parts.append("* a limit that no patch reaches: the most this kind of change can buy")
    parts.append("")
    parts += tx.bullets("gain against shards (by CPU):", _shard_lines(found))
    best = next((row for row in useful if not row.limit), None)
    if best is not None:
        then = "no lock of this scenario" if best.binding == "cpu" else best.binding
        parts.append(
            f"Largest gain short of a limit: {best.lever} ({_gain(best)}); then {then} "
            f"binds. Only the locks of the scenario are modelled: past them expect others."
        )
    parts += _caveats(found.warnings, found.method)
    return tx.render(parts, colour)


def _gain(row: Ranked) -> str:
    """Return the gain of a row, with its interval where there is one."""
    from lockmodel.cli import text as tx

    if row.gain_interval is None:
        return tx.gain(row.gain)
    from lockmodel.cli.intervals import gain

    return gain(row.gain, row.gain_interval).replace(" (", ", ").removesuffix(")")


def _ranking_table(found: Ranking, shown: Sequence[Ranked]) -> Any:
    """Return the table of the levers; the ceiling gives way to intervals."""
    from lockmodel.cli import text as tx

    longest = max((len(row.lever) for row in shown), default=0)
    marks = [" *" if row.limit else "  " for row in shown]
    if found.fit is None:
        rows = [
            [row.lever, tx.gain(row.gain) + mark, tx.si(row.ceiling_per_s, "/s"), row.binding]
            for row, mark in zip(shown, marks, strict=True)
        ]
        fold = (3,) if longest <= LONGEST else (0, 3)
        return tx.table(["lever", "gain  ", "k/D", "binds then"], rows, left=(0, 3), fold=fold)
    from lockmodel.cli import intervals

    gains = intervals.aligned([(row.gain, row.gain_interval) for row in shown], marks)
    rows = [
        [row.lever, cell, row.binding.split("-x86")[0]]
        for row, cell in zip(shown, gains, strict=True)
    ]
    head = f"gain ({intervals.title(found.fit)})"
    fold = (2,) if longest <= LONGEST_BESIDE_INTERVALS else (0, 2)
    return tx.table(["lever", head, "binds then"], rows, left=(0, 1, 2), fold=fold)


def _shard_lines(found: Ranking) -> list[str]:
    """Return one line per lock whose shards gain something."""
    from lockmodel.cli import text as tx

    lines = []
    for shards in found.shards:
        if max(row.gain for row in shards.tried) < NOTHING:
            continue
        gains = [
            f"{row.lever.rpartition('=')[2]} "
            + ("no (walkers)" if row.after_per_s == 0 else tx.gain(row.gain).replace(" ", ""))
            for row in shards.tried
        ]
        verdict = f"{shards.enough} are enough"
        if shards.walkers and shards.best < int(shards.tried[-1].lever.rpartition("=")[2]):
            verdict += f", {shards.best} are best: more cost the walkers more"
        lines.append(f"{shards.lock}: {', '.join(gains)}; {verdict}")
    if lines and not any(shards.walkers for shards in found.shards):
        lines.append("no walkers stated, so shards cost nothing here (--walks)")
    return lines
