"""hackbench (rt-tests; perf bench sched messaging has its own reader): messages per second."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers.rated import Rates
from lockmodel.observe.text import Line, Text

TITLE = "hackbench"
READS = "messages per second of all tasks: groups x senders x receivers x loops / time"
SEEN = "rt-tests 2.4"
GIVES = ("throughput",)
REMEDY = "run `for g in 1 2 4 8; do hackbench -g $g -l 1000; done > runs.txt`"

BEGIN = re.compile(
    r"Running (?:in|with) (process|thread)(?:ed)?(?: mode)? with (\d{1,6}) groups using (\d{1,6}) "
    r"file descriptors\s*each \(== (\d{1,8}) tasks\)"
)
HALF = re.compile(r"Running (?:in|with) (?:process|thread).* file descriptors")
EACH = re.compile(r"Each sender will pass (\d{1,12}) messages of (\d{1,9}) bytes")
TIME = re.compile(r"Time: ([\d.,]+)")


@dataclass
class _Run:
    """One run while its lines come."""

    line: Line
    mode: str
    groups: int
    descriptors: int
    tasks: int
    loops: int | None = None
    answered: bool = False


def sniff(text: Text) -> bool:
    """Return whether it says what it runs and what its senders pass."""
    return "Each sender will pass" in text.whole and "file descriptors" in text.whole


def read(text: Text, options: Options) -> Reading:
    """Return the observations of hackbench's output (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    rates = Rates(collector)
    run: _Run | None = None
    half: Line | None = None
    for line in text.filled:
        said = line.text.strip()
        if half is not None:
            said, line, half = f"{half.text.strip()} {said}", half, None
        if HALF.fullmatch(said):
            half = line  # a mailer wrapped it
        elif begin := BEGIN.fullmatch(said):
            groups, descriptors, tasks = (int(number) for number in begin.groups()[1:])
            run = _Run(line, begin[1], groups, descriptors, tasks)
            if run.groups * run.descriptors != run.tasks or run.tasks < 1:
                raise collector.error(
                    line, f"{run.groups} groups of {run.descriptors} are not {run.tasks} tasks"
                )
            collector.fact("groups", run.groups, "", line, run.tasks)
            collector.fact("descriptors of a group", run.descriptors, "", line, run.tasks)
        elif run and (each := EACH.fullmatch(said)):
            run.loops = collector.whole(line, "messages", each[1], least=1)
            collector.fact("messages of a sender", run.loops, "", line, run.tasks)
            collector.fact("message size", int(each[2]), "bytes", line, run.tasks)
        elif run and not run.answered and (time := TIME.fullmatch(said)):
            _time(collector, rates, run, line, time[1])
        elif BEGUN.match(said):
            raise collector.error(line, "a run's lines were expected in order: cut off?")
        else:
            collector.skip(line, "not part of a run")
    rates.finish()
    if collector.observations:
        collector.warn(COUNTED)
    return collector.reading(empty="no run with its time")


BEGUN = re.compile(r"Running (?:in|with) (?:process|thread)|Each sender will|Time: ")
COUNTED = (
    "an iteration is one message from a sender to a receiver of its group, and all tasks count in "
    "the population, senders and receivers"
)


def _time(collector: Collector, rates: Rates, run: _Run, line: Line, text: str) -> None:
    """Take the time of a run: the messages of all senders to all receivers of their groups."""
    seconds = collector.number(line, "time", text)
    run.answered = True
    if run.loops is None:
        raise collector.error(line, "'Each sender will pass ..' was expected above it: cut off?")
    collector.fact("time", seconds, "s", line, run.tasks)
    if seconds == 0:
        collector.skip(line, "a run of 0 s: nothing was measured")
        return
    messages = run.groups * (run.descriptors // 2) ** 2 * run.loops
    rates.add(line, messages / seconds, run.tasks, f"hackbench {run.mode}")
