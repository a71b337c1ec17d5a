"""What is measured, one setting after the other in one boot, and the guest's plan of it.

A setting is a number of loops, each on a CPU of its own, a number of sleeping processes of another
program that map the same libraries, and the file whose lock is saturated: it is served by turns
(see turns.h). One loop alone saturates nothing; it goes first, for counts without any noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lockmodel.measure.acquires.resolve import base
from lockmodel.measure.trace.lab.guest import Guest
from lockmodel.measure.trace.lab.plan import LOOP, SLEEPER

ARM, FILE, PHASE = 2, 5, 6
"""Codes of marks.h, there MARK_ARM .."""
TURNS = 256
"""A phase's value is its number + TURNS x (1 + number of the file with turns), see lines.c."""

ITERATIONS = 11
ALONE_ITERATIONS = 6


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes
    ----------
    loops : int
        At once, each on a CPU of its own.
    mappers : int
        Sleeping processes of another program that map the same libraries.
    saturated : str or None
        Path in the guest of the file whose lock is served by turns; None where nobody waits.
    """

    loops: int
    mappers: int
    saturated: str | None

    @property
    def iterations(self) -> int:
        """Of each loop."""
        return ITERATIONS if self.loops > 1 else ALONE_ITERATIONS

    @property
    def described(self) -> str:
        """What it is, in words."""
        others = f", {self.mappers} mappers" if self.mappers else ""
        if self.saturated is None:
            return f"1 loop{others}"
        return f"{self.loops} loops on the lock of {base(self.saturated)}{others}"


def settings(
    loops: Sequence[int], mappers: Sequence[int], saturated: Sequence[str]
) -> tuple[Setting, ...]:
    """Return the settings in the order in which they are measured.

    Parameters
    ----------
    loops : sequence of int
        Increasing; 1 is added.
    mappers : sequence of int
        Increasing, as sleeping processes are not ended.
    saturated : sequence of str
        Paths in the guest.
    """
    return tuple(
        Setting(number, others, path)
        for others in mappers
        for number in sorted({1, *loops})
        for path in (saturated if number > 1 else (None,))
    )


def plan(guest: Guest, loop: str, every: Sequence[Setting]) -> str:
    """Return the guest's plan; setting number i is phase i + 1.

    Parameters
    ----------
    guest : Guest
    loop : {'fork', 'vfork', 'execl'}
    every : sequence of Setting
        With increasing mappers.
    """
    last = max(each.loops for each in every)
    lines = [f"libraries\tLD_LIBRARY_PATH={guest.libraries}"] if guest.libraries else []
    lines += [f"pin\t{last}", _mark(ARM, 0)]
    for number, path in enumerate(guest.mapped):
        lines += [_mark(FILE, number), f"map\t{path}"]
    sleeping = 0
    for number, each in enumerate(every, 1):
        if each.mappers > sleeping:
            sleeping = each.mappers
            lines.append(f"sleepers\t{sleeping}\t{SLEEPER}")
        turns = 0 if each.saturated is None else 1 + guest.mapped.index(each.saturated)
        lines += [
            _mark(PHASE, number + TURNS * turns),
            f"parallel\t{each.loops}\t{_command(loop, each.iterations, guest.started)}",
            _mark(PHASE, 0),
            f"say\tend {number}",
        ]
    return "\n".join([*lines, ""])


def _mark(code: int, value: int) -> str:
    return f"mark\t{code}\t{value}"


def _command(loop: str, iterations: int, started: str) -> str:
    if loop == "execl":
        return f"{LOOP}\texecl\t{'X' * iterations}"
    return f"{LOOP}\t{loop}\t{iterations}\t{started}"
