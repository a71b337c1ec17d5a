"""What became of every number of a file: an observation, a fact, or named as left out.

A number counts if a unit stands behind it, if it ends its line (`key: 12`), or if it stands in a
row of several numbers (a column under a header). It is accounted for by an observation or a fact of
its line that has its value, in any power of ten, per minute or in per cent; or by what the reading
says it left out of that line.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass

from lockmodel.observe.observations import Reading
from lockmodel.observe.text import Text

DATE = re.compile(
    r"\d{1,4}[-/]\d\d[-/]\d{1,4}|\d\d?:\d\d(?::\d\d)?|\b(?:19|20)\d\d\b(?!\.)|[A-Z][a-z]{2} +\d\d? "
)
BANNER = re.compile(r"build id|Looking at|attached_probes|Attaching|Tracing|^\S+@\S+[$#](?: |$)")
"""What a tool says of itself, and prompts."""

TAG = re.compile(r"</?[a-z][a-z0-9]*(?: [^<>]*)?>")
"""Of HTML, with its widths."""

PLAIN = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
GROUPED = r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?"
NUMBER = re.compile(rf"(?<![\w.+-])(?:{PLAIN})(?![\w.])", re.I)
LONG = re.compile(rf"(?<![\w.+,-])(?:{GROUPED}|{PLAIN})(?![\w.,])", re.I)
UNIT = re.compile(
    r"\s?(?:%|(?:ns|us|ms|s|sec|min|KBps|lp[sm]|MWIPS|usecs?|nsecs?|msecs?|ops|operations|samples|cycles"
    r"|events)\b|CPUs)"
)
SHORT = re.compile(r"(?<![\w.])\d+(?:\.\d+)?[kKMG](?![\w.])")
SCALES = (*(10.0**k for k in range(-12, 13)), 60.0, 1 / 60.0)


@dataclass
class Account:
    """What is known of the numbers of a file."""

    kept: int = 0
    named: int = 0
    lost: tuple[tuple[int, str], ...] = ()


def account(text: Text, reading: Reading) -> Account:
    """Return how many numbers of a text became what; `lost` has line and number."""
    values = _values(reading)
    everywhere = [*values.get(0, [])]
    for o in reading.observations:  # a histogram stands below the line that names it
        everywhere += [n for b in o.bins for n in (b.low, b.high, b.count)]
    left = Counter(line for line, _ in reading.left_out)
    named = {w for o in reading.observations for w in (o.kernel, o.variant, o.what, o.lock, o.site)}
    of_line: dict[int, str] = {}
    for fact in reading.facts:  # "latency, 99 %"
        of_line[fact.source.line] = f"{of_line.get(fact.source.line, '')} {fact.name}"
    words = " ".join((*reading.warnings, *reading.metadata.values(), *named))
    made = Account()
    lost: list[tuple[int, str]] = []
    for line in text.filled:
        own = [*values.get(line.number, []), *everywhere]
        free = left[line.number] or left[0]
        for number in _numbers(line.text):
            value = float(re.sub("[,']", "", number))
            if any(_same(value, number, one) or _same(value + 1, number, one) for one in own):
                made.kept += 1
            elif (
                free
                or number in words
                or number in re.findall(r"[\d.]+", of_line.get(line.number, ""))
            ):
                made.named += 1
            else:
                lost.append((line.number, number))
    made.lost = tuple(lost)
    return made


def _numbers(line: str) -> list[str]:
    """Return the numbers of a line that measure something."""
    if BANNER.search(line):
        return []
    line = TAG.sub(" ", line)
    line = DATE.sub(lambda match: "_" * len(match[0]), line)
    if ";" in line and not re.search(r"\d,\d{3}\b", line):
        line = re.sub(r"(?<=\d),(?=\d)", ".", line)
    table = line.count(",") >= 3 and ", " not in line and '"' not in line
    grouped = (
        not table
        and re.search(r"\d,\d{3}\b(?![,;])", line)
        and not re.search(r"[A-Za-z\d],[A-Za-z]", line)
    )
    found = list((LONG if grouped else NUMBER).finditer(line))
    row = len(found) >= 2
    ends = len(line.rstrip(' ,]}"'))
    return [m[0] for m in found if row or UNIT.match(line, m.end()) or m.end() == ends]


def _values(reading: Reading) -> dict[int, list[float]]:
    """Return the numbers of a reading by line, with what follows from two of them."""
    made: dict[int, list[float]] = {}
    for o in reading.observations:
        own: list[float | None] = [o.value, o.sd, o.count, o.low, o.high, o.n, o.repeat]
        if o.count:
            own.append(o.value * o.count)  # a total
        if o.sd:
            own.append(o.sd / o.value)
        made.setdefault(o.source.line, []).extend(v for v in own if v is not None)
    for fact in reading.facts:
        made.setdefault(fact.source.line, []).append(fact.value)
        if fact.n is not None:
            made[fact.source.line].append(float(fact.n))
    return made


def _same(value: float, printed: str, one: float) -> bool:
    """Return whether a number is a value of the reading, in another unit and rounded."""
    if not math.isfinite(one):
        return False
    if value == 0 or one == 0:
        return value == one
    digits = printed.partition(".")[2]
    half = 1.01 * 10.0 ** -len(re.sub(r"e.*", "", digits)) if "." in printed else 0.0
    whole = 1.01 if not digits and abs(value) >= 1000 else 0.0  # a mean in whole ns, cut off
    slack = max(half, whole) + 1e-6 * abs(value)
    return any(abs(abs(value) - abs(one) * scale) <= slack for scale in SCALES)
