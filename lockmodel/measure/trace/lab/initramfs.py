"""Files -> the archive that a kernel unpacks as its first root.

Format: Documentation/driver-api/early-userspace/buffer-format.rst of Linux ("newc" cpio).
"""

from __future__ import annotations

import os
from collections.abc import Mapping

MAGIC = b"070701"
FOLDER = 0o040755
FILE = 0o100755
CONSOLE = 0o020600
CONSOLE_DEVICE = (5, 1)
"""Major and minor number of /dev/console, which init gets as its output."""
ALIGNED = 4
LAST = "TRAILER!!!"


def archive(files: Mapping[str, bytes]) -> bytes:
    """Return an archive with these files, their folders and /dev/console.

    Parameters
    ----------
    files : mapping of str to bytes
        Absolute path -> content.
    """
    folders = {"dev"}
    for path in files:
        above = path.strip("/").split("/")[:-1]
        folders |= {"/".join(above[:depth]) for depth in range(1, len(above) + 1)}
    entries = [(name, FOLDER, b"", (0, 0)) for name in sorted(folders)]
    entries.append(("dev/console", CONSOLE, b"", CONSOLE_DEVICE))
    entries += [(path.strip("/"), FILE, content, (0, 0)) for path, content in files.items()]
    numbered = enumerate(entries, 1)
    parts = [_entry(number, *entry) for number, entry in numbered]
    return b"".join([*parts, _entry(0, LAST, 0, b"", (0, 0))])


def _entry(number: int, name: str, mode: int, content: bytes, device: tuple[int, int]) -> bytes:
    text = os.fsencode(name) + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(text), 0)
    header = MAGIC + b"".join(b"%08X" % value for value in fields) + text
    return _padded(header) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % ALIGNED)
