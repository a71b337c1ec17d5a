"""data/traced/stations.csv: shape, order, and what it must show."""

from __future__ import annotations

import csv

import pytest

from lockmodel.measure.trace.lab.stations.ranking import HAND_OFF
from lockmodel.measure.trace.lab.stations.rules import EXCLUSIVE, SCOPES
from lockmodel.measure.trace.lab.stations.tables import COLUMNS
from lockmodel.model.shipped import shipped_dir

FILE = shipped_dir("data") / "traced" / "stations.csv"
LARGEST = 60_000
LIBC, LRU = "i_mmap_rwsem of libc.so.6", "lruvec lru_lock"

Row = dict[str, str]
ROWS: list[Row] = list(
    csv.DictReader(line for line in FILE.read_text().splitlines() if not line.startswith("#"))
)
SETTINGS = sorted({(row["kernel"], row["loop"], row["loops"]) for row in ROWS})


def setting(kernel: str, loop: str, loops: str) -> list[Row]:
    """Return the stations of a setting, a saturated lock from its own run, most demand first."""
    where = (kernel, loop, loops)
    rows = [row for row in ROWS if (row["kernel"], row["loop"], row["loops"]) == where]
    rows.sort(key=lambda row: row["order"] != "free")  # a later one replaces an earlier one
    by_name = {(row["station"], row["kind"]): row for row in rows}
    return sorted(by_name.values(), key=lambda row: -float(row["demand"]))


def demand(kernel: str, loop: str, loops: str, station: str) -> float:
    (row,) = [row for row in setting(kernel, loop, loops) if row["station"] == station]
    return float(row["demand"])


def test_shape() -> None:
    assert tuple(ROWS[0]) == COLUMNS
    assert FILE.stat().st_size < LARGEST
    keys = [
        tuple(row[key] for key in ("kernel", "loop", "loops", "order", "station", "kind"))
        for row in ROWS
    ]
    assert len(set(keys)) == len(keys)
    for row in ROWS:
        assert row["scope"] in SCOPES
        assert row["order"] == "free" or row["order"] == (
            "turns on " + row["station"].removeprefix("i_mmap_rwsem of ")
        )


def test_demand_is_what_the_header_says() -> None:
    for row in ROWS:
        acquires, held, transfers = (
            float(row[key]) for key in ("acquires", "lines_held", "transfers")
        )
        alone = row["kind"] in EXCLUSIVE
        expected = HAND_OFF * acquires + held if alone else transfers
        assert float(row["demand"]) == pytest.approx(expected, abs=0.15), row


@pytest.mark.parametrize("where", SETTINGS, ids=" ".join)
def test_there_are_at_least_fifteen_stations(where: tuple[str, str, str]) -> None:
    names = {row["station"] for row in setting(*where)}
    assert len(names) >= 15
    assert {"lruvec lru_lock", "i_mmap_rwsem of ld.so.cache", "pgd_lock"} <= names


def test_what_comes_after_the_locks_of_files() -> None:
    """execl on 6.12, 16 loops: the first ten and what each of them demands, as first published."""
    first = [(row["station"], float(row["demand"])) for row in setting("6.12.107", "execl", "16")]
    assert [(name, round(lines)) for name, lines in first[:10]] == [
        (LIBC, 430),
        ("i_mmap_rwsem of the executable", 196),
        ("i_mmap_rwsem of ld-linux-x86-64.so.2", 188),
        (LRU, 119),
        ("pcpu_lock", 30),
        ("i_mmap_rwsem of ld.so.cache", 29),
        ("folio lock of a page copied on write", 22),
        ("mem_cgroup: mm_list.lock beside nodeinfo[]", 20),
        ("pgd_lock", 18),
        ("percpu_counters_lock", 17),
    ]


CLOSE = 0.2
"""The executable and ld.so demand the same within the spread of boots; 6.12.117 takes lru_lock
8 times per execl, 6.12.107 took it 9 times."""


def test_the_command_finds_the_same_ten() -> None:
    before, again = (setting(kernel, "execl", "16")[:10] for kernel in ("6.12.107", "6.12.117"))
    assert {row["station"] for row in again[:3]} == {row["station"] for row in before[:3]}
    assert [row["station"] for row in again[3:]] == [row["station"] for row in before[3:]]
    demands = {row["station"]: float(row["demand"]) for row in again}
    for row in before:
        assert demands[row["station"]] == pytest.approx(float(row["demand"]), rel=CLOSE)
    acquires = {row["station"]: float(row["acquires"]) for row in again[:3]}
    assert sorted(acquires.values()) == [8, 8, 15]
    assert all(row["order"].startswith("turns on ") for row in again[:3])


def test_libcs_lock_grows_with_the_loops_and_lru_lock_does_not() -> None:
    libc = [demand("6.12.107", "execl", n, LIBC) for n in ("8", "16", "32")]
    lru = [demand("6.12.107", "execl", n, LRU) for n in ("8", "16", "32")]
    assert libc[1] / libc[0] == pytest.approx(1.25, abs=0.01)
    assert libc[2] / libc[1] == pytest.approx(1.35, abs=0.01)
    assert max(lru) / min(lru) < 1.12


def test_fork_has_locks_that_execl_has_not() -> None:
    def names(loop: str) -> set[str]:
        return {row["station"] for row in ROWS if row["loop"] == loop}

    only = {"tasklist_lock", "pidmap_lock", "css_set_lock", "input_pool", "init_pid_ns"}
    assert only <= names("fork") - names("execl")


def test_locks_of_6_2_and_later_are_not_there_on_6_1() -> None:
    old = {row["station"] for row in ROWS if row["kernel"] == "6.1.187"}
    assert not old & {"pcpu_lock", "pcpu_alloc_mutex", "percpu_counters_lock"}
