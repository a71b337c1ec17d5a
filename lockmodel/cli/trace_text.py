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
    from lockmodel.cli.trace_lab import Found
    from lockmodel.measure.acquires.count import FileCount
    from lockmodel.measure.trace.held import HeldSite
    from lockmodel.measure.trace.windows import Counted

LONGEST = 40
"""Longest file name that leaves room for the numbers."""


def read_text(
    path: str, kernel: str | None, counted: Counted, counts: Sequence[FileCount], colour: bool
) -> str:
    """Return the answer of `trace read`."""
    where = f"Linux {kernel}" if kernel else "a kernel that the file does not name"
    unnamed = [file.name for file in counts if file.name.startswith("inode ")]
    notes = []
    if unnamed:
        notes.append(
            f"{tx.count(len(unnamed), 'file')} without a name: "
            f"stat -L -c '%i %n' FILE... > inodes.txt, then --inodes inodes.txt"
        )
    return tx.render(
        [
            _most(counts),
            f"{path}: {_iterations(counted)} of {_a(counted.loop)} loop on {where}",
            "",
            *(_counts(counts) if notes else _counts(counts)[:-1]),
            *tx.bullets("", notes),
        ],
        colour,
    )


def lab_text(found: Found, colour: bool) -> str:
    """Return the answer of `trace lab`."""
    ran = found.experiment
    return tx.render(
        [
            _most(found.counts),
            f"Linux {ran.kernel} in QEMU: {_iterations(ran.counted)} of {_a(found.loop)} loop with "
            f"{found.binary}",
            f"offsets from {ran.offsets.source}",
            *([f"NOTE: the binary ended with exit code {ran.ended}"] if ran.ended else []),
            "",
            *_counts(found.counts),
            *_compared(found),
            "",
            *_held(found),
        ],
        colour,
    )


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


def _counts(counts: Sequence[FileCount]) -> list[Any]:
    like = groups(counts)
    letters = {file.name: letter for letter, group in like.items() for file in group}
    rows = [
        [
            file.name,
            letters[file.name],
            str(file.acquires),
            str(file.operations),
        ]
        for file in counts
    ]
    total = [str(sum(getattr(f, key) for f in counts)) for key in ("acquires", "operations")]
    rows.append(["all files", "", *total])
    fold = (0,) if max(len(file.name) for file in counts) > LONGEST else ()
    table = tx.table(["file", "like", "acquires", "ops"], rows, left=(0, 1), fold=fold)
    return [table, "", *site_tables(like)]


def _compared(found: Found) -> list[Any]:
    """Return what the rules of `lockmodel acquires` say about the same files."""
    comparison = found.comparison
    if comparison is None:
        return [f"not compared with the ELF rules: {found.why_not}"]
    if not comparison.differences:
        return [
            f"the ELF rules of `lockmodel acquires` say the same: {comparison.compared} of "
            f"{comparison.compared} files and sites"
        ]
    rows = [
        [each.file, each.site, _cell(each.traced), _cell(each.derived)]
        for each in comparison.differences
    ]
    return [
        f"THE ELF RULES DIFFER at {len(rows)} of {comparison.compared} files and sites (the trace "
        f"is right, unless the program does more once it runs):",
        "",
        tx.table(["file", "site", "traced", "rules"], rows, left=(0, 1), fold=(0,)),
    ]


def _cell(counts: tuple[int, int] | None) -> str:
    return f"{counts[0]}/{counts[1]}" if counts else "-"


def _held(found: Found) -> list[Any]:
    """Return the table of held instructions per acquire."""
    held = found.experiment.held
    if not held:
        return []
    shown = names(found.experiment.counted, found.experiment.names)
    mappers = sorted({each.mappers for each in held})
    by_site: dict[tuple[str, str], dict[int, HeldSite]] = {}
    order = [file.name for file in found.counts]
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
    return [
        tx.table(
            ["file", "site", *(f"held {number}" for number in mappers), "growth"],
            rows,
            left=(0, 1),
            fold=(0,),
        ),
        "",
        f"held: instructions per acquire while that many other processes map libc.so.6 and "
        f"ld.so; good to {ACCURACY}, ~ to {NESTED_ACCURACY} (another lock inside)",
    ]


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
