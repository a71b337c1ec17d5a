"""`lockmodel show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lockmodel.cli import files, inputs, options
from lockmodel.cli.files import Report
from lockmodel.cli.show_parts import (
    Demands,
    demand_table,
    demands_of,
    on_machine,
    thinking,
    varies,
)

if TYPE_CHECKING:
    from lockmodel.model.scenario import Scenario, Site

FEW_LOCKS = 8
"""Locks of the short report."""

LONG_S = 1e-6
"""From here on a time per instruction is not one of a processor's instruction."""


def show(
    model: options.Model,
    population: options.Population = None,
    machine: options.Machine = None,
    edits: options.Edits = None,
    counts: options.FromCounts = False,
    explain: options.Explain = False,
    as_json: options.Json = False,
    output: options.Output = None,
    force: options.Force = False,
) -> None:
    """Show a scenario as the tool understands it.

    \b
    Printed numbers, per lock and iteration:
      acquires         lock + unlock pairs (m)
      held             instructions executed under the lock (I) at N processes;
                       grows with log2 of the processes that map the file
      lines            cache lines that come from other CPUs while it is held,
                       where the scenario has them
      tau I            time it is held: I at the time per instruction, which lies
                       between local and remote by where N processes run, and
                       its lines at the time of a line
      m c              time it is unavailable while passing on: acquires x
                       (acquire time + hand-off to the first waiter)
      D                demand, tau I + m c: 1 / D is the ceiling of one shard
      ceiling at n     with n processes about: of the lock (or cpu) that binds
      shards           independent copies of the lock and its data
      growth           instructions per acquire that each doubling of the
                       mapping processes adds, per site
      a line takes     mean time of a cache line from another of the CPUs that
                       N processes run on, where the machine has line times
    With several classes each has its own rows.
    Example:
      lockmodel show execl-xeon8369b -n 64
    """
    scenario = inputs.scenario(model, machine=machine, counts=counts, edits=edits, classes=True)
    n = inputs.population(population, scenario)
    with files.output(output, as_json, force) as write:
        if scenario.classes:
            from lockmodel.cli.show_classes import report

            write(report(scenario, n, explain))
            return
        write(Report(lambda: _data(scenario, n), lambda c: _text(scenario, n, explain, c)))


def _data(scenario: Scenario, n: int) -> dict[str, Any]:
    import msgspec

    from lockmodel.model.lines import mean_time

    return {
        "schema": "lockmodel.show/1",
        "n": n,
        "line_time_s": mean_time(scenario.machine, n) if scenario.machine.line else None,
        "scenario": msgspec.to_builtins(scenario),
        "demands": {
            name: {
                "acquires": of.acquires,
                "held_instructions": of.instructions,
                "lines": of.lines,
                "hold_s": of.hold,
                "pass_on_s": of.passing,
                "demand_s": of.total,
                "ceiling_per_s": scenario.lock(name).shards / of.total if of.total > 0 else None,
            }
            for name, of in demands_of(scenario, n).items()
        },
    }


def _per_instruction(near: float, far: float) -> str:
    """Return times per instruction: nanoseconds, but of a fit whose work is one "instruction"."""
    from lockmodel.cli import text as tx

    if far >= LONG_S:
        return tx.si(far, "s") if near == far else f"{tx.si(near, 's')} to {tx.si(far, 's')}"
    return f"{far * 1e9:.3g} ns" if near == far else f"{near * 1e9:.3g} to {far * 1e9:.3g} ns"


def _handoff_text(scenario: Scenario, name: str) -> str:
    import msgspec

    from lockmodel.cli.text import si
    from lockmodel.model.tables import TIME_KEYS

    handoff = scenario.lock(name).handoff
    family = handoff.family
    parts = [
        f"{key} {si(value, 's') if key in TIME_KEYS else f'{value:g}'}"
        for key, value in msgspec.structs.asdict(handoff).items()
    ]
    return f"{family}" + (f" ({', '.join(parts)})" if parts else "")


def _law(site: Site) -> str:
    """Return the lines of a site's acquire: "3.8 + 1.3 - 0.1"."""
    numbers = site.lines, site.lines_per_doubling, site.lines_per_idle_doubling
    return " ".join((f"{numbers[0]:.1f}", *(f"{'-+'[n >= 0]} {abs(n):.1f}" for n in numbers[1:])))


def _headline(scenario: Scenario, demands: Demands, n: int) -> str:
    """Return the lock with the largest demand, its two parts, and where throughput ends."""
    from lockmodel.cli import text as tx
    from lockmodel.solvers.bounds import ceiling_at

    top = ceiling_at(scenario, n)
    end = f"ceiling at n {tx.si(top.throughput_per_s, '/s')}"
    at = f"at {tx.count(n, 'process')}"
    name = max(demands, key=lambda lock: demands[lock].total, default=None)
    if name is None or demands[name].total == 0:
        return f"{scenario.title}: no lock is busy {at}; {end}, of the CPUs."
    most = demands[name]
    binds = "" if top.binding == name else f", of {_station(top.binding)}"
    return (
        f"{scenario.title}: {name} has the largest demand {at}, {tx.si(most.total, 's')} per "
        f"iteration: {tx.si(most.hold, 's')} held work ({tx.whole(most.hold / most.total)}), "
        f"{tx.si(most.passing, 's')} hand-off ({tx.whole(most.passing / most.total)}); "
        f"{end}{binds}."
    )


def _station(name: str) -> str:
    return "the CPUs" if name == "cpu" else name


def _described(scenario: Scenario, n: int) -> list[str]:
    """Return what an iteration is, where it runs, and what a line takes there."""
    return [
        f"{scenario.name}: an iteration is {scenario.iteration}; {thinking(scenario)}",
        *on_machine(scenario, n),
    ]


def _hold(site: Site) -> str:
    """Return the time that a site states, and from afar where it is another."""
    from lockmodel.cli import text as tx

    near = tx.si(site.hold or 0.0, "s")
    return f"{near} to {tx.si(site.hold_remote or 0.0, 's')}" if site.differs else near


def _text(scenario: Scenario, n: int, explain: bool, colour: bool) -> str:
    from lockmodel.cli import text as tx
    from lockmodel.solvers.validity import moved

    demands = demands_of(scenario, n)
    names = list(demands)
    if not explain and len(names) > FEW_LOCKS:
        names = sorted(names, key=lambda name: -demands[name].total)[:FEW_LOCKS]
    flags = scenario.fit.flags if scenario.fit is not None else ()
    parts: list[Any] = [
        _headline(scenario, demands, n),
        *(f"! {text}" for text in (*moved(scenario), *flags)),
        "",
        demand_table(scenario, demands, names),
        *tx.more(len(demands) - len(names), "lock", "--explain"),
        "",
        *_described(scenario, n),
    ]
    if not explain:
        origins = len(scenario.provenance)
        hidden = [
            tx.count(len(scenario.sites), "site"),
            *([] if scenario.fit is None else ["the fit"]),
            *([f"{tx.count(origins, 'origin')} of numbers"] if origins else []),
        ]
        return tx.render([*parts, f"{', '.join(hidden)}: --explain"], colour)
    parts.append("")
    for lock in scenario.locks:
        near, far = lock.time_per_instruction_local, lock.time_per_instruction_remote
        parts.append(
            f"{lock.name} ({lock.kind}): {_per_instruction(near, far)} per instruction, acquire "
            f"{tx.si(lock.acquire_time, 's')}, hand-off {_handoff_text(scenario, lock.name)}"
            f"{f' and {lock.handoff_lines:g} lines' if lock.handoff_lines else ''}; "
            f"{'data of each node apart; ' if lock.lines_by == 'node' else ''}"
            f"{'lines only after another process; ' if lock.lines_when == 'changed' else ''}"
            f"holds {varies(lock.hold_distribution)}"
        )
    lined = any(site.moves_lines for site in scenario.sites)
    sites = [
        [
            site.lock,
            site.label + (" (read)" if site.mode == "read" else ""),
            tx.plain(site.acquires),
            tx.plain(site.held_instructions) if site.hold is None else _hold(site),
            tx.plain(site.growth_per_doubling),
            *([_law(site)] if lined else []),
        ]
        for site in scenario.sites
    ]
    columns = ["lock", "site", "acquires", "held", "growth", *(["lines"] if lined else [])]
    said = "sites (held: instructions per acquire, one mapper; growth: per doubling"
    if lined:
        said += "; lines: at first + per doubling of N + per doubling of mappings per process"
    if any(site.hold is not None for site in scenario.sites):
        said += "; or time per acquire, near and far"
    parts += ["", f"{said}):"]
    parts += [tx.table(columns, sites, left=(0, 1), fold=(0, 1)), ""]
    if scenario.fit is not None:
        from lockmodel.cli.intervals import fit_parts

        parts += fit_parts(scenario.fit)
    parts += tx.bullets(
        "where the numbers come from:",
        [f"{entry.value} [{entry.origin}]: {entry.note}" for entry in scenario.provenance],
    )
    return tx.render(parts, colour)
