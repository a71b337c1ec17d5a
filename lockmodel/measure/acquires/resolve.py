"""Which files a program loads: its interpreter and, breadth first, every DT_NEEDED.

The search is that of ld.so (glibc elf/dl-load.c, _dl_map_object; man 8 ld.so):

1. a name with a '/' is a path;
2. DT_RPATH of the file that needs it, of the file that loaded that one and so on up to the
   program, unless the needing file has DT_RUNPATH;
3. LD_LIBRARY_PATH;
4. DT_RUNPATH of the needing file only;
5. /etc/ld.so.cache (or the folders of ld.so.conf, see `cache`);
6. the default folders, which a file linked with -z nodefaultlib leaves out of 5 as well.

A file that is loaded already is not loaded again, by name, DT_SONAME or inode; so cycles end.
What /etc/ld.so.preload names comes first; what of it is missing is ignored, as ld.so does.
LD_PRELOAD, LD_AUDIT, dlopen and the name service are beyond what a file says.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from lockmodel.errors import ArgumentError, FileError, ScenarioError, shown
from lockmodel.measure.acquires import cache, elf
from lockmodel.measure.acquires.elf import Image
from lockmodel.measure.acquires.sysroot import Place, Sysroot, printable

MAX_FILES = 400
"""Files of one program; LibreOffice loads about 200."""

MAX_SEGMENTS = 4000
"""PT_LOAD segments of one program with its libraries; LibreOffice has about 800."""

MAX_SEARCHED = 500
"""Different folders of one search; Nix has RUNPATHs of about 100."""

PRELOAD = "/etc/ld.so.preload"
MAX_PRELOAD = 1 << 16

MUSL = "musl"


@dataclass(frozen=True)
class LoadedFile:
    """A file of a started program.

    Attributes
    ----------
    name : str
        Base name as it was opened: libc.so.6, not libc-2.36.so.
    place : Place
    image : Image
    parent : LoadedFile or None
        Who needs it first; None for the program and ld.so.
    """

    name: str
    place: Place
    image: Image
    parent: LoadedFile | None = None

    @property
    def inode(self) -> tuple[int, int]:
        """What tells files apart, whatever they are called."""
        status = os.stat(self.place.real)
        return status.st_dev, status.st_ino


@dataclass(frozen=True)
class StartedProgram:
    """A program and everything that is mapped when it has started.

    Attributes
    ----------
    main : LoadedFile
    interpreter : LoadedFile or None
    libraries : tuple of LoadedFile
        In the order in which ld.so maps them.
    """

    main: LoadedFile
    interpreter: LoadedFile | None
    libraries: tuple[LoadedFile, ...]


def base(path: str) -> str:
    """Return the base name of a path, with what no terminal should see escaped."""
    return printable(path.rstrip("/").rpartition("/")[2])


@dataclass(frozen=True)
class Resolver:
    """Finds files on one system.

    Attributes
    ----------
    system : Sysroot
    library_path : tuple of str
        LD_LIBRARY_PATH.
    """

    system: Sysroot = field(default_factory=Sysroot)
    library_path: tuple[str, ...] = ()
    _images: dict[str, Image] = field(default_factory=dict, compare=False, repr=False)
    _present: dict[tuple[str, bool], bool] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def _levels(self) -> tuple[str, ...]:
        return cache.levels(self.system)

    @cached_property
    def _cache(self) -> dict[str, list[str]] | None:
        return cache.entries(self.system, self._levels)

    @cached_property
    def _configured(self) -> list[str]:
        return cache.configured(self.system) if self._cache is None else []

    def program(self, path: str) -> StartedProgram:
        """Return a program with its interpreter and libraries.

        Parameters
        ----------
        path : str
            Of the program; an absolute one may count from the sysroot.

        Raises
        ------
        FileError
            A file is missing or cannot be read; the message says who needs it and where it
            was searched.
        ScenarioError
            A file is damaged, foreign, or no program.
        """
        place = self.system.program(path)
        if place is None:
            raise FileError(f"{printable(path)}: no such file; give the path of a program")
        main = LoadedFile(base(path), place, self._read(place))
        _runs(main.image)
        if main.image.interpreter is None:
            return StartedProgram(main, None, ())
        interpreter = self._interpreter(main)
        return StartedProgram(main, interpreter, tuple(self._libraries(main, interpreter)))

    def library(self, name: str) -> Place | None:
        """Return the library of a name in the cache or the default folders, or None."""
        return self._in_cache(name) or self._in(self._defaults(), name, rooted=True)[0]

    def image(self, place: Place) -> Image:
        """Return what the file at a place tells."""
        return self._read(place)

    def _read(self, place: Place) -> Image:
        key = str(place.real)
        if key not in self._images:
            self._images[key] = elf.read(place.real, place.path)
        return self._images[key]

    def _interpreter(self, main: LoadedFile) -> LoadedFile:
        path = main.image.interpreter or ""
        called = f"{main.image.path}: interpreter {printable(path)} (PT_INTERP)"
        if not path.startswith("/"):
            raise ScenarioError(f"{called} is no absolute path; ld.so rules do not apply")
        if MUSL in base(path):
            raise ScenarioError(
                f"{called} is musl's; it maps libraries by other rules than glibc's ld.so, which "
                f"are not known here. Trace it: `lockmodel trace`"
            )
        place = self.system.find(path)
        if place is None:
            raise FileError(f"{called} does not exist{self._below()}; {self._remedy()}")
        return LoadedFile(base(path), place, self._read(place))

    def _libraries(self, main: LoadedFile, interpreter: LoadedFile) -> Iterator[LoadedFile]:
        """Yield the libraries breadth first: _dl_map_object_deps."""
        names = {
            interpreter.name,
            interpreter.place.path,
            interpreter.image.soname,
            main.image.soname,
        }
        inodes = {interpreter.inode, main.inode}
        queue = [main]
        count = segments = 0
        while queue:
            loader = queue.pop(0)
            preloaded = self._preloaded() if loader is main else []
            for written in (*preloaded, *loader.image.needed):
                name = self._expanded(written, loader)
                if name in names:
                    continue
                try:
                    place, image = self._located(name, loader)
                except (FileError, ScenarioError):
                    if written in preloaded:
                        continue
                    raise
                library = LoadedFile(base(name), place, image, loader)
                names |= {name, image.soname}
                if library.inode in inodes:
                    continue
                inodes.add(library.inode)
                count += 1
                segments += len(image.segments)
                if count > MAX_FILES or segments > MAX_SEGMENTS:
                    raise ScenarioError(
                        f"{main.image.path}: loads more than {MAX_FILES} libraries or "
                        f"{MAX_SEGMENTS} segments; that is no real program"
                    )
                queue.append(library)
                yield library

    def _preloaded(self) -> list[str]:
        """Return what /etc/ld.so.preload names: do_preload."""
        content = self.system.read(PRELOAD, MAX_PRELOAD) or b""
        text = content.decode("utf-8", "surrogateescape")
        lines = (line.partition("#")[0].replace(":", " ") for line in text.splitlines())
        return [name for line in lines for name in line.split()][:MAX_FILES]

    def _located(self, name: str, loader: LoadedFile) -> tuple[Place, Image]:
        """Return the first file that fits a name, or raise FileError with all that was tried."""
        if not name:
            raise ScenarioError(f"{loader.image.path}: DT_NEEDED is an empty name")
        if "/" in name:
            place = self.system.find(name) if name.startswith("/") else None
            if place is None and not loader.place.rooted:
                place = self.system.find(os.path.abspath(name), rooted=False)
            if place is not None:
                return place, self._read(place)
            raise FileError(f"{self._missing(name, loader)}: no such file; {self._remedy()}")
        tried: list[str] = []
        foreign: list[str] = []
        for folder, rooted in self._folders(loader):
            if folder is None:
                place = self._in_cache(name, loader.image.no_default_libraries)
            else:
                tried.append(folder)
                place = self._in([folder], name, rooted)[0]
            if place is None:
                continue
            try:
                return place, self._read(place)
            except elf.WrongMachine:
                foreign.append(place.path)
        where = ", ".join(dict.fromkeys(tried)) or "nowhere"
        where = where if len(where) < 300 else where[:296] + " ..."
        if self._cache is not None:
            where = f"{cache.CACHE}, {where}"
        wrong = f" (for another architecture: {foreign[0]})" if foreign else ""
        raise FileError(
            f"{self._missing(name, loader)}: not found in {where}{self._below()}{wrong}; "
            f"{self._remedy()}"
        )

    def _missing(self, name: str, loader: LoadedFile) -> str:
        return f"library {shown(name)}, needed by {loader.image.path}"

    def _below(self) -> str:
        return f" below {self.system.root}" if self.system.root is not None else ""

    def _remedy(self) -> str:
        return "install it, or give --library-path DIR (LD_LIBRARY_PATH) or --sysroot DIR"

    def _folders(self, loader: LoadedFile) -> Iterator[tuple[str | None, bool]]:
        """Yield folders in search order with whether they are rooted; None is the cache."""
        seen: set[tuple[str | None, bool]] = set()
        for folder, rooted in self._all_folders(loader):
            if (folder, rooted) in seen:
                continue
            seen.add((folder, rooted))
            if len(seen) > MAX_SEARCHED:
                raise ScenarioError(
                    f"{loader.image.path}: more than {MAX_SEARCHED} folders to search"
                )
            yield folder, rooted

    def _all_folders(self, loader: LoadedFile) -> Iterator[tuple[str | None, bool]]:
        if loader.image.runpath is None:
            user: LoadedFile | None = loader
            while user is not None:
                if user.image.runpath is None:
                    yield from self._path_of(user.image.rpath, user)
                user = user.parent
        for folder in self.library_path:
            yield os.path.abspath(folder), self.system.root is None
            if self.system.root is not None and folder.startswith("/"):
                yield folder, True
        yield from self._path_of(loader.image.runpath, loader)
        yield None, True
        if loader.image.no_default_libraries:
            return
        for folder in self._defaults():
            yield folder, True

    def _path_of(self, path: str | None, owner: LoadedFile) -> Iterator[tuple[str, bool]]:
        """Yield the folders of an RPATH or RUNPATH, tokens expanded."""
        for entry in (path or "").split(":") if path else ():
            for text in _with_lib(entry):
                folder = self._expanded(text, owner) or "."
                rooted = folder.startswith("/") and (owner.place.rooted or "$" not in text[:2])
                yield folder if rooted else os.path.abspath(folder), rooted

    def _expanded(self, text: str, owner: LoadedFile) -> str:
        """Return a text with $ORIGIN and $PLATFORM replaced: _dl_dst_substitute."""
        if "$" not in text:
            return text
        values = {"ORIGIN": self.system.origin(owner.place), "PLATFORM": "x86_64"}
        for token, value in values.items():
            text = text.replace(f"${{{token}}}", value).replace(f"${token}", value)
        return text

    def _defaults(self) -> list[str]:
        return [*self._configured, *cache.DEFAULT_FOLDERS]

    def _in_cache(self, name: str, only_others: bool = False) -> Place | None:
        """Return the file of the cache; `only_others` leaves out those of default folders."""
        paths = (self._cache or {}).get(name, [])
        if only_others:
            paths = [p for p in paths if p.rpartition("/")[0] not in cache.DEFAULT_FOLDERS]
        return next((p for p in map(self.system.find, paths) if p is not None), None)

    def _has(self, folder: str, rooted: bool) -> bool:
        """Return whether a folder exists; remembered, as ld.so does."""
        if (folder, rooted) not in self._present:
            self._present[folder, rooted] = self.system.is_folder(folder, rooted)
        return self._present[folder, rooted]

    def _in(self, folders: list[str], name: str, rooted: bool) -> tuple[Place | None, str]:
        """Return the first file of that name in the folders, glibc-hwcaps first."""
        for folder in folders:
            if not self._has(folder, rooted):
                continue
            for level in (*(f"glibc-hwcaps/{level}/" for level in self._levels), ""):
                place = self.system.find(f"{folder}/{level}{name}", rooted)
                if place is not None and place.real.is_file():
                    return place, folder
        return None, ""


def _with_lib(entry: str) -> list[str]:
    """Return an entry for each value that $LIB has on the usual distributions."""
    if "$LIB" not in entry and "${LIB}" not in entry:
        return [entry]
    values = ("lib/x86_64-linux-gnu", "lib64", "lib")
    return [entry.replace("${LIB}", value).replace("$LIB", value) for value in values]


def _runs(image: Image) -> None:
    """Refuse what execve would not start as a program."""
    if image.interpreter is None and not image.fixed and not image.pie:
        raise ArgumentError(
            f"{image.path}: is a shared library (ET_DYN without interpreter and without "
            f"DF_1_PIE); give a program that loads it"
        )
