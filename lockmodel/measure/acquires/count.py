"""Acquires and tree operations of one iteration, per file and site, from ELF files alone.

Nothing is executed: `resolve` finds the files, `images` replays how they are mapped, `loops`
says what one iteration duplicates, maps and tears down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from lockmodel.measure.acquires.images import Mapped, by_kernel, by_loader, without_events
from lockmodel.measure.acquires.kernels import Rules, rules_of
from lockmodel.measure.acquires.loops import iteration, tally
from lockmodel.measure.acquires.resolve import LoadedFile, Resolver, StartedProgram, base
from lockmodel.measure.acquires.sysroot import Place

SCHEMA = "lockmodel.acquires/1"

LIBC, LOADER = "libc.so.6", "ld-linux-x86-64.so.2"
LOADER_PATH = f"/lib64/{LOADER}"
"""PT_INTERP of every dynamic x86-64 program (psABI)."""

LAUNCHER = "launcher"
"""Name of the program that nobody named."""

USUAL_MAPPINGS = 5
"""Of a file linked as linkers do by default: headers, text, read-only data, RELRO, data."""

Role = Literal["program", "launcher", "loader", "libc", "library"]


@dataclass(frozen=True)
class SiteCount:
    """Acquires and tree operations of a site per iteration."""

    acquires: int
    operations: int


@dataclass(frozen=True)
class FileCount:
    """What one iteration does with one file's lock.

    Attributes
    ----------
    name : str
        Base name of the file as it was opened.
    role : str
        What the file is in the iteration.
    mappings : int
        Mappings of it in a started process.
    sites : dict of str to SiteCount
        By phase.name, in the order of the iteration.
    """

    name: str
    role: Role
    mappings: int
    sites: dict[str, SiteCount]

    @property
    def acquires(self) -> int:
        """Acquires per iteration."""
        return sum(site.acquires for site in self.sites.values())

    @property
    def operations(self) -> int:
        """Tree operations per iteration."""
        return sum(site.operations for site in self.sites.values())


def files_json(files: Sequence[FileCount]) -> dict[str, Any]:
    """Return acquires and operations of files as JSON data."""
    return {
        file.name: {
            "acquires": file.acquires,
            "operations": file.operations,
            "sites": {
                site: {"acquires": count.acquires, "operations": count.operations}
                for site, count in file.sites.items()
            },
        }
        for file in files
    }


@dataclass(frozen=True)
class Counts:
    """Acquires of one iteration.

    Attributes
    ----------
    kernel : Rules
    loop : {'fork', 'vfork', 'execl'}
    program : str
        Path of the program.
    launcher : str
        Path of the program that starts it, or what is assumed of it.
    files : tuple of FileCount
        Most acquires first.
    notes : tuple of str
        What was assumed.
    """

    kernel: Rules
    loop: str
    program: str
    launcher: str
    files: tuple[FileCount, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the answer as JSON data of schema `SCHEMA`."""
        return {
            "schema": SCHEMA,
            "kernel": self.kernel.version,
            "loop": self.loop,
            "files": files_json(self.files),
        }


@dataclass(frozen=True)
class _Named:
    """A file of either process, under the name that tells it apart."""

    key: object
    role: Role
    mapped: Mapped


def count(
    resolver: Resolver, binary: str, kernel: str, loop: str, launcher: str | None = None
) -> Counts:
    """Return the acquires of one iteration.

    Parameters
    ----------
    resolver : Resolver
        Where libraries are.
    binary : str
        Path of the program that is started.
    kernel : str
        Version, such as 6.12.
    loop : {'fork', 'vfork', 'execl'}
        How it is started.
    launcher : str, optional
        Path of the program that starts it; by default one that needs only libc.

    Raises
    ------
    ArgumentError
        The kernel is not known, or `binary` is no program.
    FileError, ScenarioError
        See `resolve.Resolver.program`.
    """
    rules = rules_of(kernel)
    program = resolver.program(binary)
    mapped = _mapped(program, rules)
    notes: list[str] = []
    before: tuple[_Named, ...] = ()
    started_by = "itself"
    if loop != "execl":
        started_by = launcher or "a program that needs only libc"
    if loop == "fork":
        if launcher is None:
            before, said = _usual_launcher(resolver, rules)
            notes += said
        else:
            other = resolver.program(launcher)
            before = tuple(replace(f, role=_as_launcher(f.role)) for f in _mapped(other, rules))
    elif launcher is not None:
        notes.append(f"--launcher changes nothing: only fork copies mappings, not {loop}")
    before, mapped = _unique(before, mapped)
    events = iteration(loop, _files(before), _files(mapped), rules)
    files = [_file(name, events[name], (*mapped, *before)) for name in events]
    return Counts(
        kernel=rules,
        loop=loop,
        program=program.main.place.path,
        launcher=started_by,
        files=tuple(sorted(files, key=lambda file: (-file.acquires, -file.operations))),
        notes=(*notes, *_said(rules, program)),
    )


def for_kernel(counts: Sequence[Counts], name: str) -> list[tuple[str, int, int]]:
    """Return kernel, acquires and operations of one file in several answers."""
    return [
        (c.kernel.version, file.acquires, file.operations)
        for c in counts
        for file in c.files
        if file.name == name
    ]


def _as_launcher(role: Role) -> Role:
    return "launcher" if role == "program" else role


def _role(file: LoadedFile) -> Role:
    return "libc" if file.name == LIBC else "library"


def _mapped(program: StartedProgram, rules: Rules) -> tuple[_Named, ...]:
    """Return every file of a program as it is mapped, in the order of its mapping."""
    main, loader = program.main, program.interpreter
    files = [_Named(main.inode, "program", by_kernel(main.image, rules, main.name))]
    if loader is not None:
        files.append(_Named(loader.inode, "loader", by_kernel(loader.image, rules, loader.name)))
    for library in program.libraries:
        mapped = by_loader(library.image, rules, library.name)
        files.append(_Named(library.inode, _role(library), mapped))
    return tuple(files)


def _usual_launcher(resolver: Resolver, rules: Rules) -> tuple[tuple[_Named, ...], list[str]]:
    """Return a dynamic program that needs only libc, and what was assumed of it."""
    own = Mapped(LAUNCHER, (), (USUAL_MAPPINGS,))
    files = [_Named(LAUNCHER, "launcher", own)]
    missing = []
    places: tuple[tuple[str, Role, Place | None], ...] = (
        (LOADER, "loader", resolver.system.find(LOADER_PATH)),
        (LIBC, "libc", resolver.library(LIBC)),
    )
    for name, role, place in places:
        if place is None:
            missing.append(name)
            files.append(_Named(name, role, Mapped(name, (), (USUAL_MAPPINGS,))))
            continue
        file = LoadedFile(base(place.path), place, resolver.image(place))
        map_it = by_kernel if role == "loader" else by_loader
        files.append(_Named(file.inode, role, map_it(file.image, rules, name)))
    notes = [f"the launcher is a program of {USUAL_MAPPINGS} mappings that needs only libc"]
    if missing:
        notes.append(f"{' and '.join(missing)} of the launcher not found: 5 mappings assumed")
    return tuple(files), notes


def _unique(
    before: tuple[_Named, ...], mapped: tuple[_Named, ...]
) -> tuple[tuple[_Named, ...], tuple[_Named, ...]]:
    """Return both with one name per file: two files of one name are numbered."""
    names: dict[object, str] = {}
    taken: set[str] = set()
    for file in (*mapped, *before):
        if file.key in names:
            continue
        name, number = file.mapped.name, 1
        while name in taken:
            number += 1
            name = f"{file.mapped.name} ({number})"
        names[file.key] = name
        taken.add(name)

    def renamed(files: tuple[_Named, ...]) -> tuple[_Named, ...]:
        return tuple(
            replace(file, mapped=replace(file.mapped, name=names[file.key])) for file in files
        )

    old = tuple(replace(file, mapped=without_events(file.mapped)) for file in renamed(before))
    return old, renamed(mapped)


def _files(named: tuple[_Named, ...]) -> tuple[Mapped, ...]:
    return tuple(file.mapped for file in named)


def _file(name: str, events: Any, named: tuple[_Named, ...]) -> FileCount:
    file = next(file for file in named if file.mapped.name == name)
    sites = {site: SiteCount(*both) for site, both in tally(events).items()}
    return FileCount(name, file.role, file.mapped.mappings, sites)


def _said(rules: Rules, program: StartedProgram) -> list[str]:
    """Return what a reader has to know about these numbers."""
    notes = []
    if not rules.is_traced:
        notes.append(
            f"Linux {rules.version} was never traced: its rules follow from the source and from "
            f"the traced {rules.traced}"
        )
    dynamic = program.interpreter is not None
    if dynamic:
        notes.append(
            "not counted: what the program maps once it runs (dlopen, locale, name service), and "
            "ld.so.cache, which ld.so maps and unmaps where it exists (2 acquires)"
        )
    files = [program.main, *program.libraries]
    if any(file.image.text_relocations for file in files):
        notes.append("text relocations (DT_TEXTREL): as glibc protects them, never traced")
    if not dynamic and program.main.image.relro is not None:
        notes.append("static: RELRO as glibc's start code applies it; other C libraries may not")
    return notes
