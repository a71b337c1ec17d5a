"""All runs of a bench: spread over repeats, notes on what disturbed them, CSV and JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lockmodel.measure.bench.checks import LOADED, STOLEN, Reason
from lockmodel.measure.bench.machine import Host
from lockmodel.measure.bench.program import LoopProgram
from lockmodel.measure.bench.runner import Run
from lockmodel.units import share

SCHEMA = "lockmodel.bench/1"

UNEVEN = 0.8
"""Slowest over fastest process below which a run is called uneven."""

NOISY = 0.05
"""Standard deviation over the repeats, as a share of the mean, from which a curve is doubtful: a
lever that is worth trying gains more."""

FEW_ITERATIONS = 100
"""Iterations in a window below which counting alone is off by more than 1 %."""

MOST_LISTED = 3
FIRST_ALL = 8
GROWTH = 1.5
"""Default populations: 1 to `FIRST_ALL`, then each about this many times the last, then all."""


@dataclass(frozen=True)
class Level:
    """One population over its repeats.

    Attributes
    ----------
    n, repeats : int
    mean : float
        Mean throughput, 1/s.
    sd : float or None
        Standard deviation over the repeats (divided by repeats - 1); None for one.
    """

    n: int
    repeats: int
    mean: float
    sd: float | None

    @property
    def spread(self) -> float | None:
        """Standard deviation over the mean."""
        return None if self.sd is None else self.sd / self.mean


@dataclass(frozen=True)
class MeasuredCurve:
    """A measured curve and the conditions of its measurement.

    Attributes
    ----------
    machine : Host
    program : LoopProgram
    runs : tuple of Run
        In the order in which they ran; those without a single iteration are not in it.
    seconds, warmup : float
        Window and warm-up of a run, s.
    seed : int
        Of the random order.
    planned : int
        Runs that were asked for.
    started : str
        UTC, ISO 8601.
    reasons : tuple of Reason
        Why the measurement may mislead.
    load : (float, float)
        Load average over one minute, before and after.
    empty : tuple of int
        Populations of runs without an iteration.
    failed : tuple of str
        Why runs could not be made, one text per run.
    note : str or None
        What the trial of the binary showed.
    """

    machine: Host
    program: LoopProgram
    runs: tuple[Run, ...]
    seconds: float
    warmup: float
    seed: int
    planned: int
    started: str
    reasons: tuple[Reason, ...]
    load: tuple[float, float]
    empty: tuple[int, ...] = ()
    failed: tuple[str, ...] = ()
    note: str | None = None

    @property
    def finished(self) -> int:
        """Runs that were made, with or without an iteration."""
        return len(self.runs) + len(self.empty)

    @property
    def interrupted(self) -> bool:
        """Whether runs were not even tried."""
        return self.finished + len(self.failed) < self.planned

    def levels(self) -> list[Level]:
        """Return the populations with their mean and spread, ascending."""
        levels = []
        for n in sorted({run.n for run in self.runs}):
            rates = [run.throughput_per_s for run in self.runs if run.n == n]
            mean = sum(rates) / len(rates)
            sd = None
            if len(rates) > 1:
                sd = math.sqrt(sum((r - mean) ** 2 for r in rates) / (len(rates) - 1))
            levels.append(Level(n, len(rates), mean, sd))
        return levels

    def notes(self) -> list[str]:
        """Return what disturbed the runs, and what is missing."""
        notes = [] if self.note is None else [self.note]
        notes += self.missing()
        short = [run.n for run in self.runs if run.iterations < FEW_ITERATIONS]
        if short:
            notes.append(
                f"fewer than {FEW_ITERATIONS} iterations in a window (n = {_few(short)}): "
                f"use a longer --seconds"
            )
        notes += self._disturbed()
        most = max((run.n for run in self.runs), default=0)
        if most > len(self.machine.allowed):
            notes.append(f"more processes ({most}) than CPUs ({len(self.machine.allowed)})")
        return notes

    def missing(self) -> list[str]:
        """Return which runs are not in the curve, and why."""
        notes = []
        if self.interrupted:
            notes.append(f"interrupted: {self.finished} of {self.planned} runs were made")
        if self.failed:
            notes.append(f"{len(self.failed)} of {self.planned} runs failed: {self.failed[0]}")
        if self.empty:
            notes.append(
                f"no iteration ended within the window for n = {_few(self.empty)}: left out; use "
                f"a longer --seconds"
            )
        return notes

    def doubts(self) -> list[str]:
        """Return what makes the numbers doubtful: repeats that differ, and other load."""
        doubts = []
        spreads = [(level.spread or 0.0, level.n) for level in self.levels()]
        worst, n = max(spreads, default=(0.0, 0))
        if worst > NOISY:
            doubts.append(f"repeats spread by up to {100 * worst:.1f} % (n = {n})")
        return doubts + self._disturbed()

    def _disturbed(self) -> list[str]:
        notes = []
        busy = [run for run in self.runs if (run.activity.busy or 0.0) > LOADED]
        if busy:
            worst = max(run.activity.busy or 0.0 for run in busy)
            notes.append(
                f"others used up to {share(worst)} of the CPUs that had no process of ours "
                f"({len(busy)} of {len(self.runs)} runs)"
            )
        steal = max((run.activity.steal for run in self.runs), default=0.0)
        if steal > STOLEN:
            notes.append(f"the hypervisor took up to {share(steal, 1)} of the CPU time")
        for reason in ("cgroup", "heat"):
            times = sum(run.activity.throttled.get(reason, 0) for run in self.runs)
            if times:
                notes.append(f"throttled {times} times by {reason}")
        uneven = [run for run in self.runs if run.fairness < UNEVEN]
        if uneven:
            worst = min(run.fairness for run in uneven)
            notes.append(
                f"uneven in {len(uneven)} of {len(self.runs)} runs: the slowest process made as "
                f"little as {share(worst)} of the fastest"
            )
        return notes

    def to_json(self) -> dict[str, Any]:
        """Return all as plain data, in base units."""
        return {
            "schema": SCHEMA,
            "started": self.started,
            "machine": self.machine.to_json(),
            "loop": self.program.loop,
            "binary": self.program.binary if self.program.loop != "execl" else None,
            "program": self.program.described,
            "seconds": self.seconds,
            "warmup_s": self.warmup,
            "seed": self.seed,
            "planned_runs": self.planned,
            "load_1min": list(self.load),
            "points": [
                {
                    "n": level.n,
                    "repeats": level.repeats,
                    "throughput_per_s": level.mean,
                    "sd_per_s": level.sd,
                    "per_process_per_s": level.mean / level.n,
                }
                for level in self.levels()
            ],
            "runs": [run.to_json() for run in self.runs],
            "notes": self.notes(),
            "reasons": [
                {"key": r.key, "text": r.text, "remedy": r.remedy, "root": r.root}
                for r in self.reasons
            ],
        }

    def to_csv(self) -> str:
        """Return the CSV that `fit` and `import` read: a commented header, one row per run."""
        machine = self.machine
        header = [
            ("what", f"{self.iteration()}: rate against the number of pinned processes"),
            ("machine", machine.title()),
            ("kernel", machine.kernel),
            ("when", self.started),
            ("unit", "iterations/s"),
            ("source", "lockmodel bench"),
            ("loop", self.program.loop),
            ("binary", self.program.binary if self.program.loop != "execl" else "itself"),
            ("program", self.program.described),
            ("window_s", f"{self.seconds:g}, after {self.warmup:g} of warm-up"),
            ("order", f"random, seed {self.seed}"),
            ("governor", ", ".join(machine.governors) or "not known"),
            ("load", f"{self.load[0]:g} before, {self.load[1]:g} after"),
            *(("caveat", note) for note in self.notes()),
            *(("caveat", reason.text) for reason in self.reasons),
        ]
        lines = [f"# {key}: {' '.join(value.split())}" for key, value in header]
        lines.append("tasks,throughput,repeat")
        rows = sorted(self.runs, key=lambda run: (run.n, run.repeat))
        lines += [f"{run.n},{run.throughput_per_s:.6g},{run.repeat}" for run in rows]
        return "\n".join(lines) + "\n"

    def iteration(self) -> str:
        """Return what one iteration is."""
        name = self.program.binary.rpartition("/")[2]
        return {
            "fork": f"fork + execve({name}) + exit + wait",
            "vfork": f"vfork + execve({name}) + exit + wait",
            "posix_spawn": f"posix_spawn({name}) + exit + wait",
            "execl": "exec of the loop program by itself",
        }[self.program.loop]


def default_populations(cpus: int) -> tuple[int, ...]:
    """Return the populations measured by default: 1 to 8, then by half as many more, then all."""
    populations = list(range(1, min(cpus, FIRST_ALL) + 1))
    while populations[-1] < cpus:
        populations.append(min(cpus, round(populations[-1] * GROWTH)))
    return tuple(populations)


def _few(numbers: Sequence[int]) -> str:
    shown = sorted(set(numbers))
    text = ", ".join(map(str, shown[:MOST_LISTED]))
    return text + (", .." if len(shown) > MOST_LISTED else "")
