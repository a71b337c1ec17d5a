"""perf bench: operations per second, per benchmark, checked against the time per operation."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.text import Line, Text

TITLE = "perf bench"
READS = "operations per second of a benchmark, checked against its time per operation"
GIVES = ("throughput",)
REMEDY = "run `LC_ALL=C perf bench syscall fork` (or execve, sched pipe, futex hash)"

RUNNING = re.compile(r"# Running '?([\w/-]+)'? benchmark(?::|\.\.\.)")
EXECUTED = re.compile(r"# Executed ([\d.,'\u00a0\u202f]+) (.+)")
TOTAL = re.compile(r"\s*Total time: (\d+[.,]\d+) \[sec\]")
PER_OP = re.compile(r"\s*(\d[\d.,]*) usecs/op")
RATE = re.compile(r"\s*(\d[\d.,'\u00a0\u202f]*) ops/sec")
THREADS = re.compile(r"Run summary \[PID \d+\]: (\d+) threads, each operating .*")
THREAD = re.compile(r"\[thread\s+(\d+)\] .*\[ (\d[\d.,]*) ops/sec \]")
AVERAGED = re.compile(r"Averaged (\d[\d.,]*) operations/sec \(\+- ([\d.,]+)%\), total secs = (\d+)")
LATENCY = re.compile(r".*(?:Avg per-thread latency|Wokeup|Requeued) .* in ([\d.]+) ms.*")
PROCESSES = re.compile(r"# \d+ groups == (\d+) (?:processes|threads) run")
NOISE = re.compile(r"#.*|Run summary .*|.*perf bench .*|\d{4}-\d\d-\d\d .*")

LOCK_TABLE = re.compile(r"\s*contended\s+total wait|# output: contended")
"""perf lock contention prints its table after what the workload printed."""

SINGLE = ("syscall/",)
"""Benchmarks of one task."""

AGREEMENT = 0.02
"""How far ops/sec may be from 1 / (usecs/op), both rounded."""

FUTEX_SLACK = 0.01


@dataclass
class _Bench:
    """One benchmark."""

    line: Line
    name: str
    executed: int | None = None
    what: str = ""
    total: float | None = None
    per_op: tuple[Line, float] | None = None
    threads: int | None = None
    rates: list[int] = field(default_factory=list)
    answered: bool = False
    rated: bool = False


def sniff(text: Text) -> bool:
    """Return whether a benchmark runs, and no table of locks follows its output."""
    if any(LOCK_TABLE.match(line.text) for line in text.filled):
        return False
    return any(RUNNING.match(line.text) or EXECUTED.match(line.text) for line in text.filled)


def read(text: Text, options: Options) -> Reading:
    """Return the observations of perf bench (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    bench: _Bench | None = None
    for line in text.filled:
        if running := RUNNING.match(line.text):
            _finish(collector, bench)
            bench = _Bench(line, running[1])
        elif (executed := EXECUTED.fullmatch(line.text)) and (
            bench is None or bench.executed is not None
        ):
            _finish(collector, bench)
            bench = _Bench(line, "")
            _executed(collector, bench, line, executed)
        elif bench is None:
            if not NOISE.fullmatch(line.text):
                collector.skip(line, "before the first benchmark")
        elif executed:
            _executed(collector, bench, line, executed)
        else:
            _line(collector, bench, line)
    _finish(collector, bench)
    return collector.reading(empty="no benchmark has a result")


def _executed(collector: Collector, bench: _Bench, line: Line, match: re.Match[str]) -> None:
    bench.executed = collector.whole(line, "executed", match[1], least=1)
    bench.what = match[2].strip()


def _line(collector: Collector, bench: _Bench, line: Line) -> None:
    """Take one line of a benchmark."""
    name = bench.name or bench.what
    if total := TOTAL.fullmatch(line.text):
        bench.total = collector.number(line, "total time", total[1].replace(",", "."))
        collector.fact(f"{name}: total time", bench.total, "s", line)
        bench.answered = True
    elif per_op := PER_OP.fullmatch(line.text):
        bench.per_op = (line, collector.number(line, "usecs/op", per_op[1]))
        collector.checked(line, "usecs/op")
    elif rate := RATE.fullmatch(line.text):
        _rate(collector, bench, line, collector.whole(line, "ops/sec", rate[1], least=1))
    elif threads := THREADS.fullmatch(line.text):
        bench.threads = collector.whole(line, "threads", threads[1], least=1)
        collector.checked(line, "summary of the run")
    elif thread := THREAD.fullmatch(line.text):
        bench.rates.append(collector.whole(line, "ops/sec", thread[2]))
        collector.checked(line, "ops/sec of each thread")
    elif averaged := AVERAGED.fullmatch(line.text):
        _futex(collector, bench, line, collector.whole(line, "average", averaged[1], least=1))
    elif latency := LATENCY.fullmatch(line.text):
        collector.fact(
            f"{name}: latency", collector.number(line, "latency", latency[1]), "ms", line
        )
        bench.answered = True
    elif processes := PROCESSES.fullmatch(line.text):
        collector.note(f"processes of {name}", processes[1])
    elif not NOISE.fullmatch(line.text):
        if re.search(r"ops|usecs|Total|Averaged|thread", line.text):
            raise collector.error(line, "a line that perf bench prints was expected: cut off?")
        collector.skip(line, "output of the benchmark")


def _rate(collector: Collector, bench: _Bench, line: Line, rate: int) -> None:
    """Add a rate after holding it against the other numbers."""
    if bench.per_op is None:
        raise collector.error(line, "ops/sec without the usecs/op above it: cut off?")
    expected = 1e6 / bench.per_op[1] if bench.per_op[1] > 0 else 0.0
    if abs(rate - expected) > AGREEMENT * expected + 1:
        raise collector.error(line, f"{rate} ops/sec is not 1e6 / {bench.per_op[1]:g} usecs/op")
    if bench.executed and bench.total:
        shown = bench.executed / bench.total
        rounding = 0.001 / bench.total
        if abs(rate / shown - 1) > AGREEMENT + rounding:
            raise collector.error(
                line, f"{rate} ops/sec is not {bench.executed} / {bench.total:g} s"
            )
    single = bench.name.startswith(SINGLE) or (not bench.name and "()" in bench.what)
    what = bench.name or bench.what
    if single and bench.what and bench.name:
        what = f"{bench.name}: {bench.what}"
    bench.rated = True
    more = {"n": 1} if single else {}
    collector.observe("throughput", float(rate), "1/s", line, what=what, **more)
    if single:
        collector.warn("syscall benchmarks run one task: they give the time of one iteration alone")
    elif collector.options.tasks is None:
        collector.warn(f"{what}: the population is not stated: give --tasks")
    bench.answered = True


def _futex(collector: Collector, bench: _Bench, line: Line, average: int) -> None:
    """Add the total of all threads of futex hash."""
    if bench.threads is None:
        raise collector.error(line, "an average without 'Run summary: N threads': cut off?")
    if bench.rates:
        if len(bench.rates) != bench.threads:
            raise collector.error(
                line, f"{len(bench.rates)} of {bench.threads} threads are listed: lines are missing"
            )
        mean = sum(bench.rates) / len(bench.rates)
        if abs(mean - average) > FUTEX_SLACK * average:
            raise collector.error(
                line, f"average {average} is not the mean of the threads, {mean:.0f}"
            )
        if min(bench.rates) > 0:
            spread = max(bench.rates) / min(bench.rates)
            collector.fact(
                f"{bench.name}: fastest thread / slowest", spread, "", line, bench.threads
            )
    collector.checked(line, "spread of the threads", "total secs")
    collector.warn("futex hash averages over threads: throughput is the average x threads")
    rate = float(average * bench.threads)
    collector.observe("throughput", rate, "1/s", line, n=bench.threads, what=bench.name)
    bench.answered = True


def _finish(collector: Collector, bench: _Bench | None) -> None:
    if bench is None:
        return
    if not bench.answered or (bench.per_op is not None and not bench.rated):
        raise collector.error(bench.line, "no ops/sec, or no result at all, follows: cut off?")
