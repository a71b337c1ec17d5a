"""Files as readers see them: bounded, decoded, without mail quoting, in numbered lines."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from lockmodel.errors import ScenarioError
from lockmodel.regular import reading

MAX_BYTES = 64_000_000
"""Largest file read, also after unpacking: a day of lock statistics is a few megabytes."""

MAX_LINES = 1_000_000
MAX_LINE = 20_000
"""Most characters in one line of a table."""

GZIP = b"\x1f\x8b"

QUOTED = re.compile(r">(?!>>> (?:Results of|Sum of|score|time|iterations))")
"""A line quoted in a mail; UnixBench logs have lines of their own that begin with >>>>."""

LEAST_SECTION = 3
"""Lines from which on equal sections are one that was appended to itself, not equal results."""

QUOTED_SHARE = 0.5
"""From this share of lines on, ">" at the start of a line is taken as mail quoting."""


class Line(NamedTuple):
    """One line and its number in the file, from 1."""

    number: int
    text: str


@dataclass(frozen=True)
class Text:
    """A file's text.

    Attributes
    ----------
    origin : str
        Name of the file as given.
    lines : tuple of Line
        Without line ends, mail quoting and trailing blanks.
    quoted : bool
        Whether mail quoting was taken away.
    ended : bool
        Whether the last line has a line end.
    repeats : tuple of int
        Where sections began that are equal to an earlier one; their lines are blank.
    """

    origin: str
    lines: tuple[Line, ...]
    quoted: bool = False
    ended: bool = True
    repeats: tuple[int, ...] = ()

    @cached_property
    def whole(self) -> str:
        """All lines in one piece."""
        return "\n".join(line.text for line in self.lines)

    @cached_property
    def filled(self) -> tuple[Line, ...]:
        """The lines that are not blank."""
        return tuple(line for line in self.lines if line.text and not line.text.isspace())


def load(path: Path, name: str | None = None) -> Text:
    """Read a file, plain or gzip.

    Parameters
    ----------
    path : Path
        The file.
    name : str, optional
        How to call it in errors and sources.

    Returns
    -------
    Text

    Raises
    ------
    FileError
        It cannot be read.
    ScenarioError
        It is too large or not UTF-8 text.
    """
    origin = name or str(path)
    with reading(path, origin) as file:
        content = file.read(MAX_BYTES + 1)  # a pipe has no size but may have no end
    return decode(content, origin)


def decode(content: bytes, origin: str) -> Text:
    """Return the text of a file's content; `origin` names it in errors (see `load`)."""
    if content.startswith(GZIP):
        content = _unpacked(content, origin)
    if len(content) > MAX_BYTES:
        raise ScenarioError(
            f"{origin}: larger than {MAX_BYTES // 1_000_000} MB; cut out the run that matters"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        seen = content[error.start : error.start + 4].hex(" ")
        raise ScenarioError(
            f"{origin}:{number}: bytes {seen} are not UTF-8 text; convert the file with "
            f"`iconv -f ENCODING -t UTF-8`, or run the tool with LC_ALL=C.UTF-8"
        ) from None
    if "\0" in text:
        raise ScenarioError(
            f"{origin}: holds binary data, not text; a perf.data file must first be printed "
            f"(`perf lock contention -i FILE`, `perf script`)"
        )
    return from_text(text, origin)


def _unpacked(content: bytes, origin: str) -> bytes:
    try:
        unpack = zlib.decompressobj(wbits=31)
        made = unpack.decompress(content, MAX_BYTES + 1)
    except zlib.error as error:
        raise ScenarioError(f"{origin}: broken gzip file ({error}); copy it again") from None
    if not unpack.eof and len(made) <= MAX_BYTES:
        raise ScenarioError(f"{origin}: gzip file ends too early; copy it again")
    return made


def from_text(text: str, origin: str) -> Text:
    """Return the text in lines, without mail quoting."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if len(plain) > MAX_LINES:
        raise ScenarioError(f"{origin}: more than {MAX_LINES} lines; cut out the run that matters")
    plain = [line.rstrip() for line in plain]
    json = text.lstrip()[:1] in ("{", "[")
    for number, line in enumerate(plain, start=1):
        if len(line) > MAX_LINE and not json:
            raise ScenarioError(
                f"{origin}:{number}: {len(line)} characters in one line; this is no table"
            )
    quoted = False
    while _is_quoted(plain):
        plain = [re.sub(r"^> ?", "", line) if QUOTED.match(line) else line for line in plain]
        quoted = True
    repeats = _blank_repeats(plain)
    lines = tuple(Line(number, line) for number, line in enumerate(plain, start=1))
    return Text(origin, lines, quoted, json or text[-1:] in ("\n", "\r"), repeats)


def _blank_repeats(lines: list[str]) -> tuple[int, ...]:
    """Blank the sections that are equal to an earlier one; return the numbers of their first lines.

    A section begins where the first line of the file comes again.
    """
    head = next((line for line in lines if line), None)
    starts = [i for i, line in enumerate(lines) if line == head]
    seen: set[tuple[str, ...]] = set()
    repeats = []
    for start, end in pairwise([*starts, len(lines)]):
        section = tuple(line for line in lines[start:end] if line)
        if section in seen:
            repeats.append(start + 1)
            lines[start:end] = [""] * (end - start)
        elif len(section) >= LEAST_SECTION:
            seen.add(section)
    return tuple(repeats)


def _is_quoted(lines: list[str]) -> bool:
    """Return whether most of the filled lines begin with ">"."""
    filled = [line for line in lines if line]
    marked = sum(1 for line in filled if QUOTED.match(line))
    return bool(marked) and marked >= QUOTED_SHARE * len(filled)
