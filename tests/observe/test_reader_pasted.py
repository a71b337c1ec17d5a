"""Readers of what people paste: wide tables, lines with a rate, and more tools' own forms."""

from __future__ import annotations

import pytest
from readings import content, refused, sample, text

from lockmodel.observe.observations import Reading

Row = tuple[int | None, str, float]


def rates(reading: Reading) -> list[Row]:
    """Return population, variant and value of every throughput."""
    return [(o.n, o.variant, o.value) for o in reading.observations if o.kind == "throughput"]


def said(reading: Reading, *parts: str) -> bool:
    """Return whether one warning has all parts."""
    return any(all(part in warning for part in parts) for warning in reading.warnings)


# tables with a column per lock or kernel


def test_a_wide_csv_is_a_curve_for_each_column_with_its_deviation() -> None:
    reading = sample("own_wide.csv")
    assert rates(reading) == [
        *[(1, "base", 100_500), (1, "patched", 101_250)],
        *[(4, "base", 250_000), (4, "patched", 340_000)],
        *[(16, "base", 240_250), (16, "patched", 520_500)],
    ]
    assert [o.sd for o in reading.observations] == [500, 750, 2000, 4000, 3000, 5000]
    assert {o.unit for o in reading.observations} == {"1/s"}
    assert said(reading, "a column for each curve (base, patched)", "if they are times")
    assert said(reading, "changes between the curves")


def test_a_wide_table_without_a_unit_is_relative() -> None:
    reading = sample("own_wide.dat")
    assert {o.unit for o in reading.observations} == {"relative"}
    assert rates(reading)[-3:] == [(8, "vanilla", 12.5), (8, "v2", 60), (8, "v3", 75.5)]
    assert said(reading, "no unit is said for vanilla, v2, v3", "# unit: ops/s")


def test_a_wide_table_of_markdown_takes_unit_and_curve_from_its_heads() -> None:
    reading = sample("own_wide.md")
    assert rates(reading) == [
        *[(1, "ticket", 20_500_000), (1, "mcs", 18_250_000)],
        *[(8, "ticket", 2_125_000), (8, "mcs", 9_750_000), (64, "ticket", 500_000)],
    ]


@pytest.mark.parametrize(
    "head",
    ["threads,base", "threads,time_a,time_b", "threads,min,max", "threads,size,base", "a,base,new"],
)
def test_times_spreads_and_one_column_alone_are_no_wide_table(head: str) -> None:
    refused(
        f"{head}\n" + "\n".join("1,2,3"[: len(head.split(",")) * 2 - 1] for _ in range(2)) + "\n"
    )


def test_a_repeat_and_a_setting_stay_what_they_are_in_a_wide_table() -> None:
    reading = text("threads,impl,base,new\n1,a,10,11\n2,a,18,20\n1,b,5,6\n2,b,9,11\n")
    assert rates(reading)[:2] == [(1, "base,impl:a", 10), (1, "new,impl:a", 11)]
    assert rates(reading)[-1] == (2, "new,impl:b", 11)


# a run per line


def test_lines_of_people_are_curves_by_the_words_before_the_rate() -> None:
    reading = sample("own_rate_lines.txt")
    assert [(o.n, o.what, o.value) for o in reading.observations] == [
        *[(1, "mutex", 5_250_000), (4, "mutex", 2_500_000)],
        *[(1, "futex", 4_750_000), (4, "futex", 3_125_000)],
    ]
    assert said(reading, "'ops/s' is taken as the throughput of all tasks")


def test_pairs_of_a_name_and_a_number_are_runs_and_repeats() -> None:
    reading = sample("own_rate_pairs.txt")
    assert [(o.n, o.value, o.repeat) for o in reading.observations] == [
        *[(2, 125_000, None), (8, 310_500, 1), (8, 309_500, 2)]
    ]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("8 threads: 1234567 ops/sec", 1_234_567),
        ("clients: 8, 12.5k ops/s", 12_500),
        ("nthreads=8 tps=1250.5", 1250.5),
        ("8 workers 0.5 Mops/s", 500_000),
        ("8 procs -> 3000 forks per second", 3000),
    ],
)
def test_forms_of_a_line(line: str, value: float) -> None:
    reading = text(f"{line}\n{line.replace('8', '2', 1)}\n")
    assert rates(reading)[0] == (8, "", value)


@pytest.mark.parametrize(
    "line", ["8 threads: 125 MB/s", "8 threads: 12 misses/s", "8 threads took 12 s", "12 ops/s"]
)
def test_lines_that_say_no_rate_of_a_population_are_not_read(line: str) -> None:
    refused(f"{line}\n{line.replace('8', '2', 1)}\n", "not recognised")


def test_a_comma_that_may_be_either_is_refused_in_a_line() -> None:
    refused("2 threads: 1,234 ops/s\n4 threads: 2,468 ops/s\n", "f:1", "either grouped digits")
    made = text("2 threads: 1,234,567 ops/s\n4 threads: 968,000 ops/s\n")
    assert rates(made) == [(2, "", 1_234_567), (4, "", 968_000)]


def test_tools_of_a_line_take_the_population_from_their_command() -> None:
    assert rates(sample("own_schbench.txt")) == [(2 * 8, "", 6033.25)]
    assert rates(sample("own_mutilate.txt", tasks=6)) == [(6, "", 75250.5)]
    ebizzy = "$ ./ebizzy -t 12 -S 5\n52341 records/s\nreal 5.00 s\n"
    assert rates(text(ebizzy)) == [(12, "", 52341)]


def test_a_rule_below_a_head_is_no_row() -> None:
    table = "Threads  Ops/sec  Speedup\n-------  -------  -------\n1  1000  1.0\n4  2500  2.5\n"
    assert rates(text(table)) == [(1, "", 1000), (4, "", 2500)]


def test_dbench_is_relative_and_ab_has_its_concurrency() -> None:
    dbench = text("Throughput 715.25 MB/sec  6 clients  6 procs  max_latency=5.000 ms\n")
    assert [(o.n, o.value, o.unit) for o in dbench.observations] == [(6, 715.25, "relative")]
    ab = "Concurrency Level:      50\nRequests per second:    8103.75 [#/sec] (mean)\n"
    assert rates(text(ab)) == [(50, "", 8103.75)]
    hey = "$ hey -n 10000 -c 25 http://localhost/\nSummary:\n  Requests/sec:\t9125.5000\n"
    assert rates(text(hey)) == [(25, "", 9125.5)]


# stress-ng, hackbench, YCSB, db_bench


def test_stress_ng_runs_are_a_curve_over_its_instances() -> None:
    reading = sample("stress_ng_015.txt")
    assert rates(reading) == [(1, "", 68441.22), (2, "", 53305.21), (4, "", 52841.79)]
    assert {o.what for o in reading.observations} == {"stress-ng futex"}
    facts = {(f.name, f.n): f.value for f in reading.facts}
    assert facts["futex: bogo ops", 4] == 56985
    assert facts["futex: CPU used per instance", 2] == 99.56
    assert rates(sample("stress_ng_015.yaml", tasks=2)) == [(2, "", 53305.207299)]


def test_words_above_runs_of_one_population_tell_them_apart() -> None:
    reading = sample("own_stress_ng_mail.txt")
    assert rates(reading) == [
        (12, "Without this series", 10020),
        (12, "With this series", 15030),
    ]
    assert said(reading, "line 3: 'Without this series'")
    merged = content("own_stress_ng_mail.txt")
    merged = merged.replace("Without this series:", "").replace("With this series:", "")
    assert rates(text(merged)) == [(12, "", 10020), (12, "", 15030)]


def test_hackbench_counts_messages_of_all_senders_to_all_receivers() -> None:
    """1 group of 20 senders and 20 receivers, 50 loops: 20000 messages in 0.047 s."""
    reading = sample("hackbench_24.txt")
    assert [(o.n, o.what, round(o.value)) for o in reading.observations] == [
        (40, "hackbench process", round(20_000 / 0.047)),
        (80, "hackbench process", round(40_000 / 0.070)),
        (10, "hackbench thread", round(1250 / 0.002)),
    ]
    refused(content("hackbench_24.txt").replace("== 40 tasks", "== 44 tasks"), "f:1", "44 tasks")
    wrapped = content("hackbench_24.txt").replace(" descriptors each", " descriptors\neach")
    assert rates(text(wrapped)) == rates(reading)


def test_ycsb_takes_the_threads_from_its_command_and_says_failures() -> None:
    reading = sample("own_ycsb.txt")
    assert rates(reading) == [(4, "", 25000), (16, "", 40000)]
    assert said(reading, "line 18: 10 operations of UPDATE failed")
    facts = {(f.name, f.n): (f.value, f.unit) for f in reading.facts}
    assert facts["read: AverageLatency", 16] == (398.5, "us")


def test_db_bench_of_rocksdb_and_of_leveldb() -> None:
    assert rates(sample("own_db_bench.txt")) == [(2, "", 500_000), (8, "", 1_000_000)]
    leveldb = "$ db_bench --threads=4\nfillseq      :       2.000 micros/op;   55.0 MB/s\n"
    assert rates(text(leveldb)) == [(4, "", 2_000_000)]


# JMH, memtier, Google Benchmark


def test_jmh_table_takes_the_threads_from_the_log_above_it() -> None:
    reading = sample("own_jmh.txt")
    assert rates(reading) == [
        (4, "padded:false", 8_500_000),
        (4, "padded:true", 9_250_000),
        (8, "", pytest.approx(8 / 160e-9)),
    ]
    facts = {f.name: f.value for f in reading.facts}
    assert facts["Locks.start: score"] == 35.5
    assert facts["Locks.pair:put: score"] == 1.5


def test_jmh_table_in_a_comment_with_a_parameter_of_threads_and_decimal_commas() -> None:
    reading = sample("own_jmh_comment.txt")
    assert rates(reading) == [
        *[(1, "lock:ticket", 5125.5), (1, "lock:mcs", 4875.25)],
        *[(6, "lock:ticket", 1250.75), (6, "lock:mcs", 4100.125)],
    ]
    assert said(reading, "the parameter (threads) is taken as the population")


def test_jmh_mean_times_without_threads_are_facts() -> None:
    table = "Benchmark  Mode  Cnt  Score  Error  Units\nA.lock  avgt  5  20.0 ± 1.0  ns/op\n"
    assert rates(text(table)) == []
    assert said(text(table), "--tasks N (1 without -t)")
    assert rates(text(table, tasks=4)) == [(4, "", pytest.approx(4 / 20e-9))]


def test_jmh_csv_has_its_threads() -> None:
    assert rates(sample("own_jmh.csv")) == [
        (1, "lock:ticket", pytest.approx(21_583_125)),
        (4, "lock:ticket", pytest.approx(9_125_000)),
        (4, "lock:mcs", pytest.approx(4 / 0.32e-6)),
    ]


def test_memtier_json_counts_all_connections() -> None:
    reading = sample("own_memtier.json")
    assert rates(reading) == [(16, "", 64000)]
    assert reading.observations[0].source.line == 34
    facts = {f.name: f.value for f in reading.facts}
    assert facts["Gets: Ops/sec"] == 58182


def test_google_benchmark_csv_counts_items_where_the_version_is_not_said() -> None:
    """An item an iteration: items_per_second is the throughput, whatever the time means."""
    found = rates(sample("google_benchmark_171.csv"))
    assert [n for n, _, _ in found] == [1, 2, 4]
    want = [1 / 17.6595e-9, 2.83115e7, 3.12442e7]
    assert [value for _, _, value in found] == pytest.approx(want, rel=1e-5)
    bare = content("google_benchmark_171.csv").replace("2.83115e+07", "")
    assert [n for n, _, _ in rates(text(bare))] == [1, 4]


# perf report without call graphs, robot mails of several commits, old forms


def test_a_flat_profile_gives_the_share_of_each_function_that_waits() -> None:
    reading = sample("own_perf_report_flat.txt")
    assert [(o.lock, o.value, o.per) for o in reading.observations] == [
        ("osq_lock", pytest.approx(0.4475), "CPU time"),
        ("rwsem_spin_on_owner", pytest.approx(0.125), "CPU time"),
    ]
    assert said(reading, "it is no lock's share")
    children = sample("own_perf_report_children.txt").observations
    assert [(o.lock, o.value) for o in children] == [("native_queued_spin_lock_slowpath", 0.5025)]
    idle = content("own_perf_report_flat.txt").replace("osq_lock", "a").replace("rwsem_sp", "b")
    refused(idle, "5 entries", "no stack holds a function that waits")


def test_a_robots_table_of_three_commits_compares_each_with_the_first() -> None:
    reading = sample("own_lkp_mail_commits.txt")
    found = [(o.kind, o.variant, o.value) for o in reading.observations if o.n == 32]
    assert found[:5] == [
        ("throughput", "base processes", 4e6),
        ("throughput", "new 1 processes", 4.4e6),
        ("gain", "new 1 processes", pytest.approx(0.1)),
        ("throughput", "new 2 processes", 5e6),
        ("gain", "new 2 processes", pytest.approx(0.25)),
    ]
    assert [v for _, _, v in found[5:]] == pytest.approx([0.405, 0.32, 0.1])
    assert reading.metadata["commit 3"].startswith("3c33333333")


def test_redis_before_62_and_perf_stat_without_its_heading() -> None:
    assert rates(sample("own_redis_old.csv", tasks=50))[1] == (50, "", 85250.75)
    facts = {f.name: f.value for f in sample("own_perf_stat_bare.txt").facts}
    assert facts["cycles"] == 22_125_500_250
    assert facts["time elapsed"] == 10.0212505


def test_a_line_of_equals_signs_is_no_broken_line_of_a_mail() -> None:
    rule = "=" * 72
    report = f"{rule}\ntasks,throughput\n1,10\n2,19\n{rule}\n"
    assert not said(text(f"{rule}\n{report}"), "quoted-printable")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("1 10.5\n2 19.5\n", "2 columns of numbers without a head"),
        ("[  9.1] spin_lock-torture: Writes:  Total: 9  Max/Min: 0/0   Fail: 0\n", "no benchmark"),
        ("Latency percentiles (usec)\n\t50.0000th: 22\n", "`average rps`"),
        ("[ ID] Interval           Transfer     Bitrate\n[ 5] 0-1 sec 4 GBytes\n", "iperf"),
        ("Requests      [total, rate, throughput]         12, 1.00, 0.99\n", "closed loop"),
        ("sh 12 [001] 34.5: 1 cycles: f\n", "stackcollapse-perf.pl"),
    ],
)
def test_what_measures_something_else_is_refused_with_what_to_give(words: str, part: str) -> None:
    refused(words, "not recognised", part)
