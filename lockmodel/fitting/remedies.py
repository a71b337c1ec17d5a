"""Which measurement would settle what a fit leaves open."""

from __future__ import annotations

from lockmodel.fitting.estimate import Estimate
from lockmodel.observe.coverage import ACQUIRES, CURVE_ALONE, REPEATS

MEASURED_AT = "{name}: nothing here decides it; leave it out of --free, or measure where it matters"

TWO_KERNELS = (
    "... two kernels on one machine that differ in acquires for the same held work (a batching "
    "patch) separate held work from hand-off as well"
)

REMEDIES = {
    "think": "think time: measure throughput with 1 task",
    "think_remote": "think_remote: throughput with 1 task, and with the cores of one node busy",
    "time_per_instruction_local": "local time per instruction: a hold time with 1 task",
    "acquire_time": "acquire time: a hold time and throughput with 1 task",
    "smt_speedup": "smt_speedup: throughput without locks with all cores, and with all CPUs, busy",
    "same_node_cost": "same_node_cost: throughput with the CPUs of one node busy, and of two",
    "handoff.half_waiters": "half_waiters: throughput at more populations beyond the peak",
    "held_instructions": "held instructions: trace them (perf stat -e instructions)",
    "lines": "lines: count them (lockmodel trace lab --lines)",
    "line_overlap": "line_overlap: a hold time with all CPUs busy, and `lockmodel bench --lines`",
}
"""Key of an unknown -> what would determine it."""


def remedies(estimate: Estimate) -> tuple[str, ...]:
    """Return what the data cannot tell, and the measurement that would, most important first."""
    made = []
    kinds = {row.observation.kind for row in estimate.rows}
    curve = bool(kinds & {"throughput", "gain"})
    if estimate.splits or one_kernel_assumed(estimate):
        made += [CURVE_ALONE, TWO_KERNELS]
    if curve and "acquires" not in kinds and _locks(estimate):
        made.append(ACQUIRES if made else ACQUIRES.replace("... nor", "these data never separate"))
    for k, unknown in enumerate(estimate.study.unknowns):
        if estimate.bases[k] != "priors" or k in estimate.mixed or unknown.key == "acquires":
            continue
        made.append(REMEDIES.get(unknown.key) or MEASURED_AT.format(name=unknown.name))
    rates = [row for row in estimate.rows if row.noisy]
    if rates and all(row.sd == 0 for row in rates):
        made.append(REPEATS)
    return tuple(dict.fromkeys(made))


def _locks(estimate: Estimate) -> bool:
    """Return whether any data set takes a lock."""
    return any(data.scenario.taken for data in estimate.study.sets)


def one_kernel_assumed(estimate: Estimate) -> bool:
    """Return whether the hand-off is the model's own, and no hold time or other kernel tests it."""
    kinds = {row.observation.kind for row in estimate.rows}
    if kinds & {"hold_time", "hold_histogram"} or not kinds & {"throughput", "gain"}:
        return False
    free = any(unknown.key.startswith("handoff") for unknown in estimate.study.unknowns)
    one = len({data.scenario.sites for data in estimate.study.sets}) == 1
    return _locks(estimate) and one and not free
