"""`lockmodel machines`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument

from lockmodel.cli import files, options
from lockmodel.cli import text as tx
from lockmodel.cli.files import Report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lockmodel.model.machines import KnownMachine


def machines(
    name: Annotated[
        str | None,
        Argument(metavar="[NAME]", help="One of them, in full.", show_default=False),
    ] = None,
    as_json: options.Json = False,
    output: options.Output = None,
    force: options.Force = False,
) -> None:
    """List known machines, and what a line takes between their CPUs.

    Every name whose topology is known is one for --machine. Scenarios take the
    times of a machine as `line_ns`, with NAME in full; `lockmodel bench --lines`
    measures them here.

    \b
    Printed numbers, in ns, one way, by a ping-pong of compare-and-swap:
      same core        between two hardware threads of a core
      same cache       between cores that share a last-level cache; empty where
                       a socket has one: that is then the same socket
      same socket      between other cores of the socket
      other socket     between sockets
      (low-high)       5 and 95 % over the pairs of CPUs
      mean             over all pairs of CPUs
    Example:
      lockmodel machines epyc7763
    """
    from lockmodel.cli import lines_text
    from lockmodel.model.machines import find, known

    shown = list(known().values()) if name is None else [find(name, "NAME")]
    with files.output(output, as_json, force) as write:
        write(
            Report(
                lambda: {
                    "schema": "lockmodel.machines/1",
                    "machines": [_data(one) for one in shown],
                },
                lambda c: _text(shown, c) if name is None else lines_text.full(shown[0], c),
                lambda: files.csv_text([_row(one) for one in shown]),
            )
        )


def _data(one: KnownMachine) -> dict[str, Any]:
    machine, found = one.machine(), one.published
    return {
        "name": one.name,
        "title": one.title,
        "scenario": one.scenario,
        "kind": found and found.kind,
        "cpus": found.cpus if found else machine and machine.cpus,
        "cores": machine and machine.cores,
        "sockets": machine and machine.sockets,
        "caches": found and found.counts and found.counts[3],
        "times": {d: spread.to_json() for d, spread in found.times.items()} if found else {},
        "mean_s": found and found.mean,
        "source": found and found.source,
        "note": found and found.note,
    }


def _row(one: KnownMachine) -> dict[str, Any]:
    """Return a machine as a row of CSV: one column per number."""
    from lockmodel.model.machine import DISTANCES

    row = _data(one)
    times = row.pop("times")
    for distance in DISTANCES:
        for key in ("median_s", "low_s", "high_s"):
            row[f"{distance}_{key}"] = times.get(distance, {}).get(key)
    return row


def _text(shown: Sequence[KnownMachine], colour: bool) -> str:
    """Return the table of machines with times, and the names of the others."""
    from lockmodel.cli import lines_text
    from lockmodel.model.published import SOURCE, ranges

    measured = [found for one in shown if (found := one.published) is not None]
    near, far = (lines_text.span(ranges(measured)[d]) for d in ("socket", "remote"))
    without = ", ".join(one.name for one in shown if one.published is None)
    unknown = ", ".join(one.name for one in shown if one.machine() is None)
    rows = [
        [found.name, str(found.cpus), *lines_text.cells(found.times), lines_text.ns(found.mean)]
        for found in measured
    ]
    return tx.render(
        [
            f"A cache line takes {near} within a socket and {far} between sockets: medians of "
            f"{len(measured)} machines.",
            "",
            tx.table([*("name", "CPUs"), *lines_text.HEADS, "mean"], rows, left=(0,)),
            "",
            f"ns; {SOURCE}",
            f"--machine takes all but {unknown}, and without times {without}",
        ],
        colour,
    )
