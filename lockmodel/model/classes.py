"""Several kinds of iteration that share the locks: a class has its processes, think time and sites.

All classes say how many processes they have, or all say which share of them. Places go to the
classes in turn, as their shares want it, so each is spread over the machine as all processes are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from lockmodel.errors import ArgumentError, ScenarioError, not_negative, shown
from lockmodel.model.distribution import Distribution, Exponential
from lockmodel.model.machine import Frozen, at_least_one
from lockmodel.model.site import NOT_IN_A_LABEL, Site
from lockmodel.model.typed import check_types

ROUNDING = 1e-9
"""How far from 1 shares may sum up to be."""

MOST_CLASSES = 16
"""Classes of one scenario: a table has no room for more, nor has anybody counted more."""

TOTAL = "total"
"""What the sum over the classes is called in tables; no class may be."""


class IterationClass(Frozen, frozen=True, kw_only=True):
    """One kind of iteration of several.

    Parameters
    ----------
    name : str
    population : int or None
        Its processes.
    share : float or None
        Instead: its share of the processes there are.
    think, think_remote : float
        CPU seconds of its iteration outside every modelled lock, as of a `Scenario`.
    think_distribution : Distribution
    sites : tuple of Site
        Where its iteration takes locks.
    """

    name: str
    population: int | None = None
    share: float | None = None
    think: float = 0.0
    think_remote: float = 0.0
    think_distribution: Distribution = Exponential()
    sites: tuple[Site, ...] = ()

    def __post_init__(self) -> None:
        owner = f"class {self.name!r}"
        check_types(self, owner)
        if not (self.name and NOT_IN_A_LABEL.isdisjoint(self.name)) or self.name == TOTAL:
            raise ScenarioError(
                f"class name {self.name!r} must be non-empty, without '/', ':', '=', ',', '.' or "
                f"blanks, and not {TOTAL!r}; name a class after its program, e.g. 'compiler'"
            )
        not_negative(owner, think=self.think, think_remote=self.think_remote)
        if self.population is not None:
            at_least_one(owner, population=self.population)
        if self.population is not None and self.share is not None:
            raise ScenarioError(
                f"{owner}: population = {self.population} and share = {shown(self.share)} are both "
                f"given; a class has so many processes or a share of them: keep one"
            )
        if self.share is not None and not (math.isfinite(self.share) and 0.0 < self.share <= 1.0):
            raise ScenarioError(
                f"{owner}: share = {shown(self.share)} must be more than 0 and at most 1: it is "
                f"the share of all processes"
            )
        if self.population is None and self.share is None:
            raise ScenarioError(
                f"{owner}: neither population nor share is given; write population = 32, or "
                f"share = 0.5 in every class"
            )
        if self.think + self.think_remote + sum(site.acquires for site in self.sites) == 0:
            raise ScenarioError(
                f"{owner}: the iteration is empty: think time is 0 and no site has acquires; give "
                f"think_us or at least one site with acquires > 0, or drop the class"
            )


def problems(classes: Sequence[IterationClass]) -> Iterator[str]:
    """Yield what of some classes does not go together, locks and their sites apart."""
    names = [one.name for one in classes]
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            yield f"class {name!r} is given {names.count(name)} times; give each a name of its own"
    if len(classes) > MOST_CLASSES:
        yield f"{len(classes)} classes are more than the {MOST_CLASSES} accepted; join alike ones"
    counted = [one.name for one in classes if one.population is not None]
    shared = [one.name for one in classes if one.share is not None]
    if counted and shared:
        yield (
            f"class {counted[0]!r} has a population, class {shared[0]!r} a share; give all classes "
            f"populations, or all shares"
        )
        return
    whole = sum(one.share for one in classes if one.share is not None)
    if shared and abs(whole - 1.0) > ROUNDING:
        yield (
            f"shares of the classes ({', '.join(f'{one.name} {one.share:g}' for one in classes)}) "
            f"sum to {whole:g}, not to 1; make them sum to 1, or give populations"
        )


def stated_population(classes: Sequence[IterationClass]) -> int | None:
    """Return the processes of all classes where they are stated; None where shares are."""
    counts = [one.population for one in classes if one.population is not None]
    return sum(counts) if counts else None


def counts_of(classes: Sequence[IterationClass], population: int) -> tuple[int, ...]:
    """Return the processes of every class among so many.

    Shares are rounded by the largest remainder; of equal ones the first class comes first.

    Raises
    ------
    ArgumentError
        The classes state populations, which sum to another number.
    """
    stated = stated_population(classes)
    if stated is not None:
        if stated != population:
            raise ArgumentError(
                f"population = {population}: the classes have {stated} processes together "
                f"({', '.join(f'{c.name} {c.population}' for c in classes)}); ask for {stated}, or "
                f"give the classes a share instead of a population"
            )
        return tuple(one.population or 0 for one in classes)
    exact = [population * (one.share or 0.0) for one in classes]
    counts = [math.floor(each + ROUNDING) for each in exact]
    remainders = [round(n - each, 9) for each, n in zip(exact, counts, strict=True)]
    order = sorted(range(len(counts)), key=lambda i: remainders[i])
    for i in order[: population - sum(counts)]:
        counts[i] += 1
    return tuple(counts)


def class_of_each(classes: Sequence[IterationClass], population: int) -> np.ndarray:
    """Return the class of every process in the order of their places, shape (population,).

    Each place goes to the class that is farthest behind its share.
    """
    counts = np.array(counts_of(classes, population))
    places = np.concatenate([(np.arange(n) + 0.5) / n for n in counts if n])
    owners = np.repeat(np.arange(len(classes)), counts)
    order = np.lexsort((owners, places))
    each: np.ndarray = owners[order]
    return each
