"""The scripts of the paper: finding them and running one."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from lockmodel.errors import LockmodelError
from lockmodel.paper.errors import PaperError
from lockmodel.paper.out import Out

FOLDERS = ("figures_src", "numbers_src")

SLOW_FIRST = ("shards", "levers", "backtest", "fit", "solvers")
"""Scripts that take longest, to be begun first; the order changes nothing but the time."""


@dataclass(frozen=True)
class Script:
    """One script.

    Attributes
    ----------
    path : str
        Below paper/.
    """

    path: str

    @property
    def name(self) -> str:
        """Its file name without .py: of a figure, that of the figure."""
        return Path(self.path).stem

    @property
    def draws(self) -> bool:
        """Whether it is that of a figure."""
        return self.path.startswith(FOLDERS[0])


def find(paper: Path) -> list[Script]:
    """Return all scripts of a paper, the slow ones first."""
    found = [
        Script(f"{folder}/{path.name}")
        for folder in FOLDERS
        for path in sorted((paper / folder).glob("*.py"))
        if not path.name.startswith("_")
    ]
    return sorted(
        found,
        key=lambda one: SLOW_FIRST.index(one.name) if one.name in SLOW_FIRST else len(SLOW_FIRST),
    )


def run(paper: Path, script: Script) -> Out:
    """Run a script and return what it made.

    Raises
    ------
    PaperError
        It has no function `make`, a figure draws nothing, or lockmodel refused something.
    """
    path = paper / script.path
    spec = importlib.util.spec_from_file_location(f"_paper_{script.name}", path)
    if spec is None or spec.loader is None:
        raise PaperError(f"paper: {path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "make"):
        raise PaperError(f"paper: {path} has no function make(out)")
    out = Out()
    try:
        module.make(out)
    except LockmodelError as error:
        raise PaperError(f"paper: {script.path}: {error}") from None
    if script.draws and f"{script.name}.pdf" not in out.files:
        raise PaperError(f"paper: {script.path} draws no figure {script.name!r}")
    return out
