"""Files -> an ext4 image with a linker cache, the root that programs have on a real machine.

An initramfs misleads once the whole iteration counts: its folders keep no negative entries, so that
each search for a file that is not there takes a lock of the folder.
"""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

from lockmodel.errors import ArgumentError, FileError

PROGRAM = "mke2fs"
FOLDERS = ("/usr/sbin", "/sbin")
"""Where it is besides PATH, which a user's often leaves out."""
MAKING_S = 120.0
TAIL = 200
"""Characters of its message that a failure shows."""

BLOCK = 4096
FREE_BYTES = 8 << 20
"""Of the image beyond its files, for the file system's own."""

MERGED = ("bin", "sbin", "lib", "lib64")
"""Links to folders of the same name in /usr, as distributions have them."""
EMPTY = ("dev", "proc", "sys/fs/cgroup", "tmp")
CACHE = "/etc/ld.so.cache"

CACHE_MAGIC = b"glibc-ld.so.cache1.1"
CACHE_HEADER = struct.Struct("<20sIIB3xI12x")
"""Magic, entries, bytes of strings, byte order, extensions: glibc's dl-cache.h, cache_file_new."""
CACHE_ENTRY = struct.Struct("<iIIIQ")
"""Flags, key, value, OS version, hardware: file_entry_new."""
LITTLE_ENDIAN = 2
LIBC6_X86_64 = 0x0303
"""FLAG_X8664_LIB64 | FLAG_ELF_LIBC6."""


def program() -> str:
    """Return the path of mke2fs; raises ArgumentError if it is not installed."""
    path = shutil.which(PROGRAM, path=os.pathsep.join((os.environ.get("PATH", ""), *FOLDERS)))
    if path is None:
        raise ArgumentError(
            f"{PROGRAM} is not found; install it (Debian: apt-get install e2fsprogs)"
        )
    return path


def image(files: Mapping[str, bytes], folder: Path) -> Path:
    """Make an image with these files and a cache of the libraries among them; return its path.

    Parameters
    ----------
    files : mapping of str to bytes
        Absolute path in the guest -> content.
    folder : Path
        An empty one, for the image and what it is made from.

    Raises
    ------
    ArgumentError
        mke2fs is not installed.
    FileError
        It fails.
    """
    maker = program()
    tree, target = folder / "tree", folder / "root.ext4"
    for name in (*(f"usr/{each}" for each in MERGED), *EMPTY):
        (tree / name).mkdir(parents=True)
    for name in MERGED:
        (tree / name).symlink_to(f"usr/{name}")
    whole = {**files, CACHE: linker_cache(list(files))}
    for path, content in whole.items():
        place = tree / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        place.chmod(0o755)
    size = sum(len(content) + BLOCK for content in whole.values()) + FREE_BYTES
    blocks = str(-(-size // BLOCK))
    options = (
        "-q",
        "-F",
        "-t",
        "ext4",
        "-b",
        str(BLOCK),
        "-O",
        "^has_journal",
        "-E",
        "root_owner=0:0",
    )
    try:
        done = subprocess.run(
            [maker, *options, "-d", str(tree), str(target), blocks],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=MAKING_S,
            check=False,
        )
        ended = f"exit code {done.returncode}"
        problem = (done.stderr.strip()[-TAIL:] or ended) if done.returncode else ""
    except (OSError, subprocess.SubprocessError) as error:
        problem = str(error)
    if problem:
        raise FileError(
            f"{maker} cannot make the guest's root: {problem}; it needs `mke2fs -d` (e2fsprogs "
            f"1.43 or newer) and {size >> 20} MiB in {folder}"
        )
    return target


def linker_cache(paths: list[str]) -> bytes:
    """Return an ld.so.cache of the libraries among some paths, in glibc's format of 2.32."""
    keys = {path: path.rpartition("/")[2] for path in paths if ".so" in path.rpartition("/")[2]}
    libraries = sorted(keys, key=lambda path: _order(keys[path]), reverse=True)
    start = CACHE_HEADER.size + CACHE_ENTRY.size * len(libraries)
    strings = b""
    entries = []
    for path in libraries:
        value = start + len(strings)
        key = value + len(path) - len(keys[path])
        strings += path.encode() + b"\0"
        entries.append(CACHE_ENTRY.pack(LIBC6_X86_64, key, value, 0, 0))
    header = CACHE_HEADER.pack(CACHE_MAGIC, len(libraries), len(strings), LITTLE_ENDIAN, 0)
    return header + b"".join(entries) + strings


def _order(name: str) -> list[tuple[int, int]]:
    """Return what glibc's search compares: numbers by value, and above any other character."""
    parts = re.findall(r"[0-9]+|[^0-9]", name)
    return [(1, int(part)) if part.isdigit() else (0, ord(part)) for part in parts]
