"""How long loops report progress, and are told to stop, without knowing who is watching."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")

Stop = Callable[[], bool]
"""Asked now and then during long work; once true, the work ends with what it has."""


class Progress(Protocol):
    """Wraps an iterable, given its length and a label, and passes its items on."""

    def __call__(self, items: Iterable[T], total: int, label: str) -> Iterable[T]:
        """Return an iterable over the same items."""
        ...


def quietly(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    """Return the items: nothing is shown."""
    return iter(items)


def until(progress: Progress, stop: Stop) -> Progress:
    """Return a progress that passes the first item on, and others until it is told to stop."""

    def some(items: Iterable[T], total: int, label: str) -> Iterator[T]:
        for item in progress(items, total, label):
            yield item
            if stop():
                return

    return some


def never() -> bool:
    """Return False: no reason to stop early."""
    return False
