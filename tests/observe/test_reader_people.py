"""Tables as people have them, and outputs that were once refused or read wrong in silence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from readings import SAMPLES, content, refused, sample, text

from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import read_file

NS = (1, 2, 4)


def rates(reading: Reading) -> list[tuple[int | None, float]]:
    return [(o.n, o.value) for o in reading.observations if o.kind == "throughput"]


def of(kind: str, reading: Reading) -> list[tuple[str, float]]:
    return [(o.lock or o.site, o.value) for o in reading.observations if o.kind == kind]


# heads and cells


@pytest.mark.parametrize(
    ("head", "factor"),
    [
        ("threads,tps", 1),
        ("clients,qps", 1),
        ("threads,Mops", 1e6),
        ("threads,Mops/s", 1e6),
        ("threads,mops/sec", 1e6),
        ("threads,kops", 1e3),
        ("threads,ops_per_sec", 1),
        ("num_threads,ops/s", 1),
        ("nthreads,throughput", 1),
        ("concurrency,req/s", 1),
        ("cores,requests/sec", 1),
        ("Threads,Throughput (ops/s)", 1),
        ("Threads,Throughput (Kops/s)", 1e3),
        ("Threads,Throughput [ops/ms]", 1e3),
        ("# Threads;Forks per second", 1),
        ("nr_threads\ttransactions/min", 1 / 60),
    ],
)
def test_a_head_as_people_write_it(head: str, factor: float) -> None:
    glue = next(sep for sep in (";", "\t", ",") if sep in head)
    rows = "".join(f"{n}{glue}{n * 30}\n" for n in NS)
    want = [(n, pytest.approx(n * 30 * factor, rel=1e-12)) for n in NS]
    assert rates(text(f"{head}\n{rows}")) == want


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (("10K", "12k", "1.2M"), (10e3, 12e3, 1.2e6)),
        (('"1,234"', '"2,345"', '"12,345"'), (1234, 2345, 12345)),
        (('"1,234.5"', "900", "800.25"), (1234.5, 900, 800.25)),
        (("100 ops/s", "190 ops/s", "300 ops/s"), (100, 190, 300)),
        (("1e3", "2.5e3", "3e3"), (1e3, 2.5e3, 3e3)),
    ],
)
def test_cells_as_people_write_them(cells: tuple[str, ...], values: tuple[float, ...]) -> None:
    rows = "".join(f"{n},{cell}\n" for n, cell in zip(NS, cells, strict=True))
    assert rates(text(f"threads,ops/s\n{rows}")) == list(zip(NS, values, strict=True))


@pytest.mark.parametrize(
    ("head", "cells"),
    [
        ("latency_us", ("2", "2.5", "5")),
        ("avg latency (us)", ("2", "2.5", "5")),
        ("ns/op", ("2000", "2500", "5000")),
        ("Mean latency [ms]", ("0.002", "0.0025", "0.005")),
        ("latency", ("2us", "2.5 us", "0.005ms")),
    ],
)
def test_a_latency_gives_the_throughput_of_a_closed_loop(head: str, cells: tuple[str, ...]) -> None:
    """1 / 2 us, 2 / 2.5 us, 4 / 5 us."""
    rows = "".join(f"{n},{cell}\n" for n, cell in zip(NS, cells, strict=True))
    reading = text(f"threads,{head}\n{rows}")
    assert rates(reading) == [(n, pytest.approx(x)) for n, x in ((1, 5e5), (2, 8e5), (4, 8e5))]
    assert any("throughput is tasks / latency" in warning for warning in reading.warnings)


def test_a_latency_beside_a_throughput_is_a_fact_and_one_without_a_unit_is_refused() -> None:
    reading = text("threads,ops/s,latency_us\n1,10,99000\n2,20,98000\n")
    assert rates(reading) == [(1, 10), (2, 20)]
    assert [fact.value for fact in reading.facts] == [99000, 98000]
    refused("threads,latency\n1,2\n", "a latency needs its unit")


def test_a_count_beside_a_time_is_no_rate() -> None:
    """100 operations in 10 s, 380 in 20 s."""
    reading = text("threads,time_s,ops\n1,10,100\n2,20,380\n")
    assert rates(reading) == [(1, 10), (2, 19)]
    assert "throughput is ops / time_s, in s" in reading.warnings
    alone = text("threads,ops\n1,10\n2,19\n")
    assert rates(alone) == [(1, 10), (2, 19)]
    assert alone.warnings == ("column 'ops' is taken as operations per second",)


@pytest.mark.parametrize(
    "head", ["avg_tps,stddev_tps", "Average TPS,tps sd", "throughput_mean,throughput_std"]
)
def test_means_and_spreads_by_name(head: str) -> None:
    reading = text(f"threads,{head}\n1,100,2\n2,190,3\n")
    assert [(o.value, o.sd) for o in reading.observations] == [(100, 2), (190, 3)]


def test_a_table_drawn_with_plus_signs_is_read() -> None:
    rule = "+---------+-------+\n"
    rows = "".join(f"| {n:<7} | {x:<5} |\n" for n, x in ((1, 100), (2, 190)))
    reading = text(f"{rule}| threads | ops/s |\n{rule}{rows}{rule}")
    assert rates(reading) == [(1, 100), (2, 190)]
    plain = text(" threads | tps\n---------+-----\n       1 | 100\n       2 | 190\n(2 rows)\n")
    assert rates(plain) == [(1, 100), (2, 190)]


def test_rates_of_other_things_are_facts() -> None:
    reading = text("threads,ops/s,cache_misses_per_sec,MB/s\n1,10,7,8\n2,20,9,11\n")
    assert rates(reading) == [(1, 10), (2, 20)]
    assert [fact.name for fact in reading.facts][:2] == ["cache_misses_per_sec", "mb/s"]


def test_a_text_column_is_a_series_and_an_unknown_head_gets_the_list() -> None:
    reading = sample("own_curve_people.csv")
    assert [(o.variant, o.n, o.value) for o in reading.observations] == [
        *(("mutex", 1, 950e3), ("mutex", 2, 1740e3), ("mutex", 4, 2310e3)),
        *(("spin", 1, 1100e3), ("spin", 2, 1900e3), ("spin", 4, 1200e3)),
    ]
    refused(
        "foo,bar\n1,10\n2,20\n",
        "a table with the columns foo, bar",
        "tasks may be called tasks, n, copies, threads",
        "throughput may be called throughput, ops_per_s, ops/s",
        "--columns threads=HEAD,throughput=HEAD",
    )
    refused("threads,tps,qps\n1,2,3\n", "given 2 times (tps, qps)", "--columns throughput=tps")


@pytest.mark.parametrize(
    "words",
    [
        "foo,bar\n1,10\n2,20\n",
        "foo bar\n1 10\n2 20\n",
        "| foo | bar |\n|---|---|\n| 1 | 10 |\n| 2 | 20 |\n",
        '[{"foo": 1, "bar": 10}, {"foo": 2, "bar": 20}]\n',
        '{"foo": 1, "bar": 10}\n{"foo": 2, "bar": 20}\n',
    ],
)
def test_columns_can_be_named(words: str) -> None:
    reading = text(words, columns=(("threads", "foo"), ("throughput", "bar")))
    assert rates(reading) == [(1, 10), (2, 20)]


def test_columns_for_gnuplot_markdown_and_arrays() -> None:
    dat = sample("own_curve.dat").observations
    assert [(o.n, o.value, o.sd) for o in dat][:2] == [(1, 120e3, 800), (2, 231e3, 1500)]
    words = sample("own_curve_words.dat")
    assert [(o.variant, o.value) for o in words.observations if o.kind == "hold_time"][3:] == [
        *(("spin", 250e-9), ("spin", 260e-9), ("spin", 400e-9)),
    ]
    marked = sample("own_curve.md")
    assert [(o.what, o.n, o.value) for o in marked.observations if o.kind == "throughput"][2:4] == [
        ("stock", 16, 48900),
        ("patched", 1, 10300),
    ]
    array = sample("own_curve_array.json")
    assert [(o.n, o.repeat, o.value, o.source.line) for o in array.observations][1:3] == [
        (1, 2, 1010, 4),
        (2, 1, 1900, 5),
    ]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("threads,ops/s,seconds\n1,10,5\n2,20,0\n", "seconds is 0: nothing was measured"),
        ("threads,ops/s,count\n1,10,5\n2,20,0\n", "count is 0: nothing was measured"),
    ],
)
def test_what_measured_nothing_is_said_and_left_out(words: str, part: str) -> None:
    reading = text(words)
    assert rates(reading) == [(1, 10)]
    assert any(part in warning for warning in reading.warnings)


def test_a_unixbench_result_over_no_time_is_left_out() -> None:
    line = "Execl Throughput                 1234.5 lps   ({} s, {} samples)\n"
    good, *bad = (line.format(*pair) for pair in (("30.0", 2), ("0.0", 2), ("30.0", 0)))
    assert [o.value for o in text(good, tasks=2).observations] == [1234.5]
    for one in bad:
        refused(one, "nothing was measured", tasks=2)


# what was read wrong in silence


def test_klockstat_with_a_header_for_every_entry_has_all_entries() -> None:
    """Only the last row was read, without a word."""
    reading = sample("own_klockstat_libbpf_stacks.txt")
    assert of("mean_wait", reading) == [("lock_a", 8e-6), ("lock_b", 2e-6)]
    assert of("hold_time", reading) == [("lock_b", 3e-6), ("lock_a", 1e-6)]
    assert of("acquires", reading) == [("lock_b", 2000), ("lock_a", 1000)]
    assert [o.count for o in reading.observations if o.kind == "mean_wait"] == [1000, 2000]


def test_klockstat_reports_after_each_other_give_the_last() -> None:
    words = content("own_klockstat_libbpf_stacks.txt")
    later = words.replace("8.0 us     1000", "9.0 us     2000").replace("8.0 ms", "18.0 ms")
    reading = text(words + later)
    assert of("mean_wait", reading)[0] == ("lock_a", pytest.approx(9e-6))
    assert any("2 reports" in warning for warning in reading.warnings)


def test_a_mail_with_two_tests_is_two_data_sets_with_their_populations() -> None:
    """224 threads at 100 %; 104 at 50 %, as the key says, too."""
    reading = sample("own_lkp_mail_two_tests.txt")
    found = [(o.what, o.n, o.variant, o.value) for o in reading.observations]
    stress, scale = "stress-ng fork lkp-spr-2sp4", "will-it-scale brk2 lkp-csl-2sp3"
    assert found[:3] == [
        (stress, 224, "base", 100000),
        (stress, 224, "new", 88000),
        (stress, 224, "", pytest.approx(-0.12)),
    ]
    assert found[5:7] == [
        (scale, 52, "base processes", 20e6),
        (scale, 52, "new processes", 19e6),
    ]


def test_a_share_of_the_threads_is_a_population() -> None:
    words = content("own_lkp_mail_two_tests.txt").replace("100%", "25%")
    assert {o.n for o in text(words).observations} == {56, 52}  # 25 % of 224
    words = words.replace("25%", "30")
    assert {o.n for o in text(words).observations} == {30, 52}


def test_a_mail_without_parameters_above_its_table_takes_those_in_words() -> None:
    words = (
        "testcase: stress-ng\ntest machine: 64 threads 2 sockets\nparameters:\n\n"
        "\tnr_threads: 50%\n\ttest: fork\n\n"
        "    1000           -10.0%        900        stress-ng.fork.ops_per_sec\n"
    )
    assert [(o.what, o.n, o.value) for o in text(words).observations][:2] == [
        ("stress-ng fork", 32, 1000),
        ("stress-ng fork", 32, 900),
    ]


def test_shares_of_a_function_and_of_what_it_calls_are_not_added_up() -> None:
    reading = sample("own_lkp_mail_two_tests.txt")
    shares = [(o.n, o.variant, o.value) for o in reading.observations if o.kind == "wait_share"]
    assert shares == [(224, "base", 0.38), (224, "new", 0.48), (52, "base", 0.1), (52, "new", 0.2)]
    facts = {fact.name: fact.value for fact in reading.facts}
    assert facts["perf-profile.children.cycles-pp.osq_lock (base)"] == 40
    keys = {
        f"perf-profile.{kind}.cycles-pp.osq_lock": 10 + i
        for i, kind in enumerate(("children", "self"))
    }
    (share,) = text(json.dumps(keys) + "\n").observations
    assert share.value == 0.11


# what was refused


def test_will_it_scale_again_is_repeats_and_another_test_another_data_set() -> None:
    reading = sample("own_will_it_scale_repeats.csv")
    found = [
        (o.what, o.n, o.repeat, o.value)
        for o in reading.observations
        if o.kind == "throughput" and o.variant == "processes"
    ]
    assert found[:2] == [("brk1", 1, 1, 300000), ("brk1", 2, 1, 560000)]
    assert found[3:5] == [("brk1", 1, 2, 302000), ("brk1", 2, 2, 561000)]
    assert found[6:] == [("page_fault1", 1, None, 800000), ("page_fault1", 2, None, 1500000)]


def test_a_testcase_of_a_mail_is_not_one_of_will_it_scale() -> None:
    assert sample("own_lkp_mail_two_tests.txt").format == "table of the kernel test robot"


def test_old_bins_of_bpftrace_are_read() -> None:
    """[0, 1] ends before 2, 1k is 1024."""
    wait = sample("own_bpftrace_old.txt").observations[0]
    edges = [(round(b.low * 1e9), round(b.high * 1e9), b.count) for b in wait.bins]
    assert edges == [(0, 2, 4), (2, 4, 0), (4, 8, 10), (512, 1024, 40), (1024, 2048, 20)]
    assert wait.value == pytest.approx((4 * 1 + 10 * 6 + 40 * 768 + 20 * 1536) / 74 * 1e-9)


def test_commands_of_klockstat_with_words_between_them_are_kept_apart() -> None:
    reading = sample("own_klockstat_bcc_examples.txt")
    found = [(o.variant, o.site, o.value) for o in reading.observations if o.kind == "hold_time"]
    assert found == [
        ("", "take_two", pytest.approx(40e-6)),
        ("", "take_one", pytest.approx(10e-6)),
        ("-n 1 -s 2", "take_three", pytest.approx(0.5e-6)),
    ]


def test_funclatency_of_a_function_that_takes_a_lock_is_a_wait() -> None:
    reading = sample("own_funclatency.txt")
    (wait,) = reading.observations
    assert (wait.kind, wait.site, wait.count) == ("mean_wait", "mutex_lock", 100)
    assert wait.value == pytest.approx((60 * 192 + 30 * 384 + 10 * 1536) / 100 * 1e-9)
    mean = reading.facts[0]
    assert (mean.name, mean.value) == ("mean time in mutex_lock", pytest.approx(370e-9))
    words = content("own_funclatency.txt").replace("mutex_lock", "vfs_read")
    refused(words, "neither a wait nor a hold by itself", "--quantity hold")
    assert text(words, quantity="hold").observations[0].kind == "hold_histogram"
    both = text(words + content("own_funclatency.txt"))
    assert [o.site for o in both.observations] == ["mutex_lock"]
    assert any("the time in vfs_read is neither" in warning for warning in both.warnings)


def test_a_benchmark_over_no_time_is_said() -> None:
    words = "# Running 'sched/messaging' benchmark:\n\n     Total time: 0.000 [sec]\n"
    assert any("a total time of 0: nothing was" in warning for warning in text(words).warnings)


def test_folded_stacks_and_call_graphs_give_shares_of_waiting() -> None:
    assert of("wait_share", sample("own_folded.txt")) == [
        ("exit.teardown", 0.3),
        ("fork.dup", 0.2),
        ("vfs_read", 0.05),
    ]
    assert of("wait_share", sample("own_perf_report.txt")) == [
        ("exit.teardown", 0.25),
        ("fork.dup", 0.15),
    ]


def test_commands_of_hyperfine_that_differ_in_the_population_are_one_curve() -> None:
    assert {o.what for o in sample("own_hyperfine.json").observations} == {"./loop {tasks}"}


# the command


def test_a_file_can_be_given_its_population(command) -> None:
    line = "Execl Throughput                 {}.0 lps   (30.0 s, 2 samples)\n"
    for n in (1, 2, 4, 8):
        Path(f"u{n}.txt").write_text(line.format(100 * n))
    stated = [part for n in (1, 2, 4, 8) for part in ("--at", f"u{n}.txt={n}")]
    names = [f"u{n}.txt" for n in (1, 2, 4, 8)]
    ran = command("import", *names, *stated)
    assert ran.returncode == 0, ran.stderr
    assert "4 populations from 1 to 8" in " ".join(ran.stdout.split())
    wrong = command("import", *names, "--at", "u3.txt=3")
    assert wrong.returncode == 3
    assert "--at u3.txt=3: no such file is given" in wrong.stderr


def test_what_import_wrote_of_repeats_is_one_curve_for_fit(command) -> None:
    """It once ended in: population 1 is followed by 1."""
    for k, xs in enumerate(((10, 19, 30, 35), (11, 18, 31, 36))):
        rows = "".join(f"{n},{x}\n" for n, x in zip((1, 2, 4, 8), xs, strict=True))
        Path(f"c{k}.csv").write_text(f"threads,tps\n{rows}")
    assert command("import", "c0.csv", "c1.csv", "-o", "both.csv").returncode == 0
    reading = read_file(Path("both.csv"))
    assert [(o.n, o.repeat, o.value) for o in reading.observations][::4] == [(1, 1, 10), (1, 2, 11)]
    ran = command("fit", "both.csv", "--json")
    assert ran.returncode in (0, 3), ran.stderr
    assert len(json.loads(ran.stdout)["curves"]) == 1


def test_a_file_of_a_gigabyte_is_refused_at_once(tmp_path: Path) -> None:
    import resource
    import time

    from lockmodel.errors import ScenarioError

    path = tmp_path / "big.csv"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    with pytest.raises(ScenarioError, match="larger than 64 MB"):
        read_file(path)
    assert time.perf_counter() - start < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("x" * 40_000_000, "f:1: 40000000 characters in one line; this is no table"),
        ("{" + "[]," * 6_000_000, "f: JSON of more than 16 MB; cut out the run that matters"),
    ],
)
def test_a_line_without_end_is_refused_before_it_is_looked_at(line: str, why: str) -> None:
    import time

    from lockmodel.errors import ScenarioError
    from lockmodel.observe.text import from_text

    start = time.process_time()
    with pytest.raises(ScenarioError) as error:
        from_text(line, "f")
    assert str(error.value) == why
    assert time.process_time() - start < 1


def test_a_long_log_that_no_reader_knows_is_refused_soon() -> None:
    """30,000 lines took 15 s: every paragraph and every wrapped row was tried on all of them."""
    import time

    from lockmodel.errors import ScenarioError

    start = time.process_time()
    with pytest.raises(ScenarioError, match="not recognised"):
        text("".join(f"event {i} of a long log, 12 in all\n" for i in range(30_000)))
    assert time.process_time() - start < 5


def test_a_thousand_files_take_less_than_their_share_of_ten_seconds() -> None:
    """50 files of 12 readers here, in a twentieth of the time."""
    import time

    names = [path for path in sorted(SAMPLES.iterdir()) if path.suffix in (".csv", ".txt")][:50]
    for path in names[:3]:
        read_file_or_none(path)
    start = time.process_time()
    for path in names:
        read_file_or_none(path)
    assert time.process_time() - start < 0.5


def read_file_or_none(path: Path) -> Reading | None:
    from lockmodel.errors import LockmodelError
    from lockmodel.observe.collector import Options

    try:
        return read_file(path, Options(unit="ns", quantity="hold", tasks=2))
    except LockmodelError:
        return None
