"""What Google Benchmark's JSON and console output share: which time is that of which threads.

Up to 1.8 the time of a benchmark on N threads is the wall clock divided by the iterations of all
threads; from 1.9.0 on (pull request 1836) it is that of an iteration on its own thread, N times as
long.
"""

from __future__ import annotations

import re

from lockmodel.observe.collector import Collector
from lockmodel.observe.text import Line

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


def name(text: str) -> tuple[str, int | None]:
    """Return a benchmark's name without its threads and settings, and the threads."""
    threads = None
    if match := THREADS.fullmatch(text[:400]):
        text, threads = match[1] + match[3], int(match[2][:9])
    return SETTING.sub("", text[:400]), threads


def parallel(
    collector: Collector, line: Line | None, version: str, n: int, real: float, cpu: float
) -> int:
    """Return how many iterations end in one time of `real`: 1, or one on each thread."""
    if n == 1:
        return 1
    known = VERSION.match(version)
    if known and (int(known[1]), int(known[2])) > (0, 0):
        per_thread = (int(known[1]), int(known[2])) >= PER_THREAD
        said = f"library version {version[:20]}"
    elif cpu > DIVIDED * real:
        return 1
    else:
        per_thread = False
        said = "its version is not said, up to 1.8 is assumed"
    collector.warn(
        f"{said}: throughput is {'threads' if per_thread else '1'} / time (from 1.9.0 on the time is "
        f"that of an iteration on its thread, before it was divided by the threads)"
    )
    return n if per_thread else 1
