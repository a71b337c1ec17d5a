"""Readers of throughput: CSV, JSON lines, UnixBench, will-it-scale, perf bench, hyperfine."""

from __future__ import annotations

import pytest
from readings import content, refused, sample, text

from lockmodel.errors import ScenarioError
from lockmodel.model.shipped import shipped_dir
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import read_file


def rates(reading: Reading) -> list[tuple[int | None, str, float]]:
    throughputs = [o for o in reading.observations if o.kind == "throughput"]
    return [(o.n, o.variant or o.what, o.value) for o in throughputs]


# our own CSV


def test_csv_units_repeats_and_further_columns() -> None:
    reading = sample("own_curve.csv")
    assert rates(reading)[:3] == [(1, "stock", 2500.0), (1, "stock", 2400.0), (2, "stock", 4750.0)]
    first, acquires, hold = reading.observations[:3]
    assert (first.sd, first.uncertainty, first.repeat, first.kernel) == (50.0, "given", 1, "6.12")
    assert (acquires.kind, acquires.value, acquires.unit) == ("acquires", 29.0, "per iteration")
    assert (hold.kind, hold.value, hold.unit) == ("hold_time", 900e-9, "s")
    assert first.source.line == 6
    assert any("'ops/ms' x 1000" in warning for warning in reading.warnings)


def test_csv_of_another_locale() -> None:
    reading = sample("own_curve_semicolon.csv")
    assert rates(reading) == [(1, "", 1012.5), (4, "", 3800.25), (16, "", 9900.5)]
    idle = [o.value for o in reading.observations if o.kind == "idle_share"]
    assert idle == [0.9375, 0.755, 0.005]


def test_csv_rows_that_say_the_same_are_repeats() -> None:
    reading = text("n,x,variant\n1,10,a\n1,11,a\n1,12,b\n")
    assert [o.repeat for o in reading.observations] == [1, 2, None]
    assert [o.sd for o in reading.observations] == [None, None, None]


def test_csv_lpm_is_converted_and_said() -> None:
    reading = text("copies,lpm\n1,600\n")
    assert reading.observations[0].value == 10.0
    assert "lpm counts per minute; divided by 60" in reading.warnings


def test_csv_column_that_is_not_known_is_a_fact_and_said() -> None:
    reading = text("tasks,throughput,index\n1,10,2.5\n")
    assert [(f.name, f.value, f.n) for f in reading.facts] == [("index", 2.5, 1)]
    assert any("'index' is not known" in warning for warning in reading.warnings)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ("tasks,throughput\n", ["there is a header but no row", "write a CSV with the header"]),
        ("batch,throughput\n1,2\n", ["f:1: 'batch,throughput'", "no column tasks", "batch"]),
        ("tasks,speed\n1,2\n", ["no column throughput (there are tasks, speed)"]),
        ("tasks,throughput,hold\n1,2,3\n", ["a time needs its unit", "hold_ns"]),
        ("tasks,throughput,n\n1,2,3\n", ["'tasks' is given 2 times"]),
        ("tasks,throughput\n1,2\n2,3,4\n", ["f:3: '2,3,4'", "3 cells for the 2 columns", "';'"]),
        ("tasks,throughput\n1.5,2\n", ["f:2", "tasks '1.5' is not a whole number"]),
        ("tasks,throughput\n0,2\n", ["tasks 0 must be at least 1"]),
        ("tasks,throughput\n1,fast\n", ["throughput 'fast' is not a number"]),
        ("tasks;throughput\n1;1,234\n", ["grouped digits or a decimal comma"]),
        ("tasks,throughput\n1,0\n", ["must be > 0; leave the row out if the run failed"]),
        ("tasks,throughput\n1,-5\n", ["-5 must be > 0"]),
        ("tasks,throughput\n1,\n", ["throughput is empty"]),
        ("tasks,throughput,sd\n1,2,-1\n", ["sd -1 must be >= 0"]),
        ("tasks,throughput,repeat\n1,2,1\n1,3,1\n", ["f:3", "repeat 1", "given twice"]),
        (
            "tasks,throughput,acquires,hold_us\n8,30000,29,10\n",
            ["29 acquires x 1e-05 s x 30000 /s = 8.7 locks busy of 1; check the units"],
        ),
    ],
)
def test_csv_that_is_wrong_names_line_and_remedy(words: str, parts: list[str]) -> None:
    refused(words, *parts)


def test_csv_population_with_a_fraction_is_rounded_and_never_grouped_digits() -> None:
    reading = text("threads,throughput\n18.667,3.5\n56,4\n")
    assert [o.n for o in reading.observations] == [19, 56]
    assert reading.warnings == ("tasks with a fraction are rounded to whole processes",)
    refused("threads,throughput\n2.5,3\n", "f:2", "2.5")


def test_csv_gate_takes_shards_into_account() -> None:
    reading = text("tasks,throughput,acquires,hold_us,shards\n8,30000,29,10,16\n")
    assert len(reading.observations) == 3


def test_every_published_curve_is_read_or_refused_for_its_column_of_populations() -> None:
    read, refusals = 0, []
    for path in sorted(shipped_dir("data/published").glob("*.csv")):
        try:
            reading = read_file(path)
        except ScenarioError as error:
            refusals.append((path.name, str(error)))
            continue
        rows = [
            line
            for line in path.read_text(encoding="utf-8").splitlines()
            if not line.startswith("#")
        ]
        if rows[0].startswith("kind,"):  # observations of several kinds
            rows = [rows[0], *(row for row in rows if row.startswith("throughput,"))]
        assert len(rates(reading)) == len(rows) - 1
        read += 1
    assert read >= 20
    names = ["core_to_core_ns.csv", "latency.csv", "pcp_batch_hold_vs_acquires.csv"]
    assert [name for name, _ in refusals] == names
    assert "no column tasks" in refusals[2][1]


# JSON lines


def test_json_lines_and_extra_p() -> None:
    reading = sample("own_curve.jsonl")
    assert rates(reading) == [(1, "stock", 2500.5), (1, "stock", 2480.0), (8, "stock", 14500.0)]
    assert [o.repeat for o in reading.observations][:3] == [1, 2, None]
    assert reading.observations[-1].value == 1.5e-6
    extra = sample("own_extra_p.jsonl")
    assert rates(extra) == [(4, "loop", 8100.0), (4, "loop", 8050.5), (16, "loop", 21000.0)]


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ('{"tasks": 1, "throughput": [1]}\n', ["throughput = [1] must be a number or a text"]),
        ('{"tasks": 1, "throughput": NaN}\n', ["NaN is not a finite number"]),
        ('{"tasks": 1, "throughput": 2\n', ["f:1", "not JSON"]),
        ('{"params": {"n": 1}, "value": 3, "metric": "time"}\n', ["metric 'time' is no rate"]),
        ('{"tasks": 1, "throughput": 2, "hold": 2}\n', ["a time needs its unit"]),
    ],
)
def test_json_lines_that_are_wrong(words: str, parts: list[str]) -> None:
    refused(words, *parts)


# UnixBench


def test_unixbench_in_four_formats_says_the_same() -> None:
    base = "unixbench_report_v6_spawn_execl"
    want = {
        (1, "Execl Throughput", 1998.0),
        (1, "Process Creation", 6868.8),
        (2, "Execl Throughput", 1195.8),
        (2, "Process Creation", 6932.3),
    }
    for suffix in ("txt", "csv", "html"):
        reading = sample(f"{base}.{suffix}")
        assert set(rates(reading)) == want
        assert all(o.aggregated for o in reading.observations)
        assert any("no standard error" in warning for warning in reading.warnings)
    log = sample(f"{base}.log")
    spawn = [value for n, _, value in rates(log) if n == 1]
    assert spawn == pytest.approx([21571 / 3.002522, 19731 / 3.004502, 14288 / 3.003227])
    kept = (spawn[0] * spawn[1]) ** 0.5  # UnixBench drops the worst third
    assert kept == pytest.approx(6868.79159737232, rel=1e-6)
    assert not any(o.aggregated for o in log.observations)


def test_unixbench_per_minute_units_and_a_date_in_chinese() -> None:
    reading = sample("own_unixbench_report_513.txt")
    assert rates(reading) == [
        (1, "Execl Throughput", 500.0),
        (1, "Shell Scripts (1 concurrent)", 30.0),
        (8, "Execl Throughput", 3000.0),
        (8, "Shell Scripts (1 concurrent)", 150.0),
    ]
    assert ("File Copy 1024 bufsize 2000 maxblocks", 39600.0) in [
        (f.name, f.value) for f in reading.facts
    ]
    assert "lpm counts loops per minute; divided by 60" in reading.warnings
    assert reading.metadata["cpus"] == "8"


def test_unixbench_of_another_locale_is_the_same_or_refused() -> None:
    comma = content("own_unixbench_report_513.txt").replace(".0 lps", ",0 lps")
    assert rates(text(comma)) == rates(sample("own_unixbench_report_513.txt"))


def test_unixbench_that_skips_runs_above_16_copies_is_named() -> None:
    refused(content("own_unixbench_skip.txt"), "5.1.3 prints the header and no result", "6.0.0")
    both = content("own_unixbench_report_513.txt") + content("own_unixbench_skip.txt")
    assert any("above 16 copies" in warning for warning in text(both).warnings)


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("500.0    116.3", "510.0    116.3", "the result above is 500, here it is 510"),
        ("500.0    116.3", "500.0    126.3", "index 126.3 is not result / baseline x 10"),
        ("500.0 lps   (30.0 s, 2 samples)", "500.0 lps   (30.0 s, 2 sam", "was expected"),
        ("500.0 lps", "500. lps", "with one decimal: the line is cut off"),
        ("500.0 lps", "500.0 lpx", "unit 'lpx' is none of"),
        ("running 8 parallel", "running 0 parallel", "copies 0 must be at least 1"),
    ],
)
def test_unixbench_report_is_held_against_its_index(old: str, new: str, part: str) -> None:
    refused(content("own_unixbench_report_513.txt").replace(old, new, 1), part)


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("COUNT0: 21571", "COUNT0: 31571", "are not the scores printed below"),
        ("score: 6868.79", "score: 7868.79", "is not the mean of the kept passes"),
        ("# status: 0", "# status: 1", "a copy of this pass failed (status 1)"),
        ("# elapsed: 3.002522\n", "", "has no elapsed; the log is cut off"),
        ("# elapsed: 3.002522", "# elapsed: 0", "cannot be"),
    ],
)
def test_unixbench_log_is_held_against_its_sums(old: str, new: str, part: str) -> None:
    refused(content("unixbench_report_v6_spawn_execl.log").replace(old, new, 1), part)


def test_unixbench_log_cut_off_lacks_a_copy() -> None:
    whole = content("unixbench_report_v6_spawn_execl.log")
    refused(whole[: whole.index("# COUNT0: 5704")], "1 of 2 copies have a result")


def test_unixbench_html_is_held_against_its_index() -> None:
    page = content("unixbench_report_v6_spawn_execl.html")
    refused(page.replace("464.7", "564.7"), "is not score / baseline x 10")
    assert any("may be cut off" in w for w in text(page[: page.rindex("<p><hr/>")]).warnings)


# will-it-scale


def test_will_it_scale_modes_idle_and_failed_runs() -> None:
    reading = sample("own_will_it_scale.csv")
    assert rates(reading) == [
        (1, "processes", 401000.0),
        (1, "threads", 395500.0),
        (2, "processes", 780300.0),
        (2, "threads", 610100.0),
        (4, "processes", 1401000.0),
    ]
    assert reading.observations[1].value == pytest.approx(0.8752)
    assert any("no run with threads (-1" in w and "line 7" in w for w in reading.warnings)
    assert any("a message of the test" in w for w in reading.warnings)


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("802000", "812000", "linear 812000 is not 2 x 401000"),
        ("87.52", "187.52", "processes_idle 187.52 is a percentage"),
        ("2,780300", "1,780300", "linear 802000 at 1 task is not the larger rate, 780300"),
        ("780300,75.01", "780300;75.01", "cells, 6 were expected"),
        ("395500", "395.5", "threads '395.5' is not a whole number"),
    ],
)
def test_will_it_scale_that_cannot_be(old: str, new: str, part: str) -> None:
    refused(content("own_will_it_scale.csv").replace(old, new, 1), part)


def test_will_it_scale_without_any_run_says_so() -> None:
    header = "tasks,processes,processes_idle,threads,threads_idle,linear\n"
    refused(f"{header}0,0,100,0,100,0\n", "every run failed")
    refused("x_threads: tests/x.c:33: child: Assertion `ret == 1' failed.\n", "every run failed")


def test_will_it_scale_program_needs_the_population() -> None:
    name = "will_it_scale_binary_stdout_SYNTHETIC.txt"
    assert rates(sample(name, tasks=4)) == [(4, "Context switch via pipes", 409950.0)]
    assert any("give --tasks" in warning for warning in sample(name).warnings)


# perf bench


def test_perf_bench_grouped_digits_and_single_tasks() -> None:
    reading = sample("own_perf_bench_fork.txt")
    assert rates(reading) == [
        (1, "syscall/basic: getppid() calls", 2_500_000.0),
        (1, "syscall/fork: fork() calls", 1250.0),
    ]
    plain = content("own_perf_bench_fork.txt").replace(",", "")
    dots = content("own_perf_bench_fork.txt").replace(".", ";").replace(",", ".").replace(";", ",")
    assert rates(text(plain)) == rates(reading)
    assert [r[2] for r in rates(text(dots.replace(",,,", "...")))] == [2_500_000.0, 1250.0]


def test_perf_bench_futex_is_the_sum_over_threads() -> None:
    reading = sample("perf_bench_futex_hash_perf61.txt")
    assert rates(reading) == [(2, "futex/hash", 2 * 1034240.0)]


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("1,250 ops", "1,260,000 ops", "is not 1e6 / 800 usecs/op"),
        ("10,000 fork", "20,000 fork", "1250 ops/sec is not 20000 / 8 s"),
        ("          1,250 ops/sec\n", "", "no ops/sec"),
        ("          1,250 ops/sec\n", "          1,250 ops/s\n", "cut off?"),
    ],
)
def test_perf_bench_numbers_are_held_against_each_other(old: str, new: str, part: str) -> None:
    refused(content("own_perf_bench_fork.txt").replace(old, new, 1), part)


def test_perf_bench_futex_with_a_missing_thread_is_refused() -> None:
    lines = content("perf_bench_futex_hash_perf61.txt").splitlines(keepends=True)
    refused("".join(lines[:3] + lines[4:]), "1 of 2 threads are listed")


# hyperfine


def test_hyperfine_keeps_every_run_and_takes_the_population_from_a_parameter() -> None:
    reading = sample("own_hyperfine.json", iterations=100)
    assert rates(reading) == [
        (1, "./loop {tasks}", 250.0),
        (1, "./loop {tasks}", 200.0),
        (1, "./loop {tasks}", pytest.approx(1000 / 6)),
        (4, "./loop {tasks}", 125.0),
    ]
    assert [o.repeat for o in reading.observations] == [1, 2, 3, None]
    assert any("give --iterations K" in w for w in sample("own_hyperfine.json").warnings)


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("[0.4, 0.5, 0.6]", "[0.4, 0.5, 60]", "times lie outside min and max"),
        ('"tasks": "1"', '"tasks": "one"', "tasks = 'one' is not a whole number"),
        ("[0.8]", "[0]", "a run of 0 s cannot be"),
        ('"mean": 0.5', '"mean": "0.5"', "results[0].mean = '0.5' must be a number"),
    ],
)
def test_hyperfine_that_cannot_be(old: str, new: str, part: str) -> None:
    with pytest.raises(ScenarioError) as error:
        text(content("own_hyperfine.json").replace(old, new, 1))
    assert part in str(error.value)
