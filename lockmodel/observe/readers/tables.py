"""Tables whose heads nobody knows: which form they have, and what to say so that they are read."""

from __future__ import annotations

from collections.abc import Iterator

from lockmodel.observe.readers.heads import known
from lockmodel.observe.readers.json_rows import KEY
from lockmodel.observe.readers.tidy import canonical, is_contract
from lockmodel.observe.readers.tidy_csv import SEPARATORS, cells, header_of, is_name, is_value
from lockmodel.observe.readers.tidy_csv import separator as separator_of
from lockmodel.observe.readers.tidy_markdown import RULE
from lockmodel.observe.text import Text

LOOKED_AT = 40
"""Lines in which the head of a table must stand."""


def table_form(text: Text) -> str:
    """Return which of our table formats a text has, whatever its columns are called."""
    begins = text.filled[0].text.lstrip()
    if begins.startswith("["):
        return "json"
    if begins.startswith("{"):
        return "jsonl" if begins.rstrip().endswith("}") and "[" not in begins else "json"
    if any("|" in line.text and RULE.fullmatch(line.text) for line in text.filled[:LOOKED_AT]):
        return "markdown"
    header = header_of(text)
    if header is not None and any(sep in header.text for sep in SEPARATORS):
        return "csv"
    return "columns"


def unread(text: Text) -> str:
    """Return what is missing in the head of what looks like a table; empty if it does not."""
    names = _names(text)
    own = {canonical(name) for name in names}
    missing = [] if "tasks" in own else ["tasks"]
    missing += [] if own & {"throughput", "latency"} else ["throughput"]
    if len(names) < 2 or not missing:
        return ""
    return f"a table with the columns {', '.join(names)[:200]}, but {known(missing)}"


def _names(text: Text) -> list[str]:
    """Return the names of the columns of a table: a line of names, below it one with numbers."""
    form = table_form(text)
    if form in ("json", "jsonl"):
        return list(dict.fromkeys(KEY.findall(text.whole[:2000].partition("}")[0])))
    rows = text.filled[:LOOKED_AT]
    if form == "markdown":
        at = next(
            i for i, line in enumerate(rows) if "|" in line.text and RULE.fullmatch(line.text)
        )
        return [name.strip() for name in rows[max(0, at - 1)].text.strip().strip("|").split("|")]
    header = header_of(text)
    below = next((line for line in text.filled if header and line.number > header.number), None)
    if header is None or below is None:
        return []
    if form == "csv":
        sep = separator_of(header.text)
        names, numbers = cells(header.text, sep), cells(below.text, sep)
    else:
        names, numbers = header.text.split(), below.text.split()
    plain = [name.strip() for name in names]
    alike = len(plain) == len(numbers) and all(map(is_name, plain))
    return plain if alike and sum(map(is_value, numbers)) >= (1 if form == "csv" else 2) else []


def excerpts(text: Text) -> Iterator[Text]:
    """Return parts of a text that may be read alone: what is fenced, a table among words, JSON.

    And the text without its indentation, if every line has one.
    """
    if (bare := text.dedented()) is not None:
        yield bare
        yield from excerpts(bare)
    if text.fenced and any(line.number in text.fenced for line in text.filled):
        yield text.only(text.fenced)
    yield from _documents(text)
    lines = text.filled
    for i, line in enumerate(lines[:-1]):
        for split in (_cells, str.split):
            names = split(line.text.lstrip("# "))
            if not 2 <= len(names) <= MOST_COLUMNS or not is_contract(names):
                continue
            chosen = {line.number}
            for other in lines[i + 1 :]:
                row = split(other.text)
                if len(row) != len(names) or not any(map(is_value, row)):
                    break
                chosen.add(other.number)
            for other in reversed(lines[:i]):
                if not other.text.lstrip().startswith("#"):
                    break
                chosen.add(other.number)
            if len(chosen) > 1:
                yield text.only(chosen)
    yield from _paragraphs(text)


def _documents(text: Text) -> Iterator[Text]:
    """Return the lines from the first that opens JSON or HTML to the last that closes it."""
    for opens, closes in (("{", "}"), ("[", "]"), ("<", ">")):
        first = next((x.number for x in text.filled if x.text.lstrip()[:1] == opens), None)
        last = next((x.number for x in reversed(text.filled) if x.text[-1:] == closes), None)
        if first is not None and last is not None and first <= last:
            yield text.only(range(first, last + 1))


def _paragraphs(text: Text) -> Iterator[Text]:
    """Return the longest pieces between blank lines."""
    pieces: list[list[int]] = [[]]
    for line in text.lines:
        if line.text:
            pieces[-1].append(line.number)
        elif pieces[-1]:
            pieces.append([])
    several = sorted((own for own in pieces if len(own) > 1), key=len, reverse=True)
    if len(pieces) > 1:
        for own in several[:MOST_PIECES]:
            yield text.only(frozenset(own))


MOST_PIECES = 6
"""Paragraphs that are tried alone."""


def _cells(line: str) -> list[str]:
    return cells(line, separator_of(line))


MOST_COLUMNS = 40
