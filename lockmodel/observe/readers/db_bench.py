"""db_bench of RocksDB and LevelDB: operations per second of each benchmark."""

from __future__ import annotations

import re

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.names import of_flag
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers.rated import ONE_TASK, Rates
from lockmodel.observe.text import Line, Text

TITLE = "db_bench"
READS = "operations per second of all threads of each benchmark; latencies as facts"
SEEN = "RocksDB 8.1, LevelDB 1.23: from memory, not run"
GIVES = ("throughput",)
REMEDY = (
    'run `for n in 1 2 4 8; do echo "db_bench --threads=$n"; db_bench --benchmarks=readrandom '
    "--threads=$n; done > runs.txt`"
)

ROW = re.compile(
    r"(?P<name>[a-z]\w{1,40})\s*(?:\[\w[^\]]*\])?\s*:\s*(?P<micros>[\d.,]+) micros/op"
    r"(?:;?\s*(?P<rate>\d[\d.,]*) ops/sec)?;?(?P<rest>.*)"
)
REST = re.compile(r"(\d[\d.,]*) (seconds|operations|MB/s)|\((\d+) of (\d+) found\)")
BEGUN = re.compile(r"[a-z]\w{1,40}\s*:\s*[\d.,]+ micros.*")
COMMAND = re.compile(r"(?:\S*/)?db_bench\b.*|.*\s(?:\S*/)?db_bench\b.*--threads.*")


def sniff(text: Text) -> bool:
    """Return whether there is a benchmark with its time per operation."""
    return " micros/op" in text.whole and any(
        ROW.fullmatch(line.text.strip()) for line in text.filled
    )


def read(text: Text, options: Options) -> Reading:
    """Return the observations of db_bench's output (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    rates = Rates(collector)
    n: int | None = None
    for line in text.said:
        said = line.text.strip()
        if row := ROW.fullmatch(said):
            _row(collector, rates, line, row, n)
        elif COMMAND.fullmatch(said):
            n = of_flag(said, "--threads", "-threads") or 1
            collector.note(f"command of line {line.number}", said)
            collector.fact("threads", n, "", line, n)
        elif BEGUN.fullmatch(said):
            raise collector.error(line, "'NAME : N micros/op ..' was expected: cut off?")
        else:
            collector.skip(line, "not a benchmark's result")
    rates.finish()
    return collector.reading(empty="no benchmark with its time per operation")


def _row(collector: Collector, rates: Rates, line: Line, row: re.Match[str], n: int | None) -> None:
    """Take the result of one benchmark; LevelDB prints no rate, only the time per operation."""
    name = row["name"]
    micros = collector.number(line, "micros/op", row["micros"])
    collector.fact(f"{name}: time per operation", micros, "us", line, n)
    for value, unit, found, of in REST.findall(row["rest"]):
        if unit:
            collector.fact(f"{name}: {unit}", collector.number(line, unit, value), "", line, n)
        else:
            collector.fact(f"{name}: found", int(found[:18]), "", line, n)
            collector.fact(f"{name}: sought", int(of[:18]), "", line, n)
    if row["rate"]:
        rate = collector.number(line, "ops/sec", row["rate"])
        rates.add(line, rate, n, f"db_bench {name}")
        return
    if micros == 0:
        collector.skip(line, "a time of 0: nothing was measured")
        return
    at_once = n or collector.population(line) or 1
    collector.warn(ONE_TASK.format(n="N"))
    rates.add(line, at_once / (micros * 1e-6), n, f"db_bench {name}")
