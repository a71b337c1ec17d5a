"""What scripts made, on disk: paper/numbers/NAME.json, and all of them for the text."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from paper.tools.errors import PaperError
from paper.tools.out import Out, Table, Value

NUMBERS = "numbers"

MERGED = "all.json"
"""The file of paper/numbers that the text reads."""


@dataclass(frozen=True)
class Record:
    """What one script made.

    Attributes
    ----------
    name : str
        Of the script, without .py.
    values, tables : dict
    """

    name: str
    values: dict[str, Value]
    tables: dict[str, Table]


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it is whole or as it was, whenever the process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(data)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def write(path: Path, out: Out) -> None:
    """Write what a script made."""
    write_atomically(path, _json(out.values, out.tables))


def read(path: Path) -> Record:
    """Read a record; raises PaperError if it is none."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        return Record(
            path.stem,
            {name: Value(**one) for name, one in plain["values"].items()},
            {
                name: Table(tuple(one["heads"]), tuple(map(tuple, one["rows"])), one["words"])
                for name, one in plain["tables"].items()
            },
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PaperError(
            f"paper: {path} is not what a script wrote ({type(error).__name__}: {error}); remove "
            f"it, if it is there, and build again: make paper"
        ) from None


def read_all(paper: Path, names: Sequence[str]) -> list[Record]:
    """Return the records of some scripts; what others left in the folder does not count."""
    return [read(paper / NUMBERS / f"{name}.json") for name in names]


def merged(records: Sequence[Record]) -> bytes:
    """Return what the text reads: all values and tables, as JSON."""
    return _json(
        {name: value for record in records for name, value in record.values.items()},
        {name: table for record in records for name, table in record.tables.items()},
    )


def _json(values: dict[str, Value], tables: dict[str, Table]) -> bytes:
    plain: dict[str, dict[str, Any]] = {
        "values": {name: asdict(value) for name, value in values.items()},
        "tables": {name: asdict(table) for name, table in tables.items()},
    }
    return f"{json.dumps(plain, indent=1, sort_keys=True, ensure_ascii=False)}\n".encode()
