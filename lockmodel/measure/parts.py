"""The parts beside Python that measuring needs: what this machine is and has, and how to get more.

Nothing here is needed to predict. Everything is looked for where `bench`, `trace` and the lab look.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lockmodel.errors import ArgumentError
from lockmodel.measure.bench.machine import Host, kernel_config
from lockmodel.measure.bench.program import COMPILERS, compiler
from lockmodel.measure.bench.sources import options_on
from lockmodel.measure.trace.lab import qemu
from lockmodel.measure.trace.lab.plugin.build import takes_plugins
from lockmodel.measure.trace.lab.stations import root as guest_root

TIMEOUT_S = 10.0

TRACEFS = ("sys/kernel/tracing", "sys/kernel/debug/tracing")
BTF = "sys/kernel/btf/vmlinux"

State = Literal["ok", "missing", "FAILED"]
"""A missing part is optional; what has failed is not."""


@dataclass(frozen=True)
class Finding:
    """One part.

    Attributes
    ----------
    what : str
    state : str
        See `State`.
    found : str
        What there is, or what is not.
    remedy : str
        How to get it; "" where nothing is missing.
    """

    what: str
    state: State
    found: str
    remedy: str = ""


def parts(machine: Host, root: Path = Path("/")) -> tuple[Finding, ...]:
    """Return what there is for measuring, the machine first.

    Parameters
    ----------
    machine : Host
    root : Path
        Below which /proc, /sys and /boot stand.
    """
    return (
        _machine(machine),
        _tracing(machine, root),
        _bpftrace(),
        _compiler(),
        _emulator(),
        _disk(),
    )


def _machine(machine: Host) -> Finding:
    few = len(machine.allowed) < len(machine.cpus)
    allowed = f"; {len(machine.allowed)} of the CPUs are allowed" if few else ""
    return Finding("machine", "ok", f"{machine.title()}{allowed}")


def _tracing(machine: Host, root: Path) -> Finding:
    """Return whether probes can be set in the running kernel, as the script of `trace` does."""
    config = kernel_config(root, machine.kernel)
    btf = "with BTF" if (root / BTF).is_file() else "without BTF"
    if any(os.access(root / folder / "kprobe_events", os.W_OK) for folder in TRACEFS):
        return Finding("tracing", "ok", f"{machine.kernel}, {btf}; kprobes can be set")
    lab = "or trace another kernel by `lockmodel trace lab`"
    if config and not options_on(config, ("KPROBE_EVENTS",)):
        return Finding(
            "tracing",
            "missing",
            f"{machine.kernel}, {btf}, has no CONFIG_KPROBE_EVENTS",
            f"boot a kernel that has, {lab}",
        )
    if os.geteuid() != 0:
        return Finding(
            "tracing",
            "missing",
            f"{machine.kernel}, {btf}; only root may set kprobes",
            "run what `lockmodel trace --print-probes --as script` prints as root",
        )
    return Finding(
        "tracing",
        "missing",
        f"{machine.kernel}, {btf}; tracefs cannot be written",
        f"mount -t tracefs t /sys/kernel/tracing, {lab}",
    )


def _bpftrace() -> Finding:
    path = shutil.which("bpftrace")
    if path is None:
        found = "for `trace --print-probes --as bpftrace`; the script does without"
        return Finding("bpftrace", "missing", found, "apt-get install bpftrace")
    return Finding("bpftrace", "ok", path)


def _compiler() -> Finding:
    """Return whether C can be compiled, and linked without shared libraries."""
    path = compiler()
    if path is None:
        return Finding(
            "C compiler",
            "missing",
            f"no {', '.join(COMPILERS)}: `bench` loops in Python, the lab cannot run",
            "apt-get install gcc libc6-dev",
        )
    if "/" not in _said(path, "-print-file-name=libc.a"):
        return Finding(
            "C compiler",
            "missing",
            f"{path} without libc.a, which the lab's guest needs",
            "apt-get install libc6-dev (Fedora: glibc-static)",
        )
    return Finding("C compiler", "ok", f"{path}, libc.a")


def _emulator() -> Finding:
    try:
        path = qemu.program()
    except ArgumentError:
        return Finding(
            "QEMU",
            "missing",
            f"no {qemu.PROGRAM}, in which `trace lab` boots kernels",
            "apt-get install qemu-system-x86",
        )
    version = qemu.version()
    if not takes_plugins(path):
        return Finding(
            "QEMU",
            "missing",
            f"{version} without plugins, which `trace lab --lines` and --stations need",
            "install one that is built with --enable-plugins, as Debian's qemu-system-x86",
        )
    return Finding("QEMU", "ok", f"{version}, takes plugins")


def _disk() -> Finding:
    try:
        return Finding("mke2fs", "ok", guest_root.program())
    except ArgumentError:
        return Finding(
            "mke2fs",
            "missing",
            "makes the disk of `trace lab --stations`",
            "apt-get install e2fsprogs",
        )


def _said(*command: str) -> str:
    """Return what a program prints; "" where it cannot be run."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout
