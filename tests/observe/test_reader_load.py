"""Readers of load generators: sysbench, pgbench, wrk, memtier, redis-benchmark, fio."""

from __future__ import annotations

import pytest
from readings import content, refused, sample, text

from lockmodel.observe.observations import Reading


def rates(reading: Reading) -> list[tuple[int | None, float, int]]:
    """Return population, value and line of every throughput."""
    found = [o for o in reading.observations if o.kind == "throughput"]
    return [(o.n, o.value, o.source.line) for o in found]


def facts(reading: Reading) -> dict[str, tuple[float, str]]:
    """Return the first fact of each name with its unit."""
    return {f.name: (f.value, f.unit) for f in reversed(reading.facts)}


def said(reading: Reading, *parts: str) -> bool:
    """Return whether one warning has all parts."""
    return any(all(part in warning for part in parts) for warning in reading.warnings)


# sysbench


def test_sysbench_runs_of_one_file_are_a_curve() -> None:
    reading = sample("sysbench_cpu_1020.txt")
    assert rates(reading) == [(1, 10112.02, 15), (2, 9271.65, 46), (4, 9940.13, 77)]
    assert {o.what for o in reading.observations} == {"sysbench events"}
    known = facts(reading)
    assert known["latency, 95 %"] == (0.04, "ms")
    assert known["total time"] == (2.008, "s")
    assert known["events of a thread, mean"] == (20311.0, "")


def test_sysbench_transactions_are_the_iterations_and_errors_are_said() -> None:
    reading = sample("sysbench_oltp_1020.txt")
    assert rates(reading) == [(2, 276.82, 22)]
    known = facts(reading)
    assert known["queries per second"] == (5649.52, "1/s")
    assert known["queries, read"] == (11984.0, "")
    assert known["ignored errors"] == (19.0, "")
    assert said(reading, "line 24: 19 ignored errors at 2 threads")
    assert said(reading, "3 lines skipped, a report between")


RUN = """sysbench 1.0.20 (using LuaJIT)
Number of threads: {n}
General statistics:
    total time:                          {time}s
    total number of events:              {events}
"""


def test_sysbench_without_a_printed_rate_is_events_over_time() -> None:
    assert rates(text(RUN.format(n=4, time="2.5", events=1000))) == [(4, 400.0, 5)]


def test_sysbench_repeats_are_numbered() -> None:
    twice = RUN.format(n=4, time="2", events=1000) + RUN.format(n=4, time="2", events=1020)
    reading = text(twice)
    assert [(o.n, o.value, o.repeat) for o in reading.observations] == [(4, 500, 1), (4, 510, 2)]


def test_sysbench_that_measured_nothing_says_so() -> None:
    assert said(text(RUN.format(n=1, time="0.0000", events=90)), "a run of 0 s")
    assert said(text(RUN.format(n=1, time="2.0", events=0)), "1 line skipped")
    assert said(text(RUN.format(n=1, time="0.0003", events=9)), "too short to be timed")


def test_sysbench_mutex_counts_whole_loops() -> None:
    """Each thread has one event, all its locks: two events in 0.5 s are no two iterations."""
    run = RUN.format(n=2, time="0.5", events=2)
    assert rates(text(run)) == []
    assert said(text(run), "give --iterations K")
    assert rates(text(run, iterations=4000)) == [(2, 8000.0, 4)]


def test_sysbench_at_a_given_rate_is_said() -> None:
    paced = RUN.format(n=2, time="2", events=100).replace(
        "General", "Target transaction rate: 50/sec\nGeneral"
    )
    assert said(text(paced), "--rate 50: below saturation")


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("threads: 4", "threads: 0", ["f:2", "threads 0 must be at least 1"]),
        ("total number of events", "total number", ["f:1", "cut off?", "run `for n in"]),
    ],
)
def test_sysbench_that_cannot_be(old: str, new: str, parts: list[str]) -> None:
    refused(RUN.format(n=4, time="2.5", events=1000).replace(old, new), *parts)


# pgbench


def test_pgbench_runs_of_one_file_are_a_curve() -> None:
    reading = sample("pgbench_15.txt")
    assert rates(reading) == [(1, 3417.841565, 13), (2, 4455.802504, 26), (4, 6940.127399, 39)]
    known = facts(reading)
    assert known["latency average"] == (0.293, "ms")
    assert known["number of threads"] == (1.0, "")
    assert known["transactions"] == (6797, "")


def test_pgbench_failed_transactions_are_said_and_scripts_kept_apart() -> None:
    reading = sample("pgbench_15_failed.txt")
    assert rates(reading) == [(4, 493.91269, 15)]
    assert said(reading, "line 10: 365 failed transactions (27.117 %)")
    known = facts(reading)
    assert known["tps of ser.sql"] == (332.295999, "1/s")
    assert known["tps of <builtin: select only>"] == (161.616691, "1/s")
    assert known["ser.sql latency average"] == (5.165, "ms")
    assert known["total number of retries"] == (1125.0, "")


def test_pgbench_at_a_given_rate_and_skipped_transactions_are_said() -> None:
    reading = sample("pgbench_15_rate.txt")
    assert rates(reading) == [(2, 91.532051, 18)]
    assert said(reading, "11 transactions skipped (11.000 %)")
    assert said(reading, "-R: below saturation")
    assert facts(reading)["schedule lag, most"] == (4.576, "ms")
    assert facts(reading)["transactions above 5.0 ms"] == (71, "")


def test_pgbench_before_14_prints_two_rates_of_which_the_second_counts() -> None:
    old = content("pgbench_15.txt").replace(
        "tps = 3417.841565 (without initial connection time)",
        "tps = 3390.0 (including connections establishing)\n"
        "tps = 3417.8 (excluding connections establishing)",
    )
    reading = text(old)
    assert rates(reading)[0] == (1, 3417.8, 14)
    assert facts(reading)["tps, the time to connect included"] == (3390.0, "1/s")


def test_pgbench_that_measured_nothing_says_so() -> None:
    words = content("pgbench_15.txt")
    none = words.replace("actually processed: 6797", "actually processed: 0")
    assert [n for n, _, _ in rates(text(none))] == [2, 4]
    assert said(text(none), "a run of 0 transactions")
    assert [n for n, _, _ in rates(text(words.replace("3417.841565", "inf")))] == [2, 4]


def test_pgbench_cut_off_names_the_run() -> None:
    words = content("pgbench_15.txt")
    refused(words[: words.index("tps = 6940")], "f:28", "a run without its tps: cut off?")
    refused(words.replace("number of clients: 1\n", ""), "f:2", "'number of clients'")


# wrk and wrk2


def test_wrk_counts_connections() -> None:
    reading = sample("wrk_41.txt")
    assert rates(reading) == [(2, 745.13, 12), (4, 815.47, 25)]
    known = facts(reading)
    assert known["latency, 99 %"] == (7.67, "ms")
    assert known["Latency of a thread, mean"] == (2.64, "ms")
    assert known["transfer"] == (138.44, "KB/s")
    assert known["requests"] == (748, "")
    assert said(reading, "number of connections, not of wrk's threads")


def test_wrk_errors_are_said_and_their_rate_is_no_throughput() -> None:
    words = content("wrk_41.txt")
    some = words.replace(
        "\nRequests/sec:    745", "\nNon-2xx or 3xx responses: 3\nRequests/sec:    745"
    )
    assert rates(text(some))[0][:2] == (2, 745.13)
    assert said(text(some), "line 12: 3 of 748 requests got an error")
    every = text(some.replace("responses: 3", "responses: 748"))
    assert [n for n, _, _ in rates(every)] == [4]
    assert facts(every)["Requests/sec of errors"] == (745.13, "1/s")


def test_wrk2_says_that_it_sends_at_a_given_rate() -> None:
    reading = sample("own_wrk2.txt")
    assert rates(reading) == [(100, 2000.0, 25)]
    assert said(reading, "wrk2 sends at a given rate")
    assert facts(reading)["socket errors, timeout"] == (7, "")
    assert said(reading, "line 24", "timeout 7")


def test_wrk2_whose_rate_was_reached_is_a_fact() -> None:
    asked = text("wrk -t2 -c100 -d30s -R2000 http://a/\n" + content("own_wrk2.txt"))
    assert rates(asked) == []
    assert facts(asked)["Requests/sec"] == (2000.0, "1/s")
    assert said(asked, "what -R 2000 asked for")
    more = text("wrk -t2 -c100 -d30s -R 9000 http://a/\n" + content("own_wrk2.txt"))
    assert rates(more) == [(100, 2000.0, 26)]


def test_wrk_cut_off_names_the_run() -> None:
    words = content("wrk_41.txt")
    refused(words[: words.rindex("Requests/sec")], "f:14", "a run without its Requests/sec")


# memtier_benchmark


def test_memtier_population_is_threads_times_connections() -> None:
    reading = sample("own_memtier.txt")
    assert rates(reading) == [(2 * 4, 10000.0, 18), (4 * 4, 16500.0, 41)]
    known = facts(reading)
    assert known["Gets: Ops/sec"] == (9091.0, "1/s")
    assert known["Totals: p99.9 Latency"] == (2.991, "ms")
    assert known["Totals: KB/sec"] == (424.15, "KB/s")
    assert known["Sets: Latency"] == (0.97, "ms")
    assert "Waits: p50 Latency" not in known


def test_memtier_errors_zeros_and_further_tables_are_said() -> None:
    words = content("own_memtier.txt")
    trouble = words.replace("\n2         Threads", "\nconnection dropped.\n2         Threads", 1)
    assert said(text(trouble), "line 6: connection dropped.")
    nothing = text(words.replace("Totals      10000.00", "Totals          0.00"))
    assert rates(nothing) == [(16, 16500.0, 41)]
    assert said(nothing, "a rate of 0: nothing was measured")
    best = text(words.replace("ALL STATS", "BEST RUN RESULTS", 1))
    assert rates(best) == [(16, 16500.0, 41)]
    assert facts(best)["Totals: Ops/sec (best run results)"] == (10000.0, "1/s")


def test_memtier_cut_off_names_the_run() -> None:
    words = content("own_memtier.txt")
    refused(words.replace("1.59900         3.02300", "1.59900"), "f:15", "7 cells, 8 expected")
    refused(words[: words.rindex("Totals")], "f:30", "a run without its Totals: cut off?")


# redis-benchmark


def test_redis_benchmark_takes_clients_from_the_full_output() -> None:
    reading = sample("redis_benchmark_70.txt")
    assert rates(reading) == [(1, 6944.44, 41), (4, 9009.01, 92)]
    known = facts(reading)
    assert known["SET: latency p99"][1] == "ms"
    assert known["SET: requests"] == (1000, "")


def test_redis_benchmark_short_forms_need_the_clients() -> None:
    quick = sample("redis_benchmark_70_q.txt")
    assert [(o.n, o.what, o.value) for o in quick.observations] == [
        (None, "redis SET", 14423.08),
        (None, "redis GET", 12987.01),
    ]
    assert facts(quick)["SET: latency p50"] == (0.127, "ms")
    assert said(quick, "--at FILE=N")
    assert [n for n, _, _ in rates(sample("redis_benchmark_70_q.txt", tasks=8))] == [8, 8]
    table = text("redis-benchmark -c 8 -P 16 --csv\n" + content("redis_benchmark_70.csv"))
    assert [(n, line) for n, _, line in rates(table)] == [(8, 3), (8, 4)]
    assert said(table, "-P 16: every client has 16 requests under way")
    assert facts(table)["SET: p50_latency"][1] == "ms"


def test_redis_benchmark_that_was_refused_says_so() -> None:
    refused(
        " FOO: rps=0.0 (overall: 0.0) avg_msec=-nan (overall: -nan)\n"
        "Error from server: ERR unknown command 'FOO'\n",
        "f:2: \"Error from server: ERR unknown command 'FOO'\"",
        "no test ran",
    )


def test_redis_benchmark_of_nothing_says_so() -> None:
    words = content("redis_benchmark_70.txt")
    nothing = text(
        words.replace("1000 requests completed in 0.14", "1000 requests completed in 0.00")
    )
    assert [n for n, _, _ in rates(nothing)] == [4]
    assert said(nothing, "0 requests or 0 s")


# fio


def test_fio_in_its_three_outputs() -> None:
    json = sample("fio_333.json")
    assert rates(json) == [(2, 22357.21393, 30)]
    assert {o.what for o in json.observations} == {"fio randread 4k"}
    assert facts(json)["two read runtime"] == (1005.0, "ms")
    assert facts(json)["two read clat_ns mean"] == (87387.539855, "ns")
    printed = sample("fio_333.txt")
    assert rates(printed) == [(1, 5711.0, 8), (2, 15400.0, 22)]
    assert facts(printed)["one read: BW"] == (22.3, "MiB/s")
    assert facts(printed)["one read: clat max"] == (11294.0, "usec")
    assert facts(printed)["two read: clat max"] == (12_973_000.0, "nsec")
    terse = sample("fio_333_terse.txt")
    assert rates(terse) == [(None, 6080.0, 1), (None, 17340.0, 2)]
    assert said(terse, "with group_reporting: terse output does not say")


def test_fio_jobs_of_one_group_ran_at_once() -> None:
    """Without group_reporting every job has an entry: 5 + 7 per s are 12 of two jobs."""
    job = (
        '{"jobname": "a", "groupid": 0, "error": %d, '
        '"read": {"iops": %d, "runtime": 1000}, "write": {"iops": 0, "runtime": 0}}'
    )
    words = '{"fio version": "fio-3.33",\n"jobs": [\n%s,\n%s\n]}\n'
    reading = text(words % (job % (0, 5), job % (0, 7)))
    assert rates(reading) == [(2, 12.0, 4)]  # where the larger of the two stands
    assert said(reading, "their rates are added up")
    later = text(words % (job % (0, 5), (job % (0, 7)).replace('"groupid": 0', '"groupid": 1')))
    assert rates(later) == [(1, 5.0, 3), (1, 7.0, 4)]
    failed = text(words % (job % (5, 5), job % (0, 7)))
    assert said(failed, "a: ended with error 5")
    assert said(text(words % (job % (0, 0), job % (0, 7))), "0 I/Os or 0 s")
    refused(words % (job % (0, 5), '{"read": {"iops": "x"}}'), "jobs[1].read.iops = 'x'")


def test_fio_both_directions_are_one_rate() -> None:
    words = (
        '{"fio version": "fio-3.33", "jobs": [{"jobname": "a", "groupid": 0,\n'
        '"job options": {"numjobs": "4", "iodepth": "32", "rw": "randrw"},\n'
        '"read": {"iops": 30.5, "runtime": 1000},\n"write": {"iops": 60, "runtime": 1000}}]}\n'
    )
    reading = text(words)
    assert rates(reading) == [(4, 90.5, 4)]
    assert said(reading, "several I/Os in flight (iodepth)")
    refused(words.replace('"4"', '"four"'), "numjobs = 'four' is not a whole number")


def test_fio_terse_lines_of_one_group_are_its_jobs() -> None:
    line = content("fio_333_terse.txt").splitlines()[0]
    both = f"{line}\n{line.replace(';6080;', ';6000;')}\n"
    assert rates(text(both)) == [(2, 6080.0 + 6000.0, 1)]
    asked = f"fio --minimal --numjobs=4 --group_reporting j.fio\n{line}\n"
    assert rates(text(asked)) == [(4, 6080.0, 2)]
    refused(line[:300] + "\n", "f:1", "fields, at least 87 were expected: cut off?")


def test_fio_runs_of_several_files_in_one_are_all_read() -> None:
    run = (
        '{"fio version": "fio-3.33", "jobs": [{"jobname": "a", "groupid": 0,\n'
        '"job options": {"numjobs": "%d", "rw": "read"},\n"read": {"iops": %d, "runtime": 9}}]}\n'
    )
    assert rates(text(run % (1, 10) + run % (4, 30))) == [(1, 10.0, 3), (4, 30.0, 6)]


def test_fio_2_printed_another_line() -> None:
    words = (
        "a: (groupid=0, jobs=4): err= 0: pid=1: Tue Mar  1 10:00:00 2016\n"
        "  read : io=1024.0MB, bw=97586KB/s, iops=24.4k, runtime= 10745msec\n"
    )
    reading = text(words)
    assert rates(reading) == [(4, 24400.0, 2)]
    assert facts(reading)["a read: BW"] == (97586.0, "KB/s")
    refused(words.replace("runtime", "rtm"), "f:2", "cut off?")
    refused(words[: words.index("  read")], "f:1", "a group of jobs without its IOPS")


# commands behind a prompt


def test_a_command_behind_a_prompt_says_the_clients_and_the_rate() -> None:
    asked = text("$ wrk -t2 -c100 -d30s -R2000 http://a/\n" + content("own_wrk2.txt"))
    assert facts(asked)["Requests/sec"] == (2000.0, "1/s")
    assert rates(asked) == []
    table = "user@host:~$ redis-benchmark -c 8 --csv\n" + content("redis_benchmark_70.csv")
    assert [n for n, _, _ in rates(text(table))] == [8, 8]
    default = text(table.replace("-c 8 ", ""))
    assert [n for n, _, _ in rates(default)] == [50, 50]
    assert said(default, "has no -c: 50 clients, the default")
    line = content("fio_333_terse.txt").splitlines()[0]
    asked = text(f"$ fio --minimal --numjobs=4 --group_reporting j.fio\n{line}\n")
    assert rates(asked) == [(4, 6080.0, 2)]
