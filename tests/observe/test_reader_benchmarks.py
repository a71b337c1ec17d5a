"""Readers of language benchmarks and of tables of times: a time becomes a throughput of N tasks."""

from __future__ import annotations

import pytest
from readings import content, refused, sample, text

from lockmodel.observe.collector import Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import read_text
from lockmodel.observe.text import from_text


def rates(reading: Reading) -> list[tuple[int | None, str, float, int]]:
    """Return population, curve, value and line of every throughput."""
    found = [o for o in reading.observations if o.kind == "throughput"]
    return [(o.n, o.variant or o.what, o.value, o.source.line) for o in found]


def facts(reading: Reading) -> dict[str, tuple[float, str]]:
    """Return the first fact of each name with its unit."""
    return {f.name: (f.value, f.unit) for f in reversed(reading.facts)}


def said(reading: Reading, *parts: str) -> bool:
    """Return whether one warning has all parts."""
    return any(all(part in warning for part in parts) for warning in reading.warnings)


def near(value: float) -> object:
    return pytest.approx(value, rel=1e-9)


# Google Benchmark


def test_google_benchmark_up_to_1_8_divides_its_time_by_the_threads() -> None:
    """items_per_second of one item per iteration is printed by the library: the same number."""
    reading = sample("google_benchmark_171.json")
    assert [(n, what, line) for n, what, _, line in rates(reading)] == [
        (1, "BM_Mutex", 49),
        (2, "BM_Mutex", 64),
        (2, "BM_Arg/8", 79),
    ]
    printed = [f.value for f in reading.facts if f.name == "BM_Mutex items_per_second"]
    assert [o.value for o in reading.observations[:2]] == [near(value) for value in printed]
    assert said(reading, "BM_Err/threads:2 has failed: no such device")


GB = """{{"context": {{"num_cpus": 8{version}}}, "benchmarks": [
{{"name": "BM/threads:4", "run_name": "BM/threads:4", "run_type": "iteration", "threads": 4,
"iterations": 100, "real_time": 50.0, "cpu_time": {cpu}, "time_unit": "us"}}
]}}
"""


@pytest.mark.parametrize(
    ("version", "cpu", "want"),
    [
        ("", 20.0, 1 / 50e-6),  # 1.8.3 and before do not say their version
        (', "library_version": "v1.8.4"', 20.0, 1 / 50e-6),
        (', "library_version": "v1.9.0"', 20.0, 4 / 50e-6),
        (', "library_version": "v1.10.2"', 20.0, 4 / 50e-6),
        (', "library_version": "v0.0.0"', 190.0, 1 / 50e-6),  # more CPU than wall: divided
        (', "library_version": "v0.0.0"', 20.0, None),
    ],
)
def test_google_benchmark_time_means_what_its_version_says(
    version: str, cpu: float, want: float | None
) -> None:
    reading = text(GB.format(version=version, cpu=cpu))
    assert rates(reading) == ([] if want is None else [(4, "BM", near(want), 3)])
    assert said(reading, "the version is not said: kept as facts") == (want is None)


def test_google_benchmark_aggregates_count_where_nothing_else_is() -> None:
    words = (
        '{"context": {}, "benchmarks": [\n'
        '{"name": "B_mean", "run_name": "B", "run_type": "aggregate", "aggregate_name": "mean", '
        '"threads": 1, "real_time": 2.0, "cpu_time": 2.0, "time_unit": "ms"},\n'
        '{"name": "B_stddev", "run_name": "B", "run_type": "aggregate", "aggregate_name": "stddev",'
        ' "threads": 1, "real_time": 0.1, "cpu_time": 0.1, "time_unit": "ms"}\n]}\n'
    )
    (one,) = text(words).observations
    assert (one.value, one.sd, one.aggregated) == (near(500.0), near(25.0), True)
    refused(words.replace('"real_time": 2.0', '"real_time": "2"'), "benchmarks[0].real_time = '2'")
    refused(words.replace('"ms"', '"fortnights"', 1), "f:2", "is none of ns, us, ms, s")


def test_google_benchmark_table() -> None:
    reading = sample("google_benchmark_171.txt")
    assert rates(reading) == [
        (1, "BM_Mutex", near(1 / 32.4e-9), 14),
        (1, "BM_Mutex", near(1 / 20.0e-9), 15),
    ]
    assert facts(reading)["BM_Mutex items_per_second"] == (30.8885, "M/s")
    assert said(reading, "the version is not said: kept as facts")
    assert said(reading, "line 32: BM_Err/threads:2 has failed")
    sure = text(
        content("google_benchmark_171.txt").replace("31.7 ns         13.2", "31.7 ns         63.2")
    )
    assert (2, "BM_Arg/8", near(1 / 31.7e-9), 26) in rates(sure)
    refused(content("google_benchmark_171.txt")[:1300], "time, CPU, iterations were expected")


# Go


def test_go_population_is_the_cpu_of_the_name() -> None:
    reading = sample("go_bench_119.txt")
    mutex = [(o.n, o.value, o.repeat) for o in reading.observations if "Mutex" in o.what]
    assert mutex == [
        (1, near(1e9 / 7.869), 1),
        (1, near(1e9 / 21.76), 2),
        (2, near(1e9 / 22.60), 1),
        (2, near(1e9 / 15.99), 2),
        (4, near(1e9 / 22.27), 1),
        (4, near(1e9 / 27.42), 2),
    ]
    assert facts(reading)["BenchmarkRW B"] == (0.0, "B/op")
    assert facts(reading)["BenchmarkMutex operations"] == (3516709, "")
    assert reading.metadata["cpu model"] == "AMD EPYC"


def test_go_sub_benchmarks_may_state_the_population() -> None:
    reading = text("BenchmarkLock/threads=8/mcs-16   \t 1000\t 250 ns/op\t 4.0 MB/s\n")
    assert rates(reading) == [(8, "cpu:16", near(4e6), 1)]
    assert reading.observations[0].what == "BenchmarkLock/mcs"
    assert facts(reading)["BenchmarkLock/mcs MB"] == (4.0, "MB/s")


def test_go_failures_and_nothing_are_said() -> None:
    rest = "BenchmarkA-2 \t 0\t 0.5 ns/op\nBenchmarkB-2 \t 10\t 5 ns/op\n--- FAIL: BenchmarkC\n"
    reading = text(rest)
    assert [what for _, what, _, _ in rates(reading)] == ["BenchmarkB"]
    assert said(reading, "0 operations or 0 ns")
    assert said(reading, "line 3: --- FAIL: BenchmarkC")
    refused(rest + "BenchmarkD-2 \t 10\t 5\n", "f:4", "'x ns/op' were expected")


def test_benchstat_new_tables() -> None:
    reading = sample("own_benchstat.txt")
    assert rates(reading)[:4] == [
        (1, "old.txt", near(5e7), 7),
        (1, "new.txt", near(1e8), 7),
        (8, "old.txt", near(2.5e6), 8),
        (8, "new.txt", near(3.125e6), 8),
    ]
    gains = [(o.n, o.value) for o in reading.observations if o.kind == "gain"]
    assert gains == [(1, near(1.0)), (8, near(0.25))]
    assert said(reading, "RW: no difference")
    assert said(reading, "± is the 95 % interval")
    assert facts(reading)["Mutex B/op old.txt"] == (16.0, "B/op")
    refused(content("own_benchstat.txt").replace("-20.00%", "-30.00%"), "f:8", "is not the change")


def test_benchstat_old_table() -> None:
    reading = sample("own_benchstat_old.txt")
    assert rates(reading) == [
        (2, "old", near(2.5e7), 2),
        (2, "new", near(2e7), 2),
        (4, "old", near(1e7), 3),
        (4, "new", near(1e7), 3),
    ]
    assert [o.value for o in reading.observations if o.kind == "gain"] == [near(-0.2)]
    refused(content("own_benchstat_old.txt").replace("40.0ns", "40.0qs"), "f:2", "cut off?")


# Criterion


def test_criterion_printed_times_and_their_names() -> None:
    reading = sample("own_criterion.txt")
    assert rates(reading) == [
        (1, "mutex/lock", near(8e7), 5),
        (2, "mutex/lock", near(2.5e7), 10),
        (4, "mutex/a longer name that does not fit", near(1e7), 14),
    ]
    known = facts(reading)
    assert known["mutex/lock/threads=1: thrpt, middle"] == (80.0, "Melem/s")
    assert known["mutex/lock/threads=1: time, high"] == (12.64, "ns")
    many = sample("own_criterion.txt", iterations=1000)
    assert rates(many)[0][2] == near(8e10)
    refused(content("own_criterion.txt").replace("12.500 ns", "13.500 ns"), "low <= middle <= high")
    refused(content("own_criterion.txt").replace("40.000 ns 41", "40.000 xs 41"), "unit 'xs'")


ESTIMATES = "target/criterion/{}/new/estimates.json"


@pytest.mark.parametrize(
    ("folders", "n", "what"),
    [
        ("mutex_threads/lock/8", 8, "mutex_threads/lock"),
        ("mutex/lock/threads=8", 8, "mutex/lock"),
        ("mutex/lock/8", None, "mutex/lock/8"),  # 8 of what?
    ],
)
def test_criterion_estimates_take_the_population_from_their_folders(
    folders: str, n: int | None, what: str
) -> None:
    words = content("own_criterion_estimates.json")
    (one,) = read_text(from_text(words, ESTIMATES.format(folders))).observations
    assert (one.n, one.what) == (n, what)
    assert (one.value, one.sd) == (near(5e5), near(5e5 * 125 / 2000))  # 2,000 ns +- 125 ns


def test_criterion_estimates_that_cannot_be() -> None:
    words = content("own_criterion_estimates.json")
    assert facts(text(words))["median upper bound"] == (2010.0, "ns")
    refused(words.replace("1980.0", "2080.0"), "lower_bound 2080 lies beyond the mean, 2000")
    refused(words.replace('"point_estimate":2000.0', '"point_estimate":-0.1'), "< 0: a change's")
    refused(words.replace('"std_dev"', '"other"'), "'std_dev' with its point_estimate")
    zero = words.replace("1980.0", "0").replace('"point_estimate":2000.0', '"point_estimate":0')
    assert said(text(zero), "a time of 0: nothing was measured")


# JMH


def test_jmh_throughput_and_average_time() -> None:
    reading = sample("own_jmh.json")
    assert rates(reading) == [
        *(
            (1, "kind:reentrant", near(x * 1e3), line)
            for x, line in ((50000, 38), (50100, 39), (50400, 42), (50500, 43))
        ),
        (4, "kind:reentrant", near(4 / 160e-9), 83),  # each of 4 threads takes 160 ns
        (4, "kind:reentrant", near(4 / 240e-9), 84),
    ]
    assert [o.repeat for o in reading.observations] == [1, 2, 3, 4, 1, 2]
    known = facts(reading)
    assert known["LockBench.lockUnlock kind:reentrant: scoreError"] == (1210.5, "ops/ms")
    assert known["LockBench.lockUnlock kind:reentrant: \u00b7gc.alloc.rate score"] == (
        0.015,
        "MB/sec",
    )


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ('50250.0,\n            "scoreError', '50950.0,\n            "scoreError', "not the mean"),
        ('"threads" : 4', '"threads" : 0', "threads 0 must be at least 1"),
        ('"threads" : 4', '"threads" : "4"', "must be a number"),
        (
            "160.0,\n                    240.0",
            '"NaN",\n                    240.0',
            "must be a number",
        ),
        ('"primaryMetric" : {', '"primaryMetric" : [ {', "not JSON"),
    ],
)
def test_jmh_that_cannot_be(old: str, new: str, part: str) -> None:
    assert old in content("own_jmh.json")
    refused(content("own_jmh.json").replace(old, new), part)


def test_jmh_single_shots_are_no_rate() -> None:
    reading = text(content("own_jmh.json").replace('"avgt"', '"ss"').replace("ns/op", "ms/op"))
    assert {n for n, *_ in rates(reading)} == {1}
    assert said(reading, "mode ss, ms/op: no rate")


# divan


def test_divan_tree() -> None:
    reading = sample("own_divan.txt")
    assert [(o.n, o.what, o.value, o.source.line) for o in reading.observations] == [
        (1, "counted", near(1 / 25e-9), 4),
        (4, "counted", near(4 / 200e-9), 6),  # 4 threads, 200 ns each
        (1, "plain", near(1 / 1.25e-6), 8),
        (1, "queue/mcs", near(1 / 42e-9), 13),
        (2, "queue/mcs", near(2 / 100e-9), 14),
        (2, "queue/clh", near(2 / 80e-9), 16),
    ]
    known = facts(reading)
    assert known["counted median"] == (25.1, "ns")
    assert known["counted/t=1 mean"] == (40.0, "Mitem/s")
    assert known["timer precision"] == (20.0, "ns")
    assert said(reading, "allocations")


def test_divan_cut_off_names_the_line() -> None:
    words = content("own_divan.txt")
    refused(words[: words.index("199 ns")] + "\n", "f:6", "cut off?")
    refused(words.replace("1.25 µs       │ 100", "1.25 bs       │ 100"), "f:8", "mean: a time")
    assert said(text(words.replace("│ 100     │ 100\n", "│ 100     │ 0\n")), "0 iterations")


# perf stat


def test_perf_stat_text_keeps_counters_and_times() -> None:
    known = facts(sample("perf_stat_perf61.txt"))
    assert known["task-clock"] == (1.74, "msec")
    assert known["page-faults"] == (99.0, "")
    assert known["page-faults: K/sec"] == (56.847, "")
    assert known["time elapsed"] == (0.017949050, "s")
    assert said(sample("perf_stat_perf61.txt"), "cycles not supported")
    repeat = facts(sample("perf_stat_repeat_perf61.txt"))
    assert repeat["task-clock: spread of runs"] == (3.35, "%")
    assert repeat["time elapsed: spread of runs"] == (0.00122, "s")
    assert repeat["runs"] == (2, "")
    interval = facts(sample("perf_stat_interval_perf61.txt"))
    assert interval["page-faults at 0.105352021 s"] == (75.0, "")


BUSY = """
 Performance counter stats for './loop':

          1,500.50 msec task-clock                #    1.500 CPUs utilized
       1,234,567      cycles                      #    0.823 GHz           ( +-  0.10% )  (80.00%)
       0,5 seconds time elapsed
"""


def test_perf_stat_text_gives_the_idle_share_and_grouped_digits() -> None:
    reading = text(BUSY, cpus=4)
    (one,) = reading.observations
    assert (one.kind, one.value) == ("idle_share", near(1 - 1.5 / 4))
    known = facts(reading)
    assert known["cycles"] == (1234567.0, "")
    assert known["task-clock"] == (1500.5, "msec")
    assert known["cycles: spread of runs"] == (0.10, "%")
    assert said(reading, "cycles was counted 80 % of the time only")
    refused(BUSY.replace("1.500 CPUs", "9.5 CPUs"), "9.5 CPUs utilized of 4", cpus=4)
    refused(BUSY + "   1234\n", "f:7: '1234'", "'count [unit] event' was expected")


# hyperfine


def test_hyperfine_csv_takes_the_population_from_a_parameter() -> None:
    reading = sample("hyperfine_115.csv", iterations=10)
    assert rates(reading) == [
        (1, "sh -c 'sleep 0.02' loop {threads}", near(10 / 0.025548128), 2),
        (2, "sh -c 'sleep 0.02' loop {threads}", near(10 / 0.022362911333333336), 3),
    ]
    one = reading.observations[0]
    assert one.sd == near(one.value * 0.00443543291473696 / 0.025548128)
    assert facts(reading)["sh -c 'sleep 0.02' loop 1: max"] == (0.030589250000000002, "s")


def test_hyperfine_markdown_and_print_take_it_from_a_flag() -> None:
    for name, lines in (("hyperfine_115.md", (3, 4)), ("hyperfine_115.txt", (2, 6))):
        reading = sample(name)
        assert rates(reading) == [
            (1, "sh -c 'sleep 0.02' loop", near(1 / 29.6e-3), lines[0]),
            (2, "sh -c 'sleep 0.02' loop", near(1 / 26.7e-3), lines[1]),
        ]
        assert reading.observations[1].sd == near(4.6 / 26.7 / 26.7e-3)
        assert said(reading, "give --iterations K")


def test_hyperfine_tables_that_cannot_be() -> None:
    words = content("hyperfine_115.md")
    refused(words.replace("| 26.8 | 31.4 ", "| 26.8 "), "f:3", "4 cells, 5 were expected: cut off?")
    refused(words.replace("29.6 ± 2.5", "fast"), "f:3", "a mean 'x ± sd' was expected")
    refused(content("hyperfine_115.csv").replace(",1\n", ",one\n"), "f:2", "threads 'one' is not")
    printed = content("hyperfine_115.txt")
    refused(printed[: printed.rindex("  Time")], "f:5", "a command without its time: cut off?")
    zero = text(words.replace("29.6 ± 2.5", "0.0"))
    assert [n for n, *_ in rates(zero)] == [2]
    assert said(zero, "a mean of 0 s")


# a general format never takes what a tool's own reader knows


def test_a_tools_reader_comes_before_a_csv_of_anybody() -> None:
    table = '"test","rps","throughput","tasks"\n"SET","10","10","1"\n'
    assert text(table).format == "redis-benchmark"


def test_options_of_a_file_come_before_its_name() -> None:
    words = content("redis_benchmark_70.csv")

    def populations(origin: str, **options: object) -> set[int | None]:
        reading = read_text(from_text(words, origin), Options(**options))
        return {o.n for o in reading.observations}

    assert populations("out/run-8threads.csv") == {8}
    assert populations("out-8threads/run.csv") == {None}
    assert populations("run-8threads.csv", tasks=4) == {4}
    named = read_text(from_text(words, "run-8threads.csv"))
    assert said(named, "population 8 is that of the file's name", "--at FILE=N")


def test_rows_that_a_mailer_wrapped_are_joined() -> None:
    name = "google_benchmark_171.txt"
    lines = []
    for line in content(name).splitlines():
        cut = line.rfind(" ", 0, 72) if len(line) > 78 and line[0] not in "-=" else -1
        lines += [line] if cut < 1 else [line[:cut].rstrip(), line[cut:].strip()]
    assert len(lines) > len(content(name).splitlines()) + 4
    whole, wrapped = sample(name), text("\n".join(lines) + "\n")
    assert [row[:3] for row in rates(wrapped)] == [row[:3] for row in rates(whole)]
    assert [f.value for f in wrapped.facts] == [f.value for f in whole.facts]
    assert said(wrapped, "wrapped")
