"""What is given from Python: a scenario, or what `load`s one; populations, levers, texts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from lockmodel.cli import inputs
from lockmodel.errors import ArgumentError, shown
from lockmodel.model.scenario import Scenario

if TYPE_CHECKING:
    from lockmodel.changes.lever import Lever

Model: TypeAlias = Scenario | str | os.PathLike[str]
Populations: TypeAlias = int | Iterable[int] | str | None
"""128, [1, 16, 128], "1..128", or None: doublings up to all CPUs. Solved ascending, each once."""
Levers: TypeAlias = "str | Lever | Iterable[str | Lever]"


def load(
    model: Model,
    *,
    machine: str | None = None,
    set: Mapping[str, object] | Iterable[str] = (),
    walks: str | None = None,
    from_counts: bool = False,
) -> Scenario:
    """Return a scenario, as the options of the commands change it.

    Parameters
    ----------
    model : Scenario, str or path-like
        One to change, the name of a shipped one, or the path of a TOML file.
    machine : str, optional
        Another machine: "2x20x2", a name of `lockmodel machines`, or a file that lscpu printed.
    set : mapping or iterable of str
        Other values for keys of the file, a time with its unit: {"think": "4us"}, ["think=4us"].
    walks : str, optional
        Background walkers: "libc.so.6=5000,read_us=64".
    from_counts : bool
        Use counted lines and instructions in place of measured times.

    Raises
    ------
    ArgumentError
        An unknown name, machine or key.
    ScenarioError, FileError
        The file is not valid, or cannot be read.

    Examples
    --------
    >>> import lockmodel as lm
    >>> lm.load("execl-xeon8369b", machine="2x20x2", set={"think": "90us"}).machine.cpus
    80
    """
    if isinstance(model, Scenario):
        made = model
    else:
        made = inputs.scenario(model if isinstance(model, str) else os.path.join(".", model))
    return inputs.adapted(made, walks, machine, counts=from_counts, edits=edits_of(set))


def levers_of(given: Levers) -> list[Lever]:
    """Return levers from their texts; none for an empty one."""
    from lockmodel.changes.grammar import parse_all
    from lockmodel.changes.lever import Lever

    each = [given] if isinstance(given, str | Lever) else given
    return [
        one
        for some in each
        for one in ([some] if isinstance(some, Lever) else parse_all(some, "levers"))
    ]


def population(n: Populations, scenario: Scenario) -> int:
    """Return one population; all CPUs for None."""
    if n is None or isinstance(n, str):
        return inputs.population(n, scenario)
    made = populations(n, scenario)
    if len(made) != 1:
        raise ArgumentError(f"n = {shown(list(made))}: takes one population; give one, e.g. 64")
    return made[0]


def populations(n: Populations, scenario: Scenario) -> tuple[int, ...]:
    """Return populations, ascending and each once; doublings up to all CPUs for None."""
    from lockmodel.model.network import check_population

    if n is None or isinstance(n, str):
        return inputs.populations(n, scenario)
    each = n if isinstance(n, Iterable) else [n]
    return tuple(sorted({check_population(one) for one in each}))


def edits_of(given: Mapping[str, object] | Iterable[str]) -> list[str]:
    """Return the texts of --set."""
    pairs = [f"{k}={v}" for k, v in given.items()] if isinstance(given, Mapping) else given
    return texts(pairs)


def texts(given: str | Iterable[str]) -> list[str]:
    """Return texts of which there may be one."""
    return [given] if isinstance(given, str) else list(given)
