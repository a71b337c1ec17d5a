"""Numbered reasons why a measurement on a machine would mislead, with numbers and a remedy."""

from __future__ import annotations

from dataclasses import dataclass

from lockmodel.measure.bench.machine import Host
from lockmodel.units import share

FEW_CPUS = 16
"""Below this many CPUs a lock of fork and exec hardly saturates: the published curve of execl
(data/published/unixbench_execl_xeon8369b.csv) peaks at 16 copies."""

LOADED = 0.05
"""Share of the CPUs' time used by others from which on it shows in the results."""

STOLEN = 0.005
"""Share of time taken by the hypervisor from which on it shows."""

SLOW_CLOCKS = ("hpet", "acpi_pm", "pit", "jiffies", "refined-jiffies")
ODD_FILE_SYSTEMS = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse", "fuseblk", "virtiofs", "ceph")


@dataclass(frozen=True)
class Reason:
    """One reason.

    Attributes
    ----------
    key : str
        Short name, for programs.
    text : str
        What is the case, with its number, and what it does to a result.
    remedy : str
        What to do about it.
    root : bool
        Whether the remedy needs root.
    """

    key: str
    text: str
    remedy: str
    root: bool = False

    def __str__(self) -> str:
        return f"{self.text}: {self.remedy}" + (" (root)" if self.root else "")


def reasons(machine: Host, idle_busy: float | None, steal: float, fs: str) -> list[Reason]:
    """Return why a measurement would mislead, the gravest first.

    Parameters
    ----------
    machine : Host
    idle_busy : float or None
        Share of the allowed CPUs' time that others used while nothing was measured.
    steal : float
        Share of time that the hypervisor took meanwhile.
    fs : str
        Type of the file system that holds the binary; "" if not known.
    """
    return [
        *_room(machine),
        *_others(machine, idle_busy, steal),
        *_speed(machine),
        *_kernel(machine, fs),
    ]


def _room(machine: Host) -> list[Reason]:
    doubts = []
    count = len(machine.allowed)
    if count < FEW_CPUS:
        doubts.append(
            Reason(
                "few-cpus",
                f"{count} CPUs: a lock of fork and exec saturates at about {FEW_CPUS} or more, so "
                f"the curve shows think time rather than the lock",
                "measure on a machine with more CPUs",
            )
        )
    if count < len(machine.cpus):
        doubts.append(
            Reason(
                "affinity",
                f"{count} of {len(machine.cpus)} CPUs are allowed (taskset, cpuset)",
                "start it without the restriction",
            )
        )
    if machine.quota is not None and machine.quota < count:
        doubts.append(
            Reason(
                "quota",
                f"the control group may use {machine.quota:g} CPUs on average, there are {count}: "
                f"processes are stopped for part of every period, also while they hold a lock",
                "raise cpu.max of the control group",
                root=True,
            )
        )
    return doubts


def _others(machine: Host, idle_busy: float | None, steal: float) -> list[Reason]:
    doubts = []
    if machine.hypervisor is not None:
        doubts.append(
            Reason(
                "virtual-machine",
                f"a virtual machine ({machine.hypervisor}): CPUs may be preempted while they hold "
                f"a lock, page tables cost more, and the topology may be made up",
                "measure on the bare machine",
            )
        )
    if steal > STOLEN:
        doubts.append(
            Reason(
                "steal",
                f"the hypervisor took {share(steal, 1)} of the CPU time",
                "ask for dedicated CPUs",
            )
        )
    if idle_busy is not None and idle_busy > LOADED:
        doubts.append(
            Reason(
                "load",
                f"others used {share(idle_busy)} of the CPUs before the start "
                f"(load {machine.load:g})",
                "stop them, or wait",
            )
        )
    if machine.tracing:
        doubts.append(
            Reason(
                "tracing",
                f"{', '.join(machine.tracing)} runs and may slow every system call",
                "stop it, and trace in a run of its own",
            )
        )
    if machine.swap_used:
        doubts.append(
            Reason(
                "swap",
                f"{machine.swap_used / 1e6:.0f} MB are swapped out",
                "free memory; swapoff -a",
                root=True,
            )
        )
    return doubts


def _speed(machine: Host) -> list[Reason]:
    doubts = []
    others = [name for name in machine.governors if name != "performance"]
    if others:
        doubts.append(
            Reason(
                "governor",
                f"frequency governor {', '.join(others)}: the CPUs' speed follows the load, so "
                f"one process runs slower than its share",
                "cpupower frequency-set -g performance",
                root=True,
            )
        )
    if machine.turbo:
        doubts.append(
            Reason(
                "turbo",
                "turbo is on: few processes run at a higher frequency than many, which bends the "
                "curve as a lock would",
                "echo 1 > /sys/devices/system/cpu/intel_pstate/no_turbo, or 0 > cpufreq/boost",
                root=True,
            )
        )
    if machine.hypervisor is not None and not machine.governors:
        doubts.append(
            Reason(
                "frequency-unknown",
                "the frequency policy is the host's and cannot be seen",
                "compare with a run at another time",
            )
        )
    if machine.threads > 1:
        doubts.append(
            Reason(
                "smt",
                f"{machine.threads} hardware threads per core: from {machine.cores + 1} processes "
                f"on, two share a core and each is slower",
                f"measure up to {machine.cores} processes, or say so in the model's machine",
            )
        )
    if machine.clock in SLOW_CLOCKS:
        doubts.append(
            Reason(
                "clock",
                f"clock source {machine.clock}: reading the time is a slow, shared operation",
                "boot with tsc=reliable if the CPU's counter is stable",
                root=True,
            )
        )
    return doubts


def _kernel(machine: Host, fs: str) -> list[Reason]:
    doubts = []
    if machine.debug_options:
        doubts.append(
            Reason(
                "debug-kernel",
                f"the kernel has {', '.join(machine.debug_options)}: locks, fork or exec cost more",
                "boot a kernel without them",
                root=True,
            )
        )
    if "mitigations=off" in machine.command_line:
        doubts.append(
            Reason(
                "mitigations-off",
                "mitigations=off: system calls are cheaper than on most machines",
                "compare only with machines booted alike",
            )
        )
    if fs in ODD_FILE_SYSTEMS:
        doubts.append(
            Reason(
                "file-system",
                f"the binary lies on {fs}: its page cache may be checked on every use",
                "copy it to a local disk, --binary PATH",
            )
        )
    return doubts


def root_would_add(machine: Host) -> str:
    """Return what root would add, in one sentence."""
    parts = ["lock statistics of the same run (perf lock contention, lockmodel trace)"]
    if machine.governors and set(machine.governors) != {"performance"}:
        parts.append("a fixed CPU frequency")
    if machine.turbo:
        parts.append("turbo off")
    return "root would add: " + ", ".join(parts)
