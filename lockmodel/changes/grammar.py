"""Levers as text: NAME:LOCK[/SITE]=VALUE[,key=value...], for the command line and for files.

LOCK may be `all`: a kernel change to `i_mmap_rwsem` reaches the lock of every file.
"""

from __future__ import annotations

from lockmodel.changes.kinds import KINDS
from lockmodel.changes.lever import Kind, Lever, Written
from lockmodel.errors import ArgumentError, nearest


def parse(text: str, option: str = "--lever") -> Lever:
    """Return the lever a text means, e.g. ``batch:libc.so.6/exec.map_split=1``.

    Parameters
    ----------
    text : str
    option : str
        Where it was given, for errors.

    Raises
    ------
    ArgumentError
        Unknown lever, missing or malformed parts; the message shows the right form.
    """
    head, equals, tail = text.partition("=")
    name, _, target = head.partition(":")
    name = name.strip()
    if name not in KINDS:
        raise ArgumentError(f"{option} {text!r}: unknown lever; {nearest(name, list(KINDS))}")
    kind = KINDS[name]
    if kind.target == "none" and not equals:  # less_think:0.5 means the same
        target, tail = "", target
    lock, slash, site = target.partition("/")
    if not _has_form(kind, lock, slash, site, tail):
        raise ArgumentError(f"{option} {text!r}: write it as {kind.form}")
    value, *rest = tail.split(",")
    options = dict(item.partition("=")[::2] for item in rest)
    if len(options) < len(rest):
        raise ArgumentError(f"{option} {text!r}: an option is given twice; keep one")
    if options and "[," not in kind.form:
        raise ArgumentError(f"{option} {text!r}: {name} takes one value; write {kind.form}")
    written = Written(value, options, kind.form, f"{option} {text!r}")
    return Lever(kind, lock, site, kind.read(written), text)


def parse_all(text: str, option: str = "--lever") -> tuple[Lever, ...]:
    """Return the levers of a text that has ';' between them; none for an empty one."""
    parts = [part.strip() for part in text.split(";")]
    return tuple(parse(part, option) for part in parts if part)


def _has_form(kind: Kind, lock: str, slash: str, site: str, value: str) -> bool:
    """Return whether the parts that are written are those that the kind takes."""
    targets = {
        "lock": bool(lock) and not slash,
        "lock or site": bool(lock) and bool(slash) == bool(site),
        "site": bool(lock) and bool(site),
        "none": not lock and not slash,
    }
    return targets[kind.target] and ("=" in kind.form.partition("[,")[0]) == bool(value)
