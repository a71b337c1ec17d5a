"""Boot a kernel twice: once with kprobes on one CPU, once under the plugin, and compare the two.

The kprobes say what acquires and tree operations an iteration takes, and where the functions of the
kernel lie. Under the plugin no probe is set, and an iteration must take the same.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lockmodel.errors import ArgumentError, NotTrustworthyError
from lockmodel.measure.acquires.count import LIBC, LOADER, FileCount
from lockmodel.measure.acquires.resolve import Resolver, base
from lockmodel.measure.trace.files import files, names
from lockmodel.measure.trace.kernel_image import KernelImage
from lockmodel.measure.trace.lab import experiment, qemu
from lockmodel.measure.trace.lab.experiment import Experiment
from lockmodel.measure.trace.lab.guest import Guest, contents
from lockmodel.measure.trace.lab.lines import records
from lockmodel.measure.trace.lab.lines.counts import Counts, counts
from lockmodel.measure.trace.lab.lines.settings import Setting, plan, settings
from lockmodel.measure.trace.sites import IN_EXECVE, RULES, TEARDOWN

SOURCE = Path(__file__).resolve().parent / "lines.c"

HOOKED = (
    *("down_write", "up_write", "rwsem_down_write_slowpath", "vma_interval_tree_", "__switch_to"),
    *("asm_exc_page_fault", "asm_sysvec_", "asm_common_interrupt"),
)
"""Starts of names of kernel functions that lines.c looks for."""
NAMED = (TEARDOWN, *IN_EXECVE, *(start for starts, _ in RULES for start in starts))
"""Likewise, those that tell a site from another."""

MOST_LOOPS = 48
"""A CPU for each, one for the processes that sleep, and a few to spare below directory.h's 55."""

MOST_SETTINGS, MOST_FILES = 255, 64
"""A phase's number has 8 bits; lines.c has room for so many files."""

INTERRUPTED = "interrupted"

BOOTS = 5
"""About one in six guests panics in its first seconds, where it patches its own code on several
CPUs, which QEMU 7.2 does not always get right."""


@dataclass(frozen=True)
class Measured:
    """One setting and what it showed."""

    setting: Setting
    counts: Counts


@dataclass(frozen=True)
class LinesExperiment:
    """What the guest showed.

    Attributes
    ----------
    traced : Experiment
        Acquires and operations by kprobes.
    names : dict of str to str
        Path in the guest -> name, in the order of the numbers that `Counts` has.
    started : str
        Name of what the loop starts.
    planned : int
        Settings that were asked for.
    measured : tuple of Measured
        Those that were finished.
    stopped : str
        Why not all of them were; empty if they were.
    """

    traced: Experiment
    names: dict[str, str]
    started: str
    planned: int
    measured: tuple[Measured, ...]
    stopped: str

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files, by their numbers."""
        return tuple(self.names.values())


def run(
    kernel: KernelImage,
    loop: str,
    binary: str | None,
    built: tuple[Path, Path],
    shared_object: Path,
    resolver: Resolver,
    loops: Sequence[int],
    mappers: Sequence[int],
    limit_s: float,
    watch: Callable[[str], None],
) -> LinesExperiment:
    """Run both boots.

    Parameters
    ----------
    kernel, loop, binary, built, resolver
        As in `experiment.run`.
    shared_object : Path
        What `plugin.build.build` made of `SOURCE`.
    loops, mappers : sequence of int
        Increasing; see `settings`.
    limit_s : float
        Longest time of each boot, s. What is finished by then is kept.
    watch : callable
        Gets the name of each setting that is done.

    Raises
    ------
    ArgumentError, FileError, ScenarioError
        As `experiment.run`.
    NotTrustworthyError
        The guest failed, or the plugin saw other acquires or operations than the kprobes.
    """
    inside = contents(built, binary, resolver)
    every = settings(loops, mappers, _saturated(inside))
    if len(every) > MOST_SETTINGS or len(inside.mapped) > MOST_FILES:
        raise ArgumentError(
            f"--lines: {len(every)} settings and {len(inside.mapped)} files; at most "
            f"{MOST_SETTINGS} and {MOST_FILES} are possible: fewer --loops and --mappers, or a "
            f"binary with fewer libraries"
        )
    traced = experiment.run(
        kernel, loop, binary, built, resolver, None, limit_s, watch, [*HOOKED, *NAMED]
    )
    with tempfile.TemporaryDirectory(prefix="lockmodel-lab-") as name:
        folder = Path(name)
        (folder / "vmlinuz").write_bytes(kernel.image)
        (folder / "initrd").write_bytes(inside.archive(plan(inside, loop, every)))
        (folder / "out").touch()
        (folder / "functions").write_text("\n".join([*traced.functions, ""]))
        stopped = _boot(folder, shared_object, every, limit_s, watch)
        with (folder / "out").open() as lines:
            known, phases = records.read(lines, records.Functions(traced.functions))
    counted = {traced.names[i]: name for i, name in names(traced.counted, traced.names).items()}
    named = {path: counted.get(path, base(path)) for path in inside.mapped}
    unknown = [path for number, path in enumerate(inside.mapped) if number not in known]
    if phases and unknown:
        raise NotTrustworthyError(f"lab: the plugin did not find the lock of {unknown[0]}")
    measured = []
    for phase in phases:
        setting = every[phase.number - 1]
        number = None if setting.saturated is None else inside.mapped.index(setting.saturated)
        measured.append(Measured(setting, counts(phase, number)))
        _compare(measured[-1], files(traced.counted, traced.names), [*named.values()])
    if not measured and stopped == INTERRUPTED:
        raise KeyboardInterrupt
    if not measured:
        raise NotTrustworthyError(stopped)
    started = named[inside.started]
    return LinesExperiment(traced, named, started, len(every), tuple(measured), stopped)


def _saturated(guest: Guest) -> list[str]:
    """Return the files whose locks are saturated: what is started, libc.so.6 and ld.so."""
    shared = [path for path in guest.mapped if base(path) in (LIBC, LOADER)]
    return sorted({guest.started, *shared})


def _boot(
    folder: Path,
    shared_object: Path,
    every: Sequence[Setting],
    limit_s: float,
    watch: Callable[[str], None],
) -> str:
    """Boot until all settings are done; return why not all are, or nothing."""
    arguments = {"functions": str(folder / "functions"), "out": str(folder / "out")}
    cpus = max(each.loops for each in every) + 1
    processes = max(each.mappers for each in every) + cpus

    def told(line: bytes) -> None:
        if line.startswith(b"LAB end "):
            watch(every[int(line[8:]) - 1].described)

    for left in reversed(range(BOOTS)):
        try:
            qemu.boot(
                *(folder / "vmlinuz", folder / "initrd", processes, False, limit_s, told),
                qemu.Plugged(cpus, shared_object, arguments),
            )
        except KeyboardInterrupt:
            return INTERRUPTED
        except NotTrustworthyError as error:
            done = b"\ndone " in (folder / "out").read_bytes()
            if done or left == 0 or not isinstance(error, qemu.PanicError):
                return str(error)
        else:
            break
    return ""


def _compare(measured: Measured, expected: Sequence[FileCount], names: Sequence[str]) -> None:
    """Raise NotTrustworthyError where an iteration under the plugin is not that of the kprobes."""
    theirs = {
        (file.name, where): (both.acquires, both.operations)
        for file in expected
        for where, both in file.sites.items()
    }
    ours = {
        (names[each.file], each.site): (each.acquires, each.operations)
        for each in measured.counts.sites
    }
    for where in sorted({*ours, *theirs}):
        one, other = ours.get(where, (0, 0)), theirs.get(where, (0, 0))
        if one != other:
            raise NotTrustworthyError(
                f"lab: {where[0]} at {where[1]}: {one[0]} acquires for {one[1]} operations per "
                f"iteration under the plugin ({measured.setting.described}), {other[0]} for "
                f"{other[1]} with kprobes; so the lines are not those of this loop"
            )
