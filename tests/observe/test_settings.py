"""Columns that tell the curves of one file apart, and repeats that hardly are repeats."""

from __future__ import annotations

import json

import pytest
from readings import text

from lockmodel.observe.observations import Reading

MUTEX, SPIN = (10.0, 19.0, 30.0, 31.0), (33.0, 60.0, 50.0, 20.0)
NS = (1, 2, 4, 8)


def curves(reading: Reading) -> dict[str, list[tuple[int | None, float]]]:
    made: dict[str, list[tuple[int | None, float]]] = {}
    for o in reading.observations:
        if o.kind == "throughput":
            made.setdefault(o.variant, []).append((o.n, o.value))
    return made


def table(header: str, *rows: str) -> Reading:
    return text("\n".join((header, *rows, "")))


@pytest.mark.parametrize("column", ["lock", "impl", "name", "Lock type"])
def test_two_locks_in_one_file_are_two_curves(column: str) -> None:
    rows = [
        f"{n},{x},{name}"
        for name, xs in (("mutex", MUTEX), ("spin", SPIN))
        for n, x in zip(NS, xs, strict=True)
    ]
    reading = table(f"threads,throughput,{column}", *rows)
    assert curves(reading) == {
        "mutex": list(zip(NS, MUTEX, strict=True)),
        "spin": list(zip(NS, SPIN, strict=True)),
    }
    assert not any("REPEATS" in warning for warning in reading.warnings)
    assert any("are other runs" in warning for warning in reading.warnings)


def test_json_lines_are_told_apart_likewise() -> None:
    rows = [
        json.dumps({"threads": n, "throughput": x, "impl": name})
        for name, xs in (("mutex", MUTEX), ("spin", SPIN))
        for n, x in zip(NS, xs, strict=True)
    ]
    assert list(curves(text("\n".join((*rows, ""))))) == ["mutex", "spin"]


def test_shards_and_other_settings_in_numbers_have_their_column_in_the_name() -> None:
    rows = [f"{n},{n * k},{k},{size},patched" for k in (1, 8) for size in (64, 128) for n in (1, 2)]
    reading = table("tasks,throughput,shards,batch,variant", *rows)
    assert list(curves(reading)) == [
        f"patched,shards:{k},batch:{size}" for k in (1, 8) for size in (64, 128)
    ]
    assert curves(reading)["patched,shards:8,batch:64"] == [(1, 8.0), (2, 16.0)]


def test_a_switch_has_its_column_in_the_name() -> None:
    reading = table("n,throughput,numa", "1,5,on", "2,9,on", "1,4,off", "2,7,off")
    assert list(curves(reading)) == ["numa:on", "numa:off"]


def test_a_measurement_is_no_setting() -> None:
    """Its numbers do not come back at other populations; rows stay repeats."""
    reading = table("n,throughput,misses", "1,5,1001", "1,5.1,1007", "2,9,2102", "2,9.2,2119")
    assert [(o.n, o.repeat) for o in reading.observations] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert set(curves(reading)) == {""}
    assert [fact.value for fact in reading.facts] == [1001.0, 1007.0, 2102.0, 2119.0]


@pytest.mark.parametrize(
    "words",
    [
        ("monday", "tuesday", "friday", "sunday"),  # another in every row
        ("quiet", "quiet", "quiet", "quiet"),
        ("warm", "", "", ""),
    ],
)
def test_a_remark_is_no_setting(words: tuple[str, ...]) -> None:
    rows = [f"{n},{x},{word}" for (n, x), word in zip(enumerate(MUTEX, 1), words, strict=True)]
    reading = table("n,throughput,remark", *rows)
    assert curves(reading) == {"": list(enumerate(MUTEX, 1))}
    assert any("'remark' is left out" in warning for warning in reading.warnings)


def test_rows_for_each_lock_of_one_run_have_its_throughput_once() -> None:
    reading = table(
        "tasks,throughput,lock,hold_us", "1,100,a,2", "1,100,b,3", "2,180,a,2.1", "2,180,b,3.2"
    )
    assert curves(reading) == {"": [(1, 100.0), (2, 180.0)]}
    holds = [(o.n, o.lock, o.value) for o in reading.observations if o.kind == "hold_time"]
    assert holds == [(1, "a", 2e-6), (1, "b", 3e-6), (2, "a", 2.1e-6), (2, "b", 3.2e-6)]


def test_locks_that_differ_in_throughput_are_other_runs_and_keep_their_times() -> None:
    reading = table("n,throughput,lock,hold_us", "1,10,mutex,2", "1,33,spin,1", "2,19,mutex,2")
    assert set(curves(reading)) == {"mutex", "spin"}
    holds = [(o.variant, o.lock) for o in reading.observations if o.kind == "hold_time"]
    assert holds == [("mutex", "mutex"), ("spin", "spin"), ("mutex", "mutex")]


def test_repeats_that_differ_by_more_than_30_percent_are_said() -> None:
    rows = [f"{n},{x}" for xs in (MUTEX, SPIN) for n, x in zip(NS, xs, strict=True)]
    said = [w for w in table("n,throughput", *rows).warnings if w.startswith("REPEATS DIFFER")]
    assert len(said) == 1
    assert "by up to 230 % at n = 1, and at 3 more (f:2 and f:6)" in said[0]  # 33 / 10 - 1
    assert "a column of its own (variant)" in said[0]


@pytest.mark.parametrize(("second", "said"), [("12.9", False), ("13.1", True)])
def test_30_percent_is_the_limit(second: str, said: bool) -> None:
    warnings = table("n,throughput", "1,10", f"1,{second}", "2,20").warnings
    assert any("REPEATS DIFFER" in w for w in warnings) == said
