"""Where the shipped scenarios and data are: in the wheel, or in the checkout."""

from __future__ import annotations

import csv
from pathlib import Path

from lockmodel.errors import ArgumentError, FileError, nearest
from lockmodel.model.scenario import Scenario
from lockmodel.model.toml import load


def shipped_dir(kind: str) -> Path:
    """Return the folder of shipped 'models' or 'data' (wheel first, then checkout)."""
    here = Path(__file__).resolve()
    installed = here.parent / "files" / kind
    return installed if installed.is_dir() else here.parents[2] / kind


def model_names() -> tuple[str, ...]:
    """Return the names of the shipped scenarios, sorted."""
    return tuple(sorted(path.stem for path in shipped_dir("models").glob("*.toml")))


def read_table(path: Path) -> list[dict[str, str]]:
    """Return the rows of a shipped CSV by column, without the comments on where it is from.

    Raises
    ------
    FileError
        It cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}") from None
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def find_data(name: str) -> Path:
    """Return the path of a file, or of a published data set when only that has the name."""
    shipped = shipped_dir("data") / "published" / name
    own = Path(name)
    return shipped if own.name == name and not own.exists() and shipped.is_file() else own


def find_scenario(model: str) -> Scenario:
    """Return a shipped scenario by name, or the one in a TOML file by path.

    Parameters
    ----------
    model : str
        A shipped name, or a path: anything with a '/' or ending in '.toml'.

    Raises
    ------
    ArgumentError
        No shipped scenario has the name.
    FileError, ScenarioError
        See `scenario_toml.load`.
    """
    if "/" in model or model.endswith(".toml"):
        return load(Path(model))
    names = model_names()
    if model not in names:
        near = nearest(model, list(names))
        raise ArgumentError(
            f"MODEL {model!r} is not shipped; {near}{'' if near.endswith('?') else '.'} A file "
            f"needs its path, e.g. ./{model}.toml"
        )
    return load(shipped_dir("models") / f"{model}.toml")
