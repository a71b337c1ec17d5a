"""pgbench: transactions per second at each number of clients; failed and skipped ones are said."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers.rated import BEFORE, BETWEEN, Rates, pair, version
from lockmodel.observe.text import Line, Text

TITLE = "pgbench"
READS = "tps at each number of clients; latencies, failed and skipped transactions as facts"
SEEN = "15.18; before 14 from its documentation"
GIVES = ("throughput",)
REMEDY = "run `for n in 1 2 4 8; do pgbench -c $n -j $n -T 30 -S DB; done > runs.txt`"

BEGIN = re.compile(r"(?:\*\*\* )?transaction type: (.+)")
VERSION = re.compile(r"pgbench \(.*")
CLIENTS = re.compile(r"number of clients: (\d+)")
TPS = re.compile(r"tps = ([\d.,]+|inf|-?nan) \((.*)\)")
DONE = re.compile(r"number of transactions actually processed: (\d+)(?:/(\d+))?")
LOST = re.compile(r"number of (failed transactions|transactions skipped): (\d+) \(([\d.]+)%\)")
LIMIT = re.compile(
    r"number of transactions above the ([\d.]+) ms latency limit: (\d+)(?:/(\d+))? .*"
)
PERCENT = re.compile(r"\((?:targets )?([\d.]+)%")
LAG = re.compile(r"rate limit schedule lag: avg ([\d.]+) \(max ([\d.]+)\) ms")
PROGRESS = re.compile(r"progress: .*")
SCRIPT = re.compile(r"SQL script (\d+): (.*)")
SHARE = re.compile(r"- (\d+) transactions \([\d.]+% of total, tps = ([\d.]+)\)")
WEIGHT = re.compile(r"- weight: (\d+) .*")
STATEMENT = re.compile(r"([\d.]+)\s+(?:(\d+)\s+)?(\\?[A-Za-z].*)")
QUIET = re.compile(r"starting vacuum.*|query mode: .*|statement latencies .*|scaling factor: .*")
INCLUDING = "including"


@dataclass
class _Run:
    """One run while its lines come."""

    line: Line
    what: str
    n: int | None = None
    done: int | None = None
    tps: tuple[Line, float] | None = None
    script: str = ""
    statements: bool = False
    answered: bool = False
    paced: bool = False


def sniff(text: Text) -> bool:
    """Return whether the header of a run and its clients are there."""
    whole = text.whole
    return "number of clients: " in whole and (
        "transaction type: " in whole or "\ntps = " in whole or "query mode: " in whole
    )


def read(text: Text, options: Options) -> Reading:
    """Return the observations of pgbench's output (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    rates = Rates(collector)
    run: _Run | None = None
    for line in text.filled:
        stripped = line.text.strip()
        if begin := BEGIN.fullmatch(stripped):
            _finish(collector, rates, run)
            run = _Run(line, begin[1])
        elif VERSION.fullmatch(stripped):
            version(collector, line, stripped)
        elif QUIET.fullmatch(stripped):
            if run is not None:
                run.statements = stripped.startswith("statement") or run.statements
                pair(collector, line, run.n)
        elif PROGRESS.fullmatch(stripped):
            collector.skip(line, BETWEEN)
        elif run is None:
            collector.skip(line, BEFORE)
        else:
            _line(collector, run, line, stripped)
    _finish(collector, rates, run)
    rates.finish()
    return collector.reading(empty="no run with its clients and tps")


def _line(collector: Collector, run: _Run, line: Line, stripped: str) -> None:
    """Take one line of a run."""
    if clients := CLIENTS.fullmatch(stripped):
        run.n = collector.whole(line, "clients", clients[1], least=1)
        collector.fact("clients", run.n, "", line, run.n)
    elif done := DONE.fullmatch(stripped):
        run.done = int(done[1])
        collector.fact("transactions", run.done, "", line, run.n)
        if done[2]:
            collector.fact("transactions asked for", int(done[2][:18]), "", line, run.n)
    elif tps := TPS.fullmatch(stripped):
        _tps(collector, run, line, tps)
    elif lost := LOST.fullmatch(stripped):
        where = f" of {run.script}" if run.script else ""
        collector.fact(f"{lost[1]}{where}", int(lost[2]), "", line, run.n)
        _percent(collector, run, line, f"{lost[1]}{where}")
        if int(lost[2]) and not run.script:
            collector.warn(f"line {line.number}: {lost[2]} {lost[1]} ({lost[3]} %), not in tps")
    elif limit := LIMIT.fullmatch(stripped):
        collector.fact(f"transactions above {limit[1]} ms", int(limit[2]), "", line, run.n)
        _percent(collector, run, line, f"transactions above {limit[1]} ms of {limit[3] or 'all'}")
    elif lag := LAG.fullmatch(stripped):
        run.paced = True
        collector.fact(
            "schedule lag, mean", collector.number(line, "lag", lag[1]), "ms", line, run.n
        )
        collector.fact(
            "schedule lag, most", collector.number(line, "lag", lag[2]), "ms", line, run.n
        )
    elif script := SCRIPT.fullmatch(stripped):
        run.script = script[2][:60]
    elif share := SHARE.fullmatch(stripped):
        rate = collector.number(line, "tps", share[2])
        collector.fact(f"tps of {run.script}", rate, "1/s", line, run.n)
        collector.fact(f"transactions of {run.script}", int(share[1][:18]), "", line, run.n)
        _percent(collector, run, line, f"transactions of {run.script}")
    elif weight := WEIGHT.fullmatch(stripped):
        collector.fact(f"weight of {run.script}", int(weight[1]), "", line, run.n)
        _percent(collector, run, line, f"weight of {run.script}")
    elif run.statements and (statement := STATEMENT.fullmatch(stripped)):
        mean = collector.number(line, "latency", statement[1])
        collector.fact(f"latency of {statement[3][:60]}", mean, "ms", line, run.n)
    elif pair(collector, line, run.n, f"{run.script} " if run.script else ""):
        _percent(collector, run, line, f"{run.script} {stripped.partition(':')[0]}".strip())
    else:
        collector.skip(line, "not part of a run's results")


def _percent(collector: Collector, run: _Run, line: Line, name: str) -> None:
    """Keep the percentage that a line has in brackets."""
    if found := PERCENT.search(line.text):
        value = collector.number(line, "percentage", found[1])
        collector.fact(f"{name}, share", value, "%", line, run.n)


def _tps(collector: Collector, run: _Run, line: Line, match: re.Match[str]) -> None:
    """Take a line of tps; of two, the one without the time to connect."""
    run.answered = True
    if match[1] in ("inf", "nan", "-nan"):
        collector.skip(line, "a run of 0 s: nothing was measured")
        return
    value = collector.number(line, "tps", match[1])
    if run.tps is not None and match[2].startswith(INCLUDING):
        collector.fact(f"tps ({match[2]})", value, "1/s", line, run.n)
        return
    if run.tps is not None:
        first, rate = run.tps
        collector.fact("tps, the time to connect included", rate, "1/s", first, run.n)
    if run.tps is None and match[2] == "including reconnection times":
        collector.warn("-C: every transaction has its own connection, whose time is in the tps")
    run.tps = (line, value)


def _finish(collector: Collector, rates: Rates, run: _Run | None) -> None:
    if run is None:
        return
    if run.n is None:
        raise collector.error(run.line, "a run without 'number of clients': cut off?")
    if not run.answered:
        raise collector.error(run.line, "a run without its tps: cut off?")
    if run.done == 0:
        collector.skip(run.line, "a run of 0 transactions: nothing was measured")
    elif run.tps is not None:
        if run.paced:
            collector.warn(
                f"-R: below saturation the tps is what was asked for, not what {run.n} clients can "
                f"do"
            )
        rates.add(*run.tps, run.n, f"pgbench {run.what}")
