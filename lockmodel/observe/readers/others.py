"""What is no throughput of a population, and what to give instead: said in the refusal."""

from __future__ import annotations

import re

from lockmodel.observe.text import Text

OTHERS = (
    (
        re.compile(r".*-torture:.*(?:Writes|Reads):\s+Total: \d+.*"),
        "locktorture's counts: it holds the lock for delays of its own and is no benchmark; "
        "measure with will-it-scale, `perf bench` or `lockmodel bench`",
    ),
    (
        re.compile(r"(?:Wakeup )?(?:Request )?Latenc\w* percentiles \(usec\).*"),
        "schbench's percentiles: give what a current schbench prints with -R, whose `average rps` "
        "is a throughput",
    ),
    (
        re.compile(r"(?:MIGRATED )?(?:TCP|UDP|SCTP)_?\w* .*TEST .*from .*"),
        "netperf: write its transactions per second in a CSV with tasks,throughput, a row for each "
        "number of netperfs that ran at once",
    ),
    (
        re.compile(
            r"\[ ?ID\]\s+Interval\s+Transfer\s+(?:Bitrate|Bandwidth).*|.*\"bits_per_second\".*"
        ),
        "iperf: bytes per second of streams; write them in a CSV with tasks,throughput and "
        "`# unit: relative`",
    ),
    (
        re.compile(r"Requests\s+\[total, rate(?:, throughput)?\].*"),
        "vegeta sends at a fixed rate: its throughput is what was asked for; use a closed loop "
        "(wrk, hey), one run per number of connections",
    ),
    (
        re.compile(r"# hostname : .*|# captured on\s*: .*|# cmdline : /.*perf record.*"),
        "perf's header without its entries; `perf report --stdio --no-children -g caller,0.05`",
    ),
    (
        re.compile(r"\S+\s+\d+\s+(?:\[\d+\]\s+)?\d+\.\d+:\s+(?:\d+\s+)?[\w:-]+:.*"),
        "`perf script`: give its stacks as `perf script | stackcollapse-perf.pl`",
    ),
    (
        re.compile(r"(?:\[ *\d+\.\d+\] )?(?:BUG|WARNING|INFO|rcu|watchdog): .*"),
        "a kernel log: nothing in it measures a throughput, a wait or a hold",
    ),
)
"""What a line of a text looks like -> what the text is, and what to give instead."""


def said(text: Text) -> str:
    """Return what a text is that no reader takes, and what to give instead; empty if unknown."""
    for line in text.filled[:2000]:
        for pattern, meaning in OTHERS:
            if pattern.fullmatch(line.text.strip()[:1000]):
                return meaning
    return headless(text)


def headless(text: Text) -> str:
    """Return what numbers without a head need; empty if the text is something else."""
    rows = [re.split(r"[,;\t]\s*|\s+", line.text.strip()) for line in text.filled[:40]]
    plain = all(re.fullmatch(r"[+-]?[\d.]+(?:e[+-]?\d+)?", cell) for row in rows for cell in row)
    if len(rows) < 2 or not plain or len({len(row) for row in rows}) != 1 or len(rows[0]) < 2:
        return ""
    return (
        f"{len(rows[0])} columns of numbers without a head: put one above them, `# tasks "
        f"throughput` with a name for each column"
    )
