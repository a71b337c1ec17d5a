"""Where a path of the described system is on this machine: as it is, or below a sysroot.

Absolute symbolic links of an unpacked root point into that root, so every component is followed
here, as chroot would, and never leads out of it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MAX_LINKS = 40
"""Symbolic links followed on the way to a file: the kernel's MAXSYMLINKS."""


LONGEST_PATH = 160
"""Characters of a path that a message shows; the end says more than the start."""


def printable(path: str, longest: int = LONGEST_PATH) -> str:
    """Return a path as a terminal may show it: control characters escaped, the start cut."""
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in path)
    return text if len(text) <= longest else "... " + text[4 - longest :]


@dataclass(frozen=True)
class Place:
    """A file that exists.

    Attributes
    ----------
    path : str
        As the described system calls it.
    real : Path
        Where it is on this machine.
    rooted : bool
        Whether `path` counts from the sysroot; otherwise it is a path of this machine.
    """

    path: str
    real: Path
    rooted: bool

    @property
    def folder(self) -> str:
        """$ORIGIN: the folder of the file, links resolved, without a '/' at the end."""
        return str(PurePosixPath(self.path).parent)


@dataclass(frozen=True)
class Sysroot:
    """The system that is described; `root` None is the one this runs on."""

    root: Path | None = None

    def find(self, path: str, rooted: bool = True) -> Place | None:
        """Return the regular file at an absolute path, or None.

        Parameters
        ----------
        path : str
            A path of the described system.
        rooted : bool
            False for a path of this machine although there is a sysroot.
        """
        try:
            if self.root is None or not rooted:
                return self._here(path)
            inside = self.follow(path)
            if inside is None:
                return None
            real = self.root / inside.lstrip("/")
            return Place(path, real, rooted=True) if real.is_file() else None
        except (OSError, ValueError):  # no permission, name too long, NUL
            return None

    def program(self, path: str) -> Place | None:
        """Return the file of a command-line argument, absolute ones from the sysroot if there.

        A path of this machine that leads into the sysroot counts from there as well.
        """
        if self.root is not None:
            real = os.path.abspath(path)
            inside = os.path.relpath(real, self.root)
            tries = [path] if path.startswith("/") else []
            tries += [f"/{inside}"] if not inside.startswith("..") else []
            place = next((p for p in map(self.find, tries) if p is not None), None)
            if place is not None:
                return place
        return self._here(os.path.abspath(path))

    def _here(self, path: str) -> Place | None:
        try:
            real = Path(path)
            return Place(path, real, rooted=False) if real.exists() else None
        except (OSError, ValueError):
            return None

    def origin(self, place: Place) -> str:
        """Return $ORIGIN of a file: its folder with symbolic links resolved."""
        if place.rooted and self.root is not None:
            inside = self.follow(place.folder)
            return inside if inside is not None else place.folder
        return os.path.realpath(place.folder)

    def follow(self, path: str) -> str | None:
        """Return a path of the sysroot without symbolic links, or None if links do not end."""
        assert self.root is not None
        left = [part for part in path.split("/") if part not in ("", ".")][::-1]
        done: list[str] = []
        links = 0
        while left:
            part = left.pop()
            if part == "..":
                done = done[:-1]
                continue
            here = self.root.joinpath(*done, part)
            if not here.is_symlink():
                done.append(part)
                continue
            links += 1
            if links > MAX_LINKS:
                return None
            target = os.readlink(here)
            if target.startswith("/"):
                done = []
            left += [piece for piece in target.split("/") if piece not in ("", ".")][::-1]
        return "/" + "/".join(done)

    def read(self, path: str, limit: int) -> bytes | None:
        """Return at most `limit` bytes of a file, or None if there is none."""
        place = self.find(path)
        if place is None or not place.real.is_file():
            return None
        try:
            with place.real.open("rb") as stream:
                return stream.read(limit)
        except OSError:
            return None

    def is_folder(self, path: str, rooted: bool = True) -> bool:
        """Return whether there is such a folder (see `find`)."""
        try:
            if self.root is None or not rooted:
                return os.path.isdir(path)
            inside = self.follow(path)
            return inside is not None and (self.root / inside.lstrip("/")).is_dir()
        except (OSError, ValueError):
            return False

    def list(self, folder: str) -> list[str]:
        """Return the names in a folder, sorted; none if it is not there."""
        inside = self.follow(folder) if self.root is not None else folder
        if inside is None:
            return []
        real = Path(inside) if self.root is None else self.root / inside.lstrip("/")
        try:
            return sorted(os.listdir(real))
        except (OSError, ValueError):
            return []
