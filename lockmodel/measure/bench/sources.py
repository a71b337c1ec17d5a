"""Parsers of what Linux says about a machine. All take text and touch nothing."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

MOST_CPUS = 65536
"""CPUs of a list that are believed; Linux itself allows 8192."""


@dataclass(frozen=True, slots=True)
class Cpu:
    """One hardware thread and where it sits."""

    number: int
    core: int
    socket: int
    node: int


def cpu_list(text: str) -> tuple[int, ...]:
    """Return the numbers of a list like "0-3,8"; what is no list is empty."""
    numbers: set[int] = set()
    for part in text.strip().split(","):
        match = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", part.strip())
        if match is None:
            continue
        first, last = int(match[1]), int(match[2] or match[1])
        numbers.update(range(first, min(last, MOST_CPUS) + 1))
    return tuple(sorted(numbers))


def lscpu_fields(text: str) -> dict[str, str]:
    """Return the fields of `lscpu -J`, without the colon; empty if it is not that."""
    try:
        rows = json.loads(text)["lscpu"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    fields: dict[str, str] = {}
    todo = list(rows) if isinstance(rows, list) else []
    while todo:
        row = todo.pop()
        if not isinstance(row, dict):
            continue
        if isinstance(row.get("field"), str) and isinstance(row.get("data"), str):
            fields[row["field"].rstrip(":")] = row["data"]
        children = row.get("children", [])
        todo += children if isinstance(children, list) else []
    return fields


def lscpu_table(text: str) -> tuple[Cpu, ...]:
    """Return the CPUs of `lscpu -p=CPU,CORE,SOCKET,NODE`; an empty cell is 0."""
    cpus = []
    for line in text.splitlines():
        cells = line.strip().split(",")
        if line.startswith("#") or len(cells) < 4 or not cells[0].isdigit():
            continue
        number, core, socket, node = (int(cell) if cell.isdigit() else 0 for cell in cells[:4])
        cpus.append(Cpu(number, core, socket, node))
    return tuple(cpus)


def keyed(text: str) -> dict[str, int]:
    """Return the whole numbers of lines like "nr_throttled 3" or "SwapTotal:  0 kB"."""
    return {
        match[1]: int(match[2]) for match in re.finditer(r"(?m)^(\w+):?\s+(\d{1,19})\b.*$", text)
    }


def quota_cpus(cpu_max: str) -> float | None:
    """Return the CPUs of a cgroup's cpu.max ("200000 100000": 2), or None for no limit."""
    parts = cpu_max.split()
    if len(parts) != 2 or not all(part.isdigit() for part in parts) or int(parts[1]) == 0:
        return None
    return int(parts[0]) / int(parts[1])


def cgroup_path(text: str, controller: str = "") -> str | None:
    """Return the path of a controller in /proc/self/cgroup; "" is version 2's single tree."""
    for line in text.splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3 and controller in parts[1].split(","):
            return parts[2]
    return None


def file_system(mountinfo: str, path: str) -> str:
    """Return the type of the file system that holds an absolute path, or ""."""
    best, kind = -1, ""
    for line in mountinfo.splitlines():
        before, dash, after = line.partition(" - ")
        fields = before.split()
        if not dash or len(fields) < 5 or not after:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), fields[4])
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= best:
            best, kind = len(point), after.split()[0]
    return kind


@dataclass(frozen=True, slots=True)
class CpuTime:
    """Time of one CPU since boot, in clock ticks: busy without steal, steal, all."""

    busy: int
    steal: int
    total: int


def cpu_times(text: str) -> dict[int, CpuTime]:
    """Return the times of every CPU in /proc/stat (guest time is part of user time)."""
    times = {}
    for match in re.finditer(r"(?m)^cpu(\d{1,6}) ([\d ]+)$", text):
        ticks = [int(part) for part in match[2].split()][:8]
        ticks += [0] * (8 - len(ticks))
        user, nice, system, idle, iowait, irq, softirq, steal = ticks
        busy = user + nice + system + irq + softirq
        times[int(match[1])] = CpuTime(busy, steal, busy + idle + iowait + steal)
    return times


def options_on(config: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return which of the options a kernel's .config sets to y, in the order of `names`."""
    on = set(re.findall(r"(?m)^CONFIG_(\w+)=y$", config))
    return tuple(name for name in names if name in on)
