"""C source -> a plugin that the QEMU at hand loads, or why there can be none."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lockmodel.errors import ArgumentError
from lockmodel.measure.bench.program import COMPILERS, build_problem, compiler
from lockmodel.measure.trace.lab import qemu

HERE = Path(__file__).resolve().parent

VERSIONS = (1, 3, 2)
"""Of QEMU's plugin interface, in the order in which they are tried. A QEMU that takes 3 takes 2 as
well, but calls it by the rules of 3 (see interface.h)."""

LOADING_S = 20.0
TAIL = 300
"""Characters of a message that a failure shows."""


def build(source: Path, folder: Path) -> Path:
    """Compile a plugin and have QEMU load it; return the file.

    Parameters
    ----------
    source : Path
        Its C file. `qemu_plugin_install` must return 0 when it gets no arguments.
    folder : Path
        For the result.

    Raises
    ------
    ArgumentError
        There is no C compiler or no QEMU, or that QEMU does not load plugins.
    """
    emulator = qemu.program()
    cc = compiler()
    if cc is None:
        raise ArgumentError(
            f"counting cache lines needs a C compiler ({', '.join(COMPILERS)}); install gcc and "
            f"libc6-dev"
        )
    said = ""
    for version in VERSIONS:
        target = folder / f"{source.stem}-{version}.so"
        _compile(cc, source, target, version)
        problem = _refusal(emulator, target)
        if not problem:
            return target
        said = said or problem
    raise ArgumentError(
        f"{emulator} does not load the lab's plugin: {said[-TAIL:]}; install a QEMU that is built "
        f"with --enable-plugins (Debian's qemu-system-x86 of 12 is; counted with 7.2)"
    )


def _compile(cc: str, source: Path, target: Path, version: int) -> None:
    options = ("-shared", "-fPIC", "-pthread", f"-DPLUGIN_API={version}", f"-I{HERE}")
    problem = build_problem(cc, source, target, *options)
    if problem:
        raise ArgumentError(
            f"the lab's {source.name} cannot be built by {cc}: {problem[-TAIL:]}; install gcc and "
            f"libc6-dev"
        )


def takes_plugins(emulator: str) -> bool:
    """Return whether a QEMU is built to load plugins: it then looks for the file of one."""
    return "not load plugin" in _refusal(emulator, HERE / "none.so")


def _refusal(emulator: str, plugin: Path) -> str:
    """Return why QEMU does not load a plugin, or nothing; it starts no machine."""
    try:
        done = subprocess.run(
            [
                *(emulator, "-machine", "none", "-accel", "tcg", "-nodefaults"),
                *("-display", "none", "-monitor", "stdio", "-plugin", qemu.in_option(str(plugin))),
            ],
            input="quit\n",
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LOADING_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    return " ".join(done.stderr.split()) or f"exit code {done.returncode}"
