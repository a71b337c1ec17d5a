"""What observations can determine of the model, and which measurement is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lockmodel.observe.observations import Observation

CURVE = 3
"""Populations from which on a series is a curve: its start, its knee and its end."""

FIT = 4
"""Populations that a fit of one lock needs: think time, held work, hand-off, and one to spare."""

CURVE_ALONE = (
    "a throughput curve alone never separates held work (tau I) from hand-off (m c): measure hold "
    "times, e.g. bpftrace with @hold_ns = hist(...) between down_write's return and up_write, or "
    "/proc/lock_stat"
)
ACQUIRES = (
    "... nor acquires (m) from their cost: count them, e.g. /proc/lock_stat (acquisitions), or a "
    "bpftrace map @acquires = count() over a known number of iterations"
)
BEYOND = (
    "... nor what happens beyond its last population, where cores are shared or another socket "
    "begins: one point there, before anything is built on it"
)
NO_CURVE = (
    "throughput against population: nothing here sets the scale; run the loop untraced at 1, 2, "
    "4, ... all CPUs and write tasks,throughput"
)
PER_RUN = (
    "acquires are counts of a whole run: divide them by its iterations (acquires per iteration) "
    "before a fit"
)
TWO_RUNS = (
    "traced and untraced runs are both here: tracing slows a run down; measure throughput in both, "
    "the fit never takes them for one run"
)
REPEATS = (
    "repeat noise: no number has a spread; run every population 3 times and give each run a row"
)
DETERMINES = {
    "throughput": "the time of an iteration alone, the ceiling, and whether throughput falls "
    "beyond its peak",
    "gain": "the gain of a change on the machine it was measured on",
    "wait_share": "where tasks wait, and for how long",
    "mean_wait": "where tasks wait, and for how long",
    "hold_time": "mean hold times",
    "hold_histogram": "how hold times vary, not only their mean",
    "acquires": "acquires",
    "contended_fraction": "how often an acquire has to wait",
    "idle_share": "whether waiters sleep (CPUs idle) or spin (CPUs busy)",
}
"""Kind of observation -> what it can determine; a throughput if there are several populations."""

POPULATION = "the population of some numbers is not known: give --tasks, or --at FILE=N"


@dataclass(frozen=True)
class Coverage:
    """What a set of observations is good for.

    Attributes
    ----------
    determines : tuple of str
        What it can determine.
    missing : tuple of str
        What it cannot, and the measurement that would.
    """

    determines: tuple[str, ...]
    missing: tuple[str, ...]


def coverage(observations: Sequence[Observation]) -> Coverage:
    """Return what the observations can determine, and what is missing."""
    kinds = {o.kind for o in observations}
    series = _series(observations)
    longest = max(series.values(), key=len, default=set())
    can = [*_from_throughput(series, longest), *_from_locks(observations, kinds)]
    missing = []
    if not longest:
        missing.append(NO_CURVE)
    elif len(longest) < FIT:
        missing.append(
            f"only {len(longest)} population{'s' if len(longest) > 1 else ''} in a series: a fit "
            f"needs at least {FIT}, up to all CPUs and beyond the peak"
        )
    hold = bool(kinds & {"hold_time", "hold_histogram"})
    if longest and not hold:
        missing.append(CURVE_ALONE)
    if longest and "acquires" not in kinds:
        missing.append(ACQUIRES if not hold else ACQUIRES.removeprefix("... nor ").capitalize())
    if not longest and not hold:
        missing.append("hold times: waits alone do not say how long the lock is held")
    if any(o.kind == "acquires" and o.unit == "per run" for o in observations):
        missing.append(PER_RUN)
    if any(o.traced for o in observations) and any(not o.traced for o in observations):
        missing.append(TWO_RUNS)
    if longest and all(o.sd is None and o.repeat is None for o in observations):
        missing.append(REPEATS)
    if any(o.n is None and o.kind in ("throughput", "mean_wait") for o in observations):
        missing.append(POPULATION)
    return Coverage(tuple(can), tuple(missing))


def _series(observations: Sequence[Observation]) -> dict[tuple[str, ...], set[int]]:
    """Return the populations of each series of throughput."""
    made: dict[tuple[str, ...], set[int]] = {}
    for o in observations:
        if o.kind == "throughput" and o.n is not None:
            key = (o.source.file, o.what, o.variant, o.kernel)
            made.setdefault(key, set()).add(o.n)
    return made


def _from_throughput(series: dict[tuple[str, ...], set[int]], longest: set[int]) -> list[str]:
    made = []
    if len(longest) >= CURVE:
        made.append(
            f"{DETERMINES['throughput']} ({len(longest)} populations from {min(longest)} to "
            f"{max(longest)})"
        )
    elif longest:
        tasks = "1 task" if longest == {1} else f"{' and '.join(map(str, sorted(longest)))} tasks"
        made.append(f"throughput with {tasks}, no curve")
    sets = list(series.values())
    if any(a & b for i, a in enumerate(sets) for b in sets[:i]):
        made.append("gains between variants at the same population")
    return made


def _from_locks(observations: Sequence[Observation], kinds: set[str]) -> list[str]:
    made = []
    named = sorted({o.lock or o.site for o in observations if o.lock or o.site})
    where = f" ({len(named)} locks or sites)" if named else ""
    if kinds & {"mean_wait", "wait_share"}:
        made.append(f"{DETERMINES['mean_wait']}{where}")
    if "hold_histogram" in kinds:
        made.append(DETERMINES["hold_histogram"])
    elif "hold_time" in kinds:
        made.append(f"{DETERMINES['hold_time']}{where}")
    if "acquires" in kinds:
        per = {o.unit for o in observations if o.kind == "acquires"}
        made.append(f"{DETERMINES['acquires']}, {' and '.join(sorted(per))}")
    rest = ("contended_fraction", "idle_share", "gain")
    return [*made, *(DETERMINES[kind] for kind in rest if kind in kinds)]
