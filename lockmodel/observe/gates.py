"""Sanity gates: numbers that cannot be are refused, because tools lie.

A libbpf klockstat once reported holds of 491 hours (bcc pull request 4187). Every gate gives
way by the rounding of what was printed.
"""

from __future__ import annotations

from lockmodel.errors import ScenarioError
from lockmodel.observe.numbers import Measured

ROUNDING = 1e-9
"""Relative slack for arithmetic in floating point."""

LONGEST_TIME_S = 3600.0
"""No kernel lock is held or waited for that long: the kernel warns of a task stuck for 120 s."""

IN_FLIGHT = 8192
"""Acquires begun and not ended (or the reverse) when counting starts: one per CPU at most."""

UTILISATION_SLACK = 0.05
"""How far a utilisation computed from three measured numbers may exceed the shards."""


def ordered(here: str, low: Measured | None, mean: Measured | None, high: Measured | None) -> None:
    """Raise ScenarioError unless smallest <= mean <= largest within their rounding."""
    for small, large, rule in (
        (low, mean, "smallest <= mean"),
        (mean, high, "mean <= largest"),
        (low, high, "smallest <= largest"),
    ):
        if small is None or large is None:
            continue
        slack = small.half_digit + large.half_digit + ROUNDING * large.value
        if small.value > large.value + slack:
            raise ScenarioError(
                f"{here}: {small.value:g} s and {large.value:g} s break {rule}; the tool or the "
                f"line is wrong: leave it out, or measure again"
            )


def mean_of(here: str, mean: Measured, total: Measured, count: int) -> None:
    """Raise ScenarioError unless mean = total / count within their rounding.

    Tools round or truncate the mean, so a whole last digit is allowed.
    """
    if count < 1:
        if total.value > 0:
            raise ScenarioError(
                f"{here}: a total of {total.value:g} s over {count} events cannot be"
            )
        return
    expected = total.value / count
    slack = 2 * mean.half_digit + total.half_digit / count + ROUNDING * expected
    if abs(mean.value - expected) > slack:
        raise ScenarioError(
            f"{here}: mean {mean.value:g} s is not total / count = {total.value:g} s / {count} = "
            f"{expected:g} s; the tool or the line is wrong: leave it out, or measure again"
        )


def total_holds(here: str, total: Measured, high: Measured | None, count: int) -> None:
    """Raise ScenarioError unless largest <= total <= count x largest within their rounding."""
    if high is None:
        return
    if high.value > total.value + high.half_digit + total.half_digit + ROUNDING * total.value:
        raise ScenarioError(
            f"{here}: the largest, {high.value:g} s, exceeds the total of {total.value:g} s"
        )
    most = count * (high.value + high.half_digit)
    if total.value - total.half_digit > most * (1 + ROUNDING):
        raise ScenarioError(
            f"{here}: a total of {total.value:g} s exceeds {count} times the largest, "
            f"{high.value:g} s"
        )


def short_enough(here: str, high: float) -> None:
    """Raise ScenarioError for a single hold or wait beyond `LONGEST_TIME_S`."""
    if high > LONGEST_TIME_S:
        raise ScenarioError(
            f"{here}: one hold or wait of {high / 3600:.1f} h cannot be; old klockstat subtracts "
            f"times of different calls: measure again with a current bcc (after pull request 4187)"
        )


def possible_total(here: str, total: float, wall: float | None, tasks: int | None) -> None:
    """Raise ScenarioError if tasks waited or held for longer than all of them ran."""
    if wall is None or tasks is None:
        return
    if total > wall * tasks * (1 + UTILISATION_SLACK):
        raise ScenarioError(
            f"{here}: {total:g} s in all exceed {tasks} tasks x {wall:g} s; check --wall-s and "
            f"--tasks, or measure again"
        )


def contended_at_most(here: str, contended: int, acquired: int) -> None:
    """Raise ScenarioError if clearly more acquires waited than there were."""
    if contended > acquired + IN_FLIGHT:
        raise ScenarioError(f"{here}: {contended} contended of {acquired} acquired cannot be")


def utilisation(here: str, acquires: float, hold: float, rate: float, shards: float) -> None:
    """Raise ScenarioError if a lock is held for more than its shards' time.

    Parameters
    ----------
    here : str
        File and line.
    acquires : float
        Per iteration.
    hold : float
        Mean hold time, s.
    rate : float
        Iterations per s.
    shards : float
        Copies of the lock.
    """
    busy = acquires * hold * rate
    if busy > shards * (1 + UTILISATION_SLACK):
        raise ScenarioError(
            f"{here}: {acquires:g} acquires x {hold:g} s x {rate:g} /s = {busy:.3g} locks "
            f"busy of {shards:g}; check the units, or give shards"
        )
