"""`lockmodel doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lockmodel.cli import common, files, options
from lockmodel.cli.files import Report
from lockmodel.errors import NotTrustworthyError

if TYPE_CHECKING:
    from lockmodel.evaluate.doctor import Diagnosis


def doctor(
    as_json: options.Json = False,
    output: options.Output = None,
    force: options.Force = False,
) -> None:
    """Whether lockmodel works here, and which parts are missing.

    Versions, where compiled code is kept, the machine as `bench` sees it, what
    tracing and the lab need, and a self test: a known throughput by product form,
    Markov chain and simulation. It takes two seconds; where the solvers have yet
    to be compiled 15 seconds, a minute on a busy machine. Exit 1 if the self test or a package
    fails; a missing part is no failure.

    \b
    Printed:
      ok               it is there, and what was found
      missing          an optional part; what it is for, and how to get it
      FAILED           predictions cannot be trusted
    Example:
      lockmodel doctor
    """
    from lockmodel.evaluate.doctor import diagnose

    with files.output(output, as_json, force) as write, common.compiling():
        found = diagnose()
        write(Report(found.to_json, lambda colour: _text(found, colour)))
    if not found.works:
        first = found.failed[0]
        raise NotTrustworthyError(f"{first.what}: {first.found}; {first.remedy}")


def _text(found: Diagnosis, colour: bool) -> str:
    """Return whether it works in a sentence, and a line for every part."""
    from lockmodel.cli import text as tx

    missing = ", ".join(one.what for one in found.missing)
    works = "lockmodel works here" if found.works else "lockmodel does NOT work here"
    rows = [
        [one.what, one.state, one.found + (f": {one.remedy}" if one.remedy else "")]
        for one in found.findings
    ]
    parts: list[Any] = [
        f"{works}; " + (f"missing, all optional: {missing}." if missing else "nothing is missing."),
        "",
        tx.table(["part", "", "found"], rows, left=(0, 1, 2), fold=(2,), heads=False),
    ]
    return tx.render(parts, colour)
