"""Boot a kernel in QEMU by software emulation (no KVM, no root) and collect its console."""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lockmodel.errors import ArgumentError, NotTrustworthyError

PROGRAM = "qemu-system-x86_64"
COMMAND_LINE = "console=ttyS0 quiet loglevel=1 panic=-1 nokaslr mitigations=off tsc=reliable"
LARGEST_CONSOLE = 1 << 30
BLOCK = 1 << 16
LONGEST_WAIT_S = 60.0
"""At once: the system call takes no more than 24 days."""
PANIC = b"Kernel panic"
TAIL = 400
"""Characters of the console that a failure shows."""

BASE_MB = 1000
MB_PER_PROCESS = 1.5
"""Memory of the guest: the kernel with its trace buffer, and the processes that only map."""
MB_PER_CPU = 150
"""With less, its CPUs contend for the pages that are free."""

TRANSLATED_MB = 2000
"""Translated code: QEMU 7.2 aborts when it has to drop it under a plugin."""
UNDER_PLUGIN = "no5lvl norandmaps nowatchdog rcupdate.rcu_cpu_stall_suppress=1"
"""Page tables of 4 levels, so that the plugins know where memory lies in the kernel's addresses;
programs always at the same addresses, or each start would be translated anew; and no complaints
about CPUs that the plugin stops."""


class PanicError(NotTrustworthyError):
    """The guest's kernel gave up."""


@dataclass(frozen=True)
class Plugged:
    """A guest of several CPUs under a plugin.

    Attributes
    ----------
    cpus : int
    plugin : Path
        A shared object, see `plugin.build`.
    arguments : dict of str to str
        For the plugin.
    """

    cpus: int
    plugin: Path
    arguments: dict[str, str]

    def options(self) -> tuple[str, ...]:
        """Return what QEMU is told of it."""
        given = [str(self.plugin), *(f"{key}={text}" for key, text in self.arguments.items())]
        return (
            *("-accel", f"tcg,thread=multi,tb-size={TRANSLATED_MB}"),
            *("-smp", str(self.cpus), "-cpu", "max,la57=off"),
            *("-plugin", ",".join(map(in_option, given))),
        )


def in_option(text: str) -> str:
    """Return a text as QEMU reads it between the commas of an option."""
    return text.replace(",", ",,")


ALONE = ("-accel", "tcg", "-smp", "1", "-cpu", "max")


def program() -> str:
    """Return the path of QEMU; raises ArgumentError if it is not installed."""
    path = shutil.which(PROGRAM)
    if path is None:
        raise ArgumentError(
            f"{PROGRAM} is not found; install it (Debian: apt-get install qemu-system-x86)"
        )
    return path


def version() -> str:
    """Return what QEMU says of its version."""
    done = subprocess.run(
        [program(), "--version"], capture_output=True, text=True, errors="replace", check=False
    )
    words = done.stdout.split("\n")[0].split()
    return next((word for word in words if word[:1].isdigit()), "unknown")


def boot(
    kernel: Path,
    initrd: Path,
    processes: int,
    counting: bool,
    limit_s: float,
    watch: Callable[[bytes], None],
    plugged: Plugged | None = None,
) -> bytes:
    """Boot once, until the guest restarts; return what it wrote to its console.

    Parameters
    ----------
    kernel, initrd : Path
    processes : int
        That the guest starts, for its memory.
    counting : bool
        Whether the guest's clocks count instructions.
    limit_s : float
        Longest time.
    watch : callable
        Gets every line as it comes.
    plugged : Plugged, optional
        Without it the guest has one CPU and no plugin.

    Raises
    ------
    ArgumentError
        QEMU is not installed.
    NotTrustworthyError
        The guest did not end by itself.
    """
    memory = BASE_MB + MB_PER_PROCESS * processes
    words = COMMAND_LINE
    if plugged is not None:
        memory += MB_PER_CPU * plugged.cpus
        words = f"{COMMAND_LINE} {UNDER_PLUGIN}"
    command = [
        *(program(), *(ALONE if plugged is None else plugged.options())),
        *("-nodefaults", "-display", "none"),
        *("-serial", "stdio", "-monitor", "none", "-no-reboot", "-net", "none"),
        *("-m", str(int(memory))),
        *("-kernel", str(kernel), "-initrd", str(initrd), "-append", words),
    ]
    if counting:
        command += ["-icount", "shift=0,sleep=off"]
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    except OSError as error:
        raise ArgumentError(
            f"{command[0]} cannot be started: {error.strerror}; install it again"
        ) from None
    try:
        console = _collect(process, time.monotonic() + limit_s, watch)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    if b"LAB done" not in console:
        raise NotTrustworthyError(f"lab: {_why(console)}")
    return console


def _collect(process: subprocess.Popen[bytes], end: float, watch: Callable[[bytes], None]) -> bytes:
    """Return the console until it closes; raises when the time is up or it is too long."""
    assert process.stdout is not None
    console = bytearray()
    seen = 0
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            left = end - time.monotonic()
            if left <= 0:
                raise NotTrustworthyError(
                    f"lab: the guest did not end in time; --time-limit gives it longer. It said: "
                    f"{_tail(bytes(console))}"
                )
            if not selector.select(min(left, LONGEST_WAIT_S)):
                continue
            block = os.read(process.stdout.fileno(), BLOCK)
            if not block:
                return bytes(console)
            console += block
            if len(console) > LARGEST_CONSOLE:
                raise NotTrustworthyError("lab: the guest prints without end")
            lines = bytes(console[seen:]).split(b"\n")
            for line in lines[:-1]:
                watch(line)
            seen = len(console) - (len(lines[-1]) if len(lines[-1]) < BLOCK else 0)
            if PANIC in console[-BLOCK:]:
                raise PanicError(f"lab: the guest panicked: {_tail(bytes(console))}")


def _why(console: bytes) -> str:
    """Return what went wrong in the guest."""
    failed = [line for line in console.splitlines() if line.startswith(b"LAB failed: ")]
    if failed:
        return _tail(failed[0][4:])
    return f"the guest ended early. It said: {_tail(console)}"


def _tail(console: bytes) -> str:
    text = "".join(c if c.isprintable() else " " for c in console.decode("utf-8", "replace"))
    return " ".join(text[-TAIL:].split()) or "nothing"
