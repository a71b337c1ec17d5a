"""What a kind of kernel change is, and a lever of that kind, ready to be applied.

`kinds` has the records, `levers` the functions they call, `grammar` the text forms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import msgspec

from lockmodel.errors import ArgumentError, NotTrustworthyError, nearest
from lockmodel.model.scenario import EVERYWHERE, Lock, Scenario, merged, of_class

ALL = "all"
"""The target that means every lock (or every lock that has the site)."""

LeverTarget = Literal["lock", "lock or site", "site", "none"]
"""What a lever is about: LOCK, LOCK[/SITE], LOCK/SITE, or the iteration."""


class AxisForm(NamedTuple):
    """A lever as an axis of a sweep.

    Attributes
    ----------
    name : str
        What is swept: 'hold' in ``--over hold=0..1:11``.
    label : str
        At the axis of a figure.
    values : str
        Example of values, for the help.
    meaning : str
    whole : bool
        Whether values are counts; else factors from 0 to 1.
    value : callable
        A number on the axis -> the value of the lever.
    """

    name: str
    label: str
    values: str
    meaning: str
    whole: bool = False
    value: Callable[[float], Any] = lambda number: number


class Written(NamedTuple):
    """The value of a lever as it was written: ``=VALUE,key=value,...``.

    Attributes
    ----------
    value : str
    options : mapping
    form : str
        How it should be written.
    where : str
        Option and text, for errors.
    """

    value: str
    options: Mapping[str, str]
    form: str
    where: str


@dataclass(frozen=True, eq=False)
class Kind:
    """One kind of kernel change.

    Attributes
    ----------
    name, form, meaning : str
        Its word, how it is written, what it does.
    at_best : str
        The ceiling it leads to, in the symbols of the design; "" where that is no formula.
    read : callable
        Written -> the value of a `Lever`; raises ArgumentError.
    spell : callable
        The value as it is written; "" without one.
    change : callable
        (scenario, name of one lock, lever) -> scenario; raises ArgumentError where it makes no
        sense.
    concerns : callable
        (scenario, name of a lock, site or "") -> whether there is something to change; with `all`
        other locks stay as they are, unless it is none.
    tries : callable
        (scenario, lock) -> (site or "", value) of the strengths worth trying on a lock, or of the
        iteration, whose lock is None.
    is_limit : callable
        Whether a lever of this kind is a limit that no patch reaches.
    note : callable
        (scenario, lever) -> text to show beside the result, "" if there is nothing to say.
    target : str
        See `LeverTarget`.
    axis : AxisForm or None
        How it is swept.
    more : tuple of str
        Further lines of help.
    """

    name: str
    form: str
    meaning: str
    change: Callable[[Scenario, str, Lever], Scenario]
    read: Callable[[Written], Any] = lambda written: None
    spell: Callable[[Any], str] = lambda value: ""
    concerns: Callable[[Scenario, str, str], bool] = lambda scenario, lock, site: True
    tries: Callable[[Scenario, Lock | None], Iterator[tuple[str, Any]]] = lambda s, lock: iter(())
    is_limit: Callable[[Lever], bool] = lambda lever: False
    note: Callable[[Scenario, Lever], str] = lambda scenario, lever: ""
    target: LeverTarget = "lock"
    at_best: str = ""
    axis: AxisForm | None = None
    more: tuple[str, ...] = ()


class Lever(msgspec.Struct, frozen=True):
    """A lever ready to be applied.

    Parameters
    ----------
    kind : Kind
    lock : str
        A lock's name, `ALL`, or "" where the lever is about the iteration.
    site : str
        Label of one site of the lock, or "".
    value : object
        As the record's `read` gives it.
    text : str
        Its text form, as --lever takes it.
    """

    kind: Kind
    lock: str
    site: str
    value: Any
    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def is_limit(self) -> bool:
        """Whether it is a limit that no patch reaches."""
        return self.kind.is_limit(self)

    def apply(self, scenario: Scenario) -> Scenario:
        """Return the scenario after the change; raises ArgumentError when it makes no sense.

        With several classes each that takes the lock (has the site) changes; see `_per_class`.
        """
        if scenario.classes:
            return _per_class(self, scenario)
        for name in self._locks(scenario):
            scenario = self.kind.change(scenario, name, self)
        return scenario

    def note(self, scenario: Scenario) -> str:
        """Return what to show beside the result, "" if there is nothing to say."""
        for one in scenario.classes:
            if _is_meant(self, view := of_class(scenario, one)):
                return self.note(view)
        return self.kind.note(scenario, self)

    def _locks(self, scenario: Scenario) -> list[str]:
        """Return the lock, or every lock (that has the site) when the target is `all`."""
        if self.lock != ALL:
            return [self.lock]
        names = [
            lock.name
            for lock in scenario.locks
            if any(
                s.label != EVERYWHERE and self.site in ("", s.label)
                for s in scenario.sites_of(lock.name)
            )
        ]
        if names:
            return [n for n in names if self.kind.concerns(scenario, n, self.site)] or names
        if not self.site:
            raise ArgumentError("all: no lock is taken at any site; there is nothing to change")
        labels = sorted({s.label for s in scenario.sites})
        raise ArgumentError(f"all: no lock has a site {self.site!r}; {nearest(self.site, labels)}")


def _per_class(lever: Lever, scenario: Scenario) -> Scenario:
    """Return a scenario of several classes after a change to those that it is about.

    A class that does not take the lock, or has not the site, stays as it is, and so does one with
    as few acquires as others are to be batched to; what becomes of a lock holds for all. A refusal
    names the class.
    """
    views = [of_class(scenario, one) for one in scenario.classes]
    meant = [view if _is_meant(lever, view) else None for view in views]
    if all(view is None for view in meant):  # it says what there is not, or is about a lock alone
        alone = lever.apply(merged(scenario))
        return msgspec.structs.replace(scenario, locks=alone.locks)
    most = [0.0 if view is None else _acquires(lever, view) for view in meant]
    if lever.kind.name == "batch" and max(most) > lever.value:
        meant = [view if m > lever.value else None for view, m in zip(meant, most, strict=True)]
    changed: list[Scenario | None] = []
    for view, one in zip(meant, scenario.classes, strict=True):
        try:
            changed.append(None if view is None else lever.apply(view))
        except ArgumentError as error:
            raise ArgumentError(f"class {one.name!r}: {error}") from None
    after = [view for view in changed if view is not None]
    kept = [lock for lock in scenario.locks if all(lock.name in _names(view) for view in after)]
    locks = tuple(
        next((new for view in after if (new := view.lock(lock.name)) != lock), lock)
        for lock in kept
    )
    classes = tuple(
        one
        if view is None
        else msgspec.structs.replace(
            one, think=view.think, think_remote=view.think_remote, sites=view.sites
        )
        for one, view in zip(scenario.classes, changed, strict=True)
    )
    return msgspec.structs.replace(scenario, locks=locks, classes=classes)


def _names(scenario: Scenario) -> set[str]:
    return {lock.name for lock in scenario.locks}


def _acquires(lever: Lever, view: Scenario) -> float:
    """Return the acquires of a lever's lock, or of the busiest of all, at its site."""
    sites = [site for site in view.sites if lever.site in ("", site.label)]
    taken = {site.lock for site in sites if lever.lock in (ALL, site.lock)}
    return max((sum(s.acquires for s in sites if s.lock == lock) for lock in taken), default=0.0)


def _is_meant(lever: Lever, view: Scenario) -> bool:
    """Return whether a lever is about something that a class does."""
    if lever.kind.target == "none":
        return True
    return any(
        lever.lock in (ALL, site.lock)
        and lever.site in ("", site.label)
        and (lever.lock != ALL or site.label != EVERYWHERE)
        for site in view.sites
    )


def text_of(chosen: Sequence[Lever]) -> str:
    """Return some levers as one text."""
    return "; ".join(one.text for one in chosen)


def apply_all(scenario: Scenario, chosen: Sequence[Lever]) -> Scenario:
    """Return the scenario after some levers, in order."""
    for one in chosen:
        scenario = one.apply(scenario)
    return scenario


@contextmanager
def named(chosen: Sequence[Lever]) -> Iterator[None]:
    """Name the levers in a refusal of the scenario after them: they may leave no work in it."""
    try:
        yield
    except NotTrustworthyError as error:
        raise type(error)(f"after {text_of(chosen)}: {error}") from None


def spelt(value: Any) -> Any:
    """Return a result as a dict with every lever as its text."""
    if isinstance(value, Lever):
        return value.text
    if isinstance(value, dict):
        return {key: spelt(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [spelt(each) for each in value]
    return value
