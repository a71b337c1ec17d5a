"""Columns that tell the curves of one file apart: all that are neither population nor measurement.

Rows that share a population and differ in such a column were not measured on the same thing: a
mean over them is the throughput of nothing. A column of numbers may be either, so its values
decide: those of a setting (shards, a batch size) come back at other populations, those of a
measurement do not.
"""

from __future__ import annotations

from collections.abc import Sequence

from lockmodel.observe.numbers import BadNumberError, number

Row = dict[str, str]
"""Our name of a column -> its text, empty cells left out."""

RUN = ("variant", "kernel", "what")
"""Columns that tell curves apart by themselves."""

PLACES = ("lock", "site")
"""What a time in the row is of; and where throughput differs with it, what was run."""

SHORTEST = 4
"""Characters from which on a text says by itself what it is: "on" and "yes" do not."""


def settings(rows: Sequence[Row], measured: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that tell curves apart beside `RUN`, in the order of the file.

    Parameters
    ----------
    rows : sequence of dict
        Of the whole file.
    measured : sequence of str
        Columns that are the population, a repeat or a measurement.

    Returns
    -------
    tuple of str
        Those with several values, but for `PLACES` whose rows all have the throughput of one run.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    return tuple(
        name
        for name in names
        if name not in (*RUN, *measured) and len(_values(rows, name)) > 1 and _differs(rows, name)
    )


def _values(rows: Sequence[Row], name: str) -> set[str]:
    return {row.get(name, "") for row in rows}


def _differs(rows: Sequence[Row], name: str) -> bool:
    """Return whether a column with several values tells curves apart."""
    if name in PLACES:
        return not _one_run(rows, name)
    if name == "shards":
        return True
    populations: dict[str, set[str]] = {}
    for row in rows:
        populations.setdefault(row.get(name, ""), set()).add(row["tasks"])
    if all(len(own) > 1 for own in populations.values()):
        return True
    if all(is_number(value) for value in populations if value):
        return False
    shared = sum(map(len, populations.values())) > len({row["tasks"] for row in rows})
    return shared and len(populations) < len(rows)  # else a text of each row: a date, a remark


def _one_run(rows: Sequence[Row], name: str) -> bool:
    """Return whether the values of a column share the throughputs of every population."""
    rates: dict[tuple[str, ...], dict[str, set[str]]] = {}
    for row in rows:
        run = (row["tasks"], *(row.get(key, "") for key in (*RUN, "shards", "repeat")))
        rates.setdefault(run, {}).setdefault(row.get(name, ""), set()).add(row["throughput"])
    several = [list(own.values()) for own in rates.values() if len(own) > 1]
    return bool(several) and all(own == own_rates[0] for own_rates in several for own in own_rates)


def is_number(text: str) -> bool:
    """Return whether a cell is a number."""
    try:
        number(text)
    except BadNumberError:
        return False
    return True


def label(row: Row, chosen: Sequence[str]) -> str:
    """Return the name of the curve that a row belongs to: "mutex,shards:2".

    The variant first, then each setting; what does not say by itself what it is has its column.
    """
    parts = [row["variant"]] if row.get("variant") else []
    for name in chosen:
        text = row.get(name, "")
        if text:
            plain = len(text) >= SHORTEST and not is_number(text)
            parts.append(text if plain else f"{name}:{text}")
    return ",".join(parts)


def is_part(text: str, named: str) -> bool:
    """Return whether a text is the name of a curve, or one of its parts."""
    return bool(named) and (text == named or text in named.split(","))
