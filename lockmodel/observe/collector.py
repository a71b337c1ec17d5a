"""What a reader fills while it goes through a file, and the errors it raises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from lockmodel.errors import ScenarioError, shortened
from lockmodel.observe import numbers
from lockmodel.observe.commands import population
from lockmodel.observe.observations import Fact, Observation, Reading, Source
from lockmodel.observe.text import Line, Text

T = TypeVar("T")

NOTHING = "nothing was measured"
"""How the reason ends for which a count or a time of 0 is left out."""

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
    columns : tuple of (str, str)
        Our name of a column -> what it is called in the file.
    at : tuple of (str, int)
        File -> its population.
    named : int or None
        Population that the name of the file states, for what has no other; set by `read_text`.
    """

    unit: str | None = None
    quantity: str | None = None
    tasks: int | None = None
    cpus: int | None = None
    wall: float | None = None
    iterations: float | None = None
    columns: tuple[tuple[str, str], ...] = ()
    at: tuple[tuple[str, int], ...] = ()
    named: int | None = None

    def of_file(self, path: Path) -> Options:
        """Return the options with the population that `at` has for a file."""
        stated = [n for name, n in self.at if Path(name).resolve() == path.resolve()]
        return replace(self, tasks=stated[0]) if stated else self


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
        self._checked: dict[str, list[Line]] = {}

    def source(self, line: Line | None) -> Source:
        """Return the source of what stands in a line."""
        return Source(self.text.origin, line.number if line else 0)

    def observe(
        self, kind: str, value: float, unit: str, line: Line | None, **more: Any
    ) -> Observation:
        """Add an observation; return it.

        Where it has no population it has that of the options, of the last command above it, or of
        the name of the file.
        """
        if more.get("n") is None:
            more["n"] = self.population(line)
        made = Observation(
            kind, value, unit, self.source(line), traced=more.pop("traced", self.traced), **more
        )
        self.observations.append(made)
        return made

    def population(self, line: Line | None) -> int | None:
        """Return the population that the options state, the last command above a line, or the name
        of the file.
        """
        if self.options.tasks is not None:
            return self.options.tasks
        stated = self._stated if line is None else [c for c in self._stated if c[0] < line.number]
        if not stated or (line is None and len({n for _, n in stated}) > 1):
            named = self.options.named
            if named is not None:
                self.warn(
                    f"population {named} is that of the file's name; if it is not, say --tasks N, "
                    f"or --at FILE=N"
                )
            return named
        number, n = stated[-1]
        self.warn(f"population {n} is that of the command of line {number}")
        return n

    @cached_property
    def _stated(self) -> list[tuple[int, int]]:
        """Lines with a command that says how many tasks it runs, and how many."""
        typed = [line for line in self.text.filled if line.text.startswith("# ")]
        made = []
        for line in sorted((*self.text.commands, *typed)):
            n = population(line.text.removeprefix("# "))
            if n is not None:
                made.append((line.number, n))
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

    def checked(self, line: Line | None, *names: str) -> None:
        """Say that numbers of a line were held against the others, or went into them."""
        for name in names:
            self._checked.setdefault(name, []).append(line or Line(0, ""))

    def error(self, line: Line | None, expected: str) -> ScenarioError:
        """Return the error that names file, line, the text seen, what was expected, the remedy."""
        seen = f": {shortened(line.text.strip())!r}" if line else ""
        return ScenarioError(f"{self.source(line)}{seen}: {expected}; {self.remedy}")

    def parse(self, how: Callable[..., T], line: Line, what: str, *texts: str, **more: Any) -> T:
        """Return `how(*texts, **more)`; a bad number is an error that names `what` and line."""
        try:
            return how(*texts, **more)
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

    def _why_empty(self) -> str:
        """Return why lines of a file in which nothing was found were left out, the likeliest."""
        zero = [(why, lines[0]) for why, lines in self._skipped.items() if NOTHING in why]
        return f" (line {zero[0][1].number}: {zero[0][0]})" if zero else ""

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
            raise self.error(None, f"{empty}{self._why_empty()}")
        warnings = list(self._warnings)
        for why, lines in self._skipped.items():
            count = "1 line" if len(lines) == 1 else f"{len(lines)} lines"
            first = shortened(lines[0].text.strip())
            warnings.append(f"{count} skipped, {why} (first: line {lines[0].number}: {first!r})")
        if self._checked:
            warnings.append(f"read and not kept, as the rest says them: {', '.join(self._checked)}")
        if not self.text.ended:
            warnings.append("the last line has no line end: it may be cut off")
        if repeats := self.text.repeats:
            what = "1 section is" if len(repeats) == 1 else f"{len(repeats)} sections are"
            warnings.append(
                f"{what} byte for byte like an earlier one (first: line {repeats[0]}): counted once"
            )
        warnings += self.text.notes
        return Reading(
            self.title,
            self.text.origin,
            tuple(self.observations),
            tuple(self.facts),
            self.metadata,
            tuple(warnings),
            tuple(
                (line.number, what)
                for left in (self._skipped, self._checked)
                for what, lines in left.items()
                for line in lines
            ),
        )
