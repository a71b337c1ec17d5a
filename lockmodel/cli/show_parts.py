"""Parts of `lockmodel show` that a scenario of one class and one of several share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lockmodel.model.distribution import Distribution
    from lockmodel.model.machine import Machine
    from lockmodel.model.scenario import Scenario


@dataclass(frozen=True)
class Demand:
    """Acquires and held instructions of a lock per iteration, and the parts of its demand in s."""

    acquires: float
    instructions: float
    lines: float
    hold: float
    passing: float

    @property
    def total(self) -> float:
        """D, in s."""
        return self.hold + self.passing


Demands = dict[str, Demand]


def demands_of(scenario: Scenario, n: int) -> Demands:
    """Return what an iteration does under each lock with n processes."""
    from lockmodel.model.network import build

    network = build(scenario, n)
    demands = {}
    for lock in scenario.locks:
        m = scenario.acquires(lock.name)
        work, passing = network.hold[lock.name], m * network.passing[lock.name]
        instructions, lines = network.instructions[lock.name], network.lines[lock.name]
        demands[lock.name] = Demand(m, instructions, lines, work, passing)
    return demands


def demand_table(scenario: Scenario, demands: Demands, names: Sequence[str]) -> Any:
    """Return what an iteration does under each lock."""
    from lockmodel.cli import text as tx

    rows = []
    lined = any(site.moves_lines for site in scenario.sites)
    for name in names:
        lock, of = scenario.lock(name), demands[name]
        rows.append(
            [
                name,
                *([] if lined else [lock.kind]),  # either fits a terminal
                str(lock.shards),
                tx.plain(of.acquires),
                tx.plain(of.instructions),
                *([f"{of.lines:,.0f}"] if lined else []),
                tx.si(of.hold, "s"),
                tx.si(of.passing, "s"),
                tx.si(of.total, "s"),
            ]
        )
    last = ["tau I", "m c", "D"]
    if lined:
        columns = ["lock", "shards", "acquires", "held", "lines", *last]
        return tx.table(columns, rows, left=(0,), fold=(0,))
    columns = ["lock", "kind", "shards", "acquires", "held", *last]
    return tx.table(columns, rows, left=(0, 1), fold=(0,))


def varies(distribution: Distribution) -> str:
    """Return how a time varies: "constant", "lognormal (SCV 0.5)"."""
    family = str(type(distribution).__struct_config__.tag)
    known = family in ("constant", "exponential")
    return family if known else f"{family} (SCV {distribution.scv:.3g})"


def thinking(scenario: Scenario) -> str:
    """Return the think time of an iteration and how it varies."""
    from lockmodel.cli import text as tx

    think, remote = tx.si(scenario.think, "s"), tx.si(scenario.think_remote, "s")
    more = f", up to {remote} more with remote lines" if scenario.think_remote else ""
    return f"think time {think} ({varies(scenario.think_distribution)}){more}"


def on_machine(scenario: Scenario, n: int) -> list[str]:
    """Return where it runs, and what a line takes there."""
    from lockmodel.cli import text as tx

    machine = scenario.machine
    return [
        f"machine: {machine.name}; {tx.count(machine.cpus, 'CPU')}, "
        f"{tx.count(machine.cores, 'core')}, {tx.count(machine.sockets, 'socket')}, "
        f"{tx.count(machine.nodes, 'node')}; SMT x{machine.smt_speedup:g}; "
        f"placement {machine.placement}",
        *_lines(machine, n),
    ]


def _lines(machine: Machine, n: int) -> list[str]:
    """Return what a line takes by distance, and on average; nothing where it is not known."""
    from lockmodel.cli import lines_text
    from lockmodel.cli import text as tx
    from lockmodel.model.lines import mean_time

    if machine.line is None:
        return []
    times = [(lines_text.WORDS[d], machine.line_time(d)) for d in machine.distances]
    by_distance = ", ".join(f"{word} {lines_text.ns(time)}" for word, time in times if time)
    return [
        f"a line takes {lines_text.ns(mean_time(machine, n))} ns on average at "
        f"{tx.count(n, 'process')} ({by_distance}; "
        f"{tx.count(machine.last_level, 'last-level cache')})"
    ]
