"""A scenario from a few numbers: think time, and per lock a hold, acquires and a hand-off.

A hand-off that nobody stated is the published range of its kind of lock, and as that the [fit] of
the scenario: what is predicted has an interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from lockmodel import __version__
from lockmodel.errors import ArgumentError, ScenarioError
from lockmodel.fitting.priors import Range
from lockmodel.measure.acquires.from_counts import LEVEL, MODEL, NOISE, NORMAL
from lockmodel.model import plausible
from lockmodel.model.disciplines import discipline
from lockmodel.model.fit_table import BY_COUNTS, Fit, FittedParameter
from lockmodel.model.handoff import ConstantHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Provenance, Scenario, Site
from lockmodel.units import si

NAME = "quick"
SITE = "hold"
"""Name of the one site of a lock."""

KIND = "fifo"
"""What a lock is taken for: its waiters are served in order, as those of queue locks."""


@dataclass(frozen=True)
class Taken:
    """What is known of a lock.

    Attributes
    ----------
    name : str
    hold : float
        Seconds per acquire.
    acquires : float
        Per iteration, above 0.
    handoff : float or None
        Seconds per acquire with a waiter; None is the published range.
    shards : int
    """

    name: str
    hold: float
    acquires: float = 1.0
    handoff: float | None = None
    shards: int = 1


def published() -> Range:
    """Return the published range of a hand-off."""
    return Range(*discipline(KIND).handoff)


def quick(think: float, locks: Sequence[Taken], machine: Machine) -> Scenario:
    """Return the scenario of some numbers.

    Parameters
    ----------
    think : float
        Seconds of an iteration outside the locks.
    locks : sequence of Taken
        At least one.
    machine : Machine

    Returns
    -------
    Scenario
        Holds and think time exponential; with [fit] where a hand-off was not stated.

    Raises
    ------
    ArgumentError
        The numbers are no scenario: what is wrong is named.
    """
    if think == 0.0 and all(one.hold == 0.0 for one in locks):
        raise ArgumentError(
            "think = 0 s and hold = 0 s: an iteration would take no time; give one of the two "
            "more than 0"
        )
    for one in locks:
        if not one.acquires > 0.0:
            raise ArgumentError(
                f"lock {one.name!r}: acquires = {one.acquires:g} must be more than 0; leave out a "
                f"lock that is never taken"
            )
    prior = published()
    try:
        made = Scenario(
            name=NAME,
            title=f"{', '.join(map(_title, locks))}, thinking {si(think, 's')}",
            iteration="think, then take each lock",
            machine=machine,
            think=think,
            locks=tuple(_lock(one, prior) for one in locks),
            sites=tuple(
                Site(lock=one.name, name=SITE, acquires=one.acquires, hold=one.hold)
                for one in locks
            ),
            provenance=_provenance(locks, prior),
        )
        plausible.check(made)
    except ScenarioError as error:
        raise ArgumentError(str(error)) from None
    unknown = [one.name for one in locks if one.handoff is None]
    return replace(made, fit=_prior(unknown, prior)) if unknown else made


def title_of(scenario: Scenario) -> str | None:
    """Return the title of a scenario like those of `quick`; None where it is no such scenario."""
    sites = [scenario.sites_of(lock.name) for lock in scenario.locks]
    if any(len(own) != 1 or own[0].hold is None for own in sites):
        return None
    locks = [
        _title(Taken(lock.name, site.hold or 0.0, site.acquires, shards=lock.shards))
        for lock, (site,) in zip(scenario.locks, sites, strict=True)
    ]
    return f"{', '.join(locks)}, thinking {si(scenario.think, 's')}"


def retitled(before: Scenario, after: Scenario) -> Scenario:
    """Return a changed scenario of `quick` whose title has its numbers; others as they are."""
    title = title_of(after)
    if title is None or before.title != title_of(before) or after.title != before.title:
        return after
    return replace(after, title=title)


def _title(one: Taken) -> str:
    shards = f" in {one.shards} shards" if one.shards > 1 else ""
    return f"{one.name} {one.acquires:g} x {si(one.hold, 's')}{shards}"


def _lock(one: Taken, prior: Range) -> Lock:
    time = prior.median if one.handoff is None else one.handoff
    return Lock(name=one.name, kind=KIND, handoff=ConstantHandOff(time=time), shards=one.shards)


def _prior(names: Sequence[str], prior: Range) -> Fit:
    """Return the range as a fit: one machine, so that all hand-offs are as long or as short."""
    spread = math.exp(NORMAL * prior.sd)
    row = (prior.sd**2,) * len(names)
    parameters = tuple(
        FittedParameter(
            name=f"{name}.handoff",
            unit="s",
            value=prior.median,
            low=prior.median / spread,
            high=prior.median * spread,
            determined=False,
            covariance=row,
            given=BY_COUNTS,
        )
        for name in names
    )
    return Fit(
        version=__version__, parameters=parameters, level=LEVEL, noise=NOISE, model_error=MODEL
    )


def _provenance(locks: Sequence[Taken], prior: Range) -> tuple[Provenance, ...]:
    stated = Provenance(
        value="think, hold, acquires, shards", origin="assumed", note="as given to lockmodel quick"
    )
    distributions = Provenance(
        value="think_distribution, hold_distribution",
        origin="assumed",
        note="exponential; kind = fifo: waiters are served in order",
    )
    if all(one.handoff is not None for one in locks):
        return stated, distributions
    handoff = Provenance(
        value="handoff",
        origin="published",
        note=f"{si(prior.low, 's')} to {si(prior.high, 's')} with 90 %, {si(prior.median, 's')} "
        f"in the middle: {prior.source}",
    )
    return stated, distributions, handoff
