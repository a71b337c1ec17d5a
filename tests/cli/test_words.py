"""What commands say alike: short names, rows of CSV, doubts on top, populations left out."""

from __future__ import annotations

import pytest
from places import timed

from lockmodel.cli import common, files
from lockmodel.cli import text as tx
from lockmodel.errors import NotTrustworthyError


def test_a_lock_is_short_without_its_architecture():
    assert tx.short("ld-linux-x86-64.so.2") == "ld-linux"
    assert tx.short("i_mmap_rwsem.of.libc") == "i_mmap_rwsem.of.libc"
    assert tx.short("i_mmap_rwsem.of.libc", 12) == "i_mmap_rwsem"


def test_approximations_are_counted_and_none_is_no_line():
    assert tx.counted(("one", "two")) == ["2 approximations: --explain"]
    assert tx.counted(()) == []


def test_csv_has_the_columns_asked_for_even_without_rows():
    rows = [{"n": 1, "low": None, "rest": 2.5}]
    assert files.csv_text(rows) == "n,low,rest\n1,,2.5\n"
    assert files.csv_text(rows, ("rest", "n")) == "rest,n\n2.5,1\n"
    assert files.csv_text([], ("rest", "n")) == "rest,n\n"
    with pytest.raises(KeyError, match="none"):
        files.csv_text(rows, ("none",))


def test_doubts_name_what_was_measured_and_where():
    scenario = timed("execl-xeon8369b")  # 51,466 per s, n = 1 to 128
    beyond = "! calibrated for n = 1 to 128 only; n = 200 is extrapolated"
    assert common.doubts(scenario, [1, 128]) == []
    assert common.doubts(scenario, [64, 200]) == [beyond]
    above, other = common.doubts(scenario, [64, 200], 10_000.0)
    assert above == (
        "! 51,466 per s were measured here, above the peak ceiling of 10,000 per s: the data "
        "contradict the model"
    )
    assert other == beyond
    assert common.doubts(scenario, [64], 1e9) == []


def test_a_simulation_that_was_stopped_says_how_much_is_missing():
    common.check_all_simulated(3, 3)
    with pytest.raises(NotTrustworthyError, match=r"stopped: 2 of 3 populations were not") as told:
        common.check_all_simulated(1, 3)
    assert str(told.value).endswith("raise --time-limit")
