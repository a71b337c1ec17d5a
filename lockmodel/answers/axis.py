"""An axis: a lever at several values, as --over of `sweep` and `ceiling` takes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lockmodel.changes.kinds import AXES, SHARD, Sharding, lever
from lockmodel.changes.lever import Kind, Lever
from lockmodel.changes.levers import most_shards
from lockmodel.errors import ArgumentError, nearest
from lockmodel.model.network import CPU
from lockmodel.model.populations import parse_counts, parse_reals
from lockmodel.model.scenario import Scenario, ShardBy


@dataclass(frozen=True)
class Axis:
    """One quantity and its values.

    Attributes
    ----------
    name : str
        As typed: 'acquires' or 'libc.so.6:acquires'.
    kind : Kind
        The lever that is swept.
    lock : str or None
        The lock; None is the binding one.
    values : tuple of float
    by : {'cpu', 'node', 'hash'} or None
        What chooses a shard; None is the lock's own key.
    """

    name: str
    kind: Kind
    lock: str | None
    values: tuple[float, ...]
    by: ShardBy | None = None

    @property
    def quantity(self) -> str:
        """What is swept, in a word."""
        return self.name.rpartition(":")[2]

    def target(self, scenario: Scenario, binding: str) -> str:
        """Return the lock that is meant, "" for an axis of the iteration.

        Parameters
        ----------
        scenario : Scenario
        binding : str
            The station that binds, which is meant where the axis names no lock.

        Raises
        ------
        ArgumentError
            There is no such lock, or the CPU binds.
        """
        if self.kind.target == "none":
            return ""
        lock = self.lock or binding
        names = [one.name for one in scenario.locks]
        if lock == CPU and self.lock is None:
            raise ArgumentError(
                f"--over {self.name}: the CPU binds, not a lock; name one: LOCK:{self.name}"
            )
        if lock not in names:
            raise ArgumentError(f"--over {self.name}: no lock {lock!r}; {nearest(lock, names)}")
        return lock

    def lever(self, lock: str, value: float) -> Lever:
        """Return the lever at one value, on the lock that `target` gave."""
        form = self.kind.axis
        assert form is not None  # parse_axis takes kinds that have one
        chosen = form.value(value)
        if isinstance(chosen, Sharding):
            chosen = chosen._replace(by=self.by)
        return lever(self.kind.name, lock, chosen)

    def capped(self, scenario: Scenario, lock: str) -> tuple[str, ...]:
        """Return what has to be said about shard counts that their key cannot tell apart."""
        if self.kind is not SHARD:
            return ()
        by = self.by or scenario.lock(lock).shard_by
        most = most_shards(scenario, by)
        if most is None or max(self.values) <= most:
            return ()
        what = "CPUs" if by == "cpu" else "nodes"
        return (
            f"--over {self.name}: {most} {what} can tell only {most} shards apart, so rows with "
            f"more repeat those of {most}",
        )


def parse_axis(text: str, by: ShardBy | None = None) -> Axis:
    """Return the axis a text means: ``acquires=1..30``, ``libc.so.6:hold=0.0..1.0:11``.

    Raises
    ------
    ArgumentError
        Unknown quantity or malformed values.
    """
    name, equals, values = text.partition("=")
    lock, colon, quantity = name.rpartition(":")
    if quantity not in AXES:
        raise ArgumentError(f"--over {text!r}: {nearest(quantity, list(AXES))}")
    kind = AXES[quantity]
    if not equals or not values:
        raise ArgumentError(f"--over {text!r}: give values, e.g. {quantity}=1..8")
    if colon and (not lock or kind.target == "none"):
        of_locks = "|".join(name for name, other in AXES.items() if other.target != "none")
        others = "|".join(name for name, other in AXES.items() if other.target == "none")
        raise ArgumentError(f"--over {text!r}: write [LOCK:]{of_locks}=... or {others}=...")
    argument = f"--over {name}"
    parsed: Sequence[float]
    if kind.axis is not None and kind.axis.whole:
        parsed = parse_counts(values, argument)
    else:
        parsed = parse_reals(values, argument)
        if max(parsed) > 1:
            raise ArgumentError(f"{argument}: factor {max(parsed):g} must lie between 0 and 1")
    return Axis(name, kind, lock or None, tuple(parsed), by)
