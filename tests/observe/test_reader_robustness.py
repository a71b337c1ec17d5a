"""Every reader on every sample: mail quoting, Windows line ends, cut files, random edits.

A reader returns a reading or raises a LockmodelError, never anything else; and what does not
change the numbers must not change the observations.
"""

from __future__ import annotations

import contextlib
import gzip
import re
import time
from dataclasses import replace

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from readings import SAMPLES, content

from lockmodel.errors import LockmodelError, ScenarioError
from lockmodel.observe.collector import Options
from lockmodel.observe.observations import Observation, Reading, Source
from lockmodel.observe.readers import FORMATS, module, read_text, recognise
from lockmodel.observe.text import decode, from_text

OPTIONS = Options(unit="ns", quantity="hold", tasks=2)
NOWHERE = Source("", 0)

BENCHMARKS = {
    "hyperfine_115.csv": "hyperfine-table",
    "hyperfine_115.md": "hyperfine-table",
    "hyperfine_115.txt": "hyperfine-text",
    "perf_stat_perf61.txt": "perf-stat-text",
    "perf_stat_repeat_perf61.txt": "perf-stat-text",
    "perf_stat_interval_perf61.txt": "perf-stat-text",
    "sysbench_cpu_1020.txt": "sysbench",
    "sysbench_oltp_1020.txt": "sysbench",
    "pgbench_15.txt": "pgbench",
    "pgbench_15_failed.txt": "pgbench",
    "pgbench_15_rate.txt": "pgbench",
    "wrk_41.txt": "wrk",
    "own_wrk2.txt": "wrk",
    "own_memtier.txt": "memtier",
    "redis_benchmark_70.txt": "redis-benchmark",
    "redis_benchmark_70_q.txt": "redis-benchmark",
    "redis_benchmark_70.csv": "redis-benchmark",
    "fio_333.json": "fio",
    "fio_333.txt": "fio-text",
    "fio_333_terse.txt": "fio-terse",
    "google_benchmark_171.json": "google-benchmark",
    "google_benchmark_171.txt": "google-benchmark-text",
    "go_bench_119.txt": "go-bench",
    "own_benchstat.txt": "benchstat",
    "own_benchstat_old.txt": "benchstat",
    "own_criterion.txt": "criterion",
    "own_criterion_estimates.json": "criterion-estimates",
    "own_jmh.json": "jmh",
    "own_divan.txt": "divan",
    "stress_ng_015.txt": "stress-ng",
    "stress_ng_015_brief.txt": "stress-ng",
    "own_stress_ng_mail.txt": "stress-ng",
    "stress_ng_015.yaml": "stress-ng-yaml",
    "hackbench_24.txt": "hackbench",
    "own_ycsb.txt": "ycsb",
    "own_db_bench.txt": "db-bench",
    "own_jmh.txt": "jmh-text",
    "own_jmh_comment.txt": "jmh-text",
    "own_jmh.csv": "jmh-csv",
    "own_memtier.json": "memtier-json",
    "google_benchmark_171.csv": "google-benchmark-csv",
    "own_rate_lines.txt": "lines",
    "own_rate_pairs.txt": "lines",
    "own_mutilate.txt": "lines",
    "own_schbench.txt": "lines",
    "own_redis_old.csv": "redis-benchmark",
    "own_perf_stat_bare.txt": "perf-stat-text",
}
"""Sample of a benchmark tool -> its format."""

WHAT = {
    **BENCHMARKS,
    "own_curve.csv": "csv",
    "own_curve_semicolon.csv": "csv",
    "own_curve.jsonl": "jsonl",
    "own_extra_p.jsonl": "jsonl",
    "own_will_it_scale.csv": "will-it-scale",
    "will_it_scale_binary_stdout_SYNTHETIC.txt": "will-it-scale",
    "own_perf_lock_contention_lock.txt": "perf-lock-contention",
    "own_perf_lock_contention_delay.txt": "perf-lock-contention",
    "own_perf_lock_contention_task.txt": "perf-lock-contention",
    "perf_lock_contention_record_perf61.txt": "perf-lock-contention",
    "perf_lock_contention_threads_perf61.txt": "perf-lock-contention",
    "perf_lock_contention_verbose_perf61.txt": "perf-lock-contention",
    "own_perf_lock_contention_x.csv": "perf-lock-contention-csv",
    "own_perf_lock_contention_x_lock.csv": "perf-lock-contention-csv",
    "own_perf_lock_report_lockdep.txt": "perf-lock-report",
    "own_perf_lock_report_ns.txt": "perf-lock-report",
    "own_perf_lock_report_threads.txt": "perf-lock-report",
    "perf_lock_report_perf61.txt": "perf-lock-report",
    "own_lock_stat.txt": "lock_stat",
    "own_lock_stat_grep.txt": "lock_stat",
    "own_klockstat_bcc.txt": "klockstat-bcc",
    "own_klockstat_libbpf.txt": "klockstat-libbpf",
    "own_klockstat_libbpf_ns.txt": "klockstat-libbpf",
    "own_bpftrace_hold.txt": "bpftrace",
    "own_bpftrace_hold.json": "bpftrace-json",
    "own_bpftrace_lhist.json": "bpftrace-json",
    "own_perf_stat_x.csv": "perf-stat",
    "perf_stat_x_interval_perf61.csv": "perf-stat",
    "perf_stat_x_o_perf61.csv": "perf-stat",
    "perf_stat_x_percpu_perf61.csv": "perf-stat",
    "perf_stat_x_repeat_perf61.csv": "perf-stat",
    "own_perf_stat_j_comma.ndjson": "perf-stat-json",
    "perf_stat_j_perf61.ndjson": "perf-stat-json",
    "perf_stat_j_repeat_perf61.ndjson": "perf-stat-json",
    "own_perf_bench_fork.txt": "perf-bench",
    "perf_bench_futex_hash_perf61.txt": "perf-bench",
    "perf_bench_sched_pipe_perf61.txt": "perf-bench",
    "perf_bench_syscall_basic_perf61.txt": "perf-bench",
    "own_lkp_stats.json": "lkp",
    "own_lkp_matrix.json": "lkp",
    "own_lkp_mail.txt": "lkp-mail",
    "own_hyperfine.json": "hyperfine",
    "own_unixbench_report_513.txt": "unixbench",
    "unixbench_report_v6_spawn_execl.txt": "unixbench",
    "unixbench_report_v6_spawn_execl.log": "unixbench-log",
    "unixbench_report_v6_spawn_execl.csv": "unixbench-csv",
    "unixbench_report_v6_spawn_execl.html": "unixbench-html",
    "own_curve_people.csv": "csv",
    "own_latency.csv": "csv",
    "own_curve.dat": "columns",
    "own_curve_words.dat": "columns",
    "own_curve.md": "markdown",
    "own_curve_array.json": "json",
    "own_klockstat_libbpf_stacks.txt": "klockstat-libbpf",
    "own_klockstat_bcc_examples.txt": "klockstat-bcc",
    "own_lock_stat_numbered.txt": "lock_stat",
    "own_lock_stat_wrapped.txt": "lock_stat",
    "own_lkp_mail_two_tests.txt": "lkp-mail",
    "own_will_it_scale_repeats.csv": "will-it-scale",
    "own_will_it_scale_runs.txt": "will-it-scale",
    "own_bpftrace_old.txt": "bpftrace",
    "own_funclatency.txt": "bcc-histogram",
    "own_folded.txt": "folded",
    "own_perf_report.txt": "perf-report",
    "own_perf_report_flat.txt": "perf-report-flat",
    "own_perf_report_children.txt": "perf-report-flat",
    "own_lkp_mail_commits.txt": "lkp-mail",
    "own_wide.csv": "csv",
    "own_wide.md": "markdown",
    "own_wide.dat": "columns",
    "own_unixbench_grep.txt": "unixbench",
}
"""Sample -> its format."""

BAD = {
    "own_klockstat_libbpf_implausible.txt": "500.0 h cannot be",
    "own_unixbench_skip.txt": "use 6.0.0",
    "perf_bench_simple_format.txt": "not recognised",
}
"""Sample that must be refused -> what the error says."""

FEW = settings(
    derandomize=True,
    deadline=None,
    max_examples=40,
    phases=[Phase.explicit, Phase.generate],
)

FEWER = settings(FEW, max_examples=12)
"""For each of the many samples of benchmark tools."""


def bare(reading: Reading) -> list[Observation]:
    return [replace(o, source=NOWHERE) for o in reading.observations]


def reading(text: str) -> Reading:
    return read_text(from_text(text, "f"), OPTIONS)


def try_to_read(text: str, form: str | None) -> Reading | None:
    """Return the reading, or None for an error that names the file."""
    try:
        return read_text(from_text(text, "f"), OPTIONS, form)
    except LockmodelError as error:
        message = str(error)
    assert message.startswith("f")
    return None


def test_every_sample_and_every_format_is_here() -> None:
    there = {path.name for path in SAMPLES.iterdir()} - {"README.md"}
    assert there == set(WHAT) | set(BAD)
    assert set(FORMATS) - set(WHAT.values()) == {"observations"}


@pytest.mark.parametrize("name", WHAT)
def test_a_sample_is_recognised_by_its_content_alone(name: str) -> None:
    assert recognise(from_text(content(name), "f")) == WHAT[name]


@pytest.mark.parametrize("name", BAD)
def test_a_bad_sample_is_refused_with_its_reason(name: str) -> None:
    with pytest.raises(ScenarioError, match=BAD[name]):
        reading(content(name))


@pytest.mark.parametrize("name", WHAT)
def test_mail_quoting_changes_no_number_and_is_said(name: str) -> None:
    for prefix in ("> ", ">> ", "> > "):
        quoted = "".join(f"{prefix}{line}\n" for line in content(name).splitlines())
        quoted_reading = reading(quoted)
        assert bare(quoted_reading) == bare(reading(content(name)))
        assert any("mail quoting" in warning for warning in quoted_reading.warnings)


@pytest.mark.parametrize("name", WHAT)
def test_line_ends_and_a_byte_order_mark_change_nothing(name: str) -> None:
    want = bare(reading(content(name)))
    assert bare(reading(content(name).replace("\n", "\r\n"))) == want
    assert bare(reading(content(name).replace("\n", "\r"))) == want
    marked = decode(b"\xef\xbb\xbf" + content(name).encode(), "f")
    assert bare(read_text(marked, OPTIONS)) == want
    assert bare(read_text(decode(gzip.compress(content(name).encode()), "f"), OPTIONS)) == want


@pytest.mark.parametrize("name", WHAT)
def test_sources_point_at_the_line_that_holds_the_number(name: str) -> None:
    lines = content(name).splitlines()
    for one in reading(content(name)).observations:
        assert one.source.file == "f"
        assert 0 <= one.source.line <= len(lines)
        if one.kind == "throughput" and one.source.line and not name.endswith((".log", ".html")):
            assert any(c.isdigit() for c in lines[one.source.line - 1])


@pytest.mark.parametrize("name", BENCHMARKS)
def test_decimal_commas_give_the_same_numbers_or_fewer_but_no_other(name: str) -> None:
    whole = numbers(reading(content(name)))
    foreign = re.sub(r"(?<=\d)\.(?=\d)", ",", content(name))
    part = try_to_read(foreign, WHAT[name])
    assert part is None or numbers(part) <= whole


POOLED = ("perf_lock_contention_record_perf61.txt", "own_perf_lock_contention_task.txt")
POOLED += ("perf_lock_contention_threads_perf61.txt",)
"""Samples whose rows are put together, so that a row less is another mean."""


def numbers(reading: Reading) -> set[tuple[str, float]]:
    """Return the numbers that do not depend on other rows: no shares, no histograms."""
    return {
        (o.kind, o.value) for o in reading.observations if o.kind != "wait_share" and not o.bins
    }


@pytest.mark.parametrize("name", [name for name in WHAT if name not in POOLED])
def test_a_file_cut_after_any_line_gives_fewer_numbers_or_an_error_but_no_other(name: str) -> None:
    lines = content(name).splitlines(keepends=True)
    whole = numbers(reading(content(name)))
    for cut in range(len(lines)):
        part = try_to_read("".join(lines[:cut]), WHAT[name])
        assert part is None or numbers(part) <= whole


@pytest.mark.parametrize("name", WHAT)
def test_a_file_cut_at_any_character_never_ends_in_a_traceback(name: str) -> None:
    text = content(name)
    for cut in range(0, len(text), max(1, len(text) // 60)):
        try_to_read(text[:cut], WHAT[name])


@pytest.mark.parametrize("form", FORMATS)
def test_no_reader_stumbles_over_the_files_of_the_others(form: str) -> None:
    for name in [*WHAT, *BAD]:
        try_to_read(content(name), form)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("text", ["x", "{}", "[]", "# only a comment\n", "0\n", "@:\n", "<html>"])
def test_next_to_nothing_is_an_error_that_names_the_remedy(form: str, text: str) -> None:
    with pytest.raises(ScenarioError) as error:
        read_text(from_text(text, "f"), OPTIONS, form)
    assert str(error.value).startswith("f")
    assert str(error.value).endswith(module(form).REMEDY)


def test_an_empty_file_is_an_error() -> None:
    for text in ("", "\n\n", "  \n"):
        with pytest.raises(ScenarioError, match="f: is empty; known formats are"):
            read_text(from_text(text, "f"))


JUNK = st.one_of(
    st.characters(exclude_categories=["Cs"], max_codepoint=0x2FFF),
    st.sampled_from([*"0123456789.,;:-+[](){}<>@|#\"'% eE/\\", "\t", "\n", "\u00a0", "1e999"]),
)


@st.composite
def edited(draw: st.DrawFn, text: str) -> str:
    """A text after a few edits of characters and lines."""
    for _ in range(draw(st.integers(1, 4))):
        how = draw(
            st.sampled_from(["replace", "insert", "delete", "drop", "double", "swap", "cut"])
        )
        lines = text.splitlines(keepends=True) or [""]
        row = draw(st.integers(0, len(lines) - 1))
        at = draw(st.integers(0, max(0, len(text) - 1)))
        if how == "replace":
            text = text[:at] + draw(JUNK) + text[at + 1 :]
        elif how == "insert":
            text = text[:at] + draw(JUNK) * draw(st.sampled_from([1, 1, 30, 400])) + text[at:]
        elif how == "delete":
            text = text[:at] + text[at + draw(st.integers(1, 20)) :]
        elif how == "cut":
            text = text[:at]
        else:
            if how == "drop":
                del lines[row]
            elif how == "double":
                lines.insert(row, lines[row])
            else:
                other = draw(st.integers(0, len(lines) - 1))
                lines[row], lines[other] = lines[other], lines[row]
            text = "".join(lines)
    return text


@pytest.mark.parametrize("name", [*WHAT, *BAD])
def test_random_edits_give_a_reading_or_a_lockmodel_error(name: str) -> None:
    text = content(name)

    @(FEWER if name in BENCHMARKS else FEW)
    @given(edited(text))
    def check(changed: str) -> None:
        try_to_read(changed, WHAT.get(name))
        made = try_to_read(changed, None)
        for one in made.observations if made else ():
            assert one.value == one.value
            assert one.kind == "gain" or one.value >= 0

    check()


@FEW
@given(st.binary(max_size=300))
def test_random_bytes_give_a_reading_or_a_lockmodel_error(data: bytes) -> None:
    with contextlib.suppress(LockmodelError):
        read_text(decode(data, "f"), OPTIONS)


LONG = 15_000
LONG_LINES = ["a" + " " * LONG + "b", ": 1 2" * 3000, "1 ms " * 3000, "<td>" * 3000, "1,111" * 3000]


@pytest.mark.parametrize("name", WHAT)
def test_lines_made_to_keep_a_pattern_busy_do_not(name: str) -> None:
    first = "".join(content(name).splitlines(keepends=True)[:14])
    start = time.perf_counter()
    for line in LONG_LINES:
        try_to_read(f"{first}{line}\n", WHAT[name])
    assert time.perf_counter() - start < 2  # a quadratic pattern takes 3 s for one line


def test_json_nested_beyond_all_reason_is_an_error() -> None:
    for form in ("lkp", "hyperfine", "bpftrace-json", "jsonl", "perf-stat-json", "observations"):
        for text in ("[" * 100_000, '{"a":' * 100_000, '{"type": "map", "data": ' * 50_000):
            with pytest.raises(ScenarioError):
                read_text(from_text(text, "f"), OPTIONS, form)
