"""One run: n pinned processes loop, one window is counted, and nothing is left behind.

The loop program leads a process group of its own. Whatever happens here (an answer, an error, an
interrupt), the group is killed before its leader is collected, so that its number cannot have
gone to anybody else; should this process be killed, the kernel kills the leader (loop.c).
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lockmodel.errors import NotTrustworthyError
from lockmodel.measure.bench.activity import Activity, between, counters
from lockmodel.measure.bench.program import ENVIRONMENT, LoopProgram

WARMUP_SHARE = 0.25
WARMUP_MOST_S = 0.5
"""Warm-up: this share of the window and at most this long; page cache and CPU speed settle."""

GRACE_S = 20.0
"""How much longer than warm-up and window a run may take, on a machine that is slow to fork."""


@dataclass(frozen=True)
class Run:
    """One measurement.

    Attributes
    ----------
    n : int
        Processes.
    repeat : int
        Which measurement of this population, from 1.
    seconds : float
        Length of the window.
    counts : tuple of int
        Iterations of every process within the window.
    activity : Activity
        What went on; `busy` is that of the CPUs without a process of ours.
    """

    n: int
    repeat: int
    seconds: float
    counts: tuple[int, ...]
    activity: Activity

    @property
    def iterations(self) -> int:
        """Iterations of all processes."""
        return sum(self.counts)

    @property
    def throughput_per_s(self) -> float:
        """Iterations per second of the whole machine."""
        return self.iterations / self.seconds

    @property
    def fairness(self) -> float:
        """Slowest process over fastest, 0 to 1."""
        return min(self.counts) / max(1, *self.counts)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data, in base units."""
        return {
            "n": self.n,
            "repeat": self.repeat,
            "seconds": self.seconds,
            "iterations": self.iterations,
            "throughput_per_s": self.throughput_per_s,
            "counts": list(self.counts),
            "fairness": self.fairness,
            "activity": self.activity.to_json(),
        }


def warmup_of(seconds: float) -> float:
    """Return the warm-up that belongs to a window, s."""
    return min(WARMUP_MOST_S, WARMUP_SHARE * seconds)


def schedule(populations: Sequence[int], repeats: int, seed: int) -> list[tuple[int, int]]:
    """Return (population, repeat) in random order, so that drift does not look like a curve.

    Repeats are numbered in the order in which they come.
    """
    order = [n for n in populations for _ in range(repeats)]
    random.Random(seed).shuffle(order)
    seen: dict[int, int] = {}
    made = []
    for n in order:
        seen[n] = seen.get(n, 0) + 1
        made.append((n, seen[n]))
    return made


def measure(program: LoopProgram, cpus: Sequence[int], n: int, repeat: int, seconds: float) -> Run:
    """Measure the throughput of n processes once.

    Parameters
    ----------
    program : LoopProgram
        What loops.
    cpus : sequence of int
        CPUs in the order in which processes get them; again from the first if n is larger.
    n, repeat : int
        Processes, and number of the repeat.
    seconds : float
        Length of the window, s; a warm-up comes before it.

    Raises
    ------
    NotTrustworthyError
        The loop could not run, or a process of it ended.
    """
    places = [cpus[i % len(cpus)] for i in range(n)]
    warmup = warmup_of(seconds)
    command = [
        *program.command,
        program.loop,
        f"{warmup:.6f}",
        f"{seconds:.6f}",
        program.binary,
        ",".join(map(str, places)),
    ]
    before = counters()
    answer, said = _answer(command, warmup + seconds + GRACE_S)
    after = counters()
    fields = answer.split()
    if len(fields) != n + 1:
        raise NotTrustworthyError(
            f"the loop did not run with {n} processes: {said or 'no answer'}; try fewer processes, "
            f"a longer --seconds or another --binary"
        )
    free = set(after.cpus) - set(places)
    counts = tuple(int(field) for field in fields[1:])
    return Run(n, repeat, float(fields[0]), counts, between(before, after, free))


def _answer(command: Sequence[str], timeout: float) -> tuple[str, str]:
    """Return what a loop printed and said; kills its process group in any case."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=ENVIRONMENT,
        start_new_session=True,
    )
    said = ""
    try:
        assert process.stdout is not None
        answer = _line(process, timeout)
        if not answer:
            _kill(process.pid)
            assert process.stderr is not None
            said = process.stderr.read(2000).strip().replace("\n", "; ")
    finally:
        _kill(process.pid)
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
    return answer, said


def _line(process: subprocess.Popen[str], timeout: float) -> str:
    """Return the first line a process prints within the time, or ""."""
    import select

    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], timeout)
    return process.stdout.readline() if ready else ""


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
