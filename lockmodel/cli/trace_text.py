"""The printed answers of `lockmodel trace read` and `trace lab`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lockmodel.cli import text as tx
from lockmodel.cli.acquires_text import groups, site_tables
from lockmodel.measure.trace.files import names
from lockmodel.measure.trace.held import ACCURACY, NESTED_ACCURACY

if TYPE_CHECKING:
    from lockmodel.cli.trace_lab import LabResult
    from lockmodel.measure.acquires.count import FileCount
    from lockmodel.measure.trace.held import HeldSite
    from lockmodel.measure.trace.windows import Counted

FEW_FILES, FEW_LAB_FILES, FEW_HELD = 6, 4, 8
"""Rows of the short reports: files of a trace, files and held instructions of a lab."""

LONGEST = 40
"""Longest file name that leaves room for the numbers."""


def read_text(
    path: str,
    kernel: str | None,
    counted: Counted,
    counts: Sequence[FileCount],
    explain: bool,
    every: bool,
    colour: bool,
) -> str:
    """Return the answer of `trace read`; all rows with `every` and `explain`."""
    where = f"Linux {kernel}" if kernel else "a kernel that the file does not name"
    few = len(counts) if explain or every else FEW_FILES
    parts: list[Any] = [
        _most(counts),
        f"{path}: {_iterations(counted)} of {_a(counted.loop)} loop on {where}",
        "",
        *_files(counts, few),
        "",
        *_sites(counts, few),
    ]
    unnamed = sum(file.name.startswith("inode ") for file in counts)
    if unnamed:
        said = f"{tx.count(unnamed, 'file')} without a name: "
        remedy = "stat -L -c '%i %n' FILE... > inodes.txt, then --inodes inodes.txt"
        parts += tx.bullets("", [said + remedy]) if explain else [said + "--explain"]
    return tx.render(parts, colour)


def lab_text(result: LabResult, explain: bool, every: bool, colour: bool) -> str:
    """Return the answer of `trace lab`; all rows with `every` and `explain`."""
    ran = result.experiment
    full = explain or every
    few = len(result.counts) if full else FEW_LAB_FILES
    held = _held(result, None if full else FEW_HELD)
    parts: list[Any] = [
        _most(result.counts),
        f"Linux {ran.kernel} in QEMU: {_iterations(ran.counted)} of {_a(result.loop)} loop with "
        f"{result.binary}",
        *([f"! the binary ended with exit code {ran.ended}"] if ran.ended else []),
        _rules(result, explain),
        "",
        *_files(result.counts, few),
        "",
        *(_sites(result.counts, few) if full or not held else []),
        *held,
    ]
    if explain:
        parts += [
            "",
            f"held: instructions per acquire while that many other processes map libc.so.6 and "
            f"ld.so; good to {ACCURACY}, ~ to {NESTED_ACCURACY} (another lock inside)",
            f"offsets from {ran.offsets.source}",
            *_differences(result),
        ]
    else:
        hidden = "accuracy, all sites, " if held and not full else ""
        parts.append(f"{hidden}where the offsets are from: --explain")
    return tx.render(parts, colour)


def _a(loop: str) -> str:
    return f"an {loop}" if loop.startswith("e") else f"a {loop}"


def _iterations(counted: Counted) -> str:
    if counted.agreeing == counted.windows:
        equal = "all equal" if counted.windows > 1 else "the only one"
    else:
        equal = f"{counted.agreeing} of them equal"
    return f"{tx.count(counted.windows, 'iteration')} ({equal})"


def _most(counts: Sequence[FileCount]) -> str:
    first = counts[0]
    return (
        f"{first.name}: {first.acquires} acquires and {first.operations} operations per "
        f"iteration, the most."
    )


def _files(counts: Sequence[FileCount], few: int) -> list[Any]:
    """Return acquires and operations of the first files, and of all together."""
    letters = {file.name: letter for letter, group in groups(counts).items() for file in group}
    rows = [
        [file.name, letters[file.name], str(file.acquires), str(file.operations)]
        for file in counts[:few]
    ]
    total = [str(sum(getattr(f, key) for f in counts)) for key in ("acquires", "operations")]
    rows.append(["all files", "", *total])
    fold = (0,) if max(len(row[0]) for row in rows) > LONGEST else ()
    table = tx.table(["file", "like", "acquires", "ops"], rows, left=(0, 1), fold=fold)
    return [table, *tx.more(len(counts) - few, "file", "--all")]


def _sites(counts: Sequence[FileCount], few: int) -> list[Any]:
    """Return acquires/operations per site of the first files, one column for those alike."""
    return site_tables(groups(counts[:few]))[:-1]


def _rules(result: LabResult, explain: bool) -> str:
    """Return whether the rules of `lockmodel acquires` say the same about the same files."""
    comparison = result.comparison
    if comparison is None:
        return f"not compared with the ELF rules: {result.why_not}"
    if not comparison.differences:
        return (
            f"the ELF rules of `lockmodel acquires` say the same: {comparison.compared} of "
            f"{comparison.compared} files and sites"
        )
    where = "below" if explain else "--explain"
    return (
        f"! THE ELF RULES DIFFER at {len(comparison.differences)} of {comparison.compared} files "
        f"and sites (the trace is right, unless the program does more once it runs): {where}"
    )


def _differences(result: LabResult) -> list[Any]:
    """Return where the trace and the rules of `lockmodel acquires` differ."""
    if result.comparison is None or not result.comparison.differences:
        return []
    rows = [
        [each.file, each.site, _cell(each.traced), _cell(each.derived)]
        for each in result.comparison.differences
    ]
    table = tx.table(["file", "site", "traced", "rules"], rows, left=(0, 1), fold=(0,))
    return ["", table]


def _cell(counts: tuple[int, int] | None) -> str:
    return f"{counts[0]}/{counts[1]}" if counts else "-"


def _held(result: LabResult, few: int | None) -> list[Any]:
    """Return the table of held instructions per acquire; nothing if they were not counted."""
    held = result.experiment.held
    if not held:
        return []
    shown = names(result.experiment.counted, result.experiment.names)
    mappers = sorted({each.mappers for each in held})
    by_site: dict[tuple[str, str], dict[int, HeldSite]] = {}
    order = [file.name for file in result.counts]
    for each in sorted(held, key=lambda h: (order.index(shown[h.inode]), h.site)):
        by_site.setdefault((shown[each.inode], each.site), {})[each.mappers] = each
    rows = [
        [
            file,
            site,
            *(_instructions(row.get(number)) for number in mappers),
            _growth(row) if len(mappers) > 1 else "-",
        ]
        for (file, site), row in by_site.items()
    ]
    heads = ["file", "site", *(f"held {number}" for number in mappers), "growth"]
    table = tx.table(heads, rows[:few], left=(0, 1), fold=(0,))
    return [table, *tx.more(len(rows) - len(rows[:few]), "site", "--all")]


def _instructions(each: HeldSite | None) -> str:
    if each is None:
        return "-"
    return ("~" if each.nested else "") + tx.plain(round(each.median))


def _growth(row: dict[int, HeldSite]) -> str:
    """Return the least-squares slope in log2 of the mapping processes."""
    from statistics import linear_regression

    if len(row) < 2:
        return "-"
    doublings = [math.log2(number + 1) for number in row]
    slope = linear_regression(doublings, [each.median for each in row.values()]).slope
    return "0" if abs(slope) < 0.5 else f"{slope:+.0f}"
