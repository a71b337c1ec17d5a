"""Which observations enter the objective, and with what standard deviation of their own.

What cannot be used, or would count twice, is listed with the reason; nothing is dropped silently.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median

from lockmodel.errors import ScenarioError
from lockmodel.fitting.quantities import unusable
from lockmodel.fitting.study import Study
from lockmodel.observe.observations import Observation

USUAL_SD = {
    "wait_share": 0.10,
    "mean_wait": 0.15,
    "hold_time": 0.10,
    "hold_histogram": 0.10,
    "contended_fraction": 0.15,
    "acquires": 0.01,
}
"""Relative sd of what is not throughput, unless the file states more: sampling, attribution to
call sites and the tracer's own time. Assumed; counts are exact up to their definition."""

TRACED_SD = 0.25
"""Relative sd of a time measured while tracing, which stretches it by an unknown amount."""

SHARE_OF_OWN = 0.5
"""Weight of a point's own spread against the pooled one: three repeats say little by themselves."""


BEYOND = (
    "more processes than the {cpus} CPUs: they wait for a CPU, not for a lock (another number of "
    "CPUs: --machine)"
)
"""Why a throughput is not fitted: spinning beside holders that do not run is not modelled."""

WILD = 5.0
"""Multiple of the median spread beyond which a stated one does not speak for other points."""

LARGEST = 4096
"""Largest population fitted: a step solves every one of them, in time that grows with n^2."""


@dataclass(frozen=True)
class Row:
    """One observation in the objective.

    Attributes
    ----------
    where : int
        Data set.
    observation : Observation
    log_value : float
        ln of the observed value (of 1 + gain for a gain).
    sd : float
        Relative standard deviation that the measurement carries; 0 where unknown.
    noisy : bool
        Whether the common noise of throughput adds to it.
    single : float
        Relative standard deviation of one run, where `sd` is that of a mean; 0 where unknown.
    """

    where: int
    observation: Observation
    log_value: float
    sd: float
    noisy: bool
    single: float = 0.0


@dataclass(frozen=True)
class Unused:
    """An observation that is not in the objective, and why."""

    where: int
    observation: Observation
    why: str


def rows(study: Study) -> tuple[tuple[Row, ...], tuple[Unused, ...]]:
    """Return what enters the objective, and what does not.

    Raises
    ------
    ScenarioError
        Nothing can be used.
    """
    used: list[Row] = []
    left: list[Unused] = []
    pooled = _pooled(study)
    untraced = [
        data.scenario
        for data in study.sets
        if any(o.kind == "throughput" and not o.traced for o in data.observations)
    ]
    for where, data in enumerate(study.sets):
        rates = {o.n for o in data.observations if o.kind == "throughput"}
        for o, repeats in zip(data.observations, data.repeats, strict=True):
            why = unusable(o, data.scenario)
            if not why and (o.n or 1) > LARGEST:
                why = f"n = {o.n} exceeds {LARGEST}, the largest population that a fit solves"
            if not why and o.kind == "throughput" and (o.n or 1) > data.scenario.machine.cpus:
                why = BEYOND.format(cpus=data.scenario.machine.cpus)
            if not why and o.kind == "throughput" and o.traced and data.scenario in untraced:
                why = "measured while tracing; the untraced run beside it is used"
            if not why and o.kind == "gain" and o.n in rates:
                why = "the throughputs it was made from are used"
            if not why and o.kind == "gain" and data.scenario == data.stock:
                why = "nothing says what its variant changes: give --variant"
            if why:
                left.append(Unused(where, o, why))
                continue
            used.append(_row(where, o, repeats, pooled.get(data.file, 0.0)))
    if not used:
        reasons = sorted({f"{u.observation.kind}: {u.why}" for u in left})
        raise ScenarioError(
            f"DATA: no observation can be used ({'; '.join(reasons) or 'there is none'}); give "
            f"throughput against population, e.g. a CSV with tasks,throughput"
        )
    return tuple(used), tuple(left)


def _pooled(study: Study) -> dict[str, float]:
    """Return the root mean square relative spread of throughput per file, wild ones left out."""
    squares: dict[str, list[float]] = {}
    for data in study.sets:
        for o in data.observations:
            if o.kind == "throughput" and o.sd is not None:
                squares.setdefault(data.file, []).append((o.sd / o.value) ** 2)
    made = {}
    for file, every in squares.items():
        sound = [x for x in every if x <= WILD**2 * median(every)]
        made[file] = math.sqrt(sum(sound) / len(sound))
    return made


def _row(where: int, o: Observation, repeats: int, pooled: float) -> Row:
    if o.kind == "gain":
        sd = (o.sd or 0.0) / (1.0 + o.value)
        return Row(where, o, math.log1p(o.value), sd, True, sd)
    own = (o.sd or 0.0) / o.value
    if o.kind == "throughput":
        if o.sd is not None:
            own = math.sqrt(SHARE_OF_OWN * own**2 + (1.0 - SHARE_OF_OWN) * pooled**2)
        return Row(where, o, math.log(o.value), own / math.sqrt(repeats), True, own)
    usual = TRACED_SD if o.traced and o.kind != "acquires" else USUAL_SD[o.kind]
    return Row(where, o, math.log(o.value), max(own, usual), False)
