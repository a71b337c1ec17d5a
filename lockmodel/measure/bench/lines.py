"""What a cache line takes between the CPUs of this machine, pair by pair (lines.c)."""

from __future__ import annotations

import contextlib
import os
import random
import re
import select
import signal
import statistics
import subprocess
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice, zip_longest
from pathlib import Path

from lockmodel.errors import ArgumentError, NotTrustworthyError
from lockmodel.measure.bench import program, sources
from lockmodel.measure.bench.machine import Host, read
from lockmodel.model.machine import DISTANCES

TRIPS = 1000
"""Round trips of a sample, as the published matrices have them: 0.1 to 1 ms."""

MOST_CPUS = 1024
"""Half a million pairs: more are neither measured in minutes nor legible."""

SAMPLES = 3
"""Of a visit, which counts as their median."""

APART_S = 1.0
"""Rounds over all pairs begin at most so far apart. Within a visit nothing moves; from one to the
next a hypervisor may have put the CPUs elsewhere."""

MOST_VISITS = 1_000_000
"""Of the list; they would take a quarter of an hour."""

ANSWER_S = 10.0
"""A visit that takes longer does not run: one of its CPUs is not ours."""


@dataclass(frozen=True)
class Places:
    """Where the CPUs are.

    Attributes
    ----------
    core, cache, socket : dict of int to int
        By CPU; `cache` is the first CPU that shares its last-level cache, and empty where the
        kernel does not say.
    level : int
        Of the last-level cache; 0 where it is not known.
    """

    core: Mapping[int, tuple[int, int]]
    cache: Mapping[int, int]
    socket: Mapping[int, int]
    level: int

    def distance(self, first: int, second: int) -> str:
        """Return which of `DISTANCES` two CPUs are apart."""
        if self.core[first] == self.core[second]:
            return "smt"
        if first in self.cache and self.cache[first] == self.cache.get(second):
            return "cache"
        return "socket" if self.socket[first] == self.socket[second] else "remote"

    @property
    def caches(self) -> int | None:
        """Last-level caches; None where they are not known."""
        return len(set(self.cache.values())) or None


def places(machine: Host, root: Path = Path("/")) -> Places:
    """Return where the CPUs that may be used are, from lscpu and /sys."""
    cpus = [cpu for cpu in machine.cpus if cpu.number in machine.allowed]
    found = {cpu.number: _last_level(root, cpu.number) for cpu in cpus}
    level = max((one[0] for one in found.values()), default=0)
    return Places(
        core={cpu.number: (cpu.socket, cpu.core) for cpu in cpus},
        cache={number: first for number, (at, first) in found.items() if at == level > 0},
        socket={cpu.number: cpu.socket for cpu in cpus},
        level=level,
    )


def _last_level(root: Path, number: int) -> tuple[int, int]:
    """Return level and first CPU of the last cache a CPU has for data; level 0 for none."""
    base = root / f"sys/devices/system/cpu/cpu{number}/cache"
    last = (0, number)
    for index in base.glob("index[0-9]*"):
        level, shared = (
            read(index / "level").strip(),
            sources.cpu_list(read(index / "shared_cpu_list")),
        )
        if read(index / "type").strip() in ("Unified", "Data") and level.isdigit() and shared:
            last = max(last, (int(level), shared[0]))
    return last


Pairs = dict[str, list[tuple[int, int]]]
"""Distance -> pairs of CPUs."""


def all_pairs(where: Places) -> Pairs:
    """Return every pair of CPUs by distance.

    Raises
    ------
    ArgumentError
        There are fewer than two CPUs, or too many.
    """
    cpus = sorted(where.core)
    if len(cpus) < 2:
        raise ArgumentError(
            "--lines needs two CPUs to pass a line between, and this process may use one: start "
            "it without taskset or cpuset, or on a machine with more"
        )
    if len(cpus) > MOST_CPUS:
        raise ArgumentError(
            f"--lines: {len(cpus)} CPUs, at most {MOST_CPUS} are measured; choose some with taskset"
        )
    pairs: Pairs = {distance: [] for distance in DISTANCES}
    for first, second in combinations(cpus, 2):
        pairs[where.distance(first, second)].append((first, second))
    return {distance: found for distance, found in pairs.items() if found}


def order(pairs: Pairs, seed: int) -> list[tuple[int, int]]:
    """Return all pairs at random, the distances in turn: the first of them are a sample of each."""
    draw = random.Random(seed)
    mixed = [draw.sample(found, len(found)) for found in pairs.values()]
    return [pair for turn in zip_longest(*mixed) for pair in turn if pair is not None]


def build(folder: Path) -> tuple[Path, str]:
    """Return the program, built in `folder`, and how it was made.

    Raises
    ------
    ArgumentError
        There is no C compiler, or it fails.
    """
    built, why = program.compiled(folder, "lines.c", "-pthread")
    if built is None:
        raise ArgumentError(f"--lines needs a C compiler ({why}); install gcc")
    return built, why


Visit = tuple[int, int, float]
"""Two CPUs, and when to begin at the earliest, s from the start."""


def visits(pairs: Sequence[tuple[int, int]], repeats: int, seconds: float) -> list[Visit]:
    """Return the visits: `repeats` rounds over all pairs, spread over the time there is."""
    apart = min(APART_S, seconds / repeats)
    rounds = ((*pair, turn * apart) for turn in range(repeats) for pair in pairs)
    return list(islice(rounds, MOST_VISITS))


def measure(
    built: Path, planned: Sequence[Visit], seconds: float
) -> Generator[tuple[tuple[int, int], float], None, None]:
    """Yield two CPUs and the time of a line between them, s, visit by visit; leave no process.

    Parameters
    ----------
    built : Path
        The program; the list of visits is written beside it.
    planned : sequence of Visit
    seconds : float
        No visit is awaited after that.

    Raises
    ------
    NotTrustworthyError
        The program ended early, or a visit took longer than `ANSWER_S`.
    """
    listed = built.with_suffix(".visits")
    listed.write_text("".join(f"{one} {other} {at:.6f}\n" for one, other, at in planned))
    end = time.monotonic() + seconds
    process = subprocess.Popen(
        [str(built), str(TRIPS), str(SAMPLES), str(listed)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=program.ENVIRONMENT,
        start_new_session=True,
    )
    try:
        lines = _lines(process, end)
        for one, other, _ in planned:
            line = next(lines, None)
            if line is None:
                return
            first, second, *times = line.split() if line.count(" ") > 1 else ["", ""]
            if (first, second, len(times)) != (str(one), str(other), SAMPLES):
                why = f"no answer within {ANSWER_S:g} s; leave a CPU that is taken out with taskset"
                why = _last_words(process) if line == "" else why
                raise NotTrustworthyError(f"CPUs {one} and {other}: {why}")
            yield (one, other), statistics.median(map(float, times)) * 1e-9
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def _lines(process: subprocess.Popen[bytes], end: float) -> Iterator[str]:
    """Yield what a process prints, line by line, until the end.

    "" if it says nothing more, "?" if it does not answer in time.
    """
    assert process.stdout is not None
    handle, rest = process.stdout.fileno(), b""
    while True:
        line, newline, after = rest.partition(b"\n")
        if newline:
            rest = after
            yield line.decode("ascii", "replace")
            continue
        left = end - time.monotonic()
        if left <= 0:
            return
        ready, _, _ = select.select([handle], [], [], min(left, ANSWER_S))
        if not ready:
            if left > ANSWER_S:
                yield "?"
            return
        more = os.read(handle, 65536)
        if not more:
            yield ""
            return
        rest += more


def _last_words(process: subprocess.Popen[bytes]) -> str:
    """Return why a program ended."""
    assert process.stderr is not None
    text = process.stderr.read(2000).decode("utf-8", "replace").strip()
    return re.sub(r"\s*\n\s*", "; ", text) or "the program ended without a word"
