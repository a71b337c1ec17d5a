"""Boot a kernel, trace a loop in it, and return what one iteration takes.

The guest has one CPU and nothing in it but the loop, the binary and its libraries, so counts are
exact and repeat; nothing depends on speed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lockmodel.errors import ArgumentError, NotTrustworthyError
from lockmodel.measure.acquires.resolve import Resolver
from lockmodel.measure.bench.program import COMPILERS, build_problem, compiler
from lockmodel.measure.trace import btf, reading, windows
from lockmodel.measure.trace.events import Trace
from lockmodel.measure.trace.held import HeldSite, costs, held
from lockmodel.measure.trace.kernel_image import KernelImage
from lockmodel.measure.trace.lab import qemu
from lockmodel.measure.trace.lab.guest import contents
from lockmodel.measure.trace.lab.plan import CALIBRATIONS, FUNCTIONS, plan
from lockmodel.measure.trace.offsets import Offsets, of_types, stated

HERE = Path(__file__).resolve().parent

MOST_EXIT_CODE = 125
"""Above: what loop.c returns for a program that did not run."""
KILLED = 128
"""loop.c adds the signal to this."""


@dataclass(frozen=True)
class Experiment:
    """What the guest showed.

    Attributes
    ----------
    kernel : str
        Release.
    offsets : Offsets
    counted : windows.Counted
    names : dict of int to str
        Inode number -> path in the guest.
    held : tuple of HeldSite
        Empty where that was not asked for.
    ended : int
        Exit code of the binary.
    text : str
        The trace of the counted iterations, as `trace read` takes it.
    functions : tuple of str
        "START END NAME" of the functions that were asked for.
    """

    kernel: str
    offsets: Offsets
    counted: windows.Counted
    names: dict[int, str]
    held: tuple[HeldSite, ...]
    ended: int
    text: str
    functions: tuple[str, ...] = ()


def offsets_of(kernel: KernelImage) -> Offsets:
    """Return the offsets of a kernel: its own, else the stated ones.

    Raises
    ------
    ArgumentError
        It has no BTF and no offsets are stated for its version.
    ScenarioError
        Its image is damaged.
    """
    blob = kernel.btf()
    if blob is None:
        return stated(kernel.release)
    return of_types(btf.types(blob), f"the BTF of {kernel.release}")


def build(folder: Path) -> tuple[Path, Path]:
    """Compile init (static) and the loop (dynamic) into a folder; return both.

    Raises
    ------
    ArgumentError
        There is no C compiler, or it cannot link a static program.
    """
    cc = compiler()
    if cc is None:
        raise ArgumentError(
            f"the lab needs a C compiler ({', '.join(COMPILERS)}); install gcc and libc6-dev"
        )
    made = []
    for name, options in (("init", ("-static",)), ("loop", ())):
        target = folder / name
        problem = build_problem(cc, HERE / f"{name}.c", target, *options)
        if problem:
            raise ArgumentError(
                f"the lab's {name}.c cannot be built by {cc}: {problem[-200:]}; a static "
                f"program needs libc.a (Debian: libc6-dev, Fedora: glibc-static)"
            )
        made.append(target)
    return made[0], made[1]


def run(
    kernel: KernelImage,
    loop: str,
    binary: str | None,
    built: tuple[Path, Path],
    resolver: Resolver,
    mappers: Sequence[int] | None,
    limit_s: float,
    watch: Callable[[str], None],
    functions: Sequence[str] | None = None,
) -> Experiment:
    """Run the experiment.

    Parameters
    ----------
    kernel : KernelImage
    loop : {'fork', 'vfork', 'execl'}
    binary : str or None
        What is started; None for execl, where the loop program executes itself.
    built : tuple of Path
        What `build` made.
    resolver : Resolver
        Finds the libraries.
    mappers : sequence of int or None
        Numbers of other processes that map libc.so.6 and ld.so while held instructions are
        counted, increasing; None leaves them out.
    limit_s : float
        Longest time of the boot, s.
    watch : callable
        Gets the name of each phase that is done.
    functions : sequence of str, optional
        Starts of the names of kernel functions whose addresses are wanted; empty for all.

    Raises
    ------
    ArgumentError, FileError, ScenarioError
        See `offsets_of`, `guest.contents`, `qemu.boot`.
    NotTrustworthyError
        The guest failed, the binary did, or the iterations differ.
    """
    offsets = offsets_of(kernel)
    inside = contents(built, binary, resolver)
    text = plan(offsets, loop, inside.started, inside.mapped, mappers, inside.libraries, functions)
    with tempfile.TemporaryDirectory(prefix="lockmodel-lab-") as name:
        folder = Path(name)
        (folder / "vmlinuz").write_bytes(kernel.image)
        (folder / "initrd").write_bytes(inside.archive(text))
        console = qemu.boot(
            folder / "vmlinuz",
            folder / "initrd",
            max(mappers or (0,)),
            mappers is not None,
            limit_s,
            lambda line: _report(line, watch),
        )
    text = console.decode("utf-8", "replace")
    return _evaluated(text, kernel.release, offsets, mappers, functions is not None)


def _report(line: bytes, watch: Callable[[str], None]) -> None:
    if line.startswith(b"LAB end "):
        watch(line[8:].strip().decode("ascii", "replace"))


def _evaluated(
    console: str,
    release: str,
    offsets: Offsets,
    mappers: Sequence[int] | None,
    addresses: bool = False,
) -> Experiment:
    lines = console.replace("\r", "").split("\n")
    said = [line.removeprefix("LAB ") for line in lines if line.startswith("LAB ")]
    ended = _ended(said)
    names = {}
    for line in said:
        if line.startswith("inode "):
            number, path = line.removeprefix("inode ").split(" ", 1)
            names[int(number)] = path
    phases = _phases(lines)
    wanted = ["count", *([FUNCTIONS] if addresses else [])]
    if mappers is not None:
        wanted += ["calibrate", *(f"held {others}" for others in mappers)]
    plain = [line.split()[-1] for line in said if line.startswith("calibrated: ")]
    if not phases.keys() >= set(wanted) or (mappers and not (plain and plain[0].isdecimal())):
        raise NotTrustworthyError(
            f"lab: the console lacks a part ({', '.join(wanted)}); run it again"
        )
    text = "\n".join(
        [
            f"# kernel {release}",
            *(f"inode {number} {path}" for number, path in names.items()),
            *phases["count"],
            "",
        ]
    )
    counted = windows.count(reading.parse(text.splitlines(), "lab"))
    sites: list[HeldSite] = []
    if mappers is not None:
        calibration = _trace(phases["calibrate"]).events
        cost = costs(calibration, CALIBRATIONS, int(plain[0]))
        for others in mappers:
            events = _trace(phases[f"held {others}"]).events
            sites += held(events, counted.counts, others, cost)
    known = tuple(phases.get(FUNCTIONS, ()))
    return Experiment(release, offsets, counted, names, tuple(sites), ended, text, known)


def _ended(said: Sequence[str]) -> int:
    """Return the exit code of the binary; raises NotTrustworthyError if it did not run."""
    ended = [line.split() for line in said if line.startswith("ended: ")]
    if not ended:
        return 0
    how, code = ended[0][-2], int(ended[0][-1])
    if how == "signal" or code > MOST_EXIT_CODE:
        raise NotTrustworthyError(
            f"lab: the binary cannot be run in the guest ({_ending(how, code)}); it has only its "
            f"libraries there, no other files. Choose one that ends at once when it is run without "
            f"arguments"
        )
    return code


def _ending(how: str, code: int) -> str:
    """Return how the loop ended, whose exit code says how the binary did (see loop.c)."""
    if how == "signal":
        return f"the loop program was killed by signal {code}"
    if code > KILLED:
        return f"it was killed by signal {code - KILLED}"
    return f"exit code {code}: {'not executed' if code == KILLED - 1 else 'not started'}"


def _phases(lines: Sequence[str]) -> dict[str, list[str]]:
    """Return what was printed between `LAB begin NAME` and `LAB end NAME`."""
    phases: dict[str, list[str]] = {}
    inside: list[str] | None = None
    for line in lines:
        if line.startswith("LAB begin "):
            inside = phases.setdefault(line.removeprefix("LAB begin "), [])
        elif line.startswith("LAB end "):
            inside = None
        elif inside is not None:
            inside.append(line)
    return phases


def _trace(lines: Sequence[str]) -> Trace:
    return reading.parse(lines, "lab")
