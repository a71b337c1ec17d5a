"""`lockmodel models`."""

from __future__ import annotations

from typing import Any

from lockmodel.cli import files, options
from lockmodel.cli import text as tx
from lockmodel.cli.files import Report


def models(
    as_json: options.Json = False,
    output: options.Output = None,
    force: options.Force = False,
) -> None:
    """List the shipped scenarios, one line each.

    \b
    Columns: name; machine, as --machine takes it; its CPUs; title.
    Example:
      lockmodel models
    """
    from lockmodel.model.machines import name_of
    from lockmodel.model.scenario import merged
    from lockmodel.model.shipped import find_scenario, model_names

    scenarios = [find_scenario(name) for name in model_names()]

    def data() -> dict[str, Any]:
        listed = [
            {
                "name": s.name,
                "title": s.title,
                "machine": name_of(s.machine),
                "cpus": s.machine.cpus,
                "locks": [lock.name for lock in s.locks],
                "acquires": sum(site.acquires for site in merged(s).sites),
            }
            for s in scenarios
        ]
        return {"schema": "lockmodel.models/1", "models": listed}

    def text(colour: bool) -> str:
        rows = [[s.name, name_of(s.machine), str(s.machine.cpus), s.title] for s in scenarios]
        columns = ["name", "machine", "CPUs", "title"]
        return tx.render([tx.table(columns, rows, left=(0, 1, 3), fold=(3,))], colour)

    with files.output(output, as_json, force) as write:
        write(Report(data, text))
