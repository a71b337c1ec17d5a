"""A scenario without any throughput behind it: counts, latencies, and one factor for all machines.

Acquires and sites are those of a scenario; lines under the locks, lines of a hand-off and
instructions outside the locks were counted in an emulator; times of lines are the machine's. What
is left is how far misses overlap: one factor, which is what other machines' saturated rates need
(data/computed/line_overlap.csv). Its spread over them, and that of the time per instruction, are
the interval.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import fmean, stdev

import numpy as np
from msgspec.structs import replace

from lockmodel import __version__
from lockmodel.errors import ScenarioError
from lockmodel.measure.acquires.lines import lines
from lockmodel.measure.acquires.next_locks import LEAST, named, next_locks
from lockmodel.model.distribution import Constant
from lockmodel.model.fit_table import BY_COUNTS, Fit, FittedParameter
from lockmodel.model.handoff import NoHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.machines import GUESSED
from lockmodel.model.published import FAR, typical
from lockmodel.model.scenario import (
    EVERYWHERE,
    LINES,
    NOT_COUNTED,
    Lock,
    Provenance,
    Scenario,
    Site,
)
from lockmodel.model.shipped import read_table, shipped_dir

INSTRUCTION_S = 0.35e-9
"""Time per instruction on own lines (assumed: one per cycle at 2.9 GHz)."""

INSTRUCTION_SD = 0.38
"""Standard deviation of its logarithm: 0.2 to 0.7 ns is then 90 %."""

ACQUIRE_S = 20e-9
"""Per acquire for locking and unlocking alone: published 15 to 52 ns (latency.csv)."""

HANDOFF_LINES = 5.8
"""Distinct lines of a hand-off that is forced (semaphore word, osq nodes, owner): counted. It is a
chain of atomic accesses, each of which begins when the one before has ended: no overlap."""

Z90 = 1.645
HANDOFF_SD = math.log(1.0 / 0.55) / Z90
"""Standard deviation of the logarithm of that: 90 % from lines that overlap as those under the lock
do (0.55) to as much more, 10.5 of the 14 to 16 transfers that were counted."""

NEXT_HANDOFF = 6.5
"""The same of a lock that comes after those of the files, as data/traced/stations.csv has it."""

LEVEL = 0.8
"""Of the interval: with four machines nobody knows the tails."""

COUNTED_SD = 0.1
"""Standard deviation of the logarithm of a lock's lines: libc.so.6 over the executable is 1.7 to
2.6 over the settings that were counted, 0.13, and both are extrapolated beyond 48 loops."""

NEXT_SD = 0.3
"""The same of what comes after the files: two boots differ by up to 9 %, configurations by more."""

HIDDEN_LINES = f"{NOT_COUNTED}.lines"
HIDDEN = math.log(1.0 / LEAST)
"""Width of what is not known of a station that nobody counted: the logarithm of its demand is
uniform from that of a counted station that is left out to that of the lock that binds. Were it
larger, profiles of the saturated machine would name it; were it smaller, it would not matter."""

STUDENT = {1: 3.078, 2: 1.886, 3: 1.638, 4: 1.533, 5: 1.476, 6: 1.440, 7: 1.415}
"""Student's t at 0.9 by degrees of freedom (any table); above them the normal 1.2816."""
NORMAL = 1.2816

PHASE, _, NAME = EVERYWHERE.partition(".")

PLACEMENT = "machine.placement"
"""As provenance calls it."""

NOISE, MODEL = 0.02, 0.1
"""Standard deviations of ln throughput: from run to run, as the kernel test robot prints it; and of
the model, as much as product form is estimated to be off where a lock begins to bind."""

LEAST_BATCHED = 1.0
"""Acquires of a teardown from Linux 6.11 on, which takes a file's lock once for all mappings."""


def from_counts(
    scenario: Scenario, overlap: float | None = None, executables: Sequence[str] = ("executable",)
) -> Scenario:
    """Return the scenario that counts make of another one, with a prior as its fit.

    Parameters
    ----------
    scenario : Scenario
        Its acquires, sites, locks and machine are kept, and no time of it.
    overlap : float, optional
        Share of a line's time that is waited for; the mean of the machines in
        data/computed/line_overlap.csv but this one by default.
    executables : sequence of str
        Locks of programs: in a loop of execl alone, all processes map and run them.

    Returns
    -------
    Scenario
        With [fit] where `overlap` was not given.

    Raises
    ------
    ScenarioError
        A lock or site of it is none of an exec loop: its lines were not counted.
    """
    scenario = uncounted(scenario)
    loop = _loop(scenario)
    kernel = _kernel(scenario)
    machine, known = _timed(scenario)
    factor, deviation, others = _overlap(scenario.machine)
    following = tuple(_following(scenario, kernel, loop))
    made = Scenario(
        name=f"{scenario.name}-from-counts",
        title=f"{scenario.title}, from counts",
        iteration=scenario.iteration,
        machine=replace(machine, line_overlap=factor if overlap is None else overlap, times_of=""),
        think=_outside(loop) * INSTRUCTION_S,
        locks=(*map(_lock, scenario.locks), *(lock for lock, _ in following)),
        sites=(
            *(_site(site, kernel, loop, site.lock in executables) for site in scenario.sites),
            *(site for _, site in following),
        ),
        provenance=_provenance(scenario, kernel, loop, known, others),
    )
    made = _with_hidden(made)
    if overlap is not None:
        return made
    spread = deviation if known else math.hypot(deviation, FAR)
    return replace(made, fit=_prior(made, spread, {lock.name for lock, _ in following}))


def _unfitted(scenario: Scenario) -> Machine:
    """Return the machine without a placement that somebody's throughput decided."""
    fitted = {p.value for p in scenario.provenance if p.origin == "fitted"}
    machine = scenario.machine
    return replace(machine, placement="fill") if PLACEMENT in fitted else machine


def uncounted(scenario: Scenario) -> Scenario:
    """Return a scenario without what counts added to it before: lines, and locks after the files'.

    It has a machine of any kind then, whether or not its line times are known.
    """
    own = tuple(site for site in scenario.sites if site.label != EVERYWHERE)
    added = {site.lock for site in scenario.sites} - {site.lock for site in own}
    return replace(
        scenario,
        locks=tuple(
            replace(lock, handoff_lines=0.0) for lock in scenario.locks if lock.name not in added
        ),
        sites=tuple(replace(site, **dict.fromkeys(LINES, 0.0)) for site in own),
        fit=None,
    )


def _with_hidden(scenario: Scenario) -> Scenario:
    """Return a scenario with a line that stands for what nobody counted.

    Its demand is the geometric middle of what it may be, and grows with the processes as that of
    the lock that binds on the whole machine.
    """
    cpus = scenario.machine.cpus

    def demand(lock: Lock) -> float:
        passed = scenario.acquires(lock.name) * lock.handoff_lines
        return (scenario.lines(lock.name, cpus, cpus + lock.other_mappers) + passed) / lock.shards

    first = max(scenario.taken, key=demand)
    share = math.exp(-HIDDEN / 2.0)
    held = scenario.sites_of(first.name)
    growth = sum(site.acquires * site.lines_per_doubling for site in held)
    whole = demand(first)
    hidden = Lock(
        name=NOT_COUNTED,
        time_per_instruction_local=INSTRUCTION_S,
        time_per_instruction_remote=INSTRUCTION_S,
    )
    site = Site(
        lock=NOT_COUNTED,
        phase=PHASE,
        name=NAME,
        acquires=1.0,
        held_instructions=0.0,
        lines=round(share * (whole - growth * math.log2(cpus)), 2),
        lines_per_doubling=round(share * growth, 2),
    )
    return replace(scenario, locks=(*scenario.locks, hidden), sites=(*scenario.sites, site))


def _loop(scenario: Scenario) -> str:
    """Return the loop that the sites are of."""
    labels = {site.label for site in scenario.sites}
    if not labels or {label.partition(".")[0] for label in labels} - {"fork", "exec", "exit"}:
        raise ScenarioError(
            f"scenario {scenario.name!r}: its sites are not those of an exec loop (fork.dup, "
            f"exec.map_link, ...), whose lines were counted; `lockmodel acquires --toml` makes one"
        )
    return "fork" if any(label.startswith(("fork.", "exit.")) for label in labels) else "execl"


def _kernel(scenario: Scenario) -> str:
    """Return the counted kernel whose teardown is like the scenario's: at once, or one by one."""
    torn = [s.acquires for s in scenario.sites if s.name == "teardown" and s.acquires > 0]
    return "6.12.107" if max(torn, default=0.0) <= LEAST_BATCHED else "6.1.187"


def _lock(lock: Lock) -> Lock:
    return replace(
        lock,
        time_per_instruction_local=INSTRUCTION_S,
        time_per_instruction_remote=INSTRUCTION_S,
        acquire_time=ACQUIRE_S,
        handoff=NoHandOff(),
        handoff_lines=HANDOFF_LINES,
        hold_distribution=Constant(),
    )


def _site(site: Site, kernel: str, loop: str, executable: bool) -> Site:
    law = lines(kernel, loop, executable and loop == "execl", site.label)
    return replace(
        site,
        lines=round(law.start, 2),
        lines_per_doubling=round(law.growth, 2),
        lines_per_idle_doubling=round(law.idle, 2),
    )


def _following(scenario: Scenario, kernel: str, loop: str) -> Iterator[tuple[Lock, Site]]:
    """Yield the locks and lines that come after those of the files, each with its one site."""
    for name, station in named(next_locks(kernel, loop), {k.name for k in scenario.locks}):
        passed = NEXT_HANDOFF if station.passes else 0.0
        lock = Lock(
            name=name,
            time_per_instruction_local=INSTRUCTION_S,
            time_per_instruction_remote=INSTRUCTION_S,
            acquire_time=ACQUIRE_S if station.passes else 0.0,
            handoff_lines=passed,
            shards=scenario.machine.nodes if station.scope == "node" else 1,
            shard_by="hash",
        )
        site = Site(
            lock=name,
            phase=PHASE,
            name=NAME,
            acquires=station.acquires,
            held_instructions=0.0,
            lines=round(station.lines, 2),
            lines_per_doubling=round(station.growth, 2),
        )
        yield lock, site


def _outside(loop: str) -> float:
    """Return the instructions of an iteration outside the locks, with the most loops at once."""
    rows = read_table(shipped_dir("data") / "traced" / "instructions_outside.csv")
    own = [row for row in rows if row["loop"] == loop]
    return float(max(own, key=lambda r: int(r["loops"]))["instructions_outside"])


def _timed(scenario: Scenario) -> tuple[Machine, bool]:
    """Return the machine with line times, and whether they are its own."""
    machine = _unfitted(scenario)
    if machine.line is None:
        return replace(machine, line=typical(machine)), False
    return machine, GUESSED not in scenario.provenance


def _overlap(machine: Machine) -> tuple[float, float, tuple[str, ...]]:
    """Return the factor, the deviation of its logarithm for one more machine, and from which."""
    rows = read_table(shipped_dir("data") / "computed" / "line_overlap.csv")
    others = {r["machine"]: math.log(float(r["overlap"])) for r in rows}
    logs = {name: value for name, value in others.items() if name != machine.name}
    mean, count = fmean(logs.values()), len(logs)
    tail = STUDENT.get(count - 1, NORMAL) / NORMAL
    deviation = stdev(logs.values()) * math.sqrt(1.0 + 1.0 / count) * tail
    return math.exp(mean), deviation, tuple(logs)


def _prior(scenario: Scenario, spread: float, following: set[str]) -> Fit:
    """Return what is not known, as a fit that no data of the machine went into.

    Think time and held instructions take the same time per instruction; each lock has its count.
    """
    known = {
        "line_overlap": ("1", scenario.machine.line_overlap, spread),
        "think": ("s", scenario.think, INSTRUCTION_SD),
        "all.time_per_instruction_remote": ("s", INSTRUCTION_S, INSTRUCTION_SD),
        "all.handoff_lines": ("1", HANDOFF_LINES, HANDOFF_SD),
        **{
            f"{lock.name}.lines": ("1", 1.0, NEXT_SD if lock.name in following else COUNTED_SD)
            for lock in scenario.changeable
        },
        HIDDEN_LINES: ("1", 1.0, HIDDEN / math.sqrt(12.0)),
    }
    covariance = np.diag([sd**2 for _, _, sd in known.values()])
    covariance[1, 2] = covariance[2, 1] = INSTRUCTION_SD**2
    half = math.exp(HIDDEN / 2.0)
    parameters = tuple(
        FittedParameter(
            name=name,
            unit=unit,
            value=value,
            low=value / half if hidden else value * math.exp(-NORMAL * sd),
            high=value * half if hidden else value * math.exp(NORMAL * sd),
            determined=False,
            covariance=tuple(row),
            given="" if hidden else BY_COUNTS,  # draws stay within what is given by its range alone
        )
        for (name, (unit, value, sd)), row in zip(known.items(), covariance.tolist(), strict=True)
        for hidden in [name == HIDDEN_LINES]
    )
    return Fit(
        version=__version__, parameters=parameters, level=LEVEL, noise=NOISE, model_error=MODEL
    )


def _provenance(
    scenario: Scenario, kernel: str, loop: str, known: bool, others: tuple[str, ...]
) -> tuple[Provenance, ...]:
    return (
        Provenance(
            value="lines, handoff_lines",
            origin="traced",
            note=f"data/traced/lines_held.csv, Linux {kernel}, {loop} loop: least squares in log2 "
            f"of the running processes and of the mappings; {HANDOFF_LINES:g} distinct lines of "
            "a hand-off, one after the other",
        ),
        Provenance(
            value="locks after those of the files",
            origin="traced",
            note="data/traced/stations.csv: what reaches 2 % of libc.so.6's demand, of Debian's "
            "kernel on ext4 with one memory cgroup; one per node where there is one per node",
        ),
        Provenance(
            value=NOT_COUNTED,
            origin="assumed",
            note="what nobody counted (another file system, configuration, machine): a line of "
            f"{100 * LEAST:g} to 100 % of the demand of the lock that binds on the whole machine, "
            "every doubling alike; a larger one profiles would name, a smaller one does not matter",
        ),
        Provenance(
            value="line_ns",
            origin="published" if known else "assumed",
            note="of the machine or its kind (`lockmodel machines`)" if known else GUESSED.note,
        ),
        Provenance(
            value="line_overlap",
            origin="fitted",
            note=f"mean of {len(others)} other machines' saturated rates "
            f"(data/computed/line_overlap.csv): {', '.join(others)}",
        ),
        Provenance(
            value="think, time_per_instruction",
            origin="assumed",
            note=f"{_outside(loop):,.0f} instructions outside the locks "
            f"(data/traced/instructions_outside.csv) and those held, {INSTRUCTION_S * 1e9:g} ns "
            f"each; 90 % range 0.2 to 0.7",
        ),
        *(p for p in scenario.provenance if p.value.startswith("acquires")),
    )
