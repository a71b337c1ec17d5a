"""`lockmodel trace`: print probes, read what they recorded, or do all of it in QEMU."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from typer import Argument, Option

from lockmodel.cli import files, options
from lockmodel.cli.app import SETTINGS
from lockmodel.cli.files import Report
from lockmodel.errors import ArgumentError, NotTrustworthyError, shown

if TYPE_CHECKING:
    from lockmodel.measure.trace.offsets import Offsets

RUNNING_BTF = Path("/sys/kernel/btf/vmlinux")
LARGEST_BTF = 64 << 20
MAPPERS, LINES_MAPPERS = "0,100", "0"
MOST_MAPPERS = 8000
LOOPS, STATIONS_LOOPS = "16", "8"
LIMIT_S, LINES_LIMIT_S = 300.0, 1800.0
LONGEST_NUMBER = 9
"""Digits of --mappers and --loops that are read at all."""


app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    invoke_without_command=True,
    context_settings=SETTINGS,
)


@app.callback()
def trace(
    context: typer.Context,
    print_probes: Annotated[
        bool, Option("--print-probes", help="Print what to trace, to run as root.")
    ] = False,
    kernel: Annotated[
        str | None,
        Option(
            metavar="RELEASE", help="Kernel to be traced [default: this one].", show_default=False
        ),
    ] = None,
    kind: Annotated[
        Literal["kprobes", "script", "bpftrace"],
        Option(
            "--as",
            help="kprobes: lines for kprobe_events; script: a shell script that sets them, runs a "
            "command and prints the trace; bpftrace: the same events with bpftrace.",
        ),
    ] = "kprobes",
    btf: Annotated[
        str | None,
        Option(
            metavar="FILE",
            help="Copy of that kernel's /sys/kernel/btf/vmlinux.",
            show_default=False,
        ),
    ] = None,
    kernel_deb: Annotated[
        str | None,
        Option(metavar="FILE", help="That kernel's package, or its vmlinuz.", show_default=False),
    ] = None,
) -> None:
    """Acquires of i_mmap_rwsem per iteration, traced in a kernel.

    Print the probes, run them as root on the machine to be traced while one
    program is started again and again, then read the result. Or let `trace lab`
    boot a kernel package in QEMU, which needs no root. x86-64 only.

    Byte offsets come from the kernel's own BTF (this kernel, --btf, --kernel-deb),
    else from a table of Debian's builds of 6.1, 6.12 and 7.2.

    \b
    Examples:
      lockmodel trace --print-probes --kernel 6.12
      lockmodel trace --print-probes --kernel 6.12 --as script
    \b
    Then, as root on that machine and back here:
      sh probes.sh bash -c 'for i in 1 2 3 4; do /bin/true; done' > trace.txt
      `lockmodel trace read trace.txt`
    """
    if context.invoked_subcommand is not None:
        if print_probes or kernel or btf or kernel_deb:
            raise ArgumentError(
                f"options of `trace {context.invoked_subcommand}` go behind its name; those before "
                f"it belong to --print-probes, which is printed alone"
            )
        return
    if not print_probes:
        typer.echo(context.get_help())
        return
    from lockmodel.measure.trace import probes

    release, offsets = _offsets(kernel, btf, kernel_deb)
    made = {
        "kprobes": probes.lines_text,
        "script": probes.shell_script,
        "bpftrace": probes.bpftrace_script,
    }
    typer.echo(made[kind](offsets, release), nl=False)


def _offsets(kernel: str | None, btf: str | None, package: str | None) -> tuple[str, Offsets]:
    """Return the release and its offsets, from the best source there is."""
    from lockmodel.measure.acquires.sysroot import printable
    from lockmodel.measure.trace.btf import types
    from lockmodel.measure.trace.kernel_image import RELEASE
    from lockmodel.measure.trace.lab.experiment import offsets_of
    from lockmodel.measure.trace.offsets import of_types, stated

    if package is not None:
        if btf is not None or kernel is not None:
            raise ArgumentError("--kernel-deb names its own kernel; leave --btf and --kernel out")
        from lockmodel.measure.trace.kernel_image import read

        image = read(package)
        return image.release, offsets_of(image)
    running = platform.release()
    release = (running if kernel is None else kernel).removeprefix("v")
    if btf is not None:
        if not RELEASE.fullmatch(release):
            raise ArgumentError(f"--kernel {shown(release)}: write it as `uname -r` does: 6.12.107")
        return release, of_types(types(_bytes(btf)), f"the BTF in {printable(Path(btf).name)}")
    if release == running and RUNNING_BTF.is_file() and platform.machine() == "x86_64":
        return release, of_types(types(_bytes(str(RUNNING_BTF))), "the BTF of this kernel")
    return release, stated(release)


def _bytes(path: str) -> bytes:
    from lockmodel.regular import reading

    with reading(path, f"--btf {path}") as stream:
        return stream.read(LARGEST_BTF)


@app.command("read", context_settings=SETTINGS)
def read(
    file: Annotated[
        str, Argument(metavar="FILE", help="Trace of the printed probes.", show_default=False)
    ],
    inodes: Annotated[
        str | None,
        Option(
            metavar="FILE", help="Names: lines as stat -L -c '%i %n' prints.", show_default=False
        ),
    ] = None,
    every: options.All = False,
    explain: options.Explain = False,
    as_json: options.Json = False,
    output: options.Output = None,
    force: options.Force = False,
) -> None:
    """Count acquires per iteration in FILE, a trace of the printed probes.

    FILE is what the script printed, a copy of /sys/kernel/tracing/trace, or what
    the bpftrace script printed. An iteration runs from copy_process to the end of
    the child (fork, vfork), or from one begin_new_exec of a process to its next
    (execl). The answer is what more than half of them show. Distances in memory
    are found from the trace itself, so any x86-64 kernel can be read.

    \b
    Printed numbers, per iteration:
      acquires     lock + unlock of the file's i_mmap_rwsem
      ops          inserts and removes in its interval tree under the lock
      5/15         5 acquires for 15 operations at this site
      like         which column of the second table is the file's
    \b
    Example, once there is a trace.txt:
      `lockmodel trace read trace.txt --json`
    """
    from lockmodel.cli import trace_text
    from lockmodel.measure.acquires.count import SCHEMA, files_json
    from lockmodel.measure.trace import reading, windows
    from lockmodel.measure.trace.files import files as by_file

    with files.output(output, as_json, force) as write:
        recorded = reading.read(file)
        names = {**recorded.names, **(reading.names(inodes) if inodes else {})}
        counted = windows.count(recorded)
        counts = by_file(counted, names)
        data = {
            "schema": SCHEMA,
            "kernel": recorded.kernel,
            "loop": counted.loop,
            "iterations": counted.windows,
            "agreeing": counted.agreeing,
            "files": files_json(counts),
        }
        write(
            Report(
                lambda: data,
                lambda colour: trace_text.read_text(
                    file, recorded.kernel, counted, counts, explain, every, colour
                ),
            )
        )


@app.command("lab", context_settings=SETTINGS)
def lab(
    kernel_deb: Annotated[
        str, Option(metavar="FILE", help="Debian package, or a vmlinuz.", show_default=False)
    ],
    loop: Annotated[Literal["fork", "vfork", "execl"], Option(help="One iteration.")] = "fork",
    binary: Annotated[
        str | None,
        Option(metavar="PATH", help="What is started [default: /bin/true].", show_default=False),
    ] = None,
    sysroot: options.SysrootFolder = None,
    library_path: options.LibraryPath = None,
    mappers: Annotated[
        str | None,
        Option(
            metavar="M,M",
            help="Held instructions with that many other processes that map libc.so.6  [default: "
            f"{MAPPERS}; with --lines {LINES_MAPPERS}].",
            show_default=False,
        ),
    ] = None,
    no_held: Annotated[
        bool, Option("--no-held", help="Count acquires only: 6 s instead of 20.")
    ] = False,
    lines: Annotated[
        bool,
        Option("--lines", help="Count cache lines that come from another CPU: 1 to 4 min."),
    ] = False,
    stations: Annotated[
        bool,
        Option("--stations", help="Rank all locks and lines that are shared: 1 to 4 min."),
    ] = False,
    loops: Annotated[
        str | None,
        Option(
            metavar="N,N",
            help=f"With --lines: loops at once, each on its CPU  [default: {LOOPS}]; with "
            f"--stations one number  [default: {STATIONS_LOOPS}].",
            show_default=False,
        ),
    ] = None,
    keep: Annotated[
        str | None,
        Option(
            metavar="FILE", help="Write the trace as well, for `trace read`.", show_default=False
        ),
    ] = None,
    time_limit: Annotated[
        float | None,
        Option(
            metavar="S",
            help=f"Longest boot, s  [default: {LIMIT_S:g}; with --lines or --stations "
            f"{LINES_LIMIT_S:g}].",
            show_default=False,
        ),
    ] = None,
    every: options.All = False,
    explain: options.Explain = False,
    as_json: options.Json = False,
    output: options.Output = None,
    force: options.Force = False,
) -> None:
    """Trace a loop in a kernel package, booted in QEMU. No root, no KVM.

    Boots the kernel with one CPU, a loop program, the binary and its libraries;
    counts acquires and tree operations of 3 iterations with kprobes; then counts
    instructions between acquired and released (virtual time is instructions),
    without and with other processes that map the same libraries; and compares
    the counts with the rules of `lockmodel acquires`. Needs qemu-system-x86_64, a
    C compiler and libc.a; get a kernel by `apt-get download linux-image-...`.

    With --loop execl the loop program executes itself; leave --binary out.

    With --lines the kernel boots again with a CPU for each loop, under a plugin of
    QEMU that follows who wrote which cache line: what costs time under a contended
    lock. The locks of libc.so.6, ld.so and the program are saturated in turn, and
    acquires and ops must be those of the kprobes. ^C keeps finished settings
    (exit 1); -o FILE.csv has a row per site.

    With --stations the loops run from a disk (ext4), with ld.so.cache, a memory
    cgroup and the kernel's security modules, and every lock and line that the
    whole iteration shares is ranked: what binds once these locks are gone. Needs
    mke2fs (e2fsprogs) as well. Leave the machine alone meanwhile.

    \b
    Printed numbers, per iteration:
      acquires, ops, like, 5/15   as in `trace read`
      held M       instructions per acquire at this site, median, while M other
                   processes map libc.so.6 and ld.so (not the program itself)
      growth       more per doubling of the mapping processes
      ~            another lock was taken inside: good to 100, others to 20
      transferred  lines read after another CPU wrote them, or written while
                   another CPU had them; touched, written: all lines
      before       instructions since the last of the locks was let go
      per op       lines transferred per tree operation
    \b
    With --stations, per iteration:
      one per      what a machine has one of them for: a file, page, memory
                   cgroup, NUMA node, or the machine
      held         lines that came from another CPU while it was held
      word         times that the lock's own line, or the line, came
      demand       a lock: 6.5 lines per acquire + held; a line: word
      *            its lock was saturated: served by turns
    \b
    Examples, once there is a package:
      `lockmodel trace lab --kernel-deb linux-image-6.12.deb --loop fork
       --binary /bin/true`
      `lockmodel trace lab --kernel-deb linux-image-6.12.deb --loop execl
       --lines --loops 8,16`
      `lockmodel trace lab --kernel-deb linux-image-6.12.deb --loop execl
       --stations --loops 8`
    """
    from lockmodel.cli import trace_text
    from lockmodel.cli.trace_lab import experiment, report

    if time_limit is None:
        time_limit = LINES_LIMIT_S if lines or stations else LIMIT_S
    if not 0 < time_limit < math.inf:
        raise ArgumentError(f"--time-limit {time_limit:g} must be a number of seconds above 0")
    if loops is not None and not (lines or stations):
        raise ArgumentError(f"--loops {shown(loops)} belongs to --lines or --stations; add one")
    if stations and (lines or mappers is not None or no_held or keep is not None):
        raise ArgumentError(
            "--stations is an experiment of its own, without --lines, --mappers, --no-held and "
            "--keep; leave them out"
        )
    if lines and no_held:
        raise ArgumentError("--no-held and --lines: lines come with instructions; leave one out")
    if loop == "execl" and binary is not None:
        raise ArgumentError(
            "--binary and --loop execl: in execl the loop program executes itself; leave --binary "
            "out"
        )
    with (
        files.output(output, as_json, force) as write,
        files.optional_file(keep, force) as target,
    ):
        program = binary or "/bin/true"
        where = (kernel_deb, loop, program, sysroot, library_path)
        if stations:
            _stations(where, loops or STATIONS_LOOPS, time_limit, (explain, every), write)
            return
        if lines:
            left_out = _lines(where, loops, mappers, time_limit, (explain, every), write, target)
        else:
            left_out = ""
            asked = None if no_held else _mappers(mappers or MAPPERS)
            result = experiment(*where, asked, time_limit)
            if target is not None:
                target.stream.write(result.experiment.text.encode())
            write(
                Report(
                    lambda: report(result),
                    lambda c: trace_text.lab_text(result, explain, every, c),
                )
            )
    if left_out:
        raise NotTrustworthyError(left_out)


def _lines(
    where: tuple[str, str, str, str | None, str | None],
    loops: str | None,
    mappers: str | None,
    limit_s: float,
    shows: tuple[bool, bool],
    write: Callable[[Report], None],
    target: files.Target | None,
) -> str:
    """Count cache lines and write the report; return why it lacks settings, or nothing."""
    from lockmodel.cli import trace_lines, trace_lines_text

    result = trace_lines.experiment(
        *where, _loops(loops or LOOPS), _mappers(mappers or LINES_MAPPERS), limit_s
    )
    if target is not None:
        target.stream.write(result.experiment.traced.text.encode())
    write(
        Report(
            lambda: trace_lines.report(result),
            lambda colour: trace_lines_text.lines_text(result, *shows, colour),
            lambda: trace_lines.csv(result),
        )
    )
    found = result.experiment
    done = f"{len(found.measured)} of {found.planned} settings were finished and kept"
    return found.stopped and f"{found.stopped}: {done}"


def _stations(
    where: tuple[str, str, str, str | None, str | None],
    loops: str,
    limit_s: float,
    shows: tuple[bool, bool],
    write: Callable[[Report], None],
) -> None:
    """Rank what is shared and write the report."""
    from lockmodel.cli import trace_stations, trace_stations_text

    numbers = _numbers("--loops", loops, STATIONS_LOOPS)
    if len(numbers) > 1:
        raise ArgumentError(f"--loops {shown(loops)}: --stations takes one number, such as 8")
    result = trace_stations.experiment(*where, numbers[0], limit_s)
    write(
        Report(
            lambda: trace_stations.report(result),
            lambda colour: trace_stations_text.stations_text(result, *shows, colour),
            lambda: trace_stations.csv(result),
        )
    )


def _mappers(text: str) -> list[int]:
    """Return the numbers of --mappers, increasing and without repeats."""
    numbers = _numbers("--mappers", text, MAPPERS)
    if numbers[-1] > MOST_MAPPERS:
        raise ArgumentError(
            f"--mappers {numbers[-1]}: at most {MOST_MAPPERS} processes fit into the guest"
        )
    return numbers


def _loops(text: str) -> list[int]:
    """Return the numbers of --loops, increasing and without repeats."""
    from lockmodel.measure.trace.lab.lines.experiment import MOST_LOOPS

    numbers = _numbers("--loops", text, "8,16")
    if numbers[0] < 1 or numbers[-1] > MOST_LOOPS:
        wrong = numbers[0] if numbers[0] < 1 else numbers[-1]
        raise ArgumentError(
            f"--loops {wrong}: 1 to {MOST_LOOPS} loops, each needs a CPU of the guest"
        )
    return numbers


def _numbers(option: str, text: str, example: str) -> list[int]:
    """Return the numbers of a list, increasing and without repeats."""
    parts = [part.strip() for part in text.split(",")]
    if not all(p.isascii() and p.isdigit() and len(p) <= LONGEST_NUMBER for p in parts):
        raise ArgumentError(f"{option} {shown(text)}: write whole numbers with commas: {example}")
    return sorted({int(part) for part in parts})
