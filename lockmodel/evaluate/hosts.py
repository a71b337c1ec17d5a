"""Which machine each curve was measured on: what has to be left out together.

Curves of one machine share its edges and its noise, whatever file they are in: constants set on
the one and scored on the other look better than they are.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from lockmodel.errors import FileError
from lockmodel.fitting.curves.topology import cpus_of
from lockmodel.model.machine import Machine
from lockmodel.model.machines import parse

TABLE = "hosts.csv"
NEEDED = ("file", "variant", "host")


@dataclass(frozen=True)
class Host:
    """Rows of files that were measured on one machine.

    Attributes
    ----------
    file, variant : re.Pattern
        All of a file's name, with or without .csv; the beginning of a curve's name.
    name : str
    machine : Machine or None
    cpus : int or None
    """

    file: re.Pattern[str]
    variant: re.Pattern[str]
    name: str
    machine: Machine | None = None
    cpus: int | None = None


@dataclass(frozen=True)
class Hosts:
    """A table of hosts.

    Attributes
    ----------
    rows : tuple of Host
        The first that matches counts.
    """

    rows: tuple[Host, ...] = ()

    def of(self, file: str, variant: str) -> Host | None:
        """Return the host of a curve; None where the table has none."""
        names = {file, Path(file).stem}
        for row in self.rows:
            if any(row.file.fullmatch(name) for name in names) and row.variant.match(variant):
                return row
        return None

    @classmethod
    def beside(cls, folder: Path) -> Hosts:
        """Return the table in a folder or the one above; an empty one if there is none."""
        for place in (folder, folder.resolve().parent):
            if (place / TABLE).is_file():
                return cls.read(place / TABLE)
        return cls()

    @classmethod
    def read(cls, path: Path) -> Hosts:
        """Return the table of a file with the columns file, variant, host[, topology[, note]].

        Parameters
        ----------
        path : Path
            File and variant are regular expressions; topology is SOCKETSxCORESxTHREADS. Where it
            is empty, the CPUs that the note states count.

        Raises
        ------
        FileError
            It cannot be read, a column is missing, or an expression or topology is not valid.
        """
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise FileError(f"--hosts {path}: cannot be read: {error}") from None
        rows = csv.DictReader(line for line in lines if not line.startswith("#"))
        missing = [name for name in NEEDED if name not in (rows.fieldnames or ())]
        if missing:
            raise FileError(
                f"--hosts {path}: no column {missing[0]}; it needs the columns "
                f"{','.join(NEEDED)}, and may have topology and note"
            )
        return cls(tuple(_host(path, row) for row in rows))


def _host(path: Path, row: dict[str, str]) -> Host:
    try:
        file, variant = re.compile(row["file"]), re.compile(row["variant"])
    except (re.error, TypeError) as error:
        raise FileError(
            f"--hosts {path}: {row['file']!r}: no regular expression: {error}"
        ) from None
    topology = row.get("topology") or ""
    machine = parse(topology, f"--hosts {path}: topology") if topology else None
    cpus = machine.cpus if machine is not None else cpus_of(row.get("note") or "")
    return Host(file, variant, row["host"], machine, cpus)
