"""UnixBench's .log: every pass of every copy, so repeats and fairness."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lockmodel.observe.collector import Collector, Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers import unixbench
from lockmodel.observe.text import Line, Text

TITLE = "UnixBench log"
READS = "every pass of every copy: repeats, and how fair the copies were"
GIVES = ("throughput",)
REMEDY = unixbench.REMEDY

TEST = re.compile(r"(\S.*?) -- (\d+) cop(?:y|ies)")
PASS = re.compile(r"#### Pass (\d+)")
KEY = re.compile(r"# (COUNT0|COUNT1|COUNT2|elapsed|pid|status|TIME|ERROR): ?(.*)")
SUM = re.compile(r"(\*Dump|Count) score:\s+([\d.,]+)")
SCORE = re.compile(r">>>> (score|time|iterations): (\S+)")
NOISE = re.compile(r"#{20,}|==> .*|>>>> (?:Results|Sum) of .*|>>>> (?:score|time|iterations): .*")

SCORE_SLACK = 1e-3
"""How far our mean of the kept passes may be from the score that UnixBench computed."""


ALL_PASSES = "all passes are kept as repeats; UnixBench's score leaves out the worst third"


@dataclass
class _Pass:
    """What the copies of one pass counted."""

    number: int
    line: Line
    copies: list[dict[str, str]] = field(default_factory=list)


@dataclass
class _Block:
    """One test with one number of copies."""

    test: str
    copies: int
    line: Line
    passes: list[_Pass] = field(default_factory=list)
    sums: list[tuple[bool, float]] = field(default_factory=list)
    score: tuple[Line, float] | None = None


def sniff(text: Text) -> bool:
    """Return whether there are passes with counts."""
    return any(PASS.fullmatch(line.text) for line in text.filled) or any(
        line.text.startswith("# COUNT0:") for line in text.filled
    )


def read(text: Text, options: Options) -> Reading:
    """Return the observations of a UnixBench log (see `readers`)."""
    collector = Collector(text, TITLE, REMEDY, options)
    block: _Block | None = None
    for line in text.filled:
        if test := TEST.fullmatch(line.text):
            _finish(collector, block)
            copies = collector.whole(line, "copies", test[2], least=1)
            block = _Block(test[1], copies, line)
        elif block is None:
            if not NOISE.fullmatch(line.text):
                collector.skip(line, "before the first test")
        else:
            _line(collector, block, line)
    if block is None:
        raise collector.error(None, "no line '<test> -- C copies'")
    _finish(collector, block)
    if collector.observations:
        collector.warn(ALL_PASSES)
    return collector.reading(empty="no pass has a count")


def _line(collector: Collector, block: _Block, line: Line) -> None:
    """Take one line of a block."""
    if begin := PASS.fullmatch(line.text):
        block.passes.append(_Pass(collector.whole(line, "pass", begin[1]), line))
    elif key := KEY.fullmatch(line.text):
        if not block.passes:
            raise collector.error(line, "a count before '#### Pass 1'")
        collector.checked(line, "counts and times of single copies")
        copies = block.passes[-1].copies
        if not copies or key[1] in copies[-1] or (key[1] == "COUNT0"):
            copies.append({})
        copies[-1][key[1]] = key[2]
    elif total := SUM.fullmatch(line.text):
        collector.checked(line, "sums of the counts")
        block.sums.append((total[1] == "*Dump", collector.number(line, "score", total[2])))
    elif score := SCORE.fullmatch(line.text):
        collector.checked(line, "score, time and number of passes kept")
        if score[1] == "score":
            block.score = (line, collector.number(line, "score", score[2]))
    elif line.text.startswith("==> "):
        collector.note(f"command of {block.test}", line.text[4:])
    elif not NOISE.fullmatch(line.text):
        collector.skip(line, "output of the benchmark")


def _finish(collector: Collector, block: _Block | None) -> None:
    """Add the passes of a finished block."""
    if block is None:
        return
    if not block.passes:
        collector.skip(block.line, "a test without a pass")
        return
    totals = []
    rates = []
    unit = ""
    for one in block.passes:
        if len(one.copies) != block.copies:
            raise collector.error(
                one.line,
                f"{len(one.copies)} of {block.copies} copies have a result; the log is cut off or "
                f"a copy failed",
            )
        counts = []
        rate = 0.0
        for copy in one.copies:
            count, part, unit = _copy(collector, one.line, copy)
            counts.append(count)
            rate += part
        totals.append(sum(counts))
        rates.append(rate)
        unixbench.add(
            collector, one.line, block.test, rate, unit, block.copies, one.number, aggregated=False
        )
        if block.copies > 1 and min(counts) > 0:
            collector.fact(
                f"{block.test}, pass {one.number}: fastest copy / slowest",
                max(counts) / min(counts),
                "",
                one.line,
                block.copies,
            )
    _check_sums(collector, block, totals, rates, unit)


def _copy(collector: Collector, line: Line, copy: dict[str, str]) -> tuple[int, float, str]:
    """Return count, rate (in the unit) and unit of one copy."""
    for key in ("COUNT0", "COUNT1", "COUNT2", "elapsed"):
        if key not in copy:
            raise collector.error(line, f"a copy of this pass has no {key}; the log is cut off")
    if copy.get("ERROR") or copy.get("status", "0") != "0":
        reason = copy.get("ERROR") or f"status {copy['status']}"
        raise collector.error(
            line, f"a copy of this pass failed ({reason[:40]}); run the test again"
        )
    count = collector.whole(line, "COUNT0", copy["COUNT0"])
    base = collector.number(line, "COUNT1", copy["COUNT1"])
    seconds = collector.number(line, "elapsed", copy.get("TIME") or copy["elapsed"])
    unit = copy["COUNT2"].strip()
    if unit not in unixbench.UNITS:
        raise collector.error(line, f"COUNT2 {unit!r} is none of {', '.join(unixbench.UNITS)}")
    if seconds <= 0 or base < 0:
        raise collector.error(line, f"elapsed {seconds:g} s and COUNT1 {base:g} cannot be")
    return count, count * base / seconds if base else float(count), unit


def _check_sums(
    collector: Collector, block: _Block, totals: list[int], rates: list[float], unit: str
) -> None:
    """Hold the counts against the sums and the score that UnixBench computed from them."""
    if block.sums and sorted(totals) != sorted(round(value) for _, value in block.sums):
        raise collector.error(
            block.line, f"sums {sorted(totals)} of the counts are not the scores printed below"
        )
    if block.score is None or not block.sums:
        collector.warn(
            f"{block.test}, {block.copies} copies: no score at the end; was it interrupted?"
        )
        return
    line, score = block.score
    kept = sorted(value for dumped, value in block.sums if not dumped)
    pairs = dict(zip(totals, rates, strict=True))
    product = 1.0
    for value in kept:
        product *= pairs.get(round(value), score) ** (1 / len(kept))
    if abs(product / score - 1) > SCORE_SLACK if score > 0 else True:
        raise collector.error(
            line, f"score {score:g} is not the mean of the kept passes, {product:g} {unit}"
        )
