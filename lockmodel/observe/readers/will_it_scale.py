"""will-it-scale: the CSV of runtest.py, and the standard output of one test program."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

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
PHASES = ("warmup", "measurement")
PROGRAM = re.compile(r"(?:\S*/)?(\w+)_(processes|threads)\b.*?-t\s*(\d+).*")
"""A test program as it is started; it does not print how many tasks it runs."""

BANNER = re.compile(r"WARNING: .*|.*Assertion .* failed\.?")


def sniff(text: Text) -> bool:
    """Return whether there is the header of runtest.py or what a test program prints."""
    titled = False
    for line in text.filled:
        stripped = line.text.strip()
        if titled and (stripped in PHASES or SECOND.fullmatch(stripped)):
            return True
        titled = TITLE_LINE.fullmatch(stripped) is not None or (titled and stripped == "")
        if cells(stripped, ",") == HEADER:
            return True
        if re.fullmatch(r"\w+_(?:processes|threads): tests/.*Assertion .*", stripped):
            return True
    return False


def read(text: Text, options: Options) -> Reading:
    """Return the observations of will-it-scale (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    if not any(cells(line.text.strip(), ",") == HEADER for line in text.filled) and any(
        TITLE_LINE.fullmatch(line.text.strip()) for line in text.filled
    ):
        _program(collector, text)
    else:
        _table(collector, text)
    return collector.reading(empty="no result: every run failed, or the file is cut off")


def _table(collector: Collector, text: Text) -> None:
    """Read the tables of runtest.py: of one test or several, each run once or again."""
    header = False
    test = ""
    rows: list[tuple[str, Line, list[str]]] = []
    for line in text.said:
        parts = cells(line.text.strip(), ",")
        if parts == HEADER:
            header = True
        elif command := COMMAND.fullmatch(line.text):
            test = command[1]
            collector.note("test", test)
            collector.note("command", line.text)
        elif BANNER.fullmatch(line.text.strip()):
            collector.skip(line, "a message of the test: did it fail?")
        elif not header:
            collector.skip(line, "before the header")
        elif parts == FILLER:
            collector.checked(line, "the row of zeros")
        elif len(parts) != len(HEADER) and rows and text.apart(line):
            collector.skip(line, "after the table")
            header = False
        else:
            if len(parts) != len(HEADER):
                raise collector.error(
                    line, f"{len(parts)} cells, {len(HEADER)} were expected: cut off?"
                )
            rows.append((test, line, parts))
    runs = Counter((test, parts[0]) for test, _, parts in rows)
    again: Counter[tuple[str, str]] = Counter()
    single: dict[tuple[str, int], float] = {}
    for test, line, parts in rows:
        again[test, parts[0]] += 1
        number = again[test, parts[0]]
        repeat = number if runs[test, parts[0]] > 1 else None
        _row(collector, line, parts, (test, repeat), single)
    if any(times > 1 for times in runs.values()):
        collector.warn("populations that come again are repeats")


def _row(
    collector: Collector,
    line: Line,
    parts: list[str],
    run: tuple[str, int | None],
    single: dict[tuple[str, int], float],
) -> None:
    """Add one row; `single` has the throughput of one task that `linear` is a multiple of."""
    tasks = collector.whole(line, "tasks", parts[0], least=1)
    what, repeat = run
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
        more = {"n": tasks, "variant": mode, "what": what, "repeat": repeat}
        collector.observe("throughput", float(rate), "1/s", line, **more)
        collector.observe("idle_share", idle / 100, "1", line, **more)
    linear = collector.whole(line, "linear", parts[5])
    collector.checked(line, "linear")
    here = (what, repeat or 1)
    if tasks == 1 and linear:
        single[here] = float(linear)
        if best > 0 and linear != best:
            raise collector.error(
                line, f"linear {linear} at 1 task is not the larger rate, {best:g}"
            )
    elif linear and here in single and linear != tasks * single[here]:
        raise collector.error(line, f"linear {linear} is not {tasks} x {single[here]:g}")


@dataclass
class _Run:
    """One run of a test program."""

    test: str = ""
    mode: str = ""
    rates: list[float] = field(default_factory=list)
    measuring: bool = False


def _program(collector: Collector, text: Text) -> None:
    """Read the output of test programs: one total per second of each run."""
    run, mode = _Run(), ""
    seconds: Counter[tuple[str, str, int | None]] = Counter()
    runs = 0
    for line in text.said:
        stripped = line.text.strip()
        if program := PROGRAM.fullmatch(stripped.removeprefix("$ ")):
            mode = program[2]
            collector.note(f"command {runs + 1}", stripped)
        elif stripped.startswith("$ "):
            continue
        elif title := TITLE_LINE.fullmatch(stripped):
            collector.note("test", title[1])
            run, runs = _Run(title[1], mode), runs + 1
        elif stripped in PHASES:
            run.measuring = stripped == "measurement"
        elif second := SECOND.fullmatch(stripped):
            low, high, total = (collector.whole(line, "rate", part) for part in second.groups())
            if low > high or total < high:
                raise collector.error(line, "min <= max <= total does not hold")
            if run.measuring:
                run.rates.append(float(total))
                key = (run.test, run.mode, collector.population(line))
                seconds[key] += 1
                _second(collector, line, run, seconds[key], high / low if low else None)
            else:
                collector.skip(line, "a second of the warm-up")
        elif average := AVERAGE.fullmatch(stripped):
            mean = collector.whole(line, "average", average[1])
            if run.rates and abs(sum(run.rates) / len(run.rates) - mean) > 0.05 * mean:
                collector.warn(
                    f"average {mean} is not the mean of the seconds shown: lines are missing"
                )
            collector.fact("average", mean, "1/s", line, collector.population(line))
        else:
            collector.skip(line, "not part of the output")
    if runs > 1:
        collector.warn(f"{runs} runs in one file: those of one test and population are repeats")
    if any(o.n is None for o in collector.observations):
        collector.warn("the number of tasks is not in this output: give --tasks")


def _second(collector: Collector, line: Line, run: _Run, repeat: int, spread: float | None) -> None:
    if run.rates[-1] <= 0:
        raise collector.error(line, "a total of 0: the test did nothing")
    collector.observe(
        "throughput",
        run.rates[-1],
        "1/s",
        line,
        what=run.test,
        variant=run.mode,
        repeat=repeat,
    )
    collector.checked(line, "min and max of the tasks")
    if spread is not None:
        n = collector.population(line)
        collector.fact("fastest task / slowest", spread, "", line, n)
