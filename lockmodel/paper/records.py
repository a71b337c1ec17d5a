"""What scripts made, on disk: paper/numbers/NAME.json and paper/figures/*, stamped."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from lockmodel.paper.errors import PaperError
from lockmodel.paper.inputs import Stamp, digest
from lockmodel.paper.out import Out, Table, Value

SCHEMA = "lockmodel.paper-numbers/1"
NUMBERS, FIGURES = "numbers", "figures"

MERGED, REPORT = "all.json", "build.json"
"""Files of paper/numbers that no script makes: what the text reads, how the last build went."""

REFERENCES = "references.bib"


@dataclass(frozen=True)
class Record:
    """What one script made.

    Attributes
    ----------
    script : str
        Path below paper/.
    stamp : dict of str to str
        Hashes of what it was made from.
    values, tables : dict
    files : dict of str to str
        Name below paper/figures -> hash.
    """

    script: str
    stamp: Stamp
    values: dict[str, Value]
    tables: dict[str, Table]
    files: dict[str, str]

    @property
    def name(self) -> str:
        """File name of the record: the script's folder tells figures from numbers."""
        kind, _, name = self.script.partition("/")
        return f"{kind.removesuffix('_src')}-{name.removesuffix('.py')}.json"


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it is whole or not there, whenever the process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)


def write(paper: Path, script: str, stamp: Stamp, out: Out) -> Record:
    """Write the drawings, then the record that vouches for them."""
    for name, data in sorted(out.files.items()):
        write_atomically(paper / FIGURES / name, data)
    files = {name: digest(data) for name, data in sorted(out.files.items())}
    made = Record(script, stamp, out.values, out.tables, files)
    text = json.dumps({"schema": SCHEMA, **asdict(made)}, indent=1, sort_keys=True)
    write_atomically(paper / NUMBERS / made.name, f"{text}\n".encode())
    return made


def read(path: Path) -> Record:
    """Read a record; raises PaperError if it is none."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        return Record(
            plain["script"],
            plain["stamp"],
            {name: Value(**one) for name, one in plain["values"].items()},
            {
                name: Table(tuple(one["heads"]), tuple(map(tuple, one["rows"])), one["words"])
                for name, one in plain["tables"].items()
            },
            plain["files"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PaperError(
            f"paper: {path} is not what a script wrote ({type(error).__name__}: {error}); remove "
            f"it and build again"
        ) from None


def read_all(paper: Path) -> list[Record]:
    """Return all records of a paper, sorted by file name."""
    found = sorted((paper / NUMBERS).glob("*.json"))
    return [read(path) for path in found if path.name not in (MERGED, REPORT)]


def intact(paper: Path, record: Record) -> bool:
    """Return whether the drawings of a record are still those it vouches for."""
    for name, known in record.files.items():
        path = paper / FIGURES / name
        if not path.is_file() or digest(path.read_bytes()) != known:
            return False
    return True


def merged(records: list[Record]) -> bytes:
    """Return what the text reads: all values and tables, as JSON."""
    plain = {
        "values": {k: asdict(v) for r in records for k, v in r.values.items()},
        "tables": {k: asdict(v) for r in records for k, v in r.tables.items()},
    }
    return json.dumps(plain, indent=1, sort_keys=True, ensure_ascii=False).encode()
