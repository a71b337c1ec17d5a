"""Readers of locks: perf lock, /proc/lock_stat, klockstat, bpftrace."""

from __future__ import annotations

import pytest
from readings import SAMPLES, content, refused, sample, text

from lockmodel.observe.collector import Options
from lockmodel.observe.observations import Bin, Observation, Reading
from lockmodel.observe.readers import read_text
from lockmodel.observe.text import decode


def of(reading: Reading, kind: str) -> dict[str, Observation]:
    """Return the observations of a kind by lock, site and mode."""
    return {
        " ".join(filter(None, (o.lock, o.site, o.mode, o.variant))): o
        for o in reading.observations
        if o.kind == kind
    }


# perf lock contention


def test_contention_per_caller_joins_rows_of_one_caller() -> None:
    reading = sample("perf_lock_contention_record_perf61.txt")
    waits = of(reading, "mean_wait")
    assert set(waits) == {
        "free_pgtables write",
        "ksys_read",
        "exit_to_user_mode_loop",
        "call_timer_fn",
    }
    read = waits["ksys_read"]
    assert (read.count, read.high) == (37 + 24, 3.73e-3)
    assert read.value == pytest.approx((8.02e-3 + 2.99e-3) / 61)
    assert waits["free_pgtables write"].value == pytest.approx(150.58e-3)
    assert all(o.traced for o in reading.observations)
    shares = of(reading, "wait_share")
    assert sum(o.value for o in shares.values()) == pytest.approx(1)
    assert "2 rows of ksys_read (one per call stack) were joined" in reading.warnings
    assert any("neither hold times nor acquires" in w for w in reading.warnings)


def test_contention_verbose_skips_stacks_and_footer_only() -> None:
    reading = sample("perf_lock_contention_verbose_perf61.txt")
    assert set(of(reading, "mean_wait")) == {"free_pgtables write", "ksys_read"}
    assert not any("skipped" in w for w in reading.warnings)


def test_contention_per_lock_with_empty_symbols() -> None:
    waits = of(sample("own_perf_lock_contention_lock.txt"), "mean_wait")
    assert {name: o.value for name, o in waits.items()} == {
        "tasklist_lock": 100e-6,
        "lock at ffff8aa700061c00": 20e-6,
        "lock at ffff8aa792479440": 500e-9,
    }


def test_contention_tables_with_an_injected_delay_are_variants() -> None:
    waits = of(sample("own_perf_lock_contention_delay.txt"), "mean_wait")
    assert {name: o.value for name, o in waits.items()} == {
        "tasklist_lock": 15e-6,
        "tasklist_lock delay 100us@tasklist_lock": 90e-6,
    }


def test_contention_per_thread_is_pooled_and_said() -> None:
    reading = sample("own_perf_lock_contention_task.txt")
    (wait,) = reading.observations
    assert (wait.count, wait.lock, wait.site) == (14, "", "")
    assert wait.value == pytest.approx(130e-6 / 14)
    assert [f.name for f in reading.facts] == [
        "mean wait of worker one #2",
        "mean wait of Unknown",
    ]
    assert any("run it without -t" in w for w in reading.warnings)
    assert any("could not match 5 of 100 events" in w for w in reading.warnings)
    assert any("2 lines skipped, before the table" in w for w in reading.warnings)


def test_contention_csv_of_any_separator() -> None:
    waits = of(sample("own_perf_lock_contention_x.csv"), "mean_wait")
    assert waits["unlink_file_vma write"].value == pytest.approx(200010e-9 / 20)
    assert waits["vma_prepare write"].value == pytest.approx(15e-6)
    locks = of(sample("own_perf_lock_contention_x_lock.csv"), "mean_wait")
    assert {name: o.value for name, o in locks.items()} == {
        "lock at ffff9d00000000d0": 45e-6,
        "rq_lock": 3e-6,
    }


def test_contention_csv_with_stacks_and_no_counts_gives_shares() -> None:
    reading = text(
        "# output: total wait, type, caller, stacktrace\n"
        "30000, spinlock, rcu_core+0xd4, 0xffffffff9d0401e4 _raw+0x44: 0xf c+0x1: ...\n"
        "10000, spinlock, tick+0x1b, 0xffffffff9d0407c0 _raw+0x30: 0xf d+0x1: ...\n"
    )
    assert [(o.kind, o.site, o.value) for o in reading.observations] == [
        ("wait_share", "rcu_core", 0.75),
        ("wait_share", "tick", 0.25),
    ]
    assert any("no column contended" in w for w in reading.warnings)


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("100.00 us", "300.00 us", "is not total / count"),
        ("300.00 us", "30.00 us", "break mean <= largest"),
        ("5.00 ms", "50.00 ms", "is not total / count"),
        ("5.00 ms", "5.00 mx", "total: a value and one of h m s ms us ns was expected"),
        ("ffffffff91a06080", "tasklist", "address 'tasklist' is not one"),
        ("        50 ", "        x5 ", "a row 'count total high mean address' was expected"),
        (" contended   total wait     max wait     avg wait            address   symbol", "", ""),
    ],
)
def test_contention_that_cannot_be(old: str, new: str, part: str) -> None:
    changed = content("own_perf_lock_contention_lock.txt").replace(old, new, 1)
    refused(changed, part or "not recognised")


def test_contention_of_another_locale_is_the_same() -> None:
    words = content("own_perf_lock_contention_lock.txt")
    comma = words.replace(".00 ", ",00 ")
    assert of(text(comma), "mean_wait").keys() == of(text(words), "mean_wait").keys()
    for name, one in of(text(comma), "mean_wait").items():
        assert one.value == of(text(words), "mean_wait")[name].value


def test_contention_without_header_asks_for_it() -> None:
    row = "   114     17.17 s     206.97 ms    150.58 ms      rwsem:W   free_pgtables+0x19f\n"
    refused(row, "rows without their header (printed by -q?)")


def test_contention_empty_table_and_impossible_total() -> None:
    header = " contended   total wait     max wait     avg wait         type   caller\n\n"
    refused(header, "nothing was contended, or it is cut off")
    row = "       100      90.00 s     900.00 ms    900.00 ms      mutex   work+0x1\n"
    assert text(header + row, wall=30, tasks=4).observations
    refused(header + row, "90 s in all exceed 2 tasks x 30 s", wall=30, tasks=2)


# perf lock report


def test_report_of_a_lockdep_kernel_counts_acquires() -> None:
    reading = sample("own_perf_lock_report_lockdep.txt")
    assert of(reading, "acquires")["jiffies_lock"].value == 500
    assert of(reading, "contended_fraction")["jiffies_lock"].value == 0.05
    assert of(reading, "contended_fraction")["slock-AF_INET6"].value == 0
    assert of(reading, "mean_wait")["&lruvec->lru_lock"].value == 10e-6


def test_report_of_old_perf_in_bare_ns() -> None:
    reading = sample("own_perf_lock_report_ns.txt")
    assert of(reading, "mean_wait")["jiffies_lock"].value == 2e-6
    assert of(reading, "acquires")["&(ei->i_block_re..."].value == 8700
    assert any("cut at 16 characters" in w for w in reading.warnings)


def test_report_where_acquired_equals_contended_counts_no_acquires() -> None:
    reading = sample("perf_lock_report_perf61.txt")
    assert not of(reading, "acquires")
    assert len(of(reading, "mean_wait")) == 4
    assert any("only contention tracepoints" in w for w in reading.warnings)


def test_report_of_threads_is_no_report_of_locks() -> None:
    reading = sample("own_perf_lock_report_threads.txt")
    assert not reading.observations
    assert len(reading.facts) == 4
    assert any("run it without -t" in w for w in reading.warnings)


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("500         25", "5         25000", "25000 contended of 5 acquired cannot be"),
        ("50.00 us", "90.00 us", "is not total / count"),
        ("12.00 us       700 ns", "12.00", "6 numbers were expected: cut off?"),
        ("12.00 us", "12.00   ", "has no unit: cut off?"),
    ],
)
def test_report_that_cannot_be(old: str, new: str, part: str) -> None:
    refused(content("own_perf_lock_report_lockdep.txt").replace(old, new, 1), part)


# /proc/lock_stat


def test_lock_stat_gives_holds_waits_acquires_and_modes() -> None:
    reading = sample("own_lock_stat.txt")
    name = "&mapping->i_mmap_rwsem write"
    hold = of(reading, "hold_time")[name]
    assert (hold.value, hold.low, hold.high, hold.count) == (1.5e-6, 0.2e-6, 40e-6, 2000)
    assert of(reading, "acquires")[name].value == 2000
    assert of(reading, "contended_fraction")[name].value == 0.25
    wait = of(reading, "mean_wait")[name]
    assert (wait.value, wait.count, wait.per) == (100e-6, 500, "contended acquire")
    assert "&rq->lock/1" in of(reading, "hold_time")
    facts = {f.name: f.value for f in reading.facts}
    assert facts["contentions of &mapping->i_mmap_rwsem at vma_prepare"] == 220
    assert facts["remote share of acquires of &mapping->i_mmap_rwsem-W"] == 0.75


def test_lock_stat_of_a_grep_without_header() -> None:
    reading = sample("own_lock_stat_grep.txt")
    assert set(of(reading, "hold_time")) == {"&(&zone->lru_lock)->rlock", "tasklist_lock write"}


def test_lock_stat_of_another_locale_is_the_same() -> None:
    words = content("own_lock_stat_grep.txt").replace(".", ",")
    values = [o.value for o in text(words).observations]
    assert values == [o.value for o in sample("own_lock_stat_grep.txt").observations]


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("1.50\n", "2.50\n", ["f:6", "mean 2.5e-06 s is not total / count"]),
        ("3000.00  ", "9000.00  ", ["is not total / count"]),
        ("40.00  ", "0.90  ", ["break"]),
        ("  500  ", "  500000  ", ["contended of 2000 acquired cannot be"]),
        ("version 0.4", "version 0.3", ["has 10 columns", "prints version 0.4"]),
        ("3000.00           1.50\n", "3000.00\n", ["12 numbers were expected: cut off?"]),
    ],
)
def test_lock_stat_that_cannot_be(old: str, new: str, parts: list[str]) -> None:
    refused(content("own_lock_stat.txt").replace(old, new, 1), *parts)


def test_lock_stat_no_changed_leading_digit_of_a_hold_passes() -> None:
    """Change each digit that matters of count, total and mean: none gives another number."""
    lines = content("own_lock_stat_grep.txt").splitlines()
    cells = lines[0].split()
    for column in (8, 11, 12):
        for digit in "123456789":
            changed = cells.copy()
            if changed[column][0] == digit:
                continue
            changed[column] = digit + changed[column][1:]
            if float(changed[column]) == float(cells[column]):
                continue
            refused(" ".join(changed) + "\n")


def test_lock_stat_with_nothing_in_it() -> None:
    refused("lock_stat version 0.4\n", "was lock_stat switched on during the run?")


# klockstat


def test_klockstat_of_bcc_keeps_intervals_apart() -> None:
    reading = sample("own_klockstat_bcc.txt")
    worker = [o for o in reading.observations if o.site == "some_worker"]
    assert [(o.kind, o.repeat, o.count) for o in worker] == [
        ("mean_wait", 1, 10),
        ("hold_time", 1, 10),
        ("acquires", 1, None),
        ("mean_wait", 2, 20),
        ("hold_time", 2, 20),
        ("acquires", 2, None),
    ]
    assert worker[0].value == pytest.approx(3000.4e-9)
    assert worker[1].value == 12e-6


def test_klockstat_of_libbpf_names_lock_site_and_mode() -> None:
    reading = sample("own_klockstat_libbpf.txt")
    wait, hold, acquires = reading.observations
    assert (wait.lock, wait.site, wait.mode) == ("libc_rwsem", "unlink_file_vma", "write")
    assert (hold.lock, hold.value) == ("", 1.5e-6)
    assert (acquires.value, acquires.unit) == (5000, "per run")
    old = sample("own_klockstat_libbpf_ns.txt").observations
    assert (old[0].site, old[0].value) == ("do_epoll_wait", pytest.approx(1400.5e-9))


def test_klockstat_of_libbpf_takes_the_last_of_several_tables() -> None:
    words = content("own_klockstat_libbpf.txt")
    later = words.replace("5000", "6000").replace("10.0 ms", "12.0 ms").replace("7.5 ms", "9.0 ms")
    reading = text(words + later)
    assert [o.value for o in reading.observations if o.kind == "acquires"] == [6000]
    assert any("the last is read" in w for w in reading.warnings)


def test_klockstat_holds_of_hundreds_of_hours_are_a_tool_bug() -> None:
    words = content("own_klockstat_libbpf_implausible.txt")
    refused(words, "f:2", "500.0 h cannot be", "pull request 4187")


@pytest.mark.parametrize(
    ("name", "old", "new", "part"),
    [
        ("own_klockstat_bcc.txt", "120000", "920000", "is not total / count"),
        ("own_klockstat_bcc.txt", "15000     120000", "9000     120000", "break mean <= largest"),
        ("own_klockstat_bcc.txt", "120000", "", "cut off?"),
        ("own_klockstat_libbpf.txt", "7.5 ms", "7.5", "some times have a unit"),
        ("own_klockstat_libbpf.txt", "7.5 ms", "75.0 ms", "is not total / count"),
        ("own_klockstat_libbpf.txt", "Caller  Avg Wait", "Tid Comm Avg Wait", "without -P"),
    ],
)
def test_klockstat_that_cannot_be(name: str, old: str, new: str, part: str) -> None:
    refused(content(name).replace(old, new, 1), part)


# bpftrace


def test_bpftrace_text_histograms_stacks_statistics_and_counts() -> None:
    reading = sample("own_bpftrace_hold.txt")
    acquires, hold, wait, stats = reading.observations
    assert (acquires.kind, acquires.value, acquires.lock) == ("acquires", 2900, "libc.so.6")
    assert (hold.kind, hold.lock, hold.count) == ("hold_histogram", "libc.so.6", 184)
    assert hold.bins[2] == Bin(512e-9, 1024e-9, 52)
    middle = (192 * 26 + 384 * 104 + 768 * 52 + 3072 * 2) / 184 * 1e-9
    assert hold.value == pytest.approx(middle)
    assert (wait.kind, wait.site) == ("mean_wait", "vma_prepare")
    assert wait.bins == (Bin(0, 1e-6, 10), Bin(1e-6, 2e-6, 40), Bin(2e-6, 4e-6, 20))
    assert (stats.kind, stats.value) == ("mean_wait", 10.5e-9)
    assert any("@hold_ns is taken to be in ns" in w for w in reading.warnings)


def test_bpftrace_json_has_inclusive_upper_edges() -> None:
    reading = sample("own_bpftrace_hold.json")
    hold, stats, acquires = reading.observations
    assert hold.bins == (
        Bin(128e-9, 256e-9, 26),
        Bin(256e-9, 512e-9, 104),
        Bin(512e-9, 1024e-9, 52),
    )
    assert stats.value == 10.5e-9  # bpftrace truncates its average to 10
    assert acquires.value == 2900
    assert any("lost 7 events" in w for w in reading.warnings)


def test_bpftrace_open_bins_and_units_of_the_user() -> None:
    reading = sample("own_bpftrace_lhist.json", unit="us", quantity="wait")
    (wait,) = reading.observations
    assert [(b.low, b.count) for b in wait.bins] == [(0, 3), (10e-6, 1), (20e-6, 1)]
    assert wait.bins[-1].high == float("inf")
    assert any("its mean is a lower bound" in w for w in reading.warnings)


def test_bpftrace_without_unit_or_quantity_is_not_guessed() -> None:
    words = content("own_bpftrace_lhist.json")
    refused(words, "@h does not say its unit: give --unit ns")
    refused(words, "give --quantity hold or --quantity wait", unit="ns")


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("104 |@", "904 |@", "does not fit the largest bin of 904"),
        ("[512, 1K)             52", "[512, 1K)             12", "the bar of 12 events at 512"),
        ("[512, 1K) ", "[200, 1K) ", "bins overlap at 200"),
        ("[128, 256) ", "(..., 0)   ", "events below 0: a time cannot be negative"),
        ("@hold_ns[libc.so.6]:\n", "", "a bin without the '@name:' above it"),
        ("|@@@@@@@@@@@@@@@@@@@@@@@@@@", "@@", "was expected: cut off?"),
        ("total 42", "total 92", "average 10 is not total / count"),
    ],
)
def test_bpftrace_text_that_cannot_be(old: str, new: str, part: str) -> None:
    refused(content("own_bpftrace_hold.txt").replace(old, new, 1), part)


def test_bpftrace_call_stack_that_never_ends() -> None:
    words = content("own_bpftrace_hold.txt")
    refused(words[: words.index("]:\n[0]")], "not closed by ']:'")


WHOLE = (
    "own_lock_stat.txt",
    "own_lock_stat_grep.txt",
    "own_klockstat_bcc.txt",
    "own_klockstat_libbpf.txt",
    "own_bpftrace_hold.txt",
    "own_bpftrace_lhist.json",
    "own_perf_lock_contention_lock.txt",
    "own_perf_lock_contention_x.csv",
    "own_perf_lock_report_ns.txt",
    "own_lkp_mail.txt",
    "own_unixbench_report_513.txt",
    "own_will_it_scale.csv",
    "own_curve.csv",
)


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_appended_to_itself_is_counted_once_and_that_is_said(name):
    """It used to read as twice the rows."""
    content = (SAMPLES / name).read_bytes()
    given = Options(unit="ns", quantity="hold", tasks=8)
    once = read_text(decode(content, "f"), given)
    twice = read_text(decode(content + content, "f"), given)
    assert twice.observations == once.observations
    assert twice.facts == once.facts
    (said,) = set(twice.warnings) - set(once.warnings)
    at = content.count(b"\n") + 1
    assert said.startswith(
        f"1 section is byte for byte like an earlier one (first: line {at}): counted once"
        if name != "own_lock_stat_grep.txt"
        else f"2 lines skipped, byte for byte like an earlier class (first: line {at}: "
    )


def test_other_sections_stay():
    """Two snapshots of one counter are two, and so are results that happen to be equal."""
    content = (SAMPLES / "own_lock_stat.txt").read_text()
    other = content.replace("1500 ", "1501 ")
    assert decode((content + other).encode(), "f").repeats == ()
    assert decode(b"1,100\n1,100\n1,100\n", "f").repeats == ()
    three = decode((content + other + content).encode(), "f")
    assert three.repeats == (2 * content.count("\n") + 1,)
