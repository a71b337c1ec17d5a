"""Readers of counters and test robots: perf stat, lkp."""

from __future__ import annotations

import pytest
from readings import content, refused, sample, text

from lockmodel.errors import ArgumentError, ScenarioError
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import read_text
from lockmodel.observe.text import from_text


def facts(reading: Reading) -> dict[str, float]:
    return {f.name: f.value for f in reading.facts}


def test_stat_csv_commas_in_events_and_values_that_were_not_counted() -> None:
    reading = sample("own_perf_stat_x.csv", cpus=4)
    assert facts(reading) == {"cpu/event=0x3c,umask=0x0/": 123456, "task-clock": 800.5}
    (idle,) = reading.observations
    assert (idle.kind, idle.value) == ("idle_share", pytest.approx(0.2))
    assert any("counted 50 % of the time only" in w for w in reading.warnings)
    assert any("stalled-cycles-frontend not supported" in w for w in reading.warnings)
    assert any("a metric without its counter" in w for w in reading.warnings)


def test_stat_csv_layouts_are_told_apart_by_content() -> None:
    assert facts(sample("perf_stat_x_interval_perf61.csv")) == {
        "context-switches at 0.100157955 s": 1,
        "context-switches at 0.251931004 s": 0,
    }
    assert facts(sample("perf_stat_x_percpu_perf61.csv")) == {
        "context-switches on CPU0": 149,
        "context-switches on CPU1": 202,
    }
    assert facts(sample("perf_stat_x_repeat_perf61.csv")) == {
        "task-clock": 0.52,
        "task-clock: spread of runs": 7.49,
        "context-switches": 2,
        "context-switches: spread of runs": 28.87,
    }
    spaced = "1.012763890 16167.76 msec cpu-clock 16167755803 100.00 16.168 CPUs utilized\n"
    assert facts(text(spaced)) == {"cpu-clock at 1.012763890 s": 16167.76}


def test_stat_csv_of_another_locale_is_the_same_or_refused() -> None:
    words = content("perf_stat_x_repeat_perf61.csv")
    assert facts(text(words.replace(".", ","))) == facts(text(words))
    comma = "0,60,msec,task-clock,602207,100,00,0,515,CPUs utilized\n"
    with pytest.raises(ScenarioError, match="decimal commas between commas"):
        read_text(from_text(comma, "f"), form="perf-stat")


def test_stat_csv_that_cannot_be() -> None:
    words = content("own_perf_stat_x.csv")
    refused(words.replace("100.00,3.200", "300.00,3.200"), "counted 300 % of the time")
    refused(words, "3.2 CPUs utilized of 2; check --cpus", cpus=2)
    refused(words.replace(",800500000,100.00,3.200,CPUs utilized", ""), "cut off")


def test_stat_system_wide_says_nothing_of_idle_time() -> None:
    reading = text(content("own_perf_stat_x.csv").replace("3.200", "3.950"), cpus=4)
    assert not reading.observations
    assert any("as with -a" in w for w in reading.warnings)


def test_stat_json_with_the_trailing_comma_of_one_release() -> None:
    reading = sample("own_perf_stat_j_comma.ndjson")
    assert facts(reading) == {
        "armv8_pmuv3_1/branch-misses/": 3000,
        "context-switches at 1.0005 s": 5,
    }
    assert any("a comma before }" in w for w in reading.warnings)
    refused('{"counter-value" : "x", "event" : "cycles"}\n', "cycles 'x' is not a number")
    refused('{"counter-value" : "1", "event" : 3\n', "not JSON")


def test_lkp_keys_become_observations() -> None:
    reading = sample("own_lkp_stats.json")
    seen = {(o.kind, o.unit, o.n, o.lock): o.value for o in reading.observations}
    assert seen == {
        ("throughput", "1/s", 64, ""): 1200300.0,
        ("idle_share", "1", 64, ""): 0.125,
        ("throughput", "relative", None, ""): 18500.5,
        ("hold_time", "s", None, "&mapping->i_mmap_rwsem"): 1.5e-6,
        ("acquires", "per run", None, "&mapping->i_mmap_rwsem"): 29000.0,
        ("wait_share", "1", None, "osq_lock"): 0.4225,
        ("idle_share", "1", None, ""): 0.035,
    }
    assert facts(reading) == {"vmstat.cpu.sy": 92.0}


def test_lkp_matrix_keeps_runs_and_names_the_missing() -> None:
    reading = sample("own_lkp_matrix.json")
    runs = [(o.repeat, o.value) for o in reading.observations if o.kind == "throughput"]
    assert runs == [(1, 900100.0), (2, 880050.0)]
    assert any("is 0 in run 3" in w for w in reading.warnings)
    assert [o.value for o in reading.observations if o.kind == "idle_share"] == [0.03]


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("1200300.0", '"many"', "will-it-scale.64.processes = 'many' must be a number"),
        ("1200300.0", "-5", "must be >= 0"),
        ("12.5", "1250", "it cannot exceed 1"),
        ("92.0", "NaN", "NaN is not a finite number"),
        ("92.0\n}", "92.0\n", "not JSON"),
    ],
)
def test_lkp_that_cannot_be(old: str, new: str, part: str) -> None:
    refused(content("own_lkp_stats.json").replace(old, new, 1), part)


def test_robot_mail_gives_both_sides_and_the_gain() -> None:
    reading = sample("own_lkp_mail.txt")
    seen = [(o.kind, o.variant, o.n, o.value, o.sd) for o in reading.observations]
    assert seen == [
        ("throughput", "base processes", 64, 1e6, 4e4),
        ("throughput", "new processes", 64, 1.25e6, None),
        ("gain", "processes", 64, 0.25, None),
        ("wait_share", "base", None, 0.42, None),
        ("wait_share", "new", None, 0.3, pytest.approx(0.009)),
        ("throughput", "base", None, 20000.0, None),
        ("throughput", "new", None, 22200.0, 444.0),
        ("gain", "", None, pytest.approx(0.11), None),
    ]
    assert all(o.aggregated for o in reading.observations)
    assert facts(reading)["turbostat.IRQ (new)"] == 1.5e8


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("+25.0%", "+35.0%", "change +35 is not that of 1e+06 to 1.25e+06"),
        ("-12.0 ", "-22.0 ", "change -22 is not that of 42 to 30"),
        ("1250000 ", "1150000 ", "is not that of"),
        ("+25.0%    1250000        will-it-scale.64.processes", "+25.0%", "wrapped?"),
    ],
)
def test_robot_mail_is_held_against_its_change(old: str, new: str, part: str) -> None:
    refused(content("own_lkp_mail.txt").replace(old, new, 1), part)


def test_a_format_that_does_not_exist_names_the_nearest() -> None:
    with pytest.raises(ArgumentError, match="--format 'unixbnch' is not known; did you mean"):
        read_text(from_text("x", "f"), form="unixbnch")
