"""What the guest has in it: init, the loop program twice, the binary and its libraries."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lockmodel.errors import ArgumentError, ScenarioError
from lockmodel.measure.acquires.resolve import LoadedFile, Resolver, StartedProgram
from lockmodel.measure.acquires.sysroot import printable
from lockmodel.measure.trace.lab import initramfs
from lockmodel.measure.trace.lab.plan import LOOP, SLEEPER

LARGEST_FILES = 1 << 29
"""Bytes of the binary and its libraries, which the guest holds in memory."""

OWN = ("/init", "/plan", "/dev/console", LOOP, SLEEPER)

DEFAULT_FOLDERS = tuple(
    f"{prefix}/{name}"
    for prefix in ("", "/usr")
    for name in ("lib", "lib64", "lib/x86_64-linux-gnu")
)
"""Where ld.so looks without being told; it differs by distribution, so these are Debian's."""


@dataclass(frozen=True)
class Guest:
    """What is put into the guest, but for its plan.

    Attributes
    ----------
    init, loop : bytes
        The two programs of the lab.
    files : dict of str to bytes
        Path in the guest -> content of the binary and of all libraries.
    libraries : str
        LD_LIBRARY_PATH, or empty.
    started : str
        Path of what the loop starts; the loop program itself for execl.
    """

    init: bytes
    loop: bytes
    files: dict[str, bytes]
    libraries: str
    started: str

    @property
    def mapped(self) -> list[str]:
        """Paths of the files that an iteration maps."""
        return sorted({*self.files, LOOP})

    def archive(self, plan: str) -> bytes:
        """Return the root of a guest that carries out a plan."""
        return initramfs.archive(
            {
                "/init": self.init,
                "/plan": os.fsencode(plan),
                LOOP: self.loop,
                SLEEPER: self.loop,
                **self.files,
            }
        )


def contents(built: tuple[Path, Path], binary: str | None, resolver: Resolver) -> Guest:
    """Return the guest that starts a binary, or the loop program itself (None).

    Raises
    ------
    ArgumentError
        A file has a name that the guest has no place for.
    ScenarioError
        The files are too large; and see `Resolver.program`.
    FileError
        See `Resolver.program`.
    """
    init, loop = built
    program = resolver.program(str(loop) if binary is None else binary)
    files, libraries = _files(program, resolver.program(str(loop)))
    for path in files:
        if path in OWN or not path.isprintable():
            raise ArgumentError(
                f"{printable(path)}: the guest has no place for a file of this name "
                f"({', '.join(OWN)} are its own, and control characters end a line of its plan); "
                f"copy it to another name"
            )
    started = LOOP if binary is None else program.main.place.path
    return Guest(init.read_bytes(), loop.read_bytes(), files, libraries, started)


def _files(program: StartedProgram, loop: StartedProgram) -> tuple[dict[str, bytes], str]:
    """Return guest path -> content of all files but the loop program, and LD_LIBRARY_PATH."""
    needed: list[LoadedFile] = []
    for each in (program, loop):
        needed += [file for file in (each.interpreter, *each.libraries) if file is not None]
    if program.main.place.real != loop.main.place.real:
        needed.insert(0, program.main)
    size = 0
    files: dict[str, bytes] = {}
    for file in needed:
        path = file.place.path
        if path in files:
            continue
        size += file.place.real.stat().st_size
        if size > LARGEST_FILES:
            raise ScenarioError(
                f"{program.main.name}: it and its libraries have more than "
                f"{LARGEST_FILES >> 20} MiB, too much for the guest"
            )
        files[path] = file.place.real.read_bytes()
    folders = {
        file.place.path.rpartition("/")[0] for each in (program, loop) for file in each.libraries
    }
    return files, ":".join(sorted(folders - set(DEFAULT_FOLDERS)))
