"""The population in a name: threads:4 of a benchmark, run_8threads.txt, a command's --clients 16.

Only a word that says what is counted decides. A bare number or letter may be anything: c5 is a
kind of machine, -2 a second run.
"""

from __future__ import annotations

import re

NOUN = (
    r"(?:threads?|thrs?|nthreads|num_threads|tasks?|ntasks|clients?|conns?|connections?|copies"
    r"|procs?|nprocs|processes|jobs?|numjobs|workers?|goroutines|users|concurrency|population)"
)
AFTER = re.compile(rf"(?<![a-z]){NOUN}[ ]?[:=_.-]?[ ]?(\d{{1,7}})(?![\d.]*\d)", re.I)
"""threads:4, clients=16, threads8"""

BEFORE = re.compile(rf"(?<![\d.])(\d{{1,7}})[ _-]?{NOUN}(?![a-z])", re.I)
"""8threads, 16_clients"""

FLAG = re.compile(rf"(?<!\S)-{{1,2}}(?:{NOUN}[ =]|j ?)(\d{{1,7}})(?!\S)", re.I)
"""--threads 4, --clients=16, -j8"""

LONGEST = 400
"""Characters of a name or command that are looked at."""


def in_name(text: str) -> int | None:
    """Return the population that a name states; None if it states none, or two."""
    text = text[:LONGEST]
    found = {int(n) for pattern in (AFTER, BEFORE) for n in pattern.findall(text)}
    return found.pop() if len(found) == 1 and min(found) >= 1 else None


def in_file(origin: str) -> int | None:
    """Return the population that the name of a file states, its folders left aside."""
    return in_name(re.split(r"[/\\]", origin)[-1])


def in_command(text: str) -> int | None:
    """Return the population that the flags of a command state; None if none or several do."""
    found = {int(n) for n in FLAG.findall(text[:LONGEST])}
    return found.pop() if len(found) == 1 and min(found) >= 1 else in_name(text)


def of_flag(text: str, *flags: str) -> int | None:
    """Return the number after one of a tool's own flags ("-c 16", "-c16", "--clients=16")."""
    for flag in flags:
        if found := re.search(rf"(?<!\S){re.escape(flag)}[ =]?(\d{{1,7}})(?!\S)", text[:4000]):
            return int(found[1]) or None
    return None


def without(text: str) -> str:
    """Return a name without the part that states the population: what its runs have in common."""
    parts = text.split("/")
    kept = [part for part in parts if in_name(part) is None] if len(parts) > 1 else parts
    return "/".join(kept) or text


def in_path(text: str) -> tuple[int | None, str]:
    """Return the population of a name in parts ("mutex_threads/lock/4"), and the name without it.

    A part that is a bare number is one if another part says what is counted.
    """
    parts = text[:LONGEST].split("/")
    stated = [part for part in parts if in_name(part) is not None]
    if len(stated) == 1:
        rest = [part for part in parts if part not in stated]
        return in_name(stated[0]), "/".join(rest) or text
    numbers = [part for part in parts if part.isascii() and part.isdigit() and len(part) < 8]
    said = any(re.search(rf"(?<![a-z]){NOUN}(?![a-z\d])", part, re.I) for part in parts)
    if not stated and said and len(numbers) == 1 and int(numbers[0]) >= 1:
        return int(numbers[0]), "/".join(part for part in parts if part not in numbers)
    return None, text
