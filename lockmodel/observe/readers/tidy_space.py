"""Columns with blanks between them, as gnuplot takes them: `# threads ops/s`, then numbers."""

from __future__ import annotations

import re
from collections.abc import Callable

from lockmodel.observe.collector import Options
from lockmodel.observe.observations import Reading
from lockmodel.observe.readers.tidy import is_contract
from lockmodel.observe.readers.tidy_csv import RULE, header_of, is_value, of_table
from lockmodel.observe.text import Line, Text

TITLE = "columns of throughput"
READS = "the same as of a CSV, with blanks between the columns; the head may be a comment"
GIVES = ("throughput", "acquires", "hold_time", "mean_wait", "idle_share")
REMEDY = "write a line `# tasks throughput` and one row per repeat, blanks between the numbers"


def sniff(text: Text) -> bool:
    """Return whether the head has a population and a throughput, and the row below its numbers."""
    header = _header(text)
    if header is None or re.search(r"[,;|{<\t]", header.text):
        return False
    names = _split(text)(header.text)
    rows = (line for line in text.filled if line.number > header.number)
    below = next((line for line in rows if not RULE.fullmatch(line.text)), None)
    if below is None or any(map(is_value, names)) or not is_contract(names):
        return False
    row = _split(text)(below.text)
    return len(row) == len(names) and sum(map(is_value, row)) >= 2


def _header(text: Text) -> Line | None:
    return header_of(text, _split(text))


def _split(text: Text) -> Callable[[str], list[str]]:
    """Return how a line is split: by two blanks where a head has words with one between them."""
    rows = [line.text for line in text.filled if not line.text.lstrip().startswith("#")]
    if rows and not any(map(is_value, rows[0].split())):
        wide = re.split(r"\s{2,}|\t", rows[0].strip())
        if len(rows) > 1 and len(wide) == len(rows[1].split()) != len(rows[0].split()):
            return _wide
    return str.split


def _wide(line: str) -> list[str]:
    """Return the cells of a head by two blanks, of a row of numbers by one."""
    wide = re.split(r"\s{2,}|\t", line.strip())
    plain = line.split()
    return plain if any(map(is_value, plain)) else wide


def read(text: Text, options: Options) -> Reading:
    """Return the observations of columns with blanks between them (see `readers`)."""
    return of_table(text, options, _header(text), (TITLE, REMEDY), _split(text))
