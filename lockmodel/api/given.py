"""What is given from Python: a scenario, or what `load`s one; populations, levers, texts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from lockmodel.cli import inputs
from lockmodel.errors import ArgumentError, nearest, shown
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
    for name, text in (("machine", machine), ("walks", walks)):
        if text is not None:
            expect(name, text, str, "a text, as the option of the commands takes it")
    if isinstance(model, Scenario):
        made = model
    else:
        expect("model", model, (str, os.PathLike), "a lm.Scenario, a shipped name or a path")
        named = model if isinstance(model, str) else os.path.join(".", model)
        made = inputs.scenario(named, classes=True)
    chosen = edits_of(set)
    return inputs.adapted(made, walks, machine, counts=from_counts, edits=chosen, classes=True)


def expect(name: str, value: object, kinds: type | tuple[type, ...], what: str) -> None:
    """Raise ArgumentError unless an argument is of one of some types."""
    if not isinstance(value, kinds):
        raise ArgumentError(
            f"{name} = {shown(value)} must be {what}, it is a {type(value).__name__}"
        )


def choice(name: str, value: str | None, known: Iterable[str]) -> None:
    """Raise ArgumentError unless a word is one of those that are known, or there is none."""
    if value is not None and value not in known:
        near = nearest(str(value), list(known))
        raise ArgumentError(f"{name} = {shown(value)}: there is no such {name}; {near}")


def path_of(name: str, value: str | os.PathLike[str]) -> str:
    """Return the text of a path; raises ArgumentError for what is none."""
    expect(name, value, (str, os.PathLike), "a name or a path")
    return os.fspath(value)


def levers_of(given: Levers) -> list[Lever]:
    """Return levers from their texts; none for an empty one."""
    from lockmodel.changes.grammar import parse_all
    from lockmodel.changes.lever import Lever

    what = "levers: texts like 'shard:libc.so.6=8', or what `levers` lists"
    expect("levers", given, (str, Lever, Iterable), what)
    each = [given] if isinstance(given, str | Lever) else list(given)
    for one in each:
        expect("levers", one, (str, Lever), what)
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
    return texts(pairs, "set")


def texts(given: str | Iterable[str], name: str) -> list[str]:
    """Return texts of which there may be one."""
    expect(name, given, (str, Iterable), "a text or several")
    each = [given] if isinstance(given, str) else list(given)
    for one in each:
        expect(name, one, str, "a text or several")
    return each
