"""Boot loops on as many CPUs under the plugin, and rank what they share.

The guest has what makes the order of a real machine's stations: a root on a disk (see `root`),
/etc/ld.so.cache, a memory cgroup three levels deep, and the security modules of its kernel.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lockmodel.errors import ArgumentError, NotTrustworthyError
from lockmodel.measure.acquires.resolve import Resolver, base
from lockmodel.measure.trace import btf, kallsyms, kernel_image
from lockmodel.measure.trace.kernel_image import KernelImage
from lockmodel.measure.trace.lab import initramfs, qemu
from lockmodel.measure.trace.lab.guest import Guest, contents
from lockmodel.measure.trace.lab.lines.experiment import BOOTS, INTERRUPTED
from lockmodel.measure.trace.lab.lines.settings import ARM, FILE, PHASE
from lockmodel.measure.trace.lab.plan import LOOP
from lockmodel.measure.trace.lab.stations import places, ranking, records, root
from lockmodel.measure.trace.lab.stations.places import Places
from lockmodel.measure.trace.lab.stations.ranking import Ranked, Station
from lockmodel.measure.trace.lab.stations.records import FREE, TURNS, Phase

SOURCE = Path(__file__).resolve().parent / "stations.c"

FEWEST_LOOPS, MOST_LOOPS = 2, 48
WARM, COUNTED, SPARE = 3, 6, 4
"""Iterations of each loop: before all of them are counted, while they are, and around that, because
some are two ahead of the last when it is warm (AHEAD in stations.c) and nobody may end early."""

DISK_MODULE = "loop"
DISK, DISK_FOLDER = "/root.ext4", "/disk"
CGROUPS = "/sys/fs/cgroup"
CGROUP_LEVELS = ("user.slice", "user-0.slice", "session.scope")
CONTROLLERS = "+memory +pids"

FULL = 0.01
"""Share of the transfers that may have found no room in the plugin's tables."""


@dataclass(frozen=True)
class Order:
    """What one order of the loops showed.

    Attributes
    ----------
    name : str
        free, or turns on a file.
    phase : Phase
    ranked : Ranked
    """

    name: str
    phase: Phase
    ranked: Ranked


@dataclass(frozen=True)
class StationsExperiment:
    """What the guest showed.

    Attributes
    ----------
    kernel, loop : str
    loops : int
        At once, each on a CPU of its own.
    orders : tuple of Order
        The free one first.
    stations : tuple of Station
        A lock that was saturated from that order, all others from the free one.
    planned : int
        Orders that were asked for.
    stopped : str
        Why not all of them were finished; empty if they were.
    """

    kernel: str
    loop: str
    loops: int
    orders: tuple[Order, ...]
    stations: tuple[Station, ...]
    planned: int
    stopped: str


def check_loops(loops: int) -> None:
    """Raise ArgumentError for a number of loops that cannot be followed."""
    if not FEWEST_LOOPS <= loops <= MOST_LOOPS:
        raise ArgumentError(
            f"--loops {loops}: stations are counted with {FEWEST_LOOPS} to {MOST_LOOPS} loops, as "
            f"one shares nothing and the plugin follows no more CPUs"
        )


def run(
    package: str,
    kernel: KernelImage,
    loop: str,
    binary: str | None,
    built: tuple[Path, Path],
    shared_object: Path,
    resolver: Resolver,
    loops: int,
    limit_s: float,
    watch: Callable[[str], None],
) -> StationsExperiment:
    """Run it.

    Parameters
    ----------
    package : str
        Path of the package that `kernel` is of, for its module of the disk.
    kernel, loop, binary, built, resolver
        As in `lab.experiment.run`.
    shared_object : Path
        What `plugin.build.build` made of `SOURCE`.
    loops : int
    limit_s : float
        Longest time of the boot, s. Orders that are finished by then are kept.
    watch : callable
        Gets the name of each order that is done.

    Raises
    ------
    ArgumentError, FileError, ScenarioError
        As `lab.experiment.run`; and see `check_loops`, `root.image`, `kernel_image.module`.
    NotTrustworthyError
        The guest failed, or not even the free order was finished.
    """
    check_loops(loops)
    inside = contents(built, binary, resolver)
    paths = [*inside.mapped, root.CACHE]
    names = {number: _called(path, inside) for number, path in enumerate(paths)}
    turns = [number for number, path in enumerate(paths) if path != root.CACHE]
    phases = [FREE, *(TURNS + number for number in turns)]
    module = kernel_image.module(package, DISK_MODULE)
    vmlinux = kernel.unpacked()
    known = kallsyms.symbols(vmlinux)
    blob = kernel.btf()
    if blob is None:
        raise ArgumentError(
            f"--stations: {kernel.release} has no BTF, which names the members of an inode; give a "
            f"kernel that is built with CONFIG_DEBUG_INFO_BTF, such as Debian's"
        )
    layout = places.layout(btf.types(blob))
    with tempfile.TemporaryDirectory(prefix="lockmodel-lab-") as name:
        folder = Path(name)
        (folder / "disk").mkdir()
        files = {
            "/init": inside.init,
            "/plan": os.fsencode(_plan(inside, loop, loops, paths, phases, module is not None)),
            DISK: root.image({LOOP: inside.loop, **inside.files}, folder / "disk").read_bytes(),
        }
        if module is not None:
            files[f"/{DISK_MODULE}.ko"] = module
        (folder / "vmlinuz").write_bytes(kernel.image)
        (folder / "initrd").write_bytes(initramfs.archive(files))
        functions = kallsyms.functions(known)
        lines = (f"{start:x} {end:x} {name}\n" for start, end, name in functions)
        (folder / "functions").write_text("".join(lines))
        stopped = _boot(
            folder, shared_object, loops, limit_s, lambda n: watch(ranking.order_of(n, names))
        )
        text = (folder / "out").read_text().splitlines()
    found = records.parse(_whole(text), "lab") if "end 1" in text else None
    if found is None and stopped == INTERRUPTED:
        raise KeyboardInterrupt
    if found is None:
        raise NotTrustworthyError(stopped or "lab: the plugin recorded nothing; run it again")
    where = Places(known, layout, {word: names[number] for number, word in found.files.items()})
    lost = [names[number] for number in names if number not in found.files]
    if lost:
        raise NotTrustworthyError(f"lab: the plugin did not find the lock of {lost[0]}")
    orders = tuple(_order(phase, where, names, loops) for phase in found.phases)
    return StationsExperiment(
        *(kernel.release, loop, loops, orders),
        ranking.merged([order.ranked for order in orders]),
        len(phases),
        stopped,
    )


def _called(path: str, guest: Guest) -> str:
    """Return what a file is called: by its role if it is a program of the loop."""
    if path == guest.started:
        return "the executable" if guest.started == LOOP else "the child's executable"
    return "the parent's executable" if path == LOOP else base(path)


def _plan(
    guest: Guest,
    loop: str,
    loops: int,
    paths: Sequence[str],
    phases: Sequence[int],
    module: bool,
) -> str:
    """Return the guest's plan: the root, the cgroup, the files, and one phase per order."""
    lines = [f"libraries\tLD_LIBRARY_PATH={guest.libraries}"] if guest.libraries else []
    lines += [f"pin\t{loops}", *([f"module\t/{DISK_MODULE}.ko"] if module else [])]
    lines += [f"disk\t{DISK}\t{DISK_FOLDER}", f"enter\t{DISK_FOLDER}"]
    lines.append(f"mount\tcgroup2\t{CGROUPS}")
    folder = CGROUPS
    for level in CGROUP_LEVELS:
        lines.append(f"put\t{folder}/cgroup.subtree_control\t{CONTROLLERS}")
        folder = f"{folder}/{level}"
        lines.append(f"folder\t{folder}")
    lines += [f"put\t{folder}/cgroup.procs\t1", _mark(ARM, 0)]
    for number, path in enumerate(paths):
        lines += [_mark(FILE, number), f"map\t{path}"]
    iterations = WARM + COUNTED + SPARE
    arguments = (
        f"execl\t{'X' * iterations}"
        if loop == "execl"
        else f"{loop}\t{iterations}\t{guest.started}"
    )
    for phase in phases:
        lines += [
            *(_mark(PHASE, phase), f"parallel\t{loops}\t{LOOP}\t{arguments}", _mark(PHASE, 0)),
            f"say\tend {phase}",
        ]
    return "\n".join([*lines, ""])


def _mark(code: int, value: int) -> str:
    return f"mark\t{code}\t{value}"


def _boot(
    folder: Path,
    shared_object: Path,
    loops: int,
    limit_s: float,
    watch: Callable[[int], None],
) -> str:
    """Boot until all phases are done; return why not all are, or nothing."""
    out = folder / "out"
    arguments = {
        "functions": str(folder / "functions"),
        "out": str(out),
        "loops": str(loops),
        "warm": str(WARM),
        "iterations": str(COUNTED),
    }

    def told(line: bytes) -> None:
        if line.startswith(b"LAB end "):
            watch(int(line[8:]))

    for left in reversed(range(BOOTS)):
        try:
            qemu.boot(
                *(folder / "vmlinuz", folder / "initrd", loops, False, limit_s, told),
                qemu.Plugged(loops + 1, shared_object, arguments),
            )
        except KeyboardInterrupt:
            out.touch()
            return INTERRUPTED
        except NotTrustworthyError as error:
            out.touch()
            done = b"\nend " in out.read_bytes()
            if done or left == 0 or not isinstance(error, qemu.PanicError):
                return str(error)
        else:
            break
    return ""


def _whole(text: Sequence[str]) -> Sequence[str]:
    """Return the lines up to the end of the last whole phase."""
    last = max(number for number, line in enumerate(text) if line.startswith("end "))
    return text[: last + 1]


def _order(phase: Phase, where: Places, names: Mapping[int, str], loops: int) -> Order:
    """Return what a phase shows; raises NotTrustworthyError if it is not whole."""
    name = ranking.order_of(phase.number, names)
    if phase.iterations != loops * COUNTED or phase.cpus != loops:
        raise NotTrustworthyError(
            f"lab: {phase.iterations} of {loops * COUNTED} iterations were counted ({name}); run "
            f"it again with fewer loops or with nothing else on this machine"
        )
    if phase.dropped > FULL * phase.moved:
        raise NotTrustworthyError(
            f"lab: {phase.dropped} counts found no room in the plugin ({name}); run it with fewer "
            f"loops"
        )
    return Order(name, phase, ranking.ranked(phase, where, name))
