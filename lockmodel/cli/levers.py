"""`lockmodel levers`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from lockmodel.cli import common, files, inputs, options
from lockmodel.cli.common import fit_origin, fit_warning
from lockmodel.cli.files import Report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lockmodel.answers.whatif import Ranked, Ranking
    from lockmodel.model.scenario import Scenario

TOP = 20
NOTHING = 5e-4
"""Gains below this print as 0 %."""

LONGEST = 46
"""Longest lever text that leaves room for the other columns in 80."""

LONGEST_BESIDE_INTERVALS = 36
"""... when gains have intervals."""


def levers(
    model: options.Model,
    population: options.Population = None,
    top: Annotated[int, Option(metavar="ROWS", help="Rows to print; 0 prints all.")] = TOP,
    method: options.ClosedMethod = "auto",
    walks: options.Walks = None,
    as_json: options.Json = False,
    output: options.Output = None,
    force: options.Force = False,
) -> None:
    """Every lever that applies, ranked by what it buys.

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
    from lockmodel.answers.whatif import rank
    from lockmodel.errors import ArgumentError
    from lockmodel.model.populations import parse_one

    if top < 0:
        raise ArgumentError(f"--top {top} must be 0 (all) or more")
    asked = None if population is None else parse_one(population)
    scenario = inputs.scenario(model, walks)
    n = asked or scenario.machine.cpus
    with files.output(output, as_json, force) as write:
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
            f"Largest gain short of a limit: {best.lever.text} ({_gain(best)}); then {then} "
            f"binds. Only the locks of the scenario are modelled: past them expect others."
        )
    parts += common.caveats(found.warnings, found.method)
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

    longest = max((len(row.lever.text) for row in shown), default=0)
    marks = [" *" if row.limit else "  " for row in shown]
    if found.fit is None:
        rows = [
            [row.lever.text, tx.gain(row.gain) + mark, tx.si(row.ceiling_per_s, "/s"), row.binding]
            for row, mark in zip(shown, marks, strict=True)
        ]
        fold = (3,) if longest <= LONGEST else (0, 3)
        return tx.table(["lever", "gain  ", "k/D", "binds then"], rows, left=(0, 3), fold=fold)
    from lockmodel.cli import intervals

    gains = intervals.aligned([(row.gain, row.gain_interval) for row in shown], marks)
    rows = [
        [row.lever.text, cell, row.binding.split("-x86")[0]]
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
            f"{row.lever.value.k} "
            + ("no (walkers)" if row.after_per_s == 0 else tx.gain(row.gain).replace(" ", ""))
            for row in shards.tried
        ]
        verdict = f"{shards.enough} are enough"
        if shards.walkers and shards.best < shards.tried[-1].lever.value.k:
            verdict += f", {shards.best} are best: more cost the walkers more"
        lines.append(f"{shards.lock}: {', '.join(gains)}; {verdict}")
    if lines and not any(shards.walkers for shards in found.shards):
        lines.append("no walkers stated, so shards cost nothing here (--walks)")
    return lines
