"""The printed answer of `lockmodel trace lab --lines`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lockmodel.cli import text as tx
from lockmodel.measure.acquires.count import LIBC
from lockmodel.measure.trace.lab.lines.table import FileLines, own_turns, saturated

if TYPE_CHECKING:
    from lockmodel.cli.trace_lines import LinesResult
    from lockmodel.measure.trace.lab.lines.experiment import LinesExperiment

FEW_SITES, FEW_SETTINGS = 5, 4
"""Rows of the short report."""

COLUMNS = (
    ("acquires", "acquires"),
    ("ops", "operations"),
    ("instr", "held"),
    ("touched", "touched"),
    ("written", "written"),
    ("transferred", "transferred"),
)
"""Heading and name of what is counted per iteration."""


def lines_text(result: LinesResult, explain: bool, every: bool, colour: bool) -> str:
    """Return the answer; all rows with `every` and `explain`."""
    found = result.experiment
    full = explain or every
    own = own_turns(found)
    last = _last(own)
    parts: list[Any] = [
        _answer(last, found.started),
        f"Linux {found.traced.kernel} in QEMU {result.emulator}: {result.loop} of {result.binary}, "
        f"each lock saturated in its own run; acquires and operations are the kprobes'.",
        "",
        _files(last, found.started),
        "",
        *_growth(own, None if full else FEW_SETTINGS),
        *_sites(last if full else last[:1], None if full else FEW_SITES),
        _outside(found),
    ]
    if explain:
        parts += ["", *_explained(found)]
    else:
        hidden = "" if full else ", all sites"
        parts.append(f"what is counted, turns, samples{hidden}: --explain")
    return tx.render(parts, colour)


def _last(own: Sequence[FileLines]) -> list[FileLines]:
    """Return the files at the most loops and mappers, libc.so.6 first, then most lines first."""
    most = max((each.mappers, each.loops) for each in own)
    rows = [each for each in own if (each.mappers, each.loops) == most]
    return sorted(rows, key=lambda each: (each.file != LIBC, -each.transferred, -each.touched))


def _ratio(last: Sequence[FileLines], started: str) -> tuple[FileLines, FileLines] | None:
    """Return libc.so.6 and what is started, where both are there."""
    found = {each.file: each for each in last}
    return (found[LIBC], found[started]) if LIBC in found and started in found else None


def _answer(last: Sequence[FileLines], started: str) -> str:
    first = last[0]
    both = _ratio(last, started)
    if first.loops == 1:
        return (
            f"{first.file}: {first.touched:.0f} lines touched under its lock per iteration; one "
            f"loop alone transfers none."
        )
    than = (
        f", {both[0].transferred / both[1].transferred:.1f} x the executable's"
        if both and both[1].transferred
        else ""
    )
    return (
        f"{first.file}: {first.transferred:.0f} lines transferred per iteration at {first.loops} "
        f"loops{than}."
    )


def _files(last: Sequence[FileLines], started: str) -> Any:
    """Return the table of files, per iteration, with the ratio of libc.so.6 to the executable."""
    rows = [
        [
            tx.short(each.file),
            *(f"{getattr(each, name):,.0f}" for _, name in COLUMNS),
            f"{each.transferred / each.operations:.1f}" if each.operations else "-",
        ]
        for each in last
    ]
    both = _ratio(last, started)
    if both:
        ratios = [_over(*(getattr(each, name) for each in both)) for _, name in COLUMNS]
        per = [each.transferred / each.operations for each in both]
        rows.append([f"libc.so.6 / {started}", *ratios, _over(*per)])
    heads = ["per iteration", *(head for head, _ in COLUMNS), "per op"]
    return tx.table(heads, rows, left=(0,), fold=(0,))


def _over(one: float, other: float) -> str:
    return f"{one / other:.2f}" if other else "-"


def _growth(own: Sequence[FileLines], few: int | None) -> list[Any]:
    """Return lines transferred per iteration by loops and mappers; nothing for one setting."""
    shared = [each for each in own if each.loops > 1]
    settings = sorted({(each.mappers, each.loops) for each in shared})
    if len(settings) < 2:
        return []
    found = {(each.mappers, each.loops, each.file): each.transferred for each in shared}
    names = [each.file for each in _last(own)]
    rows = [
        [str(loops), str(mappers), *(f"{found[mappers, loops, n]:.0f}" for n in names)]
        for mappers, loops in settings
        if all((mappers, loops, name) in found for name in names)
    ]
    table = tx.table(["transferred at loops", "mappers", *map(tx.short, names)], rows[:few])
    return [table, *tx.more(len(rows) - len(rows[:few]), "setting", "--all"), ""]


def _sites(files: Sequence[FileLines], few: int | None) -> list[Any]:
    """Return the sites of files, per acquire, most transferred per iteration first."""
    rows = [
        [
            *(tx.short(each.file), site.site, f"{site.acquires}/{site.operations}"),
            *(f"{value:,.0f}" for value in (site.before, site.held, site.touched)),
            f"{site.transferred:.1f}",
        ]
        for each in files
        for site in sorted(each.sites, key=lambda s: -s.acquires * max(s.transferred, s.touched))
    ]
    heads = ["per acquire", "site", "n", "before", "instr", "touched", "transferred"]
    table = tx.table(heads, rows[:few], left=(0, 1), fold=(0,))
    return [table, *tx.more(len(rows) - len(rows[:few]), "site", "--all")]


def _outside(found: LinesExperiment) -> str:
    alone = found.measured[0].counts
    return (
        f"Outside these locks one loop runs {alone.outside:,.0f} instructions per iteration "
        f"({100 * alone.outside / alone.executed:.0f} %)."
    )


def _explained(found: LinesExperiment) -> list[Any]:
    """Return what the numbers mean, and how the settings went."""
    rows = [
        [
            str(each.setting.loops),
            str(each.setting.mappers),
            tx.short(saturated(found, each) or "-"),
            "-" if each.counts.others_served is None else f"{each.counts.others_served:.1f}",
            f"{each.counts.agreeing}/{each.counts.iterations}",
            str(sum(site.samples for site in each.counts.sites)),
            str(sum(site.left_out for site in each.counts.sites)),
        ]
        for each in found.measured
    ]
    heads = ["loops", "mappers", "saturated", "others served", "equal", "sections", "left out"]
    said = [
        "transferred: lines of 64 bytes read after another CPU wrote them, or written while "
        "another CPU had them, caches being infinite; without the task's own stack and the lines "
        "of the lock",
        "before: instructions since the last of these locks was let go, user and kernel, without "
        "interrupts",
        "others served: other CPUs that had the lock between two sections of one; loops - 1 if all "
        "take turns",
        "equal: iterations with just the acquires and operations of the kprobes, of all whole ones",
        "left out: sections in which an interrupt, a page fault or another task touched lines too",
    ]
    return [tx.table(heads, rows, left=(2,), fold=(2,)), "", *said]
