"""Tables of acquires and tree operations per file and site, wherever they were counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lockmodel.cli import text as tx

if TYPE_CHECKING:
    from lockmodel.measure.acquires.count import FileCount

GROUPS_BESIDE = 7
"""Columns of counts that fit beside the sites in 80 columns."""


def groups(ranked: Sequence[FileCount]) -> dict[str, list[FileCount]]:
    """Return the files with the same counts at all sites under one letter each."""
    groups: list[list[FileCount]] = []
    for file in ranked:
        same = next((group for group in groups if group[0].sites == file.sites), None)
        if same is None:
            groups.append([file])
        else:
            same.append(file)
    return {_letter(i): group for i, group in enumerate(groups)}


def _letter(i: int) -> str:
    """Return A, B, ..., Z, AA, AB, ..."""
    head, tail = divmod(i, 26)
    return (_letter(head - 1) if head else "") + chr(ord("A") + tail)


def site_tables(like: dict[str, list[FileCount]]) -> list[Any]:
    """Return acquires/operations per site, one column per kind of file."""
    from lockmodel.measure.acquires.loops import SITES

    letters = list(like)
    parts: list[Any] = []
    for first in range(0, len(letters), GROUPS_BESIDE):
        shown = letters[first : first + GROUPS_BESIDE]
        sites = [site for site in SITES if any(site in like[each][0].sites for each in shown)]
        rows = [[site, *(_cell(like[each][0], site) for each in shown)] for site in sites]
        rows.append(
            [
                "acquires/ops",
                *(f"{like[each][0].acquires}/{like[each][0].operations}" for each in shown),
            ]
        )
        parts += [tx.table(["site", *shown], rows, left=(0,)), ""]
    return parts


def _cell(file: FileCount, site: str) -> str:
    count = file.sites.get(site)
    return f"{count.acquires}/{count.operations}" if count else "-"
