"""How long loops report progress without knowing who is watching."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Wraps an iterable, given its length and a label, and passes its items on."""

    def __call__(self, items: Iterable[T], total: int, label: str) -> Iterable[T]:
        """Return an iterable over the same items."""
        ...


def quietly(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    """Return the items: nothing is shown."""
    return iter(items)
