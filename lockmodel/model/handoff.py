"""Hand-off families: extra time a lock is unavailable when it passes to a waiter.

c(w) in seconds per acquire with w waiters; nobody waiting costs nothing. Which family holds for
a lock is an empirical question: data/published/latency.csv has figures per lock and distance.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from lockmodel.errors import ScenarioError, not_negative

if TYPE_CHECKING:
    import numpy as np


class _HandOffBase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Extra time the lock is unavailable when it passes to a waiter (per acquire)."""

    @property
    def family(self) -> str:
        """Name of the family, as in a scenario file."""
        return str(type(self).__struct_config__.tag)


class NoHandOff(_HandOffBase, frozen=True, tag_field="family", tag="none"):
    """The lock passes to a waiter at no extra cost."""

    def cost(self, waiters: np.ndarray, remote: float) -> np.ndarray:
        """Return zeros: s per acquire, shape of `waiters`."""
        return waiters * 0.0


class ConstantHandOff(_HandOffBase, frozen=True, tag_field="family", tag="constant"):
    """The same time whatever the queue: queue locks (MCS, qspinlock, OSQ) in theory.

    Parameters
    ----------
    time : float
        Hand-off in seconds.
    """

    time: float

    def __post_init__(self) -> None:
        not_negative("handoff constant", time=self.time)

    def cost(self, waiters: np.ndarray, remote: float) -> np.ndarray:
        """Return `time` where somebody waits, else 0: s per acquire, shape of `waiters`."""
        return (waiters > 0) * self.time


class LinearHandOff(_HandOffBase, frozen=True, tag_field="family", tag="linear"):
    """Grows with every waiter: ticket and test-and-set locks.

    Parameters
    ----------
    time : float
        Hand-off with one waiter, in seconds.
    per_waiter : float
        What each further waiter adds, in seconds.
    """

    time: float
    per_waiter: float

    def __post_init__(self) -> None:
        not_negative("handoff linear", time=self.time, per_waiter=self.per_waiter)

    def cost(self, waiters: np.ndarray, remote: float) -> np.ndarray:
        """Return ``time + per_waiter (w - 1)`` for w >= 1 waiters: s per acquire."""
        return (waiters > 0) * (self.time + self.per_waiter * (waiters - 1.0))


class SaturatingHandOff(_HandOffBase, frozen=True, tag_field="family", tag="saturating"):
    """Grows with the waiters towards a limit: queue locks whose waiters poll shared lines.

    Parameters
    ----------
    time : float
        Hand-off with one waiter, in seconds.
    limit : float
        Hand-off with infinitely many waiters, in seconds; at least `time`.
    half_waiters : float
        Further waiters at which half of the growth has happened; > 0.
    """

    time: float
    limit: float
    half_waiters: float

    def __post_init__(self) -> None:
        not_negative("handoff saturating", time=self.time, limit=self.limit)
        if self.limit < self.time:
            raise ScenarioError(
                f"handoff saturating: limit = {self.limit} s is below time = {self.time} s; the "
                f"hand-off grows with waiters, so give limit >= time"
            )
        if not (math.isfinite(self.half_waiters) and self.half_waiters > 0):
            raise ScenarioError(
                f"handoff saturating: half_waiters = {self.half_waiters} must be a finite number "
                f"> 0; use family = 'constant' for a hand-off that does not grow"
            )

    def cost(self, waiters: np.ndarray, remote: float) -> np.ndarray:
        """Return ``time + (limit - time) v / (v + half)``, v = waiters - 1: s per acquire."""
        further = (waiters > 0) * (waiters - 1.0)
        grown = (self.limit - self.time) * further / (further + self.half_waiters)
        return (waiters > 0) * (self.time + grown)


class TopologyHandOff(_HandOffBase, frozen=True, tag_field="family", tag="topology"):
    """Depends on whether the next holder sits in another node.

    Parameters
    ----------
    local, remote : float
        Hand-off inside a node and between nodes, in seconds; `remote` at least `local`.
    """

    local: float
    remote: float

    def __post_init__(self) -> None:
        not_negative("handoff topology", local=self.local, remote=self.remote)
        if self.remote < self.local:
            raise ScenarioError(
                f"handoff topology: remote = {self.remote} s is below local = {self.local} s; "
                f"another node is never nearer, so give remote >= local"
            )

    def cost(self, waiters: np.ndarray, remote: float) -> np.ndarray:
        """Return ``local + (remote - local) P(remote)`` where somebody waits: s per acquire."""
        return (waiters > 0) * (self.local + (self.remote - self.local) * remote)


HandOff = NoHandOff | ConstantHandOff | LinearHandOff | SaturatingHandOff | TopologyHandOff
HANDOFF_FAMILIES: dict[str, type[_HandOffBase]] = {
    "none": NoHandOff,
    "constant": ConstantHandOff,
    "linear": LinearHandOff,
    "saturating": SaturatingHandOff,
    "topology": TopologyHandOff,
}
