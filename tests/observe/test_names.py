"""The population in names of benchmarks, commands and files."""

from __future__ import annotations

import pytest

from lockmodel.observe import names


@pytest.mark.parametrize(
    ("name", "n"),
    [
        ("BM_Lock/threads:4", 4),
        ("threads=16", 16),
        ("run_8threads.txt", 8),
        ("out-clients-32.log", 32),
        ("conns64", 64),
        ("16_copies", 16),
        ("numjobs=3", 3),
        ("c5.metal-2.txt", None),  # a kind of machine, a second run
        ("run-2.txt", None),
        ("4.txt", None),
        ("threads", None),
        ("threads:0", None),
        ("2 threads and 100 connections", None),  # which?
        ("hyperthreads=2", None),
        ("threads=1.5", None),
    ],
)
def test_only_a_word_that_says_what_is_counted_decides(name: str, n: int | None) -> None:
    assert names.in_name(name) == n


@pytest.mark.parametrize(
    ("command", "n"),
    [
        ("./loop --threads 4", 4),
        ("./loop --clients=16 -d 30", 16),
        ("make -j8", 8),
        ("make -j 8", 8),
        ("./loop --threads 4 --clients 8", None),
        ("sleep 4", None),
        ("./loop -t 4", None),  # threads, or a time
    ],
)
def test_a_commands_flags(command: str, n: int | None) -> None:
    assert names.in_command(command) == n


def test_a_tools_own_flags() -> None:
    assert names.of_flag("wrk -t2 -c100 -R2000", "-R", "--rate") == 2000
    assert names.of_flag("wrk --rate=50", "-R", "--rate") == 50
    assert names.of_flag("redis-benchmark -c 8", "-P") is None


def test_a_path_of_parts() -> None:
    assert names.in_path("mutex/lock/threads=8") == (8, "mutex/lock")
    assert names.in_path("by_threads/lock/8") == (8, "by_threads/lock")
    assert names.in_path("mutex/lock/8") == (None, "mutex/lock/8")
    assert names.in_path("threads/8/16") == (None, "threads/8/16")
