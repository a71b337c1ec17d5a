"""`lockmodel trace lab --stations` as people type it; the guest is made up."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import traces
from lab_answers import Ran, instead_of

from lockmodel.cli.trace_stations_text import answer
from lockmodel.measure.trace.lab.stations import experiment, root
from lockmodel.measure.trace.lab.stations.experiment import Order, StationsExperiment
from lockmodel.measure.trace.lab.stations.ranking import LeftOut, Ranked, Station, merged
from lockmodel.measure.trace.lab.stations.records import Phase

Command = Callable[..., Any]
FREE, ON_LIBC = "free", "turns on libc.so.6"


def station(name: str, demand: float, scope: Any = "machine", kind: str = "spin") -> Station:
    """A lock with two acquires, or a line."""
    line = kind == "line"
    return Station(
        *(name, kind, scope, 0.0 if line else 2.0, demand if line else 1.5),
        held=0.0 if line else demand - 13,
        instructions=0.0 if line else 150.25,
        demand=demand,
        order=FREE,
        saturated=False,
        alike=1,
        note="",
        callers=("one < two < three",),
        named=True,
    )


def order(name: str, number: int, *stations: Station) -> Order:
    out = (LeftOut("a line", 22.0, "the clock's ticks write it"),)
    return Order(
        name, Phase(number, 8, 48, 48_000, 9_600, 480, 3, 5, (), {}), Ranked(stations, out)
    )


LIBC = station("i_mmap_rwsem of libc.so.6", 320.0, "file", "rwsem_write")
LD = station("i_mmap_rwsem of ld.so", 150.0, "file", "rwsem_write")
LRU = replace(
    station("lruvec lru_lock", 100.0, "node"), alike=3, note="one per memory cgroup and node"
)
INODE = station("inode of libc.so.6: i_count", 12.6, "file", "line")
SMALL = replace(station("line used by one < two", 2.5, kind="line"), named=False)
OWN = replace(LIBC, demand=400.0, held=387.0, order=ON_LIBC, saturated=True)
ORDERS = (
    order(
        FREE, 1, LIBC, LD, LRU, INODE, *(station(f"lock_{i}", 20 - i / 4) for i in range(16)), SMALL
    ),
    order(ON_LIBC, 2, OWN, LD, LRU),
)


def made_up(orders: tuple[Order, ...] = ORDERS, stopped: str = "") -> StationsExperiment:
    stations = merged([each.ranked for each in orders])
    return StationsExperiment("6.12.107+deb13", "execl", 8, orders, stations, 2, stopped)


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ran:
    return instead_of(experiment, tmp_path, monkeypatch)


STATIONS = ("trace", "lab", "--kernel-deb", "k.deb", "--loop", "execl", "--stations")


def test_the_answer(command: Command, ran: Ran) -> None:
    """libc.so.6 from its own run, 400 lines; lru_lock 100."""
    ran(made_up())
    done = command(*STATIONS)
    assert done.fine
    lines = done.stdout.splitlines()
    assert " ".join(lines[:2]) == (
        "After the locks of libc.so.6 and ld.so comes lruvec lru_lock, with 0.25 of the demand of "
        "libc.so.6's."
    )
    assert len(lines) <= 25
    rows = [line.split() for line in lines]
    assert ["i_mmap_rwsem", "of", "libc.so.6", "file", "2", "387", "2", "400*"] in rows
    assert ["lruvec", "lru_lock", "node", "2", "87", "2", "100"] in rows
    assert "6 more stations: --all" in lines  # 3 + 16 + 1 with a name, 14 shown; SMALL has none


def test_all_and_explain(command: Command, ran: Ran) -> None:
    ran(made_up())
    rows = [line.split() for line in command(*STATIONS, "--all").stdout.splitlines()]
    assert ["inode", "of", "libc.so.6:", "i_count", "file", "-", "-", "13", "13"] in rows
    text = command(*STATIONS, "--explain").stdout
    rows = [line.split() for line in text.splitlines()]
    assert [*["turns", "on", "libc.so.6"], "48", "5", "200", "10", "1,000"] in rows
    said = " ".join(text.split())
    assert "one per memory cgroup and node; the most used of 3; by one < two < three" in said
    assert "1: the clock's ticks write it" in said
    assert "one NUMA node" in said
    assert "6.5 lines per acquire" in said


@pytest.mark.parametrize(
    ("stations", "said"),
    [
        ((LRU, LIBC), "lruvec lru_lock has the largest demand, 100 lines."),
        ((LIBC,), "i_mmap_rwsem of libc.so.6 has the largest demand, 320 lines."),
        (
            (LIBC, LRU),
            "After the lock of libc.so.6 comes lruvec lru_lock, with 0.31 of the demand of "
            "libc.so.6's.",
        ),
        (
            (OWN, LIBC, LD, LRU, INODE),
            "After the locks of libc.so.6, libc.so.6 and ld.so comes lruvec lru_lock, with 0.25 of "
            "the demand of libc.so.6's.",
        ),
    ],
)
def test_what_comes_next(stations: tuple[Station, ...], said: str) -> None:
    assert answer(stations) == said


def test_json(command: Command, ran: Ran) -> None:
    ran(made_up())
    data = json.loads(command(*STATIONS, "--json").stdout)
    assert (data["schema"], data["complete"], data["loops"]) == ("lockmodel.stations/1", True, 8)
    assert data["lines_per_hand_off"] == 6.5
    assert len(data["lacks"]) >= 5
    free = data["orders"][0]
    assert (free["order"], free["iterations"], free["iterations_alone"]) == ("free", 48, 5)
    assert (free["instructions"], free["transfers"], free["transfers_aside"]) == (1000, 200, 10)
    assert free["left_out"] == [
        {"station": "a line", "demand": 22.0, "why": "the clock's ticks write it"}
    ]
    assert data["stations"][0] == {
        "station": "i_mmap_rwsem of libc.so.6",
        "kind": "rwsem_write",
        "scope": "file",
        "order": ON_LIBC,
        "saturated": True,
        "acquires": 2.0,
        "transfers": 1.5,
        "lines_held": 387.0,
        "instructions": 150.25,
        "demand": 400.0,
        "alike": 1,
        "named": True,
        "note": "",
        "callers": ["one < two < three"],
    }
    assert len(data["stations"]) == 21


def test_csv_has_the_form_of_the_shipped_table(command: Command, ran: Ran, tmp_path: Path) -> None:
    ran(made_up())
    assert command(*STATIONS, "-o", "x.csv").fine
    written = (tmp_path / "x.csv").read_text().splitlines()
    shipped = (traces.TRACED / "stations.csv").read_text().splitlines()
    heads = [next(line for line in text if line[0] != "#") for text in (written, shipped)]
    assert heads[0] == heads[1]
    keys = [line.partition(":")[0] for line in written if line[0] == "#"]
    assert keys[:6] == ["# what", "# where", "# who", "# when", "# unit", "# source"]
    assert set(keys[6:]) == {"# caveat"}
    rows = list(csv.DictReader(line for line in written if line[0] != "#"))
    assert len(rows) == 20  # SMALL has no name and 2.5 lines
    assert rows[0]["order"] == ON_LIBC
    assert (rows[2]["kernel"], rows[2]["station"], rows[2]["note"]) == (
        "6.12.107",
        "lruvec lru_lock",
        "one per memory cgroup and node; the most used of 3",
    )
    assert (rows[2]["acquires"], rows[2]["lines_held"], rows[2]["demand"]) == (
        "2.0",
        "87.0",
        "100.0",
    )


def test_what_was_finished_before_an_interrupt_is_kept(
    command: Command, ran: Ran, tmp_path: Path
) -> None:
    ran(made_up(ORDERS[:1], "interrupted"))
    done = command(*STATIONS, "-o", "x.json")
    assert done.returncode == 0
    assert "interrupted; 1 of 2 orders are finished and kept" in done.stderr
    data = json.loads((tmp_path / "x.json").read_text())
    assert (data["complete"], data["stations"][0]["saturated"]) == (False, False)


def test_what_is_asked(command: Command, ran: Ran) -> None:
    asked = ran(made_up())
    assert command(*STATIONS).fine
    assert command(*STATIONS, "--loops", "16", "--time-limit", "60").fine
    assert [call[7:9] for call in asked] == [(8, 1800.0), (16, 60.0)]
    assert (asked[0][0], asked[0][2:4]) == ("k.deb", ("execl", None))
    fork = (*STATIONS[:4], "--stations", "--binary", "/bin/true")
    assert command(*fork).fine
    assert asked[2][2:4] == ("fork", "/bin/true")


BAD = {
    "--loops 1": "--loops 1: stations are counted with 2 to 48 loops",
    "--loops 49": "--loops 49: stations are counted with 2 to 48 loops",
    "--loops 8,16": "--loops '8,16': --stations takes one number, such as 8",
    "--loops x": "--loops 'x': write whole numbers with commas: 8",
    "--lines": "--stations is an experiment of its own",
    "--mappers 100": "without --lines, --mappers, --no-held and --keep; leave them out",
    "--no-held": "leave them out",
    "--keep trace.txt": "leave them out",
    "--time-limit 0": "--time-limit 0 must be",
}


@pytest.mark.parametrize("options", BAD)
def test_errors_say_what_to_do(command: Command, ran: Ran, options: str) -> None:
    asked = ran(made_up())
    done = command(*STATIONS, *options.split())
    assert (done.returncode, done.stdout) == (3, "")
    assert BAD[options] in " ".join(done.stderr.split())
    assert asked == []


def test_without_mke2fs_nothing_is_booted(
    command: Command, ran: Ran, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = ran(made_up())
    monkeypatch.setattr(root, "FOLDERS", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    done = command(*STATIONS)
    assert (done.returncode, done.stdout) == (3, "")
    assert "mke2fs is not found; install it (Debian: apt-get install e2fsprogs)" in done.stderr
    assert asked == []
