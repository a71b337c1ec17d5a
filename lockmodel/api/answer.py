"""`Answer`: a result with the forms that the command of the same name gives it."""

from __future__ import annotations

import html
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from lockmodel.cli import files
from lockmodel.errors import ArgumentError, NotTrustworthyError

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

    from lockmodel.cli.files import Report

R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, repr=False, eq=False)
class Answer(Generic[R_co]):
    """An answer: shown it is the report of the command, its numbers are arrays, CSV or a dict.

    What is no attribute of its own is looked up in `result`: `answer.points[0]`.

    Attributes
    ----------
    result : object
        What was computed: a frozen dataclass, typed.
    explained : bool
        Whether it shows how it was computed and where it is weak, as with --explain.

    Examples
    --------
    >>> import lockmodel as lm
    >>> answer = lm.predict("execl-xeon8369b", [1, 128], "bounds")
    >>> answer.columns()["n"]
    array([  1, 128])
    >>> answer.ceiling.binding
    'libc.so.6'
    """

    result: R_co
    _report: Callable[[bool], Report]
    _draw: Callable[[Any], None] | None = None
    explained: bool = False

    def __eq__(self, other: object) -> bool:
        """Return whether both say the same: a result that has arrays cannot tell by itself."""
        if not isinstance(other, Answer) or type(self.result) is not type(other.result):
            return NotImplemented
        return bool(self._report(False).data() == other._report(False).data())

    def __hash__(self) -> int:
        return hash((type(self.result), self._report(False).text(False)))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # copying and pickling ask for them before there is a result
            raise AttributeError(name)
        return getattr(self.result, name)

    def __dir__(self) -> list[str]:
        own = (name for name in dir(self.result) if not name.startswith("_"))
        return sorted({*super().__dir__(), *own})

    def __repr__(self) -> str:
        return self._report(self.explained).text(False).rstrip("\n")

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"

    def explain(self) -> Answer[R_co]:
        """Return the same answer, which shows how it was computed and where it is weak."""
        return replace(self, explained=True)

    def to_dict(self) -> dict[str, Any]:
        """Return what --json writes: times in s, rates per s, with the name of its schema.

        Examples
        --------
        >>> import lockmodel as lm
        >>> lm.ceiling("execl-xeon8369b").to_dict()["schema"]
        'lockmodel.ceiling/1'
        """
        return self._report(self.explained).data()

    @overload
    def to_csv(self) -> str: ...

    @overload
    def to_csv(self, path: str | os.PathLike[str], *, force: bool = ...) -> None: ...

    def to_csv(
        self, path: str | os.PathLike[str] | None = None, *, force: bool = False
    ) -> str | None:
        """Return what -o FILE.csv writes, or write it: whole, or not at all.

        Where the command has no CSV it is the table of `columns`.

        Parameters
        ----------
        path : path-like, optional
            Where to; without it the text is returned.
        force : bool
            Whether a file that exists may be overwritten.

        Raises
        ------
        FileError
            The file exists, or cannot be written.

        Examples
        --------
        >>> import lockmodel as lm
        >>> print(lm.whatif("execl-xeon8369b", "shard:all=8", 64).to_csv().partition(",")[0])
        n
        """
        report = self._report(self.explained)
        text = report.csv() if report.csv is not None else _csv(self._rows())
        if path is None:
            return text
        with files.new_file(os.fspath(path), force, "force=True", said=False) as target:
            target.stream.write(text.encode())
        return None

    def columns(self) -> dict[str, np.ndarray]:
        """Return the numbers by name: `pandas.DataFrame(answer.columns())` is a table.

        Returns
        -------
        dict of str to array
            Of one length, times in s, rates per s; NaN or "" is for what there is none of. Empty
            where there are no rows.
        """
        rows = self._rows()
        return {name: _array([row[name] for row in rows]) for name in (rows[0] if rows else ())}

    def plot(self) -> Figure:
        """Return its picture as a matplotlib figure: what --plot-file draws, if there is that.

        Raises
        ------
        ArgumentError
            There is nothing to draw: a sweep of three axes.
        """
        if self._draw is None:
            raise ArgumentError(
                f"plot: {type(self.result).__name__} has no picture; columns() has its numbers, "
                f"lockmodel.figure(NAME, SCENARIO) draws those of the paper"
            )
        from lockmodel.figures.style import drawn

        figure: Figure = drawn(self._draw)
        return figure

    def _rows(self) -> list[dict[str, Any]]:
        rows = self._report(self.explained).rows
        return [] if rows is None else rows()


def checked(answer: Answer[R_co], check: Callable[[], None]) -> Answer[R_co]:
    """Return the answer if it may be relied on; else the error has what there is of it."""
    try:
        check()
    except NotTrustworthyError as error:
        error.answer = answer
        error.add_note("`answer` of this error has what there is all the same")
        raise
    return answer


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    return files.csv_text(rows) if rows else ""


def _array(values: Sequence[Any]) -> np.ndarray:
    """Return values as an array; None is "" among words, else NaN."""
    import numpy as np

    nothing = "" if any(isinstance(value, str) for value in values) else np.nan
    return np.array([nothing if value is None else value for value in values])
