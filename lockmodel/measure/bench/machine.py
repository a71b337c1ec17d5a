"""What this machine is: topology, kernel, frequency policy, limits, and what is switched on.

Reads /proc and /sys below a root folder, so that tests can show it another machine; a file that
is missing or not readable is simply not known. Nothing here needs root.
"""

from __future__ import annotations

import gzip
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lockmodel.measure.bench import sources
from lockmodel.measure.bench.sources import Cpu

LSCPU_TIMEOUT_S = 10.0
MOST_BYTES = 2_000_000
"""Bytes of a file of /proc or /sys that are read; a kernel .config has 300 kB."""

MOST_PROCESSES = 20_000
"""Processes whose names are looked at."""

DEBUG_OPTIONS = (
    "PROVE_LOCKING",
    "LOCKDEP",
    "LOCK_STAT",
    "DEBUG_LOCK_ALLOC",
    "DEBUG_RWSEMS",
    "DEBUG_SPINLOCK",
    "DEBUG_VM",
    "DEBUG_VM_MAPLE_TREE",
    "DEBUG_OBJECTS",
    "KASAN",
    "KCSAN",
    "KMEMLEAK",
    "SLUB_DEBUG_ON",
    "DEBUG_PAGEALLOC",
)
"""Options of the kernel that lengthen locks, fork or exec."""

TRACERS = ("perf", "bpftrace", "strace", "trace-cmd", "ltrace", "gdb", "stap", "klockstat")
"""Programs that slow down what they watch."""


@dataclass(frozen=True)
class Host:
    """A machine as far as it can be known without root; None: not known.

    Attributes
    ----------
    model, kernel, command_line, architecture : str
        Name of the CPU, release and version of the kernel, its boot parameters.
    cpus : tuple of Cpu
        All online CPUs.
    allowed : tuple of int
        CPUs this process may use.
    hypervisor : str or None
        Who runs this virtual machine.
    governors : tuple of str
        Frequency governors in use.
    turbo : bool or None
        Whether CPUs may exceed their nominal frequency.
    quota : float or None
        CPUs the control group may use on average; None for no limit.
    processes_limit : int or None
        Processes and threads allowed.
    load : float
        Load average over one minute.
    swap_used : int
        Bytes.
    clock : str
        Clock source.
    debug_options, tracing : tuple of str
        Kernel debug options that are set; what traces at the moment.
    """

    model: str
    kernel: str
    command_line: str
    architecture: str
    cpus: tuple[Cpu, ...]
    allowed: tuple[int, ...]
    hypervisor: str | None = None
    governors: tuple[str, ...] = ()
    turbo: bool | None = None
    quota: float | None = None
    processes_limit: int | None = None
    load: float = 0.0
    swap_used: int = 0
    clock: str = ""
    debug_options: tuple[str, ...] = ()
    tracing: tuple[str, ...] = ()

    @cached_property
    def sockets(self) -> int:
        """Sockets with an online CPU."""
        return len({cpu.socket for cpu in self.cpus})

    @cached_property
    def nodes(self) -> int:
        """Memory nodes with an online CPU."""
        return len({cpu.node for cpu in self.cpus})

    @cached_property
    def cores(self) -> int:
        """Physical cores."""
        return len({(cpu.socket, cpu.core) for cpu in self.cpus})

    @property
    def threads(self) -> int:
        """Hardware threads of a core, rounded up."""
        return -(-len(self.cpus) // max(1, self.cores))

    def title(self) -> str:
        """Return one line: model, CPUs, sockets x cores x threads, nodes."""
        per_socket = self.cores // max(1, self.sockets)
        return (
            f"{self.model}, {_of(len(self.cpus), 'CPU')}; {_of(self.sockets, 'socket')} x "
            f"{_of(per_socket, 'core')} x {_of(self.threads, 'thread')}, {_of(self.nodes, 'node')}"
            + ("" if self.hypervisor is None else f", virtual machine ({self.hypervisor})")
        )

    def fill_order(self) -> tuple[int, ...]:
        """Return the allowed CPUs in the order processes get them.

        One hardware thread of every core before the second of any; within that, node by node.
        This is the order `lockmodel` assumes for placement "compact".
        """
        seen: dict[tuple[int, int], int] = {}
        keyed = []
        for cpu in sorted(self.cpus, key=lambda c: c.number):
            if cpu.number not in self.allowed:
                continue
            thread = seen.get((cpu.socket, cpu.core), 0)
            seen[cpu.socket, cpu.core] = thread + 1
            keyed.append(((thread, cpu.node, cpu.socket, cpu.core, cpu.number), cpu.number))
        return tuple(number for _, number in sorted(keyed)) or self.allowed

    def to_json(self) -> dict[str, Any]:
        """Return all as plain data, in base units."""
        return {
            "model": self.model,
            "kernel": self.kernel,
            "mitigations_off": "mitigations=off" in self.command_line,
            "architecture": self.architecture,
            "cpus": len(self.cpus),
            "sockets": self.sockets,
            "nodes": self.nodes,
            "cores": self.cores,
            "threads_per_core": self.threads,
            "allowed_cpus": list(self.allowed),
            "hypervisor": self.hypervisor,
            "governors": list(self.governors),
            "turbo": self.turbo,
            "quota_cpus": self.quota,
            "processes_limit": self.processes_limit,
            "load_1min": self.load,
            "swap_used_bytes": self.swap_used,
            "clock": self.clock,
            "debug_options": list(self.debug_options),
            "tracing": list(self.tracing),
        }


def _of(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def read_machine(root: Path = Path("/")) -> Host:
    """Return the machine whose /proc and /sys stand below `root`.

    Below the real root, `lscpu` is asked as well where there is one.
    """
    real = root == Path("/")
    fields = sources.lscpu_fields(_run("lscpu", "-J")) if real else {}
    cpus = sources.lscpu_table(_run("lscpu", "-p=CPU,CORE,SOCKET,NODE")) if real else ()
    cpus = cpus or topology(root)
    info = read(root / "proc/cpuinfo")
    named = re.search(r"(?m)^(?:model name|cpu model|cpu)\s*:\s*(.+)$", info)
    release = read(root / "proc/sys/kernel/osrelease").strip() or platform.release()
    memory = sources.keyed(read(root / "proc/meminfo"))
    allowed = tuple(sorted(os.sched_getaffinity(0))) if real else tuple(c.number for c in cpus)
    guest = re.search(r"(?m)^flags\s*:.*\bhypervisor\b", info) is not None
    return Host(
        model=fields.get("Model name") or (named[1].strip() if named else platform.machine()),
        kernel=release,
        command_line=read(root / "proc/cmdline").strip(),
        architecture=platform.machine(),
        cpus=cpus or tuple(Cpu(number, number, 0, 0) for number in allowed),
        allowed=allowed,
        hypervisor=fields.get("Hypervisor vendor") or ("not named" if guest else None),
        governors=governors(root),
        turbo=turbo(root),
        quota=quota(root),
        processes_limit=processes_limit(root),
        load=load(read(root / "proc/loadavg")),
        swap_used=1024 * max(0, memory.get("SwapTotal", 0) - memory.get("SwapFree", 0)),
        clock=read(
            root / "sys/devices/system/clocksource/clocksource0/current_clocksource"
        ).strip(),
        debug_options=debug_options(root, release),
        tracing=tracing(root),
    )


def read(path: Path) -> str:
    """Return a file's text, or "" if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _run(*command: str) -> str:
    """Return what a program prints, or "" if there is none or it fails."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=LSCPU_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    return done.stdout if done.returncode == 0 else ""


def load(loadavg: str) -> float:
    """Return the first number of /proc/loadavg, or 0."""
    match = re.match(r"\d+(\.\d+)?", loadavg)
    return float(match[0]) if match else 0.0


def topology(root: Path) -> tuple[Cpu, ...]:
    """Return the CPUs that /sys lists as online, with core, socket and node."""
    base = root / "sys/devices/system"
    online = sources.cpu_list(read(base / "cpu/online"))
    node_of = {}
    for path in sorted((base / "node").glob("node[0-9]*")):
        for number in sources.cpu_list(read(path / "cpulist")):
            node_of[number] = int(path.name[4:])
    return tuple(
        Cpu(
            number,
            _whole(read(base / f"cpu/cpu{number}/topology/core_id"), number),
            max(0, _whole(read(base / f"cpu/cpu{number}/topology/physical_package_id"), 0)),
            node_of.get(number, 0),
        )
        for number in online
    )


def _whole(text: str, otherwise: int) -> int:
    return int(text) if re.fullmatch(r"-?\d{1,9}\s*", text) else otherwise


def governors(root: Path) -> tuple[str, ...]:
    """Return the frequency governors in use, sorted; empty if frequencies are not ours to see."""
    paths = (root / "sys/devices/system/cpu/cpufreq").glob("policy*/scaling_governor")
    return _distinct(read(path).strip() for path in paths)


def turbo(root: Path) -> bool | None:
    """Return whether turbo is allowed, or None if the kernel does not say."""
    base = root / "sys/devices/system/cpu"
    no_turbo = read(base / "intel_pstate/no_turbo").strip()
    if no_turbo in ("0", "1"):
        return no_turbo == "0"
    boost = read(base / "cpufreq/boost").strip()
    return boost == "1" if boost in ("0", "1") else None


def _cgroups(root: Path, controller: str, file: str) -> Iterable[str]:
    """Yield a file of this process's control group and of all above it, versions 2 and 1."""
    own = read(root / "proc/self/cgroup")
    base = root / "sys/fs/cgroup"
    for name, top in (("", base), ("", base / "unified"), (controller, base / controller)):
        path = sources.cgroup_path(own, name)
        if path is None:
            continue
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for length in range(len(parts), -1, -1):
            text = read(top.joinpath(*parts[:length], file)).strip()
            if text:
                yield text


def quota(root: Path) -> float | None:
    """Return the CPUs that control groups allow on average, or None for no limit."""
    limits = [sources.quota_cpus(text) for text in _cgroups(root, "cpu", "cpu.max")]
    first = zip(
        _cgroups(root, "cpu", "cpu.cfs_quota_us"),
        _cgroups(root, "cpu", "cpu.cfs_period_us"),
        strict=False,
    )
    limits += [sources.quota_cpus(f"{used} {period}") for used, period in first]
    return min((limit for limit in limits if limit is not None), default=None)


def processes_limit(root: Path) -> int | None:
    """Return how many processes control groups and the kernel allow, or None if unknown."""
    texts = [*_cgroups(root, "pids", "pids.max"), read(root / "proc/sys/kernel/pid_max").strip()]
    return min((int(text) for text in texts if text.isdigit()), default=None)


def throttled(root: Path) -> dict[str, int]:
    """Return the counters of throttling: by control group (in us as well), by heat."""
    times: dict[str, int] = {}
    for text in _cgroups(root, "cpu", "cpu.stat"):
        keys = sources.keyed(text)
        if "nr_throttled" in keys:
            times["cgroup"] = max(times.get("cgroup", 0), keys["nr_throttled"])
    heat = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/core_throttle_count")
    counts = [_whole(read(path), 0) for path in heat]
    if counts:
        times["heat"] = sum(counts)
    return times


def kernel_config(root: Path, release: str) -> str:
    """Return the .config of the running kernel; "" where it cannot be read."""
    config = read(root / f"boot/config-{release}")
    if config:
        return config
    try:
        with gzip.open(root / "proc/config.gz", "rb") as file:
            return file.read(MOST_BYTES).decode("utf-8", "replace")
    except (OSError, EOFError):
        return ""


def debug_options(root: Path, release: str) -> tuple[str, ...]:
    """Return the debug options of the running kernel that are known to be set."""
    known = sources.options_on(kernel_config(root, release), DEBUG_OPTIONS)
    extra = tuple(
        option
        for option, file in (("LOCKDEP", "proc/lockdep"), ("LOCK_STAT", "proc/lock_stat"))
        if option not in known and (root / file).exists()
    )
    return known + extra


def tracing(root: Path) -> tuple[str, ...]:
    """Return what traces now: programs by name, and ftrace where it may be read."""
    tracers = []
    tracer = read(root / "sys/kernel/tracing/current_tracer").strip()
    if tracer not in ("", "nop"):
        tracers.append(f"ftrace ({tracer})")
    numbers = list((root / "proc").glob("[0-9]*"))[:MOST_PROCESSES]
    names = {read(path / "comm").strip() for path in numbers}
    return _distinct([*tracers, *(name for name in TRACERS if name in names)])


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({text for text in texts if text}))
