"""`lockmodel show` for a scenario of several classes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lockmodel.cli.files import Report
from lockmodel.cli.show_parts import demand_table, demands_of, on_machine, thinking

if TYPE_CHECKING:
    from lockmodel.model.scenario import Scenario

FEW = 3
"""Locks of each class in the short report."""


def report(scenario: Scenario, n: int, explain: bool = False) -> Report:
    """Return the classes of a scenario as they are printed and written."""
    return Report(
        lambda: _data(scenario, n),
        lambda colour: _text(scenario, n, explain, colour),
    )


def _classes(scenario: Scenario, n: int) -> list[tuple[str, int, Scenario]]:
    from lockmodel.model.class_network import classes_of
    from lockmodel.model.classes import counts_of

    counts = counts_of(scenario.classes, n)
    return [
        (one.name, count, view)
        for one, count, view in zip(scenario.classes, counts, classes_of(scenario), strict=True)
    ]


def _data(scenario: Scenario, n: int) -> dict[str, Any]:
    import msgspec

    from lockmodel.model.lines import mean_time

    return {
        "schema": "lockmodel.class-show/1",
        "n": n,
        "line_time_s": mean_time(scenario.machine, n) if scenario.machine.line else None,
        "scenario": msgspec.to_builtins(scenario),
        "classes": {
            name: {
                "n": count,
                "demands": {lock: asdict(of) for lock, of in demands_of(view, n).items()},
            }
            for name, count, view in _classes(scenario, n)
        },
    }


def _text(scenario: Scenario, n: int, explain: bool, colour: bool) -> str:
    from lockmodel.cli import text as tx

    parts: list[Any] = [
        f"{scenario.title}: {tx.count(n, 'process')} of {len(scenario.classes)} classes.",
    ]
    hidden = 0
    for name, count, view in _classes(scenario, n):
        demands = demands_of(view, n)
        taken = sorted(
            (k for k, d in demands.items() if d.acquires), key=lambda k: -demands[k].total
        )
        shown = taken if explain else taken[:FEW]
        hidden += len(taken) - len(shown)
        parts += ["", f"{name}: {tx.count(count, 'process')}; {thinking(view)}"]
        parts += [demand_table(view, demands, shown)] if shown else ["takes no lock"]
    parts += ["", *on_machine(scenario, n)]
    if not explain:
        origins = len(scenario.provenance)
        left = [tx.count(hidden, "lock")] if hidden else []
        left += [f"{tx.count(origins, 'origin')} of numbers"] if origins else []
        return tx.render([*parts, *([f"{', '.join(left)}: --explain"] if left else [])], colour)
    parts.append("")
    parts += tx.bullets(
        "where the numbers come from:",
        [f"{entry.value} [{entry.origin}]: {entry.note}" for entry in scenario.provenance],
    )
    return tx.render(parts, colour)
