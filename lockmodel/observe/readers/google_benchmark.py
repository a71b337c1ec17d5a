"""What Google Benchmark's JSON and console output share: which time is that of which threads.

Up to 1.8 the time of a benchmark on N threads is the wall clock divided by the iterations of all
threads; from 1.9.0 on (pull request 1836) it is that of an iteration on its own thread, N times as
long.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

REMEDY = (
    "run the benchmark (->ThreadRange(1, 64)->UseRealTime()) with --benchmark_repetitions=3 "
    "--benchmark_out=runs.json --benchmark_out_format=json"
)
THREADS = re.compile(r"(.*?)/threads:(\d+)(.*)")
SETTING = re.compile(r"/(?:real_time|process_time|manual_time|repeats:\d+|iterations:\d+)")
VERSION = re.compile(r"v?(\d+)\.(\d+)")
PER_THREAD = (1, 9)
"""Version from which on the time is that of an iteration on its thread."""

DIVIDED = 1.5
"""From this ratio of CPU time to real time on, the time can only have been divided by threads."""

UNKNOWN_VERSION = (
    "with several threads the throughput is 1 / time up to version 1.8, threads / time from 1.9 "
    "on, and the version is not said: kept as facts; give JSON (--benchmark_out_format=json)"
)
PER_THREAD_SAID = (
    "from version 1.9 on the time is that of an iteration on its thread: throughput is threads / "
    "time"
)


def name(text: str) -> tuple[str, int | None]:
    """Return a benchmark's name without its threads and settings, and the threads."""
    threads = None
    if match := THREADS.fullmatch(text[:400]):
        text, threads = match[1] + match[3], int(match[2][:9])
    return SETTING.sub("", text[:400]), threads


def is_divided(times: Iterable[tuple[int, float, float]]) -> bool:
    """Return whether (threads, real, CPU time) of a file can only be of a version up to 1.8."""
    return any(n > 1 and cpu > DIVIDED * real for n, real, cpu in times)


def at_once(version: str | None, n: int, divided: bool) -> int | None:
    """Return how many iterations end in one time: 1, or one on each of the threads.

    Parameters
    ----------
    version : str or None
        As the file says it; "" where it says none, which is what JSON does up to 1.8.3.
        None where it could not say it.
    n : int
        Threads.
    divided : bool
        Whether the times of the file show that they were divided by the threads.

    Returns
    -------
    int or None
        None where nobody can know.
    """
    if n == 1 or divided or version == "":
        return 1
    known = VERSION.match(version or "")
    if known is None or (int(known[1]), int(known[2])) == (0, 0):
        return None
    return n if (int(known[1]), int(known[2])) >= PER_THREAD else 1
