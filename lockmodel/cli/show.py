"""`lockmodel show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lockmodel.cli import files, inputs, options
from lockmodel.cli.files import Report

if TYPE_CHECKING:
    from lockmodel.model.distribution import Distribution
    from lockmodel.model.scenario import Scenario

LONG_S = 1e-6
"""From here on a time per instruction is not one of a processor's instruction."""


def show(
    model: options.Model,
    population: options.Population = None,
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
      tau I            time it is held: I at the time per instruction, which lies
                       between local and remote by where N processes run
      m c              time it is unavailable while passing on: acquires x
                       (acquire time + hand-off with the first waiter)
      D                demand, tau I + m c: 1 / D is the ceiling of one shard
      shards           independent copies of the lock and its data
      growth           instructions per acquire that each doubling of the
                       mapping processes adds, per site
    Example:
      lockmodel show execl-xeon8369b -n 64
    """
    from lockmodel.model.populations import parse_one

    scenario = inputs.scenario(model)
    n = scenario.machine.cpus if population is None else parse_one(population)
    with files.output(output, as_json, force) as write:
        write(Report(lambda: _data(scenario, n), lambda c: _text(scenario, n, explain, c)))


def _demands(scenario: Scenario, n: int) -> dict[str, tuple[float, float, float, float]]:
    """Return acquires, held instructions, hold and pass-on time of every lock per iteration."""
    from lockmodel.model.network import build

    network = build(scenario, n)
    found = {}
    for lock in scenario.locks:
        stations = network.of(lock.name)
        whole = sum(s.contended * s.copies * s.share for s in stations)
        hold = network.hold[lock.name]
        m, instructions = scenario.acquires(lock.name), network.instructions[lock.name]
        found[lock.name] = (m, instructions, hold, max(0.0, whole - hold))
    return found


def _data(scenario: Scenario, n: int) -> dict[str, Any]:
    import msgspec

    demands = _demands(scenario, n)
    return {
        "schema": "lockmodel.show/1",
        "n": n,
        "scenario": msgspec.to_builtins(scenario),
        "demands": {
            name: {
                "acquires": m,
                "held_instructions": instructions,
                "hold_s": hold,
                "pass_on_s": passing,
                "demand_s": hold + passing,
                "ceiling_per_s": scenario.lock(name).shards / (hold + passing)
                if hold + passing > 0
                else None,
            }
            for name, (m, instructions, hold, passing) in demands.items()
        },
    }


def _per_instruction(near: float, far: float) -> str:
    """Return times per instruction: nanoseconds, but of a fit whose work is one "instruction"."""
    from lockmodel.cli import text as tx

    if far < LONG_S:
        return f"{near * 1e9:.3g} to {far * 1e9:.3g} ns"
    return tx.si(far, "s") if near == far else f"{tx.si(near, 's')} to {tx.si(far, 's')}"


def _handoff_text(scenario: Scenario, name: str) -> str:
    import msgspec

    from lockmodel.cli.text import si
    from lockmodel.model.tables import TIME_KEYS

    handoff = scenario.lock(name).handoff
    family = type(handoff).__struct_config__.tag
    parts = [
        f"{key} {si(value, 's') if key in TIME_KEYS else f'{value:g}'}"
        for key, value in msgspec.structs.asdict(handoff).items()
    ]
    return f"{family}" + (f" ({', '.join(parts)})" if parts else "")


def _varies(distribution: Distribution) -> str:
    """Return how a time varies: "constant", "lognormal (SCV 0.5)"."""
    family = str(type(distribution).__struct_config__.tag)
    known = family in ("constant", "exponential")
    return family if known else f"{family} (SCV {distribution.scv:.3g})"


def _text(scenario: Scenario, n: int, explain: bool, colour: bool) -> str:
    from lockmodel.cli import text as tx

    machine = scenario.machine
    head = [
        f"{scenario.name}: {scenario.title}",
        f"iteration: {scenario.iteration}; think time {tx.si(scenario.think, 's')} "
        f"({_varies(scenario.think_distribution)})"
        + (
            f", up to {tx.si(scenario.think_remote, 's')} more with remote lines"
            if scenario.think_remote
            else ""
        ),
        f"machine: {machine.name}; {machine.cpus} CPUs, {machine.cores} cores, "
        f"{tx.count(machine.sockets, 'socket')}, {tx.count(machine.nodes, 'node')}; "
        f"SMT x{machine.smt_speedup:g}; "
        f"placement {machine.placement}",
    ]
    parts: list[Any] = [*head, ""]
    demands = _demands(scenario, n)
    rows = []
    for lock in scenario.locks:
        m, instructions, hold, passing = demands[lock.name]
        rows.append(
            [
                lock.name,
                lock.kind,
                str(lock.shards),
                tx.plain(m),
                tx.plain(instructions),
                tx.si(hold, "s"),
                tx.si(passing, "s"),
                tx.si(hold + passing, "s"),
            ]
        )
    columns = ["lock", "kind", "shards", "acquires", "held", "tau I", "m c", "D"]
    head_line = f"per iteration, {tx.count(n, 'process')} (c: hand-off to the first waiter):"
    parts += [head_line, tx.table(columns, rows, left=(0, 1), fold=(0,))]
    if not explain:
        flags = scenario.fit.flags if scenario.fit is not None else ()
        hidden = [
            tx.count(len(scenario.sites), "site"),
            *([] if scenario.fit is None else ["the fit"]),
            f"{tx.count(len(scenario.provenance), 'origin')} of numbers",
        ]
        parts += [*(f"! {flag}" for flag in flags), f"{', '.join(hidden)}: --explain"]
        return tx.render(parts, colour)
    parts.append("")
    for lock in scenario.locks:
        near, far = lock.time_per_instruction_local, lock.time_per_instruction_remote
        parts.append(
            f"{lock.name}: {_per_instruction(near, far)} per instruction, acquire "
            f"{tx.si(lock.acquire_time, 's')}, hand-off {_handoff_text(scenario, lock.name)}; "
            f"holds {_varies(lock.hold_distribution)}"
        )
    sites = [
        [
            site.lock,
            site.label + (" (read)" if site.mode == "read" else ""),
            tx.plain(site.acquires),
            tx.plain(site.held_instructions),
            tx.plain(site.growth_per_doubling),
        ]
        for site in scenario.sites
    ]
    columns = ["lock", "site", "acquires", "held", "growth"]
    parts += ["", "sites (held: instructions per acquire, one mapper; growth: per doubling):"]
    parts += [tx.table(columns, sites, left=(0, 1), fold=(0, 1)), ""]
    if scenario.fit is not None:
        from lockmodel.cli.intervals import fit_parts

        parts += fit_parts(scenario.fit)
    parts += tx.bullets(
        "where the numbers come from:",
        [f"{entry.value} [{entry.origin}]: {entry.note}" for entry in scenario.provenance],
    )
    return tx.render(parts, colour)
