"""The scripts of the paper: finding them and running one.

python -m paper.tools.scripts paper/scripts/NAME.py paper/numbers/NAME.json
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from lockmodel.errors import LockmodelError
from paper.tools import records
from paper.tools.errors import PaperError, run_tool
from paper.tools.out import Out

SCRIPTS = "scripts"


def find(paper: Path) -> list[Path]:
    """Return all scripts of a paper, sorted by name."""
    return sorted((paper / SCRIPTS).glob("*.py"))


def run(script: Path) -> Out:
    """Run a script and return what it made.

    Raises
    ------
    PaperError
        It has no function `make`, or lockmodel refused something.
    """
    make = runpy.run_path(str(script)).get("make")
    if make is None:
        raise PaperError(f"paper: {script} has no function make(out)")
    out = Out()
    try:
        make(out)
    except LockmodelError as error:
        raise PaperError(f"paper: {script}: {error}") from None
    return out


if __name__ == "__main__":
    script, target = map(Path, sys.argv[1:])
    sys.exit(run_tool(lambda: records.write(target, run(script))))
