"""The integers behind shares of waiting: candidates, their odds, and when to refuse.

A candidate comes from every unit on a fine grid (divide, round), and from the best ones by one
acquire more or less at one site. All are weighed by `evidence`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from lockmodel.errors import NotTrustworthyError
from lockmodel.measure.shares import evidence
from lockmodel.measure.shares.profile import Profile

SCHEMA = "lockmodel.shares/1"

MOST_ACQUIRES = 300
"""Largest total of a candidate: with more, neighbours differ by less than any profile's noise."""

UNIT_STEP = 0.002
"""Relative step of the grid of units: an integer up to 100 is not stepped over."""

NEIGHBOURS_OF = 20
"""Candidates whose neighbours are tried as well, twice."""

LEAST_ODDS = 10.0
"""Odds against chance and against the runner-up below which nothing is claimed (Jeffreys: strong
evidence begins at 10)."""

LEAST_PROBABILITY = 0.8
"""Probability below which nothing is claimed either: many weak rivals count like a strong one."""

ASSUMPTIONS = (
    "the lock is saturated and fair (first come, first served), so every acquire waits about "
    "equally long, whatever its site",
    "the profile counts time spent spinning; waiters that sleep do not show in a CPU profile",
    "one iteration takes the lock a whole number of times at each site, the same every time",
    "acquires are known up to a common factor; the smallest integers are given",
)


@dataclass(frozen=True)
class IntegerSet:
    """One set of integers.

    Attributes
    ----------
    acquires : tuple of int
        Per site, in the order of the profile.
    odds : float
        Odds of the best candidate against this one.
    """

    acquires: tuple[int, ...]
    odds: float

    @property
    def total(self) -> int:
        """Acquires per iteration at all sites."""
        return sum(self.acquires)


@dataclass(frozen=True)
class Shares:
    """What the shares of a profile say of acquires.

    Attributes
    ----------
    profile : Profile
        What was read.
    best, runner_up : IntegerSet
        The likeliest integers and the next.
    unit : float
        Waiting of one acquire, in the unit of the profile's values.
    noise : float
        Relative systematic noise of a site's share, estimated.
    odds_against_chance : float
        Bayes factor of the best integers against arbitrary shares.
    probability : float
        Of the best integers, among all candidates and arbitrary shares, alike before the data.
    """

    profile: Profile
    best: IntegerSet
    runner_up: IntegerSet
    unit: float
    noise: float
    odds_against_chance: float
    probability: float

    @property
    def ratios(self) -> tuple[float, ...]:
        """Share over unit, per site: what was rounded to integers."""
        return tuple(float(v) / self.unit for v in self.profile.values)

    @property
    def off(self) -> tuple[float, ...]:
        """Relative deviation of each share from its integer."""
        return tuple(r / k - 1 for r, k in zip(self.ratios, self.best.acquires, strict=True))

    @property
    def by_model_site(self) -> dict[str, int]:
        """Acquires per site of the traced tables, for the sites whose stack tells."""
        integers: dict[str, int] = {}
        for site, count in zip(self.profile.sites, self.best.acquires, strict=True):
            if site.model_site is not None:
                integers[site.model_site] = integers.get(site.model_site, 0) + count
        return integers

    def doubts(self) -> tuple[str, ...]:
        """Return why the integers must not be relied on; empty if they may."""
        doubts = []
        sites = len(self.profile.sites)
        if sites < 2:
            return ("one site alone fits any count; the profile must tell sites apart",)
        if self.odds_against_chance < LEAST_ODDS:
            doubts.append(
                f"integers explain the shares {_against(self.odds_against_chance)} arbitrary "
                f"numbers would; {LEAST_ODDS:g} times better is asked"
            )
        if self.runner_up.odds < LEAST_ODDS:
            doubts.append(
                f"{_listed(self.runner_up.acquires)} (total {self.runner_up.total}) is nearly as "
                f"likely as {_listed(self.best.acquires)} (total {self.best.total}): odds "
                f"{self.runner_up.odds:.2g}, {LEAST_ODDS:g} are asked"
            )
        if not doubts and self.probability < LEAST_PROBABILITY:
            doubts.append(
                f"{_listed(self.best.acquires)} has a probability of {self.probability:.0%} only, "
                f"the rest is spread over other integers"
            )
        return tuple(doubts)

    def trusted(self) -> Shares:
        """Return itself; raises NotTrustworthyError, with the reasons, if integers are doubtful."""
        doubts = self.doubts()
        if doubts:
            raise NotTrustworthyError(
                f"{self.profile.name}: the shares do not support integers: {'; '.join(doubts)}. "
                f"Take more samples of a saturated run, or count: lockmodel acquires BINARY, "
                f"lockmodel trace"
            )
        return self

    def to_json(self) -> dict[str, Any]:
        """Return all as plain data, odds as natural numbers (capped at 1e300)."""
        profile = self.profile
        rows = zip(profile.sites, self.best.acquires, self.ratios, self.off, strict=True)
        total = float(profile.values.sum())
        return {
            "profile": profile.name,
            "facts": profile.facts,
            "sites": [
                {
                    "name": site.name,
                    "model_site": site.model_site,
                    "value": site.value,
                    "share": site.value / total,
                    "acquires": count,
                    "value_over_unit": ratio,
                    "off": off,
                }
                for site, count, ratio, off in rows
            ],
            "unit": self.unit,
            "total_acquires": self.best.total,
            "by_model_site": self.by_model_site,
            "noise": self.noise,
            "odds_against_chance": self.odds_against_chance,
            "probability": self.probability,
            "runner_up": {
                "acquires": list(self.runner_up.acquires),
                "total_acquires": self.runner_up.total,
                "odds": self.runner_up.odds,
            },
            "trusted": not self.doubts(),
            "doubts": list(self.doubts()),
            "left_out": list(profile.left_out),
            "assumptions": list(ASSUMPTIONS),
        }


def search(profile: Profile) -> Shares:
    """Return the likeliest integers behind a profile, trusted or not.

    Parameters
    ----------
    profile : Profile
        At least one site.

    Returns
    -------
    Shares
        `doubts` says whether to rely on it.
    """
    values, known = profile.values, profile.known_variance()
    vectors = candidates(values)
    for _ in range(2):
        weight, _sigma = evidence.log_integers(values, known, vectors)
        best = vectors[np.argsort(-weight)[:NEIGHBOURS_OF]]
        vectors = np.unique(np.concatenate([vectors, neighbours(best)]), axis=0)
    weight, sigma = evidence.log_integers(values, known, vectors)
    order = np.argsort(-weight, kind="stable")
    first, second = order[0], order[1]
    winner = vectors[first]
    weights = 1.0 / (sigma[first] ** 2 + known)
    log_unit = float(np.average(np.log(values) - np.log(winner), weights=weights))
    chance = evidence.log_chance(values) - weight[first]
    others = float(np.exp(np.clip(weight - weight[first], -690.0, 0.0)).sum())
    return Shares(
        profile,
        IntegerSet(tuple(map(int, winner)), 1.0),
        IntegerSet(tuple(map(int, vectors[second])), _odds(weight[first] - weight[second])),
        math.exp(log_unit),
        float(sigma[first]),
        _odds(-chance),
        1.0 / (others + _odds(chance)),
    )


def candidates(values: np.ndarray) -> np.ndarray:
    """Return the distinct roundings of the values over all units, shape (vectors, sites)."""
    shares = values / values.sum()
    totals = np.exp(np.arange(math.log(0.8 * shares.size), math.log(MOST_ACQUIRES), UNIT_STEP))
    rounded = np.maximum(1, np.rint(totals[:, None] * shares)).astype(np.int64)
    return np.unique(rounded, axis=0)


def neighbours(vectors: np.ndarray) -> np.ndarray:
    """Return all vectors with one acquire more or less at one site, shape (vectors, sites)."""
    one = np.eye(vectors.shape[1], dtype=np.int64)
    moved = np.concatenate([vectors[:, None, :] + one, vectors[:, None, :] - one], axis=1)
    flat = moved.reshape(-1, vectors.shape[1])
    kept: np.ndarray = flat[(flat >= 1).all(axis=1)]
    return kept


def _odds(log_odds: float) -> float:
    """Return odds, bounded so that they stay finite."""
    return float(math.exp(min(max(log_odds, -690.0), 690.0)))


def _against(odds: float) -> str:
    return f"{odds:.2g} times as well as" if odds >= 0.01 else "far worse than"


def _listed(acquires: tuple[int, ...]) -> str:
    text = " ".join(map(str, acquires[:12]))
    return text + (" .." if len(acquires) > 12 else "")
