"""Files as readers see them: bounded, decoded, without what pasting added, in numbered lines."""

from __future__ import annotations

import re
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from lockmodel.errors import ScenarioError
from lockmodel.observe import pasted
from lockmodel.regular import reading

MAX_BYTES = 64_000_000
"""Largest file read, also after unpacking: a day of lock statistics is a few megabytes."""

MAX_LINES = 1_000_000
MAX_LINE = 20_000
"""Most characters in one line of a table."""

MAX_JSON = 16_000_000
"""Most characters of JSON: it is in memory as a whole, up to fifty times as large."""

GZIP = b"\x1f\x8b"

LEAST_SECTION = 3
"""Lines from which on equal sections are one that was appended to itself, not equal results."""


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
        Without line ends, trailing blanks and what pasting added (see `pasted`).
    notes : tuple of str
        What pasting had added and was taken away.
    commands : tuple of Line
        What stood behind the prompts of a shell; their lines are blank.
    files : tuple of str
        File of each line, if grep found them in several.
    fenced : frozenset of int
        Numbers of the lines between the fences of Markdown.
    ended : bool
        Whether the last line has a line end.
    repeats : tuple of int
        Where sections began that are equal to an earlier one; their lines are blank.
    """

    origin: str
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()
    commands: tuple[Line, ...] = ()
    files: tuple[str, ...] = ()
    fenced: frozenset[int] = frozenset()
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

    @cached_property
    def said(self) -> tuple[Line, ...]:
        """The lines that are not blank, and the commands as `$ COMMAND`, in order."""
        if not self.commands:
            return self.filled
        commands = (Line(line.number, f"$ {line.text}") for line in self.commands)
        return tuple(sorted((*self.filled, *commands)))

    def apart(self, line: Line) -> bool:
        """Return whether the line above a line is blank: a table may end there."""
        return line.number < 2 or not self.lines[line.number - 2].text

    def dedented(self) -> Text | None:
        """Return the text without the blanks that all lines begin with; None if one has none."""
        common = min((len(x.text) - len(x.text.lstrip()) for x in self.filled), default=0)
        if not common:
            return None
        made = from_text("\n".join(x.text[common:] for x in self.lines), self.origin)
        commands = tuple(sorted((*self.commands, *made.commands)))
        notes = (*self.notes, "indentation was taken away", *made.notes)
        return replace(made, notes=notes, commands=commands, ended=self.ended)

    def only(self, numbers: Collection[int]) -> Text:
        """Return the text of some lines; the numbers of lines stay."""
        left = sum(1 for line in self.filled if line.number not in numbers)
        what = "1 line around it was" if left == 1 else f"{left} lines around it were"
        lines = tuple(x if x.number in numbers else Line(x.number, "") for x in self.lines)
        return replace(
            self, lines=lines, notes=(*self.notes, f"{what} left out"), fenced=frozenset()
        )

    def unwrapped(self, rows: Sequence[re.Pattern[str]]) -> Text:
        """Return the text with rows of a table joined that a mailer wrapped."""
        if not rows:
            return self
        lines, count = pasted.unwrapped([line.text for line in self.lines], rows)
        if not count:
            return self
        what = "1 row that a mailer wrapped was" if count == 1 else f"{count} wrapped rows were"
        made = tuple(Line(number, line) for number, line in enumerate(lines, start=1))
        return replace(self, lines=made, notes=(*self.notes, f"{what} joined"))

    def parts(self) -> dict[str, Text]:
        """Return the text of each file that grep found lines in; their numbers stay."""
        return {
            name: replace(
                self,
                lines=tuple(
                    line if file == name else Line(line.number, "")
                    for line, file in zip(self.lines, self.files, strict=True)
                ),
                files=(),
            )
            for name in dict.fromkeys(filter(None, self.files))
        }


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
    """Return the text in lines, without what pasting added."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if len(plain) > MAX_LINES:
        raise ScenarioError(f"{origin}: more than {MAX_LINES} lines; cut out the run that matters")
    json = text.lstrip()[:1] in ("{", "[")
    if json and len(text) > MAX_JSON:
        raise ScenarioError(
            f"{origin}: JSON of more than {MAX_JSON // 1_000_000} MB; cut out the run that matters"
        )
    for number, line in enumerate(plain, start=1):
        if len(line) > MAX_LINE and not json:
            raise ScenarioError(
                f"{origin}:{number}: {len(line)} characters in one line; this is no table"
            )
    clean = pasted.cleaned(plain)
    repeats = _blank_repeats(clean.lines)
    lines = tuple(Line(number, line) for number, line in enumerate(clean.lines, start=1))
    commands = tuple(Line(i + 1, command) for i, command in clean.commands if command)
    ended = json or text[-1:] in ("\n", "\r")
    fenced = frozenset(i + 1 for i in clean.fenced)
    return Text(origin, lines, clean.notes, commands, clean.files, fenced, ended, repeats)


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
