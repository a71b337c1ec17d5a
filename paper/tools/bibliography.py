"""references.bib: its keys, and the form that Typst's styles print in full.

No style that Typst ships prints the note of an entry, where mails have their Message-ID and
patches their commit. So the note is put behind the title before typesetting.
"""

from __future__ import annotations

import re

FILE = "references.bib"

_ENTRY = re.compile(r"^@\w+\{\s*([^,\s]+)\s*,", re.M)
_TITLE = re.compile(r"\btitle=\{")
_NOTE = re.compile(r",\s*note=\{")


def keys(text: str) -> list[str]:
    """Return the keys of the entries, in order."""
    return _ENTRY.findall(text)


def with_notes(text: str) -> str:
    """Return the entries with each note behind its title, one entry a line as in the source."""
    return "".join(_moved(line) for line in text.splitlines(keepends=True))


def _moved(line: str) -> str:
    title, note = _TITLE.search(line), _NOTE.search(line)
    if not line.startswith("@") or title is None or note is None:
        return line
    said = _braced(line, note.end())
    end = title.end() + len(_braced(line, title.end()))
    without = line[: note.start()] + line[note.end() + len(said) + 1 :]
    return f"{without[:end]}. {said}{without[end:]}"


def _braced(line: str, start: int) -> str:
    """Return what stands from `start` to the brace that closes it."""
    depth = 1
    for i in range(start, len(line)):
        depth += {"{": 1, "}": -1}.get(line[i], 0)
        if depth == 0:
            return line[start:i]
    return line[start:]
