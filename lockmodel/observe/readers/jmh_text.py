"""JMH's printed table: operations per second of all threads, from the score of each row."""

from __future__ import annotations

import re

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import jmh_json
from lockmodel.observe.readers.columns import POPULATION
from lockmodel.observe.readers.rated import BETWEEN, ONE_TASK, Rates
from lockmodel.observe.text import Line, Text

TITLE = "JMH, printed"
READS = "the same, from the table at its end; threads from `# Threads:` or a parameter (threads)"
SEEN = "1.36: from published results, not run"
GIVES = ("throughput",)
REMEDY = jmh_json.REMEDY

HEAD = re.compile(
    r"(?P<mark>[*/#>|\s]*)Benchmark(?P<params>(?:\s+\([\w.]+\))*)\s+Mode\s+(?:Cnt|Samples)\s+Score"
    r"\s+(?:Score error|Error)\s+Units.*"
)
NUMBER = r"\d[\d.,]*(?:E[+-]?\d+)?"
ROW = re.compile(
    rf"(?P<name>[\w.$:\u00b7-]+)(?P<params>(?:\s+\S+)*?)\s+(?P<mode>thrpt|avgt|sample|ss)"
    rf"(?:\s+(?P<count>\d+))?\s+(?P<score>{NUMBER}|\u2248\s\S+|NaN)"
    rf"(?:\s+(?:\u00b1|\+-|\?)?\s*(?P<error>{NUMBER}|NaN|\u221e))?\s+"
    rf"(?P<unit>[\w#]+/\w+|\u2248\s0|counts)(?:\s+[\d.,]+x)?"
)
BEGUN = re.compile(r"\S+(?:\s+\S+)*?\s+(?:thrpt|avgt|sample|ss)\s+\d.*")
THREADS = re.compile(r"# Threads: (\d+) threads?\b.*")
BENCHMARK = re.compile(r"# Benchmark: (\S+)")
REPORT = re.compile(
    r"(?:# Warmup )?Iteration\s+\d+:.*|\s*\(min, avg, max\).*|\s*CI \(.*|.*\[Average\]"
)


def sniff(text: Text) -> bool:
    """Return whether the head of the table is there."""
    return "Score" in text.whole and any(HEAD.fullmatch(line.text) for line in text.filled)


def read(text: Text, options: Options) -> Reading:
    """Return the observations of JMH's table (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    rates = Rates(collector)
    ran: dict[str, int] = {}
    threads: int | None = None
    head: re.Match[str] | None = None
    for line in text.filled:
        said = line.text.strip()
        if begin := HEAD.fullmatch(line.text):
            head = begin
        elif stated := THREADS.fullmatch(said):
            threads = collector.whole(line, "threads", stated[1], least=1)
            collector.fact("threads", threads, "", line, threads)
        elif (of := BENCHMARK.fullmatch(said)) and threads is not None:
            ran[of[1]] = threads
        elif REPORT.fullmatch(said):
            collector.skip(line, BETWEEN)
        elif head is not None and (row := ROW.fullmatch(_bare(head, line.text))):
            _row(collector, rates, line, row, head, _threads(ran, row["name"]) or threads)
        elif head is not None and BEGUN.fullmatch(_bare(head, line.text)):
            raise collector.error(line, "benchmark, mode, score, error, unit were expected")
        else:
            collector.skip(line, "not a row of the table")
    rates.finish()
    return collector.reading(empty="no benchmark with its score")


def _bare(head: re.Match[str], text: str) -> str:
    """Return a row without the marks of the comment that the table stands in."""
    mark = head["mark"].strip()
    return text.strip().removeprefix(mark).strip() if mark else text.strip()


def _threads(ran: dict[str, int], name: str) -> int | None:
    """Return the threads of a benchmark, whose name the table has cut short at the front."""
    found = {n for full, n in ran.items() if full == name or full.endswith(f".{name}")}
    return found.pop() if len(found) == 1 else None


def _row(
    collector: Collector,
    rates: Rates,
    line: Line,
    row: re.Match[str],
    head: re.Match[str],
    threads: int | None,
) -> None:
    """Take one row of the table."""
    names = re.findall(r"\(([\w.]+)\)", head["params"])
    values = row["params"].split()
    if len(names) != len(values):
        raise collector.error(line, f"{len(values)} values for the parameters {', '.join(names)}")
    params = dict(zip(names, values, strict=True))
    counting = [name for name in names if name.lower() in POPULATION and params[name].isdigit()]
    if counting:
        threads = collector.whole(line, counting[0], params.pop(counting[0]), least=1)
        collector.warn(f"the parameter ({counting[0]}) is taken as the population")
    n = threads if threads is not None else collector.population(line)
    variant = ",".join(f"{name}:{value}" for name, value in params.items() if value != "N/A")
    _score(collector, rates, line, row, (n, variant))


def _score(
    collector: Collector,
    rates: Rates,
    line: Line,
    row: re.Match[str],
    run: tuple[int | None, str],
) -> None:
    """Add the score of a row: a rate, or a fact where it is none."""
    n, variant = run
    name, unit = row["name"], row["unit"]
    if not row["score"][0].isdigit():
        collector.skip(line, "a score of 0, or none")
        return
    score = _number(collector, line, "score", row["score"])
    own = f"{name} {variant}".strip()
    if row["count"]:
        collector.fact(f"{own}: samples", int(row["count"][:18]), "", line, n)
    if row["error"] and row["error"][0].isdigit():
        error = _number(collector, line, "error", row["error"])
        collector.fact(f"{own}: error, half of a 99.9 % interval", error, unit, line, n)
    turn = jmh_json.turn(unit, n or 1)
    timed = jmh_json.TIME.fullmatch(unit) is not None
    if ":" in name or turn is None or row["mode"] == "ss" or (timed and n is None):
        collector.fact(f"{own}: score", score, unit, line, n)
        collector.warn(NO_THREADS if timed and n is None else NO_RATE)
        return
    if timed:
        collector.fact(f"{own}: score", score, unit, line, n)
        collector.warn(ONE_TASK.format(n="N"))
    if score == 0:
        collector.skip(line, "a score of 0: nothing was measured")
        return
    rates.add(line, turn(score), n, ".".join(name.split(".")[-2:]), variant, aggregated=True)


def _number(collector: Collector, line: Line, what: str, text: str) -> float:
    """Return a number; JMH groups no digits, so that a lone comma is that of its locale."""
    plain = text.replace(",", ".") if text.count(",") == 1 and "." not in text else text
    return collector.number(line, what, plain)


NO_RATE = "percentiles, parts of groups and single shots are no rate of all threads: facts"
NO_THREADS = (
    "a mean time per operation gives a throughput with the threads only, which the table does not "
    "say: give --tasks N (1 without -t), or --at FILE=N"
)
