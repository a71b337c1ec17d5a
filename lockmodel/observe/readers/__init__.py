"""One module per format, chosen by content, never by the name of the file.

A reader module has `TITLE` (what it is called in messages), `READS` (what it takes from a file),
`GIVES` (the kinds of observations that may come of it), `REMEDY` (the command that makes a
usable file), `sniff(text) -> bool` and `read(text, options) -> Reading`; those of tables `ROWS`,
what a whole row looks like, so that rows which a mailer wrapped are joined; those of other
projects' tools `SEEN`, the version whose output it was tried on. Each is imported only when a file
is to be recognised.
"""

from __future__ import annotations

import contextlib
import importlib
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType

from lockmodel.errors import ArgumentError, ScenarioError, nearest, shortened
from lockmodel.observe.collector import Options
from lockmodel.observe.names import in_file
from lockmodel.observe.observations import Reading
from lockmodel.observe.summary import apart
from lockmodel.observe.text import Text, load

FORMATS = {
    "observations": "observations_csv",
    "csv": "tidy_csv",
    "jsonl": "json_lines",
    "json": "json_rows",
    "columns": "tidy_space",
    "markdown": "tidy_markdown",
    "lines": "rate_lines",
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
    "bcc-histogram": "bcc_histogram",
    "folded": "folded",
    "perf-report": "perf_report",
    "perf-report-flat": "perf_report_flat",
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
    "memtier-json": "memtier_json",
    "redis-benchmark": "redis_benchmark",
    "fio": "fio_json",
    "fio-terse": "fio_terse",
    "fio-text": "fio_text",
    "google-benchmark": "google_benchmark_json",
    "google-benchmark-text": "google_benchmark_text",
    "google-benchmark-csv": "google_benchmark_csv",
    "go-bench": "go_bench",
    "benchstat": "benchstat",
    "criterion": "criterion_text",
    "criterion-estimates": "criterion_json",
    "jmh": "jmh_json",
    "jmh-text": "jmh_text",
    "jmh-csv": "jmh_csv",
    "divan": "divan",
    "stress-ng": "stress_ng",
    "stress-ng-yaml": "stress_ng_yaml",
    "hackbench": "hackbench",
    "ycsb": "ycsb",
    "db-bench": "db_bench",
}
"""Format -> module of this package."""

MOST_LINES = 20_000
"""Lines of a text in which a part that can be read is looked for: what is pasted has fewer."""

GENERAL = ("csv", "jsonl", "json", "columns", "markdown", "lines")
"""Formats that are anybody's: a text that a tool's own reader knows is that tool's."""


OBJECTS = (
    *("observations", "lkp", "hyperfine", "bpftrace-json", "perf-stat-json", "fio"),
    *("google-benchmark", "memtier-json", "criterion-estimates"),
)
"""Formats of tools that may begin with an object of JSON."""


@cache
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
    names: list[str] = []
    own = [name for name in FORMATS if name not in GENERAL]
    if text.filled[0].text.lstrip().startswith("{"):  # a thousand files of JSON: not every reader
        names = [name for name in own if name in OBJECTS and module(name).sniff(text)]
    names = names or [name for name in own if module(name).sniff(text)]
    names = names or [name for name in GENERAL if module(name).sniff(text)]
    if (
        not names and len(text.lines) <= MOST_LINES
    ):  # or only once the rows that a mailer wrapped are joined
        names = [name for name in FORMATS if rows(name) and module(name).sniff(_whole(text, name))]
    if len(names) == 1:
        return names[0]
    first = text.filled[0]
    where = f"{text.origin}:{first.number}: {shortened(first.text.strip())!r}"
    if names:
        raise ScenarioError(
            f"{where}: may be {' or '.join(names)}; say --format {names[0]}, or cut the file in two"
        )
    from lockmodel.observe.readers.others import said
    from lockmodel.observe.readers.tables import unread

    raise ScenarioError(f"{where}: not recognised; {said(text) or unread(text) or _KNOWN}")


def found(text: Text) -> tuple[Text, str]:
    """Return a text and its format; of one with words around it the part that is of a format.

    Raises
    ------
    ScenarioError
        As `recognise`, of the whole text.
    """
    try:
        return text, recognise(text)
    except ScenarioError as error:
        if len(text.lines) > MOST_LINES:
            raise
        from lockmodel.observe.readers.tables import excerpts

        for part in excerpts(text):
            with contextlib.suppress(ScenarioError):
                return part, recognise(part)
        raise error


def rows(name: str) -> tuple[re.Pattern[str], ...]:
    """Return what a whole row of a format looks like; nothing where no mailer would wrap it."""
    patterns: tuple[re.Pattern[str], ...] = getattr(module(name), "ROWS", ())
    return patterns


def _whole(text: Text, name: str) -> Text:
    """Return a text with the rows of a format that a mailer wrapped joined."""
    return text.unwrapped(rows(name))


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
    options = options or Options()
    if text.files:
        return _of_several(text, options, form)
    if form is None and options.columns:
        from lockmodel.observe.readers.tables import table_form

        form = table_form(text)
    if form is None:
        text, form = found(text)
    reader = module(form)
    options = replace(options, named=in_file(text.origin))
    try:
        reading: Reading = reader.read(_whole(text, form), options)
    except RecursionError:
        raise ScenarioError(f"{text.origin}: nested too deeply; this is no measurement") from None
    return replace(reading, warnings=(*apart(reading.observations), *reading.warnings))


def _of_several(text: Text, options: Options, form: str | None) -> Reading:
    """Return what is said by the lines of several files that grep printed.

    Names that differ in one number alone name the population by it, where nothing else does;
    otherwise the name tells the runs apart.
    """
    parts = text.parts()
    shapes = {re.sub(r"\d+", "#", name) for name in parts}
    numbers = [tuple(re.findall(r"\d+", name)) for name in parts]
    moving = [i for i in range(len(numbers[0])) if len({own[i] for own in numbers if own[i:]}) > 1]
    counted = len(shapes) == 1 and len(moving) == 1
    made: list[Reading] = []
    failed: list[ScenarioError] = []
    lost: list[tuple[int, str]] = []
    for (name, part), own in zip(parts.items(), numbers, strict=True):
        try:
            reading = read_text(part, options, form)
        except ScenarioError as error:
            failed.append(error)
            lost += [(line.number, "could not be read") for line in part.filled]
            continue
        n = int(own[moving[0]][:9]) if counted else 0
        if counted and n >= 1 and all(o.n is None for o in reading.observations):
            found = tuple(replace(o, n=n) for o in reading.observations)
            said = f"population {n} is that of the name {name}"
        else:
            found = tuple(
                replace(o, variant=",".join(filter(None, (name, o.variant))))
                for o in reading.observations
            )
            said = f"lines of {name} are runs of their own"
        warnings = (said, *reading.warnings)
        made.append(replace(reading, observations=found, warnings=warnings))
    if not made:
        raise failed[0]
    first = made[0]
    return replace(
        first,
        observations=tuple(o for one in made for o in one.observations),
        facts=tuple(fact for one in made for fact in one.facts),
        warnings=(
            *dict.fromkeys(w for one in made for w in one.warnings),
            *(f"left out: {error}" for error in failed),
        ),
        left_out=(*(left for one in made for left in one.left_out), *lost),
    )


def read_file(path: Path, options: Options | None = None, form: str | None = None) -> Reading:
    """Return what a file says (see `read_text`); raises FileError if it cannot be read."""
    return read_text(load(path), (options or Options()).of_file(path), form)
