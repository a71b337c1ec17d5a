"""One module per format, chosen by content, never by the name of the file.

A reader module has `TITLE` (what it is called in messages), `REMEDY` (the command that makes a
usable file), `sniff(text) -> bool` and `read(text, options) -> Reading`. Each is imported only
when a file is to be recognised.
"""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from lockmodel.errors import ArgumentError, ScenarioError, nearest, shortened
from lockmodel.observe.collector import Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.summary import apart
from lockmodel.observe.text import Text, load

FORMATS = {
    "observations": "observations_csv",
    "csv": "tidy_csv",
    "jsonl": "json_lines",
    "unixbench": "unixbench_report",
    "unixbench-log": "unixbench_log",
    "unixbench-csv": "unixbench_csv",
    "unixbench-html": "unixbench_html",
    "will-it-scale": "will_it_scale",
    "perf-lock-contention": "perf_lock_contention",
    "perf-lock-contention-csv": "perf_lock_contention_csv",
    "perf-lock-report": "perf_lock_report",
    "lock_stat": "lock_stat",
    "klockstat-bcc": "klockstat_bcc",
    "klockstat-libbpf": "klockstat_libbpf",
    "bpftrace": "bpftrace_text",
    "bpftrace-json": "bpftrace_json",
    "perf-stat": "perf_stat_csv",
    "perf-stat-json": "perf_stat_json",
    "perf-bench": "perf_bench",
    "lkp": "lkp_json",
    "lkp-mail": "lkp_mail",
    "hyperfine": "hyperfine",
    "hyperfine-table": "hyperfine_table",
    "hyperfine-text": "hyperfine_text",
    "perf-stat-text": "perf_stat_text",
    "sysbench": "sysbench",
    "pgbench": "pgbench",
    "wrk": "wrk",
    "memtier": "memtier",
    "redis-benchmark": "redis_benchmark",
    "fio": "fio_json",
    "fio-terse": "fio_terse",
    "fio-text": "fio_text",
    "google-benchmark": "google_benchmark_json",
    "google-benchmark-text": "google_benchmark_text",
    "go-bench": "go_bench",
    "benchstat": "benchstat",
    "criterion": "criterion_text",
    "criterion-estimates": "criterion_json",
    "jmh": "jmh_json",
    "divan": "divan",
}
"""Format -> module of this package."""

GENERAL = ("csv", "jsonl")
"""Formats that are anybody's: a text that a tool's own reader knows is that tool's."""


def module(name: str) -> ModuleType:
    """Return the reader of a format; raises ArgumentError if there is none."""
    if name not in FORMATS:
        raise ArgumentError(f"--format {name!r} is not known; {nearest(name, list(FORMATS))}")
    return importlib.import_module(f"lockmodel.observe.readers.{FORMATS[name]}")


def recognise(text: Text) -> str:
    """Return the name of the format of a text.

    Raises
    ------
    ScenarioError
        It is empty, or of no known format, or of several.
    """
    _not_empty(text)
    names = [name for name in FORMATS if module(name).sniff(text)]
    names = [name for name in names if name not in GENERAL] or names
    if len(names) == 1:
        return names[0]
    first = text.filled[0]
    where = f"{text.origin}:{first.number}: {shortened(first.text.strip())!r}"
    if names:
        raise ScenarioError(
            f"{where}: may be {' or '.join(names)}; say --format {names[0]}, or cut the file in two"
        )
    raise ScenarioError(f"{where}: not recognised; {_KNOWN}")


_KNOWN = (
    "known formats are "
    + ", ".join(FORMATS)
    + "; the simplest is a CSV that begins with the line tasks,throughput"
)


def _not_empty(text: Text) -> None:
    if not text.filled:
        raise ScenarioError(f"{text.origin}: is empty; {_KNOWN}")


def read_text(text: Text, options: Options | None = None, form: str | None = None) -> Reading:
    """Return what a text says; `form` is the name of its format, or None to recognise it.

    Raises
    ------
    ScenarioError
        It cannot be recognised, or is not a valid file of its format.
    ArgumentError
        There is no such format.
    """
    _not_empty(text)
    reader = module(form or recognise(text))
    try:
        reading: Reading = reader.read(text, (options or Options()).of(text.origin))
    except RecursionError:
        raise ScenarioError(f"{text.origin}: nested too deeply; this is no measurement") from None
    return replace(reading, warnings=(*apart(reading.observations), *reading.warnings))


def read_file(path: Path, options: Options | None = None, form: str | None = None) -> Reading:
    """Return what a file says (see `read_text`); raises FileError if it cannot be read."""
    return read_text(load(path), options, form)
