"""What the saturated rates of four machines need: the share of a line's time that is waited for.

Three of them were measured with two kernels that differ in acquires: these say what a hand-off is
in lines, beside what was counted. It is printed, and used for nothing.

Each rate is met by one factor on the machine's line times, everything else counted. Predictions of
a machine use the mean of the others (`measure.acquires.from_counts`). The times are of the
machine's kind: nobody measured these very machines.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from common import INTERVENTIONS, ROOT, table
from msgspec.structs import replace
from scipy.optimize import brentq

from lockmodel.changes.lever import Lever, apply_all
from lockmodel.evaluate.backtest.batching import cooper_lake
from lockmodel.measure.acquires.from_counts import HANDOFF_LINES, from_counts
from lockmodel.model.machine import LineTimes, Machine
from lockmodel.model.placement import transfer
from lockmodel.model.published import published_machines
from lockmodel.model.scenario import Provenance, Scenario
from lockmodel.solvers.solve import points

FILE = ROOT / "data" / "computed" / "line_overlap.csv"

KINDS = {
    "execl-xeon8369b": "icelake",
    "execl-direct": "icelake",
    "execl-emr112": "sapphirerapids",
    "sysexec-spr224-v6.1": "sapphirerapids",
    "sysexec-spr224-v6.12": "sapphirerapids",
    "sysexec-icl64-v6.12": "icelake",
    "doexec-20": "",
}
"""Shipped scenario -> kind of its cores in core_to_core_ns.csv; none where it is not known."""

OTHERWISE = ("cascadelake", "icelake")
"""Kinds that lend the distances that nobody measured on a kind."""


def line_times(kind: str, machine: Machine) -> tuple[LineTimes, str]:
    """Return the times of a kind of machine, geometric means, and where they are from."""
    times, sources = {}, []
    for distance in machine.told_apart:
        for each in (kind, *OTHERWISE):
            known = [
                m.times[distance].median
                for m in published_machines()
                if m.kind == each and distance in m.times
            ]
            if known:
                times[distance] = math.exp(sum(map(math.log, known)) / len(known))
                sources.append(f"{distance} of {len(known)} {each}")
                break
    rounded = {distance: float(f"{time * 1e9:.1f}e-9") for distance, time in times.items()}
    return LineTimes(**rounded), ", ".join(sources)


def counted(scenario: Scenario) -> Scenario:
    """Return what counts and the line times of its kind of machine make of a scenario."""
    kind = KINDS[scenario.name]
    notes: tuple[Provenance, ...] = ()
    if kind:
        line, sources = line_times(kind, scenario.machine)
        scenario = replace(scenario, machine=replace(scenario.machine, line=line))
        note = f"data/published/core_to_core_ns.csv, medians: {sources}; not of this very machine"
        notes = (Provenance(value="machine.line_ns", origin="published", note=note),)
    made = from_counts(scenario)
    kept = tuple(p for p in made.provenance if not (kind and p.value == "line_ns"))
    return replace(made, name=scenario.name, title=scenario.title, provenance=(*kept, *notes))


@dataclass(frozen=True)
class Rate:
    """A saturated rate.

    Attributes
    ----------
    scenario : Scenario
        On the machine.
    n : int
    rate : float
        Iterations per second.
    before : float or None
        With the acquires of an older kernel, whose levers are `unbatched`.
    source : str
    """

    scenario: Scenario
    n: int
    rate: float
    source: str
    before: float | None = None


def rates(curve: Scenario, fork: Scenario, icelake: Scenario) -> list[Rate]:
    """Return the four: an execl curve's last value, and three machines of the test robot."""
    cooper = replace(cooper_lake(), placement="spread")
    curve, fork, icelake = (
        replace(s, machine=replace(s.machine, line=line_times(KINDS[s.name], s.machine)[0]))
        for s in (curve, fork, icelake)
    )
    last = table("published/unixbench_execl_xeon8369b.csv")[-1]
    robot = [
        ("lkp_icl_64", icelake),
        ("lkp_spr_224", fork),
        ("lkp_cpl_224", replace(fork, machine=cooper)),
    ]
    file = "unixbench_execl_xeon8369b.csv"
    found = [Rate(curve, int(last["threads"]), float(last["throughput"]), file)]
    for entry, scenario in robot:
        one = INTERVENTIONS[entry]
        source = f"interventions.json {entry}; after"
        rate, before = float(one["after"]), float(one["before"])
        found.append(Rate(scenario, int(one["N"]), rate, source, before))
    return found


def overlap(rate: Rate) -> float:
    """Return the factor that meets a rate."""

    def missed(factor: float) -> float:
        made = from_counts(rate.scenario, math.exp(factor))
        return points(made, [rate.n], "product-form")[0].throughput_per_s - rate.rate

    return math.exp(brentq(missed, math.log(0.01), math.log(5.0)))


def handoff(rate: Rate, unbatched: Sequence[Lever]) -> float:
    """Return the lines of a hand-off with which both kernels of a machine are met."""

    def missed(lines: float) -> float:
        made = from_counts(rate.scenario, 1.0)
        made = replace(
            made,
            locks=tuple(
                replace(k, handoff_lines=lines) if k.handoff_lines else k for k in made.locks
            ),
        )

        def at(factor: float, now: Scenario) -> float:
            machine = replace(now.machine, line_overlap=math.exp(factor))
            (point,) = points(replace(now, machine=machine), [rate.n], "product-form")
            return float(point.throughput_per_s)

        factor = brentq(lambda f: at(f, made) - rate.rate, math.log(0.01), math.log(5.0))
        return at(factor, apply_all(made, unbatched)) - (rate.before or 0.0)

    return float(brentq(missed, 0.1, 14.0, xtol=0.01))


HEADER = "\n".join(
    (
        "# what: share of a cache line's transfer time that a process waits for (misses overlap, "
        "some lines come in pairs), from saturated rates",
        "# where: computed; rates and times of lines were published, lines and instructions were "
        "counted in QEMU",
        "# who: the lockmodel project",
        "# when: 2026",
        "# unit: overlap: 1; line_ns: mean time of a line with n processes, ns; waited_ns: the "
        "share of it; throughput: iterations per second",
        "# source: make models: the factor on data/published/core_to_core_ns.csv (of the machine's "
        "kind) with which product form of the counted scenario (lockmodel predict --from-counts) "
        "meets the rate",
        "# caveat: a prediction for one of these machines uses the mean of the others",
        "machine,n,throughput,line_ns,overlap,waited_ns,source",
        "",
    )
)


def write(found: list[Rate], unbatched: Sequence[Lever]) -> None:
    """Write the factors, and print what each machine needs: time of a line, lines of a hand-off."""
    text = HEADER
    for rate in found:
        factor, machine = overlap(rate), rate.scenario.machine
        line = transfer(replace(machine, line_overlap=1.0), rate.n) * 1e9
        text += (
            f"{machine.name},{rate.n},{rate.rate:g},{line:.1f},{factor:.4f},"
            f"{factor * line:.1f},{rate.source}\n"
        )
        print(
            f"{machine.name}: {factor * line:.0f} ns per line are needed, {line:.0f} ns were "
            f"published of its kind (x {factor:.2f})"
        )
        if rate.before is not None:
            print(
                f"  its two kernels need {handoff(rate, unbatched):.1f} lines of a hand-off, "
                f"{HANDOFF_LINES:g} were counted"
            )
    FILE.write_text(text)
