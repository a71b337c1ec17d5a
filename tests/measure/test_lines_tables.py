"""data/traced/lines_totals.csv and lines_held.csv: shape, and that they say the same."""

from __future__ import annotations

import csv
from collections import defaultdict

import pytest
import traces

from lockmodel.measure.acquires.loops import SITES
from lockmodel.model.shipped import shipped_dir

FOLDER = shipped_dir("data") / "traced"
LIBC, EXECUTABLE = "libc.so.6", "dynloop"
SETTING = ("kernel", "loop", "file", "active_loops", "other_mappers", "same_binary_mappers")

Row = dict[str, str]


def table(name: str) -> list[Row]:
    lines = (FOLDER / name).read_text().splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


TOTALS, HELD = table("lines_totals.csv"), table("lines_held.csv")


def total(file: str, loops: int, others: int, same: int, loop: str = "execl") -> Row:
    wanted = ("6.12.107", loop, file, str(loops), str(others), str(same))
    (row,) = [row for row in TOTALS if tuple(row[key] for key in SETTING) == wanted]
    return row


def test_shape() -> None:
    assert (len(TOTALS), len(HELD)) == (174, 1038)
    assert {row["kernel"] for row in HELD} == {"6.1.187", "6.12.107"}
    assert {int(row["active_loops"]) for row in HELD} == {1, 2, 4, 8, 16, 32, 48}
    assert {f"{row['phase']}.{row['site']}" for row in HELD} == set(SITES)
    keys = [tuple(row[key] for key in (*SETTING, "phase", "site")) for row in HELD]
    assert len(set(keys)) == len(keys)
    for row in HELD:
        assert row["saturated_lock"] == ("" if row["active_loops"] == "1" else row["file"])
        assert float(row["lines_transferred"]) <= float(row["lines_touched"])
        assert float(row["lines_written"]) <= float(row["lines_touched"])
        if row["active_loops"] == "1":
            assert float(row["lines_transferred"]) <= 1


@pytest.mark.parametrize("name", ["lines_totals.csv", "lines_held.csv"])
def test_the_header_has_all_keys_in_order(name: str) -> None:
    lines = (FOLDER / name).read_text().splitlines()
    keys = [line[2:].partition(":")[0] for line in lines if line.startswith("#")]
    assert keys[:6] == ["what", "where", "who", "when", "unit", "source"]
    assert set(keys[6:]) == {"caveat"}


@pytest.mark.parametrize(
    "column",
    ["acquires", "tree_operations", "lines_touched", "lines_written", "lines_transferred"],
)
def test_sites_sum_up_to_the_totals(column: str) -> None:
    """To what two decimals per acquire leave, of up to 29 acquires; counts exactly."""
    sums: dict[tuple[str, ...], float] = defaultdict(float)
    for row in HELD:
        times = 1.0 if column in ("acquires", "tree_operations") else float(row["acquires"])
        sums[tuple(row[key] for key in SETTING)] += times * float(row[column])
    compared = 0
    for row in TOTALS:
        key = tuple(row[each] for each in SETTING)
        if key in sums:
            assert sums[key] == pytest.approx(float(row[column]), abs=0.3), key
            compared += 1
    assert compared == len(sums) == 174


def test_acquires_and_operations_are_those_of_the_kprobes() -> None:
    for kernel in ("6.1.187", "6.12.107"):
        for loop, binary in (("fork", "dyntrue"), ("execl", "dynloop")):
            expected = traces.table(kernel, loop, binary)
            found = {
                (traces.RENAMED.get(row["file"], row["file"]), f"{row['phase']}.{row['site']}"): (
                    int(row["acquires"]),
                    int(row["tree_operations"]),
                )
                for row in HELD
                if (row["kernel"], row["loop"], row["active_loops"]) == (kernel, loop, "1")
            }
            assert found == expected


RATIOS = {
    "acquires": 8 * [1.88],
    "tree_operations": 8 * [2.0],
    "lines_transferred": [2.25, 2.51, 2.26, 1.85, 2.04, 1.99, 2.05, 2.14],
    "instructions": [2.84, 2.73, 2.72, 2.54, 2.56, 2.50, 2.54, 2.48],
}
"""libc.so.6 over the executable, per execl, as the experiment printed them: at 2, 4, 8, 16 and 32
loops, then at 8, 16 and 48 with 192 sleepers of the same binary. Operations tell lines best."""


@pytest.mark.parametrize("column", RATIOS)
def test_what_libc_costs_over_the_executable(column: str) -> None:
    settings = [(n, 0, 0) for n in (2, 4, 8, 16, 32)] + [(n, 0, 192) for n in (8, 16, 48)]
    found = [
        float(total(LIBC, *where)[column]) / float(total(EXECUTABLE, *where)[column])
        for where in settings
    ]
    assert found == pytest.approx(RATIOS[column], abs=0.0051)


def test_lines_grow_with_the_loops() -> None:
    """Lines transferred per execl at 2, 4, 8, 16 and 32 loops, nobody else mapping."""
    loops = (2, 4, 8, 16, 32)
    libc = [round(float(total(LIBC, n, 0, 0)["lines_transferred"])) for n in loops]
    executable = [round(float(total(EXECUTABLE, n, 0, 0)["lines_transferred"])) for n in loops]
    assert libc == [85, 173, 230, 307, 400]
    assert executable == [38, 69, 102, 166, 196]
    with_sleepers = [total(file, 16, 0, 192) for file in (LIBC, EXECUTABLE)]
    assert [round(float(row["lines_transferred"])) for row in with_sleepers] == [362, 177]
    assert [row["runs"] for row in with_sleepers] == ["5", "5"]
    per_operation = [
        float(row["lines_transferred"]) / float(row["tree_operations"]) for row in with_sleepers
    ]
    assert per_operation == pytest.approx([11.3, 11.1], abs=0.05)
