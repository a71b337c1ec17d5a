"""What a reader fills while it goes through a file, and the errors it raises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from lockmodel.errors import ScenarioError, shortened
from lockmodel.observe import numbers
from lockmodel.observe.names import in_file
from lockmodel.observe.observations import Fact, Observation, Reading, Source
from lockmodel.observe.text import Line, Text

T = TypeVar("T")

MOST_METADATA = 2000
"""Characters of one piece of metadata that are kept."""


@dataclass(frozen=True)
class Options:
    """What the user knows and the file may not say.

    Attributes
    ----------
    unit : {"s", "ms", "us", "ns"} or None
        Unit of times that the file prints without one (bpftrace).
    quantity : {"hold", "wait"} or None
        What times without a name are (bpftrace).
    tasks : int or None
        Population of the run.
    cpus : int or None
        CPUs of the machine.
    wall : float or None
        Length of the run, s.
    iterations : float or None
        Iterations that one run of a command makes, all tasks together (hyperfine).
    at : tuple of (str, int)
        Population of the runs of a file, for some files.
    named : int or None
        Population that the name of the file states, for what has no other; set by `read_text`.
    """

    unit: str | None = None
    quantity: str | None = None
    tasks: int | None = None
    cpus: int | None = None
    wall: float | None = None
    iterations: float | None = None
    at: tuple[tuple[str, int], ...] = ()
    named: int | None = None

    def of(self, origin: str) -> Options:
        """Return the options for one file: its own population, or what its name states."""
        own = [n for name, n in self.at if Path(name) == Path(origin)]
        return replace(self, tasks=own[0] if own else self.tasks, named=in_file(origin), at=())


class Collector:
    """Observations, facts, metadata and warnings of one file while it is read.

    Parameters
    ----------
    text : Text
        The file.
    title : str
        What it was recognised as.
    remedy : str
        Command that makes a usable file; completes every error.
    options : Options
        What the user said.
    traced : bool
        Whether the tool traces, and so slows the run down.
    """

    def __init__(
        self, text: Text, title: str, remedy: str, options: Options, traced: bool = False
    ) -> None:
        self.text = text
        self.title = title
        self.remedy = remedy
        self.options = options
        self.traced = traced
        self.observations: list[Observation] = []
        self.facts: list[Fact] = []
        self.metadata: dict[str, str] = {}
        self._warnings: list[str] = []
        self._skipped: dict[str, list[Line]] = {}

    def source(self, line: Line | None) -> Source:
        """Return the source of what stands in a line."""
        return Source(self.text.origin, line.number if line else 0)

    def observe(
        self, kind: str, value: float, unit: str, line: Line | None, **more: Any
    ) -> Observation:
        """Add an observation, with the population of the options if it has none; return it."""
        more.setdefault("n", self.options.tasks)
        if more["n"] is None:
            more["n"] = self.options.tasks
        if more["n"] is None and self.options.named is not None:
            more["n"] = self.options.named
            self.warn(
                f"population {self.options.named} is that of the file's name; if it is not, say "
                f"--tasks N, or --at FILE=N"
            )
        made = Observation(
            kind, value, unit, self.source(line), traced=more.pop("traced", self.traced), **more
        )
        self.observations.append(made)
        return made

    def fact(
        self, name: str, value: float, unit: str, line: Line | None, n: int | None = None
    ) -> None:
        """Add a number that is no observation."""
        self.facts.append(Fact(shortened(name), value, unit, self.source(line), n))

    def note(self, key: str, value: str) -> None:
        """Keep the first value of a piece of metadata."""
        self.metadata.setdefault(key, value.strip()[:MOST_METADATA])

    def warn(self, message: str) -> None:
        """Add a warning, once."""
        if message not in self._warnings:
            self._warnings.append(message)

    def skip(self, line: Line, why: str) -> None:
        """Leave a line out and say so; lines left out for one reason make one warning."""
        self._skipped.setdefault(why, []).append(line)

    def error(self, line: Line | None, expected: str) -> ScenarioError:
        """Return the error that names file, line, the text seen, what was expected, the remedy."""
        seen = f": {shortened(line.text.strip())!r}" if line else ""
        return ScenarioError(f"{self.source(line)}{seen}: {expected}; {self.remedy}")

    def parse(self, how: Callable[..., T], line: Line, what: str, *texts: str) -> T:
        """Return `how(*texts)`; a bad number becomes an error that names `what` and the line."""
        try:
            return how(*texts)
        except numbers.BadNumberError as bad:
            seen = " ".join(text.strip() for text in texts)
            raise self.error(line, f"{what} {shortened(seen)!r} is {bad}") from None

    def number(self, line: Line, what: str, text: str) -> float:
        """Return a number of a line."""
        return self.parse(numbers.number, line, what, text)

    def whole(self, line: Line, what: str, text: str, least: int = 0) -> int:
        """Return a whole number of a line, at least `least`."""
        value = self.parse(numbers.whole, line, what, text)
        if value < least:
            raise self.error(line, f"{what} {value} must be at least {least}")
        return value

    def time(self, line: Line, what: str, text: str, unit: str) -> numbers.Measured:
        """Return a time of a line, in s, not negative."""
        measured = self.parse(numbers.time, line, what, text, unit)
        if measured.value < 0:
            raise self.error(line, f"{what} {text} {unit} is negative")
        return measured

    def reading(self, empty: str | None = None) -> Reading:
        """Return what was gathered.

        Parameters
        ----------
        empty : str, optional
            What was expected, for the error if nothing at all was found.

        Raises
        ------
        ScenarioError
            There is neither an observation nor a fact.
        """
        if not self.observations and not self.facts and empty is not None:
            raise self.error(None, empty)
        warnings = list(self._warnings)
        for why, lines in self._skipped.items():
            count = "1 line" if len(lines) == 1 else f"{len(lines)} lines"
            first = shortened(lines[0].text.strip())
            warnings.append(f"{count} skipped, {why} (first: line {lines[0].number}: {first!r})")
        if not self.text.ended:
            warnings.append("the last line has no line end: it may be cut off")
        if repeats := self.text.repeats:
            what = "1 section is" if len(repeats) == 1 else f"{len(repeats)} sections are"
            warnings.append(
                f"{what} byte for byte like an earlier one (first: line {repeats[0]}): counted once"
            )
        if self.text.quoted:
            warnings.append("mail quoting ('> ') was taken away; a wrapped line may be lost")
        return Reading(
            self.title,
            self.text.origin,
            tuple(self.observations),
            tuple(self.facts),
            self.metadata,
            tuple(warnings),
        )
