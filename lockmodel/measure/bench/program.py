"""The program that loops: C built with cc, or Python where there is no compiler."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lockmodel.errors import ArgumentError, FileError

LOOPS = ("fork", "vfork", "posix_spawn", "execl")
"""fork, vfork: + execve + _exit + wait; posix_spawn + wait; execl: the program execs itself."""

WITHOUT_COMPILER = "posix_spawn"
"""The loop Python can make cheaply: its fork would copy all of Python's mappings."""

COMPILERS = ("cc", "gcc", "clang")
BUILD_TIMEOUT_S = 60.0
TRIAL_TIMEOUT_S = 5.0
"""A binary that takes longer is no loop body; it would also outlive the measurement."""

HERE = Path(__file__).resolve().parent

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
"""Environment of all processes: short, the same everywhere, without LD_PRELOAD."""


@dataclass(frozen=True)
class LoopProgram:
    """The program that loops.

    Attributes
    ----------
    command : tuple of str
        How to start it.
    loop : str
        One of `LOOPS`.
    binary : str
        What the loop runs; the program itself for execl.
    described : str
        How it was made.
    """

    command: tuple[str, ...]
    loop: str
    binary: str
    described: str


def build(loop: str | None, binary: str | None, folder: Path) -> LoopProgram:
    """Return the program for a loop, built in `folder`.

    Parameters
    ----------
    loop : str or None
        One of `LOOPS`; None takes fork, or what can be had without a compiler.
    binary : str or None
        What to run; None takes `true`.
    folder : Path
        For the built program; deleting it is the caller's affair.

    Raises
    ------
    ArgumentError
        The loop needs a compiler and there is none, or the binary cannot be looped.
    """
    if loop == "execl" and binary is not None:
        raise ArgumentError(
            "--binary and --loop execl: in execl the loop program execs itself; leave --binary out"
        )
    made, why = compiled(folder, "loop.c")
    if made is None and loop not in (None, WITHOUT_COMPILER):
        raise ArgumentError(
            f"--loop {loop} needs a C compiler ({why}); install gcc, or use --loop "
            f"{WITHOUT_COMPILER}"
        )
    if made is None:
        chosen = WITHOUT_COMPILER
        command: tuple[str, ...] = (sys.executable, "-I", "-S", str(HERE / "python_loop.py"))
        described = f"Python's os.posix_spawn ({why})"
    else:
        chosen = loop or "fork"
        command = (str(made),)
        described = f"loop.c, {why}"
    path = str(made) if chosen == "execl" else _binary(binary)
    return LoopProgram(command, chosen, path, described)


def compiler() -> str | None:
    """Return the path of the C compiler, $CC first, or None."""
    named = os.environ.get("CC", "").split()
    return next((path for name in [*named[:1], *COMPILERS] if (path := shutil.which(name))), None)


def run_compiler(
    compiler: str, source: Path, target: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    """Compile one C file; raises OSError or SubprocessError if the compiler does not end."""
    return subprocess.run(
        [compiler, "-O2", *options, "-o", str(target), str(source)],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=BUILD_TIMEOUT_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def build_problem(compiler: str, source: Path, target: Path, *options: str) -> str:
    """Compile one C file; return what the compiler says where it fails, or nothing."""
    try:
        done = run_compiler(compiler, source, target, *options)
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    return (done.stderr.strip() or f"exit code {done.returncode}") if done.returncode else ""


def compiled(folder: Path, source: str, *options: str) -> tuple[Path | None, str]:
    """Return a C file of this folder built in another, and how; or None and why not."""
    cc = compiler()
    if cc is None:
        return None, "no cc, gcc or clang found"
    target = folder / Path(source).stem
    try:
        done = run_compiler(cc, HERE / source, target, *options)
    except (OSError, subprocess.SubprocessError) as error:
        return None, f"{cc} failed: {error}"[:120]
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        return None, f"{cc} failed: {(lines or ['no message'])[-1]}"[:120]
    return target, f"{Path(cc).name} -O2"


def _binary(given: str | None) -> str:
    """Return the absolute path of the binary; raises if it cannot be run."""
    path = shutil.which("true") if given is None else given
    if path is None:
        raise ArgumentError("no program `true` is found; give --binary PATH")
    if "/" not in path:
        path = shutil.which(path) or path
    full = Path(path).absolute()
    if not full.is_file():
        raise FileError(f"--binary {path}: there is no such file")
    if not os.access(full, os.X_OK):
        raise FileError(f"--binary {path}: is not executable")
    return str(full)


def trial(binary: str) -> str | None:
    """Run a binary once; return what there is to say about it, or None.

    Raises
    ------
    ArgumentError
        It cannot be executed or does not end within `TRIAL_TIMEOUT_S`.
    """
    process = None
    try:
        process = subprocess.Popen(
            [binary],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
            start_new_session=True,
        )
        code = process.wait(TRIAL_TIMEOUT_S)
    except OSError as error:
        raise ArgumentError(f"--binary {binary}: cannot be executed: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise ArgumentError(
            f"--binary {binary}: does not end within {TRIAL_TIMEOUT_S:g} s when it is run without "
            f"arguments; a loop needs a program that ends at once"
        ) from None
    finally:
        if process is not None and process.returncode is None:
            os.killpg(process.pid, 9)
            process.wait()
    if code != 0:
        ends = f"exit code {code}" if code > 0 else f"signal {-code}"
        return f"the binary ends with {ends} when it is run without arguments"
    return None
