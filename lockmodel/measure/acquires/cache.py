"""Which folders and files ld.so knows: /etc/ld.so.cache, or /etc/ld.so.conf where it is missing.

ld.so itself reads only the cache, which ldconfig makes from ld.so.conf. An unpacked root often
has no cache yet; then the folders of ld.so.conf are searched, as ldconfig would have found them.

Layout of the cache: glibc, sysdeps/generic/dl-cache.h (struct cache_file_new, file_entry_new).
"""

from __future__ import annotations

import fnmatch
import struct
from pathlib import Path

from lockmodel.measure.acquires.sysroot import Sysroot

CACHE = "/etc/ld.so.cache"
CONFIGURATION = "/etc/ld.so.conf"

MAGIC = b"glibc-ld.so.cache1.1"
HEADER = struct.Struct("<20sII4xI12x")
"""Magic and version, entries, bytes of texts, extensions."""
ENTRY = struct.Struct("<iIIIQ")
"""Flags, key, value, OS version, hwcap."""
X86_64 = 0x0303
"""flags of a 64-bit x86-64 library: FLAG_X8664_LIB64 | FLAG_ELF_LIBC6."""

MAX_CACHE = 16 << 20
MAX_CONFIGURATION = 1 << 16
MAX_INCLUDES = 200
MAX_FOLDERS = 200

MULTIARCH = ("/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu")
DEFAULT_FOLDERS = (*MULTIARCH, "/lib64", "/usr/lib64", "/lib", "/usr/lib")
"""Default folders of Debian's ld.so, then those of others."""

LEVELS = ("x86-64-v4", "x86-64-v3", "x86-64-v2")
"""glibc-hwcaps subfolders, best first."""

LEVEL_FLAGS = {
    "x86-64-v2": "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3",
    "x86-64-v3": "avx avx2 bmi1 bmi2 f16c fma abm movbe xsave",
    "x86-64-v4": "avx512f avx512bw avx512cd avx512dq avx512vl",
}
"""Flags of /proc/cpuinfo that a level needs beyond the one below it (psABI)."""


def levels(system: Sysroot, cpuinfo: Path = Path("/proc/cpuinfo")) -> tuple[str, ...]:
    """Return the glibc-hwcaps levels of the CPU, best first; of a sysroot none is assumed."""
    if system.root is not None:
        return ()
    try:
        text = cpuinfo.read_text(errors="replace")
    except OSError:
        return ()
    line = next((line for line in text.splitlines() if line.startswith("flags")), "")
    flags = set(line.partition(":")[2].split())
    best: list[str] = []
    for level in reversed(LEVELS):
        if not flags.issuperset(LEVEL_FLAGS[level].split()):
            break
        best.insert(0, level)
    return tuple(best)


def entries(system: Sysroot, usable: tuple[str, ...]) -> dict[str, list[str]] | None:
    """Return paths by library name from the cache, best first; None without a readable cache.

    Parameters
    ----------
    system : Sysroot
    usable : tuple of str
        glibc-hwcaps levels of the CPU.
    """
    content = system.read(CACHE, MAX_CACHE)
    if content is None:
        return None
    start = content.find(MAGIC)  # an older format may come first
    if start < 0 or start + HEADER.size > len(content):
        return None
    count = HEADER.unpack_from(content, start)[1]
    first = start + HEADER.size
    count = min(count, (len(content) - first) // ENTRY.size)
    ranked: dict[str, list[tuple[int, str]]] = {}
    for i in range(count):
        flags, key, value, _, hwcap = ENTRY.unpack_from(content, first + i * ENTRY.size)
        if flags != X86_64:
            continue
        name, path = _text(content, start + key), _text(content, start + value)
        rank = _rank(path, hwcap, usable)
        if name and path and rank is not None:
            ranked.setdefault(name, []).append((rank, path))
    return {name: [p for _, p in sorted(paths, key=_first)] for name, paths in ranked.items()}


def _first(pair: tuple[int, str]) -> int:
    return pair[0]


def _rank(path: str, hwcap: int, usable: tuple[str, ...]) -> int | None:
    """Return the preference of an entry (small is better), None where the CPU cannot use it."""
    if not hwcap:
        return len(usable)
    level = next((part for part in path.split("/") if part in LEVELS), None)
    return usable.index(level) if level in usable else None


def _text(content: bytes, start: int) -> str:
    end = content.find(b"\0", start, start + 4096)
    return content[start:end].decode("utf-8", "surrogateescape") if end >= 0 else ""


def configured(system: Sysroot) -> list[str]:
    """Return the folders of ld.so.conf, includes followed, in order."""
    folders: list[str] = []
    waiting = [(True, CONFIGURATION)]  # (whether to read it, path), the next one last
    seen: set[str] = set()
    while waiting and len(seen) < MAX_INCLUDES:
        is_file, path = waiting.pop()
        if not is_file:
            folders.append(path)
        elif path not in seen:
            seen.add(path)
            waiting += _lines(system, path)[::-1]
    return list(dict.fromkeys(folders))[:MAX_FOLDERS]


def _lines(system: Sysroot, path: str) -> list[tuple[bool, str]]:
    """Return what a configuration file names in order: included files (True) and folders."""
    content = system.read(path, MAX_CONFIGURATION) or b""
    named: list[tuple[bool, str]] = []
    for line in content.decode("utf-8", "surrogateescape").splitlines():
        words = line.partition("#")[0].replace(",", " ").replace(":", " ").split()
        if words[:1] == ["include"]:
            for pattern in words[1:]:
                named += [(True, name) for name in _matching(system, path, pattern)]
        elif words[:1] != ["hwcap"]:
            named += [(False, word.partition("=")[0]) for word in words if word.startswith("/")]
    return named


def _matching(system: Sysroot, path: str, pattern: str) -> list[str]:
    """Return the files an include line means; relative ones are beside the including file."""
    whole = pattern if pattern.startswith("/") else f"{path.rpartition('/')[0]}/{pattern}"
    folder, _, last = whole.rpartition("/")
    return [f"{folder}/{name}" for name in system.list(folder) if fnmatch.fnmatch(name, last)]
