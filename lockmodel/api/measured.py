"""What was measured: `read` the files of other tools, `fit` a model to them."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from lockmodel.api.answer import Answer, checked
from lockmodel.api.given import (
    Levers,
    Model,
    choice,
    edits_of,
    expect,
    levers_of,
    load,
    path_of,
)
from lockmodel.cli import common, files, inputs
from lockmodel.cli.fit_curves_text import Compared
from lockmodel.cli.fit_curves_text import report as curves_report
from lockmodel.cli.fit_text import Outcome, report
from lockmodel.errors import ArgumentError, LockmodelError, shown

if TYPE_CHECKING:
    from lockmodel.observe.observations import Observation, Reading

Name: TypeAlias = str | os.PathLike[str]
Data: TypeAlias = "Name | Iterable[Name] | Mapping[str, Sequence[Any]] | Answer[Readings]"
Curves: TypeAlias = tuple[Compared, ...]
Unit = Literal["s", "ms", "us", "ns"]
Quantity = Literal["hold", "wait"]

IN_MEMORY = "data"
"""What data are called that come from no file."""


@dataclass(frozen=True)
class Readings:
    """What some files said: `files` has a reading of each."""

    files: tuple[Reading, ...]

    @property
    def observations(self) -> tuple[Observation, ...]:
        """Those of all files, in their order."""
        return tuple(o for reading in self.files for o in reading.observations)


def read(
    *names: Name,
    format: str | None = None,
    tasks: int | None = None,
    cpus: int | None = None,
    wall_s: float | None = None,
    iterations: float | None = None,
    at: Mapping[str, int] | None = None,
    columns: Mapping[str, str] | None = None,
    unit: Unit | None = None,
    quantity: Quantity | None = None,
) -> Answer[Readings]:
    """Return what other tools measured, as `lockmodel import` reads it.

    Parameters
    ----------
    *names : str or path-like
        At least one; the name of a shipped data set will do.
    format : str, optional
        By content without it.
    tasks, cpus : int, optional
        Population and CPUs, where a file does not say them.
    wall_s : float, optional
        Length of the run in s, to check totals.
    iterations : float, optional
        Per run of a command (hyperfine).
    at : mapping of str to int, optional
        File -> its population.
    columns : mapping of str to str, optional
        What columns are called: {"threads": "foo", "throughput": "bar"}.
    unit, quantity : str, optional
        Of times that have none (bpftrace).

    Returns
    -------
    Answer of Readings
        `columns` has a row per observation, values in base units: s, 1/s.

    Raises
    ------
    ArgumentError
        No file, or a number that is not above 0.
    ScenarioError, FileError
        An unknown format, a value that cannot be, or a file that cannot be read.

    Examples
    --------
    >>> import lockmodel as lm
    >>> measured = lm.read("unixbench_execl_xeon8369b.csv").columns()
    >>> measured["n"], measured["value"].max()
    (array([  1,   2,   4,   8,  16,  32,  64, 128]), np.float64(51465.8))
    """
    from lockmodel.cli.import_ import check, report
    from lockmodel.figures.answered import plot_readings
    from lockmodel.observe.collector import Options
    from lockmodel.observe.readers import read_file

    if not names:
        raise ArgumentError("names: no file is given; give at least one")
    check(tasks=tasks, cpus=cpus, wall_s=wall_s, iterations=iterations)
    _check_times(unit, quantity)
    wanted = Options(
        *(unit, quantity, tasks, cpus, wall_s, iterations),
        columns=tuple((columns or {}).items()),
        at=tuple((at or {}).items()),
    )
    readings = tuple(read_file(inputs.data(path_of("names", one)), wanted, format) for one in names)
    made = Readings(readings)
    draw = partial(plot_readings, observations=made.observations)
    return Answer(made, partial(report, readings), draw)


def fit(
    data: Data,
    model: Model | None = None,
    *,
    free: str | Iterable[str] = (),
    share: Mapping[str, str] | None = None,
    variants: Mapping[str, Levers] | None = None,
    only: str | Iterable[str] = (),
    what: str | None = None,
    priors: bool = True,
    robust: bool = False,
    bootstrap: Literal["parametric", "case"] | None = None,
    tasks: int | None = None,
    machine: str | None = None,
    set: Mapping[str, object] | Iterable[str] = (),
    cpus: int | None = None,
    at: Mapping[str, int] | None = None,
    columns: Mapping[str, str] | None = None,
    unit: Unit | None = None,
    quantity: Quantity | None = None,
) -> Answer[Outcome] | Answer[Curves]:
    """Fit a model to measurements, and say what they determine; without one, curve families.

    Parameters
    ----------
    data : str, path-like, iterable of them, mapping, or what `read` returned
        Files, or columns: {"tasks": [1, 2, 4], "throughput": [1480, 2801, 4870]}, in 1/s.
    model : Scenario, str or path-like, optional
        What describes the data. Without it the families compete for each curve.
    free : str or iterable of str
        Parameters to fit; think time, held time and hand-off without it.
    share : mapping of str to str, optional
        Parameter -> scope that has one value of it: all, machine, model, file, variant, kernel.
    variants : mapping of str to levers, optional
        Variant of the data -> what it changes; no levers ("") for the model as it is.
    only : str or iterable of str
        Variants to take.
    what : str, optional
        The test to take, where a file holds several.
    priors : bool
        Whether published ranges take part.
    robust : bool
        A loss that bounds the pull of outliers.
    bootstrap : {'parametric', 'case'}, optional
        Intervals by 1,000 refits as well.
    tasks, cpus : int, optional
        Population and CPUs, where the data do not say them.
    machine, set
        As `load`.
    at, columns, unit, quantity
        As `read`.

    Returns
    -------
    Answer of Outcome, or of Curves
        With a model `scenario` is the fitted one, and `columns` has a row per parameter, in its
        unit; without one, a row per population that is predicted, in 1/s.

    Raises
    ------
    ArgumentError
        Arguments that do not go together, or that the data do not have.
    ScenarioError, FileError
        As `load` and `read`.
    NotTrustworthyError
        The fit is not to be relied on: `answer` of the error has it all the same.

    Examples
    --------
    >>> import lockmodel as lm
    >>> ahead = lm.fit({"tasks": [1, 2, 4, 8], "throughput": [1000, 1960, 3650, 5200]})
    >>> ahead.columns()["n"]
    array([ 1,  2,  4,  8, 16, 32])
    """
    from lockmodel.cli import data_options
    from lockmodel.cli import fit as command
    from lockmodel.cli.import_ import check
    from lockmodel.fitting.datasets import Wanted
    from lockmodel.observe.collector import Options

    data_options.check_one_machine(cpus, machine)
    check(tasks=tasks, cpus=cpus)
    _check_times(unit, quantity)
    for flag, given in (("priors", priors), ("robust", robust)):
        expect(flag, given, bool, "True or False")
    choice("bootstrap", bootstrap, ("parametric", "case"))
    chosen = {
        "reading": Options(
            *(unit, quantity, tasks),
            columns=tuple((columns or {}).items()),
            at=tuple((at or {}).items()),
        ),
        "what": what,
        "only": tuple([only] if isinstance(only, str) else only),
        "machine": machine,
        "cpus": cpus,
    }
    with _paths(data) as paths:
        if model is None:
            data_options.check_no_model(free, share, variants, bootstrap, set)
            return _families(paths, chosen)
        made = inputs.adapted(
            load(model),
            machine=machine if cpus is None else f"1x{cpus}x1",
            measured=True,
            edits=edits_of(set),
        )
        name = model if isinstance(model, str) else made.name
        names = data_options.free_names(free if isinstance(free, str) else ",".join(free))
        said = {
            "share": dict(share or {}),
            "variants": {key: levers_of(some) for key, some in (variants or {}).items()},
        }
        settings = {"priors": priors, "loss": "soft_l1" if robust else "linear"}
        wanted = [Wanted(path, of, made, name) for of, path in paths]
        loaded = command.load(wanted, said, chosen)
        outcome = command.outcome(loaded, names, said, settings, bootstrap, common.progress)
    models = {one.name: name for one in wanted}
    told = Answer(outcome, partial(report, outcome, models, None), partial(_draw, outcome))
    return checked(told, lambda: command.check_usable(outcome.fitted))


def _families(paths: Sequence[tuple[str, Path]], chosen: dict[str, Any]) -> Answer[Curves]:
    from lockmodel.cli import fit_curves

    asked, sentences = fit_curves.curves_in(paths, chosen)
    for sentence in sentences:
        warnings.warn(sentence, stacklevel=3)
    compared = tuple(fit_curves.compete_for(asked, common.progress))
    told = Answer(compared, partial(curves_report, compared, None), partial(_draw_curves, compared))
    return checked(told, lambda: fit_curves.check_usable(compared))


def _check_times(unit: str | None, quantity: str | None) -> None:
    """Raise ArgumentError unless these are what bpftrace's times can be."""
    choice("unit", unit, get_args(Unit))
    choice("quantity", quantity, get_args(Quantity))


def _draw(outcome: Outcome, figure: Any) -> None:
    from lockmodel.answers.band import curves
    from lockmodel.figures.fit import plot

    plot(figure, curves(outcome.fitted), f"{outcome.scenario.name}, fitted")


def _draw_curves(compared: Curves, figure: Any) -> None:
    from lockmodel.cli.fit_curves import TITLE, drawn
    from lockmodel.figures.fit import plot

    plot(figure, [drawn(one) for one in compared], TITLE)


@contextmanager
def _paths(data: Data) -> Iterator[list[tuple[str, Path]]]:
    """Yield names and paths of data; what is in memory has a file for as long as it is read."""
    if isinstance(data, Answer | Mapping):
        with tempfile.TemporaryDirectory(prefix="lockmodel-") as folder:
            path = Path(folder) / IN_MEMORY
            path.write_text(data.to_csv() if isinstance(data, Answer) else _csv(data))
            try:
                yield [(IN_MEMORY, path)]
            except LockmodelError as error:  # the file is nobody's but ours
                error.args = tuple(
                    arg.replace(str(path), IN_MEMORY) if isinstance(arg, str) else arg
                    for arg in error.args
                )
                raise
        return
    expect("data", data, (str, os.PathLike, Iterable), "a name, a path, several, or columns")
    names: Iterable[Name] = [data] if isinstance(data, str | os.PathLike) else data
    each = [(own, inputs.data(own)) for own in (path_of("data", name) for name in names)]
    if not each:
        raise ArgumentError("data: no file is given; give at least one")
    yield each


def _csv(columns: Mapping[str, Sequence[Any]]) -> str:
    """Return columns as the CSV that the readers take."""
    import numpy as np

    values = {name: np.asarray(own).tolist() for name, own in columns.items()}
    lengths = {name: len(own) if isinstance(own, list) else 0 for name, own in values.items()}
    if len(set(lengths.values())) != 1 or not all(lengths.values()):
        raise ArgumentError(
            f"data: {shown(lengths)} are the lengths of its columns, which must be equal and above "
            f"0; write {{'tasks': [1, 2, 4], 'throughput': [1480, 2801, 4870]}}"
        )
    rows = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    return files.csv_text(rows)
