"""`lockmodel acquires`."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Argument, Option

from lockmodel.cli import files, options
from lockmodel.cli import text as tx
from lockmodel.cli.files import Report

if TYPE_CHECKING:
    from lockmodel.measure.acquires.count import Counts, FileCount
    from lockmodel.model.machine import Machine

FEW_FILES = 4
"""Files of the short report."""

LONGEST = 32
"""Longest file name that leaves room for the other columns."""


def acquires(
    binary: Annotated[
        str | None, Argument(metavar="[BINARY]", help="Program to count for.", show_default=False)
    ] = None,
    kernel: Annotated[
        str | None,
        Option(
            metavar="VERSION",
            help="Linux to count for: 5.0 to 7.2 [default: this one].",
            show_default=False,
        ),
    ] = None,
    loop: Annotated[Literal["fork", "vfork", "execl"], Option(help="One iteration.")] = "fork",
    launcher: Annotated[
        str | None,
        Option(
            metavar="PATH",
            help="Program that forks [default: one that needs only libc].",
            show_default=False,
        ),
    ] = None,
    sysroot: options.SysrootFolder = None,
    library_path: options.LibraryPath = None,
    toml: Annotated[
        str | None,
        Option(
            metavar="FILE",
            help="Write a scenario for predict, levers and fit.",
            show_default=False,
        ),
    ] = None,
    machine: options.Machine = None,
    shares: Annotated[
        str | None,
        Option(
            "--from-shares",
            metavar="FILE",
            help="Instead: a profile of waiting (perf report text, folded stacks, JSON).",
            show_default=False,
        ),
    ] = None,
    profile: Annotated[
        str | None,
        Option(metavar="ID", help="One of several profiles in that file.", show_default=False),
    ] = None,
    every: options.All = False,
    explain: options.Explain = False,
    as_json: options.Json = False,
    output: options.Output = None,
    force: options.Force = False,
) -> None:
    """Acquires of i_mmap_rwsem per iteration, counted from a binary.

    With --from-shares from a profile: in a saturated fair lock every acquire waits
    about equally long, so shares of waiting are proportional to acquires.

    Reads the program headers of BINARY, its ld.so and every library (found as
    ld.so does) and replays how Linux and glibc map, duplicate and tear them down.
    x86-64 only. Compared row by row with traces of Linux 6.1, 6.12 and 7.2.

    \b
    Loops:
      fork     the launcher forks, the child runs BINARY, which exits
      vfork    the same without copying the launcher (also posix_spawn)
      execl    BINARY executes itself again and again; nothing exits
    Printed numbers, per iteration:
      maps             mappings (VMAs) of the file in the started process
      acquires         lock + unlock of the file's i_mmap_rwsem
      ops              operations on its interval tree under the lock: insert
                       or remove a mapping
      held             instructions under the lock if one process maps the file;
                       from traces of such files (data/traced), not of this one
      lines            lines of other CPUs that the lock waits for with 64
                       processes, hand-offs included (from counts): its demand
      5/15             5 acquires for 15 operations at this site
      like             which column of the second table is the file's
    Sites:
      fork.dup         fork copies each mapping of the launcher
      exec.teardown    execve drops the old mappings
      exec.map_link    a new mapping
      exec.map_split   one is cut in two to put another over a part of it
      exec.map_unlink  what the other one replaced
      exec.map_expand  a neighbour grows over the new mapping instead
      exec.mprotect_split   RELRO: the relocated part becomes read-only
      exit.teardown    the program's mappings go
    Printed with --from-shares:
      share            part of the waiting at the sites listed
      share/unit       what was rounded to acquires; off: its deviation
      odds             best integers against any numbers, and against the
                       runner-up; below 10 nothing is claimed (exit 1)
    Examples:
      lockmodel acquires /bin/true --kernel 6.12 --loop fork
      lockmodel acquires --from-shares profiles.json
    """
    from lockmodel.errors import ArgumentError

    if shares is not None:
        if binary is not None or toml is not None or machine is not None:
            raise ArgumentError(
                "--from-shares: takes no BINARY, no --toml and no --machine; leave them out"
            )
        from lockmodel.cli.acquires_shares import from_shares

        from_shares(shares, as_json, output, force, profile, explain)
        return
    if machine is not None and toml is None:
        raise ArgumentError(f"--machine {machine}: is that of a scenario; add --toml FILE")
    if binary is None or profile is not None:
        raise ArgumentError("BINARY is missing; give a program, or --from-shares FILE")
    from lockmodel.measure.acquires.count import count
    from lockmodel.measure.acquires.kernels import TRACED
    from lockmodel.measure.acquires.scenario import scenario
    from lockmodel.model.toml import dumps

    place = _machine(machine)
    system = resolver(sysroot, library_path)
    version = kernel or platform.release()
    with (
        files.output(output, as_json, force) as write,
        files.optional_file(toml, force) as target,
    ):
        counts = count(system, binary, version, loop, launcher)
        if target is not None:
            target.stream.write(dumps(scenario(counts, place)).encode("utf-8"))

        def text(colour: bool) -> str:
            others = [count(system, binary, each, loop, launcher) for each in TRACED]
            return _text(counts, others, explain, every, colour)

        write(Report(counts.to_json, text))


def resolver(sysroot: str | None, library_path: str | None) -> Any:
    """Return the resolver of --sysroot and --library-path."""
    from pathlib import Path

    from lockmodel.errors import FileError
    from lockmodel.measure.acquires.resolve import Resolver
    from lockmodel.measure.acquires.sysroot import Sysroot

    root = None
    if sysroot is not None:
        root = Path(sysroot)
        if not root.is_dir():
            raise FileError(f"--sysroot {sysroot}: is no folder; give the root of a system")
        root = None if os.path.realpath(root) == "/" else root.resolve()
    folders = tuple(part for part in (library_path or "").replace(";", ":").split(":") if part)
    return Resolver(Sysroot(root), folders)


def _machine(text: str | None) -> Machine:
    """Return the machine of --machine; without it this one."""
    from lockmodel.measure.acquires.machine import local
    from lockmodel.model.machines import parse

    return local() if text is None else parse(text)


def _text(counts: Counts, others: list[Counts], explain: bool, every: bool, colour: bool) -> str:
    from lockmodel.cli.acquires_text import groups, site_tables
    from lockmodel.measure.acquires.scenario import demands

    of = demands(counts)
    ranked = sorted(counts.files, key=lambda file: -of[file.name][1])
    shown = ranked if explain or every else ranked[:FEW_FILES]
    like = groups(shown)
    letters = {file.name: letter for letter, group in like.items() for file in group}
    rows = [
        [
            file.name,
            letters[file.name],
            str(file.mappings),
            str(file.acquires),
            str(file.operations),
            tx.plain(round(of[file.name][0])),
            tx.plain(round(of[file.name][1])),
        ]
        for file in shown
    ]
    total = [str(sum(getattr(f, key) for f in counts.files)) for key in ("acquires", "operations")]
    rows.append(["all files", "", "", *total, "", ""])
    first = ranked[0]
    parts: list[Any] = [
        f"{first.name}: {first.acquires} acquires and {first.operations} operations per "
        f"iteration, most lines.",
        f"{counts.program} on Linux {counts.kernel.version}, {counts.loop} loop"
        + (f", started by {counts.launcher}" if counts.loop != "execl" else ""),
        "",
        tx.table(
            ["file", "like", "maps", "acquires", "ops", "held", "lines"],
            rows,
            left=(0, 1),
            fold=(0,) if max(len(file.name) for file in shown) > LONGEST else (),
        ),
        *tx.more(len(ranked) - len(shown), "file", "--all"),
        "",
        *site_tables(like),
    ]
    parts += [*_kernels(first, others)]
    if not explain:
        hidden = tx.count(len(counts.notes), "assumption")
        return tx.render([*parts, f"{hidden}: --explain"], colour)
    parts += ["", *tx.bullets("assumed:", counts.notes)]
    return tx.render(parts, colour)


def _kernels(file: FileCount, others: list[Counts]) -> list[str]:
    """Return how the counts of a file change with the kernel."""
    from lockmodel.measure.acquires.count import for_kernel

    by_kernel = for_kernel(others, file.name)
    counts = ", ".join(f"{taken} on {version}" for version, taken, _ in by_kernel)
    same = len({operations for _, _, operations in by_kernel}) == 1
    rest = f"; {by_kernel[0][2]} operations on each" if same and by_kernel else ""
    return [f"its acquires: {counts}{rest}"] if by_kernel else []
