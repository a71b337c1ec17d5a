"""will-it-scale: the CSV of runtest.py, and the standard output of one test program."""

from __future__ import annotations

import re

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers.tidy_csv import cells
from lockmodel.observe.text import Line, Text

TITLE = "will-it-scale"
READS = (
    "processes and threads per number of tasks, with idle shares; or what one test program "
    "prints each second"
)
GIVES = ("throughput", "idle_share")
REMEDY = "run `./runtest.py TEST > TEST.csv` (needs hwloc)"

HEADER = ["tasks", "processes", "processes_idle", "threads", "threads_idle", "linear"]
FILLER = ["0", "0", "100", "0", "100", "0"]
TITLE_LINE = re.compile(r"testcase:\s*(.+)")
SECOND = re.compile(r"min:(\d+) max:(\d+) total:(\d+)")
AVERAGE = re.compile(r"average:(\d+)")
COMMAND = re.compile(r".*runtest\.py (\S+).*")
BANNER = re.compile(r"WARNING: .*|.*Assertion .* failed\.?")


def sniff(text: Text) -> bool:
    """Return whether there is the header of runtest.py or the title of a test program."""
    for line in text.filled:
        stripped = line.text.strip()
        if cells(stripped, ",") == HEADER or TITLE_LINE.fullmatch(stripped):
            return True
        if re.fullmatch(r"\w+_(?:processes|threads): tests/.*Assertion .*", stripped):
            return True
    return False


def read(text: Text, options: Options) -> Reading:
    """Return the observations of will-it-scale (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    if any(TITLE_LINE.fullmatch(line.text.strip()) for line in text.filled):
        _program(collector, text)
    else:
        _table(collector, text)
    return collector.reading(empty="no result: every run failed, or the file is cut off")


def _table(collector: Collector, text: Text) -> None:
    header = False
    single: float | None = None
    seen: set[int] = set()
    for line in text.filled:
        parts = cells(line.text.strip(), ",")
        if parts == HEADER:
            header = True
        elif command := COMMAND.fullmatch(line.text):
            collector.note("test", command[1])
        elif BANNER.fullmatch(line.text.strip()):
            collector.skip(line, "a message of the test: did it fail?")
        elif not header:
            collector.skip(line, "before the header")
        elif parts == FILLER:
            continue
        else:
            single = _row(collector, line, parts, single, seen)


def _row(
    collector: Collector, line: Line, parts: list[str], single: float | None, seen: set[int]
) -> float | None:
    """Add one row; return the throughput of one task that `linear` is a multiple of."""
    if len(parts) != len(HEADER):
        raise collector.error(line, f"{len(parts)} cells, {len(HEADER)} were expected: cut off?")
    tasks = collector.whole(line, "tasks", parts[0], least=1)
    if tasks in seen:
        raise collector.error(line, f"{tasks} tasks are given twice; give each run its own file")
    seen.add(tasks)
    what = collector.metadata.get("test", "")
    best = 0.0
    for at, mode in ((1, "processes"), (3, "threads")):
        rate = collector.whole(line, mode, parts[at], least=-1)
        idle = collector.number(line, f"{mode}_idle", parts[at + 1])
        best = max(best, rate)
        if rate <= 0:
            collector.skip(
                line, f"no run with {mode} ({rate} means that it failed or was not asked)"
            )
            continue
        if not 0 <= idle <= 100:
            raise collector.error(line, f"{mode}_idle {idle:g} is a percentage of all CPUs")
        collector.observe("throughput", float(rate), "1/s", line, n=tasks, variant=mode, what=what)
        collector.observe("idle_share", idle / 100, "1", line, n=tasks, variant=mode, what=what)
    linear = collector.whole(line, "linear", parts[5])
    if tasks == 1 and linear:
        single = float(linear)
        if best > 0 and linear != best:
            raise collector.error(
                line, f"linear {linear} at 1 task is not the larger rate, {best:g}"
            )
    elif linear and single is not None and linear != tasks * single:
        raise collector.error(line, f"linear {linear} is not {tasks} x {single:g}")
    return single


def _program(collector: Collector, text: Text) -> None:
    """Read the output of one test program: one total per second."""
    rates: list[float] = []
    measuring = False
    for line in text.filled:
        stripped = line.text.strip()
        if title := TITLE_LINE.fullmatch(stripped):
            collector.note("test", title[1])
        elif stripped == "warmup":
            measuring = False
        elif stripped == "measurement":
            measuring = True
        elif second := SECOND.fullmatch(stripped):
            low, high, total = (collector.whole(line, "rate", part) for part in second.groups())
            if low > high or total < high:
                raise collector.error(line, "min <= max <= total does not hold")
            if measuring:
                rates.append(float(total))
                _second(collector, line, rates, high / low if low else None)
        elif average := AVERAGE.fullmatch(stripped):
            mean = collector.whole(line, "average", average[1])
            if rates and abs(sum(rates) / len(rates) - mean) > 0.05 * mean:
                collector.warn(
                    f"average {mean} is not the mean of the seconds shown: lines are missing"
                )
            if not rates:
                collector.fact("average", mean, "1/s", line, collector.options.tasks)
        else:
            collector.skip(line, "not part of the output")
    if rates and collector.options.tasks is None:
        collector.warn("the number of tasks is not in this output: give --tasks")


def _second(collector: Collector, line: Line, rates: list[float], spread: float | None) -> None:
    if rates[-1] <= 0:
        raise collector.error(line, "a total of 0: the test did nothing")
    collector.observe(
        "throughput",
        rates[-1],
        "1/s",
        line,
        what=collector.metadata.get("test", ""),
        repeat=len(rates),
    )
    if spread is not None:
        collector.fact("fastest task / slowest", spread, "", line, collector.options.tasks)
