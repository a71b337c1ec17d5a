"""`lockmodel ceiling`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from lockmodel.cli import files, inputs, options
from lockmodel.cli.files import Report


def ceiling(
    model: options.Model,
    population: options.Population = None,
    method: options.ClosedMethod = "auto",
    as_json: options.Json = False,
    output: options.Output = None,
    force: options.Force = False,
) -> None:
    """Where throughput ends, and what moves that.

    A ceiling is a closed form: --method is taken but changes nothing.

    \b
    Each row: the scenario without the locks removed so far.
      ceiling          the most any population can reach (k / D of the binding
                       lock where it crosses the light-load line)
      knee             population where the two lines cross
      k/D at N         ceiling with N processes about: remote lines, larger trees
      binding          what sets the ceiling at N
      gain             of k/D at N over that of the first row
    Example:
      lockmodel ceiling execl-xeon8369b
    """
    from lockmodel.model.populations import parse_one
    from lockmodel.model.prediction import plain
    from lockmodel.solvers.bounds import ceiling as find_ceiling
    from lockmodel.solvers.bounds import chain

    scenario = inputs.scenario(model)
    n = scenario.machine.cpus if population is None else parse_one(population)
    with files.output(output, as_json, force) as write:
        steps = chain(scenario, n)
        top = find_ceiling(scenario)

        def data() -> dict[str, Any]:
            return {
                "schema": "lockmodel.ceiling/1",
                "scenario": scenario.name,
                "n": n,
                "ceiling": plain(asdict(top)),
                "chain": [
                    {
                        "removed": removed,
                        "ceiling": plain(asdict(over_all)),
                        "ceiling_at_n": plain(asdict(at)),
                    }
                    for removed, over_all, at in steps
                ],
            }

        def text(colour: bool) -> str:
            from lockmodel.cli import text as tx

            rows = [
                [
                    removed,
                    tx.si(over_all.throughput_per_s, "/s"),
                    f"{over_all.knee:.0f}",
                    tx.si(at.throughput_per_s, "/s"),
                    at.binding,
                    "" if i == 0 else tx.gain(at.throughput_per_s / before - 1),
                ]
                for i, (removed, over_all, at) in enumerate(steps)
                for before in [steps[0][2].throughput_per_s]
            ]
            columns = ["removed", "ceiling", "knee", f"k/D at {n}", "binding", "gain"]
            return tx.render(
                [
                    f"{scenario.name}: {scenario.title}",
                    f"ceiling {tx.si(top.throughput_per_s, '/s')} set by {top.binding}, knee at "
                    f"{tx.count(round(top.knee), 'process')}",
                    "",
                    tx.table(columns, rows, left=(0, 4), fold=(0, 4)),
                    "",
                    "Each row also lacks the locks removed above it. A ceiling is an upper bound; "
                    "`lockmodel whatif` says what is reached.",
                ],
                colour,
            )

        write(Report(data, text))
