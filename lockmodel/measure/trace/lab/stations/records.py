"""Records of the plugin -> counts per lock and per line. The head of stations.c has their form."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from lockmodel.errors import NotTrustworthyError

FREE = 1
TURNS = 2
"""Numbers of phases, as in stations.c: TURNS + F, turns on the lock of file F."""

Chain = tuple[int, ...]
"""Addresses of calls, innermost first; 0 where there is none."""


@dataclass(frozen=True)
class LockCount:
    """One lock, in all iterations of a phase; its readers and its writers are two.

    Attributes
    ----------
    word : int
        Its address.
    kind : str
        spin, read, write, mutex, rwsem_read, rwsem_write or folio.
    cpus : int
        That took it.
    acquires, moved, instructions : int
        Moved: lines that came from another CPU while it was held, each once per acquire.
    callers : dict of Chain to int
        Acquires by where they come from.
    """

    word: int
    kind: str
    cpus: int
    acquires: int
    moved: int
    instructions: int
    callers: dict[Chain, int]


@dataclass(frozen=True)
class LineCount:
    """One line of 64 bytes.

    Attributes
    ----------
    address : int
    cpus : int
        That had to get it.
    visits, moved : int
        Moved: visits in which it came from another CPU.
    atomic, stores, loads : int
    touches : dict of Chain to int
        Transfers by where they come from, the instruction first.
    under : dict of int to int
        Word of a lock -> sections of it in which the line was used.
    """

    address: int
    cpus: int
    visits: int
    moved: int
    atomic: int
    stores: int
    loads: int
    touches: dict[Chain, int]
    under: dict[int, int]


@dataclass(frozen=True)
class Phase:
    """What was counted in one order of the loops.

    Attributes
    ----------
    number : int
        `FREE`, or `TURNS` and the number of a file.
    cpus, iterations, instructions, moved : int
        Sums over the loops.
    interrupted : int
        Transfers in interrupts and threads of the kernel, which are left out.
    dropped : int
        Counts that found no room.
    alone : int
        Iterations that ran while another loop had ended.
    locks : tuple of LockCount
    lines : dict of int to LineCount
        By address.
    """

    number: int
    cpus: int
    iterations: int
    instructions: int
    moved: int
    interrupted: int
    dropped: int
    alone: int
    locks: tuple[LockCount, ...]
    lines: dict[int, LineCount]


@dataclass(frozen=True)
class Records:
    """All phases, and the words of the locks of the files that were shown to the plugin."""

    files: dict[int, int]
    phases: tuple[Phase, ...]


def parse(lines: Iterable[str], what: str) -> Records:
    """Return the records in some lines; `what` names them in messages.

    Raises
    ------
    NotTrustworthyError
        A line is none of the plugin's, or a phase does not end.
    """
    files: dict[int, int] = {}
    phases: list[Phase] = []
    inside: list[list[str]] | None = None
    for number, line in enumerate(lines, 1):
        fields = line.split()
        try:
            if fields[0] == "file":
                files[int(fields[1])] = int(fields[2], 16)
            elif fields[0] == "phase" and inside is None:
                inside = [fields]
            elif fields[0] == "end" and inside is not None:
                phases.append(_phase(inside))
                inside = None
            elif inside is not None:
                inside.append(fields)
            else:
                raise ValueError
        except (ValueError, IndexError, KeyError):
            raise NotTrustworthyError(
                f"{what}: line {number} is no record of the plugin; run it again"
            ) from None
    if inside is not None or not phases:
        raise NotTrustworthyError(f"{what}: the records end too early; run it again")
    return Records(files, tuple(phases))


def _phase(records: list[list[str]]) -> Phase:
    number, cpus, iterations, instructions, *rest = (int(field) for field in records[0][1:])
    moved, interrupted, dropped, alone = rest
    callers: dict[tuple[int, str], dict[Chain, int]] = defaultdict(dict)
    touches: dict[int, dict[Chain, int]] = defaultdict(dict)
    under: dict[int, dict[int, int]] = defaultdict(dict)
    locks: list[list[str]] = []
    lines: list[list[str]] = []
    for record in records[1:]:
        kind, address = record[0], int(record[1], 16)
        if kind == "by":
            callers[address, record[2]][_chain(record[4:])] = int(record[3])
        elif kind == "at":
            touches[address][_chain(record[3:])] = int(record[2])
        elif kind == "under":
            under[address][int(record[2], 16)] = int(record[3])
        else:
            {"lock": locks, "line": lines}[kind].append(record)
    counted = []
    for record in locks:
        word, kind = int(record[1], 16), record[2]
        takers, acquires, came, held = map(int, record[3:])
        by = callers[word, kind]
        counted.append(LockCount(word, kind, takers, acquires, came, held, by))
    by_address = {}
    for record in lines:
        address, (users, visits, came, atomic, stores, loads) = (
            int(record[1], 16),
            map(int, record[2:]),
        )
        by_address[address] = LineCount(
            *(address, users, visits, came, atomic, stores, loads),
            touches[address],
            under[address],
        )
    return Phase(
        *(number, cpus, iterations, instructions, moved, interrupted, dropped, alone),
        tuple(counted),
        by_address,
    )


def _chain(fields: list[str]) -> Chain:
    return tuple(int(field, 16) for field in fields)
