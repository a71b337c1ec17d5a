"""What the records of columns, comments and formats claim is what the readers do."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest
from places import TESTS

from lockmodel.fitting.curves.topology import cpus_of, machine_of
from lockmodel.observe import rates
from lockmodel.observe.collector import Options
from lockmodel.observe.coverage import DETERMINES
from lockmodel.observe.export import to_csv
from lockmodel.observe.headers import COMPARED, PASSING
from lockmodel.observe.observations import MEANINGS, UNITS, Observation, Source
from lockmodel.observe.readers import FORMATS, module, read_text, recognise
from lockmodel.observe.readers.columns import COLUMNS, TIME_UNITS
from lockmodel.observe.text import from_text, load

KNOWN = Options(unit="ns", quantity="hold", tasks=4, cpus=8, iterations=10)

REFUSED = ("own_klockstat_libbpf_implausible", "own_unixbench_skip", "perf_bench_simple_format")

FURTHER = {
    "csv": "tasks,throughput,wait_us\n4,1000,2\n",
    "json": '[{"threads": 4, "ops_per_sec": 1000, "acquires": 2, "hold_us": 1, "wait_us": 2, '
    '"idle_percent": 5}]\n',
    "columns": "threads tps acquires hold_us wait_us idle_percent\n4 1000 2 1 2 5\n",
    "markdown": "| threads | tps | acquires | hold_us | wait_us |\n|-|-|-|-|-|\n"
    "| 4 | 1000 | 2 | 1 | 2 |\n".replace("-", "--"),
    "jsonl": '{"tasks": 4, "throughput": 1000, "wait_us": 2, "idle_percent": 5}\n',
    "bpftrace": "Attaching 5 probes...\n\n@hold_ns_stats: count 4, average 10, total 42\n",
    "bpftrace-json": '{"type": "stats", "data": {"@hold_ns": '
    '{"count": 4, "average": 10, "total": 42}}}\n',
    "lkp": '{"lock_stat.rq.waittime-avg": 1.5, "will-it-scale.64.processes": 9.5}\n',
    "lkp-mail": "".join(
        f"  200000 ±  2%     -10.0%     180000        {key}\n"
        for key in (
            "mpstat.cpu.idle%x",
            "lock_stat.rq.holdtime-avg",
            "lock_stat.rq.waittime-avg",
            "lock_stat.rq.acquisitions",
        )
    ),
}
"""Format -> what no sample has of it."""


def kinds(form: str) -> set[str]:
    """Return the kinds of observations that the samples of a format give."""
    texts = [load(path) for path in (TESTS / "samples").iterdir() if path.stem not in REFUSED]
    texts = [text for text in texts if text.origin.endswith("README.md") is False]
    chosen = [text for text in texts if recognise(text) == form]
    if form in FURTHER:
        chosen.append(from_text(FURTHER[form], "f"))
    waits = replace(KNOWN, quantity="wait") if form == "bcc-histogram" else KNOWN
    return {
        o.kind
        for text in chosen
        for known in (KNOWN, waits)
        for o in read_text(text, known, form).observations
    }


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "observations"])
def test_a_format_gives_what_its_record_says(form):
    claimed = set(module(form).GIVES)
    if form == "lkp-mail":  # one that is 0 to 100 and changes by a difference, not a ratio
        claimed -= {"idle_share"}
    assert kinds(form) == claimed


def test_every_kind_has_its_meaning_and_what_it_determines():
    assert set(MEANINGS) == set(DETERMINES) == set(UNITS)


@pytest.mark.parametrize("unit", TIME_UNITS)
@pytest.mark.parametrize("column", [c for c in COLUMNS if c.observed])
def test_a_time_is_read_by_every_name_and_unit(column, unit):
    seconds = {"ns": 2e-9, "us": 2e-6, "ms": 2e-3, "s": 2.0}[unit]
    for name in column.names:
        reading = read_text(from_text(f"tasks,throughput,{name}_{unit}\n1,0.1,2\n", "f"))
        (time,) = [o for o in reading.observations if o.kind == column.observed]
        assert time.value == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize("column", [c for c in COLUMNS if not c.observed and not c.instead])
def test_a_column_is_taken_by_every_name(column):
    for name in column.names:
        row = {"tasks": "4", "throughput": "1000"}
        row = {key: value for key, value in row.items() if key != column.name}
        row[name.upper()] = "7"
        text = ",".join(row) + "\n" + ",".join(row.values()) + "\n"
        reading = read_text(from_text(text, "f"))
        said = " ".join(reading.warnings)
        assert "is not known" not in said
        assert "left out" not in said
        assert reading.facts == ()


def test_a_column_without_a_record_is_a_fact_that_is_said():
    reading = read_text(from_text("tasks,throughput,idle\n4,1000,7\n", "f"))
    assert [fact.name for fact in reading.facts] == ["idle"]
    assert "column 'idle' is not known" in " ".join(reading.warnings)


def test_the_long_form_has_the_columns_of_its_record_and_no_other():
    one = Observation("hold_time", 1e-6, "s", Source("f", 3), lock="a")
    _, header, row = csv.reader(to_csv([one]).splitlines())
    assert [(k, v) for k, v in zip(header, row, strict=True) if v] == [
        *(("kind", "hold_time"), ("value", "1e-06"), ("unit", "s"), ("lock", "a")),
        *(("uncertainty", "none"), ("file", "f"), ("line", "3")),
    ]


def test_what_the_record_of_units_lists_is_understood():
    per_second = {
        "ops/s": 1.0,
        "kops/s": 1e3,
        "million ops/s": 1e6,
        "ops/us": 1e6,
        "execs per second": 1.0,
        "loops per minute": 1 / 60,
    }
    for unit, factor in per_second.items():
        assert rates.factor(unit) == pytest.approx(factor, rel=1e-12), unit
    assert rates.factor("ops/s per thread") is None


def test_what_the_record_of_the_machine_lists_is_understood():
    for words, cpus, sockets in (
        ("2 sockets x 48 cores x 2 threads", 192, 2),
        ("4-socket 56-core 112-thread", 112, 4),
        ("80-CPU Xeon (2 x 20 cores x 2 SMT)", 80, 2),
    ):
        made = machine_of(words)
        assert (made.cpus, made.sockets) == (cpus, sockets), words
    assert cpus_of("16 vCPUs") == 16


def test_threads_of_a_core_are_not_taken_for_all_cpus():
    """They once were, and the machine was not understood."""
    assert cpus_of("2 sockets x 48 cores x 2 threads") is None
    assert cpus_of("2 sockets x 48 cores x 2 threads = 192 threads") == 192


def test_which_comments_may_differ_and_which_a_gate_compares():
    assert PASSING[:4] == ("date", "when", "who", "source")
    assert len(PASSING) == 10
    assert COMPARED == ("machine", "loop", "binary", "window_s", "governor")
