"""A place in the iteration that takes a lock: how often, and what it holds.

What it holds is counted, as instructions and cache lines, or stated, as a time.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

from lockmodel.errors import ScenarioError, not_negative, one_of
from lockmodel.model.machine import Frozen
from lockmodel.model.typed import check_types

Mode = Literal["write", "read"]

LINES = ("lines", "lines_per_doubling", "lines_per_idle_doubling")
"""What a site says of the lines that an acquire waits for."""

COUNTED = ("held_instructions", "growth_per_doubling", *LINES)
"""What a site counts of an acquire; a site that states its time has none of it."""

TIMED = ("hold", "hold_remote")
"""What a site states instead."""

MODES = get_args(Mode)
NOT_IN_A_LABEL = frozenset("/:=,. ")

PHASE = "run"
"""Phase of a site that names none."""


class Site(Frozen, frozen=True, kw_only=True):
    """A place in the iteration that takes a lock.

    Parameters
    ----------
    lock, phase, name : str
        Which lock, and where: ('libc.so.6', 'exec', 'map_split').
    acquires : float
        Acquires per iteration (may be fractional: an average).
    held_instructions : float
        Instructions per acquire executed under the lock when one process maps the file.
    growth_per_doubling : float
        Instructions per acquire that each doubling of the mapping processes adds.
    lines, lines_per_doubling, lines_per_idle_doubling : float
        Lines per acquire that come from another CPU: l_1 + l_2 log2 N + l_3 log2 of the mappings
        per running process, counted (data/traced/lines_held.csv); never fewer than 0.
    hold, hold_remote : float or None
        Instead of instructions and lines: seconds per acquire that it holds the lock, when what it
        touches was last written on the same CPU, and in another node (the same without).
    mode : {'write', 'read'}
        Readers of an rwsem share it; every other kind of lock is taken for writing.
    gap_share : float
        Share of the iteration's think time that passes before its acquires, as much before each,
        in [0, 1]; what the sites leave passes before the first.
    """

    lock: str
    phase: str = PHASE
    name: str
    acquires: float
    held_instructions: float = 0.0
    growth_per_doubling: float = 0.0
    lines: float = 0.0
    lines_per_doubling: float = 0.0
    lines_per_idle_doubling: float = 0.0
    hold: float | None = None
    hold_remote: float | None = None
    mode: Mode = "write"
    gap_share: float = 0.0

    def __post_init__(self) -> None:
        check_types(self, f"site {self.lock}/{self.phase}.{self.name}")
        one_of(f"site {self.lock}/{self.label}", MODES, mode=self.mode)
        for part in (self.phase, self.name):
            if not (part and NOT_IN_A_LABEL.isdisjoint(part)):
                raise ScenarioError(
                    f"site {self.lock}/{self.label}: phase and name {part!r} must be non-empty, "
                    f"without '/', ':', '=', ',', '.' or blanks: a lever spells it phase.name"
                )
        not_negative(
            f"site {self.lock}/{self.label}",
            acquires=self.acquires,
            held_instructions=self.held_instructions,
            growth_per_doubling=self.growth_per_doubling,
            gap_share=self.gap_share,
        )
        if self.gap_share > 1.0:
            raise ScenarioError(
                f"site {self.lock}/{self.label}: gap_share = {self.gap_share:g} must be at most 1: "
                f"it is a share of the think time"
            )
        for key in LINES:
            if not math.isfinite(getattr(self, key)):
                raise ScenarioError(
                    f"site {self.lock}/{self.label}: {key} = {getattr(self, key)} must be a finite "
                    f"number of cache lines"
                )
        self._check_times()

    def _check_times(self) -> None:
        owner = f"site {self.lock}/{self.label}"
        if self.hold is None:
            if self.hold_remote is not None:
                raise ScenarioError(
                    f"{owner}: hold_remote = {self.hold_remote} s stands beside hold, which is "
                    f"missing; give hold as well"
                )
            return
        not_negative(owner, hold=self.hold)
        counted = next((key for key in COUNTED if getattr(self, key) != 0.0), None)
        if counted is not None:
            raise ScenarioError(
                f"{owner}: hold = {self.hold} s stands instead of {counted} = "
                f"{getattr(self, counted):g}; keep one of the two"
            )
        if self.hold_remote is not None and not self.hold <= self.hold_remote < math.inf:
            raise ScenarioError(
                f"{owner}: hold_remote = {self.hold_remote} s must be finite and no less than hold "
                f"= {self.hold} s; lines from elsewhere are never faster"
            )

    @property
    def works(self) -> bool:
        """Whether an acquire holds the lock for more than lines."""
        counted = self.held_instructions + self.growth_per_doubling > 0.0
        return counted or max(self.hold or 0.0, self.hold_remote or 0.0) > 0.0

    @property
    def differs(self) -> bool:
        """Whether it states a longer hold where lines come from afar."""
        return self.hold_remote is not None and self.hold_remote > (self.hold or 0.0)

    @property
    def moves_lines(self) -> bool:
        """Whether an acquire waits for lines of other CPUs."""
        laws = self.lines, self.lines_per_doubling, self.lines_per_idle_doubling
        return laws != (0.0, 0.0, 0.0)

    def transferred(self, users: float, mappings: float) -> float:
        """Return the lines of one acquire that come from another CPU.

        Parameters
        ----------
        users : float
            Processes that take the lock; with one, no line comes from elsewhere.
        mappings : float
            Processes that map the file, idle ones too.
        """
        idle = math.log2(max(1.0, mappings / users))
        grown = self.lines + self.lines_per_doubling * math.log2(max(1.0, users))
        return max(0.0, grown + self.lines_per_idle_doubling * idle) if users > 1.0 else 0.0

    @property
    def gap(self) -> float:
        """Share of the think time that passes before each acquire."""
        return self.gap_share / self.acquires if self.acquires > 0.0 else 0.0

    @property
    def label(self) -> str:
        """`phase.name`, as traces, tables and levers write it."""
        return f"{self.phase}.{self.name}"


def acquires_of(sites: tuple[Site, ...]) -> float:
    """Return the acquires per iteration at some sites."""
    return sum(site.acquires for site in sites)
