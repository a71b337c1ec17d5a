"""The printed answer of `lockmodel trace lab --stations`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lockmodel.cli import text as tx
from lockmodel.measure.trace.lab.stations.ranking import HAND_OFF
from lockmodel.measure.trace.lab.stations.tables import LACKS, LEAST, note

if TYPE_CHECKING:
    from lockmodel.cli.trace_stations import StationsResult
    from lockmodel.measure.trace.lab.stations.ranking import Station

FEW = 14
"""Rows of the short report."""
LOCK = "i_mmap_rwsem of "


def stations_text(result: StationsResult, explain: bool, every: bool, colour: bool) -> str:
    """Return the answer; all rows with `every` and `explain`."""
    found = result.experiment
    full = explain or every
    shown = [each for each in found.stations if each.named or each.demand >= LEAST]
    few = len(shown) if full else FEW
    parts: list[Any] = [
        answer(shown),
        f"Linux {found.kernel} in QEMU {result.emulator}: {found.loops} {found.loop} loops of "
        f"{result.binary}. Each file's lock is saturated in its own run (*), the others are "
        f"counted while hardly anybody waits.",
        "",
        _table(shown[:few]),
        *tx.more(len(shown) - few, "station", "--all"),
    ]
    if explain:
        parts += ["", *_explained(result, shown)]
    else:
        parts.append("who uses them, what is left out, what the guest lacks: --explain")
    return tx.render(parts, colour)


def answer(stations: Sequence[Station]) -> str:
    """Return what comes after the locks of files."""
    before: list[Station] = []
    for each in stations:
        if not each.name.startswith(LOCK):
            break
        before.append(each)
    if not before or len(before) == len(stations):
        return f"{stations[0].name} has the largest demand, {stations[0].demand:.0f} lines."
    names = [each.name.removeprefix(LOCK) for each in before]
    files = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    following, first = stations[len(before)], before[0]
    return (
        f"After the lock{'s' if len(names) > 1 else ''} of {files} comes {following.name}, with "
        f"{following.demand / first.demand:.2g} of the demand of {names[0]}'s."
    )


def _table(stations: Sequence[Station]) -> Any:
    rows = [
        [
            each.name,
            each.scope,
            tx.plain(round(each.acquires, 1)) if each.acquires else "-",
            tx.plain(round(each.held)) if each.acquires else "-",
            tx.plain(round(each.transfers)),
            tx.plain(round(each.demand)) + ("*" if each.saturated else ""),
        ]
        for each in stations
    ]
    heads = ["per iteration", "one per", "acquires", "held", "word", "demand"]
    return tx.table(heads, rows, left=(0, 1), fold=(0,))


def _explained(result: StationsResult, stations: Sequence[Station]) -> list[Any]:
    """Return what the numbers mean, who uses the stations, and what is left out."""
    found = result.experiment
    notes = [
        f"{each.name}: "
        + "; ".join(filter(None, (note(each), *(f"by {name}" for name in each.callers[:1]))))
        for each in stations
    ]
    orders = [
        [
            *(each.name, str(each.phase.iterations), str(each.phase.alone)),
            tx.plain(round(each.phase.moved / each.phase.iterations)),
            tx.plain(round(each.phase.interrupted / each.phase.iterations)),
            tx.plain(round(each.phase.instructions / each.phase.iterations)),
        ]
        for each in found.orders
    ]
    out = Counter(each.why for each in found.orders[0].ranked.left_out)
    heads = ["order of the loops", "iterations", "alone", "transfers", "aside", "instr"]
    return [
        *tx.bullets("stations, and who uses them most", notes),
        "",
        tx.table(heads, orders, left=(0,), fold=(0,)),
        "",
        *tx.bullets(
            "what is counted",
            [
                f"demand of a lock: {HAND_OFF:g} lines per acquire, which a hand-off waits for, "
                f"and the lines that came from another CPU while it was held; of a line or a lock "
                f"that readers share: the times it came",
                "free: CPUs stop for a moment now and then, so that few processors of this machine "
                "interleave many; turns on a lock: after each section of it a CPU waits until the "
                "others had theirs, as a saturated lock makes them",
                "alone: iterations after another loop had ended; aside: transfers in interrupts "
                "and threads of the kernel, which are left out as they come by time",
            ],
        ),
        *tx.bullets("left out", [f"{number}: {why}" for why, number in out.most_common()]),
        *tx.bullets("what the guest lacks", LACKS),
    ]
