"""The text's side: which values it names, and whether it types a number.

The rule is simple enough to be checked without a parser. In a .typ file with text, digits may
stand in comments, in references (@key), in labels (<key>), in names of values (n.name) and, as
0, 1 or 2, in mathematics. Anywhere else a digit is a number that somebody typed, and so is a
word for one from five on: the place for both is a script.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

STYLE = "style.typ"
"""The file of sizes and distances, which has no text."""

WORDS = (
    *("five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen"),
    *("fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty", "thirty", "forty"),
    *("fifty", "sixty", "seventy", "eighty", "ninety", "hundred", "thousand", "million", "dozen"),
    *("hundreds", "thousands", "millions", "dozens", "quarter", "quarters", "fifth", "tenth"),
    *("twentieth", "hundredth", "percent"),
)

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)
_NAMED = re.compile(r"#?\bn\.([a-z][a-z0-9_]*)")
_TABLE = re.compile(r'\bdata-table\(\s*"([^"]*)"')
_FIGURE = re.compile(r'\bplot\(\s*"([^"]*)"')
_REFERENCE = re.compile(r"@([A-Za-z][\w:-]*[\w])")
_LABEL = re.compile(r"<([A-Za-z][\w:-]*)>")
_MATH = re.compile(r"\$[^$]*\$", re.S)
_PLAIN_MATH = re.compile(r"(?<![\d.,])[012](?![\d.,]\d|\d)")
_SWALLOWED = re.compile(r"#n\.[a-z0-9_]+;")
_DIGIT = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(rf"\b({'|'.join(WORDS)})\b", re.I)


@dataclass(frozen=True)
class Place:
    """Something named in a file."""

    name: str
    where: str


@dataclass(frozen=True)
class Source:
    """What a .typ file names, and what it should not say.

    Attributes
    ----------
    values, tables, figures, references : tuple of Place
    labels : tuple of str
    typed : tuple of str
        Numbers typed in the text, with their places.
    """

    values: tuple[Place, ...]
    tables: tuple[Place, ...]
    figures: tuple[Place, ...]
    references: tuple[Place, ...]
    labels: tuple[str, ...]
    typed: tuple[str, ...]


def _blank(match: re.Match[str]) -> str:
    """Return blanks of the same length and lines, so that places stay."""
    return re.sub(r"[^\n]", " ", match.group())


def read(path: Path, root: Path) -> Source:
    """Return what a .typ file names and types.

    Parameters
    ----------
    path : Path
    root : Path
        Folder that places are told from.
    """
    text = _COMMENT.sub(_blank, path.read_text(encoding="utf-8"))
    name = path.relative_to(root).as_posix()

    def places(pattern: re.Pattern[str]) -> tuple[Place, ...]:
        matches = pattern.finditer(text)
        return tuple(Place(m.group(1), f"{name}:{_line(text, m.start())}") for m in matches)

    return Source(
        places(_NAMED),
        places(_TABLE),
        places(_FIGURE),
        places(_REFERENCE),
        tuple(_LABEL.findall(text)),
        () if path.name == STYLE else tuple(_typed(text, name)),
    )


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _typed(text: str, name: str) -> Iterator[str]:
    """Yield the numbers of a text, with file, line and surroundings."""
    left = _NAMED.sub(_blank, text)
    left = _LABEL.sub(_blank, _REFERENCE.sub(_blank, left))
    left = _MATH.sub(lambda m: _PLAIN_MATH.sub(" ", m.group()), left)
    matches = [*_DIGIT.finditer(left), *_WORD.finditer(left)]
    for match in sorted(matches, key=lambda m: m.start()):
        line = _line(text, match.start())
        said = " ".join(text.split("\n")[line - 1].split())
        yield f"{name}:{line}: {match.group()!r} is typed: {said[:60]}"
    for match in _SWALLOWED.finditer(text):
        line = _line(text, match.start())
        yield f"{name}:{line}: {match.group()!r}: Typst swallows this semicolon; write another mark"
