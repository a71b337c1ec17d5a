"""What pasting adds to a tool's output, taken away for every reader, and said.

Mail quotes, marks of a diff, numbers of lines, names and numbers that grep puts before a line,
colours of a terminal and prompts of a shell. The count of lines stays, so that every number still
has its line. Each rule asks for more than one line could show by chance: a column of data that
counts 1, 2, 4 has a header without a number, a listing with numbered lines has none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

COLOUR = re.compile(
    "\x1b(?:\\[[0-?]{0,40}[ -/]{0,4}[@-~]|\\][^\x07\x1b]{0,400}(?:\x07|\x1b\\\\)|[()][A-Z0-9])"
)
"""Escape sequences of a terminal: colours, titles of windows, character sets."""

QUOTED = re.compile(r">(?!>>> (?:Results of|Sum of|score|time|iterations))")
"""A line quoted in a mail; UnixBench logs have lines of their own that begin with >>>>."""

QUOTED_SHARE = 0.5
"""From this share of lines on, ">" at the start of a line is taken as mail quoting; as in runs of
several lines, where others stand around them."""

SOFT = re.compile(r".{58,74}[^=]=")
"""A line that quoted-printable broke: it goes on in the next (an own = is =3D there)."""

BYTES = re.compile(r"(?:=[0-9A-F]{2})+")
MAILED = re.compile(r"(?:From|Date|Subject|Message-ID|Received|Return-Path|To|Cc):? .*", re.I)
FIELD = re.compile(r"[A-Za-z][\w-]{0,60}:(?: .*)?|[ \t]+\S.*|From \S+ .*")
LEAST_FIELDS = 3
LONGEST_SIGNATURE = 8
"""Lines from the -- that begins a signature on."""

FENCE = re.compile(r"\s*(?:```|~~~)[\w-]*")

HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@.*")
DIFF_HEAD = re.compile(r"(?:diff --git |index [0-9a-f]+\.\.|--- |\+\+\+ |new file mode ).*")
NO_END = "\\ No newline at end of file"

NUMBERED = re.compile(r"[ \t]*(\d{1,6})(?:\t|\s*[:|\u2502]\s?|\s+|(?=[-.=]{4})|$)(.*)")
"""A numbered line: `cat -n`, `nl`, editors, listings in documentation."""

BLOCK = re.compile(
    r"(?: {0,3}0\d{0,5}|(?=[ \d]{6}\t) +\d+|\s*\d{1,6}(?=\s?\u2502))(?=\s|$|\u2502|[-.=]{4})"
)
"""The number of a line that no column of data looks like: padded with zeros, or as `cat -n`."""

FEWEST = 3
"""Lines from which on numbers that count them are no chance."""

FOUND = re.compile(r"(?:\s*([^\s:]*(?:/[^\s:]*|\.\w{1,6})):)?(?:(\d{1,7})[:-])?(.*)")
"""A line that grep found: its file (-H), its number (-n), itself."""

BETWEEN = "--"
"""What grep prints between what it found."""

PROMPT = re.compile(
    r"(?:\([\w.-]{1,40}\) ?)?(?:\[?[\w.-]{1,40}@[\w.-]{1,60}(?:[:\s][^$#%]{0,120}?)?\]?\s?[$#%]"
    r"(?:\s+(?P<command>.*))?|\$ (?P<plain>\S.*))"
)
"""The prompt of a shell with a user and a host, or a lone dollar; # begins a comment elsewhere."""

Lines = list[str]


@dataclass(frozen=True)
class Pasted:
    """Lines without what pasting added.

    Attributes
    ----------
    lines : list of str
        As many as before.
    notes : tuple of str
        What was taken away.
    commands : tuple of (int, str)
        Index of a line and the command that stood there behind a prompt.
    files : tuple of str
        File of each line, where grep said it; empty otherwise.
    fenced : frozenset of int
        Indices of lines between the fences of Markdown.
    """

    lines: Lines
    notes: tuple[str, ...] = ()
    commands: tuple[tuple[int, str], ...] = ()
    files: tuple[str, ...] = ()
    fenced: frozenset[int] = frozenset()


def cleaned(lines: Sequence[str]) -> Pasted:
    """Return lines without what pasting added to them."""
    made = [line.rstrip() for line in lines]
    notes: dict[str, None] = {}
    if any("\x1b" in line for line in made):
        made = [COLOUR.sub("", line).rstrip() for line in made]
        notes["colours of a terminal were taken away"] = None
    for note, rule in ONCE.items():
        found = rule(made)
        if found is not None:
            made = [line.rstrip() for line in found]
            notes[note] = None
    files: tuple[str, ...] = ()
    fenced: frozenset[int] = frozenset()
    if len(made) > MOST_LINES:
        return Pasted(made, tuple(notes))
    changed = True
    while changed:
        changed = False
        for note, rule in RULES.items():
            found = rule(made)
            if found is not None:
                made, changed = [line.rstrip() for line in found], True
                notes[note] = None
        made, inside = _unfenced(made)
        fenced |= inside
        if not files and (searched := _searched(made)) is not None:
            made, files = searched
            notes["what grep puts before a line was taken away"] = None
            changed = True
    commands = _commands(made)
    for index, _ in commands:
        made[index] = ""
    if commands:
        notes["prompts of a shell: what follows them was taken as a command"] = None
    several = files if len(set(files) - {""}) > 1 else ()
    return Pasted(made, tuple(notes), commands, several, fenced)


def _printable(lines: Lines) -> Lines | None:
    """Undo the quoted-printable form of a mail: lines broken at 76 characters, =3D for =."""
    soft = [i for i, line in enumerate(lines) if SOFT.fullmatch(line)]
    said = any("quoted-printable" in line.lower() for line in lines[:200])
    if not soft or (len(soft) < 2 and not said):
        return None
    made = list(lines)
    for i in reversed(soft):
        if i + 1 < len(made):
            made[i] = made[i][:-1] + made[i + 1]
            made[i + 1] = ""
    return [BYTES.sub(_decoded, line) for line in made]


def _decoded(match: re.Match[str]) -> str:
    return bytes.fromhex(match[0].replace("=", "")).decode("utf-8", "replace")


def _without_header(lines: Lines) -> Lines | None:
    """Blank the header of a mail, which ends with the first blank line."""
    first = next((i for i, line in enumerate(lines) if line), 0)
    end = next((i for i in range(first, len(lines)) if not lines[i]), len(lines))
    head = lines[first:end]
    known = sum(1 for line in head if MAILED.fullmatch(line))
    if known < LEAST_FIELDS or not all(FIELD.fullmatch(line) for line in head):
        return None
    body = lines[end:]
    signed = next((i for i in range(len(body) - 1, -1, -1) if body[i] == BETWEEN), None)
    if signed is not None and len(body) - signed <= LONGEST_SIGNATURE:
        body[signed:] = [""] * (len(body) - signed)
    return [*[""] * end, *body]


def _unfenced(lines: Lines) -> tuple[Lines, frozenset[int]]:
    """Blank the fences of Markdown; return which lines stand between them."""
    at = [i for i, line in enumerate(lines) if line and FENCE.fullmatch(line)]
    if len(at) < 2:
        return lines, frozenset()
    inside = {i for low, high in zip(at[::2], at[1::2], strict=False) for i in range(low, high)}
    fences = set(at)
    return ["" if i in fences else line for i, line in enumerate(lines)], frozenset(inside - fences)


def _unquoted(lines: Lines) -> Lines | None:
    """Take mail quoting away if most of the filled lines begin with ">"."""
    filled = sum(1 for line in lines if line)
    marked = [i for i, line in enumerate(lines) if QUOTED.match(line)]
    run = any(b - a == FEWEST - 1 for a, b in zip(marked, marked[FEWEST - 1 :], strict=False))
    if not marked or (len(marked) < QUOTED_SHARE * filled and not run):
        return None
    return [re.sub(r"^> ?", "", line) if QUOTED.match(line) else line for line in lines]


def _patched(lines: Lines) -> Lines | None:
    """Return the new side of a diff; what was removed is no measurement of now."""
    if not any(HUNK.fullmatch(line) for line in lines):
        return _added(lines)
    made: Lines = []
    old = new = 0
    for line in lines:
        if hunk := HUNK.fullmatch(line):
            old, new = (int((count or "1")[:9]) for count in hunk.groups())
            made.append("")
        elif line == NO_END or (old <= 0 and new <= 0 and DIFF_HEAD.fullmatch(line)):
            made.append("")
        elif (old > 0 or new > 0) and line[:1] in ("+", "-", " ", ""):
            old -= line[:1] != "+"
            new -= line[:1] != "-"
            made.append("" if line[:1] == "-" else line[1:])
        else:
            made.append(line)
    return made


def _added(lines: Lines) -> Lines | None:
    """Take the marks of a diff without its head away: every line is new or stayed."""
    filled = [line for line in lines if line]
    new = sum(1 for line in filled if line[0] == "+")
    if new < FEWEST or 2 * new < len(filled) or any(line[0] not in "+ " for line in filled):
        return None
    return [line[1:] for line in lines]


def _without_numbers(lines: Lines) -> Lines | None:
    """Take the numbers of lines away: of all lines, or of a block where they look like it."""
    filled = [(i, line) for i, line in enumerate(lines) if line]
    rows = [(i, match) for i, line in filled if (match := NUMBERED.fullmatch(line))]
    if len(rows) < FEWEST:
        return None
    every = len(rows) == len(filled)
    words = any(re.search(r"[A-Za-z{<]", match[2]) for _, match in rows)
    if every and words and all(_next(a, b) for a, b in pairwise(rows)):
        return [match[2] if (match := NUMBERED.fullmatch(line)) else line for line in lines]
    made, run = list(lines), [rows[0]]
    changed = False
    for row in [*rows[1:], None]:
        if row is not None and _next(run[-1], row) and row[0] - run[-1][0] <= FEWEST:
            run.append(row)
            continue
        if len(run) > FEWEST and sum(bool(BLOCK.match(lines[i])) for i, _ in run) >= FEWEST:
            changed = True
            for i, match in run:
                made[i] = match[2]
        run = [row] if row is not None else []
    return made if changed else None


Numbered = tuple[int, "re.Match[str]"]


def _next(one: Numbered, other: Numbered) -> bool:
    """Return whether the number of a line follows that of the one before."""
    step = int(other[1][1]) - int(one[1][1])
    return step in (1, other[0] - one[0])


def _searched(lines: Lines) -> tuple[Lines, tuple[str, ...]] | None:
    """Take file and number of each line away where grep put them before every one."""
    rows = [FOUND.fullmatch(line) if line and line != BETWEEN else None for line in lines]
    found = [row for row in rows if row is not None]
    if len(found) < 2:
        return None
    numbers = [int(row[2]) for row in found if row[2] and not row[1]]
    if len(numbers) == len(found) and all(a < b for a, b in pairwise(numbers)):
        return [row[3] if row else "" for row in rows], tuple("" for _ in rows)
    made, files = list(lines), [""] * len(lines)
    for own in _blocks(rows):
        whole = [row for row in (rows[i] for i in own) if row is not None]
        if len(whole) < 2 or not all(row[1] for row in whole):
            continue
        counted = all(row[2] for row in whole)
        for i in own:
            row = rows[i]
            files[i] = row[1] if row else ""
            made[i] = "" if row is None else row[3] if counted else lines[i].partition(":")[2]
    return (made, tuple(files)) if any(files) else None


def _blocks(rows: Sequence[re.Match[str] | None]) -> list[list[int]]:
    """Return the indices of lines that stand together, without a blank line between them."""
    made: list[list[int]] = [[]]
    for i, row in enumerate(rows):
        if row is not None:
            made[-1].append(i)
        elif made[-1]:
            made.append([])
    return made


def _commands(lines: Lines) -> tuple[tuple[int, str], ...]:
    """Return index and command of the lines with a prompt."""
    made = []
    for i, line in enumerate(lines):
        if ("$" in line or "@" in line) and (match := PROMPT.fullmatch(line.strip())):
            made.append((i, (match["command"] or match["plain"] or "").strip()))
    return tuple(made)


ONCE: dict[str, Callable[[Lines], Lines | None]] = {
    "the quoted-printable form of a mail was undone": _printable,
    "header and signature of a mail were left out": _without_header,
}
"""The same, of what comes once and outside all else."""

RULES: dict[str, Callable[[Lines], Lines | None]] = {
    "mail quoting ('> ') was taken away; a wrapped line may be lost": _unquoted,
    "marks of a diff were taken away: what it removes is left out": _patched,
    "numbers of lines were taken away": _without_numbers,
}
"""What is said -> what takes it away, or returns None where there is none."""


def unwrapped(lines: Sequence[str], rows: Sequence[re.Pattern[str]]) -> tuple[Lines, int]:
    """Join what a mailer wrapped: lines that are rows of a table together and none alone.

    Parameters
    ----------
    lines : sequence of str
    rows : sequence of re.Pattern
        What a whole row looks like.

    Returns
    -------
    lines : list of str
        As many: the row at its first line, nothing at those that were joined to it.
    count : int
        Rows that were joined.
    """
    made, count = list(lines), 0
    whole = [_is_row(line, rows) for line in made]
    for i, line in enumerate(made):
        if whole[i] or not SHORTEST <= len(line) <= LONGEST or not re.search(r"\w", line):
            continue
        joined = line
        for j in range(i + 1, min(i + 1 + MOST_PIECES, len(made))):
            if whole[j] or not made[j].strip():
                break
            joined += " " + made[j].strip()
            if _is_row(joined, rows):
                made[i : j + 1] = [joined, *[""] * (j - i)]
                whole[i : j + 1] = [True] * (j + 1 - i)
                count += 1
                break
    return made, count


def _is_row(line: str, rows: Sequence[re.Pattern[str]]) -> bool:
    return any(row.fullmatch(line) for row in rows)


MOST_LINES = 100_000
"""More lines than anybody pastes; only a mail's own form is undone in longer files."""

SHORTEST, LONGEST = 30, 120
"""Characters of a line that a mailer wrapped: the words before a number that did not fit."""

MOST_PIECES = 4
"""Lines that one row of a table was wrapped to, after its first."""
